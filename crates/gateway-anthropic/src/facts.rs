//! What routing may ask of a Messages request besides its envelope.
//!
//! ```
//! use gateway_anthropic::facts;
//!
//! let facts = facts(br#"{"model":"m","thinking":{"type":"adaptive"},"tools":[],"messages":[
//!     {"role":"user","content":[{"type":"text","text":"an \"image\"?"}]}]}"#);
//! assert!(facts.thinking && !facts.has_tools && !facts.has_images);
//! ```

#[cfg(test)]
mod tests;

use gateway_translate::{Kind, Malformed, Reader, find, members};
use memchr::memmem;

/// What a body of `/v1/messages` or `/v1/messages/count_tokens` asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BodyFacts {
    /// The model is asked to think. Who says nothing of it asks for none.
    pub thinking: bool,
    /// There is an image somewhere in the conversation, in the results of tools too.
    pub has_images: bool,
    /// Tools are offered, of whichever kind.
    pub has_tools: bool,
    /// The server tool for web search is among them.
    pub web_search: bool,
    /// It is work of the client's own that nobody waits for; see [`facts`] for its signs.
    pub background: bool,
}

/// Reads what routing asks for, in one pass that builds nothing; only what looks like an image or a
/// search is looked at twice. Where the body is not what it should be, what was found up to there
/// counts: refusing it is the upstream's.
///
/// A request is background work when it offers no tools, asks for no thinking, and does one of these:
///
/// * it wants an object with a `title`, and at most `isNewTopic` beside it, by a JSON schema: the title
///   of a session, as Claude Code asks for it;
/// * its system prompt holds one of two sentences by which older versions of that client asked for the
///   topic of a message or for a summary to show in a list of sessions;
/// * it says the one word `quota` and wants one token: a probe of those versions.
///
/// Everything else somebody waits for: also a compaction, and the check of a command before it is run.
pub fn facts(body: &[u8]) -> BodyFacts {
    let mut parts = Parts::default();
    let _ends_early = members(body, |key, span| {
        let slot = match key {
            b"messages" => &mut parts.messages,
            b"system" => &mut parts.system,
            b"tools" => &mut parts.tools,
            b"thinking" => &mut parts.thinking,
            b"output_config" => &mut parts.config,
            b"output_format" => &mut parts.format,
            b"max_tokens" => &mut parts.max_tokens,
            _ => return,
        };
        // Of duplicates the last counts.
        *slot = &body[span];
    });
    parts.facts()
}

/// By these older versions of Claude Code are known to ask for what nobody waits for.
const SENTENCES: [&str; 2] = [
    "Analyze if this message indicates a new conversation topic",
    "Summarize this coding conversation in under 50 characters",
];

/// Blocks within blocks within results: nobody nests deeper.
const DEPTH: usize = 8;

/// The values that tell something, as they are written; empty where there is none.
#[derive(Default)]
struct Parts<'b> {
    messages: &'b [u8],
    system: &'b [u8],
    tools: &'b [u8],
    thinking: &'b [u8],
    config: &'b [u8],
    format: &'b [u8],
    max_tokens: &'b [u8],
}

type Done = Result<(), Malformed>;

impl Parts<'_> {
    fn facts(&self) -> BodyFacts {
        let tools = self.tools.strip_prefix(b"[").map(<[u8]>::trim_ascii_start);
        let has_tools = tools.is_some_and(|tools| !tools.starts_with(b"]"));
        let thinking = string(self.thinking, "type").is_some_and(|mode| mode != "disabled");
        BodyFacts {
            thinking,
            has_images: holds_image(self.messages),
            has_tools,
            web_search: offers_search(self.tools),
            background: !has_tools && !thinking && self.is_idle(),
        }
    }

    fn is_idle(&self) -> bool {
        let format = find(self.config, &["format"]).map_or(self.format, |span| &self.config[span]);
        asks_for_title(format) || self.holds_sentence() || self.is_probe()
    }

    fn holds_sentence(&self) -> bool {
        let holds = |sentence: &&str| memmem::find(self.system, sentence.as_bytes()).is_some();
        SENTENCES.iter().any(holds)
    }

    fn is_probe(&self) -> bool {
        // Of a short one there is not much to read.
        self.max_tokens == b"1" && self.messages.len() < 512 && says_quota(self.messages)
    }
}

/// The text of a member that is a string without escapes.
fn string<'b>(object: &'b [u8], key: &str) -> Option<&'b str> {
    let token = &object[find(object, &[key])?];
    std::str::from_utf8(token.strip_prefix(b"\"")?.strip_suffix(b"\"")?).ok()
}

/// Whether a tool's own type is that of the search; its schema may hold anything.
fn offers_search(tools: &[u8]) -> bool {
    let walk = |text| {
        let mut found = false;
        let _ends_early = elements(&mut Reader::new(text), |r| {
            members_of(r, |r, key| {
                if key == "type" {
                    let kind = r.maybe_string()?;
                    found |= kind.is_some_and(|kind| kind.escaped().starts_with("web_search"));
                    return Ok(());
                }
                r.skip()
            })
        });
        found
    };
    // Most need no second look.
    memmem::find(tools, b"\"web_search").is_some() && std::str::from_utf8(tools).is_ok_and(walk)
}

fn holds_image(messages: &[u8]) -> bool {
    let walk = |text| {
        let mut found = false;
        let _ends_early = elements(&mut Reader::new(text), |r| {
            members_of(r, |r, key| match key {
                "content" => blocks(r, 0, &mut found),
                _ => r.skip(),
            })
        });
        found
    };
    memmem::find(messages, b"\"image\"").is_some() && std::str::from_utf8(messages).is_ok_and(walk)
}

fn blocks(r: &mut Reader<'_>, depth: usize, found: &mut bool) -> Done {
    elements(r, |r| {
        members_of(r, |r, key| match key {
            "type" => {
                *found |= r.maybe_string()?.is_some_and(|kind| kind.is("image"));
                Ok(())
            }
            "content" if depth < DEPTH => blocks(r, depth + 1, found),
            // A document may be made of blocks.
            "source" => members_of(r, |r, key| match key {
                "content" if depth < DEPTH => blocks(r, depth + 1, found),
                _ => r.skip(),
            }),
            _ => r.skip(),
        })
    })
}

/// Whether there is one message, which says the one word.
fn says_quota(messages: &[u8]) -> bool {
    let (mut count, mut says) = (0, false);
    let Ok(text) = std::str::from_utf8(messages) else { return false };
    let read = elements(&mut Reader::new(text), |r| {
        count += 1;
        members_of(r, |r, key| match key {
            "content" if r.kind()? == Kind::String => {
                says = r.string()?.is("quota");
                Ok(())
            }
            "content" => elements(r, |r| {
                members_of(r, |r, key| match key {
                    "text" => {
                        says = r.maybe_string()?.is_some_and(|text| text.is("quota"));
                        Ok(())
                    }
                    _ => r.skip(),
                })
            }),
            _ => r.skip(),
        })
    });
    read.is_ok() && count == 1 && says
}

/// Whether a format asks for a title and for nothing but what is known to go with one.
fn asks_for_title(format: &[u8]) -> bool {
    let Some(known) = find(format, &["schema", "properties"]) else { return false };
    let (mut title, mut other) = (false, false);
    let walk = members(&format[known], |key, _| match key {
        b"title" => title = true,
        b"isNewTopic" => {}
        _ => other = true,
    });
    walk.is_ok() && title && !other
}

/// The members of an object, keys as they are written; anything else is passed over.
fn members_of<'b>(
    r: &mut Reader<'b>,
    mut on_member: impl FnMut(&mut Reader<'b>, &'b str) -> Done,
) -> Done {
    if r.kind()? != Kind::Object {
        return r.skip();
    }
    r.object(|r, key| on_member(r, key.escaped()))
}

/// The elements of an array; anything else is passed over.
fn elements<'b>(r: &mut Reader<'b>, on_element: impl FnMut(&mut Reader<'b>) -> Done) -> Done {
    if r.kind()? != Kind::Array {
        return r.skip();
    }
    r.array(on_element)
}
