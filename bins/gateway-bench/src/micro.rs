//! The translation by itself, call by call: how long each part of it takes, without a socket.

mod dialects;
mod routing;

use std::fmt::Write as _;
use std::hint::black_box;

use anyhow::{Context, Result};
use gateway_anthropic::Messages;
use gateway_models::{Catalogue, Estimate, Family};
use gateway_openai::{Api, ModelOverrides, OpenAi, Quirks, SchemaMemo, acceptable_schema};
use gateway_translate::{
    AttemptCx, BodyEnd, Egress as _, Encoded, Flow, Ingress as _, Keyring, ReplyCx, ReplyWriter,
    peek,
};
use gateway_types::{Request, ToolKind};

use crate::script::{Reply, Stream};
use crate::{chat, clock, floor, workload};

/// Rounds of every figure; the median counts.
const ROUNDS: usize = 15;
/// Nanoseconds of a round.
const ROUND: usize = 20_000_000;

/// All figures, as lines.
pub(crate) fn run() -> Result<String> {
    let body = workload::captured_body()?;
    let small = workload::small_body(true);
    let request = Messages.decode(&body).ok().context("the captured request")?;
    let mut out = format!("µs per call, one thread; the captured body has {} bytes\n", body.len());
    let mut line = |name: &str, calls: usize, work: &mut dyn FnMut()| {
        let _ = writeln!(out, "{name:<58} {:>8.2}", micros(work) / as_f64(calls));
    };
    line("captured body: copy", 1, &mut || drop(black_box(black_box(&body).to_vec())));
    line("captured body: peek", 1, &mut || drop(black_box(peek(black_box(&body)))));
    line("captured body: facts for routing", 1, &mut || {
        black_box(gateway_anthropic::facts(black_box(&body)));
    });
    line("captured body: decode", 1, &mut || drop(black_box(Messages.decode(black_box(&body)))));
    line("captured body: encode for Chat Completions", 1, &mut || {
        drop(black_box(encoded(black_box(&request))));
    });
    line("  of which: schemas made acceptable", 1, &mut || {
        for tool in &request.tools {
            if let ToolKind::Custom { schema, .. } = tool.kind {
                drop(black_box(acceptable_schema(schema)));
            }
        }
    });
    line("  of which: tokens estimated", 1, &mut || {
        let mut sum = Estimate::new(Family::Gpt5(6));
        for tool in &request.tools {
            sum.tool(tool.name.escaped(), tool.raw.as_str());
        }
        for block in &request.system {
            sum.raw_json(block.raw.as_str());
        }
        black_box(sum.total());
    });
    line("  of which: facts of the model", 1, &mut || {
        black_box(Catalogue::builtin().facts(black_box(chat::MODEL)));
    });
    line("captured body: floor-openai, decode and encode", 1, &mut || {
        drop(black_box(floor::chat::request(black_box(&body), chat::MODEL)));
    });
    line("small body: decode and encode", 1, &mut || {
        let request = Messages.decode(black_box(&small)).expect("a request");
        drop(black_box(encoded(&request)));
    });

    let Reply::Unary(whole) = chat::unary() else { unreachable!("an answer that is no stream") };
    let at = memchr::memmem::find(&whole, b"\r\n\r\n").context("a head")? + 4;
    let whole = whole.slice(at..);
    line("whole answer: read and folded", 1, &mut || {
        let (mut encoded, mut writer) = (encoded(&request), writer(false));
        encoded.reader.whole(&whole, writer.sink()).expect("an answer");
        black_box(writer.take());
    });
    line("  the same, only what comes before the reading", 1, &mut || {
        black_box((encoded(&request), writer(false)));
    });
    line("whole answer: floor-openai", 1, &mut || {
        drop(black_box(floor::chat::reply(black_box(&whole))));
    });
    let small = Messages.decode(&small).ok().context("the small request")?;
    for (what, burst) in [("one chunk a read", 1), ("ten chunks a read", 10)] {
        let pieces = pieces(&chat::stream(burst, std::time::Duration::from_millis(1)));
        let name = format!("chunk of a stream, {what}: read and written");
        line(&name, chat::DELTAS, &mut || {
            let (mut encoded, mut writer) = (encoded(&small), writer(true));
            for piece in &pieces {
                let flow = encoded.reader.push(piece, writer.sink()).expect("chunks");
                black_box(writer.take());
                if flow == Flow::Done {
                    break;
                }
            }
            encoded.reader.finish(BodyEnd::Clean, writer.sink()).expect("an end");
        });
        line(&format!("chunk of a stream, {what}: floor-openai"), chat::DELTAS, &mut || {
            let mut events = floor::chat::Events::default();
            for piece in &pieces {
                black_box(events.push(piece).expect("chunks"));
            }
        });
    }
    routing::run(&mut line)?;
    out.push_str(&dialects::run(&body, &workload::small_body(true))?);
    Ok(out)
}

fn encoded(request: &Request<'_>) -> Encoded {
    thread_local! {
        static EGRESS: (OpenAi, Keyring) = (
            OpenAi {
                api: Api::Chat,
                quirks: Quirks::for_base("http://127.0.0.1:1/v1"),
                catalogue: Catalogue::builtin().clone(),
                overrides: ModelOverrides::default(),
                schemas: SchemaMemo::default(),
                azure: None,
            },
            Keyring::new(["a key of the bench"]),
        );
    }
    EGRESS.with(|(egress, keys)| {
        let cx = AttemptCx {
            model: chat::MODEL,
            provider: "scripted",
            reply_id: "msg_01Bench",
            ..AttemptCx::new(keys)
        };
        egress.encode(request, &cx).expect("a request that can be said")
    })
}

fn writer(stream: bool) -> Box<dyn ReplyWriter> {
    Messages.writer(&ReplyCx { id: "msg_01Bench", model: "claude-sonnet-5", stream })
}

/// What a read brings, without HTTP's framing.
fn pieces(stream: &Stream) -> Vec<Vec<u8>> {
    let piece = |bytes: &[u8]| {
        let lines = bytes.split(|&byte| byte == b'\n').filter(|line| line.starts_with(b"data: "));
        lines.flat_map(|line| [line, b"\n\n"].concat()).collect()
    };
    stream.writes.iter().map(|write| piece(&write.bytes)).collect()
}

/// Median of the rounds, in microseconds a call on the core, whoever else was on it meanwhile.
fn micros(work: &mut dyn FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let (began, mut calls) = (clock::thread_nanos(), 0);
            loop {
                (0..8).for_each(|_| work());
                calls += 8;
                let took = clock::thread_nanos() - began;
                if took >= ROUND {
                    return as_f64(took) / as_f64(calls) / 1000.0;
                }
            }
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

#[expect(clippy::cast_precision_loss, reason = "a handful of digits is printed")]
fn as_f64(count: usize) -> f64 {
    count as f64
}
