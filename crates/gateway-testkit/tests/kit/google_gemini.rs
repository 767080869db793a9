//! Every rule of Gemini: what breaks it, and what the service says. And what must pass.

#![expect(clippy::needless_pass_by_value, reason = "rows are written in place")]

use gateway_testkit::google::{Rules, gemini_rules};
use serde_json::{Value, json};

use crate::openai_chat::patched;

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const OLD: &str = "gemini-2.5-flash";
const NEW: &str = "gemini-3.1-pro";
const IDS: &str = "gemini-3.6-flash";

fn base() -> Value {
    json!({"contents": [user()]})
}

fn user() -> Value {
    json!({"role": "user", "parts": [{"text": "hi"}]})
}

fn said(parts: Value) -> Value {
    json!({"role": "user", "parts": parts})
}

fn model(parts: Value) -> Value {
    json!({"role": "model", "parts": parts})
}

fn call(name: &str, id: Option<&str>) -> Value {
    let mut part = json!({
        "functionCall": {"name": name, "args": {}},
        "thoughtSignature": "skip_thought_signature_validator",
    });
    if let Some(id) = id {
        part["functionCall"]["id"] = json!(id);
    }
    part
}

fn result(name: &str, id: Option<&str>) -> Value {
    let mut part = json!({"functionResponse": {"name": name, "response": {"output": "x"}}});
    if let Some(id) = id {
        part["functionResponse"]["id"] = json!(id);
    }
    part
}

fn function(more: Value) -> Value {
    json!({"tools": [{"functionDeclarations": [patched(json!({"name": "Bash"}), more)]}]})
}

fn parameters(schema: Value) -> Value {
    function(json!({"parameters": {"type": "OBJECT", "properties": {"a": schema}}}))
}

fn json_schema(schema: Value) -> Value {
    function(json!({"parametersJsonSchema": {"type": "object", "properties": {"a": schema}}}))
}

fn config(config: Value) -> Value {
    json!({ "generationConfig": config })
}

fn thinking(thinking: Value) -> Value {
    config(json!({ "thinkingConfig": thinking }))
}

/// The tests' two services.
fn studio(model: &str) -> (Rules, &str) {
    (Rules::studio(model), model)
}

fn vertex(model: &str) -> (Rules, &str) {
    (Rules::vertex(model), model)
}

fn refused((rules, model): (Rules, &str), patch: Value, wanted: &str) {
    let body = patched(base(), patch);
    let Err(refusal) = gemini_rules::check(&body, model, &rules) else {
        panic!("not refused: {body}")
    };
    assert!(refusal.message.contains(wanted), "{}\nlacks {wanted:?}\n{body}", refusal.message);
    assert!(!refusal.status.is_empty());
}

fn passes((rules, model): (Rules, &str), patch: Value) {
    let body = patched(base(), patch);
    if let Err(refusal) = gemini_rules::check(&body, model, &rules) {
        panic!("{refusal:?}\n{body}");
    }
}

#[test]
fn what_is_in_order_passes() {
    let schema = json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": {
            "a": {"type": ["string", "null"], "description": "d", "enum": ["x", "y"]},
            "title": {"anyOf": [{"type": "integer", "minimum": 1}, {"$ref": "#/$defs/T"}]},
            "pattern": {"type": "array", "items": {"type": "number"}, "maxItems": 3},
        },
        "$defs": {"T": {"type": "object", "properties": {"next": {"$ref": "#/$defs/T"}}}},
    });
    let conversation = json!([
        said(json!([{"text": "hi"}, {"inlineData": {"mimeType": "image/png", "data": PNG}}])),
        model(json!([
            {"text": "hm", "thought": true}, {"text": "Let me see."},
            call("Bash", Some("a")), {"functionCall": {"id": "b", "name": "Read"}},
        ])),
        said(json!([
            result("Bash", Some("a")),
            {"functionResponse": {"id": "b", "name": "Read", "response": {"error": "no"}, "parts": [
                {"inlineData": {"mimeType": "image/webp", "data": "UklGRgAA"}},
            ]}},
            {"text": "and now?"},
        ])),
    ]);
    for model in [NEW, IDS, "gemini-4-argon"] {
        passes(
            studio(model),
            json!({
                "systemInstruction": {"parts": [{"text": "be good"}]},
                "contents": conversation,
                "tools": [{"functionDeclarations": [
                    {"name": "Bash", "description": "d", "parametersJsonSchema": schema},
                    {"name": "mcp__a.b:c-d"},
                ]}, {"googleSearch": {}}],
                "toolConfig": {
                    "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["Bash"]},
                    "includeServerSideToolInvocations": true,
                },
                "generationConfig": {
                    "maxOutputTokens": 65536, "stopSequences": ["a", "b", "c", "d", "e"],
                    "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": true},
                    "responseMimeType": "application/json", "responseJsonSchema": schema,
                },
                "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
            }),
        );
    }
    // Snake case, one item for a list, null for nothing, numbers as texts.
    passes(
        studio(OLD),
        json!({
            "contents": {"parts": {"text": "hi"}}, "cachedContent": Value::Null,
            "system_instruction": {"role": "system", "parts": [{"text": "x"}]},
            "generation_config": {
                "max_output_tokens": 5, "temperature": 0.2, "topP": 0.9, "topK": 40,
                "thinking_config": {"thinking_budget": -1, "include_thoughts": true},
            },
            "tools": [{"function_declarations": [{"name": "f", "parameters": {
                "type": "object", "properties": {"a": {"type": "string", "minLength": "3", "nullable": true}},
                "required": ["a"],
            }}]}],
        }),
    );
}

#[test]
fn the_form_of_the_request() {
    let unknown = "Cannot find field.";
    for (patch, part) in [
        (json!({"max_tokens": 1}), "Unknown name \"max_tokens\": Cannot find field."),
        (json!({"labels": {"a": "b"}}), "Unknown name \"labels\""),
        (config(json!({"effort": 1})), "Unknown name \"effort\" at 'generation_config': Cannot"),
        (
            function(json!({"cache_control": {}})),
            "Unknown name \"cache_control\" at 'tools[0].function_declarations[0]'",
        ),
        (
            function(json!({"input_schema": {}, "strict": true})),
            "\nInvalid JSON payload received. Unknown name \"strict\"",
        ),
        (
            parameters(json!({"type": "STRING", "const": 1})),
            "Unknown name \"const\" at 'tools[0].function_declarations[0].parameters.properties[0].value'",
        ),
        (parameters(json!({"type": "OBJECT", "additionalProperties": false})), unknown),
        (
            parameters(json!({"type": ["string", "null"]})),
            "Unknown name \"type\" at 'tools[0].function_declarations[0].parameters.properties[0].value': Proto field is not repeating, cannot start list.",
        ),
        (
            parameters(json!({"type": "text"})),
            "Invalid value at 'tools[0].function_declarations[0].parameters.properties[0].value.type'",
        ),
        (
            json!({"contents": [said(json!([{"text": 1}]))]}),
            "Invalid value at 'contents[0].parts[0].text' (TYPE_STRING), 1",
        ),
        (
            json!({"contents": "hi"}),
            "Invalid value at 'contents[0]' (type.googleapis.com/google.ai.generativelanguage.v1beta.Content), \"hi\"",
        ),
        (
            json!({"contents": [said(json!([{"text": "a", "inlineData": {}}]))]}),
            "(oneof), oneof field 'data' is already set. Cannot set",
        ),
        (
            json!({"contents": [said(json!([{"inlineData": {"mimeType": "image/png", "data": "%"}}]))]}),
            "(TYPE_BYTES), Base64 decoding failed",
        ),
        (
            json!({"contents": [said(json!([{"functionResponse": {"name": "a", "response": "x"}}]))]}),
            "google.protobuf.Struct), \"x\"",
        ),
        (
            json!({"contents": [said(json!([{"functionCall": {"name": "a", "thoughtSignature": "aa"}}]))]}),
            "Unknown name \"thoughtSignature\" at 'contents[0].parts[0].function_call'",
        ),
        (
            config(json!({"temperature": "hot"})),
            "'generation_config.temperature' (TYPE_FLOAT), \"hot\"",
        ),
        (config(json!({"maxOutputTokens": 1.5})), "(TYPE_INT32), 1.5"),
        (thinking(json!({"thinkingLevel": "HUGE"})), "ThinkingLevel), \"HUGE\""),
        (thinking(json!({"includeThoughts": "yes"})), "(TYPE_BOOL), \"yes\""),
    ] {
        refused(studio(OLD), patch, part);
    }
    // Fields that one service has and the other has not.
    for patch in
        [json!({"store": true}), json!({"toolConfig": {"includeServerSideToolInvocations": true}})]
    {
        passes(studio(NEW), patch.clone());
        refused(vertex(NEW), patch, "Unknown name");
    }
    for patch in [
        json!({"labels": {"a": "b"}}),
        json!({"tools": [{"googleSearch": {"excludeDomains": ["a"]}}]}),
    ] {
        passes(vertex(NEW), patch.clone());
        refused(studio(NEW), patch, "Unknown name");
    }
}

#[test]
fn contents_and_parts() {
    let parts = |parts: Value| json!({"contents": [said(parts)]});
    let gif = json!([{"inlineData": {"mimeType": "image/gif", "data": "R0lGOD"}}]);
    for (patch, on_studio, on_vertex) in [
        (
            json!({"contents": []}),
            "* GenerateContentRequest.contents: contents is not specified",
            "at least one contents field is required",
        ),
        (
            parts(json!([])),
            "contents[0].parts: contents.parts must not be empty.",
            "it must include at least one parts field",
        ),
        (json!({"contents": [{"role": "user"}]}), "must not be empty", "at least one parts field"),
        (
            json!({"contents": [{"role": "assistant", "parts": [{"text": "a"}]}]}),
            "Please use a valid role: user, model.",
            "Please use a valid role",
        ),
        (
            json!({"contents": [{"role": "system", "parts": [{"text": "a"}]}]}),
            "valid role",
            "valid role",
        ),
        (
            parts(json!([{}])),
            "contents[0].parts[0].data: required oneof field 'data' must have one initialized field",
            "it must have a text parameter",
        ),
        (
            parts(gif),
            "Unsupported MIME type: image/gif",
            "it has a mimeType parameter with value image/gif, which is not supported",
        ),
        (
            parts(json!([{"inlineData": {"mimeType": "image/png"}}])),
            "inline_data.data: must not be empty",
            "inline_data.data",
        ),
        (parts(json!([{"text": "a", "thought": true}])), "model role only", "model role only"),
        (
            parts(json!([{"text": "a", "thoughtSignature": "aaaa"}])),
            "thought_signature is supported in the model role only",
            "role only",
        ),
        (
            json!({"systemInstruction": {"parts": []}}),
            "system_instruction.parts: must not be empty",
            "must not be empty",
        ),
        (
            json!({"systemInstruction": {"parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}}]}}),
            "only text parts",
            "only text parts",
        ),
    ] {
        refused(studio(NEW), patch.clone(), on_studio);
        refused(vertex(NEW), patch, on_vertex);
    }
    // An empty text is nothing to Vertex, unless it carries a signature.
    passes(studio(NEW), parts(json!([{"text": ""}])));
    refused(vertex(NEW), parts(json!([{"text": ""}])), "it has an empty text parameter");
    let signed = model(
        json!([{"text": "a"}, {"text": "", "thoughtSignature": "skip_thought_signature_validator"}]),
    );
    passes(vertex(NEW), json!({"contents": [user(), signed, user()]}));
    let multimodal = json!({"functionResponse": {"name": "Bash", "response": {}, "parts": [
        {"inlineData": {"mimeType": "image/png", "data": PNG}},
    ]}});
    let contents = json!({"contents": [user(), model(json!([call("Bash", None)])), said(json!([multimodal]))]});
    passes(studio(NEW), contents.clone());
    refused(studio(OLD), contents, "Multimodal function responses are not supported");
}

#[test]
fn turns_calls_and_responses() {
    let number = "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.";
    let after = "Please ensure that function call turn comes immediately after a user turn or after a function response turn.";
    let one = || model(json!([call("Bash", None)]));
    let two = || model(json!([call("Bash", None), call("Read", None)]));
    let bash = || result("Bash", None);
    for (contents, part) in [
        (json!([model(json!([{"text": "a"}])), user()]), "start with a user role"),
        (json!([one(), said(json!([bash()]))]), after),
        (
            json!([user(), model(json!([{"text": "a"}]))]),
            "end with a user role or a function response",
        ),
        (json!([user(), one()]), "end with a user role"),
        (json!([user(), two(), said(json!([bash()]))]), number),
        (json!([user(), one(), user()]), number),
        (json!([user(), one(), said(json!([bash(), bash()]))]), number),
        (
            json!([user(), model(json!([{"text": "a"}])), said(json!([bash()]))]),
            "comes immediately after a function call turn",
        ),
        (json!([said(json!([bash()]))]), "comes immediately after a function call turn"),
        (json!([said(json!([call("Bash", None)]))]), "model role only"),
        (json!([user(), model(json!([bash()])), user()]), "immediately after a function call turn"),
        (
            json!([user(), one(), said(json!([result("Read", None)]))]),
            "\"Read\" without an id does not match",
        ),
        (
            json!([user(), one(), said(json!([result("Bash", Some("x"))]))]),
            "with id \"x\" does not match",
        ),
        (
            json!([
                user(),
                one(),
                said(json!([{"functionResponse": {"name": "", "response": {}}}]))
            ]),
            "Name cannot be empty.",
        ),
        (
            json!([user(), one(), said(json!([{"functionResponse": {"name": "Bash"}}]))]),
            "[REQUIRED_FIELD_MISSING]",
        ),
    ] {
        refused(studio(NEW), json!({ "contents": contents }), part);
    }
    // Split over neighbours they are one turn; in another order they still pair.
    passes(
        studio(NEW),
        json!({"contents": [
            user(), user(), two(), said(json!([result("Read", None)])), said(json!([bash()])),
        ]}),
    );
    // Ids: the newest want them, all want them to match.
    let with = |called: Option<&str>, answered: Option<&str>| {
        json!({"contents": [
            user(), model(json!([call("Bash", called)])), said(json!([result("Bash", answered)])),
        ]})
    };
    passes(studio(IDS), with(Some("a"), Some("a")));
    refused(studio(IDS), with(None, None), "must have an id");
    refused(studio(IDS), with(Some("a"), None), "does not match");
    refused(studio(IDS), with(Some("a"), Some("b")), "with id \"b\" does not match");
    let twice = json!({"contents": [
        user(), model(json!([call("Bash", Some("a")), call("Bash", Some("a"))])),
        said(json!([result("Bash", Some("a")), result("Bash", Some("a"))])),
    ]});
    refused(studio(IDS), twice, "Duplicate function call id \"a\".");
}

#[test]
fn signatures_of_the_current_turn() {
    let bare = |name: &str| json!({"functionCall": {"name": name, "args": {}}});
    let step = |part: Value| [model(json!([part])), said(json!([result("Bash", None)]))];
    let contents = |parts: &[Value]| json!({ "contents": parts });
    let [unsigned, answer] = step(bare("Bash"));
    let [signed, _] = step(call("Bash", None));
    let missing = "function call `default_api:Bash` , position 2.";
    let lone = contents(&[user(), unsigned.clone(), answer.clone()]);
    refused(studio(NEW), lone.clone(), missing);
    refused(
        vertex(NEW),
        lone.clone(),
        "function call `Bash` in the 2. content block is missing a `thought_signature`",
    );
    passes(studio(OLD), lone);
    let second =
        contents(&[user(), signed.clone(), answer.clone(), unsigned.clone(), answer.clone()]);
    refused(studio(NEW), second, "position 4");
    let parallel = model(json!([call("Bash", None), bare("Read")]));
    let both = said(json!([result("Bash", None), result("Read", None)]));
    passes(studio(NEW), contents(&[user(), parallel, both]));
    let done = model(json!([{"text": "done"}]));
    passes(studio(NEW), contents(&[user(), unsigned, answer.clone(), done, user()]));
    let text = contents(&[
        user(),
        model(json!([{"text": "a", "thoughtSignature": "Zm9yZWlnbg=="}])),
        user(),
    ]);
    refused(studio(NEW), text.clone(), "Corrupted thought signature.");
    refused(vertex(NEW), text, "Corrupted thought signature");
    let strict = (Rules::studio(NEW).without_bypass(), NEW);
    refused(strict, contents(&[user(), signed, answer]), "Corrupted thought signature.");
}

#[test]
fn tools_and_their_schemas() {
    let named = |name: &str| function(json!({ "name": name }));
    let long = "x".repeat(129);
    let twice = json!({"tools": [{"functionDeclarations": [{"name": "a"}]}, {"functionDeclarations": [{"name": "a"}]}]});
    let at = "* GenerateContentRequest.tools[0].function_declarations[0]";
    let under = |rest: &str| format!("{at}.parameters.properties[a]{rest}");
    for (patch, part) in [
        (named(""), format!("{at}.name: Invalid function name. Must start with a letter")),
        (named("1a"), "Invalid function name".to_owned()),
        (named("a b"), "Invalid function name".to_owned()),
        (named(&long), "Invalid function name".to_owned()),
        (twice, "Duplicate function declaration found: a".to_owned()),
        (json!({"tools": [{}]}), "tools[0].tool_type: required one_of".to_owned()),
        (
            function(json!({"parameters": {"type": "OBJECT"}, "parametersJsonSchema": {}})),
            "only one of parameters and parameters_json_schema".to_owned(),
        ),
        (function(json!({"parameters": {"type": "STRING"}})), "should be OBJECT".to_owned()),
        (
            function(json!({"parameters": {"type": "OBJECT", "properties": {}}})),
            format!("{at}.parameters.properties: should be non-empty for OBJECT type"),
        ),
        (
            function(json!({"parameters": {"type": "OBJECT", "required": ["b"]}})),
            "required[0]: property is not defined".to_owned(),
        ),
        (parameters(json!({"description": "d"})), under(".type: must be specified")),
        (parameters(json!({"type": "ARRAY"})), under(".items: missing field.")),
        (
            parameters(json!({"type": "OBJECT"})),
            under(".properties: should be non-empty for OBJECT type"),
        ),
        (
            parameters(json!({"type": "INTEGER", "enum": ["1"]})),
            under(".enum: only allowed for STRING type"),
        ),
        (
            parameters(json!({"type": "STRING", "enum": ["a", ""]})),
            under(".enum[1]: cannot be empty"),
        ),
        (
            parameters(json!({"type": "STRING", "format": "uri"})),
            under(".format: only 'enum' and 'date-time' are supported for STRING type"),
        ),
        (
            parameters(json!({"type": "ARRAY", "items": {"type": "ARRAY"}})),
            under(".items.items: missing field."),
        ),
        (
            parameters(json!({"anyOf": [{"type": "STRING"}, {"type": "ARRAY"}]})),
            under(".any_of[1].items: missing field."),
        ),
        (
            function(json!({"parametersJsonSchema": {"properties": {}}})),
            "schema must be of type object.".to_owned(),
        ),
        (
            function(json!({"parametersJsonSchema": {"type": "object", "$schema": "x"}})),
            "JSON schema keyword '$schema' is not supported.".to_owned(),
        ),
        (json_schema(json!({"type": "string", "pattern": "a"})), "keyword 'pattern'".to_owned()),
        (json_schema(json!({"type": "text"})), "'text' is not a valid type.".to_owned()),
        (json_schema(json!(true)), "must be an object".to_owned()),
        (
            json_schema(json!({"enum": [true]})),
            "'enum' may hold strings and numbers only".to_owned(),
        ),
        (
            json_schema(json!({"$ref": "#/$defs/T"})),
            "'$ref' '#/$defs/T' cannot be resolved".to_owned(),
        ),
        (
            json_schema(json!({"$ref": "#", "description": "d"})),
            "'description' is not allowed beside '$ref'".to_owned(),
        ),
        (json_schema(json!({"items": {"const": 1}})), "keyword 'const'".to_owned()),
        (json_schema(json!({"required": "a"})), "'required' must be a list".to_owned()),
    ] {
        refused(studio(NEW), patch, &part);
    }
    for (patch, part) in [
        (
            parameters(json!({"anyOf": [{"type": "STRING"}], "description": "d"})),
            "`Bash` functionDeclaration `parameters.a` schema specified other fields alongside any_of.",
        ),
        (
            parameters(json!({"description": "d"})),
            "`Bash` functionDeclaration `parameters.a` schema didn't specify the schema type field",
        ),
        (
            function(json!({"parameters": {"type": "STRING"}})),
            "`Bash` functionDeclaration `parameters` schema should be of type OBJECT",
        ),
    ] {
        refused(vertex(NEW), patch, part);
    }
}

#[test]
fn choices_and_tools_of_the_service() {
    let both = |config: Value| {
        json!({
            "tools": [{"functionDeclarations": [{"name": "a"}]}, {"googleSearch": {}}], "toolConfig": config,
        })
    };
    let asked = || json!({"includeServerSideToolInvocations": true});
    refused(studio(OLD), both(asked()), "Tool use with function calling is unsupported");
    refused(studio(NEW), both(Value::Null), "include_server_side_tool_invocations");
    passes(studio(NEW), both(asked()));
    refused(
        vertex(NEW),
        both(Value::Null),
        "Multiple tools are supported only when they are all search tools.",
    );
    passes(vertex(NEW), json!({"tools": [{"googleSearch": {}}]}));
    let mode = |calling: Value| {
        json!({
            "tools": [{"functionDeclarations": [{"name": "a"}]}],
            "toolConfig": {"functionCallingConfig": calling},
        })
    };
    refused(
        studio(NEW),
        mode(json!({"mode": "AUTO", "allowedFunctionNames": ["a"]})),
        "only be set when function calling mode is ANY",
    );
    refused(
        studio(NEW),
        mode(json!({"mode": "ANY", "allowedFunctionNames": ["b"]})),
        "function b is not declared",
    );
    refused(
        studio(NEW),
        json!({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}),
        "mode is ANY but no function declarations",
    );
    passes(studio(NEW), mode(json!({"mode": "VALIDATED", "allowedFunctionNames": ["a"]})));
    passes(studio(NEW), mode(json!({"mode": "NONE"})));
    refused(studio(NEW), mode(json!({"mode": "SOME"})), "FunctionCallingConfig.Mode), \"SOME\"");
}

#[test]
fn lengths_and_sampling() {
    let six = json!(["a", "b", "c", "d", "e", "f"]);
    for (setting, on_studio, on_vertex) in [
        (
            json!({"maxOutputTokens": 0}),
            "max_output_tokens must be positive.",
            "a maxOutputTokens value of 0 but the supported range is from 1 (inclusive) to 65537 (exclusive)",
        ),
        (json!({"maxOutputTokens": 70000}), "in the range [1, 65536]", "value of 70000"),
        (
            json!({"stopSequences": six}),
            "must not exceed 5",
            "it has 6 stopSequences but the maximum is 5",
        ),
        (
            json!({"stopSequences": [""]}),
            "stop_sequences[0]: stop sequence must not be empty",
            "must not be empty",
        ),
        (json!({"temperature": 2.5}), "temperature must be in the range [0.0, 2.0].", "[0.0, 2.0]"),
        (json!({"topP": 1.5}), "top_p must be in the range [0.0, 1.0].", "top_p"),
        (json!({"topK": 0}), "top_k must be in the range", "top_k"),
    ] {
        refused(studio(OLD), config(setting.clone()), on_studio);
        refused(vertex(OLD), config(setting), on_vertex);
    }
    for setting in [json!({"temperature": 1}), json!({"topP": 0.5}), json!({"topK": 5})] {
        passes(studio(NEW), config(setting.clone()));
        refused(studio(IDS), config(setting), "is not supported by this model.");
    }
    refused(
        studio(NEW),
        config(json!({"candidateCount": 2})),
        "Multiple candidates is not enabled",
    );
    passes(studio("gemini-4-argon"), config(json!({"maxOutputTokens": 1_048_576})));
    let settings =
        json!([{"category": "HARM_CATEGORY_HARASSMENT"}, {"category": "HARM_CATEGORY_HARASSMENT"}]);
    refused(
        studio(NEW),
        json!({ "safetySettings": settings }),
        "only one safety setting is allowed",
    );
}

#[test]
fn thinking_of_each_model() {
    let budget = |budget: i64| thinking(json!({"thinkingBudget": budget}));
    let level = |level: &str| thinking(json!({"thinkingLevel": level}));
    let (pro, flash, lite) = ("gemini-2.5-pro", OLD, "gemini-2.5-flash-lite");
    for (model, budgets) in
        [(pro, [128, 32768, -1]), (flash, [0, 24576, -1]), (lite, [0, 512, 24576])]
    {
        for n in budgets {
            passes(studio(model), budget(n));
        }
    }
    for (model, n, part) in [
        (pro, 0, "Budget 0 is invalid. This model only works in thinking mode."),
        (
            pro,
            127,
            "The thinking budget (127) is invalid. Please choose a value between 128 and 32768.",
        ),
        (pro, 32769, "between 128 and 32768"),
        (flash, 24577, "between 0 and 24576"),
        (flash, -2, "The thinking budget (-2) is invalid."),
        (lite, 511, "between 512 and 24576"),
        ("gemini-4-argon", 1000, "Thinking budget is not supported for this model."),
        ("gemini-3.5-flash-lite", 0, "Budget 0 is invalid."),
    ] {
        refused(studio(model), budget(n), part);
    }
    refused(vertex(pro), budget(0), "The model does not support setting thinking_budget to 0");
    passes(studio(NEW), budget(1000));
    let both = thinking(json!({"thinkingBudget": 1000, "thinkingLevel": "LOW"}));
    refused(studio(NEW), both, "You can only set only one of thinking budget and thinking level.");
    refused(studio(flash), level("LOW"), "Thinking level is not supported for this model.");
    let shown = thinking(json!({"thinkingBudget": 0, "includeThoughts": true}));
    refused(vertex(flash), shown, "include_thoughts is only enabled when thinking is enabled");
    refused(
        studio("gemini-2.0-flash"),
        thinking(json!({"includeThoughts": true})),
        "Thinking is not enabled",
    );
    let all = ["MINIMAL", "LOW", "MEDIUM", "HIGH"];
    for (model, taken) in [
        ("gemini-3-pro-preview", &["LOW", "HIGH"][..]),
        (NEW, &["LOW", "MEDIUM", "HIGH"]),
        ("gemini-3-flash-preview", &all),
        ("gemini-3.7-flash", &all),
        ("gemini-3.8-flash", &["LOW", "MEDIUM", "HIGH"]),
        ("gemini-4-argon", &["LOW", "MEDIUM", "HIGH"]),
    ] {
        for word in all {
            if taken.contains(&word) {
                passes(studio(model), level(word));
            } else {
                refused(
                    studio(model),
                    level(word),
                    &format!("Thinking level {word} is not supported"),
                );
            }
        }
    }
}

#[test]
fn structured_output_caches_and_windows() {
    let tool = json!([{"functionDeclarations": [{"name": "a"}]}]);
    let output = json!({"responseMimeType": "application/json"});
    let tooled = json!({"tools": tool, "generationConfig": output});
    refused(
        studio(OLD),
        tooled.clone(),
        "Function calling with a response mime type: 'application/json' is unsupported",
    );
    passes(studio(NEW), tooled);
    let schema = || json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let json_only = "only allowed when response_mime_type is `application/json`.";
    for (setting, part) in [
        (json!({"responseSchema": schema()}), json_only),
        (json!({"responseJsonSchema": schema()}), json_only),
        (
            json!({"responseMimeType": "application/json", "responseSchema": schema(), "responseJsonSchema": schema()}),
            "only one of",
        ),
        (json!({"responseMimeType": "text/html"}), "allowed mimetypes"),
        (
            json!({"responseMimeType": "application/json", "responseSchema": {"type": "ARRAY"}}),
            "generation_config.response_schema.items: missing field.",
        ),
        (
            json!({"responseMimeType": "application/json", "responseJsonSchema": {"not": {}}}),
            "keyword 'not'",
        ),
    ] {
        refused(studio(NEW), config(setting), part);
    }
    let cache = "cachedContents/abc";
    let mixed = json!({"cachedContent": cache, "systemInstruction": {"parts": [{"text": "a"}]}});
    refused(
        studio(NEW),
        mixed,
        "CachedContent can not be used with GenerateContent request setting system_instruction",
    );
    refused(studio(NEW), json!({"cachedContent": "abc"}), "invalid name");
    refused(studio(NEW), json!({ "cachedContent": cache }), "CachedContent not found");
    refused(
        studio("gemini-4-argon"),
        json!({ "cachedContent": cache }),
        "Explicit caching is not supported",
    );
    let long = json!({"contents": [said(json!([{"text": "x".repeat(8000)}]))]});
    refused(
        (Rules::studio(NEW).with_window(1000), NEW),
        long,
        "The input token count (2010) exceeds the maximum number of tokens allowed (1000).",
    );
    refused((Rules::studio(NEW), "gemini-9"), json!({}), "models/gemini-9 is not found");
    refused(
        (Rules::vertex(NEW), "gemini-9"),
        json!({}),
        "Publisher Model `publishers/google/models/gemini-9` was not found",
    );
}

#[test]
fn counting_has_a_form_of_its_own_on_either_service() {
    let (studio, vertex) = (Rules::studio(NEW), Rules::vertex(NEW));
    let count = |body: Value, rules: &Rules| gemini_rules::count(&body, NEW, rules);
    let whole = |model: &str| {
        json!({"generateContentRequest": {
            "model": model, "contents": [user()], "systemInstruction": {"parts": [{"text": "a"}]},
        }})
    };
    let open = json!({"contents": [user()], "systemInstruction": {"parts": [{"text": "a"}]}});
    assert!(count(whole("models/gemini-3.1-pro"), &studio).is_ok_and(|n| n > 0));
    assert!(count(open.clone(), &vertex).is_ok_and(|n| n > 0));
    let mut both = whole("models/gemini-3.1-pro");
    both["contents"] = json!([user()]);
    for (body, rules, part) in [
        (open, &studio, "Unknown name \"systemInstruction\""),
        (whole("gemini-3.1-pro"), &studio, "the model must be models/gemini-3.1-pro"),
        (both, &studio, "cannot both be set"),
        (whole("models/gemini-3.1-pro"), &vertex, "Unknown name \"generateContentRequest\""),
    ] {
        let refusal = count(body, rules).expect_err("refused");
        assert!(refusal.message.contains(part), "{refusal:?}");
    }
}
