//! Replies: every order and shape in which servers say the same.

use gateway_translate::BodyEnd::{Clean, Cut};
use serde_json::{Value, json};

use crate::support::{Upstream, delta, done, finish, frames, read_every_way, usage, whole};

fn read(stream: &str) -> String {
    read_every_way(&Upstream::compatible(), &json!({}), stream, Clean).short()
}

fn call(index: u64, id: &str, name: &str, arguments: &str) -> Value {
    delta(json!({"tool_calls": [{"index": index, "id": id, "type": "function",
        "function": {"name": name, "arguments": arguments}}]}))
}

fn more(index: u64, arguments: &str) -> Value {
    delta(json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}))
}

#[test]
fn a_plain_answer() {
    let stream = done(&[
        delta(json!({"role": "assistant", "content": "", "refusal": null})),
        delta(json!({"content": "Hé"})),
        delta(json!({"content": "llo \"you\"\n"})),
        finish("stop"),
        usage(10, 3),
    ]);
    assert_eq!(read(&stream), "[text text: Héllo \"you\"\n ] finish end_turn 10+0+0>3 Reported");
}
