//! An upstream and one attempt at it.

use gateway_dialect::Senses;
use gateway_models::Facts;
use gateway_translate::AttemptCx;
use gateway_types::{ApiError, Feature};

use crate::Gemini;
use crate::habits::Habits;
use crate::surface::model_id;

/// Fields whose refusal teaches to do without; the names are the upstream's.
pub(crate) mod field {
    pub(crate) const JSON_PARAMETERS: &str = "parametersJsonSchema";
    pub(crate) const JSON_FORMAT: &str = "responseJsonSchema";
    pub(crate) const ID: &str = "id";
    pub(crate) const RESULT_PARTS: &str = "parts";
    pub(crate) const THINKING: &str = "thinkingConfig";
    pub(crate) const LEVEL: &str = "thinkingLevel";
    pub(crate) const BUDGET: &str = "thinkingBudget";
    pub(crate) const MIXED: &str = "includeServerSideToolInvocations";
    pub(crate) const SAFETY: &str = "safetySettings";
    pub(crate) const EXCLUDE: &str = "excludeDomains";
    pub(crate) const TEMPERATURE: &str = "temperature";
    pub(crate) const TOP_P: &str = "topP";
    pub(crate) const TOP_K: &str = "topK";
    /// A schema of the answer beside functions.
    pub(crate) const FORMAT: &str = "responseMimeType";

    pub(crate) const ALL: &[&str] = &[
        JSON_PARAMETERS,
        JSON_FORMAT,
        ID,
        RESULT_PARTS,
        THINKING,
        LEVEL,
        BUDGET,
        MIXED,
        SAFETY,
        EXCLUDE,
        TEMPERATURE,
        TOP_P,
        TOP_K,
    ];
}

#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub egress: &'a Gemini,
    pub cx: &'a AttemptCx<'a>,
    /// The id without `models/`.
    pub model: &'a str,
    pub facts: Facts,
    pub habits: Habits,
}

impl<'a> Target<'a> {
    pub(crate) fn new(egress: &'a Gemini, cx: &'a AttemptCx<'a>) -> Result<Self, ApiError> {
        let model = model_id(cx.model)?;
        let facts = egress.catalogue.facts(model);
        Ok(Self { egress, cx, model, facts, habits: Habits::of(model) })
    }

    pub(crate) fn vertex(&self) -> bool {
        self.egress.surface.is_vertex()
    }

    /// Whether a field may be sent: neither configuration nor an earlier answer forbids it.
    pub(crate) fn may(&self, field: &str) -> bool {
        let refused = self.cx.without.iter().any(|feature| match feature {
            Feature::Field(name) | Feature::Value(name) => *name == field,
            _ => false,
        });
        !refused && !self.egress.options.drop_fields.iter().any(|name| name == field)
    }

    /// Whether signatures and thoughts of earlier turns may be sent.
    pub(crate) fn takes_state(&self) -> bool {
        !self.cx.without.contains(&Feature::ReasoningState)
    }

    /// Whether calls without a signature of the service's may be sent, with the value that skips the check.
    pub(crate) fn takes_unsigned(&self) -> bool {
        !self.habits.wants_signatures() || !self.cx.without.contains(&Feature::UnsignedCalls)
    }

    /// Whether results of functions may hold images and files.
    pub(crate) fn reads_results(&self) -> bool {
        self.habits.reads_results() && self.may(field::RESULT_PARTS)
    }

    /// Whether it calls functions.
    pub(crate) fn calls_tools(&self) -> bool {
        self.egress.options.tools.or(self.facts.capabilities.tools).unwrap_or(true)
    }

    pub(crate) fn senses(&self) -> Senses {
        let vision = self.egress.options.vision.or(self.facts.capabilities.vision);
        Senses {
            images: vision.unwrap_or(true),
            // The service reads its own store and, in some versions, public addresses: not relied on.
            image_urls: false,
            pdf: self.facts.capabilities.pdf.unwrap_or(true),
            pdf_urls: false,
            refuse_documents: true,
        }
    }

    /// The longest answer, in tokens.
    pub(crate) fn max_output(&self) -> u64 {
        let known = self.egress.options.max_output.or(self.facts.max_output);
        known.unwrap_or(self.habits.max_output)
    }
}
