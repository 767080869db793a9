//! Sources of an answer: citations, and the results of a search.

use gateway_translate::{Assembler, Json, Kind, Malformed, Reader};
use gateway_types::{EventSink, Fault, Raw, Text, escaped};

use super::wire::sound;

/// Sources beyond these are not listed.
const MAX_SOURCES: usize = 100;

/// The sources an answer names.
#[derive(Debug)]
pub(super) struct Annotations {
    /// The caller asked for a search and waits for its results.
    searches: bool,
    /// Address and title, escaped.
    sources: Vec<(String, String)>,
}

impl Annotations {
    pub(super) fn new(searches: bool) -> Self {
        Self { searches, sources: Vec::new() }
    }

    /// The citations among `annotations`, each one object of the Messages API.
    pub(super) fn take(&mut self, annotations: Raw<'_>) -> Vec<String> {
        let mut citations = Vec::new();
        let mut r = Reader::new(annotations.as_str());
        if r.kind() != Ok(Kind::Array) {
            return citations;
        }
        // Sources are an extra: what can't be read is none.
        let _ = r.array::<Malformed>(|r| {
            let (mut url, mut title, mut cited) =
                (Text::default(), Text::default(), Text::default());
            if r.kind()? != Kind::Object {
                return r.skip();
            }
            r.object::<Malformed>(|r, key| {
                if !key.is("url_citation") || r.kind()? != Kind::Object {
                    return r.skip();
                }
                r.object::<Malformed>(|r, key| {
                    let value = r.maybe_string()?.unwrap_or_default();
                    match key.escaped() {
                        "url" => url = value,
                        "title" => title = value,
                        "content" => cited = value,
                        _ => {}
                    }
                    Ok(())
                })
            })?;
            if !url.is_empty() && self.sources.len() < MAX_SOURCES {
                let (url, title, cited) = (sound(url), sound(title), sound(cited));
                citations.push(object(&[
                    ("type", Text::from_escaped("web_search_result_location")),
                    ("url", Text::from_escaped(&url)),
                    ("title", Text::from_escaped(&title)),
                    ("cited_text", Text::from_escaped(&cited)),
                    ("encrypted_index", Text::default()),
                ]));
                if !self.sources.iter().any(|(known, _)| *known == *url) {
                    self.sources.push((url.into_owned(), title.into_owned()));
                }
            }
            Ok(())
        });
        citations
    }

    /// The search and its results as blocks, which is where callers look for them.
    pub(super) fn results(
        &mut self,
        assembler: &mut Assembler,
        out: &mut dyn EventSink,
    ) -> Result<(), Fault> {
        let sources = std::mem::take(&mut self.sources);
        if !self.searches || sources.is_empty() || assembler.has_ended() {
            return Ok(());
        }
        let id = format!("srvtoolu_{}", escaped(assembler.reply_id().trim_start_matches("msg_")));
        assembler.server_call(&id, "web_search", Raw::from_json(r#"{"query":""}"#), out)?;
        let mut json = Json::new();
        json.array(|json| {
            for (url, title) in &sources {
                json.object(|json| {
                    json.key("type").string("web_search_result");
                    json.key("url").text(Text::from_escaped(url));
                    json.key("title").text(Text::from_escaped(title));
                    json.key("encrypted_content").string("").key("page_age").null();
                });
            }
        });
        let content = Raw::from_json(json.as_str());
        assembler.server_result("web_search_tool_result", &id, content, out)?;
        if assembler.usage().web_searches == 0 {
            assembler.count_web_search();
        }
        Ok(())
    }
}

/// A JSON object of texts.
fn object(members: &[(&str, Text<'_>)]) -> String {
    let mut json = Json::new();
    json.object(|json| {
        for (key, value) in members {
            json.key(key).text(*value);
        }
    });
    json.into_string()
}
