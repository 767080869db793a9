//! The tools of a request and what the model may do with them.

use gateway_dialect::{Offer, SchemaMemo, offer};
use gateway_translate::{AttemptCx, Json, NameMap, visible_tools};
use gateway_types::{
    ApiError, ErrorKind, Losses, Raw, Request, Text, Tool, ToolChoice, ToolKind, What,
};

use crate::schema::acceptable;

/// The tools as they go up.
#[derive(Debug, Default)]
pub(crate) struct Tools<'r, 'b> {
    offers: Vec<Offer<'r, 'b>>,
    /// What the model is told in words, since there is no `tool_choice`.
    pub told: Option<String>,
}

const TOLD: &str = "the model is asked in words: Ollama has no field for it";

impl<'r, 'b> Tools<'r, 'b> {
    /// Decides what is offered. `calls`: the model calls tools.
    ///
    /// # Errors
    /// When nothing that was asked for can be offered.
    pub(crate) fn choose(
        request: &'r Request<'b>,
        cx: &AttemptCx<'_>,
        names: &NameMap,
        calls: bool,
        losses: &mut Losses,
    ) -> Result<Self, ApiError> {
        let mut tools = Self::default();
        if request.tools.is_empty() {
            return Ok(tools);
        }
        let forced = matches!(request.tool_choice, Some(ToolChoice::Any | ToolChoice::Tool(_)));
        if !calls && forced {
            let text = format!(
                "tool_choice: a call is asked for, but `{}` calls no tools; route this request to a model that does",
                cx.model
            );
            return Err(ApiError::new(ErrorKind::InvalidRequest, text));
        }
        if !calls {
            losses.add(What::Dropped, "tools", "the model calls no tools");
            return Ok(tools);
        }
        tools.offer_all(request, cx, losses)?;
        tools.decide(request, names, losses)?;
        Ok(tools)
    }

    fn offer_all(
        &mut self,
        request: &'r Request<'b>,
        cx: &AttemptCx<'_>,
        losses: &mut Losses,
    ) -> Result<(), ApiError> {
        let mut left_out = Vec::new();
        for tool in offered(request, losses) {
            match offer(tool) {
                Offer::Foreign { kind } if is_tool_search(kind) => {}
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
                cx.provider
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
        names: &NameMap,
        losses: &mut Losses,
    ) -> Result<(), ApiError> {
        match request.tool_choice {
            None | Some(ToolChoice::Auto) => {}
            Some(ToolChoice::None) => {
                // It would call them all the same.
                losses.add(What::Replaced, "tool_choice", "the tools are left out instead");
                self.offers.clear();
            }
            Some(ToolChoice::Any) => {
                losses.add(What::Replaced, "tool_choice", TOLD);
                self.told = Some("Answer with a call of one of your tools.".to_owned());
            }
            Some(ToolChoice::Tool(wanted)) => {
                let wanted = wanted.decode();
                if !self.offers.iter().any(|offer| name(offer).is_some_and(|n| n.is(&wanted))) {
                    let text = format!("tool_choice: the tool `{wanted}` is not among `tools`");
                    return Err(ApiError::new(ErrorKind::InvalidRequest, text));
                }
                losses.add(What::Replaced, "tool_choice", TOLD);
                // By the name that the model can call.
                let wanted = names.there(&wanted);
                self.told = Some(format!("Answer with a call of the tool `{wanted}`."));
            }
        }
        if request.disable_parallel_tools && !self.offers.is_empty() {
            let path = "tool_choice.disable_parallel_tool_use";
            losses.add(What::Dropped, path, "Ollama has no field for it");
        }
        Ok(())
    }

    /// Whether no tool is offered.
    pub(crate) fn is_empty(&self) -> bool {
        self.offers.is_empty()
    }

    /// Writes `tools` as an array's elements.
    pub(crate) fn write(
        &self,
        memo: &SchemaMemo,
        names: &NameMap,
        json: &mut Json,
        losses: &mut Losses,
    ) {
        for offer in &self.offers {
            match offer {
                Offer::Function { name, description, schema, strict } => {
                    let name = name.decode();
                    if *strict {
                        let path = format!("tools.{name}.strict");
                        losses.add(What::Dropped, path, "the schema can't be enforced here");
                    }
                    let parameters = memo.mended(*schema, acceptable);
                    if parameters != schema.as_str() {
                        let path = format!("tools.{name}.input_schema");
                        losses.add(What::Hint, path, "made acceptable");
                    }
                    function(json, &names.there(&name), *description, &parameters);
                }
                Offer::Known { name, description, schema } => {
                    let description = Some(Text::from_escaped(description));
                    function(json, &names.there(&name.decode()), description, schema);
                }
                Offer::WebSearch(_) | Offer::Foreign { .. } => {}
            }
        }
    }
}

fn name<'b>(offer: &Offer<'_, 'b>) -> Option<Text<'b>> {
    match offer {
        Offer::Function { name, .. } | Offer::Known { name, .. } => Some(*name),
        Offer::WebSearch(_) | Offer::Foreign { .. } => None,
    }
}

/// The tools the model is to see. Where the caller leaves the search for tools to the provider,
/// that is all of them: nobody else would find them.
fn offered<'r, 'b>(request: &'r Request<'b>, losses: &mut Losses) -> Vec<&'r Tool<'b>> {
    let by_provider = request
        .tools
        .iter()
        .any(|tool| matches!(tool.kind, ToolKind::Versioned { kind } if is_tool_search(kind)));
    if !by_provider {
        return visible_tools(request);
    }
    losses.add(What::Replaced, "tools", "all tools are shown: this upstream can't search them");
    request.tools.iter().filter(|tool| !tool.name.is("DeferredToolPlaceholder")).collect()
}

fn is_tool_search(kind: Text<'_>) -> bool {
    kind.decode().starts_with("tool_search_tool_")
}

fn function(json: &mut Json, name: &str, description: Option<Text<'_>>, parameters: &str) {
    json.object(|json| {
        json.key("type").string("function");
        json.key("function").object(|json| {
            json.key("name").string(name);
            if let Some(description) = description {
                json.key("description").text(description);
            }
            json.key("parameters").raw(Raw::from_json(parameters));
        });
    });
}
