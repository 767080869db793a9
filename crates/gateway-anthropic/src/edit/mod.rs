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
mod policy;
mod system;
#[cfg(test)]
pub(crate) mod tests;
mod tools;

use bytes::Bytes;
use gateway_translate::Malformed;
use gateway_types::{ApiError, ErrorKind, Losses, Span, What};

pub use features::BetaPatterns;
pub(crate) use features::{AUTOMATIC_CACHING, CACHE_SCOPE, CACHE_TTL, SYSTEM_ROLE};
use features::{CACHE_CONTROL, Dropped, note};
use node::{Edit, Fate, Member, Node, apply, settle};
pub use policy::{Documents, Lacks, Policy, Thinking};
use tools::Offer;

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
    let text = std::str::from_utf8(body).map_err(|fault| {
        let at = fault.valid_up_to();
        invalid(format!("the request body is not valid UTF-8 at byte {at}"))
    })?;
    let edited = edit_asked(text, policy, betas, None)?;
    Ok(edited.map(|edited| {
        let EditedText { text, losses, betas } = edited;
        Edited { body: text.into(), losses, betas }
    }))
}

/// [`Edited`], as the text it is.
pub(crate) struct EditedText {
    pub(crate) text: String,
    pub(crate) losses: Losses,
    pub(crate) betas: Option<Vec<String>>,
}

pub(crate) fn invalid(what: String) -> ApiError {
    ApiError::new(ErrorKind::InvalidRequest, what)
}

/// The same for a body whose top was changed already: `effort` is what it asked for then.
pub(crate) fn edit_asked(
    text: &str,
    policy: &Policy,
    betas: &str,
    effort: Option<String>,
) -> Result<Option<EditedText>, ApiError> {
    let betas: Vec<&str> = betas.split(',').map(str::trim).filter(|b| !b.is_empty()).collect();
    let mut cx =
        Cx { policy, dropped: Dropped::new(policy, &betas), losses: Losses::new(), effort };
    let edits = body_edits(text, &mut cx).map_err(ApiError::from)?;
    let betas = cx.dropped.betas(policy, &betas, &mut cx.losses);
    if edits.is_empty() && betas.is_none() {
        return Ok(None);
    }
    Ok(Some(EditedText { text: apply(text, edits), losses: cx.losses, betas }))
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
pub(crate) enum Stop {
    Malformed(Malformed),
    Refused(ApiError),
}

impl From<Malformed> for Stop {
    fn from(fault: Malformed) -> Self {
        Self::Malformed(fault)
    }
}

impl From<Stop> for ApiError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Malformed(fault) => invalid(format!("the request body is not valid: {fault}")),
            Stop::Refused(fault) => fault,
        }
    }
}

type Done<T> = Result<T, Stop>;

fn body_edits(text: &str, cx: &mut Cx<'_>) -> Done<Vec<Edit>> {
    let (_, members) = Node::whole_with_members(text)?;
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
    let offer = offer.map(Offer::read).transpose()?;
    let refused = offer.as_ref().map(|offer| offer.refused(cx)).transpose()?.unwrap_or_default();

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
            "tools" => match &offer {
                Some(offer) if offer.is(member.value) => offer.fate(&told.found_tools, cx)?,
                _ => Offer::read(member.value)?.fate(&told.found_tools, cx)?,
            },
            "tool_choice" if !refused.is_empty() => tools::choice(member, &refused, cx)?,
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
pub(crate) fn without_clearing(value: Node<'_>, losses: &mut Losses) -> Done<Fate> {
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
