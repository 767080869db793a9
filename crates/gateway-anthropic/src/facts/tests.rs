//! Facts against every recorded request, against a tree, and against bodies made to mislead.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::edit::tests::fixtures;

/// The same of a tree: what one would write who may spend the time.
fn of_tree(body: &Value) -> BodyFacts {
    fn image(blocks: &Value) -> bool {
        blocks.as_array().into_iter().flatten().any(|block| {
            block["type"] == "image"
                || image(&block["content"])
                || image(&block["source"]["content"])
        })
    }
    let tools = body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let kind = |tool: &Value| tool["type"].as_str().is_some_and(|t| t.starts_with("web_search"));
    let thinking = body["thinking"]["type"].as_str().is_some_and(|mode| mode != "disabled");
    let messages = body["messages"].as_array();
    let properties = body["output_config"]["format"]["schema"]["properties"].as_object();
    BodyFacts {
        thinking,
        has_images: messages.into_iter().flatten().any(|message| image(&message["content"])),
        has_tools: !tools.is_empty(),
        web_search: tools.iter().any(kind),
        background: tools.is_empty()
            && !thinking
            && properties.is_some_and(|known| known.len() == 1 && known.contains_key("title")),
    }
}

#[test]
fn r23_every_recorded_request_has_the_facts_of_its_tree() {
    let (mut background, mut images, mut searching) = (Vec::new(), Vec::new(), Vec::new());
    for (name, body, _) in fixtures() {
        let found = facts(body.as_bytes());
        let tree: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(found, of_tree(&tree), "{name}");
        if name.ends_with(" compact") {
            continue;
        }
        let name = name.as_str();
        background.extend(found.background.then_some(name));
        images.extend(found.has_images.then_some(name));
        searching.extend(found.web_search.then_some(name));
    }
    // Nobody waits for the titles; everything else is a turn, a check or a search.
    assert_eq!(background, ["older-client-title", "title-side-query"]);
    assert_eq!(images, ["image-result", "prompt-image"]);
    assert_eq!(searching, ["web-search-inner"]);
}

#[test]
fn what_only_looks_like_it_is_none() {
    let none = BodyFacts::default();
    let images = BodyFacts { has_images: true, ..none };
    let tools = BodyFacts { has_tools: true, ..none };
    let thinking = BodyFacts { thinking: true, ..none };
    let title = json!({"format": {"type": "json_schema", "schema": {"properties": {"title": {}}}}});
    let background = BodyFacts { background: true, ..none };
    let say = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let topic = "Analyze if this message indicates a new conversation topic. If it does, …";
    let probe = |content: Value, tokens: u64| {
        let mut body = say(content);
        body["max_tokens"] = json!(tokens);
        body
    };
    for (body, wanted) in [
        (json!({}), none),
        (json!({"thinking": null, "tools": null, "messages": null, "system": 7}), none),
        (json!({"thinking": {"type": "disabled"}}), none),
        (json!({"thinking": {"budget_tokens": 2000, "type": "enabled"}}), thinking),
        (json!({"thinking": {"type": "adaptive"}}), thinking),
        (json!({"thinking": {"type": "between_tools"}}), thinking),
        (json!({"tools": []}), none),
        (json!({"tools": [{"name": "web_search", "input_schema": {"type": "web_search"}}]}), tools),
        (
            json!({"tools": [{"name": "a"}, {"name": "web_search", "type": "web_search_20260318"}]}),
            BodyFacts { web_search: true, ..tools },
        ),
        (say(json!("\"type\":\"image\"")), none),
        (say(json!([{"type": "text", "text": "{\"type\":\"image\"}"}])), none),
        (say(json!([{"type": "tool_use", "input": {"type": "image"}}])), none),
        (say(json!([{"type": "document", "source": {"type": "base64"}}])), none),
        (say(json!([{"source": {"type": "url"}, "type": "image"}])), images),
        (say(json!([{"content": [{"type": "image"}], "type": "tool_result"}])), images),
        (
            say(
                json!([{"type": "document", "source": {"type": "content", "content": [{"type": "image"}]}}]),
            ),
            images,
        ),
        (json!({"output_config": title}), background),
        (json!({"output_format": title["format"]}), background),
        (json!({"output_config": title, "tools": [{"name": "a"}]}), tools),
        (json!({"output_config": title, "thinking": {"type": "adaptive"}}), thinking),
        (
            json!({"output_config": {"format": {"schema": {"properties": {"title": {}, "isNewTopic": {}}}}}}),
            background,
        ),
        (
            json!({"output_config": {"format": {"schema": {"properties": {"title": {}, "author": {}}}}}}),
            none,
        ),
        (json!({"output_config": {"format": {"schema": {"properties": {}}}}}), none),
        (json!({"output_config": {"effort": "low"}}), none),
        (json!({"system": topic}), background),
        (
            json!({"system": [{"type": "text", "text": "x"}, {"type": "text", "text": topic}]}),
            background,
        ),
        (json!({"system": topic, "tools": [{"name": "a"}]}), tools),
        (say(json!(topic)), none),
        (probe(json!("quota"), 1), background),
        (probe(json!([{"type": "text", "text": "quota"}]), 1), background),
        (probe(json!("quota"), 2), none),
        (probe(json!("yes or no?"), 1), none),
    ] {
        assert_eq!(facts(body.to_string().as_bytes()), wanted, "{body}");
    }
}

#[test]
fn what_is_broken_tells_as_far_as_it_goes() {
    let whole = r#"{"tools":[{"name":"a"}],"thinking":{"type":"enabled"},"messages":[{"content":[{"type":"image"}]}]}"#;
    let all = facts(whole.as_bytes());
    assert!(all.has_tools && all.thinking && all.has_images);
    let mut before = BodyFacts::default();
    for cut in 0..whole.len() {
        let now = facts(&whole.as_bytes()[..cut]);
        let kept = |was: bool, is: bool| is || !was;
        assert!(kept(before.has_tools, now.has_tools), "{cut}");
        assert!(kept(before.thinking, now.thinking), "{cut}");
        assert!(kept(before.has_images, now.has_images), "{cut}");
        before = now;
    }
    assert_eq!(before, all);
    let deep = format!("{{\"messages\":[{{\"content\":{}", "[{\"content\":".repeat(100_000));
    assert_eq!(facts(deep.as_bytes()), BodyFacts::default());
    assert_eq!(facts(b"{\"messages\":[\"image\", \xff]}"), BodyFacts::default());
}

proptest! {
    #[test]
    fn any_bytes_are_looked_at(body in any::<Vec<u8>>(), text in "[\\[{\"\\]},:a-z]{0,60}") {
        facts(&body);
        facts(text.as_bytes());
    }
}
