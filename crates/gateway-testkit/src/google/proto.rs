//! Reading JSON as the service does, against the fields of its messages: either spelling of a name is
//! taken, null is absent, one item may stand for a list, and what is unknown or of a wrong type is refused.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::refusal::Refusal;
use super::rules::Platform;

/// A message of the service.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [Field],
    /// Fields of which one at most is set.
    pub(crate) one_of: &'static [&'static str],
}

#[derive(Debug)]
pub(crate) struct Field {
    /// In camel case.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The only platform that has it; none: both.
    pub(crate) only: Option<Platform>,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Str,
    Bytes,
    Bool,
    Int32,
    Int64,
    Float,
    /// One of these words; the type's name.
    Word(&'static str, &'static [&'static str]),
    Of(&'static Message),
    List(&'static Kind),
    /// Values by any name.
    Map(&'static Kind),
    /// An object with anything in it.
    Struct,
    Any,
}

/// `value` with camel-case names and without nulls.
pub(crate) fn read(
    value: &Value,
    message: &'static Message,
    platform: Platform,
) -> Result<Value, Refusal> {
    let mut reader = Reader { platform, violations: Vec::new() };
    let read = reader.message(value, "", message);
    if reader.violations.is_empty() {
        Ok(read)
    } else {
        Err(Refusal::unreadable(&reader.violations))
    }
}

/// Any base64: either alphabet, padded or not.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    let any = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let alphabet = if text.contains(['-', '_']) {
        &base64::alphabet::URL_SAFE
    } else {
        &base64::alphabet::STANDARD
    };
    GeneralPurpose::new(alphabet, any).decode(text).ok()
}

struct Reader {
    platform: Platform,
    violations: Vec<(String, String)>,
}

impl Reader {
    fn message(&mut self, value: &Value, path: &str, message: &'static Message) -> Value {
        let Some(fields) = value.as_object() else {
            self.wrong(path, &self.type_of(message.name), value);
            return Value::Null;
        };
        let mut read = Map::new();
        let mut set: Option<&str> = None;
        for (name, value) in fields {
            let known = message.fields.iter().find(|field| {
                (field.name == name || snake(field.name) == *name)
                    && field.only.is_none_or(|only| only == self.platform)
            });
            let Some(field) = known else {
                self.unknown(name, path, "Cannot find field.");
                continue;
            };
            if value.is_null() {
                continue;
            }
            if message.one_of.contains(&field.name) {
                if set.is_some() {
                    let text = format!(
                        "Invalid value at '{path}' (oneof), oneof field 'data' is already set. Cannot set '{}'",
                        field.name
                    );
                    self.violations.push((path.to_owned(), text));
                    continue;
                }
                set = Some(field.name);
            }
            let at = join(path, &snake(field.name));
            let value = self.value(value, &at, &field.kind);
            read.insert(field.name.to_owned(), value);
        }
        Value::Object(read)
    }

    fn value(&mut self, value: &Value, path: &str, kind: &'static Kind) -> Value {
        match kind {
            Kind::List(of) => {
                let items = match value {
                    Value::Array(items) => items.as_slice(),
                    one => std::slice::from_ref(one),
                };
                let each = items.iter().enumerate();
                each.map(|(n, item)| self.value(item, &format!("{path}[{n}]"), of)).collect()
            }
            _ if value.is_array() && !matches!(kind, Kind::Any) => {
                let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
                self.unknown(name, parent, "Proto field is not repeating, cannot start list.");
                Value::Null
            }
            Kind::Of(message) => self.message(value, path, message),
            Kind::Map(of) => {
                let Some(fields) = value.as_object() else {
                    self.wrong(path, "Map", value);
                    return Value::Null;
                };
                let mut read = Map::new();
                for (n, (name, value)) in fields.iter().enumerate() {
                    let value = self.value(value, &format!("{path}[{n}].value"), of);
                    read.insert(name.clone(), value);
                }
                Value::Object(read)
            }
            Kind::Struct if value.is_object() => value.clone(),
            Kind::Struct => {
                self.wrong(path, "type.googleapis.com/google.protobuf.Struct", value);
                Value::Null
            }
            Kind::Any => value.clone(),
            Kind::Word(name, words) => {
                let known = value
                    .as_str()
                    .is_some_and(|word| words.iter().any(|known| known.eq_ignore_ascii_case(word)));
                if !known {
                    self.wrong(path, &self.type_of(name), value);
                }
                Value::from(value.as_str().unwrap_or_default().to_ascii_uppercase())
            }
            scalar => self.scalar(value, path, scalar),
        }
    }

    fn scalar(&mut self, value: &Value, path: &str, kind: &Kind) -> Value {
        let number = || value.as_i64().or_else(|| value.as_str()?.parse().ok());
        let (name, read) = match kind {
            Kind::Bool => ("TYPE_BOOL", value.is_boolean().then(|| value.clone())),
            Kind::Int32 => {
                ("TYPE_INT32", number().filter(|n| i32::try_from(*n).is_ok()).map(Value::from))
            }
            Kind::Int64 => ("TYPE_INT64", number().map(Value::from)),
            Kind::Float => ("TYPE_FLOAT", value.is_number().then(|| value.clone())),
            Kind::Bytes => {
                let decoded = value.as_str().and_then(bytes);
                if decoded.is_none() && value.is_string() {
                    let text = format!(
                        "Invalid value at '{path}' (TYPE_BYTES), Base64 decoding failed for {value}"
                    );
                    self.violations.push((path.to_owned(), text));
                    return Value::Null;
                }
                ("TYPE_BYTES", decoded.map(|_| value.clone()))
            }
            _ => ("TYPE_STRING", value.is_string().then(|| value.clone())),
        };
        read.unwrap_or_else(|| {
            self.wrong(path, name, value);
            Value::Null
        })
    }

    fn unknown(&mut self, name: &str, path: &str, why: &str) {
        let at = if path.is_empty() { String::new() } else { format!(" at '{path}'") };
        let text = format!("Invalid JSON payload received. Unknown name \"{name}\"{at}: {why}");
        self.violations.push((path.to_owned(), text));
    }

    fn wrong(&mut self, path: &str, kind: &str, value: &Value) {
        let text = format!("Invalid value at '{path}' ({kind}), {value}");
        self.violations.push((path.to_owned(), text));
    }

    fn type_of(&self, name: &str) -> String {
        let package = match self.platform {
            Platform::Studio => "google.ai.generativelanguage.v1beta",
            Platform::Vertex => "google.cloud.aiplatform.v1beta1",
        };
        format!("type.googleapis.com/{package}.{name}")
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// `functionCall` as `function_call`.
fn snake(name: &str) -> String {
    let letter = |letter: char| {
        let upper = letter.is_ascii_uppercase();
        upper.then_some('_').into_iter().chain([letter.to_ascii_lowercase()])
    };
    name.chars().flat_map(letter).collect()
}
