//! Signatures that the caller carries from one step to the next (R15, R16).

use gateway_testkit::google::{BYPASSES, Part, Rules, Style, Turn};
use gateway_translate::Keyring;
use gateway_types::Feature;
use serde_json::{Value, json};

use crate::support::{Upstream, frame, hello, kinds, losses, parse, short, stream, styles};

const MODEL: &str = "gemini-3.1-pro-preview";

/// What callers ask of thinking: those that keep it, and those that do not.
fn first(thinking: &Value) -> Value {
    hello(&json!({
        "stream": true,
        "thinking": thinking,
        "tools": [{"name": "Bash", "input_schema": {"type": "object"}}],
    }))
}

fn kept() -> Value {
    json!({"type": "adaptive"})
}

/// The request that follows upon `message`: its content, and the results of its calls.
fn next(request: &Value, message: &Value) -> Value {
    let content = message["content"].as_array().expect("blocks");
    let results: Vec<Value> = content
        .iter()
        .filter(|block| block["type"] == "tool_use")
        .map(|block| json!({"type": "tool_result", "tool_use_id": block["id"], "content": "ok"}))
        .collect();
    let mut request = request.clone();
    let messages = request["messages"].as_array_mut().expect("messages");
    messages.push(json!({"role": "assistant", "content": content}));
    let results = if results.is_empty() { json!("go on") } else { json!(results) };
    messages.push(json!({"role": "user", "content": results}));
    request
}

/// The parts of the model, in order.
fn parts(body: &Value) -> Vec<Value> {
    let contents = body["contents"].as_array().expect("contents").iter();
    contents
        .filter(|content| content["role"] == "model")
        .flat_map(|content| content["parts"].as_array().expect("parts").clone())
        .collect()
}

fn bypassed(body: &Value) -> usize {
    let text = body.to_string();
    BYPASSES.iter().map(|value| text.matches(value).count()).sum()
}

/// The server's own parts of the answer to `request`.
fn said(upstream: &Upstream, request: &Value, turn: &Turn) -> Vec<Value> {
    let body = parse(&upstream.encode(request).expect("can be said"));
    let answer: Value = serde_json::from_str(&upstream.answer(&body, false, turn)).expect("JSON");
    answer["candidates"][0]["content"]["parts"].as_array().expect("parts").clone()
}

fn steps() -> Vec<Turn> {
    vec![
        Turn::reasoning(&["hm"])
            .and_text("I look.")
            .and_call("Bash", &json!({"n": 1.0, "t": "é\n"})),
        Turn::call("Bash", &json!({"b": {"z": 1, "a": [null, true]}})).and_call("Bash", &json!({})),
        Turn::reasoning(&["more"]).and_call("Bash", &json!({"n": 3})),
    ]
}

/// Every signature goes back on the part it came on, and none is made up: through clients that keep
/// thinking and such that do not, as long as the signature is short.
#[test]
fn r16_signatures_go_back_where_they_came_from() {
    for vertex in [false, true] {
        for (style, ways) in styles() {
            for thinking in [
                kept(),
                json!({"type": "adaptive", "display": "omitted"}),
                json!({"type": "disabled"}),
            ] {
                let long = ways.signature > 1000;
                let hidden = thinking["type"] == "disabled";
                let upstream = if vertex { Upstream::vertex(MODEL) } else { Upstream::of(MODEL) };
                let mut request = first(&thinking);
                let mut wanted = Vec::new();
                for step in steps() {
                    let turn = step.style(ways.clone());
                    let calls = |parts: Vec<Value>| -> Vec<Value> {
                        let calls = parts.into_iter().filter(|p| p.get("functionCall").is_some());
                        calls
                            .map(|part| {
                                json!([part["functionCall"]["id"], part["thoughtSignature"]])
                            })
                            .collect()
                    };
                    wanted.extend(calls(said(&upstream, &request, &turn)));
                    let message = upstream.ask(&request, &turn);
                    request = next(&request, &message);
                    let body = upstream.body(&request);
                    if hidden && long {
                        assert!(bypassed(&body) > 0, "{style}");
                        continue;
                    }
                    assert_eq!(calls(parts(&body)), wanted, "{style} {thinking}");
                    assert_eq!(bypassed(&body), 0);
                }
            }
        }
    }
}

/// A text that was signed, and a call behind it.
fn signed_text(text: &str) -> Turn {
    Turn::default().and(Part::RawSigned(json!({"text": text}))).and_call("Bash", &json!({}))
}

#[test]
fn r16_the_signed_end_of_a_text_is_told_apart() {
    let upstream = Upstream::of(MODEL);
    let turn = signed_text("abcdefghij").style(Style { piece: 7, ..Style::default() });
    let message = upstream.ask(&first(&kept()), &turn);
    assert_eq!(kinds(&message), ["text", "thinking", "thinking", "tool_use"]);
    let back = parts(&upstream.body(&next(&first(&kept()), &message)));
    assert_eq!((&back[0]["text"], &back[1]["text"]), (&json!("abcdefg"), &json!("hij")));
    assert!(back[0].get("thoughtSignature").is_none() && back[1]["thoughtSignature"].is_string());
    // A text that was changed is not the one that was signed.
    let mut edited = message;
    edited["content"][0]["text"] = json!("abc");
    let back = parts(&upstream.body(&next(&first(&kept()), &edited)));
    assert_eq!(back[0], json!({"text": "abc"}));
    // Without a text it is a part of its own.
    let message = upstream.ask(&first(&kept()), &signed_text(""));
    let back = parts(&upstream.body(&next(&first(&kept()), &message)));
    assert!(back[0]["text"] == "" && back[0]["thoughtSignature"].is_string(), "{back:?}");
}

/// Claude Code shows the last block as the answer: an empty thought there would empty it.
#[test]
fn no_block_stands_behind_the_last_words_of_an_answer() {
    for (style, ways) in styles() {
        let turn = Turn::reasoning(&["one"]).and_text("The answer.").style(ways);
        let message = Upstream::of(MODEL).ask(&first(&kept()), &turn);
        assert_eq!(kinds(&message), ["thinking", "text"], "{style}");
        let back = parts(&Upstream::of(MODEL).body(&next(&first(&kept()), &message)));
        let text = back.last().expect("a part");
        assert_eq!(text["text"], "The answer.", "{style}");
    }
}

#[test]
fn r16_an_edited_call_is_another_call() {
    for thinking in [kept(), json!({"type": "disabled"})] {
        let upstream = Upstream::of(MODEL);
        let request = first(&thinking);
        let mut message = upstream.ask(&request, &Turn::call("Bash", &json!({"n": 1})));
        let call = message["content"].as_array().expect("blocks").len() - 1;
        message["content"][call]["input"]["n"] = json!(2);
        let body = upstream.body(&next(&request, &message));
        assert_eq!(bypassed(&body), 1, "the signature stays at home: {body:#}");
    }
}

/// Calls that nobody signed: one of a turn that is over, three of the one that goes on.
fn unsigned_calls() -> Value {
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "Bash", "input": {"n": id}});
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "ok"});
    let mut request = first(&kept());
    request["messages"] = json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [call("toolu_1")]},
        {"role": "user", "content": [result("toolu_1"), {"type": "text", "text": "and then"}]},
        {"role": "assistant", "content": [call("toolu_2"), call("toolu_3")]},
        {"role": "user", "content": [result("toolu_3"), result("toolu_2")]},
        {"role": "assistant", "content": [call("toolu_4")]},
        {"role": "user", "content": [result("toolu_4")]},
    ]);
    request
}

#[test]
fn r16_the_bypass_stands_on_the_first_call_of_every_step() {
    let request = unsigned_calls();
    for (model, wanted) in [(MODEL, [true, true, false, true]), ("gemini-2.5-pro", [false; 4])] {
        let body = Upstream::of(model).body(&request);
        let signed: Vec<bool> =
            parts(&body).iter().map(|part| part.get("thoughtSignature").is_some()).collect();
        assert_eq!(signed, wanted, "{model}");
        let with_ids = parts(&body).iter().all(|part| part["functionCall"]["id"].is_string());
        assert_eq!(with_ids, model == MODEL, "ids are made up for models that match by them");
    }
}

/// A conversation that grows by a message keeps what was sent before as it was.
#[test]
fn r35_turns_that_are_over_stay_as_they_were() {
    let request = unsigned_calls();
    for without in [&[][..], &[Feature::UnsignedCalls], &[Feature::ReasoningState]] {
        let upstream = Upstream { without, ..Upstream::of(MODEL) };
        let contents = |messages: usize| {
            let mut shorter = request.clone();
            shorter["messages"].as_array_mut().expect("messages").truncate(messages);
            let contents = upstream.body(&shorter)["contents"].clone();
            contents.as_array().expect("contents").clone()
        };
        let whole = contents(7);
        for messages in [1, 3, 5] {
            let shorter = contents(messages);
            assert_eq!(shorter, whole[..shorter.len()], "{messages} messages without {without:?}");
        }
    }
}

/// Routes that want real signatures alone see such steps as text; those that were signed stay calls.
#[test]
fn r16_where_the_bypass_is_refused_unsigned_steps_are_told_as_text() {
    let mut upstream = Upstream::of(MODEL);
    upstream.rules = Rules::studio(MODEL).without_bypass();
    let request = unsigned_calls();
    let encoded = upstream.encode(&request).expect("can be said");
    let refusal = upstream.check(&parse(&encoded)).expect_err("the bypass");
    assert!(refusal.message.contains("hought signature"), "{}", refusal.message);
    // The first lesson is of no use here: it changes nothing or nothing that helps.
    upstream.without = &[Feature::ReasoningState];
    assert!(upstream.check(&parse(&upstream.encode(&request).expect("said"))).is_err());
    assert_eq!(Feature::ReasoningState.instead(), Some(Feature::UnsignedCalls));
    for without in
        [&[Feature::UnsignedCalls][..], &[Feature::ReasoningState, Feature::UnsignedCalls]]
    {
        upstream.without = without;
        let body = upstream.body(&request);
        assert_eq!(bypassed(&body), 0);
        let said = parts(&body);
        assert_eq!(said[0]["text"], "[The tool `Bash` was called with {\"n\":\"toolu_1\"}]");
        assert_eq!(said.len(), 4);
        let results = body["contents"][2]["parts"].clone();
        assert_eq!(results[0]["text"], "[The tool `Bash` returned:\nok]");
        assert_eq!(results[1]["text"], "and then");
        let told = upstream.losses(&request);
        let told = told.iter().filter(|loss| loss.starts_with("replaced messages[")).count();
        assert_eq!(told, 4);
    }
    // What the model signed itself stays a call.
    upstream.without = &[Feature::UnsignedCalls];
    let turn = Turn::call("Bash", &json!({"n": 1})).and_call("Bash", &json!({"n": 2}));
    let message = upstream.ask(&request, &turn);
    let said = parts(&upstream.body(&next(&request, &message)));
    assert_eq!(said.iter().filter(|part| part.get("functionCall").is_some()).count(), 2);
}

/// A signature behind a call without one may be that call's: it is sent back without, which is told.
#[test]
fn r16_a_signature_behind_its_call_is_told_as_lost() {
    for (signed, lost) in [(false, Some("dropped=thoughtSignature")), (true, None)] {
        let mut call = json!({"functionCall": {"name": "Bash", "args": {}}});
        if signed {
            call["thoughtSignature"] = json!("AAEC");
        }
        let text =
            stream(&[frame(json!([call, {"text": "", "thoughtSignature": "AAEC"}]), "STOP")]);
        for thinking in [kept(), json!({"type": "disabled"})] {
            let upstream = Upstream::of(MODEL);
            let mut reader = upstream.encode(&first(&thinking)).expect("can be said").reader;
            let (out, fault) = short(&mut *reader, &[text.as_bytes()]);
            assert!(fault.is_none() && out.contains(".tool_use "), "{out}");
            assert_eq!(reader.losses().header().as_deref(), lost, "{thinking}");
        }
    }
}

/// Whatever stands behind the last words, it makes no empty thought there.
#[test]
fn no_empty_thought_ends_an_answer() {
    let trace = json!({"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "id": "s1", "args": {}}});
    let mut signed_trace = trace.clone();
    signed_trace["thoughtSignature"] = json!("AAEC");
    let thought = json!({"text": "hm", "thought": true, "thoughtSignature": "AAEC"});
    let bare = json!({"text": "", "thought": true, "thoughtSignature": "AAEC"});
    let signed = json!({"text": "The answer.", "thoughtSignature": "AAEC"});
    let plain = json!({"text": "The answer."});
    let omitted = json!({"type": "adaptive", "display": "omitted"});
    for (thinking, said, wanted, lost) in [
        (kept(), json!([plain, trace]), "T:The answer./.", Some("dropped=toolCall")),
        (
            kept(),
            json!([trace, plain, trace, {"text": ""}]),
            "H:~/T:The answer./.",
            Some("dropped=toolCall"),
        ),
        (kept(), json!([signed, signed_trace]), "T:The answer./.", Some("dropped=toolCall")),
        (kept(), json!([signed, {"hologram": {}}]), "T:The answer./.", Some("dropped=part")),
        (kept(), json!([plain, bare]), "T:The answer./.", None),
        (kept(), json!([signed, bare]), "T:The answer./.", None),
        (omitted.clone(), json!([thought, plain, thought]), "H:~/T:The answer./.", None),
        (
            omitted.clone(),
            json!([plain, thought, plain]),
            "T:The answer./H:~/T:The answer./.",
            None,
        ),
        // Behind it comes a call: there it stays.
        (
            kept(),
            json!([signed, trace, {"functionCall": {"name": "Bash"}}]),
            "T:The answer./H:~/H:~/C:",
            None,
        ),
        (
            omitted,
            json!([plain, thought, {"functionCall": {"name": "Bash"}}]),
            "T:The answer./H:~/C:",
            None,
        ),
    ] {
        let text = stream(&[frame(said.clone(), "STOP")]);
        let mut reader = Upstream::of(MODEL).encode(&first(&thinking)).expect("can be said").reader;
        let (out, fault) = short(&mut *reader, &[text.as_bytes()]);
        assert!(fault.is_none() && out.starts_with(wanted), "{out} for {said}");
        assert_eq!(reader.losses().header().as_deref(), lost, "{said}");
    }
}

#[test]
fn r13_r14_what_others_signed_stays_at_home_and_is_told() {
    let mut request = first(&kept());
    request["messages"] = json!([
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "theirs", "signature": "EqQBCkYIBxgCKkA"},
            {"type": "redacted_thinking", "data": "EqQBCkY"},
            {"type": "thinking", "thinking": "nobody's", "signature": ""},
            {"type": "text", "text": "b"}]},
        {"role": "user", "content": "c"},
    ]);
    let encoded = Upstream::of(MODEL).encode(&request).expect("can be said");
    assert!(!encoded.body.contains("theirs") && !encoded.body.contains("EqQB"));
    let dropped =
        losses(&encoded).iter().filter(|loss| loss.starts_with("dropped messages[1]")).count();
    assert_eq!(dropped, 3);
}

#[test]
fn r13_state_belongs_to_one_platform_account_and_generation() {
    let home = Upstream::of(MODEL);
    let request = first(&kept());
    let message = home.ask(&request, &Turn::reasoning(&["t"]).and_call("Bash", &json!({})));
    let history = next(&request, &message);
    let real = |upstream: &Upstream| {
        let body = parse(&upstream.encode(&history).expect("can be said"));
        body.to_string().contains("thoughtSignature") && bypassed(&body) == 0
    };
    assert!(real(&home));
    let sibling = Upstream { model: "gemini-3.8-flash", ..Upstream::of("gemini-3.8-flash") };
    assert!(real(&sibling), "of the same generation");
    for other in [
        Upstream::vertex(MODEL),
        Upstream { provider: "other", ..home.clone() },
        Upstream { account: "second", ..home.clone() },
        Upstream { keys: Keyring::new(["key two"]), ..home.clone() },
        Upstream { model: "gemini-4-argon", ..home.clone() },
    ] {
        assert!(!real(&other));
    }
}

#[test]
fn r16_after_a_refusal_the_bypass_takes_the_place_of_all() {
    let mut upstream = Upstream::of(MODEL);
    let request = first(&kept());
    let message = upstream.ask(&request, &Turn::call("Bash", &json!({})));
    let history = next(&request, &message);
    // The account is another now: its answer teaches to do without.
    upstream.rules = Rules::studio(MODEL).with_account("other");
    let body = parse(&upstream.encode(&history).expect("can be said"));
    let refusal = upstream.check(&body).expect_err("another account's signature");
    let cx = gateway_translate::FaultCx { provider: "google", model: MODEL, prompt_estimate: 1 };
    let fault = gateway_translate::Egress::fault(
        &upstream.egress,
        &cx,
        http::StatusCode::BAD_REQUEST,
        &http::HeaderMap::new(),
        refusal.body().to_string().as_bytes(),
    );
    assert_eq!(fault.remedy, gateway_types::Remedy::Without(Feature::ReasoningState));
    upstream.without = &[Feature::ReasoningState];
    assert_eq!(bypassed(&upstream.body(&history)), 1);
}

#[test]
fn what_google_s_own_tools_did_goes_back_word_for_word() {
    let upstream = Upstream::of(MODEL);
    let mut request = first(&kept());
    request["tools"] = json!([{"name": "Bash", "input_schema": {"type": "object"}},
        {"type": "web_search_20250305", "name": "web_search"}]);
    let trace =
        json!({"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "id": "s1", "args": {"q": "é\""}}});
    let found = json!({"toolResponse": {"toolType": "GOOGLE_SEARCH_WEB", "id": "s1", "response": {"r": [1]}}});
    let turn = Turn::default()
        .and(Part::RawSigned(trace))
        .and(Part::RawSigned(found))
        .and_text("Found it.")
        .and_call("Bash", &json!({"n": 1}));
    let message = upstream.ask(&request, &turn);
    let sent = said(&upstream, &request, &turn);
    let back = parts(&upstream.body(&next(&request, &message)));
    assert_eq!(back, sent);
}

#[test]
fn ids_of_older_models_go_back_only_where_they_gave_some() {
    for (style, ids) in [("google", false), ("ids", true)] {
        let upstream = Upstream::of("gemini-2.5-pro");
        let request = first(&kept());
        let two = Turn::call("Bash", &json!({"n": 1})).and_call("Bash", &json!({"n": 2}));
        let message = upstream.ask(&request, &two.style(Style::named(style)));
        let body = upstream.body(&next(&request, &message));
        for part in parts(&body) {
            assert_eq!(part["functionCall"].get("id").is_some(), ids, "{style}");
        }
    }
    let mut refused = Upstream::of(MODEL);
    refused.without = &[Feature::Field("id")];
    let request = first(&kept());
    let message = refused.ask(&request, &Turn::call("Bash", &json!({})));
    let encoded = refused.encode(&next(&request, &message)).expect("can be said");
    assert!(!encoded.body.contains("\"id\""));
}
