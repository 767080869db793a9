//! Writes a request.

use gateway_dialect::{
    Content, Part, cache_key, expect, note_others, prompt_estimate, tool_names, user_id,
};
use gateway_models::{Effort, Family, Reasoning};
use gateway_translate::{Assembler, Encoded, Json, NameMap, is_billing_line};
use gateway_types::{
    ApiError, BlockKind, Endpoint, ErrorKind, Feature, Losses, Raw, Request, Text, ThinkingDisplay,
    ThinkingMode, ToolChoice, What, escaped,
};
use http::HeaderMap;

use super::items;
use super::reader::{Of, ResponsesReader};
use super::reasoning::Carrier;
use super::tools::{self, Tools};
use crate::common::{self, Target};
use crate::effort::{self, Plan};
use crate::refused::CACHE_BREAKPOINT;
use crate::schema::format_schema;
use crate::{UserField, strict_ok};

/// Writes `request` for Responses, or for its counter of tokens.
///
/// # Errors
/// What can't be said at all, by the field that says it.
pub(crate) fn encode(request: &Request<'_>, target: &Target<'_>) -> Result<Encoded, ApiError> {
    let counting = target.cx.endpoint == Endpoint::CountTokens;
    let names = NameMap::new(tool_names(request), target.quirks.tool_name_max);
    let carrier = Carrier {
        keys: target.cx.keys.clone(),
        provider: target.cx.provider.to_owned(),
        model: target.facts.id.clone(),
        account: target.cx.account.to_owned(),
    };
    let mut losses = Losses::new();
    let tools = tools::select(request, target, &mut losses)?;
    let mut plan = effort::plan(request, target, false, &mut losses);
    if tools.searches() {
        more_than_minimal(&mut plan, request, target, &mut losses);
    }
    let mut body = Body { json: Json::with_capacity(size(request)), target };
    // Only a stream can be ended where a stop sequence is met. Some accounts must not stream.
    let wanted = request.stream || !request.stop_sequences.is_empty();
    let stream = wanted && !counting && body.may("stream");
    body.json.open('{');
    body.json.key("model").string(target.model);
    let system = body.system(request, &mut losses)?;
    let marked = body.keeps_marks(&system);
    if !marked {
        body.instructions(&system);
    }
    body.json.key("input").open('[');
    if marked {
        items::system(&system, target, &mut body.json);
    }
    let carries = !target.cx.without.contains(&Feature::ReasoningState);
    let carried = carries.then_some(&carrier);
    items::write(request, target, &names, carried, &mut body.json, &mut losses)?;
    body.json.close(']');
    body.tools(request, &tools, &names, &mut losses);
    body.reasoning(request, plan);
    body.format(request, &mut losses);
    if !counting {
        body.include(&tools);
        body.limits(request, plan, &tools, &mut losses);
        body.sampling(request, plan, &mut losses);
        body.caller(request, &mut losses);
        if stream {
            body.json.key("stream").bool(true);
        }
        for (name, value) in &target.quirks.extra_fields {
            body.json.key(name).raw(Raw::from_json(value));
        }
    }
    body.json.close('}');
    note_hints(request, marked, &mut losses);

    let prompt_estimate = prompt_estimate(request, target.facts.family, target.cx.endpoint);
    let of = Of {
        provider: target.cx.provider.to_owned(),
        model: target.cx.model.to_owned(),
        prompt_estimate,
        prompt_limit: target.overrides.context_window.or_else(|| target.facts.prompt_limit()),
    };
    let asm = Assembler::new(expect(request, target.cx, names, prompt_estimate));
    Ok(Encoded {
        path: if counting { "/responses/input_tokens" } else { "/responses" }.to_owned(),
        headers: HeaderMap::new(),
        body: body.json.into_string(),
        stream,
        reader: Box::new(ResponsesReader::new(asm, carrier, of)),
        losses,
        prompt_estimate,
    })
}

/// Room for the body: nearly all of it is copied.
fn size(request: &Request<'_>) -> usize {
    let blocks = request.messages.iter().flat_map(|message| &message.content);
    let texts: usize = request.system.iter().chain(blocks).map(|b| b.raw.as_str().len()).sum();
    let tools: usize = request.tools.iter().map(|tool| tool.raw.as_str().len()).sum();
    texts + tools + tools / 8 + 2048
}

struct Body<'t> {
    json: Json,
    target: &'t Target<'t>,
}

impl Body<'_> {
    /// Whether a field may be sent, as configuration says.
    fn may(&self, field: &str) -> bool {
        !self.target.quirks.drop_fields.iter().any(|dropped| dropped == field)
    }

    /// What the system prompt and the gateway itself tell the model.
    fn system<'b>(
        &self,
        request: &'b Request<'b>,
        losses: &mut Losses,
    ) -> Result<Vec<Part<'b>>, ApiError> {
        let mut parts = system(request, self.target, losses)?;
        // A server without schemas is told in words, and one that takes none of this kind.
        let taken = self.target.quirks.json_schema;
        let schema = request.format.filter(|schema| !taken || format_schema(*schema).is_none());
        parts.extend(schema.map(|schema| {
            let text = format!("Answer with JSON alone, of this JSON schema: {}", schema.as_str());
            Part::Text { text: escaped(&text).into_owned().into(), marked: false }
        }));
        Ok(if self.may("instructions") { parts } else { Vec::new() })
    }

    /// Whether the system prompt goes up as a message, since the caller marked in it up to where it
    /// is to be cached, and the server takes such marks, but not on `instructions`. Marks in messages
    /// move from turn to turn; they are left to the server's own cache, so that what was sent before
    /// is sent again byte for byte.
    fn keeps_marks(&self, system: &[Part<'_>]) -> bool {
        self.target.quirks.cache_breakpoints
            && matches!(self.target.facts.family, Family::Gpt5(6..) | Family::Gpt6)
            && self.may(CACHE_BREAKPOINT)
            && system.iter().any(|part| matches!(part, Part::Text { marked: true, .. }))
    }

    fn instructions(&mut self, system: &[Part<'_>]) {
        if system.is_empty() {
            return;
        }
        self.json.key("instructions").string_with(|s| {
            for (at, part) in system.iter().enumerate() {
                let Part::Text { text, .. } = part else { continue };
                s.push(if at == 0 { "" } else { "\n\n" });
                s.text(Text::from_escaped(text));
            }
        });
    }

    fn tools(
        &mut self,
        request: &Request<'_>,
        tools: &Tools<'_, '_>,
        names: &NameMap,
        losses: &mut Losses,
    ) {
        if tools.is_empty() {
            let chosen = request.tool_choice.is_some_and(|choice| choice != ToolChoice::None);
            if chosen && !request.tools.is_empty() {
                losses.add(What::Hint, "tool_choice", "no tool is left to choose");
            }
            return;
        }
        if self.may("tools") {
            self.json.key("tools");
            tools.write(names, self.target, &mut self.json, losses);
        }
        if self.may("tool_choice") {
            tools.write_choice(request, names, self.target, &mut self.json, losses);
        }
        let takes = self.target.quirks.parallel_tool_calls
            && self.target.facts.capabilities.parallel_tools != Some(false)
            && self.may("parallel_tool_calls");
        if takes {
            self.json.key("parallel_tool_calls").bool(!request.disable_parallel_tools);
        } else if request.disable_parallel_tools {
            let why = "the model takes no word on parallel calls";
            losses.add(What::Dropped, "tool_choice.disable_parallel_tool_use", why);
        }
    }

    /// Whether the model is known to reason: others refuse every word of it.
    fn reasons(&self) -> bool {
        let known = !self.target.facts.efforts.is_empty() || self.target.quirks.efforts.is_some();
        known && self.target.facts.reasoning != Reasoning::Never
    }

    fn reasoning(&mut self, request: &Request<'_>, plan: Plan) {
        let shown = request.wants_thinking()
            && request.thinking.is_some_and(|t| t.display == ThinkingDisplay::Shown)
            && plan.effort != Some(Effort::None);
        let summary = shown && self.reasons() && self.may("reasoning.summary");
        if (plan.effort.is_none() && !summary) || !self.may("reasoning") {
            return;
        }
        self.json.key("reasoning").object(|json| {
            if let Some(effort) = plan.effort {
                json.key("effort").string(effort.as_str());
            }
            if summary {
                json.key("summary").string("auto");
            }
        });
    }

    fn format(&mut self, request: &Request<'_>, losses: &mut Losses) {
        let Some(schema) = request.format else { return };
        if !self.target.quirks.json_schema {
            losses.add(What::Replaced, "output_config.format", "the schema is told in words");
            return;
        }
        if !self.may("text") {
            return;
        }
        let Some(schema) = format_schema(schema) else {
            losses.add(What::Replaced, "output_config.format", "the schema is told in words");
            return;
        };
        let schema = Raw::from_json(&schema);
        let strict = self.target.quirks.strict_schemas && strict_ok(schema);
        if !strict {
            let why = "the model is asked for the schema, not held to it";
            losses.add(What::Replaced, "output_config.format", why);
        }
        self.json.key("text").object(|json| {
            json.key("format").object(|json| {
                json.key("type").string("json_schema").key("name").string("output");
                json.key("schema").raw(schema).key("strict").bool(strict);
            });
        });
    }

    fn include(&mut self, tools: &Tools<'_, '_>) {
        let reasons = self.reasons();
        if (!reasons && !tools.searches()) || !self.may("include") {
            return;
        }
        self.json.key("include").array(|json| {
            if reasons {
                json.string("reasoning.encrypted_content");
            }
            if tools.searches() {
                json.string("web_search_call.action.sources");
            }
        });
    }

    fn limits(
        &mut self,
        request: &Request<'_>,
        plan: Plan,
        tools: &Tools<'_, '_>,
        losses: &mut Losses,
    ) {
        let reasons = self.target.reasons(plan.effort);
        if let Some(most) = self.target.output_limit(request.max_tokens, reasons, losses)
            && self.may("max_output_tokens")
        {
            self.json.key("max_output_tokens").number(most);
        }
        if let Some(uses) = tools.max_uses(losses)
            && self.may("max_tool_calls")
        {
            self.json.key("max_tool_calls").number(uses);
        }
        if !request.stop_sequences.is_empty() {
            losses.add(What::Emulated, "stop_sequences", "matched in the gateway");
        }
    }

    fn sampling(&mut self, request: &Request<'_>, plan: Plan, losses: &mut Losses) {
        let taken = effort::sampling(request, self.target, plan.effort, losses);
        for (name, value) in [("temperature", request.temperature), ("top_p", request.top_p)] {
            if let Some(value) = value.filter(|_| taken && self.may(name)) {
                self.json.key(name).raw(value);
            }
        }
        if let Some(top_k) = request.top_k {
            if self.target.quirks.top_k && self.may("top_k") {
                self.json.key("top_k").raw(top_k);
            } else {
                losses.add(What::Dropped, "top_k", "the provider does not know it");
            }
        }
    }

    /// Who asks, and what concerns the account.
    fn caller(&mut self, request: &Request<'_>, losses: &mut Losses) {
        let quirks = self.target.quirks;
        if let Some(tier) = common::service_tier(request) {
            if quirks.service_tier && self.may("service_tier") {
                self.json.key("service_tier").string(tier);
            } else {
                losses.add(What::Hint, "service_tier", "the provider has no tiers");
            }
        }
        if quirks.store && self.may("store") {
            self.json.key("store").bool(false);
        }
        if quirks.prompt_cache_key
            && self.may("prompt_cache_key")
            && let Some(key) = cache_key(request)
        {
            self.json.key("prompt_cache_key").string(&key);
        }
        let field = match quirks.user_field {
            UserField::SafetyIdentifier => Some("safety_identifier"),
            UserField::User => Some("user"),
            UserField::None => None,
        };
        if let Some(id) = user_id(request) {
            match field.filter(|field| self.may(field)) {
                Some(field) => {
                    self.json.key(field).string(&id);
                }
                None => losses.add(What::Hint, "metadata.user_id", "the provider takes none"),
            }
        }
    }
}

/// The texts of the system prompt.
fn system<'b>(
    request: &'b Request<'b>,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Vec<Part<'b>>, ApiError> {
    let mut parts = Vec::new();
    for (at, block) in request.system.iter().enumerate() {
        let path = format!("system[{at}]");
        if let BlockKind::Text { text, .. } = block.kind
            && is_billing_line(text)
        {
            losses.add(What::Hint, path, "the client's billing line would spoil the prompt cache");
            continue;
        }
        Content::new(target.senses(true), losses).parts(block, &path, &mut parts)?;
        if parts.iter().any(|part| !matches!(part, Part::Text { .. })) {
            let text = format!("{path}: only text can stand in the system prompt here");
            return Err(ApiError::new(ErrorKind::InvalidRequest, text));
        }
    }
    Ok(parts)
}

/// A search is refused beside the least effort.
fn more_than_minimal(
    plan: &mut Plan,
    request: &Request<'_>,
    target: &Target<'_>,
    losses: &mut Losses,
) {
    if plan.effort != Some(Effort::Minimal) {
        return;
    }
    let known = Some(&target.facts.efforts).filter(|efforts| !efforts.is_empty());
    let levels = known.or(target.quirks.efforts.as_ref()).into_iter().flatten();
    plan.effort = levels.copied().filter(|effort| *effort > Effort::Minimal).min();
    // That a model thinks though it is not to has been told.
    if !request.thinking.is_some_and(|thinking| thinking.mode == ThinkingMode::Disabled) {
        let why = "the model searches with more effort than minimal";
        losses.add(What::Clamped, "output_config.effort", why);
    }
}

/// Notes what has no effect on the answer. `marked`: the marks of the system prompt are kept.
fn note_hints(request: &Request<'_>, marked: bool, losses: &mut Losses) {
    note_others(request, losses);
    let blocks = request.messages.iter().flat_map(|message| &message.content);
    let system = if marked { &[][..] } else { &request.system };
    if system.iter().chain(blocks).any(|block| block.cache_control) {
        losses.add(What::Hint, "cache_control", "the provider caches prompts by itself");
    }
}
