//! The context window a model is loaded with, and what fits into it (behaviour R41).
//!
//! Ollama loads a model for one window, and loads it anew, for seconds or minutes, when a request
//! names another. So the window is a matter of the model alone, never of the prompt: a conversation
//! that grows, and the small requests beside it, find the model loaded. And what does not fit is cut
//! from the prompt's beginning without a word, so it is not sent.

use gateway_models::overflow;
use gateway_translate::AttemptCx;
use gateway_types::{ApiError, ErrorKind};

use crate::about::About;

/// The window of a model that nobody said anything about, in tokens: what Ollama itself recommends for
/// agents. Twice as much is beyond what many graphics cards hold beside the model.
pub const DEFAULT_NUM_CTX: u64 = 65_536;

/// A Modelfile's window below this is not meant for an agent, whose first prompt is as long.
const LEAST_FOR_AGENTS: u64 = 32_768;

/// What is kept for the answer when a prompt is measured, in tokens: more of an answer is welcome, but no
/// reason to refuse the prompt.
const LEAST_ANSWER: u64 = 4096;

/// How large the window is, and what of it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Tokens of prompt and answer together; `None`: not known, and not ours to say.
    pub tokens: Option<u64>,
    /// Whether `num_ctx` is sent.
    pub said: bool,
}

impl Window {
    /// The window for a model. `configured` wins; `known` is the length that the catalogue or the
    /// configuration gives the model.
    pub(crate) fn of(configured: Option<u64>, known: Option<u64>, about: &About) -> Self {
        let length = match (about.length, known) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if about.remote {
            return Self { tokens: length, said: false };
        }
        let most = length.unwrap_or(u64::MAX);
        let wanted = configured
            .or(about.num_ctx.filter(|tokens| *tokens >= LEAST_FOR_AGENTS))
            .unwrap_or(DEFAULT_NUM_CTX);
        // A model is not loaded with more than it was made for.
        Self { tokens: Some(wanted.min(most)), said: true }
    }

    /// How many tokens the answer may have: `wanted`, but no more than is left beside the prompt.
    /// Beyond that Ollama forgets the prompt to go on.
    ///
    /// # Errors
    /// When the prompt leaves no room, in the words upon which Claude Code compacts.
    pub(crate) fn room(
        self,
        cx: &AttemptCx<'_>,
        prompt: u64,
        wanted: Option<u64>,
    ) -> Result<Option<u64>, ApiError> {
        let Some(window) = self.tokens else { return Ok(wanted) };
        let reserve = wanted.unwrap_or(LEAST_ANSWER).min(LEAST_ANSWER).min(window / 4);
        if prompt.saturating_add(reserve) > window {
            let text = format!(
                "{} (the window of `{}` at {} is {window} tokens, of which {reserve} are kept for the answer; \
                 `extra.num_ctx` makes it larger where the model and the memory allow)",
                overflow::render(prompt, window - reserve),
                cx.model,
                cx.provider
            );
            return Err(ApiError::new(ErrorKind::InvalidRequest, text).with_should_retry(false));
        }
        Ok(wanted.map(|wanted| wanted.min(window - prompt)))
    }
}

#[cfg(test)]
mod tests {
    use gateway_translate::Keyring;

    use super::*;

    #[test]
    fn r41_the_window_is_a_matter_of_the_model_alone() {
        let about = |length, num_ctx| About { length, num_ctx, ..About::default() };
        for (configured, known, about, wanted) in [
            (None, None, about(None, None), DEFAULT_NUM_CTX),
            (None, None, about(Some(262_144), None), DEFAULT_NUM_CTX),
            (None, None, about(Some(40_960), None), 40_960),
            (None, None, about(Some(8192), None), 8192),
            // As it was made for this machine.
            (None, None, about(Some(262_144), Some(131_072)), 131_072),
            (None, None, about(Some(262_144), Some(32_768)), 32_768),
            // Ollama's default written down, or meant for chats.
            (None, None, about(Some(262_144), Some(4096)), DEFAULT_NUM_CTX),
            (Some(16_384), None, about(Some(262_144), Some(131_072)), 16_384),
            (Some(999_999), None, about(Some(262_144), None), 262_144),
            (Some(999_999), None, about(None, None), 999_999),
            (None, Some(20_000), about(Some(262_144), None), 20_000),
        ] {
            let window = Window::of(configured, known, &about);
            assert_eq!(
                window,
                Window { tokens: Some(wanted), said: true },
                "{configured:?} {about:?}"
            );
        }
        let cloud = About { length: Some(131_072), remote: true, ..About::default() };
        let window = Window::of(Some(1), None, &cloud);
        assert_eq!(window, Window { tokens: Some(131_072), said: false });
    }

    #[test]
    fn r41_what_does_not_fit_is_refused_and_an_answer_is_cut_to_what_is_left() {
        let keys = Keyring::new(["k"]);
        let cx = AttemptCx { model: "m", provider: "local", ..AttemptCx::new(&keys) };
        let window = Window { tokens: Some(10_000), said: true };
        for (prompt, wanted, room) in [
            (100, Some(32_000), Ok(Some(9900))),
            (100, Some(50), Ok(Some(50))),
            (100, None, Ok(None)),
            // A quarter of a small window.
            (7500, Some(32_000), Ok(Some(2500))),
            (
                7501,
                Some(32_000),
                Err(
                    "prompt is too long: 7501 tokens > 7500 maximum (the window of `m` at local is 10000",
                ),
            ),
            (9990, Some(10), Ok(Some(10))),
            (u64::MAX, None, Err("prompt is too long: ")),
        ] {
            let got = window.room(&cx, prompt, wanted);
            match (got, room) {
                (Ok(got), Ok(room)) => assert_eq!(got, room, "{prompt}"),
                (Err(got), Err(words)) => {
                    assert!(got.message().starts_with(words), "{}", got.message());
                    assert_eq!(got.status().as_u16(), 400);
                }
                (got, room) => panic!("{prompt}: {got:?}, not {room:?}"),
            }
        }
        let unknown = Window { tokens: None, said: false };
        assert_eq!(unknown.room(&cx, u64::MAX, Some(7)).ok(), Some(Some(7)));
    }
}
