//! Thinking that goes there and back, and the thinking that must not (behaviours R13, R18).

use gateway_translate::Keyring;
use gateway_types::Feature;
use serde_json::{Value, json};

use crate::support::{Upstream, done, said};

/// The thinking block of a reply, as a caller sends it back.
fn thought(up: &Upstream, display: &str) -> Value {
    let asked = json!({"thinking": {"type": "adaptive", "display": display}});
    let mut reader = up.sent(asked).reader;
    let mut block = Block(json!({"type": "thinking", "thinking": "", "signature": ""}));
    let stream = said(json!({"content": "", "thinking": "h\"m\n"})) + &done("stop", 1, 1);
    reader.push(stream.as_bytes(), &mut block).expect("a good reply");
    block.0
}

#[derive(Debug)]
struct Block(Value);

impl gateway_types::EventSink for Block {
    fn event(&mut self, event: gateway_types::Event<'_>) -> Result<(), gateway_types::Illegal> {
        use gateway_types::{Delta, Event};
        match event {
            Event::Delta(Delta::Thinking(text)) => self.0["thinking"] = json!(text.decode()),
            Event::Delta(Delta::Signature(text)) => self.0["signature"] = json!(text.decode()),
            _ => {}
        }
        Ok(())
    }
}

fn replay(up: &Upstream, block: &Value) -> (Value, Vec<String>) {
    let sent = up.sent(json!({"messages": [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [block, {"type": "text", "text": "So"}]},
        {"role": "user", "content": "b"}]}));
    (sent.body["messages"][1].clone(), sent.losses)
}

#[test]
fn r18_the_models_own_thinking_goes_back_seen_or_not() {
    let up = Upstream::new();
    for display in ["summarized", "omitted"] {
        let block = thought(&up, display);
        assert_eq!(block["thinking"], if display == "omitted" { "" } else { "h\"m\n" });
        assert!(block["signature"].as_str().is_some_and(|s| s.starts_with("gw1.")));
        let (message, losses) = replay(&up, &block);
        assert_eq!(message, json!({"role": "assistant", "content": "So", "thinking": "h\"m\n"}));
        assert_eq!(losses, [""; 0]);
        // Another size of the same model may read it.
        assert_eq!(replay(&up.clone().named("local-coder:480b"), &block).0["thinking"], "h\"m\n");
    }
}

#[test]
fn r13_r14_any_other_is_dropped_and_told() {
    let up = Upstream::new();
    let block = thought(&up, "summarized");
    let mut forged = block.clone();
    forged["signature"] = json!("EqQBCkYIBxgCKkA");
    let mut edited = block.clone();
    edited["signature"] = json!(format!("{}A", block["signature"].as_str().expect("a text")));
    let elsewhere = Upstream { provider: "other".to_owned(), ..up.clone() };
    let key = Upstream { keys: Keyring::new(["another"]), ..up.clone() };
    let refused = Upstream { without: vec![Feature::ReasoningState], ..up.clone() };
    for (up, block) in [
        (&up, &forged),
        (&up, &edited),
        (&elsewhere, &block),
        (&key, &block),
        (&refused, &block),
        (&up.clone().named("llama3.3"), &block),
        (&up, &json!({"type": "redacted_thinking", "data": "AAAA"})),
    ] {
        let (message, losses) = replay(up, block);
        assert_eq!(message, json!({"role": "assistant", "content": "So"}));
        assert_eq!(losses, ["dropped messages[1].content[0]"]);
    }
}
