//! Searches that Google ran, told as server-tool blocks with citations.
//!
//! What a search found comes last, after the text that is grounded in it: so the text is held back, cut
//! at the segments' ends, and told behind the search.

use gateway_translate::{Assembler, Flow, Json};
use gateway_types::{EventSink, Fault, Raw, Text, What, escaped};

use crate::carrier::Carrier;
use crate::wire::{Read, clean_string, each, members, number, whole_object};

/// Which pages may be shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Domains {
    pub allowed: Vec<String>,
    pub blocked: Vec<String>,
}

impl Domains {
    fn shows(&self, page: &Page) -> bool {
        let domain = page.domain();
        let within = |of: &String| {
            domain == *of
                || domain.strip_suffix(of.as_str()).is_some_and(|rest| rest.ends_with('.'))
        };
        (self.allowed.is_empty() || self.allowed.iter().any(within))
            && !self.blocked.iter().any(within)
    }
}

/// What is held back while a search may be told yet.
#[derive(Debug)]
pub(crate) struct Held {
    domains: Domains,
    text: String,
    queries: Vec<String>,
    pages: Vec<Page>,
    supports: Vec<Support>,
}

#[derive(Debug, Clone, Default)]
struct Page {
    uri: String,
    title: String,
    domain: String,
}

impl Page {
    /// The service hides addresses behind its own; then the title is the domain.
    fn domain(&self) -> String {
        let host = self.uri.split_once("://").map_or("", |(_, rest)| rest);
        let host = host.split(['/', '?', '#']).next().unwrap_or_default();
        let hidden = host.is_empty() || host.starts_with("vertexaisearch.");
        let domain = match (&*self.domain, hidden) {
            ("", true) => &*self.title,
            ("", false) => host,
            (domain, _) => domain,
        };
        domain.trim().to_ascii_lowercase()
    }
}

#[derive(Debug, Clone)]
struct Support {
    start: usize,
    end: usize,
    text: String,
    pages: Vec<usize>,
}

/// Longest text that a citation quotes, in characters.
const CITED: usize = 150;

/// More queries than this are not told one by one.
const MOST_QUERIES: usize = 32;

impl Held {
    pub(crate) fn new(domains: Domains) -> Self {
        Self {
            domains,
            text: String::new(),
            queries: Vec::new(),
            pages: Vec::new(),
            supports: Vec::new(),
        }
    }

    /// Whether no text is held back.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// More of the text.
    pub(crate) fn text(&mut self, piece: Text<'_>) {
        self.text.push_str(&piece.decode());
    }

    /// Takes note of what was found. The last word counts, but for queries.
    pub(crate) fn metadata(&mut self, raw: Raw<'_>) -> Read<()> {
        let (mut pages, mut supports) = (Vec::new(), Vec::new());
        whole_object(raw.as_str(), |r, key| {
            match key {
                "webSearchQueries" => each(r, |raw| {
                    let query = raw.as_text().map(|text| text.decode().into_owned());
                    if let Some(query) = query.filter(|query| !query.is_empty())
                        && !self.queries.contains(&query)
                        && self.queries.len() < MOST_QUERIES
                    {
                        self.queries.push(query);
                    }
                    Ok(())
                })?,
                // The others refer to them by their places: each must have one.
                "groundingChunks" => each(r, |raw| {
                    pages.push(page(raw)?);
                    Ok(())
                })?,
                "groundingSupports" => each(r, |raw| {
                    supports.extend(support(raw)?);
                    Ok(())
                })?,
                _ => r.skip()?,
            }
            Ok(())
        })?;
        if !pages.is_empty() {
            self.pages = pages;
        }
        if !supports.is_empty() {
            self.supports = supports;
        }
        Ok(())
    }

    /// Hands on what is held back, uncited: something else comes before the search is told.
    pub(crate) fn flush(
        &mut self,
        asm: &mut Assembler,
        out: &mut dyn EventSink,
    ) -> Result<Flow, Fault> {
        let text = std::mem::take(&mut self.text);
        asm.text(Text::from_escaped(&escaped(&text)), out)
    }

    /// The search and the text grounded in it.
    pub(crate) fn end(
        &mut self,
        carrier: &Carrier,
        asm: &mut Assembler,
        out: &mut dyn EventSink,
    ) -> Result<Flow, Fault> {
        if self.queries.is_empty() {
            return self.flush(asm, out);
        }
        let mark = carrier.mark();
        for (at, query) in std::mem::take(&mut self.queries).iter().enumerate() {
            asm.count_web_search();
            let id = search_id(asm.reply_id(), asm.usage().web_searches);
            let mut input = Json::new();
            input.object(|json| {
                json.key("query").string(query);
            });
            asm.server_call(&id, "web_search", Raw::from_json(input.as_str()), out)?;
            let mut found = Json::new();
            found.array(|json| {
                // Which query found which page is not told.
                if at == 0 {
                    self.results(&mark, json);
                }
            });
            asm.server_result("web_search_tool_result", &id, Raw::from_json(found.as_str()), out)?;
        }
        self.cited(&mark, asm, out)
    }

    fn results(&self, mark: &str, json: &mut Json) {
        for page in self.pages.iter().filter(|page| self.shown(page)) {
            json.object(|json| {
                json.key("type").string("web_search_result");
                json.key("url").string(&page.uri);
                let title = if page.title.is_empty() { &page.uri } else { &page.title };
                json.key("title").string(title);
                json.key("encrypted_content").string(mark);
                json.key("page_age").null();
            });
        }
    }

    fn shown(&self, page: &Page) -> bool {
        !page.uri.is_empty() && self.domains.shows(page)
    }

    /// The text, cut at the ends of its segments, each with its citations.
    fn cited(
        &mut self,
        mark: &str,
        asm: &mut Assembler,
        out: &mut dyn EventSink,
    ) -> Result<Flow, Fault> {
        let text = std::mem::take(&mut self.text);
        let mut supports = std::mem::take(&mut self.supports);
        for support in &mut supports {
            support.settle(&text);
        }
        supports.retain(|support| support.end > support.start);
        supports.sort_by_key(|support| (support.start, support.end));
        let mut at = 0;
        let mut supports = supports.into_iter().peekable();
        while let Some(mut support) = supports.next() {
            while let Some(same) =
                supports.next_if(|next| (next.start, next.end) == (support.start, support.end))
            {
                support.pages.extend(same.pages);
            }
            if support.start < at {
                continue;
            }
            let cited = self.citations(&support, &text, mark);
            if cited.is_empty() {
                continue;
            }
            if say(&text[at..support.start], asm, out)? == Flow::Done {
                return Ok(Flow::Done);
            }
            asm.end_text(out)?;
            if say(&text[support.start..support.end], asm, out)? == Flow::Done {
                return Ok(Flow::Done);
            }
            for citation in cited {
                asm.citation(Raw::from_json(&citation), out)?;
            }
            asm.end_text(out)?;
            at = support.end;
        }
        say(&text[at..], asm, out)
    }

    fn citations(&self, support: &Support, text: &str, mark: &str) -> Vec<String> {
        let mut seen = Vec::new();
        let mut all = Vec::new();
        for &index in &support.pages {
            let Some(page) = self.pages.get(index).filter(|page| self.shown(page)) else {
                continue;
            };
            if seen.contains(&index) {
                continue;
            }
            seen.push(index);
            let quoted: String = text[support.start..support.end].chars().take(CITED).collect();
            let mut json = Json::new();
            json.object(|json| {
                json.key("type").string("web_search_result_location");
                json.key("url").string(&page.uri);
                json.key("title").string(if page.title.is_empty() {
                    &page.uri
                } else {
                    &page.title
                });
                json.key("cited_text").string(&quoted);
                json.key("encrypted_index").string(mark);
            });
            all.push(json.into_string());
        }
        all
    }
}

impl Support {
    /// Offsets are bytes of the text; where they do not fit, the segment's own words tell its place.
    fn settle(&mut self, text: &str) {
        let there = text.get(self.start..self.end);
        let fits = there.is_some_and(|there| self.text.is_empty() || there == self.text);
        if fits {
            return;
        }
        (self.start, self.end) = match text.find(&self.text) {
            Some(at) if !self.text.is_empty() => (at, at + self.text.len()),
            _ => (0, 0),
        };
    }
}

fn say(text: &str, asm: &mut Assembler, out: &mut dyn EventSink) -> Result<Flow, Fault> {
    asm.text(Text::from_escaped(&escaped(text)), out)
}

fn page(raw: Raw<'_>) -> Read<Page> {
    let mut page = Page::default();
    if !raw.is_object() {
        return Ok(page);
    }
    whole_object(raw.as_str(), |r, key| {
        if !matches!(key, "web" | "retrievedContext" | "maps") {
            return Ok(r.skip()?);
        }
        members(r, |r, key| {
            let field = match key {
                "uri" => &mut page.uri,
                "title" => &mut page.title,
                "domain" => &mut page.domain,
                _ => return Ok(r.skip()?),
            };
            *field = clean_string(r)?.map(|text| text.decode().into_owned()).unwrap_or_default();
            Ok(())
        })
    })?;
    Ok(page)
}

fn support(raw: Raw<'_>) -> Read<Option<Support>> {
    if !raw.is_object() {
        return Ok(None);
    }
    let mut support = Support { start: 0, end: 0, text: String::new(), pages: Vec::new() };
    let index = |number: Option<u64>| number.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    whole_object(raw.as_str(), |r, key| {
        match key {
            "segment" => members(r, |r, key| {
                match key {
                    "startIndex" => support.start = index(number(r)?),
                    "endIndex" => support.end = index(number(r)?),
                    "text" => {
                        let text = clean_string(r)?;
                        support.text = text.map(|t| t.decode().into_owned()).unwrap_or_default();
                    }
                    _ => r.skip()?,
                }
                Ok(())
            })?,
            "groundingChunkIndices" => each(r, |raw| {
                support.pages.extend(raw.as_str().parse::<usize>().ok());
                Ok(())
            })?,
            _ => r.skip()?,
        }
        Ok(())
    })?;
    Ok(Some(support))
}

/// The id of a search in the form that the Messages API has.
fn search_id(reply: &str, count: u64) -> String {
    let legal: String =
        reply.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(64).collect();
    format!("srvtoolu_{legal}_{count}")
}

/// Notes that a search was told of though none was asked for.
pub(crate) fn unasked(asm: &mut Assembler) {
    asm.lose(What::Dropped, "groundingMetadata", "no search was asked for");
}
