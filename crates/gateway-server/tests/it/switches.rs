//! Conversations that change their provider in the middle of a tool round, through the whole server: every
//! ordered pair of the kinds there are. The dialects' own tests have all of them without sockets.

use gateway_testkit::{bedrock, google, ollama, openai};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::openai::ask;
use crate::support::{Running, custom};

const KEY: &str = "planted-key-0123456789";

/// A scripted service: the model that it serves, what came up, and what it refused.
struct Played {
    model: &'static str,
    url: String,
    /// It is Claude: what one of them signed may go to another.
    claude: bool,
    bodies: Box<dyn Fn() -> Vec<String>>,
    refusals: Box<dyn Fn() -> Vec<String>>,
}

fn command() -> Value {
    json!({"command": "ls"})
}

fn words(refusals: &[impl std::fmt::Debug]) -> Vec<String> {
    refusals.iter().map(|refusal| format!("{refusal:?}")).collect()
}

macro_rules! played {
    ($server:expr, $model:expr, $claude:expr) => {{
        let server = std::sync::Arc::new($server);
        let other = std::sync::Arc::clone(&server);
        Played {
            model: $model,
            url: server.url(),
            claude: $claude,
            bodies: Box::new(move || server.seen().iter().map(|s| s.body.to_string()).collect()),
            refusals: Box::new(move || words(&other.refusals())),
        }
    }};
}

fn thought(model: &str) -> String {
    format!("so thinks {model}")
}

fn in_openai(model: &'static str, rules: openai::Rules) -> Played {
    let style = openai::Style::of(rules.vendor);
    let server = openai::Server::start(rules, move |_| {
        let turn = openai::Turn::reasoning(&[&thought(model)]).and_call("Bash", &command());
        turn.style(style.clone())
    });
    played!(server, model, false)
}

fn in_bedrock(model: &'static str, claude: bool) -> Played {
    let rules = bedrock::Rules::bedrock(model).with_key("AKIDPLANTED", KEY);
    let server = bedrock::Server::start(rules, move |_| {
        bedrock::Turn::reasoning(thought(model)).and_call("Bash", &command())
    });
    played!(server, model, claude)
}

fn in_google(rules: google::Rules, model: &'static str) -> google::Server {
    google::Server::start(rules, move |_| {
        google::Turn::reasoning(&[&thought(model)]).and_call("Bash", &command())
    })
}

/// All of them behind one gateway.
fn all() -> (Running, Vec<Played>, TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("account.json");
    let (studio, vertex) = ("gemini-3.1-pro", "claude-opus-4-7");
    let gemini = in_google(google::Rules::studio(studio).with_key(KEY), studio);
    let claude = in_google(google::Rules::vertex(vertex), vertex);
    std::fs::write(&file, claude.service_account()).expect("written");
    let home = "local-coder:30b";
    let local = ollama::Server::start(ollama::Model::new(home), move |_| {
        openai::Turn::reasoning(&[&thought(home)]).and_call("Bash", &command())
    });
    let router = "anthropic/claude-sonnet-4.5";
    let responses = "gpt-5.6-terra";
    let served = vec![
        played!(gemini, studio, false),
        played!(claude, vertex, true),
        in_bedrock("us.anthropic.claude-opus-4-7", true),
        in_bedrock("openai.gpt-oss-120b-1:0", false),
        played!(local, home, false),
        in_openai(router, openai::Rules::compatible("openrouter").with_key(KEY)),
        in_openai(responses, openai::Rules::openai(responses).with_key(KEY)),
    ];
    let kinds = [
        ("gemini", "api_key_env_var: UP_KEY".to_owned()),
        (
            "vertex",
            format!(
                "extra: {{project: {}, location: global, credentials_file: {}}}",
                google::PROJECT,
                file.display()
            ),
        ),
        ("bedrock", "extra: {region: us-east-1}".to_owned()),
        ("bedrock", "extra: {region: us-east-1}".to_owned()),
        ("ollama", "extra: {num_ctx: 65536}".to_owned()),
        ("openrouter", "api_key_env_var: UP_KEY".to_owned()),
        ("openai-responses", "api_key_env_var: UP_KEY".to_owned()),
    ];
    let (mut providers, mut routes) = (String::new(), String::new());
    for (at, (played, (kind, lines))) in served.iter().zip(&kinds).enumerate() {
        providers +=
            &format!("  p{at}:\n    kind: {kind}\n    api_base: {}\n    {lines}\n", played.url);
        routes += &format!("  - {{pattern: \"{}\", provider: p{at}}}\n", played.model);
    }
    let yaml = format!("providers:\n{providers}routes:\n{routes}");
    let env =
        [("UP_KEY", KEY), ("AWS_ACCESS_KEY_ID", "AKIDPLANTED"), ("AWS_SECRET_ACCESS_KEY", KEY)];
    (custom(&yaml, &env, |_| {}), served, dir)
}

/// One turn: what the model says is put into the conversation, with results. Returns what was lost.
async fn turn(running: &Running, played: &Played, body: &mut Value, stream: bool) -> String {
    body["model"] = json!(played.model);
    body["stream"] = json!(stream);
    let answer = ask(running, body).await;
    let (message, error) = answer.message();
    assert_eq!((answer.head.status, error), (200, None), "{}: {}", played.model, answer.text);
    let fidelity = answer.head.header("x-gateway-fidelity").unwrap_or_default().to_owned();
    let blocks = message["content"].as_array().expect("blocks");
    let thinks = blocks.iter().any(|block| block["type"] == "thinking");
    assert!(thinks, "{}: {}", played.model, answer.text);
    let call = blocks.last().expect("a call");
    assert_eq!(call["type"], "tool_use", "{}: {}", played.model, answer.text);
    let result = json!({"type": "tool_result", "tool_use_id": call["id"], "content": "a file"});
    let messages = body["messages"].as_array_mut().expect("messages");
    messages.push(json!({"role": "assistant", "content": blocks}));
    messages.push(json!({"role": "user", "content": [result]}));
    fidelity
}

#[tokio::test]
async fn r13_r15_a_tool_round_moves_between_all_kinds_and_back() {
    let (running, served, _dir) = all();
    for (at, a) in served.iter().enumerate() {
        for (to, b) in served.iter().enumerate().filter(|(to, _)| *to != at) {
            let what = format!("{} to {}", a.model, b.model);
            let stream = (at + to) % 2 == 0;
            let related = a.claude && b.claude;
            let known = [(a.refusals)().len(), (b.refusals)().len()];
            let mut body = json!({
                "max_tokens": 8000, "thinking": {"type": "adaptive"},
                "messages": [{"role": "user", "content": "go"}],
                "tools": [{"name": "Bash", "description": "runs", "input_schema":
                    {"type": "object", "properties": {"command": {"type": "string"}}}}],
            });
            turn(&running, a, &mut body, stream).await;
            let told = turn(&running, b, &mut body, stream).await;
            assert!(related || told.contains("messages[1]"), "{what}: {told:?}");
            turn(&running, a, &mut body, stream).await;
            if related {
                // The services here sign each for itself; one that refuses is asked again without.
                continue;
            }
            for ((one, other), known) in [(a, b), (b, a)].into_iter().zip(known) {
                assert_eq!((one.refusals)()[known..], [] as [String; 0], "{what}");
                let up = (one.bodies)().pop().expect("it was asked");
                assert!(!up.contains("gw1."), "{what}: {up}");
                assert!(!up.contains(&thought(other.model)), "{what}: {up}");
            }
        }
    }
}
