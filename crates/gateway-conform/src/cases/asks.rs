//! Requests that several cases make.

use serde_json::{Map, Value, json};

use crate::exchange::{Ask, Setting};

/// Tokens of output that a small reply may cost. Less would starve models that think unasked.
pub(crate) const OUTPUT: u64 = 512;

/// A request with one user message; `more` is laid over it, its nulls taken out of it.
pub(crate) fn body(setting: &Setting, said: &Value, more: Value) -> Value {
    let mut body = json!({
        "model": setting.model,
        "max_tokens": OUTPUT,
        "messages": [{"role": "user", "content": said}],
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        lay_over(body, more);
    }
    body
}

fn lay_over(body: &mut Map<String, Value>, more: Map<String, Value>) {
    for (name, value) in more {
        if value.is_null() {
            body.remove(&name);
        } else {
            body.insert(name, value);
        }
    }
}

/// A unary request.
pub(crate) fn unary(setting: &Setting, said: &str, more: Value) -> Ask {
    Ask::messages(&body(setting, &said.into(), more))
}

/// A streaming request.
pub(crate) fn streamed(setting: &Setting, said: &str, more: Value) -> Ask {
    let mut body = body(setting, &said.into(), more);
    body["stream"] = true.into();
    Ask::messages(&body)
}

/// A unary request with blocks.
pub(crate) fn with_blocks(setting: &Setting, blocks: &Value, more: Value) -> Ask {
    Ask::messages(&body(setting, blocks, more))
}

/// A unary request with these messages.
pub(crate) fn conversation(setting: &Setting, messages: &Value, more: Value) -> Ask {
    let mut body = body(setting, &Value::Null, more);
    body["messages"] = messages.clone();
    Ask::messages(&body)
}

/// The first question to an endpoint: if this one has no answer, none has.
pub(crate) fn first(setting: &Setting) -> Ask {
    hello(setting)
}

/// A short unary reply.
pub(crate) fn hello(setting: &Setting) -> Ask {
    unary(setting, HELLO, json!({}))
}

/// The same as a stream.
pub(crate) fn hello_streamed(setting: &Setting) -> Ask {
    streamed(setting, HELLO, json!({}))
}

/// A stream with a call of [`weather`].
pub(crate) fn call_streamed(setting: &Setting) -> Ask {
    streamed(setting, CALL, forced("get_weather", &weather("get_weather")))
}

/// The same in one piece.
pub(crate) fn call(setting: &Setting) -> Ask {
    unary(setting, CALL, forced("get_weather", &weather("get_weather")))
}

/// A stream of some hundred tokens.
pub(crate) fn long_streamed(setting: &Setting) -> Ask {
    let said = "Write the numbers from 1 to 60 in words, one a line, and nothing else.";
    streamed(setting, said, json!({}))
}

/// A tool with one required argument.
pub(crate) fn weather(name: &str) -> Value {
    json!({
        "name": name,
        "description": "Tells the weather of a city.",
        "input_schema": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "The city's name"},
                "days": {"type": "integer", "minimum": 1, "maximum": 7}
            },
            "required": ["city"],
            "additionalProperties": false
        }
    })
}

/// One tool that must be called.
pub(crate) fn forced(name: &str, tool: &Value) -> Value {
    json!({"tools": [tool], "tool_choice": {"type": "tool", "name": name}})
}

/// A user's question, a call of [`weather`] and its result.
pub(crate) fn round(result: Value) -> Value {
    let mut result = result;
    result["type"] = "tool_result".into();
    result["tool_use_id"] = ID.into();
    json!([
        {"role": "user", "content": "What does the tool get_weather say of Graz? Repeat all that it said."},
        {"role": "assistant", "content": [
            {"type": "text", "text": "I will ask."},
            {"type": "tool_use", "id": ID, "name": "get_weather", "input": {"city": "Graz"}}
        ]},
        {"role": "user", "content": [result]}
    ])
}

/// An id of a call as Anthropic makes them.
pub(crate) const ID: &str = "toolu_01Conform7Kq2mVh4Rz9TbXcN";

const HELLO: &str = "Reply with the single word hello and nothing else.";
const CALL: &str = "Use the tool get_weather for the city of Graz.";
