//! Schemas that upstreams choke on (R21), in every dialect.

use std::path::Path;

use serde_json::{Value, json};

use crate::dialects::{Dialect, all};

/// Every schema of `fixtures/schemas`, by name.
fn nasty() -> Vec<(String, Value)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/schemas");
    let files =
        std::fs::read_dir(dir).expect("the schemas").map(|entry| entry.expect("a file").path());
    let mut all: Vec<(String, Value)> = files
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("a text");
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, serde_json::from_str(&text).expect("JSON"))
        })
        .collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(all.len() >= 25, "{} schemas", all.len());
    all
}

fn request(schemas: &[(String, Value)], strict: bool) -> Value {
    let tool = |(name, schema): &(String, Value)| {
        let mut tool = json!({"name": name, "description": "does", "input_schema": schema});
        if strict {
            tool["strict"] = json!(true);
        }
        tool
    };
    json!({
        "model": "m", "max_tokens": 4000, "stream": true,
        "tools": schemas.iter().map(tool).collect::<Vec<_>>(),
        "messages": [{"role": "user", "content": "go"}],
    })
}

/// Schemas go to Claude as they are: it takes what its own interface takes.
fn translated() -> impl Iterator<Item = Dialect> {
    all().into_iter().filter(|dialect| !dialect.is_claude())
}

#[test]
fn r21_every_nasty_schema_is_taken_by_every_dialect() {
    let nasty = nasty();
    for dialect in translated() {
        for schema in &nasty {
            for strict in [false, true] {
                let sent = dialect.taken(&request(std::slice::from_ref(schema), strict), &[]);
                assert_eq!(sent.learnt, [], "{} {}", dialect.name, schema.0);
            }
        }
    }
}

#[test]
fn r21_all_of_them_together_are_taken_too_and_by_claude_as_they_are() {
    let nasty = nasty();
    for dialect in translated() {
        dialect.taken(&request(&nasty, false), &[]);
    }
    for dialect in all().into_iter().filter(Dialect::is_claude) {
        let sent = dialect.sent(&request(&nasty, false)).json();
        for ((name, schema), tool) in nasty.iter().zip(sent["tools"].as_array().expect("tools")) {
            assert_eq!(tool["input_schema"], *schema, "{} {name}", dialect.name);
        }
    }
}

/// Names of properties survive: the arguments come back under the names that the caller's tool knows.
#[test]
fn r21_no_property_is_lost() {
    for (name, schema) in nasty() {
        let Some(properties) = schema["properties"].as_object() else { continue };
        for dialect in translated() {
            let sent = dialect.taken(&request(&[(name.clone(), schema.clone())], false), &[]);
            for property in properties.keys() {
                let quoted = serde_json::to_string(property).expect("a text");
                let body = sent.json().to_string();
                assert!(body.contains(&quoted), "{} {name}: {property} in {body}", dialect.name);
            }
        }
    }
}
