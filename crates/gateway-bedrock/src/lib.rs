//! Amazon Bedrock: the Converse dialect, and the event streams that all its replies come in. No I/O.

mod family;
mod fault;
pub mod frames;
mod invoke;
mod path;

use gateway_models::Catalogue;
use gateway_translate::FaultCx;

pub use family::{families, is_claude};
pub use gateway_dialect::SchemaMemo;
pub use invoke::Unwrap;
pub use path::model_path;

/// Bedrock in one region.
#[derive(Debug, Clone)]
pub struct Bedrock {
    /// Where, for messages.
    pub region: String,
    /// The family of the models, where configuration says it: one of [`families`].
    pub family: Option<String>,
    /// What is known of models.
    pub catalogue: Catalogue,
    /// The schemas that were found to need no change.
    pub schemas: SchemaMemo,
}

impl Bedrock {
    fn whose(&self, cx: &FaultCx<'_>) -> fault::Whose {
        let facts = self.catalogue.facts(family::bare_id(cx.model));
        fault::Whose::new(cx, &self.region, facts.prompt_limit())
    }
}
