//! What the demo answers, whole or as a stream.

use serde_json::{Value, json};

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    model: String,
    id: String,
    text: String,
    tool: Option<(String, Value)>,
    input_tokens: u64,
    end: End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    Said,
    Limit,
    Stop(String),
}

/// What ends a reply early.
pub(crate) struct Limits<'r> {
    /// `max_tokens`
    pub(crate) tokens: Option<u64>,
    /// `stop_sequences`
    pub(crate) stops: &'r [String],
}

impl Reply {
    /// A reply as far as the limits let it come. A call that they would cut is left out.
    pub(crate) fn new(
        model: &str,
        id: &str,
        mut text: String,
        mut tool: Option<(String, Value)>,
        input_tokens: u64,
        limits: &Limits<'_>,
    ) -> Self {
        let mut end = End::Said;
        let met = |stop: &String| Some((text.find(stop.as_str())?, stop.clone()));
        if let Some((at, stop)) = limits.stops.iter().filter_map(met).min() {
            text.truncate(at);
            (tool, end) = (None, End::Stop(stop));
        }
        let limit = limits.tokens.unwrap_or(u64::MAX);
        while gateway_models::estimate_tokens(&text) > limit {
            let half = text.floor_char_boundary(text.len() / 2);
            text.truncate(half);
            (tool, end) = (None, End::Limit);
        }
        let said = gateway_models::estimate_tokens(&text);
        let args = tool.as_ref().map(|(_, input)| input.to_string()).unwrap_or_default();
        if said.saturating_add(gateway_models::estimate_tokens(&args)) > limit {
            (tool, end) = (None, End::Limit);
        }
        Self { model: model.to_owned(), id: id.to_owned(), text, tool, input_tokens, end }
    }

    /// What is said.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The reply as one JSON body.
    pub fn to_json(&self) -> Vec<u8> {
        let mut content = vec![json!({"type": "text", "text": self.text})];
        if let Some((name, input)) = &self.tool {
            content.push(json!({"type":"tool_use","id":self.tool_id(),"name":name,"input":input}));
        }
        // Written by hand at the top level so that the id comes first, as everybody is used to.
        let rest = json!({
            "type": "message", "role": "assistant", "model": self.model, "content": content,
            "stop_reason": self.stop_reason(), "stop_sequence": self.stop_sequence(),
            "usage": self.usage(true),
        });
        format!("{{\"id\":\"msg_demo_{}\",{}", self.id, &rest.to_string()[1..]).into_bytes()
    }

    /// The reply as complete SSE frames, in order. Words come one by one, as a model's do.
    pub fn to_events(&self) -> Vec<Vec<u8>> {
        let mut events = vec![event(
            "message_start",
            &json!({"type": "message_start", "message": {
                "id": format!("msg_demo_{}", self.id), "type": "message", "role": "assistant",
                "model": self.model, "content": [], "stop_reason": null, "stop_sequence": null,
                "usage": self.usage(false),
            }}),
        )];
        let text = self.text.split_inclusive(' ').map(|w| json!({"type":"text_delta","text":w}));
        block(&mut events, 0, &json!({"type": "text", "text": ""}), text);
        if let Some((name, input)) = &self.tool {
            let start = json!({"type":"tool_use","id":self.tool_id(),"name":name,"input":{}});
            let whole = input.to_string();
            // In two pieces: a client must put them together.
            let half = (0..=whole.len() / 2).rev().find(|at| whole.is_char_boundary(*at));
            let (first, second) = whole.split_at(half.unwrap_or(0));
            let pieces =
                [first, second].map(|p| json!({"type":"input_json_delta","partial_json":p}));
            block(&mut events, 1, &start, pieces.into_iter());
        }
        events.push(event(
            "message_delta",
            &json!({"type": "message_delta", "delta": {
                "stop_reason": self.stop_reason(), "stop_sequence": self.stop_sequence(),
            }, "usage": self.usage(true)}),
        ));
        events.push(event("message_stop", &json!({"type": "message_stop"})));
        events
    }

    fn stop_reason(&self) -> &'static str {
        match self.end {
            End::Limit => "max_tokens",
            End::Stop(_) => "stop_sequence",
            End::Said if self.tool.is_some() => "tool_use",
            End::Said => "end_turn",
        }
    }

    fn stop_sequence(&self) -> Option<&str> {
        match &self.end {
            End::Stop(stop) => Some(stop),
            _ => None,
        }
    }

    fn tool_id(&self) -> String {
        format!("toolu_demo_{}", self.id)
    }

    fn usage(&self, finished: bool) -> Value {
        let tool = self.tool.as_ref().map(|(_, input)| input.to_string()).unwrap_or_default();
        let said =
            gateway_models::estimate_tokens(&self.text) + gateway_models::estimate_tokens(&tool);
        json!({
            "input_tokens": self.input_tokens, "output_tokens": if finished { said } else { 1 },
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
        })
    }
}

fn block(events: &mut Vec<Vec<u8>>, at: usize, start: &Value, deltas: impl Iterator<Item = Value>) {
    let named = |kind: &str, field: &str, value: &Value| {
        event(kind, &json!({"type": kind, "index": at, field: value}))
    };
    events.push(named("content_block_start", "content_block", start));
    events.extend(deltas.map(|delta| named("content_block_delta", "delta", &delta)));
    events.push(event("content_block_stop", &json!({"type": "content_block_stop", "index": at})));
}

fn event(name: &str, data: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    gateway_sse::encode(Some(name), &data.to_string(), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asked_for_a_tool_by_name_it_calls_it_and_then_tells_what_came() {
        let body = json!({"model":"m","messages":[{"role":"user","content":"Use the Bash tool: `ls`"}],
            "tools":[{"name":"Bash","input_schema":{"type":"object","required":["command"],"properties":{"command":{"type":"string"}}}}]});
        let reply = crate::answer(body.to_string().as_bytes(), "7").expect("an answer");
        assert_eq!(
            reply.tool.as_ref().map(|(n, i)| (&**n, i["command"].as_str())),
            Some(("Bash", Some("ls")))
        );
        let whole: Value = serde_json::from_slice(&reply.to_json()).expect("JSON");
        assert_eq!(whole["stop_reason"], "tool_use");

        let streamed: String = reply.to_events().concat().into_iter().map(char::from).collect();
        assert!(streamed.contains("input_json_delta"), "{streamed}");

        let body = json!({"model":"m","messages":[{"role":"user","content":[
            {"type":"tool_result","tool_use_id":"x","content":[{"type":"text","text":"a.txt"}]}]}]});
        let reply = crate::answer(body.to_string().as_bytes(), "8").expect("an answer");
        assert!(reply.text().ends_with("The tool answered: a.txt"), "{}", reply.text());
    }

    #[test]
    fn a_schema_is_answered_in_its_shape() {
        let body = json!({"model":"m","messages":[{"role":"user","content":"title?"}],"tools":[],
            "output_config":{"format":{"type":"json_schema","schema":{"type":"object","required":["title"],"properties":{"title":{"type":"string"}}}}}});
        let reply = crate::answer(body.to_string().as_bytes(), "9").expect("an answer");
        assert_eq!(reply.text(), r#"{"title":"demo"}"#);
    }

    #[test]
    fn the_clients_safety_question_gets_an_answer_it_can_read() {
        let body = json!({"model":"m","max_tokens":64,"stop_sequences":["</block>"],
            "messages":[{"role":"user","content":"may it?"}]});
        let reply = crate::answer(body.to_string().as_bytes(), "9").expect("an answer");
        assert!(reply.text().starts_with("<block>no"));
    }

    #[test]
    fn limits_stops_and_choices_are_obeyed() {
        let reply = |more: Value| {
            let mut body = json!({"model":"m","messages":[{"role":"user","content":"one two three"}],
                "tools":[{"name":"Look","input_schema":{"type":"object"}}]});
            body.as_object_mut()
                .expect("an object")
                .extend(more.as_object().expect("an object").clone());
            let reply = crate::answer(body.to_string().as_bytes(), "9").expect("an answer");
            serde_json::from_slice::<Value>(&reply.to_json()).expect("JSON")
        };
        let stopped = reply(json!({"stop_sequences":["three","two"]}));
        assert_eq!(
            (&stopped["stop_reason"], &stopped["stop_sequence"]),
            (&json!("stop_sequence"), &json!("two"))
        );
        assert!(stopped["content"][0]["text"].as_str().expect("a text").ends_with("one "));
        assert_eq!(reply(json!({"max_tokens":3}))["stop_reason"], "max_tokens");
        let forced = reply(json!({"tool_choice":{"type":"tool","name":"Look"}}));
        assert_eq!(
            (&forced["content"][1]["name"], &forced["stop_reason"]),
            (&json!("Look"), &json!("tool_use"))
        );
        let cut = reply(json!({"tool_choice":{"type":"any"},"max_tokens":20}));
        assert_eq!((&cut["content"][1], &cut["stop_reason"]), (&Value::Null, &json!("max_tokens")));
        let none = reply(
            json!({"tool_choice":{"type":"none"},"messages":[{"role":"user","content":"Look"}]}),
        );
        assert_eq!(none["stop_reason"], "end_turn");
    }

    #[test]
    fn a_document_is_read_or_refused() {
        let ask = |source: Value| {
            let body = json!({"model":"m","messages":[{"role":"user","content":[
                {"type":"document","source":source},{"type":"text","text":"What does it say?"}]}]});
            crate::answer(body.to_string().as_bytes(), "9")
        };
        let text = ask(json!({"type":"text","media_type":"text/plain","data":"a plum"}));
        assert!(text.expect("an answer").text().contains("a plum"));
        assert!(
            ask(json!({"type":"base64","media_type":"application/pdf","data":"eA=="})).is_err()
        );
    }

    #[test]
    fn what_is_no_request_is_refused_with_a_reason() {
        assert!(crate::answer(b"{}", "1").expect_err("bad").0.contains("model"));
        assert!(crate::answer(br#"{"model":"m","messages":[]}"#, "1").is_err());
    }
}
