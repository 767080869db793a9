//! The scripted Bedrock on the wire: routes, models, credentials, faults, counts, and its agent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_testkit::bedrock::{
    Fault, Operation, Refusal, Rules, Server, Turn, agent, event_stream,
};
use gateway_testkit::{BodyEnd, Gate, RawClient, request};
use serde_json::{Value, json};

const JSON: (&str, &str) = ("content-type", "application/json");
const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA: &str = "amazon.nova-pro-v1:0";

async fn send(server: &Server, path: &str, headers: &[(&str, &str)], body: &str) -> RawClient {
    let mut client = RawClient::connect(server.addr()).await;
    client.send(&request("POST", path, headers, body.as_bytes())).await;
    client
}

async fn post(server: &Server, path: &str, body: &str) -> (u16, String, Value) {
    let (head, reply) = send(server, path, &[JSON], body).await.reply().await;
    let kind = head.header("x-amzn-ErrorType").unwrap_or_default();
    let kind = kind.split(':').next().unwrap_or_default().to_owned();
    (head.status, kind, serde_json::from_slice(&reply.bytes).unwrap_or_default())
}

fn converse(text: &str) -> String {
    json!({"messages": [{"role": "user", "content": [{"text": text}]}]}).to_string()
}

fn invoke(text: &str) -> String {
    json!({
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": 9,
        "messages": [{"role": "user", "content": text}],
    })
    .to_string()
}

fn at(model: &str, operation: &str) -> String {
    format!("/model/{model}/{operation}")
}

#[tokio::test]
async fn what_is_not_about_the_body_is_refused_first() {
    let server = Server::start(Rules::bedrock(CLAUDE), |_| Turn::text("hello"));
    let profile = format!("arn:aws:bedrock:us-east-1:123456789012:inference-profile/{CLAUDE}");
    let encoded = profile.replace(':', "%3A").replace('/', "%2F");
    let bare = CLAUDE.trim_start_matches("us.");
    let on_demand = "on-demand throughput isn\u{2019}t supported";
    for (path, body, status, kind, part) in [
        ("/".to_owned(), "{}".to_owned(), 404, "UnknownOperationException", ""),
        (at(CLAUDE, "complete"), converse("a"), 404, "UnknownOperationException", ""),
        (at(&profile, "converse"), converse("a"), 404, "UnknownOperationException", ""),
        (at("", "converse"), converse("a"), 404, "UnknownOperationException", ""),
        (at("..", "converse"), converse("a"), 404, "UnknownOperationException", ""),
        (at("%2E%2e", "converse"), converse("a"), 404, "UnknownOperationException", ""),
        (at("a%", "converse"), converse("a"), 404, "UnknownOperationException", ""),
        (
            at("acme.x-v1:0", "converse"),
            converse("a"),
            400,
            "ValidationException",
            "identifier is invalid",
        ),
        (at(bare, "converse"), converse("a"), 400, "ValidationException", on_demand),
        (at(bare, "invoke"), invoke("a"), 400, "ValidationException", on_demand),
        (at(CLAUDE, "converse"), "{".to_owned(), 400, "SerializationException", ""),
        (
            at(CLAUDE, "invoke"),
            "{".to_owned(),
            400,
            "ValidationException",
            "Malformed input request",
        ),
        (at(CLAUDE, "invoke"), converse("a"), 400, "ValidationException", "Field required"),
        (
            at(CLAUDE, "count-tokens"),
            "{}".to_owned(),
            400,
            "ValidationException",
            "doesn't support counting tokens",
        ),
    ] {
        let (found, told, body) = post(&server, &path, &body).await;
        assert_eq!((found, told.as_str()), (status, kind), "{path}: {body}");
        assert!(
            part.is_empty() || body["message"].as_str().is_some_and(|m| m.contains(part)),
            "{path}: {body}"
        );
    }
    assert_eq!(server.refusals().len(), 14);
    for path in [
        at(CLAUDE, "converse"),
        at(&CLAUDE.replace(':', "%3A"), "converse"),
        at(&encoded, "converse"),
    ] {
        let (status, _, body) = post(&server, &path, &converse("a")).await;
        assert_eq!(status, 200, "{path}: {body}");
        assert_eq!(body["output"]["message"]["content"][0]["text"], "hello");
    }
    let (status, _, body) = post(&server, &at(CLAUDE, "invoke"), &invoke("a")).await;
    assert_eq!((status, &body["content"][0]["text"]), (200, &json!("hello")));
    assert_eq!(server.refusals().len(), 14);
    assert_eq!(server.turns().last().expect("a turn").operation, Some(Operation::Invoke));
    assert_eq!(server.turns().last().expect("a turn").model, CLAUDE);

    // Live services were seen to say so with a 200.
    server.change(|rules| rules.unknown_operation_is_200 = true);
    let (status, _, body) = post(&server, &at(&profile, "converse"), &converse("a")).await;
    let output = json!({"__type": "com.amazon.coral.service#UnknownOperationException"});
    assert_eq!((status, body), (200, json!({"Output": output, "Version": "1.0"})));
    server.change(|rules| rules.access = false);
    let (status, kind, _) = post(&server, &at(CLAUDE, "converse"), &converse("a")).await;
    assert_eq!((status, kind.as_str()), (403, "AccessDeniedException"));
}

#[tokio::test]
async fn keys_are_asked_for_and_leaks_are_seen() {
    let rules = Rules::bedrock(CLAUDE).with_bearer("right").with_key("AKID", "secret");
    let server = Server::start(rules, |_| Turn::text("hello"));
    let path = at(CLAUDE, "invoke");
    for (headers, status) in [
        (vec![JSON], 403),
        (vec![JSON, ("authorization", "Bearer wrong")], 403),
        (vec![JSON, ("authorization", "Bearer right")], 200),
        (
            vec![
                JSON,
                ("authorization", "Bearer right"),
                ("anthropic-beta", "b"),
                ("X-App", "cli"),
            ],
            200,
        ),
        (vec![JSON, ("authorization", "Bearer right"), ("x-amzn-bedrock-trace", "on")], 400),
        (vec![JSON, ("authorization", "Bearer right"), ("x-amzn-bedrock-other", "on")], 400),
        (
            vec![
                JSON,
                ("authorization", "Bearer right"),
                ("x-amzn-bedrock-request-metadata", "on"),
            ],
            400,
        ),
        (
            vec![JSON, ("authorization", "Bearer right"), ("x-amzn-bedrock-service-tier", "flex")],
            200,
        ),
    ] {
        let (head, reply) = send(&server, &path, &headers, &invoke("a")).await.reply().await;
        assert_eq!(head.status, status, "{headers:?}: {:?}", reply.bytes);
        assert!(head.header("x-amzn-RequestId").is_some_and(|id| id.len() == 36));
        assert!(head.header("Date").is_some_and(|date| date.ends_with(" GMT")));
        assert_eq!(head.header("X-Amzn-Bedrock-Input-Token-Count").is_some(), status == 200);
    }
    assert_eq!(server.seen()[3].idle_betas(), Some("b"));
    assert_eq!(
        server.leaks(),
        [format!("{path}: anthropic-beta: b"), format!("{path}: X-App: cli")]
    );
    let mut client = RawClient::connect(server.addr()).await;
    let headers = [JSON, ("authorization", "Bearer right"), ("transfer-encoding", "chunked")];
    let mut bytes = request("POST", &path, &headers, b"");
    bytes.extend_from_slice(b"2\r\n{}\r\n0\r\n\r\n");
    client.send(&bytes).await;
    assert_eq!(client.reply().await.0.status, 411);
    let large = " ".repeat(25_000_001);
    let headers = [JSON, ("authorization", "Bearer right")];
    assert_eq!(send(&server, &path, &headers, &large).await.reply().await.0.status, 413);
}

#[tokio::test]
async fn errors_on_demand_have_their_types() {
    for (refusal, status, kind) in [
        (Refusal::throttled(), 429, "ThrottlingException"),
        (Refusal::daily_tokens(), 429, "ThrottlingException"),
        (Refusal::quota(), 400, "ServiceQuotaExceededException"),
        (Refusal::not_ready(), 429, "ModelNotReadyException"),
        (Refusal::model_timeout(), 408, "ModelTimeoutException"),
        (Refusal::model_error(500), 424, "ModelErrorException"),
        (Refusal::internal(), 500, "InternalServerException"),
        (Refusal::unavailable(), 503, "ServiceUnavailableException"),
        (Refusal::not_found("gone"), 404, "ResourceNotFoundException"),
    ] {
        let original = refusal.extra.fields.get("originalStatusCode").cloned().unwrap_or_default();
        let server = Server::queue(Rules::bedrock(NOVA), [Turn::error(refusal)]);
        let client =
            &mut send(&server, &at(NOVA, "converse-stream"), &[JSON], &converse("a")).await;
        let (head, reply) = client.reply().await;
        let told = head.header("x-amzn-ErrorType").expect("a type");
        assert!(told.starts_with(&format!("{kind}:http://")), "{told}");
        let body: Value = serde_json::from_slice(&reply.bytes).expect("JSON");
        assert_eq!((head.status, &body["originalStatusCode"]), (status, &original));
        assert_eq!(head.header("retry-after"), None);
        assert_eq!(server.refusals(), []); // none of them is the client's doing
        let (status, _, body) = post(&server, &at(NOVA, "converse"), &converse("a")).await;
        assert_eq!(
            (status, body["message"].as_str()),
            (500, Some("Test server: the script has no turn left."))
        );
    }
}

#[tokio::test]
async fn a_stream_may_break_in_every_way() {
    let exception = |after| Fault::Exception { after, refusal: Refusal::throttled() };
    let error = Fault::Error { after: 1, code: "c".to_owned(), message: "m".to_owned() };
    let told = |body: &[u8]| {
        let frames = event_stream::frames(body)?;
        let last = frames.last().cloned().expect("a frame");
        let kinds = [":event-type", ":exception-type", ":error-code"];
        let kind = kinds.iter().find_map(|name| last.header(name)).expect("a kind").to_owned();
        Ok::<_, String>((frames.len(), kind))
    };
    let read = |frames: usize, kind: &str| Ok((frames, kind.to_owned()));
    let wrong = || Err("a checksum".to_owned());
    for (fault, wanted, end) in [
        (exception(0), read(1, "throttlingException"), BodyEnd::Clean),
        (exception(3), read(4, "throttlingException"), BodyEnd::Clean),
        (error, read(2, "c"), BodyEnd::Clean),
        (Fault::BadChecksum(1), wrong(), BodyEnd::Clean),
        (Fault::BadPrelude(0), wrong(), BodyEnd::Clean),
        (Fault::NoStop, read(4, "contentBlockStop"), BodyEnd::Clean),
        (Fault::CutAt(200), Err("broken".to_owned()), BodyEnd::Cut),
        (Fault::EndAt(200), Err("broken".to_owned()), BodyEnd::Clean),
    ] {
        let turn = Turn::text("some text").fault(fault.clone());
        let server = Server::queue(Rules::bedrock(NOVA), [turn.clone(), turn]);
        let mut client = send(&server, &at(NOVA, "converse-stream"), &[JSON], &converse("a")).await;
        let (head, reply) = client.reply().await;
        let kind = "application/vnd.amazon.eventstream";
        assert_eq!((head.status, head.header("content-type")), (200, Some(kind)));
        assert_eq!(reply.end, end, "{fault:?}");
        match (told(&reply.bytes), wanted) {
            (Err(found), Err(part)) => assert!(found.contains(&part), "{fault:?}: {found}"),
            (found, wanted) => assert_eq!(found, wanted, "{fault:?}"),
        }
        // Without a stream what is left of it is an HTTP error, or a cut body.
        let mut client = send(&server, &at(NOVA, "converse"), &[JSON], &converse("a")).await;
        let status = client.reply().await.0.status;
        let fails = matches!(fault, Fault::Exception { .. } | Fault::Error { .. });
        assert_eq!(status == 200, !fails, "{fault:?}");
    }
    let (reached, go_on) = (Gate::new(), Gate::new());
    let turn = Turn::text("some text").pausing_after(2, &reached, &go_on);
    let server = Server::queue(Rules::bedrock(NOVA), [turn]);
    let mut client = send(&server, &at(NOVA, "converse-stream"), &[JSON], &converse("a")).await;
    client.head().await;
    reached.passed().await;
    go_on.open();
    assert_eq!(told(&client.rest().await.bytes), read(6, "metadata"));
}

#[tokio::test]
async fn tokens_are_counted_for_bare_ids() {
    let bare = CLAUDE.trim_start_matches("us.");
    let server = Server::queue(Rules::bedrock(CLAUDE), []);
    let path = at(bare, "count-tokens");
    let of = |input: Value| json!({"input": input}).to_string();
    let request: Value = serde_json::from_str(&converse(&"x".repeat(400))).expect("JSON");
    let body = STANDARD.encode(invoke(&"x".repeat(400)));
    for input in [json!({"converse": request}), json!({"invokeModel": {"body": body}})] {
        let (status, _, counted) = post(&server, &path, &of(input)).await;
        assert_eq!(status, 200, "{counted}");
        assert!(
            (100..120).contains(&counted["inputTokens"].as_u64().expect("a count")),
            "{counted}"
        );
    }
    let mut model = serde_json::from_str::<Value>(&invoke("a")).expect("JSON");
    model["model"] = json!("x");
    let unwanted = STANDARD.encode(model.to_string());
    for (input, part) in [
        (json!({}), "must set one of the following keys: invokeModel, converse"),
        (json!({"converse": {}, "invokeModel": {"body": ""}}), "must set one of"),
        (
            json!({"converse": {"messages": [], "inferenceConfig": {}}}),
            "extraneous key [inferenceConfig]",
        ),
        (json!({"converse": {"messages": []}}), "must start with a user message"),
        (json!({"invokeModel": {"body": "?"}}), "Malformed input request"),
        (json!({"invokeModel": {}}), "Member must not be null"),
        (json!({"invokeModel": {"body": unwanted}}), "model: Extra inputs are not permitted"),
    ] {
        let (status, _, body) = post(&server, &path, &of(input)).await;
        let message = body["message"].as_str().unwrap_or_default();
        assert!(status == 400 && message.contains(part), "{message}\nlacks {part}");
    }
    server.change(|rules| rules.counts = false);
    let (status, _, body) = post(&server, &path, &of(json!({"converse": {"messages": []}}))).await;
    let text = "The provided model doesn't support counting tokens.";
    assert_eq!((status, body["message"].as_str()), (400, Some(text)));
    assert_eq!((server.turns().len(), server.seen().len()), (0, 10));
}

#[tokio::test]
async fn an_agent_goes_by_the_results_it_sees() {
    let steps = || {
        [
            Turn::reasoning("a")
                .and_call("Bash", &json!({"n": 1}))
                .and_call("Bash", &json!({"n": 2})),
            Turn::reasoning("b").and_call("Read", &json!({})),
        ]
    };
    let server = Server::start(Rules::bedrock(CLAUDE), agent(steps(), Turn::text("done")));
    // By Converse.
    let tool = |name: &str| json!({"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}});
    let config = json!({"tools": [tool("Bash"), tool("Read")]});
    let mut messages = vec![json!({"role": "user", "content": [{"text": "go"}]})];
    for calls in [2, 1, 0] {
        let body = json!({"messages": messages, "toolConfig": config}).to_string();
        let (status, _, reply) = post(&server, &at(CLAUDE, "converse"), &body).await;
        assert_eq!(status, 200, "{reply}");
        let message = reply["output"]["message"].clone();
        let blocks = message["content"].as_array().expect("blocks").clone();
        let used = |block: &Value| block["toolUse"]["toolUseId"].as_str().map(str::to_owned);
        let ids: Vec<String> = blocks.iter().filter_map(used).collect();
        assert_eq!(
            (ids.len(), &reply["stopReason"]),
            (calls, &json!(if calls > 0 { "tool_use" } else { "end_turn" }))
        );
        let result =
            |id| json!({"toolResult": {"toolUseId": id, "content": [{"json": {"ok": 1}}]}});
        let results: Vec<Value> = ids.into_iter().map(result).collect();
        messages.push(message);
        messages.push(json!({"role": "user", "content": results}));
    }
    assert_eq!(server.seen()[1].new_results()[1].1, r#"{"ok":1}"#);
    // By InvokeModel, and with the same thinking refused elsewhere.
    let tool = |name: &str| json!({"name": name, "input_schema": {"type": "object"}});
    let mut messages = vec![json!({"role": "user", "content": "go"})];
    for calls in [2, 1] {
        let mut body: Value = serde_json::from_str(&invoke("")).expect("JSON");
        body["messages"] = json!(messages);
        body["tools"] = json!([tool("Bash"), tool("Read")]);
        let (status, _, reply) = post(&server, &at(CLAUDE, "invoke"), &body.to_string()).await;
        assert_eq!((status, &reply["stop_reason"]), (200, &json!("tool_use")), "{reply}");
        let blocks = reply["content"].as_array().expect("blocks");
        let ids: Vec<&str> = blocks.iter().filter_map(|block| block["id"].as_str()).collect();
        assert_eq!(ids.len(), calls);
        let result = |id: &&str| json!({"type": "tool_result", "tool_use_id": id, "content": "ok"});
        let results: Vec<Value> = ids.iter().map(result).collect();
        messages.push(json!({"role": "assistant", "content": blocks}));
        messages.push(json!({"role": "user", "content": results}));
    }
    assert_eq!(server.refusals(), []);
    assert_eq!(server.seen().last().expect("a request").tools(), ["Bash", "Read"]);
    // A side query without tools.
    let (_, _, reply) = post(&server, &at(CLAUDE, "converse"), &converse("go")).await;
    assert_eq!(reply["output"]["message"]["content"][0]["text"], "done");
    server.change(|rules| rules.signer = "elsewhere".to_owned());
    let mut body: Value = serde_json::from_str(&invoke("")).expect("JSON");
    body["messages"] = json!(messages);
    let (status, _, reply) = post(&server, &at(CLAUDE, "invoke"), &body.to_string()).await;
    assert_eq!(status, 400, "{reply}");
    assert!(
        reply["message"].as_str().is_some_and(|m| m.contains("Invalid `signature`")),
        "{reply}"
    );
}
