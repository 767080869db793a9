//! Upstreams in clouds: Gemini, Vertex AI and Bedrock, with signatures and tokens that are verified,
//! through the whole gateway.

use gateway_testkit::{bedrock, google};
use serde_json::{Value, json};

use crate::openai::{Answer, ask, post, said, turn};
use crate::support::{Running, custom};

const KEY: &str = "planted-google-key-0123456789";
const AWS_ID: &str = "AKIDPLANTED";
const AWS_SECRET: &str = "planted/aws+secret/0123456789";

/// Asks until the model calls no more tools; gives what it said, turn by turn.
async fn work(running: &Running, model: &str, stream: bool) -> Vec<Vec<String>> {
    let mut body = turn(stream);
    body["model"] = json!(model);
    let mut turns = Vec::new();
    loop {
        let answer = ask(running, &body).await;
        let (message, error) = answer.message();
        assert_eq!((answer.head.status, answer.clean, error), (200, true, None), "{}", answer.text);
        assert_eq!(message["model"], model, "{}", answer.text);
        assert!(message["usage"]["output_tokens"].as_u64() > Some(0), "{}", answer.text);
        // What only carries a signature says nothing.
        let heard = said(&message["content"]).into_iter().filter(|said| said != "thinking ");
        turns.push(heard.collect());
        let calls: Vec<Value> = message["content"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|block| block["type"] == "tool_use")
            .map(|call| {
                json!({"type": "tool_result", "tool_use_id": call["id"],
                       "content": format!("result of {}", call["name"].as_str().unwrap_or_default())})
            })
            .collect();
        if calls.is_empty() {
            assert_eq!(message["stop_reason"], "end_turn", "{}", answer.text);
            return turns;
        }
        assert_eq!(message["stop_reason"], "tool_use", "{}", answer.text);
        let messages = body["messages"].as_array_mut().expect("messages");
        messages.push(json!({"role": "assistant", "content": message["content"]}));
        messages.push(json!({"role": "user", "content": calls}));
        assert!(turns.len() < 9, "it goes on for ever: {turns:?}");
    }
}

const COMMAND: &str = "Bash {\"command\":\"ls\"}";

fn gemini_agent() -> impl Fn(&google::Seen) -> google::Turn + Send + Sync {
    use google::Turn;
    let call = |name: &str| Turn::reasoning(&["Hm."]).and_call(name, &json!({"command": "ls"}));
    let both = call("Bash").and_call("Read", &json!({"command": "ls"}));
    google::agent([call("Bash"), both], Turn::reasoning(&["So."]).and_text("All done."))
}

fn worked() -> Vec<Vec<String>> {
    let line = |text: &str| text.to_owned();
    let read = "Read {\"command\":\"ls\"}";
    vec![
        vec![line("thinking Hm."), line(COMMAND)],
        vec![line("thinking Hm."), line(COMMAND), line(read)],
        vec![line("thinking So."), line("text All done.")],
    ]
}

#[tokio::test]
async fn r16_gemini_works_with_tools_and_gets_its_signatures_back() {
    for model in ["gemini-2.5-pro", "gemini-3.1-pro"] {
        for stream in [true, false] {
            let rules = google::Rules::studio(model).with_key(KEY);
            let server = google::Server::start(rules, gemini_agent());
            let yaml = format!(
                "providers:\n  gemini:\n    api_base: {}\n    model_map: {{\"claude-*\": {model}}}\n",
                server.url()
            );
            let running = custom(&yaml, &[("GEMINI_API_KEY", KEY)], |_| {});
            let turns = work(&running, "claude-opus-5-5", stream).await;
            assert_eq!(server.refusals(), [], "{model}");
            assert_eq!(server.leaks(), Vec::<String>::new(), "{model}");
            let bypasses: usize = server.seen().iter().map(google::Seen::bypasses).sum();
            assert_eq!(bypasses, 0, "{model}");
            assert_eq!(turns, worked(), "{model} stream={stream}");
        }
    }
}

#[tokio::test]
async fn vertex_serves_gemini_and_claude_with_tokens_of_a_service_account() {
    for model in ["gemini-3.1-pro", "claude-opus-4-7"] {
        for stream in [true, false] {
            let rules = google::Rules::vertex(model);
            let server = google::Server::start(rules, gemini_agent());
            let dir = tempfile::tempdir().expect("a directory");
            let file = dir.path().join("account.json");
            std::fs::write(&file, server.service_account()).expect("written");
            let yaml = format!(
                "providers:\n  vertex:\n    api_base: {}\n    model_map: {{\"claude-opus-5-5\": {model}}}\n    \
                 extra: {{project: {}, location: global, credentials_file: {}}}\n",
                server.url(),
                google::PROJECT,
                file.display()
            );
            let running = custom(&yaml, &[], |_| {});
            let turns = work(&running, "claude-opus-5-5", stream).await;
            assert_eq!(server.refusals(), [], "{model}");
            assert_eq!(server.leaks(), Vec::<String>::new(), "{model}");
            assert_eq!(turns, worked(), "{model} stream={stream}");
            assert_eq!(server.tokens(), 1, "{model}: one token for all of it");
            server.expire_tokens();
            work(&running, "claude-opus-5-5", stream).await;
            assert_eq!(server.tokens(), 2, "{model}: a refused token is renewed");
        }
    }
}

fn bedrock_agent() -> impl Fn(&bedrock::Seen) -> bedrock::Turn + Send + Sync {
    use bedrock::Turn;
    let call = |name: &str| Turn::reasoning("Hm.").and_call(name, &json!({"command": "ls"}));
    let both = call("Bash").and_call("Read", &json!({"command": "ls"}));
    bedrock::agent([call("Bash"), both], Turn::reasoning("So.").and_text("All done."))
}

fn before_bedrock(server: &bedrock::Server, model: &str, more: &str) -> Running {
    let yaml = format!(
        "providers:\n  bedrock:\n    api_base: {}\n    model_map: {{\"claude-opus-5-5\": \"{model}\"}}\n    \
         extra: {{region: us-east-1{more}}}\n",
        server.url()
    );
    let env = [("AWS_ACCESS_KEY_ID", AWS_ID), ("AWS_SECRET_ACCESS_KEY", AWS_SECRET)];
    custom(&yaml, &env, |_| {})
}

#[tokio::test]
async fn bedrock_serves_claude_as_it_is() {
    for model in ["us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.anthropic.claude-opus-4-7"] {
        for stream in [true, false] {
            let rules = bedrock::Rules::bedrock(model).with_key(AWS_ID, AWS_SECRET);
            let server = bedrock::Server::start(rules, bedrock_agent());
            let running = before_bedrock(&server, model, "");
            let turns = work(&running, "claude-opus-5-5", stream).await;
            assert_eq!(server.refusals(), [], "{model}");
            assert_eq!(server.leaks(), Vec::<String>::new(), "{model}");
            assert_eq!(turns, worked(), "{model} stream={stream}");
        }
    }
}

#[tokio::test]
async fn bedrock_serves_other_families_by_converse() {
    for model in [
        "us.amazon.nova-pro-v1:0",
        "openai.gpt-oss-120b-1:0",
        "us.meta.llama4-maverick-17b-instruct-v1:0",
    ] {
        for stream in [true, false] {
            let rules = bedrock::Rules::bedrock(model).with_key(AWS_ID, AWS_SECRET);
            let server = bedrock::Server::start(rules, |seen: &bedrock::Seen| {
                use bedrock::Turn;
                let call =
                    |name: &str| Turn::text("Look.").and_call(name, &json!({"command": "ls"}));
                let both = call("Bash").and_call("Read", &json!({"command": "ls"}));
                bedrock::agent([call("Bash"), both], Turn::text("All done."))(seen)
            });
            let running = before_bedrock(&server, model, "");
            let turns = work(&running, "claude-opus-5-5", stream).await;
            assert_eq!(server.refusals(), [], "{model}");
            assert_eq!(server.leaks(), Vec::<String>::new(), "{model}");
            let read = "Read {\"command\":\"ls\"}";
            let wanted = [
                vec!["text Look.", COMMAND],
                vec!["text Look.", COMMAND, read],
                vec!["text All done."],
            ];
            assert_eq!(turns, wanted, "{model} stream={stream}");
        }
    }
}

#[tokio::test]
async fn a_refusal_of_credentials_is_one_clear_line() {
    let model = "us.anthropic.claude-opus-4-7";
    let rules = bedrock::Rules::bedrock(model).with_key(AWS_ID, "another secret");
    let server = bedrock::Server::start(rules, bedrock_agent());
    let running = before_bedrock(&server, model, "");
    for stream in [true, false] {
        let answer: Answer = post(&running, "/v1/messages", &[], &turn(stream)).await;
        let told = answer.json();
        assert_eq!(answer.head.status, 401, "{told}");
        assert_eq!(told["error"]["type"], "authentication_error", "{told}");
        assert_eq!(answer.head.header("x-should-retry"), Some("false"));
        assert!(!told.to_string().contains(AWS_SECRET), "{told}");
    }
}

/// Gemini answers a wrong key with a 400: it is told like any other one, with where the key comes from.
#[tokio::test]
async fn r38_a_wrong_key_at_gemini_names_its_variable() {
    let rules = google::Rules::studio("gemini-3.1-pro").with_key("another key");
    let server = google::Server::start(rules, gemini_agent());
    let yaml = format!("providers:\n  gemini:\n    api_base: {}\n", server.url());
    let running = custom(&yaml, &[("GEMINI_API_KEY", KEY)], |_| {});
    for stream in [true, false] {
        let answer: Answer = post(&running, "/v1/messages", &[], &turn(stream)).await;
        let told = answer.json();
        assert_eq!(answer.head.status, 401, "{told}");
        assert_eq!(answer.head.header("x-should-retry"), Some("false"));
        let text = told["error"]["message"].as_str().unwrap_or_default();
        assert!(text.contains("check GEMINI_API_KEY") && !text.contains(KEY), "{text}");
    }
}
