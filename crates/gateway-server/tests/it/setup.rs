//! A set-up that can't work is told in one clear line, at once, and never with a key in it.

use gateway_testkit::{bedrock, google, openai};
use serde_json::{Value, json};

use crate::openai::{ask, turn};
use crate::support::{Running, custom};

const AWS_ID: &str = "AKIDPLANTED";
const AWS_SECRET: &str = "planted/aws+secret/0123456789";
const MODEL: &str = "us.anthropic.claude-opus-4-7";

/// What a caller is told: the status, the error's type, the message, and whether asking again is no use.
async fn told(running: &Running) -> Vec<(u16, String, String, bool)> {
    let mut all = Vec::new();
    for stream in [true, false] {
        let mut body = turn(stream);
        body["model"] = json!("claude-opus-5-5");
        let answer = ask(running, &body).await;
        let error = answer.message().1.unwrap_or_default();
        let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
        let final_ = answer.head.header("x-should-retry") == Some("false");
        let message = text("message");
        assert!(!message.contains('\n'), "one line: {message}");
        assert!(
            !message.to_ascii_lowercase().contains("x-api-key"),
            "hidden by the client: {message}"
        );
        all.push((answer.head.status, text("type"), message, final_));
    }
    all
}

/// Both ways of asking say so, with these words in it.
async fn says(running: &Running, status: u16, kind: &str, is_final: bool, words: &[&str]) {
    for (was, of, message, last) in told(running).await {
        assert_eq!((was, of.as_str(), last), (status, kind, is_final), "{message}");
        for word in words {
            assert!(message.contains(word), "`{word}` in: {message}");
        }
    }
}

#[tokio::test]
async fn a_wrong_key_of_geminis_is_no_bad_request() {
    let rules = google::Rules::studio("gemini-3.1-pro").with_key("the right one");
    let server = google::Server::queue(rules, []);
    let yaml = format!(
        "providers:\n  gemini: {{api_base: \"{}\", model_map: {{\"claude-*\": gemini-3.1-pro}}}}\n",
        server.url()
    );
    let running = custom(&yaml, &[("GEMINI_API_KEY", "planted-wrong-google-key")], |_| {});
    says(&running, 401, "authentication_error", true, &["gemini", "GEMINI_API_KEY"]).await;
    assert!(!running.stop().contains("planted-wrong-google-key"));
}

#[tokio::test]
async fn a_token_service_that_refuses_is_named() {
    let rules = google::Rules::vertex("gemini-3.1-pro");
    let server = google::Server::queue(rules, []);
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("user.json");
    let user = server.authorized_user();
    let mut user: Value = serde_json::from_str(&user).expect("JSON");
    user["refresh_token"] = json!("planted-revoked-token");
    std::fs::write(&file, user.to_string()).expect("written");
    let yaml = format!(
        "providers:\n  vertex:\n    api_base: {}\n    model_map: {{\"claude-*\": gemini-3.1-pro}}\n    \
         extra: {{project: {}, location: global, credentials_file: {}}}\n",
        server.url(),
        google::PROJECT,
        file.display()
    );
    let running = custom(&yaml, &[], |_| {});
    let words = ["vertex", "refused", "gcloud auth application-default login"];
    says(&running, 401, "authentication_error", true, &words).await;
    assert!(!running.stop().contains("planted-revoked-token"));
}

fn before_bedrock(server: &bedrock::Server, env: &[(&str, &str)]) -> Running {
    let yaml = format!(
        "providers:\n  bedrock:\n    api_base: {}\n    model_map: {{\"claude-*\": \"{MODEL}\"}}\n    \
         extra: {{region: us-east-1}}\n",
        server.url()
    );
    let keys = [("AWS_ACCESS_KEY_ID", AWS_ID), ("AWS_SECRET_ACCESS_KEY", AWS_SECRET)];
    custom(&yaml, &[&keys, env].concat(), |_| {})
}

#[tokio::test]
async fn an_ended_session_and_a_model_without_access_are_told_apart() {
    let session = "planted-session-token-0123456789";
    let rules = bedrock::Rules::bedrock(MODEL).with_session(AWS_ID, AWS_SECRET, session, true);
    let server = bedrock::Server::queue(rules, []);
    let running = before_bedrock(&server, &[("AWS_SESSION_TOKEN", session)]);
    says(&running, 401, "authentication_error", true, &["bedrock", "expired"]).await;
    assert!(!running.stop().contains(session));

    let mut rules = bedrock::Rules::bedrock(MODEL).with_key(AWS_ID, AWS_SECRET);
    rules.access = false;
    let server = bedrock::Server::queue(rules, []);
    let running = before_bedrock(&server, &[]);
    says(&running, 403, "permission_error", false, &["bedrock", "access"]).await;
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_set_by_the_answer() {
    for ahead in [900, -900] {
        let mut rules = bedrock::Rules::bedrock(MODEL).with_key(AWS_ID, AWS_SECRET);
        rules.ahead = ahead;
        let server =
            bedrock::Server::start(rules, |_: &bedrock::Seen| bedrock::Turn::text("Hello."));
        let running = before_bedrock(&server, &[]);
        for (status, of, message, _) in told(&running).await {
            assert_eq!((status, of.as_str()), (200, ""), "{message}");
        }
        assert_eq!(server.refusals().len(), 1, "only the first request goes by the wrong clock");
    }
}

#[tokio::test]
async fn an_ollama_that_does_not_run_is_told_to_be_started() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = free.local_addr().expect("an address");
    drop(free);
    let yaml = format!(
        "providers:\n  ollama: {{api_base: \"http://{addr}\", model_map: {{\"claude-*\": \"qwen3:8b\"}}}}\n"
    );
    let running = custom(&yaml, &[], |_| {});
    says(&running, 502, "api_error", true, &["ollama can't be reached", "ollama serve"]).await;
}

#[tokio::test]
async fn an_unknown_deployment_is_named() {
    let rules = openai::Rules::azure("the-right-one", "gpt-4.1").with_key("planted-azure-key");
    let server = openai::Server::queue(rules, []);
    let yaml = format!(
        "providers:\n  azure:\n    api_base: {}\n    model_map: {{\"claude-*\": wrong-one}}\n    \
         extra: {{api_version: \"2024-10-21\"}}\n",
        server.url()
    );
    let running = custom(&yaml, &[("AZURE_OPENAI_API_KEY", "planted-azure-key")], |_| {});
    says(&running, 404, "not_found_error", false, &["azure", "wrong-one"]).await;
}
