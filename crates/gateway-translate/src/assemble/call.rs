//! One tool call as its pieces come in.

use gateway_types::Text;

use crate::is_json;

#[derive(Debug)]
pub(super) struct Call {
    pub(super) index: Option<u64>,
    pub(super) id: String,
    pub(super) name: String,
    /// Arguments so far, escaped.
    pub(super) arguments: String,
    /// How much of them has been handed on.
    pub(super) sent: usize,
    pub(super) state: CallState,
    /// Length of the arguments when they were last found not to be whole.
    unfinished: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallState {
    /// Not begun towards the caller.
    Waiting,
    /// The open block.
    Open,
    Closed,
}

impl Call {
    pub(super) fn new(index: Option<u64>) -> Self {
        Self {
            index,
            id: String::new(),
            name: String::new(),
            arguments: String::new(),
            sent: 0,
            state: CallState::Waiting,
            unfinished: 0,
        }
    }

    /// Whether the arguments are a whole object, so that nothing can follow. What was looked at once
    /// is not read again.
    pub(super) fn is_over(&mut self) -> bool {
        if self.arguments.len() == self.unfinished {
            return false;
        }
        let over = trim_escaped(&self.arguments).starts_with('{') && is_complete(&self.arguments);
        if !over {
            self.unfinished = self.arguments.len();
        }
        over
    }
}

/// Which of `calls` a piece belongs to; `None` where it can be none of them.
pub(super) fn find(
    calls: &[Call],
    index: Option<u64>,
    id: Option<&str>,
    name: Option<&str>,
) -> Option<usize> {
    let by_id = id.and_then(|id| calls.iter().rposition(|call| call.id == id));
    let by_index = index.and_then(|i| calls.iter().rposition(|call| call.index == Some(i)));
    match (by_id, by_index) {
        // The same id at another place, with a name: a server that does not keep its ids apart.
        (Some(at), None) if name.is_some() && index.is_some() && calls[at].index.is_some() => None,
        (Some(at), _) => Some(at),
        // The same index with another id: a server that numbers all its calls 0.
        (None, Some(at)) => {
            let other = id.is_some_and(|id| !calls[at].id.is_empty() && calls[at].id != id);
            (!(other && name.is_some())).then_some(at)
        }
        (None, None) if index.is_some() => None,
        // Nothing tells the calls apart: a new id, or a name behind arguments that are whole,
        // begins one.
        (None, None) => calls.len().checked_sub(1).filter(|last| {
            let last = &calls[*last];
            let new_id = id.is_some() && !last.id.is_empty();
            let new_name = name.is_some()
                && (is_complete(&last.arguments)
                    || (last.name.is_empty() && last.state == CallState::Closed));
            !(new_id || new_name)
        }),
    }
}

/// The part of `piece` that is new. Some servers send all arguments so far each time: a piece that
/// begins with all there is can be nothing else, unless a value may begin there and the server has
/// not been seen to do so.
pub(super) fn fresh_part<'a>(so_far: &str, piece: &'a str, snapshots: bool) -> &'a str {
    let value_may_follow = matches!(so_far.trim_end().as_bytes().last(), Some(b':' | b'[' | b','));
    if so_far.starts_with('{') && (snapshots || !value_may_follow) {
        return piece.strip_prefix(so_far).unwrap_or(piece);
    }
    piece
}

pub(super) fn is_complete(arguments: &str) -> bool {
    // What is whole ends so; anything else need not be read.
    let ends = arguments.trim_end().ends_with(['}', ']', '"']) || arguments == "null";
    ends && is_json(Text::from_escaped(arguments).decode().trim())
}

/// Without leading blanks, also those that are escaped.
pub(super) fn trim_escaped(mut text: &str) -> &str {
    loop {
        let trimmed = text.trim_start();
        let next = ["\\n", "\\t", "\\r"].into_iter().find_map(|blank| trimmed.strip_prefix(blank));
        match next {
            Some(rest) => text = rest,
            None => return trimmed,
        }
    }
}
