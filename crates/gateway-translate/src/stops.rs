//! Stop sequences matched in the gateway.
//!
//! Upstreams take few of them or none, and do not say which one was met; the caller is told exactly.

/// Looks for stop sequences in a text that comes in pieces.
#[derive(Debug, Clone, Default)]
pub struct Stops {
    sequences: Vec<String>,
    /// The end of the text so far that may be the beginning of a sequence.
    held: String,
}

/// What a piece of text brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// Text that belongs to the answer.
    pub text: String,
    /// The sequence that was met: the answer ends before it.
    pub hit: Option<String>,
}

impl Stops {
    /// A matcher for `sequences`; empty ones are ignored.
    pub fn new(sequences: impl IntoIterator<Item = String>) -> Self {
        let sequences = sequences.into_iter().filter(|s| !s.is_empty()).collect();
        Self { sequences, held: String::new() }
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.sequences.is_empty()
    }

    /// Takes the next piece.
    pub fn push(&mut self, piece: &str) -> Scanned {
        self.held.push_str(piece);
        let first = self
            .sequences
            .iter()
            .filter_map(|s| self.held.find(s.as_str()).map(|at| (at, s)))
            // The first to be complete counts, as it would if the text came letter by letter.
            .min_by_key(|(at, s)| (at + s.len(), *at));
        if let Some((at, sequence)) = first {
            let hit = Some(sequence.clone());
            let text = self.held[..at].to_owned();
            self.held.clear();
            return Scanned { text, hit };
        }
        let keep = self.tail();
        let text = self.held[..keep].to_owned();
        self.held.drain(..keep);
        Scanned { text, hit: None }
    }

    /// The text block is over: what was held back is text.
    pub fn flush(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Where the longest end of `held` begins that some sequence begins with.
    fn tail(&self) -> usize {
        let longest = self.sequences.iter().map(String::len).max().unwrap_or(0);
        let from = self.held.len().saturating_sub(longest.saturating_sub(1));
        (from..self.held.len())
            .filter(|at| self.held.is_char_boundary(*at))
            .find(|at| self.sequences.iter().any(|s| s.starts_with(&self.held[*at..])))
            .unwrap_or(self.held.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(sequences: &[&str], pieces: &[&str]) -> (String, Option<String>) {
        let mut stops = Stops::new(sequences.iter().map(|s| (*s).to_owned()));
        let mut text = String::new();
        for piece in pieces {
            let scanned = stops.push(piece);
            text.push_str(&scanned.text);
            if scanned.hit.is_some() {
                return (text, scanned.hit);
            }
        }
        text.push_str(&stops.flush());
        (text, None)
    }

    #[test]
    fn a_sequence_is_found_however_the_text_is_cut() {
        let text = "<block>yes</block> and é more</block>";
        for cut in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            for next in (cut..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                let got =
                    run(&["</block>", "nope"], &[&text[..cut], &text[cut..next], &text[next..]]);
                assert_eq!(got, ("<block>yes".to_owned(), Some("</block>".to_owned())));
            }
        }
    }

    #[test]
    fn what_only_looked_like_one_is_not_lost() {
        assert_eq!(
            run(&["</block>"], &["a </blo", "ck b</b"]),
            ("a </block b</b".to_owned(), None)
        );
        assert_eq!(
            run(&["aab"], &["a", "a", "a", "b", "c"]),
            ("a".to_owned(), Some("aab".to_owned()))
        );
    }

    #[test]
    fn of_several_the_first_to_be_complete_counts() {
        for pieces in [&["abcd"][..], &["ab", "cd"], &["a", "b", "c", "d"]] {
            assert_eq!(run(&["b", "bc"], pieces), ("a".to_owned(), Some("b".to_owned())));
            assert_eq!(run(&["abcx", "c"], pieces), ("ab".to_owned(), Some("c".to_owned())));
            assert_eq!(run(&["c", "bc"], pieces), ("a".to_owned(), Some("bc".to_owned())));
        }
        assert_eq!(run(&["d", "c"], &["abcd"]), ("ab".to_owned(), Some("c".to_owned())));
    }
}
