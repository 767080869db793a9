//! Which dialect a provider's configuration means, and what it differs in.

use gateway_anthropic::edit::{self, BetaPatterns, Policy};
use gateway_config::{
    Api as Wanted, CacheControl, Compat, Documents, Images as ConfiguredImages, Kind,
    MaxTokensField as ConfiguredMaxTokens, ModelFacts, OutputConfig, Provider, ReasoningContent,
    ReasoningIn as ConfiguredReasoningIn, ReasoningOut as ConfiguredReasoningOut, SystemRole,
    Thinking, ToolChoice, UserField as ConfiguredUser,
};
use gateway_models::{Catalogue, CatalogueError, Effort};
use gateway_openai::{
    Api, Images, MaxTokensField, ModelOverrides, OpenAi, Quirks, ReasoningIn, ReasoningOut, Replay,
    SchemaMemo, ToolChoiceLevel, UserField,
};
use gateway_translate::Egress;
use serde_json::{Map, Value, json};

/// The dialect of a provider that does not speak the callers' own.
pub(crate) fn of(
    provider: &Provider,
    catalogue: &Catalogue,
) -> Result<Option<Box<dyn Egress>>, CatalogueError> {
    let api = match (provider.kind, provider.api) {
        (Kind::Anthropic | Kind::Demo, _) => return Ok(None),
        (Kind::OpenAiResponses, _) | (_, Wanted::Responses) => Api::Responses,
        // The models that want Responses are OpenAI's own.
        (_, Wanted::Auto) if provider.is_openai_host() => Api::Auto,
        (_, Wanted::Auto | Wanted::Chat) => Api::Chat,
    };
    let catalogue = known_models(catalogue, &provider.models)?;
    let mut quirks = Quirks::for_base(provider.api_base.as_deref().unwrap_or_default());
    if api == Api::Responses && quirks == Quirks::compatible() {
        // Servers of many kinds speak Chat Completions; who speaks Responses speaks it as OpenAI does.
        quirks = Quirks::default();
    }
    configure(&mut quirks, &provider.compat);
    Ok(Some(Box::new(OpenAi {
        api,
        quirks,
        catalogue,
        overrides: ModelOverrides::default(),
        schemas: SchemaMemo::default(),
    })))
}

/// What an Anthropic-shaped upstream can't take.
pub(crate) fn policy(compat: &Compat) -> Result<Policy, String> {
    let drop_betas = BetaPatterns::new(compat.drop_betas.iter().map(String::as_str))
        .map_err(|(at, why)| format!("drop_betas: `{}`: {why}", compat.drop_betas[at]))?;
    Ok(Policy {
        thinking: match compat.thinking {
            None => edit::Thinking::Signed,
            Some(Thinking::Preserve) => edit::Thinking::Preserve,
            Some(Thinking::Sanitize) => edit::Thinking::Sanitize,
            Some(Thinking::Strip) => edit::Thinking::Strip,
        },
        strip_cache_control: compat.cache_control == Some(CacheControl::Strip),
        inline_system: compat.system_role == Some(SystemRole::Inline),
        documents: match compat.documents {
            None | Some(Documents::Keep) => edit::Documents::Keep,
            Some(Documents::Text) => edit::Documents::Text,
            Some(Documents::Refuse) => edit::Documents::Refuse,
        },
        strip_output_config: compat.output_config == Some(OutputConfig::Strip),
        drop_fields: compat.drop_fields.clone(),
        drop_betas,
    })
}

/// The catalogue with what the configuration says of this provider's models.
fn known_models(catalogue: &Catalogue, models: &[ModelFacts]) -> Result<Catalogue, CatalogueError> {
    let rows: Vec<String> = models.iter().map(|model| row(model).to_string()).collect();
    if rows.is_empty() { Ok(catalogue.clone()) } else { catalogue.overlaid(&rows.join("\n")) }
}

fn row(model: &ModelFacts) -> Value {
    let mut row = Map::new();
    row.insert("id".to_owned(), json!(model.name));
    for (key, value) in [("context_window", model.context_window), ("max_output", model.max_tokens)]
    {
        if let Some(value) = value {
            row.insert(key.to_owned(), json!(value));
        }
    }
    let known = [("tools", model.supports_tools), ("vision", model.supports_vision)];
    for (key, wanted) in [("can", true), ("cannot", false)] {
        let words: Vec<_> =
            known.iter().filter(|(_, fact)| *fact == Some(wanted)).map(|(word, _)| *word).collect();
        if !words.is_empty() {
            row.insert(key.to_owned(), json!(words));
        }
    }
    if let Some(price) = &model.price {
        let mut prices = Map::new();
        prices.insert("input".to_owned(), json!(price.input));
        prices.insert("output".to_owned(), json!(price.output));
        for (key, value) in [("cache_read", price.cache_read), ("cache_write", price.cache_write)] {
            if let Some(value) = value {
                prices.insert(key.to_owned(), json!(value));
            }
        }
        row.insert("prices".to_owned(), Value::Object(prices));
    }
    Value::Object(row)
}

/// What the configuration says wins over the preset.
fn configure(quirks: &mut Quirks, compat: &Compat) {
    fn set<T: Clone>(place: &mut T, said: Option<&T>) {
        if let Some(said) = said {
            *place = said.clone();
        }
    }
    set(&mut quirks.stream_options, compat.stream_options.as_ref());
    set(&mut quirks.developer_role, compat.developer_role.as_ref());
    set(&mut quirks.system_anywhere, compat.system_anywhere.as_ref());
    set(&mut quirks.parallel_tool_calls, compat.parallel_tool_calls.as_ref());
    set(&mut quirks.tool_images, compat.tool_images.as_ref());
    set(&mut quirks.pdf, compat.pdf.as_ref());
    set(&mut quirks.json_schema, compat.json_schema.as_ref());
    set(&mut quirks.json_object, compat.json_object.as_ref());
    set(&mut quirks.strict_schemas, compat.strict_schemas.as_ref());
    set(&mut quirks.stop_max, compat.stop_max.as_ref());
    set(&mut quirks.tool_name_max, compat.tool_name_max.as_ref());
    set(&mut quirks.call_id_max, compat.call_id_max.as_ref());
    set(&mut quirks.tools_max, compat.tools_max.as_ref());
    set(&mut quirks.top_k, compat.top_k.as_ref());
    set(&mut quirks.empty_tool_output, compat.empty_tool_output.as_ref());
    quirks.temperature = compat.temperature.or(quirks.temperature);
    quirks.drop_fields.extend(compat.drop_fields.iter().cloned());
    if let Some(efforts) = &compat.efforts {
        let efforts = efforts.iter().filter_map(|word| word.parse::<Effort>().ok());
        quirks.efforts = Some(efforts.collect());
    }
    if let Some(field) = compat.max_tokens_field {
        quirks.max_tokens_field = match field {
            ConfiguredMaxTokens::MaxTokens => MaxTokensField::MaxTokens,
            ConfiguredMaxTokens::MaxCompletionTokens => MaxTokensField::MaxCompletionTokens,
        };
    }
    if let Some(level) = compat.tool_choice {
        quirks.tool_choice = match level {
            ToolChoice::Full => ToolChoiceLevel::Full,
            ToolChoice::NoNamed => ToolChoiceLevel::NoNamed,
            ToolChoice::AutoOnly => ToolChoiceLevel::AutoOnly,
            ToolChoice::None => ToolChoiceLevel::None,
        };
    }
    if let Some(images) = compat.images {
        quirks.images = match images {
            ConfiguredImages::Keep => Images::Keep,
            ConfiguredImages::Base64 => Images::Base64,
            ConfiguredImages::None => Images::None,
        };
    }
    if let Some(reasoning) = compat.reasoning_in {
        quirks.reasoning_in = match reasoning {
            ConfiguredReasoningIn::ReasoningEffort => ReasoningIn::ReasoningEffort,
            ConfiguredReasoningIn::Reasoning => ReasoningIn::Reasoning,
            ConfiguredReasoningIn::Thinking => ReasoningIn::Thinking,
            ConfiguredReasoningIn::None => ReasoningIn::None,
        };
    }
    if let Some(reasoning) = compat.reasoning_out {
        quirks.reasoning_out = match reasoning {
            ConfiguredReasoningOut::Auto => ReasoningOut::Auto,
            ConfiguredReasoningOut::ReasoningContent => ReasoningOut::ReasoningContent,
            ConfiguredReasoningOut::Reasoning => ReasoningOut::Reasoning,
            ConfiguredReasoningOut::ReasoningDetails => ReasoningOut::ReasoningDetails,
            ConfiguredReasoningOut::ThinkTags => ReasoningOut::ThinkTags,
        };
    }
    match compat.reasoning_content {
        None | Some(ReasoningContent::Auto) => {}
        Some(ReasoningContent::Replay) => quirks.replay_reasoning = Replay::Always,
        Some(ReasoningContent::Never) => quirks.replay_reasoning = Replay::Never,
    }
    if let Some(field) = compat.user_field {
        quirks.user_field = match field {
            ConfiguredUser::SafetyIdentifier => UserField::SafetyIdentifier,
            ConfiguredUser::User => UserField::User,
            ConfiguredUser::None => UserField::None,
        };
    }
    match compat.documents {
        None | Some(Documents::Keep) => {}
        Some(wish) => {
            quirks.pdf = false;
            quirks.refuse_documents = wish == Documents::Refuse;
        }
    }
}
