//! The words of an error body, whatever its shape.

use std::time::Duration;

use gateway_translate::{wait_in_text, waiting_seconds};
use serde_json::Value;

/// How much of an upstream's text is quoted, in bytes.
const QUOTED_BYTES: usize = 2048;

/// Bodies beyond this are read as plain text: no error is so long.
const READ_BYTES: usize = 256 << 10;

/// What an error body says.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// For the caller to read, on one line, at most 2 KiB.
    pub words: String,
    /// In lower case, for looking into.
    lower: String,
    /// `code`, `type`, `status` and their like, in lower case.
    codes: Vec<String>,
    /// All that may tell of a prompt's length.
    pub all: String,
    /// A status that the body names.
    pub status: Option<u16>,
    /// A waiting time that the body names.
    pub retry_after: Option<Duration>,
}

impl Said {
    pub(super) fn read(body: &[u8]) -> Self {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let json = (body.len() <= READ_BYTES).then(|| serde_json::from_slice(body).ok()).flatten();
        let mut said = Self::default();
        if let Some(value) = json {
            said.value(&value, body);
        } else {
            let text = String::from_utf8_lossy(&body[..body.len().min(READ_BYTES)]);
            let text = if is_html(&text) { without_tags(&text) } else { text.into_owned() };
            said.set_words(&text);
            said.all.clone_from(&said.words);
        }
        said.lower = said.words.to_ascii_lowercase();
        said.retry_after = said.retry_after.or_else(|| wait_in_text(&said.words));
        said
    }

    /// Whether one of the codes is one of `words`.
    pub(super) fn is(&self, words: &[&str]) -> bool {
        self.codes.iter().any(|code| words.contains(&code.as_str()))
    }

    /// Whether the text holds one of `phrases`, which are in lower case.
    pub(super) fn mentions(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.lower.contains(phrase))
    }

    /// The whole number right behind `marker` (in lower case), quoted or not.
    pub(super) fn number_after(&self, marker: &str) -> Option<u64> {
        let (_, rest) = self.lower.split_once(marker)?;
        let rest = rest.trim_start_matches(['`', '\'', '"']);
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse().ok()
    }

    fn value(&mut self, value: &Value, body: &[u8]) {
        // Google's face of this dialect answers with a list.
        let value = match value {
            Value::Array(list) if list.len() == 1 => &list[0],
            other => other,
        };
        let error = match &value["error"] {
            Value::Null => value,
            error => error,
        };
        let mut words = Vec::new();
        match error {
            Value::String(text) => words.push(text.clone()),
            Value::Object(_) => words.extend(message(error)),
            _ => {}
        }
        // `FastAPI`'s list of what is wrong: its types are of its own kind and say nothing here.
        let details = value["detail"].as_array();
        for detail in details.into_iter().flatten() {
            let place: Vec<String> =
                detail["loc"].as_array().into_iter().flatten().map(plain).collect();
            let what = detail["msg"].as_str().unwrap_or_default();
            words.push(format!("{}: {what}", place.join(".")));
        }
        if words.is_empty() {
            words.extend(message(value));
        }
        for object in [value, error, &error["metadata"], &error["innererror"]] {
            self.codes(object);
        }
        // OpenRouter's moderation, or a guardrail there, has looked at the prompt.
        if let Some(reasons) = error["metadata"]["reasons"].as_array() {
            self.codes.push("moderation_blocked".to_owned());
            let reasons: Vec<String> = reasons.iter().map(plain).collect();
            if !reasons.is_empty() {
                words.push(format!("({})", reasons.join(", ")));
            }
        }
        // MiniMax counts in its own way.
        if let Some(code) = value["base_resp"]["status_code"].as_u64() {
            self.codes.push(format!("base_resp_{code}"));
        }
        // OpenRouter hides the words of whom it asked.
        if let Some(raw) = error["metadata"]["raw"].as_str().filter(|raw| !raw.trim().is_empty()) {
            let inner: Option<Value> = serde_json::from_str(raw).ok();
            let inner_text = inner
                .as_ref()
                .and_then(|inner| message(&inner["error"]).or_else(|| message(inner)));
            if let Some(inner) = &inner {
                self.codes(&inner["error"]);
            }
            words.push(inner_text.unwrap_or_else(|| raw.to_owned()));
        }
        let body = String::from_utf8_lossy(body);
        let text = if words.iter().all(|text| text.trim().is_empty()) {
            if matches!(value, Value::Null) { String::new() } else { body.clone().into_owned() }
        } else {
            words.join(": ")
        };
        self.set_words(&text);
        // Numbers may stand beside the text (llama.cpp), but `FastAPI`'s types must not be read.
        self.all = if details.is_some() { text } else { format!("{text} {body}") };
    }

    fn codes(&mut self, object: &Value) {
        for key in
            ["code", "type", "status", "error_type", "provider_code", "error_code", "status_code"]
        {
            match &object[key] {
                Value::String(word) => self.code(word),
                Value::Number(number) => self.code(&number.to_string()),
                _ => {}
            }
        }
        let wait = [&object["retry_after"], &object["availability"]["retry_after"]];
        let wait = wait.into_iter().find_map(Value::as_f64).and_then(waiting_seconds);
        self.retry_after = self.retry_after.or(wait);
    }

    fn code(&mut self, word: &str) {
        match word.parse::<u16>() {
            Ok(status @ 400..=599) => self.status = self.status.or(Some(status)),
            _ => self.codes.push(word.to_ascii_lowercase()),
        }
    }

    fn set_words(&mut self, text: &str) {
        // One line, so that it stays readable in a message; and never the header's name upon which
        // Claude Code puts a text of its own in place of this one.
        let mut words = String::new();
        for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
            if !word.is_empty() {
                if !words.is_empty() {
                    words.push(' ');
                }
                words.push_str(word);
            }
            if words.len() > QUOTED_BYTES {
                let mut cut = QUOTED_BYTES;
                while !words.is_char_boundary(cut) {
                    cut -= 1;
                }
                words.truncate(cut);
                words.push('…');
                break;
            }
        }
        self.words = without_header_name(&words);
    }
}

/// The message of an error object, or of a body that is one.
fn message(object: &Value) -> Option<String> {
    let keys = ["message", "detail", "error_description", "error_message", "msg", "title"];
    let direct = keys.into_iter().find_map(|key| object[key].as_str());
    let nested = || {
        let text = |value: &Value| value.as_str().map(str::to_owned).or_else(|| message(value));
        let list = object["errors"].as_array().and_then(|list| list.first()).and_then(text);
        list.or_else(|| object["base_resp"]["status_msg"].as_str().map(str::to_owned))
            .or_else(|| object["message"].is_object().then(|| object["message"].to_string()))
    };
    direct.filter(|text| !text.trim().is_empty()).map(str::to_owned).or_else(nested)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn is_html(text: &str) -> bool {
    let head: String = text.trim_start().chars().take(200).collect();
    let head = head.to_ascii_lowercase();
    head.starts_with("<!doctype") || head.starts_with("<html") || head.contains("<head")
}

/// The text of a page, as well as can be told: tags, styles and scripts left out.
fn without_tags(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        out.push(' ');
        rest = &rest[at..];
        let lower: String = rest.chars().take(8).collect::<String>().to_ascii_lowercase();
        let skipped = ["style", "script"].into_iter().find(|name| lower[1..].starts_with(name));
        let end = match skipped {
            Some(name) => {
                let close = format!("</{name}");
                rest.find(&close).map(|at| at + close.len())
            }
            None => Some(0),
        };
        let Some(tag) = end.and_then(|end| rest[end..].find('>').map(|at| end + at)) else {
            return out;
        };
        rest = &rest[tag + 1..];
    }
    out.push_str(rest);
    out
}

fn without_header_name(text: &str) -> String {
    const NAME: &str = "x-api-key";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.to_ascii_lowercase().find(NAME) {
        out.push_str(&rest[..at]);
        out.push_str("API key");
        rest = &rest[at + NAME.len()..];
    }
    out.push_str(rest);
    out
}
