//! The tools of a request and what the model may do with them.

use gateway_dialect::{Offer, offer};
use gateway_translate::{Json, Kind, Malformed, NameMap, Reader, visible_tools};
use gateway_types::{
    ApiError, ErrorKind, Losses, Raw, Request, Text, Tool, ToolChoice, ToolKind, What,
};

use crate::common::Target;
use crate::{ToolChoiceLevel, WebSearch, acceptable_schema, strict_ok};

/// The tools as they go up.
#[derive(Debug)]
pub(super) struct Tools<'r, 'b> {
    offers: Vec<Offer<'r, 'b>>,
    choice: Option<Choice<'b>>,
    /// What the model is told in words because the server has no field for it.
    pub told: Option<String>,
    /// A search of the web is offered.
    pub searches: bool,
    /// `parallel_tool_calls: false`.
    pub one_at_a_time: bool,
}

#[derive(Debug)]
enum Choice<'b> {
    Word(&'static str),
    Named(Text<'b>),
}

impl<'r, 'b> Tools<'r, 'b> {
    /// Decides what is offered and how.
    ///
    /// # Errors
    /// When nothing that was asked for can be offered.
    pub(super) fn choose(
        request: &'r Request<'b>,
        target: &Target<'_>,
        names: &NameMap,
        losses: &mut Losses,
    ) -> Result<Self, ApiError> {
        let mut tools = Self {
            offers: Vec::new(),
            choice: None,
            told: None,
            searches: false,
            one_at_a_time: false,
        };
        if !request.tools.is_empty() && !target.calls_tools() {
            if matches!(request.tool_choice, Some(ToolChoice::Any | ToolChoice::Tool(_))) {
                let text = "tool_choice: a call is asked for, but the model calls no tools; route \
                            this request to a provider whose model does";
                return Err(ApiError::new(ErrorKind::InvalidRequest, text));
            }
            losses.add(What::Dropped, "tools", "the model calls no tools");
            return Ok(tools);
        }
        tools.offer_all(request, target, losses)?;
        if tools.offers.len() > target.quirks.tools_max {
            let text = format!(
                "tools: {} tools are offered, but {} takes at most {}; switch some off, or let the \
                 client load them when they are needed (tool search)",
                tools.offers.len(),
                target.cx.provider,
                target.quirks.tools_max
            );
            return Err(ApiError::new(ErrorKind::InvalidRequest, text));
        }
        if !tools.offers.is_empty() {
            tools.decide(request, target, names, losses)?;
        }
        Ok(tools)
    }

    /// Whether no tool is offered.
    pub(super) fn is_empty(&self) -> bool {
        self.offers.is_empty()
    }

    fn offer_all(
        &mut self,
        request: &'r Request<'b>,
        target: &Target<'_>,
        losses: &mut Losses,
    ) -> Result<(), ApiError> {
        let mut left_out = Vec::new();
        for tool in offered(request, losses) {
            match offer(tool) {
                Offer::WebSearch(tool) if target.quirks.web_search == WebSearch::OpenRouter => {
                    self.searches = true;
                    if has_limit(tool) {
                        let path = format!("tools.{}.max_uses", tool.name.decode());
                        losses.add(What::Dropped, path, "this upstream has no limit of searches");
                    }
                    self.offers.push(Offer::WebSearch(tool));
                }
                Offer::Foreign { kind } if kind.decode().starts_with("tool_search_tool_") => {}
                Offer::WebSearch(_) | Offer::Foreign { .. } => left_out.push(tool),
                function => self.offers.push(function),
            }
        }
        if let (Some(tool), true) = (left_out.first(), self.offers.is_empty()) {
            // Without its only tool the request would be answered as if nothing had been asked.
            let what = match tool.kind {
                ToolKind::Versioned { kind } if kind.decode().starts_with("web_search_") => {
                    "web search".to_owned()
                }
                ToolKind::Versioned { kind } => format!("tool `{}`", kind.decode()),
                ToolKind::Custom { .. } => "such tool".to_owned(),
            };
            let text = format!(
                "tools: {} has no {what} of its own; route such requests to a provider that has one",
                target.cx.provider
            );
            return Err(ApiError::new(ErrorKind::InvalidRequest, text));
        }
        for tool in left_out {
            let path = format!("tools.{}", tool.name.decode());
            losses.add(What::Dropped, path, "this upstream does not run it");
        }
        Ok(())
    }

    fn decide(
        &mut self,
        request: &Request<'b>,
        target: &Target<'_>,
        names: &NameMap,
        losses: &mut Losses,
    ) -> Result<(), ApiError> {
        use ToolChoiceLevel as Level;
        let mut level = target.quirks.tool_choice;
        if target.facts.capabilities.forced_tools == Some(false) && level != Level::None {
            level = Level::AutoOnly;
        }
        match request.tool_choice {
            None | Some(ToolChoice::Auto) => {}
            Some(ToolChoice::None) if level == Level::None => {
                // It would call them all the same.
                losses.add(What::Replaced, "tool_choice", "the tools are left out instead");
                self.offers.clear();
            }
            Some(ToolChoice::None) => self.choice = Some(Choice::Word("none")),
            Some(ToolChoice::Any) => match level {
                Level::Full | Level::NoNamed => self.choice = Some(Choice::Word("required")),
                Level::AutoOnly | Level::None => {
                    losses.add(What::Replaced, "tool_choice", TOLD);
                    self.told = Some("Answer with a call of one of your tools.".to_owned());
                }
            },
            Some(ToolChoice::Tool(name)) => {
                if self.searches && self.is_search(name) {
                    losses.add(What::Hint, "tool_choice", "a search can't be forced");
                    return Ok(());
                }
                if !self.has(name) {
                    let text =
                        format!("tool_choice: the tool `{}` is not among `tools`", name.decode());
                    return Err(ApiError::new(ErrorKind::InvalidRequest, text));
                }
                if level == Level::Full {
                    self.choice = Some(Choice::Named(name));
                } else {
                    if level == Level::NoNamed {
                        self.choice = Some(Choice::Word("required"));
                    }
                    if !(level == Level::NoNamed && self.offers.len() == 1) {
                        losses.add(What::Replaced, "tool_choice", TOLD);
                        // By the name that the model can call.
                        let name = name.decode();
                        let name = names.there(&name);
                        self.told = Some(format!("Answer with a call of the tool `{name}`."));
                    }
                }
            }
        }
        if request.disable_parallel_tools {
            let capable = target.facts.capabilities.parallel_tools != Some(false);
            self.one_at_a_time = capable && target.quirks.parallel_tool_calls;
            if !self.one_at_a_time {
                let what = if capable { What::Dropped } else { What::Hint };
                let path = "tool_choice.disable_parallel_tool_use";
                losses.add(what, path, "this upstream has no field for it");
            }
        }
        Ok(())
    }

    fn has(&self, wanted: Text<'_>) -> bool {
        self.offers.iter().any(|offer| match offer {
            Offer::Function { name, .. } | Offer::Known { name, .. } => same(*name, wanted),
            Offer::WebSearch(_) | Offer::Foreign { .. } => false,
        })
    }

    fn is_search(&self, wanted: Text<'_>) -> bool {
        self.offers.iter().any(|o| matches!(o, Offer::WebSearch(tool) if same(tool.name, wanted)))
    }

    /// Writes `tools` as an array's elements.
    pub(super) fn write(
        &self,
        target: &Target<'_>,
        names: &NameMap,
        json: &mut Json,
        losses: &mut Losses,
    ) {
        for offer in &self.offers {
            match offer {
                Offer::Function { name, description, schema, strict } => {
                    let name = name.decode();
                    let parameters = target.schemas.mended(*schema, acceptable_schema);
                    let strict = *strict && {
                        let ok = target.quirks.strict_schemas && strict_ok(*schema);
                        if !ok {
                            let path = format!("tools.{name}.strict");
                            losses.add(What::Dropped, path, "the schema can't be enforced here");
                        }
                        ok
                    };
                    if parameters != schema.as_str() {
                        let path = format!("tools.{name}.input_schema");
                        losses.add(What::Hint, path, "made acceptable");
                    }
                    function(json, &names.there(&name), *description, &parameters, strict);
                }
                Offer::Known { name, description, schema } => {
                    let description = Some(Text::from_escaped(description));
                    function(json, &names.there(&name.decode()), description, schema, false);
                }
                Offer::WebSearch(tool) => web_search(json, tool),
                Offer::Foreign { .. } => {}
            }
        }
    }

    /// Writes `tool_choice`, if there is something to say.
    pub(super) fn choice(&self, names: &NameMap) -> Option<String> {
        let mut json = Json::new();
        match self.choice.as_ref()? {
            Choice::Word(word) => json.string(word),
            Choice::Named(name) => json.object(|json| {
                json.key("type").string("function");
                json.key("function").object(|json| {
                    json.key("name").string(&names.there(&name.decode()));
                });
            }),
        };
        Some(json.into_string())
    }
}

const TOLD: &str = "the model is asked in words: this upstream has no field for it";

/// The tools the model is to see. Where the caller leaves the search for tools to the provider,
/// that is all of them: nobody else would find them.
fn offered<'r, 'b>(request: &'r Request<'b>, losses: &mut Losses) -> Vec<&'r Tool<'b>> {
    let found_by_provider = request.tools.iter().any(|tool| {
        matches!(tool.kind, ToolKind::Versioned { kind } if kind.decode().starts_with("tool_search_tool_"))
    });
    if !found_by_provider {
        return visible_tools(request);
    }
    losses.add(What::Replaced, "tools", "all tools are shown: this upstream can't search them");
    request.tools.iter().filter(|tool| !tool.name.is("DeferredToolPlaceholder")).collect()
}

fn function(
    json: &mut Json,
    name: &str,
    description: Option<Text<'_>>,
    parameters: &str,
    strict: bool,
) {
    json.object(|json| {
        json.key("type").string("function");
        json.key("function").object(|json| {
            json.key("name").string(name);
            if let Some(description) = description {
                json.key("description").text(description);
            }
            json.key("parameters").raw(Raw::from_json(parameters));
            if strict {
                json.key("strict").bool(true);
            }
        });
    });
}

/// Whether a search is limited to some uses.
fn has_limit(tool: &Tool<'_>) -> bool {
    let found = gateway_translate::find(tool.raw.as_str().as_bytes(), &["max_uses"]);
    found.is_some_and(|span| &tool.raw.as_str()[span] != "null")
}

/// `openrouter:web_search` with what of the tool's settings it knows.
fn web_search(json: &mut Json, tool: &Tool<'_>) {
    json.object(|json| {
        json.key("type").string("openrouter:web_search");
        json.key("parameters").object(|json| {
            // It was read as an object before.
            let _ = Reader::new(tool.raw.as_str()).object::<Malformed>(|r, key| {
                let known = match key.escaped() {
                    "allowed_domains" => "allowed_domains",
                    "blocked_domains" => "excluded_domains",
                    "user_location" => "user_location",
                    _ => return r.skip(),
                };
                if r.kind()? == Kind::Null {
                    return r.skip();
                }
                json.key(known).raw(r.raw()?);
                Ok(())
            });
        });
    });
}

fn same(a: Text<'_>, b: Text<'_>) -> bool {
    a == b || a.decode() == b.decode()
}
