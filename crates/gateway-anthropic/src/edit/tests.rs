//! Edits of whole requests.

mod fields;
mod properties;

use std::path::PathBuf;
use std::sync::LazyLock;

use gateway_translate::{Binding, Keyring, Unsealed};
use gateway_types::BlockKind;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::*;

/// The recorded requests, twice: indented as they stand there, and compact. With their betas.
pub(crate) fn fixtures() -> &'static [(String, String, String)] {
    static ALL: LazyLock<Vec<(String, String, String)>> = LazyLock::new(read_fixtures);
    &ALL
}

fn read_fixtures() -> Vec<(String, String, String)> {
    #[derive(serde::Deserialize)]
    struct Fixture {
        path: String,
        #[serde(default)]
        headers: Vec<(String, String)>,
        body: Option<Box<RawValue>>,
    }
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/claude-code");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("the fixtures are there") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("readable");
        let Ok(fixture) = serde_json::from_str::<Fixture>(&text) else { continue };
        let Some(body) = fixture.body.filter(|_| fixture.path.starts_with("/v1/messages")) else {
            continue;
        };
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let is_beta = |(name, value): (String, String)| {
            name.eq_ignore_ascii_case("anthropic-beta").then_some(value)
        };
        let betas: Vec<String> = fixture.headers.into_iter().filter_map(is_beta).collect();
        let compact = value(body.get()).to_string();
        found.push((format!("{name} compact"), compact, betas.join(",")));
        found.push((name, body.get().to_owned(), betas.join(",")));
    }
    assert!(found.len() > 80, "{}", found.len());
    found.sort();
    found
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|fault| panic!("{fault}: {json}"))
}

fn ask(messages: &Value, more: &Value) -> String {
    let mut body = json!({"model": "m", "max_tokens": 9, "messages": messages});
    let members = body.as_object_mut().expect("an object");
    members.extend(more.as_object().expect("an object").clone());
    body.to_string()
}

fn edited(body: &str, policy: &Policy, betas: &str) -> Edited {
    edit(body.as_bytes(), policy, betas).expect("no error").expect("something to do")
}

/// The edited body's messages, and what was lost.
fn messages_after(messages: &Value, more: &Value, policy: &Policy) -> (Value, Vec<String>) {
    let edited = edited(&ask(messages, more), policy, "");
    let losses = edited.losses.iter();
    let losses = losses.map(|l| format!("{} {}", l.what.as_str(), l.path)).collect();
    (value(&String::from_utf8_lossy(&edited.body))["messages"].clone(), losses)
}

fn only(change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = Policy::default();
    change(&mut policy);
    policy
}

fn thinking(signature: &str) -> Value {
    json!({"type": "thinking", "thinking": "hm", "signature": signature})
}

fn call(id: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": "Bash", "input": {"a": "b"}})
}

fn result(id: &str) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": "ok"})
}

fn user(content: &Value) -> Value {
    json!({"role": "user", "content": content})
}

fn assistant(content: &Value) -> Value {
    json!({"role": "assistant", "content": content})
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

const SEALED: &str = "gw1.AAAA";
const OWN: &str = "EqQBCkYIBxgCKkAabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789";

#[test]
fn c09_r15_what_nothing_applies_to_goes_up_as_it_came() {
    for (name, body, betas) in fixtures() {
        let odd = name.starts_with("thinking-history-unsigned");
        assert_eq!(needs_edit(body.as_bytes()), odd, "{name}");
        let result = edit(body.as_bytes(), &Policy::default(), betas).expect("no error");
        assert_eq!(result.is_some(), odd, "{name}");
    }
}

#[test]
fn r13_r14_unsigned_and_sealed_thinking_goes_and_native_thinking_stays_byte_for_byte() {
    let native = r#"{ "signature" :"RXF\/x", "type":"thinking", "thinking":"\u0061" }"#;
    let opaque = r#"{"type":"redacted_thinking","data":"RXE="}"#;
    let body = format!(
        r#"{{"messages": [{{"role":"assistant","content": [ {native} , {{"type":"thinking","thinking":"a","signature" : ""}},{opaque}, {{"type":"thinking","signature":"gw1.A","thinking":"b"}} ,{{"type":"redacted_thinking","data":"gw1.B"}}, {{"type":"text","text":"gw1."}} ]}} ],"model":"m"}}"#
    );
    let wanted = format!(
        r#"{{"messages": [{{"role":"assistant","content": [ {native},{opaque}, {{"type":"text","text":"gw1."}} ]}} ],"model":"m"}}"#
    );
    let edited = edited(&body, &Policy::default(), "");
    assert_eq!(String::from_utf8_lossy(&edited.body), wanted);
    let header = "dropped=messages[0].content[1],messages[0].content[3],messages[0].content[4]";
    assert_eq!(edited.losses.header().as_deref(), Some(header));
    assert_eq!(edited.betas, None);
}

#[test]
fn r13_which_thinking_goes_is_the_policys_to_say() {
    let uuid = "3f0c9a3e-0000-4000-8000-1234567890ab";
    let redacted = |data: &str| json!({"type": "redacted_thinking", "data": data});
    let all = [
        thinking(OWN),
        thinking(""),
        thinking(uuid),
        thinking(SEALED),
        redacted(OWN),
        redacted(SEALED),
        json!({"type": "thinking", "thinking": "x"}),
    ];
    for (policy, kept) in [
        (Thinking::Signed, &[0, 2, 4][..]),
        (Thinking::Preserve, &[0, 1, 2, 4, 6]),
        (Thinking::Sanitize, &[0, 4]),
        (Thinking::Strip, &[]),
    ] {
        let mut content = all.to_vec();
        content.push(text("said"));
        let mut wanted: Vec<Value> = kept.iter().map(|at| all[*at].clone()).collect();
        wanted.push(text("said"));
        let policy = only(|p| p.thinking = policy);
        let (messages, losses) =
            messages_after(&json!([assistant(&json!(content))]), &json!({}), &policy);
        assert_eq!(messages, json!([assistant(&json!(wanted))]), "{policy:?}");
        assert_eq!(losses.len(), all.len() - kept.len(), "{losses:?}");
    }
}

#[test]
fn r26_a_message_that_is_emptied_goes_with_its_comma() {
    let foreign = assistant(&json!([thinking(""), text(" ")]));
    let (a, b) = (user(&json!("a")), user(&json!([text("b")])));
    for (before, after) in [
        (json!([a, foreign, b]), json!([a, b])),
        (json!([foreign, a]), json!([a])),
        (json!([a, foreign, foreign]), json!([a])),
        (json!([foreign]), json!([])),
    ] {
        let (messages, _) = messages_after(&before, &json!({}), &Policy::default());
        assert_eq!(messages, after);
    }
}

#[test]
fn r13_r15_a_turn_that_another_provider_began_is_finished_without_thinking() {
    let budget = json!({"type": "enabled", "budget_tokens": 1024});
    let manage = json!({"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]});
    let more = json!({"thinking": budget, "context_management": manage});
    let ask_first = user(&json!("do it"));
    let answer = |id: &str| user(&json!([result(id), text("<system-reminder>")]));

    // OpenAI thought and called; now Claude is to go on.
    let foreign = assistant(&json!([thinking(SEALED), call("call_1")]));
    let body = ask(&json!([ask_first, foreign, answer("call_1")]), &more);
    assert!(needs_edit(body.as_bytes()));
    let one = edited(&body, &Policy::default(), "context-management-2025-06-27");
    let after = value(&String::from_utf8_lossy(&one.body));
    assert_eq!(after["thinking"], json!({"type": "disabled"}));
    assert_eq!(after.get("context_management"), None);
    assert_eq!(after["messages"][1], assistant(&json!([call("call_1")])));
    let header = "dropped=messages[1].content[0]; replaced=thinking";
    assert_eq!(one.losses.header().as_deref(), Some(header));
    // The header is as it came: this upstream knows the beta.
    assert_eq!(one.betas, None);

    // It did not think, which its ids tell.
    let silent = assistant(&json!([call("call_1")]));
    let body = ask(&json!([ask_first, silent, answer("call_1")]), &more);
    assert!(needs_edit(body.as_bytes()));
    let two = edited(&body, &Policy::default(), "");
    assert_eq!(value(&String::from_utf8_lossy(&two.body))["thinking"]["type"], "disabled");

    // Claude went on in the same turn, thinking: with thinking disabled that must go too.
    let native = assistant(&json!([thinking(OWN), call("toolu_2")]));
    let mixed = json!([ask_first, foreign, answer("call_1"), native, answer("toolu_2")]);
    let (messages, _) = messages_after(&mixed, &more, &Policy::default());
    assert_eq!(messages[3], assistant(&json!([call("toolu_2")])));

    // Claude began the turn, OpenAI went on: it begins with thinking, as it must.
    let mixed = json!([ask_first, native, answer("toolu_2"), foreign, answer("call_1")]);
    let three = edited(&ask(&mixed, &more), &Policy::default(), "");
    let after = value(&String::from_utf8_lossy(&three.body));
    assert_eq!((&after["thinking"], &after["context_management"]), (&budget, &manage));
    assert_eq!(after["messages"][1], native);

    // The turn is over, or thinking needs no beginning.
    let over = json!([
        ask_first,
        foreign,
        answer("call_1"),
        assistant(&json!([text("x")])),
        user(&json!("y"))
    ]);
    let four = edited(&ask(&over, &more), &Policy::default(), "");
    assert_eq!(value(&String::from_utf8_lossy(&four.body))["thinking"], budget);
    let adaptive = json!({"thinking": {"type": "adaptive"}, "context_management": manage});
    let open = json!([ask_first, foreign, answer("call_1")]);
    let five = edited(&ask(&open, &adaptive), &Policy::default(), "");
    let after = value(&String::from_utf8_lossy(&five.body));
    assert_eq!(after["thinking"], adaptive["thinking"]);
    assert_eq!(after["context_management"], manage);

    // One's own turn, all native, is never touched.
    let own = json!([ask_first, native, answer("toolu_2")]);
    let body = ask(&own, &more);
    assert!(!needs_edit(body.as_bytes()));
    assert!(edit(body.as_bytes(), &Policy::default(), "").expect("no error").is_none());
}

#[test]
fn r13_a_conversation_moves_there_and_back_in_the_middle_of_a_tool_round() {
    let ring = Keyring::new(["key"]);
    let openai =
        Binding { dialect: "openai-responses", provider: "openai", family: "gpt-5", account: "" };
    let sealed = ring.seal(&openai, b"", b"reasoning").expect("a key");
    let (ours, theirs) = (thinking(&sealed), thinking(OWN));
    let history = json!([
        user(&json!("do it")),
        assistant(&json!([ours, call("call_1")])),
        user(&json!([result("call_1")])),
        assistant(&json!([theirs, text("next"), call("toolu_2")])),
        user(&json!([result("toolu_2")])),
    ]);
    let adaptive = json!({"thinking": {"type": "adaptive"}});
    // To Anthropic: without what OpenAI thought, with what Claude did.
    let (messages, losses) = messages_after(&history, &adaptive, &Policy::default());
    assert_eq!(messages[1], assistant(&json!([call("call_1")])));
    assert_eq!(messages[3], history[3]);
    assert_eq!(losses, ["dropped messages[1].content[0]"]);
    // And back: the caller still has what OpenAI thought, and it opens.
    let body = ask(&history, &adaptive);
    let request = crate::decode(body.as_bytes()).expect("a request");
    let BlockKind::Thinking { signature, .. } = request.messages[1].content[0].kind else {
        panic!("thinking")
    };
    let opened = ring.open(&openai, b"", &signature.decode());
    assert_eq!(opened, Unsealed::Payload(b"reasoning".to_vec()));
}

#[test]
fn other_edits_of_the_context_stay() {
    let more = json!({
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "context_management": {"edits": [{"type": "clear_thinking_20251015"}, {"type": "clear_tool_uses_20250919"}]},
    });
    let open = json!([
        user(&json!("a")),
        assistant(&json!([thinking(""), call("call_1")])),
        user(&json!([result("call_1")]))
    ]);
    let edited = edited(&ask(&open, &more), &Policy::default(), "");
    let after = value(&String::from_utf8_lossy(&edited.body));
    let wanted = json!({"edits": [{"type": "clear_tool_uses_20250919"}]});
    assert_eq!(after["context_management"], wanted);
}

#[test]
fn r13_a_search_of_another_provider_becomes_text_and_its_citations_go() {
    let search = |id: &str, state: &str| {
        vec![
            json!({"type": "server_tool_use", "id": id, "name": "web_search", "input": {"query": "rust \"x\""}}),
            json!({"type": "web_search_tool_result", "tool_use_id": id, "content": [
                {"type": "web_search_result", "url": "https://a/", "title": "A\n", "encrypted_content": state, "page_age": null},
                {"type": "web_search_result", "url": "https://b/", "encrypted_content": state}]}),
        ]
    };
    let cite = |index: &str| json!({"type": "web_search_result_location", "url": "u", "encrypted_index": index});
    let said = |citations: Value| json!({"type": "text", "text": "so", "citations": citations});
    let mut content = search("srvtoolu_1", SEALED);
    content.extend(search("srvtoolu_2", "EqQB"));
    content.push(said(json!([cite(SEALED), cite("EqQ"), cite("")])));
    content.push(said(json!([cite(SEALED)])));
    content.push(json!({"type": "compaction", "content": "x", "encrypted_content": SEALED}));
    let summary = "Web search for: rust \"x\"\n- A\n: https://a/\n- https://b/";
    let mut wanted = vec![text(summary)];
    wanted.extend(search("srvtoolu_2", "EqQB"));
    wanted.push(said(json!([cite("EqQ")])));
    wanted.push(text("so"));
    let (messages, losses) =
        messages_after(&json!([assistant(&json!(content))]), &json!({}), &Policy::default());
    assert_eq!(messages, json!([assistant(&json!(wanted))]));
    assert!(losses.contains(&"replaced messages[0].content[1]".to_owned()), "{losses:?}");
    assert!(losses.contains(&"dropped messages[0].content[6]".to_owned()), "{losses:?}");
}

#[test]
fn r24_system_messages_become_reminders_next_to_them() {
    let system = |content: Value| json!({"role": "system", "content": content});
    let reminder = |said: &str| text(&format!("<system-reminder>\n{said}\n</system-reminder>"));
    let tool = assistant(&json!([call("toolu_1")]));
    for (before, after) in [
        // Behind what the user said, block or string, and behind results.
        (
            json!([user(&json!("hi")), system(json!("a\"b"))]),
            json!([user(&json!([text("hi"), reminder("a\"b")]))]),
        ),
        (
            json!([
                user(&json!("q")),
                tool,
                user(&json!([result("toolu_1")])),
                system(json!([text("a"), text("b")])),
                system(json!("c"))
            ]),
            json!([
                user(&json!("q")),
                tool,
                user(&json!([result("toolu_1"), reminder("a"), reminder("b"), reminder("c")]))
            ]),
        ),
        // In front of it, but results stay first.
        (
            json!([system(json!("a")), user(&json!("hi"))]),
            json!([user(&json!([reminder("a"), text("hi")]))]),
        ),
        (
            json!([tool, system(json!("a")), user(&json!([result("toolu_1"), text("t")]))]),
            json!([tool, user(&json!([result("toolu_1"), reminder("a"), text("t")]))]),
        ),
        // With nobody beside it, on its own.
        (
            json!([tool, system(json!("a")), system(json!("b")), tool]),
            json!([tool, user(&json!([reminder("a"), reminder("b")])), tool]),
        ),
        // Nothing said, nothing there; what is a reminder already stays one.
        (
            json!([
                user(&json!("hi")),
                system(json!("")),
                system(json!([])),
                system(json!("<system-reminder>x</system-reminder>"))
            ]),
            json!([user(&json!([text("hi"), text("<system-reminder>x</system-reminder>")]))]),
        ),
    ] {
        let (messages, _) = messages_after(&before, &json!({}), &only(|p| p.inline_system = true));
        assert_eq!(messages, after, "{before}");
    }
}

#[test]
fn r24_the_mark_of_a_system_message_moves_along() {
    let marked =
        json!({"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}});
    let before = json!([user(&json!("hi")), {"role": "system", "output_config": {"effort": "low"}, "content": [marked]}]);
    let (messages, losses) = messages_after(&before, &json!({}), &only(|p| p.inline_system = true));
    assert_eq!(messages[0]["content"][1]["cache_control"], marked["cache_control"]);
    assert_eq!(losses, ["replaced messages[1]", "dropped messages.output_config"]);
    let policy = only(|p| {
        p.inline_system = true;
        p.drop_betas = BetaPatterns::new(["extended-cache-ttl-*"]).expect("a pattern");
    });
    let (messages, _) = messages_after(&before, &json!({}), &policy);
    assert_eq!(messages[0]["content"][1]["cache_control"], json!({"type": "ephemeral"}));
}

#[test]
fn documents_become_text_or_are_refused_by_name() {
    let mark = json!({"type": "ephemeral"});
    let plain = json!({"type": "document", "title": "T", "context": "C", "cache_control": mark,
        "source": {"type": "text", "media_type": "text/plain", "data": "a\n\"b\""}});
    let nested = json!({"type": "document", "source": {"type": "content", "content": [text("x"), text("y")]}});
    let pdf = json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="}});
    let in_result = json!({"type": "tool_result", "tool_use_id": "t", "content": [text("r"), pdf]});
    let before = json!([user(&json!([plain, nested, in_result]))]);
    let policy = only(|p| p.documents = Documents::Text);
    let (messages, losses) = messages_after(&before, &json!({}), &policy);
    let content = &messages[0]["content"];
    assert_eq!(
        content[0],
        json!({"type": "text", "text": "Document: T\n\nC\n\na\n\"b\"", "cache_control": mark})
    );
    assert_eq!(content[1], text("x\n\ny\n\n"));
    assert_eq!(content[2]["content"][0], text("r"));
    assert!(
        content[2]["content"][1]["text"].as_str().expect("a text").contains("can not be shown")
    );
    let wanted = [
        "replaced messages[0].content[0]",
        "replaced messages[0].content[1]",
        "dropped messages[0].content[2].content[1]",
    ];
    assert_eq!(losses, wanted);

    let policy = only(|p| p.documents = Documents::Refuse);
    let fault = edit(ask(&before, &json!({})).as_bytes(), &policy, "").expect_err("a PDF");
    assert_eq!(fault.status(), 400);
    assert!(fault.to_string().contains("messages[0].content[2].content[1]"), "{fault}");
    let (messages, _) = messages_after(&json!([user(&json!([plain]))]), &json!({}), &policy);
    assert_eq!(messages[0]["content"][0]["type"], "text");
}
