//! Schemas that upstreams choke on (R21).

use std::path::Path;

use gateway_gemini::{json_schema, openapi_schema};
use gateway_types::{Feature, Raw};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::{Upstream, hello};

/// Every schema of `fixtures/schemas`, by name.
fn nasty() -> Vec<(String, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/schemas");
    let mut all: Vec<(String, String)> = std::fs::read_dir(dir)
        .expect("the schemas")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("a text"))
        })
        .collect();
    all.sort();
    assert!(all.len() >= 25, "{} schemas", all.len());
    all
}

fn made(schema: &Value) -> Value {
    serde_json::from_str(&json_schema(Raw::from_json(&schema.to_string()))).expect("JSON")
}

fn older(schema: &Value) -> Value {
    let made = openapi_schema(Raw::from_json(&schema.to_string()));
    made.map_or(Value::Null, |made| serde_json::from_str(&made).expect("JSON"))
}

/// What both services say of a function with this schema, in both forms.
fn taken(schema: &str) -> Result<(), String> {
    let schema: Value = serde_json::from_str(schema).map_err(|e| e.to_string())?;
    let request = hello(&json!({"tools": [{"name": "f", "input_schema": schema}]}));
    for mut upstream in [Upstream::of("gemini-3.1-pro-preview"), Upstream::vertex("gemini-2.5-pro")]
    {
        for without in [&[][..], &[Feature::Field("parametersJsonSchema")]] {
            upstream.without = without;
            let body = crate::support::parse(&upstream.encode(&request).expect("can be said"));
            upstream.check(&body).map_err(|refusal| {
                format!("{}\n{:#}", refusal.message, body["tools"][0]["functionDeclarations"][0])
            })?;
        }
    }
    Ok(())
}

#[test]
fn r21_every_schema_is_taken_in_both_forms_by_both_services() {
    for (name, schema) in nasty() {
        taken(&schema).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

#[test]
fn r21_making_a_schema_twice_changes_nothing() {
    for (name, schema) in nasty() {
        let once = json_schema(Raw::from_json(&schema));
        assert_eq!(json_schema(Raw::from_json(&once)), once, "{name}");
        if let Some(once) = openapi_schema(Raw::from_json(&schema)) {
            assert_eq!(openapi_schema(Raw::from_json(&once)).as_ref(), Some(&once), "{name}");
        }
    }
}

#[test]
fn r21_required_properties_stay_required() {
    for (name, schema) in nasty() {
        let schema: Value = serde_json::from_str(&schema).expect("JSON");
        let (Some(properties), Some(required)) =
            (schema["properties"].as_object(), schema["required"].as_array())
        else {
            continue;
        };
        let made = made(&schema);
        for wanted in required {
            let known = wanted.as_str().is_some_and(|name| properties.contains_key(name));
            let kept = made["required"].as_array().is_some_and(|r| r.contains(wanted));
            assert_eq!(kept, known, "{name}: {wanted}");
        }
        for property in properties.keys() {
            assert!(made["properties"].get(property).is_some(), "{name}: {property}");
        }
    }
}

#[test]
fn r21_keyword_by_keyword() {
    let property = |schema: Value| {
        made(&json!({"type": "object", "properties": {"p": schema}}))["properties"]["p"].clone()
    };
    for (schema, wanted) in [
        (json!({"const": "x"}), json!({"enum": ["x"]})),
        (
            json!({"const": true}),
            json!({"type": "boolean", "description": "Constraints: always true."}),
        ),
        (
            json!({"type": "integer", "exclusiveMinimum": 0}),
            json!({"type": "integer", "minimum": 1}),
        ),
        (
            json!({"type": "number", "exclusiveMaximum": 1.5, "description": "d"}),
            json!({"type": "number", "maximum": 1.5, "description": "d Constraints: less than 1.5."}),
        ),
        (
            json!({"type": "string", "pattern": "^a$", "minLength": 2}),
            json!({"type": "string", "description": "Constraints: minLength 2, pattern ^a$."}),
        ),
        (json!({"type": ["string", "null"]}), json!({"type": ["string", "null"]})),
        (json!({"type": "string", "nullable": true}), json!({"type": ["string", "null"]})),
        (
            json!({"type": "string", "default": "x", "$comment": "c", "x-a": 1}),
            json!({"type": "string"}),
        ),
        (json!({"type": "string", "format": "uuid"}), json!({"type": "string", "format": "uuid"})),
        (json!(true), json!({})),
        (json!({"items": [{"type": "string"}]}), json!({"prefixItems": [{"type": "string"}]})),
        (
            json!({"allOf": [{"type": "number"}, {"type": "integer", "minimum": 3}]}),
            json!({"type": "integer", "minimum": 3}),
        ),
    ] {
        assert_eq!(property(schema.clone()), wanted, "{schema}");
    }
}

#[test]
fn r21_references_are_kept_where_they_can_stand() {
    let defs = json!({"D": {"type": "string", "minLength": 1}});
    let schema = json!({"type": "object", "definitions": defs, "properties": {
        "plain": {"$ref": "#/definitions/D"},
        "beside": {"$ref": "#/definitions/D", "description": "here"},
        "remote": {"$ref": "https://a/b"}}});
    let made = made(&schema);
    assert_eq!(made["properties"]["plain"], json!({"$ref": "#/$defs/D"}));
    assert_eq!(
        made["properties"]["beside"],
        json!({"type": "string", "description": "here Constraints: minLength 1."})
    );
    assert_eq!(made["properties"]["remote"]["type"], "object");
    assert!(made["$defs"]["D"].is_object() && made.get("definitions").is_none());
}

#[test]
fn r21_a_root_of_alternatives_is_one_object() {
    let schema = json!({"oneOf": [
        {"type": "object", "properties": {"a": {"type": "string"}, "k": {"const": 1}}, "required": ["a", "k"]},
        {"type": "object", "properties": {"b": {"type": "string"}, "k": {"const": 2}}, "required": ["b", "k"]}]});
    let made = made(&schema);
    assert_eq!(made["type"], "object");
    assert_eq!(made["required"], json!(["k"]));
    assert_eq!(made["properties"]["k"], json!({"anyOf": [{"enum": [1]}, {"enum": [2]}]}));
}

#[test]
fn the_older_form_keyword_by_keyword() {
    let property = |schema: Value| {
        older(&json!({"type": "object", "properties": {"p": schema}}))["properties"]["p"].clone()
    };
    for (schema, wanted) in [
        (json!({"type": ["string", "null"]}), json!({"type": "STRING", "nullable": true})),
        (
            json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}),
            json!({"type": "INTEGER", "nullable": true}),
        ),
        (
            json!({"type": ["string", "integer"], "description": "d"}),
            json!({"anyOf": [{"type": "STRING", "description": "d"}, {"type": "INTEGER"}]}),
        ),
        (json!({"const": "x"}), json!({"type": "STRING", "enum": ["x"]})),
        (
            json!({"type": "integer", "enum": [1, 2]}),
            json!({"type": "INTEGER", "description": "One of 1, 2."}),
        ),
        (json!({"type": "string", "enum": ["", "a"]}), json!({"type": "STRING", "enum": ["a"]})),
        (
            json!({"type": "string", "format": "uri"}),
            json!({"type": "STRING", "description": "Format: uri."}),
        ),
        (json!({"type": "array"}), json!({"type": "ARRAY", "items": {"type": "STRING"}})),
        (
            json!({"type": "object"}),
            json!({"type": "STRING", "description": "A JSON object, as text."}),
        ),
    ] {
        assert_eq!(property(schema.clone()), wanted, "{schema}");
    }
    assert_eq!(older(&json!({"type": "object"})), Value::Null);
    let circle: Value = serde_json::from_str(
        &nasty().into_iter().find(|(n, _)| n == "recursive-tree").expect("there").1,
    )
    .expect("JSON");
    let items = older(&circle)["properties"]["root"]["properties"]["children"]["items"].clone();
    assert_eq!(items["type"], "STRING");
}

/// Values that look like schemas, with keywords in their places and out of them.
fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-3i64..9).prop_map(Value::from),
        "[a-z$/#\"\\\\é]{0,6}".prop_map(Value::from),
        prop::sample::select(vec![
            "string",
            "integer",
            "object",
            "array",
            "null",
            "#/$defs/a",
            "#/definitions/b",
            "#",
            "#/properties/a"
        ])
        .prop_map(Value::from),
    ];
    let key = prop_oneof![
        prop::sample::select(vec![
            "type",
            "properties",
            "items",
            "anyOf",
            "oneOf",
            "allOf",
            "$ref",
            "$defs",
            "definitions",
            "required",
            "enum",
            "const",
            "minimum",
            "exclusiveMinimum",
            "description",
            "nullable",
            "additionalProperties",
            "prefixItems",
            "format",
            "pattern",
            "not",
            "title",
            "propertyOrdering",
            "a",
            "b"
        ])
        .prop_map(str::to_owned),
        "[a-c$]{1,2}",
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(11), ..ProptestConfig::default() })]

    #[test]
    fn r21_whatever_is_offered_is_taken(properties in schema(), more in schema()) {
        let mut schema = json!({"type": "object", "properties": {"p": properties.clone()}, "$defs": {"a": properties}});
        for (key, value) in more.as_object().into_iter().flatten() {
            schema[key.as_str()] = value.clone();
        }
        let text = schema.to_string();
        let once = json_schema(Raw::from_json(&text));
        prop_assert_eq!(&json_schema(Raw::from_json(&once)), &once, "{}", text);
        prop_assert_eq!(taken(&text), Ok(()), "{}", text);
        if let Some(once) = openapi_schema(Raw::from_json(&text)) {
            prop_assert_eq!(openapi_schema(Raw::from_json(&once)), Some(once), "{}", text);
        }
    }

    #[test]
    fn no_text_makes_the_rewriting_panic(text in "[\\[\\]{}:,\"a-z$0-9#/ \\\\]{0,80}") {
        let made = json_schema(Raw::from_json(&text));
        prop_assert!(serde_json::from_str::<Value>(&made).is_ok());
        openapi_schema(Raw::from_json(&text));
    }
}
