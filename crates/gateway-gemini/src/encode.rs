//! Writes a request.

use gateway_dialect::{
    Content, Part, expect, note_cache_marks, note_others, prompt_estimate, tool_names,
};
use gateway_models::Family;
use gateway_translate::{Assembler, Encoded, Json, NameMap, is_billing_line};
use gateway_types::{
    ApiError, BlockKind, Endpoint, ErrorKind, Losses, Raw, Request, Text, What, escaped,
};
use http::HeaderMap;

use crate::carrier::Carrier;
use crate::contents;
use crate::extra::Extra;
use crate::reader::{Continues, GeminiReader, Of};
use crate::target::{Target, field};
use crate::tools::{self, Tools};
use crate::{config, fault};

/// Writes `request` for an answer, or for the counter of tokens.
///
/// # Errors
/// What can't be said at all, by the field that says it.
pub(crate) fn encode(request: &Request<'_>, target: &Target<'_>) -> Result<Encoded, ApiError> {
    refuse_servers(request)?;
    let extra = Extra::of(&target.egress.options.extra_fields)?;
    let counting = target.cx.endpoint == Endpoint::CountTokens;
    let names = NameMap::letter_first(tool_names(request), target.egress.options.tool_name_max);
    let carrier = carrier(target);
    let mut losses = Losses::new();
    let tools = tools::select(request, target, &names, &mut losses)?;
    let stream = request.stream && !counting;

    let mut json = Json::with_capacity(size(request));
    json.open('{');
    // The counter of AI Studio takes a whole request, that of Vertex AI a part of one.
    let wrapped = counting && !target.vertex();
    if wrapped {
        json.key("generateContentRequest").open('{');
        json.key("model").string(&format!("models/{}", target.model));
    }
    system(request, target, &tools, &mut json, &mut losses)?;
    tools.write(target, &mut json, &mut losses);
    if !(counting && target.vertex()) {
        tools.write_config(request, target, &names, &mut json, &mut losses);
    }
    json.key("contents").open('[');
    contents::write(request, target, &names, &carrier, &mut json, &mut losses)?;
    json.close(']');
    if !counting {
        if !extra.sets("safetySettings") {
            config::safety(target, &mut json, &mut losses);
        }
        extra.write(&mut json);
    }
    let mut config = Json::new();
    config.open('{');
    let most = config::write(request, target, &tools, counting, &mut config, &mut losses);
    config.close('}');
    let config = config.into_string();
    let config = if counting { config } else { extra.merge(config) };
    json.key("generationConfig").raw(Raw::from_json(&config));
    if wrapped {
        json.close('}');
    }
    json.close('}');
    note_hints(request, &mut losses);

    let family = match target.facts.family {
        Family::Unknown => Family::Gemini,
        family => family,
    };
    let prompt_estimate = prompt_estimate(request, family, target.cx.endpoint);
    let body = json.into_string();
    let limit = target.egress.options.context_window.or_else(|| target.facts.prompt_limit());
    let of = Of {
        asked: fault::Whose {
            provider: target.cx.provider.to_owned(),
            model: target.model.to_owned(),
            prompt_estimate,
            limit,
            vertex: target.vertex(),
        },
        only_one: request.disable_parallel_tools,
        search: tools.domains(),
        // Kept beside the stream for those models only (generation 4 and later) that are asked for the rest:
        // the bodies of the others are gone once they are sent.
        continues: (target.habits.continues() && !counting)
            .then(|| Continues { body: body.clone(), most }),
    };
    let asm = Assembler::new(expect(request, target.cx, names, prompt_estimate));
    let verb = match (counting, stream) {
        (true, _) => "countTokens",
        (_, true) => "streamGenerateContent?alt=sse",
        _ => "generateContent",
    };
    Ok(Encoded {
        path: target.egress.surface.path(target.model, verb),
        headers: HeaderMap::new(),
        body,
        stream,
        reader: Box::new(GeminiReader::new(asm, carrier, of)),
        losses,
        prompt_estimate,
    })
}

fn carrier(target: &Target<'_>) -> Carrier {
    // Signatures are understood within a generation.
    let family = match target.habits.generation {
        (major @ 3.., _) => format!("gemini-{major}"),
        _ => target.model.to_owned(),
    };
    Carrier {
        keys: target.cx.keys.clone(),
        dialect: target.egress.surface.dialect(),
        provider: target.cx.provider.to_owned(),
        family,
        account: target.cx.account.to_owned(),
    }
}

/// Servers of tools that the provider would have to ask in the caller's name.
fn refuse_servers(request: &Request<'_>) -> Result<(), ApiError> {
    let servers = request.others.iter().find(|(name, _)| name.is("mcp_servers"));
    match servers {
        Some((_, value)) if !value.is_null() && value.as_str() != "[]" => {
            let text = "mcp_servers: only Anthropic asks MCP servers itself; route this request to \
                        it, or let the client ask them";
            Err(ApiError::new(ErrorKind::InvalidRequest, text))
        }
        _ => Ok(()),
    }
}

/// Room for the body: nearly all of it is copied.
fn size(request: &Request<'_>) -> usize {
    let blocks = request.messages.iter().flat_map(|message| &message.content);
    let texts: usize = request.system.iter().chain(blocks).map(|b| b.raw.as_str().len()).sum();
    let tools: usize = request.tools.iter().map(|tool| tool.raw.as_str().len()).sum();
    texts + tools + tools / 8 + 2048
}

/// The system prompt, and what the gateway itself tells the model.
fn system(
    request: &Request<'_>,
    target: &Target<'_>,
    tools: &Tools<'_>,
    json: &mut Json,
    losses: &mut Losses,
) -> Result<(), ApiError> {
    let mut parts = Vec::new();
    for (at, block) in request.system.iter().enumerate() {
        let path = format!("system[{at}]");
        if let BlockKind::Text { text, .. } = block.kind
            && is_billing_line(text)
        {
            losses.add(What::Hint, path, "the client's billing line would spoil the prompt cache");
            continue;
        }
        Content::new(target.senses(), losses).parts(block, &path, &mut parts)?;
        if parts.iter().any(|part| !matches!(part, Part::Text { .. })) {
            let text = format!("{path}: only text can stand in the system prompt here");
            return Err(ApiError::new(ErrorKind::InvalidRequest, text));
        }
    }
    let own = |text: String| Part::Text { text: escaped(&text).into_owned().into(), marked: false };
    parts.extend(tools.hint().map(own));
    parts.extend(config::format_in_words(request, target, tools, losses).map(own));
    parts.retain(|part| matches!(part, Part::Text { text, .. } if !contents::is_blank(text)));
    if parts.is_empty() {
        return Ok(());
    }
    json.key("systemInstruction").object(|json| {
        json.key("parts").array(|json| {
            for part in &parts {
                if let Part::Text { text, .. } = part {
                    json.object(|json| {
                        json.key("text").text(Text::from_escaped(text));
                    });
                }
            }
        });
    });
    Ok(())
}

/// Notes what has no effect on the answer.
fn note_hints(request: &Request<'_>, losses: &mut Losses) {
    note_others(request, losses);
    note_cache_marks(request, losses);
    if request.user_id.is_some() {
        losses.add(What::Hint, "metadata.user_id", "the provider takes none");
    }
    if request.service_tier.is_some() || request.speed.is_some() {
        losses.add(What::Hint, "service_tier", "tiers of this provider are bought otherwise");
    }
}

/// Whether the answer's form is told by a schema, beside the tools.
pub(crate) fn takes_format(target: &Target<'_>, tools: &Tools<'_>) -> bool {
    tools.is_empty() || (target.habits.format_beside_tools() && target.may(field::FORMAT))
}
