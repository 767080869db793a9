//! Answers in the form of Responses.

use serde_json::{Value, json};

use super::blobs::{Issued, Sealed, seal};
use super::turn::{Asked, CREATED, Citation, Fault, Finish, Part, Turn, Usage};
use crate::text::pieces;

/// The body of an answer that is not streamed.
pub fn body(turn: &Turn, asked: Asked<'_>) -> Value {
    match &turn.fault {
        Some(Fault::Error { code, message } | Fault::Failed { code, message }) => {
            failed(turn, asked, code, message)
        }
        _ => finished(turn, asked),
    }
}

/// The frames of a streamed answer.
pub fn frames(turn: &Turn, asked: Asked<'_>) -> Vec<String> {
    let style = &turn.style;
    let begun = response(turn, asked, "in_progress", &[]);
    let mut events = Vec::new();
    for (number, item) in items(turn, asked).iter().enumerate() {
        item_events(item, number, turn, &mut events);
    }
    let last =
        if let Some(fault @ (Fault::Error { code, message } | Fault::Failed { code, message })) =
            &turn.fault
        {
            events.truncate(events.len().div_ceil(2));
            if matches!(fault, Fault::Error { .. }) {
                let error =
                    json!({"type": "error", "code": code, "message": message, "param": null});
                if style.nested_error { json!({"type": "error", "error": error}) } else { error }
            } else {
                let failed = failed(turn, asked, code, message);
                json!({"type": "response.failed", "response": failed})
            }
        } else {
            let done = finished(turn, asked);
            let status = done["status"].as_str().expect("a response has a status");
            json!({"type": format!("response.{status}"), "response": done})
        };
    events.insert(0, json!({"type": "response.in_progress", "response": begun}));
    events.insert(0, json!({"type": "response.created", "response": begun}));
    events.push(last);
    let mut frames: Vec<String> = Vec::new();
    for (number, mut event) in events.into_iter().enumerate() {
        event["sequence_number"] = json!(number);
        let kind = event["type"].as_str().expect("an event has a type").to_owned();
        if style.obfuscation && event.get("delta").is_some() {
            event["obfuscation"] = json!(asked.id("", number, 3 + number % 9));
        }
        frames.push(style.frame(Some(&kind), &event));
    }
    if style.done == Some(true) {
        frames.push(style.done().to_owned());
    }
    frames
}

/// Notes the ids of an answer, as a server does which will see them again.
pub(crate) fn remember(turn: &Turn, asked: Asked<'_>, issued: &mut Issued) {
    let items = items(turn, asked);
    let id = |item: &Value| item["id"].as_str().unwrap_or_default().to_owned();
    for pair in items.windows(2) {
        if pair[0]["type"] == "reasoning" {
            issued.led_by.insert(id(&pair[1]), id(&pair[0]));
        }
    }
    if asked.body["store"] != false {
        issued.stored.extend(items.iter().map(id));
        issued.stored.insert(asked.id("resp_", 0, 48));
    }
}

// === The response object ===

fn finished(turn: &Turn, asked: Asked<'_>) -> Value {
    let reason = match turn.finish {
        Finish::Length => Some("max_output_tokens"),
        Finish::ContentFilter => Some("content_filter"),
        _ => None,
    };
    let status = if reason.is_some() { "incomplete" } else { "completed" };
    let mut response = response(turn, asked, status, &items(turn, asked));
    response["usage"] = usage(turn.usage);
    if let Some(reason) = reason {
        response["incomplete_details"] = json!({ "reason": reason });
    }
    response
}

fn failed(turn: &Turn, asked: Asked<'_>, code: &str, message: &str) -> Value {
    let mut response = response(turn, asked, "failed", &[]);
    response["error"] = json!({"code": code, "message": message});
    response
}

fn response(turn: &Turn, asked: Asked<'_>, status: &str, output: &[Value]) -> Value {
    let given = |name: &str, default: Value| match &asked.body[name] {
        Value::Null => default,
        value => value.clone(),
    };
    let reasons = turn.parts.iter().any(|part| matches!(part, Part::Reasoning(_)));
    let effort = if reasons { json!("medium") } else { Value::Null };
    json!({
        "id": asked.id("resp_", 0, 48), "object": "response", "created_at": CREATED,
        "status": status, "background": false, "error": null, "incomplete_details": null,
        "instructions": asked.body["instructions"], "model": asked.model(), "output": output,
        "max_output_tokens": asked.body["max_output_tokens"], "max_tool_calls": null,
        "parallel_tool_calls": given("parallel_tool_calls", json!(true)),
        "previous_response_id": asked.body["previous_response_id"],
        "prompt_cache_key": asked.body["prompt_cache_key"], "safety_identifier": null,
        "reasoning": given("reasoning", json!({"effort": effort, "summary": null})),
        "service_tier": "default", "store": given("store", json!(true)), "temperature": 1.0,
        "text": given("text", json!({"format": {"type": "text"}, "verbosity": "medium"})),
        "tool_choice": given("tool_choice", json!("auto")), "tools": given("tools", json!([])),
        "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "usage": null, "user": null,
        "metadata": given("metadata", json!({})),
    })
}

fn usage(usage: Usage) -> Value {
    let Usage { prompt, cached, cache_write, completion, reasoning } = usage;
    json!({
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": cache_write},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": prompt + completion,
    })
}

// === Items ===

fn items(turn: &Turn, asked: Asked<'_>) -> Vec<Value> {
    let last = turn.parts.len().saturating_sub(1);
    let cut = matches!(turn.finish, Finish::Length | Finish::ContentFilter);
    let each = |(number, part): (usize, &Part)| {
        let mut item = item(turn, asked, number, part);
        if cut && number == last && item["type"] != "reasoning" {
            item["status"] = json!("incomplete");
        }
        item
    };
    turn.parts.iter().enumerate().map(each).collect()
}

fn item(turn: &Turn, asked: Asked<'_>, number: usize, part: &Part) -> Value {
    let id = |prefix: &str| asked.id(prefix, number, 48);
    let message = |content: Value| {
        let mut item = json!({
            "id": id("msg_"), "type": "message", "status": "completed", "role": "assistant",
            "content": [content],
        });
        if turn.style.phase {
            let more = turn.parts[number..].iter().any(|p| matches!(p, Part::ToolCall { .. }));
            item["phase"] = json!(if more { "commentary" } else { "final_answer" });
        }
        item
    };
    match part {
        Part::Reasoning(parts) => reasoning(turn, asked, number, parts),
        Part::Text { text, citations } => {
            let annotations: Vec<Value> = citations.iter().map(annotation).collect();
            message(json!({
                "type": "output_text", "text": text, "annotations": annotations, "logprobs": [],
            }))
        }
        Part::Refusal(text) => message(json!({"type": "refusal", "refusal": text})),
        Part::ToolCall { id: call_id, name, args } => json!({
            "id": id("fc_"), "type": "function_call", "status": "completed", "name": name,
            "call_id": asked.call_id(number, call_id.as_deref()), "arguments": args,
        }),
        Part::CustomCall { name, input } => json!({
            "id": id("ctc_"), "type": "custom_tool_call", "status": "completed", "name": name,
            "call_id": asked.call_id(number, None), "input": input,
        }),
        Part::WebSearch { query, sources } => {
            let mut action = json!({"type": "search", "query": query, "queries": [query]});
            if includes(asked, "web_search_call.action.sources") {
                let url = |url: &String| json!({"type": "url", "url": url});
                action["sources"] = sources.iter().map(url).collect();
            }
            json!({
                "id": id("ws_"), "type": "web_search_call", "status": "completed",
                "action": action,
            })
        }
    }
}

fn reasoning(turn: &Turn, asked: Asked<'_>, number: usize, parts: &[String]) -> Value {
    let id = asked.id("rs_", number, 48);
    let wanted = asked.body["reasoning"]["summary"].is_string();
    let text = |text: &String| json!({"type": "summary_text", "text": text});
    let summary: Vec<Value> = parts.iter().filter(|_| wanted).map(text).collect();
    let mut item = json!({"id": id, "type": "reasoning", "summary": summary});
    if includes(asked, "reasoning.encrypted_content") {
        let call = match turn.parts.get(number + 1) {
            Some(Part::ToolCall { id, .. }) => asked.call_id(number + 1, id.as_deref()),
            Some(Part::CustomCall { .. }) => asked.call_id(number + 1, None),
            _ => String::new(),
        };
        let (account, model) = (asked.account, asked.model());
        let sealed = Sealed { account, model, item: &id, call: &call };
        item["encrypted_content"] = json!(seal(&sealed));
    }
    item
}

fn includes(asked: Asked<'_>, what: &str) -> bool {
    asked.body["include"].as_array().is_some_and(|list| list.iter().any(|item| item == what))
}

fn annotation(citation: &Citation) -> Value {
    let Citation { url, title, start, end } = citation;
    json!({
        "type": "url_citation", "url": url, "title": title, "start_index": start,
        "end_index": end,
    })
}

// === Events ===

fn item_events(item: &Value, n: usize, turn: &Turn, out: &mut Vec<Value>) {
    let style = &turn.style;
    let id = &item["id"];
    let deltas = |text: &Value| {
        let text = text.as_str().unwrap_or_default();
        if style.deltas { pieces(text, style.piece) } else { Vec::new() }
    };
    let mut added = item.clone();
    if item["type"] != "reasoning" {
        added["status"] = json!("in_progress");
    }
    let start = out.len();
    out.push(Value::Null);
    match item["type"].as_str().unwrap_or_default() {
        "message" => {
            added["content"] = json!([]);
            let part = &item["content"][0];
            let (kind, field) = if part["type"] == "refusal" {
                ("refusal", "refusal")
            } else {
                ("output_text", "text")
            };
            let mut empty = part.clone();
            empty[field] = json!("");
            if kind == "output_text" {
                empty["annotations"] = json!([]);
            }
            let here = |kind: &str| json!({"type": kind, "item_id": id, "output_index": n, "content_index": 0});
            out.push(with(here("response.content_part.added"), &[("part", &empty)]));
            for piece in deltas(&part[field]) {
                let mut event = here(&format!("response.{kind}.delta"));
                event["delta"] = json!(piece);
                if kind == "output_text" {
                    event["logprobs"] = json!([]);
                }
                out.push(event);
            }
            let annotations = part["annotations"].as_array();
            for (index, annotation) in annotations.into_iter().flatten().enumerate() {
                let event = here("response.output_text.annotation.added");
                let index = json!(index);
                out.push(with(event, &[("annotation_index", &index), ("annotation", annotation)]));
            }
            let mut done = here(&format!("response.{kind}.done"));
            done[field] = part[field].clone();
            if kind == "output_text" {
                done["logprobs"] = json!([]);
            }
            out.push(done);
            out.push(with(here("response.content_part.done"), &[("part", part)]));
        }
        "reasoning" => {
            added["summary"] = json!([]);
            if let Some(blob) = item["encrypted_content"].as_str() {
                // What is there at first is not the whole of it.
                added["encrypted_content"] = json!(&blob[..blob.len() / 2]);
            }
            for (index, part) in item["summary"].as_array().into_iter().flatten().enumerate() {
                let here = |kind: &str| {
                    let kind = format!("response.reasoning_summary_{kind}");
                    json!({"type": kind, "item_id": id, "output_index": n, "summary_index": index})
                };
                let empty = json!({"type": "summary_text", "text": ""});
                out.push(with(here("part.added"), &[("part", &empty)]));
                for piece in deltas(&part["text"]) {
                    out.push(with(here("text.delta"), &[("delta", &json!(piece))]));
                }
                out.push(with(here("text.done"), &[("text", &part["text"])]));
                out.push(with(here("part.done"), &[("part", part)]));
            }
        }
        kind @ ("function_call" | "custom_tool_call") => {
            let (stem, field) = if kind == "function_call" {
                ("response.function_call_arguments", "arguments")
            } else {
                ("response.custom_tool_call_input", "input")
            };
            added[field] = json!("");
            let here = |end: &str| json!({"type": format!("{stem}.{end}"), "item_id": id, "output_index": n});
            for piece in deltas(&item[field]) {
                out.push(with(here("delta"), &[("delta", &json!(piece))]));
            }
            let mut done = with(here("done"), &[(field, &item[field])]);
            if kind == "function_call" {
                done["name"] = item["name"].clone();
            }
            out.push(done);
        }
        "web_search_call" => {
            // What is searched for is known at the end.
            added["action"] = json!({"type": "search"});
            for stage in ["in_progress", "searching", "completed"] {
                let kind = format!("response.web_search_call.{stage}");
                out.push(json!({"type": kind, "item_id": id, "output_index": n}));
            }
        }
        _ => {}
    }
    out[start] = json!({"type": "response.output_item.added", "output_index": n, "item": added});
    out.push(json!({"type": "response.output_item.done", "output_index": n, "item": item}));
}

fn with(mut event: Value, fields: &[(&str, &Value)]) -> Value {
    for (name, value) in fields {
        event[*name] = (*value).clone();
    }
    event
}
