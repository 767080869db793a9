//! From a request to the body of `POST /chat/completions`.

use gateway_dialect::{
    cache_key, expect, note_cache_marks, note_others, prompt_estimate, tool_names, user_id,
};
use gateway_models::Effort;
use gateway_translate::{Encoded, Json, NameMap, ThinkingShown};
use gateway_types::{ApiError, ErrorKind, Losses, Raw, Request, What};
use http::HeaderMap;

use super::DIALECT;
use super::messages::Messages;
use super::reader::{ChatReader, Setup};
use super::reasoning::Sealer;
use super::tools::Tools;
use crate::common::{Target, service_tier};
use crate::effort::{self, Plan};
use crate::schema::format_schema;
use crate::{
    MaxTokensField, Quirks, ReasoningIn, ReasoningOut, Replay, UnthinkingTools, UserField,
    strict_ok,
};

/// Writes a request for a server of this dialect.
///
/// # Errors
/// What can't be said to this server at all.
pub(crate) fn encode(request: &Request<'_>, target: &Target<'_>) -> Result<Encoded, ApiError> {
    let quirks = target.quirks;
    let mut losses = Losses::new();
    let names = NameMap::new(tool_names(request), quirks.tool_name_max);
    let tools = Tools::choose(request, target, &names, &mut losses)?;
    let plan = plan(request, target, !tools.is_empty(), &mut losses);
    let stops = !request.stop_sequences.is_empty();
    // Stop sequences are matched here; a stream can be given up as soon as one is met. Some give no
    // stream at all, OpenAI of some models to those whom it has not verified.
    let refused = quirks.drop_fields.iter().any(|name| name == "stream");
    let stream = (request.stream || stops) && !refused;
    let mut told = Vec::new();
    let format = format(request, target, &mut told, &mut losses);

    let mut body = Body { json: Json::with_capacity(room(request)), quirks };
    body.json.open('{');
    body.json.key("model").string(target.model);
    body.json.key("messages").open('[');
    let before = body.json.len();
    let messages = Messages::new(target, &names, &mut losses, &mut body.json);
    messages.write(request, &told, tools.told.as_deref())?;
    if body.json.len() == before {
        let text = "messages: at least one message is required";
        return Err(ApiError::new(ErrorKind::InvalidRequest, text));
    }
    body.json.close(']');
    if !tools.is_empty() {
        if let Some(json) = body.field("tools") {
            json.array(|json| tools.write(target, &names, json, &mut losses));
        }
        if let Some(choice) = tools.choice(&names) {
            body.raw("tool_choice", &choice);
        }
        if tools.one_at_a_time {
            body.raw("parallel_tool_calls", "false");
        }
    }
    if let Some(format) = format {
        body.raw("response_format", &format);
    }
    let reasons = target.reasons(plan.effort);
    let limit = target.chat_output_limit(request.max_tokens, reasons, &mut losses);
    reasoning(&mut body, target, plan.within(limit, &mut losses));
    if let Some(limit) = limit {
        body.raw(
            match quirks.max_tokens_field {
                MaxTokensField::MaxTokens => "max_tokens",
                MaxTokensField::MaxCompletionTokens => "max_completion_tokens",
            },
            &limit.to_string(),
        );
    }
    sampling(&mut body, request, target, plan.effort, &mut losses);
    if stops {
        let why = "matched by the gateway, which can tell which one was met";
        losses.add(What::Emulated, "stop_sequences", why);
        let most = match target.facts.capabilities.stop {
            Some(false) => 0,
            _ => quirks.stop_max,
        };
        let sent: Vec<_> = request.stop_sequences.iter().take(most).collect();
        if !sent.is_empty()
            && let Some(json) = body.field("stop")
        {
            json.array(|json| {
                for stop in sent {
                    json.text(*stop);
                }
            });
        }
    }
    people(&mut body, request, target, &mut losses);
    if stream {
        body.json.key("stream").bool(true);
        if quirks.stream_options {
            body.raw("stream_options", r#"{"include_usage":true}"#);
        }
    }
    for (name, value) in &quirks.extra_fields {
        let dropped = quirks.drop_fields.contains(name);
        if !dropped && !matches!(name.as_str(), "model" | "messages" | "stream") {
            body.json.key(name).raw(Raw::from_json(value));
        }
    }
    body.json.close('}');
    note_others(request, &mut losses);
    if !target.keeps_marks() {
        note_cache_marks(request, &mut losses);
    }

    let prompt_estimate = prompt_estimate(request, target.facts.family, target.cx.endpoint);
    let reader = reader(request, target, names, tools.searches, prompt_estimate);
    Ok(Encoded {
        path: "/chat/completions".to_owned(),
        headers: HeaderMap::new(),
        body: body.json.into_string(),
        stream,
        reader: Box::new(reader),
        losses,
        prompt_estimate,
    })
}

/// Bytes that the body will hardly exceed: growing it would copy it again and again.
fn room(request: &Request<'_>) -> usize {
    let said = request.messages.iter().flat_map(|message| &message.content);
    let said: usize = request.system.iter().chain(said).map(|block| block.raw.as_str().len()).sum();
    let tools: usize = request.tools.iter().map(|tool| tool.raw.as_str().len() + 32).sum();
    said + said / 16 + tools + 2048
}

/// The body, without the fields that the server is not to get.
#[derive(Debug)]
struct Body<'q> {
    json: Json,
    quirks: &'q Quirks,
}

impl Body<'_> {
    /// The place of a field's value; `None` where the field is to be left out, or always has
    /// another.
    fn field(&mut self, name: &str) -> Option<&mut Json> {
        let dropped = self.quirks.drop_fields.iter().any(|dropped| dropped == name);
        let fixed = self.quirks.extra_fields.iter().any(|(extra, _)| extra == name);
        (!dropped && !fixed).then(|| self.json.key(name))
    }

    fn raw(&mut self, name: &str, value: &str) {
        if let Some(json) = self.field(name) {
            json.raw(Raw::from_json(value));
        }
    }

    fn string(&mut self, name: &str, value: &str) {
        if let Some(json) = self.field(name) {
            json.string(value);
        }
    }
}

fn plan(request: &Request<'_>, target: &Target<'_>, tools: bool, losses: &mut Losses) -> Plan {
    let mut plan = effort::plan(request, target, true, losses);
    let facts = &target.facts;
    let unthinking = match target.quirks.unthinking_tools {
        UnthinkingTools::None => false,
        // Newer models of OpenAI's refuse functions here unless they do not think.
        UnthinkingTools::Known => {
            facts.family.is_openai()
                && !facts.endpoints.chat_with_tools
                && facts.efforts.contains(&Effort::None)
        }
        UnthinkingTools::All => true,
    };
    if tools && unthinking {
        // Also of a caller who said nothing: most of these models think unless told not to.
        if plan.effort.or(facts.default_effort) != Some(Effort::None) {
            let why = "with tools this model thinks only on the Responses API";
            losses.add(What::Clamped, "thinking", why);
        }
        plan = Plan { effort: Some(Effort::None), ..Plan::default() };
    }
    plan
}

fn reasoning(body: &mut Body<'_>, target: &Target<'_>, plan: Plan) {
    let effort = plan.effort.map(Effort::as_str);
    match target.quirks.reasoning_in {
        ReasoningIn::None => {}
        ReasoningIn::ReasoningEffort => {
            if let Some(effort) = effort {
                body.string("reasoning_effort", effort);
            }
        }
        ReasoningIn::Reasoning => {
            let value = match (effort, plan.budget, plan.thinking) {
                (Some(effort), ..) => format!("{{\"effort\":\"{effort}\"}}"),
                (_, Some(tokens), _) => format!("{{\"max_tokens\":{tokens}}}"),
                (_, _, Some(thinks)) => format!("{{\"enabled\":{thinks}}}"),
                _ => return,
            };
            body.raw("reasoning", &value);
        }
        ReasoningIn::Thinking => {
            // An effort says that it thinks; some refuse to be told both.
            if let Some(effort) = effort {
                body.string("reasoning_effort", effort);
            } else if let Some(thinks) = plan.thinking {
                let kind = if thinks { "enabled" } else { "disabled" };
                body.raw("thinking", &format!("{{\"type\":\"{kind}\"}}"));
            }
        }
    }
}

fn sampling(
    body: &mut Body<'_>,
    request: &Request<'_>,
    target: &Target<'_>,
    effort: Option<Effort>,
    losses: &mut Losses,
) {
    if effort::sampling(request, target, effort, losses) {
        for (name, value) in [("temperature", request.temperature), ("top_p", request.top_p)] {
            let Some(value) = value else { continue };
            let zero = value.as_str().parse::<f64>().is_ok_and(|number| number <= 0.0);
            if zero && name == "temperature" && !target.quirks.temperature_zero {
                losses.add(
                    What::Clamped,
                    name,
                    "this upstream takes none of 0; its default counts",
                );
                continue;
            }
            body.raw(name, value.as_str());
        }
    }
    match request.top_k {
        Some(top_k) if target.quirks.top_k => body.raw("top_k", top_k.as_str()),
        Some(_) => losses.add(What::Dropped, "top_k", "this upstream has no such field"),
        None => {}
    }
}

/// `response_format`, where the server has it; else the schema is told in words.
fn format(
    request: &Request<'_>,
    target: &Target<'_>,
    told: &mut Vec<String>,
    losses: &mut Losses,
) -> Option<String> {
    let schema = request.format?;
    let taken = target.quirks.json_schema && target.facts.capabilities.json_schema != Some(false);
    let fits = format_schema(schema);
    if let Some(acceptable) = fits.as_deref().filter(|_| taken) {
        let acceptable = Raw::from_json(acceptable);
        let strict = target.quirks.strict_schemas && strict_ok(acceptable);
        if target.quirks.strict_schemas && !strict {
            let why = "the model is asked for the schema, not held to it";
            losses.add(What::Replaced, "output_config.format", why);
        }
        let mut json = Json::new();
        json.object(|json| {
            json.key("type").string("json_schema").key("json_schema").object(|json| {
                json.key("name").string("output").key("schema").raw(acceptable);
                if target.quirks.strict_schemas {
                    json.key("strict").bool(strict);
                }
            });
        });
        return Some(json.into_string());
    }
    losses.add(What::Replaced, "output_config.format", "the model is told the schema in words");
    told.push(format!(
        "Answer with one JSON value and nothing else. It must follow this JSON schema:\n{}",
        schema.as_str()
    ));
    // An object is not what every schema asks for.
    let json_object = target.quirks.json_object && fits.is_some();
    json_object.then(|| r#"{"type":"json_object"}"#.to_owned())
}

/// Who asks, and what is to be done for him beyond the answer.
fn people(body: &mut Body<'_>, request: &Request<'_>, target: &Target<'_>, losses: &mut Losses) {
    let quirks = target.quirks;
    if let Some(user) = user_id(request) {
        match quirks.user_field {
            UserField::SafetyIdentifier => body.string("safety_identifier", &user),
            UserField::User => body.string("user", &user),
            UserField::None => {
                losses.add(What::Hint, "metadata", "this upstream has no such field");
            }
        }
    }
    if let Some(key) = cache_key(request) {
        if quirks.prompt_cache_key {
            body.string("prompt_cache_key", &key);
        }
        if quirks.session_id {
            body.string("session_id", &key);
        }
    }
    if let Some(tier) = service_tier(request) {
        if quirks.service_tier {
            body.string("service_tier", tier);
        } else {
            losses.add(What::Hint, "service_tier", "this upstream has no such field");
        }
    }
}

fn reader(
    request: &Request<'_>,
    target: &Target<'_>,
    names: NameMap,
    searches: bool,
    prompt_estimate: u64,
) -> ChatReader {
    let quirks = target.quirks;
    let mut expect = expect(request, target.cx, names, prompt_estimate);
    let wanted_back = quirks.reasoning_required || quirks.replay_reasoning == Replay::Always;
    if wanted_back && expect.thinking == ThinkingShown::Hidden {
        // Nobody asked to see it, but it has to come back: sealed, and without its text.
        expect.thinking = ThinkingShown::Omitted;
    }
    let binding = target.binding(DIALECT);
    ChatReader::new(Setup {
        expect,
        model: target.cx.model.to_owned(),
        prompt_limit: target.overrides.context_window.or_else(|| target.facts.prompt_limit()),
        sealer: Sealer {
            keys: target.cx.keys.clone(),
            provider: binding.provider.to_owned(),
            family: binding.family.to_owned(),
            account: binding.account.to_owned(),
        },
        replays: quirks.replay_reasoning != Replay::Never,
        tags: matches!(quirks.reasoning_out, ReasoningOut::Auto | ReasoningOut::ThinkTags),
        searches,
    })
}
