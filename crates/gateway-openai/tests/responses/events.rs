//! Events of streams, made by hand.

use serde_json::{Value, json};

pub(crate) fn usage() -> Value {
    json!({"input_tokens": 7, "output_tokens": 3})
}

pub(crate) fn done(output: Value) -> Value {
    let mut response = json!({"status": "completed", "usage": usage()});
    response["output"] = output;
    json!({"type": "response.completed", "response": response})
}

pub(crate) fn added(index: u64, item: Value) -> Value {
    let mut event = json!({"type": "response.output_item.added", "output_index": index});
    event["item"] = item;
    event
}

pub(crate) fn ended(index: u64, item: Value) -> Value {
    let mut event = json!({"type": "response.output_item.done", "output_index": index});
    event["item"] = item;
    event
}

pub(crate) fn args(index: u64, delta: &str) -> Value {
    json!({"type": "response.function_call_arguments.delta", "output_index": index, "delta": delta})
}

pub(crate) fn words(index: u64, part: u64, delta: &str) -> Value {
    json!({"type": "response.output_text.delta", "output_index": index, "content_index": part, "delta": delta})
}

pub(crate) fn call(id: &str, arguments: &str) -> Value {
    json!({"type": "function_call", "id": "fc_1", "call_id": id, "name": "Bash",
        "arguments": arguments, "status": "completed"})
}

pub(crate) fn message(parts: &[&str]) -> Value {
    let parts: Vec<_> = parts.iter().map(|t| json!({"type": "output_text", "text": t})).collect();
    json!({"type": "message", "id": "msg_1", "role": "assistant", "content": parts})
}
