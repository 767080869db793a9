//! OpenAI's dialects: Chat Completions and Responses.
//!
//! [`OpenAi`] writes a request for one upstream and reads its answer. What servers of the same
//! dialect do differently is data ([`Quirks`]). No I/O.
//!
//! ```
//! use gateway_models::Catalogue;
//! use gateway_openai::{Api, ModelOverrides, OpenAi, Quirks, SchemaMemo};
//! use gateway_translate::{AttemptCx, Egress as _, Keyring};
//! use gateway_types::{Block, BlockKind, Endpoint, Message, Raw, Request, Role, Text};
//!
//! let egress = OpenAi {
//!     api: Api::Chat,
//!     quirks: Quirks::for_base("http://127.0.0.1:8000/v1"),
//!     catalogue: Catalogue::builtin().clone(),
//!     overrides: ModelOverrides::default(),
//!     schemas: SchemaMemo::default(),
//!     azure: None,
//! };
//! let keys = Keyring::new(["a secret"]);
//! let cx = AttemptCx {
//!     model: "qwen3-coder",
//!     provider: "local",
//!     reply_id: "msg_1",
//!     ..AttemptCx::new(&keys)
//! };
//! let text = Block {
//!     kind: BlockKind::Text { text: Text::plain("Hello"), citations: None },
//!     raw: Raw::from_json("\"Hello\""),
//!     cache_control: false,
//! };
//! let messages = vec![Message { role: Role::User, content: vec![text] }];
//! let request = Request { max_tokens: Some(1000), messages, ..Request::default() };
//! let encoded = egress.encode(&request, &cx)?;
//! assert_eq!(encoded.path, "/chat/completions");
//! assert!(encoded.body.contains(r#""messages":[{"role":"user","content":"Hello"}]"#));
//! # Ok::<(), gateway_types::ApiError>(())
//! ```

mod azure;
mod chat;
mod common;
mod effort;
mod fault;
mod ids;
mod presets;
mod quirks;
mod refused;
mod responses;
mod schema;

use gateway_models::{Catalogue, Facts, Reasoning};
use gateway_translate::{AttemptCx, Egress, Encoded, FaultCx};
use gateway_types::{ApiError, Endpoint, Fault, Feature, Remedy, Request, What};
use http::{HeaderMap, StatusCode};

pub use azure::Azure;
pub use gateway_dialect::SchemaMemo;
pub use quirks::{
    CacheMarks, Images, MaxTokensField, Quirks, ReasoningIn, ReasoningOut, Replay, ToolChoiceLevel,
    UnthinkingTools, UserField, WebSearch,
};
pub use schema::{acceptable_schema, strict_ok};

/// Which of OpenAI's interfaces an upstream is asked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// Chat Completions, which nearly every server speaks.
    Chat,
    /// Responses.
    Responses,
    /// Whichever suits the model: Responses for those that reason or are served nowhere else and for
    /// searches of the web, Chat Completions for the rest. Where the server has no Responses
    /// ([`Quirks::responses`]) that is Chat Completions for all. Right for every server.
    Auto,
}

/// What configuration says of a model, where it knows better than the catalogue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModelOverrides {
    /// The longest answer, in tokens.
    pub max_output: Option<u64>,
    /// Prompt and answer together, in tokens.
    pub context_window: Option<u64>,
    /// Whether it calls functions.
    pub tools: Option<bool>,
    /// Whether it sees images.
    pub vision: Option<bool>,
}

/// An upstream that speaks one of OpenAI's dialects.
#[derive(Debug, Clone)]
pub struct OpenAi {
    /// Which.
    pub api: Api,
    /// How it differs from OpenAI's own.
    pub quirks: Quirks,
    /// What is known of models.
    pub catalogue: Catalogue,
    /// What configuration says of the model.
    pub overrides: ModelOverrides,
    /// The schemas that were found to need no change.
    pub schemas: SchemaMemo,
    /// What only Azure has; [`Azure::quirks`] are its quirks.
    pub azure: Option<Azure>,
}

impl Egress for OpenAi {
    fn encode(&self, request: &Request<'_>, cx: &AttemptCx<'_>) -> Result<Encoded, ApiError> {
        let Some(lesser) = self.without(cx.without) else { return self.write(request, cx) };
        let mut encoded = lesser.write(request, cx)?;
        let fields = cx.without.iter().filter_map(|feature| match *feature {
            Feature::Field(name) | Feature::Value(name) => Some((name, refused::fate(name)?)),
            _ => None,
        });
        let fields: Vec<_> = fields.collect();
        if fields.iter().any(|(_, what)| *what != What::Hint) {
            // Lost is only what would have been there.
            let whole = self.write(request, cx)?.body;
            for (name, what) in fields {
                if refused::is_in(&whole, name) {
                    encoded.losses.add(what, name, "this upstream refuses it");
                }
            }
        }
        Ok(encoded)
    }

    fn counts(&self, _model: &str) -> bool {
        // Chat Completions has no counter.
        let responses = match self.api {
            Api::Chat => false,
            Api::Responses => true,
            Api::Auto => self.quirks.responses,
        };
        responses && self.quirks.counts
    }

    fn fault(&self, cx: &FaultCx<'_>, status: StatusCode, head: &HeaderMap, body: &[u8]) -> Fault {
        let limit = self.overrides.context_window;
        let limit = limit.or_else(|| self.facts(cx.model).prompt_limit());
        let mut fault = fault::read(cx, limit, status, head, body);
        if let Some(azure) = &self.azure {
            azure.explain(cx, status, body, &mut fault);
        }
        let refused = matches!(status.as_u16(), 400 | 422) && fault.remedy == Remedy::Final;
        if refused && let Some(feature) = refused::feature(body) {
            fault.remedy = Remedy::Without(feature);
        }
        fault
    }
}

impl OpenAi {
    fn write(&self, request: &Request<'_>, cx: &AttemptCx<'_>) -> Result<Encoded, ApiError> {
        let target = common::Target::new(self, cx);
        let mut encoded = if self.asks_responses(request, &target) {
            responses::encode(request, &target)?
        } else {
            chat::encode(request, &target)?
        };
        if let Some(azure) = &self.azure {
            encoded.path = azure.path(&encoded.path, cx.model);
        }
        Ok(encoded)
    }

    /// What holds for the model that the upstream is asked for.
    fn facts(&self, model: &str) -> Facts {
        match &self.azure {
            Some(azure) => azure.facts(&self.catalogue, model),
            None => self.catalogue.facts(model),
        }
    }

    /// This upstream without fields that it was found to refuse; `None` where it refused none.
    fn without(&self, features: &[Feature]) -> Option<Self> {
        let mut lesser = None;
        for feature in features {
            if matches!(feature, Feature::ReasoningState | Feature::UnsignedCalls) {
                continue;
            }
            let quirks = &mut lesser.get_or_insert_with(|| self.clone()).quirks;
            match *feature {
                Feature::ReasoningState | Feature::UnsignedCalls => {}
                Feature::BareToolTurns => {
                    quirks.reasoning_required = true;
                    quirks.replay_reasoning = Replay::ToolTurns;
                    if quirks.reasoning_out == ReasoningOut::Auto {
                        // The field that the refusal names.
                        quirks.reasoning_out = ReasoningOut::ReasoningContent;
                    }
                }
                Feature::ThinkingWithTools => quirks.unthinking_tools = UnthinkingTools::All,
                // Of these two it takes one.
                Feature::Field("max_tokens") => {
                    quirks.max_tokens_field = MaxTokensField::MaxCompletionTokens;
                }
                Feature::Field("max_completion_tokens") => {
                    quirks.max_tokens_field = MaxTokensField::MaxTokens;
                }
                Feature::Field(refused::MESSAGE_REASONING | "reasoning_details") => {
                    quirks.replay_reasoning = Replay::Never;
                    quirks.reasoning_required = false;
                }
                Feature::Field(name) | Feature::Value(name) => {
                    quirks.drop_fields.push(name.to_owned());
                }
            }
        }
        lesser
    }

    /// Whether a model is asked by Responses.
    fn asks_responses(&self, request: &Request<'_>, target: &common::Target<'_>) -> bool {
        match self.api {
            Api::Chat => false,
            Api::Responses => true,
            Api::Auto if !self.quirks.responses => false,
            // Who serves models of all makers says by which names they go; only OpenAI's own are known
            // to be served there.
            Api::Auto if self.azure.is_some() && !target.facts.family.is_openai() => false,
            Api::Auto => {
                // Its reasoning is carried on by Responses alone, and newer models call functions
                // nowhere else; nor does any other interface search the web.
                (target.cx.endpoint == Endpoint::CountTokens && self.counts(target.cx.model))
                    || target.facts.reasoning != Reasoning::Never
                    || (self.quirks.web_search == WebSearch::Responses
                        && target.facts.capabilities.web_search != Some(false)
                        && gateway_dialect::wants_search(request))
            }
        }
    }
}
