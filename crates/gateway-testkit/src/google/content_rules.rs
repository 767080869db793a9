//! What the service refuses in a conversation: parts, turns, and the signatures of the current turn.

use serde_json::Value;

use super::models::Gemini;
use super::proto_tables::DATA;
use super::refusal::Refusal;
use super::rules::{Platform, Rules};
use super::signatures;

const IMAGES: &[&str] = &["image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"];
const RESULT_MEDIA: &[&str] =
    &["image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"];

/// Neighbours of the same role, as one.
struct Turn<'a> {
    model: bool,
    parts: Vec<&'a Value>,
    /// The first content's number, from 1.
    position: usize,
}

/// Checks `contents` and `systemInstruction` of a request that was read.
pub(crate) fn check(request: &Value, model: Gemini, rules: &Rules) -> Result<(), Refusal> {
    let contents = request["contents"].as_array().map_or(&[][..], Vec::as_slice);
    if contents.is_empty() {
        return Err(match rules.platform {
            Platform::Studio => Refusal::field("contents", "contents is not specified"),
            Platform::Vertex => Refusal::submit("at least one contents field is required"),
        });
    }
    let mut turns: Vec<Turn<'_>> = Vec::new();
    for (index, content) in contents.iter().enumerate() {
        let of_model = role(content, index, rules)?;
        let parts = content["parts"].as_array().map_or(&[][..], Vec::as_slice);
        if parts.is_empty() {
            return Err(match rules.platform {
                Platform::Studio => Refusal::field(
                    &format!("contents[{index}].parts"),
                    "contents.parts must not be empty.",
                ),
                Platform::Vertex => Refusal::submit(
                    "it must include at least one parts field, which describes the prompt input",
                ),
            });
        }
        for (number, part) in parts.iter().enumerate() {
            let at = format!("contents[{index}].parts[{number}]");
            self::part(part, &at, of_model, model, rules)?;
        }
        match turns.last_mut() {
            Some(turn) if turn.model == of_model => turn.parts.extend(parts),
            _ => turns.push(Turn {
                model: of_model,
                parts: parts.iter().collect(),
                position: index + 1,
            }),
        }
    }
    system(request, rules)?;
    order(&turns, model)?;
    signed(&turns, model, rules)
}

fn role(content: &Value, index: usize, rules: &Rules) -> Result<bool, Refusal> {
    match content["role"].as_str() {
        Some("user") => Ok(false),
        Some("model") => Ok(true),
        None if rules.platform == Platform::Studio && index == 0 => Ok(false),
        _ => Err(Refusal::new("Please use a valid role: user, model.")),
    }
}

fn system(request: &Value, rules: &Rules) -> Result<(), Refusal> {
    let Some(system) = request.get("systemInstruction") else { return Ok(()) };
    let parts = system["parts"].as_array().map_or(&[][..], Vec::as_slice);
    let refuse = |at: &str, why: &str| match rules.platform {
        Platform::Studio => Err(Refusal::field(&format!("system_instruction.{at}"), why)),
        Platform::Vertex => Err(Refusal::submit(&format!("system_instruction.{at}: {why}"))),
    };
    if parts.is_empty() {
        return refuse("parts", "must not be empty.");
    }
    for (number, part) in parts.iter().enumerate() {
        if !part["text"].is_string() {
            return refuse(&format!("parts[{number}]"), "only text parts are supported.");
        }
    }
    Ok(())
}

fn part(
    part: &Value,
    at: &str,
    of_model: bool,
    model: Gemini,
    rules: &Rules,
) -> Result<(), Refusal> {
    let studio = rules.platform == Platform::Studio;
    let refuse = |at: &str, why: &str| Err(Refusal::field(at, why));
    if DATA.iter().all(|name| part.get(*name).is_none()) {
        return if studio {
            let why = "required oneof field 'data' must have one initialized field";
            refuse(&format!("{at}.data"), why)
        } else {
            Err(Refusal::submit(
                "it must have a text parameter. Add a text parameter and try again",
            ))
        };
    }
    if !studio && part["text"] == "" && part.get("thoughtSignature").is_none() {
        return Err(Refusal::submit(
            "it has an empty text parameter. Add a value to the parameter and try again",
        ));
    }
    if part["thought"] == true && (!of_model || !part["text"].is_string()) {
        return refuse(at, "thought is supported in text parts of the model role only.");
    }
    if part.get("thoughtSignature").is_some() && !of_model {
        return refuse(at, "thought_signature is supported in the model role only.");
    }
    signatures::check(part, model, rules)?;
    let model_only =
        ["functionCall", "executableCode", "codeExecutionResult", "toolCall", "toolResponse"];
    if !of_model && model_only.iter().any(|name| part.get(*name).is_some()) {
        return Err(Refusal::new(
            "Please ensure that function call turn comes immediately after a user turn or after a function response turn.",
        ));
    }
    if of_model && part.get("functionResponse").is_some() {
        return Err(Refusal::new(
            "Please ensure that function response turn comes immediately after a function call turn.",
        ));
    }
    if let Some(data) = part.get("inlineData") {
        media(data, at, rules, |kind| {
            IMAGES.contains(&kind)
                || kind == "application/pdf"
                || ["audio/", "video/", "text/"].iter().any(|head| kind.starts_with(head))
        })?;
    }
    if let Some(file) = part.get("fileData")
        && file["fileUri"].as_str().unwrap_or_default().is_empty()
    {
        return refuse(&format!("{at}.file_data.file_uri"), "must not be empty.");
    }
    if let Some(call) = part.get("functionCall") {
        named(call, &format!("{at}.function_call"))?;
    }
    let Some(response) = part.get("functionResponse") else { return Ok(()) };
    let at = format!("{at}.function_response");
    named(response, &at)?;
    if response.get("response").is_none() {
        return refuse(&format!("{at}.response"), "[REQUIRED_FIELD_MISSING]");
    }
    for (number, part) in response["parts"].as_array().into_iter().flatten().enumerate() {
        if !model.signs() {
            return Err(Refusal::new(
                "Multimodal function responses are not supported by this model.",
            ));
        }
        let at = format!("{at}.parts[{number}]");
        let Some(data) = part.get("inlineData") else {
            return refuse(&at, "required oneof field 'data' must have one initialized field");
        };
        media(data, &at, rules, |kind| RESULT_MEDIA.contains(&kind))?;
    }
    Ok(())
}

fn named(value: &Value, at: &str) -> Result<(), Refusal> {
    match value["name"].as_str() {
        None | Some("") => Err(Refusal::field(&format!("{at}.name"), "Name cannot be empty.")),
        Some(_) => Ok(()),
    }
}

fn media(
    data: &Value,
    at: &str,
    rules: &Rules,
    known: impl Fn(&str) -> bool,
) -> Result<(), Refusal> {
    let kind = data["mimeType"].as_str().unwrap_or_default();
    if !known(kind) {
        return Err(match rules.platform {
            Platform::Studio => Refusal::new(format!("Unsupported MIME type: {kind}")),
            Platform::Vertex => Refusal::submit(&format!(
                "it has a mimeType parameter with value {kind}, which is not supported. Update the mimeType and try again"
            )),
        });
    }
    if data["data"].as_str().unwrap_or_default().is_empty() {
        return Err(Refusal::field(&format!("{at}.inline_data.data"), "must not be empty."));
    }
    Ok(())
}

/// Who speaks when, and whether calls have their responses.
fn order(turns: &[Turn<'_>], model: Gemini) -> Result<(), Refusal> {
    if turns.first().is_some_and(|turn| turn.model) {
        let call = !pick(&turns[0], "functionCall").is_empty();
        return Err(Refusal::new(if call {
            "Please ensure that function call turn comes immediately after a user turn or after a function response turn."
        } else {
            "Please ensure that multiturn requests start with a user role."
        }));
    }
    if turns.last().is_some_and(|turn| turn.model) {
        return Err(Refusal::new(
            "Please ensure that multiturn requests end with a user role or a function response.",
        ));
    }
    let mut calls: Vec<&Value> = Vec::new();
    for turn in turns {
        if turn.model {
            calls = pick(turn, "functionCall");
            continue;
        }
        let responses = pick(turn, "functionResponse");
        if !responses.is_empty() && calls.is_empty() {
            return Err(Refusal::new(
                "Please ensure that function response turn comes immediately after a function call turn.",
            ));
        }
        if responses.len() != calls.len() {
            return Err(Refusal::new(
                "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.",
            ));
        }
        paired(&calls, &responses, model)?;
        calls.clear();
    }
    Ok(())
}

fn pick<'a>(turn: &Turn<'a>, name: &str) -> Vec<&'a Value> {
    turn.parts.iter().filter_map(|part| part.get(name)).collect()
}

/// Every response names a call of its own: by the id where there is one, else by the name.
fn paired(calls: &[&Value], responses: &[&Value], model: Gemini) -> Result<(), Refusal> {
    let mut open = calls.to_vec();
    for response in responses {
        let (id, name) = (response.get("id"), &response["name"]);
        let nameless = id.is_none() && !model.wants_ids();
        let same = |call: &&Value| call["name"] == *name && (nameless || call.get("id") == id);
        let Some(at) = open.iter().position(same) else {
            let id = id.map_or_else(|| "without an id".to_owned(), |id| format!("with id {id}"));
            return Err(Refusal::new(format!(
                "Function response {name} {id} does not match any function call of the preceding function call turn."
            )));
        };
        let call = open.remove(at);
        if model.wants_ids() && call.get("id").is_none() {
            return Err(Refusal::new(format!(
                "Function call {name} and its response must have an id with this model."
            )));
        }
        if id.is_some() && open.iter().any(|other| other.get("id") == id) {
            return Err(Refusal::new(format!("Duplicate function call id {}.", call["id"])));
        }
    }
    Ok(())
}

/// In the current turn, the first call of every step has its signature.
fn signed(turns: &[Turn<'_>], model: Gemini, rules: &Rules) -> Result<(), Refusal> {
    if !model.signs() {
        return Ok(());
    }
    let speaks = |turn: &Turn<'_>| {
        !turn.model && turn.parts.iter().any(|part| part.get("functionResponse").is_none())
    };
    let from = turns.iter().rposition(speaks).unwrap_or(0);
    for turn in turns[from..].iter().filter(|turn| turn.model) {
        let first = turn.parts.iter().find(|part| part.get("functionCall").is_some());
        let Some(part) = first.filter(|part| part.get("thoughtSignature").is_none()) else {
            continue;
        };
        let (name, position) =
            (part["functionCall"]["name"].as_str().unwrap_or_default(), turn.position);
        return Err(Refusal::new(match rules.platform {
            Platform::Studio => format!(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and missing thought_signature may lead to degraded model performance. Additional data, function call `default_api:{name}` , position {position}. Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
            ),
            Platform::Vertex => format!(
                "Unable to submit request because function call `{name}` in the {position}. content block is missing a `thought_signature`. Learn more: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/thought-signatures"
            ),
        }));
    }
    Ok(())
}
