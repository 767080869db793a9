//! Which JSON Schemas are taken for functions: loosely, and strictly.

use gateway_testkit::fixtures;
use serde_json::{Value, json};

use crate::openai_chat::{any, passes, refused, tool};

/// None of the client's own tools needs a change.
#[test]
fn claude_codes_tools_pass_as_they_are() {
    let mut seen = 0;
    for fixture in fixtures::requests() {
        let body: Value = serde_json::from_slice(&fixture.body).unwrap_or_default();
        for known in body["tools"].as_array().into_iter().flatten() {
            // The other fixtures are hand-made.
            if known["input_schema"]["$schema"].is_string() {
                passes(&any(), json!({"tools": [tool(known["input_schema"].clone())]}));
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn schemas() {
    let code = Some("invalid_function_parameters");
    let param = Some("tools[0].function.parameters");
    for (schema, part) in [
        (json!({}), "got 'type: \"None\"'"),
        (json!({"type": "string"}), "got 'type: \"string\"'"),
        (json!({"type": "object"}), "In context=(), object schema missing properties."),
        (
            json!({"type": "object", "properties": {"a": {"type": "array"}}}),
            "In context=('properties', 'a'), array schema missing items.",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "array"}}}}),
            "In context=('properties', 'a', 'items'), array schema missing items.",
        ),
        (
            json!({"type": "object", "properties": {}, "anyOf": [{"required": ["a"]}]}),
            "not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level",
        ),
        (
            json!({"type": "object", "properties": {}, "required": "a"}),
            "Invalid schema for function 'Bash': 'a' is not of type 'array'.",
        ),
        (json!({"type": "object", "properties": []}), "[] is not of type 'object'."),
        (
            json!({"type": "object", "properties": {}, "required": ["a", "a"]}),
            "['a','a'] has non-unique elements.",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array", "items": [{"type": "string"}]}}}),
            "[{'type':'string'}] is not of type 'object', 'boolean'.",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "any"}}}),
            "'any' is not valid under any of the given schemas.",
        ),
        (
            json!({"type": "object", "properties": {"a": {"minimum": 0, "exclusiveMinimum": true}}}),
            "True is not of type 'number'.",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": ["array", "null"]}}}),
            "In context=('properties', 'a'), array schema missing items.",
        ),
    ] {
        refused(&any(), json!({"tools": [tool(schema)]}), (code, param, part));
    }
    for free in [
        json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
            "properties": {"u": {"type": "string", "format": "uri", "default": "x"}}}),
        json!({"type": "object", "properties": {"free": {"type": "object"}},
            "additionalProperties": false}),
    ] {
        passes(&any(), json!({"tools": [tool(free)]}));
    }
}

#[test]
fn strict_schemas() {
    let strict = |schema: Value| {
        let function = json!({"name": "f", "strict": true, "parameters": schema});
        json!({"tools": [{"type": "function", "function": function}]})
    };
    let object = |properties: Value, required: Value| {
        json!({"type": "object", "properties": properties, "required": required,
            "additionalProperties": false})
    };
    let mut deep = json!({"type": "string"});
    for _ in 0..11 {
        deep = object(json!({"a": deep}), json!(["a"]));
    }
    let values: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
    let code = Some("invalid_function_parameters");
    let param = Some("tools[0].function.parameters");
    for (schema, part) in [
        (
            json!({"type": "object", "properties": {}}),
            "'additionalProperties' is required to be supplied and to be false",
        ),
        (object(json!({"a": {"type": "string"}}), json!([])), "Missing 'a'"),
        (object(json!({}), json!(["b"])), "Extra required key 'b' supplied"),
        (
            object(json!({"a": {"type": "string", "default": "x"}}), json!(["a"])),
            "In context=('properties', 'a'), 'default' is not permitted.",
        ),
        (object(json!({"a": {"allOf": []}}), json!(["a"])), "'allOf' is not permitted"),
        (
            object(json!({"a": {"type": "string", "format": "uri"}}), json!(["a"])),
            "'uri' is not a valid format",
        ),
        (object(json!({"a": {}}), json!(["a"])), "must have a 'type' key"),
        (
            object(json!({"a": {"type": "object"}}), json!(["a"])),
            "('properties', 'a'), 'additional",
        ),
        (object(json!({"a": {"$ref": "#/$defs/x"}}), json!(["a"])), "'#/$defs/x' which was not"),
        (deep, "nested deeper than 10"),
        (object(json!({"a": {"enum": values}}), json!(["a"])), "more than 1000 enum"),
    ] {
        refused(&any(), strict(schema), (code, param, part));
    }
    let mut good = object(
        json!({
            "a": {"type": ["string", "null"], "format": "date", "pattern": "x"},
            "b": {"anyOf": [{"type": "integer", "minimum": 1}, {"$ref": "#/$defs/x"}]},
            "c": {"type": "array", "items": {"$ref": "#"}, "maxItems": 3},
        }),
        json!(["a", "b", "c"]),
    );
    good["$defs"] = json!({"x": object(json!({}), json!([]))});
    passes(&any(), strict(good));
}
