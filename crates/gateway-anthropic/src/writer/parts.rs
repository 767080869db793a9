//! What a stream and a folded message have in common.

use gateway_translate::Json;
use gateway_types::{BlockStart, ReplyUsage, StopReason, Text};

pub(super) fn message_head(json: &mut Json, id: &str, model: &str) {
    json.key("id").string(id).key("type").string("message").key("role").string("assistant");
    json.key("model").string(model);
}

pub(super) fn block_start(json: &mut Json, start: &BlockStart<'_>) {
    match start {
        BlockStart::Text => {
            json.key("type").string("text").key("text").string("");
        }
        BlockStart::Thinking => {
            json.key("type").string("thinking").key("thinking").string("");
            json.key("signature").string("");
        }
        BlockStart::RedactedThinking { data } => {
            json.key("type").string("redacted_thinking").key("data").text(*data);
        }
        BlockStart::ToolUse { id, name } => {
            json.key("type").string("tool_use").key("id").text(*id).key("name").text(*name);
            json.key("input").object(|_| ());
        }
        BlockStart::ServerToolUse { id, name } => {
            json.key("type").string("server_tool_use").key("id").text(*id).key("name").text(*name);
            json.key("input").object(|_| ());
        }
        BlockStart::ServerToolResult { kind, tool_use_id, content } => {
            json.key("type").text(*kind).key("tool_use_id").text(*tool_use_id);
            json.key("content").raw(*content);
        }
    }
}

pub(super) fn write_stop(json: &mut Json, stop: StopReason, sequence: Option<Text<'_>>) {
    json.key("stop_reason").string(stop.as_str()).key("stop_sequence");
    match sequence {
        Some(sequence) => json.text(sequence),
        None => json.null(),
    };
    if stop == StopReason::Refusal {
        json.key("stop_details").object(|json| {
            json.key("type").string("refusal").key("category").null().key("explanation").null();
        });
    }
}

pub(super) fn write_usage(json: &mut Json, usage: &ReplyUsage) {
    let counts = &usage.counts;
    json.key("input_tokens").number(counts.input);
    json.key("cache_creation_input_tokens").number(counts.cache_write);
    json.key("cache_read_input_tokens").number(counts.cache_read);
    json.key("cache_creation").object(|json| {
        let hour = usage.cache_write_1h.min(counts.cache_write);
        json.key("ephemeral_5m_input_tokens").number(counts.cache_write - hour);
        json.key("ephemeral_1h_input_tokens").number(hour);
    });
    json.key("output_tokens").number(counts.output);
    if usage.thinking > 0 {
        json.key("output_tokens_details").object(|json| {
            json.key("thinking_tokens").number(usage.thinking);
        });
    }
    if usage.web_searches > 0 {
        json.key("server_tool_use").object(|json| {
            json.key("web_search_requests").number(usage.web_searches);
        });
    }
    json.key("service_tier").string(if usage.priority { "priority" } else { "standard" });
}
