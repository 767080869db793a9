//! Every rule of Converse: what breaks it, and what the service says. And what must pass.

#![expect(clippy::needless_pass_by_value, reason = "rows are written in place")]

use gateway_testkit::bedrock::{Issued, Rules, converse_rules, redacted, signature};
use serde_json::{Value, json};

use crate::openai_chat::patched;

fn base() -> Value {
    json!({"messages": [user(json!({"text": "hi"}))]})
}

fn user(block: Value) -> Value {
    json!({"role": "user", "content": [block]})
}

fn assistant(block: Value) -> Value {
    json!({"role": "assistant", "content": [block]})
}

fn text() -> Value {
    json!({"text": "hi"})
}

fn call(id: &str) -> Value {
    json!({"toolUse": {"toolUseId": id, "name": "Bash", "input": {"a": 1}}})
}

fn result(id: &str) -> Value {
    json!({"toolResult": {"toolUseId": id, "content": [{"text": "done"}]}})
}

fn spec(name: &str) -> Value {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    json!({"toolSpec": {"name": name, "inputSchema": {"json": schema}}})
}

fn tools() -> Value {
    json!({"tools": [spec("Bash")]})
}

/// A tool with this in place of its own.
fn tool(patch: Value) -> Value {
    json!({"toolConfig": {"tools": [{"toolSpec": patched(spec("Bash")["toolSpec"].clone(), patch)}]}})
}

fn document(name: &str) -> Value {
    json!({"document": {"format": "txt", "name": name, "source": {"text": "words"}}})
}

/// A message of the user with these blocks.
fn says(blocks: Value) -> Value {
    json!({"messages": [{"role": "user", "content": blocks}]})
}

/// A conversation with a call in it, and this as its results.
fn looped(results: Value) -> Value {
    let messages =
        json!([user(text()), assistant(call("a")), {"role": "user", "content": results}]);
    json!({"messages": messages, "toolConfig": tools()})
}

fn claude() -> Rules {
    Rules::bedrock("us.anthropic.claude-sonnet-4-5-20250929-v1:0")
}

fn newest() -> Rules {
    Rules::bedrock("global.anthropic.claude-opus-4-7")
}

fn nova() -> Rules {
    Rules::bedrock("amazon.nova-pro-v1:0")
}

fn llama() -> Rules {
    Rules::bedrock("us.meta.llama3-3-70b-instruct-v1:0")
}

fn gpt_oss() -> Rules {
    Rules::bedrock("openai.gpt-oss-120b-1:0")
}

fn refused(rules: &Rules, patch: Value, wanted: &str) {
    let body = patched(base(), patch);
    let issued = Issued::from(["said".to_owned()]);
    let Err(refusal) = converse_rules::check(&body, rules, &issued) else {
        panic!("not refused ({wanted}): {body}")
    };
    assert!(refusal.message.contains(wanted), "{}\nlacks {wanted:?}", refusal.message);
}

fn passes(rules: &Rules, patch: Value) {
    let body = patched(base(), patch);
    let issued = Issued::from(["said".to_owned()]);
    if let Err(refusal) = converse_rules::check(&body, rules, &issued) {
        panic!("{refusal:?}\n{body}");
    }
}

const PNG: &str = "aGVsbG8=";

#[test]
fn what_is_in_order_passes() {
    for rules in [claude(), newest(), nova(), llama(), gpt_oss()] {
        passes(&rules, json!({}));
        passes(
            &rules,
            json!({
                "system": [{"text": "be good"}],
                "inferenceConfig": {"maxTokens": 100, "stopSequences": ["a"]},
                "toolConfig": {"tools": [spec("Bash")], "toolChoice": {"auto": {}}},
                "messages": [
                    user(text()),
                    {"role": "assistant", "content": [text(), call("tooluse_a.b:c"), call("b")]},
                    {"role": "user", "content": [result("b"), result("tooluse_a.b:c"), text()]},
                ],
                "requestMetadata": {"k": "v"},
                "additionalModelResponseFieldPaths": ["/stop_sequence"],
            }),
        );
    }
    let signed = signature(&claude(), "hm");
    let thought =
        json!({"reasoningContent": {"reasoningText": {"text": "hm", "signature": signed}}});
    let hidden = json!({"reasoningContent": {"redactedContent": redacted(&claude(), "x")}});
    let image = json!({"image": {"format": "png", "source": {"bytes": PNG}}});
    let rich = json!({"toolResult": {
        "toolUseId": "a", "status": "error",
        "content": [{"text": ""}, {"json": {"a": 1}}, image, document("In a result")],
    }});
    passes(
        &claude(),
        json!({
            "system": [text(), {"cachePoint": {"type": "default", "ttl": "1h"}}],
            "inferenceConfig": {"temperature": 0.3},
            "toolConfig": {
                "tools": [spec("Bash"), {"cachePoint": {"type": "default", "ttl": "1h"}}],
                "toolChoice": {"tool": {"name": "Bash"}},
            },
            "messages": [
                {"role": "user", "content": [text(), document("A (1) [b] c-d"), image]},
                {"role": "assistant", "content": [thought, hidden, call("a")]},
                {"role": "user", "content": [rich, text(), {"cachePoint": {"type": "default"}}]},
            ],
            "additionalModelRequestFields": {"top_k": 5, "anthropic_beta": ["context-1m-2025-08-07"]},
            "outputConfig": {"textFormat": {
                "type": "json_schema", "structure": {"jsonSchema": {"schema": "{\"type\":\"object\"}"}},
            }},
        }),
    );
    passes(
        &claude(),
        json!({
            "inferenceConfig": {"maxTokens": 4096},
            "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2048}},
        }),
    );
    passes(&claude(), json!({"messages": [user(text()), assistant(text())]}));
    passes(
        &newest(),
        json!({"additionalModelRequestFields": {
            "thinking": {"type": "adaptive"}, "output_config": {"effort": "max"},
        }}),
    );
    passes(&newest(), json!({"outputConfig": {"effort": "low"}}));
    let said = json!({"reasoningContent": {"reasoningText": {"text": "said"}}});
    let messages =
        json!([user(text()), {"role": "assistant", "content": [said, text()]}, user(text())]);
    passes(
        &gpt_oss(),
        json!({
            "messages": messages, "additionalModelRequestFields": {"reasoning_effort": "high"},
        }),
    );
    passes(&nova(), json!({"additionalModelRequestFields": {"inferenceConfig": {"topK": 9}}}));
    let nova_2 = Rules::bedrock("us.amazon.nova-2-lite-v1:0");
    passes(
        &nova_2,
        json!({
            "toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]},
            "additionalModelRequestFields": {
                "reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"},
            },
        }),
    );
}

#[test]
fn what_the_services_model_does_not_have_is_refused() {
    let long = "x".repeat(65);
    for (patch, wanted) in [
        (
            json!({"top_k": 3}),
            "Malformed input request: #: extraneous key [top_k] is not permitted",
        ),
        (json!({"inferenceConfig": {"topK": 3}}), "#/inferenceConfig: extraneous key [topK]"),
        (json!({"messages": "hi"}), "STRING_VALUE can not be converted to a List"),
        (
            json!({"messages": [user(json!({"text": 7}))]}),
            "NUMBER_VALUE can not be converted to a String",
        ),
        (
            json!({"messages": [{"role": "tool", "content": []}]}),
            "Value 'tool' at 'messages.1.member.role' failed to satisfy constraint: Member must satisfy enum value set: [user, assistant, system]",
        ),
        (
            json!({"messages": [{"content": []}]}),
            "Value null at 'messages.1.member.role' failed to satisfy constraint: Member must not be null",
        ),
        (
            says(json!([{}])),
            "The ContentBlock object at messages.0.content.0 must set one of the following keys: text, image",
        ),
        (
            says(json!([{"text": "a", "cachePoint": {"type": "default"}}])),
            "must set one of the following keys",
        ),
        (
            says(json!([{"type": "text", "text": "a"}])),
            "#/messages/0/content/0: extraneous key [type]",
        ),
        (
            says(json!([{"image": {"format": "tiff", "source": {"bytes": PNG}}}])),
            "enum value set: [png, jpeg, gif, webp]",
        ),
        (
            says(json!([{"image": {"format": "png", "source": {"bytes": "-"}}}])),
            "can not be converted to a Blob",
        ),
        (
            says(json!([{"image": {"format": "png", "source": {"bytes": ""}}}])),
            "length greater than or equal to 1",
        ),
        (says(json!([{"cachePoint": {"type": "ephemeral"}}])), "enum value set: [default]"),
        (
            looped(json!([result("a b")])),
            "Value 'a b' at 'messages.3.member.content.1.member.toolResult.toolUseId' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.:-]+",
        ),
        (looped(json!([result(&long)])), "Member must have length less than or equal to 64"),
        (
            json!({"messages": [user(text()), assistant(json!({"toolUse": {"toolUseId": "a", "name": "B", "input": "{}"}}))]}),
            "The format of the value at messages.1.content.0.toolUse.input is invalid. Provide a json object",
        ),
        (
            looped(json!([{"toolResult": {"toolUseId": "a", "content": [{"json": [1]}]}}])),
            "toolResult.content.0.json is invalid",
        ),
        (
            json!({"messages": [user(text()), assistant(json!({"reasoningContent": {"reasoningText": {"text": null}}}))]}),
            "Value null at 'messages.2.member.content.1.member.reasoningContent.reasoningText.text' failed to satisfy constraint: Member must not be null",
        ),
        (
            json!({"system": [{"text": ""}]}),
            "Value '' at 'system.1.member.text' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            tool(json!({"description": ""})),
            "'toolConfig.tools.1.member.toolSpec.description' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            tool(json!({"name": "mcp.tool"})),
            "Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+",
        ),
        (tool(json!({"name": long})), "Member must have length less than or equal to 64"),
        (
            tool(json!({"inputSchema": null})),
            "inputSchema' failed to satisfy constraint: Member must not be null",
        ),
        (
            tool(json!({"inputSchema": {"json": "{}"}})),
            "inputSchema.json is invalid. Provide a json object",
        ),
        (
            json!({"toolConfig": {"tools": []}}),
            "'toolConfig.tools' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            json!({"toolConfig": {"tools": [spec("Bash")], "toolChoice": {"auto": {}, "any": {}}}}),
            "The ToolChoice object at toolConfig.toolChoice must set one of the following keys: auto, any, tool",
        ),
        (
            json!({"toolConfig": {"tools": [spec("Bash")], "toolChoice": {"none": {}}}}),
            "extraneous key [none]",
        ),
        (json!({"inferenceConfig": {"maxTokens": 0}}), "value greater than or equal to 1"),
        (json!({"inferenceConfig": {"maxTokens": 1.5}}), "can not be converted to an Integer"),
        (json!({"inferenceConfig": {"temperature": 1.2}}), "value less than or equal to 1"),
        (json!({"inferenceConfig": {"topP": -0.1}}), "value greater than or equal to 0"),
        (json!({"inferenceConfig": {"stopSequences": [""]}}), "length greater than or equal to 1"),
        (
            json!({"additionalModelResponseFieldPaths": vec!["/a"; 11]}),
            "length less than or equal to 10",
        ),
        (json!({"requestMetadata": {"k": "v".repeat(257)}}), "length less than or equal to 256"),
        (json!({"requestMetadata": {"k{}": "v"}}), "regular expression pattern"),
        (
            json!({"serviceTier": {"type": "auto"}}),
            "enum value set: [priority, default, flex, reserved]",
        ),
        (
            json!({"performanceConfig": {"latency": "fast"}}),
            "enum value set: [standard, optimized]",
        ),
        (
            json!({"outputConfig": {"textFormat": {"type": "text"}}}),
            "enum value set: [json_schema]",
        ),
    ] {
        refused(&claude(), patch, wanted);
    }
    let refusal = converse_rules::check(&json!([]), &claude(), &Issued::default()).unwrap_err();
    assert_eq!((refusal.status, refusal.kind.as_str()), (400, "SerializationException"));
}

#[test]
fn the_rules_of_a_conversation_hold_for_every_model() {
    let many = |block: Value, times: usize| says(json!(vec![block; times]));
    let named: Vec<Value> = (0..6).map(|n| document(&format!("D{n}"))).collect();
    let six = says(json!([vec![text()], named].concat()));
    let mut untooled = looped(json!([result("a")]));
    untooled["toolConfig"] = Value::Null;
    for rules in [claude(), nova()] {
        for (patch, wanted) in [
            (json!({"messages": []}), "A conversation must start with a user message."),
            (json!({"messages": null}), "A conversation must start with a user message."),
            (
                json!({"messages": [assistant(text()), user(text())]}),
                "must start with a user message",
            ),
            (
                json!({"messages": [user(text()), user(text())]}),
                "must alternate between user and assistant roles",
            ),
            (
                json!({"messages": [{"role": "system", "content": [text()]}]}),
                "doesn't support the system role",
            ),
            (
                json!({"messages": [{"role": "user", "content": []}]}),
                "The content field in the Message object at messages.0 is empty.",
            ),
            (
                says(json!([{"text": " \n"}])),
                "The text field in the ContentBlock object at messages.0.content.0 is blank.",
            ),
            (json!({"system": [{"text": " "}]}), "SystemContentBlock object at system.0 is blank"),
            (
                says(json!([call("a")])),
                "The toolUse field in the ContentBlock object at messages.0.content.0 can't be used in a message with the user role.",
            ),
            (
                json!({"messages": [user(text()), assistant(document("A"))]}),
                "document field in the ContentBlock object at messages.1.content.0 can't be used in a message with the assistant role",
            ),
            (
                untooled.clone(),
                "The toolConfig field must be defined when using toolUse and toolResult content blocks.",
            ),
            (
                says(json!([result("a")])),
                "The number of toolResult blocks at messages.0.content exceeds the number of toolUse blocks of previous turn.",
            ),
            (
                looped(json!([text()])),
                "Expected toolResult blocks at messages.2.content for the following Ids: a, but found: ",
            ),
            (looped(json!([result("b")])), "for the following Ids: a, but found: b"),
            (looped(json!([result("a"), result("b")])), "exceeds the number of toolUse blocks"),
            (
                json!({"toolConfig": tools(), "messages": [user(text()), assistant(call("a")), user(result("a")), assistant(call("a")), user(result("a"))]}),
                "Tool use ids must be unique",
            ),
            (says(json!([document("A")])), "holds a document and no text"),
            (
                says(json!([text(), document("a.txt")])),
                "The document file name can only contain alphanumeric characters",
            ),
            (says(json!([text(), document("a  b")])), "more than one consecutive whitespace"),
            (
                says(json!([text(), document("A"), document("a")])),
                "Messages can't contain duplicate document names.",
            ),
            (six.clone(), "You can't include more than 5 documents in a request."),
            (
                many(json!({"image": {"format": "png", "source": {"bytes": PNG}}}), 21),
                "more than 20 images",
            ),
            (
                says(
                    json!([{"image": {"format": "png", "source": {"bytes": "AAAA".repeat(1_310_721)}}}]),
                ),
                "maximum allowed size of 3.75 MB",
            ),
            (
                says(
                    json!([text(), {"document": {"format": "pdf", "name": "A", "source": {"bytes": "AAAA".repeat(1_572_865)}}}]),
                ),
                "maximum allowed size of 4.5 MB",
            ),
            (
                json!({"toolConfig": {"tools": [spec("Bash"), spec("Bash")]}}),
                "The tool Bash is already defined at toolConfig.tools.0.",
            ),
            (
                json!({"toolConfig": {"tools": [spec("Bash")], "toolChoice": {"tool": {"name": "Read"}}}}),
                "The tool Read at toolConfig.toolChoice.tool.name is not defined",
            ),
            (
                tool(json!({"inputSchema": {"json": {"properties": {}}}})),
                "The value at toolConfig.tools.0.toolSpec.inputSchema.json.type must be one of the following: object.",
            ),
            (
                says(json!([{"cachePoint": {"type": "default"}}, text()])),
                "must come after the content that it closes",
            ),
            (
                json!({"additionalModelResponseFieldPaths": ["stop_sequence"]}),
                "not a valid JSON pointer",
            ),
            (json!({"messages": [user(json!({"text": "word ".repeat(200_000)}))]}), "too long"),
        ] {
            refused(&rules, patch, wanted);
        }
    }
}

#[test]
fn a_call_at_the_end_waits_for_its_result() {
    let messages = json!([user(text()), assistant(call("a"))]);
    refused(
        &claude(),
        json!({"messages": messages, "toolConfig": tools()}),
        "at messages.2.content for the following Ids: a",
    );
}

#[test]
fn each_family_refuses_what_it_does_not_take() {
    let choice =
        |choice: Value| json!({"toolConfig": {"tools": [spec("Bash")], "toolChoice": choice}});
    let image = json!({"image": {"format": "png", "source": {"bytes": PNG}}});
    let point = json!({"cachePoint": {"type": "default"}});
    let in_result =
        |block: Value| looped(json!([{"toolResult": {"toolUseId": "a", "content": [block]}}]));
    let status =
        looped(json!([{"toolResult": {"toolUseId": "a", "content": [], "status": "error"}}]));
    let thought = |reasoning: Value| json!({"messages": [user(text()), assistant(json!({"reasoningContent": reasoning})), user(text())]});
    let plain = |said: &str| thought(json!({"reasoningText": {"text": said}}));
    let signed = |said: &str, by: &Rules, of: &str| {
        thought(json!({"reasoningText": {"text": said, "signature": signature(by, of)}}))
    };
    let other = claude().with_signer("elsewhere");
    let mistral = Rules::bedrock("mistral.mistral-large-2402-v1:0");
    let deepseek = Rules::bedrock("us.deepseek.r1-v1:0");
    let titan = Rules::bedrock("amazon.titan-text-premier-v1:0");
    let nova_2 = Rules::bedrock("us.amazon.nova-2-lite-v1:0");
    let old = Rules::bedrock("us.anthropic.claude-opus-4-1-20250805-v1:0");
    let extra = |fields: Value| json!({"additionalModelRequestFields": fields});
    let adaptive = json!({"thinking": {"type": "adaptive"}});
    let enabled = |budget: u64| json!({"thinking": {"type": "enabled", "budget_tokens": budget}});
    let format = json!({"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{}"}}}}});
    let mut forced = choice(json!({"any": {}}));
    forced["additionalModelRequestFields"] = enabled(2048);
    let mut unthought = looped(json!([result("a")]));
    unthought["additionalModelRequestFields"] = enabled(2048);
    for (rules, patch, wanted) in [
        (&titan, json!({"system": [text()]}), "This model doesn't support system messages."),
        (&titan, json!({"toolConfig": tools()}), "This model doesn't support tool use."),
        (
            &llama(),
            choice(json!({"any": {}})),
            "This model doesn't support the toolConfig.toolChoice.any field. Remove toolConfig.toolChoice.any and try again.",
        ),
        (&gpt_oss(), choice(json!({"tool": {"name": "Bash"}})), "toolConfig.toolChoice.tool field"),
        (&deepseek, choice(json!({"any": {}})), "toolConfig.toolChoice.any field"),
        (&mistral, choice(json!({"tool": {"name": "Bash"}})), "toolConfig.toolChoice.tool field"),
        (
            &llama(),
            status,
            "This model doesn't support the status field. Remove status and try again.",
        ),
        (&llama(), in_result(image.clone()), "toolResult.content.image field"),
        (&gpt_oss(), says(json!([image])), "doesn't support the image content block"),
        (
            &llama(),
            tool(
                json!({"inputSchema": {"json": {"type": "object", "properties": {"a": {"$ref": "#/b"}}}}}),
            ),
            "holds $ref",
        ),
        (
            &nova(),
            tool(json!({"inputSchema": {"json": {"type": "object", "$schema": "x"}}})),
            "extraneous key [$schema]",
        ),
        (
            &nova(),
            json!({"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}}),
            "toolConfig.tools.systemTool field",
        ),
        (&llama(), says(json!([text(), point])), "did not allow prompt caching"),
        (
            &nova(),
            json!({"toolConfig": {"tools": [spec("Bash"), point]}}),
            "toolConfig.tools.cachePoint field",
        ),
        (
            &nova(),
            says(json!([text(), {"cachePoint": {"type": "default", "ttl": "1h"}}])),
            "cachePoint.ttl field",
        ),
        (
            &claude(),
            json!({"system": [text(), point], "messages": [{"role": "user", "content": [text(), {"cachePoint": {"type": "default", "ttl": "1h"}}]}]}),
            "a ttl='1h' cache_control block must not come after",
        ),
        (
            &claude(),
            says(json!([text(), point, point, point, point, point])),
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        (
            &nova(),
            json!({"inferenceConfig": {"stopSequences": ["a", "b", "c", "d", "e"]}}),
            "#/inferenceConfig/stopSequences: expected maximum item count: 4, found: 5",
        ),
        (
            &claude(),
            json!({"inferenceConfig": {"stopSequences": ["\n"]}}),
            "each stop sequence must contain non-whitespace",
        ),
        (
            &claude(),
            json!({"inferenceConfig": {"temperature": 1, "topP": 0.5}}),
            "cannot both be specified",
        ),
        (
            &newest(),
            json!({"inferenceConfig": {"temperature": 1}}),
            "The model returned the following errors: `temperature` is deprecated for this model.",
        ),
        (&newest(), extra(json!({"top_k": 3})), "`top_k` is deprecated"),
        (
            &newest(),
            json!({"messages": [user(text()), assistant(text())]}),
            "does not support assistant message prefill",
        ),
        (
            &llama(),
            json!({"messages": [user(text()), assistant(text())]}),
            "A conversation must end with a user message.",
        ),
        (&llama(), format.clone(), "outputConfig.textFormat field"),
        (&old, format, "outputConfig.textFormat field"),
        (
            &claude(),
            json!({"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{"}}}}}),
            "not a valid JSON schema",
        ),
        (&claude(), json!({"outputConfig": {"effort": "low"}}), "outputConfig.effort field"),
        (&newest(), json!({"outputConfig": {"effort": "huge"}}), "Input should be 'low', 'medium'"),
        (&claude(), json!({"inferenceConfig": {"maxTokens": 64_001}}), "max_tokens: 64001 > 64000"),
        // Reasoning goes to the model that made it, as it was.
        (&deepseek, plain("said"), "reasoningContent.reasoningText field"),
        (&deepseek, signed("a", &claude(), "a"), "reasoningContent.reasoningText.signature field"),
        (
            &deepseek,
            thought(json!({"redactedContent": PNG})),
            "reasoningContent.redactedContent field",
        ),
        (
            &gpt_oss(),
            signed("said", &claude(), "said"),
            "reasoningContent.reasoningText.signature field. Remove",
        ),
        (&gpt_oss(), thought(json!({"redactedContent": PNG})), "redactedContent field"),
        (&gpt_oss(), plain("never said"), "is not this model's own"),
        (&claude(), plain("a"), "signature: Field required"),
        (
            &claude(),
            signed("a", &claude(), "b"),
            "messages.1.content.0: Invalid `signature` in `thinking` block",
        ),
        (&claude(), signed("a", &other, "a"), "Invalid `signature`"),
        (&claude(), signed("a", &newest(), "a"), "Invalid `signature`"),
        (
            &claude(),
            thought(json!({"redactedContent": PNG})),
            "Invalid `data` in `redacted_thinking` block",
        ),
        // What goes to the model as it is.
        (&llama(), extra(json!({"reasoning_effort": "low"})), "extraneous key [reasoning_effort]"),
        (
            &gpt_oss(),
            extra(json!({"reasoning_effort": "max"})),
            "#/reasoning_effort: must be one of",
        ),
        (&nova(), extra(json!({"top_k": 3})), "extraneous key [top_k]"),
        (
            &nova(),
            extra(json!({"inferenceConfig": {"temperature": 1}})),
            "#/inferenceConfig: extraneous key [temperature]",
        ),
        (
            &nova_2,
            extra(json!({"reasoningConfig": {"type": "enabled"}})),
            "#/reasoningConfig: is not valid",
        ),
        (
            &nova_2,
            json!({"inferenceConfig": {"maxTokens": 9}, "additionalModelRequestFields": {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}}),
            "maxTokens must be unset",
        ),
        (
            &claude(),
            extra(json!({"stop_sequences": []})),
            "The model returned the following errors: stop_sequences: Extra inputs are not permitted",
        ),
        (
            &claude(),
            extra(json!({"anthropic_beta": ["claude-code-20250219"]})),
            "invalid beta flag",
        ),
        (&claude(), extra(adaptive), "adaptive thinking is not supported on this model"),
        (&claude(), extra(enabled(100)), "greater than or equal to 1024"),
        (
            &claude(),
            json!({"inferenceConfig": {"maxTokens": 2000}, "additionalModelRequestFields": enabled(2000)}),
            "`max_tokens` must be greater than `thinking.budget_tokens`",
        ),
        (
            &claude(),
            json!({"inferenceConfig": {"temperature": 0.5}, "additionalModelRequestFields": enabled(2000)}),
            "`temperature` may only be set to 1 when thinking",
        ),
        (&claude(), forced, "Thinking may not be enabled when tool_choice forces tool use."),
        (
            &claude(),
            unthought,
            "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`",
        ),
        (
            &newest(),
            extra(enabled(2000)),
            "\"thinking.type.enabled\" is not supported for this model",
        ),
        (
            &claude(),
            extra(json!({"output_config": {"effort": "low"}})),
            "output_config.effort: Extra inputs",
        ),
    ] {
        refused(rules, patch, wanted);
    }
    let cached = json!({"messages": [{"role": "user", "content": [text(), {"cachePoint": {"type": "default"}}]}]});
    let refusal = converse_rules::check(&cached, &llama(), &Issued::default()).unwrap_err();
    assert_eq!((refusal.status, refusal.kind.as_str()), (403, "AccessDeniedException"));
}
