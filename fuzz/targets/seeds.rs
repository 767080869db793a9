//! Writes what fuzzing begins with: answers of the scripted services in every style, recorded requests.

use std::fs;
use std::path::Path;

use gateway_fuzz::{ASKED, converse, encode, gemini, openai};
use gateway_openai::Api;
use gateway_testkit::bedrock::{self, converse_reply, invoke_reply};
use gateway_testkit::google::{self, gemini_reply};
use gateway_testkit::ollama::{self, reply};
use gateway_testkit::openai::{self as scripted, chat_reply, responses_reply};
use gateway_testkit::fixtures;
use serde_json::{Value, json};

fn put(target: &str, name: &str, bytes: &[u8]) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&dir).expect("a directory");
    // The largest pieces, and a clean end.
    let input = if target == "request" { bytes.to_vec() } else { [&[254], bytes].concat() };
    fs::write(dir.join(name), input).expect("written");
}

fn body(upstream: &gateway_fuzz::Upstream) -> Value {
    let encoded = encode(upstream, ASKED.as_bytes()).expect("it can be said");
    serde_json::from_str(&encoded.body).expect("JSON")
}

fn main() {
    let args = json!({"command": "echo \"é\""});
    let said = scripted::Turn::reasoning(&["Hm."]).and_text("é </st").and_call("Bash", &args);
    for (name, style) in scripted::Style::all() {
        let turn = said.clone().style(style);
        for (target, api) in [("chat", Api::Chat), ("responses", Api::Responses)] {
            let body = body(&openai(api));
            let asked = scripted::Asked { body: &body, index: 0, account: "a" };
            let frames = match api {
                Api::Responses => responses_reply::frames(&turn, asked),
                _ => chat_reply::frames(&turn, asked),
            };
            put(target, name, frames.concat().as_bytes());
        }
    }
    let model = ollama::Model::new("local-coder:30b");
    let asked = reply::Asked { body: &json!({}), index: 0, model: &model, prompt: 9 };
    let lines = reply::lines(&said, asked);
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    put("ollama", "own", lines.as_bytes());

    let said = google::Turn::reasoning(&["Hm."]).and_text("é </st").and_call("Bash", &args);
    let (request, rules) = (body(&gemini()), google::Rules::studio("gemini-3.1-pro"));
    for (name, style) in google::Style::all() {
        let turn = said.clone().style(google::Style { signature: 60, ..style });
        let asked =
            google::Asked { body: &request, model: "gemini-3.1-pro", index: 0, rules: &rules };
        put("gemini", name, gemini_reply::frames(&turn, asked, true).concat().as_bytes());
    }

    let said = bedrock::Turn::reasoning("Hm.").and_text("é </st").and_call("Bash", &args);
    let request = body(&converse());
    for (name, style) in bedrock::Style::all() {
        let turn = said.clone().style(style);
        let rules = bedrock::Rules::bedrock("openai.gpt-oss-120b-1:0");
        let asked = bedrock::Asked { body: &request, index: 0, rules: &rules };
        put("converse", name, &converse_reply::frames(&turn, asked).0.concat());
        let rules = bedrock::Rules::bedrock("us.anthropic.claude-opus-4-7");
        let asked = bedrock::Asked { body: &request, index: 0, rules: &rules };
        let frames = invoke_reply::frames(&turn, asked).0.concat();
        put("invoke", name, &frames);
        put("frames", name, &frames);
    }
    for fixture in fixtures::requests() {
        put("request", &fixture.name, &fixture.body);
    }
}
