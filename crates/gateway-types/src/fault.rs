//! Why an upstream's answer could not be used, and what may be done about it.

use std::time::Duration;

use crate::ApiError;

/// A failed answer: what the caller is told, and what the gateway may do before telling.
#[derive(Debug)]
pub struct Fault {
    /// What the caller is told.
    pub error: ApiError,
    /// What may help.
    pub remedy: Remedy,
    /// A limit that holds for the whole account, whatever the model: then every model rests as long as
    /// `remedy` says, else the one that was asked for.
    pub account: bool,
}

impl Feature {
    /// Whether an upstream that refused it once will refuse it again, whatever the conversation.
    pub const fn is_lasting(self) -> bool {
        !matches!(self, Self::ReasoningState | Self::Value(_))
    }

    /// What else the upstream may have meant, where doing without this was of no use.
    pub const fn instead(self) -> Option<Self> {
        match self {
            Self::ReasoningState => Some(Self::UnsignedCalls),
            _ => None,
        }
    }

    /// What people call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReasoningState => "reasoning state",
            Self::UnsignedCalls => "tool calls without a signature",
            Self::BareToolTurns => "tool calls without their reasoning",
            Self::ThinkingWithTools => "thinking beside tools",
            Self::Field(name) | Self::Value(name) => name,
        }
    }
}

impl Fault {
    /// A fault with its remedy.
    pub fn new(error: ApiError, remedy: Remedy) -> Self {
        Self { error, remedy, account: false }
    }

    /// The same, where the upstream says whether asking again is of use (`x-should-retry`). That counts
    /// for the caller, too, but never makes a repetition wanted that is known to be vain.
    #[must_use]
    pub fn heeding(mut self, should_retry: Option<bool>) -> Self {
        self.remedy = self.remedy.heeding(should_retry);
        if let (Some(retry), None) = (should_retry, self.error.should_retry()) {
            self.error = self.error.with_should_retry(retry);
        }
        self
    }

    /// The same for the whole account, where it is.
    #[must_use]
    pub fn of_account(mut self, account: bool) -> Self {
        self.account = account;
        self
    }
}

/// What may help against a failed answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The same request again.
    Same,
    /// The same request again at once: the upstream is well, but the model stumbled over its own answer,
    /// which is a matter of luck.
    Again,
    /// The same request after this long. Where nobody waits for so long, the key rests meanwhile, for the
    /// model or for the [whole account](Fault::account).
    After(Duration),
    /// The same request without something that the upstream refuses.
    Without(Feature),
    /// Another key of the same provider: this one was rejected, and will be for every request.
    NextKey,
    /// Another provider.
    NextProvider,
    /// A model with a larger context window: the prompt is too long for this one. Where there is none,
    /// it is the caller's to change.
    Larger,
    /// Nothing: it is the caller's to change.
    Final,
}

impl Remedy {
    /// What an account without money, or one that has to be set up, rests before it is tried again:
    /// somebody has to do something first.
    pub const UNPAID: Self = Self::After(Duration::from_secs(15 * 60));

    /// What a quota of the day rests before it is tried again, where nobody says when the day ends.
    pub const TOMORROW: Self = Self::After(Duration::from_secs(60 * 60));

    /// Waits from here on are cooldowns: no caller is kept waiting for so long.
    const COOLDOWN: Duration = Duration::from_secs(60);

    /// This, where the upstream says (`x-should-retry`) whether asking again is of use: if it is not,
    /// others are asked. A cooldown stays one.
    #[must_use]
    pub fn heeding(self, should_retry: Option<bool>) -> Self {
        match self {
            Self::After(wait) if wait >= Self::COOLDOWN => self,
            Self::Same | Self::After(_) if should_retry == Some(false) => Self::NextProvider,
            _ => self,
        }
    }
}

/// Something a request can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feature {
    /// Reasoning state from earlier turns.
    ReasoningState,
    /// Tool calls that the upstream did not sign itself: they are told as text.
    UnsignedCalls,
    /// Turns with tool calls that lack the reasoning behind them: some upstreams want it back.
    BareToolTurns,
    /// Thinking beside tools: some upstreams let a model call functions only while it does not think.
    ThinkingWithTools,
    /// A top-level field of the upstream's dialect.
    Field(&'static str),
    /// The value of such a field: of this request, others may be fine.
    Value(&'static str),
}
