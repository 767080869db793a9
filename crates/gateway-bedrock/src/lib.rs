//! Amazon Bedrock: the Converse dialect, and the event streams that all its replies come in. No I/O, and no
//! signing: an embedder signs the request as it is.
//!
//! [`Bedrock`] writes requests for Converse and reads its answers, whoever made the model: what families
//! take is data. [`Unwrap`] gives the events of Claude asked by `InvokeModelWithResponseStream`, whose
//! requests are the Messages API's own. Both read [`frames`].
//!
//! ```
//! use gateway_bedrock::{Bedrock, SchemaMemo};
//! use gateway_models::Catalogue;
//! use gateway_translate::{AttemptCx, Egress as _, Keyring};
//! use gateway_types::{Block, BlockKind, Message, Raw, Request, Role, Text};
//!
//! let egress = Bedrock {
//!     region: "us-east-1".into(),
//!     family: None,
//!     catalogue: Catalogue::builtin().clone(),
//!     schemas: SchemaMemo::default(),
//! };
//! let keys = Keyring::new(["a secret"]);
//! let cx = AttemptCx { model: "amazon.nova-pro-v1:0", provider: "aws", ..AttemptCx::new(&keys) };
//! let text = Block {
//!     kind: BlockKind::Text { text: Text::plain("Hello"), citations: None },
//!     raw: Raw::from_json("\"Hello\""),
//!     cache_control: false,
//! };
//! let messages = vec![Message { role: Role::User, content: vec![text] }];
//! let request = Request { max_tokens: Some(1000), stream: true, messages, ..Request::default() };
//! let encoded = egress.encode(&request, &cx)?;
//! assert_eq!(encoded.path, "/model/amazon.nova-pro-v1%3A0/converse-stream");
//! assert_eq!(
//!     encoded.body,
//!     r#"{"messages":[{"role":"user","content":[{"text":"Hello"}]}],"inferenceConfig":{"maxTokens":1000}}"#,
//! );
//! # Ok::<(), gateway_types::ApiError>(())
//! ```

mod converse;
mod family;
mod fault;
pub mod frames;
mod invoke;
mod path;

use gateway_models::{Catalogue, Facts};
use gateway_translate::{AttemptCx, Egress, Encoded, FaultCx};
use gateway_types::{ApiError, Fault, Feature, Request, What};
use http::{HeaderMap, StatusCode};

pub use family::{families, is_claude};
pub use gateway_dialect::SchemaMemo;
pub use invoke::Unwrap;
pub use path::model_path;

/// Bedrock in one region.
#[derive(Debug, Clone)]
pub struct Bedrock {
    /// Where, for messages.
    pub region: String,
    /// The family of the models, where configuration says it: one of [`families`], or one Claude
    /// (`claude-opus-4-7`) where ids don't say which it is.
    pub family: Option<String>,
    /// What is known of models.
    pub catalogue: Catalogue,
    /// The schemas that were found to need no change.
    pub schemas: SchemaMemo,
}

impl Egress for Bedrock {
    fn encode(&self, request: &Request<'_>, cx: &AttemptCx<'_>) -> Result<Encoded, ApiError> {
        let mut encoded = self.write(request, cx)?;
        let refused = cx.without.iter().filter_map(|feature| match feature {
            Feature::Field(name) | Feature::Value(name) => Some((*name, fault::fate(name)?)),
            _ => None,
        });
        let refused: Vec<_> = refused.filter(|(_, what)| *what != What::Hint).collect();
        if !refused.is_empty() {
            // Lost is only what would have been there.
            for (name, what) in refused {
                let others: Vec<_> = cx
                    .without
                    .iter()
                    .filter(|f| !matches!(f, Feature::Field(n) | Feature::Value(n) if *n == name))
                    .copied()
                    .collect();
                let with = self.write(request, &AttemptCx { without: &others, ..*cx })?;
                if with.body != encoded.body {
                    encoded.losses.add(what, name, "the model refuses it");
                }
            }
        }
        Ok(encoded)
    }

    fn counts(&self, model: &str) -> bool {
        converse::counts(self, model)
    }

    fn fault(&self, cx: &FaultCx<'_>, status: StatusCode, head: &HeaderMap, body: &[u8]) -> Fault {
        self.whose(cx).http(status, head, body)
    }
}

impl Bedrock {
    fn write(&self, request: &Request<'_>, cx: &AttemptCx<'_>) -> Result<Encoded, ApiError> {
        let target = converse::Target::new(self, cx);
        let of = FaultCx { provider: cx.provider, model: cx.model, prompt_estimate: 0 };
        converse::encode(request, &target, self.whose(&of))
    }

    /// What holds for a model, wherever it is served.
    fn facts(&self, model: &str) -> Facts {
        let of_id = || self.catalogue.facts(family::bare_id(model));
        let configured =
            || Some(self.catalogue.facts(&family::one_claude(self.family.as_deref())?));
        let facts = self.catalogue.facts(model);
        let facts = if facts.is_listed() { facts } else { of_id() };
        if facts.is_listed() || converse::says_version(model) {
            return facts;
        }
        configured().unwrap_or(facts)
    }

    fn whose(&self, cx: &FaultCx<'_>) -> fault::Whose {
        fault::Whose::new(cx, &self.region, self.facts(cx.model).prompt_limit())
    }
}
