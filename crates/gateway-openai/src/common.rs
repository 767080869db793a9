//! What both dialects need to know of an upstream, and what they say alike.

use std::borrow::Cow;
use std::collections::HashSet;

use gateway_models::{Effort, Facts, Family, Reasoning};
use gateway_translate::{AttemptCx, Binding, Expect, NameMap, ThinkingShown};
use gateway_types::{
    Block, BlockKind, Losses, Raw, Request, Text, ThinkingDisplay, Tool, ToolKind, What,
};
use sha2::{Digest as _, Sha256};

use crate::{ModelOverrides, OpenAi, Quirks, SchemaMemo};

/// An upstream and one attempt at it.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub quirks: &'a Quirks,
    /// What holds for the model.
    pub facts: Facts,
    pub overrides: ModelOverrides,
    pub schemas: &'a SchemaMemo,
    pub cx: &'a AttemptCx<'a>,
    family: String,
}

impl<'a> Target<'a> {
    pub(crate) fn new(egress: &'a OpenAi, cx: &'a AttemptCx<'a>) -> Self {
        let facts = egress.catalogue.facts(cx.model);
        // A model nobody knows is a family of its own.
        let family = match facts.family {
            Family::Unknown => cx.model.to_owned(),
            family => format!("{family:?}"),
        };
        let schemas = &egress.schemas;
        Self { quirks: &egress.quirks, facts, overrides: egress.overrides, schemas, cx, family }
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

    /// What the reply is told of its request.
    pub(crate) fn expect(
        &self,
        request: &Request<'_>,
        names: NameMap,
        prompt_estimate: u64,
    ) -> Expect {
        let thinking = match request.thinking {
            Some(thinking) if request.wants_thinking() => match thinking.display {
                ThinkingDisplay::Shown => ThinkingShown::Shown,
                ThinkingDisplay::Omitted => ThinkingShown::Omitted,
            },
            _ => ThinkingShown::Hidden,
        };
        let calls = request.messages.iter().flat_map(|message| &message.content);
        let used_ids: HashSet<String> = calls
            .filter_map(|block| match block.kind {
                BlockKind::ToolUse { id, .. } => Some(id.decode().into_owned()),
                _ => None,
            })
            .collect();
        Expect {
            reply_id: self.cx.reply_id.to_owned(),
            provider: self.cx.provider.to_owned(),
            names,
            used_ids,
            stop_sequences: request
                .stop_sequences
                .iter()
                .map(|s| s.decode().into_owned())
                .collect(),
            thinking,
            prompt_estimate,
        }
    }
}

/// Fewer output tokens are refused by OpenAI's newer interface.
const LEAST: u64 = 16;
/// What a reasoning model needs to say anything at all.
const LEAST_REASONED: u64 = 256;

/// All tool names of a request: those offered and those in its history (behaviour R11).
pub(crate) fn tool_names<'r>(request: &'r Request<'_>) -> impl Iterator<Item = Cow<'r, str>> {
    let offered = request.tools.iter().map(|tool| tool.name.decode());
    let blocks = request.messages.iter().flat_map(|message| &message.content);
    let called = blocks.filter_map(|block| match block.kind {
        BlockKind::ToolUse { name, .. } => Some(name.decode()),
        _ => None,
    });
    offered.chain(called)
}

/// The end user's id as providers take it: 64 hexadecimal digits that say nothing of the person.
pub(crate) fn user_id(request: &Request<'_>) -> Option<String> {
    request.user_id.filter(|id| !id.is_empty()).map(|id| digest(&id.decode()))
}

/// What keeps a conversation on the machine that has cached its prompt: a digest of the session
/// that the user's id names, else of the whole id (behaviour R35).
pub(crate) fn cache_key(request: &Request<'_>) -> Option<String> {
    let id = request.user_id.filter(|id| !id.is_empty())?.decode();
    let in_json = serde_json::from_str::<serde_json::Value>(&id).ok();
    let session = in_json.as_ref().and_then(|v| v.get("session_id")).and_then(|v| v.as_str());
    // Older clients: `user_…_account_…_session_…`.
    let session = session.or_else(|| id.rsplit_once("_session_").map(|(_, session)| session));
    Some(digest(session.unwrap_or(&id)))
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"))
}

/// What becomes of a `service_tier` and a `speed`.
pub(crate) fn service_tier(request: &Request<'_>) -> Option<&'static str> {
    if request.speed.is_some_and(|speed| speed.is("fast")) {
        return Some("priority");
    }
    request.service_tier.filter(|tier| tier.is("standard_only")).map(|_| "default")
}

/// Notes the top-level fields that no dialect of OpenAI's has a place for. They change nothing in
/// the answer, but for those that stand for a feature.
pub(crate) fn note_others(request: &Request<'_>, losses: &mut Losses) {
    for (name, value) in &request.others {
        let name = name.decode();
        let empty = value.is_null() || matches!(value.as_str(), "[]" | "{}" | "\"\"");
        let what = match &*name {
            "container" | "mcp_servers" | "fallbacks" if !empty => What::Dropped,
            _ => What::Hint,
        };
        losses.add(what, name.into_owned(), "has no counterpart at this provider");
    }
}

/// Notes cache marks that this upstream does not take.
pub(crate) fn note_cache_marks(request: &Request<'_>, losses: &mut Losses) {
    let blocks = request.messages.iter().flat_map(|message| &message.content);
    let marked = |block: &Block<'_>| {
        let inner = match &block.kind {
            BlockKind::ToolResult { content, .. } => any_marked(content),
            _ => false,
        };
        block.cache_control || inner
    };
    if request.system.iter().chain(blocks).any(marked) {
        losses.add(What::Hint, "cache_control", "the provider caches prompts by itself");
    }
}

/// A tool that this upstream may be offered, by who runs it.
#[derive(Debug)]
pub(crate) enum Offer<'r, 'b> {
    /// A function.
    Function { name: Text<'b>, description: Option<Text<'b>>, schema: Raw<'b>, strict: bool },
    /// A function whose schema Anthropic fixed.
    Known { name: Text<'b>, description: &'static str, schema: &'static str },
    /// A search of the web.
    WebSearch(&'r Tool<'b>),
    /// Something that only Anthropic runs.
    Foreign { kind: Text<'b> },
}

/// Whether a search of the web is among the tools.
pub(crate) fn wants_search(request: &Request<'_>) -> bool {
    request.tools.iter().any(|tool| matches!(offer(tool), Offer::WebSearch(_)))
}

/// What a tool is for this upstream. For one that Anthropic defines its `type` decides.
pub(crate) fn offer<'r, 'b>(tool: &'r Tool<'b>) -> Offer<'r, 'b> {
    let kind = match tool.kind {
        ToolKind::Custom { description, schema, strict } => {
            return Offer::Function { name: tool.name, description, schema, strict };
        }
        ToolKind::Versioned { kind } => kind,
    };
    let text = kind.decode();
    if text.starts_with("web_search_") {
        return Offer::WebSearch(tool);
    }
    let known = KNOWN_TOOLS.iter().find(|(prefix, ..)| text.starts_with(prefix));
    match known {
        Some((_, description, schema)) => Offer::Known { name: tool.name, description, schema },
        None => Offer::Foreign { kind },
    }
}

/// Tools whose schema is known to Claude models and has to be told to others.
const KNOWN_TOOLS: &[(&str, &str, &str)] = &[
    (
        "bash_",
        "Runs a command in a shell that stays open between calls.",
        r#"{"type":"object","properties":{"command":{"type":"string","description":"The command to run."},"restart":{"type":"boolean","description":"Starts the shell anew instead."}}}"#,
    ),
    (
        "text_editor_",
        "Views, creates and edits text files.",
        r#"{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert"]},"path":{"type":"string","description":"The file or directory."},"view_range":{"type":"array","items":{"type":"integer"},"description":"First and last line to view; -1 is the end."},"file_text":{"type":"string","description":"What a created file holds."},"old_str":{"type":"string","description":"Text to replace; it must occur once."},"new_str":{"type":"string","description":"What takes its place."},"insert_line":{"type":"integer","description":"The line behind which to insert."},"insert_text":{"type":"string","description":"What to insert."}},"required":["command","path"]}"#,
    ),
    (
        "memory_",
        "Keeps notes in files below /memories across conversations.",
        r#"{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert","delete","rename"]},"path":{"type":"string"},"view_range":{"type":"array","items":{"type":"integer"}},"file_text":{"type":"string"},"old_str":{"type":"string"},"new_str":{"type":"string"},"insert_line":{"type":"integer"},"insert_text":{"type":"string"},"old_path":{"type":"string"},"new_path":{"type":"string"}},"required":["command"]}"#,
    ),
    (
        "computer_",
        "Looks at the screen and uses mouse and keyboard.",
        r#"{"type":"object","properties":{"action":{"type":"string","description":"key, type, mouse_move, left_click, left_click_drag, right_click, middle_click, double_click, triple_click, left_mouse_down, left_mouse_up, screenshot, cursor_position, scroll, hold_key, wait or zoom."},"coordinate":{"type":"array","items":{"type":"integer"},"description":"x and y."},"start_coordinate":{"type":"array","items":{"type":"integer"}},"text":{"type":"string"},"scroll_direction":{"type":"string","enum":["up","down","left","right"]},"scroll_amount":{"type":"integer"},"duration":{"type":"number"},"region":{"type":"array","items":{"type":"integer"}}},"required":["action"]}"#,
    ),
];

/// Whether any of the blocks is marked for a cache.
pub(crate) fn any_marked(blocks: &[Block<'_>]) -> bool {
    blocks.iter().any(|block| block.cache_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(user_id: &str) -> (Option<String>, Option<String>) {
        let user_id = gateway_types::escaped(user_id);
        let request = Request { user_id: Some(Text::from_escaped(&user_id)), ..Request::default() };
        (super::user_id(&request), cache_key(&request))
    }

    #[test]
    fn r35_the_session_alone_makes_the_cache_key() {
        let one = of(r#"{"device_id":"a","account_uuid":"","session_id":"s-1"}"#);
        let two = of(r#"{"device_id":"b","account_uuid":"","session_id":"s-1"}"#);
        let old = of("user_ff_account__session_s-1");
        assert_ne!(one.0, two.0);
        assert!(one.1 == two.1 && two.1 == old.1 && one.1 == of("s-1").1);
        assert_ne!(one.1, of(r#"{"session_id":"s-2"}"#).1);
        assert_eq!(of(""), (None, None));
        assert_eq!(one.0.map(|id| id.len()), Some(64));
    }

    #[test]
    fn schemas_of_known_tools_are_acceptable() {
        for (_, _, schema) in KNOWN_TOOLS {
            assert_eq!(&*crate::acceptable_schema(Raw::from_json(schema)), *schema);
        }
    }
}
