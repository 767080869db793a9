//! Schemas that were seen to be refused, and a checker for what OpenAI refuses.

use gateway_types::Raw;
use serde_json::{Value, json};

use super::{TYPES, acceptable_schema, format_schema, strict_ok};

/// What OpenAI says against a function's schema, if anything; written apart from the code under
/// test, over a parsed value.
fn objection(schema: &Value) -> Option<String> {
    let Some(root) = schema.as_object() else { return Some("not an object".to_owned()) };
    if root.get("type") != Some(&json!("object")) {
        return Some("schema must be of type object".to_owned());
    }
    if !root.get("properties").is_some_and(Value::is_object) {
        return Some("object schema missing properties".to_owned());
    }
    let bad = ["anyOf", "oneOf", "allOf", "enum", "not", "$ref"];
    if let Some(word) = bad.iter().find(|word| root.contains_key(**word)) {
        return Some(format!("{word} at the top level"));
    }
    inner_objection(schema)
}

fn inner_objection(schema: &Value) -> Option<String> {
    let Some(members) = schema.as_object() else { return Some(format!("{schema} is no schema")) };
    let types: Vec<&Value> = match members.get("type") {
        Some(Value::Array(types)) => types.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    if types.iter().any(|t| !t.as_str().is_some_and(|t| TYPES.contains(&t))) {
        return Some(format!("{types:?} is no type"));
    }
    if types.contains(&&json!("array")) && !members.get("items").is_some_and(Value::is_object) {
        return Some("array schema missing items".to_owned());
    }
    for (key, value) in members {
        let inner: Vec<&Value> = match key.as_str() {
            "properties" | "$defs" | "definitions" | "patternProperties" => {
                let Some(map) = value.as_object() else { return Some(format!("{key} is no map")) };
                map.values().collect()
            }
            "anyOf" | "oneOf" | "allOf" | "prefixItems" => match value.as_array() {
                Some(list) if !list.is_empty() => list.iter().collect(),
                _ => return Some(format!("{key} is no list")),
            },
            "additionalProperties" if value.is_boolean() => Vec::new(),
            "items" | "additionalProperties" => vec![value],
            "required" => {
                let names = value.as_array().is_some_and(|l| l.iter().all(Value::is_string));
                if !names {
                    return Some("required is no list of names".to_owned());
                }
                Vec::new()
            }
            "enum" if value.as_array().is_none_or(Vec::is_empty) => {
                return Some("enum is empty".to_owned());
            }
            "const" | "default" | "examples" => Vec::new(),
            _ if value.is_null() => return Some(format!("{key} is null")),
            _ => Vec::new(),
        };
        if let Some(objection) = inner.into_iter().find_map(inner_objection) {
            return Some(objection);
        }
    }
    None
}

fn fixed(schema: &str) -> Value {
    let text = acceptable_schema(Raw::from_json(schema));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{schema} became {text}: {e}"))
}

fn nested(levels: usize) -> String {
    let open = r#"{"type":"object","properties":{"p":"#.repeat(levels);
    format!("{open}{{\"type\":\"string\"}}{}", "}}".repeat(levels))
}

fn wide(count: usize) -> String {
    let properties: Vec<_> =
        (0..count).map(|i| format!("\"p{i}\":{{\"type\":\"array\"}}")).collect();
    format!("{{\"type\":\"object\",\"properties\":{{{}}}}}", properties.join(","))
}

#[test]
fn r21_every_nasty_schema_becomes_acceptable() {
    let (deep, deepest, wide) = (nested(12), nested(90), wide(300));
    let all = [
        "{}",
        "null",
        "true",
        "[]",
        "\"object\"",
        r#"{"type":"object"}"#,
        r#"{"type":"object","properties":null,"required":null,"description":null}"#,
        r#"{"properties":{"a":{"type":"string"}}}"#,
        r#"{"type":["object","null"],"properties":{}}"#,
        r#"{"type":"string"}"#,
        r#"{"type":"array","items":{"type":"string"}}"#,
        r#"{"anyOf":[{"type":"object","properties":{"a":{}}},{"type":"object","properties":{"b":{}}}]}"#,
        r#"{"type":"object","oneOf":[{"required":["a"]},{"required":["b"]}],"properties":{"a":{},"b":{}}}"#,
        r##"{"allOf":[{"$ref":"#/$defs/A"},{"properties":{"z":{"type":"array"}}}],"$defs":{"A":{"type":"object","properties":{"y":{"type":"integer"}},"required":["y"]}}}"##,
        r##"{"$ref":"#/$defs/Node","$defs":{"Node":{"type":"object","properties":{"children":{"type":"array","items":{"$ref":"#/$defs/Node"}}}}}}"##,
        r##"{"$ref":"#/$defs/A","$defs":{"A":{"$ref":"#/$defs/B"},"B":{"$ref":"#/$defs/A"}}}"##,
        r##"{"$ref":"#","anyOf":[{"$ref":"#"}]}"##,
        r#"{"enum":["a","b"]}"#,
        r#"{"type":"object","properties":{},"not":{"required":["x"]}}"#,
        r#"{"type":"object","properties":{"a":{"type":"array"}}}"#,
        r#"{"type":"object","properties":{"a":{"type":["array","null"]}}}"#,
        r#"{"type":"object","properties":{"a":{"type":"array","items":[{"type":"string"},{"type":"array"}]}}}"#,
        r#"{"type":"object","properties":{"a":{"type":"array","items":true,"additionalItems":false}}}"#,
        r#"{"type":"object","properties":{"a":true,"b":false,"c":null,"d":3}}"#,
        r#"{"type":"object","properties":{"a":{"type":"any"},"b":{"type":["string","str"]},"c":{"type":[]}}}"#,
        r#"{"type":"object","properties":{"a":{"const":null,"default":null,"enum":null}}}"#,
        r#"{"type":"object","properties":{"a":{"anyOf":[]},"b":{"anyOf":[true,{"type":"array"}]}}}"#,
        r#"{"type":"object","properties":{"a":{"type":"string","required":true}},"required":["a",1]}"#,
        r#"{"type":"object","properties":[],"patternProperties":{"^x":{"type":"array"}}}"#,
        r#"{"type":"object","properties":{},"additionalProperties":{"type":"array"}}"#,
        r#"{"type":"object","properties":{"type":{"type":"array"},"items":{"type":"string"},"enum":{}}}"#,
        r#"{"type":"object","properties":{"\u00e9\"":{"type":"array","description":"naïve 😀 \"q\""}}}"#,
        &deep,
        &deepest,
        &wide,
    ];
    for schema in all {
        let after = fixed(schema);
        assert_eq!(objection(&after), None, "{schema} became {after}");
        // What came out is left alone.
        let text = after.to_string();
        assert_eq!(&*acceptable_schema(Raw::from_json(&text)), text);
    }
}

#[test]
fn what_is_fine_passes_as_it_was_written() {
    for schema in [
        r##"{ "type" : "object", "properties": {"b":{"type":"array","items":{}},"a":{"$ref":"#/$defs/x"}}, "$schema":"s","additionalProperties":false,"$defs":{"x":{"anyOf":[{"type":"null"},{"const":null}]}}}"##,
        r#"{"type":"object","properties":{"a":{"type":["string","null"],"format":"uri","default":null,"not":{}}},"required":["a"]}"#,
        &nested(12),
    ] {
        assert_eq!(objection(&serde_json::from_str(schema).expect("JSON")), None);
        assert!(matches!(
            acceptable_schema(Raw::from_json(schema)),
            std::borrow::Cow::Borrowed(same) if same == schema
        ));
    }
}

#[test]
fn r21_alternatives_at_the_root_become_one_object_and_lose_no_property() {
    let after = fixed(
        r#"{"description":"d","oneOf":[
            {"type":"object","properties":{"op":{"const":"add"},"n":{"type":"integer"}},"required":["op","n"],"additionalProperties":false},
            {"type":"object","properties":{"op":{"const":"del"},"id":{"type":"string"}},"required":["op","id"]},
            {"type":"object","properties":{"op":{"const":"all"}},"required":["op"]}]}"#,
    );
    assert_eq!(
        after,
        json!({"type":"object","description":"d","required":["op"],"properties":{
            "op":{"anyOf":[{"const":"add"},{"const":"del"},{"const":"all"}]},
            "n":{"type":"integer"},"id":{"type":"string"}}})
    );
    let both = fixed(
        r##"{"allOf":[{"$ref":"#/definitions/A"},{"properties":{"b":{}},"required":["b"]}],
            "definitions":{"A":{"properties":{"a":{}},"required":["a"]}}}"##,
    );
    assert_eq!(both["required"], json!(["a", "b"]));
    assert_eq!(both["properties"], json!({"a":{},"b":{}}));
}

#[test]
fn alternatives_that_name_each_other_end() {
    let refs = vec![r##"{"$ref":"#/$defs/a"}"##; 40].join(",");
    let bomb = format!(r#"{{"anyOf":[{refs}],"$defs":{{"a":{{"anyOf":[{refs}]}}}}}}"#);
    let after = fixed(&bomb);
    assert_eq!(objection(&after), None);
    let wide: Vec<_> = (0..1000)
        .map(|i| format!(r#"{{"properties":{{"p{i}":{{}}}},"required":["p{i}"]}}"#))
        .collect();
    let after = fixed(&format!(r#"{{"allOf":[{}]}}"#, wide.join(",")));
    assert_eq!(after["required"].as_array().map(Vec::len), Some(1000));
}

#[test]
fn only_schemas_that_can_be_enforced_are_strict() {
    let ok = r#"{"type":"object","properties":{"a":{"type":["string","null"],"pattern":"x"},"b":{"type":"object","properties":{},"additionalProperties":false}},"required":["a","b"],"additionalProperties":false}"#;
    assert!(strict_ok(Raw::from_json(ok)));
    for bad in [
        "{}",
        r#"{"type":"object","properties":{"a":{}},"additionalProperties":false}"#,
        r#"{"type":"object","properties":{"a":{}},"required":["a"]}"#,
        r#"{"type":"object","properties":{"a":{"default":1}},"required":["a"],"additionalProperties":false}"#,
        r#"{"type":"object","properties":{"a":{"format":"uri"}},"required":["a"],"additionalProperties":false}"#,
        r#"{"type":"object","properties":{"a":{"type":"object"}},"required":["a"],"additionalProperties":false}"#,
        r#"{"type":"object","anyOf":[],"properties":{},"additionalProperties":false}"#,
        r#"{"type":"array","items":{}}"#,
        &nested(12),
    ] {
        assert!(!strict_ok(Raw::from_json(bad)), "{bad}");
    }
    let many: Vec<_> = (0..1001).map(|n| n.to_string()).collect();
    let many = format!(
        r#"{{"type":"object","properties":{{"a":{{"enum":[{}]}}}},"required":["a"],"additionalProperties":false}}"#,
        many.join(",")
    );
    assert!(!strict_ok(Raw::from_json(&many)));
}

#[test]
fn a_format_whose_root_is_no_object_is_not_mended_into_one() {
    for (schema, wanted) in [
        (
            r#"{"type":"object","properties":{"a":{}}}"#,
            Some(r#"{"type":"object","properties":{"a":{}}}"#),
        ),
        (r#"{"type":"object"}"#, Some(r#"{"type":"object","properties":{}}"#)),
        (r#"{"properties":{"a":{}}}"#, Some(r#"{"type":"object","properties":{"a":{}}}"#)),
        (r##"{"$ref":"#/$defs/s","$defs":{"s":{"type":"string"}}}"##, None),
        (r#"{"type":"array","items":{}}"#, None),
        (
            r#"{"type":["object","null"],"properties":{"a":{}}}"#,
            Some(r#"{"type":"object","properties":{"a":{}}}"#),
        ),
        (r#"{"type":["array","null"]}"#, None),
        (r#"{"enum":["a"]}"#, None),
        ("{}", None),
        ("[]", None),
    ] {
        assert_eq!(format_schema(Raw::from_json(schema)).as_deref(), wanted, "{schema}");
    }
}

#[test]
fn r21_keywords_hold_what_the_definition_of_schemas_says() {
    let property = |schema: &str| {
        let schema = format!(r#"{{"type":"object","properties":{{"p":{schema}}}}}"#);
        let fixed = acceptable_schema(Raw::from_json(&schema)).into_owned();
        let fixed: serde_json::Value = serde_json::from_str(&fixed).expect("JSON");
        fixed["properties"]["p"].to_string()
    };
    for (schema, wanted) in [
        (r#"{"minimum":0,"exclusiveMinimum":true}"#, r#"{"exclusiveMinimum":0}"#),
        (r#"{"exclusiveMaximum":true,"maximum":-2.5}"#, r#"{"exclusiveMaximum":-2.5}"#),
        (r#"{"maximum":9,"exclusiveMaximum":false}"#, r#"{"maximum":9}"#),
        (r#"{"exclusiveMinimum":1}"#, r#"{"exclusiveMinimum":1}"#),
        (r#"{"minLength":"1","pattern":7,"uniqueItems":"yes","title":["x"]}"#, "{}"),
    ] {
        assert_eq!(property(schema), wanted, "{schema}");
    }
}
