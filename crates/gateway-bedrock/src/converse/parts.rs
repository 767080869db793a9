//! What content blocks become: texts, images and documents.

use std::borrow::Cow;

use gateway_dialect::{self as dialect, Content, Senses};
use gateway_translate::{Json, NameMap};
use gateway_types::{ApiError, Block, BlockKind, ErrorKind, Losses, Request, Text, What, escape};

use super::Target;
use super::document::{Document, Names};

/// One part of a message or of a tool's result.
#[derive(Debug, Clone)]
pub(super) enum Part<'b> {
    /// Escaped, and not blank.
    Text(Cow<'b, str>),
    Image {
        format: &'static str,
        data: Text<'b>,
    },
    Document(Document<'b>),
}

/// Takes blocks apart.
#[derive(Debug)]
pub(super) struct Parts<'t> {
    target: &'t Target<'t>,
    names: &'t NameMap,
    /// What comes now stands in a turn before the last.
    pub(super) earlier: bool,
}

impl<'t> Parts<'t> {
    pub(super) fn new(target: &'t Target<'t>, names: &'t NameMap) -> Self {
        Self { target, names, earlier: false }
    }

    fn senses(&self) -> Senses {
        Senses {
            images: self.target.sees(),
            image_urls: false,
            pdf: self.target.family.documents,
            pdf_urls: false,
            refuse_documents: true,
        }
    }

    /// Appends the parts of a block of a user, an operator or a tool's result.
    ///
    /// # Errors
    /// When the block can't be shown to the model and leaving it out would mislead.
    pub(super) fn of<'b>(
        &self,
        block: &Block<'b>,
        path: &str,
        out: &mut Vec<Part<'b>>,
        losses: &mut Losses,
    ) -> Result<(), ApiError> {
        // The tool must have the name here that it has among the tools (R11).
        if let BlockKind::ToolReference { tool_name } = block.kind {
            let name = tool_name.decode();
            let mut text = String::from("The tool `");
            escape(&self.names.there(&name), &mut text);
            text.push_str("` is available now.");
            out.push(Part::Text(Cow::Owned(text)));
            return Ok(());
        }
        if self.target.family.documents
            && let Some(document) = Document::of(block, self.target.family.is_claude())
        {
            out.push(Part::Document(document));
            return Ok(());
        }
        let mut parts = Vec::new();
        let mut content = Content::new(self.senses(), losses).earlier(self.earlier);
        content.parts(block, path, &mut parts)?;
        for part in parts {
            let part = match part {
                dialect::Part::Text { .. } => part,
                dialect::Part::Image { media_type, data } => {
                    if let Some(format) = image_format(&media_type.decode()) {
                        out.push(Part::Image { format, data });
                        continue;
                    }
                    let why = "Bedrock takes PNG, JPEG, GIF and WebP images only";
                    content.refused(path, "image", why, "")?
                }
                dialect::Part::Pdf { .. } => {
                    let why = "a document within a document can't be shown";
                    content.refused(path, "document", why, "")?
                }
                dialect::Part::ImageUrl(_) | dialect::Part::PdfUrl { .. } => {
                    let why = "Bedrock takes no URLs";
                    content.refused(path, "file", why, "send the content as base64")?
                }
            };
            if let dialect::Part::Text { text, .. } = part
                && !is_blank(&text)
            {
                out.push(Part::Text(text));
            }
        }
        Ok(())
    }
}

fn refuse(path: &str, why: &str) -> ApiError {
    ApiError::new(ErrorKind::InvalidRequest, format!("{path}: {why}"))
}

fn image_format(media_type: &str) -> Option<&'static str> {
    Some(match media_type {
        "image/png" => "png",
        "image/jpeg" | "image/jpg" => "jpeg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        _ => return None,
    })
}

/// Whether a text has nothing but blanks: no model is to be sent one.
pub(super) fn is_blank(escaped: &str) -> bool {
    let blank = |c: char| c.is_whitespace() || c == '\\';
    !escaped.starts_with(|c| !blank(c)) && Text::from_escaped(escaped).decode().trim().is_empty()
}

impl Part<'_> {
    pub(super) fn write(&self, names: &mut Names, json: &mut Json) {
        match self {
            Self::Text(piece) => text(piece, json),
            Self::Image { format, data } => {
                json.object(|json| {
                    json.key("image").object(|json| {
                        json.key("format").string(format).key("source").object(|json| {
                            json.key("bytes").text(*data);
                        });
                    });
                });
            }
            Self::Document(document) => document.write(names, json),
        }
    }
}

/// A text that is escaped already.
pub(super) fn text(piece: &str, json: &mut Json) {
    json.object(|json| {
        json.key("text").text(Text::from_escaped(piece));
    });
}

/// As many images as a request may hold.
const IMAGES_MAX: usize = 20;

/// As many documents as a request may hold.
const DOCUMENTS_MAX: usize = 5;

/// Which of a conversation's images and documents are shown: the last ones, where there are too many.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// So many images from the beginning are told of instead.
    images: usize,
    /// So many documents.
    documents: usize,
}

impl Room {
    /// The room in a request.
    ///
    /// # Errors
    /// When the last message alone has too many documents: what was just given must not be left out.
    pub(super) fn new(request: &Request<'_>, target: &Target<'_>) -> Result<Self, ApiError> {
        let texts = target.family.is_claude();
        let (mut images, mut documents) = (0, 0);
        for (at, message) in request.messages.iter().enumerate() {
            let before = documents;
            let inner = message.content.iter().flat_map(|block| match &block.kind {
                BlockKind::ToolResult { content, .. } => &content[..],
                _ => std::slice::from_ref(block),
            });
            for block in inner {
                images += usize::from(matches!(block.kind, BlockKind::Image(_)) && target.sees());
                let document = target.family.documents && Document::of(block, texts).is_some();
                documents += usize::from(document);
            }
            if at + 1 == request.messages.len() && documents - before > DOCUMENTS_MAX {
                let why = "Bedrock takes at most five documents in a request";
                return Err(refuse(&format!("messages[{at}]"), why));
            }
        }
        // In steps, so that what was sent before stays the same from turn to turn.
        let images = images.saturating_sub(IMAGES_MAX).next_multiple_of(IMAGES_MAX / 2);
        Ok(Self { images, documents: documents.saturating_sub(DOCUMENTS_MAX) })
    }

    /// A part as it is shown.
    pub(super) fn take<'b>(&mut self, part: Part<'b>, path: &str, losses: &mut Losses) -> Part<'b> {
        let (left, why, text) = match &part {
            Part::Text(_) => return part,
            Part::Image { .. } => (
                &mut self.images,
                "a request holds at most 20 images",
                "[image omitted: there are too many in this conversation]",
            ),
            Part::Document(_) => (
                &mut self.documents,
                "a request holds at most five documents",
                "[document omitted: there are too many in this conversation]",
            ),
        };
        if *left == 0 {
            return part;
        }
        *left -= 1;
        losses.add(What::Dropped, path.to_owned(), why);
        Part::Text(Cow::Borrowed(text))
    }
}
