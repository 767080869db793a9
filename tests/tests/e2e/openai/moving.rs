//! One conversation and several providers: Anthropic, OpenAI in both dialects, and a compatible server that
//! wants its own thinking back. Each gets its own state verbatim and nothing of the others'.

use std::process::Command;

use gateway_testkit::openai::{Rules, Seen, Server, Style, Turn, Vendor};
use serde_json::{Value, json};

use super::strict::{SIGNED, Strict, think};
use super::{CHAT, RESPONSES, clean};
use crate::claude::{Claude, finish};
use crate::harness::{Gateway, PROVIDER_KEY, clients, path, scripts};
use crate::model::{Ask, Reply, error};

const ANTHROPIC: &str = "claude-opus-5-5";
const OVER_RESPONSES: &str = "claude-via-oa--gpt-5.6-terra";
const OVER_CHAT: &str = "claude-via-oc--gpt-4.1";
const OVER_DEEP: &str = "claude-via-deep--deep-thinker";

/// Four providers behind one gateway.
struct World {
    anthropic: Strict,
    responses: Server,
    chat: Server,
    deep: Server,
    gateway: Gateway,
}

impl World {
    /// What Anthropic says, and what the others say by their names.
    fn new(
        claude: impl Fn(&Ask) -> Reply + Send + Sync + 'static,
        others: impl Fn(&Seen, &str) -> Turn + Clone + Send + Sync + 'static,
    ) -> Self {
        let anthropic = Strict::start(move |ask| {
            if ask.last_user_says("OVERLOADED") {
                return error(529, "overloaded_error", "Overloaded");
            }
            claude(ask).to(ask)
        });
        let server = |rules: Rules, name: &'static str, style: Style| {
            let say = others.clone();
            let rules = rules.with_key(PROVIDER_KEY);
            Server::start(rules, move |seen| say(seen, name).style(style.clone()))
        };
        let own = Style::default;
        let responses = server(Rules::openai(RESPONSES.model), "responses", own());
        let chat = server(Rules::openai(CHAT.model), "chat", own());
        let deep = server(Rules::compatible("deepseek"), "deep", Style::of(Vendor::DeepSeek));
        let provider = |name: &str, kind: &str, url: &str, more: &str| {
            format!(
                "  {name}: {{kind: {kind}, api_base: \"{url}\", api_key_env_var: ANTHROPIC_API_KEY{more}}}\n"
            )
        };
        let config = [
            "default_provider: anthropic\nproviders:\n".to_owned(),
            provider("anthropic", "anthropic", &anthropic.upstream.url(), ""),
            provider("oa", "openai-responses", &responses.url(), ""),
            provider("oc", "openai", &chat.url(), ", extra: {api: chat}"),
            provider("deep", "openai", &deep.url(), ""),
        ];
        let gateway = Gateway::with(&config.concat(), &[]);
        Self { anthropic, responses, chat, deep, gateway }
    }

    /// That nobody refused anything, and nobody saw what is not theirs.
    fn check(&self, about: &str) {
        assert_eq!(self.anthropic.refusals(), Vec::<String>::new(), "{about}");
        for server in [&self.responses, &self.chat, &self.deep] {
            clean(server, about);
        }
        assert_eq!(self.responses.refusals(), [], "{about}");
        assert_eq!(self.chat.refusals(), [], "{about}");
        // That it wants its thinking back is learnt at its first look at the others' calls.
        let learnt = self.deep.refusals();
        assert!(learnt.len() <= 1, "{learnt:?}: {about}");
        assert!(learnt.iter().all(|r| r.message.contains("reasoning_content")), "{learnt:?}");
        for (at, ask) in self.anthropic.asks().iter().enumerate() {
            let body = ask.body.to_string();
            for foreign in ["\"gw1.", "gAAAAAB", "responses thinks", "chat thinks", "deep thinks"] {
                assert!(!body.contains(foreign), "{foreign} in Anthropic's request {at}: {about}");
            }
        }
        for (server, others) in [
            (&self.responses, ["anthropic thinks", "deep thinks", "\"signature\""]),
            (&self.chat, ["anthropic thinks", "deep thinks", "gAAAAAB"]),
            (&self.deep, ["anthropic thinks", "responses thinks", "gAAAAAB"]),
        ] {
            for seen in server.turns() {
                let body = seen.body.to_string();
                for foreign in others.into_iter().chain([SIGNED]) {
                    assert!(!body.contains(foreign), "{foreign} went to {}: {about}", seen.path);
                }
            }
        }
    }
}

/// Each round of one loop of tools asks another one, streamed and not by turns: every pair of neighbours is there.
#[test]
fn r13_r14_r15_every_round_of_a_tool_loop_at_another_provider() {
    let models = [
        ANTHROPIC,
        OVER_RESPONSES,
        ANTHROPIC,
        OVER_DEEP,
        OVER_RESPONSES,
        OVER_CHAT,
        ANTHROPIC,
        OVER_CHAT,
        OVER_RESPONSES,
        OVER_DEEP,
        ANTHROPIC,
        ANTHROPIC,
        OVER_DEEP,
        OVER_CHAT,
        OVER_DEEP,
        OVER_RESPONSES,
        ANTHROPIC,
    ];
    // Begun elsewhere, a turn can't be gone on with at Anthropic with a budget for thinking.
    let elsewhere = &models[1..];
    std::thread::scope(|scope| {
        for (models, thinking) in [
            (&models[..], json!({"type": "adaptive", "display": "summarized"})),
            (&models[..], json!({"type": "enabled", "budget_tokens": 2048})),
            (elsewhere, json!({"type": "enabled", "budget_tokens": 2048})),
        ] {
            scope.spawn(move || a_loop_at(models, &thinking));
        }
    });
}

fn a_loop_at(models: &[&str], thinking: &Value) {
    let world = World::new(
        |ask| {
            let n = ask.blocks("tool_result").len();
            let thought = format!("anthropic thinks of \"{n}\"");
            let thinks =
                ask.body["thinking"]["type"] != "disabled" && !ask.body["thinking"].is_null();
            let begun = if thinks { think(&thought) } else { Reply::default() };
            begun.and_text("Noted.").and_tool(&format!("toolu_{n}"), "note", &json!({"n": n}))
        },
        |seen, name| {
            let n = seen.results().len();
            let thought = format!("{name} thinks of \"{n}\"");
            let (id, n) = (format!("call_{name}_{n}"), json!({"n": n}).to_string());
            Turn::reasoning(&[&thought]).and_raw_call(&id, "note", &n)
        },
    );
    let mut command = Command::new("node");
    command.arg(scripts().join("moving.mjs")).arg(world.gateway.url()).arg(clients());
    command.arg(thinking.to_string()).args(models);
    command.env_clear().env("PATH", path()).env("HOME", "/nonexistent");
    let output = finish(command);
    let rounds: Vec<Value> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let about = format!("{thinking}: {rounds:#?}");
    assert_eq!(rounds.len(), models.len(), "{about}");
    for (n, round) in rounds.iter().enumerate() {
        assert_eq!(round["stop"], "tool_use", "round {n}: {about}");
        let call = round["content"].as_array().and_then(|blocks| blocks.last());
        assert_eq!(call.map(|call| &call["input"]["n"]), Some(&json!(n)), "round {n}: {about}");
    }
    world.check(&about);
    // All have all rounds, and their own thinking of all their rounds.
    let before = |model: &str| {
        let last = models.iter().rposition(|m| *m == model).expect("asked");
        (last, models[..last].iter().filter(|m| **m == model).count())
    };
    let (rounds_before, own) = before(OVER_RESPONSES);
    let last = world.responses.turns().pop().expect("asked");
    assert_eq!(last.results().len(), rounds_before, "{about}");
    let sealed = last.turns().iter().filter(|item| item["encrypted_content"].is_string());
    assert_eq!(sealed.count(), own, "{about}");
    let (rounds_before, own) = before(OVER_DEEP);
    let last = world.deep.turns().pop().expect("asked");
    assert_eq!(last.results().len(), rounds_before, "{about}");
    assert_eq!(last.body.to_string().matches("deep thinks of").count(), own, "{about}");
    let (rounds_before, own) = before(ANTHROPIC);
    let last = world.anthropic.asks().pop().expect("asked");
    assert_eq!(last.blocks("tool_result").len(), rounds_before, "{about}");
    if thinking["type"] == "adaptive" {
        assert_eq!(last.blocks("thinking").len(), own, "{about}");
    }
}

/// The same session asked one after the other: twice to OpenAI and back, each question with a tool in it.
#[test]
fn r13_r14_r15_a_session_switches_providers_and_back() {
    let world = World::new(
        |ask| {
            let asked = question(&ask.messages().iter().map(Value::to_string).collect::<String>());
            let id = format!("toolu_{asked}");
            if ask.result(&id).is_some() {
                return think(&format!("anthropic thinks again, {asked}")).and_text(&answer(asked));
            }
            think(&format!("anthropic thinks, {asked}")).and_tool(&id, "Bash", &echo(asked))
        },
        |seen, name| {
            let asked = question(&seen.turns().iter().map(Value::to_string).collect::<String>());
            let id = format!("call_{name}_{asked}");
            if seen.results().iter().any(|(answered, _)| *answered == id) {
                let thought = format!("{name} thinks again, {asked}");
                return Turn::reasoning(&[&thought]).and_text(answer(asked));
            }
            let thought = format!("{name} thinks, {asked}");
            Turn::reasoning(&[&thought]).and_raw_call(&id, "Bash", &echo(asked).to_string())
        },
    );
    let models =
        [ANTHROPIC, OVER_RESPONSES, ANTHROPIC, OVER_CHAT, OVER_RESPONSES, OVER_DEEP, ANTHROPIC];
    let claude = Claude::at(world.gateway.url());
    for (at, model) in models.iter().enumerate() {
        let mut options = vec!["--model", model];
        options.extend((at > 0).then_some("--continue"));
        let run = claude.ask(&format!("question-{at}"), &options);
        run.said(&answer(at));
        world.check(&format!("{run:?}"));
    }
    let anthropic = world.anthropic.asks().pop().expect("asked");
    assert_eq!(anthropic.blocks("tool_result").len(), models.len(), "all of the session is there");
    // Two thoughts of each of its earlier questions, and one of this.
    assert_eq!(anthropic.blocks("thinking").len(), 5);
    let responses = world.responses.turns().pop().expect("asked");
    assert_eq!(responses.results().len(), 5);
    let sealed = responses.turns().iter().filter(|item| item["encrypted_content"].is_string());
    assert_eq!(sealed.count(), 3);
}

/// The number of the last question in the text of a conversation.
fn question(text: &str) -> usize {
    let last = text.rsplit("question-").next().unwrap_or_default();
    let digits: String = last.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}

fn answer(asked: usize) -> String {
    format!("answer {asked}")
}

fn echo(n: usize) -> Value {
    json!({"command": format!("echo {n}"), "description": "echo"})
}

/// In the middle of a turn, with thinking and results on the table, Anthropic has no time any more: the client
/// goes on with its fallback model at OpenAI. The next question goes back.
#[test]
fn r13_r14_r15_the_client_falls_back_to_openai_in_the_middle_of_a_turn() {
    std::thread::scope(|scope| {
        for fallback in [OVER_RESPONSES, OVER_CHAT, OVER_DEEP] {
            scope.spawn(move || a_fallback_to(fallback));
        }
    });
}

/// The scripted Anthropic is overloaded from this result on until there is another one.
fn overloading() -> Value {
    json!({"command": "echo OVERLOADED", "description": "echo"})
}

fn a_fallback_to(fallback: &str) {
    let world = World::new(
        |ask| {
            if ask.mentions("the second question") {
                return think("anthropic thinks at last").and_text("back again");
            }
            think("anthropic thinks first").and_tool("toolu_one", "Bash", &overloading())
        },
        |seen, name| {
            let thought = format!("{name} thinks on");
            let id = format!("call_{name}");
            if seen.results().len() == 2 {
                return Turn::reasoning(&[&thought]).and_text("done elsewhere");
            }
            Turn::reasoning(&[&thought]).and_raw_call(&id, "Bash", &echo(2).to_string())
        },
    );
    let claude = Claude::at(world.gateway.url());
    let run = claude.ask("the first question", &["--fallback-model", fallback]);
    run.said("done elsewhere");
    world.check(&format!("{run:?}"));
    let back = ["--continue", "--model", ANTHROPIC];
    let run = claude.ask("the second question", &back);
    run.said("back again");
    world.check(&format!("{run:?}"));
    let last = world.anthropic.asks().pop().expect("asked");
    assert_eq!(last.blocks("tool_result").len(), 2, "{run:?}");
}
