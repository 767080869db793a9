//! The scripted `OpenAI` on the wire: routes, credentials, faults, and what it remembers.

use gateway_testkit::openai::{Fault, Refusal, Rules, Server, Turn, agent};
use gateway_testkit::{BodyEnd, Gate, RawClient, request};
use serde_json::{Value, json};

const JSON: (&str, &str) = ("content-type", "application/json");
const KEY: (&str, &str) = ("authorization", "Bearer right");

async fn post(
    server: &Server,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, Value, Vec<(String, String)>) {
    let mut client = RawClient::connect(server.addr()).await;
    client.send(&request("POST", path, headers, body.as_bytes())).await;
    let (head, body) = client.reply().await;
    let value = serde_json::from_slice(&body.bytes).unwrap_or_default();
    (head.status, value, head.headers)
}

fn chat(more: &Value) -> String {
    let mut body = json!({"model": "gpt-4.1", "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body.to_string()
}

#[tokio::test]
async fn what_is_not_about_the_body_is_refused_first() {
    let server = Server::queue(Rules::openai("gpt-4.1").with_key("right"), [Turn::text("hello")]);
    let good = chat(&json!({}));
    let path = "/v1/chat/completions";
    let text = ("content-type", "text/plain");
    let wrong = ("authorization", "Bearer sk-wrong-key");
    for (path, headers, body, status, code, part) in [
        (path, vec![JSON], good.as_str(), 401, Value::Null, "You didn't provide an API key."),
        (path, vec![JSON, wrong], &good, 401, json!("invalid_api_key"), "provided: sk-****"),
        (
            "/v1/messages",
            vec![JSON, KEY],
            &good,
            404,
            Value::Null,
            "Invalid URL (POST /v1/messages)",
        ),
        ("/chat/completions", vec![JSON, KEY], &good, 404, Value::Null, "Invalid URL"),
        (path, vec![text, KEY], &good, 415, json!("unsupported_content_type"), "'text/plain'"),
        (path, vec![JSON, KEY], "{", 400, Value::Null, "We could not parse the JSON body"),
        (path, vec![JSON, KEY], r#"{"a":1}"#, 400, Value::Null, "supplied: a"),
    ] {
        let (found, body, _) = post(&server, path, &headers, body).await;
        assert_eq!((found, &body["error"]["code"]), (status, &code), "{body}");
        assert!(body["error"]["message"].as_str().expect("a text").contains(part), "{body}");
        assert_eq!(body["error"]["type"], "invalid_request_error", "{body}");
    }
    assert_eq!(server.refusals().len(), 7);
    // Azure has its own paths, header and words.
    let classic = "/openai/deployments/d/chat/completions";
    let key = ("api-key", "right");
    for (path, key, status, code) in
        [(classic, key, 404, "404"), (classic, ("api-key", "wrong"), 401, "401")]
    {
        let (found, body, _) = post(&server, path, &[JSON, key], &good).await;
        assert_eq!((found, &body["error"]["code"]), (status, &json!(code)), "{body}");
        assert_eq!(body["error"]["type"], Value::Null, "{body}");
    }
    let path = "/openai/deployments/d/chat/completions?api-version=2024-10-21";
    let (status, body, headers) = post(&server, path, &[JSON, ("api-key", "right")], &good).await;
    assert_eq!((status, &body["choices"][0]["message"]["content"]), (200, &json!("hello")));
    assert!(headers.iter().any(|(name, _)| name == "x-request-id"), "{headers:?}");
    let (status, body, _) = post(&server, path, &[JSON, KEY], &good).await;
    assert_eq!((status, &body["error"]["code"]), (500, &json!("script_is_over")));
    assert_eq!((server.refusals().len(), server.turns().len()), (9, 10));
    assert_eq!(server.leaks(), Vec::<String>::new());
    post(&server, path, &[JSON, KEY, ("Anthropic-Beta", "x")], &good).await;
    assert_eq!(server.leaks(), [format!("{classic}: Anthropic-Beta: x")]);
}

#[tokio::test]
async fn errors_on_demand_have_their_headers() {
    let turns =
        [Refusal::rate_limit(7), Refusal::insufficient_quota(), Refusal::azure_content_filter()];
    let server = Server::queue(Rules::openai("gpt-4.1"), turns.map(Turn::error));
    let good = chat(&json!({}));
    let (status, body, headers) = post(&server, "/v1/chat/completions", &[JSON], &good).await;
    assert_eq!((status, &body["error"]["type"]), (429, &json!("requests")));
    assert!(headers.iter().any(|(name, value)| name == "retry-after" && value == "7"));
    let (status, body, headers) = post(&server, "/v1/chat/completions", &[JSON], &good).await;
    assert_eq!((status, &body["error"]["type"]), (429, &json!("insufficient_quota")));
    assert!(headers.iter().all(|(name, _)| name != "retry-after"));
    let (status, body, _) = post(&server, "/v1/chat/completions", &[JSON], &good).await;
    assert_eq!((status, &body["error"]["type"]), (400, &Value::Null));
    assert_eq!(body["error"]["innererror"]["code"], "ResponsibleAIPolicyViolation");
    assert_eq!(server.refusals(), []); // none of them is the client's doing
}

#[tokio::test]
async fn a_stream_may_be_cut_or_end_early_or_wait() {
    let (reached, go_on) = (Gate::new(), Gate::new());
    let server = Server::queue(
        Rules::openai("gpt-4.1"),
        [
            Turn::text("some text").fault(Fault::CutAt(300)),
            Turn::text("some text").fault(Fault::EndAt(300)),
            Turn::text("some text").fault(Fault::CutAt(30)),
            Turn::text("some text").pausing_after(2, &reached, &go_on),
        ],
    );
    let streamed = chat(&json!({"stream": true}));
    let send = async |body: &str| {
        let mut client = RawClient::connect(server.addr()).await;
        client.send(&request("POST", "/v1/chat/completions", &[JSON], body.as_bytes())).await;
        client
    };
    for (body, length, end) in [
        (streamed.clone(), 300, BodyEnd::Cut),
        (streamed.clone(), 300, BodyEnd::Clean),
        (chat(&json!({})), 30, BodyEnd::Cut),
    ] {
        let (_, reply) = send(&body).await.reply().await;
        assert_eq!((reply.bytes.len(), reply.end), (length, end));
    }
    let mut client = send(&streamed).await;
    client.head().await;
    reached.passed().await;
    go_on.open();
    assert!(client.rest().await.bytes.ends_with(b"data: [DONE]\n\n"));
}

#[tokio::test]
async fn an_agent_goes_by_the_results_it_sees() {
    let steps = [
        Turn::reasoning(&["a"])
            .and_call("Bash", &json!({"n": 1}))
            .and_call("Bash", &json!({"n": 2})),
        Turn::reasoning(&["b"]).and_call("Read", &json!({})),
    ];
    let server = Server::start(Rules::openai("gpt-5.6-terra"), agent(steps, Turn::text("done")));
    let tool = |name: &str| json!({"type": "function", "name": name, "strict": false});
    let mut input = vec![json!({"role": "user", "content": "go"})];
    let ask = async |input: &[Value], tools: Value| {
        let body = json!({
            "model": "gpt-5.6-terra", "store": false, "input": input, "tools": tools,
            "include": ["reasoning.encrypted_content"],
        });
        let reply = post(&server, "/v1/responses", &[JSON], &body.to_string()).await;
        assert_eq!(reply.0, 200, "{}", reply.1);
        reply.1["output"].as_array().expect("items").clone()
    };
    let tools = json!([tool("Bash"), tool("Read")]);
    for calls in [2, 1] {
        let output = ask(&input, tools.clone()).await;
        assert_eq!(output.len(), calls + 1);
        input.extend(output.iter().cloned());
        for call in &output[1..] {
            input.push(
                json!({"type": "function_call_output", "call_id": call["call_id"], "output": "ok"}),
            );
        }
    }
    assert_eq!(ask(&input, tools.clone()).await[0]["content"][0]["text"], "done");
    assert_eq!(ask(&input[..1], json!([])).await[0]["content"][0]["text"], "done");
    assert_eq!(server.refusals(), []);
    assert_eq!(server.seen()[1].new_results().len(), 2);
    // The same conversation is refused by another organisation.
    server.change(|rules| rules.account = "org-other".to_owned());
    let body = json!({"model": "gpt-5.6-terra", "input": input, "store": false});
    let reply = post(&server, "/v1/responses", &[JSON], &body.to_string()).await;
    assert_eq!((reply.0, &reply.1["error"]["code"]), (400, &json!("invalid_encrypted_content")));
}

#[tokio::test]
async fn tokens_are_counted_and_models_listed() {
    let server = Server::queue(Rules::openai("gpt-5.6-terra"), []);
    let body = json!({"model": "gpt-5.6-terra", "input": "x".repeat(400)}).to_string();
    let (status, body, _) = post(&server, "/v1/responses/input_tokens", &[JSON], &body).await;
    assert_eq!(
        (status, body),
        (200, json!({"object": "response.input_tokens", "input_tokens": 100}))
    );
    let mut client = RawClient::connect(server.addr()).await;
    client.send(&request("GET", "/v1/models", &[], b"")).await;
    let (_, reply) = client.reply().await;
    let list: Value = serde_json::from_slice(&reply.bytes).expect("JSON");
    assert_eq!(list["data"][0]["id"], "gpt-5.6-terra");
    assert_eq!(server.turns().len(), 0);
}
