//! Answers in Gemini's form.

use serde_json::{Map, Value, json};

use super::signatures;
use super::style::{Calls, Ends, Given, Signed, UsageAt};
use super::turn::{Asked, Fault, Finish, Part, Source, Turn, Usage};
use crate::text::pieces;

/// The body of an answer that is not streamed.
pub fn body(turn: &Turn, asked: Asked<'_>) -> Value {
    if let Some(Fault::Error(refusal)) = &turn.fault {
        return refusal.body();
    }
    let mut body = envelope(asked);
    body["usageMetadata"] = usage(turn.usage, true);
    if let Some(reason) = &turn.blocked {
        body["promptFeedback"] = json!({"blockReason": reason});
        return body;
    }
    let mut parts: Vec<Value> = Vec::new();
    for part in said(turn, asked) {
        let merges = |last: &Value| is_plain_text(last) && is_plain_text(&part);
        match parts.last_mut() {
            Some(last) if merges(last) => {
                let text =
                    [&last["text"], &part["text"]].map(|text| text.as_str().unwrap_or_default());
                last["text"] = json!(text.concat());
            }
            _ => parts.push(part),
        }
    }
    let mut candidate = candidate(turn, &parts);
    finish(&mut candidate, turn, asked);
    ground(&mut candidate, turn);
    body["candidates"] = json!([candidate]);
    body
}

/// The documents of a streamed answer: one a frame, or the items of the array.
pub fn documents(turn: &Turn, asked: Asked<'_>) -> Vec<Value> {
    let style = &turn.style;
    if turn.blocked.is_some() {
        return vec![body(turn, asked)];
    }
    let mut contents: Vec<Vec<Value>> = Vec::new();
    for part in said(turn, asked) {
        let call = part.get("functionCall").is_some();
        match contents.last_mut() {
            Some(last) if call && style.calls == Calls::Together && holds_call(last) => {
                last.push(part);
            }
            _ => contents.extend(split(part, style.piece).into_iter().map(|part| vec![part])),
        }
    }
    let fault = match &turn.fault {
        Some(Fault::Error(refusal)) => {
            contents.truncate(contents.len().div_ceil(2));
            Some(refusal.body())
        }
        _ => None,
    };
    let mut candidates: Vec<Value> = contents.iter().map(|parts| candidate(turn, parts)).collect();
    if turn.continued.is_some() {
        for candidate in &mut candidates {
            candidate["continuationToken"] = asked.token();
        }
    }
    if fault.is_none() {
        end(&mut candidates, turn, asked);
    }
    let document = |candidate: Value| {
        let mut document = envelope(asked);
        document["candidates"] = json!([candidate]);
        document
    };
    let mut documents: Vec<Value> = candidates.into_iter().map(document).collect();
    if style.usage == UsageAt::Own && fault.is_none() {
        documents.push(envelope(asked));
    }
    let last = documents.len().saturating_sub(1);
    for (number, document) in documents.iter_mut().enumerate() {
        let whole = number == last && fault.is_none();
        if whole && style.usage != UsageAt::Never || style.usage == UsageAt::Every {
            document["usageMetadata"] = usage(turn.usage, whole);
        }
    }
    documents.extend(fault);
    documents
}

/// The bytes of a streamed answer, frame by frame: events, or an array's pieces.
pub fn frames(turn: &Turn, asked: Asked<'_>, events: bool) -> Vec<String> {
    let documents = documents(turn, asked);
    if events {
        return documents.iter().map(|document| turn.style.frame(None, document)).collect();
    }
    let last = documents.len() - 1;
    let piece = |(number, document): (usize, &Value)| {
        let start = if number == 0 { "[" } else { ",\r\n" };
        let end = if number == last { "\n]" } else { "" };
        format!("{start}{document:#}{end}")
    };
    documents.iter().enumerate().map(piece).collect()
}

/// All parts of the answer in order, with their ids and signatures.
fn said(turn: &Turn, asked: Asked<'_>) -> Vec<Value> {
    let (style, model) = (&turn.style, asked.gemini());
    let sign = |part: &mut Value| {
        part["thoughtSignature"] =
            json!(signatures::seal(part, model, asked.rules, style.signature));
    };
    let signs = match style.signed {
        Signed::Never => false,
        Signed::ByModel => model.signs(),
        Signed::First | Signed::Every => true,
    };
    let with_ids = match style.ids {
        Given::ByModel => model.signs(),
        Given::Always => true,
        Given::Never => false,
    };
    let mut parts: Vec<Value> = Vec::new();
    let mut calls = 0;
    for (number, part) in turn.parts.iter().enumerate() {
        match part {
            Part::Thought(text) if asked.shows_thoughts() => {
                parts.push(json!({"text": text, "thought": true}));
            }
            Part::Thought(_) | Part::Search(_) => {}
            Part::Text { text, .. } => parts.push(json!({"text": text})),
            Part::Call { id, name, args } => {
                let mut call = json!({"name": name});
                if let Some(id) = id.clone().or(with_ids.then(|| asked.id("", number, 8))) {
                    call["id"] = json!(id);
                }
                if style.empty_args || args.as_object().is_none_or(|args| !args.is_empty()) {
                    call["args"] = args.clone();
                }
                let mut part = json!({"functionCall": call});
                if signs && (calls == 0 || style.signed == Signed::Every) {
                    sign(&mut part);
                }
                parts.push(part);
                calls += 1;
            }
            Part::Code { code, output } => {
                parts.push(json!({"executableCode": {"language": "PYTHON", "code": code}}));
                parts.push(
                    json!({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": output}}),
                );
            }
            Part::Raw(part) => parts.push(part.clone()),
            Part::RawSigned(part) => {
                let mut part = part.clone();
                sign(&mut part);
                parts.push(part);
            }
        }
    }
    if signs
        && style.signed_thoughts
        && let Some(thought) = parts.iter_mut().rfind(|part| part["thought"] == true)
    {
        sign(thought);
    }
    let unsigned =
        calls == 0 && parts.last().is_some_and(|part| part.get("thoughtSignature").is_none());
    if signs && unsigned {
        if style.trailing {
            parts.push(json!({"text": ""}));
        }
        sign(parts.last_mut().expect("there is a last part"));
    }
    parts
}

fn is_plain_text(part: &Value) -> bool {
    part.as_object().is_some_and(|fields| fields.len() == 1 && fields.contains_key("text"))
}

fn holds_call(parts: &[Value]) -> bool {
    parts.iter().any(|part| part.get("functionCall").is_some())
}

/// A text in pieces; its signature is on the last.
fn split(part: Value, size: usize) -> Vec<Value> {
    let Some(text) = part["text"].as_str().filter(|text| !text.is_empty()) else {
        return vec![part];
    };
    let texts = pieces(text, size);
    let last = texts.len() - 1;
    let piece = |(number, text): (usize, String)| {
        let mut piece = part.clone();
        piece["text"] = json!(text);
        if number < last {
            piece.as_object_mut().expect("a part is an object").remove("thoughtSignature");
        }
        piece
    };
    texts.into_iter().enumerate().map(piece).collect()
}

fn envelope(asked: Asked<'_>) -> Value {
    json!({"modelVersion": asked.model, "responseId": asked.id("", 0, 22)})
}

fn candidate(turn: &Turn, parts: &[Value]) -> Value {
    let mut candidate = json!({"index": 0});
    if !parts.is_empty() {
        candidate["content"] = json!({"role": "model", "parts": parts});
    }
    if turn.style.ratings {
        candidate["safetyRatings"] = json!([
            {"category": "HARM_CATEGORY_HATE_SPEECH", "probability": "NEGLIGIBLE", "probabilityScore": 0.1},
        ]);
    }
    candidate
}

/// The `finishReason` and what comes with it.
fn end(candidates: &mut Vec<Value>, turn: &Turn, asked: Asked<'_>) {
    let empty: &[Value] = &[json!({"text": ""})];
    match turn.style.ends {
        Ends::WithLast if candidates.is_empty() => candidates.push(candidate(turn, &[])),
        Ends::WithLast => {}
        Ends::EmptyText => candidates.push(candidate(turn, empty)),
        Ends::Bare => candidates.push(candidate(turn, &[])),
    }
    let mut late = candidate(turn, &[]);
    let last = candidates.last_mut().expect("there is one at least");
    finish(last, turn, asked);
    if turn.style.late_grounding {
        ground(&mut late, turn);
        if late.get("groundingMetadata").is_some() {
            candidates.push(late);
        }
    } else {
        ground(last, turn);
    }
}

fn finish(candidate: &mut Value, turn: &Turn, asked: Asked<'_>) {
    let (word, message) = match turn.finish {
        Finish::Null => return,
        Finish::MaxTokens => ("MAX_TOKENS", ""),
        Finish::Word(word, message) => (word, message),
        Finish::Auto if turn.continued.is_some() => ("CONTINUATION", ""),
        Finish::Auto => ("STOP", ""),
    };
    candidate["finishReason"] = json!(word);
    if !message.is_empty() {
        candidate["finishMessage"] = json!(message);
    }
    if turn.continued.is_some() {
        candidate["continuationToken"] = asked.token();
    }
}

/// What was searched, and which bytes of the text come from where.
fn ground(candidate: &mut Value, turn: &Turn) {
    let (mut queries, mut sources, mut supports) = (Vec::new(), Vec::<&Source>::new(), Vec::new());
    let mut at = 0;
    for part in &turn.parts {
        match part {
            Part::Search(query) => queries.push(query),
            Part::Text { text, sources: of } => {
                let start = at;
                at += text.len();
                if of.is_empty() {
                    continue;
                }
                let mut indices = Vec::new();
                for source in of {
                    let known = sources.iter().position(|known| *known == source);
                    indices.push(known.unwrap_or(sources.len()));
                    if known.is_none() {
                        sources.push(source);
                    }
                }
                let mut segment = Map::new();
                if start > 0 {
                    segment.insert("startIndex".to_owned(), json!(start));
                }
                segment.insert("endIndex".to_owned(), json!(at));
                segment.insert("text".to_owned(), json!(text));
                supports.push(json!({"segment": segment, "groundingChunkIndices": indices}));
            }
            _ => {}
        }
    }
    if queries.is_empty() && sources.is_empty() {
        return;
    }
    let chunk = |source: &&Source| json!({"web": {"uri": source.uri, "title": source.title}});
    let chunks: Vec<Value> = sources.iter().map(chunk).collect();
    candidate["groundingMetadata"] = json!({
        "webSearchQueries": queries,
        "searchEntryPoint": {"renderedContent": "<div>Search</div>"},
        "groundingChunks": chunks,
        "groundingSupports": supports,
    });
}

fn usage(usage: Usage, whole: bool) -> Value {
    let Usage { prompt, cached, candidates, thoughts, tool_use } = usage;
    let said = if whole { candidates + thoughts } else { 0 };
    let mut counts = json!({
        "promptTokenCount": prompt, "totalTokenCount": prompt + tool_use + said,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
    });
    let mut add = |name: &str, count: u64, there: bool| {
        if there && count > 0 {
            counts[name] = json!(count);
        }
    };
    add("cachedContentTokenCount", cached, true);
    add("toolUsePromptTokenCount", tool_use, true);
    add("candidatesTokenCount", candidates, whole);
    add("thoughtsTokenCount", thoughts, whole);
    counts
}
