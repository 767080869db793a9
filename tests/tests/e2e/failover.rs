//! Claude Code when Anthropic does not answer: the session goes on with who is next in the chain, and the client
//! hears nothing of it.

mod early;
mod loops;
mod nobody;
mod overflow;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gateway_testkit::Script;
use gateway_testkit::openai::{Rules, Seen, Server, Turn, agent};
use serde_json::{Value, json};

use crate::claude::{Claude, Run};
use crate::harness::{Gateway, PROVIDER_KEY};
use crate::model::{Ask, error};
use crate::observe::{JSON_LOG, chain, until_logged, until_open};
use crate::openai::strict::{SIGNED, Strict, think};
use crate::openai::{CHAT, Dialect, RESPONSES, clean};

/// Anthropic, an OpenAI that is asked after it, and the gateway before them.
struct World {
    anthropic: Strict,
    other: Arc<Server>,
    gateway: Gateway,
}

impl World {
    /// `more` are further lines of the provider `anthropic`, `rule` further keys of the only route, `resilience` the
    /// section in YAML's flow style.
    fn new(
        dialect: Dialect,
        (more, rule, resilience): (&str, &str, &str),
        claude: impl Fn(&Ask) -> Script + Send + Sync + 'static,
        other: impl Fn(&Seen) -> Turn + Send + Sync + 'static,
    ) -> Self {
        let anthropic = Strict::start(claude);
        let rules = Rules::openai(dialect.model).with_key(PROVIDER_KEY);
        let other = Arc::new(Server::start(rules, other));
        let (anthropic_url, other_url) = (anthropic.upstream.url(), other.url());
        let Dialect { api, model } = dialect;
        let config = format!(
            "providers:
  anthropic:
    kind: anthropic
    api_base: {anthropic_url}
    api_key_env_var: ANTHROPIC_API_KEY
    {more}
  other:
    kind: openai
    api_base: {other_url}
    api_key_env_var: ANTHROPIC_API_KEY
    default_model: {model}
    extra: {{api: {api}}}
routes:
  - {{pattern: \"claude-*\", provider: anthropic, fallbacks: [other]{rule}}}
resilience: {resilience}
"
        );
        let gateway = Gateway::with(&config, &[JSON_LOG]);
        Self { anthropic, other, gateway }
    }

    /// That nobody had anything to refuse, nobody saw what is another's, and the client heard of no trouble.
    fn check(&self, run: &Run) {
        let about = format!("{run:?}");
        assert_eq!(run.count("system", "api_retry"), 0, "{about}");
        assert_eq!(self.anthropic.refusals(), Vec::<String>::new(), "{about}");
        assert_eq!(self.other.refusals(), [], "{about}");
        clean(&self.other, &about);
        for seen in self.other.turns() {
            let body = seen.body.to_string();
            assert!(!body.contains(SIGNED), "a signature went to {}: {about}", seen.path);
            assert!(!body.contains("anthropic thinks"), "a thought went to {}: {about}", seen.path);
        }
        for ask in self.anthropic.asks() {
            let body = ask.body.to_string();
            for foreign in ["\"gw1.", "gAAAAAB", "other thinks"] {
                assert!(!body.contains(foreign), "{foreign} went to Anthropic: {about}");
            }
        }
    }

    /// The chains of all requests so far, once the last one is there. Each of them was answered.
    fn chains(&self) -> Vec<Vec<String>> {
        let answered = self.other.turns().len() + self.anthropic.asks().len();
        let attempts = |lines: &[Value]| -> u64 {
            lines.iter().filter_map(|line| line["attempts"].as_u64()).sum()
        };
        let lines = until_logged(&self.gateway, "the log of the last request", |lines| {
            attempts(lines) >= answered as u64
        });
        for line in &lines {
            assert_eq!(line["status"], 200, "{line}");
            assert_eq!(line["outcome"], "ok", "{line}");
        }
        lines.iter().map(chain).collect()
    }
}

fn bash(command: &str) -> Value {
    json!({"command": command, "description": "run"})
}

/// The other one's work: a thought and a command, whose result it reads.
fn worker() -> impl Fn(&Seen) -> Turn + Send + Sync + 'static {
    let call = bash("echo by the other > made.txt && cat made.txt");
    let model = agent(
        [Turn::reasoning(&["other thinks first"]).and_text("I make it.").and_call("Bash", &call)],
        Turn::reasoning(&["other thinks again"]).and_text("made"),
    );
    move |seen| model(seen)
}

/// Anthropic's work, as soon as it is well: a thought and a command, whose result it reads.
fn when_well(
    well: &Arc<AtomicBool>,
    ill: impl Fn() -> Script + Send + Sync + 'static,
) -> impl Fn(&Ask) -> Script + Send + Sync + 'static {
    let well = Arc::clone(well);
    move |ask| {
        if !well.load(Ordering::Relaxed) {
            return ill();
        }
        if ask.result("toolu_well").is_some() {
            return think("anthropic thinks again").and_text("well again").to(ask);
        }
        let call = bash("echo by anthropic > made.txt");
        think("anthropic thinks").and_tool("toolu_well", "Bash", &call).to(ask)
    }
}

/// The other one did the work, with its thinking and its tool, and the client shows it.
fn went_on(world: &World, claude: &Claude, run: &Run, dialect: Dialect) {
    run.said("made");
    world.check(run);
    assert_eq!(claude.file("made.txt").as_deref(), Some("by the other\n"), "{run:?}");
    let result = world.other.turns().iter().flat_map(Seen::results).next().expect("a result");
    assert!(result.1.contains("by the other"), "{result:?}");
    if dialect == RESPONSES {
        let thought = format!("{:?}", run.events);
        assert!(thought.contains("other thinks first"), "{run:?}");
    }
}

/// How Anthropic has no time.
type Ill = fn() -> Script;

fn limited() -> Script {
    error(429, "rate_limit_error", "This request would exceed your rate limit")
}

fn overloaded() -> Script {
    error(529, "overloaded_error", "Overloaded")
}

/// A limit that lasts for an hour: asked once, then left alone.
#[test]
fn c09_r36_r37_anthropic_is_limited_for_an_hour_and_the_session_goes_on_elsewhere() {
    crate::openai::both(|dialect| {
        let never = Arc::new(AtomicBool::new(false));
        let ill = || limited().header("retry-after", "3600");
        let world = World::new(dialect, ("", "", "{}"), when_well(&never, ill), worker());
        let claude = Claude::at(world.gateway.url());
        let run = claude.ask("make it", &[]);
        went_on(&world, &claude, &run, dialect);
        assert_eq!(world.anthropic.asks().len(), 1, "a limit that is known is not tried: {run:?}");
        let chains = world.chains();
        assert_eq!(chains[0], ["anthropic 429", "other answered"], "{run:?}");
        assert!(chains.len() >= 2, "{chains:?}");
        for chain in &chains[1..] {
            assert_eq!(*chain, ["anthropic resting", "other answered"]);
        }
        // The next question of the session, too.
        let run = claude.ask("and again", &["--continue"]);
        run.said("made");
        world.check(&run);
        assert_eq!(world.anthropic.asks().len(), 1, "{run:?}");
    });
}

/// Limits that say nothing of their end, and a server that is overloaded, are tried again within one request, and
/// go on elsewhere.
#[test]
fn c09_r36_r38_anthropic_without_time_for_ever_and_the_session_goes_on_elsewhere() {
    std::thread::scope(|scope| {
        for (ill, dialect) in [(limited as Ill, RESPONSES), (overloaded, CHAT)] {
            scope.spawn(move || {
                let never = Arc::new(AtomicBool::new(false));
                let resilience = "{retry: {max_retries: 2, base_delay: 0.01}}";
                let world =
                    World::new(dialect, ("", "", resilience), when_well(&never, ill), worker());
                let claude = Claude::at(world.gateway.url());
                let run = claude.ask("make it", &[]);
                went_on(&world, &claude, &run, dialect);
                let status = if dialect == CHAT { "anthropic 529" } else { "anthropic 429" };
                let chains = world.chains();
                assert_eq!(chains[0], [status, status, status, "other answered"], "{run:?}");
                if dialect == CHAT {
                    // After five failures in a row nobody tries for a while.
                    let last = chains.last().expect("a chain");
                    assert_eq!(last.last().map(String::as_str), Some("other answered"));
                    let run = claude.ask("and again", &["--continue"]);
                    run.said("made");
                    let before = world.anthropic.asks().len();
                    assert_eq!(before, 5, "{run:?}");
                }
            });
        }
    });
}

/// When its time has come, a new session and the old one are back at Anthropic.
#[test]
fn r36_r37_anthropic_is_well_again_and_sessions_use_it() {
    let limits = || limited().header("retry-after", "2");
    let cases: [(Ill, &str); 2] = [
        // Longer than a request is held for it.
        (limits, "{retry: {max_delay: 1}}"),
        (
            overloaded,
            "{retry: {max_retries: 0}, circuit_breaker: {failure_threshold: 1, open_seconds: 2}}",
        ),
    ];
    std::thread::scope(|scope| {
        for (ill, resilience) in cases {
            scope.spawn(move || {
                let well = Arc::new(AtomicBool::new(false));
                let world =
                    World::new(RESPONSES, ("", "", resilience), when_well(&well, ill), worker());
                let old = Claude::at(world.gateway.url());
                let run = old.ask("make it", &[]);
                went_on(&world, &old, &run, RESPONSES);
                let first = world.chains()[0].clone();
                assert_eq!(first.last().map(String::as_str), Some("other answered"), "{run:?}");

                well.store(true, Ordering::Relaxed);
                until_open(&world.gateway, "anthropic");
                let elsewhere = world.other.turns().len();
                let new = Claude::at(world.gateway.url());
                let run = new.ask("make it", &[]);
                run.said("well again");
                world.check(&run);
                assert_eq!(new.file("made.txt").as_deref(), Some("by anthropic\n"), "{run:?}");
                // And what the old one has done elsewhere is no hindrance.
                let run = old.ask("make it", &["--continue"]);
                run.said("well again");
                world.check(&run);
                assert_eq!(world.other.turns().len(), elsewhere, "{run:?}");
                let chains = world.chains();
                assert_eq!(chains.last().expect("a chain"), &["anthropic answered"], "{chains:?}");
            });
        }
    });
}

/// With `sticky: session` the old session stays where its cache is warm by now; a new one is at Anthropic again.
#[test]
fn r36_a_sticky_session_stays_and_a_new_one_goes_back() {
    let well = Arc::new(AtomicBool::new(false));
    let resilience =
        "{retry: {max_retries: 0}, circuit_breaker: {failure_threshold: 1, open_seconds: 2}}";
    let settings = ("", ", sticky: session", resilience);
    let world = World::new(CHAT, settings, when_well(&well, overloaded), worker());
    let old = Claude::at(world.gateway.url());
    let run = old.ask("make it", &[]);
    went_on(&world, &old, &run, CHAT);
    well.store(true, Ordering::Relaxed);
    until_open(&world.gateway, "anthropic");
    let asked = world.anthropic.asks().len();
    let run = old.ask("make it", &["--continue"]);
    run.said("made");
    world.check(&run);
    assert_eq!(world.anthropic.asks().len(), asked, "{run:?}");
    let run = Claude::at(world.gateway.url()).ask("make it", &[]);
    run.said("well again");
    world.check(&run);
}
