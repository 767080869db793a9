//! Requests recorded from real clients.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::sync::OnceLock;

use flate2::read::GzDecoder;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::exchange::{Ask, Setting};

/// A recorded request.
#[derive(Debug)]
pub(crate) struct Recording {
    /// What it is called.
    pub(crate) name: String,
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    /// The members of the body in their order, as they were written; empty where there was no body.
    body: Vec<(String, Box<RawValue>)>,
}

#[derive(Deserialize)]
struct File<'f> {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    #[serde(borrow)]
    body: &'f RawValue,
}

/// All of them, by name.
pub(crate) fn all() -> &'static [Recording] {
    static ALL: OnceLock<Vec<Recording>> = OnceLock::new();
    ALL.get_or_init(|| unpack(PACKED).expect("the build script packs recorded requests"))
}

/// The one of that name.
///
/// # Panics
/// When there is none.
pub(crate) fn named(name: &str) -> &'static Recording {
    let found = all().iter().find(|recording| recording.name == name);
    found.unwrap_or_else(|| panic!("no request {name:?} was recorded"))
}

impl Recording {
    /// Whether it asks for a message.
    pub(crate) fn is_message(&self) -> bool {
        self.path == "/v1/messages"
    }

    /// As a request for the setting's model. The limit of output is lowered, since output is what costs;
    /// everything else is as it was sent, but for a credential and a budget of thinking above the limit.
    pub(crate) fn ask(&self, setting: &Setting) -> Ask {
        let target = match self.query.as_str() {
            "" => self.path.clone(),
            query => format!("{}?{query}", self.path),
        };
        let mut ask = Ask::new(&self.method, &target);
        for (name, value) in &self.headers {
            if !OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
                ask = ask.header(name, value);
            }
        }
        if !self.body.is_empty() {
            let members: Vec<String> = self
                .body
                .iter()
                .map(|(name, value)| {
                    format!("{}:{}", quoted(name), self.member(name, value, setting))
                })
                .collect();
            ask.body = format!("{{{}}}", members.join(",")).into();
        }
        ask
    }

    fn member<'r>(&self, name: &str, value: &'r RawValue, setting: &Setting) -> Cow<'r, str> {
        let budget = self.thinks_by_budget();
        match name {
            "model" => quoted(&setting.model).into(),
            "max_tokens" => {
                let limit = if budget { BUDGET + OUTPUT } else { OUTPUT };
                let sent = value.get().parse().unwrap_or(limit);
                limit.min(sent).to_string().into()
            }
            "thinking" if budget => {
                let mut thinking: serde_json::Value =
                    serde_json::from_str(value.get()).unwrap_or_default();
                thinking["budget_tokens"] = BUDGET.into();
                thinking.to_string().into()
            }
            _ => compact(value.get()).into(),
        }
    }

    fn thinks_by_budget(&self) -> bool {
        let thinking = self.body.iter().find(|(name, _)| name == "thinking");
        thinking.is_some_and(|(_, value)| value.get().contains("budget_tokens"))
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn unpack(packed: &[u8]) -> Option<Vec<Recording>> {
    let mut text = String::new();
    GzDecoder::new(packed).read_to_string(&mut text).ok()?;
    let mut rest = text.as_str();
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (line, files) = rest.split_once('\n')?;
        let (name, length) = line.split_once(' ')?;
        let (file, after) = files.split_at_checked(length.parse().ok()?)?;
        all.push(read(name, file)?);
        rest = after;
    }
    Some(all)
}

fn read(name: &str, file: &str) -> Option<Recording> {
    let File { method, path, query, headers, body } = serde_json::from_str(file).ok()?;
    let body = match body.get() {
        "null" => Vec::new(),
        body => serde_json::from_str::<Members>(body).ok()?.0,
    };
    Some(Recording { name: name.to_owned(), method, path, query, headers, body })
}

/// JSON text without the white space between its tokens, which is how clients write it.
fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    json.chars()
        .filter(|&c| {
            if in_string {
                (in_string, escaped) = (escaped || c != '"', !escaped && c == '\\');
                return true;
            }
            in_string = c == '"';
            !c.is_ascii_whitespace()
        })
        .collect()
}

/// The members of an object in their order.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(InOrder)
    }
}

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/recorded.gz"));

/// Tokens of output that a recorded request may cost, and of thinking where it has a budget.
const OUTPUT: u64 = 256;
const BUDGET: u64 = 1024;

/// Headers that are the sender's business.
const OURS: &[&str] =
    &["host", "connection", "content-length", "accept-encoding", "x-api-key", "authorization"];

#[cfg(test)]
mod tests {
    use super::*;

    fn setting() -> Setting {
        Setting { model: "some \"model\"".to_owned() }
    }

    #[test]
    fn a_recorded_request_is_sent_as_it_was_but_for_model_and_limits() {
        let fixture = gateway_testkit::fixtures::request("first-turn");
        let ask = named("first-turn").ask(&setting());
        assert_eq!((ask.method.as_str(), ask.target.as_str()), ("POST", "/v1/messages?beta=true"));
        let sent = String::from_utf8(ask.body.to_vec()).expect("UTF-8");
        let was = String::from_utf8(fixture.body.to_vec()).expect("UTF-8");
        let back = sent
            .replacen(r#""model":"some \"model\"""#, r#""model":"claude-opus-5-5""#, 1)
            .replacen(r#""max_tokens":256"#, r#""max_tokens":128000"#, 1);
        assert_eq!(back, was);
        let betas = |headers: &[(String, String)]| {
            let found = headers.iter().find(|(name, _)| name == "anthropic-beta");
            found.map(|(_, value)| value.clone())
        };
        assert_eq!(betas(&ask.headers), betas(&fixture.headers));
        assert!(betas(&ask.headers).is_some());
    }

    #[test]
    fn no_credential_of_a_recording_is_sent() {
        for recording in all() {
            for (name, value) in recording.ask(&setting()).headers {
                assert!(!value.contains("masked"), "{}: {name}", recording.name);
            }
        }
    }

    #[test]
    fn every_recorded_request_is_there_and_stays_legal() {
        assert_eq!(all().len(), gateway_testkit::fixtures::requests().len());
        for recording in all().iter().filter(|recording| recording.is_message()) {
            let ask = recording.ask(&setting());
            let body: serde_json::Value = serde_json::from_slice(&ask.body).expect("JSON");
            let limit = body["max_tokens"].as_u64().expect("a limit");
            assert!(limit <= BUDGET + OUTPUT, "{}", recording.name);
            if let Some(budget) = body["thinking"]["budget_tokens"].as_u64() {
                assert!((1024..limit).contains(&budget), "{}", recording.name);
            }
        }
    }

    #[test]
    fn white_space_goes_and_strings_stay() {
        assert_eq!(compact("{ \"a \\\" b\" :\n [1, \" \"] }"), "{\"a \\\" b\":[1,\" \"]}");
    }
}
