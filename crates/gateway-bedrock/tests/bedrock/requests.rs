//! What goes up.

use gateway_testkit::bedrock::Refusal;
use gateway_testkit::fixtures;
use gateway_translate::Egress as _;
use gateway_types::{Endpoint, ErrorKind, Feature, Remedy};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{
    CLAUDE, DEEPSEEK, GPT_OSS, LLAMA, MISTRAL, MODELS, NOVA, NOVA_2, OPUS, OTHER, QWEN, Upstream,
    conversation, hello, losses, parse, says, tool,
};

/// Every recorded request, for every family: taken by the strict server (which may teach), with these
/// losses and these bytes. To accept a change on purpose, set `UPDATE_SNAPSHOTS=1`.
#[test]
fn recorded_requests_are_taken_and_say_the_same_for_ever() {
    let mut snapshot = String::new();
    for model in MODELS {
        for fixture in fixtures::requests() {
            if !fixture.path.starts_with("/v1/messages") || fixture.body.is_empty() {
                continue;
            }
            let mut upstream = Upstream::of(model);
            if fixture.path.ends_with("count_tokens") {
                upstream.endpoint = Endpoint::CountTokens;
            }
            let (encoded, taught) = match upstream.taught(&fixture.body) {
                Ok(taken) => taken,
                Err(refused) => {
                    snapshot.push_str(&format!("{model} {} refused: {refused}\n", fixture.name));
                    continue;
                }
            };
            let digest = Sha256::digest(encoded.body.as_bytes());
            let mut all = losses(&encoded);
            all.sort_unstable();
            all.extend(taught.iter().map(|name| format!("taught {name}")));
            snapshot.push_str(&format!(
                "{model} {} {:02x}{:02x}{:02x}{:02x} {}\n",
                fixture.name,
                digest[0],
                digest[1],
                digest[2],
                digest[3],
                all.join(", ")
            ));
        }
    }
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bedrock/requests.snapshot");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(place, &snapshot).expect("written");
    }
    let known = std::fs::read_to_string(place).unwrap_or_default();
    let differs = snapshot.lines().zip(known.lines()).find(|(now, then)| now != then);
    assert!(known == snapshot, "{differs:?} differs first");
}

#[test]
fn the_model_stands_in_the_path_and_nowhere_else() {
    let upstream = Upstream::of(CLAUDE);
    let encoded = upstream.sent(&hello(&json!({"stream": true})));
    assert_eq!(
        encoded.path,
        "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream"
    );
    let body = parse(&encoded);
    assert!(body["model"].is_null() && body["stream"].is_null());
    assert!(upstream.sent(&hello(&json!({}))).path.ends_with("/converse"));
    for model in ["", ".", ".."] {
        let refused = Upstream::of(model).encode(&hello(&json!({}))).expect_err("no id");
        assert_eq!(refused.kind(), ErrorKind::InvalidRequest);
    }
}

#[test]
fn r11_tool_names_are_shortened_and_come_back() {
    let long = format!("mcp__server__{}", "x".repeat(100));
    let upstream = Upstream::of(NOVA);
    let request = hello(&json!({"tools": [tool(&long), tool("Bash")],
        "tool_choice": {"type": "tool", "name": long}}));
    let body = upstream.body(&request);
    let name = body["toolConfig"]["tools"][0]["toolSpec"]["name"].as_str().expect("a name");
    assert_eq!(name.len(), 64);
    assert_eq!(body["toolConfig"]["toolChoice"]["tool"]["name"], name);
    let turn = gateway_testkit::bedrock::Turn::call(name, &json!({"a": "b"}));
    assert_eq!(upstream.ask(&request, &turn)["content"][0]["name"], *long);
}

#[test]
fn tool_choices_become_what_the_family_takes() {
    let choose = |choice: Value| hello(&json!({"tools": [tool("Bash")], "tool_choice": choice}));
    let (any, named) = (json!({"type": "any"}), json!({"type": "tool", "name": "Bash"}));
    for (model, choice, wanted, told) in [
        (CLAUDE, &any, json!({"any": {}}), false),
        (CLAUDE, &named, json!({"tool": {"name": "Bash"}}), false),
        (MISTRAL, &any, json!({"any": {}}), false),
        (MISTRAL, &named, json!({"any": {}}), true),
        (QWEN, &named, json!({"tool": {"name": "Bash"}}), false),
        (LLAMA, &any, Value::Null, true),
        (GPT_OSS, &named, Value::Null, true),
        (DEEPSEEK, &any, Value::Null, true),
        (OTHER, &any, Value::Null, true),
        (LLAMA, &json!({"type": "auto"}), Value::Null, false),
    ] {
        let upstream = Upstream::of(model);
        let body = upstream.body(&choose(choice.clone()));
        assert_eq!(body["toolConfig"]["toolChoice"], wanted, "{model} {choice}");
        let said = body["messages"][0]["content"][1]["text"].as_str();
        assert_eq!(
            said.is_some_and(|text| text.contains("in this turn")),
            told,
            "{model} {choice}"
        );
        assert!(body["system"].is_null(), "{model} {choice}");
        let replaced =
            upstream.losses(&choose(choice.clone())).contains(&"replaced tool_choice".into());
        assert_eq!(replaced, told, "{model} {choice}");
    }
    // None at all: without calls in the history the tools are left out, else they have to stay.
    let none = json!({"type": "none"});
    says(CLAUDE, &choose(none.clone()), &[("/toolConfig", Value::Null)]);
    let mut request = conversation(json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "Bash", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "ok"}]},
    ]));
    request["tool_choice"] = none;
    let body = Upstream::of(LLAMA).body(&request);
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["name"], "Bash");
    // One turn's words must not change the head of the prompt (R34, R35).
    let last = body["messages"][2]["content"].as_array().and_then(|all| all.last());
    let last = last.and_then(|part| part["text"].as_str());
    assert!(last.is_some_and(|text| text.contains("Do not call any tool")), "{body}");
    assert!(body["system"].is_null());
    // Nothing is offered any more: something has to stand there all the same.
    request.as_object_mut().expect("an object").remove("tools");
    request.as_object_mut().expect("an object").remove("tool_choice");
    let body = Upstream::of(LLAMA).body(&request);
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["name"], "no_tools");
}

#[test]
fn one_call_at_most_is_said_where_it_can_be() {
    let choice = json!({"type": "any", "disable_parallel_tool_use": true});
    let request = hello(&json!({"tools": [tool("Bash")], "tool_choice": choice}));
    says(
        CLAUDE,
        &request,
        &[
            ("/toolConfig/toolChoice", Value::Null),
            ("/additionalModelRequestFields/tool_choice", choice),
        ],
    );
    let losses = Upstream::of(NOVA).losses(&request);
    assert!(losses.contains(&"dropped tool_choice.disable_parallel_tool_use".into()));
}

#[test]
fn r12_results_stand_first_in_the_order_of_their_calls() {
    let call =
        |id: &str| json!({"type": "tool_use", "id": id, "name": "Bash", "input": {"a": "b"}});
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": id});
    let long = "x".repeat(80);
    let request = conversation(json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [{"type": "text", "text": "  "}, call("a"), call(&long), call("c")]},
        {"role": "user", "content": [{"type": "text", "text": "note"}, result(&long), result("z"), result("a")]},
        {"role": "user", "content": "more"},
    ]));
    for model in MODELS {
        let upstream = Upstream::of(model);
        let body = upstream.body(&request);
        let said = body["messages"][2]["content"].as_array().expect("content");
        let ids: Vec<&str> =
            said.iter().filter_map(|block| block["toolResult"]["toolUseId"].as_str()).collect();
        assert_eq!(ids.len(), 3);
        assert!(ids[0] == "a" && ids[1].starts_with("call_") && ids[2] == "c", "{ids:?}");
        assert_eq!(body["messages"][1]["content"][1]["toolUse"]["toolUseId"], ids[1]);
        assert_eq!(
            said[2]["toolResult"]["content"][0]["text"].as_str().map(|t| t.contains("interrupted")),
            Some(true)
        );
        assert_eq!(said[3]["text"], "note");
        let all = upstream.losses(&request);
        assert!(all.contains(&"replaced tool_use c".into()), "{all:?}");
        assert!(all.contains(&"replaced messages[2].content[2]".into()), "{all:?}");
    }
}

#[test]
fn roles_take_turns_and_the_user_has_the_first_and_the_last_word() {
    let request = conversation(json!([
        {"role": "assistant", "content": "I begin."},
        {"role": "user", "content": "one"},
        {"role": "user", "content": [{"type": "text", "text": "two"}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": ""}]},
        {"role": "system", "content": "careful"},
        {"role": "user", "content": "three"},
        {"role": "assistant", "content": "and so"},
    ]));
    for model in MODELS {
        let body = Upstream::of(model).body(&request);
        let roles: Vec<&str> = body["messages"]
            .as_array()
            .expect("messages")
            .iter()
            .filter_map(|message| message["role"].as_str())
            .collect();
        assert_eq!(roles, ["user", "assistant", "user", "assistant", "user"]);
        let said = &body["messages"][2]["content"];
        assert_eq!(said[2]["text"], "<system-reminder>\ncareful\n</system-reminder>");
        assert_eq!(said[3]["text"], "three");
    }
    let nothing =
        conversation(json!([{"role": "user", "content": [{"type": "text", "text": " "}]}]));
    assert!(Upstream::of(NOVA).refusal(&nothing).starts_with("messages: nothing is left"));
}

#[test]
fn r26_marks_are_four_at_most_and_the_later_ones_stay() {
    let mark = |ttl: Option<&str>| match ttl {
        Some(ttl) => json!({"type": "ephemeral", "ttl": ttl}),
        None => json!({"type": "ephemeral"}),
    };
    let text = |ttl| json!({"type": "text", "text": "x", "cache_control": mark(ttl)});
    let mut marked = tool("Bash");
    marked["cache_control"] = mark(Some("1h"));
    let mut request =
        hello(&json!({"tools": [tool("Read"), marked], "system": [text(Some("1h")), text(None)]}));
    request["messages"] = json!([
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "", "cache_control": mark(None)}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "Bash", "input": {}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "r", "cache_control": mark(None)}]},
            {"type": "text", "text": "b", "cache_control": mark(None)},
        ]},
    ]);
    let upstream = Upstream::of(CLAUDE);
    let body = upstream.body(&request);
    assert_eq!(body.to_string().matches("cachePoint").count(), 4);
    // Those behind the tools and the first text of the system prompt went.
    assert_eq!(body["toolConfig"]["tools"].as_array().map(Vec::len), Some(2));
    assert_eq!(body["system"][2]["cachePoint"], json!({"type": "default"}));
    assert_eq!(body["messages"][2]["content"][1]["cachePoint"], json!({"type": "default"}));
    // With fewer, the hours stay.
    request["messages"] = json!([{"role": "user", "content": "a"}]);
    let body = upstream.body(&request);
    let hour = json!({"type": "default", "ttl": "1h"});
    assert_eq!(body["toolConfig"]["tools"][2]["cachePoint"], hour);
    assert_eq!(body["system"][1]["cachePoint"], hour);
    // Nova takes none behind tools and none of an hour; others none at all.
    let body = Upstream::of(NOVA).body(&request);
    assert_eq!(body["toolConfig"]["tools"].as_array().map(Vec::len), Some(2));
    assert_eq!(body["system"][1]["cachePoint"], json!({"type": "default"}));
    assert!(!Upstream::of(LLAMA).body(&request).to_string().contains("cachePoint"));
}

#[test]
fn r34_the_billing_line_stays_out_of_the_prompt() {
    let request = hello(&json!({"system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=1; cch=00001;"},
        {"type": "text", "text": "You help."},
    ]}));
    says(CLAUDE, &request, &[("/system", json!([{"text": "You help."}]))]);
}

#[test]
fn r27_r28_files_in_results_stay_where_they_can_and_move_where_they_must() {
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/jpg", "data": "AAAA"}});
    let pdf = json!({"type": "document", "title": "Report: 1/2", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}});
    let messages = json!([
        {"role": "user", "content": [pdf]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "Bash", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "is_error": true,
            "content": [{"type": "text", "text": "see"}, image, pdf]}]},
    ]);
    let request = conversation(messages);
    let body = Upstream::of(CLAUDE).body(&request);
    assert_eq!(body["messages"][0]["content"][0]["document"]["name"], "Report 1 2");
    assert_eq!(body["messages"][0]["content"][1]["text"], "(see document)");
    let result = &body["messages"][2]["content"][0]["toolResult"];
    assert_eq!(result["status"], "error");
    assert_eq!(
        result["content"][1],
        json!({"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}})
    );
    assert_eq!(result["content"][2]["document"]["name"], "Report 1 2 2");

    let body = Upstream::of(QWEN).body(&request);
    let content = body["messages"][2]["content"].as_array().expect("content");
    let result = &content[0]["toolResult"];
    assert!(result["status"].is_null());
    assert_eq!(result["content"][0]["text"], "Error: see");
    // It sees no images, and is shown documents.
    assert!(result["content"][1]["text"].as_str().is_some_and(|text| text.contains("omitted")));
    assert_eq!(content[1]["text"], "[document 1 of result t]");
    assert_eq!(content[2]["document"]["format"], "pdf");
}

#[test]
fn r28_what_can_not_be_shown_is_refused_by_name() {
    let of = |source: Value, kind: &str| {
        conversation(json!([{"role": "user", "content": [{"type": kind, "source": source}]}]))
    };
    for (model, request, wanted) in [
        (
            CLAUDE,
            of(json!({"type": "url", "url": "https://a.example/x.png"}), "image"),
            "no image URLs",
        ),
        (CLAUDE, of(json!({"type": "file", "file_id": "f"}), "document"), "file_id"),
        (
            CLAUDE,
            of(json!({"type": "base64", "media_type": "image/tiff", "data": "AA"}), "image"),
            "PNG, JPEG",
        ),
        (
            "amazon.nova-micro-v1:0",
            of(
                json!({"type": "base64", "media_type": "application/pdf", "data": "JVBE"}),
                "document",
            ),
            "can't read",
        ),
    ] {
        let refusal = Upstream::of(model).refusal(&request);
        assert!(refusal.contains(wanted) && refusal.starts_with("messages[0]"), "{refusal}");
    }
}

#[test]
fn documents_of_text_are_documents_to_claude_and_text_to_others() {
    let request = conversation(json!([{"role": "user", "content": [
        {"type": "document", "title": "Notes", "context": "of mine", "citations": {"enabled": true},
         "source": {"type": "text", "media_type": "text/plain", "data": "line\none"}},
        {"type": "text", "text": "Sum it up."},
    ]}]));
    says(
        CLAUDE,
        &request,
        &[(
            "/messages/0/content/0/document",
            json!({
                "format": "txt", "name": "Notes", "source": {"text": "line\none"},
                "context": "of mine", "citations": {"enabled": true},
            }),
        )],
    );
    let text = json!("Document: Notes\nAbout it: of mine\n\nline\none");
    says(LLAMA, &request, &[("/messages/0/content/0/text", text)]);
}

#[test]
fn of_too_many_images_the_last_are_shown() {
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}});
    let many: Vec<Value> = (0..23).map(|_| image.clone()).collect();
    let request = conversation(json!([{"role": "user", "content": many}]));
    let upstream = Upstream::of(CLAUDE);
    let body = upstream.body(&request);
    let shown = body["messages"][0]["content"]
        .as_array()
        .expect("content")
        .iter()
        .filter(|b| !b["image"].is_null());
    assert_eq!(shown.count(), 13);
    assert!(upstream.losses(&request).contains(&"dropped messages[0].content[9]".into()));
    let pdf = json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}});
    let documents: Vec<Value> = (0..6).map(|_| pdf.clone()).collect();
    let request = conversation(json!([{"role": "user", "content": documents}]));
    assert!(upstream.refusal(&request).contains("at most five documents"));
    let request = conversation(json!([
        {"role": "user", "content": documents}, {"role": "assistant", "content": "read"}, {"role": "user", "content": "and?"},
    ]));
    assert_eq!(upstream.body(&request).to_string().matches("\"document\"").count(), 5);
}

#[test]
fn r19_thinking_and_effort_are_told_in_the_familys_way() {
    let ask = |more: Value| hello(&more);
    let adaptive = json!({"thinking": {"type": "adaptive"}, "max_tokens": 20000});
    let budget =
        json!({"thinking": {"type": "enabled", "budget_tokens": 9000}, "max_tokens": 20000});
    let disabled = json!({"thinking": {"type": "disabled"}});
    let low = json!({"output_config": {"effort": "low"}});
    let high = json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}, "temperature": 1});
    let fields = "/additionalModelRequestFields";
    for (model, more, wanted) in [
        (CLAUDE, &adaptive, json!({"thinking": {"type": "enabled", "budget_tokens": 10000}})),
        (CLAUDE, &budget, json!({"thinking": {"type": "enabled", "budget_tokens": 9000}})),
        (CLAUDE, &low, Value::Null),
        (OPUS, &adaptive, json!({"thinking": {"type": "adaptive", "display": "summarized"}})),
        (
            OPUS,
            &budget,
            json!({"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "high"}}),
        ),
        (OPUS, &low, json!({"output_config": {"effort": "low"}})),
        (OPUS, &disabled, json!({"thinking": {"type": "disabled"}})),
        (
            "us.anthropic.claude-opus-4-5-20251101-v1:0",
            &low,
            json!({"output_config": {"effort": "low"}, "anthropic_beta": ["effort-2025-11-24"]}),
        ),
        (GPT_OSS, &adaptive, Value::Null),
        (GPT_OSS, &disabled, json!({"reasoning_effort": "low"})),
        (GPT_OSS, &high, json!({"reasoning_effort": "high"})),
        (
            NOVA_2,
            &adaptive,
            json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}),
        ),
        (NOVA_2, &disabled, Value::Null),
        (
            NOVA_2,
            &high,
            json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}),
        ),
        (LLAMA, &high, Value::Null),
    ] {
        says(model, &ask(more.clone()), &[(fields, wanted)]);
    }
    // Nothing beside the highest effort.
    says(NOVA_2, &ask(high.clone()), &[("/inferenceConfig", Value::Null)]);
    let losses = Upstream::of(NOVA_2).losses(&ask(high));
    assert!(losses.contains(&"dropped max_tokens".into()), "{losses:?}");
}

#[test]
fn sampling_is_said_where_it_is_taken() {
    let all = hello(&json!({"temperature": 0.5, "top_p": 0.9, "top_k": 40}));
    for (model, config, fields) in [
        (CLAUDE, json!({"maxTokens": 4096, "temperature": 0.5}), json!({"top_k": 40})),
        (OPUS, json!({"maxTokens": 4096}), Value::Null),
        (
            NOVA,
            json!({"maxTokens": 4096, "temperature": 0.5, "topP": 0.9}),
            json!({"inferenceConfig": {"topK": 40}}),
        ),
        (LLAMA, json!({"maxTokens": 4096, "temperature": 0.5, "topP": 0.9}), json!({"top_k": 40})),
        (QWEN, json!({"maxTokens": 4096, "temperature": 0.5, "topP": 0.9}), Value::Null),
    ] {
        says(
            model,
            &all,
            &[("/inferenceConfig", config), ("/additionalModelRequestFields", fields)],
        );
    }
    says(
        LLAMA,
        &hello(&json!({"temperature": 1.5})),
        &[("/inferenceConfig/temperature", json!(1))],
    );
}

#[test]
fn stop_sequences_are_claudes_own_matter_and_the_gateways_for_others() {
    let request = hello(&json!({"stop_sequences": ["</a>", "b"]}));
    says(
        CLAUDE,
        &request,
        &[
            ("/inferenceConfig/stopSequences", json!(["</a>", "b"])),
            ("/additionalModelResponseFieldPaths", json!(["/stop_sequence"])),
        ],
    );
    let upstream = Upstream::of(NOVA);
    let encoded = upstream.sent(&request);
    // Only a stream can be ended where one is met.
    assert!(encoded.stream && encoded.path.ends_with("/converse-stream"));
    assert!(losses(&encoded).contains(&"emulated stop_sequences".into()));
}

#[test]
fn r21_schemas_are_what_the_family_takes() {
    let mut given = tool("Bash");
    given["input_schema"] = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object", "additionalProperties": false, "required": ["node"],
        "properties": {"node": {"$ref": "#/$defs/node", "description": "root"}},
        "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "v": {"type": "string"}}}},
    });
    let request = hello(&json!({"tools": [given]}));
    let schema = |model| {
        Upstream::of(model).body(&request)["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"].clone()
    };
    let claude = schema(CLAUDE);
    assert!(
        claude["$schema"].is_null()
            && claude["additionalProperties"] == false
            && !claude["$defs"].is_null()
    );
    let nova = schema(NOVA);
    assert_eq!(
        nova.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>()),
        Some(vec!["properties".into(), "required".into(), "type".into()])
    );
    for other in [nova, schema(LLAMA)] {
        // The circle ends somewhere, in anything.
        assert_eq!(other["properties"]["node"]["description"], "root");
        assert_eq!(other["properties"]["node"]["properties"]["v"]["type"], "string");
        assert!(!other.to_string().contains("$ref"));
    }
    for odd in [
        json!({}),
        json!(true),
        json!({"type": ["object", "null"]}),
        json!({"anyOf": [{"type": "object"}]}),
    ] {
        let mut bare = tool("Bash");
        bare["input_schema"] = odd;
        for model in MODELS {
            Upstream::of(model).body(&hello(&json!({"tools": [bare]})));
        }
    }
}

#[test]
fn what_is_acceptable_stays_byte_for_byte() {
    let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"h\u00e9 \ud83d\ude00"}],"tools":[{"name":"t","input_schema":{"type":"object","properties":{"z":{"type":"string"},"a":{"maximum":1.50e1}}}}]}"#;
    for model in MODELS {
        let encoded = Upstream::of(model).encode_bytes(body.as_bytes()).expect("can be said");
        assert!(encoded.body.contains(r#"{"text":"h\u00e9 \ud83d\ude00"}"#), "{model}");
        let schema =
            r#"{"type":"object","properties":{"z":{"type":"string"},"a":{"maximum":1.50e1}}}"#;
        assert!(encoded.body.contains(schema), "{model}");
    }
}

#[test]
fn r39_a_search_is_novas_own_or_refused() {
    let search = json!({"type": "web_search_20250305", "name": "web_search", "max_uses": 5});
    let alone =
        hello(&json!({"tools": [search], "tool_choice": {"type": "tool", "name": "web_search"}}));
    let upstream = Upstream::of(NOVA_2);
    let body = upstream.body(&alone);
    assert_eq!(body["toolConfig"]["tools"], json!([{"systemTool": {"name": "nova_grounding"}}]));
    assert!(upstream.losses(&alone).contains(&"dropped tools[0].max_uses".into()));
    for model in [CLAUDE, LLAMA, NOVA] {
        assert!(Upstream::of(model).refusal(&alone).contains("neither the model nor the gateway"));
    }
    let both = hello(&json!({"tools": [search, tool("Bash")]}));
    assert!(Upstream::of(CLAUDE).losses(&both).contains(&"dropped tools[0]".into()));
}

#[test]
fn a_format_is_kept_to_where_it_can_be_and_told_elsewhere() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let request =
        hello(&json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}}));
    for model in [CLAUDE, QWEN] {
        let body = Upstream::of(model).body(&request);
        let format = &body["outputConfig"]["textFormat"];
        let text = format["structure"]["jsonSchema"]["schema"].as_str().expect("a text");
        assert_eq!(serde_json::from_str::<Value>(text).expect("JSON"), schema);
    }
    for model in [LLAMA, NOVA, "anthropic.claude-3-haiku-20240307-v1:0"] {
        let body = Upstream::of(model).body(&request);
        assert!(body["outputConfig"].is_null(), "{model}");
        assert!(body["system"][0]["text"].as_str().is_some_and(|t| t.contains("JSON schema")));
    }
}

#[test]
fn a_model_without_tools_or_system_prompt_is_told_in_the_conversation() {
    let mut request = conversation(json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "Bash", "input": {"a": "\"q\""}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "ok", "is_error": true}]},
    ]));
    request["system"] = json!("You help.");
    let body = Upstream::of("amazon.titan-text-express-v1").encode(&{
        let mut bare = request.clone();
        bare["tools"] = json!([]);
        bare
    });
    let body = parse(&body.expect("can be said"));
    assert_eq!(body["messages"][0]["content"], json!([{"text": "You help."}, {"text": "go"}]));
    assert_eq!(body["messages"][1]["content"][0]["text"], r#"[called Bash with {"a":"\"q\""}]"#);
    assert_eq!(body["messages"][2]["content"][0]["text"], "[result of a tool call]\nError: ");
    assert!(body["toolConfig"].is_null() && body["system"].is_null());
}

#[test]
fn r20_betas_go_to_claude_alone_and_only_those_it_knows() {
    let mut upstream = Upstream::of("us.anthropic.claude-sonnet-4-20250514-v1:0");
    upstream.betas = "claude-code-20250219, interleaved-thinking-2025-05-14,context-1m-2025-08-07,oauth-2025-04-20";
    let body = upstream.body(&hello(&json!({})));
    let betas = json!(["interleaved-thinking-2025-05-14", "context-1m-2025-08-07"]);
    assert_eq!(body["additionalModelRequestFields"]["anthropic_beta"], betas);
    let mut other = Upstream::of(OPUS);
    other.betas = upstream.betas;
    assert!(other.body(&hello(&json!({})))["additionalModelRequestFields"].is_null());
    let mut nova = Upstream::of(NOVA);
    nova.betas = upstream.betas;
    assert!(nova.body(&hello(&json!({})))["additionalModelRequestFields"].is_null());
}

#[test]
fn who_asks_is_told_as_a_digest_and_tiers_by_their_names() {
    let request = hello(&json!({"metadata": {"user_id": "me@example"}, "speed": "fast"}));
    let body = Upstream::of(NOVA).body(&request);
    assert_eq!(body["requestMetadata"]["user_id"].as_str().map(str::len), Some(64));
    assert_eq!(body["serviceTier"], json!({"type": "priority"}));
}

#[test]
fn r20_what_a_model_refuses_is_left_out_and_told() {
    let request =
        hello(&json!({"temperature": 0.5, "tools": [tool("Bash")], "tool_choice": {"type": "any"},
        "system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}));
    for (field, gone, lost) in [
        ("temperature", "/inferenceConfig/temperature", Some("dropped temperature")),
        ("toolChoice", "/toolConfig/toolChoice", Some("replaced tool_choice")),
        ("cachePoint", "/system/1", None),
        ("system", "/system", Some("replaced system")),
    ] {
        let mut upstream = Upstream::of(CLAUDE);
        upstream.without = vec![Feature::Field(field)];
        let encoded = upstream.sent(&request);
        let left = parse(&encoded)
            .pointer(gone)
            .filter(|v| !v["cachePoint"].is_null() || field != "cachePoint")
            .cloned();
        assert!(left.is_none() || field == "system", "{field}: {left:?}");
        if let Some(lost) = lost {
            assert!(losses(&encoded).contains(&lost.to_owned()), "{field}: {:?}", losses(&encoded));
        }
    }
    // What is not there is not lost.
    let mut upstream = Upstream::of(CLAUDE);
    upstream.without = vec![Feature::Field("top_p")];
    assert_eq!(upstream.losses(&hello(&json!({}))), [""; 0]);
    let mut upstream = Upstream::of(CLAUDE);
    upstream.without = vec![Feature::Field("stream")];
    assert!(upstream.sent(&hello(&json!({"stream": true}))).path.ends_with("/converse"));
}

#[test]
fn r31_claude_counts_and_others_are_estimated() {
    let mut upstream = Upstream::of(CLAUDE);
    upstream.endpoint = Endpoint::CountTokens;
    let request = hello(&json!({"tools": [tool("Bash")], "temperature": 0.5, "stream": true}));
    let encoded = upstream.sent(&request);
    assert_eq!(encoded.path, "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens");
    assert!(parse(&encoded)["input"]["converse"]["inferenceConfig"].is_null());
    assert_eq!(encoded.reader.count(br#"{"inputTokens":42}"#).expect("a count"), 42);
    assert!(encoded.reader.count(br#"{"message":"no"}"#).is_err());
    assert!(encoded.prompt_estimate > 0);
    for (model, counts) in [
        (CLAUDE, true),
        (OPUS, false),
        (NOVA, false),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/x", false),
    ] {
        assert_eq!(upstream.egress.counts(model), counts, "{model}");
    }
}

#[test]
fn an_opaque_profile_is_of_the_family_that_is_configured() {
    let model = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/8f2k3";
    let mut upstream = Upstream::of(model);
    upstream.egress.family = Some("claude".into());
    upstream.rules = upstream.rules.served_by("anthropic.claude-opus-4-7").with_window(1_000_000);
    let request = hello(
        &json!({"tools": [tool("Bash")], "tool_choice": {"type": "any"}, "thinking": {"type": "disabled"}}),
    );
    let encoded = upstream.sent(&request);
    assert!(encoded.path.contains("application-inference-profile%2F8f2k3/"));
    assert_eq!(parse(&encoded)["toolConfig"]["toolChoice"], json!({"any": {}}));
}

#[test]
fn one_claude_that_is_configured_is_meant_by_ids_that_say_none() {
    let opaque = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/8f2k3";
    let request =
        hello(&json!({"max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 2048}}));
    let thinking = |model: &'static str, family: &str| {
        let mut upstream = Upstream::of(model);
        upstream.egress.family = Some(family.into());
        let body = parse(&upstream.encode(&request).expect("can be said"));
        body["additionalModelRequestFields"]["thinking"]["type"].clone()
    };
    assert_eq!(thinking(opaque, "claude-opus-4-7"), "adaptive");
    assert_eq!(thinking(opaque, "claude-sonnet-4-5"), "enabled");
    // What an id says counts before it.
    assert_eq!(thinking(CLAUDE, "claude-opus-4-7"), "enabled");
}

/// The scripted server's own errors, in the words of the real one.
#[test]
fn r29_the_servers_errors_are_understood() {
    let upstream = Upstream::of(CLAUDE);
    for (refusal, kind, remedy) in [
        (Refusal::no_credential(), ErrorKind::Authentication, Remedy::NextKey),
        (Refusal::unknown_key(), ErrorKind::Authentication, Remedy::NextKey),
        (Refusal::expired_token(), ErrorKind::Authentication, Remedy::NextKey),
        (Refusal::wrong_bearer(), ErrorKind::Authentication, Remedy::NextKey),
        (Refusal::no_model_access(), ErrorKind::Permission, Remedy::NextProvider),
        (Refusal::not_on_demand("anthropic.x"), ErrorKind::NotFound, Remedy::NextProvider),
        (Refusal::unknown_model(), ErrorKind::NotFound, Remedy::NextProvider),
        (Refusal::unknown_operation(404), ErrorKind::NotFound, Remedy::NextProvider),
        (Refusal::throttled(), ErrorKind::RateLimited, Remedy::Same),
        (Refusal::daily_tokens(), ErrorKind::RateLimited, Remedy::TOMORROW),
        (Refusal::quota(), ErrorKind::RateLimited, Remedy::UNPAID),
        (Refusal::not_ready(), ErrorKind::UpstreamOverloaded, Remedy::Same),
        (Refusal::model_timeout(), ErrorKind::Timeout, Remedy::Same),
        (Refusal::model_error(500), ErrorKind::UpstreamFailed, Remedy::Same),
        (Refusal::model_error(429), ErrorKind::RateLimited, Remedy::Same),
        (Refusal::internal(), ErrorKind::UpstreamFailed, Remedy::Same),
        (Refusal::unavailable(), ErrorKind::UpstreamOverloaded, Remedy::Same),
        (Refusal::too_long(300_000, 200_000, true), ErrorKind::InvalidRequest, Remedy::Larger),
        (Refusal::too_long(300_000, 200_000, false), ErrorKind::InvalidRequest, Remedy::Larger),
    ] {
        let fault = upstream.fault(&refusal);
        assert_eq!((fault.error.kind(), fault.remedy), (kind, remedy), "{}", refusal.message);
    }
    let long = upstream.fault(&Refusal::too_long(300_000, 200_000, false));
    assert!(long.error.message().starts_with("prompt is too long: "), "{}", long.error.message());
}

#[test]
fn r15_what_cant_be_shown_in_an_earlier_turn_is_told_of() {
    let upstream = Upstream::of(CLAUDE);
    let url = json!({"type": "image", "source": {"type": "url", "url": "https://a/b.png"}});
    let odd = json!({"type": "image", "source":
        {"type": "base64", "media_type": "image/tiff", "data": "aGk="}});
    let first = json!({"role": "user", "content": [{"type": "text", "text": "see"}, url, odd]});
    assert!(upstream.refusal(&conversation(json!([first]))).starts_with("messages[0].content[1]"));
    let request = conversation(json!([
        first, {"role": "assistant", "content": "ok"}, {"role": "user", "content": "go on"}]));
    let body = upstream.body(&request);
    let told = body["messages"][0]["content"].to_string();
    assert_eq!(told.matches("[image omitted: ").count(), 2, "{told}");
    let losses = upstream.losses(&request);
    assert!(losses.contains(&"dropped messages[0].content[1]".into()), "{losses:?}");
    assert!(losses.contains(&"dropped messages[0].content[2]".into()), "{losses:?}");
}
