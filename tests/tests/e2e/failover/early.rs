//! Streams that die before their first block: nothing of them has reached the client, so somebody else
//! answers.

use std::sync::atomic::{AtomicUsize, Ordering};

use gateway_testkit::Script;
use gateway_testkit::openai::Turn;

use super::World;
use crate::claude::Claude;
use crate::model::{Ask, Reply, event};
use crate::openai::{CHAT, RESPONSES};

type Death = fn(&Ask) -> Script;

fn overloaded() -> String {
    event("error", r#""error":{"type":"overloaded_error","message":"Overloaded"}"#)
}

/// How it dies, and what the chain says of that.
const DEATHS: &[(&str, &str, Death)] = &[
    ("reset after message_start", "502", |ask| Reply::opening(ask).reset()),
    ("closed after message_start", "502", |ask| Reply::opening(ask).close()),
    ("ended after message_start", "502", |ask| Reply::opening(ask).last_chunk()),
    ("overloaded before anything", "529", |_| {
        Script::event_stream().chunk(overloaded()).last_chunk()
    }),
    ("overloaded after message_start", "529", |ask| {
        Reply::opening(ask).chunk(overloaded()).last_chunk()
    }),
    ("an empty stream", "502", |_| Script::event_stream().last_chunk()),
    ("silent from the beginning", "504", |_| Script::new().hang()),
    ("silent after its head", "504", |_| Script::event_stream().hang()),
    ("silent after message_start", "504", |ask| Reply::opening(ask).hang()),
    ("reset in the middle of message_start", "502", |ask| {
        let whole = Reply::text("x").frames(ask).remove(0);
        Script::event_stream().chunk(whole[..whole.len() / 2].to_owned()).reset()
    }),
];

#[test]
fn r04_r05_r06_r09_a_stream_that_dies_before_its_first_block_is_somebody_elses() {
    std::thread::scope(|scope| {
        for (at, (what, status, death)) in DEATHS.iter().enumerate() {
            let dialect = if at % 2 == 0 { CHAT } else { RESPONSES };
            scope.spawn(move || {
                let resilience = "{retry: {max_retries: 1, base_delay: 0.01}}";
                let settings = ("timeouts: {first_byte: 1}", "", resilience);
                let world =
                    World::new(dialect, settings, death, |_| Turn::text("from the other one"));
                let run = Claude::at(world.gateway.url()).ask("hi", &[]);
                run.said("from the other one");
                world.check(&run);
                let chains = world.chains();
                let failed = format!("anthropic {status}");
                // What took its time once is not asked again (R38).
                let tries = if *status == "504" { 1 } else { 2 };
                let mut wanted = vec![failed.as_str(); tries];
                wanted.push("other answered");
                assert_eq!(chains[0], wanted, "{what}: {run:?}");
            });
        }
    });
}

/// Dead once and well at the second try: the upstream itself answers, and nobody else is asked.
#[test]
fn r04_r05_a_stream_that_dies_early_is_asked_again_first() {
    let first = AtomicUsize::new(0);
    let resilience = "{retry: {max_retries: 1, base_delay: 0.01}}";
    let world = World::new(
        CHAT,
        ("", "", resilience),
        move |ask| match first.fetch_add(1, Ordering::Relaxed) {
            0 => Reply::opening(ask).reset(),
            _ => Reply::text("at the second try").to(ask),
        },
        |_| Turn::text("never"),
    );
    let run = Claude::at(world.gateway.url()).ask("hi", &[]);
    run.said("at the second try");
    world.check(&run);
    assert_eq!(world.chains()[0], ["anthropic 502", "anthropic answered"], "{run:?}");
    assert!(world.other.turns().is_empty(), "{run:?}");
}
