//! The tools offered, and which of them may or must be used.

use gateway_dialect::{Offer, offer};
use gateway_translate::{Json, Kind, Malformed, NameMap, Reader, visible_tools};
use gateway_types::{
    ApiError, ErrorKind, Losses, Raw, Request, Text, Tool, ToolChoice, ToolKind, What,
};

use super::Target;
use super::cache::{Kept, Marks};
use super::schema;
use crate::family::ToolChoices;

/// The tools of one request.
#[derive(Debug)]
pub(super) struct Tools<'b> {
    functions: Vec<Function<'b>>,
    /// The name of the model's own search.
    search: Option<&'static str>,
    choice: Choice<'b>,
    /// History calls tools, though none is offered.
    stub: bool,
    /// What the model is told in words.
    pub instruction: Option<String>,
    /// One call at most, said in Claude's own way.
    single: bool,
}

#[derive(Debug)]
struct Function<'b> {
    name: Text<'b>,
    description: Option<Text<'b>>,
    schema: Raw<'b>,
    strict: bool,
    mark: Option<Kept>,
    at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice<'b> {
    Auto,
    Any,
    Named(Text<'b>),
}

/// Chooses what the model is to see. `called`: the history calls tools.
///
/// # Errors
/// When all that was asked for is a tool that only Anthropic runs.
pub(super) fn select<'b>(
    request: &Request<'b>,
    target: &Target<'_>,
    names: &NameMap,
    called: bool,
    losses: &mut Losses,
) -> Result<Tools<'b>, ApiError> {
    let mut tools = Tools {
        functions: Vec::new(),
        search: None,
        choice: Choice::Auto,
        stub: false,
        instruction: None,
        single: false,
    };
    let mut search_name = None;
    let mut refused: Option<(String, String)> = None;
    for tool in visible(request, losses) {
        let at = request.tools.iter().position(|other| std::ptr::eq(other, tool)).unwrap_or(0);
        let path = format!("tools[{at}]");
        let mut refuse = |why: String| {
            losses.add(What::Dropped, path.clone(), why.clone());
            refused.get_or_insert((path.clone(), why));
        };
        let mark = Kept::of(tool.raw);
        match offer(tool) {
            Offer::WebSearch(tool) => match target.family.search.filter(|_| target.calls_tools()) {
                Some(name) => {
                    tools.search = Some(name);
                    search_name = Some(tool.name);
                    note_search_extras(tool, &path, losses);
                }
                None => refuse("neither the model nor the gateway searches the web".to_owned()),
            },
            Offer::Foreign { kind } => {
                let kind = kind.decode();
                if !kind.starts_with("tool_search_tool_") {
                    refuse(format!("a tool of type `{kind}` runs at Anthropic only"));
                }
            }
            _ if !target.calls_tools() => refuse("the model calls no tools".to_owned()),
            Offer::Function { name, description, schema, strict } => {
                note_extras(tool, &path, losses);
                tools.functions.push(Function { name, description, schema, strict, mark, at });
            }
            Offer::Known { name, description, schema } => {
                let description = Some(Text::plain(description));
                let schema = Raw::from_json(schema);
                tools.functions.push(Function {
                    name,
                    description,
                    schema,
                    strict: false,
                    mark,
                    at,
                });
            }
        }
    }
    let has = |name: Text<'_>| {
        let same = |other: Text<'_>| other.decode() == name.decode();
        tools.functions.iter().any(|function| same(function.name)) || search_name.is_some_and(same)
    };
    let none = tools.functions.is_empty() && tools.search.is_none();
    if let Some((path, why)) = refused {
        let must = matches!(request.tool_choice, Some(ToolChoice::Tool(name)) if !has(name));
        // Better no answer than one that says nothing was found.
        if none || must {
            let text = format!("{path}: {why}; route this request to a provider that has it");
            return Err(ApiError::new(ErrorKind::InvalidRequest, text));
        }
    }
    if let Some(ToolChoice::Tool(name)) = request.tool_choice
        && !none
        && !has(name)
    {
        let text = format!("tool_choice.name: no tool called `{}` is offered", name.decode());
        return Err(ApiError::new(ErrorKind::InvalidRequest, text));
    }
    if none {
        let chosen = request.tool_choice.is_some_and(|choice| choice != ToolChoice::None);
        if chosen && !request.tools.is_empty() {
            losses.add(What::Hint, "tool_choice", "no tool is left to choose");
        }
    }
    let searched = matches!(request.tool_choice, Some(ToolChoice::Tool(name))
        if search_name.is_some_and(|own| own.decode() == name.decode()));
    tools.choose(request, target, names, called, searched, losses);
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
    const KNOWN: [&str; 7] =
        ["name", "description", "input_schema", "type", "strict", "defer_loading", "cache_control"];
    // The tool was read as JSON before.
    let _ = Reader::new(tool.raw.as_str()).object::<Malformed>(|r, key| {
        if !KNOWN.iter().any(|known| key.is(known)) {
            let path = format!("{path}.{}", key.decode());
            losses.add(What::Hint, path, "has no counterpart at this provider");
        }
        r.skip()
    });
}

/// Notes how a search was to be narrowed: the model's own can't be.
fn note_search_extras(tool: &Tool<'_>, path: &str, losses: &mut Losses) {
    let _ = Reader::new(tool.raw.as_str()).object::<Malformed>(|r, key| {
        let empty = r.kind()? == Kind::Null;
        let value = r.raw()?.as_str();
        if !matches!(&*key.decode(), "type" | "name" | "cache_control") && !empty && value != "[]" {
            let why = "the model's own search takes no options";
            losses.add(What::Dropped, format!("{path}.{}", key.decode()), why);
        }
        Ok(())
    });
}

impl<'b> Tools<'b> {
    fn choose(
        &mut self,
        request: &Request<'b>,
        target: &Target<'_>,
        names: &NameMap,
        called: bool,
        searched: bool,
        losses: &mut Losses,
    ) {
        let none = self.functions.is_empty() && self.search.is_none();
        self.stub = none && called && target.calls_tools();
        if none {
            return;
        }
        let level = match target.facts.capabilities.forced_tools {
            Some(false) => ToolChoices::Auto,
            _ if !target.may("toolChoice") => ToolChoices::Auto,
            _ => target.family.tool_choice,
        };
        match request.tool_choice {
            None | Some(ToolChoice::Auto) => {}
            Some(ToolChoice::None) if called => {
                // Without its tools the history would be refused.
                losses.add(What::Replaced, "tool_choice", "the model is told to call no tools");
                self.instruction =
                    Some("Do not call any tool in this turn; answer in text.".into());
            }
            Some(ToolChoice::None) => {
                losses.add(What::Replaced, "tool_choice", "the tools are left out instead");
                self.functions.clear();
                self.search = None;
            }
            Some(ToolChoice::Any) if level >= ToolChoices::Any => self.choice = Choice::Any,
            Some(ToolChoice::Any) => {
                losses.add(What::Replaced, "tool_choice", "the model is told to call a tool");
                self.instruction = Some("Call at least one of the tools in this turn.".into());
            }
            Some(ToolChoice::Tool(name)) if level >= ToolChoices::Named && !searched => {
                self.choice = Choice::Named(name);
            }
            Some(ToolChoice::Tool(name)) => {
                losses.add(What::Replaced, "tool_choice", "the model is told which tool to call");
                // By the name that the model can call.
                let name = name.decode();
                let name = if searched { "web search".into() } else { names.there(&name) };
                self.instruction = Some(format!("Call the tool `{name}` in this turn."));
                if level >= ToolChoices::Any && !searched {
                    self.choice = Choice::Any;
                }
            }
        }
        if request.disable_parallel_tools && !self.is_empty() {
            self.single = target.family.is_claude();
            if !self.single {
                let why = "the model takes no word on parallel calls";
                losses.add(What::Dropped, "tool_choice.disable_parallel_tool_use", why);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.functions.is_empty() && self.search.is_none() && !self.stub
    }

    /// `toolConfig`, if there is one.
    pub(super) fn write(
        &self,
        names: &NameMap,
        target: &Target<'_>,
        marks: &mut Marks,
        json: &mut Json,
        losses: &mut Losses,
    ) {
        if self.is_empty() {
            return;
        }
        json.key("toolConfig").open('{').key("tools").open('[');
        for function in &self.functions {
            let name = function.name.decode();
            let wanted = target.family.schema;
            let schemas = &target.bedrock.schemas;
            let schema = schemas.mended(function.schema, |raw| schema::acceptable(raw, wanted));
            let strict = function.strict && target.since((4, 5), false) && target.may("strict");
            if function.strict && !strict {
                let why = "the model can't be held to a schema";
                losses.add(What::Dropped, format!("tools[{}].strict", function.at), why);
            }
            json.object(|json| {
                json.key("toolSpec").object(|json| {
                    json.key("name").string(&names.there(&name));
                    if let Some(description) = function.description.filter(|text| !text.is_empty())
                    {
                        json.key("description").text(description);
                    }
                    json.key("inputSchema").object(|json| {
                        json.key("json").raw(Raw::from_json(&schema));
                    });
                    if strict {
                        json.key("strict").bool(true);
                    }
                });
            });
            if let Some(kept) = function.mark {
                marks.behind_tool(kept, json, losses);
            }
        }
        if let Some(name) = self.search {
            json.object(|json| {
                json.key("systemTool").object(|json| {
                    json.key("name").string(name);
                });
            });
        }
        if self.stub {
            json.raw(Raw::from_json(STUB));
            losses.add(What::Hint, "tools", "a stand-in, since the history calls tools");
        }
        json.close(']');
        // Claude is told all of it in its own way where it is told of parallel calls.
        if !self.single {
            match self.choice {
                Choice::Auto => {}
                Choice::Any => {
                    json.key("toolChoice").raw(Raw::from_json(r#"{"any":{}}"#));
                }
                Choice::Named(name) => {
                    let name = name.decode();
                    json.key("toolChoice").object(|json| {
                        json.key("tool").object(|json| {
                            json.key("name").string(&names.there(&name));
                        });
                    });
                }
            }
        }
        json.close('}');
    }

    /// `tool_choice` as the Messages API has it, where one call at most is wanted.
    pub(super) fn single_choice(&self, names: &NameMap) -> Option<String> {
        if !self.single {
            return None;
        }
        let mut json = Json::new();
        json.object(|json| {
            match self.choice {
                Choice::Auto => {
                    json.key("type").string("auto");
                }
                Choice::Any => {
                    json.key("type").string("any");
                }
                Choice::Named(name) => {
                    let name = name.decode();
                    json.key("type").string("tool").key("name").string(&names.there(&name));
                }
            }
            json.key("disable_parallel_tool_use").bool(true);
        });
        Some(json.into_string())
    }
}

/// Stands for the tools of a history where none is offered any more: without any it would be refused.
const STUB: &str = r#"{"toolSpec":{"name":"no_tools","description":"No tool can be called any more. Do not call this.","inputSchema":{"json":{"type":"object","properties":{}}}}}"#;
