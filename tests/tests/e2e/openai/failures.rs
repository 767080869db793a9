//! What goes wrong at OpenAI, and that the client gets over it or tells it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gateway_testkit::Gate;
use gateway_testkit::openai::{Fault, Finish, Refusal, Rules, Turn, agent};
use serde_json::json;

use super::{CHAT, Dialect, RESPONSES, Setup, both};
use crate::claude::Run;
use crate::harness::block_on;

/// A server whose first answer is this and whose others are `after`.
fn first(dialect: Dialect, turn: &Turn, after: &str) -> Setup {
    let (turn, after) = (turn.clone(), Turn::text(after));
    let asked = AtomicUsize::new(0);
    Setup::new(dialect, move |_| {
        if asked.fetch_add(1, Ordering::Relaxed) == 0 { turn.clone() } else { after.clone() }
    })
}

fn told(run: &Run) -> &str {
    run.result()["result"].as_str().unwrap_or_default()
}

#[test]
fn c09_r29_r36_r37_errors_before_the_stream_are_asked_again() {
    both(|dialect| {
        std::thread::scope(|scope| {
            for refusal in [Refusal::rate_limit(2), Refusal::server_error(), Refusal::overloaded()]
            {
                scope.spawn(move || {
                    let setup = first(dialect, &Turn::error(refusal.clone()), "after the wait");
                    let run = setup.claude().ask("hi", &[]);
                    run.said("after the wait");
                    assert_eq!(run.count("system", "api_retry"), 0, "{refusal:?}: {run:?}");
                    setup.check(&run);
                    let requests = setup.server.upstream().requests();
                    assert_eq!(requests.len(), 2, "the gateway asks again by itself: {run:?}");
                    if refusal.status == 429 {
                        // Without the header a first pause is a second at most.
                        let waited = requests[1].at - requests[0].at;
                        assert!(waited >= Duration::from_secs(2), "{waited:?}");
                    }
                });
            }
        });
    });
}

/// No retry helps against a wrong key or an empty account: told at once, with what to do.
#[test]
fn c09_r38_a_wrong_key_and_spent_money_are_told_at_once() {
    both(|dialect| {
        let no_money = Turn::error(Refusal::insufficient_quota());
        for (turn, words) in [
            (Turn::text("never"), vec!["UP_KEY", "up"]),
            (no_money, vec!["exceeded your current quota"]),
        ] {
            let setup = first(dialect, &turn, "never");
            let wrong_key = words[0] == "UP_KEY";
            if wrong_key {
                setup.server.change(|rules| rules.key = Some("another key".to_owned()));
            }
            let run = setup.claude().ask("hi", &[]);
            assert_eq!(run.code, Some(1), "{run:?}");
            assert!(words.iter().all(|word| told(&run).contains(word)), "{run:?}");
            assert_eq!(run.count("system", "api_retry"), 0, "{run:?}");
            assert_eq!(setup.server.turns().len(), 1, "{run:?}");
            assert_eq!(setup.server.refusals().len(), usize::from(wrong_key), "{run:?}");
        }
    });
}

/// A call that would leave a file behind, spoken in full.
fn touch() -> Turn {
    let input = json!({"command": "touch half.txt", "description": "half of it"});
    Turn::text("I begin.").and_call("Bash", &input)
}

/// An answer that breaks, in whatever way, is asked for again, and half a call never runs.
#[test]
fn r04_r05_no_half_call_runs_after_a_break_in_mid_stream() {
    both(|dialect| {
        let error = || ("server_error".to_owned(), "It broke".to_owned());
        let whole = stream_length(dialect);
        let faults = [
            {
                let (code, message) = error();
                Fault::Error { code, message }
            },
            {
                let (code, message) = error();
                Fault::Failed { code, message }
            },
            // Nothing at all.
            Fault::EndAt(0),
            // In the arguments of the call, with the framing broken or as if all were well.
            Fault::CutAt(whole),
            Fault::EndAt(whole),
        ];
        std::thread::scope(|scope| {
            for fault in faults {
                scope.spawn(move || {
                    let setup = first(dialect, &touch().fault(fault.clone()), "recovered");
                    let claude = setup.claude();
                    let run = claude.ask("go", &[]);
                    assert!(told(&run).ends_with("recovered"), "{fault:?}: {run:?}");
                    assert_eq!(run.code, Some(0), "{fault:?}: {run:?}");
                    assert_eq!(claude.file("half.txt"), None, "half a call was run: {fault:?}");
                    setup.check(&run);
                    assert!(setup.server.turns().len() >= 2, "{fault:?}: {run:?}");
                });
            }
        });
    });
}

/// Bytes of the stream of [`touch`] up to the middle of the call's arguments.
fn stream_length(dialect: Dialect) -> usize {
    use gateway_testkit::openai::{Asked, chat_reply, responses_reply};
    let body = json!({"model": dialect.model, "stream": true});
    let asked = Asked { body: &body, index: 0, account: "org-test" };
    let frames = if dialect == CHAT {
        chat_reply::frames(&touch(), asked)
    } else {
        responses_reply::frames(&touch(), asked)
    };
    let deltas = |frame: &String| {
        frame.contains("function_call_arguments.delta") || frame.contains("\"arguments\":\"")
    };
    let of_call: Vec<usize> = (0..frames.len()).filter(|&at| deltas(&frames[at])).collect();
    let middle = of_call[of_call.len() / 2];
    frames[..middle].iter().map(String::len).sum()
}

#[test]
fn r05_r07_a_token_limit_is_told_and_the_client_asks_on() {
    both(|dialect| {
        let setup = Setup::new(dialect, |seen| {
            if seen.mentions("The first half") {
                return Turn::text("and the second");
            }
            Turn::text("The first half").finish(Finish::Length)
        });
        let run = setup.claude().ask("a long story", &[]);
        assert_eq!(run.result()["is_error"], false, "{run:?}");
        assert!(told(&run).ends_with("and the second"), "{run:?}");
        setup.check(&run);
    });
}

#[test]
fn r05_r07_a_refusal_is_told() {
    both(|dialect| {
        let setup = Setup::new(dialect, |_| {
            Turn::default().and_refusal("I cannot help with the making of gunpowder.")
        });
        let run = setup.claude().ask("gunpowder", &[]);
        setup.check(&run);
        // The client tries once more by itself, with a note; it tells the user then.
        assert_eq!(setup.server.turns().len(), 2, "{run:?}");
        assert_eq!(run.count("system", "model_refusal_no_fallback"), 1, "{run:?}");
        assert!(format!("{run:?}").contains("making of gunpowder"), "{run:?}");
    });
}

/// A server that stays open and says nothing more is given up, and asked again.
#[test]
fn r09_a_server_that_is_dead_but_open_is_given_up_in_mid_stream() {
    both(|dialect| {
        let asked = AtomicUsize::new(0);
        let rules = Rules::openai(dialect.model);
        let setup = Setup::with(dialect, rules, "timeouts: {idle: 1}", move |_| {
            if asked.fetch_add(1, Ordering::Relaxed) == 0 {
                // Of the head and the first chunks.
                return touch().pausing_after(5, &Gate::new(), &Gate::new());
            }
            Turn::text("from a living one")
        });
        let claude = setup.claude();
        let run = claude.ask("go", &[]);
        assert!(told(&run).ends_with("from a living one"), "{run:?}");
        assert_eq!(claude.file("half.txt"), None, "half a call was run: {run:?}");
        setup.check(&run);
        block_on(setup.server.upstream().left(0));
    });
}

#[test]
fn a_client_that_is_killed_frees_the_server() {
    both(|dialect| {
        let reached = Gate::new();
        let here = reached.clone();
        let setup = Setup::new(dialect, move |_| {
            Turn::text("never whole").pausing_after(4, &here, &Gate::new())
        });
        let claude = setup.claude();
        let mut running = claude.start("hi");
        block_on(reached.passed());
        running.kill().expect("it runs");
        block_on(setup.server.upstream().left(0));
        running.wait().expect("a child can be waited for");
    });
}

/// A caller that wants all or nothing is told what it can't have. Responses has all that the client wants.
#[test]
fn x_gateway_strict_refuses_what_would_be_lost() {
    both(|dialect| {
        let setup = Setup::new(dialect, |_| Turn::text("nothing lost"));
        let mut claude = setup.claude();
        claude.set("ANTHROPIC_CUSTOM_HEADERS", "x-gateway-strict: 1");
        let run = claude.ask("hi", &[]);
        if dialect == RESPONSES {
            run.said("nothing lost");
            return setup.check(&run);
        }
        assert!(told(&run).contains("x-gateway-strict: max_tokens would be clamped"), "{run:?}");
        assert_eq!(setup.server.seen().len(), 0, "{run:?}");
    });
}

/// An unknown model gives shorter answers than were asked for: the client hears it in words it knows, and
/// keeps to it.
#[test]
fn r19_a_limit_of_the_answer_is_learnt_by_the_client() {
    let call = Turn::call("Bash", &json!({"command": "echo x", "description": "echo"}));
    let model = agent([call.clone(), call], Turn::text("short enough"));
    let rules = Rules { max_output: 16_000, ..Rules::compatible("vllm_strict_template") };
    let setup = Setup::with(CHAT, rules, "", move |seen| model(seen));
    let run = setup.claude().ask("hi", &["--model", "house-model"]);
    run.said("short enough");
    let refused: Vec<_> = setup.server.refusals().into_iter().map(|r| r.message).collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].contains("max_tokens is too large"), "{refused:?}");
}
