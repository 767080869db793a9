//! A loop of tools that goes to the other one and back, round by round.

use gateway_testkit::openai::{Seen, Turn};

use super::{World, bash, overloaded};
use crate::claude::Claude;
use crate::model::Ask;
use crate::openai::strict::think;
use crate::openai::{Dialect, both};

/// Who answers the rounds of the first question; Anthropic is overloaded in the other ones'.
type Rounds = &'static [bool];

const ROUNDS: &[Rounds] = &[
    &[true, false, true, false, false, true],
    // Begun elsewhere, Anthropic goes on in the middle of the turn.
    &[false, true, false, true],
];

/// Each takes its own thinking back and gets nothing of the other's: the strict upstreams would refuse it.
#[test]
fn r13_r14_r15_a_loop_of_tools_goes_to_the_fallback_and_back() {
    both(|dialect| {
        std::thread::scope(|scope| {
            for rounds in ROUNDS {
                for model in ["claude-opus-5-5", "claude-sonnet-4-5"] {
                    scope.spawn(move || a_loop(dialect, rounds, model));
                }
            }
        });
    });
}

fn results(ask: &Ask) -> usize {
    ask.blocks("tool_result").len()
}

fn a_loop(dialect: Dialect, rounds: Rounds, model: &str) {
    let last = rounds.len() - 1;
    let echo = |n: usize| bash(&format!("echo round {n}"));
    // Anthropic fails as often as it is wanted: nobody is to leave it alone for that.
    let resilience = "{retry: {max_retries: 0}, circuit_breaker: {failure_threshold: 0}, outlier_ejection: {enabled: false}}";
    let world = World::new(
        dialect,
        ("", "", resilience),
        move |ask| {
            let n = results(ask);
            if ask.mentions("the second question") {
                return think("anthropic thinks of the second").and_text("second answer").to(ask);
            }
            if !rounds[n.min(last)] {
                return overloaded();
            }
            let thinks =
                ask.body["thinking"]["type"] != "disabled" && !ask.body["thinking"].is_null();
            let thought = format!("anthropic thinks of round {n}");
            let reply = if thinks { think(&thought) } else { crate::model::Reply::default() };
            if n >= last {
                return reply.and_text("all rounds done").to(ask);
            }
            reply.and_tool(&format!("toolu_{n}"), "Bash", &echo(n)).to(ask)
        },
        move |seen: &Seen| {
            let n = seen.results().len();
            let turn = Turn::reasoning(&[&format!("other thinks of round {n}")]);
            if n >= last {
                return turn.and_text("all rounds done");
            }
            turn.and_raw_call(&format!("call_{n}"), "Bash", &echo(n).to_string())
        },
    );
    let claude = Claude::at(world.gateway.url());
    let run = claude.ask("go", &["--model", model]);
    let about = format!("{dialect:?}, {rounds:?}, {model}: {run:?}");
    run.said("all rounds done");
    world.check(&run);
    // The older one thinks by a budget.
    let kind = if model == "claude-opus-5-5" { "adaptive" } else { "enabled" };
    let asked = &world.anthropic.asks()[0].body["thinking"];
    assert_eq!(asked["type"], kind, "the client asks to think so: {asked}: {about}");
    // Each round went where it was meant to go, and only there.
    let chains = world.chains();
    let wanted: Vec<Vec<&str>> = rounds
        .iter()
        .map(|own| match own {
            true => vec!["anthropic answered"],
            false => vec!["anthropic 529", "other answered"],
        })
        .collect();
    assert_eq!(chains, wanted, "{about}");
    let at_other = rounds.iter().rposition(|own| !own).expect("a round elsewhere");
    let seen = world.other.turns().pop().expect("asked");
    assert_eq!(seen.results().len(), at_other, "{about}");
    for (n, (_, text)) in seen.results().iter().enumerate() {
        // With older models the client adds a note of its own.
        assert!(text.starts_with(&format!("round {n}")), "{text}: {about}");
    }

    let run = claude.ask("the second question", &["--continue", "--model", model]);
    run.said("second answer");
    world.check(&run);
    let ask = world.anthropic.asks().pop().expect("asked");
    assert_eq!(ask.blocks("tool_result").len(), last, "{run:?}");
    // In a turn that began elsewhere it could not think where a budget wants a thought first.
    let own = rounds.iter().filter(|own| **own).count();
    let thoughts = ask.blocks("thinking").len();
    if ask.body["thinking"]["type"] == "adaptive" {
        assert_eq!(thoughts, own, "{run:?}");
    } else {
        assert_eq!(thoughts, if rounds[0] { own } else { 0 }, "{run:?}");
    }
}
