//! Turns of a conversation: where cache marks go, what is gone on with, and that nothing that was sent
//! once is ever sent in another way.

use serde_json::{Value, json};

use crate::support::{Sent, Upstream};

const BASES: [&str; 9] = [
    "https://api.openai.com/v1",
    "https://r.openai.azure.com/openai/v1",
    "https://api.groq.com/openai/v1",
    "https://api.deepseek.com",
    "https://api.moonshot.ai/v1",
    "https://api.minimax.io/v1",
    "https://api.z.ai/api/paas/v4",
    "https://openrouter.ai/api/v1",
    "http://127.0.0.1:8000/v1",
];

fn claude() -> Upstream {
    Upstream::new("https://openrouter.ai/api/v1", "anthropic/claude-opus-4.5")
}

fn marked(mut block: Value) -> Value {
    block["cache_control"] = json!({"type": "ephemeral"});
    block
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn result(content: Value) -> Value {
    json!({"type": "tool_result", "tool_use_id": "t1", "content": content})
}

fn called(assistant: Value, user: Value) -> Value {
    json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": assistant},
        {"role": "user", "content": user}])
}

fn call() -> Value {
    json!({"type": "tool_use", "id": "t1", "name": "A", "input": {"b": 1, "a": [2]}})
}

/// The messages as they were written.
fn messages(sent: &Sent) -> &str {
    let span = gateway_translate::find(sent.text.as_bytes(), &["messages"]).expect("messages");
    &sent.text[span]
}

#[test]
fn r35_earlier_turns_go_up_byte_for_byte_the_same() {
    let png = json!({"type": "image", "source":
        {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}});
    let thought = json!({"type": "thinking", "thinking": "t", "signature": "EqQB"});
    let first = called(
        json!([thought, text("I look.\n"), call()]),
        json!([result(json!([text("see \"x\""), png])), text("and?")]),
    );
    let more = json!([{"role": "system", "content": "Mind the time."},
        {"role": "assistant", "content": [thought, {"type": "tool_use", "id": "t2", "name": "A", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t2", "is_error": true, "content": [png]}]},
        {"role": "assistant", "content": "Done."}, {"role": "user", "content": "Thanks."}]);
    let tools = json!([{"name": "A", "input_schema": {"type": "object", "properties": {}}}]);
    for base in BASES {
        for model in ["gpt-5.2", "some-model"] {
            let up = Upstream { rules: None, ..Upstream::new(base, model) };
            let asked = |messages: &Value| {
                up.sent(json!({"system": "S", "tools": tools, "messages": messages,
                    "metadata": {"user_id": "u"}, "thinking": {"type": "adaptive"}}))
            };
            let mut conversation = first.clone();
            let mut before = asked(&conversation);
            let more = more.as_array().expect("a list");
            for turn in [&more[..3], &more[3..]] {
                conversation.as_array_mut().expect("a list").extend_from_slice(turn);
                let now = asked(&conversation);
                let mut open = messages(&before).strip_suffix(']').expect("an array");
                if !up.egress.quirks.system_anywhere {
                    // The operator's word is added to what the user said last.
                    open = open.strip_suffix('}').expect("a message");
                    open = open.strip_suffix([']', '"']).expect("a content");
                }
                assert!(
                    messages(&now).starts_with(open),
                    "{base} {model}:\n{open}\n{}",
                    messages(&now)
                );
                before = now;
            }
        }
    }
}

#[test]
fn cache_marks_on_results_go_up() {
    let cached = json!({"type": "ephemeral"});
    for user in [
        json!([marked(result(json!("out")))]),
        json!([result(json!([marked(text("out"))]))]),
        json!([result(json!("out")), marked(text(""))]),
    ] {
        let asked = json!({"messages": called(json!([call()]), user)});
        let sent = claude().sent(asked.clone());
        assert_eq!(
            sent.body["messages"][2]["content"],
            json!([{"type": "text", "text": "out", "cache_control": cached}])
        );
        assert_eq!(sent.losses, [""; 0]);
        let sent = Upstream::openai("gpt-4.1").sent(asked);
        assert_eq!(sent.body["messages"][2]["content"], "out");
    }
    let inner = json!([result(json!([marked(text("out"))]))]);
    let sent =
        Upstream::openai("gpt-4.1").sent(json!({"messages": called(json!([call()]), inner)}));
    assert_eq!(sent.losses, ["hint cache_control"]);
}

#[test]
fn cache_marks_that_can_stand_nowhere_are_told() {
    let image = json!({"type": "image", "source": {"type": "url", "url": "https://a"}});
    for (assistant, user, path) in [
        (json!([marked(text("a"))]), json!("b"), "messages[1].content[0]"),
        (json!([marked(call())]), json!([result(json!("r"))]), "messages[1].content[0]"),
        (json!("a"), json!([text("x"), marked(image.clone())]), "messages[2].content[1]"),
        (json!("a"), json!([marked(text("")), text("x")]), "messages[2]"),
    ] {
        let sent = claude().sent(json!({"messages": called(assistant, user)}));
        assert!(!sent.text.contains("cache_control"), "{}", sent.text);
        assert_eq!(sent.losses, [format!("hint {path}")]);
    }
}

#[test]
fn r26_the_mark_of_an_empty_text_moves_to_the_block_before() {
    let blocks = json!([text("a"), marked(text(""))]);
    let wanted = json!([marked(text("a"))]);
    let sent = claude().sent(json!({"messages": [{"role": "user", "content": blocks}]}));
    assert_eq!(sent.body["messages"][0]["content"], wanted);
    let sent = claude().sent(json!({"system": blocks}));
    assert_eq!(sent.body["messages"][0]["content"], wanted);
    assert_eq!(sent.losses, [""; 0]);
}

#[test]
fn nothing_is_gone_on_with_where_nothing_was_said() {
    let thought = json!({"type": "thinking", "thinking": "t", "signature": "EqQB"});
    let sent = Upstream::openai("gpt-4.1").messages(json!([{"role": "user", "content": "hi"},
        {"role": "assistant", "content": [thought]}]));
    assert_eq!(sent, json!([{"role": "user", "content": "hi"}]));
}

#[test]
fn a_pdf_is_named_one() {
    for (title, wanted) in [
        (json!("Q3 report"), "Q3 report.pdf"),
        (json!("A.PDF"), "A.PDF"),
        (json!(""), "document.pdf"),
        (Value::Null, "document.pdf"),
    ] {
        let block = json!({"type": "document", "title": title, "source":
            {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}});
        let sent =
            Upstream::openai("gpt-4.1").messages(json!([{"role": "user", "content": [block]}]));
        assert_eq!(sent[0]["content"][0]["file"]["filename"], wanted);
    }
}

#[test]
fn only_models_known_to_reason_have_a_developer() {
    let azure = "https://r.openai.azure.com/openai/v1";
    for (model, role) in [
        ("prod-35", "system"),
        ("gpt-4.1", "system"),
        ("gpt-5.2", "developer"),
        ("o3", "developer"),
    ] {
        let sent = Upstream::new(azure, model).sent(json!({"system": "S"}));
        assert_eq!(sent.body["messages"][0]["role"], role, "{model}");
    }
}
