//! The tools of a request, by who runs them.

use std::borrow::Cow;

use gateway_types::{BlockKind, Raw, Request, Text, Tool, ToolKind};

/// All tool names of a request: those offered and those in its history (behaviour R11).
pub fn tool_names<'r>(request: &'r Request<'_>) -> impl Iterator<Item = Cow<'r, str>> {
    let offered = request.tools.iter().map(|tool| tool.name.decode());
    let blocks = request.messages.iter().flat_map(|message| &message.content);
    let called = blocks.filter_map(|block| match block.kind {
        BlockKind::ToolUse { name, .. } => Some(name.decode()),
        _ => None,
    });
    offered.chain(called)
}

/// A tool that this upstream may be offered, by who runs it.
#[derive(Debug)]
pub enum Offer<'r, 'b> {
    /// A function.
    Function {
        /// What it is called.
        name: Text<'b>,
        /// What it does.
        description: Option<Text<'b>>,
        /// What it takes.
        schema: Raw<'b>,
        /// Whether the model is to be held to the schema.
        strict: bool,
    },
    /// A function whose schema Anthropic fixed.
    Known {
        /// What it is called.
        name: Text<'b>,
        /// What it does.
        description: &'static str,
        /// What it takes.
        schema: &'static str,
    },
    /// A search of the web.
    WebSearch(&'r Tool<'b>),
    /// Something that only Anthropic runs.
    Foreign {
        /// Its `type`.
        kind: Text<'b>,
    },
}

/// Whether a search of the web is among the tools.
pub fn wants_search(request: &Request<'_>) -> bool {
    request.tools.iter().any(|tool| matches!(offer(tool), Offer::WebSearch(_)))
}

/// What a tool is for this upstream. For one that Anthropic defines its `type` decides.
pub fn offer<'r, 'b>(tool: &'r Tool<'b>) -> Offer<'r, 'b> {
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

/// Tools whose schema is known to Claude models and has to be told to others: what their `type` begins
/// with, what they do, what they take.
pub const KNOWN_TOOLS: &[(&str, &str, &str)] = &[
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
