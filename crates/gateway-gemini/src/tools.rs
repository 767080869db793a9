//! The tools offered, Google's own among them, and which may or must be used.

use std::collections::HashSet;

use gateway_dialect::{Offer, offer};
use gateway_translate::{Json, NameMap, visible_tools};
use gateway_types::{
    ApiError, ErrorKind, Losses, Raw, Request, Text, Tool, ToolChoice, ToolKind, What,
};

use crate::grounding::Domains;
use crate::target::{Target, field};
use crate::wire::{each, whole_object};

/// The tools of one request.
#[derive(Debug, Default)]
pub(crate) struct Tools<'b> {
    functions: Vec<Function<'b>>,
    search: Option<Search>,
    fetches: bool,
    runs_code: bool,
    /// The caller's names of Google's own tools.
    own: Vec<Text<'b>>,
}

#[derive(Debug)]
struct Function<'b> {
    name: String,
    description: Option<Text<'b>>,
    schema: Raw<'b>,
    examples: Option<Raw<'b>>,
}

/// What a `web_search` tool asks for.
#[derive(Debug, Default)]
struct Search {
    path: String,
    allowed: Vec<String>,
    blocked: Vec<String>,
}

/// Chooses what the model is to see.
///
/// # Errors
/// When all that was asked for is a tool that only Anthropic runs, or a tool is chosen that is not there.
pub(crate) fn select<'b>(
    request: &Request<'b>,
    target: &Target<'_>,
    names: &NameMap,
    losses: &mut Losses,
) -> Result<Tools<'b>, ApiError> {
    let mut tools = Tools::default();
    let mut refused: Option<(String, String)> = None;
    let mut seen = HashSet::new();
    for tool in visible(request, losses) {
        let at = request.tools.iter().position(|other| std::ptr::eq(other, tool)).unwrap_or(0);
        let path = format!("tools[{at}]");
        let mut refuse = |losses: &mut Losses, why: String| {
            losses.add(What::Dropped, path.clone(), why.clone());
            refused.get_or_insert((path.clone(), why));
        };
        let function = match offer(tool) {
            Offer::WebSearch(tool) => {
                tools.search = Some(Search::read(tool, path.clone(), losses));
                tools.own.push(tool.name);
                continue;
            }
            Offer::Foreign { kind } => {
                let kind = kind.decode();
                if kind.starts_with("web_fetch_") {
                    tools.fetches = true;
                    tools.own.push(tool.name);
                } else if kind.starts_with("code_execution_") {
                    tools.runs_code = true;
                    tools.own.push(tool.name);
                } else if !kind.starts_with("tool_search_tool_") {
                    refuse(losses, format!("a tool of type `{kind}` runs at Anthropic only"));
                }
                continue;
            }
            _ if !target.calls_tools() => {
                refuse(losses, "the model calls no tools".to_owned());
                continue;
            }
            Offer::Function { name, description, schema, strict } => {
                if strict {
                    let why = "the provider can't hold the model to a schema";
                    losses.add(What::Dropped, format!("{path}.strict"), why);
                }
                let examples = extras(tool, &path, losses);
                let name = names.there(&name.decode()).into_owned();
                Function { name, description, schema, examples }
            }
            Offer::Known { name, description, schema } => Function {
                name: names.there(&name.decode()).into_owned(),
                description: Some(Text::plain(description)),
                schema: Raw::from_json(schema),
                examples: None,
            },
        };
        if seen.insert(function.name.clone()) {
            tools.functions.push(function);
        } else {
            losses.add(What::Dropped, path, "another tool has the same name");
        }
    }
    tools.part_own(request, target, losses);
    if let Some((path, why)) = refused {
        let must =
            matches!(request.tool_choice, Some(ToolChoice::Tool(name)) if !tools.has(name, names));
        // Better no answer than one that says nothing was found.
        if tools.is_empty() || must {
            let text = format!("{path}: {why}; route this request to a provider that has it");
            return Err(ApiError::new(ErrorKind::InvalidRequest, text));
        }
    }
    if let Some(ToolChoice::Tool(name)) = request.tool_choice
        && !tools.is_empty()
        && !tools.has(name, names)
    {
        let text = format!("tool_choice.name: no tool called `{}` is offered", name.decode());
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

/// Notes fields of a tool that are for Anthropic alone, and takes out its examples.
fn extras<'b>(tool: &Tool<'b>, path: &str, losses: &mut Losses) -> Option<Raw<'b>> {
    const KNOWN: [&str; 6] =
        ["name", "description", "input_schema", "type", "strict", "defer_loading"];
    let mut examples = None;
    // The tool was read as JSON before.
    let _ = whole_object(tool.raw.as_str(), |r, key| {
        if key == "input_examples" {
            let raw = r.raw()?;
            examples = Some(raw).filter(|raw| raw.as_str().len() > 2 && !raw.is_null());
            return Ok(());
        }
        if !KNOWN.contains(&key) {
            losses.add(What::Hint, format!("{path}.{key}"), "has no counterpart at this provider");
        }
        Ok(r.skip()?)
    });
    if examples.is_some() {
        let why = "told in the description";
        losses.add(What::Hint, format!("{path}.input_examples"), why);
    }
    examples
}

impl Tools<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.functions.is_empty() && !self.has_own()
    }

    fn has_own(&self) -> bool {
        self.search.is_some() || self.fetches || self.runs_code
    }

    /// What the search may find, where one is on.
    pub(crate) fn domains(&self) -> Option<Domains> {
        let search = self.search.as_ref()?;
        Some(Domains { allowed: search.allowed.clone(), blocked: search.blocked.clone() })
    }

    /// What the system prompt says of the search.
    pub(crate) fn hint(&self) -> Option<String> {
        let search = self.search.as_ref().filter(|search| !search.allowed.is_empty())?;
        let sites: Vec<String> = search.allowed.iter().map(|d| format!("site:{d}")).collect();
        Some(format!(
            "Search the web on these sites only, by adding one of them to each query: {}",
            sites.join(", ")
        ))
    }

    /// Google's own tools stand beside functions only where they may.
    fn part_own(&mut self, request: &Request<'_>, target: &Target<'_>, losses: &mut Losses) {
        if self.functions.is_empty() || !self.has_own() || may_mix(target) {
            return;
        }
        let own = &self.own;
        let chosen = matches!(request.tool_choice, Some(ToolChoice::Tool(name))
            if own.iter().any(|other| other.decode() == name.decode()));
        if chosen {
            let why = "the provider runs the chosen tool alone";
            losses.add(What::Dropped, "tools", why);
            self.functions.clear();
            return;
        }
        let why = "the provider's own tools can't stand beside functions here";
        let path = match &self.search {
            Some(search) if !self.fetches && !self.runs_code => search.path.clone(),
            _ => "tools".to_owned(),
        };
        losses.add(What::Dropped, path, why);
        (self.search, self.fetches, self.runs_code) = (None, false, false);
        self.own.clear();
    }

    /// The `tools` field.
    pub(crate) fn write(&self, target: &Target<'_>, json: &mut Json, losses: &mut Losses) {
        if self.is_empty() {
            return;
        }
        json.key("tools").open('[');
        if !self.functions.is_empty() {
            json.object(|json| {
                json.key("functionDeclarations").open('[');
                for function in &self.functions {
                    json.object(|json| function.write(target, json));
                }
                json.close(']');
            });
        }
        if let Some(search) = &self.search {
            let exclude = target.vertex() && target.may(field::EXCLUDE);
            json.object(|json| {
                json.key("googleSearch").object(|json| {
                    if exclude && !search.blocked.is_empty() {
                        json.key(field::EXCLUDE).array(|json| {
                            search.blocked.iter().for_each(|domain| {
                                json.string(domain);
                            });
                        });
                    }
                });
            });
            let left = [
                ("allowed_domains", !search.allowed.is_empty()),
                ("blocked_domains", !search.blocked.is_empty() && !exclude),
            ];
            for (name, _) in left.into_iter().filter(|(_, emulated)| *emulated) {
                let why = "what is found elsewhere is not shown";
                losses.add(What::Emulated, format!("{}.{name}", search.path), why);
            }
        }
        for (name, wanted) in [("urlContext", self.fetches), ("codeExecution", self.runs_code)] {
            if wanted {
                json.object(|json| {
                    json.key(name).object(|_| ());
                });
            }
        }
        json.close(']');
    }

    /// The `toolConfig` field, if there is something to say.
    pub(crate) fn write_config(
        &self,
        request: &Request<'_>,
        target: &Target<'_>,
        names: &NameMap,
        json: &mut Json,
        losses: &mut Losses,
    ) {
        let mixed = !self.functions.is_empty() && self.has_own() && may_mix(target);
        let choice = request.tool_choice.filter(|choice| *choice != ToolChoice::Auto);
        if self.is_empty() {
            if choice.is_some_and(|c| c != ToolChoice::None) && !request.tools.is_empty() {
                losses.add(What::Hint, "tool_choice", "no tool is left to choose");
            }
            return;
        }
        let choice = match choice {
            Some(_) if self.functions.is_empty() => {
                let none = choice == Some(ToolChoice::None);
                let what = if none { What::Dropped } else { What::Hint };
                let why = "the provider's own tools are used as the model likes";
                losses.add(what, "tool_choice", why);
                None
            }
            // One of Google's own: it is used as the model likes.
            Some(ToolChoice::Tool(name)) if !self.is_function(name, names) => {
                losses.add(What::Dropped, "tool_choice", "only functions can be chosen");
                None
            }
            choice => choice,
        };
        if choice.is_none() && !mixed {
            return;
        }
        json.key("toolConfig").object(|json| {
            if let Some(choice) = choice {
                json.key("functionCallingConfig").object(|json| {
                    let mode = match choice {
                        ToolChoice::Auto => "AUTO",
                        ToolChoice::Any | ToolChoice::Tool(_) => "ANY",
                        ToolChoice::None => "NONE",
                    };
                    json.key("mode").string(mode);
                    if let ToolChoice::Tool(name) = choice {
                        json.key("allowedFunctionNames").array(|json| {
                            json.string(&names.there(&name.decode()));
                        });
                    }
                });
            }
            if mixed {
                json.key(field::MIXED).bool(true);
            }
        });
    }

    fn is_function(&self, name: Text<'_>, names: &NameMap) -> bool {
        let name = name.decode();
        let name = names.there(&name);
        self.functions.iter().any(|function| *function.name == *name)
    }

    fn has(&self, name: Text<'_>, names: &NameMap) -> bool {
        self.is_function(name, names) || self.own.iter().any(|own| own.decode() == name.decode())
    }
}

/// Whether Google's own tools may stand beside functions.
fn may_mix(target: &Target<'_>) -> bool {
    !target.vertex() && target.habits.mixes_tools() && target.may(field::MIXED)
}

impl Function<'_> {
    fn write(&self, target: &Target<'_>, json: &mut Json) {
        json.key("name").string(&self.name);
        let description = self.description.filter(|text| !text.is_empty());
        if description.is_some() || self.examples.is_some() {
            json.key("description").string_with(|s| {
                if let Some(text) = description {
                    s.text(text);
                }
                if let Some(examples) = self.examples {
                    s.push(if description.is_some() { "\n\n" } else { "" });
                    s.push("Examples of its arguments: ");
                    s.push(examples.as_str());
                }
            });
        }
        let schemas = &target.egress.schemas;
        if target.may(field::JSON_PARAMETERS) {
            let schema = schemas.json(self.schema);
            json.key(field::JSON_PARAMETERS).raw(Raw::from_json(&schema));
        } else if let Some(schema) = schemas.openapi(self.schema) {
            json.key("parameters").raw(Raw::from_json(&schema));
        }
    }
}

impl Search {
    fn read(tool: &Tool<'_>, path: String, losses: &mut Losses) -> Self {
        let mut search = Self { path, ..Self::default() };
        // The tool was read as JSON before.
        let _ = whole_object(tool.raw.as_str(), |r, key| {
            match key {
                "allowed_domains" => each(r, |raw| {
                    search.allowed.extend(raw.as_text().map(|text| domain(&text.decode())));
                    Ok(())
                })?,
                "blocked_domains" => each(r, |raw| {
                    search.blocked.extend(raw.as_text().map(|text| domain(&text.decode())));
                    Ok(())
                })?,
                "max_uses" | "user_location" => {
                    if !r.raw()?.is_null() {
                        let why = "the provider's search does not know it";
                        losses.add(What::Dropped, format!("{}.{key}", search.path), why);
                    }
                }
                _ => r.skip()?,
            }
            Ok(())
        });
        search.allowed.retain(|domain| !domain.is_empty());
        search.blocked.retain(|domain| !domain.is_empty());
        search
    }
}

/// The domain alone, in lower case, without scheme, path and `*.`.
fn domain(text: &str) -> String {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default().trim().to_ascii_lowercase();
    host.trim_start_matches("*.").to_owned()
}
