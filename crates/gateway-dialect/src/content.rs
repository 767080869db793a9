//! What content blocks become at an upstream: parts that each dialect writes in its own way.

use std::borrow::Cow;

use gateway_translate::{Kind, Malformed, Reader, Round};
use gateway_types::{
    ApiError, Block, BlockKind, ErrorKind, Losses, Raw, Source, Text, What, escape,
};

/// One part of a message. Texts are the inside of a JSON string, escaped.
#[derive(Debug, Clone)]
pub enum Part<'b> {
    /// Text; `marked` says whether a cache marker stood on it.
    Text {
        /// The text.
        text: Cow<'b, str>,
        /// Whether a cache mark stood on it.
        marked: bool,
    },
    /// An image in the request.
    Image {
        /// E.g. `image/png`.
        media_type: Text<'b>,
        /// Base64.
        data: Text<'b>,
    },
    /// An image at an address.
    ImageUrl(Text<'b>),
    /// A PDF file in the request.
    Pdf {
        /// What it is called.
        title: Option<Text<'b>>,
        /// Base64.
        data: Text<'b>,
    },
    /// A PDF file at an address.
    PdfUrl {
        /// What it is called.
        title: Option<Text<'b>>,
        /// Where it is.
        url: Text<'b>,
    },
}

impl<'b> Part<'b> {
    fn text(text: impl Into<Cow<'b, str>>) -> Self {
        Self::Text { text: text.into(), marked: false }
    }
}

/// What a model can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Senses {
    /// It sees images.
    pub images: bool,
    /// Images may be given by URL.
    pub image_urls: bool,
    /// It reads PDF files.
    pub pdf: bool,
    /// PDF files may be given by URL.
    pub pdf_urls: bool,
    /// A document it can't read is an error, not an omission.
    pub refuse_documents: bool,
}

/// Turns content blocks into parts and notes what is lost.
#[derive(Debug)]
pub struct Content<'l> {
    senses: Senses,
    earlier: bool,
    losses: &'l mut Losses,
}

impl<'l> Content<'l> {
    /// For a model with these senses.
    pub fn new(senses: Senses, losses: &'l mut Losses) -> Self {
        Self { senses, earlier: false, losses }
    }

    /// Says whether what comes now stands in a turn before the last (see [`current`]). There a block
    /// that can't be shown is told of in words instead of refused: a conversation that came from another
    /// provider could never go on otherwise (behaviour R15).
    #[must_use]
    pub fn earlier(mut self, earlier: bool) -> Self {
        self.set_earlier(earlier);
        self
    }

    /// As [`Content::earlier`].
    pub fn set_earlier(&mut self, earlier: bool) {
        self.earlier = earlier;
    }

    /// A block that can't be shown, and leaving it out would mislead: `kind` is what it is (`image`),
    /// `why` and `instead` are for the caller. In an earlier turn a text stands in its place.
    ///
    /// # Errors
    /// Where it was said just now.
    pub fn refused<'b>(
        &mut self,
        path: &str,
        kind: &str,
        why: &str,
        instead: &str,
    ) -> Result<Part<'b>, ApiError> {
        if !self.earlier {
            let instead = if instead.is_empty() { String::new() } else { format!("; {instead}") };
            let text = format!("{path}: {why}{instead}");
            return Err(ApiError::new(ErrorKind::InvalidRequest, text));
        }
        self.losses.add(What::Dropped, path.to_owned(), why.to_owned());
        let mut text = format!("[{kind} omitted: ");
        escape(why, &mut text);
        text.push(']');
        Ok(Part::text(text))
    }

    /// What was lost so far.
    pub fn losses(&mut self) -> &mut Losses {
        self.losses
    }

    /// The parts of one block of a user, an operator or a tool's result.
    ///
    /// # Errors
    /// When the block can't be shown to the model and leaving it out would mislead.
    pub fn parts<'b>(
        &mut self,
        block: &Block<'b>,
        path: &str,
        out: &mut Vec<Part<'b>>,
    ) -> Result<(), ApiError> {
        match &block.kind {
            BlockKind::Text { text, .. } => {
                if !text.is_empty() {
                    let text = Cow::Borrowed(text.escaped());
                    out.push(Part::Text { text, marked: block.cache_control });
                }
            }
            BlockKind::Image(source) => out.push(self.image(source, path)?),
            BlockKind::Document { source, title, context } => {
                self.document(source, *title, *context, path, out)?;
            }
            BlockKind::SearchResult { source, title, content } => {
                let mut text = format!("{}\\nSource: {}", title.escaped(), source.escaped());
                for inner in content {
                    if let BlockKind::Text { text: piece, .. } = inner.kind {
                        text.push_str("\\n\\n");
                        text.push_str(piece.escaped());
                    }
                }
                self.losses.add(What::Replaced, path.to_owned(), "a search result is told as text");
                out.push(Part::text(text));
            }
            BlockKind::ToolReference { tool_name } => {
                out.push(Part::text(format!(
                    "The tool `{}` is available now.",
                    tool_name.escaped()
                )));
            }
            BlockKind::ToolResult { tool_use_id, content, is_error } => {
                let head = format!(
                    "[result of an earlier tool call {}]\\n{}",
                    tool_use_id.escaped(),
                    if *is_error { ERROR_MARK } else { "" }
                );
                self.losses.add(What::Replaced, path.to_owned(), "belongs to no call before it");
                out.push(Part::text(head));
                for (at, inner) in content.iter().enumerate() {
                    self.parts(inner, &format!("{path}.content[{at}]"), out)?;
                }
            }
            BlockKind::ServerToolUse { name, input, .. } => {
                self.losses.add(What::Replaced, path.to_owned(), "a server's call is told as text");
                out.push(Part::text(server_call(*name, *input)));
            }
            BlockKind::ServerToolResult { kind, content, .. } => {
                self.losses.add(
                    What::Replaced,
                    path.to_owned(),
                    "a server's result is told as text",
                );
                out.push(Part::text(server_result(*kind, *content)));
            }
            BlockKind::ToolUse { .. }
            | BlockKind::Thinking { .. }
            | BlockKind::RedactedThinking { .. } => {
                self.losses.add(What::Dropped, path.to_owned(), "only the model can have said it");
            }
            BlockKind::Unknown { kind } => {
                let text = kind.decode();
                if text == "container_upload" {
                    let why = "files of a container can't be shown to another provider's model";
                    out.push(self.refused(path, "file", why, "")?);
                    return Ok(());
                }
                let why = format!("blocks of type `{text}` are not known here");
                self.losses.add(What::Dropped, path.to_owned(), why);
            }
        }
        Ok(())
    }

    fn image<'b>(&mut self, source: &Source<'b>, path: &str) -> Result<Part<'b>, ApiError> {
        match source {
            Source::File(_) => self.refused(path, "image", FILE_STORE, AS_BASE64),
            _ if !self.senses.images => {
                self.losses.add(What::Dropped, path.to_owned(), "the model sees no images");
                Ok(Part::text("[image omitted: this model sees no images]"))
            }
            Source::Base64 { media_type, data } => {
                Ok(Part::Image { media_type: *media_type, data: *data })
            }
            Source::Url(_) if !self.senses.image_urls => {
                self.refused(path, "image", "this provider takes no image URLs", AS_BASE64)
            }
            Source::Url(url) => Ok(Part::ImageUrl(*url)),
            Source::PlainText(_) | Source::Content(_) | Source::Unknown(_) => {
                self.refused(path, "image", "an image's source must be base64 or a URL", "")
            }
        }
    }

    fn document<'b>(
        &mut self,
        source: &Source<'b>,
        title: Option<Text<'b>>,
        context: Option<Text<'b>>,
        path: &str,
        out: &mut Vec<Part<'b>>,
    ) -> Result<(), ApiError> {
        let mut head = String::new();
        if let Some(title) = title.filter(|t| !t.is_empty()) {
            head.push_str("Document: ");
            head.push_str(title.escaped());
        }
        if let Some(context) = context.filter(|t| !t.is_empty()) {
            if !head.is_empty() {
                head.push_str("\\n");
            }
            head.push_str("About it: ");
            head.push_str(context.escaped());
        }
        let unread = |content: &mut Self| {
            let why = "the model reads no files of this kind";
            content.losses.add(What::Dropped, path.to_owned(), why);
            let title = title.map_or(String::new(), |t| format!(" {}", t.escaped()));
            Part::text(format!("[document{title} omitted: this model reads no such files]"))
        };
        let unreadable = "this model can't read the document";
        match source {
            Source::PlainText(text) => {
                if !head.is_empty() {
                    head.push_str("\\n\\n");
                }
                out.push(Part::text(head + text.escaped()));
            }
            Source::Content(blocks) => {
                if !head.is_empty() {
                    out.push(Part::text(head));
                }
                for (at, inner) in blocks.iter().enumerate() {
                    self.parts(inner, &format!("{path}.source.content[{at}]"), out)?;
                }
            }
            Source::Base64 { media_type, data } => {
                let readable = media_type.is("application/pdf") && self.senses.pdf;
                if !readable && self.senses.refuse_documents {
                    out.push(self.refused(path, "document", unreadable, "")?);
                    return Ok(());
                }
                if !readable {
                    out.push(unread(self));
                    return Ok(());
                }
                if context.is_some_and(|t| !t.is_empty()) {
                    out.push(Part::text(head));
                }
                out.push(Part::Pdf { title, data: *data });
            }
            Source::Url(url) => {
                if !self.senses.pdf && self.senses.refuse_documents {
                    out.push(self.refused(path, "document", unreadable, "")?);
                } else if !self.senses.pdf {
                    out.push(unread(self));
                } else if self.senses.pdf_urls {
                    out.push(Part::PdfUrl { title, url: *url });
                } else {
                    let why = "this provider takes no document URLs";
                    out.push(self.refused(path, "document", why, AS_BASE64)?);
                }
            }
            Source::File(_) => {
                out.push(self.refused(path, "document", FILE_STORE, AS_BASE64)?);
            }
            Source::Unknown(_) => {
                let why = "a document of this kind can't be shown to the model";
                out.push(self.refused(path, "document", why, "")?);
            }
        }
        Ok(())
    }
}

/// What a failed tool result begins with on wires without an error flag.
pub const ERROR_MARK: &str = "Error: ";

/// Index of the first round that is not [earlier](Content::earlier): the last in which anything but the
/// model speaks.
pub fn current(rounds: &[Round<'_, '_>]) -> usize {
    let heard = |round: &Round<'_, '_>| !(round.results.is_empty() && round.said.is_empty());
    rounds.iter().rposition(heard).unwrap_or(0)
}

const FILE_STORE: &str = "a `file_id` of Anthropic's file store means nothing to this provider";
const AS_BASE64: &str = "send the content as base64";

/// A call that the provider ran, as text (escaped).
pub fn server_call(name: Text<'_>, input: Raw<'_>) -> String {
    let mut query = None;
    // What is no object has no query.
    let _ = Reader::new(input.as_str()).object::<Malformed>(|r, key| {
        let value = r.maybe_string()?;
        if key.is("query") || key.is("url") {
            query = query.or(value);
        }
        Ok(())
    });
    let mut text = format!("[{}", name.escaped());
    if let Some(query) = query {
        text.push_str(": ");
        text.push_str(query.escaped());
    }
    text.push(']');
    text
}

/// What such a call brought, as text (escaped): titles and addresses, else the kind alone.
pub fn server_result(kind: Text<'_>, content: Raw<'_>) -> String {
    let mut text = String::from("[found:");
    let mut found = 0;
    let mut reader = Reader::new(content.as_str());
    if reader.kind() == Ok(Kind::Array) {
        // It was read as JSON before; what can't be read now is left out.
        let _ = reader.array::<Malformed>(|r| {
            let (mut title, mut url) = (Text::default(), Text::default());
            if r.kind()? != Kind::Object {
                return r.skip();
            }
            r.object::<Malformed>(|r, key| {
                let value = r.maybe_string()?.unwrap_or_default();
                if key.is("title") {
                    title = value;
                } else if key.is("url") {
                    url = value;
                }
                Ok(())
            })?;
            if found < LISTED_RESULTS && !url.is_empty() {
                found += 1;
                text.push_str("\\n- ");
                text.push_str(title.escaped());
                text.push_str(": ");
                text.push_str(url.escaped());
            }
            Ok(())
        });
    }
    if found == 0 {
        text.push_str(" nothing that can be shown (");
        escape(&kind.decode(), &mut text);
        text.push(')');
    }
    text.push(']');
    text
}

/// A file is taken for what its name says it is.
pub fn file_name(title: Option<Text<'_>>) -> [Text<'_>; 2] {
    let title = title.filter(|title| !title.is_empty()).unwrap_or(Text::from_escaped("document"));
    let named = title.escaped().to_ascii_lowercase().ends_with(".pdf");
    [title, Text::from_escaped(if named { "" } else { ".pdf" })]
}

const LISTED_RESULTS: usize = 50;
