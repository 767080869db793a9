//! What a rule sets in requests that it takes, as edits of their bodies.
//!
//! What is not set stays byte for byte, and in its order: a rewritten body would lose the upstream's
//! prompt cache (R35). The same rule makes the same of the same beginning, so the cache stays warm from
//! turn to turn.
//!
//! ```
//! use bytes::Bytes;
//! use gateway_anthropic::overrides::{Overrides, apply};
//!
//! let body = Bytes::from_static(br#"{"model":"m", "max_tokens":9, "messages":[]}"#);
//! let cheap = Overrides {
//!     effort: Some("low".into()),
//!     max_tokens: Some(4096),
//!     ..Overrides::default()
//! };
//! let done = apply(&body, &cheap, "claude-sonnet-4-6")?;
//! assert_eq!(
//!     done.body.expect("a change"),
//!     br#"{"model":"m", "max_tokens":4096, "messages":[],"output_config":{"effort":"low"}}"#[..]
//! );
//! # Ok::<(), gateway_types::ApiError>(())
//! ```

#[cfg(test)]
mod tests;

use bytes::Bytes;
use gateway_translate::Malformed;
use gateway_types::{ApiError, Losses, Span, What, escaped};

use crate::edit::node::{self, Edit, Fate, Member, Node, settle};
use crate::edit::{Stop, invalid, without_clearing};
use crate::hosted::Claude;

/// What is set. Nothing, by default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// `output_config.effort`, of the whole request and of messages that have one of their own.
    pub effort: Option<String>,
    /// `max_tokens`.
    pub max_tokens: Option<u64>,
    /// `temperature`.
    pub temperature: Option<f64>,
    /// Top-level fields and their values as JSON, in the place of those of the same name, else at the
    /// end; before everything else is set. Never `model`, `stream` or `messages`.
    pub extra_body: Vec<(String, String)>,
    /// A text at the end of the system prompt.
    pub system_append: Option<String>,
}

impl Overrides {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Fields for [`extra_body`](Self::extra_body).
    pub fn fields(map: &serde_json::Map<String, serde_json::Value>) -> Vec<(String, String)> {
        map.iter().map(|(key, value)| (key.clone(), value.to_string())).collect()
    }

    /// What of this the counting of tokens knows: how long the prompt is does not depend on the answer.
    #[must_use]
    pub fn for_counting(&self) -> Self {
        let counted = ["system", "thinking", "output_config", "tools", "tool_choice"];
        let extra_body = self.extra_body.iter().filter(|(key, _)| counted.contains(&&**key));
        Self {
            max_tokens: None,
            temperature: None,
            extra_body: extra_body.cloned().collect(),
            ..self.clone()
        }
    }
}

/// A request with what was set.
#[derive(Debug, Clone)]
pub struct Overridden {
    /// The new body; `None`: it is as it was.
    pub body: Option<Bytes>,
    /// What could not be set, and what had to change with what was.
    pub losses: Losses,
}

/// Sets what is to be set in a body as the caller sent it. `model` is the name that the upstream gets,
/// as far as it is known.
///
/// What contradicts itself is not sent: beside thinking no temperature (nor to a Claude that takes
/// none), no effort of a request that thinks not and has none; a `max_tokens` that leaves no room for a
/// budget of thinking lowers the budget, or turns thinking off.
///
/// # Errors
/// 400: the body is no JSON object.
pub fn apply(body: &Bytes, overrides: &Overrides, model: &str) -> Result<Overridden, ApiError> {
    let losses = Losses::new();
    if overrides.is_empty() {
        return Ok(Overridden { body: None, losses });
    }
    let text = std::str::from_utf8(body).map_err(|fault| {
        let at = fault.valid_up_to();
        invalid(format!("the request body is not valid UTF-8 at byte {at}"))
    })?;
    let mut work = Work::new(text, losses)?;
    work.all(overrides, model)?;
    let Work { text, members, fields, mut edits, losses, gone, .. } = work;
    edits.extend(settle_gone(&members, gone));
    edits.extend(put_in(&members, fields, text));
    let body = (!edits.is_empty()).then(|| node::apply(text, edits).into());
    Ok(Overridden { body, losses })
}

/// Fields that decide where a request goes and what is answered: no rule sets them here.
const KEPT: [&str; 3] = ["model", "stream", "messages"];

/// The least budget that thinking may have.
const LEAST_BUDGET: u64 = 1024;

/// One body at work.
struct Work<'b> {
    text: &'b str,
    members: Vec<Member<'b>>,
    /// Values that take the place of a member's, or are new.
    fields: Vec<(String, String)>,
    /// Changes within members.
    edits: Vec<Edit>,
    /// A member that goes.
    gone: Option<usize>,
    losses: Losses,
}

type Done<T> = Result<T, Stop>;

impl<'b> Work<'b> {
    fn new(text: &'b str, losses: Losses) -> Done<Self> {
        let (whole, members) = Node::whole_with_members(text)?;
        if !whole.raw().is_object() {
            return Err(Malformed { at: 0 }.into());
        }
        Ok(Self { text, members, fields: Vec::new(), edits: Vec::new(), gone: None, losses })
    }

    fn all(&mut self, overrides: &Overrides, model: &str) -> Done<()> {
        for (key, json) in &overrides.extra_body {
            if KEPT.contains(&&**key) {
                let why = "a rule's extra_body does not set it";
                self.losses.add(What::Dropped, format!("set.{key}"), why);
            } else {
                self.set(key, json.clone());
            }
        }
        if let Some(most) = overrides.max_tokens {
            self.set("max_tokens", most.to_string());
        }
        if overrides.max_tokens.is_some() || !self.fields.is_empty() {
            self.fit_budget()?;
        }
        if let Some(temperature) = overrides.temperature {
            self.set_temperature(temperature, model)?;
        }
        if let Some(effort) = &overrides.effort {
            self.set_effort(effort)?;
        }
        if let Some(more) = &overrides.system_append {
            self.append_system(more)?;
        }
        Ok(())
    }

    fn set(&mut self, key: &str, json: String) {
        match self.fields.iter_mut().find(|(known, _)| known == key) {
            Some((_, value)) => *value = json,
            None => self.fields.push((key.to_owned(), json)),
        }
    }

    /// The body's own member of that name. Of duplicates the last counts.
    fn own(&self, key: &str) -> Option<(usize, Member<'b>)> {
        let at = self.members.iter().rposition(|member| member.key.is(key))?;
        Some((at, self.members[at]))
    }

    /// Looks at a field as it is now.
    fn look<T>(&self, key: &str, look: impl FnOnce(Node<'_>) -> Done<T>) -> Done<Option<T>> {
        if let Some((_, json)) = self.fields.iter().find(|(known, _)| known == key) {
            return Node::whole(json).map_err(Stop::from).and_then(look).map(Some);
        }
        self.own(key).map(|(_, member)| look(member.value)).transpose()
    }

    /// Changes a field inside, as it is now.
    fn change(&mut self, key: &str, edits: Vec<Edit>) {
        match self.fields.iter_mut().find(|(known, _)| known == key) {
            Some((_, json)) => *json = node::apply(json, edits),
            None => self.edits.extend(edits),
        }
    }

    /// `thinking.type`, if there is one.
    fn mode(&self) -> Done<Option<String>> {
        let mode = self.look("thinking", |thinking| {
            let mode = thinking.get("type")?.and_then(Node::text);
            Ok(mode.map(|mode| mode.decode().into_owned()))
        })?;
        Ok(mode.flatten())
    }

    fn fit_budget(&mut self) -> Done<()> {
        let room = self.look("max_tokens", |most| Ok(number(most)))?.flatten();
        let asked = self.look("thinking", |thinking| {
            let budget = thinking.get("budget_tokens")?;
            Ok(budget.and_then(|budget| Some((number(budget)?, budget.span()))))
        })?;
        let (Some(room), Some(Some((budget, span)))) = (room, asked) else { return Ok(()) };
        if budget < room || self.mode()?.as_deref() != Some("enabled") {
            return Ok(());
        }
        if room > LEAST_BUDGET {
            let budget = (room / 2).max(LEAST_BUDGET);
            self.change("thinking", vec![Edit::new(span, budget.to_string())]);
            let why = "max_tokens leaves no room for more";
            self.losses.add(What::Clamped, "thinking.budget_tokens", why);
            return Ok(());
        }
        self.set("thinking", r#"{"type":"disabled"}"#.to_owned());
        self.losses.add(What::Dropped, "thinking", "max_tokens leaves no room for a budget");
        // What clears thinking needs some.
        if let Some((at, member)) = self.own("context_management")
            && !self.fields.iter().any(|(key, _)| key == "context_management")
        {
            match without_clearing(member.value, &mut self.losses)? {
                Fate::Inside(edits) => self.edits.extend(edits),
                Fate::Remove => self.gone = Some(at),
                Fate::Keep | Fate::Replace(_) => {}
            }
        }
        Ok(())
    }

    fn set_temperature(&mut self, temperature: f64, model: &str) -> Done<()> {
        let thinks = self.mode()?.is_some_and(|mode| mode != "disabled");
        let why = if thinks {
            "beside thinking there is none"
        } else if Claude::of(model).is_surely(4, 7) {
            "this Claude takes none"
        } else {
            self.set("temperature", serde_json::Value::from(temperature).to_string());
            return Ok(());
        };
        self.losses.add(What::Dropped, "temperature", why);
        Ok(())
    }

    fn set_effort(&mut self, effort: &str) -> Done<()> {
        let quoted = format!("\"{}\"", escaped(effort));
        let edits = self.look("output_config", |config| {
            let members = config.members()?;
            Ok(match members.iter().rev().find(|member| member.key.is("effort")) {
                Some(own) => Some(replaced(own.value, &quoted)),
                None if config.raw().is_object() => {
                    let at = members.last().map_or(config.span().start + 1, |last| last.span().end);
                    let comma = if members.is_empty() { "" } else { "," };
                    let text = format!("{comma}\"effort\":{quoted}");
                    Some(vec![Edit::new(at..at, text)])
                }
                None => None,
            })
        })?;
        let has_one = self.look("output_config", |config| Ok(config.get("effort")?.is_some()))?;
        let idle = self.mode()?.as_deref() == Some("disabled");
        if idle && has_one != Some(true) {
            // Many servers refuse an effort there (R19); one that came with it was thought of.
            let why = "the request asks for no thinking";
            self.losses.add(What::Dropped, "output_config.effort", why);
            return Ok(());
        }
        match edits.flatten() {
            Some(edits) => self.change("output_config", edits),
            None => self.set("output_config", format!("{{\"effort\":{quoted}}}")),
        }
        // A message's own counts for its turn.
        if let Some((_, messages)) = self.own("messages") {
            for message in messages.value.elements()? {
                let Some(config) = message.get("output_config")? else { continue };
                if let Some(own) = config.get("effort")? {
                    self.edits.extend(replaced(own, &quoted));
                }
            }
        }
        Ok(())
    }

    fn append_system(&mut self, more: &str) -> Done<()> {
        let more = escaped(more);
        let edits = self.look("system", |system| {
            let end = system.span().end - 1;
            if let Some(text) = system.text() {
                let gap = if text.is_empty() { "" } else { "\\n\\n" };
                return Ok(Some(vec![Edit::new(end..end, format!("{gap}{more}"))]));
            }
            if !system.is_array() {
                return Ok(None);
            }
            let last = system.elements()?.last().map(|last| last.span().end);
            let comma = if last.is_some() { "," } else { "" };
            let block = format!("{comma}{{\"type\":\"text\",\"text\":\"{more}\"}}");
            let at = last.unwrap_or(end);
            Ok(Some(vec![Edit::new(at..at, block)]))
        })?;
        match edits.flatten() {
            Some(edits) => self.change("system", edits),
            None => self.set("system", format!("\"{more}\"")),
        }
        Ok(())
    }
}

/// The edit that puts `json` in the place of a value, unless it is that already.
fn replaced(value: Node<'_>, json: &str) -> Vec<Edit> {
    if value.raw().as_str() == json { Vec::new() } else { vec![Edit::new(value.span(), json)] }
}

fn number(value: Node<'_>) -> Option<u64> {
    value.raw().as_str().parse().ok()
}

fn settle_gone(members: &[Member<'_>], gone: Option<usize>) -> Vec<Edit> {
    let Some(gone) = gone else { return Vec::new() };
    let spans: Vec<Span> = members.iter().map(Member::span).collect();
    let fate = |at| if at == gone { Fate::Remove } else { Fate::Keep };
    settle(&spans, (0..spans.len()).map(fate).collect())
}

/// The edits that give fields their values: in their place, else behind the last.
fn put_in(members: &[Member<'_>], fields: Vec<(String, String)>, text: &str) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut new = String::new();
    for (key, json) in fields {
        if let Some(own) = members.iter().rev().find(|member| member.key.is(&key)) {
            edits.extend(replaced(own.value, &json));
            continue;
        }
        if !members.is_empty() || !new.is_empty() {
            new.push(',');
        }
        new.push('"');
        new.push_str(&escaped(&key));
        new.push_str("\":");
        new.push_str(&json);
    }
    if !new.is_empty() {
        let open = || text.find('{').map_or(0, |at| at + 1);
        let at = members.last().map_or_else(open, |last| last.span().end);
        edits.push(Edit::new(at..at, new));
    }
    edits
}
