//! A reply as a sequence of events, and which sequences are legal.
//!
//! Readers of every dialect make events, writers turn them into a stream or fold them into one body:
//! a unary reply is the fold of its events. Blocks follow each other and never overlap, so an event
//! needs no index.

use crate::{Raw, Text, Usage, UsageQuality};

/// One step of a reply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event<'e> {
    /// The reply begins. `usage` is what is known of the prompt by now, possibly an estimate.
    Start {
        /// Counts so far.
        usage: ReplyUsage,
    },
    /// A block begins.
    BlockStart(BlockStart<'e>),
    /// The open block goes on.
    Delta(Delta<'e>),
    /// The open block is whole.
    BlockStop,
    /// The reply is whole.
    Finish {
        /// Why it ended.
        stop: StopReason,
        /// The stop sequence that was met, for [`StopReason::StopSequence`].
        sequence: Option<Text<'e>>,
        /// What it cost.
        usage: ReplyUsage,
    },
}

/// A block that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockStart<'e> {
    /// Text.
    Text,
    /// Thinking.
    Thinking,
    /// Thinking that only its provider can read, whole.
    RedactedThinking {
        /// The opaque data.
        data: Text<'e>,
    },
    /// A call of one of the caller's tools.
    ToolUse {
        /// Unique in the conversation, `[A-Za-z0-9_-]`.
        id: Text<'e>,
        /// The tool's name as the caller knows it.
        name: Text<'e>,
    },
    /// A call of a tool that the provider runs.
    ServerToolUse {
        /// The call's id.
        id: Text<'e>,
        /// The tool's name.
        name: Text<'e>,
    },
    /// What such a call brought, whole.
    ServerToolResult {
        /// The block's `type`, e.g. `web_search_tool_result`.
        kind: Text<'e>,
        /// The call it answers.
        tool_use_id: Text<'e>,
        /// The block's `content`.
        content: Raw<'e>,
    },
}

/// More of the open block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delta<'e> {
    /// Text of a text block.
    Text(Text<'e>),
    /// A citation of a text block: one object.
    Citation(Raw<'e>),
    /// Text of a thinking block.
    Thinking(Text<'e>),
    /// The signature of a thinking block, once, at its end.
    Signature(Text<'e>),
    /// A piece of the JSON text of a call's arguments.
    Json(Text<'e>),
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// The model had said all.
    EndTurn,
    /// The output limit cut it.
    MaxTokens,
    /// One of the caller's stop sequences was met.
    StopSequence,
    /// The model waits for the results of its tool calls.
    ToolUse,
    /// A long turn may be continued by sending it back.
    PauseTurn,
    /// The provider or the model declined.
    Refusal,
    /// The context window is full.
    ContextWindow,
}

impl StopReason {
    /// The word of the Messages API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EndTurn => "end_turn",
            Self::MaxTokens => "max_tokens",
            Self::StopSequence => "stop_sequence",
            Self::ToolUse => "tool_use",
            Self::PauseTurn => "pause_turn",
            Self::Refusal => "refusal",
            Self::ContextWindow => "model_context_window_exceeded",
        }
    }

    /// Whether a limit cut the reply, so that its last tool call may be incomplete.
    pub const fn is_cut(self) -> bool {
        matches!(self, Self::MaxTokens | Self::ContextWindow)
    }
}

/// What a reply cost, in more detail than [`Usage`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplyUsage {
    /// The four disjoint counts.
    pub counts: Usage,
    /// Who says so.
    pub quality: UsageQuality,
    /// Tokens of the prompt that the cache keeps for an hour; part of `counts.cache_write`.
    pub cache_write_1h: u64,
    /// Tokens of the answer that were thinking; part of `counts.output`.
    pub thinking: u64,
    /// Web searches the provider ran.
    pub web_searches: u64,
    /// Served in a priority tier.
    pub priority: bool,
    /// What the upstream says the reply cost, in billionths of a US dollar.
    pub billed: Option<u64>,
}

/// Takes events.
pub trait EventSink {
    /// Takes the next one.
    ///
    /// # Errors
    /// [`Illegal`] when it may not follow what came before; the reply is lost then.
    fn event(&mut self, event: Event<'_>) -> Result<(), Illegal>;
}

/// An event that may not come now: a fault of the reader that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event} is not legal {state}")]
pub struct Illegal {
    event: &'static str,
    state: &'static str,
}

/// Which event may come next. Every writer asks it, so nothing illegal is ever written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Grammar {
    state: State,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    ExpectStart,
    BetweenBlocks,
    InText,
    InThinking,
    /// The signature has come: only the block's end may follow.
    Signed,
    InCall,
    /// A block that came whole.
    InWhole,
    Done,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::ExpectStart => "before the reply's start",
            Self::BetweenBlocks => "between two blocks",
            Self::InText => "in a text block",
            Self::InThinking => "in a thinking block",
            Self::Signed => "after a thinking block's signature",
            Self::InCall => "in a tool call",
            Self::InWhole => "in a block that came whole",
            Self::Done => "after the end",
        }
    }
}

impl Grammar {
    /// Takes note of `event`.
    ///
    /// # Errors
    /// When it may not come now; the state stays as it was.
    pub fn accept(&mut self, event: &Event<'_>) -> Result<(), Illegal> {
        use State::{
            BetweenBlocks, Done, ExpectStart, InCall, InText, InThinking, InWhole, Signed,
        };
        self.state = match (self.state, event) {
            (ExpectStart, Event::Start { .. }) => BetweenBlocks,
            (BetweenBlocks, Event::BlockStart(start)) => match start {
                BlockStart::Text => InText,
                BlockStart::Thinking => InThinking,
                BlockStart::ToolUse { .. } | BlockStart::ServerToolUse { .. } => InCall,
                BlockStart::RedactedThinking { .. } | BlockStart::ServerToolResult { .. } => {
                    InWhole
                }
            },
            (InText, Event::Delta(Delta::Text(_) | Delta::Citation(_))) => InText,
            (InThinking, Event::Delta(Delta::Thinking(_))) => InThinking,
            (InThinking, Event::Delta(Delta::Signature(_))) => Signed,
            (InCall, Event::Delta(Delta::Json(_))) => InCall,
            (InText | InThinking | Signed | InCall | InWhole, Event::BlockStop)
            | (BetweenBlocks, Event::Finish { .. }) => {
                if matches!(event, Event::BlockStop) {
                    BetweenBlocks
                } else {
                    Done
                }
            }
            (state, event) => {
                return Err(Illegal { event: event.name(), state: state.name() });
            }
        };
        Ok(())
    }

    /// Whether the reply is whole.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether the reply has begun.
    pub fn has_started(&self) -> bool {
        self.state != State::ExpectStart
    }
}

impl Event<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Start { .. } => "the start of a reply",
            Self::BlockStart(_) => "the start of a block",
            Self::Delta(Delta::Text(_)) => "a piece of text",
            Self::Delta(Delta::Citation(_)) => "a citation",
            Self::Delta(Delta::Thinking(_)) => "a piece of thinking",
            Self::Delta(Delta::Signature(_)) => "a signature",
            Self::Delta(Delta::Json(_)) => "a piece of arguments",
            Self::BlockStop => "the end of a block",
            Self::Finish { .. } => "the end of the reply",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Event<'static> = Event::BlockStart(BlockStart::Text);
    const THINKING: Event<'static> = Event::BlockStart(BlockStart::Thinking);
    const PIECE: Event<'static> = Event::Delta(Delta::Text(Text::from_escaped("x")));
    const THOUGHT: Event<'static> = Event::Delta(Delta::Thinking(Text::from_escaped("x")));
    const SIGNED: Event<'static> = Event::Delta(Delta::Signature(Text::from_escaped("s")));

    fn start() -> Event<'static> {
        Event::Start { usage: ReplyUsage::default() }
    }

    fn finish() -> Event<'static> {
        let usage = ReplyUsage::default();
        Event::Finish { stop: StopReason::EndTurn, sequence: None, usage }
    }

    fn run(events: &[Event<'_>]) -> Result<bool, usize> {
        let mut grammar = Grammar::default();
        for (at, event) in events.iter().enumerate() {
            grammar.accept(event).map_err(|_| at)?;
        }
        Ok(grammar.is_done())
    }

    #[test]
    fn what_the_messages_api_sends_is_legal() {
        let all = [
            start(),
            THINKING,
            THOUGHT,
            SIGNED,
            Event::BlockStop,
            TEXT,
            PIECE,
            PIECE,
            Event::BlockStop,
            finish(),
        ];
        assert_eq!(run(&all), Ok(true));
        assert_eq!(run(&all[..9]), Ok(false));
        assert_eq!(run(&[start(), finish()]), Ok(true));
    }

    #[test]
    fn nothing_else_is() {
        assert_eq!(run(&[TEXT]), Err(0));
        assert_eq!(run(&[start(), PIECE]), Err(1));
        assert_eq!(run(&[start(), TEXT, THOUGHT]), Err(2));
        assert_eq!(run(&[start(), TEXT, TEXT]), Err(2));
        assert_eq!(run(&[start(), TEXT, finish()]), Err(2));
        assert_eq!(run(&[start(), THINKING, SIGNED, THOUGHT]), Err(3));
        assert_eq!(run(&[start(), Event::BlockStop]), Err(1));
        assert_eq!(run(&[start(), finish(), TEXT]), Err(2));
        assert_eq!(run(&[start(), start()]), Err(1));
    }

    #[test]
    fn a_refused_event_changes_nothing() {
        let mut grammar = Grammar::default();
        assert!(grammar.accept(&TEXT).is_err());
        assert_eq!(
            grammar.accept(&finish()).map_err(|e| e.to_string()),
            Err("the end of the reply is not legal before the reply's start".to_owned())
        );
        assert!(grammar.accept(&start()).is_ok());
    }
}
