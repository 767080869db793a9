//! The recorded client traffic of `fixtures/claude-code/`; its README says what each file shows.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::request as request_bytes;

/// A request as a real client sent it.
#[derive(Clone, Debug)]
pub struct RequestFixture {
    /// The file's name without its ending.
    pub name: String,
    /// `POST`
    pub method: String,
    /// `/v1/messages`
    pub path: String,
    /// `beta=true`, or empty.
    pub query: String,
    /// In the order and case in which they were sent, without `content-length`.
    pub headers: Vec<(String, String)>,
    /// The file's text of the body without the white space between tokens, which is how the client
    /// writes it; order, escapes and numbers are untouched. Empty where there was none.
    pub body: Bytes,
}

/// What an upstream says.
#[derive(Clone, Debug)]
pub struct ReplyFixture {
    /// The file's name without its ending.
    pub name: String,
    /// The file as it is.
    pub bytes: Bytes,
}

#[derive(Deserialize)]
struct Recording<'f> {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    #[serde(borrow)]
    body: &'f RawValue,
}

/// The directory of the fixtures.
pub fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/claude-code")
}

/// Every recorded request, by name.
pub fn requests() -> Vec<RequestFixture> {
    let names = files().into_iter().filter(|name| is_request(name));
    names.map(|name| read_request(&name)).collect()
}

/// The request of that name.
///
/// # Panics
/// When there is none.
pub fn request(name: &str) -> RequestFixture {
    read_request(&format!("{name}.json"))
}

/// Every event stream, by name.
pub fn replies() -> Vec<ReplyFixture> {
    files().into_iter().filter(|n| ends(n, "sse")).map(|n| read_reply(&n)).collect()
}

/// The event stream (`reply-text`) or the body of a unary reply (`reply-text-nonstream`) of that name.
///
/// # Panics
/// When there is none.
pub fn reply(name: &str) -> ReplyFixture {
    let stream = format!("{name}.sse");
    let file = if dir().join(&stream).exists() { stream } else { format!("{name}.json") };
    read_reply(&file)
}

/// A body in Anthropic's shape for each status that has one.
pub fn error_bodies() -> Vec<(u16, Bytes)> {
    let text = read("error-bodies.json");
    let by_status: std::collections::BTreeMap<String, &RawValue> =
        serde_json::from_str(&text).expect("error-bodies.json maps statuses to bodies");
    let parse = |status: &str| status.parse().expect("a status is a number");
    by_status.iter().map(|(status, body)| (parse(status), compact(body.get()))).collect()
}

impl RequestFixture {
    /// Path and query.
    pub fn target(&self) -> String {
        if self.query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, self.query)
        }
    }

    /// The request as HTTP/1.1 bytes for `host`, with `content-length`.
    pub fn to_http1(&self, host: &str) -> Vec<u8> {
        let headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(n, v)| (n.as_str(), if n.eq_ignore_ascii_case("host") { host } else { v }))
            .collect();
        request_bytes(&self.method, &self.target(), &headers, &self.body)
    }
}

fn files() -> Vec<String> {
    let entries = std::fs::read_dir(dir()).expect("the fixtures are part of the repository");
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.expect("a readable directory").file_name().into_string().expect("names are ASCII")
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

fn ends(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == extension)
}

fn is_request(name: &str) -> bool {
    ends(name, "json") && !name.starts_with("reply-") && name != "error-bodies.json"
}

fn read(file: &str) -> String {
    let path = dir().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn read_reply(file: &str) -> ReplyFixture {
    let name = file.rsplit_once('.').map_or(file, |(stem, _)| stem).to_owned();
    ReplyFixture { name, bytes: read(file).into() }
}

fn read_request(file: &str) -> RequestFixture {
    let text = read(file);
    let recording: Recording<'_> =
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}"));
    let body = match recording.body.get() {
        "null" => Bytes::new(),
        body => compact(body),
    };
    RequestFixture {
        name: file.trim_end_matches(".json").to_owned(),
        method: recording.method,
        path: recording.path,
        query: recording.query,
        headers: recording.headers,
        body,
    }
}

/// JSON text without the white space between its tokens.
fn compact(json: &str) -> Bytes {
    let mut out = Vec::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for &byte in json.as_bytes() {
        if in_string {
            (in_string, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            in_string = byte == b'"';
        }
        out.push(byte);
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_keeps_everything_inside_strings() {
        let json = "{\n \"a b\": [1, 2.50e1],\t\"q\\\" \": \"\\\\\", \"é\": \" \\u00e9 \"}\n";
        let want = "{\"a b\":[1,2.50e1],\"q\\\" \":\"\\\\\",\"é\":\" \\u00e9 \"}";
        assert_eq!(compact(json), want);
    }

    #[test]
    fn every_file_is_a_request_a_reply_or_known() {
        assert!(requests().len() >= 50, "{} requests", requests().len());
        assert!(replies().len() >= 15, "{} replies", replies().len());
        for request in requests() {
            let what = &request.name;
            assert!(request.path.starts_with('/'), "{what}");
            if !request.body.is_empty() {
                let before: serde_json::Value =
                    serde_json::from_str(&read(&format!("{what}.json"))).expect("JSON");
                let after: serde_json::Value =
                    serde_json::from_slice(&request.body).expect("still JSON");
                assert_eq!(before["body"], after, "{what}");
                assert!(!request.body.windows(2).any(|w| w == b"\n "), "{what}");
            }
        }
        assert!(error_bodies().iter().any(|(status, _)| *status == 529));
        for name in files() {
            let known = is_request(&name)
                || name.starts_with("reply-")
                || ["README.md", "error-bodies.json"].contains(&name.as_str());
            assert!(known, "{name}");
        }
    }

    /// Credentials must never get into the repository with a recording.
    #[test]
    fn no_fixture_holds_a_secret() {
        let credential =
            ["authorization", "x-api-key", "cookie", "set-cookie", "proxy-authorization"];
        for request in requests() {
            for (name, value) in &request.headers {
                if credential.contains(&name.to_ascii_lowercase().as_str()) {
                    let secret = value.rsplit(' ').next().unwrap_or_default();
                    assert_eq!(secret, "<masked>", "{}: {name}", request.name);
                }
            }
        }
        for name in files() {
            assert_eq!(secret_in(&read(&name)), None, "{name}");
        }
    }

    #[test]
    fn the_search_for_secrets_finds_them() {
        for planted in [
            "sk-ant-api03-AAAA",
            "x sk-proj-0123456789abcdefghij",
            "Bearer eyJhbGciOi",
            "AKIAABCDEFGHIJKLMNOP",
            "ghp_0123456789abcdefghijklmnop",
            "AIzaSyA-0123456789abcdefghijklmnopqrstu",
        ] {
            assert!(secret_in(planted).is_some(), "{planted}");
        }
        assert_eq!(secret_in("authorization: Bearer <masked>, a Bearer token, task-forced"), None);
    }

    /// The first thing in `text` that looks like a credential.
    fn secret_in(text: &str) -> Option<&str> {
        let token = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let marks =
            [("sk-ant-", 0), ("sk-", 20), ("Bearer ", 8), ("AKIA", 16), ("ghp_", 20), ("AIza", 30)];
        marks.iter().find_map(|(mark, least)| {
            text.match_indices(mark).find_map(|(at, _)| {
                let word = &text[at + mark.len()..];
                let end = word.find(|c| !token(c)).unwrap_or(word.len());
                let starts = !text[..at].ends_with(token);
                (starts && end >= *least).then(|| &text[at..at + mark.len() + end])
            })
        })
    }
}
