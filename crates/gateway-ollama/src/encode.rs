//! From a request to the body of `POST /api/chat`.

use gateway_dialect::{Senses, expect, note_cache_marks, note_others, prompt_estimate, tool_names};
use gateway_translate::{Assembler, AttemptCx, Encoded, Json, NameMap};
use gateway_types::{ApiError, Endpoint, ErrorKind, Feature, Losses, Raw, Request, What};
use http::HeaderMap;

use crate::Ollama;
use crate::about::About;
use crate::messages::Messages;
use crate::reader::{OllamaReader, Setup};
use crate::think::{self, Think};
use crate::tools::Tools;
use crate::window::Window;

/// Longest name of a tool. Ollama has no limit; models keep to names of usual length and characters.
const TOOL_NAME_MAX: usize = 64;

/// Writes a request for Ollama.
///
/// # Errors
/// What can't be said at all, and a prompt that does not fit the model's window.
pub(crate) fn encode(
    egress: &Ollama,
    request: &Request<'_>,
    cx: &AttemptCx<'_>,
) -> Result<Encoded, ApiError> {
    let mut losses = Losses::new();
    let facts = egress.catalogue.facts(cx.model);
    let about = About::read(cx.about);
    let names = NameMap::new(tool_names(request), TOOL_NAME_MAX);
    // The server knows what its own copy can do; a person may know better that it can't.
    let can = |known: Option<bool>, said: Option<bool>| known != Some(false) && said != Some(false);
    let calls_tools = can(facts.capabilities.tools, about.tools)
        && !cx.without.contains(&Feature::Field("tools"));
    let tools = Tools::choose(request, cx, &names, calls_tools, &mut losses)?;
    let prompt = prompt_estimate(request, facts.family, cx.endpoint);
    let window = Window::of(egress.num_ctx, facts.prompt_limit(), &about);
    let wanted = limit(request, facts.max_output, &mut losses);
    let predict = match cx.endpoint {
        Endpoint::CountTokens => wanted,
        Endpoint::Messages => window.room(cx, prompt, wanted)?,
    };
    if let (Some(wanted), Some(predict)) = (wanted, predict)
        && predict < wanted
    {
        let why = format!("the window has room for {predict} tokens beside the prompt");
        losses.add(What::Clamped, "max_tokens", why);
    }
    let stops = !request.stop_sequences.is_empty();
    if stops {
        // Ollama would put them in the place of the model's own, and does not say which one was met. A
        // stream can be given up as soon as one is.
        let why = "matched by the gateway, which can tell which one was met";
        losses.add(What::Emulated, "stop_sequences", why);
    }
    let stream = request.stream || stops;
    let think = think::plan(request, cx, &about, facts.family, &mut losses);
    let senses = Senses {
        images: can(facts.capabilities.vision, about.vision),
        image_urls: false,
        pdf: false,
        pdf_urls: false,
        refuse_documents: egress.refuse_documents,
    };

    let mut json = Json::with_capacity(room(request));
    json.open('{');
    json.key("model").string(cx.model).key("messages").open('[');
    let before = json.len();
    Messages::new(cx, senses, &names, &mut losses, &mut json)
        .write(request, tools.told.as_deref())?;
    if json.len() == before {
        let text = "messages: at least one message is required";
        return Err(ApiError::new(ErrorKind::InvalidRequest, text));
    }
    json.close(']');
    if !tools.is_empty() {
        json.key("tools").array(|json| tools.write(&egress.schemas, &names, json, &mut losses));
    }
    match think {
        Some(Think::Switch(on)) => {
            json.key("think").bool(on);
        }
        Some(Think::Level(level)) => {
            json.key("think").string(level.as_str());
        }
        None => {}
    }
    if let Some(schema) = request.format {
        json.key("format").raw(schema);
    }
    json.key("stream").bool(stream);
    // Servers that know these say that something does not fit; older ones ignore them.
    json.key("truncate").bool(false).key("shift").bool(false);
    options(&mut json, request, window, predict);
    for (name, value) in &egress.extra_fields {
        if !OWN_FIELDS.contains(&name.as_str()) {
            json.key(name).raw(Raw::from_json(value));
        }
    }
    json.close('}');
    note_others(request, &mut losses);
    note_cache_marks(request, &mut losses);
    for (name, said) in [
        ("metadata", request.user_id.is_some()),
        ("service_tier", request.service_tier.is_some_and(|tier| tier.is("standard_only"))),
        ("speed", request.speed.is_some()),
    ] {
        if said {
            losses.add(What::Hint, name, "Ollama has no such field");
        }
    }

    let binding = think::binding(cx);
    let setup = Setup {
        model: cx.model.to_owned(),
        provider: cx.provider.to_owned(),
        family: binding.family.to_owned(),
        account: cx.account.to_owned(),
        keys: cx.keys.clone(),
        window: window.tokens,
        predict,
        prompt_estimate: prompt,
        holds_blanks: !stops,
    };
    let assembler = Assembler::new(expect(request, cx, names, prompt));
    Ok(Encoded {
        path: "/api/chat".to_owned(),
        headers: HeaderMap::new(),
        body: json.into_string(),
        stream,
        reader: Box::new(OllamaReader::new(assembler, setup)),
        losses,
        prompt_estimate: prompt,
    })
}

/// Fields that are written here.
const OWN_FIELDS: &[&str] =
    &["model", "messages", "tools", "think", "format", "stream", "truncate", "shift", "options"];

/// The output limit, brought down to what the model is known to give (behaviour R22).
fn limit(request: &Request<'_>, most: Option<u64>, losses: &mut Losses) -> Option<u64> {
    let wanted = request.max_tokens?;
    match most.filter(|most| wanted > *most) {
        Some(most) => {
            let why = format!("the model answers with at most {most} tokens");
            losses.add(What::Clamped, "max_tokens", why);
            Some(most)
        }
        None => Some(wanted),
    }
}

fn options(json: &mut Json, request: &Request<'_>, window: Window, predict: Option<u64>) {
    json.key("options").object(|json| {
        if let Some(tokens) = window.tokens.filter(|_| window.said) {
            json.key("num_ctx").number(tokens);
        }
        if let Some(predict) = predict {
            json.key("num_predict").number(predict);
        }
        for (name, value) in [
            ("temperature", request.temperature),
            ("top_k", request.top_k),
            ("top_p", request.top_p),
        ] {
            if let Some(value) = value {
                json.key(name).raw(value);
            }
        }
    });
}

/// Bytes that the body will hardly exceed.
fn room(request: &Request<'_>) -> usize {
    let said = request.messages.iter().flat_map(|message| &message.content);
    let said: usize = request.system.iter().chain(said).map(|block| block.raw.as_str().len()).sum();
    let tools: usize = request.tools.iter().map(|tool| tool.raw.as_str().len() + 32).sum();
    said + said / 16 + tools + 2048
}
