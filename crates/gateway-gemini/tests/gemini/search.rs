//! Searches that Google ran, and its other tools (R39).

use gateway_testkit::google::{Style, Turn};
use serde_json::{Value, json};

use crate::support::{Upstream, fold, frame, hello, kinds, short, stream};

const MODEL: &str = "gemini-3.1-pro-preview";

fn search(more: &Value) -> Value {
    let mut tool = json!({"type": "web_search_20250305", "name": "web_search"});
    for (name, value) in more.as_object().expect("an object") {
        tool[name] = value.clone();
    }
    tool
}

#[expect(clippy::needless_pass_by_value, reason = "it is made in place")]
fn asks(tools: Value) -> Value {
    hello(&json!({"stream": true, "tools": tools}))
}

#[test]
fn r39_a_search_is_told_with_its_results_and_citations() {
    let turn = Turn::default()
        .and_search("rust \"editions\"")
        .and_search("second")
        .and_text("Grüße. ")
        .and_cited_text("Rust hat Editionen: “2024”.", "https://a.example/x", "a.example")
        .and_text(" Und ")
        .and_cited_text("mehr.", "https://b.example", "");
    for style in ["google", "late-grounding", "a-letter-a-piece", "split-characters", "usage-apart"]
    {
        let turn = turn.clone().style(Style::named(style));
        let message = Upstream::of(MODEL).ask(&asks(json!([search(&json!({}))])), &turn);
        assert_eq!(
            kinds(&message),
            [
                "server_tool_use",
                "web_search_tool_result",
                "server_tool_use",
                "web_search_tool_result",
                "text",
                "text",
                "text",
                "text"
            ],
            "{style}"
        );
        let blocks = &message["content"];
        assert_eq!(blocks[0]["input"], json!({"query": "rust \"editions\""}));
        assert_eq!(blocks[0]["id"], blocks[1]["tool_use_id"]);
        assert_ne!(blocks[0]["id"], blocks[2]["id"]);
        assert_eq!(blocks[1]["content"][0]["url"], "https://a.example/x");
        assert_eq!(blocks[1]["content"][1]["title"], "https://b.example");
        let texts: Vec<&str> = (4..8).filter_map(|at| blocks[at]["text"].as_str()).collect();
        assert_eq!(texts, ["Grüße. ", "Rust hat Editionen: “2024”.", " Und ", "mehr."]);
        assert_eq!(blocks[5]["citations"][0]["url"], "https://a.example/x");
        assert_eq!(blocks[5]["citations"][0]["cited_text"], "Rust hat Editionen: “2024”.");
        assert!(blocks[4].get("citations").is_none_or(Value::is_null));
        assert_eq!(message["usage"]["server_tool_use"]["web_search_requests"], 2);
        assert_eq!(message["stop_reason"], "end_turn");
    }
}

#[test]
fn a_search_that_was_not_made_leaves_plain_text() {
    let message =
        Upstream::of(MODEL).ask(&asks(json!([search(&json!({}))])), &Turn::text("I know it."));
    assert_eq!(kinds(&message), ["text"]);
    // A search that nobody asked for is noted.
    let mut odd = frame(json!([{"text": "a"}]), "STOP");
    odd["candidates"][0]["groundingMetadata"] = json!({"webSearchQueries": ["x"]});
    let mut reader = Upstream::of(MODEL).reader(&json!({"stream": true}));
    assert_eq!(short(&mut *reader, &[stream(&[odd]).as_bytes()]).0, "T:a/.end_turn 10+0>5(0) 0");
    assert_eq!(reader.losses().header().as_deref(), Some("dropped=groundingMetadata"));
}

#[test]
fn segments_that_do_not_fit_are_found_by_their_words_or_left() {
    let mut odd = frame(json!([{"text": "äöü one two"}]), "STOP");
    let support = |start: u64, end: u64, text: &str, pages: Value| json!({"segment": {"startIndex": start, "endIndex": end, "text": text}, "groundingChunkIndices": pages});
    odd["candidates"][0]["groundingMetadata"] = json!({
        "webSearchQueries": ["q"],
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {"image": {}}],
        "groundingSupports": [
            // Counted in characters, beyond the end, of unknown pages, overlapping, none at all.
            support(4, 7, "one", json!([0])), support(100, 200, "", json!([0])),
            support(0, 3, "zzz", json!([0])), support(8, 11, "two", json!([7, 1])),
            support(5, 14, "", json!([0, 0])), json!(7), json!({}),
        ],
    });
    let request = asks(json!([search(&json!({}))]));
    let mut reader = Upstream::of(MODEL).encode(&request).expect("can be said").reader;
    let (out, fault) = short(&mut *reader, &[stream(&[odd]).as_bytes()]);
    assert!(fault.is_none());
    let text = out.split("W:").last().expect("a result").split_once('/').expect("its end").1;
    assert_eq!(
        text,
        "T:ä/T:öü one two^/.end_turn 10+0>5(0) 1".replace("ä/T:öü one two^", "äöü /T:one^/T: two")
    );
}

#[test]
fn r39_only_pages_of_the_domains_asked_for_are_shown() {
    let turn = Turn::default()
        .and_search("q")
        .and_cited_text(
            "a. ",
            "https://vertexaisearch.cloud.google.com/grounding-api-redirect/1",
            "docs.rs",
        )
        .and_cited_text("b. ", "https://x.evil.example/", "E")
        .and_cited_text("c.", "https://notdocs.rs", "N");
    let pages = |more: Value, upstream: Upstream| -> Vec<String> {
        let message = upstream.ask(&asks(json!([search(&more)])), &turn);
        let found = message["content"][1]["content"].as_array().expect("results").iter();
        found.filter_map(|page| page["title"].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(
        pages(json!({"allowed_domains": ["https://docs.rs/x"]}), Upstream::of(MODEL)),
        ["docs.rs"]
    );
    assert_eq!(
        pages(json!({"blocked_domains": ["evil.example"]}), Upstream::of(MODEL)),
        ["docs.rs", "N"]
    );
    let allowed = asks(json!([search(&json!({"allowed_domains": ["docs.rs"], "max_uses": 3}))]));
    let body = Upstream::of(MODEL).body(&allowed);
    assert!(body["systemInstruction"].to_string().contains("site:docs.rs"));
    assert_eq!(
        Upstream::of(MODEL).losses(&allowed),
        ["dropped tools[0].max_uses", "emulated tools[0].allowed_domains"]
    );
    let blocked = asks(json!([search(&json!({"blocked_domains": ["evil.example"]}))]));
    let body = Upstream::vertex(MODEL).body(&blocked);
    assert_eq!(body["tools"][0]["googleSearch"]["excludeDomains"], json!(["evil.example"]));
    assert!(Upstream::vertex(MODEL).losses(&blocked).is_empty());
}

#[test]
fn r39_beside_functions_a_search_stands_only_where_it_may() {
    let bash = json!({"name": "Bash", "input_schema": {"type": "object"}});
    let both = asks(json!([bash, search(&json!({}))]));
    let body = Upstream::of(MODEL).body(&both);
    assert_eq!(body["toolConfig"]["includeServerSideToolInvocations"], true);
    assert_eq!(body["tools"].as_array().map(Vec::len), Some(2));
    for upstream in [Upstream::vertex(MODEL), Upstream::of("gemini-2.5-flash")] {
        let body = upstream.body(&both);
        assert_eq!(body["tools"].as_array().map(Vec::len), Some(1));
        assert_eq!(upstream.losses(&both), ["dropped tools[1]"]);
        // The search that was chosen is served, alone.
        let mut chosen = both.clone();
        chosen["tool_choice"] = json!({"type": "tool", "name": "web_search"});
        let body = upstream.body(&chosen);
        assert!(body["tools"][0]["googleSearch"].is_object() && body.get("toolConfig").is_none());
    }
}

#[test]
fn fetching_and_running_code_are_google_s_own() {
    let request = asks(json!([{"type": "web_fetch_20250910", "name": "web_fetch"},
        {"type": "code_execution_20250825", "name": "code_execution"}]));
    let body = Upstream::of(MODEL).body(&request);
    assert_eq!(body["tools"], json!([{"urlContext": {}}, {"codeExecution": {}}]));
    let turn = Turn::default().and_code("print(1 + 1)\n", "2\n").and_text("Two.");
    let message = Upstream::of(MODEL).ask(&request, &turn);
    assert_eq!(
        message["content"][0]["text"],
        "\n```python\nprint(1 + 1)\n```\n\n```\n2\n```\nTwo."
    );
    let alone = asks(json!([{"type": "mcp_toolset_x", "name": "x"}]));
    assert!(Upstream::of(MODEL).refusal(&alone).contains("runs at Anthropic only"));
}

#[test]
fn text_before_a_call_is_not_held_back_behind_it() {
    let request =
        asks(json!([{"name": "Bash", "input_schema": {"type": "object"}}, search(&json!({}))]));
    let turn = Turn::text("I look.").and_call("Bash", &json!({}));
    let message = Upstream::of(MODEL).ask(&request, &turn);
    assert_eq!(kinds(&message), ["text", "tool_use"]);
    let mut thinks = request.clone();
    thinks["thinking"] = json!({"type": "adaptive"});
    let turn = Turn::reasoning(&["hm"]).and_text("I look.").and_call("Bash", &json!({}));
    let message = Upstream::of(MODEL).ask(&thinks, &turn);
    assert_eq!(kinds(&message), ["thinking", "text", "thinking", "tool_use"]);
    assert!(message["content"][0]["signature"].as_str().is_some_and(|s| s.starts_with("gw1.")));
    let mut reader = Upstream::of(MODEL).encode(&request).expect("can be said").reader;
    let whole =
        frame(json!([{"text": "a"}, {"functionCall": {"name": "Bash"}}, {"text": "b"}]), "STOP");
    let message = fold(|sink| reader.whole(whole.to_string().as_bytes(), sink)).expect("whole");
    assert_eq!(kinds(&message), ["text", "tool_use", "text"]);
}
