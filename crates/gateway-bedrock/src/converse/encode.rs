//! Writes a request.

use gateway_dialect::{
    expect, note_cache_marks, note_others, prompt_estimate, tool_names, user_id,
};
use gateway_models::Effort;
use gateway_translate::{Assembler, Encoded, Json, NameMap, is_billing_line};
use gateway_types::{
    ApiError, BlockKind, Endpoint, ErrorKind, Losses, Raw, Request, Text, What, escaped,
};
use http::HeaderMap;

use super::Target;
use super::cache::{Kept, Marks};
use super::carried::Carrier;
use super::conversation::Words;
use super::document::Names;
use super::parts::{Part, Parts};
use super::reader::ConverseReader;
use super::think::{self, Plan};
use super::tools::Tools;
use super::{claude, conversation, tools};
use crate::family::TopK;
use crate::fault::Whose;
use crate::{family, model_path};

/// Longest tool name, in characters.
const NAME_MAX: usize = 64;

/// Writes `request` for Converse, or for the counter of tokens.
///
/// # Errors
/// What can't be said at all, by the field that says it.
pub(crate) fn encode(
    request: &Request<'_>,
    target: &Target<'_>,
    whose: Whose,
) -> Result<Encoded, ApiError> {
    let counting = target.cx.endpoint == Endpoint::CountTokens;
    let claude = target.family.is_claude();
    let names = NameMap::new(tool_names(request), NAME_MAX);
    let mut losses = Losses::new();
    let called = conversation::has_calls(request);
    let tools = tools::select(request, target, &names, called, &mut losses)?;
    // Claude alone says which sequence it met. For others the gateway looks; only a stream can be ended
    // where one is met.
    let native_stops = claude && target.may("stopSequences");
    let watched = !request.stop_sequences.is_empty() && !native_stops;
    let stream = (request.stream || watched) && !counting && target.may("stream");

    let mut body = Body {
        json: Json::with_capacity(size(request)),
        target,
        names: &names,
        marks: Marks::new(target),
        losses,
    };
    body.json.open('{');
    if counting {
        body.json.key("input").open('{').key("converse").open('{');
    }
    tools.write(&names, target, &mut body.marks, &mut body.json, &mut body.losses);
    let system = body.system(request)?;
    body.json.key("messages");
    let told = conversation::write(
        request,
        target,
        &names,
        Words { first: &system, last: tools.instruction.as_deref() },
        &mut body.marks,
        &mut body.json,
        &mut body.losses,
    )?;
    let plan = think::plan(request, target, told.interrupted, &mut body.losses);
    let formatted = body.takes_format(request);
    if !counting {
        body.inference(request, &plan, native_stops);
    }
    body.additional(request, plan, &tools, counting);
    if counting {
        body.json.close('}').close('}');
    } else {
        body.rest(request, formatted, native_stops);
    }
    body.json.close('}');
    if watched {
        body.losses.add(What::Emulated, "stop_sequences", "matched in the gateway");
    }
    note_others(request, &mut body.losses);
    if !body.marks.taken() {
        note_cache_marks(request, &mut body.losses);
    }

    let Body { json, marks, mut losses, .. } = body;
    let text = marks.settle(json.into_string(), &mut losses);
    let prompt_estimate = prompt_estimate(request, target.family.maker, target.cx.endpoint);
    let mut expected = expect(request, target.cx, names, prompt_estimate);
    if native_stops {
        expected.stop_sequences.clear();
    }
    let path = if counting {
        // The counter knows models, not where they are served.
        model_path(family::bare_id(target.cx.model), "count-tokens")?
    } else {
        model_path(target.cx.model, if stream { "converse-stream" } else { "converse" })?
    };
    let whose = Whose { prompt_estimate, ..whose };
    let reader = ConverseReader::new(Assembler::new(expected), Carrier::new(target), whose);
    Ok(Encoded {
        path,
        headers: HeaderMap::new(),
        body: text,
        stream,
        reader: Box::new(reader),
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
    names: &'t NameMap,
    marks: Marks,
    losses: Losses,
}

impl Body<'_> {
    /// Writes the system prompt; gives back what a model without one is told at the beginning of the
    /// conversation instead.
    fn system<'b>(&mut self, request: &'b Request<'b>) -> Result<Vec<Part<'b>>, ApiError> {
        let target = self.target;
        let parts = Parts::new(target, self.names);
        let mut texts: Vec<(Part<'_>, Option<Kept>)> = Vec::new();
        for (at, block) in request.system.iter().enumerate() {
            let path = format!("system[{at}]");
            if let BlockKind::Text { text, .. } = block.kind
                && is_billing_line(text)
            {
                let why = "the client's billing line would spoil the prompt cache";
                self.losses.add(What::Hint, path, why);
                continue;
            }
            let mut found = Vec::new();
            parts.of(block, &path, &mut found, &mut self.losses)?;
            if found.iter().any(|part| !matches!(part, Part::Text(_))) {
                let text = format!("{path}: only text can stand in the system prompt here");
                return Err(ApiError::new(ErrorKind::InvalidRequest, text));
            }
            texts.extend(found.into_iter().map(|part| (part, None)));
            // A mark on what is left out moves to what is before.
            if block.cache_control
                && let Some((_, mark)) = texts.last_mut()
            {
                *mark = Some(Kept::of_block(block));
            }
        }
        if let Some(schema) = request.format.filter(|_| !self.takes_format(request)) {
            let why = "the schema is told in words";
            self.losses.add(What::Replaced, "output_config.format", why);
            // Behind the last mark.
            let words = format!("Answer with JSON alone, of this JSON schema: {}", schema.as_str());
            texts.push((Part::Text(escaped(&words).into_owned().into()), None));
        }
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        if !target.family.system || !target.may("system") {
            self.losses.add(What::Replaced, "system", "the user says it: the model takes none");
            return Ok(texts.into_iter().map(|(part, _)| part).collect());
        }
        self.json.key("system").open('[');
        for (part, mark) in texts {
            part.write(&mut Names::default(), &mut self.json);
            if let Some(kept) = mark {
                self.marks.behind_block(kept, &mut self.json, &mut self.losses);
            }
        }
        self.json.close(']');
        Ok(Vec::new())
    }

    /// Whether the model is held to the schema that the answer must follow.
    fn takes_format(&self, request: &Request<'_>) -> bool {
        let target = self.target;
        let takes = !target.family.is_claude() || target.since((4, 5), true);
        request.format.is_some() && target.family.text_format && takes && target.may("outputConfig")
    }

    fn inference(&mut self, request: &Request<'_>, plan: &Plan, native_stops: bool) {
        let target = self.target;
        if plan.unlimited {
            let fields = [("temperature", request.temperature), ("top_p", request.top_p)];
            for (path, _) in fields.into_iter().filter(|(_, value)| value.is_some()) {
                self.losses.add(What::Dropped, path, "not taken while the model thinks hard");
            }
            let why = "the model takes no limit while it thinks hard";
            self.losses.add(What::Dropped, "max_tokens", why);
            return;
        }
        let most = target.facts.max_output.unwrap_or(u64::MAX);
        let max_tokens = request.max_tokens.map(|wanted| {
            if wanted > most {
                let why = format!("the model answers with at most {most} tokens");
                self.losses.add(What::Clamped, "max_tokens", why);
            }
            wanted.clamp(1, most.max(1))
        });
        let sampling = self.sampling(request, plan);
        let stops: &[Text<'_>] = if native_stops { &request.stop_sequences } else { &[] };
        if max_tokens.is_none()
            && sampling.iter().all(|(_, value)| value.is_none())
            && stops.is_empty()
        {
            return;
        }
        self.json.key("inferenceConfig").object(|json| {
            if let Some(max_tokens) = max_tokens {
                json.key("maxTokens").number(max_tokens);
            }
            for (name, value) in sampling {
                if let Some(value) = value {
                    json.key(name).raw(value);
                }
            }
            if !stops.is_empty() {
                json.key("stopSequences").array(|json| {
                    for stop in stops.iter().filter(|stop| !stop.is_empty()) {
                        json.text(*stop);
                    }
                });
            }
        });
    }

    /// Whether sampling may be spoken of while the model thinks, or not.
    fn takes_sampling(&self, plan: &Plan) -> bool {
        let effort = if plan.thinks { Effort::High } else { Effort::None };
        let known = self.target.facts.takes_sampling(Some(effort));
        known.unwrap_or_else(|| !(self.target.family.is_claude() && plan.thinks))
    }

    fn sampling<'r>(
        &mut self,
        request: &Request<'r>,
        plan: &Plan,
    ) -> [(&'static str, Option<Raw<'r>>); 2] {
        let taken = self.takes_sampling(plan);
        let mut out = [("temperature", None), ("topP", None)];
        let fields = [("temperature", request.temperature), ("top_p", request.top_p)];
        for (at, (path, value)) in fields.into_iter().enumerate() {
            let Some(value) = value else { continue };
            let number = value.as_str().parse::<f64>().ok();
            let default = number.is_some_and(|n| (n - 1.0).abs() < f64::EPSILON);
            // Newer models of Claude's take one of the two.
            let second = at == 1 && out[0].1.is_some() && self.target.since((4, 1), false);
            if !taken || second || !self.target.may(path) {
                let what = if default { What::Hint } else { What::Dropped };
                let why = if second { "not taken beside a temperature" } else { "not taken now" };
                self.losses.add(what, path, why);
            } else if at == 0 && number.is_some_and(|n| n > 1.0) {
                self.losses.add(What::Clamped, path, "at most 1");
                out[at].1 = Some(Raw::from_json("1"));
            } else {
                out[at].1 = Some(value);
            }
        }
        out
    }

    /// The fields of the model's own.
    fn additional(&mut self, request: &Request<'_>, plan: Plan, tools: &Tools<'_>, counting: bool) {
        let target = self.target;
        let mut betas = claude::betas(target, &mut self.losses);
        betas.extend(plan.beta.filter(|_| target.may("anthropic_beta")));
        let taken = self.takes_sampling(&plan);
        let mut fields = plan.fields;
        if let Some(top_k) = request.top_k.filter(|_| !counting) {
            let place = target.family.top_k;
            match place {
                _ if !taken || plan.unlimited || !target.may("top_k") => {
                    self.losses.add(What::Dropped, "top_k", "not taken now");
                }
                TopK::Nowhere => {
                    self.losses.add(What::Dropped, "top_k", "the model does not know it");
                }
                TopK::Plain => fields.push(("top_k", top_k.as_str().to_owned())),
                TopK::Nova => {
                    let value = format!(r#"{{"topK":{}}}"#, top_k.as_str());
                    fields.push(("inferenceConfig", value));
                }
            }
        }
        fields.extend(tools.single_choice(self.names).map(|choice| ("tool_choice", choice)));
        if !betas.is_empty() {
            let mut list = Json::new();
            list.array(|list| {
                for beta in &betas {
                    list.string(beta);
                }
            });
            fields.push(("anthropic_beta", list.into_string()));
        }
        if fields.is_empty() {
            return;
        }
        self.json.key("additionalModelRequestFields").object(|json| {
            for (name, value) in &fields {
                json.key(name).raw(Raw::from_json(value));
            }
        });
    }

    /// What is no part of the prompt.
    fn rest(&mut self, request: &Request<'_>, formatted: bool, native_stops: bool) {
        let target = self.target;
        if native_stops && !request.stop_sequences.is_empty() {
            let paths = Raw::from_json(r#"["/stop_sequence"]"#);
            self.json.key("additionalModelResponseFieldPaths").raw(paths);
        }
        if let Some(schema) = request.format.filter(|_| formatted) {
            self.json.key("outputConfig").object(|json| {
                json.key("textFormat").object(|json| {
                    json.key("type").string("json_schema").key("structure").object(|json| {
                        json.key("jsonSchema").object(|json| {
                            json.key("schema").json_in_string(schema).key("name").string("output");
                        });
                    });
                });
            });
        }
        let tier = match request.service_tier.map(Text::decode).as_deref() {
            _ if request.speed.is_some_and(|speed| speed.is("fast")) => Some("priority"),
            Some(tier @ ("priority" | "default" | "flex" | "reserved")) => Some(match tier {
                "priority" => "priority",
                "flex" => "flex",
                "reserved" => "reserved",
                _ => "default",
            }),
            Some("standard_only") => Some("default"),
            _ => None,
        };
        if let Some(tier) = tier.filter(|tier| *tier != "default") {
            if target.may("serviceTier") {
                self.json.key("serviceTier").object(|json| {
                    json.key("type").string(tier);
                });
            } else {
                self.losses.add(What::Hint, "service_tier", "the model has no tiers");
            }
        }
        if let Some(id) = user_id(request) {
            if target.may("requestMetadata") {
                self.json.key("requestMetadata").object(|json| {
                    json.key("user_id").string(&id);
                });
            } else {
                self.losses.add(What::Hint, "metadata.user_id", "the provider takes none");
            }
        }
    }
}
