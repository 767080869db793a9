use gateway_types::{BlockStart, Delta, Event, EventSink, Raw, ReplyUsage, StopReason, Text};
use serde_json::{Value, json};

use super::*;

const CX: ReplyCx<'static> = ReplyCx { id: "msg_1", model: "claude-x", stream: true };

fn t(text: &str) -> Text<'_> {
    Text::from_escaped(text)
}

fn usage() -> ReplyUsage {
    let mut usage = ReplyUsage { thinking: 2, web_searches: 1, ..ReplyUsage::default() };
    (usage.counts.input, usage.counts.output, usage.counts.cache_read) = (5, 7, 3);
    usage
}

fn reply(sink: &mut dyn EventSink, stop: StopReason) {
    let events = [
        Event::Start { usage: ReplyUsage::default() },
        Event::BlockStart(BlockStart::Thinking),
        Event::Delta(Delta::Thinking(t("h\\n"))),
        Event::Delta(Delta::Signature(t("gw1.x"))),
        Event::BlockStop,
        Event::BlockStart(BlockStart::RedactedThinking { data: t("dd") }),
        Event::BlockStop,
        Event::BlockStart(BlockStart::Text),
        Event::Delta(Delta::Text(t("a\\\""))),
        Event::Delta(Delta::Citation(Raw::from_json("{\n\"url\":\"u\"}"))),
        Event::Delta(Delta::Text(t("b"))),
        Event::BlockStop,
        Event::BlockStart(BlockStart::ServerToolUse { id: t("srvtoolu_1"), name: t("web_search") }),
        Event::Delta(Delta::Json(t("{\\\"query\\\":\\\"q\\\"}"))),
        Event::BlockStop,
        Event::BlockStart(BlockStart::ServerToolResult {
            kind: t("web_search_tool_result"),
            tool_use_id: t("srvtoolu_1"),
            content: Raw::from_json("[\n]"),
        }),
        Event::BlockStop,
        Event::BlockStart(BlockStart::ToolUse { id: t("c1"), name: t("Bash") }),
        Event::Delta(Delta::Json(t("{\\\"a\\\":"))),
        Event::Delta(Delta::Json(t("1}"))),
        Event::BlockStop,
        Event::BlockStart(BlockStart::ToolUse { id: t("c2"), name: t("Now") }),
        Event::BlockStop,
        Event::Finish { stop, sequence: None, usage: usage() },
    ];
    for event in events {
        sink.event(event).expect("legal");
    }
}

#[test]
fn a_stream_and_its_fold_say_the_same() {
    let mut stream = StreamWriter::new(&CX);
    reply(&mut stream, StopReason::ToolUse);
    assert!(stream.is_done() && stream.is_committed());
    let bytes = String::from_utf8(stream.take()).expect("UTF-8");
    let mut folder = Folder::new(&CX);
    reply(&mut folder, StopReason::ToolUse);
    let whole: Value = serde_json::from_slice(&folder.take()).expect("JSON");

    let mut rebuilt = json!(null);
    let mut arguments = String::new();
    for frame in bytes.split_terminator("\n\n") {
        let (name, data) = frame.split_once('\n').expect("two lines");
        let data: Value =
            serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
        assert_eq!(name, format!("event: {}", data["type"].as_str().expect("a type")));
        match data["type"].as_str().expect("a type") {
            "message_start" => rebuilt = data["message"].clone(),
            "content_block_start" => {
                let blocks = rebuilt["content"].as_array_mut().expect("blocks");
                assert_eq!(data["index"], blocks.len());
                blocks.push(data["content_block"].clone());
                arguments.clear();
            }
            "content_block_delta" => {
                let block =
                    rebuilt["content"].as_array_mut().and_then(|b| b.last_mut()).expect("a block");
                let delta = &data["delta"];
                for field in ["text", "thinking", "signature"] {
                    if let Some(piece) = delta[field].as_str() {
                        block[field] =
                            json!(block[field].as_str().expect("text").to_owned() + piece);
                    }
                }
                if delta["type"] == "citations_delta" {
                    block["citations"] = json!([delta["citation"]]);
                }
                if let Some(piece) = delta["partial_json"].as_str() {
                    arguments.push_str(piece);
                }
            }
            "content_block_stop" if !arguments.is_empty() => {
                let block =
                    rebuilt["content"].as_array_mut().and_then(|b| b.last_mut()).expect("a block");
                block["input"] = serde_json::from_str(&arguments).expect("JSON");
            }
            "message_delta" => {
                for (key, value) in data["delta"].as_object().expect("fields") {
                    rebuilt[key] = value.clone();
                }
                rebuilt["usage"] = data["usage"].clone();
            }
            _ => {}
        }
    }
    assert_eq!(rebuilt, whole);
    assert_eq!(whole["content"].as_array().map(Vec::len), Some(7));
    assert_eq!(whole["usage"]["cache_read_input_tokens"], 3);
}

#[test]
fn r05_a_cut_call_is_left_out_of_a_unary_reply() {
    for (arguments, stop, calls) in [
        ("{\\\"a\\\"", StopReason::MaxTokens, 0),
        ("{\\\"a\\\":1}", StopReason::MaxTokens, 1),
        ("", StopReason::MaxTokens, 0),
        ("", StopReason::ToolUse, 1),
    ] {
        let mut folder = Folder::new(&CX);
        for event in [
            Event::Start { usage: usage() },
            Event::BlockStart(BlockStart::Text),
            Event::Delta(Delta::Text(t("x"))),
            Event::BlockStop,
            Event::BlockStart(BlockStart::ToolUse { id: t("c1"), name: t("Bash") }),
            Event::Delta(Delta::Json(t(arguments))),
            Event::BlockStop,
            Event::Finish { stop, sequence: Some(t("s")), usage: usage() },
        ] {
            folder.event(event).expect("legal");
        }
        let whole: Value = serde_json::from_slice(&folder.take()).expect("JSON");
        let content = whole["content"].as_array().expect("blocks");
        assert_eq!(content.len(), 1 + calls, "{arguments}");
        assert_eq!(whole["stop_reason"], stop.as_str());
    }
}

#[test]
fn an_event_out_of_order_writes_nothing() {
    let mut stream = StreamWriter::new(&CX);
    assert!(stream.event(Event::BlockStop).is_err());
    assert!(stream.take().is_empty() && !stream.is_committed());
}
