//! Files to send, and words planted in them that no model can guess.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// What a text document hides.
pub(crate) const IN_TEXT: &str = "QUINCE-7261";
/// What a PDF hides.
pub(crate) const IN_PDF: &str = "MEDLAR-3948";
/// What a tool's result hides.
pub(crate) const IN_RESULT: &str = "DAMSON-5172";

/// A red square, 16 by 16.
pub(crate) const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFklEQVR42mP4z8BAEmIY1TCqYfhqAACQ+f8B8u7oVwAAAABJRU5ErkJggg==";

/// A PDF of one page with `text` on it.
pub(crate) fn pdf(text: &str) -> Vec<u8> {
    let content = format!("BT /F1 24 Tf 40 100 Td ({text}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 200] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>".to_owned(),
        format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut out = "%PDF-1.4\n".to_owned();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (number, object) in objects.iter().enumerate() {
        table += &format!("{:010} 00000 n \n", out.len());
        out += &format!("{} 0 obj\n{object}\nendobj\n", number + 1);
    }
    let start = out.len();
    out += &format!(
        "{table}trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n",
        objects.len() + 1
    );
    out.into_bytes()
}

/// A document block with a PDF that hides [`IN_PDF`].
pub(crate) fn pdf_block() -> Value {
    let data = STANDARD.encode(pdf(&format!("The code word is {IN_PDF}.")));
    json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": data}})
}

/// A document block of plain text that hides [`IN_TEXT`].
pub(crate) fn text_block() -> Value {
    let data = format!("Notes on storage.\n\nThe code word of the cellar is {IN_TEXT}.\n");
    json!({"type": "document", "title": "Notes", "source": {"type": "text", "media_type": "text/plain", "data": data}})
}

/// An image block.
pub(crate) fn image_block() -> Value {
    json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pdfs_table_points_at_its_objects() {
        let pdf = String::from_utf8(pdf("A B")).expect("ASCII");
        let table: Vec<&str> = pdf.split("xref\n").nth(1).expect("a table").lines().collect();
        for (number, line) in table[2..7].iter().enumerate() {
            let at: usize = line[..10].parse().expect("an offset");
            assert!(pdf[at..].starts_with(&format!("{} 0 obj", number + 1)), "{line}");
        }
        let start: usize = pdf.lines().rev().nth(1).expect("startxref").parse().expect("an offset");
        assert!(pdf[start..].starts_with("xref\n0 6"));
    }

    #[test]
    fn the_image_is_a_png() {
        let bytes = STANDARD.decode(PNG).expect("base64");
        assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n") && bytes.ends_with(b"IEND\xaeB`\x82"));
    }
}
