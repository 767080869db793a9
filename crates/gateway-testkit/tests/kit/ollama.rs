//! The scripted Ollama: what it refuses, what it does in silence, how it answers.

use gateway_testkit::ollama::{Fault, Finish, Model, Refusal, Server, Turn, agent, rules};
use gateway_testkit::{RawClient, request};
use serde_json::{Value, json};

async fn send(server: &Server, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut client = RawClient::connect(server.addr()).await;
    client
        .send(&request(method, path, &[("content-type", "application/json")], body.as_bytes()))
        .await;
    let (head, body) = client.reply().await;
    (head.status, String::from_utf8(body.bytes.to_vec()).expect("UTF-8"))
}

fn chat(more: &Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

#[test]
fn values_of_other_types_are_refused() {
    let tool = |schema: Value| json!({"tools": [{"type": "function", "function": {"name": "A", "parameters": schema}}]});
    let message = |message: Value| json!({"messages": [message]});
    let plain = Model { capabilities: Some(Vec::new()), ..Model::new("m") };
    let oss = Model::gpt_oss("m");
    let new = Model::new("m");
    let property = |schema: Value| tool(json!({"type": "object", "properties": {"a": schema}}));
    for (model, more, part) in [
        (&new, json!({"anything": 1, "metadata": {}}), ""),
        (&new, json!({"model": ""}), "model is required"),
        (&new, json!({"model": "other"}), "model 'other' not found"),
        (&new, json!({"model": "m:latest"}), ""),
        (
            &new,
            json!({"stream": "yes"}),
            "cannot unmarshal string into Go struct field ChatRequest.stream of type bool",
        ),
        (
            &new,
            message(json!({"role": "user", "content": [{"type": "text", "text": "a"}]})),
            "cannot unmarshal array into Go struct field ChatRequest.messages.content of type string",
        ),
        (&new, message(json!({"role": "developer", "content": "a"})), "invalid role: developer"),
        (&new, message(json!({"role": "user", "content": "a", "images": ["iVBORw0KGgo="]})), ""),
        (
            &new,
            message(
                json!({"role": "user", "content": "a", "images": ["data:image/png;base64,iVBORw0KGgo="]}),
            ),
            "illegal base64 data at input byte 4",
        ),
        (
            &plain,
            message(json!({"role": "user", "content": "a", "images": ["iVBORw0KGgo="]})),
            "missing data required for image input",
        ),
        (
            &new,
            message(
                json!({"role": "assistant", "tool_calls": [{"function": {"name": "A", "arguments": "{}"}}]}),
            ),
            "cannot unmarshal string into Go struct field ChatRequest.messages.tool_calls.function.arguments",
        ),
        (
            &new,
            message(
                json!({"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "A", "arguments": {}}}]}),
            ),
            "",
        ),
        (&new, tool(json!({"type": "object", "properties": {}})), ""),
        (&plain, tool(json!({"type": "object", "properties": {}})), "does not support tools"),
        (&new, tool(json!({"type": ["object"]})), "of type string"),
        (&new, property(json!(true)), "of type api.ToolProperty"),
        (&new, property(json!({"type": ["string", "null"], "enum": [1], "oneOf": 7})), ""),
        (&new, property(json!({"description": 7})), "of type string"),
        (&new, property(json!({"required": true})), "of type []string"),
        (&new, property(json!({"anyOf": [true]})), "of type api.ToolProperty"),
        (
            &new,
            json!({"options": {"num_ctx": "64k"}}),
            "option \"num_ctx\" must be of type integer",
        ),
        (&new, json!({"options": {"temperature": true}}), "must be of type float32"),
        (&new, json!({"options": {"stop": "x"}}), "must be of type array"),
        (&new, json!({"format": 7}), "invalid format"),
        (&new, json!({"format": {"type": "object"}}), ""),
        (&new, json!({"think": "xhigh"}), "invalid think value: \"xhigh\""),
        (&oss, json!({"think": "low"}), ""),
        (&plain, json!({"think": true}), "\"m\" does not support thinking"),
        (&plain, json!({"think": false}), ""),
    ] {
        let told = rules::check(&chat(&more), model).err().map(|refusal| refusal.message);
        match part {
            "" => assert_eq!(told, None, "{more}"),
            part => {
                assert!(
                    told.as_deref().is_some_and(|told| told.contains(part)),
                    "{more}: {told:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn its_addresses() {
    let server = Server::queue(Model::new("m"), [Turn::text("hi")]);
    for (method, path, body, status, part) in [
        ("GET", "/", "", 200, "Ollama is running"),
        ("GET", "/api/version", "", 200, "\"version\""),
        ("GET", "/api/tags", "", 200, "\"name\":\"m\""),
        ("POST", "/api/show", r#"{"model":"m"}"#, 200, "\"qwen3moe.context_length\":262144"),
        ("POST", "/api/show", r#"{"name":"m"}"#, 200, "\"capabilities\":[\"completion\",\"tools\""),
        ("POST", "/api/show", r#"{"model":"x"}"#, 404, r#"{"error":"model 'x' not found"}"#),
        ("GET", "/api/chat", "", 405, "405 method not allowed"),
        ("POST", "/v1/api/chat", "{}", 404, "404 page not found"),
        ("POST", "/api/chat", "", 400, "missing request body"),
        ("POST", "/api/chat", "{", 400, "EOF"),
        (
            "POST",
            "/api/chat",
            &chat(&json!({"stream": false})).to_string(),
            200,
            "\"done_reason\":\"stop\"",
        ),
    ] {
        let (found, said) = send(&server, method, path, body).await;
        assert_eq!(found, status, "{method} {path}: {said}");
        assert!(said.contains(part), "{method} {path}: {said}");
    }
    server.change(|model| model.key = Some("right".to_owned()));
    let (status, said) = send(&server, "GET", "/api/tags", "").await;
    assert_eq!((status, &*said), (401, r#"{"error":"unauthorized"}"#));
    assert_eq!((server.turns().len(), server.leaks().len()), (4, 0));
}

#[tokio::test]
async fn r41_what_does_not_fit_is_cut_and_that_is_on_record() {
    let server = Server::start(Model::old("m").length(1000), |_| Turn::text("hi"));
    let long = "word ".repeat(2000);
    let ask = |options: Value, truncate: Value| {
        chat(&json!({"stream": false, "options": options, "truncate": truncate, "messages": [{"role": "user", "content": long}]})).to_string()
    };
    let (status, said) =
        send(&server, "POST", "/api/chat", &ask(json!({"num_ctx": 999_999}), json!(false))).await;
    assert!(status == 200 && said.contains("\"prompt_eval_count\":1000"), "{said}");
    let cut = server.seen()[0].cut.expect("it was cut");
    assert_eq!((cut.prompt > 2500, cut.window), (true, 1000));
    assert!(server.harm()[0].starts_with("0: cut "), "{:?}", server.harm());
    server.change(|model| model.knows_truncate = true);
    let (status, said) = send(&server, "POST", "/api/chat", &ask(json!({}), json!(false))).await;
    assert!(
        status == 400 && said.contains("the input length exceeds the context length"),
        "{said}"
    );
    server.change(|model| model.length = 100_000);
    for options in
        [json!({}), json!({"num_ctx": 8192}), json!({"num_ctx": 8192}), json!({"num_ctx": 16384})]
    {
        send(&server, "POST", "/api/chat", &ask(options, Value::Null)).await;
    }
    assert_eq!(server.loads(), [1000, 4096, 8192, 16_384]);
    assert_eq!(server.harm().len(), 1, "{:?}", server.harm());
}

#[tokio::test]
async fn answers_come_line_by_line_and_calls_whole() {
    let steps = [Turn::reasoning(&["hm"])
        .and_text("Let me see.")
        .and_call("A", &json!({"q": "é"}))
        .and_call("A", &json!({}))];
    let server = Server::start(Model::new("m"), agent(steps, Turn::text("done")));
    let tools = json!([{"type": "function", "function": {"name": "A", "parameters": {"type": "object", "properties": {}}}}]);
    let (_, said) =
        send(&server, "POST", "/api/chat", &chat(&json!({"tools": tools})).to_string()).await;
    let lines: Vec<Value> =
        said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[0]["message"], json!({"role": "assistant", "content": "", "thinking": "hm"}));
    let calls: Vec<&Value> =
        lines.iter().filter_map(|line| line["message"].get("tool_calls")).collect();
    assert_eq!((calls.len(), &calls[0][0]["function"]["arguments"]), (2, &json!({"q": "é"})));
    let last = &lines[lines.len() - 1];
    assert_eq!(
        (&last["done"], &last["done_reason"], &last["eval_count"]),
        (&json!(true), &json!("stop"), &json!(50))
    );
    // Results in order lead to the end; what is odd is on record.
    let call = |at: usize| calls[at][0].clone();
    let result = |at: usize| json!({"role": "tool", "tool_name": "A", "tool_call_id": call(at)["id"], "content": "r"});
    let mut asked = chat(&json!({"tools": tools, "stream": false, "think": false}));
    let history = asked["messages"].as_array_mut().expect("a list");
    history.extend([
        json!({"role": "assistant", "content": "", "tool_calls": [call(0), call(1)]}),
        result(1),
        result(0),
    ]);
    let (_, said) = send(&server, "POST", "/api/chat", &asked.to_string()).await;
    assert!(said.contains("\"content\":\"done\""), "{said}");
    assert_eq!(server.harm(), [""; 0]);
    asked["messages"] = json!([{"role": "assistant", "content": "", "tool_calls": [call(0)]}, {"role": "user", "content": ""}, result(0)]);
    send(&server, "POST", "/api/chat", &asked.to_string()).await;
    assert_eq!(server.harm().len(), 3, "{:?}", server.harm());
}

#[tokio::test]
async fn faults_are_as_scripted() {
    let error = Fault::Error { code: String::new(), message: "it broke".to_owned() };
    let turns = [
        Turn::text("abcdefghijklmnop").fault(error.clone()),
        Turn::text("abc").fault(error),
        Turn::text("abc").fault(Fault::EndAt(40)),
        Turn::text("abc").finish(Finish::Length),
        Turn::text("abc").finish(Finish::Null),
        Turn::default().finish(Finish::Word("load")),
        Turn::error(
            Refusal::new("server busy, please try again.  maximum pending requests exceeded")
                .status(503, ""),
        ),
    ];
    let server = Server::queue(Model::old("m"), turns);
    for (streams, status, ends, parts) in [
        (true, 200, "{\"error\":\"it broke\"}\n", 3),
        (false, 200, "{\"error\":\"it broke\"}", 1),
        (true, 200, "", 1),
        (true, 200, "", 2),
        (true, 200, "\"done\":false", 1),
        (true, 200, "", 1),
        (true, 503, "maximum pending requests exceeded\"}", 1),
    ] {
        let (found, said) =
            send(&server, "POST", "/api/chat", &chat(&json!({"stream": streams})).to_string())
                .await;
        assert_eq!((found, said.lines().count()), (status, parts), "{said}");
        assert!(said.contains(ends), "{said}");
    }
    let (_, said) = send(&server, "POST", "/api/chat", &chat(&json!({})).to_string()).await;
    assert!(said.contains("the script is over"), "{said}");
}
