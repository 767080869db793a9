//! Answers in the form of Chat Completions.

use serde_json::{Map, Value, json};

use super::chat_calls::{Call, call_deltas, entry};
use super::openrouter_rules;
use super::style::{ReasoningAt, Style, UsageAt};
use super::turn::{Asked, CREATED, Citation, Fault, Finish, Part, Turn, Usage};
use crate::text::pieces;

/// The body of an answer that is not streamed.
pub fn body(turn: &Turn, asked: Asked<'_>) -> Value {
    if let Some(Fault::Error { code, message } | Fault::Failed { code, message }) = &turn.fault {
        return if turn.style.openrouter {
            let mut body = openrouter_rules::failed(code, message);
            body.as_object_mut().expect("an object").remove("choices");
            body
        } else {
            error(code, message)
        };
    }
    let style = &turn.style;
    let mut message = Map::from_iter([("role".to_owned(), json!("assistant"))]);
    let (mut content, mut reasoning, mut refusal) = (None::<String>, String::new(), Value::Null);
    let (mut calls, mut annotations) = (Vec::new(), Vec::new());
    for (number, part) in turn.parts.iter().enumerate() {
        match part {
            Part::Reasoning(parts) => reasoning.push_str(&parts.join("\n\n")),
            Part::Text { text, citations } => {
                content.get_or_insert_default().push_str(text);
                annotations.extend(citations.iter().map(annotation));
            }
            Part::Refusal(text) => refusal = json!(text),
            Part::ToolCall { id, name, args } => {
                let id = asked.call_id(number, id.as_deref());
                let call = Call { id, kind: "function", name, args };
                calls.push(entry(style, calls.len(), &call, true, true, args));
            }
            Part::CustomCall { name, input } => {
                let id = asked.call_id(number, None);
                let call = Call { id, kind: "custom", name, args: input };
                calls.push(entry(style, calls.len(), &call, true, true, input));
            }
            Part::WebSearch { .. } => {}
        }
    }
    for call in &mut calls {
        call.as_object_mut().expect("an entry is an object").remove("index");
    }
    match style.reasoning {
        ReasoningAt::Think if !reasoning.is_empty() => {
            content = Some(think(&reasoning) + &content.unwrap_or_default());
        }
        ReasoningAt::Field(name) if !reasoning.is_empty() => {
            message.insert(name.to_owned(), json!(reasoning));
        }
        ReasoningAt::Details if !reasoning.is_empty() => {
            message.insert("reasoning".to_owned(), json!(reasoning));
            let mut details = detail(&reasoning);
            details["signature"] = json!(openrouter_rules::signature(&reasoning));
            message.insert("reasoning_details".to_owned(), json!([details]));
        }
        _ => {}
    }
    let content = content.map_or(Value::Null, |text| said(style, &text));
    message.insert("content".to_owned(), content);
    message.insert("refusal".to_owned(), refusal);
    if !calls.is_empty() {
        message.insert("tool_calls".to_owned(), json!(calls));
    } else if style.nulls {
        message.insert("tool_calls".to_owned(), Value::Null);
    }
    if !annotations.is_empty() {
        message.insert("annotations".to_owned(), json!(annotations));
    }
    let mut choice = json!({
        "index": 0, "message": message, "logprobs": null, "finish_reason": finish(turn, asked),
    });
    let mut body = json!({
        "id": asked.id("chatcmpl-", 0, 29), "object": "chat.completion", "created": CREATED,
        "model": asked.model(), "service_tier": "default", "system_fingerprint": "fp_test",
    });
    if style.azure {
        body["prompt_filter_results"] = prompt_filter();
        choice["content_filter_results"] = safe();
    }
    match style.usage {
        UsageAt::Never => {}
        UsageAt::Choice => choice["usage"] = usage(style, turn.usage),
        UsageAt::XGroq => {
            body["x_groq"] = json!({"id": "req_01", "usage": usage(style, turn.usage)});
        }
        _ => body["usage"] = usage(style, turn.usage),
    }
    body["choices"] = json!([choice]);
    body
}

/// The frames of a streamed answer.
pub fn frames(turn: &Turn, asked: Asked<'_>) -> Vec<String> {
    let style = &turn.style;
    let mut deltas = deltas(turn, asked);
    let fault = match &turn.fault {
        Some(Fault::Error { code, message } | Fault::Failed { code, message }) => {
            deltas.truncate(deltas.len().div_ceil(2));
            Some(if style.openrouter {
                openrouter_rules::failed(code, message)
            } else {
                error(code, message)
            })
        }
        _ => None,
    };
    let asks_usage = asked.body["stream_options"]["include_usage"] == true;
    let mut chunks = Vec::new();
    if style.azure {
        chunks.push(json!({
            "choices": [], "prompt_filter_results": prompt_filter(), "id": "", "object": "",
            "model": "", "created": 0,
        }));
    }
    let said = deltas.len();
    for (number, delta) in deltas.into_iter().enumerate() {
        let mut chunk = chunk(style, asked, delta, &Value::Null);
        if style.usage == UsageAt::EveryChunk {
            let done = turn.usage.completion * (number as u64 + 1) / (said as u64 + 1);
            let reasoning = turn.usage.reasoning.min(done);
            chunk["usage"] = usage(style, Usage { completion: done, reasoning, ..turn.usage });
        }
        chunks.push(chunk);
    }
    if fault.is_none() && turn.finish != Finish::Null {
        let mut last = chunk(style, asked, json!({}), &finish(turn, asked));
        match style.usage {
            UsageAt::FinishChunk | UsageAt::EveryChunk => last["usage"] = usage(style, turn.usage),
            UsageAt::XGroq => {
                last["x_groq"] = json!({"id": "req_01", "usage": usage(style, turn.usage)});
            }
            UsageAt::Choice => last["choices"][0]["usage"] = usage(style, turn.usage),
            UsageAt::OwnChunk | UsageAt::Never => {}
        }
        chunks.push(last);
    }
    if style.azure && fault.is_none() && turn.finish != Finish::Null {
        // The asynchronous filter's word, which comes when it comes.
        let offsets = json!({"check_offset": 44, "start_offset": 44, "end_offset": 198});
        chunks.push(json!({
            "choices": [{"index": 0, "finish_reason": null, "content_filter_results": safe(),
                "content_filter_offsets": offsets}],
            "id": "", "object": "", "model": "", "created": 0,
        }));
    }
    if style.usage == UsageAt::OwnChunk && (asks_usage || style.openrouter) {
        for chunk in &mut chunks {
            chunk["usage"] = Value::Null;
        }
        if fault.is_none() {
            let mut own = chunk(style, asked, json!({}), &Value::Null);
            if !style.openrouter {
                own["choices"] = json!([]);
            }
            own["usage"] = usage(style, turn.usage);
            chunks.push(own);
        }
    }
    if style.obfuscation {
        for (number, chunk) in chunks.iter_mut().enumerate() {
            chunk["obfuscation"] = json!(asked.id("", number, 3 + number % 9));
        }
    }
    let mut frames: Vec<String> = chunks.iter().map(|chunk| style.frame(None, chunk)).collect();
    if style.openrouter {
        let waits = ": OPENROUTER PROCESSING\n\n";
        frames.insert(frames.len() / 2, waits.to_owned());
        frames.insert(0, waits.to_owned());
    }
    match fault {
        Some(error) => frames.push(style.frame(None, &error)),
        None if style.done != Some(false) => frames.push(style.done().to_owned()),
        None => {}
    }
    frames
}

fn chunk(style: &Style, asked: Asked<'_>, mut delta: Value, finish: &Value) -> Value {
    if style.role_everywhere {
        delta["role"] = json!("assistant");
    }
    if style.nulls {
        for name in ["content", "refusal", "tool_calls", "function_call", "reasoning_content"] {
            if delta.get(name).is_none() {
                delta[name] = Value::Null;
            }
        }
    }
    let mut choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
    if style.azure {
        choice["content_filter_results"] = if finish.is_null() { safe() } else { json!({}) };
    }
    if style.openrouter {
        choice["native_finish_reason"] = finish.clone();
    }
    let mut chunk = json!({
        "id": asked.id("chatcmpl-", 0, 29), "object": "chat.completion.chunk", "created": CREATED,
        "model": asked.model(), "service_tier": "default", "system_fingerprint": "fp_test",
        "choices": [choice],
    });
    if style.openrouter {
        chunk["provider"] = json!("Anthropic");
    }
    chunk
}

/// The deltas of all that is said, without the end.
fn deltas(turn: &Turn, asked: Asked<'_>) -> Vec<Value> {
    let style = &turn.style;
    let first_is_text = matches!(turn.parts.first(), Some(Part::Text { .. }));
    let content = if first_is_text { json!("") } else { Value::Null };
    let mut deltas = vec![json!({"role": "assistant", "content": content, "refusal": null})];
    let mut calls = Vec::new();
    for (number, part) in turn.parts.iter().enumerate() {
        let text_deltas = |field: &str, text: &str| {
            let value = |piece: String| match field {
                "content" => said(style, &piece),
                _ => json!(piece),
            };
            let delta = |piece| json!({field: value(piece)});
            pieces(text, style.piece).into_iter().map(delta).collect()
        };
        let more: Vec<Value> = match part {
            Part::Reasoning(parts) => {
                let text = parts.join("\n\n");
                match style.reasoning {
                    ReasoningAt::Hidden => Vec::new(),
                    ReasoningAt::Field(name) => text_deltas(name, &text),
                    ReasoningAt::Think => text_deltas("content", &think(&text)),
                    ReasoningAt::Details => details(&text, style),
                }
            }
            Part::Text { text, citations } => {
                let mut more: Vec<Value> = text_deltas("content", text);
                if !citations.is_empty() {
                    let annotations: Vec<Value> = citations.iter().map(annotation).collect();
                    more.push(json!({"annotations": annotations}));
                }
                more
            }
            Part::Refusal(text) => text_deltas("refusal", text),
            Part::ToolCall { id, name, args } => {
                let id = asked.call_id(number, id.as_deref());
                calls.push(Call { id, kind: "function", name, args });
                Vec::new()
            }
            Part::CustomCall { name, input } => {
                let id = asked.call_id(number, None);
                calls.push(Call { id, kind: "custom", name, args: input });
                Vec::new()
            }
            Part::WebSearch { .. } => Vec::new(),
        };
        if !more.is_empty() && !calls.is_empty() {
            deltas.extend(call_deltas(style, &std::mem::take(&mut calls)));
        }
        deltas.extend(more);
    }
    deltas.extend(call_deltas(style, &calls));
    deltas
}

/// Content in the style's form.
fn said(style: &Style, text: &str) -> Value {
    if style.content_parts { json!([{"type": "text", "text": text}]) } else { json!(text) }
}

fn think(text: &str) -> String {
    format!("<think>\n{text}\n</think>\n\n")
}

fn detail(text: &str) -> Value {
    json!({"type": "reasoning.text", "text": text, "format": "unknown", "index": 0})
}

fn details(text: &str, style: &Style) -> Vec<Value> {
    let of = |piece: String| json!({"reasoning": piece, "reasoning_details": [detail(&piece)]});
    let mut deltas: Vec<Value> = pieces(text, style.piece).into_iter().map(of).collect();
    let signature = json!({
        "type": "reasoning.text", "signature": openrouter_rules::signature(text), "format": "unknown",
        "index": 0,
    });
    deltas.push(json!({"reasoning_details": [signature]}));
    deltas
}

fn annotation(citation: &Citation) -> Value {
    let Citation { url, title, start, end } = citation;
    let inner = json!({"url": url, "title": title, "start_index": start, "end_index": end});
    json!({"type": "url_citation", "url_citation": inner})
}

fn finish(turn: &Turn, asked: Asked<'_>) -> Value {
    match turn.finish {
        // A call that was forced by name is no reason to stop for it.
        Finish::Auto if turn.calls() && asked.body["tool_choice"]["type"] != "function" => {
            json!("tool_calls")
        }
        Finish::Auto => json!("stop"),
        Finish::Length => json!("length"),
        Finish::ContentFilter => json!("content_filter"),
        Finish::Word(word) => json!(word),
        Finish::Null => Value::Null,
    }
}

fn usage(style: &Style, usage: Usage) -> Value {
    let Usage { prompt, cached, cache_write, completion, reasoning } = usage;
    if style.hit_tokens {
        return json!({
            "prompt_tokens": prompt, "completion_tokens": completion,
            "total_tokens": prompt + completion, "prompt_cache_hit_tokens": cached,
            "prompt_cache_miss_tokens": prompt - cached,
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        });
    }
    let mut counts = json!({
        "prompt_tokens": prompt, "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {
            "cached_tokens": cached, "cache_write_tokens": cache_write, "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": reasoning, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    });
    if style.openrouter {
        // A thousandth of a cent a token.
        let tokens = u32::try_from(prompt + completion).expect("a test's tokens");
        counts["cost"] = json!(f64::from(tokens) / 100_000.0);
        counts["cost_details"] = json!({"upstream_inference_cost": null});
        counts["is_byok"] = json!(false);
    }
    counts
}

fn error(code: &str, message: &str) -> Value {
    json!({"error": {"message": message, "type": "server_error", "param": null, "code": code}})
}

fn safe() -> Value {
    json!({"hate": {"filtered": false, "severity": "safe"}})
}

fn prompt_filter() -> Value {
    json!([{"prompt_index": 0, "content_filter_results": safe()}])
}
