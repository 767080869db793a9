//! The scripted Gemini on the wire: routes, credentials, faults, and what it remembers.

use gateway_testkit::google::{
    Fault, Finish, Platform, Refusal, Rules, Server, Style, Turn, agent,
};
use gateway_testkit::{BodyEnd, Gate, RawClient, request};
use serde_json::{Value, json};

const JSON: (&str, &str) = ("content-type", "application/json");
const MODEL: &str = "gemini-3.6-flash";
const ASK: &str = "/v1beta/models/gemini-3.6-flash:generateContent";
const STREAM: &str = "/v1beta/models/gemini-3.6-flash:streamGenerateContent?alt=sse";
const ARRAY: &str = "/v1beta/models/gemini-3.6-flash:streamGenerateContent";

async fn send(
    server: &Server,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, Value, String) {
    let mut client = RawClient::connect(server.addr()).await;
    client.send(&request(method, path, headers, body.as_bytes())).await;
    let (head, body) = client.reply().await;
    let text = String::from_utf8_lossy(&body.bytes).into_owned();
    (head.status, serde_json::from_str(&text).unwrap_or_default(), text)
}

async fn post(server: &Server, path: &str, body: &Value) -> (u16, Value, String) {
    send(server, "POST", path, &[JSON], &body.to_string()).await
}

fn user(text: &str) -> Value {
    json!({"role": "user", "parts": [{"text": text}]})
}

fn ask(contents: &[Value]) -> Value {
    json!({"contents": contents, "tools": [{"functionDeclarations": [
        {"name": "Bash", "parametersJsonSchema": {"type": "object", "properties": {}}},
        {"name": "Read"},
    ]}]})
}

/// The documents of an event stream.
fn events(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    data.map(|data| serde_json::from_str(data).expect("a frame holds JSON")).collect()
}

fn respond(call: &Value) -> Value {
    let call = &call["functionCall"];
    json!({"functionResponse": {"id": call["id"], "name": call["name"], "response": {"output": "ok"}}})
}

#[tokio::test]
async fn an_agent_goes_by_the_results_it_sees_and_wants_its_signatures_back() {
    let steps = [
        Turn::reasoning(&["a"])
            .and_text("Let me see.")
            .and_call("Bash", &json!({"n": 1}))
            .and_call("Bash", &json!({"n": 2})),
        Turn::reasoning(&["b"]).and_call("Read", &json!({})),
    ];
    let server = Server::start(Rules::studio(MODEL), agent(steps, Turn::text("done")));
    let mut contents = vec![user("go")];
    for calls in [2, 1] {
        let (status, reply, text) = post(&server, ASK, &ask(&contents)).await;
        assert_eq!(status, 200, "{text}");
        let content = reply["candidates"][0]["content"].clone();
        assert_eq!(reply["candidates"][0]["finishReason"], "STOP");
        let parts = content["parts"].as_array().expect("parts").clone();
        let of: Vec<&Value> =
            parts.iter().filter(|part| part["functionCall"].is_object()).collect();
        let signed = of.iter().filter(|part| part["thoughtSignature"].is_string()).count();
        assert_eq!((of.len(), signed), (calls, 1), "{text}");
        contents.push(content.clone());
        let responses: Vec<Value> = of.into_iter().map(respond).collect();
        contents.push(json!({"role": "user", "parts": responses}));
    }
    let (_, reply, text) = post(&server, ASK, &ask(&contents)).await;
    assert_eq!(reply["candidates"][0]["content"]["parts"][0]["text"], "done", "{text}");
    assert_eq!(server.seen()[1].new_results().len(), 2);
    assert_eq!((server.refusals(), server.seen()[2].bypasses()), (vec![], 0));
    assert_eq!(server.seen()[2].signatures().len(), 2);

    // Altered, moved, dropped, of another account, of another generation; and the value that stands for none.
    let first = |contents: &mut Vec<Value>| {
        let parts = contents[1]["parts"].as_array_mut().expect("parts");
        let at = parts.iter().position(|part| part["functionCall"].is_object()).expect("a call");
        (at, parts[at]["thoughtSignature"].as_str().expect("signed").to_owned())
    };
    let (at, signature) = first(&mut contents);
    let altered = signature.replacen('A', "B", 1);
    assert_ne!(altered, signature);
    let with = |at: usize, value: Value| {
        let mut contents = contents.clone();
        contents[1]["parts"][at]["thoughtSignature"] = value;
        contents
    };
    let missing = "Function call is missing a thought_signature in functionCall parts.";
    for (contents, part) in [
        (with(at, json!(altered)), "Corrupted thought signature."),
        (with(at, json!("aGVsbG8=")), "Corrupted thought signature."),
        (with(at + 1, json!(signature)), "Thought signature is not valid."),
        (with(at, Value::Null), missing),
        (with(at, Value::Null), "function call `default_api:Bash` , position 2."),
    ] {
        let (status, reply, text) = post(&server, ASK, &ask(&contents)).await;
        let message = reply["error"]["message"].as_str().expect("an error");
        assert!(status == 400 && message.contains(part), "{text}");
    }
    let bypassed = with(at, json!("skip_thought_signature_validator"));
    assert_eq!(post(&server, ASK, &ask(&bypassed)).await.0, 200);
    assert_eq!(server.seen().last().expect("seen").bypasses(), 1);
    // An earlier turn may lack them.
    let mut earlier = with(at, Value::Null);
    earlier.extend([json!({"role": "model", "parts": [{"text": "done"}]}), user("and now?")]);
    assert_eq!(post(&server, ASK, &ask(&earlier)).await.0, 200);
    // Of this generation's models each takes it, of another's none.
    for (model, status) in [("gemini-3-flash", 200), ("gemini-4-argon", 400)] {
        server.change(|rules| rules.models.push(model.to_owned()));
        let path = ASK.replace(MODEL, model);
        assert_eq!(post(&server, &path, &ask(&contents)).await.0, status, "{model}");
    }
    server.change(|rules| rules.account = "account-other".to_owned());
    assert_eq!(post(&server, ASK, &ask(&contents)).await.0, 400);
}

#[tokio::test]
async fn a_stream_is_events_or_an_array() {
    let turn = || Turn::reasoning(&["hm"]).and_text("Grüße ✓").and_call("Bash", &json!({"a": "b"}));
    let server = Server::start(Rules::studio(MODEL), move |_| turn());
    let mut body = ask(&[user("go")]);
    body["generationConfig"] = json!({"thinkingConfig": {"includeThoughts": true}});
    let (_, _, text) = post(&server, STREAM, &body).await;
    let frames = events(&text);
    assert!(text.ends_with("\r\n\r\n"), "{text}");
    let (_, array, _) = post(&server, ARRAY, &body).await;
    // But for the ids, which are made from the request's number.
    assert_eq!(array.as_array().expect("an array").len(), frames.len());
    let said: String = frames
        .iter()
        .filter_map(|frame| frame["candidates"][0]["content"]["parts"][0]["text"].as_str())
        .collect();
    assert_eq!(said, "hmGrüße ✓");
    let usage = &frames.last().expect("frames")["usageMetadata"];
    assert_eq!(
        (&usage["candidatesTokenCount"], &usage["totalTokenCount"]),
        (&json!(30), &json!(1050))
    );
    assert_eq!(frames[0]["usageMetadata"].get("candidatesTokenCount"), None);
}

#[tokio::test]
async fn every_style_says_the_same() {
    for (name, style) in Style::all() {
        let turn = Turn::text("Grüße, Welt ✓")
            .and_call("Bash", &json!({}))
            .and_call("Read", &json!({"a": 1}));
        let server =
            Server::start(Rules::studio(MODEL), move |_| turn.clone().style(style.clone()));
        let (_, _, text) = post(&server, STREAM, &ask(&[user("go")])).await;
        let text = text.replace("\ndata:  ", "\n").replace("\ndata: }", "\n}");
        let text = if name == "cr" { text.replace('\r', "\n") } else { text };
        let text = if name == "many-lines" {
            text.replace('\n', "").replace("data: {", "\ndata: {")
        } else {
            text
        };
        let parts: Vec<Value> = events(&text)
            .iter()
            .flat_map(|frame| {
                frame["candidates"][0]["content"]["parts"].as_array().cloned().unwrap_or_default()
            })
            .collect();
        let said: String = parts.iter().filter_map(|part| part["text"].as_str()).collect();
        let calls: Vec<&Value> = parts
            .iter()
            .map(|part| &part["functionCall"]["name"])
            .filter(|name| name.is_string())
            .collect();
        assert_eq!(
            (said.as_str(), calls),
            ("Grüße, Welt ✓", vec![&json!("Bash"), &json!("Read")]),
            "{name}"
        );
        if name == "huge-signatures" {
            assert!(text.lines().any(|line| line.len() > 128 * 1024));
        }
    }
}

#[tokio::test]
async fn keys_paths_and_models() {
    let server = Server::queue(Rules::studio(MODEL).with_key("right"), [Turn::text("hello")]);
    let good = ask(&[user("hi")]).to_string();
    let key = ("x-goog-api-key", "right");
    let other = "/v1beta/models/gemini-9:generateContent";
    for (path, headers, body, status, word, part) in [
        (ASK, vec![JSON], good.as_str(), 403, "PERMISSION_DENIED", "unregistered callers"),
        (
            ASK,
            vec![JSON, ("x-goog-api-key", "no")],
            &good,
            400,
            "INVALID_ARGUMENT",
            "API key not valid",
        ),
        ("/v1/messages", vec![JSON, key], &good, 404, "NOT_FOUND", "/v1/messages was not found"),
        (other, vec![JSON, key], &good, 404, "NOT_FOUND", "models/gemini-9 is not found"),
        (ASK, vec![JSON, key], "{", 400, "INVALID_ARGUMENT", "Invalid JSON payload"),
        (ASK, vec![JSON, key], r#"{"a":1}"#, 400, "INVALID_ARGUMENT", "Unknown name \"a\""),
    ] {
        let (found, reply, text) = send(&server, "POST", path, &headers, body).await;
        assert_eq!((found, &reply["error"]["status"]), (status, &json!(word)), "{text}");
        assert!(reply["error"]["message"].as_str().expect("a text").contains(part), "{text}");
    }
    let details = server.refusals()[1].details[0].clone();
    assert_eq!(details["reason"], "API_KEY_INVALID");
    assert_eq!(send(&server, "POST", ASK, &[JSON, key], &good).await.0, 200);
    let (status, reply, _) = send(&server, "POST", ASK, &[JSON, key], &good).await;
    assert_eq!((status, &reply["error"]["status"]), (500, &json!("SCRIPT_IS_OVER")));
    let (_, list, _) = send(&server, "GET", "/v1beta/models?pageSize=5", &[key], "").await;
    assert_eq!(list["models"][0]["name"], json!(format!("models/{MODEL}")));
    let count = json!({"generateContentRequest": {
        "model": format!("models/{MODEL}"), "contents": [user(&"x".repeat(400))],
    }});
    let path = "/v1beta/models/gemini-3.6-flash:countTokens";
    let (status, reply, text) = send(&server, "POST", path, &[JSON, key], &count.to_string()).await;
    assert!(status == 200 && reply["totalTokens"].as_u64() > Some(100), "{text}");
    assert_eq!((server.refusals().len(), server.turns().len()), (6, 7));
    assert_eq!(server.leaks(), Vec::<String>::new());
    let leak = ask(&[user("gw1.abc")]).to_string();
    send(&server, "POST", ASK, &[JSON, key, ("Anthropic-Beta", "x")], &leak).await;
    assert_eq!(server.leaks().len(), 2);
}

#[tokio::test]
async fn a_stream_may_fail_be_cut_or_wait() {
    let (reached, go_on) = (Gate::new(), Gate::new());
    let text = || Turn::text("some text that is said");
    let server = Server::queue(
        Rules::studio(MODEL),
        [
            text().fault(Fault::CutAt(300)),
            text().fault(Fault::EndAt(300)),
            text().fault(Fault::Error(Refusal::overloaded())),
            Turn::error(Refusal::rate_limit("7.5")),
            Turn::error(Refusal::rate_limit("7.5")),
            text().pausing_after(2, &reached, &go_on),
        ],
    );
    let body = ask(&[user("go")]).to_string();
    let open = async |path: &str| {
        let mut client = RawClient::connect(server.addr()).await;
        client.send(&request("POST", path, &[JSON], body.as_bytes())).await;
        client
    };
    for end in [BodyEnd::Cut, BodyEnd::Clean] {
        let (_, reply) = open(STREAM).await.reply().await;
        assert_eq!((reply.bytes.len(), reply.end), (300, end));
    }
    let (head, reply) = open(STREAM).await.reply().await;
    let frames = events(&String::from_utf8_lossy(&reply.bytes));
    assert_eq!((head.status, &frames.last().expect("frames")["error"]["code"]), (200, &json!(503)));
    for (path, at) in [(STREAM, "/error"), (ARRAY, "/0/error")] {
        let (head, reply) = open(path).await.reply().await;
        let value: Value = serde_json::from_slice(&reply.bytes).expect("JSON");
        let error = value.pointer(at).expect("an error");
        let delay = error["details"]
            .as_array()
            .into_iter()
            .flatten()
            .find_map(|detail| detail["retryDelay"].as_str());
        assert_eq!((head.status, delay), (429, Some("7.5s")));
    }
    let mut client = open(STREAM).await;
    client.head().await;
    reached.passed().await;
    go_on.open();
    assert_eq!(client.rest().await.end, BodyEnd::Clean);
    assert_eq!(server.refusals(), []); // none of them is the client's doing
}

#[tokio::test]
async fn an_answer_goes_on_for_the_same_request_with_the_token() {
    let turn =
        Turn::text("Once upon").continued_by(Turn::text(" a time").finish(Finish::MaxTokens));
    let server = Server::queue(Rules::any(Platform::Studio), [turn]);
    let path = "/v1beta/models/gemini-4-argon:generateContent";
    let mut body = ask(&[user("go")]);
    let (_, reply, text) = post(&server, path, &body).await;
    assert_eq!(reply["candidates"][0]["finishReason"], "CONTINUATION", "{text}");
    let token = reply["candidates"][0]["continuationToken"].clone();
    body["continuationToken"] = token;
    let (_, reply, text) = post(&server, path, &body).await;
    assert_eq!(reply["candidates"][0]["content"]["parts"][0]["text"], " a time", "{text}");
    body["contents"] = json!([user("something else")]);
    let (status, reply, _) = post(&server, path, &body).await;
    assert_eq!((status, &reply["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
}
