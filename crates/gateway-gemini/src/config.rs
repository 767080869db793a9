//! `generationConfig` and `safetySettings`.

use gateway_translate::Json;
use gateway_types::{Losses, Raw, Request, Text, What};

use crate::contents::is_blank;
use crate::encode::takes_format;
use crate::schema::{format_schema, openapi_format};
use crate::target::{Target, field};
use crate::think;
use crate::tools::Tools;

/// Writes the members of `generationConfig` and returns the answer's longest length in tokens. For the
/// counter only what is part of the prompt counts.
pub(crate) fn write(
    request: &Request<'_>,
    target: &Target<'_>,
    tools: &Tools<'_>,
    counting: bool,
    json: &mut Json,
    losses: &mut Losses,
) -> u64 {
    let mut most = target.max_output();
    if !counting {
        let limit = limit(request, target, losses);
        if let Some(limit) = limit {
            json.key("maxOutputTokens").number(limit);
        }
        sampling(request, target, json, losses);
        stops(request, target, json, losses);
        most = limit.unwrap_or(most);
        think::plan(request, target, most, losses).write(json);
    }
    format(request, target, tools, json);
    most
}

/// Writes the threshold that configuration sets.
pub(crate) fn safety(target: &Target<'_>, json: &mut Json, losses: &mut Losses) {
    let Some(threshold) = &target.egress.options.safety_threshold else { return };
    if !target.may(field::SAFETY) {
        losses.add(What::Hint, field::SAFETY, "this upstream refuses it");
        return;
    }
    json.key("safetySettings").array(|json| {
        for category in CATEGORIES {
            json.object(|json| {
                json.key("category").string(category).key("threshold").string(threshold);
            });
        }
    });
}

/// What the model is told where a schema can't be given.
pub(crate) fn format_in_words(
    request: &Request<'_>,
    target: &Target<'_>,
    tools: &Tools<'_>,
    losses: &mut Losses,
) -> Option<String> {
    let schema = request.format?;
    if takes_format(target, tools) {
        return None;
    }
    losses.add(What::Replaced, "output_config.format", "the schema is told in words");
    Some(format!("Answer with JSON alone, of this JSON schema: {}", schema.as_str()))
}

const CATEGORIES: [&str; 4] = [
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
];

/// The output limit to send, and a note where it is not the one asked for (behaviour R22).
fn limit(request: &Request<'_>, target: &Target<'_>, losses: &mut Losses) -> Option<u64> {
    let wanted = request.max_tokens?;
    let most = target.max_output();
    if wanted > most {
        let why = format!("the model answers with at most {most} tokens");
        losses.add(What::Clamped, "max_tokens", why);
    }
    Some(wanted.min(most).max(1))
}

fn sampling(request: &Request<'_>, target: &Target<'_>, json: &mut Json, losses: &mut Losses) {
    let fields = [
        (field::TEMPERATURE, "temperature", request.temperature, 2.0),
        (field::TOP_P, "top_p", request.top_p, 1.0),
        (field::TOP_K, "top_k", request.top_k, f64::from(i32::MAX)),
    ];
    for (name, asked, value, most) in fields {
        let Some(value) = value.filter(|value| !value.is_null()) else { continue };
        if !target.habits.takes_sampling() || !target.may(name) {
            losses.add(What::Dropped, asked, "the model chooses how it samples");
            continue;
        }
        let in_range = value.as_str().parse::<f64>().is_ok_and(|n| (0.0..=most).contains(&n));
        if in_range && !(name == field::TOP_K && value.as_str() == "0") {
            json.key(name).raw(value);
        } else {
            losses.add(What::Dropped, asked, "out of the range that the provider takes");
        }
    }
}

fn stops(request: &Request<'_>, target: &Target<'_>, json: &mut Json, losses: &mut Losses) {
    let all: Vec<Text<'_>> =
        request.stop_sequences.iter().copied().filter(|s| !is_blank(s.escaped())).collect();
    if request.stop_sequences.is_empty() {
        return;
    }
    let sent = all.len().min(target.egress.options.stop_sequences_sent);
    if sent < request.stop_sequences.len() {
        losses.add(What::Emulated, "stop_sequences", "matched in the gateway");
    }
    if sent > 0 {
        let why = "the provider does not tell which one was met";
        losses.add(What::Hint, "stop_sequences", why);
        json.key("stopSequences").array(|json| {
            for sequence in &all[..sent] {
                json.text(*sequence);
            }
        });
    }
}

fn format(request: &Request<'_>, target: &Target<'_>, tools: &Tools<'_>, json: &mut Json) {
    let Some(schema) = request.format.filter(|_| takes_format(target, tools)) else { return };
    json.key("responseMimeType").string("application/json");
    if target.may(field::JSON_FORMAT) {
        json.key(field::JSON_FORMAT).raw(Raw::from_json(&format_schema(schema)));
    } else {
        json.key("responseSchema").raw(Raw::from_json(&openapi_format(schema)));
    }
}
