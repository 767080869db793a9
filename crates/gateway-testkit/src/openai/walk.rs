//! Reading a request's values with the refusal that a wrong one earns. Explicit nulls of optional
//! fields count as absent, as they do for the service.

use serde_json::{Map, Value};

use super::refusal::Refusal;

pub(crate) type Fields = Map<String, Value>;
pub(crate) type Checked<T = ()> = Result<T, Refusal>;

/// What a field may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Str,
    /// A string of at most so many characters.
    Short(usize),
    /// One of these words.
    Word(&'static [&'static str]),
    Bool,
    /// An integer of at least this.
    Int(u64),
    /// A number from 0 (or its negative) to this.
    Num(u64),
    Object,
    Array,
    Any,
}

/// Any text that a model reads.
pub(crate) const TEXT: Kind = Kind::Short(10_485_760);

pub(crate) fn at(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

pub(crate) fn get<'a>(fields: &'a Fields, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

pub(crate) fn object<'a>(value: &'a Value, path: &str) -> Checked<&'a Fields> {
    value.as_object().ok_or_else(|| Refusal::wrong_type(path, "an object", value))
}

pub(crate) fn array<'a>(value: &'a Value, path: &str) -> Checked<&'a [Value]> {
    let items = value.as_array().ok_or_else(|| Refusal::wrong_type(path, "an array", value))?;
    Ok(items)
}

/// A required object.
pub(crate) fn need<'a>(fields: &'a Fields, path: &str, name: &str) -> Checked<&'a Value> {
    get(fields, name).ok_or_else(|| Refusal::missing(&at(path, name)))
}

/// A required string.
pub(crate) fn text<'a>(fields: &'a Fields, path: &str, name: &str) -> Checked<&'a str> {
    let value = need(fields, path, name)?;
    value.as_str().ok_or_else(|| Refusal::wrong_type(&at(path, name), "a string", value))
}

/// No fields but these, each of its kind.
pub(crate) fn typed(fields: &Fields, path: &str, known: &[(&str, Kind)]) -> Checked {
    for (name, value) in fields {
        let full = at(path, name);
        let Some((_, kind)) = known.iter().find(|(known, _)| known == name) else {
            return Err(Refusal::unknown(&full));
        };
        if !value.is_null() {
            of_kind(value, &full, *kind)?;
        }
    }
    Ok(())
}

pub(crate) fn of_kind(value: &Value, path: &str, kind: Kind) -> Checked {
    let wrong = |expected: &str| Err(Refusal::wrong_type(path, expected, value));
    match kind {
        Kind::Any => Ok(()),
        Kind::Bool if value.is_boolean() => Ok(()),
        Kind::Bool => wrong("a boolean"),
        Kind::Object if value.is_object() => Ok(()),
        Kind::Object => wrong("an object"),
        Kind::Array if value.is_array() => Ok(()),
        Kind::Array => wrong("an array"),
        Kind::Str | Kind::Short(_) | Kind::Word(_) => {
            let Some(text) = value.as_str() else { return wrong("a string") };
            let length = text.chars().count();
            match kind {
                Kind::Short(max) if length > max => {
                    Err(Refusal::string_too_long(path, max, length))
                }
                Kind::Word(words) if !words.contains(&text) => {
                    Err(Refusal::wrong_value(path, text, words))
                }
                _ => Ok(()),
            }
        }
        Kind::Int(min) => match (value.as_i64(), value.as_u64()) {
            (None, None) => wrong("an integer"),
            (_, number) if number.is_none_or(|number| number < min) => {
                Err(Refusal::below(path, "integer", min, value))
            }
            _ => Ok(()),
        },
        Kind::Num(max) => {
            let Some(number) = value.as_f64() else { return wrong("a decimal") };
            #[expect(clippy::cast_precision_loss, reason = "limits are small")]
            let max_float = max as f64;
            if number > max_float {
                return Err(Refusal::above(path, "decimal", max, value));
            }
            Ok(())
        }
    }
}

/// `^[a-zA-Z0-9_-]{1,64}$`, with the refusals in the service's order.
pub(crate) fn name(value: &str, path: &str) -> Checked {
    if value.is_empty() {
        return Err(Refusal::string_empty(path));
    }
    if value.len() > 64 {
        return Err(Refusal::string_too_long(path, 64, value.chars().count()));
    }
    if value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return Ok(());
    }
    Err(Refusal::pattern(path, "^[a-zA-Z0-9_-]+$"))
}

/// At most 16 pairs of strings, keys to 64 and values to 512 characters.
pub(crate) fn metadata(fields: &Fields) -> Checked {
    let Some(value) = get(fields, "metadata") else { return Ok(()) };
    let pairs = object(value, "metadata")?;
    if pairs.len() > 16 {
        return Err(Refusal::new(format!("Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an object with {} properties instead.", pairs.len()))
            .param("metadata")
            .code("object_above_max_properties"));
    }
    for (key, value) in pairs {
        if key.chars().count() > 64 {
            return Err(Refusal::string_too_long("metadata", 64, key.chars().count()));
        }
        of_kind(value, &at("metadata", key), Kind::Short(512))?;
    }
    Ok(())
}

/// A URL of an image: `https://…` or a data URL whose type is one of the four and whose text is base64.
pub(crate) fn image_url(url: &str, path: &str) -> Checked {
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(());
    }
    let Some((kind, data)) = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"))
    else {
        return Err(Refusal::new(format!("Invalid '{path}'. Expected a base64-encoded data URL with an image MIME type (e.g. 'data:image/png;base64,aW1nIGJ5dGVzIGhlcmU='), but got a value without the 'data:' prefix."))
            .param(path)
            .code("invalid_value"));
    };
    if !["image/png", "image/jpeg", "image/gif", "image/webp"].contains(&kind) {
        return Err(Refusal::new("You uploaded an unsupported image. Please make sure your image has of one the following formats: ['png', 'jpeg', 'gif', 'webp'].")
            .param(path)
            .code("invalid_image_format"));
    }
    base64(data, path)
}

/// The text of a file: a data URL with any type.
pub(crate) fn file_data(data: &str, path: &str) -> Checked {
    let Some((_, data)) = data.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"))
    else {
        return Err(Refusal::new(format!("Invalid '{path}'. Expected a base64-encoded data URL with an application/pdf MIME type (e.g. 'data:application/pdf;base64,JVBERi0='), but got a value without the 'data:' prefix."))
            .param(path)
            .code("invalid_value"));
    };
    base64(data, path)
}

fn base64(data: &str, path: &str) -> Checked {
    let body = data.trim_end_matches('=');
    let letters = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    let padded = data.len().is_multiple_of(4) && data.len() - body.len() <= 2;
    if data.is_empty() || !padded || !body.bytes().all(letters) {
        return Err(Refusal::new(format!(
            "Invalid '{path}'. Expected a base64-encoded value, but the data is not valid base64."
        ))
        .param(path)
        .code("invalid_base64"));
    }
    Ok(())
}

/// Whether the word, in lower case, stands in any string below, in any case.
pub(crate) fn mentions(value: &Value, word: &str) -> bool {
    any_string(value, &|text| text.to_lowercase().contains(word))
}

/// Whether this stands in any string below.
pub(crate) fn holds(value: &Value, what: &str) -> bool {
    any_string(value, &|text| text.contains(what))
}

fn any_string(value: &Value, is: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => is(text),
        Value::Array(items) => items.iter().any(|item| any_string(item, is)),
        Value::Object(fields) => fields.values().any(|field| any_string(field, is)),
        _ => false,
    }
}

/// The size of a prompt by the test server's own rule: a token for every four bytes of text, and four
/// for each message, item and tool. The bytes of images and files do not count.
pub fn tokens(body: &Value) -> u64 {
    fn bytes(value: &Value) -> usize {
        match value {
            Value::String(text) if text.starts_with("data:") => 400,
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(|item| bytes(item) + 16).sum(),
            Value::Object(fields) => fields.iter().map(|(name, v)| name.len() / 4 + bytes(v)).sum(),
            Value::Null => 0,
            _ => 1,
        }
    }
    let parts = ["messages", "input", "instructions", "tools", "response_format"];
    let total: usize = parts.iter().map(|part| bytes(&body[*part])).sum();
    (total as u64).div_ceil(4).max(1)
}
