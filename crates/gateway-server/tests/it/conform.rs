//! `conform` through the whole gateway: what it says of other products it must not find here.

use gateway_conform::{Report, Setting, Target, Told, Verdict, cases, run};
use gateway_testkit::openai::{Rules, Server, obliging};
use gateway_testkit::{bedrock, google, ollama};

use crate::support::custom;

const KEY: &str = "planted-key-of-the-provider-0123456789";

/// What the cases say of a gateway with one provider of these lines.
async fn driven(provider: &str) -> Report {
    let yaml = format!("default_provider: up\nproviders:\n  up:\n{provider}");
    let env =
        [("UP_KEY", KEY), ("AWS_ACCESS_KEY_ID", "AKIDPLANTED"), ("AWS_SECRET_ACCESS_KEY", KEY)];
    let running = custom(&yaml, &env, |_| {});
    let target = Target::new(&format!("http://{}", running.gateway.addr())).expect("a URL");
    let target = target.key("callers-own-key-123").expect("a key");
    let setting = Setting { model: "claude-sonnet-4-6".to_owned() };
    let mut chosen = cases();
    chosen.retain(|case| !case.expensive);
    let report = run(&target, &setting, &chosen, |_| {}).await.expect("a gateway that answers");
    let log = running.stop();
    assert!(!log.contains(KEY) && !log.contains("callers-own-key-123"), "a credential in the log");
    report
}

/// That there are no errors, these warnings and no others, and that no more was left open than that.
#[track_caller]
fn passed(report: &Report, warnings: &[&str], open: usize) {
    let lines: Vec<String> =
        report.cases.iter().filter(|t| t.verdict != Verdict::Ok).map(Told::line).collect();
    let text = format!("{}\n{}", report.summary_line(), lines.join("\n"));
    assert!(report.passed(), "{text}");
    let warned = report.cases.iter().filter(|told| told.verdict == Verdict::Warn);
    assert_eq!(warned.map(|told| told.id.as_str()).collect::<Vec<_>>(), warnings, "{text}");
    let summary = report.summary();
    assert!(summary.inconclusive <= open && summary.ok >= 150, "{text}");
}

/// What the gateway answers although Anthropic would refuse it.
const LENIENT: &[&str] =
    &["error.no-max-tokens", "error.types", "error.stream", "error.tool-choice"];

#[tokio::test]
async fn chat_completions_conform() {
    let server = Server::start(Rules::openai("gpt-4.1").with_key(KEY), obliging);
    let report = driven(&openai(&server, "chat", "gpt-4.1")).await;
    // A server that nobody knows is taken to read no PDFs; the model is told that one was left out.
    let warnings = [&["document.pdf"], LENIENT].concat();
    passed(&report, &warnings, 3);
    assert_eq!(server.refusals().iter().filter(|r| r.status != 404).count(), 0);
}

#[tokio::test]
async fn responses_conform() {
    let server = Server::start(Rules::openai("gpt-5.6-terra").with_key(KEY), obliging);
    let report = driven(&openai(&server, "responses", "gpt-5.6-terra")).await;
    passed(&report, LENIENT, 2);
    assert_eq!(server.refusals().iter().filter(|r| r.status != 404).count(), 0);
}

#[tokio::test]
async fn gemini_conforms() {
    let rules = google::Rules::studio("gemini-3.1-pro-preview").with_key(KEY);
    let server = google::Server::start(rules, google::obliging);
    let lines = format!(
        "    kind: gemini\n    api_base: {}\n    api_key_env_var: UP_KEY\n    default_model: gemini-3.1-pro-preview\n",
        server.url()
    );
    passed(&driven(&lines).await, LENIENT, 4);
}

#[tokio::test]
async fn claude_on_vertex_conforms() {
    let rules = google::Rules::vertex("claude-sonnet-4-6");
    let server = google::Server::start(rules, google::obliging);
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("account.json");
    std::fs::write(&file, server.service_account()).expect("written");
    let lines = format!(
        "    kind: vertex\n    api_base: {}\n    extra: {{project: {}, location: global, credentials_file: {}}}\n    \
         model_map: {{\"claude-sonnet-4-6\": claude-sonnet-4-6}}\n",
        server.url(),
        google::PROJECT,
        file.display()
    );
    passed(&driven(&lines).await, &[], 4);
}

#[tokio::test]
async fn bedrock_conforms() {
    // Of Nova nobody knows the longest answer, and what it is asked for in words it may not heed.
    let novas = [&["models.limits", "stop.large-limit", "body.structured"], LENIENT].concat();
    let claude: (_, &[&str]) = ("us.anthropic.claude-sonnet-4-6", &[]);
    for (model, warnings) in [claude, ("us.amazon.nova-pro-v1:0", &novas)] {
        let rules = bedrock::Rules::bedrock(model).with_key("AKIDPLANTED", KEY);
        let server = bedrock::Server::start(rules, bedrock::obliging);
        let lines = format!(
            "    kind: bedrock\n    api_base: {}\n    extra: {{region: us-east-1}}\n    \
             auth_type: aws\n    model_map: {{\"claude-sonnet-4-6\": \"{model}\"}}\n",
            server.url()
        );
        passed(&driven(&lines).await, warnings, 4);
    }
}

#[tokio::test]
async fn azure_and_openrouter_conform() {
    let server = Server::start(Rules::azure("gpt-4.1", "gpt-4.1").with_key(KEY), obliging);
    let lines = format!(
        "    kind: azure\n    api_base: {}\n    api_key_env_var: UP_KEY\n    default_model: gpt-4.1\n",
        server.url()
    );
    passed(&driven(&lines).await, LENIENT, 3);

    let server = Server::start(Rules::compatible("openrouter").with_key(KEY), obliging);
    let lines = format!(
        "    kind: openrouter\n    api_base: {}\n    api_key_env_var: UP_KEY\n    default_model: openai/gpt-4.1\n",
        server.url()
    );
    passed(&driven(&lines).await, LENIENT, 4);
}

#[tokio::test]
async fn ollama_conforms() {
    let server = ollama::Server::start(ollama::Model::new("qwen3:30b"), ollama::obliging);
    let lines = format!(
        "    kind: ollama\n    api_base: {}\n    default_model: \"qwen3:30b\"\n",
        server.url()
    );
    // Nobody knows how long its answers may be, nor does it read PDFs; the model is told that one was left out.
    let warnings = [&["models.limits", "document.pdf"], LENIENT].concat();
    passed(&driven(&lines).await, &warnings, 4);
}

#[tokio::test]
async fn the_demo_conforms() {
    // The demo makes one call at a time, does not think, cuts no calls and answers to any name.
    let warnings = ["error.no-max-tokens", "error.stream"];
    passed(&driven("    kind: demo\n").await, &warnings, 6);
}

fn openai(server: &Server, api: &str, model: &str) -> String {
    format!(
        "    kind: openai\n    api_base: {}\n    api_key_env_var: UP_KEY\n    default_model: {model}\n    extra: {{api: {api}}}\n",
        server.url()
    )
}
