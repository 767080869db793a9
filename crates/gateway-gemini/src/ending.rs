//! Why an answer ended.

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Stop,
    /// By the output limit.
    Cut,
    /// It goes on when asked to.
    Continues,
    Refusal,
    /// A slip of the model's, which another try may not make.
    Accident,
    /// A call in the history has no signature.
    Unsigned,
    Other,
}

impl Ending {
    pub(crate) fn of(reason: &str) -> Self {
        match reason {
            "STOP" => Self::Stop,
            "MAX_TOKENS" => Self::Cut,
            "CONTINUATION" => Self::Continues,
            "SAFETY"
            | "PROHIBITED_CONTENT"
            | "BLOCKLIST"
            | "SPII"
            | "RECITATION"
            | "LANGUAGE"
            | "MODEL_ARMOR"
            | "ESCALATION"
            | "PUP_LIMITED_DISABLED" => Self::Refusal,
            "MALFORMED_FUNCTION_CALL"
            | "UNEXPECTED_TOOL_CALL"
            | "MALFORMED_RESPONSE"
            | "TOO_MANY_TOOL_CALLS" => Self::Accident,
            "MISSING_THOUGHT_SIGNATURE" => Self::Unsigned,
            reason if reason.starts_with("IMAGE_") => Self::Refusal,
            _ => Self::Other,
        }
    }
}
