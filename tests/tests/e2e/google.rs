//! Claude Code on Google's models: the real client through the real binary, behind which AI Studio and Vertex AI
//! play that refuse what the real ones refuse, signatures and access tokens included.

use gateway_testkit::google::{PROJECT, Rules, Seen, Server, Turn};
use serde_json::json;

use crate::claude::Claude;
use crate::harness::{CLIENT_KEY, Gateway, PROVIDER_KEY, provider_config};

/// A gateway before one of Google's services.
struct Setup {
    server: Server,
    gateway: Gateway,
}

impl Setup {
    /// Gemini with an API key.
    fn studio(model: &str) -> Self {
        let rules = Rules::studio(model).with_key(PROVIDER_KEY);
        Self::before("gemini", Server::start(rules, coder), &format!("default_model: {model}"))
    }

    /// Gemini or Claude with an access token.
    fn vertex(model: &str) -> Self {
        let rules = Rules::vertex(model).at(PROJECT, "us");
        let lines = format!("model_map: {{\"*\": {model}}}");
        Self::before("vertex", Server::start(rules, coder), &lines)
    }

    fn before(kind: &str, server: Server, lines: &str) -> Self {
        let (credential, more) = match kind {
            "vertex" => {
                let place = json!({"project": PROJECT, "location": "us"});
                (server.token(), format!("auth_type: bearer_token\n    extra: {place}"))
            }
            _ => (PROVIDER_KEY.to_owned(), String::new()),
        };
        let lines = format!("api_key_env_var: UP_KEY\n    {lines}\n    {more}");
        let config = provider_config("up", kind, &server.url(), &lines, "");
        let gateway = Gateway::with(&config, &[&format!("UP_KEY={credential}")]);
        Self { server, gateway }
    }
}

/// Thinks, runs a command, thinks again, runs two at once, and tells what it read; a second question.
fn coder(seen: &Seen) -> Turn {
    let bash = |command: &str| json!({"command": command, "description": "as told"});
    if !seen.has_tool("Bash") {
        return Turn::text("a title");
    }
    if seen.last_user_text().contains("second question") {
        return Turn::reasoning(&["Again."]).and_text("second answer");
    }
    let results = seen.results();
    match results.len() {
        0 => Turn::reasoning(&["First I look."])
            .and_text("I look.")
            .and_call("Bash", &bash("printf 'ünï \"q\"' > note.txt && cat note.txt")),
        1 => Turn::reasoning(&["Now two."])
            .and_call("Bash", &bash("echo two"))
            .and_call("Bash", &bash("echo three")),
        _ => {
            // To older models the client says how many tokens are left.
            let said = |text: &str| {
                text.split("<system-reminder>").next().unwrap_or_default().trim().to_owned()
            };
            let mut texts: Vec<String> = results.iter().map(|(_, text)| said(text)).collect();
            // Of two at once either may be done first.
            texts.sort_unstable();
            Turn::reasoning(&["Done."]).and_text(texts.join(" + "))
        }
    }
}

fn works(setup: &Setup, signatures: usize) {
    let claude = Claude::at(setup.gateway.url());
    let run = claude.ask("do three things", &[]);
    run.said("three + two + ünï \"q\"");
    assert_eq!(claude.file("note.txt").as_deref(), Some("ünï \"q\""));
    let run = claude.ask("second question", &["--continue"]);
    run.said("second answer");
    let server = &setup.server;
    assert_eq!(server.refusals(), [], "{run:?}");
    assert_eq!(server.leaks(), Vec::<String>::new(), "{run:?}");
    let turns = server.turns();
    let last = turns.last().expect("asked");
    assert_eq!((last.results().len(), last.bypasses()), (3, 0), "{run:?}");
    assert!(last.signatures().len() >= signatures, "{:#}", last.body);
    for seen in &turns {
        assert!(seen.streams(), "{run:?}");
        assert!(!seen.body.to_string().contains(CLIENT_KEY), "{run:?}");
    }
}

#[test]
fn r13_r14_gemini_gets_its_signatures_back_from_claude_code() {
    works(&Setup::studio("gemini-3.6-flash"), 2);
}

#[test]
fn r13_r14_gemini_on_vertex_gets_its_signatures_back() {
    works(&Setup::vertex("gemini-3.1-pro"), 2);
}

#[test]
fn r13_claude_on_vertex_gets_its_own_signatures_back() {
    works(&Setup::vertex("claude-opus-5-5"), 2);
}

/// With no gateway between: what the scripted Vertex takes and says is what the client is made for.
#[test]
fn claude_code_works_through_the_scripted_vertex_in_its_own_mode() {
    for model in ["claude-opus-5-5", "claude-sonnet-4-5@20250929"] {
        let server = Server::start(Rules::vertex(model).open(), coder);
        let mut claude = Claude::bare("");
        claude.forget_base_url();
        for (name, value) in [
            ("CLAUDE_CODE_USE_VERTEX", "1"),
            ("CLAUDE_CODE_SKIP_VERTEX_AUTH", "1"),
            ("ANTHROPIC_VERTEX_BASE_URL", &format!("{}/v1", server.url())),
            ("ANTHROPIC_VERTEX_PROJECT_ID", PROJECT),
            ("CLOUD_ML_REGION", "us"),
            ("ANTHROPIC_MODEL", model),
            ("ANTHROPIC_DEFAULT_HAIKU_MODEL", model),
        ] {
            claude.set(name, value);
        }
        let run = claude.ask("do three things", &[]);
        assert_eq!(server.refusals(), [], "{model}");
        run.said("three + two + ünï \"q\"");
    }
}
