//! Searches of the web that the server ran, and citations of what they found.

use gateway_translate::{Assembler, Json};
use gateway_types::{EventSink, Fault, Raw, Text};

use super::output::NOT_JSON;
use super::reasoning::Carrier;
use super::wire::{Bad, Item, clean_string, each, whole_object};

/// A search as the Messages API shows one: the call and what it found.
pub(super) fn call(
    item: &Item<'_>,
    carrier: &Carrier,
    asm: &mut Assembler,
    out: &mut dyn EventSink,
) -> Result<(), Fault> {
    let action = match item.action {
        Some(raw) => Action::read(raw.as_str()).map_err(|Bad| asm.nonsense(NOT_JSON))?,
        None => Action::default(),
    };
    // Opening one of the pages found, or looking for a word in it, is part of the search before.
    if action.kind.is_some_and(|kind| !kind.is("search")) {
        return Ok(());
    }
    asm.count_web_search();
    let id = caller_id(&item.id.decode(), asm.reply_id(), asm.usage().web_searches);
    let mut input = Json::new();
    input.object(|json| {
        json.key("query").text(action.query);
    });
    asm.server_call(&id, "web_search", Raw::from_json(input.as_str()), out)?;
    let mut found = Json::new();
    if item.status.is_some_and(|status| status.is("failed")) {
        found.object(|json| {
            json.key("type").string("web_search_tool_result_error");
            json.key("error_code").string("unavailable");
        });
    } else {
        let mark = carrier.mark();
        found.array(|json| {
            for source in &action.sources {
                json.object(|json| {
                    json.key("type").string("web_search_result");
                    json.key("url").text(source.url);
                    // The service names its sources only where it cites them.
                    let title = source.title.filter(|title| !title.is_empty());
                    json.key("title").text(title.unwrap_or(source.url));
                    json.key("encrypted_content").string(&mark);
                    json.key("page_age").null();
                });
            }
        });
    }
    asm.server_result("web_search_tool_result", &id, Raw::from_json(found.as_str()), out)
}

/// A citation, if the annotation is one of a page; `text` is the part that it belongs to.
pub(super) fn cite(
    annotation: &str,
    text: Text<'_>,
    carrier: &Carrier,
    asm: &mut Assembler,
    out: &mut dyn EventSink,
) -> Result<(), Fault> {
    let mut page = Source::default();
    let (mut kind, mut start, mut end) = (None, 0, 0);
    let read = whole_object(annotation, |r, key| {
        match key {
            "type" => kind = r.maybe_string()?,
            "url" => page.url = clean_string(r)?.unwrap_or_default(),
            "title" => page.title = clean_string(r)?,
            "start_index" => start = r.maybe_u64()?.unwrap_or(0),
            "end_index" => end = r.maybe_u64()?.unwrap_or(0),
            _ => r.skip()?,
        }
        Ok(())
    });
    read.map_err(|Bad| asm.nonsense(NOT_JSON))?;
    if !kind.is_some_and(|kind| kind.is("url_citation")) || page.url.is_empty() {
        asm.lose(
            gateway_types::What::Dropped,
            "citation",
            "of a kind that has no place in the Messages API",
        );
        return Ok(());
    }
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let cited: String =
        text.decode().chars().skip(number(start)).take(number(end.saturating_sub(start))).collect();
    let mut json = Json::new();
    json.object(|json| {
        json.key("type").string("web_search_result_location");
        json.key("url").text(page.url);
        json.key("title").text(page.title.unwrap_or(page.url));
        json.key("cited_text").string(&cited);
        json.key("encrypted_index").string(&carrier.mark());
    });
    asm.citation(Raw::from_json(json.as_str()), out)
}

#[derive(Default)]
struct Action<'b> {
    kind: Option<Text<'b>>,
    query: Text<'b>,
    sources: Vec<Source<'b>>,
}

#[derive(Default)]
struct Source<'b> {
    url: Text<'b>,
    title: Option<Text<'b>>,
}

impl<'b> Action<'b> {
    fn read(text: &'b str) -> Result<Self, Bad> {
        let mut action = Self::default();
        let mut first = None;
        whole_object(text, |r, key| {
            match key {
                "type" => action.kind = r.maybe_string()?,
                "query" => action.query = clean_string(r)?.unwrap_or_default(),
                "queries" => each(r, |raw| {
                    first = first.or(raw.as_text());
                    Ok(())
                })?,
                "sources" => each(r, |raw| {
                    let mut source = Source::default();
                    if raw.is_object() {
                        whole_object(raw.as_str(), |r, key| {
                            match key {
                                "url" => source.url = clean_string(r)?.unwrap_or_default(),
                                "title" => source.title = clean_string(r)?,
                                _ => r.skip()?,
                            }
                            Ok(())
                        })?;
                    }
                    if !source.url.is_empty() {
                        action.sources.push(source);
                    }
                    Ok(())
                })?,
                _ => r.skip()?,
            }
            Ok(())
        })?;
        if action.query.is_empty() {
            action.query = first.unwrap_or_default();
        }
        Ok(action)
    }
}

/// The id of a search in the form that the Messages API has.
fn caller_id(native: &str, reply: &str, count: u64) -> String {
    let tail = native.strip_prefix("ws_").unwrap_or(native);
    let legal = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(64).collect()
    };
    if tail.is_empty() {
        format!("srvtoolu_{}_{count}", legal(reply))
    } else {
        format!("srvtoolu_{}", legal(tail))
    }
}
