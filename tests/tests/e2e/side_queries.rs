//! Requests that the client makes beside the conversation.

use serde_json::json;

use crate::claude::Claude;
use crate::harness::Gateway;
use crate::model::{Ask, Reply, anthropic, contains, error};

#[test]
fn r31_c09_a_prompt_that_is_too_long_leads_to_a_compaction() {
    let upstream = anthropic(|ask| {
        if ask.last_user_says("<summary>") {
            let text = "<analysis>short</analysis>\n<summary>SUMMARY-OF-IT</summary>";
            return Reply::text(text).to(ask);
        }
        if ask.mentions("SUMMARY-OF-IT") {
            return Reply::text("went on with the summary").to(ask);
        }
        if ask.last_user_says("and now more") {
            let text = "prompt is too long: 210000 tokens > 200000 maximum";
            return error(400, "invalid_request_error", text);
        }
        if ask.result("toolu_work").is_some() {
            return Reply::text("worked").to(ask);
        }
        let input = json!({"command": "echo work", "description": "work"});
        Reply::tool("toolu_work", "Bash", &input).to(ask)
    });
    let gateway = Gateway::to(&upstream);
    let claude = Claude::at(gateway.url());
    claude.ask("work", &[]).said("worked");
    claude.ask("and now more", &["--continue"]).said("went on with the summary");
    let asks: Vec<Ask> = upstream
        .requests()
        .iter()
        .filter(|request| request.method == "POST")
        .map(|request| Ask::new(request))
        .collect();
    let compactions = asks.iter().filter(|ask| ask.last_user_says("<summary>")).count();
    assert_eq!(compactions, 1);
}

#[test]
fn c04_the_safety_check_of_auto_mode_is_answered_without_a_stream() {
    let upstream = anthropic(|ask| {
        let stops = ask.body["stop_sequences"].as_array().is_some_and(|s| !s.is_empty());
        if !ask.streams() && (stops || ask.tool("Bash").is_none()) {
            return Reply::text("<block>no").to(ask);
        }
        if ask.result("toolu_safe").is_some() {
            return Reply::text("it was safe").to(ask);
        }
        let input =
            json!({"command": "touch /var/tmp/../../$PWD/safe.txt", "description": "touch"});
        Reply::tool("toolu_safe", "Bash", &input).to(ask)
    });
    let gateway = Gateway::to(&upstream);
    let claude = Claude::at(gateway.url());
    claude.turn("do it", &["--permission-mode", "auto"]).said("it was safe");
    assert!(claude.file("safe.txt").is_some(), "the command ran after the check");
    let requests = upstream.requests();
    let checks: Vec<Ask> = requests
        .iter()
        .filter(|request| request.method == "POST")
        .map(|request| Ask::new(request))
        .filter(|ask| !ask.streams())
        .collect();
    assert!(!checks.is_empty(), "the client asked for its safety check");
    for check in checks {
        assert!(
            contains(&check.body["stop_sequences"], "</block>")
                || check.body["stop_sequences"].is_null()
        );
    }
}

#[test]
fn r39_web_search_is_the_upstreams_own() {
    let upstream = anthropic(|ask| {
        let kind = ask.body["tools"][0]["type"].as_str().unwrap_or_default();
        if kind.starts_with("web_search_") {
            let found = json!([{"type": "web_search_result", "url": "https://example.test/a",
                "title": "A page", "encrypted_content": "Zm9v+/=", "page_age": null}]);
            return Reply::default()
                .and_server_tool("srvtoolu_1", "web_search", &json!({"query": "rust gateways"}))
                .and_whole(&json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1",
                    "content": found}))
                .and_text("FOUND-ON-THE-WEB")
                .to(ask);
        }
        match ask.result("toolu_web") {
            Some(r) if contains(r, "FOUND-ON-THE-WEB") && contains(r, "https://example.test/a") => {
                Reply::text("the web says so").to(ask)
            }
            Some(result) => Reply::text(&format!("unexpected: {result}")).to(ask),
            None => {
                Reply::tool("toolu_web", "WebSearch", &json!({"query": "rust gateways"})).to(ask)
            }
        }
    });
    let gateway = Gateway::to(&upstream);
    Claude::at(gateway.url()).ask("search the web", &[]).said("the web says so");
}
