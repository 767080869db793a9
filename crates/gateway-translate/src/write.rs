//! Writing JSON straight into one buffer.

use gateway_types::{Raw, Text, escape};

/// Appends JSON to a buffer. Commas look after themselves: a value or key is preceded by one unless
/// it is the first of its object or array.
///
/// ```
/// use gateway_translate::Json;
///
/// let mut json = Json::new();
/// json.object(|json| {
///     json.key("model").string("gpt");
///     json.key("input").array(|json| {
///         json.number(1);
///         json.bool(true);
///     });
/// });
/// assert_eq!(json.as_str(), r#"{"model":"gpt","input":[1,true]}"#);
/// ```
#[derive(Debug, Default, Clone)]
pub struct Json {
    out: String,
}

impl Json {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty buffer with room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: String::with_capacity(bytes) }
    }

    /// An object with what `members` writes.
    pub fn object(&mut self, members: impl FnOnce(&mut Self)) -> &mut Self {
        self.open('{');
        members(self);
        self.close('}')
    }

    /// An array with what `elements` writes.
    pub fn array(&mut self, elements: impl FnOnce(&mut Self)) -> &mut Self {
        self.open('[');
        elements(self);
        self.close(']')
    }

    /// Begins an object or array, for writers that can't use a closure.
    pub fn open(&mut self, bracket: char) -> &mut Self {
        self.comma();
        self.out.push(bracket);
        self
    }

    /// Ends what [`open`](Self::open) began.
    pub fn close(&mut self, bracket: char) -> &mut Self {
        self.out.push(bracket);
        self
    }

    /// The key of the next member: a plain name of ours.
    pub fn key(&mut self, key: &str) -> &mut Self {
        self.comma();
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
        self
    }

    /// A string.
    pub fn string(&mut self, text: &str) -> &mut Self {
        self.comma();
        self.out.push('"');
        escape(text, &mut self.out);
        self.out.push('"');
        self
    }

    /// A string that is escaped already.
    pub fn text(&mut self, text: Text<'_>) -> &mut Self {
        self.texts(&[text])
    }

    /// One string of several pieces that are escaped already.
    pub fn texts(&mut self, pieces: &[Text<'_>]) -> &mut Self {
        self.comma();
        self.out.push('"');
        for piece in pieces {
            self.out.push_str(piece.escaped());
        }
        self.out.push('"');
        self
    }

    /// A string made of pieces that `write` appends, escaped or not as it chooses.
    pub fn string_with(&mut self, write: impl FnOnce(&mut StringWriter<'_>)) -> &mut Self {
        self.comma();
        self.out.push('"');
        write(&mut StringWriter { out: &mut self.out });
        self.out.push('"');
        self
    }

    /// A string that holds a JSON text, e.g. the `arguments` of a call.
    pub fn json_in_string(&mut self, raw: Raw<'_>) -> &mut Self {
        self.string(raw.as_str())
    }

    /// A value as it was written.
    pub fn raw(&mut self, raw: Raw<'_>) -> &mut Self {
        self.comma();
        self.out.push_str(raw.as_str());
        self
    }

    /// A whole number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.comma();
        self.out.push_str(&number.to_string());
        self
    }

    /// `true` or `false`.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.comma();
        self.out.push_str(if value { "true" } else { "false" });
        self
    }

    /// `null`.
    pub fn null(&mut self) -> &mut Self {
        self.comma();
        self.out.push_str("null");
        self
    }

    /// What has been written.
    pub fn as_str(&self) -> &str {
        &self.out
    }

    /// The length so far, in bytes.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Takes back everything after the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.out.truncate(len);
    }

    /// What has been written.
    pub fn into_string(self) -> String {
        self.out
    }

    fn comma(&mut self) {
        // A value never ends in one of these, so what ends in one has just been begun.
        if !matches!(self.out.as_bytes().last(), None | Some(b'{' | b'[' | b':' | b',')) {
            self.out.push(',');
        }
    }
}

/// Appends pieces of one JSON string.
#[derive(Debug)]
pub struct StringWriter<'a> {
    out: &'a mut String,
}

impl StringWriter<'_> {
    /// A piece that is not escaped yet.
    pub fn push(&mut self, piece: &str) {
        escape(piece, self.out);
    }

    /// A piece that is escaped already.
    pub fn text(&mut self, piece: Text<'_>) {
        self.out.push_str(piece.escaped());
    }

    /// The inside of the string so far does not begin here: whether anything was written is for the
    /// caller to know.
    pub fn plain(&mut self, piece: &'static str) {
        self.text(Text::plain(piece));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_stand_between_and_only_between() {
        let mut json = Json::new();
        json.array(|json| {
            json.object(|_| ()).array(|_| ()).string("{[:,").null();
            json.object(|json| {
                json.key("a")
                    .raw(Raw::from_json(" [1] ".trim()))
                    .key("b")
                    .json_in_string(Raw::from_json("{\"x\":\"\\n\"}"));
                json.key("c").string_with(|s| {
                    s.push("a\"");
                    s.text(Text::from_escaped("\\n"));
                });
            });
        });
        let wanted = r#"[{},[],"{[:,",null,{"a":[1],"b":"{\"x\":\"\\n\"}","c":"a\"\n"}]"#;
        assert_eq!(json.as_str(), wanted);
        serde_json::from_str::<serde_json::Value>(json.as_str()).expect("valid JSON");
    }
}
