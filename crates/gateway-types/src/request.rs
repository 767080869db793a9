//! A request, borrowed from the body it came in.
//!
//! The shape follows the Anthropic Messages API, which is what callers speak; every dialect is
//! written from it. Texts and values that only pass through stay as they were written ([`Text`],
//! [`Raw`]); what nobody knows is kept whole.

use crate::{Raw, Text};

/// One request for a message.
#[derive(Debug, Clone, Default)]
pub struct Request<'b> {
    /// The model's name as the caller sent it.
    pub model: Text<'b>,
    /// Whether an event stream was asked for.
    pub stream: bool,
    /// The longest answer wanted, in tokens.
    pub max_tokens: Option<u64>,
    /// The system prompt, in order.
    pub system: Vec<Block<'b>>,
    /// The conversation. Roles need not alternate.
    pub messages: Vec<Message<'b>>,
    /// The tools offered, deferred ones included.
    pub tools: Vec<Tool<'b>>,
    /// What the model may do with the tools; `None` is `auto`.
    pub tool_choice: Option<ToolChoice<'b>>,
    /// At most one tool call in the answer.
    pub disable_parallel_tools: bool,
    /// How the model may think; `None` where nothing was said.
    pub thinking: Option<Thinking>,
    /// The effort asked for: `low`, `medium`, `high`, `xhigh`, `max` or a word still unknown.
    pub effort: Option<Text<'b>>,
    /// The JSON schema that the answer must follow.
    pub format: Option<Raw<'b>>,
    /// Sampling temperature, as it was written.
    pub temperature: Option<Raw<'b>>,
    /// Nucleus sampling, as it was written.
    pub top_p: Option<Raw<'b>>,
    /// Top-k sampling, as it was written.
    pub top_k: Option<Raw<'b>>,
    /// Texts at which the answer ends.
    pub stop_sequences: Vec<Text<'b>>,
    /// `metadata.user_id`.
    pub user_id: Option<Text<'b>>,
    /// `service_tier`.
    pub service_tier: Option<Text<'b>>,
    /// `speed`.
    pub speed: Option<Text<'b>>,
    /// Every other top-level field, whole.
    pub others: Vec<(Text<'b>, Raw<'b>)>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The person, or the results of tools.
    User,
    /// The model.
    Assistant,
    /// The operator, in the middle of the conversation.
    System,
}

/// One message of the conversation.
#[derive(Debug, Clone)]
pub struct Message<'b> {
    /// Who speaks.
    pub role: Role,
    /// What is said. A content that is a bare string is one text block.
    pub content: Vec<Block<'b>>,
}

/// One content block.
#[derive(Debug, Clone)]
pub struct Block<'b> {
    /// What it is.
    pub kind: BlockKind<'b>,
    /// The block as it was written; for a content that is a bare string, that string.
    pub raw: Raw<'b>,
    /// Whether it carries a `cache_control` marker.
    pub cache_control: bool,
}

/// The kinds of content blocks.
#[derive(Debug, Clone)]
pub enum BlockKind<'b> {
    /// Text.
    Text {
        /// The text.
        text: Text<'b>,
        /// Its citations, if it has any.
        citations: Option<Raw<'b>>,
    },
    /// An image.
    Image(Source<'b>),
    /// A document.
    Document {
        /// Where its bytes are.
        source: Source<'b>,
        /// Its title.
        title: Option<Text<'b>>,
        /// What the caller says about it.
        context: Option<Text<'b>>,
    },
    /// A search result that the caller brings.
    SearchResult {
        /// Where it is from.
        source: Text<'b>,
        /// Its title.
        title: Text<'b>,
        /// Text blocks.
        content: Vec<Block<'b>>,
    },
    /// What the model thought.
    Thinking {
        /// The text, possibly empty.
        thinking: Text<'b>,
        /// Its signature; empty where there was none.
        signature: Text<'b>,
    },
    /// Thinking that only its provider can read.
    RedactedThinking {
        /// The opaque data.
        data: Text<'b>,
    },
    /// A call of one of the caller's tools.
    ToolUse {
        /// The call's id.
        id: Text<'b>,
        /// The tool's name.
        name: Text<'b>,
        /// The arguments: an object.
        input: Raw<'b>,
    },
    /// What a call brought.
    ToolResult {
        /// The call it answers.
        tool_use_id: Text<'b>,
        /// Text, images, documents, references; may be empty.
        content: Vec<Block<'b>>,
        /// Whether the call failed.
        is_error: bool,
    },
    /// Names a tool that a tool search found.
    ToolReference {
        /// The tool's name.
        tool_name: Text<'b>,
    },
    /// A call of a tool that the provider runs.
    ServerToolUse {
        /// The call's id.
        id: Text<'b>,
        /// The tool's name.
        name: Text<'b>,
        /// The arguments.
        input: Raw<'b>,
    },
    /// What such a call brought: `web_search_tool_result` and its like.
    ServerToolResult {
        /// The block's `type`.
        kind: Text<'b>,
        /// The call it answers.
        tool_use_id: Text<'b>,
        /// Results, or an error object.
        content: Raw<'b>,
    },
    /// Anything else: in [`Block::raw`].
    Unknown {
        /// The block's `type`.
        kind: Text<'b>,
    },
}

/// Where the bytes of an image or document are.
#[derive(Debug, Clone)]
pub enum Source<'b> {
    /// In the request, as base64.
    Base64 {
        /// The media type, e.g. `image/png`.
        media_type: Text<'b>,
        /// The data.
        data: Text<'b>,
    },
    /// At an address.
    Url(Text<'b>),
    /// In the provider's file store.
    File(Text<'b>),
    /// In the request, as plain text.
    PlainText(Text<'b>),
    /// In the request, as content blocks.
    Content(Vec<Block<'b>>),
    /// Anything else.
    Unknown(Raw<'b>),
}

/// One tool offered to the model.
#[derive(Debug, Clone)]
pub struct Tool<'b> {
    /// Its name.
    pub name: Text<'b>,
    /// Who defines and runs it.
    pub kind: ToolKind<'b>,
    /// Hidden until something in the conversation refers to it.
    pub deferred: bool,
    /// The tool as it was written.
    pub raw: Raw<'b>,
}

/// Who defines and runs a tool.
#[derive(Debug, Clone)]
pub enum ToolKind<'b> {
    /// The caller does both.
    Custom {
        /// What it is for.
        description: Option<Text<'b>>,
        /// The JSON schema of its arguments.
        schema: Raw<'b>,
        /// Whether arguments must follow the schema exactly.
        strict: bool,
    },
    /// Anthropic defines it; who runs it depends on the type.
    Versioned {
        /// E.g. `web_search_20250305`, `bash_20250124`.
        kind: Text<'b>,
    },
}

/// What the model may do with the tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolChoice<'b> {
    /// As it likes.
    Auto,
    /// It must call one.
    Any,
    /// It must call this one.
    Tool(Text<'b>),
    /// It must not call any.
    None,
}

/// How the model may think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thinking {
    /// Whether and how much.
    pub mode: ThinkingMode,
    /// Whether the text of the thinking is wanted.
    pub display: ThinkingDisplay,
}

/// Whether and how much the model may think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThinkingMode {
    /// Not at all.
    Disabled,
    /// As it sees fit.
    Adaptive,
    /// Up to this many tokens.
    Enabled {
        /// Tokens; part of `max_tokens`.
        budget_tokens: u64,
    },
    /// Only between tool calls.
    BetweenTools,
}

/// Whether the text of the thinking is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ThinkingDisplay {
    /// Yes (`summarized`, `updates`, or nothing said).
    #[default]
    Shown,
    /// Only the signatures.
    Omitted,
}

impl Request<'_> {
    /// Whether the model is asked to think in a way that the caller wants to see or get back.
    pub fn wants_thinking(&self) -> bool {
        self.thinking.is_some_and(|thinking| thinking.mode != ThinkingMode::Disabled)
    }
}
