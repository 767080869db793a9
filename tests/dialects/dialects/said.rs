//! What a model says, whichever it is, and how the scripted services write it down.

use gateway_testkit::bedrock::{self, converse_reply, invoke_reply};
use gateway_testkit::google::{self, claude_reply, gemini_reply};
use gateway_testkit::ollama::reply as ollama_reply;
use gateway_testkit::openai::{self, chat_reply, responses_reply};
use serde_json::{Value, json};

use crate::dialects::{Dialect, Sent, Speaks};

/// One answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) parts: Vec<Part>,
    /// The limit of tokens ended it.
    pub(crate) limit: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Part {
    Thought(&'static str),
    Text(String),
    Call(String, Value),
}

impl Said {
    pub(crate) fn thought(mut self, text: &'static str) -> Self {
        self.parts.push(Part::Thought(text));
        self
    }

    pub(crate) fn text(mut self, text: &str) -> Self {
        self.parts.push(Part::Text(text.to_owned()));
        self
    }

    pub(crate) fn call(mut self, name: &str, args: Value) -> Self {
        self.parts.push(Part::Call(name.to_owned(), args));
        self
    }

    pub(crate) fn limit(mut self) -> Self {
        self.limit = true;
        self
    }
}

/// A way of writing an answer down.
#[derive(Clone, Debug)]
pub(crate) enum Style {
    OpenAi(openai::Style),
    Google(google::Style),
    Bedrock(bedrock::Style),
}

impl Dialect {
    /// The ways of its service, by name; the first is the usual one.
    pub(crate) fn styles(&self) -> Vec<(&'static str, Style)> {
        match &self.speaks {
            Speaks::OpenAi(_, rules) => {
                let own = openai::Style::of(rules.vendor);
                let all = openai::Style::all()
                    .into_iter()
                    .map(|(name, style)| (name, Style::OpenAi(style)));
                std::iter::once(("own", Style::OpenAi(own))).chain(all).collect()
            }
            Speaks::Ollama(..) => {
                let pieces = [7, 1, usize::MAX];
                let style =
                    |piece| Style::OpenAi(openai::Style { piece, ..openai::Style::default() });
                ["own", "a-letter-a-piece", "one-piece"]
                    .into_iter()
                    .zip(pieces.map(style))
                    .collect()
            }
            Speaks::Gemini(..) | Speaks::Vertex(..) => {
                let mut all = google::Style::all();
                for (_, style) in &mut all {
                    style.signature = style.signature.min(2000);
                }
                // Claude's stream has events whatever Gemini's frames look like.
                all.into_iter().map(|(name, style)| (name, Style::Google(style))).collect()
            }
            Speaks::Converse(_, rules) => {
                let own = bedrock::Style::of(rules.family);
                let all = bedrock::Style::all()
                    .into_iter()
                    .map(|(name, style)| (name, Style::Bedrock(style)));
                std::iter::once(("own", Style::Bedrock(own))).chain(all).collect()
            }
            Speaks::Invoke(_) => {
                let all = bedrock::Style::all().into_iter();
                all.map(|(name, style)| (name, Style::Bedrock(style))).collect()
            }
            Speaks::Compatible(_) => vec![("own", Style::Google(google::Style::default()))],
        }
    }

    /// The usual way.
    pub(crate) fn style(&self) -> Style {
        self.styles().swap_remove(0).1
    }

    /// What the service answers to a request that is its `index`th: a stream's bytes, or a body.
    pub(crate) fn answer(&self, sent: &Sent, said: &Said, style: &Style, index: usize) -> Vec<u8> {
        let body = &sent.json();
        match (&self.speaks, style) {
            (Speaks::OpenAi(_, rules), Style::OpenAi(style)) => {
                let turn = openai_turn(said).style(style.clone());
                let asked = openai::Asked { body, index, account: &rules.account };
                let responses = sent.path.contains("/responses");
                match (responses, sent.stream) {
                    (true, true) => responses_reply::frames(&turn, asked).concat(),
                    (true, false) => responses_reply::body(&turn, asked).to_string(),
                    (false, true) => chat_reply::frames(&turn, asked).concat(),
                    (false, false) => chat_reply::body(&turn, asked).to_string(),
                }
                .into_bytes()
            }
            (Speaks::Ollama(_, model), Style::OpenAi(style)) => {
                let turn = openai_turn(said).style(style.clone());
                let asked = ollama_reply::Asked { body, index, model, prompt: 1000 };
                if sent.stream {
                    let lines = ollama_reply::lines(&turn, asked);
                    lines.iter().fold(String::new(), |all, line| all + &format!("{line}\n"))
                } else {
                    ollama_reply::body(&turn, asked).to_string()
                }
                .into_bytes()
            }
            (Speaks::Gemini(_, rules), Style::Google(style)) => {
                let turn = google_turn(said).style(style.clone());
                let asked = google::Asked { body, model: self.model, index, rules };
                if sent.stream {
                    gemini_reply::frames(&turn, asked, true).concat().into_bytes()
                } else {
                    gemini_reply::body(&turn, asked).to_string().into_bytes()
                }
            }
            (Speaks::Vertex(_, rules), Style::Google(style)) => {
                let turn = google_turn(said).style(style.clone());
                let asked = google::Asked { body, model: self.model, index, rules };
                if sent.stream {
                    claude_reply::frames(&turn, asked).concat().into_bytes()
                } else {
                    claude_reply::body(&turn, asked).to_string().into_bytes()
                }
            }
            (Speaks::Converse(_, rules), Style::Bedrock(style)) => {
                let turn = bedrock_turn(said).style(style.clone());
                let asked = bedrock::Asked { body, index, rules };
                if sent.stream {
                    converse_reply::frames(&turn, asked).0.concat()
                } else {
                    converse_reply::body(&turn, asked).to_string().into_bytes()
                }
            }
            (Speaks::Invoke(rules), Style::Bedrock(style)) => {
                let turn = bedrock_turn(said).style(style.clone());
                let asked = bedrock::Asked { body, index, rules };
                if sent.stream {
                    invoke_reply::frames(&turn, asked).0.concat()
                } else {
                    invoke_reply::body(&turn, asked).to_string().into_bytes()
                }
            }
            (Speaks::Compatible(_), _) => claude_message(said, index).to_string().into_bytes(),
            (_, style) => panic!("{} has no {style:?}", self.name),
        }
    }
}

fn openai_turn(said: &Said) -> openai::Turn {
    let turn = said.parts.iter().fold(openai::Turn::default(), |turn, part| match part {
        Part::Thought(text) => turn.and_reasoning(&[text]),
        Part::Text(text) => turn.and_text(text),
        Part::Call(name, args) => turn.and_call(name, args),
    });
    if said.limit { turn.finish(openai::Finish::Length) } else { turn }
}

fn google_turn(said: &Said) -> google::Turn {
    let turn = said.parts.iter().fold(google::Turn::default(), |turn, part| match part {
        Part::Thought(text) => turn.and_reasoning(&[text]),
        Part::Text(text) => turn.and_text(text),
        Part::Call(name, args) => turn.and_call(name, args),
    });
    if said.limit { turn.finish(google::Finish::MaxTokens) } else { turn }
}

fn bedrock_turn(said: &Said) -> bedrock::Turn {
    let turn = said.parts.iter().fold(bedrock::Turn::default(), |turn, part| match part {
        Part::Thought(text) => turn.and_reasoning(*text),
        Part::Text(text) => turn.and_text(text),
        Part::Call(name, args) => turn.and_call(name, args),
    });
    if said.limit { turn.finish(bedrock::Finish::Word("max_tokens")) } else { turn }
}

/// As Anthropic says it, whole.
fn claude_message(said: &Said, index: usize) -> Value {
    let block = |(number, part): (usize, &Part)| match part {
        Part::Thought(text) => {
            json!({"type": "thinking", "thinking": text, "signature": format!("EqNative{index}{number}")})
        }
        Part::Text(text) => json!({"type": "text", "text": text}),
        Part::Call(name, input) => {
            let id = format!("toolu_01Claude{index}{number}");
            json!({"type": "tool_use", "id": id, "name": name, "input": input})
        }
    };
    let content: Vec<Value> = said.parts.iter().enumerate().map(block).collect();
    json!({
        "id": "msg_01", "type": "message", "role": "assistant", "model": "m", "content": content,
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": {"input_tokens": 5, "output_tokens": 7},
    })
}
