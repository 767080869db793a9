//! The parts of a message's content.

use gateway_dialect::{Part, file_name};
use gateway_translate::Json;
use gateway_types::Text;

/// Writes one part. `marks`: cache markers are taken.
pub(super) fn write_part(part: &Part<'_>, marks: bool, json: &mut Json) {
    const DATA: Text<'static> = Text::from_escaped("data:");
    const BASE64: Text<'static> = Text::from_escaped(";base64,");
    let name = |title: &Option<Text<'_>>, json: &mut Json| {
        json.key("filename").texts(&file_name(*title));
    };
    json.object(|json| match part {
        Part::Text { text, marked } => {
            json.key("type").string("text").key("text").text(Text::from_escaped(text));
            if *marked && marks {
                json.key("cache_control").object(|json| {
                    json.key("type").string("ephemeral");
                });
            }
        }
        Part::Image { media_type, data } => {
            json.key("type").string("image_url").key("image_url").object(|json| {
                json.key("url").texts(&[DATA, *media_type, BASE64, *data]);
            });
        }
        Part::ImageUrl(url) => {
            json.key("type").string("image_url").key("image_url").object(|json| {
                json.key("url").text(*url);
            });
        }
        Part::Pdf { title, data } => {
            json.key("type").string("file").key("file").object(|json| {
                name(title, json);
                let kind = Text::from_escaped("application/pdf");
                json.key("file_data").texts(&[DATA, kind, BASE64, *data]);
            });
        }
        Part::PdfUrl { title, url } => {
            json.key("type").string("file").key("file").object(|json| {
                name(title, json);
                json.key("file_data").text(*url);
            });
        }
    });
}
