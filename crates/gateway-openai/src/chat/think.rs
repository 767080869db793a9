//! Thinking that stands in the text, between `<think>` and `</think>`.

/// Splits an answer's text, which comes in pieces, into the thinking at its beginning and the rest.
#[derive(Debug, Default)]
pub(super) struct Tags {
    state: State,
    /// What can't be told yet: blanks, or a piece of a tag.
    held: String,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but blanks has come.
    #[default]
    Start,
    /// The tag has come, and nothing but line ends.
    Opened,
    Thinking,
    /// The end tag has come, and nothing but blanks.
    Behind,
    /// The rest is text.
    Through,
}

/// What a piece was.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Split {
    pub thinking: String,
    pub text: String,
}

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// No more blanks than these are waited through.
const MAX_BLANKS: usize = 1024;

impl Tags {
    /// There are no tags (any more): pieces need not be looked at.
    pub(super) fn is_through(&self) -> bool {
        self.state == State::Through && self.held.is_empty()
    }

    /// The server tells its thinking in another way.
    pub(super) fn give_up(&mut self) {
        if self.state == State::Start && self.held.is_empty() {
            self.state = State::Through;
        }
    }

    pub(super) fn push(&mut self, piece: &str) -> Split {
        let mut out = Split::default();
        self.held.push_str(piece);
        loop {
            match self.state {
                State::Start => {
                    let begun = self.held.trim_start();
                    if let Some(rest) = begun.strip_prefix(OPEN) {
                        self.held = rest.to_owned();
                        self.state = State::Opened;
                        continue;
                    }
                    if OPEN.starts_with(begun) && self.held.len() < MAX_BLANKS {
                        return out;
                    }
                    self.state = State::Through;
                }
                State::Opened => {
                    let ends = self.held.len() - self.held.trim_start_matches('\n').len();
                    self.held.drain(..ends);
                    if self.held.is_empty() {
                        return out;
                    }
                    self.state = State::Thinking;
                }
                State::Thinking => {
                    if let Some(at) = self.held.find(CLOSE) {
                        out.thinking.push_str(&self.held[..at]);
                        self.held.drain(..at + CLOSE.len());
                        self.state = State::Behind;
                        continue;
                    }
                    let keep = partial(&self.held, CLOSE);
                    out.thinking.extend(self.held.drain(..self.held.len() - keep));
                    return out;
                }
                State::Behind => {
                    let blanks = self.held.len() - self.held.trim_start().len();
                    self.held.drain(..blanks);
                    if self.held.is_empty() {
                        return out;
                    }
                    self.state = State::Through;
                }
                State::Through => {
                    out.text.push_str(&self.held);
                    self.held.clear();
                    return out;
                }
            }
        }
    }

    /// The text is over: what was held back is what it looked like.
    pub(super) fn flush(&mut self) -> Split {
        let held = std::mem::take(&mut self.held);
        match std::mem::replace(&mut self.state, State::Through) {
            State::Thinking => Split { thinking: held, text: String::new() },
            _ => Split { thinking: String::new(), text: held },
        }
    }
}

/// How many bytes at the end of `text` may be the beginning of `tag`.
fn partial(text: &str, tag: &str) -> usize {
    (1..tag.len()).rev().find(|len| text.ends_with(&tag[..*len])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pieces: &[&str]) -> (String, String) {
        let mut tags = Tags::default();
        let mut all = (String::new(), String::new());
        let splits: Vec<_> = pieces.iter().map(|piece| tags.push(piece)).collect();
        for split in splits.into_iter().chain([tags.flush()]) {
            all.0.push_str(&split.thinking);
            all.1.push_str(&split.text);
        }
        all
    }

    #[test]
    fn tags_are_found_however_the_text_is_cut() {
        for (text, thinking, rest) in [
            ("<think>\na < b</think>\n\nanswer", "a < b", "answer"),
            (" \n<think></think>é<think>x</think>", "", "é<think>x</think>"),
            ("<think>never </thin closed", "never </thin closed", ""),
            ("<thin air", "", "<thin air"),
            ("<", "", "<"),
            ("say <think>", "", "say <think>"),
            ("", "", ""),
            ("  x", "", "  x"),
        ] {
            let wanted = (thinking.to_owned(), rest.to_owned());
            for cut in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                for next in (cut..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                    let got = run(&[&text[..cut], &text[cut..next], &text[next..]]);
                    assert_eq!(got, wanted, "{text} cut at {cut} and {next}");
                }
            }
        }
    }
}
