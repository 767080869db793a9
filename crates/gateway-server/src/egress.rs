//! Which dialect a provider's configuration means, and what it differs in.

use gateway_anthropic::edit::{self, BetaPatterns, Policy};
use gateway_anthropic::hosted::Host;
use gateway_anthropic::presets::{self, Preset};
use gateway_bedrock::Bedrock;
use gateway_config::{
    Api as Wanted, BedrockApi, CacheControl, Compat, Documents, Images as ConfiguredImages, Kind,
    MaxTokensField as ConfiguredMaxTokens, ModelFacts, OutputConfig, Provider, ReasoningContent,
    ReasoningIn as ConfiguredReasoningIn, ReasoningOut as ConfiguredReasoningOut, SystemRole,
    Thinking, ToolChoice, UserField as ConfiguredUser,
};
use gateway_gemini::{Gemini, Options, Schemas, Surface};
use gateway_models::{Catalogue, CatalogueError, Effort};
use gateway_ollama::Ollama;
use gateway_openai::{
    Api, Azure, Images, MaxTokensField, ModelOverrides, OpenAi, Quirks, ReasoningIn, ReasoningOut,
    Replay, SchemaMemo, ToolChoiceLevel, UserField,
};
use gateway_translate::Egress;
use serde_json::{Map, Value, json};

/// The dialect of a provider that does not speak the callers' own.
pub(crate) fn of(
    provider: &Provider,
    catalogue: &Catalogue,
) -> Result<Option<Box<dyn Egress>>, CatalogueError> {
    let catalogue = known_models(catalogue, &provider.models)?;
    Ok(match provider.kind {
        Kind::Anthropic | Kind::Demo => None,
        Kind::OpenAi | Kind::OpenAiResponses | Kind::Azure | Kind::OpenRouter => {
            Some(Box::new(open_ai(provider, catalogue)))
        }
        Kind::Gemini => Some(Box::new(gemini(provider, Surface::AiStudio, catalogue))),
        Kind::Vertex => {
            let surface = Surface::Vertex {
                project: provider.extra.project.clone(),
                location: provider.extra.location.clone().unwrap_or_default(),
                version: Surface::VERTEX_VERSION.to_owned(),
            };
            Some(Box::new(gemini(provider, surface, catalogue)))
        }
        Kind::Bedrock => Some(Box::new(bedrock(provider, catalogue))),
        Kind::Ollama => Some(Box::new(Ollama {
            num_ctx: provider.extra.num_ctx,
            refuse_documents: provider.compat.documents == Some(Documents::Refuse),
            extra_fields: extra_fields(&provider.compat).collect(),
            catalogue,
            schemas: SchemaMemo::default(),
        })),
    })
}

fn gemini(provider: &Provider, surface: Surface, catalogue: Catalogue) -> Gemini {
    let compat = &provider.compat;
    let mut options = Options {
        drop_fields: compat.drop_fields.clone(),
        extra_fields: extra_fields(compat).collect(),
        // Which one was met would not be told: the gateway stops at all of them itself.
        stop_sequences_sent: 0,
        ..Options::default()
    };
    if let Some(most) = compat.tool_name_max {
        options.tool_name_max = most;
    }
    if let Some(most) = compat.call_id_max {
        options.call_id_max = most;
    }
    if let Some(most) = compat.stop_max {
        options.stop_sequences_sent = most;
    }
    Gemini { surface, catalogue, schemas: Schemas::default(), options }
}

fn open_ai(provider: &Provider, catalogue: Catalogue) -> OpenAi {
    let extra = &provider.extra;
    let api = match (provider.kind, provider.api) {
        (Kind::OpenAiResponses, _) | (_, Wanted::Responses) => Api::Responses,
        (Kind::Azure, Wanted::Auto) => Api::Auto,
        // The models that want Responses are OpenAI's own.
        (_, Wanted::Auto) if provider.is_openai_host() => Api::Auto,
        (_, Wanted::Auto | Wanted::Chat) => Api::Chat,
    };
    let azure = (provider.kind == Kind::Azure).then(|| Azure {
        api_version: extra.api_version.clone(),
        deployment: extra.deployment.clone(),
    });
    let mut quirks = match (&azure, provider.kind) {
        (Some(azure), _) => azure.quirks(),
        // OpenRouter by whatever address it is reached.
        (None, Kind::OpenRouter) => Quirks::for_base(OPENROUTER),
        (None, _) if provider.compat.preset.is_some() => {
            provider.compat.preset.and_then(Quirks::named).unwrap_or_default()
        }
        (None, _) => Quirks::for_base(provider.api_base.as_deref().unwrap_or_default()),
    };
    if api == Api::Responses && quirks == Quirks::compatible() {
        // Servers of many kinds speak Chat Completions; who speaks Responses speaks it as OpenAI does.
        quirks = Quirks::default();
    }
    configure(&mut quirks, &provider.compat);
    if let Some(routing) = &extra.provider {
        let routing = Value::Object(routing.clone()).to_string();
        quirks.extra_fields.push(("provider".to_owned(), routing));
    }
    quirks.extra_fields.extend(extra_fields(&provider.compat));
    OpenAi {
        api,
        quirks,
        catalogue,
        overrides: ModelOverrides::default(),
        schemas: SchemaMemo::default(),
        azure,
    }
}

/// Name and JSON of each field that is always sent.
fn extra_fields(compat: &Compat) -> impl Iterator<Item = (String, String)> {
    compat.extra_fields.iter().map(|(name, value)| (name.clone(), value.to_string()))
}

const OPENROUTER: &str = "https://openrouter.ai/api/v1";

/// Bedrock, where a provider is that: it reads the frames that Claude answers in, too.
pub(crate) fn framed(
    provider: &Provider,
    catalogue: &Catalogue,
) -> Result<Option<Bedrock>, CatalogueError> {
    if provider.kind != Kind::Bedrock {
        return Ok(None);
    }
    Ok(Some(bedrock(provider, known_models(catalogue, &provider.models)?)))
}

fn bedrock(provider: &Provider, catalogue: Catalogue) -> Bedrock {
    Bedrock {
        region: provider.extra.region.clone().unwrap_or_default(),
        family: provider.extra.family.clone(),
        catalogue,
        schemas: SchemaMemo::default(),
    }
}

/// Who hosts Claude at this provider, where it is not Anthropic itself.
pub(crate) fn host(provider: &Provider) -> Option<Host> {
    let extra = &provider.extra;
    match provider.kind {
        // Without a project Google is asked with an API key, which opens its own models only.
        Kind::Vertex => Some(Host::Vertex {
            project: extra.project.as_deref()?.into(),
            location: extra.location.as_deref()?.into(),
        }),
        Kind::Bedrock if extra.bedrock_api == BedrockApi::Messages => Some(Host::BedrockMessages),
        Kind::Bedrock => Some(Host::Bedrock),
        _ => None,
    }
}

/// Whether the refusals of a provider that is asked in the callers' dialect teach anything: Anthropic's
/// own are the client's to read, which repairs its requests itself (C9).
pub(crate) fn learns(provider: &Provider) -> bool {
    let base = provider.api_base.as_deref().and_then(|url| url.parse::<http::Uri>().ok());
    let anthropics = base.as_ref().and_then(http::Uri::host).is_some_and(|host| {
        let host = host.to_ascii_lowercase();
        host == "anthropic.com" || host.ends_with(".anthropic.com")
    });
    provider.kind == Kind::Anthropic && base.is_some() && !anthropics
}

/// What is known of a server that speaks the callers' dialect: by the name that it is given, else by its
/// address.
fn preset(provider: &Provider) -> Option<&'static Preset> {
    match provider.compat.preset {
        Some(name) => presets::by_name(name),
        None => presets::by_base(provider.api_base.as_deref()?),
    }
}

/// Whether an Anthropic-shaped server takes its key as a bearer token only.
pub(crate) fn wants_bearer(provider: &Provider) -> bool {
    provider.kind == Kind::Anthropic
        && !provider.auth_stated
        && preset(provider).is_some_and(|preset| preset.auth == presets::Auth::Bearer)
}

/// What an Anthropic-shaped upstream can't take: what is known of its address, and over it what the
/// configuration says.
pub(crate) fn policy(provider: &Provider) -> Result<Policy, String> {
    let compat = &provider.compat;
    let mut policy = match provider.kind {
        Kind::Anthropic => preset(provider).map(Preset::policy).unwrap_or_default(),
        _ => Policy::default(),
    };
    let drop_betas = BetaPatterns::new(compat.drop_betas.iter().map(String::as_str))
        .map_err(|(at, why)| format!("drop_betas: `{}`: {why}", compat.drop_betas[at]))?;
    if let Some(thinking) = compat.thinking {
        policy.thinking = match thinking {
            Thinking::Preserve => edit::Thinking::Preserve,
            Thinking::Sanitize => edit::Thinking::Sanitize,
            Thinking::Strip => edit::Thinking::Strip,
        };
    }
    if let Some(marks) = compat.cache_control {
        policy.strip_cache_control = marks == CacheControl::Strip;
    }
    if let Some(role) = compat.system_role {
        policy.inline_system = role == SystemRole::Inline;
    }
    if let Some(documents) = compat.documents {
        policy.documents = match documents {
            Documents::Keep => edit::Documents::Keep,
            Documents::Text => edit::Documents::Text,
            Documents::Refuse => edit::Documents::Refuse,
        };
    }
    if let Some(config) = compat.output_config {
        policy.strip_output_config = config == OutputConfig::Strip;
    }
    policy.drop_fields.extend(compat.drop_fields.iter().cloned());
    policy.drop_betas = drop_betas;
    Ok(policy)
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
    set(&mut quirks.prefill, compat.prefill.as_ref());
    set(&mut quirks.native_call_ids, compat.native_call_ids.as_ref());
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

#[cfg(test)]
mod tests {
    use gateway_config::{Sources, load};

    use super::*;

    fn provider(compat: &str) -> Provider {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("gateway.yaml");
        let yaml = format!(
            "providers:\n  up: {{kind: openai, api_base: \"http://10.0.0.1/v1\", compat: {{{compat}}}}}\n"
        );
        std::fs::write(&file, yaml).expect("written");
        let mut sources = Sources::empty(dir.path());
        sources.overrides.config = Some(file);
        let loaded = load(&sources).unwrap_or_else(|faults| panic!("{compat}: {faults:?}"));
        loaded.config.providers.into_iter().next().expect("one")
    }

    /// Each key reaches the quirk it is about, and no other.
    #[test]
    fn every_key_of_compat_sets_its_quirk() {
        type Change = fn(&mut Quirks);
        let keys: &[(&str, Change)] = &[
            ("max_tokens_field: max_completion_tokens", |q| {
                q.max_tokens_field = MaxTokensField::MaxCompletionTokens;
            }),
            ("stream_options: false", |q| q.stream_options = false),
            ("developer_role: true", |q| q.developer_role = true),
            ("system_anywhere: true", |q| q.system_anywhere = true),
            ("tool_choice: no_named", |q| q.tool_choice = ToolChoiceLevel::NoNamed),
            ("tool_choice: auto_only", |q| q.tool_choice = ToolChoiceLevel::AutoOnly),
            ("tool_choice: none", |q| q.tool_choice = ToolChoiceLevel::None),
            ("parallel_tool_calls: true", |q| q.parallel_tool_calls = true),
            ("images: base64", |q| q.images = Images::Base64),
            ("images: none", |q| q.images = Images::None),
            ("tool_images: false", |q| q.tool_images = false),
            ("pdf: true", |q| q.pdf = true),
            ("json_schema: false", |q| q.json_schema = false),
            ("json_object: false", |q| q.json_object = false),
            ("strict_schemas: true", |q| q.strict_schemas = true),
            ("stop_max: 3", |q| q.stop_max = 3),
            ("tool_name_max: 33", |q| q.tool_name_max = 33),
            ("call_id_max: 9", |q| q.call_id_max = 9),
            ("tools_max: 7", |q| q.tools_max = 7),
            ("reasoning_in: reasoning", |q| q.reasoning_in = ReasoningIn::Reasoning),
            ("reasoning_in: thinking", |q| q.reasoning_in = ReasoningIn::Thinking),
            ("reasoning_in: none", |q| q.reasoning_in = ReasoningIn::None),
            ("reasoning_out: reasoning_content", |q| {
                q.reasoning_out = ReasoningOut::ReasoningContent;
            }),
            ("reasoning_out: reasoning", |q| q.reasoning_out = ReasoningOut::Reasoning),
            ("reasoning_out: reasoning_details", |q| {
                q.reasoning_out = ReasoningOut::ReasoningDetails;
            }),
            ("reasoning_out: think_tags", |q| q.reasoning_out = ReasoningOut::ThinkTags),
            ("reasoning_content: replay", |q| q.replay_reasoning = Replay::Always),
            ("reasoning_content: never", |q| q.replay_reasoning = Replay::Never),
            ("user_field: safety_identifier", |q| q.user_field = UserField::SafetyIdentifier),
            ("user_field: user", |q| q.user_field = UserField::User),
            ("efforts: [low, max]", |q| q.efforts = Some(vec![Effort::Low, Effort::Max])),
            ("temperature: false", |q| q.temperature = Some(false)),
            ("top_k: true", |q| q.top_k = true),
            ("prefill: true", |q| q.prefill = true),
            ("native_call_ids: true", |q| q.native_call_ids = true),
            ("extra_fields: {min_p: 0.1}", |q| {
                q.extra_fields = vec![("min_p".to_owned(), "0.1".to_owned())];
            }),
            ("preset: groq", |q| *q = Quirks::named("groq").expect("a preset")),
            ("empty_tool_output: nothing", |q| q.empty_tool_output = "nothing".to_owned()),
            ("drop_fields: [user, seed]", |q| q.drop_fields = vec!["user".into(), "seed".into()]),
            ("documents: text", |q| q.pdf = false),
            ("documents: refuse", |q| {
                q.pdf = false;
                q.refuse_documents = true;
            }),
        ];
        for (key, change) in keys {
            let mut wanted = Quirks::compatible();
            change(&mut wanted);
            let made = open_ai(&provider(key), Catalogue::builtin().clone());
            assert_eq!((made.api, made.quirks), (Api::Chat, wanted), "{key}");
        }
    }

    #[test]
    fn every_preset_that_can_be_named_is_there() {
        for name in gateway_config::PRESETS {
            assert!(Quirks::named(name).is_some(), "{name}");
        }
        for name in gateway_config::ANTHROPIC_PRESETS {
            assert!(presets::by_name(name).is_some(), "{name}");
        }
    }

    #[test]
    fn what_is_said_of_a_model_lies_over_the_catalogue() {
        let mut provider = provider("");
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("gateway.yaml");
        let yaml = "providers:\n  up:\n    kind: openai\n    api_base: http://10.0.0.1/v1\n    models:\n      \
                    gpt-4.1: {max_tokens: 7, supports_vision: false}\n      own: {context_window: 9000}\n";
        std::fs::write(&file, yaml).expect("written");
        let mut sources = Sources::empty(dir.path());
        sources.overrides.config = Some(file);
        provider.models = load(&sources).expect("valid").config.providers[0].models.clone();
        let known = known_models(Catalogue::builtin(), &provider.models).expect("valid");
        let model = known.find("gpt-4.1").expect("listed");
        assert_eq!((model.max_output, model.capabilities.vision), (Some(7), Some(false)));
        assert!(model.context_window.is_some(), "what is not said stays");
        assert_eq!(known.find("own").and_then(gateway_models::Model::prompt_limit), Some(9000));
    }
}
