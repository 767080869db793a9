//! Citations as the Messages API has them.

use gateway_translate::Json;
use gateway_types::{Raw, Text};

use super::wire::{Bad, clean_string, each, members, whole_object};

/// What is read of a citation.
#[derive(Debug, Default)]
struct Citation<'b> {
    title: Option<Text<'b>>,
    source: Option<Text<'b>>,
    cited: Vec<Text<'b>>,
    place: Option<Place<'b>>,
}

#[derive(Debug)]
enum Place<'b> {
    Web {
        url: Text<'b>,
    },
    /// The words of the Messages API for a place in a document, and the numbers.
    Document {
        kind: &'static str,
        bounds: [&'static str; 2],
        index: u64,
        start: u64,
        end: u64,
    },
    Result {
        index: u64,
        start: u64,
        end: u64,
    },
}

/// A citation of Converse as one of the Messages API; `None` for one without a counterpart. `mark` stands
/// where only another provider could put its state.
pub(super) fn translated(
    raw: Raw<'_>,
    mark: impl FnOnce() -> String,
) -> Result<Option<String>, Bad> {
    let mut citation = Citation::default();
    whole_object(raw.as_str(), |r, key| {
        match key {
            "title" => citation.title = clean_string(r)?,
            "source" => citation.source = clean_string(r)?,
            "sourceContent" => each(r, |raw| {
                whole_object(raw.as_str(), |r, key| {
                    if key == "text" {
                        citation.cited.extend(clean_string(r)?);
                        return Ok(());
                    }
                    Ok(r.skip()?)
                })
            })?,
            "location" => members(r, |r, key| {
                let place = place(key, r.raw()?)?;
                citation.place = place.or(citation.place.take());
                Ok(())
            })?,
            _ => r.skip()?,
        }
        Ok(())
    })?;
    let Some(place) = &citation.place else { return Ok(None) };
    let mut json = Json::new();
    json.object(|json| {
        let title = |json: &mut Json, key: &str| match citation.title {
            Some(title) => {
                json.key(key).text(title);
            }
            None => {
                json.key(key).null();
            }
        };
        match place {
            Place::Web { url } => {
                json.key("type").string("web_search_result_location").key("url").text(*url);
                json.key("title").text(citation.title.unwrap_or(*url));
                json.key("encrypted_index").string(&mark());
            }
            Place::Document { kind, bounds, index, start, end } => {
                json.key("type").string(kind).key("document_index").number(*index);
                title(json, "document_title");
                json.key(bounds[0]).number(*start).key(bounds[1]).number(*end);
            }
            Place::Result { index, start, end } => {
                json.key("type").string("search_result_location");
                json.key("source").text(citation.source.unwrap_or_default());
                title(json, "title");
                json.key("search_result_index").number(*index);
                json.key("start_block_index").number(*start).key("end_block_index").number(*end);
            }
        }
        json.key("cited_text").texts(&citation.cited);
    });
    Ok(Some(json.into_string()))
}

fn place<'b>(kind: &str, raw: Raw<'b>) -> Result<Option<Place<'b>>, Bad> {
    if !raw.is_object() {
        return Ok(None);
    }
    let (mut url, mut index, mut start, mut end) = (None, 0, 0, 0);
    whole_object(raw.as_str(), |r, key| {
        match key {
            "url" => url = clean_string(r)?,
            "documentIndex" | "searchResultIndex" => index = r.maybe_u64()?.unwrap_or(0),
            "start" => start = r.maybe_u64()?.unwrap_or(0),
            "end" => end = r.maybe_u64()?.unwrap_or(0),
            _ => r.skip()?,
        }
        Ok(())
    })?;
    let document = |kind, bounds| Some(Place::Document { kind, bounds, index, start, end });
    Ok(match kind {
        "web" => url.map(|url| Place::Web { url }),
        "documentChar" => document("char_location", ["start_char_index", "end_char_index"]),
        "documentPage" => document("page_location", ["start_page_number", "end_page_number"]),
        "documentChunk" => {
            document("content_block_location", ["start_block_index", "end_block_index"])
        }
        "searchResultLocation" => Some(Place::Result { index, start, end }),
        _ => None,
    })
}
