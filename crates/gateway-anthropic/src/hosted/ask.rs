//! The top of a body, as a host and its Claude want it: no model, no stream, the kind of thinking that
//! this Claude knows.

use gateway_translate::Malformed;
use gateway_types::{ApiError, Endpoint, ErrorKind, Losses, What};

use super::rules::Rules;
use super::{Host, HostCx};
use crate::edit::node::{Edit, Fate, Member, Node, apply, settle};

/// The body with its top put right.
pub(super) struct Asked {
    pub(super) body: String,
    /// Betas beside those of the header: that stood in the body, as callers of Bedrock write them, or
    /// that the host wants for what is asked.
    pub(super) betas: Vec<String>,
    /// The effort that the caller asked for, as written.
    pub(super) effort: Option<String>,
}

/// What one step has to know.
struct Top<'b, 'r> {
    members: Vec<Member<'b>>,
    rules: &'r Rules,
    losses: Losses,
}

/// Puts the top of `body` right.
pub(super) fn ask(
    host: &Host,
    body: &[u8],
    cx: &HostCx<'_>,
    rules: &Rules,
) -> Result<(Asked, Losses), ApiError> {
    let invalid = |what: String| ApiError::new(ErrorKind::InvalidRequest, what);
    let text = std::str::from_utf8(body).map_err(|fault| {
        invalid(format!("the request body is not valid UTF-8 at byte {}", fault.valid_up_to()))
    })?;
    let malformed = |fault: Malformed| invalid(format!("the request body is not valid: {fault}"));
    let (whole, members) = Node::whole_with_members(text).map_err(malformed)?;
    if !whole.raw().is_object() {
        return Err(invalid("the request body is no JSON object".to_owned()));
    }
    put_right(text, (whole, members), host, cx, rules).map_err(malformed)
}

fn put_right(
    text: &str,
    (whole, members): (Node<'_>, Vec<Member<'_>>),
    host: &Host,
    cx: &HostCx<'_>,
    rules: &Rules,
) -> Result<(Asked, Losses), Malformed> {
    let mut top = Top { members, rules, losses: Losses::new() };
    let mut betas = Vec::new();
    for beta in top.get("anthropic_beta").map(Node::elements).transpose()?.unwrap_or_default() {
        betas.extend(beta.text().map(|beta| beta.decode().into_owned()));
    }
    betas.extend(top.betas_of_tools(cx.betas)?.into_iter().map(str::to_owned));
    let mut added = Vec::new();
    let clamped = top.clamped();
    let thinking = top.thinking(clamped)?;
    let mut output_config = top.output_config(&thinking, &mut added)?;
    let sampling = top.sampling();
    let counts = cx.endpoint == Endpoint::CountTokens;
    // Vertex counts for the model that the body names.
    let names_model =
        *host == Host::BedrockMessages || (counts && matches!(host, Host::Vertex { .. }));
    let says_stream = *host != Host::Bedrock && !counts;

    let mut fates = Vec::with_capacity(top.members.len());
    let mut max_tokens = false;
    for member in &top.members {
        let key = member.key.decode();
        fates.push(match &*key {
            "model" if names_model => {
                let name = serde_json::to_string(cx.model).unwrap_or_default();
                member.with_value(&name)
            }
            "model" | "anthropic_version" | "anthropic_beta" => Fate::Remove,
            "stream" if !says_stream || !cx.stream => Fate::Remove,
            "stream" if member.value.raw().as_str() != "true" => member.with_value("true"),
            "thinking" => match &thinking {
                Thinking::AsItIs | Thinking::None => Fate::Keep,
                Thinking::Becomes { json, .. } => member.with_value(json),
                Thinking::Goes => Fate::Remove,
            },
            // Of duplicates the last was looked at.
            "output_config" if top.get(&key).map(Node::span) != Some(member.value.span()) => {
                Fate::Remove
            }
            "output_config" => output_config.take().unwrap_or_default(),
            "output_format" if top.get("output_config").is_none() => Fate::Remove,
            "max_tokens" if clamped.is_some() => {
                max_tokens = true;
                member.with_value(&clamped.unwrap_or_default().to_string())
            }
            key if sampling.contains(&key) => Fate::Remove,
            key => {
                max_tokens |= key == "max_tokens";
                Fate::Keep
            }
        });
    }
    if names_model && top.get("model").is_none() {
        added.push(format!("\"model\":{}", serde_json::to_string(cx.model).unwrap_or_default()));
    }
    if says_stream && cx.stream && top.get("stream").is_none() {
        added.push("\"stream\":true".to_owned());
    }
    if counts && *host == Host::Bedrock && !max_tokens {
        // A whole request is counted, and without it it is none. Thinking has to fit in.
        let room = top.budget(&thinking)?.map_or(1, |budget| budget.saturating_add(1));
        added.push(format!("\"max_tokens\":{room}"));
    }
    let spans: Vec<_> = top.members.iter().map(Member::span).collect();
    let emptied = fates.iter().all(Fate::is_gone);
    let mut edits = settle(&spans, fates);
    if !added.is_empty() {
        let at = whole.span().end - 1;
        let comma = if emptied { "" } else { "," };
        edits.push(Edit::new(at..at, format!("{comma}{}", added.join(","))));
    }
    let effort = top.effort()?.map(|effort| effort.raw().as_str().to_owned());
    Ok((Asked { body: apply(text, edits), betas, effort }, top.losses))
}

/// What becomes of `thinking`.
enum Thinking {
    /// The caller says nothing of it.
    None,
    AsItIs,
    Becomes {
        json: String,
        effort: Option<&'static str>,
        budget: Option<u64>,
    },
    Goes,
}

impl<'b> Top<'b, '_> {
    fn get(&self, key: &str) -> Option<Node<'b>> {
        self.members.iter().rev().find(|m| m.key.is(key)).map(|m| m.value)
    }

    /// Betas that the tools need on this host, though they may need none where the caller thinks they go.
    fn betas_of_tools(&self, said: &str) -> Result<Vec<&'static str>, Malformed> {
        let mut needed = Vec::new();
        for tool in self.get("tools").map(Node::elements).transpose()?.unwrap_or_default() {
            let members = tool.members()?;
            let last = |key: &str| members.iter().rev().find(|m| m.key.is(key)).map(|m| m.value);
            let kind = last("type").and_then(Node::text).unwrap_or_default().decode();
            let deferred = last("defer_loading").is_some_and(|d| d.raw().as_str() == "true");
            for (stem, beta, instead) in self.rules.tool_betas {
                let needs = kind.starts_with(stem) || (deferred && *stem == "tool_search_tool_");
                let has = said.contains(beta) || said.contains(instead) || needed.contains(beta);
                if needs && !has {
                    needed.push(*beta);
                }
            }
        }
        Ok(needed)
    }

    fn effort(&self) -> Result<Option<Node<'b>>, Malformed> {
        Ok(self.get("output_config").map(|config| config.get("effort")).transpose()?.flatten())
    }

    /// The limit of the answer, where more is asked for than this Claude has.
    fn clamped(&mut self) -> Option<u64> {
        let most = self.rules.claude.max_output()?;
        self.get("max_tokens").and_then(number).filter(|asked| *asked > most)?;
        self.losses.add(What::Clamped, "max_tokens", format!("this Claude answers {most} at most"));
        Some(most)
    }

    /// A budget for those Claudes that want one, none for those that refuse it.
    fn thinking(&mut self, clamped: Option<u64>) -> Result<Thinking, Malformed> {
        let Some(thinking) = self.get("thinking") else { return Ok(Thinking::None) };
        let claude = self.rules.claude;
        let kind = thinking.get("type")?.and_then(Node::text).unwrap_or_default().decode();
        match &*kind {
            "enabled" if claude.only_adapts() => {
                let display = match thinking.get("display")? {
                    Some(display) => format!(r#","display":{}"#, display.raw().as_str()),
                    None => String::new(),
                };
                let effort = match self.effort()? {
                    Some(_) => None,
                    None => thinking.get("budget_tokens")?.and_then(number).map(effort_of),
                };
                let why = "this Claude decides by the effort how long it thinks";
                self.losses.add(What::Replaced, "thinking.budget_tokens", why);
                let json = format!(r#"{{"type":"adaptive"{display}}}"#);
                Ok(Thinking::Becomes { json, effort, budget: None })
            }
            "adaptive" if claude.thinks() && !claude.adapts() => {
                let effort = self.effort()?.and_then(Node::text).unwrap_or_default().decode();
                let asked = self.get("max_tokens").and_then(number);
                let room = clamped.or(asked).unwrap_or(u64::MAX);
                let Some(budget) = budget_of(&effort, room) else {
                    let why = "this Claude wants a budget, and max_tokens leaves no room for one";
                    self.losses.add(What::Dropped, "thinking", why);
                    return Ok(Thinking::Goes);
                };
                let why = "this Claude wants a budget for its thinking";
                self.losses.add(What::Replaced, "thinking", why);
                let json = format!(r#"{{"type":"enabled","budget_tokens":{budget}}}"#);
                Ok(Thinking::Becomes { json, effort: None, budget: Some(budget) })
            }
            "enabled" if let Some(room) = clamped => {
                // A budget that fitted what was asked for need not fit what there is.
                let asked = thinking.get("budget_tokens")?.and_then(number);
                if asked.is_none_or(|budget| budget < room) {
                    return Ok(Thinking::AsItIs);
                }
                let budget = room / 2;
                let why = "it has to fit into this Claude's longest answer";
                self.losses.add(What::Clamped, "thinking.budget_tokens", why);
                let display = match thinking.get("display")? {
                    Some(display) => format!(r#","display":{}"#, display.raw().as_str()),
                    None => String::new(),
                };
                let json = format!(r#"{{"type":"enabled","budget_tokens":{budget}{display}}}"#);
                Ok(Thinking::Becomes { json, effort: None, budget: Some(budget) })
            }
            _ => Ok(Thinking::AsItIs),
        }
    }

    fn budget(&self, thinking: &Thinking) -> Result<Option<u64>, Malformed> {
        Ok(match thinking {
            Thinking::Becomes { budget, .. } => *budget,
            Thinking::AsItIs => {
                let thinking = self.get("thinking").map(|t| t.get("budget_tokens")).transpose()?;
                thinking.flatten().and_then(number)
            }
            Thinking::None | Thinking::Goes => None,
        })
    }

    /// What becomes of `output_config`; where it isn't there, it may be `added`.
    fn output_config(
        &mut self,
        thinking: &Thinking,
        added: &mut Vec<String>,
    ) -> Result<Option<Fate>, Malformed> {
        let efforts = self.rules.claude.efforts();
        let wanted = match thinking {
            Thinking::Becomes { effort: Some(effort), .. } if !efforts.is_empty() => Some(*effort),
            _ => None,
        };
        let Some(config) = self.get("output_config") else {
            // The older name of one of its members.
            let format = self.get("output_format");
            let format = format.map(|format| format!(r#""format":{}"#, format.raw().as_str()));
            let effort = wanted.map(|effort| format!(r#""effort":"{effort}""#));
            let members: Vec<String> = effort.into_iter().chain(format).collect();
            if !members.is_empty() {
                added.push(format!(r#""output_config":{{{}}}"#, members.join(",")));
            }
            return Ok(None);
        };
        let members = config.members()?;
        if let Some(effort) = wanted {
            let at = config.span().start + 1;
            let comma = if members.is_empty() { "" } else { "," };
            let text = format!(r#""effort":"{effort}"{comma}"#);
            return Ok(Some(Fate::Inside(vec![Edit::new(at..at, text)])));
        }
        let asked_by_budget = matches!(thinking, Thinking::Becomes { budget: Some(_), .. });
        let mut fates = Vec::with_capacity(members.len());
        for member in &members {
            let effort = member.value.text().unwrap_or_default().decode();
            let known = !member.key.is("effort") || efforts.contains(&&*effort);
            fates.push(if known {
                Fate::Keep
            } else if efforts.is_empty() && asked_by_budget {
                let why = "the budget for thinking says it";
                self.losses.add(What::Replaced, "output_config.effort", why);
                Fate::Remove
            } else if let ("xhigh" | "max", Some(highest)) = (&*effort, nearest(&effort, efforts)) {
                let why = format!("the highest effort of this Claude is {highest}");
                self.losses.add(What::Clamped, "output_config.effort", why);
                member.with_value(&format!("\"{highest}\""))
            } else {
                Fate::Keep
            });
        }
        if !fates.is_empty() && fates.iter().all(Fate::is_gone) {
            return Ok(Some(Fate::Remove));
        }
        let spans: Vec<_> = members.iter().map(Member::span).collect();
        Ok(Some(Fate::inside(settle(&spans, fates))))
    }

    /// The sampling parameters that this Claude refuses.
    fn sampling(&mut self) -> Vec<&'static str> {
        let claude = self.rules.claude;
        let refused = claude.only_adapts() || self.rules.version == super::NEW_VERSION;
        let both = self.get("temperature").is_some() && self.get("top_p").is_some();
        let mut gone = Vec::new();
        for (key, goes, why) in [
            ("temperature", refused, "this Claude takes none"),
            ("top_k", refused, "this Claude takes none"),
            ("top_p", refused, "this Claude takes none"),
            ("top_p", !refused && both && claude.takes_one_sampling(), "not beside temperature"),
        ] {
            if let (Some(value), true) = (self.get(key), goes) {
                let is_default = key != "top_k" && matches!(value.raw().as_str(), "1" | "1.0");
                let what = if is_default { What::Hint } else { What::Dropped };
                self.losses.add(what, key, why);
                gone.push(key);
            }
        }
        gone
    }
}

fn number(node: Node<'_>) -> Option<u64> {
    node.raw().as_str().parse().ok()
}

/// What Claude is asked for by a budget, in the steps that other dialects here use too.
fn effort_of(budget: u64) -> &'static str {
    match budget {
        0..2048 => "low",
        2048..8192 => "medium",
        8192..24576 => "high",
        _ => "xhigh",
    }
}

/// And the other way round; half of `max_tokens` is left for the answer. The API wants 1024 at least.
fn budget_of(effort: &str, max_tokens: u64) -> Option<u64> {
    let wanted = match effort {
        "low" => 2048,
        "medium" => 8192,
        "xhigh" | "max" => 31_999,
        _ => 16_384,
    };
    let budget = wanted.min(max_tokens / 2).max(1024);
    (budget < max_tokens).then_some(budget)
}

/// The highest of `efforts`, which stand in order; of `xhigh` the next lower one, since `max` is more than
/// what was asked for.
fn nearest(effort: &str, efforts: &[&'static str]) -> Option<&'static str> {
    let mut efforts = efforts.iter().rev().copied();
    match effort {
        "xhigh" => efforts.find(|effort| *effort != "max"),
        _ => efforts.next(),
    }
}
