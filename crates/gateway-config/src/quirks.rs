//! `compat` of a provider: reading it, and which of its keys its dialect has a use for.

use crate::compat::{ANTHROPIC_PRESETS, Api, Compat, EFFORTS, PRESETS, Word};
use crate::extra::free_form;
use crate::keys::{COMPAT, quoted};
use crate::model::Kind;
use crate::providers::PATTERN_HELP;
use crate::read::{Cx, Section};

/// Reads `compat`. What is not there stays unset: presets come later, where the upstream is known.
pub(crate) fn read_compat(
    cx: &mut Cx,
    section: &Section<'_>,
    kind: Option<Kind>,
    api: Api,
) -> Compat {
    let Some(node) = section.get("compat") else { return Compat::default() };
    let s = &cx.section(&section.full("compat"), &section.place_of("compat"), node, &COMPAT);
    if let Some(kind) = kind {
        note_meaningless(cx, s, kind, api);
    }
    Compat {
        preset: preset(cx, s, kind),
        thinking: word(cx, s, "thinking"),
        cache_control: word(cx, s, "cache_control"),
        system_role: word(cx, s, "system_role"),
        documents: word(cx, s, "documents"),
        output_config: word(cx, s, "output_config"),
        reasoning_content: word(cx, s, "reasoning_content"),
        drop_fields: names(cx, s, "drop_fields", NEEDED_FIELDS),
        drop_betas: globs(cx, s, "drop_betas"),
        drop_events: names(cx, s, "drop_events", NEEDED_EVENTS),
        max_tokens_field: word(cx, s, "max_tokens_field"),
        stream_options: flag(cx, s, "stream_options"),
        developer_role: flag(cx, s, "developer_role"),
        system_anywhere: flag(cx, s, "system_anywhere"),
        tool_choice: word(cx, s, "tool_choice"),
        parallel_tool_calls: flag(cx, s, "parallel_tool_calls"),
        images: word(cx, s, "images"),
        tool_images: flag(cx, s, "tool_images"),
        pdf: flag(cx, s, "pdf"),
        json_schema: flag(cx, s, "json_schema"),
        json_object: flag(cx, s, "json_object"),
        strict_schemas: flag(cx, s, "strict_schemas"),
        stop_max: amount(cx, s, "stop_max", 0),
        tool_name_max: amount(cx, s, "tool_name_max", SHORTEST_TOOL_NAME),
        call_id_max: amount(cx, s, "call_id_max", SHORTEST_CALL_ID),
        tools_max: amount(cx, s, "tools_max", 1),
        reasoning_in: word(cx, s, "reasoning_in"),
        reasoning_out: word(cx, s, "reasoning_out"),
        user_field: word(cx, s, "user_field"),
        efforts: efforts(cx, s),
        temperature: flag(cx, s, "temperature"),
        top_k: flag(cx, s, "top_k"),
        empty_tool_output: text(cx, s, "empty_tool_output"),
        prefill: flag(cx, s, "prefill"),
        native_call_ids: flag(cx, s, "native_call_ids"),
        extra_fields: fields(cx, s, "extra_fields"),
    }
}

/// The server that is named. A preset of the other dialect is no word here.
fn preset(cx: &mut Cx, section: &Section<'_>, kind: Option<Kind>) -> Option<&'static str> {
    let words = if kind == Some(Kind::Anthropic) { ANTHROPIC_PRESETS } else { PRESETS };
    let word = cx.word(section, "preset", words)?;
    cx.effective(section, "preset", word);
    Some(word)
}

/// Fields with any values; none that the gateway writes itself.
fn fields(
    cx: &mut Cx,
    section: &Section<'_>,
    key: &str,
) -> serde_json::Map<String, serde_json::Value> {
    let mut fields = free_form(cx, section, key, "{chat_template_kwargs: {enable_thinking: true}}")
        .unwrap_or_default();
    for own in NEEDED_FIELDS {
        if fields.remove(*own).is_some() {
            let message = format!("`{}`: `{own}` is written by the gateway", section.full(key));
            let at = section.place_of(key);
            cx.error(&at, message, "not to be set", format!("remove `{own}`"));
        }
    }
    fields
}

/// Whether a kind has a use for a key.
fn is_useful(key: &str, kind: Kind, api: Api) -> bool {
    let anthropics = FOR_ANTHROPIC.contains(&key);
    match kind {
        Kind::Demo => false,
        _ if key == "drop_events" => true,
        // The other kinds are one server each.
        _ if key == "preset" => {
            matches!(kind, Kind::Anthropic | Kind::OpenAi | Kind::OpenAiResponses)
        }
        // Bedrock serves Claude by Anthropic's own interface.
        Kind::Anthropic | Kind::Bedrock => FOR_ALL.contains(&key) || anthropics,
        Kind::OpenAi | Kind::OpenAiResponses | Kind::Azure if api == Api::Responses => {
            !anthropics && !FOR_CHAT.contains(&key)
        }
        Kind::OpenAi | Kind::OpenAiResponses | Kind::Azure | Kind::OpenRouter => !anthropics,
        Kind::Gemini => FOR_GEMINI.contains(&key),
        // So does Vertex, beside Gemini.
        Kind::Vertex => FOR_GEMINI.contains(&key) || FOR_ALL.contains(&key) || anthropics,
        Kind::Ollama => matches!(key, "documents" | "extra_fields"),
    }
}

/// Notes keys that do nothing here. For the kinds that serve models of many makers that is a warning: what one of
/// their models lacks is known or learnt, and a key that another kind needs harms nobody.
fn note_meaningless(cx: &mut Cx, section: &Section<'_>, kind: Kind, api: Api) {
    for (key, _) in section.iter() {
        if is_useful(&key.text, kind, api) {
            continue;
        }
        let at_all = match (kind, api) {
            (Kind::OpenAi | Kind::Azure, Api::Responses) => {
                format!("kind `{}` with `extra.api: responses`", kind.as_str())
            }
            _ => format!("kind `{}`", kind.as_str()),
        };
        let full = section.full(&key.text);
        let useful: Vec<&str> =
            COMPAT.known.iter().filter(|k| is_useful(k, kind, api)).copied().collect();
        let help = if useful.is_empty() {
            "remove `compat`: the demo answers by itself".to_owned()
        } else {
            format!("remove it: it is about {}. Keys here are {}", told(&key.text), quoted(&useful))
        };
        if matches!(kind, Kind::Gemini | Kind::Vertex | Kind::Bedrock | Kind::Ollama) {
            cx.warn(&key.at, format!("`{full}` has no effect for {at_all}"), help);
        } else {
            let message = format!("`{full}` has no meaning for {at_all}");
            cx.error(&key.at, message, "not for this kind", help);
        }
    }
}

/// Whose requests a key is about.
fn told(key: &str) -> String {
    if FOR_CHAT.contains(&key) {
        return "Chat Completions (`extra.api` is not `responses`)".to_owned();
    }
    let all = [
        Kind::Anthropic,
        Kind::OpenAi,
        Kind::OpenAiResponses,
        Kind::Azure,
        Kind::OpenRouter,
        Kind::Gemini,
        Kind::Vertex,
        Kind::Bedrock,
        Kind::Ollama,
    ];
    let kinds: Vec<&str> =
        all.into_iter().filter(|kind| is_useful(key, *kind, Api::Auto)).map(Kind::as_str).collect();
    format!("kinds {}", quoted(&kinds))
}

fn word<W: Word>(cx: &mut Cx, section: &Section<'_>, key: &str) -> Option<W> {
    let word = cx.word(section, key, W::WORDS)?;
    cx.effective(section, key, word);
    W::of(word)
}

fn flag(cx: &mut Cx, section: &Section<'_>, key: &str) -> Option<bool> {
    let value = cx.truth(section, key)?;
    cx.effective(section, key, value);
    Some(value)
}

fn amount(cx: &mut Cx, section: &Section<'_>, key: &str, min: i128) -> Option<usize> {
    let value = cx.whole(section, key, min, MOST)?;
    let value = usize::try_from(value).ok()?;
    cx.effective(section, key, value);
    Some(value)
}

fn text(cx: &mut Cx, section: &Section<'_>, key: &str) -> Option<String> {
    let value = cx.text(section, key)?;
    cx.effective(section, key, value.as_str());
    Some(value)
}

/// A list of names, none of them one of `needed`.
fn names(cx: &mut Cx, section: &Section<'_>, key: &str, needed: &[&str]) -> Vec<String> {
    let mut out = Vec::new();
    let Some(given) = cx.texts(section, key) else { return out };
    for (text, at) in given {
        let name = text.trim();
        let full = section.full(key);
        if name.is_empty() || name.contains(char::is_whitespace) {
            let message = format!("`{full}` holds something that is no name");
            cx.error(&at, message, "not a name", "write names as they stand in the JSON");
        } else if needed.contains(&name) {
            let message = format!("`{full}`: `{name}` can't be dropped: nothing works without it");
            cx.error(&at, message, "needed", format!("remove `{name}` from the list"));
        } else {
            out.push(name.to_owned());
        }
    }
    cx.effective(section, key, out.clone());
    out
}

pub(crate) fn globs(cx: &mut Cx, section: &Section<'_>, key: &str) -> Vec<String> {
    let mut out = Vec::new();
    let Some(given) = cx.texts(section, key) else { return out };
    for (text, at) in given {
        let glob = text.trim();
        match gateway_router::check_pattern(glob) {
            Ok(()) if !glob.is_empty() => out.push(glob.to_owned()),
            Ok(()) => {
                let message = format!("`{}` holds an empty pattern", section.full(key));
                cx.error(&at, message, "empty", PATTERN_HELP);
            }
            Err(why) => {
                let message = format!("`{glob}` is no pattern: {why}");
                cx.error(&at, message, "not a pattern", PATTERN_HELP);
            }
        }
    }
    cx.effective(section, key, out.clone());
    out
}

fn efforts(cx: &mut Cx, section: &Section<'_>) -> Option<Vec<&'static str>> {
    let given = cx.texts(section, "efforts")?;
    let mut out = Vec::with_capacity(given.len());
    for (text, at) in given {
        let lower = text.trim().to_ascii_lowercase();
        match EFFORTS.iter().find(|e| **e == lower) {
            Some(effort) if !out.contains(effort) => out.push(*effort),
            Some(_) => {}
            None => {
                let message =
                    format!("`{}`: there is no effort `{lower}`", section.full("efforts"));
                let help = format!("possible are {}", quoted(EFFORTS));
                cx.error(&at, message, "unknown", help);
            }
        }
    }
    cx.effective(section, "efforts", out.clone());
    Some(out)
}

const FOR_ALL: &[&str] = &["documents", "drop_fields", "drop_events"];
const FOR_ANTHROPIC: &[&str] =
    &["thinking", "cache_control", "system_role", "output_config", "drop_betas"];
const FOR_CHAT: &[&str] = &[
    "reasoning_content",
    "max_tokens_field",
    "stream_options",
    "stop_max",
    "reasoning_in",
    "reasoning_out",
    "prefill",
    "native_call_ids",
];

const FOR_GEMINI: &[&str] =
    &["drop_fields", "extra_fields", "stop_max", "tool_name_max", "call_id_max"];

/// Fields without which a request is none.
const NEEDED_FIELDS: &[&str] = &["model", "messages", "input", "stream"];
/// Events that hold a stream together.
const NEEDED_EVENTS: &[&str] = &[
    "message_start",
    "message_delta",
    "message_stop",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "error",
];
/// A long tool name is shortened to a readable part and a checksum, which need some room.
const SHORTEST_TOOL_NAME: i128 = 16;
/// Some parsers want ids of nine characters; fewer than eight would not stay different.
const SHORTEST_CALL_ID: i128 = 8;
/// Above any limit that a vendor has.
const MOST: i128 = 1_000_000;
