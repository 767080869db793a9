//! Requests that must be refused, and how.

use serde_json::{Value, json};

use super::asks::{hello, streamed, unary};
use crate::case::Case;
use crate::exchange::{Ask, Auth, Exchange};
use crate::finding::Judgement;
use crate::judge::{answer, refused};

pub(super) fn cases() -> Vec<Case> {
    vec![
        bad("error.json", "a body that is no JSON is a 400", |setting| Ask {
            body: "{\"model\": \"".into(),
            ..hello(setting)
        }),
        bad("error.empty", "an empty body is a 400", |setting| Ask { body: bytes::Bytes::new(), ..hello(setting) }),
        bad("error.no-max-tokens", "a request without max_tokens is a 400", |setting| {
            unary(setting, "hello", json!({"max_tokens": null}))
        }),
        bad("error.no-messages", "a request without messages is a 400", |setting| {
            unary(setting, "hello", json!({"messages": null}))
        }),
        bad("error.empty-messages", "a request with no message is a 400", |setting| {
            unary(setting, "hello", json!({"messages": []}))
        }),
        bad("error.role", "an unknown role is a 400", |setting| {
            unary(setting, "hello", json!({"messages": [{"role": "robot", "content": "hello"}]}))
        }),
        bad("error.types", "a limit that is a text is a 400", |setting| {
            unary(setting, "hello", json!({"max_tokens": "many"}))
        }),
        bad("error.stream", "a faulty request for a stream is refused before the stream", |setting| {
            streamed(setting, "hello", json!({"max_tokens": null}))
        }),
        bad("error.tool-choice", "a tool_choice without tools is a 400", |setting| {
            unary(setting, "hello", json!({"tool_choice": {"type": "tool", "name": "get_weather"}}))
        }),
        Case::new("error.wrong-key", "a wrong key is a 401 authentication_error", &["C9", "R29"])
            .ask(|setting| hello(setting).auth(Auth::Wrong))
            .judge(|_, x, j| keyless(x, j)),
        Case::new("error.no-key", "no key is a 401 authentication_error", &["C9", "R29"])
            .ask(|setting| hello(setting).auth(Auth::None))
            .judge(|_, x, j| keyless(x, j)),
        Case::new("error.model", "an unknown model is a 404 not_found_error", &["C9", "R29"])
            .ask(|setting| unary(setting, "hello", json!({"model": "no-such-model-7261"})))
            .judge(|_, x, j| {
                let Some(reply) = answer(x, j) else { return };
                if !refused(reply, &[404, 400], "R29", j) {
                    j.inconclusive("the endpoint serves any name");
                }
            }),
        Case::new("error.version", "a request without anthropic-version is a 400, or served", &["C5"])
            .ask(|setting| hello(setting).without("anthropic-version"))
            .judge(|_, x, j| {
                let Some(reply) = answer(x, j) else { return };
                refused(reply, &[400], "C5", j);
            }),
        Case::new("error.method", "GET /v1/messages is refused in Anthropic's shape", &["C1", "R29"])
            .ask(|_| Ask::new("GET", "/v1/messages"))
            .judge(|_, x, j| {
                let Some(reply) = answer(x, j) else { return };
                if !refused(reply, &[405, 404], "R29", j) {
                    j.warning("C1", "a GET of messages is answered", reply.summary(), "405");
                }
            }),
        Case::new("error.too-long", "a prompt beyond the window is a 400 `prompt is too long`, upon which the client compacts", &["C9"])
            .expensive()
            .ask(|setting| unary(setting, &"tide ".repeat(TOO_MANY), json!({"max_tokens": 1})))
            .judge(|_, x, j| too_long(x, j)),
    ]
}

/// A case whose request must be a 400.
fn bad(
    id: &'static str,
    checks: &'static str,
    ask: impl Fn(&crate::Setting) -> Ask + Send + Sync + 'static,
) -> Case {
    Case::new(id, checks, &["C9", "R29"]).ask(ask).judge(|_, x, j| {
        let Some(reply) = answer(x, j) else { return };
        if !refused(reply, &[400, 422], "R29", j) {
            j.warning(
                "C9",
                "a faulty request is served",
                reply.summary(),
                "400 invalid_request_error",
            );
        }
    })
}

fn keyless(x: &Exchange, j: &mut Judgement) {
    let Some(reply) = answer(x, j) else { return };
    if !refused(reply, &[401], "C9", j) {
        j.inconclusive("the endpoint asks for no key");
    }
}

fn too_long(x: &Exchange, j: &mut Judgement) {
    let Some(reply) = answer(x, j) else { return };
    let text =
        reply.json().and_then(|body: Value| Some(body["error"]["message"].as_str()?.to_owned()));
    let text = text.unwrap_or_default();
    if reply.status == 200 {
        j.inconclusive("the model took it all");
    } else if reply.status == 413 || (reply.status == 400 && known(&text)) {
        refused(reply, &[400, 413], "C9", j);
    } else {
        let expected = "400 `prompt is too long: N tokens > M maximum`";
        j.error(
            "C9",
            "a prompt that is too long is refused in words that the client does not know",
            reply.summary(),
            expected,
        );
    }
}

fn known(text: &str) -> bool {
    ["prompt is too long", "prompt_too_long", "Input is too long"].iter().any(|w| text.contains(w))
}

/// Words, of about a token each: more than the largest window.
const TOO_MANY: usize = 1_150_000;
