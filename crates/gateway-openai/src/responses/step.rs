//! What the events of a stream are about, and what of a piece is news.

use std::borrow::Cow;

use gateway_types::{Text, escaped};

use super::wire::decoded_len;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Added,
    Done,
    Text { refusal: bool, whole: bool },
    PartDone,
    Annotation,
    Thinking { summary: bool, whole: bool },
    Arguments { whole: bool },
}

impl Step {
    pub(super) fn of(kind: &str) -> Option<Self> {
        Some(match kind.strip_prefix("response.")? {
            "output_item.added" => Self::Added,
            "output_item.done" => Self::Done,
            "output_text.delta" => Self::Text { refusal: false, whole: false },
            "output_text.done" => Self::Text { refusal: false, whole: true },
            "refusal.delta" => Self::Text { refusal: true, whole: false },
            "refusal.done" => Self::Text { refusal: true, whole: true },
            "content_part.done" => Self::PartDone,
            "output_text.annotation.added" => Self::Annotation,
            "reasoning_summary_text.delta" => Self::Thinking { summary: true, whole: false },
            "reasoning_summary_text.done" => Self::Thinking { summary: true, whole: true },
            "reasoning_text.delta" => Self::Thinking { summary: false, whole: false },
            "reasoning_text.done" => Self::Thinking { summary: false, whole: true },
            "function_call_arguments.delta" => Self::Arguments { whole: false },
            "function_call_arguments.done" => Self::Arguments { whole: true },
            _ => return None,
        })
    }

    /// The kind of item that has such events; empty where any may.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Added | Self::Done => "",
            Self::Text { .. } | Self::PartDone | Self::Annotation => "message",
            Self::Thinking { .. } => "reasoning",
            Self::Arguments { .. } => "function_call",
        }
    }
}

/// What of a piece has not been handed on: all of a delta, the tail of what is whole.
pub(super) fn fresh<'t>(piece: Text<'t>, whole: bool, sent: &mut usize) -> Cow<'t, str> {
    let len = decoded_len(piece);
    if !whole || *sent == 0 {
        *sent += len;
        return Cow::Borrowed(piece.escaped());
    }
    if len <= *sent {
        return Cow::Borrowed("");
    }
    let text = piece.decode();
    let tail = text.get(*sent..).map(|tail| escaped(tail).into_owned());
    *sent = len;
    Cow::Owned(tail.unwrap_or_default())
}
