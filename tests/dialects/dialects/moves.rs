//! Conversations that change their provider in the middle of a tool round, thinking on both sides: every
//! ordered pair of dialects, there and back.

use gateway_anthropic::edit::Thinking;
use gateway_translate::BodyEnd;
use serde_json::{Value, json};

use crate::dialects::{Dialect, Speaks, all, anthropic, named, presets};
use crate::heard::hear;
use crate::replies::asked;
use crate::said::Said;

const ALPHA: &str = "alpha thinks";
const BETA: &str = "beta thinks";

fn alpha() -> Said {
    Said::default().thought(ALPHA).text("A looks.").call("Bash", json!({"command": "a"}))
}

fn beta() -> Said {
    Said::default().thought(BETA).call("Read", json!({"command": "b"}))
}

/// Whether it answers in streams here.
fn streams(dialect: &Dialect) -> bool {
    dialect.is_strict()
}

/// One more turn of the model, and the results of its calls. What it said that only it can read.
fn turn(dialect: &Dialect, body: &mut Value, said: &Said, issued: &[&str]) -> (Value, Vec<String>) {
    let index = body["messages"].as_array().expect("messages").len();
    body["stream"] = json!(false);
    let sent = dialect.taken(body, issued);
    let answer = dialect.answer(&sent, said, &dialect.style(), index);
    let mut opaque = Vec::new();
    sealed(&serde_json::from_slice(&answer).expect("JSON"), &mut opaque);
    body["stream"] = json!(streams(dialect));
    let mut sent = dialect.taken(body, issued);
    let answer = dialect.answer(&sent, said, &dialect.style(), index);
    let message = hear(&mut sent, &[&answer], BodyEnd::Clean).whole();
    follow(body, &message["content"]);
    (message, opaque)
}

fn follow(body: &mut Value, content: &Value) {
    let calls = content.as_array().expect("blocks").iter();
    let results: Vec<Value> = calls
        .filter(|block| block["type"] == "tool_use")
        .map(|block| {
            let text = format!("result of {}", block["name"]);
            json!({"type": "tool_result", "tool_use_id": block["id"], "content": text})
        })
        .collect();
    assert!(!results.is_empty(), "it calls: {content:#}");
    let messages = body["messages"].as_array_mut().expect("messages");
    messages.push(json!({"role": "assistant", "content": content}));
    messages.push(json!({"role": "user", "content": results}));
}

/// What of an answer is opaque.
fn sealed(value: &Value, found: &mut Vec<String>) {
    const FIELDS: [&str; 4] =
        ["signature", "thoughtSignature", "encrypted_content", "redactedContent"];
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str().filter(|text| !text.is_empty()) {
                    Some(text) if FIELDS.contains(&name.as_str()) => found.push(text.to_owned()),
                    _ => sealed(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| sealed(item, found)),
        _ => {}
    }
}

fn thinks(message: &Value) -> bool {
    let blocks = message["content"].as_array().expect("blocks");
    blocks.iter().any(|block| block["type"] == "thinking" || block["type"] == "redacted_thinking")
}

/// Whether its own thinking is unsigned: it can't be told from that of others who sign none.
fn takes_unsigned(dialect: &Dialect) -> bool {
    matches!(&dialect.speaks, Speaks::Compatible(policy) if policy.thinking == Thinking::Preserve)
}

/// A conversation at home: what was said, with which opaque state, and what of its state goes back.
struct Home {
    body: Value,
    message: Value,
    opaque: Vec<String>,
    /// What goes back to it of that: opaque state, or the thought itself.
    state: Vec<String>,
}

fn home(dialect: &Dialect) -> Home {
    let mut body = asked(true);
    let (message, opaque) = turn(dialect, &mut body, &alpha(), &[]);
    body["stream"] = json!(streams(dialect));
    let back = dialect.taken(&body, &[ALPHA]);
    assert_eq!(back.learnt, [], "{}: its own state is not refused", dialect.name);
    for own in &opaque {
        assert!(back.body.contains(own), "{}: {own} in {}", dialect.name, back.body);
    }
    let mut state = opaque.clone();
    if back.body.contains(ALPHA) {
        state.push(ALPHA.to_owned());
    }
    Home { body, message, opaque, state }
}

fn everyone() -> Vec<Dialect> {
    let mut all = all();
    all.push(anthropic());
    all.extend(presets().into_iter().take(1));
    all
}

#[test]
fn r13_r14_r15_state_stays_with_who_made_it_and_comes_back_as_it_was_in_every_pair() {
    let everyone = everyone();
    let homes: Vec<Home> = everyone.iter().map(home).collect();
    for (a, home) in everyone.iter().zip(&homes) {
        for b in everyone.iter().filter(|b| b.name != a.name) {
            let what = format!("{} to {}", a.name, b.name);
            // Claude is Claude wherever it is served: what it signed may go from one to the other.
            let related = a.is_claude() && b.is_claude();
            let mut body = home.body.clone();
            body["stream"] = json!(streams(b));
            let there = b.taken(&body, &[]);
            assert!(there.body.contains("A looks.") && there.body.contains("result of"), "{what}");
            if !related {
                let unsigned = takes_unsigned(b);
                let thought = (!unsigned).then_some(ALPHA);
                for foreign in home.opaque.iter().map(String::as_str).chain(thought) {
                    assert!(!there.body.contains(foreign), "{what}: {foreign} in {}", there.body);
                }
                let told = there.losses.iter().any(|loss| loss.path.starts_with("messages"));
                let kept = unsigned && there.body.contains(ALPHA);
                assert!(told || kept || !thinks(&home.message), "{what}: {:?}", there.losses);
            }
            let (_, foreign) = turn(b, &mut body, &beta(), &[]);
            body["stream"] = json!(streams(a));
            let back = a.taken(&body, &[ALPHA]);
            if !related {
                for own in &home.state {
                    assert!(back.body.contains(own), "{what}, and back: {own} in {}", back.body);
                }
                let thought = (!takes_unsigned(a)).then_some(BETA);
                for foreign in foreign.iter().map(String::as_str).chain(thought) {
                    assert!(!back.body.contains(foreign), "{what}, and back: {foreign}");
                }
                assert_eq!(back.learnt, [], "{what}, and back");
            }
        }
    }
}

/// The same Claude on another cloud takes its signatures.
#[test]
fn r15_claude_keeps_its_signatures_on_other_clouds() {
    for (from, to) in [
        ("vertex-claude-4.5", "bedrock-claude-4.5"),
        ("bedrock-claude-4.5", "vertex-claude-4.5"),
        ("vertex-claude-4.7", "bedrock-claude-4.7"),
        ("bedrock-claude-4.7", "vertex-claude-4.7"),
    ] {
        let home = home(&named(from));
        assert!(!home.opaque.is_empty(), "{from}");
        for to in [named(to), anthropic()] {
            let sent = to.sent(&home.body);
            for own in &home.opaque {
                assert!(sent.body.contains(own), "{from} to {}: {}", to.name, sent.body);
            }
        }
    }
}

/// R16: who changes the input of a call changes what was signed.
#[test]
fn r16_a_changed_input_does_not_replay_a_stale_signature() {
    for dialect in everyone() {
        let home = home(&dialect);
        let mut body = home.body.clone();
        for block in body["messages"][1]["content"].as_array_mut().expect("blocks") {
            if block["type"] == "tool_use" {
                block["input"] = json!({"command": "something else"});
            }
        }
        let sent = dialect.taken(&body, &[ALPHA]);
        assert!(sent.body.contains("something else"), "{}", dialect.name);
        // The others sign thoughts, whatever call they led to.
        let signs_calls = ["gemini-3.1", "vertex-gemini"].contains(&dialect.name);
        if signs_calls {
            assert!(!home.opaque.is_empty());
            for stale in &home.opaque {
                assert!(!sent.body.contains(stale), "{}: {}", dialect.name, sent.body);
            }
        }
    }
}
