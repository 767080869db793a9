//! A whole answer to a Messages request, streamed or not.

use serde_json::Value;

use super::error::{anthropic_error, is_mendable};
use super::fold::{Aspect, Told, fold};
use super::{message as shape, stop};
use crate::exchange::{End, Exchange, Reply};
use crate::finding::{Judgement, Severity};

/// The reply of an exchange. Where there is none, or where the endpoint says that it has no room now,
/// that is told and `None` comes.
pub fn answer<'x>(exchange: &'x Exchange, j: &mut Judgement) -> Option<&'x Reply> {
    let reply = match &exchange.outcome {
        Ok(reply) => reply,
        Err(why) => {
            j.error("", "no answer", why, "an answer");
            return None;
        }
    };
    if BUSY.contains(&reply.status) {
        j.inconclusive(format!("the endpoint has no room: {}", reply.summary()));
        return None;
    }
    match reply.end {
        End::Cut => {
            j.error(
                "R4",
                "the connection broke in the middle of the reply",
                reply.summary(),
                "a whole reply",
            );
            None
        }
        End::TimedOut => {
            j.error(
                "R8",
                "the reply stopped coming",
                reply.summary(),
                "a whole reply, or an error",
            );
            None
        }
        End::Whole | End::Left => Some(reply),
    }
}

/// The message of an exchange that must succeed, put together if it was streamed. What is wrong with it
/// as a message or a stream is told.
pub fn told(exchange: &Exchange, j: &mut Judgement) -> Option<Value> {
    let reply = answer(exchange, j)?;
    if reply.status != 200 {
        not_200(reply, j);
        return None;
    }
    let message = if exchange.streaming {
        stream(reply, j)?
    } else {
        let Some(message) = reply.json() else {
            j.error("R6", "the reply is no JSON", reply.summary(), "a message");
            return None;
        };
        shape::message(&message, j);
        message
    };
    stop(&message, j);
    if message["stop_reason"] == "refusal" {
        j.inconclusive("the model declined");
        return None;
    }
    Some(message)
}

/// The message of a stream, with everything that breaks clients told.
pub fn stream(reply: &Reply, j: &mut Judgement) -> Option<Value> {
    let told = fold_reply(reply, j)?;
    for fault in told.faults.iter().filter(|fault| fault.severity == Severity::Error) {
        j.error(fault.row, &fault.what, &fault.came, fault.expected);
    }
    if let Some(error) = told.error {
        j.error("R4", "the stream ended with an error event", error, "a whole reply");
        return None;
    }
    (!told.message.is_null()).then_some(told.message)
}

/// Judges one aspect of a stream, warnings and notes too.
pub fn aspect(exchange: &Exchange, of: &[Aspect], j: &mut Judgement) -> Option<Told> {
    let reply = answer(exchange, j)?;
    if reply.status != 200 {
        not_200(reply, j);
        return None;
    }
    let told = fold_reply(reply, j)?;
    for fault in told.faults.iter().filter(|fault| of.contains(&fault.aspect)) {
        match fault.severity {
            Severity::Error => j.error(fault.row, &fault.what, &fault.came, fault.expected),
            Severity::Warning => j.warning(fault.row, &fault.what, &fault.came, fault.expected),
            Severity::Note => j.note(fault.row, &fault.what, &fault.came, fault.expected),
        }
    }
    Some(told)
}

fn fold_reply(reply: &Reply, j: &mut Judgement) -> Option<Told> {
    if reply.media_type() != "text/event-stream" {
        let came = format!("{}: {}", reply.media_type(), reply.summary());
        let expected = "text/event-stream: the client asks again without `stream` otherwise";
        j.error("C4", "no stream where one was asked for", came, expected);
        return None;
    }
    Some(fold(&reply.stream()))
}

fn not_200(reply: &Reply, j: &mut Judgement) {
    if is_mendable(reply) {
        let expected = "200; the client knows these words and asks once more without it";
        j.warning("C9", "refused, in words that the client mends", reply.summary(), expected);
    } else {
        j.error("", "refused", reply.summary(), "200");
        anthropic_error(reply, j);
    }
}

/// The blocks of a kind.
pub fn blocks<'m>(message: &'m Value, kind: &str) -> Vec<&'m Value> {
    let all = message["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter(|block| block["type"] == kind).collect()
}

/// All text of a message.
pub fn text_of(message: &Value) -> String {
    blocks(message, "text").iter().filter_map(|block| block["text"].as_str()).collect()
}

/// Statuses that say nothing about the protocol.
const BUSY: &[u16] = &[402, 429, 503, 529];
