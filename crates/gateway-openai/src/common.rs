//! What both dialects need to know of an upstream, and what they say alike.

use gateway_dialect::Senses;
use gateway_models::{Effort, Facts, Family, Reasoning};
use gateway_translate::{AttemptCx, Binding};
use gateway_types::{Losses, Request, What};

use crate::{CacheMarks, ModelOverrides, OpenAi, Quirks, SchemaMemo};

/// An upstream and one attempt at it.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub quirks: &'a Quirks,
    /// What holds for the model.
    pub facts: Facts,
    pub overrides: ModelOverrides,
    pub schemas: &'a SchemaMemo,
    pub cx: &'a AttemptCx<'a>,
    /// The model as the body names it.
    pub model: &'a str,
    family: String,
}

impl<'a> Target<'a> {
    pub(crate) fn new(egress: &'a OpenAi, cx: &'a AttemptCx<'a>) -> Self {
        let facts = egress.facts(cx.model);
        // A model nobody knows is a family of its own.
        let family = match facts.family {
            Family::Unknown => cx.model.to_owned(),
            family => format!("{family:?}"),
        };
        let schemas = &egress.schemas;
        let model = match &egress.azure {
            Some(azure) => azure.deployment(cx.model),
            None => cx.model,
        };
        let (quirks, overrides) = (&egress.quirks, egress.overrides);
        Self { quirks, facts, overrides, schemas, cx, model, family }
    }

    /// To whom carried state belongs, in `dialect`.
    pub(crate) fn binding(&'a self, dialect: &'a str) -> Binding<'a> {
        Binding {
            dialect,
            provider: self.cx.provider,
            family: &self.family,
            account: self.cx.account,
        }
    }

    /// Whether cache marks go up.
    pub(crate) fn keeps_marks(&self) -> bool {
        match self.quirks.cache_marks {
            CacheMarks::Never => false,
            CacheMarks::Always => true,
            CacheMarks::ForSome => {
                matches!(self.facts.family, Family::Claude | Family::Gemini | Family::Qwen)
            }
        }
    }

    /// Whether the model sees images.
    pub(crate) fn sees(&self) -> bool {
        // What configuration says of the model counts before what is known of the server.
        self.overrides.vision.unwrap_or_else(|| {
            let known = self.quirks.vision.or(self.facts.capabilities.vision);
            self.quirks.images != crate::Images::None && known.unwrap_or(true)
        })
    }

    /// Whether it reads PDF files.
    pub(crate) fn reads_pdf(&self) -> bool {
        self.quirks.pdf && self.facts.capabilities.pdf.unwrap_or(true)
    }

    /// Whether it calls functions.
    pub(crate) fn calls_tools(&self) -> bool {
        self.overrides.tools.or(self.facts.capabilities.tools).unwrap_or(true)
    }

    /// Whether the model is known to reason at an effort of its own or the given one.
    pub(crate) fn reasons(&self, effort: Option<Effort>) -> bool {
        match self.facts.reasoning {
            Reasoning::Never => false,
            Reasoning::Always => true,
            Reasoning::Optional => {
                effort.or(self.facts.default_effort).is_some_and(|effort| effort != Effort::None)
            }
        }
    }

    /// The output limit to send, and a note where it is not the one asked for (behaviour R22).
    pub(crate) fn output_limit(
        &self,
        wanted: Option<u64>,
        reasons: bool,
        losses: &mut Losses,
    ) -> Option<u64> {
        self.limit(wanted, if reasons { LEAST_REASONED } else { LEAST }, losses)
    }

    /// The same for Chat Completions, where only models that reason have a least answer.
    pub(crate) fn chat_output_limit(
        &self,
        wanted: Option<u64>,
        reasons: bool,
        losses: &mut Losses,
    ) -> Option<u64> {
        let can = self.facts.reasoning != Reasoning::Never && !self.facts.efforts.is_empty();
        let least = match (reasons, can) {
            (true, _) => LEAST_REASONED,
            (false, true) => LEAST,
            (false, false) => 0,
        };
        self.limit(wanted, least, losses)
    }

    fn limit(&self, wanted: Option<u64>, least: u64, losses: &mut Losses) -> Option<u64> {
        let wanted = wanted?;
        let most = self.overrides.max_output.or(self.facts.max_output).unwrap_or(u64::MAX);
        let most = most.min(self.overrides.context_window.unwrap_or(u64::MAX));
        if wanted > most {
            let why = format!("the model answers with at most {most} tokens");
            losses.add(What::Clamped, "max_tokens", why);
            return Some(most);
        }
        // Reasoning eats a tiny limit whole, which is refused instead of cut.
        if wanted < least && least <= most {
            losses.add(What::Hint, "max_tokens", format!("raised to {least}, the least there is"));
            return Some(least);
        }
        Some(wanted)
    }

    /// What the model can be shown. PDF files by URL are a matter of the dialect.
    pub(crate) fn senses(&self, pdf_urls: bool) -> Senses {
        Senses {
            images: self.sees(),
            image_urls: self.quirks.images != crate::Images::Base64,
            pdf: self.reads_pdf(),
            pdf_urls,
            refuse_documents: self.quirks.refuse_documents,
        }
    }
}

/// Fewer output tokens are refused by OpenAI's newer interface.
const LEAST: u64 = 16;
/// What a reasoning model needs to say anything at all.
const LEAST_REASONED: u64 = 256;

/// What becomes of a `service_tier` and a `speed`.
pub(crate) fn service_tier(request: &Request<'_>) -> Option<&'static str> {
    if request.speed.is_some_and(|speed| speed.is("fast")) {
        return Some("priority");
    }
    request.service_tier.filter(|tier| tier.is("standard_only")).map(|_| "default")
}

#[cfg(test)]
mod tests {
    use gateway_dialect::KNOWN_TOOLS;
    use gateway_types::Raw;

    #[test]
    fn schemas_of_known_tools_are_acceptable() {
        for (_, _, schema) in KNOWN_TOOLS {
            assert_eq!(&*crate::acceptable_schema(Raw::from_json(schema)), *schema);
        }
    }
}
