//! The words of an error.

use serde_json::Value;

/// How much of an upstream's text is quoted, in bytes.
const QUOTED_BYTES: usize = 2048;

/// As much of a body as is read: no error is longer.
const READ_BYTES: usize = 256 << 10;

/// What an error says.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Its type, e.g. `ThrottlingException`; in lower camel case within a stream.
    pub kind: String,
    /// For the caller to read, on one line.
    pub words: String,
    /// In lower case with plain apostrophes, for looking into.
    lower: String,
    /// All that may tell of a prompt's length.
    pub all: String,
    /// The status with which the model itself answered.
    pub original_status: Option<u16>,
    /// The type of an error in Anthropic's shape that the message holds.
    pub inner: Option<String>,
}

impl Said {
    /// Reads an error's body. `kind` is its type as a header says it.
    pub(super) fn read(kind: Option<&str>, body: &[u8]) -> Self {
        let body = &body[..body.len().min(READ_BYTES)];
        let json: Option<Value> = serde_json::from_slice(body).ok();
        let mut said = Self { kind: type_of(kind.unwrap_or_default()), ..Self::default() };
        let text = match &json {
            Some(value) => said.value(value),
            None => text_of(&String::from_utf8_lossy(body)),
        };
        said.words = one_line(&text);
        said.lower = said.words.to_lowercase().replace('\u{2019}', "'");
        said.all = format!("{} {}", said.words, String::from_utf8_lossy(body));
        said
    }

    /// Whether the text holds one of `phrases`, which are in lower case.
    pub(super) fn mentions(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.lower.contains(phrase))
    }

    /// The text in lower case.
    pub(super) fn lower(&self) -> &str {
        &self.lower
    }

    /// The whole number right behind `marker`.
    pub(super) fn number_after(&self, marker: &str) -> Option<u64> {
        let (_, rest) = self.lower.split_once(marker)?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    }

    pub(super) fn kind_or<'a>(&'a self, other: &'a str) -> &'a str {
        if self.kind.is_empty() { other } else { &self.kind }
    }

    fn value(&mut self, value: &Value) -> String {
        if self.kind.is_empty() {
            let named = ["__type", "code", "type"].into_iter().find_map(|key| value[key].as_str());
            // Of the framework, where it knows no such path; it may even call that a success.
            let named = named.or_else(|| value["Output"]["__type"].as_str());
            self.kind = named.map(type_of).unwrap_or_default();
        }
        let status = value["originalStatusCode"].as_u64();
        self.original_status = status.and_then(|status| u16::try_from(status).ok());
        let text = message(value).unwrap_or_default();
        let original = value["originalMessage"].as_str().unwrap_or_default();
        // The model's own words say more than Bedrock's about them.
        for inner in [original, text] {
            let inner: Option<Value> =
                inner.find('{').and_then(|at| serde_json::from_str(&inner[at..]).ok());
            let Some(inner) = inner else { continue };
            let error = if inner["error"].is_object() { &inner["error"] } else { &inner };
            if let Some(words) = error["message"].as_str() {
                self.inner = error["type"].as_str().map(str::to_owned);
                return words.to_owned();
            }
        }
        // An error in Anthropic's shape by itself, as the Messages endpoint answers.
        if self.inner.is_none() {
            self.inner = value["error"]["type"].as_str().map(str::to_owned);
        }
        match (text.is_empty(), original.is_empty()) {
            (true, true) if value.is_null() => String::new(),
            (true, true) => value.to_string(),
            (true, false) => original.to_owned(),
            (false, true) => text.to_owned(),
            (false, false) if text.contains(original) => text.to_owned(),
            (false, false) => format!("{text}: {original}"),
        }
    }
}

fn message(value: &Value) -> Option<&str> {
    let own =
        ["message", "Message", "errorMessage"].into_iter().find_map(|key| value[key].as_str());
    own.or_else(|| value["error"]["message"].as_str())
        .or_else(|| value["Output"]["__type"].as_str())
}

/// `ThrottlingException:http://internal…` and `com.amazon.coral.validate#ValidationException` without
/// what stands around the type.
fn type_of(text: &str) -> String {
    let text = text.split(':').next().unwrap_or_default();
    text.rsplit('#').next().unwrap_or_default().trim().chars().take(80).collect()
}

/// The text of a page, as well as can be told; any other text as it is.
fn text_of(text: &str) -> String {
    if !text.trim_start().starts_with('<') {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut inside = false;
    for c in text.chars() {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                out.push(' ');
            }
            _ if !inside => out.push(c),
            _ => {}
        }
    }
    out
}

/// One line, so that it stays readable in a message; and never the header's name upon which Claude
/// Code puts a text of its own in place of this one.
fn one_line(text: &str) -> String {
    let mut words = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if words.len() + word.len() > QUOTED_BYTES {
            words.push('…');
            break;
        }
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
    }
    words.replace("x-api-key", "API key").replace("X-Api-Key", "API key")
}
