//! Values that fit a schema.

use serde_json::{Map, Value};

use crate::empty;

/// Input for a tool: the required properties, and for well-known ones something that does no harm
/// and shows. A text in back quotes is taken as what the caller wants said.
pub(crate) fn of_tool(name: &str, schema: Option<&Value>, asked: &str) -> Value {
    let mut input = schema.map_or_else(empty, of_schema);
    if let Some(fields) = input.as_object_mut() {
        let quoted = asked.split('`').nth(1);
        if name == "Bash" {
            let command = quoted.unwrap_or("echo 'Hello from the demo provider'");
            fields.insert("command".to_owned(), command.into());
            fields.insert("description".to_owned(), "Say hello".into());
        } else if let (Some(quoted), Some(first)) = (quoted, first_string(fields)) {
            fields.insert(first, quoted.into());
        }
    }
    input
}

fn first_string(fields: &Map<String, Value>) -> Option<String> {
    fields.iter().find(|(_, value)| value.is_string()).map(|(name, _)| name.clone())
}

/// How deep a sample goes, against schemas that refer to themselves.
const MAX_DEPTH: u32 = 12;

/// A value that fits `schema`: its first enum value, its required properties, one of each.
pub(crate) fn of_schema(schema: &Value) -> Value {
    sample(schema, 0)
}

fn sample(schema: &Value, depth: u32) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    if let Some(fixed) = schema.get("const").or_else(|| schema["enum"].get(0)) {
        return fixed.clone();
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        if let Some(first) = schema[choice].get(0) {
            return sample(first, depth + 1);
        }
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"].get(0)?.as_str());
    match kind {
        Some("string") => "demo".into(),
        Some("integer") => schema["minimum"].as_i64().unwrap_or(1).into(),
        Some("number") => schema["minimum"].as_f64().unwrap_or(1.0).into(),
        Some("boolean") => true.into(),
        Some("null") => Value::Null,
        Some("array") => {
            let wanted = schema["minItems"].as_u64().unwrap_or(0).min(8);
            (0..wanted).map(|_| sample(&schema["items"], depth + 1)).collect::<Vec<_>>().into()
        }
        _ => {
            let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
            let fields = required
                .iter()
                .filter_map(Value::as_str)
                .map(|name| (name.to_owned(), sample(&schema["properties"][name], depth + 1)));
            Value::Object(fields.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sample_has_what_is_required_and_no_more() {
        let schema = json!({"type":"object","required":["a","n","k","l"],"properties":{
            "a":{"type":"string"},"n":{"type":"integer","minimum":5},"k":{"enum":["x","y"]},
            "l":{"type":"array","minItems":1,"items":{"type":"boolean"}},"o":{"type":"string"}}});
        assert_eq!(of_schema(&schema), json!({"a":"demo","n":5,"k":"x","l":[true]}));
    }

    #[test]
    fn a_schema_without_end_has_one() {
        let mut schema = json!({"type":"string"});
        for _ in 0..100 {
            schema = json!({"type":"object","required":["x"],"properties":{"x":schema}});
        }
        assert!(of_schema(&schema).is_object());
    }
}
