//! A request for an Anthropic-shaped upstream that can't go up as it came.
//!
//! Most requests go up byte for byte. Two things stand against that: the history holds what another
//! provider made (unsigned or sealed thinking, its web searches), which this one would refuse; or the
//! configuration says that this upstream can't take something ([`Policy`]). Then spans of the body
//! are taken out or replaced, and every other byte stays: a rewritten body would lose the
//! upstream's prompt cache, and what nobody here knows would be lost with it.
//!
//! ```
//! use gateway_anthropic::edit::{Policy, edit, needs_edit};
//!
//! let body = br#"{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[
//!     {"type":"thinking","thinking":"hm","signature":""},{"type":"text","text":"Hello."}]}]}"#;
//! assert!(needs_edit(body));
//! let edited = edit(body, &Policy::default(), "")?.expect("the unsigned thinking");
//! assert!(!String::from_utf8_lossy(&edited.body).contains("thinking"));
//! assert_eq!(edited.losses.header().as_deref(), Some("dropped=messages[1].content[0]"));
//! # Ok::<(), gateway_types::ApiError>(())
//! ```

mod blocks;
mod features;
mod foreign;
mod history;
pub(crate) mod node;
mod system;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashSet;

use bytes::Bytes;
use gateway_translate::Malformed;
use gateway_types::{ApiError, ErrorKind, Losses, Span, Text, What};

pub use features::BetaPatterns;
pub(crate) use features::{AUTOMATIC_CACHING, CACHE_SCOPE, CACHE_TTL, SYSTEM_ROLE};
use features::{CACHE_CONTROL, DEFER_LOADING, Dropped, note};
use node::{Edit, Fate, Member, Node, apply, settle};

/// What one upstream can not take.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Which thinking blocks of the history go up.
    pub thinking: Thinking,
    /// Marks of the prompt cache are taken out.
    pub strip_cache_control: bool,
    /// `role: system` inside `messages` becomes text of the user.
    pub inline_system: bool,
    /// What becomes of documents.
    pub documents: Documents,
    /// `output_config` is taken out, of messages too.
    pub strip_output_config: bool,
    /// Fields that are taken out: `metadata`, or `thinking.display`; `tools.strict` is one of each tool.
    pub drop_fields: Vec<String>,
    /// Betas that are taken out of the header.
    pub drop_betas: BetaPatterns,
    /// Betas that it was found not to know: they go, with the fields that need them.
    pub unknown_betas: Vec<String>,
    /// What this upstream is known not to have; [`Lacks::NOTHING`] by default.
    pub lacks: Lacks,
}

/// What an upstream lacks by its nature, as data: each kind of host has its own.
///
/// What a person configures stands in the fields of [`Policy`]; this is what is known beforehand.
#[derive(Debug, Clone, Copy)]
pub struct Lacks {
    /// Fields, named as in [`Policy::drop_fields`].
    pub fields: &'static [&'static [&'static str]],
    /// The betas that it knows, all others go; a `*` may end one. `None`: it minds none.
    pub only_betas: Option<&'static [&'static [&'static str]]>,
    /// Betas that it knows by another name: ours, its.
    pub renamed_betas: &'static [(&'static str, &'static str)],
    /// Fields that it takes though it does not know, or need, their beta.
    pub free_fields: &'static [&'static [&'static str]],
    /// It refuses fields whose beta is not in the header, where they have one.
    pub pairs: bool,
    /// Beginnings of the types of tools that it does not run.
    pub tools: &'static [&'static str],
    /// It fetches nothing: images and documents must be in the request.
    pub sources: bool,
    /// It can't see images: a word that one was there goes up instead.
    pub images: bool,
    /// It refuses `clear_thinking_…` where thinking is not asked for.
    pub thinking_pairs: bool,
    /// It refuses an effort where thinking is disabled.
    pub idle_effort: bool,
}

/// Which thinking blocks of the history go up. Those that a gateway sealed never do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Thinking {
    /// Those with a signature.
    #[default]
    Signed,
    /// Unsigned ones too: for an upstream that makes them itself and wants them back.
    Preserve,
    /// Those with a signature that looks like one of Anthropic's.
    Sanitize,
    /// None.
    Strip,
}

/// What becomes of documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Documents {
    /// They go up.
    #[default]
    Keep,
    /// Their text goes up; of one that is no text, a word that it was there.
    Text,
    /// Their text goes up; one that is no text is an error of the caller.
    Refuse,
}

/// A request that was edited.
#[derive(Debug, Clone)]
pub struct Edited {
    /// The body.
    pub body: Bytes,
    /// What was done to it.
    pub losses: Losses,
    /// The values of `anthropic-beta` from now on, where they change; none left: no header.
    pub betas: Option<Vec<String>>,
}

impl Policy {
    /// Whether requests have to be looked at even if they hold nothing of another provider.
    pub fn acts(&self) -> bool {
        !matches!(self.thinking, Thinking::Signed | Thinking::Preserve)
            || self.strip_cache_control
            || self.inline_system
            || self.documents != Documents::Keep
            || self.strip_output_config
            || !self.drop_fields.is_empty()
            || !self.drop_betas.is_empty()
            || !self.unknown_betas.is_empty()
            || self.lacks.acts()
    }

    /// Whether a beta can't go up, whatever the upstream may call it.
    fn is_unknown(&self, beta: &str) -> bool {
        let name = self.lacks.name_of(beta);
        !self.lacks.knows(name) || self.unknown_betas.iter().any(|gone| gone == name || gone == "*")
    }
}

impl Default for Lacks {
    fn default() -> Self {
        Self::NOTHING
    }
}

impl Lacks {
    /// Of an upstream that has it all.
    pub const NOTHING: Self = Self {
        fields: &[],
        only_betas: None,
        renamed_betas: &[],
        free_fields: &[],
        pairs: false,
        tools: &[],
        sources: false,
        images: false,
        thinking_pairs: false,
        idle_effort: false,
    };

    /// What it calls a beta.
    fn name_of<'a>(&self, beta: &'a str) -> &'a str {
        self.renamed_betas.iter().find(|(ours, _)| *ours == beta).map_or(beta, |(_, its)| its)
    }

    fn knows(&self, beta: &str) -> bool {
        let Some(lists) = self.only_betas else { return true };
        lists.iter().copied().flatten().any(|known| match known.strip_suffix('*') {
            Some(stem) => beta.starts_with(stem),
            None => *known == beta,
        })
    }

    fn is_free(&self, field: &str) -> bool {
        self.free_fields.iter().copied().flatten().any(|free| *free == field)
    }

    /// The part of a tool's type that its blocks say too, if it is one that is lacking.
    fn tool(&self, kind: &str) -> Option<&'static str> {
        let found = self.tools.iter().find(|stem| kind.starts_with(**stem));
        found.map(|stem| stem.trim_end_matches('_'))
    }

    /// Whether a block of the history is of such a tool.
    fn tool_block(&self, kind: &str, name: &str) -> bool {
        let of_it = |stem: &&str| {
            let stem = stem.trim_end_matches('_');
            match kind {
                "server_tool_use" => name.contains(stem),
                kind => {
                    kind.contains(stem)
                        && (kind.ends_with("_tool_result") || kind.ends_with("_tool_use"))
                }
            }
        };
        self.tools.iter().any(of_it)
    }

    fn acts(&self) -> bool {
        !self.fields.is_empty()
            || self.only_betas.is_some()
            || !self.renamed_betas.is_empty()
            || self.pairs
            || !self.tools.is_empty()
            || self.sources
            || self.images
            || self.thinking_pairs
            || self.idle_effort
    }
}

/// Whether `body` may hold something that only [`edit`] can judge. `peek` says the same
/// ([`Envelope::foreign_state`](gateway_types::Envelope)), so this is for those who have no envelope.
///
/// It sees opaque state as gateways and clients write it: without escapes in keys or in the first
/// letters of values. A caller that escapes those gets the upstream's own refusal.
pub fn needs_edit(body: &[u8]) -> bool {
    gateway_translate::holds_foreign_state(body)
}

/// Edits a body of `/v1/messages` or `/v1/messages/count_tokens` for an upstream. `betas` is the
/// caller's `anthropic-beta`, all its values joined by commas. `None`: it can go up as it came.
///
/// # Errors
/// 400: the body is no JSON, or holds a document that [`Documents::Refuse`] is about.
pub fn edit(body: &[u8], policy: &Policy, betas: &str) -> Result<Option<Edited>, ApiError> {
    edit_asked(body, policy, betas, None)
}

/// The same for a body whose top was changed already: `effort` is what it asked for then.
pub(crate) fn edit_asked(
    body: &[u8],
    policy: &Policy,
    betas: &str,
    effort: Option<String>,
) -> Result<Option<Edited>, ApiError> {
    let invalid = |what: String| ApiError::new(ErrorKind::InvalidRequest, what);
    let text = std::str::from_utf8(body).map_err(|fault| {
        invalid(format!("the request body is not valid UTF-8 at byte {}", fault.valid_up_to()))
    })?;
    let betas: Vec<&str> = betas.split(',').map(str::trim).filter(|b| !b.is_empty()).collect();
    let mut cx =
        Cx { policy, dropped: Dropped::new(policy, &betas), losses: Losses::new(), effort };
    let edits = body_edits(text, &mut cx).map_err(|fault| match fault {
        Stop::Malformed(fault) => invalid(format!("the request body is not valid: {fault}")),
        Stop::Refused(fault) => fault,
    })?;
    let betas = cx.dropped.betas(policy, &betas, &mut cx.losses);
    if edits.is_empty() && betas.is_none() {
        return Ok(None);
    }
    Ok(Some(Edited { body: apply(text, edits).into(), losses: cx.losses, betas }))
}

/// What every step of one edit needs.
struct Cx<'a> {
    policy: &'a Policy,
    dropped: Dropped,
    losses: Losses,
    /// The effort that is asked of the whole request, as written.
    effort: Option<String>,
}

impl Cx<'_> {
    /// Notes that a message's own `output_config` goes. One that says what the whole request says (as
    /// Claude Code's does, mostly) is no loss.
    fn note_own_config(&mut self, config: Node<'_>) -> Done<()> {
        let members = config.members()?;
        let same = matches!(&members[..], [only] if only.key.is("effort")
            && Some(only.value.raw().as_str()) == self.effort.as_deref());
        if same {
            let why = "the whole request asks for the same";
            self.losses.add(What::Hint, "messages.output_config", why);
        } else {
            note("messages.output_config", &mut self.losses);
        }
        Ok(())
    }
}

/// Why there is no edited body.
enum Stop {
    Malformed(Malformed),
    Refused(ApiError),
}

impl From<Malformed> for Stop {
    fn from(fault: Malformed) -> Self {
        Self::Malformed(fault)
    }
}

type Done<T> = Result<T, Stop>;

fn body_edits(text: &str, cx: &mut Cx<'_>) -> Done<Vec<Edit>> {
    let members = Node::whole(text)?.members()?;
    let mut mode = None;
    let mut history = None;
    for member in &members {
        if member.key.is("thinking") {
            mode = member.value.get("type")?.and_then(Node::text);
        } else if member.key.is("messages") {
            history = Some(member.value);
        } else if member.key.is("output_config") {
            let effort = member.value.get("effort")?;
            let effort = effort.map(|effort| effort.raw().as_str().to_owned());
            cx.effort = cx.effort.take().or(effort);
        }
    }
    let lacks = cx.policy.lacks;
    let is = |kind: &str| mode.is_some_and(|mode| mode.is(kind));
    if lacks.idle_effort && is("disabled") {
        cx.dropped.add("output_config.effort");
    }
    let told = history::edit(history, is("enabled"), cx)?;
    let mut told_edits = Some(told.edits);
    let asked = !lacks.thinking_pairs || (mode.is_some() && !is("disabled"));
    let thinks = asked && !told.disable_thinking && !cx.dropped.has("thinking");
    let offer = members.iter().rev().find(|m| m.key.is("tools")).map(|m| m.value);
    let refused = offer.map(|offer| refused_tools(offer, cx)).transpose()?.unwrap_or_default();

    let mut fates = Vec::with_capacity(members.len());
    for member in &members {
        let key = member.key.decode();
        let fate = match &*key {
            // Of duplicates the last was looked at.
            "messages" if history.map(Node::span) == Some(member.value.span()) => {
                Fate::inside(told_edits.take().unwrap_or_default())
            }
            CACHE_CONTROL if cx.dropped.has(AUTOMATIC_CACHING) => {
                cx.losses.add(What::Hint, CACHE_CONTROL, "this upstream does not cache by itself");
                Fate::Remove
            }
            CACHE_CONTROL => blocks::cache_control(member, cx)?,
            key if cx.dropped.has(key) => {
                note(key, &mut cx.losses);
                Fate::Remove
            }
            "thinking" if told.disable_thinking => member.with_value(r#"{"type":"disabled"}"#),
            "context_management" if !thinks => without_clearing(member.value, &mut cx.losses)?,
            "system" => blocks::list(member.value, "system", cx)?,
            "tools" => tools(member.value, &told.found_tools, cx)?,
            "tool_choice" if !refused.is_empty() => tool_choice(member, &refused, cx)?,
            key if cx.dropped.within(key) => inner_fields(key, member.value, cx)?,
            _ => Fate::Keep,
        };
        fates.push(fate);
    }
    Ok(settle(&spans(&members), fates))
}

fn spans(members: &[Member<'_>]) -> Vec<Span> {
    members.iter().map(Member::span).collect()
}

/// The members of a top-level object that go; the object goes with the last one.
fn inner_fields(outer: &str, value: Node<'_>, cx: &mut Cx<'_>) -> Done<Fate> {
    let members = value.members()?;
    let mut fates = Vec::with_capacity(members.len());
    for member in &members {
        let field = format!("{outer}.{}", member.key.decode());
        let gone = cx.dropped.has(&field);
        if gone {
            note(&field, &mut cx.losses);
        }
        fates.push(if gone { Fate::Remove } else { Fate::Keep });
    }
    if !fates.is_empty() && fates.iter().all(Fate::is_gone) {
        return Ok(Fate::Remove);
    }
    Ok(Fate::inside(settle(&spans(&members), fates)))
}

/// `context_management` without the edits that need thinking: "`clear_thinking_20251015` strategy
/// requires `thinking` to be enabled or adaptive".
fn without_clearing(value: Node<'_>, losses: &mut Losses) -> Done<Fate> {
    let Some(list) = value.get("edits")? else { return Ok(Fate::Keep) };
    let edits = list.elements()?;
    let mut fates = Vec::with_capacity(edits.len());
    for edit in &edits {
        let kind = edit.get("type")?.and_then(Node::text);
        let clears = kind.is_some_and(|kind| kind.decode().starts_with("clear_thinking_"));
        fates.push(if clears { Fate::Remove } else { Fate::Keep });
    }
    if !fates.iter().any(Fate::is_gone) {
        return Ok(Fate::Keep);
    }
    losses.add(What::Hint, "context_management", "there is no thinking to clear");
    if fates.iter().all(Fate::is_gone) {
        return Ok(Fate::Remove);
    }
    let spans: Vec<_> = edits.iter().map(|edit| edit.span()).collect();
    Ok(Fate::inside(settle(&spans, fates)))
}

/// The names of tools that the upstream has no way to run.
fn refused_tools(offer: Node<'_>, cx: &Cx<'_>) -> Done<HashSet<String>> {
    let mut refused = HashSet::new();
    if cx.policy.lacks.tools.is_empty() {
        return Ok(refused);
    }
    let tools = offer.elements()?;
    let mut first = None;
    let mut others = 0;
    for tool in &tools {
        let kind = tool.get("type")?.and_then(Node::text).unwrap_or_default().decode();
        if cx.policy.lacks.tool(&kind).is_some() {
            let name = tool.get("name")?.and_then(Node::text).unwrap_or_default().decode();
            refused.insert(name.into_owned());
            first.get_or_insert(kind);
        } else {
            others += 1;
        }
    }
    match first {
        Some(kind) if others == 0 => {
            let what = format!(
                "tools: the upstream of this model does not run `{kind}`; use a model of a provider \
                 that does, or leave the tool out"
            );
            Err(Stop::Refused(
                ApiError::new(ErrorKind::InvalidRequest, what).with_should_retry(false),
            ))
        }
        _ => Ok(refused),
    }
}

/// A choice of a tool that is not offered any more is none.
fn tool_choice(member: &Member<'_>, refused: &HashSet<String>, cx: &mut Cx<'_>) -> Done<Fate> {
    let name = member.value.get("name")?.and_then(Node::text).unwrap_or_default().decode();
    if !refused.contains(&*name) {
        return Ok(Fate::Keep);
    }
    cx.losses.add(What::Replaced, "tool_choice", "this upstream does not run the tool it names");
    Ok(member.with_value(r#"{"type":"auto"}"#))
}

/// The tools without what the upstream does not know. Without tool search a deferred tool is offered
/// like any other once something has found it, and not at all before.
fn tools(value: Node<'_>, found: &HashSet<String>, cx: &mut Cx<'_>) -> Done<Fate> {
    let tools = value.elements()?;
    let mut fates = Vec::with_capacity(tools.len());
    let no_search = cx.dropped.has(DEFER_LOADING);
    for (at, tool) in tools.iter().enumerate() {
        let members = tool.members()?;
        let text = |key: &str| {
            members.iter().find(|m| m.key.is(key)).and_then(|m| m.value.text()).map(Text::decode)
        };
        if let Some(kind) = text("type").filter(|kind| cx.policy.lacks.tool(kind).is_some()) {
            let why = format!("this upstream does not run `{kind}`");
            cx.losses.add(What::Dropped, format!("tools[{at}]"), why);
            fates.push(Fate::Remove);
            continue;
        }
        if no_search {
            let deferred =
                |m: &Member<'_>| m.key.is("defer_loading") && m.value.raw().as_str() == "true";
            let name = text("name").unwrap_or_default();
            if members.iter().any(deferred) && !found.contains(&*name) {
                cx.losses.add(What::Hint, format!("tools[{at}]"), "nothing has found it yet");
                fates.push(Fate::Remove);
                continue;
            }
            if text("type").is_some_and(|kind| kind.starts_with("tool_search_tool_")) {
                let why = "this upstream has no tool search";
                cx.losses.add(What::Dropped, format!("tools[{at}]"), why);
                fates.push(Fate::Remove);
                continue;
            }
        }
        let mut inner = Vec::with_capacity(members.len());
        for member in &members {
            let field = format!("tools.{}", member.key.decode());
            inner.push(if member.key.is(CACHE_CONTROL) {
                blocks::cache_control(member, cx)?
            } else if cx.dropped.has(&field) {
                note(&field, &mut cx.losses);
                Fate::Remove
            } else {
                Fate::Keep
            });
        }
        fates.push(Fate::inside(settle(&spans(&members), inner)));
    }
    let spans: Vec<_> = tools.iter().map(|tool| tool.span()).collect();
    Ok(Fate::inside(settle(&spans, fates)))
}
