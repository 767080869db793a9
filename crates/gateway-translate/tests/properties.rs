//! The scanner against a full parser, and the splice against the meaning of what it edits.

use bytes::Bytes;
use gateway_translate::{Splice, find, peek};
use proptest::prelude::*;
use serde_json::Value;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,8}", any::<String>(), Just("model".to_owned()), Just("\"\\{[".to_owned())]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((text(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn request() -> impl Strategy<Value = Value> {
    (
        proptest::collection::vec((text(), value()), 0..8),
        "[a-zA-Z0-9./:\\[\\]é\"\\\\-]{1,30}",
        any::<Option<bool>>(),
    )
        .prop_map(|(members, model, stream)| {
            let mut map: serde_json::Map<String, Value> = members.into_iter().collect();
            map.insert("model".into(), model.into());
            map.insert("stream".into(), stream.into());
            Value::Object(map)
        })
}

/// The value written compactly or with blanks strewn in.
fn written(value: &Value, pretty: bool) -> Vec<u8> {
    if pretty { serde_json::to_vec_pretty(value) } else { serde_json::to_vec(value) }
        .expect("serialises")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn peek_agrees_with_a_full_parser(request in request(), pretty in any::<bool>()) {
        let body = written(&request, pretty);
        let ask = peek(&body).expect("valid");
        prop_assert_eq!(&*ask.model, request["model"].as_str().expect("a string"));
        prop_assert_eq!(ask.stream, request["stream"].as_bool().unwrap_or(false));
        let token: String = serde_json::from_slice(&body[ask.model_span]).expect("the span is the token");
        prop_assert_eq!(&token, &*ask.model);
    }

    #[test]
    fn r35_a_splice_changes_the_name_and_nothing_else(request in request(), pretty in any::<bool>(), name in any::<String>()) {
        let body = Bytes::from(written(&request, pretty));
        let ask = peek(&body).expect("valid");
        let span = ask.model_span.clone();
        let spliced = Splice::string(&body, span.clone(), &name);
        let whole = spliced.concat();
        prop_assert_eq!(whole.len(), spliced.len());
        prop_assert_eq!(&whole[..span.start], &body[..span.start]);
        prop_assert_eq!(&whole[whole.len() - (body.len() - span.end)..], &body[span.end..]);
        let mut wanted = request.clone();
        wanted["model"] = name.into();
        prop_assert_eq!(serde_json::from_slice::<Value>(&whole).expect("still JSON"), wanted);
    }

    #[test]
    fn find_agrees_with_a_full_parser(value in value(), keys in proptest::collection::vec(text(), 1..4)) {
        let json = written(&value, false);
        let path: Vec<&str> = keys.iter().map(String::as_str).collect();
        let wanted = path.iter().try_fold(&value, |at, key| at.as_object()?.get(*key));
        let found = find(&json, &path).map(|span| serde_json::from_slice::<Value>(&json[span]).expect("a value"));
        prop_assert_eq!(found.as_ref(), wanted);
    }

    #[test]
    fn what_a_parser_takes_peek_takes(noise in "[ \\[\\]{}\",:0-9a-z\\\\]{0,60}") {
        let body = format!("{{\"model\":\"m\"{noise}}}");
        if let Ok(value) = serde_json::from_str::<Value>(&body) {
            let ask = peek(body.as_bytes());
            // Only what decides the route may be refused although it is JSON.
            if let Ok(ask) = ask { prop_assert_eq!(value["model"].as_str(), Some(&*ask.model)); }
        }
    }

    #[test]
    fn any_bytes_are_answered(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = peek(&noise);
        let _ = find(&noise, &["message", "model"]);
        let body = [b"{\"model\":\"m\",\"x\":".as_slice(), &noise, b"}"].concat();
        if let Ok(ask) = peek(&body) { prop_assert!(ask.model_span.end <= body.len()); }
    }
}
