//! Streams: what is around them, and what is in them.

use std::time::Duration;

use super::asks::{call_streamed, hello_streamed, long_streamed};
use crate::case::Case;
use crate::exchange::{Ask, Exchange, Reply, Setting};
use crate::finding::Judgement;
use crate::judge::{Aspect, answer, aspect, model_echo, stop, told, usage};

pub(super) fn cases() -> Vec<Case> {
    let both = |setting: &Setting| vec![hello_streamed(setting), call_streamed(setting)];
    let about = |id: &'static str,
                 checks: &'static str,
                 rows: &'static [&'static str],
                 of: &'static [Aspect]| {
        Case::new(id, checks, rows).ask_all(2, both).judge_all(move |_, done, j| {
            for x in done {
                aspect(x, of, j);
            }
        })
    };
    vec![
        Case::new("stream.type", "a stream is text/event-stream", &["C4"])
            .ask(hello_streamed)
            .judge(|_, x, j| drop(told(x, j))),
        Case::new(
            "stream.encoding",
            "a stream is not compressed, also for a client that could read it",
            &["R10"],
        )
        .ask(|setting| hello_streamed(setting).header("accept-encoding", "gzip, deflate, br, zstd"))
        .judge(|_, x, j| {
            // A coding that is not even right is no better.
            let Ok(reply) = &x.outcome else { return };
            if let Some(coding) = reply.header("content-encoding").filter(|c| *c != "identity") {
                j.warning(
                    "R10",
                    "the stream is compressed",
                    coding,
                    "none: coders hold events back",
                );
            }
        }),
        Case::new("stream.hints", "headers keep proxies from holding the stream back", &["R10"])
            .ask(hello_streamed)
            .judge(|_, x, j| hints(x, j)),
        Case::new("stream.request-id", "a stream has a request-id header", &["R29"])
            .ask(hello_streamed)
            .judge(|_, x, j| {
                if answer(x, j).is_some_and(|reply| reply.header("request-id").is_none()) {
                    j.warning("R29", "no request-id header", "", "request-id: req_…");
                }
            }),
        about(
            "stream.names",
            "every event has the name of its data's type, and ends with a blank line",
            &["C4"],
            &[Aspect::Names],
        ),
        about(
            "stream.start",
            "message_start has an empty message with id, model and role",
            &["C4", "R6"],
            &[Aspect::Start],
        ),
        about(
            "stream.order",
            "events come in the order start, blocks, message_delta, message_stop",
            &["C4", "R6"],
            &[Aspect::Order],
        ),
        about(
            "stream.blocks",
            "one block is open at a time, indices rise from 0, deltas fit their block",
            &["R3"],
            &[Aspect::Blocks],
        ),
        about(
            "stream.input",
            "arguments come as input_json_delta whose concatenation is one JSON object",
            &["R1", "R2"],
            &[Aspect::Input],
        ),
        about("stream.end", "message_stop comes last", &["R4", "R6"], &[Aspect::Stop]),
        about(
            "stream.foreign",
            "nothing comes that Anthropic never sends, such as [DONE]",
            &["C4"],
            &[Aspect::Foreign],
        ),
        about("stream.ping", "a ping is an event of its own", &["R8"], &[Aspect::Ping]),
        Case::new("stream.stop-reason", "message_delta has the stop_reason, never null", &["R7"])
            .ask_all(2, both)
            .judge_all(|_, done, j| each(done, j, stop)),
        Case::new(
            "stream.usage",
            "message_start and message_delta have usage, in the end with the true output",
            &["R32"],
        )
        .ask_all(2, both)
        .judge_all(|_, done, j| {
            for x in done {
                aspect(x, &[Aspect::Usage], j);
            }
            each(done, j, usage);
        }),
        Case::new("stream.model", "message_start names the model as it was asked for", &["R17"])
            .ask(hello_streamed)
            .judge(|setting, x, j| {
                if let Some(message) = told(x, j) {
                    model_echo(&message, &setting.model, j);
                }
            }),
        Case::new(
            "stream.flushed",
            "events come as they are made, not all at the end",
            &["C4", "R10"],
        )
        .ask(long_streamed)
        .judge(|_, x, j| flushed(x, j)),
        Case::new(
            "stream.accept",
            "a stream also comes to a client that accepts application/json, as Claude Code says",
            &["C4"],
        )
        .ask(|setting| -> Ask { hello_streamed(setting).header("accept", "application/json") })
        .accepted(),
    ]
}

fn each(done: &[Exchange], j: &mut Judgement, judge: impl Fn(&serde_json::Value, &mut Judgement)) {
    for x in done {
        if let Some(message) = told(x, j) {
            judge(&message, j);
        }
    }
}

fn hints(x: &Exchange, j: &mut Judgement) {
    let Some(reply) = answer(x, j) else { return };
    let cache = reply.header("cache-control").unwrap_or_default();
    if !cache.contains("no-cache") && !cache.contains("no-store") {
        j.note(
            "R10",
            "a stream that may be cached",
            cache,
            "cache-control: no-cache, no-transform",
        );
    }
    if reply.header("x-accel-buffering") != Some("no") {
        j.note("R10", "nginx would hold the stream back", "", "x-accel-buffering: no");
    }
    if reply.header("content-length").is_some() {
        j.warning("R10", "a stream with a content-length was held back to its end", "", "none");
    }
}

fn flushed(x: &Exchange, j: &mut Judgement) {
    let Some(reply) = answer(x, j) else { return };
    if told(x, j).is_none() {
        return;
    }
    let Some(spread) = spread(reply) else {
        j.inconclusive("the reply was too short to tell");
        return;
    };
    if spread.reads == 1 && x.took > QUICK {
        let came = format!("{} events in one piece after {} ms", spread.events, x.took.as_millis());
        j.warning("R10", "the stream was held back to its end", came, "each event when it is made");
    } else if spread.reads < spread.events / 8 && x.took > QUICK {
        let came = format!("{} events in {} pieces", spread.events, spread.reads);
        j.note("R10", "the stream comes in lumps", came, "each event when it is made");
    }
}

#[derive(Debug)]
struct Spread {
    events: usize,
    reads: usize,
}

/// Over how many reads a stream of at least [`MANY`] events came.
fn spread(reply: &Reply) -> Option<Spread> {
    let frames = reply.stream().frames;
    let mut reads: Vec<usize> = frames.iter().map(|frame| frame.chunk).collect();
    reads.dedup();
    (frames.len() >= MANY).then_some(Spread { events: frames.len(), reads: reads.len() })
}

const MANY: usize = 16;
/// A reply that took less may come in one piece without anybody having held it.
const QUICK: Duration = Duration::from_millis(1500);
