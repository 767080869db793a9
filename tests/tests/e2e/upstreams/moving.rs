//! One session at several of them: each gets its own state back and nothing of the others'.

use std::sync::Arc;

use tempfile::TempDir;

use super::day::bash;
use super::kinds::{
    AZURE, BEDROCK_CLAUDE, GEMINI_3, GPT_OSS, Kind, OLLAMA, OPENROUTER, Played, THIRD,
    VERTEX_CLAUDE, VERTEX_GEMINI,
};
use super::say::{Heard, Say};
use crate::claude::Claude;
use crate::harness::Gateway;

/// Several providers behind one gateway.
struct World {
    kinds: Vec<&'static Kind>,
    servers: Vec<Box<dyn Played>>,
    gateway: Gateway,
    _dir: TempDir,
}

impl World {
    /// What each says.
    fn new(
        kinds: &[&'static Kind],
        say: impl Fn(&Kind, &Heard) -> Say + Send + Sync + 'static,
    ) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let say = Arc::new(say);
        let mut servers = Vec::new();
        let mut config = format!("default_provider: {}\nproviders:\n", kinds[0].name);
        let mut env = Vec::new();
        for &kind in kinds {
            let say = Arc::clone(&say);
            let server = kind.start(Arc::new(move |heard: &Heard| say(kind, heard)));
            let file = dir.path().join(format!("{}.json", kind.name));
            std::fs::write(&file, server.account().unwrap_or_default()).expect("writable");
            let lines = kind.lines.replace("FILE", &file.display().to_string());
            let (name, provider, url) = (kind.name, kind.provider, server.url());
            config +=
                &format!("  {name}:\n    kind: {provider}\n    api_base: {url}\n    {lines}\n");
            env.extend(kind.env());
            servers.push(server);
        }
        let gateway = Gateway::with(&config, &env.iter().map(String::as_str).collect::<Vec<_>>());
        Self { kinds: kinds.to_vec(), servers, gateway, _dir: dir }
    }

    fn server(&self, kind: &Kind) -> &dyn Played {
        let at = self.kinds.iter().position(|known| known.name == kind.name).expect("one of them");
        &*self.servers[at]
    }

    /// That nobody refused anything, and nobody saw what is not theirs.
    fn check(&self, about: &str) {
        for (kind, server) in self.kinds.iter().zip(&self.servers) {
            let name = kind.name;
            // Anthropic's models take each other's signatures wherever they run. These scripted ones do not, and
            // the gateway gets over that.
            let mut refusals = server.refusals();
            refusals.retain(|why| !why.contains("Invalid `signature` in `thinking` block"));
            assert_eq!(refusals, Vec::<String>::new(), "{name}: {about}");
            assert_eq!(server.leaks(), Vec::<String>::new(), "{name}: {about}");
            for heard in server.turns() {
                assert!(!heard.mentions("\"gw1."), "{name}: {about}");
                let claude = |kind: &Kind| kind.model.contains("claude-opus-5-5");
                let others = self.kinds.iter().filter(|other| other.name != name);
                for other in others.filter(|other| !(claude(kind) && claude(other))) {
                    let thought = thought(other);
                    assert!(!heard.mentions(&thought), "{thought:?} went to {name}: {about}");
                }
            }
        }
    }
}

/// The name under which clients ask for it.
fn asked(kind: &Kind) -> String {
    format!("claude-via-{}--{}", kind.name, kind.model)
}

/// How all thoughts of its model begin.
fn thought(kind: &Kind) -> String {
    format!("{} thinks", kind.name)
}

/// Each question of a session is for another one, with a round of tools in it; two are asked again at the end.
#[test]
fn r13_r14_r15_a_session_goes_from_one_to_the_next_and_back() {
    let order = [
        &GEMINI_3,
        &BEDROCK_CLAUDE,
        &AZURE,
        &THIRD,
        &GPT_OSS,
        &VERTEX_CLAUDE,
        &OPENROUTER,
        &OLLAMA,
        &VERTEX_GEMINI,
        &GEMINI_3,
        &BEDROCK_CLAUDE,
        &THIRD,
    ];
    let world = World::new(&order[..9], |kind, heard| {
        let answer = format!("{} answers", kind.name);
        if heard.new_results.is_empty() {
            let command = format!("echo {} works", kind.name);
            return Say::think(thought(kind)).and_call("Bash", &bash(&command));
        }
        Say::think(thought(kind)).and_text(format!("{answer}: {}", heard.news()))
    });
    let claude = Claude::at(world.gateway.url());
    for (at, kind) in order.iter().enumerate() {
        let model = asked(kind);
        let mut options = vec!["--model", &model];
        options.extend((at > 0).then_some("--continue"));
        let run = claude.ask(&format!("question {at}"), &options);
        let about = format!("question {at} at {}: {run:?}", kind.name);
        assert_eq!(run.result()["result"], format!("{0} answers: {0} works", kind.name), "{about}");
        world.check(&about);
        let heard = world.server(kind).turns().pop().expect("asked");
        assert_eq!(heard.results.len(), at + 1, "all of the session is there: {about}");
        // The round of now, and that of its earlier question; none where another Claude's was refused.
        let rounds = match at {
            _ if kind.model.contains("claude-opus-5-5") && at > 1 => 0,
            ..9 => 1,
            _ => 2,
        };
        assert!(heard.thoughts() >= rounds, "{about}");
    }
}

/// In the middle of a turn, with thinking and results on the table, one has no time any more: the client goes
/// on with its fallback model at another one. The next question goes back.
#[test]
fn r13_r14_r15_the_client_falls_back_in_the_middle_of_a_turn() {
    std::thread::scope(|scope| {
        for (from, to) in [
            (&GEMINI_3, &BEDROCK_CLAUDE),
            (&BEDROCK_CLAUDE, &AZURE),
            (&THIRD, &VERTEX_GEMINI),
            (&VERTEX_CLAUDE, &THIRD),
        ] {
            scope.spawn(move || a_fallback(from, to));
        }
    });
}

fn a_fallback(from: &'static Kind, to: &'static Kind) {
    let world = World::new(&[from, to], move |kind, heard| {
        let think = Say::think(thought(kind));
        if heard.last_user_text.contains("the second question") {
            return think.and_text("back again");
        }
        match heard.results.len() {
            0 => think.and_call("Bash", &bash("echo one")),
            1 if kind.name == from.name => Say::busy(),
            1 => think.and_call("Bash", &bash("echo elsewhere")),
            _ => think.and_text("done elsewhere"),
        }
    });
    let claude = Claude::at(world.gateway.url());
    let (first, fallback) = (asked(from), asked(to));
    let options = ["--model", &first, "--fallback-model", &fallback];
    let run = claude.ask("the first question", &options);
    run.said("done elsewhere");
    world.check(&format!("{run:?}"));
    let run = claude.ask("the second question", &["--continue", "--model", &first]);
    run.said("back again");
    world.check(&format!("{run:?}"));
    let last = world.server(from).turns().pop().expect("asked");
    assert_eq!(last.results.len(), 2, "{run:?}");
}
