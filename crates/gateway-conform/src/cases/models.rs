//! Before the first message: probes and the list of models.

use std::time::Duration;

use serde_json::Value;

use crate::case::Case;
use crate::exchange::{Ask, Exchange, Reply};
use crate::finding::Judgement;
use crate::judge::{answer, anthropic_error, refused};
use crate::recorded::named;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("probe.head", "HEAD / is answered at once, in any status below 500", &["C3", "R40"])
            .ask(|_| Ask::new("HEAD", "/"))
            .judge(|_, x, j| {
                if let Some(reply) = probe(x, j)
                    && reply.status != 200
                {
                    j.note("R40", "HEAD / is not 200", reply.status.to_string(), "200");
                }
            }),
        Case::new("probe.hello", "the client's warm-up HEAD /api/hello, without a credential, is answered", &["C3"])
            .ask(|setting| named("hello-head").ask(setting).auth(crate::Auth::None))
            .judge(|_, x, j| {
                probe(x, j);
            }),
        Case::new("models.list", "the list of models has Anthropic's shape", &["C10", "R40"])
            .ask(|setting| named("models-list").ask(setting))
            .judge(|_, x, j| drop(list(x, j))),
        Case::new("models.quick", "the list comes within 3 s and without a redirect, which clients do not follow", &["C10", "R40"])
            .ask(|setting| named("models-list").ask(setting))
            .judge(|_, x, j| {
                let Some(reply) = answer(x, j) else { return };
                if (300..400).contains(&reply.status) {
                    j.error("C10", "a redirect", reply.summary(), "the list itself");
                } else if x.took > LIST_TIME {
                    let took = format!("{} ms", x.took.as_millis());
                    j.error("C10", "the list came late", took, "within 3 s: the client gives up then");
                }
            }),
        Case::new("models.ids", "some id passes the client's filter: it shows only those with claude or anthropic in them", &["C10", "R40"])
            .ask(|setting| named("models-list").ask(setting))
            .judge(|_, x, j| ids(x, j)),
        Case::new("models.limits", "each model tells max_input_tokens and max_tokens", &["R40"])
            .ask(|setting| named("models-list").ask(setting))
            .judge(|_, x, j| limits(x, j)),
        Case::new("models.one", "a listed model can be asked for by its id", &["C10"])
            .ask(|setting| named("models-list").ask(setting))
            .then(|_, done| {
                let id = listed(done.first()?)?.first()?["id"].as_str()?.to_owned();
                plain(&id).then(|| Ask::new("GET", &format!("/v1/models/{id}")))
            })
            .judge_all(|_, done, j| one(done, j)),
        Case::new("models.unknown", "a model that does not exist is a 404 in Anthropic's shape", &["C9", "R29"])
            .ask(|_| Ask::new("GET", "/v1/models/no-such-model-7261"))
            .judge(|_, x, j| {
                let Some(reply) = answer(x, j) else { return };
                if !refused(reply, &[404], "R29", j) {
                    j.warning("R29", "a model that can't exist is there", reply.summary(), "404");
                }
            }),
        Case::new("path.unknown", "an unknown path is a 404 in Anthropic's shape with a request-id", &["C1", "R29"])
            .ask(|_| Ask::new("GET", "/v1/no-such-path-7261"))
            .judge(|_, x, j| {
                let Some(reply) = answer(x, j) else { return };
                if reply.status < 400 {
                    j.warning("C1", "a path that can't exist is there", reply.summary(), "404");
                } else {
                    refused(reply, &[404], "R29", j);
                }
            }),
    ]
}

fn probe<'x>(x: &'x Exchange, j: &mut Judgement) -> Option<&'x Reply> {
    let reply = answer(x, j)?;
    if reply.status >= 500 {
        j.error(
            "C3",
            "a probe is answered as a fault of the server",
            reply.status.to_string(),
            "200",
        );
    }
    if !reply.body().is_empty() {
        j.error("C3", "a HEAD with a body", reply.text(), "no body");
    }
    Some(reply)
}

/// The list's entries, if it is one.
fn listed(x: &Exchange) -> Option<Vec<Value>> {
    let reply = x.outcome.as_ref().ok().filter(|reply| reply.status == 200)?;
    reply.json()?["data"].as_array().cloned()
}

fn list(x: &Exchange, j: &mut Judgement) -> Option<Vec<Value>> {
    let reply = answer(x, j)?;
    if reply.status != 200 {
        let expected = "200 with a list: the client's picker stays empty";
        j.warning("R40", "no list of models", reply.summary(), expected);
        anthropic_error(reply, j);
        return None;
    }
    let expected = r#"{"data":[{"type":"model","id","display_name","created_at"}],"has_more","first_id","last_id"}"#;
    let Some(data) = listed(x) else {
        j.error("R40", "the list of models has another shape", reply.summary(), expected);
        return None;
    };
    for model in &data {
        if model["id"].as_str().unwrap_or_default().is_empty() {
            j.error("R40", "a model without an id", model.to_string(), expected);
        }
        if model["type"] != "model" || !model["display_name"].is_string() {
            j.warning("R40", "a model of another shape", model.to_string(), expected);
        }
    }
    if reply.json().is_some_and(|list| list["has_more"].as_bool().is_none()) {
        j.warning("R40", "the list does not say has_more", reply.summary(), expected);
    }
    Some(data)
}

fn ids(x: &Exchange, j: &mut Judgement) {
    let Some(data) = listed(x) else {
        j.inconclusive("there is no list");
        return;
    };
    let names: Vec<String> =
        data.iter().filter_map(|model| Some(model["id"].as_str()?.to_ascii_lowercase())).collect();
    let known = |name: &String| ["claude", "anthropic"].iter().any(|word| name.contains(word));
    let hidden: Vec<&str> = names.iter().filter(|name| !known(name)).map(String::as_str).collect();
    if hidden.len() == names.len() {
        j.warning(
            "C10",
            "no model shows in the client's picker",
            names.join(", "),
            "ids that start with claude or anthropic",
        );
    } else if !hidden.is_empty() {
        j.note(
            "C10",
            "models that the client's picker hides",
            hidden.join(", "),
            "ids that start with claude or anthropic",
        );
    }
}

fn limits(x: &Exchange, j: &mut Judgement) {
    let Some(data) = listed(x) else {
        j.inconclusive("there is no list");
        return;
    };
    for field in ["max_input_tokens", "max_tokens"] {
        let without = data.iter().filter(|model| model[field].as_u64().is_none_or(|n| n == 0));
        let names: Vec<&str> = without.filter_map(|model| model["id"].as_str()).collect();
        if !names.is_empty() {
            let expected = "a number: clients compact by it";
            j.warning("R40", format!("models without {field}"), names.join(", "), expected);
        }
    }
}

fn one(done: &[Exchange], j: &mut Judgement) {
    let [list, one] = done else {
        j.inconclusive("there is no listed model with a plain id");
        return;
    };
    let Some(reply) = answer(one, j) else { return };
    let wanted = listed(list).and_then(|data| data.first().map(|model| model["id"].clone()));
    let came = reply.json().map(|model| model["id"].clone());
    if reply.status != 200 || came != wanted {
        let expected = format!("200 with the model {}", wanted.unwrap_or_default());
        j.warning("C10", "a listed model is not found by its id", reply.summary(), expected);
    }
}

/// Whether an id may stand in a path as it is.
fn plain(id: &str) -> bool {
    id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
}

const LIST_TIME: Duration = Duration::from_secs(3);
