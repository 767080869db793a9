//! Sessions that outlive what they talk to: one process of the gateway follows another, and the configuration
//! changes, while Claude Code is in the middle of its work.

use std::fs;
use std::net::TcpListener;
use std::sync::Arc;

use gateway_testkit::openai::{Rules, Seen, Server, Turn};
use gateway_testkit::{Gate, patient};
use serde_json::{Value, json};

use crate::claude::Claude;
use crate::harness::{Gateway, PROVIDER_KEY, block_on};
use crate::model::Ask;
use crate::openai::strict::{SIGNED, Strict, think};
use crate::openai::{RESPONSES, clean};
use crate::service::activated;

const SESSIONS: usize = 10;
const ROUNDS: usize = 3;

/// Sessions with an even number talk to Anthropic, the others to OpenAI, whose thinking the gateway seals: the next
/// process must be able to open it.
fn at_anthropic(session: usize) -> bool {
    session.is_multiple_of(2)
}

/// The round in which a session is held in the middle of its stream.
fn held_round(session: usize) -> usize {
    usize::from(session % 4 >= 2)
}

fn prompt(session: usize) -> String {
    format!("I am session-{session}.")
}

fn session_in(text: &str) -> usize {
    let last = text.rsplit("I am session-").next().unwrap_or_default();
    let digits: String = last.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a session tells its number")
}

fn echo(session: usize, round: usize) -> Value {
    json!({"command": format!("echo {session} did {round}"), "description": "echo"})
}

/// One for each session: open when its stream has stopped in the middle.
struct Holds {
    reached: Vec<Gate>,
    go_on: Gate,
}

impl Holds {
    fn new() -> Arc<Self> {
        Arc::new(Self { reached: (0..SESSIONS).map(|_| Gate::new()).collect(), go_on: Gate::new() })
    }
}

fn anthropic(holds: Arc<Holds>) -> Strict {
    Strict::start(move |ask: &Ask| {
        let session = session_in(&ask.body["messages"].to_string());
        let round = ask.blocks("tool_result").len();
        let thought = think(&format!("anthropic thinks of {session} in round {round}"));
        let reply = if round + 1 == ROUNDS {
            thought.and_text(&format!("{session} is done"))
        } else {
            thought.and_tool(&format!("toolu_{round}"), "Bash", &echo(session, round))
        };
        if round == held_round(session) {
            // The head, message_start and the beginning of the thought.
            let script = reply.stream(ask).pausing_after(3, &holds.reached[session], &holds.go_on);
            return script.last_chunk();
        }
        reply.to(ask)
    })
}

fn openai(holds: Arc<Holds>) -> Server {
    let rules = Rules::openai(RESPONSES.model).with_key(PROVIDER_KEY);
    Server::start(rules, move |seen: &Seen| {
        let session = session_in(&seen.body["input"].to_string());
        let round = seen.results().len();
        let thought = Turn::reasoning(&[&format!("openai thinks of {session} in round {round}")]);
        let turn = if round + 1 == ROUNDS {
            thought.and_text(format!("{session} is done"))
        } else {
            thought.and_raw_call(
                &format!("call_{round}"),
                "Bash",
                &echo(session, round).to_string(),
            )
        };
        if round == held_round(session) {
            return turn.pausing_after(6, &holds.reached[session], &holds.go_on);
        }
        turn
    })
}

/// Ten sessions are in the middle of a stream when the next process begins and the old one is told to end. The
/// streams end where they began, what comes after is asked of the next one, and that one is followed by a third
/// while the sessions work.
#[test]
fn a_rolling_restart_loses_no_turn_of_ten_sessions() {
    let holds = Holds::new();
    let (anthropic, openai) = (anthropic(Arc::clone(&holds)), openai(Arc::clone(&holds)));
    let dir = Arc::new(tempfile::tempdir().expect("a temporary directory"));
    let file = dir.path().join("gateway.yaml");
    let config = format!(
        "providers:
  anthropic: {{api_base: \"{}\", api_key_env_var: ANTHROPIC_API_KEY}}
  openai: {{api_base: \"{}\", api_key_env_var: ANTHROPIC_API_KEY, extra: {{api: responses}}, private: false}}
default_provider: anthropic
",
        anthropic.upstream.url(),
        openai.url(),
    );
    fs::write(&file, config).expect("written");
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let next = || Gateway::spawn(activated(&socket, &dir, &file), Arc::clone(&dir));

    let mut first = next();
    let url = first.url().to_owned();
    let mut processes = Vec::new();
    std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..SESSIONS)
            .map(|session| {
                let url = &url;
                let running = scope.spawn(move || {
                    let claude = Claude::at(url);
                    let via = format!("claude-via-openai--{}", RESPONSES.model);
                    let model = if at_anthropic(session) { "claude-opus-5-5" } else { &via };
                    claude.ask_beside(&prompt(session), &["--model", model])
                });
                // One after the other: a start takes a core.
                block_on(holds.reached[session].passed());
                running
            })
            .collect();

        let mut second = next();
        first.terminate();
        first.until_said("stopping:");
        holds.go_on.open();
        assert_eq!(first.exit_code(), Some(0), "the streams ended within the grace");
        // As soon as the second one has answered somebody, it is followed as well.
        second.until_said("POST /v1/messages");
        let third = next();
        second.terminate();
        assert_eq!(second.exit_code(), Some(0));

        for (session, running) in sessions.into_iter().enumerate() {
            let run = running.join().expect("a session ends");
            run.said(&format!("{session} is done"));
            assert_eq!(run.count("system", "api_retry"), 0, "{run:?}");
        }
        processes.extend([first, second, third]);
    });

    // No round was lost, none was asked twice, and nothing was refused.
    assert_eq!(anthropic.refusals(), Vec::<String>::new());
    assert_eq!(openai.refusals(), []);
    clean(&openai, "ten sessions");
    let asks = anthropic.asks();
    assert_eq!(asks.len(), SESSIONS / 2 * ROUNDS);
    for ask in asks.iter().filter(|ask| ask.blocks("tool_result").len() + 1 == ROUNDS) {
        assert_eq!(ask.blocks("thinking").len(), ROUNDS - 1, "{}", ask.body["messages"]);
    }
    let turns = openai.turns();
    assert_eq!(turns.len(), SESSIONS / 2 * ROUNDS);
    for seen in turns.iter().filter(|seen| seen.results().len() + 1 == ROUNDS) {
        let sealed = seen.turns().iter().filter(|item| item["encrypted_content"].is_string());
        assert_eq!(sealed.count(), ROUNDS - 1, "{}", seen.body["input"]);
    }
    let answered: Vec<usize> = processes
        .iter()
        .map(|process| process.log().matches("POST /v1/messages 200").count())
        .collect();
    assert_eq!(answered.iter().sum::<usize>(), SESSIONS * ROUNDS, "{answered:?}");
    assert!(answered[0] >= SESSIONS && answered[1] >= 1, "{answered:?}");
}

/// The configuration is edited while a stream runs: it ends at the provider where it began, the round after it goes to the
/// new one, and so on; a file with a fault changes nothing.
#[test]
fn r13_r14_routes_that_change_under_a_session_count_from_its_next_request() {
    let (reached, go_on) = (Gate::new(), Gate::new());
    let (here, on) = (reached.clone(), go_on.clone());
    let anthropic = Strict::start(move |ask: &Ask| {
        let rounds = ask.blocks("tool_result").len();
        if ask.mentions("the third question") {
            return think("anthropic thinks at last").and_text("back again").to(ask);
        }
        assert_eq!(rounds, 0, "what comes later is for the new one");
        let reply = think("anthropic thinks first").and_tool("toolu_1", "Bash", &echo(0, 0));
        reply.stream(ask).pausing_after(3, &here, &on).last_chunk()
    });
    let rules = Rules::openai(RESPONSES.model).with_key(PROVIDER_KEY);
    let openai = Server::start(rules, |seen: &Seen| {
        if seen.mentions("the second question") {
            return Turn::reasoning(&["openai thinks again"]).and_text("still there");
        }
        Turn::reasoning(&["openai thinks"]).and_text("gone on elsewhere")
    });
    let config = |provider: &str| {
        format!(
            "providers:
  anthropic: {{api_base: \"{}\", api_key_env_var: ANTHROPIC_API_KEY}}
  openai: {{api_base: \"{}\", api_key_env_var: ANTHROPIC_API_KEY, extra: {{api: responses}}, default_model: {}}}
routes:
  - {{pattern: \"claude-*\", provider: {provider}}}
",
            anthropic.upstream.url(),
            openai.url(),
            RESPONSES.model,
        )
    };
    let gateway = Gateway::with(&config("anthropic"), &[]);
    let file = gateway.dir().join("gateway.yaml");
    let claude = Claude::at(gateway.url());
    let run = std::thread::scope(|scope| {
        let asking = scope.spawn(|| claude.ask("the first question", &[]));
        block_on(patient("the stream to begin", reached.passed()));
        fs::write(&file, config("openai")).expect("written");
        gateway.until_said("configuration reloaded: changed routes");
        go_on.open();
        asking.join().expect("the client's run")
    });
    run.said("gone on elsewhere");
    assert_eq!(run.count("system", "api_retry"), 0, "{run:?}");

    fs::write(&file, config("nobody")).expect("written");
    gateway.until_said("the old configuration stays");
    let run = claude.ask("the second question", &["--continue"]);
    run.said("still there");
    assert_eq!(run.count("system", "api_retry"), 0, "{run:?}");

    fs::write(&file, config("anthropic")).expect("written");
    gateway.until_said("configuration reloaded: changed routes");
    let run = claude.ask("the third question", &["--continue"]);
    run.said("back again");
    assert_eq!(run.count("system", "api_retry"), 0, "{run:?}");

    let about = format!("{run:?}");
    assert_eq!(anthropic.refusals(), Vec::<String>::new(), "{about}");
    assert_eq!(openai.refusals(), [], "{about}");
    clean(&openai, &about);
    assert!(openai.turns().iter().all(|seen| !seen.body.to_string().contains(SIGNED)), "{about}");
    let last = anthropic.asks().pop().expect("asked");
    assert_eq!(last.blocks("thinking").len(), 1, "{about}");
    assert_eq!(anthropic.asks().len(), 2, "{about}");
}
