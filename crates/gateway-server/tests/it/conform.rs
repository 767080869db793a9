//! `conform` through the whole gateway: what it says of other products it must not find here.

use gateway_conform::{Report, Setting, Target, Verdict, cases, matches, run};
use gateway_testkit::openai::{Rules, Server, obliging};

use crate::support::{Running, custom};

const KEY: &str = "planted-key-of-the-provider-0123456789";

/// All cases but those named, through a gateway with one provider of these lines.
async fn driven(provider: &str, but: &str) -> (Report, Running) {
    let yaml = format!("default_provider: up\nproviders:\n  up:\n{provider}");
    let running = custom(&yaml, &[("UP_KEY", KEY)], |_| {});
    let target = Target::new(&format!("http://{}", running.gateway.addr())).expect("a URL");
    let target = target.key("callers-own-key-123").expect("a key");
    let setting = Setting { model: "claude-sonnet-4-6".to_owned() };
    let mut chosen = cases();
    chosen.retain(|case| !case.expensive && !matches(but, &case.id));
    let report = run(&target, &setting, &chosen, |_| {}).await;
    (report.expect("a gateway that answers"), running)
}

/// That nothing is wrong, and that not too much was left open.
#[track_caller]
fn passed(report: &Report, inconclusive: usize) {
    let summary = report.summary();
    let bad = |verdict| [Verdict::Fail, Verdict::Warn].contains(&verdict);
    let lines: Vec<String> = report
        .cases
        .iter()
        .filter(|told| bad(told.verdict) || told.verdict == Verdict::Inconclusive)
        .map(gateway_conform::Told::line)
        .collect();
    let text = lines.join("\n");
    assert!(report.passed(), "{}\n{text}", report.summary_line());
    assert_eq!(summary.warn, 0, "{}\n{text}", report.summary_line());
    assert!(summary.inconclusive <= inconclusive, "{}\n{text}", report.summary_line());
    assert!(summary.ok >= 100, "{}\n{text}", report.summary_line());
}

#[tokio::test]
async fn chat_completions_conform() {
    let server = Server::start(Rules::openai("gpt-4.1").with_key(KEY), obliging);
    let lines = openai(&server, "chat", "gpt-4.1");
    passed(&driven(&lines, "").await.0, 12);
}

#[tokio::test]
async fn responses_conform() {
    let server = Server::start(Rules::openai("gpt-5.6-terra").with_key(KEY), obliging);
    let lines = openai(&server, "responses", "gpt-5.6-terra");
    passed(&driven(&lines, "").await.0, 12);
}

#[tokio::test]
async fn the_demo_conforms() {
    passed(&driven("    kind: demo\n", "").await.0, 20);
}

fn openai(server: &Server, api: &str, model: &str) -> String {
    format!(
        "    kind: openai\n    api_base: {}\n    api_key_env_var: UP_KEY\n    default_model: {model}\n    extra: {{api: {api}}}\n",
        server.url()
    )
}
