//! Schemas as Ollama reads them: into fixed types, and a member of another type is a 400 (`json: cannot
//! unmarshal …`). At the root it wants an object's schema.

use std::borrow::Cow;

use gateway_types::Raw;
use serde_json::{Map, Value, json};

/// `schema` if Ollama can read it, else the nearest that it can.
pub(crate) fn acceptable(schema: Raw<'_>) -> Cow<'_, str> {
    let text = schema.as_str();
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return Cow::Borrowed(EMPTY);
    };
    let Value::Object(mut root) = value.clone() else { return Cow::Borrowed(EMPTY) };
    if root.get("type").and_then(Value::as_str) != Some("object") {
        root.insert("type".to_owned(), json!("object"));
    }
    let properties = root.entry("properties").or_insert_with(|| json!({}));
    if !properties.is_object() {
        *properties = json!({});
    }
    mend(&mut root, true, 0);
    let mended = Value::Object(root);
    // Written anew only where it has to be: members keep their order in what stays.
    if mended == value { Cow::Borrowed(text) } else { Cow::Owned(mended.to_string()) }
}

const EMPTY: &str = r#"{"type":"object","properties":{}}"#;

/// Deeper schemas are cut: nobody writes them by hand.
const DEEPEST: usize = 32;

fn mend(schema: &mut Map<String, Value>, root: bool, depth: usize) {
    schema.retain(|key, value| match key.as_str() {
        "description" => value.is_string(),
        "enum" | "anyOf" => value.is_array(),
        "required" => value.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
        "properties" => value.is_object(),
        // A type, or a list of them.
        "type" if !root => {
            value.is_string()
                || value.as_array().is_some_and(|all| all.iter().all(Value::is_string))
        }
        _ => true,
    });
    if depth >= DEEPEST {
        return;
    }
    let inner = |value: &mut Value| match value {
        Value::Object(schema) => mend(schema, false, depth + 1),
        // `true`: anything goes.
        other => *other = json!({}),
    };
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().for_each(inner);
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.iter_mut().for_each(inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r21_what_fixed_types_can_hold_stays_and_the_rest_is_mended() {
        for (schema, wanted) in [
            (
                r#"{"type":"object","properties":{"a":{"type":["string","null"],"const":1}},"x":true}"#,
                None,
            ),
            (r#"{ "properties":{}, "type" : "object" }"#, None),
            (r#"{"type":"object"}"#, Some(EMPTY)),
            ("true", Some(EMPTY)),
            (r#"{"type":["object"],"properties":[]}"#, Some(EMPTY)),
            (
                r#"{"type":"object","properties":{"a":true,"b":{"description":7,"required":true,"properties":{"c":false}}},"required":"a"}"#,
                Some(r#"{"type":"object","properties":{"a":{},"b":{"properties":{"c":{}}}}}"#),
            ),
            (
                r#"{"type":"object","properties":{"a":{"anyOf":[true,{"enum":"x"}],"type":7}}}"#,
                Some(r#"{"type":"object","properties":{"a":{"anyOf":[{},{}]}}}"#),
            ),
        ] {
            let got = acceptable(Raw::from_json(schema));
            match wanted {
                None => assert_eq!(got, schema),
                Some(wanted) => {
                    let [got, wanted] = [&*got, wanted]
                        .map(|text| serde_json::from_str::<Value>(text).expect("JSON"));
                    assert_eq!(got, wanted, "{schema}");
                }
            }
            assert_eq!(acceptable(Raw::from_json(&got)), *got, "mended once is mended for good");
        }
    }
}
