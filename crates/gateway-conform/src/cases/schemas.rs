//! Schemas of tools that Anthropic takes and others choke on.

use serde_json::{Value, json};

use super::asks::{forced, streamed};
use super::tools::called;
use crate::case::Case;

pub(super) fn cases() -> Vec<Case> {
    vec![
        schema(
            "schema.ref",
            "$ref into $defs, one that refers to itself",
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {"root": {"$ref": "#/$defs/node"}},
                "required": ["root"],
                "$defs": {"node": {
                    "type": "object",
                    "description": "A node",
                    "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
                    "required": ["name"]
                }}
            }),
        ),
        schema(
            "schema.any-of",
            "anyOf, oneOf and lists of types within properties",
            json!({
                "type": "object",
                "properties": {
                    "value": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]},
                    "mode": {"oneOf": [{"const": "fast"}, {"const": "slow"}]},
                    "note": {"type": ["string", "null"]}
                },
                "required": ["value"]
            }),
        ),
        schema(
            "schema.keywords",
            "const, enum of mixed kinds, exclusive limits, patterns, formats",
            json!({
                "type": "object",
                "$comment": "from a generator",
                "properties": {
                    "kind": {"const": "event"},
                    "level": {"enum": ["low", 1, null, true]},
                    "count": {"type": "integer", "exclusiveMinimum": 0, "multipleOf": 5},
                    "day": {"type": "string", "format": "date"},
                    "mail": {"type": "string", "format": "idn-email", "pattern": "^[^@]+@[^@]+$"},
                    "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": true, "minItems": 0},
                    "more": {"type": "object", "patternProperties": {"^x-": {"type": "string"}}, "additionalProperties": {"type": "integer"}}
                },
                "required": ["kind"]
            }),
        ),
        schema("schema.empty", "an object without properties", json!({"type": "object"})),
        schema(
            "schema.free",
            "properties without a type, `true` as a schema, arrays without items",
            json!({
                "type": "object",
                "properties": {"anything": {}, "always": true, "list": {"type": "array"}, "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]}},
                "required": ["anything"]
            }),
        ),
        schema("schema.deep", "objects in objects, ten deep", deep(10)),
        schema(
            "schema.odd-names",
            "properties whose names are keywords, have dots, dollars or letters beyond ASCII",
            json!({
                "type": "object",
                "properties": {
                    "type": {"type": "string"}, "properties": {"type": "string"}, "$ref": {"type": "string"},
                    "a.b": {"type": "string"}, "größe": {"type": "number"}, "required": {"type": "boolean"}
                },
                "required": ["type"]
            }),
        ),
        schema(
            "schema.conditional",
            "allOf with if and then, not, dependentRequired",
            json!({
                "type": "object",
                "properties": {"kind": {"type": "string"}, "size": {"type": "integer", "not": {"const": 0}}},
                "required": ["kind"],
                "dependentRequired": {"size": ["kind"]},
                "additionalProperties": false
            }),
        ),
    ]
}

fn schema(id: &'static str, what: &'static str, schema: Value) -> Case {
    Case::new(id, format!("a tool with {what} can be called"), &["R21"])
        .ask(move |setting| {
            let tool = json!({"name": "record", "description": "Records something.", "input_schema": schema});
            streamed(setting, "Use the tool record with any values that fit.", forced("record", &tool))
        })
        .judge(|_, x, j| {
            if let Some(call) = called(x, "record", j)
                && !call["input"].is_object()
            {
                j.error("R21", "arguments that are no object", call["input"].to_string(), "an object");
            }
        })
}

fn deep(levels: u32) -> Value {
    (0..levels).fold(
        json!({"type": "string"}),
        |inner, _| json!({"type": "object", "properties": {"inner": inner}, "required": ["inner"]}),
    )
}
