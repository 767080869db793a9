//! Signs in a body that it holds what another provider made.

/// Signs of state that another provider may have made, met on the way through a body.
///
/// Only texts in `messages` and `thinking` are looked at, and only their beginnings as they are written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Signs {
    /// A text that a gateway sealed, or an id that it made.
    sealed: bool,
    /// Opaque state that is empty: a thought without a signature.
    empty_state: bool,
    /// An id in OpenAI's form.
    foreign_call: bool,
    /// A thinking budget.
    budget: bool,
    /// The text before was the key of opaque state.
    at_state: bool,
}

impl Signs {
    /// Whether the body may hold what only an edit can judge.
    pub(crate) fn of_foreign_state(self) -> bool {
        self.sealed || self.empty_state || (self.budget && self.foreign_call)
    }

    /// Takes note of a text. Thousands pass by, so only those with a telling beginning are read.
    pub(crate) fn see(&mut self, text: &[u8]) {
        if let Some(head) = text.first_chunk::<4>()
            && matches!(head, b"gw1." | b"tool" | b"call" | b"budg" | b"sign" | b"encr")
        {
            self.read(text);
        } else if self.at_state {
            self.at_state = false;
            self.empty_state |= text.is_empty();
        }
    }

    #[cold]
    fn read(&mut self, text: &[u8]) {
        self.sealed |= text.starts_with(b"gw1.") || text.starts_with(b"toolu_gw1_");
        self.foreign_call |= text.starts_with(b"call_");
        self.budget |= text == b"budget_tokens";
        self.at_state = matches!(text, b"signature" | b"encrypted_content" | b"encrypted_index");
    }
}
