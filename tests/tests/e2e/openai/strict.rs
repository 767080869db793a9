//! Anthropic as a conversation meets it that comes back from elsewhere: a model of its own signatures that
//! refuses every other one, and whatever else the real service refuses in a history.

use std::sync::{Arc, Mutex, PoisonError};

use gateway_testkit::{Script, Upstream};
use serde_json::Value;

use crate::model::{Ask, Reply, anthropic, error};

/// The scripted Anthropic with what it refused.
pub(crate) struct Strict {
    pub(crate) upstream: Arc<Upstream>,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Strict {
    /// Answers what is in order with what `model` says.
    pub(crate) fn start(model: impl Fn(&Ask) -> Script + Send + Sync + 'static) -> Self {
        let refused = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&refused);
        let upstream = anthropic(move |ask| match check(&ask.body) {
            Ok(()) => model(ask),
            Err(why) => {
                let script = error(400, "invalid_request_error", &why);
                noted.lock().unwrap_or_else(PoisonError::into_inner).push(why);
                script
            }
        });
        Self { upstream, refused }
    }

    /// All refusals so far.
    pub(crate) fn refusals(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The requests for an answer, in order.
    pub(crate) fn asks(&self) -> Vec<Ask> {
        let requests = self.upstream.requests();
        requests.iter().filter(|r| r.method == "POST").map(|r| Ask::new(r)).collect()
    }
}

/// How every signature of this service begins, and no one else's.
pub(crate) const SIGNED: &str = "EqStrict";

/// The signature of a thought: no other one is taken for it.
pub(crate) fn sign(thought: &str) -> String {
    let hex = thought.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("{SIGNED}+/{hex}==")
}

/// A thought and its signature.
pub(crate) fn think(thought: &str) -> Reply {
    Reply::thinking(thought, &sign(thought))
}

fn blocks(message: &Value) -> &[Value] {
    message["content"].as_array().map_or(&[], Vec::as_slice)
}

fn of_kind<'a>(message: &'a Value, kind: &str, id: &str) -> Vec<&'a str> {
    let of_kind = blocks(message).iter().filter(|block| block["type"] == kind);
    of_kind.filter_map(|block| block[id].as_str()).collect()
}

fn check(body: &Value) -> Result<(), String> {
    if body.to_string().contains("\"gw1.") {
        return Err("state of a gateway came up".to_owned());
    }
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    for (at, message) in messages.iter().enumerate() {
        for (n, block) in blocks(message).iter().enumerate() {
            check_block(block, &format!("messages.{at}.content.{n}"))?;
        }
        let none = Value::Null;
        let before = at.checked_sub(1).map_or(&none, |before| &messages[before]);
        let called = of_kind(before, "tool_use", "id");
        for id in of_kind(message, "tool_result", "tool_use_id") {
            if !called.contains(&id) {
                return Err(format!(
                    "messages.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                ));
            }
        }
        let answered = messages.get(at + 1).unwrap_or(&none);
        let answered = of_kind(answered, "tool_result", "tool_use_id");
        for id in of_kind(message, "tool_use", "id") {
            if !answered.contains(&id) {
                return Err(format!(
                    "messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {id}."
                ));
            }
        }
    }
    begins_with_thinking(body, messages)
}

fn check_block(block: &Value, place: &str) -> Result<(), String> {
    let kind = block["type"].as_str().unwrap_or_default();
    match kind {
        "thinking" => {
            let thought = block["thinking"].as_str().unwrap_or_default();
            if block["signature"] != sign(thought) {
                return Err(format!("{place}: Invalid `signature` in `thinking` block"));
            }
        }
        "redacted_thinking" => {
            return Err(format!("{place}: Invalid `data` in `redacted_thinking` block"));
        }
        "text" if block["text"] == "" => {
            return Err(format!("{place}: text content blocks must be non-empty"));
        }
        "tool_use" => {
            let id = block["id"].as_str().unwrap_or_default();
            let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
            if id.is_empty() || !id.bytes().all(letter) || !block["input"].is_object() {
                return Err(format!("{place}.id: String should match pattern '^[a-zA-Z0-9_-]+$'"));
            }
        }
        "text" | "tool_result" | "image" | "document" => {}
        other => return Err(format!("{place}: Input tag '{other}' found is not expected here")),
    }
    Ok(())
}

/// With a budget for thinking, a turn has to begin with a thought. Results of tools go on with the turn.
fn begins_with_thinking(body: &Value, messages: &[Value]) -> Result<(), String> {
    let results = |message: &Value| !of_kind(message, "tool_result", "type").is_empty();
    if body["thinking"]["type"] != "enabled" || !messages.last().is_some_and(results) {
        return Ok(());
    }
    let spoken = messages.iter().rposition(|m| m["role"] == "user" && !results(m));
    let at = spoken.map_or(0, |at| at + 1);
    match messages.get(at).and_then(|first| blocks(first).first()).map(|block| &block["type"]) {
        Some(kind) if kind != "thinking" => Err(format!(
            "messages.{at}.content.0.type: Expected `thinking` or `redacted_thinking`, but found {kind}. When `thinking` is enabled, a final `assistant` message must start with a thinking block."
        )),
        _ => Ok(()),
    }
}
