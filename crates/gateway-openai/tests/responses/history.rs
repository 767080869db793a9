//! What conversations become: system messages, turns, results, images and documents.

use gateway_openai::Quirks;
use gateway_types::Feature;
use serde_json::{Value, json};

use crate::support::{Upstream, conversation, hello, says};

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

#[test]
fn r34_system_becomes_instructions_without_the_billing_line() {
    let system = json!([
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=1;"},
        {"type": "text", "text": "One \"line\"", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": ""},
        {"type": "text", "text": "two"},
    ]);
    let request = hello(&json!({ "system": system }));
    says("gpt-5.1", &request, &[("/instructions", json!("One \"line\"\n\ntwo"))]);
    assert_eq!(Upstream::of("o3").losses(&request), ["hint system[0]", "hint cache_control"]);
    says("o3", &hello(&json!({"system": "s"})), &[("/instructions", json!("s"))]);
    says("o3", &hello(&json!({"system": []})), &[("/instructions", Value::Null)]);
}

#[test]
fn r34_marks_of_the_system_prompt_stay_where_the_model_knows_them() {
    let text = |text: &str, marked: bool| {
        let mut block = json!({"type": "text", "text": text});
        if marked {
            block["cache_control"] = json!({"type": "ephemeral"});
        }
        block
    };
    let system =
        json!([text("x-anthropic-billing-header: a;", true), text("S", true), text("T", false)]);
    let request = hello(&json!({ "system": system }));
    let upstream = Upstream::of("gpt-5.6-terra");
    let body = upstream.body(&request);
    assert!(body["instructions"].is_null());
    assert_eq!(
        body["input"][0],
        json!({"type": "message", "role": "developer", "content": [
            {"type": "input_text", "text": "S", "prompt_cache_breakpoint": {"mode": "explicit"}},
            {"type": "input_text", "text": "T"},
        ]})
    );
    assert_eq!(upstream.losses(&request), ["hint system[0]"]);
    // The next turn begins with the same bytes, wherever the caller's marks have moved.
    let mut next = request.clone();
    next["messages"] = json!([
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hi"},
        {"role": "user", "content": [text("more", true)]},
    ]);
    let bytes = |request: &Value| upstream.encode(request).expect("can be said").body;
    let (first, second) = (bytes(&request), bytes(&next));
    let turn = first.find("]}],").expect("the end of the input");
    assert_eq!(first[..turn], second[..turn]);
    assert_eq!(upstream.losses(&next), ["hint system[0]", "hint cache_control"]);
    // The service takes four.
    let many: Vec<Value> = (0..6).map(|n| text(&n.to_string(), true)).collect();
    let body = upstream.body(&hello(&json!({ "system": many })));
    let marks: Vec<bool> = (0..6)
        .map(|n| !body["input"][0]["content"][n]["prompt_cache_breakpoint"].is_null())
        .collect();
    assert_eq!(marks, [false, false, true, true, true, true]);

    let plain = |upstream: &Upstream, why: &str| {
        let body = upstream.body(&request);
        assert_eq!(body["instructions"], "S\n\nT", "{why}");
        assert!(!body.to_string().contains("prompt_cache_breakpoint"), "{why}");
    };
    plain(&Upstream::of("gpt-5.1"), "an older model");
    let mut elsewhere = upstream.clone();
    elsewhere.egress.quirks = Quirks::for_base("https://x.openai.azure.com/openai/v1");
    plain(&elsewhere, "another service");
    let mut dropped = upstream.clone();
    dropped.egress.quirks.drop_fields = vec!["prompt_cache_breakpoint".to_owned()];
    plain(&dropped, "as configuration says");
    let refused =
        Upstream { without: &[Feature::Field("prompt_cache_breakpoint")], ..upstream.clone() };
    plain(&refused, "as the server said");
}

#[test]
fn r34_a_document_in_the_system_prompt_is_text_or_refused() {
    let document = |source: Value| {
        hello(&json!({"system": [{"type": "text", "text": "a"},
            {"type": "document", "title": "T", "source": source}, {"type": "text", "text": "b"}]}))
    };
    let plain = document(json!({"type": "text", "media_type": "text/plain", "data": "IMPORTANT"}));
    let body = Upstream::of("gpt-5.6-terra").body(&plain);
    let told = body["instructions"].as_str().expect("a text");
    assert!(told.starts_with("a\n\n") && told.ends_with("\n\nb"), "{told}");
    assert!(told.contains("IMPORTANT") && told.contains('T'), "{told}");
    let pdf =
        document(json!({"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}));
    let refusal = Upstream::of("gpt-5.6-terra").refusal(&pdf);
    assert!(refusal.starts_with("system[1]: "), "{refusal}");
}

#[test]
fn r24_system_messages_stand_in_place_as_the_developers() {
    let request = conversation(json!([
        {"role": "user", "content": "hi"},
        {"role": "system", "content": "mind"},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ]));
    says(
        "gpt-5.6-terra",
        &request,
        &[
            ("/input/0/role", json!("user")),
            ("/input/1/role", json!("developer")),
            ("/input/1/content/0", json!({"type": "input_text", "text": "mind"})),
            ("/input/2/role", json!("assistant")),
            ("/input/2/content/0", json!({"type": "output_text", "text": "yes"})),
            ("/input/2/phase", json!("final_answer")),
            ("/input/3/content/1/text", json!("b")),
            ("/input/4", Value::Null),
        ],
    );
    // A model that knows no phases is told of none.
    says("gpt-5-codex", &request, &[("/input/2/phase", Value::Null)]);
    let mut upstream = Upstream::of("gpt-4.1");
    upstream.egress.quirks.developer_role = false;
    assert_eq!(upstream.body(&request)["input"][1]["role"], "system");
    upstream.egress.quirks.system_anywhere = false;
    let aside = &upstream.body(&request)["input"][1];
    assert_eq!(
        (&aside["role"], &aside["content"][0]["text"]),
        (&json!("user"), &json!("<system-reminder>"))
    );
}

#[test]
fn calls_and_results_keep_the_order_of_the_turn() {
    let request = conversation(json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [
            {"type": "text", "text": "first"},
            {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"a": [2.5], "b": 1}},
            {"type": "text", "text": "then"},
            {"type": "tool_use", "id": "toolu_2", "name": "Bash", "input": {}},
        ]},
        {"role": "user", "content": [
            {"type": "text", "text": "note"},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": "out", "is_error": true},
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": [
                {"type": "text", "text": "x"}, {"type": "text", "text": "y"}]},
        ]},
    ]));
    says(
        "gpt-5.6-terra",
        &request,
        &[
            ("/input/1/content/0/text", json!("first")),
            ("/input/1/phase", json!("commentary")),
            ("/input/2/type", json!("function_call")),
            ("/input/2/call_id", json!("toolu_1")),
            ("/input/2/id", Value::Null),
            ("/input/2/arguments", json!(r#"{"a":[2.5],"b":1}"#)),
            ("/input/3/content/0/text", json!("then")),
            ("/input/4/arguments", json!("{}")),
            ("/input/5/call_id", json!("toolu_1")),
            ("/input/5/output", json!("x\ny")),
            ("/input/6/output", json!("Error: out")),
            ("/input/7/content/0/text", json!("note")),
        ],
    );
}

#[test]
fn r12_missing_results_and_orphans_are_mended_and_told() {
    let request = conversation(json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_9", "content": "lost"}]},
    ]));
    says(
        "o3",
        &request,
        &[
            ("/input/2/output", json!("[no result: interrupted]")),
            ("/input/3/content/0/text", json!("[result of an earlier tool call toolu_9]\n")),
            ("/input/3/content/1/text", json!("lost")),
        ],
    );
    let losses = Upstream::of("o3").losses(&request);
    assert_eq!(losses, ["replaced tool_use toolu_1", "replaced messages[2].content[0]"]);
}

#[test]
fn r27_r28_images_and_files_stay_where_they_are() {
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}});
    let pdf = json!({"type": "document", "title": "the \"plan\"", "source":
        {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"}});
    let request = conversation(json!([
        {"role": "user", "content": [image,
            {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
            {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
            {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "plain"}}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "Read", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "is_error": true,
            "content": [{"type": "text", "text": "see"}, image, pdf]}]},
    ]));
    let url = format!("data:image/png;base64,{PNG}");
    says(
        "gpt-5.6-terra",
        &request,
        &[
            (
                "/input/0/content/0",
                json!({"type": "input_image", "image_url": url, "detail": "auto"}),
            ),
            ("/input/0/content/1/image_url", json!("https://example.com/a.png")),
            (
                "/input/0/content/2",
                json!({"type": "input_file", "file_url": "https://example.com/a.pdf"}),
            ),
            ("/input/0/content/3/text", json!("Document: T\n\nplain")),
            ("/input/2/output/0/text", json!("Error:")),
            ("/input/2/output/1/text", json!("see")),
            ("/input/2/output/2/image_url", json!(url)),
            ("/input/2/output/3/filename", json!("the \"plan\".pdf")),
            ("/input/2/output/3/file_data", json!("data:application/pdf;base64,JVBERi0xLjQK")),
        ],
    );
    let file = conversation(json!([{"role": "user", "content": [
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}}]}]));
    let refusal = Upstream::of("o3").refusal(&file);
    assert!(refusal.starts_with("messages[0].content[0]: "), "{refusal}");
}

#[test]
fn empty_results_and_odd_ids_are_taken() {
    let long = "x".repeat(80);
    let request = conversation(json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": long, "name": "a.b/c", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": long}]},
    ]));
    let body = Upstream::of("o3").body(&request);
    assert_eq!(body["input"][2]["output"], "");
    assert_eq!(body["input"][1]["call_id"], body["input"][2]["call_id"]);
    assert!(body["input"][1]["name"].as_str().is_some_and(|name| !name.contains('.')));
    let mut upstream = Upstream::of("o3");
    upstream.egress.quirks.empty_tool_output = "(no output)".to_owned();
    assert_eq!(upstream.body(&request)["input"][2]["output"], "(no output)");
    // A server may take less than the dialect does, but not more.
    for (most, longest) in [(20, 20), (9, 9), (500, 64)] {
        upstream.egress.quirks.call_id_max = most;
        let body = upstream.body(&request);
        let id = body["input"][1]["call_id"].as_str().expect("an id");
        assert!(id.len() <= longest, "{id}");
        assert_eq!(body["input"][2]["call_id"], id);
    }
}

#[test]
fn r12_calls_of_one_id_are_parted_and_keep_their_results() {
    let call = |n: u64| json!({"type": "tool_use", "id": "t", "name": "A", "input": {"n": n}});
    let result = |n: &str| json!({"type": "tool_result", "tool_use_id": "t", "content": n});
    let request = conversation(json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [call(1), call(2), call(3)]},
        {"role": "user", "content": [result("1"), result("2"), result("3")]},
    ]));
    let body = Upstream::of("gpt-5.6-terra").body(&request);
    let ids: Vec<&str> =
        (1..4).map(|at| body["input"][at]["call_id"].as_str().expect("an id")).collect();
    assert!(ids[0] == "t" && ids[1] != "t" && ids[2] != "t" && ids[1] != ids[2], "{ids:?}");
    for (at, id) in ids.iter().enumerate() {
        assert_eq!(body["input"][at + 4]["call_id"], *id);
        assert_eq!(body["input"][at + 4]["output"], (at + 1).to_string());
    }
    assert_eq!(body, Upstream::of("gpt-5.6-terra").body(&request), "the same each time");
}

#[test]
fn r27_images_leave_results_where_they_may_not_stand() {
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}});
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "A", "input": {}});
    let request = conversation(json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [call("t"), call("u")]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "see"}, image]},
            {"type": "tool_result", "tool_use_id": "u", "content": "ok"},
            {"type": "text", "text": "well?"},
        ]},
    ]));
    let mut upstream = Upstream::of("gpt-4.1");
    assert_eq!(upstream.body(&request)["input"][3]["output"][1]["type"], "input_image");
    upstream.egress.quirks.tool_images = false;
    let input = upstream.body(&request)["input"].clone();
    assert_eq!(input[3]["output"], "see\n[image 1 of result t is attached below]");
    assert_eq!(input[4]["output"], "ok");
    assert_eq!(input[5]["content"][0]["text"], "[image 1 of result t]");
    assert_eq!(input[5]["content"][1]["type"], "input_image");
    assert_eq!(input[6]["content"][0]["text"], "well?");
}

#[test]
fn a_history_of_searches_is_told_as_text() {
    let request = conversation(json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [
            {"type": "text", "text": "I look."},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "rust \"x\""}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [
                {"type": "web_search_result", "title": "T", "url": "https://e.example", "encrypted_content": "x", "page_age": null}]},
            {"type": "text", "text": "Found."}]},
        {"role": "user", "content": "more"},
    ]));
    says(
        "gpt-4.1",
        &request,
        &[
            ("/input/1/content/1/text", json!("[web_search: rust \"x\"]")),
            ("/input/1/content/2/text", json!("[found:\n- T: https://e.example]")),
            ("/input/1/content/3/text", json!("Found.")),
        ],
    );
}

#[test]
fn a_turn_to_go_on_with_is_asked_for() {
    let request = conversation(json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": "The answer is"},
    ]));
    let body = Upstream::of("gpt-4.1").body(&request);
    assert_eq!(body["input"][2]["role"], "user");
    assert_eq!(Upstream::of("gpt-4.1").losses(&request), ["replaced messages[1]"]);
}

#[test]
fn r25_blocks_nobody_knows_never_go_up() {
    let request = conversation(json!([
        {"role": "user", "content": [{"type": "novel", "x": 1}, {"type": "text", "text": "hi"}]},
        {"role": "assistant", "content": [{"type": "novel"}, {"type": "text", "text": "yes"}]},
        {"role": "user", "content": "more"},
    ]));
    let upstream = Upstream::of("gpt-4.1");
    assert!(!upstream.body(&request).to_string().contains("novel"));
    assert_eq!(
        upstream.losses(&request),
        ["dropped messages[0].content[0]", "dropped messages[1].content[0]"]
    );
    let nothing = conversation(json!([{"role": "user", "content": ""}]));
    assert!(upstream.refusal(&nothing).starts_with("messages: "));
}

#[test]
fn r15_what_cant_be_shown_in_an_earlier_turn_is_told_of() {
    let file = json!({"type": "image", "source": {"type": "file", "file_id": "f"}});
    let mut said = vec![json!({"role": "user", "content": [file]})];
    let upstream = Upstream::of("gpt-5.1");
    let now = upstream.refusal(&conversation(json!(said)));
    assert!(now.starts_with("messages[0].content[0]: "), "{now}");
    said.push(json!({"role": "assistant", "content": "ok"}));
    said.push(json!({"role": "user", "content": "go on"}));
    let request = conversation(json!(said));
    assert!(upstream.body(&request)["input"][0].to_string().contains("[image omitted: "));
    assert_eq!(upstream.losses(&request), ["dropped messages[0].content[0]"]);
}
