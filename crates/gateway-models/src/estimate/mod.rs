//! How many tokens a request is, roughly, when no counter can be asked.

mod image;
mod text;

use crate::family::Family;
use text::Scan;

/// Shorter texts are looked at whole, in bytes.
const SAMPLED_FROM: usize = 4096;

/// Of so many bytes…
const SAMPLE_EVERY: usize = 1024;

/// …so many are looked at.
const SAMPLE: usize = 128;

/// Adds up what the parts of a request cost.
///
/// Texts are guessed from kinds of characters, calibrated on OpenAI's `o200k_base`; images by the vendor's
/// own formula. What is known of a family's tokenizer enters as a factor. Always label it an estimate.
///
/// ```
/// use gateway_models::{Estimate, Family};
///
/// let mut estimate = Estimate::new(Family::Gpt5(0));
/// estimate.text("What is in this picture?");
/// estimate.image(1024, 768);
/// estimate.tool("get_time", r#"{"type":"object","properties":{"zone":{"type":"string"}}}"#);
/// assert!((600..700).contains(&estimate.total()));
/// ```
#[derive(Clone, Debug)]
pub struct Estimate {
    family: Family,
    /// Long texts are looked at in places only.
    sampling: bool,
    /// Of texts, in parts of a token of [`text::UNIT`]; for o200k.
    parts: u64,
    /// Of everything that has a formula, in tokens.
    fixed: u64,
}

impl Estimate {
    /// Nothing yet, for a model of `family`.
    pub fn new(family: Family) -> Self {
        Self { family, sampling: false, parts: 0, fixed: 0 }
    }

    /// The same, but only an eighth of a long text is looked at, evenly spread: for when the sum is
    /// needed soon and need not be exact. It stays within a few percent of the whole for ordinary
    /// texts, but a longer text may come out shorter, so it is not for counting.
    pub fn sampling(family: Family) -> Self {
        Self { sampling: true, ..Self::new(family) }
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) {
        let mut scan = Scan::default();
        scan.bytes(text.as_bytes());
        self.parts = self.parts.saturating_add(scan.parts());
    }

    /// Adds a JSON value as it stands in a body. A string counts as the text it holds, without its
    /// quotation marks and escapes; any other value as JSON text. Nothing is unescaped or copied, and
    /// what is no JSON is counted all the same.
    pub fn raw_json(&mut self, value: &str) {
        let mut scan = Scan::default();
        let value = value.trim_ascii();
        let inside = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let bytes = inside.unwrap_or(value).as_bytes();
        let parts = if self.sampling && bytes.len() >= SAMPLED_FROM {
            // An escape or a character cut at an edge is a token more or less in some hundred.
            let seen = bytes.chunks(SAMPLE_EVERY).map(|c| &c[..c.len().min(SAMPLE)]);
            let looked_at: usize = seen.clone().map(<[u8]>::len).sum();
            seen.for_each(|sample| scan.escaped(sample));
            let scaled = u128::from(scan.parts()) * bytes.len() as u128 / looked_at.max(1) as u128;
            u64::try_from(scaled).unwrap_or(u64::MAX)
        } else {
            scan.escaped(bytes);
            scan.parts()
        };
        self.parts = self.parts.saturating_add(parts);
    }

    /// Adds a whole request body as it came, of any dialect: its JSON text, in which long base64 counts as the
    /// image or document that it holds. For when the body's parts are not known; it comes out some
    /// tenths higher than their sum, since keys and brackets count too.
    pub fn raw_body(&mut self, body: &str) {
        let mut rest = body;
        while let Some((before, data)) = next_file(rest) {
            self.raw_json(before);
            match data.as_bytes() {
                [b'J', b'V', b'B', b'E', b'R', b'i', ..] => self.document_base64(data),
                _ => self.image_base64(data),
            }
            rest = &rest[before.len() + data.len()..];
        }
        self.raw_json(rest);
    }

    /// Adds a tool: its name, its description if it has one inside `raw_schema`, and the schema, a
    /// JSON value as it stands in a body.
    pub fn tool(&mut self, name: &str, raw_schema: &str) {
        self.text(name);
        self.raw_json(raw_schema);
        self.tokens(TOOL_FRAME);
    }

    /// Adds the marks around one message, which every dialect renders in its own way.
    pub fn message(&mut self) {
        self.tokens(MESSAGE_FRAME);
    }

    /// Adds an image of so many pixels.
    pub fn image(&mut self, width: u32, height: u32) {
        self.tokens(image::tokens(self.family, width, height));
    }

    /// Adds an image given as base64, whose size is read from its first bytes (PNG, JPEG, GIF and
    /// WebP). One whose size cannot be read counts as 1024 × 1024 pixels.
    pub fn image_base64(&mut self, data: &str) {
        let (width, height) = image::dimensions_base64(data).unwrap_or(image::PRESUMED);
        self.image(width, height);
    }

    /// Adds a document given as base64, such as a PDF. Its pages are compressed and cannot be counted
    /// by looking: each 48 KiB is taken for a page, of 2,000 tokens.
    pub fn document_base64(&mut self, data: &str) {
        let bytes = data.len() as u64 / 4 * 3;
        self.tokens(bytes.div_ceil(BYTES_OF_PAGE).max(1) * TOKENS_OF_PAGE);
    }

    /// Adds tokens that are known.
    pub fn tokens(&mut self, tokens: u64) {
        self.fixed = self.fixed.saturating_add(tokens);
    }

    /// The estimate so far, rounded up.
    pub fn total(&self) -> u64 {
        let parts = u128::from(self.parts) * u128::from(percent(self.family));
        let tokens = parts.div_ceil(u128::from(text::UNIT) * 100);
        u64::try_from(tokens).unwrap_or(u64::MAX).saturating_add(self.fixed)
    }
}

/// The next run of base64 that begins as a PDF or as an image of a known kind and is too long for a word, and what
/// stands before it.
fn next_file(text: &str) -> Option<(&str, &str)> {
    memchr::memchr2_iter(b'"', b',', text.as_bytes()).find_map(|at| {
        let data = &text[at + 1..];
        let starts = ["JVBERi", "iVBORw", "/9j/", "\\/9j\\/", "R0lGOD", "UklGR"];
        if !starts.iter().any(|start| data.starts_with(start)) {
            return None;
        }
        let end = memchr::memchr2(b'"', b' ', data.as_bytes()).unwrap_or(data.len());
        (end >= SHORTEST_FILE).then(|| (&text[..=at], &data[..end]))
    })
}

/// Roughly how many tokens `text` is for `o200k_base`.
pub fn estimate_tokens(text: &str) -> u64 {
    let mut estimate = Estimate::new(Family::Gpt5(0));
    estimate.text(text);
    estimate.total()
}

/// Tokens of a family's tokenizer for a hundred of o200k. Only Anthropic's is known to differ by more than
/// the error of the estimate. It cannot be measured offline: its vendor says that from Claude 4.7 on the same
/// text is some 30 % more tokens than before, and before it was a little more than o200k. Too many are better
/// than too few, which would let a conversation overflow.
const fn percent(family: Family) -> u64 {
    match family {
        Family::Claude => 135,
        _ => 100,
    }
}

/// What vendors put around each tool, measured on none: a line of declaration and its brackets.
const TOOL_FRAME: u64 = 8;
/// Role and delimiters of a message.
const MESSAGE_FRAME: u64 = 4;
/// Shorter ones are icons at most, and cost little as text.
const SHORTEST_FILE: usize = 512;
const BYTES_OF_PAGE: u64 = 48 << 10;
const TOKENS_OF_PAGE: u64 = 2_000;

#[cfg(test)]
mod tests;
