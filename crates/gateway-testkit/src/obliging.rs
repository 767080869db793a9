//! A model that does what it is asked, whatever the dialect: it calls the tool that it must, with
//! arguments that fit the schema, repeats code words that it was shown, stops where it is told to. What
//! a conformance check can conclude something from.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

/// What a request asks of the model, read out of its dialect.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The last words of the user.
    pub said: String,
    /// Whether results of calls came after the model's last words.
    pub has_results: bool,
    /// Names and schemas of the tools.
    pub tools: Vec<(String, Value)>,
    /// What is said about calling them.
    pub choice: Choice,
    /// Whether one call at most is wanted.
    pub one_call: bool,
    /// Tokens of output; a word is one.
    pub limit: Option<u64>,
    /// Texts that end the reply.
    pub stops: Vec<String>,
    /// The schema that the reply must have.
    pub schema: Option<Value>,
}

/// Whether a tool is to be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// When the user names one.
    #[default]
    Auto,
    /// None.
    Never,
    /// Some tool.
    Any,
    /// This one.
    Tool(String),
}

/// What the model does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deed {
    /// What it says.
    pub text: String,
    /// Names and arguments of its calls; the last may be cut.
    pub calls: Vec<(String, String)>,
    /// Whether the limit cut it.
    pub is_cut: bool,
    /// The stop sequence that was met.
    pub stop: Option<String>,
}

/// Does what is asked. `shown` is the whole request, in which code words are looked for.
pub fn oblige(wish: &Wish, shown: &Value) -> Deed {
    let limit = usize::try_from(wish.limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    if let Some((name, schema)) = tool(wish) {
        let mut input = sample(schema, schema, 0);
        if wish.said.contains(LONG)
            && let Some(text) =
                input.as_object_mut().and_then(|o| o.values_mut().find(|v| v.is_string()))
        {
            *text = rain().into();
        }
        let mut args = input.to_string();
        let is_cut = args.len() / 4 > limit;
        if is_cut {
            args.truncate(limit * 4);
        }
        let twice = wish.said.contains("twice") && !wish.one_call && !is_cut;
        let calls = vec![(name.clone(), args); if twice { 2 } else { 1 }];
        return Deed { calls, is_cut, ..Deed::default() };
    }
    let mut deed = Deed { text: words(wish, shown), ..Deed::default() };
    let met =
        wish.stops.iter().filter_map(|stop| Some((deed.text.find(stop.as_str())?, stop))).min();
    if let Some((at, stop)) = met {
        deed.stop = Some(stop.clone());
        deed.text.truncate(at);
    }
    if let Some((at, _)) = deed.text.match_indices([' ', '\n']).nth(limit.saturating_sub(1)) {
        deed.text.truncate(at);
        (deed.is_cut, deed.stop) = (true, None);
    }
    deed
}

/// What a request of the Messages API asks, results apart.
pub(crate) fn of_messages(body: &Value, said: impl Into<String>) -> Wish {
    let choice = &body["tool_choice"];
    Wish {
        said: said.into(),
        has_results: false,
        tools: body["tools"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|tool| {
                Some((tool["name"].as_str()?.to_owned(), tool["input_schema"].clone()))
            })
            .collect(),
        choice: match choice["type"].as_str() {
            Some("none") => Choice::Never,
            Some("any") => Choice::Any,
            Some("tool") => Choice::Tool(choice["name"].as_str().unwrap_or_default().to_owned()),
            _ => Choice::Auto,
        },
        one_call: choice["disable_parallel_tool_use"] == true,
        limit: body["max_tokens"].as_u64(),
        stops: texts(&body["stop_sequences"]),
        schema: body.pointer("/output_config/format/schema").cloned(),
    }
}

/// The strings of a list.
pub(crate) fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.map(ToOwned::to_owned).collect()
}

fn tool(wish: &Wish) -> Option<&(String, Value)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let said = || {
        let mut words = wish.said.split(|c| !is_word(c));
        words.find_map(|word| wish.tools.iter().find(|(name, _)| name == word))
    };
    match &wish.choice {
        Choice::Never => None,
        Choice::Tool(wanted) => wish.tools.iter().find(|(name, _)| name == wanted),
        Choice::Any => said().or(wish.tools.first()),
        Choice::Auto if wish.has_results => None,
        Choice::Auto => said(),
    }
}

fn words(wish: &Wish, shown: &Value) -> String {
    if let Some(schema) = &wish.schema {
        return sample(schema, schema, 0).to_string();
    }
    let seen = code_words(shown);
    let asked = wish.has_results || wish.said.contains("code word");
    if asked && seen.is_empty() && shown.to_string().contains(" omitted: ") {
        return "I can't see it: it was omitted.".to_owned();
    }
    if asked && !seen.is_empty() {
        return format!("The code words are {}.", seen.join(" and "));
    }
    if wish.said.contains(LONG) {
        return rain();
    }
    if wish.said.contains("numbers from 1 to 60") {
        return (1..=60).map(|n| format!("number {n}")).collect::<Vec<_>>().join("\n");
    }
    match wish.said.split_once("nothing else: ") {
        Some((_, text)) => text.to_owned(),
        None => "hello".to_owned(),
    }
}

const LONG: &str = "three hundred words";

fn rain() -> String {
    vec!["rain"; 300].join(" ")
}

/// What looks like `QUINCE-7261` in any string of a document, base64 texts too, each once.
fn code_words(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(value, &mut found);
    found
}

fn walk(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            scan(text, found);
            let data = text.rsplit_once(";base64,").map_or(text.as_str(), |(_, data)| data);
            if let Ok(bytes) = STANDARD.decode(data).or_else(|_| URL_SAFE_NO_PAD.decode(data)) {
                scan(&String::from_utf8_lossy(&bytes), found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
        Value::Object(members) => members.values().for_each(|member| walk(member, found)),
        _ => {}
    }
}

fn scan(text: &str, found: &mut Vec<String>) {
    for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-') {
        let fits = word.split_once('-').is_some_and(|(name, number)| {
            name.len() >= 4
                && name.bytes().all(|b| b.is_ascii_uppercase())
                && number.len() == 4
                && number.bytes().all(|b| b.is_ascii_digit())
        });
        if fits && !found.iter().any(|known| known == word) {
            found.push(word.to_owned());
        }
    }
}

/// A value that fits `schema`, with what is required and no more; `root` has the definitions.
fn sample(schema: &Value, root: &Value, depth: u32) -> Value {
    if depth > 16 {
        return Value::Null;
    }
    let deeper = |inner: &Value| sample(inner, root, depth + 1);
    if let Some(at) = schema["$ref"].as_str().and_then(|at| at.strip_prefix('#')) {
        return root.pointer(at).map_or(Value::Null, deeper);
    }
    if let Some(fixed) = schema.get("const").or_else(|| schema["enum"].get(0)) {
        return fixed.clone();
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        if let Some(first) = schema[choice].get(0) {
            return deeper(first);
        }
    }
    // Gemini writes types in upper case.
    let kind = schema["type"].as_str().or_else(|| schema["type"].get(0)?.as_str());
    match kind.map(str::to_ascii_lowercase).as_deref() {
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => true.into(),
        Some("null") => Value::Null,
        Some("array") => {
            let least = schema["minItems"].as_u64().unwrap_or(0).min(4);
            (0..least).map(|_| deeper(&schema["items"])).collect::<Vec<_>>().into()
        }
        None if schema.get("properties").is_none() => "Graz".into(),
        Some("string") => "Graz".into(),
        _ => {
            let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
            let names = required.iter().filter_map(Value::as_str);
            let member = |name: &str| (name.to_owned(), deeper(&schema["properties"][name]));
            names.map(member).collect::<Map<_, _>>().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_what_it_is_told() {
        let schema = json!({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}});
        let wish = Wish {
            said: "Use the tool b twice".to_owned(),
            tools: vec![("a".to_owned(), schema.clone()), ("b".to_owned(), schema)],
            ..Wish::default()
        };
        let deed = oblige(&wish, &Value::Null);
        assert_eq!(deed.calls, vec![("b".to_owned(), r#"{"city":"Graz"}"#.to_owned()); 2]);
        let never = Wish { choice: Choice::Never, ..wish.clone() };
        assert_eq!(oblige(&never, &Value::Null).text, "hello");
        let cut = Wish { limit: Some(2), ..wish };
        assert_eq!(oblige(&cut, &Value::Null).calls[0].1, r#"{"city":"#);
    }

    #[test]
    fn it_stops_and_repeats() {
        let said = "Say, and nothing else: one two three".to_owned();
        let wish = Wish { said, stops: vec!["three".to_owned()], ..Wish::default() };
        let deed = oblige(&wish, &Value::Null);
        assert_eq!((deed.text.as_str(), deed.stop.as_deref()), ("one two ", Some("three")));
        let wish = Wish { limit: Some(1), ..wish };
        assert!(oblige(&wish, &Value::Null).is_cut);
        let shown = json!({"a": [{"data": STANDARD.encode("(PLUM-1234)")}, "x QUINCE-7261."]});
        assert_eq!(code_words(&shown), ["PLUM-1234", "QUINCE-7261"]);
    }
}
