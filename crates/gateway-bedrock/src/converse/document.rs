//! Documents as Converse takes them: formats, legal names, and what is said about them.

use std::collections::HashSet;

use gateway_translate::{Json, find};
use gateway_types::{Block, BlockKind, Source, Text};

/// Longest name, in characters.
const NAME_MAX: usize = 200;

/// A document.
#[derive(Debug, Clone)]
pub(super) struct Document<'b> {
    format: &'static str,
    title: Option<Text<'b>>,
    source: From<'b>,
    context: Option<Text<'b>>,
    citations: bool,
}

#[derive(Debug, Clone)]
enum From<'b> {
    Bytes(Text<'b>),
    Text(Text<'b>),
    Blocks(Vec<Text<'b>>),
}

/// Formats by media type.
const FORMATS: &[(&str, &str)] = &[
    ("application/pdf", "pdf"),
    ("text/csv", "csv"),
    ("text/html", "html"),
    ("text/markdown", "md"),
    ("text/plain", "txt"),
    ("application/msword", "doc"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.ms-excel", "xls"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
];

impl<'b> Document<'b> {
    /// The document that a block is, where it can be shown as one. `texts`: those that are texts can be.
    pub(super) fn of(block: &Block<'b>, texts: bool) -> Option<Self> {
        let BlockKind::Document { source, title, context } = &block.kind else { return None };
        let (format, source) = match source {
            Source::Base64 { media_type, data } => {
                let media = media_type.decode();
                let (_, format) = FORMATS.iter().find(|(name, _)| *name == media)?;
                (*format, From::Bytes(*data))
            }
            Source::PlainText(text) if texts && !text.is_empty() => ("txt", From::Text(*text)),
            Source::Content(blocks) if texts => {
                let mut pieces = Vec::new();
                for block in blocks {
                    let BlockKind::Text { text, .. } = block.kind else { return None };
                    if !text.is_empty() {
                        pieces.push(text);
                    }
                }
                ("txt", From::Blocks(Some(pieces).filter(|pieces| !pieces.is_empty())?))
            }
            _ => return None,
        };
        let raw = block.raw.as_str().as_bytes();
        let enabled = find(raw, &["citations", "enabled"]);
        let citations = texts && enabled.is_some_and(|span| raw[span] == *b"true");
        let context = context.filter(|text| !text.is_empty());
        Some(Self { format, title: *title, source, context, citations })
    }

    pub(super) fn write(&self, names: &mut Names, json: &mut Json) {
        let name = names.unique(self.title);
        json.object(|json| {
            json.key("document").object(|json| {
                json.key("format").string(self.format).key("name").string(&name);
                json.key("source").object(|json| match &self.source {
                    From::Bytes(data) => {
                        json.key("bytes").text(*data);
                    }
                    From::Text(text) => {
                        json.key("text").text(*text);
                    }
                    From::Blocks(pieces) => {
                        json.key("content").array(|json| {
                            for piece in pieces {
                                json.object(|json| {
                                    json.key("text").text(*piece);
                                });
                            }
                        });
                    }
                });
                if let Some(context) = self.context {
                    json.key("context").text(context);
                }
                if self.citations {
                    json.key("citations").object(|json| {
                        json.key("enabled").bool(true);
                    });
                }
            });
        });
    }
}

/// The names of a request's documents: each stands once.
#[derive(Debug, Default)]
pub(super) struct Names {
    used: HashSet<String>,
}

impl Names {
    /// A legal name that is like `title`, and not used yet.
    fn unique(&mut self, title: Option<Text<'_>>) -> String {
        let name = legal(&title.map(Text::decode).unwrap_or_default());
        let numbered = |count: usize| match (count, name.is_empty()) {
            (1, false) => name.clone(),
            (_, true) => format!("Document {count}"),
            (_, false) => {
                let tail = format!(" {count}");
                let head: String = name.chars().take(NAME_MAX - tail.len()).collect();
                format!("{}{tail}", head.trim_end())
            }
        };
        let mut count = 1;
        while !self.used.insert(numbered(count)) {
            count += 1;
        }
        numbered(count)
    }
}

/// Letters, digits, single blanks, hyphens and brackets.
fn legal(title: &str) -> String {
    let mut name = String::new();
    for c in title.chars() {
        if c.is_ascii_alphanumeric() || "-()[]".contains(c) {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with(' ') {
            name.push(' ');
        }
        if name.len() >= NAME_MAX {
            break;
        }
    }
    name.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_legal_and_stand_once() {
        let mut names = Names::default();
        for (title, wanted) in [
            (None, "Document 1"),
            (Some("Q3 report (final).pdf"), "Q3 report (final) pdf"),
            (Some("Q3  report_(final)!pdf"), "Q3 report (final) pdf 2"),
            (Some("   "), "Document 2"),
            (Some("Document 3"), "Document 3"),
            (Some("…"), "Document 4"),
            (Some("naïve"), "na ve"),
        ] {
            assert_eq!(names.unique(title.map(Text::from_escaped)), wanted);
        }
    }

    proptest! {
        #[test]
        fn any_title_becomes_a_legal_name(titles in prop::collection::vec(".{0,300}", 1..6)) {
            let mut names = Names::default();
            for title in &titles {
                let title = gateway_types::escaped(title);
                let name = names.unique(Some(Text::from_escaped(&title)));
                prop_assert!(!name.is_empty() && name.len() <= NAME_MAX);
                prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || " -()[]".contains(c)));
                prop_assert!(!name.contains("  ") && name.trim() == name);
            }
            prop_assert_eq!(names.used.len(), titles.len());
        }
    }
}
