//! Values of a body by their place, and edits at such places.
//!
//! A level of the body is read when somebody looks at it; what nobody looks at is passed over. Edits
//! never move or rewrite a byte outside of their own span.

use gateway_translate::{Malformed, Reader};
use gateway_types::{Raw, Span, Text};

/// One value and where it stands in the body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'b> {
    at: usize,
    raw: Raw<'b>,
}

/// One member of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member<'b> {
    pub(crate) key: Text<'b>,
    /// Where the key's opening quote stands.
    start: usize,
    pub(crate) value: Node<'b>,
}

impl<'b> Node<'b> {
    /// The whole body, which must be one value and nothing else.
    pub(crate) fn whole(body: &'b str) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let raw = reader.raw()?;
        let at = reader.position() - raw.as_str().len();
        reader.end()?;
        Ok(Self { at, raw })
    }

    /// The same with its [members](Self::members), in one pass: a body may be long.
    pub(crate) fn whole_with_members(body: &'b str) -> Result<(Self, Vec<Member<'b>>), Malformed> {
        let at = body.len() - body.trim_start_matches([' ', '\t', '\n', '\r']).len();
        if !body[at..].starts_with('{') {
            return Ok((Self::whole(body)?, Vec::new()));
        }
        let all = Self { at: 0, raw: Raw::from_json(body) };
        let mut reader = all.reader();
        let members = all.read_members(&mut reader)?;
        let raw = Raw::from_json(&body[at..reader.position()]);
        reader.end()?;
        Ok((Self { at, raw }, members))
    }

    pub(crate) fn span(self) -> Span {
        self.at..self.at + self.raw.as_str().len()
    }

    pub(crate) fn raw(self) -> Raw<'b> {
        self.raw
    }

    pub(crate) fn is_array(self) -> bool {
        self.raw.as_str().starts_with('[')
    }

    /// The string it is, if it is one.
    pub(crate) fn text(self) -> Option<Text<'b>> {
        self.raw.as_text()
    }

    /// The members of an object, in order; none of anything else.
    pub(crate) fn members(self) -> Result<Vec<Member<'b>>, Malformed> {
        if !self.raw.is_object() {
            return Ok(Vec::new());
        }
        self.read_members(&mut self.reader())
    }

    fn read_members(self, reader: &mut Reader<'b>) -> Result<Vec<Member<'b>>, Malformed> {
        let mut members = Vec::new();
        let base = self.raw.as_str().as_ptr() as usize;
        reader.object(|r, key| {
            // The key is lent from the body, so where it lies says where it stands.
            let start = self.at + (key.escaped().as_ptr() as usize - base) - 1;
            let value = self.child(r)?;
            members.push(Member { key, start, value });
            Ok::<_, Malformed>(())
        })?;
        Ok(members)
    }

    /// The elements of an array, in order; none of anything else.
    pub(crate) fn elements(self) -> Result<Vec<Self>, Malformed> {
        let mut elements = Vec::new();
        if !self.is_array() {
            return Ok(elements);
        }
        self.reader().array(|r| {
            elements.push(self.child(r)?);
            Ok::<_, Malformed>(())
        })?;
        Ok(elements)
    }

    /// The value of a member of an object. Of duplicates the last counts, as most parsers have it.
    pub(crate) fn get(self, key: &str) -> Result<Option<Self>, Malformed> {
        Ok(self.members()?.into_iter().rev().find(|m| m.key.is(key)).map(|m| m.value))
    }

    fn reader(self) -> Reader<'b> {
        Reader::new(self.raw.as_str())
    }

    fn child(self, r: &mut Reader<'b>) -> Result<Self, Malformed> {
        let raw = r.raw()?;
        Ok(Self { at: self.at + r.position() - raw.as_str().len(), raw })
    }
}

impl Member<'_> {
    pub(crate) fn span(&self) -> Span {
        self.start..self.value.span().end
    }

    /// The member with another value.
    pub(crate) fn with_value(&self, json: &str) -> Fate {
        Fate::Inside(vec![Edit::new(self.value.span(), json)])
    }
}

/// A text in the place of a span of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) span: Span,
    pub(crate) text: String,
}

impl Edit {
    pub(crate) fn new(span: Span, text: impl Into<String>) -> Self {
        Self { span, text: text.into() }
    }
}

/// What becomes of one member or element.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stays.
    #[default]
    Keep,
    /// It stays, edited inside.
    Inside(Vec<Edit>),
    /// Another element takes its place, or another whole member.
    Replace(String),
    /// It goes, with its comma.
    Remove,
}

impl Fate {
    /// [`Fate::Inside`], or [`Fate::Keep`] where there is nothing to do.
    pub(crate) fn inside(edits: Vec<Edit>) -> Self {
        if edits.is_empty() { Self::Keep } else { Self::Inside(edits) }
    }

    pub(crate) fn is_gone(&self) -> bool {
        *self == Self::Remove
    }
}

/// The edits that give each item of one object or array its fate. `spans` are the items' in order,
/// members with their keys; `fates` are as many.
pub(crate) fn settle(spans: &[Span], fates: Vec<Fate>) -> Vec<Edit> {
    let mut edits = Vec::new();
    let mut survivor = false;
    for (at, fate) in fates.into_iter().enumerate() {
        let span = spans[at].clone();
        match fate {
            Fate::Keep => {}
            Fate::Inside(inner) => edits.extend(inner),
            Fate::Replace(text) => edits.push(Edit { span, text }),
            Fate::Remove => {
                // The comma before it goes with it; behind nobody, the one after it.
                let span = match spans.get(at + 1) {
                    _ if survivor => spans[at - 1].end..span.end,
                    Some(next) => span.start..next.start,
                    None => span,
                };
                edits.push(Edit::new(span, ""));
                continue;
            }
        }
        survivor = true;
    }
    edits
}

/// The body with its edits: one buffer, every other byte as it was.
pub(crate) fn apply(body: &str, mut edits: Vec<Edit>) -> String {
    // Stable: what is put in at one place stays in order, and before what is taken out there.
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let added: usize = edits.iter().map(|edit| edit.text.len()).sum();
    let mut out = String::with_capacity(body.len() + added);
    let mut from = 0;
    for edit in &edits {
        debug_assert!(edit.span.start >= from, "edits do not overlap");
        out.push_str(&body[from..edit.span.start]);
        out.push_str(&edit.text);
        from = edit.span.end;
    }
    out.push_str(&body[from..]);
    out
}
