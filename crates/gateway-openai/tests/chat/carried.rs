//! Thinking that goes there and back, and the thinking that must not.

use gateway_openai::{Quirks, ReasoningOut, Replay};
use gateway_translate::{BodyEnd, Keyring};
use gateway_types::Feature;
use serde_json::{Value, json};

use crate::support::{Upstream, delta, done, finish};

fn thinking() -> Value {
    json!({"thinking": {"type": "adaptive"}})
}

/// The blocks a caller makes of a reply, as it would send them back.
fn blocks(up: &Upstream, asked: &Value, chunks: &[Value]) -> Vec<Value> {
    let mut reader = up.sent(asked.clone()).reader;
    let mut folder = Blocks::default();
    let stream = done(chunks);
    reader.push(stream.as_bytes(), &mut folder).expect("a good reply");
    let _ = reader.finish(BodyEnd::Clean, &mut folder);
    folder.0
}

#[derive(Debug, Default)]
struct Blocks(Vec<Value>);

impl gateway_types::EventSink for Blocks {
    fn event(&mut self, event: gateway_types::Event<'_>) -> Result<(), gateway_types::Illegal> {
        use gateway_types::{BlockStart, Delta, Event};
        let append = |blocks: &mut Vec<Value>, key: &str, text: &str| {
            let block = blocks.last_mut().expect("a block is open");
            let so_far = block[key].as_str().unwrap_or_default().to_owned();
            block[key] = json!(so_far + text);
        };
        match event {
            Event::BlockStart(start) => self.0.push(match start {
                BlockStart::Text => json!({"type": "text", "text": ""}),
                BlockStart::Thinking => json!({"type": "thinking", "thinking": "", "signature": ""}),
                BlockStart::RedactedThinking { data } => json!({"type": "redacted_thinking", "data": data.decode()}),
                BlockStart::ToolUse { id, name } => json!({"type": "tool_use", "id": id.decode(), "name": name.decode(), "input": {}}),
                _ => json!({"type": "other"}),
            }),
            Event::Delta(Delta::Text(text)) => append(&mut self.0, "text", &text.decode()),
            Event::Delta(Delta::Thinking(text)) => append(&mut self.0, "thinking", &text.decode()),
            Event::Delta(Delta::Signature(text)) => append(&mut self.0, "signature", &text.decode()),
            _ => {}
        }
        Ok(())
    }
}

fn tool() -> Value {
    delta(
        json!({"tool_calls": [{"index": 0, "id": "t1", "function": {"name": "A", "arguments": "{}"}}]}),
    )
}

/// The assistant's message when `blocks` are sent back, and the losses.
fn replay(up: &Upstream, blocks: &[Value]) -> (Value, Vec<String>) {
    let mut asked = thinking();
    let calls = blocks.iter().any(|b| b["type"] == "tool_use");
    let answer = if calls {
        json!([{"type": "tool_result", "tool_use_id": "t1", "content": "r"}])
    } else {
        json!("more")
    };
    asked["messages"] = json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": blocks}, {"role": "user", "content": answer}]);
    let sent = up.sent(asked);
    (sent.body["messages"][1].clone(), sent.losses)
}

fn think(field: &str, text: &str) -> Value {
    delta(json!({field: text}))
}

#[test]
fn r18_thinking_goes_back_in_the_field_it_came_in() {
    for field in ["reasoning_content", "reasoning"] {
        let up = Upstream::compatible();
        let got = blocks(
            &up,
            &thinking(),
            &[think(field, "h\"m\n"), think(field, "é"), tool(), finish("tool_calls")],
        );
        assert_eq!(got[0]["thinking"], "h\"m\né");
        assert!(got[0]["signature"].as_str().is_some_and(|s| s.starts_with("gw1.")));
        let (message, losses) = replay(&up, &got);
        assert_eq!(message[field], "h\"m\né", "{message}");
        assert_eq!(losses, ["hint thinking"]);
        // Without a call it is not wanted.
        let got = blocks(
            &up,
            &thinking(),
            &[think(field, "hm"), delta(json!({"content": "x"})), finish("stop")],
        );
        let (message, _) = replay(&up, &got);
        assert_eq!(message, json!({"role": "assistant", "content": "x"}));
    }
}

#[test]
fn r18_what_must_go_back_does_even_unseen_and_a_blank_where_it_is_lost() {
    let deepseek = Upstream::new("https://api.deepseek.com", "deepseek-v4");
    let chunks = [think("reasoning_content", "hm"), tool(), finish("tool_calls")];
    for asked in [json!({}), json!({"thinking": {"type": "adaptive", "display": "omitted"}})] {
        let got = blocks(&deepseek, &asked, &chunks);
        assert_eq!(got[0]["thinking"], "", "it is not shown");
        assert_eq!(replay(&deepseek, &got).0["reasoning_content"], "hm");
    }
    let shown = blocks(&deepseek, &thinking(), &chunks);
    assert_eq!(replay(&deepseek, &shown).0["reasoning_content"], "hm");
    let (message, _) = replay(&deepseek, &shown[1..]);
    assert_eq!(message["reasoning_content"], " ");
    let text = [json!({"type": "text", "text": "x"})];
    assert!(replay(&deepseek, &text).0.get("reasoning_content").is_none());
}

#[test]
fn details_go_back_unmodified_and_in_order() {
    let up = Upstream::new("https://openrouter.ai/api/v1", "anthropic/claude-opus-5");
    let part = |part: Value| delta(json!({"reasoning_details": [part]}));
    let chunks = [
        part(
            json!({"type": "reasoning.text", "text": "h", "index": 0, "format": "anthropic-claude-v1"}),
        ),
        part(json!({"type": "reasoning.text", "text": "m", "index": 0})),
        part(json!({"type": "reasoning.text", "signature": "sig==", "index": 0})),
        part(json!({"type": "reasoning.encrypted", "data": "AAA", "id": "r1", "index": 1})),
        part(json!({"type": "reasoning.encrypted", "data": "BBB", "index": 1})),
        tool(),
        finish("tool_calls"),
    ];
    let got = blocks(&up, &thinking(), &chunks);
    assert_eq!(got[0]["thinking"], "hm");
    let wanted = json!([
        {"type": "reasoning.text", "text": "hm", "format": "anthropic-claude-v1", "signature": "sig==", "index": 0},
        {"type": "reasoning.encrypted", "data": "AAABBB", "id": "r1", "index": 1}]);
    assert_eq!(replay(&up, &got).0["reasoning_details"], wanted);
    // Blobs of calls made at once, numbered alike, and Responses' and Gemini's forms beside each other.
    let chunks = [
        part(
            json!({"type": "reasoning.summary", "summary": "p", "index": 0, "format": "openai-responses-v1"}),
        ),
        part(
            json!({"type": "reasoning.encrypted", "data": "A", "id": "rs_1", "index": 0, "format": "openai-responses-v1"}),
        ),
        part(
            json!({"type": "reasoning.encrypted", "data": "B", "id": "tool_1", "index": 0, "format": "google-gemini-v1"}),
        ),
        part(json!({"type": "reasoning.summary", "summary": "q", "index": 0})),
        part(json!({"type": "reasoning.encrypted", "data": "C", "id": "rs_1", "index": 0})),
        tool(),
        finish("tool_calls"),
    ];
    let got = blocks(&up, &thinking(), &chunks);
    let wanted = json!([
        {"type": "reasoning.summary", "summary": "pq", "format": "openai-responses-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "AC", "id": "rs_1", "format": "openai-responses-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "B", "id": "tool_1", "format": "google-gemini-v1", "index": 0}]);
    assert_eq!(replay(&up, &got).0["reasoning_details"], wanted);
    // Nothing to show: an opaque block carries it; so it does when it comes behind the call.
    let sealed = part(json!({"type": "reasoning.encrypted", "data": "AAA", "index": 0}));
    for chunks in
        [[sealed.clone(), tool(), finish("tool_calls")], [tool(), sealed, finish("tool_calls")]]
    {
        let got = blocks(&up, &thinking(), &chunks);
        assert!(got.iter().any(|b| b["type"] == "redacted_thinking"), "{got:?}");
        let (message, _) = replay(&up, &got);
        assert_eq!(
            message["reasoning_details"],
            json!([{"type": "reasoning.encrypted", "data": "AAA", "index": 0}])
        );
        assert_eq!(message["tool_calls"][0]["id"], "t1");
    }
    // MiniMax sends all there is each time.
    let up = Upstream::new("https://api.minimax.io/v1", "minimax-m3");
    let chunks = [
        part(json!({"type": "reasoning.text", "text": "let me see", "index": 0})),
        part(json!({"type": "reasoning.text", "text": "let me see now", "index": 0})),
        delta(json!({"content": "x"})),
        finish("stop"),
    ];
    assert_eq!(blocks(&up, &thinking(), &chunks)[0]["thinking"], "let me see now");
    // A blob that is repeated is one, and one that grows is the last.
    let sealed = |data: &str| {
        part(json!({"type": "reasoning.encrypted", "data": data, "id": "r1", "index": 0}))
    };
    for second in ["AAAABBBBCCCC", "AAAABBBBCCCCDDDD"] {
        let chunks = [sealed("AAAABBBBCCCC"), sealed(second), tool(), finish("tool_calls")];
        let details =
            replay(&up, &blocks(&up, &thinking(), &chunks)).0["reasoning_details"].clone();
        assert_eq!(details[0]["data"], second);
    }
}

#[test]
fn tags_go_back_as_tags() {
    let up = Upstream::compatible().quirk(|q| q.replay_reasoning = Replay::Always);
    let got = blocks(
        &up,
        &thinking(),
        &[delta(json!({"content": "<think>hm</think>so"})), finish("stop")],
    );
    assert_eq!(replay(&up, &got).0["content"], "<think>\nhm\n</think>\n\nso");
}

#[test]
fn r13_r14_thinking_that_is_not_this_upstreams_is_dropped_and_told() {
    let ours = Upstream::compatible();
    let chunks = [think("reasoning_content", "secret"), tool(), finish("tool_calls")];
    let got = blocks(&ours, &thinking(), &chunks);
    let other = |change: fn(&mut Upstream)| {
        let mut up = Upstream::compatible();
        change(&mut up);
        up
    };
    let mut unsigned = got.clone();
    unsigned[0]["signature"] = json!("");
    let mut native = got.clone();
    native[0]["signature"] = json!("EqQBCkYIBxgCKkDnative");
    let mut forged = got.clone();
    forged[0]["signature"] =
        json!(format!("{}A", got[0]["signature"].as_str().unwrap_or_default()));
    for (up, blocks) in [
        (other(|up| up.provider = "another".to_owned()), &got),
        (other(|up| up.model = "another-model".to_owned()), &got),
        (other(|up| up.keys = Keyring::new(["another"])), &got),
        (other(|up| up.without = vec![Feature::ReasoningState]), &got),
        (ours.clone(), &unsigned),
        (ours.clone(), &native),
        (ours.clone(), &forged),
    ] {
        let (message, losses) = replay(&up, blocks);
        assert!(!message.to_string().contains("secret"), "{message}");
        assert!(losses.contains(&"dropped messages[1].content[0]".to_owned()), "{losses:?}");
        assert_eq!(message["tool_calls"][0]["id"], "t1");
    }
    // Where the upstream has no place for it, it is ours to leave out: a note.
    let never = Upstream::compatible().quirk(|q| q.replay_reasoning = Replay::Never);
    let (message, losses) = replay(&never, &got);
    assert!(
        !message.to_string().contains("secret")
            && losses.contains(&"hint messages[1].content[0]".to_owned()),
        "{losses:?}"
    );
    // Without a key nothing is signed, and nothing comes back.
    let keyless = other(|up| up.keys = Keyring::new([""; 0]));
    let got = blocks(&keyless, &thinking(), &chunks);
    assert_eq!((&got[0]["thinking"], &got[0]["signature"]), (&json!("secret"), &json!("")));
}

#[test]
fn a_thinking_text_that_the_client_cleared_is_not_made_up() {
    let up = Upstream::with(
        {
            let mut quirks = Quirks::compatible();
            quirks.reasoning_out = ReasoningOut::Reasoning;
            quirks
        },
        "some-model",
    );
    let mut got =
        blocks(&up, &thinking(), &[think("reasoning", "hm"), tool(), finish("tool_calls")]);
    got[0]["thinking"] = json!("");
    assert!(replay(&up, &got).0.get("reasoning").is_none());
}
