use super::*;

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
