//! Every answer in every style, cut in every way, in every dialect.

use gateway_translate::BodyEnd;
use serde_json::{Value, json};

use crate::dialects::{Dialect, Sent, all, named};
use crate::heard::{Heard, hear};
use crate::said::{Part, Said, Style};

/// A request that leaves room for all that may be said.
pub(crate) fn asked(stream: bool) -> Value {
    let tool = |name: &str| {
        json!({"name": name, "description": "does", "input_schema":
            {"type": "object", "properties": {"command": {"type": "string"}}}})
    };
    json!({
        "model": "claude-opus-5-5", "max_tokens": 8000, "stream": stream,
        "thinking": {"type": "adaptive"},
        "tools": [tool("Bash"), tool("Read")],
        "messages": [{"role": "user", "content": "go"}],
    })
}

/// What is said, and whether all services can say it.
fn answers() -> Vec<Said> {
    let command = json!({"command": "echo \"é😀\"\n\\"});
    vec![
        Said::default().text("Hello, wörld 😀 \"quoted\" \\ back\n\ttab"),
        Said::default().thought("Hm \"so\".").text("So."),
        Said::default().thought("Hm.").call("Bash", command.clone()),
        rich(),
        Said::default().text("One.").call("Read", json!({})).call("Bash", command.clone()),
        Said::default().call("Bash", json!({"command": "a"})).call("Bash", json!({"command": "b"})),
        Said::default().text("cut sho").limit(),
        Said::default().thought("All of it thou").limit(),
    ]
}

/// One of everything.
pub(crate) fn rich() -> Said {
    let said = Said::default().thought("Why \"é\"?").text("I look: 😀.");
    said.call("Bash", json!({"command": "ls -la\n\"x\""})).call("Read", json!({}))
}

/// What a client acts on: texts, calls and the reason to stop. Thinking is apart, ids are the service's.
fn gist(message: &Value) -> Value {
    let blocks = message["content"].as_array().expect("blocks").iter();
    let mut kept: Vec<Value> = Vec::new();
    for block in blocks {
        match block["type"].as_str().expect("a type") {
            "text" => match kept.last_mut().filter(|last| last["text"].is_string()) {
                Some(last) => {
                    let text = [&last["text"], &block["text"]].map(|t| t.as_str().expect("a text"));
                    last["text"] = json!(text.concat());
                }
                None => kept.push(json!({"text": block["text"]})),
            },
            "tool_use" => kept.push(json!({"call": block["name"], "input": block["input"]})),
            _ => {}
        }
    }
    json!({"content": kept, "stop": message["stop_reason"]})
}

/// What it should be.
fn wanted(said: &Said) -> Value {
    let part = |part: &Part| match part {
        Part::Thought(_) => None,
        Part::Text(text) => Some(json!({"text": text})),
        Part::Call(name, input) => Some(json!({"call": name, "input": input})),
    };
    let content: Vec<Value> = said.parts.iter().filter_map(part).collect();
    let calls = said.parts.iter().any(|part| matches!(part, Part::Call(..)));
    let stop = match (said.limit, calls) {
        (true, _) => "max_tokens",
        (false, true) => "tool_use",
        (false, false) => "end_turn",
    };
    json!({"content": content, "stop": stop})
}

fn thoughts(message: &Value) -> String {
    let blocks = message["content"].as_array().expect("blocks").iter();
    blocks.filter_map(|block| block["thinking"].as_str()).collect()
}

/// Pieces of sizes that look like luck, the same each time.
fn by_luck(bytes: &[u8], seed: u64) -> Vec<&[u8]> {
    let mut luck = seed;
    let (mut rest, mut pieces) = (bytes, Vec::new());
    while !rest.is_empty() {
        luck = luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let size = usize::try_from(luck >> 33).expect("31 bits") % 97 + 1;
        let (piece, more) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = more;
    }
    pieces
}

/// All the ways, or few.
fn cuts(bytes: &[u8], thorough: bool) -> Vec<Vec<&[u8]>> {
    let mut ways = vec![vec![bytes], bytes.chunks(1).collect(), by_luck(bytes, 7)];
    if thorough {
        ways.push(bytes.chunks(2).collect());
        ways.extend((20..23).map(|seed| by_luck(bytes, seed)));
        let (one, two) = bytes.split_at(bytes.len() / 2);
        ways.push(vec![one, two]);
    }
    ways
}

/// The one thing that is heard however an answer is cut, streamed; and unary, the same in gist.
fn heard(dialect: &Dialect, said: &Said, style: &Style, thorough: bool) -> (Heard, Value) {
    let fresh = |stream| -> Sent { dialect.sent(&asked(stream)) };
    let mut sent = fresh(true);
    let answer = dialect.answer(&sent, said, style, 0);
    let mut ways = cuts(&answer, thorough).into_iter();
    let first = hear(&mut sent, &ways.next().expect("whole"), BodyEnd::Clean);
    for pieces in ways {
        let got = hear(&mut fresh(true), &pieces, BodyEnd::Clean);
        assert_eq!(got, first, "{} in {} pieces, {style:?}", dialect.name, pieces.len());
    }
    let mut sent = fresh(false);
    let answer = dialect.answer(&sent, said, style, 0);
    (first, hear(&mut sent, &[&answer], BodyEnd::Clean).whole())
}

fn check(dialect: &Dialect, name: &str, said: &Said, style: &Style, thorough: bool) {
    let (streamed, whole) = heard(dialect, said, style, thorough);
    let what = format!("{} {name} {said:?}", dialect.name);
    let message = streamed.message.as_ref().unwrap_or_else(|| panic!("{what}: {streamed:?}"));
    assert_eq!(streamed.fault, None, "{what}");
    for message in [message, &whole] {
        assert_eq!(gist(message), wanted(said), "{what}: {message:#}");
        let thought = thoughts(message);
        // Between tags a thought ends with a line's end.
        let thought = thought.trim_end();
        let of = said.parts.iter().filter_map(|part| match part {
            Part::Thought(text) => Some(*text),
            _ => None,
        });
        let all: String = of.collect();
        assert!(thought.is_empty() || thought == all, "{what}: thought {thought:?}");
    }
    assert_eq!(thoughts(message), thoughts(&whole), "{what}");
}

#[test]
fn r07_every_answer_is_heard_the_same_however_it_is_cut_streamed_or_not() {
    for dialect in all() {
        for said in answers() {
            check(&dialect, "own", &said, &dialect.style(), true);
        }
    }
}

/// Servers of one dialect write the same down in many ways.
#[test]
fn every_style_of_every_service_is_heard_the_same() {
    for name in [
        "openai-chat",
        "openai-responses",
        "vllm",
        "gemini-3.1",
        "vertex-claude-4.7",
        "converse-nova",
        "bedrock-claude-4.7",
        "ollama",
    ] {
        let dialect = named(name);
        for (style_name, style) in dialect.styles() {
            // OpenAI writes no tags: there they are text. And what Claude says of its end is its own.
            if [("openai-chat", "think"), ("bedrock-claude-4.7", "end-turn-for-calls")]
                .contains(&(name, style_name))
            {
                continue;
            }
            check(&dialect, style_name, &rich(), &style, false);
        }
    }
}
