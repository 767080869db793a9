//! Conversations at random: whatever order callers have them in, the strict service takes what goes up.

use gateway_translate::Keyring;
use gateway_types::{Endpoint, Feature};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Upstream, hello, parse};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), Just(" \n".to_owned()), "[a-z\"\\\\\n\u{e9}]{1,8}"]
}

fn source() -> impl Strategy<Value = Value> {
    prop::sample::select(vec!["image/png", "image/heic"]).prop_map(|kind| {
        json!({"type": "image", "source": {"type": "base64", "media_type": kind, "data": "aGk="}})
    })
}

fn pdf() -> Value {
    json!({"type": "document", "title": "t", "source":
        {"type": "base64", "media_type": "application/pdf", "data": "aGk="}})
}

fn id() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "toolu_1",
        "toolu_2",
        "call_3",
        "abc",
        "toolu_gw1_0123456789_YQ",
        "toolu_gw1_s_AAAA",
    ])
    .prop_map(str::to_owned)
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["Bash", "3d.tool", "mcp__x", "gone away"]).prop_map(str::to_owned)
}

fn result() -> impl Strategy<Value = Value> {
    let content = prop_oneof![
        text().prop_map(Value::from),
        prop::collection::vec(
            prop_oneof![
                text().prop_map(|text| json!({"type": "text", "text": text})),
                source(),
                Just(pdf()),
                name().prop_map(|name| json!({"type": "tool_reference", "tool_name": name})),
            ],
            0..3
        )
        .prop_map(Value::from),
    ];
    (id(), content, any::<bool>()).prop_map(|(id, content, failed)| {
        json!({"type": "tool_result", "tool_use_id": id, "content": content, "is_error": failed})
    })
}

fn of_user() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(|text| json!({"type": "text", "text": text})),
        result(),
        source(),
        Just(pdf()),
    ]
}

fn of_model() -> impl Strategy<Value = Value> {
    // Sealed by nobody, by another key, by the right one for something else.
    let marks = ["", "EqQB", "gw1.AAAA"].map(str::to_owned).to_vec();
    prop_oneof![
        text().prop_map(|text| json!({"type": "text", "text": text})),
        (id(), name(), text()).prop_map(|(id, name, text)| json!(
            {"type": "tool_use", "id": id, "name": name, "input": {"t": text}})),
        (text(), prop::sample::select(marks)).prop_map(|(text, signature)| json!(
            {"type": "thinking", "thinking": text, "signature": signature})),
        Just(json!({"type": "redacted_thinking", "data": "x"})),
        Just(
            json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}})
        ),
        Just(json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": []})),
    ]
}

fn message() -> impl Strategy<Value = Value> {
    let said =
        |role: &'static str| move |content: Vec<Value>| json!({"role": role, "content": content});
    prop_oneof![
        prop::collection::vec(of_user(), 1..4).prop_map(said("user")),
        prop::collection::vec(of_model(), 1..5).prop_map(said("assistant")),
        text().prop_map(|text| json!({"role": "system", "content": text})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(5), ..ProptestConfig::default() })]

    #[test]
    fn r12_r16_r26_every_conversation_is_taken(
        messages in prop::collection::vec(message(), 1..8),
        model in prop::sample::select(vec!["gemini-2.5-flash", "gemini-3.1-pro-preview", "gemini-3.8-flash", "gemini-4-argon"]),
        vertex in any::<bool>(),
        counting in any::<bool>(),
        bare in any::<bool>(),
        strict in any::<bool>(),
        thinking in any::<bool>(),
    ) {
        let mut upstream = if vertex { Upstream::vertex(model) } else { Upstream::of(model) };
        if counting {
            upstream.endpoint = Endpoint::CountTokens;
        }
        if bare {
            upstream.without = &[Feature::ReasoningState, Feature::Field("parts")];
            upstream.keys = Keyring::new::<&str>([]);
        }
        if strict {
            upstream.rules = upstream.rules.without_bypass();
            upstream.without = &[Feature::ReasoningState, Feature::UnsignedCalls];
        }
        let mut request = hello(&json!({"messages": messages, "tools": [
            {"name": "Bash", "input_schema": {"type": "object"}},
            {"name": "3d.tool", "input_schema": {"type": "object"}}]}));
        if thinking {
            request["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
        }
        // Only where nothing is left to show is there nothing to send.
        let Ok(encoded) = upstream.encode(&request) else {
            prop_assert!(upstream.refusal(&request).starts_with("messages: "));
            return Ok(());
        };
        let body = parse(&encoded);
        if let Err(refusal) = upstream.check(&body) {
            prop_assert!(false, "{}\n{:#}", refusal.message, body);
        }
        prop_assert_eq!(&upstream.encode(&request).expect("again").body, &encoded.body);
    }
}
