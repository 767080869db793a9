use super::*;

#[test]
fn strings_that_would_spoil_a_copy_are_refused() {
    for good in ["", r"a\n\u00e9\ud83d\ude00\\", r#"\"\/"#] {
        assert!(clean(Text::from_escaped(good)).is_ok(), "{good}");
    }
    for bad in ["a\nb", r"\q", r"\u12", r"\u12g4", "\\"] {
        assert!(clean(Text::from_escaped(bad)).is_err(), "{bad}");
    }
}

#[test]
fn decoded_lengths_are_told_without_decoding() {
    for text in ["", "plain", r"a\n\u00e9\ud83d\ude00\\é\u20ac\u0041", r#"{\"a\":1}"#] {
        let text = Text::from_escaped(text);
        assert_eq!(decoded_len(text), text.decode().len(), "{text:?}");
    }
}

#[test]
fn r33_cached_tokens_are_taken_out_of_the_prompt() {
    let read = |usage: &str| {
        let text = format!("{{\"usage\":{usage}}}");
        Response::read(&text).expect("JSON").usage
    };
    let got = read(
        r#"{"input_tokens":100,"input_tokens_details":{"cached_tokens":60,"cache_write_tokens":30},
            "output_tokens":7,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":107}"#,
    )
    .expect("counted");
    assert_eq!(
        (got.counts.input, got.counts.cache_read, got.counts.cache_write, got.counts.output),
        (10, 60, 30, 7)
    );
    assert_eq!((got.thinking, got.quality), (5, UsageQuality::Reported));
    // More cached than there is: never below zero.
    let odd =
        read(r#"{"input_tokens":5,"input_tokens_details":{"cached_tokens":9},"output_tokens":1}"#);
    assert_eq!(odd.expect("counted").counts.input, 0);
    for nothing in ["null", "{}", r#"{"input_tokens":0,"output_tokens":0}"#, "[]"] {
        assert_eq!(read(nothing), None, "{nothing}");
    }
    for (half, counts) in [
        (r#"{"output_tokens":4,"input_tokens_details":null}"#, (0, 4)),
        (r#"{"input_tokens":10}"#, (10, 0)),
        (r#"{"input_tokens":10,"output_tokens":0}"#, (10, 0)),
        (r#"{"input_tokens":0,"output_tokens":4}"#, (0, 4)),
        (r#"{"input_tokens":null,"output_tokens":4}"#, (0, 4)),
    ] {
        let usage = read(half).expect("counted");
        assert_eq!((usage.counts.input, usage.counts.output), counts, "{half}");
        assert_eq!(usage.quality, UsageQuality::Partial, "{half}");
    }
}
