//! What goes up.

use gateway_gemini::Surface;
use gateway_testkit::fixtures;
use gateway_types::{Endpoint, Feature};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{Upstream, conversation, hello, losses, parse};

const MODELS: [&str; 4] =
    ["gemini-3.1-pro-preview", "gemini-3.8-flash", "gemini-2.5-flash", "gemini-4-argon"];

/// Every recorded request, for every kind of model: taken by the strict server, with these losses and
/// these bytes. To accept a change on purpose, replace the file by what the failure prints.
#[test]
fn recorded_requests_are_taken_and_say_the_same_for_ever() {
    let mut snapshot = String::new();
    for (model, vertex) in MODELS.into_iter().zip([false, true, false, true]) {
        for fixture in fixtures::requests() {
            if !fixture.path.starts_with("/v1/messages") || fixture.body.is_empty() {
                continue;
            }
            let mut upstream = if vertex { Upstream::vertex(model) } else { Upstream::of(model) };
            if fixture.path.ends_with("count_tokens") {
                upstream.endpoint = Endpoint::CountTokens;
            }
            let encoded = upstream.encode_bytes(&fixture.body).expect("can be said");
            let body = parse(&encoded);
            upstream
                .check(&body)
                .unwrap_or_else(|refusal| panic!("{model} {}: {}", fixture.name, refusal.message));
            let again = upstream.encode_bytes(&fixture.body).expect("can be said");
            assert_eq!(again.body, encoded.body, "r34 r35 the same request is the same prompt");
            let digest = Sha256::digest(encoded.body.as_bytes());
            let mut all = losses(&encoded);
            all.sort_unstable();
            let verb = encoded.path.rsplit(':').next().unwrap_or_default();
            snapshot.push_str(&format!(
                "{model} {} {verb} {:02x}{:02x}{:02x}{:02x} {}\n",
                fixture.name,
                digest[0],
                digest[1],
                digest[2],
                digest[3],
                all.join(", ")
            ));
        }
    }
    let known = include_str!("requests.snapshot");
    if known != snapshot && std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gemini/requests.snapshot");
        std::fs::write(path, &snapshot).expect("the snapshot can be written");
        return;
    }
    let differs = snapshot.lines().zip(known.lines()).find(|(now, then)| now != then);
    assert!(known == snapshot, "{differs:?} differs first; set UPDATE_SNAPSHOTS=1 to accept");
}

/// A request and what of its body matters: pointers and values; `null` where nothing may stand.
fn says(upstream: &Upstream, request: &Value, wanted: &[(&str, Value)]) {
    let body = upstream.body(request);
    for (pointer, value) in wanted {
        let got = body.pointer(pointer).unwrap_or(&Value::Null);
        assert_eq!(got, value, "{} {pointer} of\n{body:#}", upstream.model);
    }
}

fn tool(name: &str) -> Value {
    json!({"name": name, "description": "does", "input_schema":
        {"type": "object", "properties": {"a": {"type": "string"}}}})
}

#[test]
fn paths_tell_the_service_the_model_and_whether_it_streams() {
    let path = |upstream: &Upstream, more: &Value| {
        upstream.encode(&hello(more)).expect("can be said").path
    };
    let mut studio = Upstream::of("models/gemini-3-pro");
    assert_eq!(path(&studio, &json!({})), "/models/gemini-3-pro:generateContent");
    assert_eq!(
        path(&studio, &json!({"stream": true})),
        "/models/gemini-3-pro:streamGenerateContent?alt=sse"
    );
    studio.endpoint = Endpoint::CountTokens;
    assert_eq!(path(&studio, &json!({"stream": true})), "/models/gemini-3-pro:countTokens");
    let mut vertex = Upstream::vertex("gemini-3-pro");
    assert_eq!(
        path(&vertex, &json!({})),
        "/v1beta1/projects/p/locations/global/publishers/google/models/gemini-3-pro:generateContent"
    );
    vertex.egress.surface =
        Surface::Vertex { project: None, location: "global".into(), version: "v1".into() };
    assert_eq!(
        path(&vertex, &json!({})),
        "/v1/publishers/google/models/gemini-3-pro:generateContent"
    );
    for model in ["..", "models/", " "] {
        assert!(Upstream::of(model).refusal(&hello(&json!({}))).contains("model"));
    }
}

#[test]
fn r31_both_counters_get_what_they_take() {
    let request = hello(&json!({"system": "sys", "tools": [tool("Bash")],
        "tool_choice": {"type": "any"}, "thinking": {"type": "adaptive"}, "temperature": 1}));
    let mut studio = Upstream::of("gemini-3.1-pro-preview");
    studio.endpoint = Endpoint::CountTokens;
    let body = studio.body(&request);
    assert_eq!(body["generateContentRequest"]["model"], "models/gemini-3.1-pro-preview");
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(1));
    let mut vertex = Upstream::vertex("gemini-3.1-pro-preview");
    vertex.endpoint = Endpoint::CountTokens;
    let body = vertex.body(&request);
    assert!(body["contents"].is_array() && body["tools"].is_array());
    let encoded = vertex.encode(&request).expect("can be said");
    let counted = |text: &str| encoded.reader.count(text.as_bytes()).ok();
    assert_eq!(counted(r#"{"totalTokens": 31, "promptTokensDetails": []}"#), Some(31));
    assert_eq!(counted(r#"{"totalTokens": "31"}"#), Some(31));
    assert_eq!(counted("{}"), None);
    assert_eq!(counted("<html>"), None);
}

#[test]
fn r11_r21_tools_are_one_list_of_functions_with_json_schemas() {
    let long = format!("mcp__{}", "x".repeat(80));
    let mut example = tool("example");
    example["input_examples"] = json!([{"a": "b\"c"}]);
    example["cache_control"] = json!({"type": "ephemeral"});
    example["eager_input_streaming"] = json!(true);
    let tools = json!([tool("Bash"), tool("3d.tool"), tool(&long), example, tool("Bash"),
        {"type": "bash_20250124", "name": "bash"}]);
    let request = hello(&json!({"tools": tools, "tool_choice": {"type": "tool", "name": &long}}));
    let upstream = Upstream::of("gemini-3.1-pro-preview");
    let body = upstream.body(&request);
    let functions = body["tools"][0]["functionDeclarations"].as_array().expect("functions");
    assert_eq!((body["tools"].as_array().map(Vec::len), functions.len()), (Some(1), 5));
    assert_eq!(functions[0]["parametersJsonSchema"]["properties"]["a"]["type"], "string");
    let names: Vec<&str> = functions.iter().filter_map(|f| f["name"].as_str()).collect();
    assert!(names[1].starts_with("_3d_tool") && names[2].len() == 64, "{names:?}");
    assert_eq!(
        body["toolConfig"]["functionCallingConfig"],
        json!({"mode": "ANY", "allowedFunctionNames": [names[2]]})
    );
    let told = functions[3]["description"].as_str().expect("a description");
    assert!(told.starts_with("does\n\n") && told.ends_with("[{\"a\":\"b\\\"c\"}]"), "{told}");
    let losses = upstream.losses(&request);
    assert!(losses.contains(&"dropped tools[4]".to_owned()), "{losses:?}");
}

#[test]
fn r21_an_older_backend_gets_the_older_schemas() {
    let mut upstream = Upstream::of("gemini-2.5-flash");
    upstream.without = &[Feature::Field("parametersJsonSchema")];
    let schema = json!({"$schema": "x", "type": "object", "additionalProperties": false,
        "properties": {"n": {"type": ["integer", "null"], "exclusiveMinimum": 0}, "o": {"const": 1}}});
    let request = hello(&json!({"tools": [
        {"name": "a", "input_schema": schema}, {"name": "b", "input_schema": {"type": "object"}}]}));
    let body = upstream.body(&request);
    let functions = &body["tools"][0]["functionDeclarations"];
    assert_eq!(functions[0]["parameters"]["properties"]["n"]["nullable"], true);
    assert!(functions[0].get("parametersJsonSchema").is_none());
    assert!(functions[1].get("parameters").is_none(), "{functions:#}");
}

#[test]
fn tool_choices() {
    for (choice, mode) in [
        (json!({"type": "auto"}), Value::Null),
        (json!({"type": "any"}), json!("ANY")),
        (json!({"type": "none"}), json!("NONE")),
    ] {
        let request = hello(&json!({"tools": [tool("Bash")], "tool_choice": choice}));
        let wanted = [("/toolConfig/functionCallingConfig/mode", mode)];
        says(&Upstream::of("gemini-2.5-pro"), &request, &wanted);
    }
    let wrong = hello(&json!({"tools": [tool("Bash")],
        "tool_choice": {"type": "tool", "name": "Zsh"}}));
    assert!(Upstream::of("gemini-2.5-pro").refusal(&wrong).contains("Zsh"));
}

#[test]
fn r19_thinking_by_generation() {
    let none = Value::Null;
    let cases: &[(&str, Value, Value)] = &[
        // What is said, and what `thinkingConfig` says of it.
        (
            "gemini-2.5-flash",
            json!({"thinking": {"type": "disabled"}}),
            json!({"thinkingBudget": 0}),
        ),
        (
            "gemini-2.5-pro",
            json!({"thinking": {"type": "disabled"}}),
            json!({"thinkingBudget": 128}),
        ),
        (
            "gemini-3.1-flash-lite",
            json!({"thinking": {"type": "disabled"}}),
            json!({"thinkingLevel": "MINIMAL"}),
        ),
        (
            "gemini-3.8-flash",
            json!({"thinking": {"type": "disabled"}}),
            json!({"thinkingLevel": "LOW"}),
        ),
        (
            "gemini-4-argon",
            json!({"thinking": {"type": "disabled"},
            "output_config": {"effort": "high"}}),
            json!({"thinkingLevel": "LOW"}),
        ),
        (
            "gemini-2.5-flash-lite",
            json!({"thinking": {"type": "enabled", "budget_tokens": 100}}),
            json!({"includeThoughts": true, "thinkingBudget": 512}),
        ),
        (
            "gemini-2.5-flash",
            json!({"thinking": {"type": "enabled", "budget_tokens": 1_000_000}}),
            json!({"includeThoughts": true, "thinkingBudget": 2048}),
        ),
        (
            "gemini-2.5-flash",
            json!({"max_tokens": 60000,
            "thinking": {"type": "enabled", "budget_tokens": 50000}}),
            json!({"includeThoughts": true, "thinkingBudget": 24576}),
        ),
        (
            "gemini-2.5-pro",
            json!({"thinking": {"type": "adaptive"}}),
            json!({"includeThoughts": true, "thinkingBudget": -1}),
        ),
        (
            "gemini-3-pro-preview",
            json!({"thinking": {"type": "enabled", "budget_tokens": 2000}}),
            json!({"includeThoughts": true, "thinkingLevel": "LOW"}),
        ),
        (
            "gemini-3-pro-preview",
            json!({"thinking": {"type": "enabled", "budget_tokens": 4000}}),
            json!({"includeThoughts": true, "thinkingLevel": "LOW"}),
        ),
        (
            "gemini-3.1-pro-preview",
            json!({"thinking": {"type": "enabled", "budget_tokens": 4000}}),
            json!({"includeThoughts": true, "thinkingLevel": "MEDIUM"}),
        ),
        (
            "gemini-3.1-pro-preview",
            json!({"thinking": {"type": "adaptive", "display": "omitted"},
            "output_config": {"effort": "max"}}),
            json!({"thinkingLevel": "HIGH"}),
        ),
        (
            "gemini-3.8-flash",
            json!({"thinking": {"type": "adaptive"}}),
            json!({"includeThoughts": true}),
        ),
        (
            "gemini-3.8-flash",
            json!({"output_config": {"effort": "low"}}),
            json!({"thinkingLevel": "LOW"}),
        ),
        ("gemini-3.8-flash", json!({}), none.clone()),
        ("gemini-2.0-flash", json!({"thinking": {"type": "adaptive"}}), none),
    ];
    for (model, asked, wanted) in cases {
        says(
            &Upstream::of(model),
            &hello(asked),
            &[("/generationConfig/thinkingConfig", wanted.clone())],
        );
    }
    // What could not be obeyed is told.
    let request = hello(&json!({"thinking": {"type": "disabled"}}));
    assert_eq!(Upstream::of("gemini-3.1-pro-preview").losses(&request), ["clamped thinking"]);
    assert!(Upstream::of("gemini-2.5-flash").losses(&request).is_empty());
}

#[test]
fn r22_limits_sampling_and_stops() {
    let request =
        hello(&json!({"max_tokens": 200_000, "temperature": 0.5, "top_p": 0.9, "top_k": 40,
        "stop_sequences": ["1", "2", " \n", "3", "4", "5", "6"]}));
    let config = |model| Upstream::of(model).body(&request)["generationConfig"].clone();
    let old = config("gemini-2.5-flash");
    assert_eq!(old["maxOutputTokens"], 65_536);
    assert_eq!((&old["temperature"], &old["topK"]), (&json!(0.5), &json!(40)));
    assert_eq!(old["stopSequences"], json!(["1", "2", "3", "4", "5"]));
    let new = config("gemini-3.8-flash");
    assert!(new.get("temperature").is_none() && new.get("topP").is_none());
    assert_eq!(config("gemini-4-argon")["maxOutputTokens"], 200_000);
    assert_eq!(
        Upstream::of("gemini-3.8-flash").losses(&request),
        [
            "clamped max_tokens",
            "dropped temperature",
            "dropped top_p",
            "dropped top_k",
            "emulated stop_sequences",
            "hint stop_sequences"
        ]
    );
}

#[test]
fn structured_output_is_a_schema_or_words() {
    let format = json!({"type": "json_schema", "schema": {"type": "object",
        "properties": {"title": {"type": "string"}}, "required": ["title"],
        "additionalProperties": false}});
    let plain = hello(&json!({"output_config": {"format": format}}));
    let tools = hello(&json!({"output_config": {"format": format}, "tools": [tool("Bash")]}));
    for (model, request, given) in [
        ("gemini-2.5-flash", &plain, true),
        ("gemini-2.5-flash", &tools, false),
        ("gemini-3.1-pro-preview", &tools, true),
    ] {
        let upstream = Upstream::of(model);
        let body = upstream.body(request);
        assert_eq!(body["generationConfig"]["responseJsonSchema"].is_object(), given);
        assert_eq!(body["systemInstruction"].is_object(), !given);
        let replaced =
            upstream.losses(request).contains(&"replaced output_config.format".to_owned());
        assert_eq!(replaced, !given);
    }
    let mut old = Upstream::of("gemini-2.5-flash");
    old.without = &[Feature::Field("responseJsonSchema")];
    assert_eq!(old.body(&plain)["generationConfig"]["responseSchema"]["type"], "OBJECT");
}

#[test]
fn r34_the_billing_line_and_cache_marks_stay_away() {
    let mark = json!({"type": "ephemeral"});
    let request = hello(&json!({"system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1; cch=12"},
        {"type": "text", "text": "You help.", "cache_control": mark}, {"type": "text", "text": " \n"}]}));
    let upstream = Upstream::vertex("gemini-3.1-pro-preview");
    says(&upstream, &request, &[("/systemInstruction", json!({"parts": [{"text": "You help."}]}))]);
    assert_eq!(upstream.losses(&request), ["hint system[0]", "hint cache_control"]);
}

#[test]
fn r30_what_has_no_place_is_told_or_refused() {
    let request = hello(&json!({"metadata": {"user_id": "u"}, "service_tier": "auto",
        "context_management": {"edits": []}, "container": "c"}));
    let losses = Upstream::of("gemini-3.1-pro-preview").losses(&request);
    for loss in ["hint metadata.user_id", "hint context_management", "dropped container"] {
        assert!(losses.contains(&loss.to_owned()), "{losses:?}");
    }
    let servers = hello(&json!({"mcp_servers": [{"type": "url", "url": "x", "name": "y"}]}));
    assert!(Upstream::of("gemini-3.1-pro-preview").refusal(&servers).contains("mcp_servers"));
    let none = hello(&json!({"mcp_servers": []}));
    assert!(Upstream::of("gemini-3.1-pro-preview").encode(&none).is_ok());
}

#[test]
fn r27_r28_images_and_documents() {
    let image = |kind: &str| {
        json!({"type": "image", "source":
        {"type": "base64", "media_type": kind, "data": "aGk="}})
    };
    let pdf = json!({"type": "document", "title": "T", "context": "C", "source":
        {"type": "base64", "media_type": "application/pdf", "data": "aGk="}});
    let text = json!({"type": "document", "title": "T", "source":
        {"type": "text", "media_type": "text/plain", "data": "body"}});
    let upstream = Upstream::of("gemini-3.1-pro-preview");
    let of = |blocks: Value| conversation(json!([{"role": "user", "content": blocks}]));
    let body = upstream.body(&of(json!([image("image/webp"), pdf, text])));
    assert_eq!(
        body["contents"][0]["parts"],
        json!([
            {"inlineData": {"mimeType": "image/webp", "data": "aGk="}},
            {"text": "Document: T\nAbout it: C"},
            {"text": "Document: T"},
            {"inlineData": {"mimeType": "application/pdf", "data": "aGk="}},
            {"text": "Document: T\n\nbody"},
        ])
    );
    let gif = upstream.refusal(&of(json!([{"type": "text", "text": "x"}, image("image/gif")])));
    assert!(gif.contains("messages[0].content[1]") && gif.contains("image/gif"), "{gif}");
    for source in
        [json!({"type": "url", "url": "https://a/b.png"}), json!({"type": "file", "file_id": "f"})]
    {
        let refused = upstream.refusal(&of(json!([{"type": "image", "source": source}])));
        assert!(refused.starts_with("messages[0].content[0]: "), "{refused}");
    }
}

/// Claude Code tells an effort with every request: that this model has no such control is no news.
#[test]
fn r19_an_effort_is_a_hint_where_a_model_decides_by_itself() {
    for (thinking, said) in [("adaptive", "hint"), ("enabled", "replaced")] {
        let mut request = hello(&json!({"output_config": {"effort": "high"}}));
        request["thinking"] = json!({"type": thinking});
        if thinking == "enabled" {
            request["thinking"]["budget_tokens"] = json!(1024);
        }
        let losses = Upstream::of("gemini-2.5-flash").losses(&request);
        assert!(losses.contains(&format!("{said} output_config.effort")), "{losses:?}");
    }
}

#[test]
fn fields_of_the_configuration_stand_once_and_win() {
    let mut upstream = Upstream::of("gemini-2.5-flash");
    upstream.egress.options.safety_threshold = Some("BLOCK_NONE".to_owned());
    upstream.egress.options.extra_fields = vec![
        ("generationConfig".to_owned(), r#"{"seed":7,"maxOutputTokens":99}"#.to_owned()),
        ("safetySettings".to_owned(), "[]".to_owned()),
    ];
    let request = hello(&json!({"stop_sequences": ["x"]}));
    let encoded = upstream.encode(&request).expect("can be said");
    for key in ["generationConfig", "safetySettings", "maxOutputTokens", "seed"] {
        assert_eq!(encoded.body.matches(&format!("\"{key}\":")).count(), 1, "{}", encoded.body);
    }
    says(
        &upstream,
        &request,
        &[
            ("/generationConfig/seed", json!(7)),
            ("/generationConfig/maxOutputTokens", json!(99)),
            ("/generationConfig/stopSequences", json!(["x"])),
            ("/safetySettings", json!([])),
        ],
    );
    upstream.egress.options.extra_fields = vec![("contents".to_owned(), "[]".to_owned())];
    assert!(upstream.refusal(&request).contains("`contents`"));
}

#[test]
fn r15_what_cant_be_shown_in_an_earlier_turn_is_told_of() {
    let upstream = Upstream::of("gemini-3.1-pro-preview");
    let gif = json!({"type": "image", "source":
        {"type": "base64", "media_type": "image/gif", "data": "aGk="}});
    let file = json!({"type": "image", "source": {"type": "file", "file_id": "f"}});
    let call = json!([{"type": "tool_use", "id": "t1", "name": "Read", "input": {}}]);
    let result = json!([{"type": "tool_result", "tool_use_id": "t1", "content": [gif]}]);
    let mut said = vec![
        json!({"role": "user", "content": [gif, file]}),
        json!({"role": "assistant", "content": call}),
        json!({"role": "user", "content": result}),
    ];
    let now = upstream.refusal(&conversation(json!(said)));
    assert!(now.starts_with("messages[2].content[0].content[0]: "), "{now}");
    said.push(json!({"role": "assistant", "content": "I see"}));
    said.push(json!({"role": "user", "content": "go on"}));
    let request = conversation(json!(said));
    let body = upstream.body(&request).to_string();
    assert_eq!(body.matches("[image omitted: ").count(), 3, "{body}");
    let losses = upstream.losses(&request);
    for path in
        ["messages[0].content[0]", "messages[0].content[1]", "messages[2].content[0].content[0]"]
    {
        assert!(losses.contains(&format!("dropped {path}")), "{losses:?}");
    }
}
