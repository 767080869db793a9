//! `conform` through the whole gateway: what it says of other products it must not find here.

use gateway_conform::{Report, Setting, Target, Told, Verdict, cases, run};
use gateway_testkit::openai::{Rules, Server, obliging};

use crate::support::custom;

const KEY: &str = "planted-key-of-the-provider-0123456789";

/// What the cases say of a gateway with one provider of these lines.
async fn driven(provider: &str) -> Report {
    let yaml = format!("default_provider: up\nproviders:\n  up:\n{provider}");
    let running = custom(&yaml, &[("UP_KEY", KEY)], |_| {});
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
