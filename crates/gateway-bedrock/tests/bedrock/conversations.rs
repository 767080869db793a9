//! Conversations at random: each is taken by the strict service, or refused here with what is wrong.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{MODELS, Upstream, hello, tool};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), Just(" \n".to_owned()), "[a-zé\"\\\\]{1,6}"]
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("t1".to_owned()),
        Just("t2".to_owned()),
        Just("x".repeat(70)),
        Just("a b".to_owned())
    ]
}

fn mark() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => Just(Value::Null),
        1 => Just(json!({"type": "ephemeral"})),
        1 => Just(json!({"type": "ephemeral", "ttl": "1h"})),
    ]
}

fn marked(mut block: Value, mark: Value) -> Value {
    if !mark.is_null() {
        block["cache_control"] = mark;
    }
    block
}

fn file() -> impl Strategy<Value = Value> {
    let image = json!({"type": "base64", "media_type": "image/png", "data": "AAAA"});
    let pdf = json!({"type": "base64", "media_type": "application/pdf", "data": "JVBE"});
    let plain = json!({"type": "text", "media_type": "text/plain", "data": "words"});
    prop_oneof![
        Just(json!({"type": "image", "source": image})),
        ".{0,5}".prop_map(
            move |title| json!({"type": "document", "title": title, "source": pdf.clone()})
        ),
        Just(json!({"type": "document", "source": plain})),
    ]
}

fn said() -> impl Strategy<Value = Value> {
    let word = (text(), mark())
        .prop_map(|(text, mark)| marked(json!({"type": "text", "text": text}), mark));
    let inner = prop_oneof![text().prop_map(|text| json!({"type": "text", "text": text})), file()];
    let result = (id(), prop::collection::vec(inner, 0..3), any::<bool>(), mark()).prop_map(
        |(id, content, failed, mark)| {
            let block = json!({
                "type": "tool_result", "tool_use_id": id, "content": content, "is_error": failed,
            });
            marked(block, mark)
        },
    );
    prop_oneof![3 => word, 1 => file(), 3 => result]
}

fn spoken() -> impl Strategy<Value = Value> {
    prop_oneof![
        2 => text().prop_map(|text| json!({"type": "text", "text": text})),
        3 => (id(), any::<bool>(), mark()).prop_map(|(id, long, mark)| {
            let name = if long { "n".repeat(80) } else { "Bash".to_owned() };
            let call = json!({"type": "tool_use", "id": id, "name": name, "input": {"a": "b"}});
            marked(call, mark)
        }),
        1 => text().prop_map(
            |text| json!({"type": "thinking", "thinking": text, "signature": "gw1.AAAA"})
        ),
        1 => Just(json!({"type": "thinking", "thinking": "x", "signature": "c2ln"})),
        1 => Just(json!({"type": "redacted_thinking", "data": "ZGF0YQ=="})),
    ]
}

fn message() -> impl Strategy<Value = Value> {
    let of = |role: &'static str| move |content| json!({"role": role, "content": content});
    prop_oneof![
        4 => prop::collection::vec(said(), 0..4).prop_map(move |c| of("user")(Value::Array(c))),
        4 => prop::collection::vec(spoken(), 0..4)
            .prop_map(move |c| of("assistant")(Value::Array(c))),
        1 => text().prop_map(move |text| of("system")(Value::String(text))),
    ]
}

fn more() -> impl Strategy<Value = Value> {
    let thinking = prop_oneof![
        Just(Value::Null),
        Just(json!({"type": "adaptive"})),
        Just(json!({"type": "disabled"})),
        Just(json!({"type": "enabled", "budget_tokens": 2048})),
    ];
    let effort = prop_oneof![Just(Value::Null), Just(json!("low")), Just(json!("max"))];
    let choice = prop_oneof![
        Just(Value::Null),
        Just(json!({"type": "auto", "disable_parallel_tool_use": true})),
        Just(json!({"type": "none"})),
    ];
    (thinking, effort, choice, any::<bool>(), mark(), text(), any::<bool>()).prop_map(
        |(thinking, effort, choice, tools, mark, system, samples)| {
            let mut more = json!({
                "max_tokens": 8192,
                "system": [marked(json!({"type": "text", "text": system}), mark.clone())],
            });
            if !thinking.is_null() {
                more["thinking"] = thinking;
            }
            if !effort.is_null() {
                more["output_config"] = json!({"effort": effort});
            }
            if tools {
                more["tools"] = json!([tool("Bash"), marked(tool(&"n".repeat(80)), mark)]);
                if !choice.is_null() {
                    more["tool_choice"] = choice;
                }
            }
            if samples {
                more["temperature"] = json!(0.5);
                more["top_p"] = json!(0.5);
                more["top_k"] = json!(5);
            }
            more
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn r12_any_conversation_is_taken_or_refused_with_what_is_wrong(
        model in 0..MODELS.len(),
        messages in prop::collection::vec(message(), 1..7),
        more in more(),
    ) {
        let mut request = hello(&more);
        request["messages"] = Value::Array(messages);
        let mut upstream = Upstream::of(MODELS[model]);
        if let Err(refused) = upstream.taught(request.to_string().as_bytes()) {
            prop_assert!(refused.starts_with("messages"), "{}", refused);
        }
    }
}
