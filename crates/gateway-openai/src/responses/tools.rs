//! The tools offered, and which of them may or must be used.

use gateway_dialect::{Offer, offer};
use gateway_translate::{Json, Kind, NameMap, Reader, visible_tools};
use gateway_types::{
    ApiError, ErrorKind, Losses, Raw, Request, Text, Tool, ToolChoice, ToolKind, What,
};

use super::wire::{Bad, each, whole_object};
use crate::common::Target;
use crate::{ToolChoiceLevel, WebSearch, strict_ok};

/// The tools of one request.
#[derive(Debug)]
pub(super) struct Tools<'r, 'b> {
    functions: Vec<(Function<'b>, usize)>,
    search: Option<Search<'b>>,
    /// For the name that a caller's choice may have.
    search_tool: Option<&'r Tool<'b>>,
}

#[derive(Debug)]
struct Function<'b> {
    name: Text<'b>,
    description: Option<Text<'b>>,
    schema: Raw<'b>,
    strict: bool,
}

/// What a `web_search` tool asks for.
#[derive(Debug, Default)]
struct Search<'b> {
    path: String,
    max_uses: Option<u64>,
    allowed: Vec<Text<'b>>,
    blocked: bool,
    location: Option<Raw<'b>>,
}

/// Chooses what the model is to see.
///
/// # Errors
/// When there are more tools than the provider takes, or all that was asked for is a tool that only
/// Anthropic runs.
pub(super) fn select<'r, 'b>(
    request: &'r Request<'b>,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Tools<'r, 'b>, ApiError> {
    let mut tools = Tools { functions: Vec::new(), search: None, search_tool: None };
    let mut refused: Option<(String, String)> = None;
    for tool in visible(request, losses) {
        let at = request.tools.iter().position(|other| std::ptr::eq(other, tool)).unwrap_or(0);
        let path = format!("tools[{at}]");
        let mut refuse = |why: String| {
            losses.add(What::Dropped, path.clone(), why.clone());
            refused.get_or_insert((path.clone(), why));
        };
        match offer(tool) {
            Offer::WebSearch(tool) => {
                let served = target.quirks.web_search == WebSearch::Responses
                    && target.facts.capabilities.web_search != Some(false);
                if served {
                    tools.search = Some(Search::read(tool, path));
                    tools.search_tool = Some(tool);
                } else {
                    refuse("neither the provider nor the gateway searches the web".to_owned());
                }
            }
            Offer::Foreign { kind } => {
                let kind = kind.decode();
                if !kind.starts_with("tool_search_tool_") {
                    refuse(format!("a tool of type `{kind}` runs at Anthropic only"));
                }
            }
            _ if !target.calls_tools() => refuse("the model calls no tools".to_owned()),
            Offer::Function { name, description, schema, strict } => {
                note_extras(tool, &path, losses);
                tools.functions.push((Function { name, description, schema, strict }, at));
            }
            Offer::Known { name, description, schema } => {
                let function = Function {
                    name,
                    description: Some(Text::plain(description)),
                    schema: Raw::from_json(schema),
                    strict: false,
                };
                tools.functions.push((function, at));
            }
        }
    }
    let count = tools.functions.len() + usize::from(tools.search.is_some());
    if let Some((path, why)) = refused {
        let must = matches!(request.tool_choice, Some(ToolChoice::Tool(name)) if !tools.has(name));
        // Better no answer than one that says nothing was found.
        if count == 0 || must {
            let text = format!("{path}: {why}; route this request to a provider that has it");
            return Err(ApiError::new(ErrorKind::InvalidRequest, text));
        }
    }
    if let Some(ToolChoice::Tool(name)) = request.tool_choice
        && count > 0
        && !tools.has(name)
    {
        let text = format!("tool_choice.name: no tool called `{}` is offered", name.decode());
        return Err(ApiError::new(ErrorKind::InvalidRequest, text));
    }
    let untold = target.quirks.tool_choice == ToolChoiceLevel::None;
    if untold && count > 0 && request.tool_choice == Some(ToolChoice::None) {
        // It would call them all the same.
        losses.add(What::Replaced, "tool_choice", "the tools are left out instead");
        return Ok(Tools { functions: Vec::new(), search: None, search_tool: None });
    }
    if count > target.quirks.tools_max {
        let text = format!(
            "tools: {count} tools are offered, but {} takes at most {}; offer fewer, or let them be \
             found by tool search",
            target.cx.provider, target.quirks.tools_max
        );
        return Err(ApiError::new(ErrorKind::InvalidRequest, text));
    }
    Ok(tools)
}

/// The tools the model is to see; all where a search that only Anthropic runs would have shown more.
fn visible<'r, 'b>(request: &'r Request<'b>, losses: &mut Losses) -> Vec<&'r Tool<'b>> {
    let is_search = |tool: &&Tool<'_>| match tool.kind {
        ToolKind::Versioned { kind } => kind.escaped().starts_with("tool_search_tool_"),
        ToolKind::Custom { .. } => false,
    };
    if !request.tools.iter().any(|tool| is_search(&tool)) {
        return visible_tools(request);
    }
    losses.add(What::Emulated, "tools", "all deferred tools are shown in place of a tool search");
    let placeholder = |tool: &&Tool<'_>| tool.name.is("DeferredToolPlaceholder");
    request.tools.iter().filter(|tool| !placeholder(tool)).collect()
}

/// Notes fields of a tool that are for Anthropic alone.
fn note_extras(tool: &Tool<'_>, path: &str, losses: &mut Losses) {
    const KNOWN: [&str; 6] =
        ["name", "description", "input_schema", "type", "strict", "defer_loading"];
    // The tool was read as JSON before.
    let _ = whole_object(tool.raw.as_str(), |r, key| {
        if !KNOWN.contains(&key) {
            losses.add(What::Hint, format!("{path}.{key}"), "has no counterpart at this provider");
        }
        Ok(r.skip()?)
    });
}

impl<'b> Tools<'_, 'b> {
    pub(super) fn is_empty(&self) -> bool {
        self.functions.is_empty() && self.search.is_none()
    }

    pub(super) fn searches(&self) -> bool {
        self.search.is_some()
    }

    /// How many searches there may be, where it can be said.
    pub(super) fn max_uses(&self, losses: &mut Losses) -> Option<u64> {
        let search = self.search.as_ref()?;
        let uses = search.max_uses?;
        if !self.functions.is_empty() {
            let why = "the provider has one limit for the calls of all tools";
            losses.add(What::Dropped, format!("{}.max_uses", search.path), why);
            return None;
        }
        Some(uses.max(1))
    }

    /// The array of tools.
    pub(super) fn write(
        &self,
        names: &NameMap,
        target: &Target<'_>,
        json: &mut Json,
        losses: &mut Losses,
    ) {
        json.open('[');
        for (function, at) in &self.functions {
            let name = function.name.decode();
            let schema = target.schemas.mended(function.schema, crate::acceptable_schema);
            let schema = Raw::from_json(&schema);
            // Without a word the schema would be made strict, and with it all that is optional
            // required.
            let strict = function.strict && target.quirks.strict_schemas && strict_ok(schema);
            if function.strict && !strict {
                let why = "the provider can't hold the model to this schema";
                losses.add(What::Dropped, format!("tools[{at}].strict"), why);
            }
            json.object(|json| {
                json.key("type").string("function").key("name").string(&names.there(&name));
                if let Some(description) = function.description.filter(|text| !text.is_empty()) {
                    json.key("description").text(description);
                }
                json.key("parameters").raw(schema).key("strict").bool(strict);
            });
        }
        if let Some(search) = &self.search {
            search.write(json, losses);
        }
        json.close(']');
    }

    /// `tool_choice`, if there is one to write.
    pub(super) fn write_choice(
        &self,
        request: &Request<'_>,
        names: &NameMap,
        target: &Target<'_>,
        json: &mut Json,
        losses: &mut Losses,
    ) {
        let Some(choice) = request.tool_choice else { return };
        let mut level = target.quirks.tool_choice;
        if target.facts.capabilities.forced_tools == Some(false) && level != ToolChoiceLevel::None {
            level = ToolChoiceLevel::AutoOnly;
        }
        let named = matches!(choice, ToolChoice::Tool(_));
        let forced = named || choice == ToolChoice::Any;
        let less = match level {
            ToolChoiceLevel::Full => false,
            ToolChoiceLevel::NoNamed => named,
            ToolChoiceLevel::AutoOnly => forced,
            ToolChoiceLevel::None => true,
        };
        if less && forced {
            losses.add(What::Dropped, "tool_choice", "the provider does not obey it");
        }
        match choice {
            _ if level == ToolChoiceLevel::None => {}
            _ if less && !(named && level == ToolChoiceLevel::NoNamed) => {
                json.key("tool_choice").string("auto");
            }
            ToolChoice::Auto => {
                json.key("tool_choice").string("auto");
            }
            ToolChoice::None => {
                json.key("tool_choice").string("none");
            }
            ToolChoice::Tool(name) if !less => {
                let search =
                    self.search_tool.is_some_and(|tool| tool.name.decode() == name.decode());
                json.key("tool_choice").object(|json| {
                    if search {
                        json.key("type").string("web_search");
                    } else {
                        let name = name.decode();
                        json.key("type").string("function").key("name").string(&names.there(&name));
                    }
                });
            }
            ToolChoice::Any | ToolChoice::Tool(_) => {
                json.key("tool_choice").string("required");
            }
        }
    }

    fn has(&self, name: Text<'b>) -> bool {
        let same = |other: Text<'_>| other.decode() == name.decode();
        self.functions.iter().any(|(function, _)| same(function.name))
            || self.search_tool.is_some_and(|tool| same(tool.name))
    }
}

impl<'b> Search<'b> {
    fn read(tool: &Tool<'b>, path: String) -> Self {
        let mut search = Self { path, ..Self::default() };
        let raw = tool.raw.as_str();
        // The tool was read as JSON before.
        let _ = whole_object(raw, |r, key| {
            match key {
                "max_uses" => search.max_uses = r.maybe_u64()?,
                "allowed_domains" => each(r, |raw| {
                    search.allowed.extend(raw.as_text());
                    Ok(())
                })?,
                "blocked_domains" => search.blocked = !is_nothing(r)?,
                "user_location" => search.location = Some(r.raw()?).filter(|raw| raw.is_object()),
                _ => r.skip()?,
            }
            Ok(())
        });
        search
    }

    fn write(&self, json: &mut Json, losses: &mut Losses) {
        if self.blocked {
            let why = "the provider can't keep a search from domains";
            losses.add(What::Dropped, format!("{}.blocked_domains", self.path), why);
        }
        let domains: Vec<String> = self.allowed.iter().map(|d| domain(&d.decode())).collect();
        let narrower = self.allowed.iter().zip(&domains).any(|(d, domain)| {
            d.decode().contains('/') && !d.decode().trim_end_matches('/').ends_with(domain.as_str())
        });
        if narrower {
            let why = "the provider narrows a search to domains, not to paths";
            losses.add(What::Clamped, format!("{}.allowed_domains", self.path), why);
        }
        json.object(|json| {
            json.key("type").string("web_search");
            if !domains.is_empty() {
                json.key("filters").object(|json| {
                    json.key("allowed_domains").array(|json| {
                        for domain in &domains {
                            json.string(domain);
                        }
                    });
                });
            }
            if let Some(location) = self.location {
                json.key("user_location").raw(location);
            }
        });
    }
}

/// The domain alone: neither scheme nor path are taken.
fn domain(text: &str) -> String {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().trim().to_owned()
}

fn is_nothing(r: &mut Reader<'_>) -> Result<bool, Bad> {
    let kind = r.kind()?;
    let raw = r.raw()?;
    Ok(kind == Kind::Null || (kind == Kind::Array && raw.as_str().len() <= 2))
}
