use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::*;

/// Exact counts, and how far the guess may be from them.
#[derive(Deserialize)]
struct Measured {
    samples: Vec<Sample>,
    bodies: Vec<Body>,
}

#[derive(Deserialize)]
struct Sample {
    name: String,
    o200k: u64,
    within_percent: u64,
    text: String,
}

#[derive(Deserialize)]
struct Body {
    fixture: String,
    o200k: u64,
}

const O200K: Family = Family::Gpt5(0);

fn measured() -> Measured {
    serde_json::from_str(include_str!("../../data/token-counts.json")).expect("the file is JSON")
}

fn off_by_percent(guess: u64, exact: u64) -> u64 {
    (guess.abs_diff(exact) * 100).div_ceil(exact)
}

#[test]
fn r31_texts_are_guessed_within_the_bound_of_their_kind() {
    for Sample { name, o200k, within_percent, text } in measured().samples {
        let guess = estimate_tokens(&text);
        let off = off_by_percent(guess, o200k);
        assert!(off <= within_percent, "{name}: {guess} for {o200k}, off by {off} %");
        // The same as the string of a body: escaped, and never unescaped.
        let mut escaped = Estimate::new(O200K);
        escaped.raw_json(&Value::from(text).to_string());
        assert!(off_by_percent(escaped.total(), guess) <= 1, "{name}: {escaped:?} for {guess}");
    }
}

#[test]
fn r31_whole_requests_of_claude_code_are_guessed_within_a_tenth() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/claude-code");
    for Body { fixture, o200k } in measured().bodies {
        let text =
            std::fs::read_to_string(fixtures.join(&fixture)).expect("a fixture of this name");
        let whole: Value = serde_json::from_str(&text).expect("a fixture is JSON");
        for mut estimate in [Estimate::new(O200K), Estimate::sampling(O200K)] {
            let body = &whole["body"];
            content(&mut estimate, &body["system"]);
            for message in body["messages"].as_array().into_iter().flatten() {
                content(&mut estimate, &message["content"]);
            }
            for tool in body["tools"].as_array().into_iter().flatten() {
                estimate.raw_json(&tool.to_string());
            }
            let off = off_by_percent(estimate.total(), o200k);
            // A few words are a matter of luck.
            let bound = if o200k < 200 { 25 } else { 10 };
            assert!(off <= bound, "{fixture}: {estimate:?} for {o200k}, off by {off} %");
        }
    }
}

fn content(estimate: &mut Estimate, value: &Value) {
    if let Some(text) = value.as_str() {
        estimate.raw_json(&Value::from(text).to_string());
    }
    for block in value.as_array().into_iter().flatten() {
        for key in ["text", "thinking", "name", "input"] {
            if !block[key].is_null() {
                estimate.raw_json(&block[key].to_string());
            }
        }
        content(estimate, &block["content"]);
    }
}

#[test]
fn more_text_is_never_fewer_tokens() {
    let text = "fn main() { println!(\"Grüße, 世界 12345\"); }\n".repeat(20);
    let mut last = 0;
    for (at, _) in text.char_indices() {
        let now = estimate_tokens(&text[..at]);
        assert!(now >= last, "at {at}");
        last = now;
    }
    assert_eq!(estimate_tokens(""), 0);
}

#[test]
fn any_piece_of_json_is_counted_without_panic() {
    let json = r#"{"a":"\u00e9\u4e2d\ud83d\ude00 \"x\" \n\t\\","b":[1,2.5e3,null]}"#;
    let mut last = 0;
    for at in 0..=json.len() {
        let mut estimate = Estimate::new(O200K);
        estimate.raw_json(&json[..at]);
        estimate.raw_json(&json[at..]);
        last = last.max(estimate.total());
    }
    assert!((15..60).contains(&last), "{last}");
    for odd in ["\"", "\"\\", "\\", "\\u", "\"\\u12\"", "\"é\\", " \n\"a\" "] {
        let mut estimate = Estimate::new(O200K);
        estimate.raw_json(odd);
        assert!(estimate.total() < 10, "{odd}");
    }
}

#[test]
fn a_claude_model_is_told_more_than_others() {
    let text = "The tokenizer of this family makes more of the same words. ".repeat(10);
    let of = |family| {
        let mut estimate = Estimate::new(family);
        estimate.text(&text);
        estimate.total()
    };
    assert!(of(Family::Claude) > of(Family::Gpt6));
    assert_eq!(of(Family::Kimi), of(Family::Gpt6));
}

#[test]
fn r31_images_cost_what_vendors_say() {
    for (family, width, height, tokens) in [
        // 70 + 140 a tile: 1024 x 1024 becomes 768 x 768, 2 x 2 tiles.
        (Family::Gpt5(0), 1024, 1024, 70 + 4 * 140),
        (Family::Gpt4, 1024, 1024, 85 + 4 * 170),
        (Family::Gpt4, 2048, 4096, 85 + 6 * 170),
        (Family::Gpt4, 100, 100, 85 + 170),
        (Family::OSeries, 512, 512, 75 + 150),
        (Family::Gpt5(6), 1920, 1080, 2_448),
        (Family::Gpt6, 4032, 3024, 14_364),
        (Family::Claude, 1000, 1000, 1_296),
        (Family::Claude, 8000, 8000, 4_784),
        (Family::Gemini, 640, 480, 1_120),
        (Family::Unknown, 0, 0, 1),
    ] {
        let mut estimate = Estimate::new(family);
        estimate.image(width, height);
        assert_eq!(estimate.total(), tokens, "{family:?} {width} x {height}");
    }
    let mut largest = Estimate::new(Family::Gpt6);
    largest.image(u32::MAX, u32::MAX);
    largest.tokens(u64::MAX);
    assert_eq!(largest.total(), u64::MAX);
}

/// The first bytes of images of 300 by 200 pixels, in base64.
const HEADS: &[(&str, &str)] = &[
    ("png", "iVBORw0KGgoAAAANSUhEUgAAASwAAADICAIAAAAAAAAA"),
    ("gif", "R0lGODlhLAHIAPAAAA=="),
    ("jpeg", "/9j/4AAQSkZJRgABAQAAAQABAAD/wAARCADIASwDASIA"),
    ("webp, lossy", "UklGRgAAAABXRUJQVlA4IAAAAAAAAACdASosAcgAAA=="),
    ("webp, lossless", "UklGRgAAAABXRUJQVlA4TAAAAAAvK8ExAA=="),
    ("webp, extended", "UklGRgAAAABXRUJQVlA4WAoAAAAAAAAAKwEAxwAA"),
];

#[test]
fn r31_the_size_of_an_image_is_read_from_its_first_bytes() {
    for (kind, data) in HEADS {
        assert_eq!(image::dimensions_base64(data), Some((300, 200)), "{kind}");
        let escaped = data.replace('/', "\\/");
        assert_eq!(image::dimensions_base64(&escaped), Some((300, 200)), "{kind}, escaped");
        for at in 0..data.len() {
            image::dimensions_base64(&data[..at]);
        }
    }
    let presumed = |data: &str| {
        let mut estimate = Estimate::new(O200K);
        estimate.image_base64(data);
        estimate.total()
    };
    for unreadable in ["", "AAAA", "not base64 at all!", "iVBORw0KGgo=", "/9j//////////////"] {
        assert_eq!(presumed(unreadable), 70 + 4 * 140, "{unreadable}");
    }
}

#[test]
fn r31_a_whole_body_counts_its_files_as_what_they_are() {
    let of = |body: &str| {
        let mut estimate = Estimate::new(O200K);
        estimate.raw_body(body);
        estimate.total()
    };
    let image = format!("{}{}", HEADS[0].1, "A".repeat(400_000));
    let pdf = format!("JVBERi0xLjQK{}", "A".repeat(200_000));
    let block = |data: &str| format!(r#"{{"source":{{"type":"base64","data":"{data}"}}}}"#);
    let frame = of(&block(""));
    assert_eq!(of(&block(&image)), frame + 70 + 140, "300 x 200 is one tile");
    assert_eq!(of(&block(&pdf)), frame + 4 * 2_000);
    let url = format!(r#"{{"url":"data:image/png;base64,{image}"}}"#);
    assert!((200..300).contains(&of(&url)), "{}", of(&url));
    let both = format!("[{},{},\"tail of text\"]", block(&image), block(&pdf));
    assert!((8_200..8_320).contains(&of(&both)), "{}", of(&both));
    // Talk about such texts is text.
    assert!(of(r#"{"text":"iVBORw0KGgo is how a PNG begins"}"#) < 40);
    assert!(of(&format!(r#"{{"text":"iVBORw {}"}}"#, "word ".repeat(300))) > 250);
    assert_eq!(of(""), 0);
}

#[test]
fn documents_are_counted_by_their_length() {
    let of = |length: usize| {
        let mut estimate = Estimate::new(O200K);
        estimate.document_base64(&"A".repeat(length));
        estimate.total()
    };
    assert_eq!(of(0), 2_000);
    assert_eq!(of(1_000), 2_000);
    assert_eq!(of(10 * (64 << 10)), 20_000);
}
