//! The words of an error body.

use std::time::Duration;

use serde_json::Value;

/// How much of an upstream's text is quoted, in bytes.
const QUOTED_BYTES: usize = 2048;

/// Bodies beyond this are read as plain text: no error is so long.
const READ_BYTES: usize = 256 << 10;

/// Longer than this is no waiting any more.
const LONGEST: f64 = 366.0 * 24.0 * 3600.0;

/// What an error body says.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// For the caller to read, on one line.
    pub words: String,
    lower: String,
    /// `status` or `type`.
    status: String,
    /// The status in figures that the body names.
    pub code: Option<u16>,
    reasons: Vec<String>,
    /// The interface that is not enabled.
    pub service: Option<String>,
    pub retry_after: Option<Duration>,
    /// A quota of the day is used up.
    pub per_day: bool,
    /// It is that of one model.
    pub per_model: bool,
}

impl Said {
    pub(super) fn read(body: &[u8]) -> Self {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let mut said = Self::default();
        let json = (body.len() <= READ_BYTES).then(|| serde_json::from_slice(body).ok()).flatten();
        if let Some(value) = json {
            said.value(&value);
        } else {
            let text = String::from_utf8_lossy(&body[..body.len().min(READ_BYTES)]);
            said.set_words(&without_tags(&text));
        }
        said.lower = said.words.to_ascii_lowercase();
        said
    }

    /// Whether the status (or Anthropic's type) is this one.
    pub(super) fn is(&self, word: &str) -> bool {
        self.status == word
    }

    /// Whether one of the reasons is this one.
    pub(super) fn because(&self, reason: &str) -> bool {
        self.reasons.iter().any(|r| r == reason)
    }

    /// Whether the text holds one of `phrases`, which are in lower case.
    pub(super) fn mentions(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.lower.contains(phrase))
    }

    /// The whole number right behind `marker`, which is in lower case.
    pub(super) fn number_after(&self, marker: &str) -> Option<u64> {
        let (_, rest) = self.lower.split_once(marker)?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse().ok()
    }

    /// The first field that the text calls unknown.
    pub(super) fn unknown_name(&self) -> Option<String> {
        let (_, rest) = self.words.split_once("Unknown name \"")?;
        rest.split('"').next().map(str::to_owned)
    }

    fn value(&mut self, value: &Value) {
        let value = match value {
            Value::Array(list) => list.first().unwrap_or(&Value::Null),
            other => other,
        };
        let error = match &value["error"] {
            Value::Null => value,
            error => error,
        };
        if let Value::String(text) = error {
            self.set_words(text);
            return;
        }
        let status = [&error["status"], &error["type"]].into_iter().find_map(Value::as_str);
        status.unwrap_or_default().clone_into(&mut self.status);
        self.code = error["code"].as_u64().and_then(|code| u16::try_from(code).ok());
        for detail in error["details"].as_array().into_iter().flatten() {
            self.detail(detail);
        }
        let message = ["message", "error_description", "detail"];
        let message = message.into_iter().find_map(|key| error[key].as_str());
        let text = message.map_or_else(
            || if error.is_null() { String::new() } else { error.to_string() },
            str::to_owned,
        );
        // A text may itself be the body of whom Google asked.
        let inner: Option<Value> = serde_json::from_str(&text).ok();
        let inner = inner.as_ref().and_then(|inner| inner["error"]["message"].as_str());
        self.set_words(inner.unwrap_or(&text));
    }

    fn detail(&mut self, detail: &Value) {
        let kind = detail["@type"].as_str().unwrap_or_default();
        if kind.ends_with("RetryInfo") {
            let delay = &detail["retryDelay"];
            let from_parts = || {
                let whole = delay["seconds"].as_f64()?;
                Some(whole + delay["nanos"].as_f64().unwrap_or(0.0) / 1e9)
            };
            self.retry_after =
                delay.as_str().and_then(seconds).or_else(|| from_parts().and_then(duration));
        } else if kind.ends_with("QuotaFailure") {
            let violations = detail["violations"].as_array().into_iter().flatten();
            for id in violations.filter_map(|violation| violation["quotaId"].as_str()) {
                let of_day = id.contains("PerDay");
                self.per_day |= of_day;
                self.per_model |= of_day && id.contains("PerModel");
            }
        } else if kind.ends_with("ErrorInfo") {
            self.reasons.extend(detail["reason"].as_str().map(str::to_owned));
            let service = detail["metadata"]["service"].as_str();
            self.service = service.map(str::to_owned).or(self.service.take());
        }
    }

    fn set_words(&mut self, text: &str) {
        // One line, so that it stays readable in a message.
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
                words.push('\u{2026}');
                break;
            }
        }
        // Upon the header's name Claude Code puts a text of its own in place of this one.
        self.words = words.replace("x-api-key", "API key");
    }
}

/// `7.5s`, or a bare number of seconds.
fn seconds(text: &str) -> Option<Duration> {
    duration(text.strip_suffix('s').unwrap_or(text).parse().ok()?)
}

fn duration(seconds: f64) -> Option<Duration> {
    let sane = seconds.is_finite() && (0.0..=LONGEST).contains(&seconds);
    // Whole seconds, rounded up: what is too early is refused again.
    sane.then(|| Duration::from_secs_f64(seconds.ceil()))
}

/// The text of a page, as well as can be told; other texts stay.
fn without_tags(text: &str) -> String {
    if !text.trim_start().starts_with('<') {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        out.push(' ');
        rest = &rest[at..];
        let hidden = ["<style", "<script"].into_iter().find(|tag| rest.starts_with(tag));
        let from = hidden.and_then(|tag| rest.find(&tag.replace('<', "</"))).unwrap_or(0);
        let Some(end) = rest[from..].find('>') else { return out };
        rest = &rest[from + end + 1..];
    }
    out.push_str(rest);
    out
}
