//! Against trees, and against anything.

use proptest::prelude::*;

use super::super::node::{Fate, Node, apply, settle};
use super::*;

/// What the policies below do to a request that holds nothing foreign, done to its tree.
fn done_to_the_tree(body: &mut Value, policy: &Policy) {
    fn marks(blocks: &mut Value) {
        for block in blocks.as_array_mut().into_iter().flatten() {
            block.as_object_mut().expect("an object").remove("cache_control");
            if block["type"] == "tool_result" {
                marks(&mut block["content"]);
            }
        }
    }
    for field in &policy.drop_fields {
        body.as_object_mut().expect("an object").remove(field);
    }
    if policy.strip_output_config {
        body.as_object_mut().expect("an object").remove("output_config");
    }
    if policy.strip_cache_control {
        marks(&mut body["system"]);
        marks(&mut body["tools"]);
    }
    for message in body["messages"].as_array_mut().expect("messages") {
        if policy.strip_cache_control {
            marks(&mut message["content"]);
        }
        if policy.strip_output_config {
            message.as_object_mut().expect("an object").remove("output_config");
        }
        if let (Thinking::Strip, Some(blocks)) =
            (policy.thinking, message["content"].as_array_mut())
        {
            blocks.retain(|block| block["type"] != "thinking");
        }
    }
    // Indexing put nulls where there was nothing.
    body.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
}

#[test]
fn every_recorded_request_is_edited_as_its_tree_would_be() {
    for (name, body, betas) in fixtures() {
        if name.starts_with("thinking-history-unsigned") || name.contains("web-search") {
            continue;
        }
        for bits in 0..16_u8 {
            let policy = Policy {
                strip_cache_control: bits & 1 != 0,
                strip_output_config: bits & 2 != 0,
                drop_fields: if bits & 4 != 0 {
                    ["metadata", "context_management"].map(str::to_owned).to_vec()
                } else {
                    Vec::new()
                },
                thinking: if bits & 8 != 0 { Thinking::Strip } else { Thinking::Signed },
                ..Policy::default()
            };
            let mut wanted = value(body);
            done_to_the_tree(&mut wanted, &policy);
            // The one difference that is wanted: a turn that is left without its thinking.
            let result = edit(body.as_bytes(), &policy, betas).expect("no error");
            let after = result.map_or_else(
                || body.clone(),
                |edited| String::from_utf8_lossy(&edited.body).into_owned(),
            );
            let mut after = value(&after);
            if after["thinking"] == json!({"type": "disabled"}) && bits & 8 != 0 {
                after["thinking"] = wanted["thinking"].clone();
                after["context_management"] = wanted["context_management"].clone();
                after.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
                wanted.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
            }
            assert_eq!(after, wanted, "{name} {bits:b}");
        }
    }
}

#[test]
fn what_is_no_request_is_refused_or_left_to_the_upstream() {
    for broken in ["", "{", "[}", "{\"messages\":[}"] {
        let fault = edit(broken.as_bytes(), &Policy::default(), "").expect_err("no JSON");
        assert_eq!(fault.status(), 400, "{broken}");
    }
    assert_eq!(
        edit(b"{\"a\":\"\xff\"}", &Policy::default(), "").expect_err("no text").status(),
        400
    );
    let all = Policy {
        thinking: Thinking::Strip,
        strip_cache_control: true,
        inline_system: true,
        documents: Documents::Text,
        strip_output_config: true,
        drop_fields: vec!["tools.strict".into(), "thinking.display".into()],
        drop_betas: BetaPatterns::new(["*"]).expect("a pattern"),
        unknown_betas: vec!["*".into()],
        lacks: Lacks {
            fields: &[&["tools.custom", "top_k"]],
            only_betas: Some(&[]),
            pairs: true,
            tools: &["web_search_"],
            sources: true,
            images: true,
            thinking_pairs: true,
            idle_effort: true,
            ..Lacks::NOTHING
        },
    };
    for odd in [
        "[]",
        "7",
        "{}",
        r#"{"messages":7}"#,
        r#"{"messages":[7,null,{},{"role":7,"content":7}]}"#,
        r#"{"messages":[{"role":"assistant","content":[7,{},{"type":7}]}],"tools":[1],"system":[2],"thinking":3}"#,
        r#"{"messages":[{"role":"user","content":[{"type":"document"},{"type":"tool_result","content":7}]}]}"#,
        r#"{"messages":[{"role":"user"},{"role":"system","content":"x"},{"role":"system"}]}"#,
    ] {
        if let Some(edited) = edit(odd.as_bytes(), &all, "").expect("no error") {
            value(&String::from_utf8_lossy(&edited.body));
        }
    }
}

/// Fates for the parts of a value, drawn from `bytes`, done to its text and to its tree.
fn shuffle(node: Node<'_>, tree: &mut Value, bytes: &mut dyn Iterator<Item = u8>) -> Vec<Edit> {
    let mut spans = Vec::new();
    let mut fates = Vec::new();
    let mut kept = Vec::new();
    let mut one = |span, value: Node<'_>, tree: &mut Value, is_member: bool| {
        spans.push(span);
        let drawn = bytes.next().unwrap_or(0) % 16;
        fates.push(match drawn {
            0..=3 => Fate::Remove,
            4 if !is_member => {
                *tree = json!("other");
                Fate::Replace("\"other\"".into())
            }
            _ => Fate::inside(shuffle(value, tree, bytes)),
        });
        drawn > 3
    };
    match tree {
        Value::Array(array) => {
            for (node, tree) in node.elements().expect("valid").into_iter().zip(array.iter_mut()) {
                kept.push(one(node.span(), node, tree, false));
            }
            let mut kept = kept.iter();
            array.retain(|_| *kept.next().expect("as many"));
        }
        Value::Object(object) => {
            for member in node.members().expect("valid") {
                let key = member.key.decode().into_owned();
                if !one(member.span(), member.value, &mut object[&key], true) {
                    object.remove(&key);
                }
            }
        }
        _ => {}
    }
    settle(&spans, fates)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_list_of_edits_leaves_valid_json_and_all_else_equal(
        which in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 1..400),
    ) {
        let (_, body, _) = which.get(fixtures());
        let mut tree = value(body);
        let whole = Node::whole(body).expect("valid");
        let edits = shuffle(whole, &mut tree, &mut bytes.into_iter());
        prop_assert_eq!(value(&apply(body, edits)), tree);
    }

    #[test]
    fn no_foreign_thinking_is_overlooked(
        blanks in prop::collection::vec("[ \t\r\n]{0,3}", 6),
        state in prop_oneof![Just(String::new()), "gw1\\.[A-Za-z0-9_-]{0,40}"],
        said in "[a-z\"\\\\\n:{}]{0,40}",
        first in any::<bool>(),
        redacted in any::<bool>(),
    ) {
        prop_assume!(!(redacted && state.is_empty()));
        let [a, b, c, d, e, f] = &blanks[..] else { unreachable!("six blanks") };
        let kind = if redacted { "redacted_thinking" } else { "thinking" };
        let key = if redacted { "data" } else { "signature" };
        let said = serde_json::to_string(&said).expect("a string");
        let state = format!("\"{key}\"{a}:{b}\"{state}\"");
        let rest = format!("\"type\"{c}:\"{kind}\"{d},\"thinking\":{said}{e}");
        let members = if first { format!("{state},{f}{rest}") } else { format!("{rest},{f}{state}") };
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"assistant","content":[{{{members}}},{{"type":"text","text":"x"}}]}}]}}"#
        );
        prop_assert!(needs_edit(body.as_bytes()), "{}", body);
        let after = edited(&body, &Policy::default(), "");
        let tree = value(&String::from_utf8_lossy(&after.body));
        prop_assert_eq!(&tree["messages"][0]["content"], &json!([text("x")]));
    }
}
