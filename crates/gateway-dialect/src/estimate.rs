//! How many tokens a request is, roughly.

use gateway_models::{Estimate, Family};
use gateway_types::{Block, BlockKind, Endpoint, Request, Source};

/// The prompt's length in tokens, estimated from the request as the caller wrote it: with care where
/// that is what was asked for, else by samples, since the upstream's count will take its place.
pub fn prompt_estimate(request: &Request<'_>, family: Family, endpoint: Endpoint) -> u64 {
    let mut sum = match endpoint {
        Endpoint::CountTokens => Estimate::new(family),
        Endpoint::Messages => Estimate::sampling(family),
    };
    blocks(&mut sum, &request.system);
    for message in &request.messages {
        sum.message();
        blocks(&mut sum, &message.content);
    }
    for tool in gateway_translate::visible_tools(request) {
        sum.tool(tool.name.escaped(), tool.raw.as_str());
    }
    if let Some(format) = request.format {
        sum.raw_json(format.as_str());
    }
    sum.total()
}

fn blocks(sum: &mut Estimate, blocks_: &[Block<'_>]) {
    for block in blocks_ {
        match &block.kind {
            BlockKind::Text { text, .. } => sum.raw_json(text.escaped()),
            BlockKind::Thinking { thinking, .. } => sum.raw_json(thinking.escaped()),
            BlockKind::RedactedThinking { .. } => {}
            BlockKind::Image(source) => file(sum, source, true),
            BlockKind::Document { source, .. } => file(sum, source, false),
            BlockKind::ToolResult { content, .. } | BlockKind::SearchResult { content, .. } => {
                blocks(sum, content);
            }
            BlockKind::ToolUse { name, input, .. }
            | BlockKind::ServerToolUse { name, input, .. } => {
                sum.text(name.escaped());
                sum.raw_json(input.as_str());
            }
            BlockKind::ToolReference { tool_name } => sum.text(tool_name.escaped()),
            BlockKind::ServerToolResult { content, .. } => sum.raw_json(content.as_str()),
            BlockKind::Unknown { .. } => sum.raw_json(block.raw.as_str()),
        }
    }
}

fn file(sum: &mut Estimate, source: &Source<'_>, image: bool) {
    match source {
        Source::Base64 { data, .. } if image => sum.image_base64(data.escaped()),
        Source::Base64 { data, .. } => sum.document_base64(data.escaped()),
        Source::PlainText(text) => sum.raw_json(text.escaped()),
        Source::Content(content) => blocks(sum, content),
        // Nobody has looked: an image of usual size, a document of few pages.
        Source::Url(_) | Source::File(_) | Source::Unknown(_) => sum.tokens(1600),
    }
}
