//! What each dialect costs by itself: a large request written, a stream read and written.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use gateway_anthropic::edit::Policy;
use gateway_anthropic::hosted::{self, Host, HostCx};
use gateway_anthropic::{Messages, Relay};
use gateway_bedrock::{Bedrock, Unwrap};
use gateway_gemini::{Gemini, Options, Schemas, Surface};
use gateway_models::Catalogue;
use gateway_ollama::Ollama;
use gateway_openai::{Api, ModelOverrides, OpenAi, Quirks, SchemaMemo};
use gateway_translate::{
    AttemptCx, BodyEnd, Egress, FaultCx, Flow, Ingress as _, Keyring, Redactor,
};
use gateway_types::Request;

use super::{as_f64, micros, writer};
use crate::chat::{self, DELTAS};
use crate::dialect::{Dialect, OLLAMA_SHOWS};
use crate::script::AROUND_DELTAS;

/// Who does the work of a dialect.
enum Work {
    Translated(Box<dyn Egress>),
    Relayed(Host),
}

/// Lines of a table: nanoseconds each.
pub(super) fn run(body: &Bytes, small: &Bytes) -> Result<String> {
    let asked = Messages.decode(small).ok().context("the small request")?;
    let mut out = format!(
        "\n{:<12} {:>24} {:>24} {:>24}\n",
        "ns", "87 KB: decode + encode", "event, one a read", "event, ten a read"
    );
    let keys = Keyring::new(["a key of the bench"]);
    let events = DELTAS + AROUND_DELTAS;
    let chat = super::pieces(&chat::stream(1, Duration::ZERO));
    let mut rows = vec![("chat", chat::MODEL, work_of(None), chat)];
    rows.extend(Dialect::ALL.iter().map(|dialect| {
        let spec = dialect.spec();
        let name = spec.row.trim_start_matches("W4-");
        (name, spec.model, work_of(Some(*dialect)), spec.events())
    }));
    for (name, model, work, stream) in &rows {
        let cx = AttemptCx {
            model,
            provider: "scripted",
            reply_id: "msg_01Bench",
            about: Some(OLLAMA_SHOWS.as_bytes()),
            ..AttemptCx::new(&keys)
        };
        let request = match work {
            Work::Translated(egress) => micros(&mut || {
                let request = Messages.decode(black_box(body)).expect("a request");
                drop(black_box(egress.encode(&request, &cx).expect("a request that can be said")));
            }),
            Work::Relayed(host) => micros(&mut || wrap(host, model, black_box(body))),
        };
        let _ = write!(out, "{name:<12} {:>24.0}", request * 1000.0);
        for burst in [1, 10] {
            let reads: Vec<Bytes> =
                stream.chunks(burst).map(|events| events.concat().into()).collect();
            let took = micros(&mut || match work {
                Work::Translated(egress) => {
                    translate(&**egress, &asked, &cx, &reads, |bytes| drop(black_box(bytes)));
                }
                Work::Relayed(host) => relay(host, model, &reads, |bytes| drop(black_box(bytes))),
            });
            let _ = write!(out, " {:>24.0}", took * 1000.0 / as_f64(events));
        }
        out.push('\n');
    }
    Ok(out)
}

fn work_of(dialect: Option<Dialect>) -> Work {
    let catalogue = Catalogue::builtin().clone();
    let open_ai = |api, quirks| OpenAi {
        api,
        quirks,
        catalogue: catalogue.clone(),
        overrides: ModelOverrides::default(),
        schemas: SchemaMemo::default(),
        azure: None,
    };
    Work::Translated(match dialect {
        None => Box::new(open_ai(Api::Chat, Quirks::for_base("http://127.0.0.1:1/v1"))),
        Some(Dialect::Responses) => Box::new(open_ai(Api::Responses, Quirks::default())),
        Some(Dialect::Gemini) => Box::new(Gemini {
            surface: Surface::AiStudio,
            catalogue,
            schemas: Schemas::default(),
            options: Options::default(),
        }),
        Some(Dialect::Converse) => Box::new(bedrock(catalogue)),
        Some(Dialect::Ollama) => Box::new(Ollama::default()),
        Some(Dialect::Invoke) => return Work::Relayed(Host::Bedrock),
        Some(Dialect::Vertex) => {
            let host = Host::Vertex { project: "bench".into(), location: "global".into() };
            return Work::Relayed(host);
        }
    })
}

fn bedrock(catalogue: Catalogue) -> Bedrock {
    let region = "us-east-1".to_owned();
    Bedrock { region, family: None, catalogue, schemas: SchemaMemo::default() }
}

fn translate(
    egress: &dyn Egress,
    asked: &Request<'_>,
    cx: &AttemptCx<'_>,
    reads: &[Bytes],
    mut out: impl FnMut(Bytes),
) {
    let mut reader = egress.encode(asked, cx).expect("a request that can be said").reader;
    let mut writer = writer(true);
    for read in reads {
        let flow = reader.push(read, writer.sink()).expect("events");
        out(writer.take().into());
        if flow == Flow::Done {
            return;
        }
    }
    reader.finish(BodyEnd::Clean, writer.sink()).expect("an end");
    out(writer.take().into());
}

fn relay(host: &Host, model: &str, reads: &[Bytes], mut out: impl FnMut(Bytes)) {
    thread_local! {
        static BEDROCK: Bedrock = bedrock(Catalogue::builtin().clone());
    }
    let whose = FaultCx { provider: "scripted", model, prompt_estimate: 0 };
    let mut unwrap =
        (*host == Host::Bedrock).then(|| BEDROCK.with(|bedrock| Unwrap::new(bedrock, &whose)));
    let mut relay = Relay::new(Some("claude-sonnet-5".to_owned()), Redactor::default());
    for read in reads {
        let read = match &mut unwrap {
            None => read.clone(),
            Some(unwrap) => {
                let mut events = Vec::new();
                unwrap.push(read, &mut events).expect("frames");
                events.into()
            }
        };
        relay.push(read).into_parts().for_each(&mut out);
    }
}

fn wrap(host: &Host, model: &str, body: &[u8]) {
    let policy = Policy::default();
    let cx = HostCx { stream: true, ..HostCx::new(model, &policy) };
    drop(black_box(hosted::wrap(host, body, &cx).expect("a request that can be said")));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::small_body;

    /// What the upstream says in every dialect is the stream that callers look for.
    #[test]
    fn every_dialect_says_the_same() {
        let small = small_body(true);
        let asked = Messages.decode(&small).expect("a request");
        let keys = Keyring::new(["a key of the bench"]);
        for dialect in Dialect::ALL {
            let spec = dialect.spec();
            let cx = AttemptCx {
                model: spec.model,
                provider: "scripted",
                reply_id: "msg_01Bench",
                about: Some(OLLAMA_SHOWS.as_bytes()),
                ..AttemptCx::new(&keys)
            };
            for burst in [1, 10] {
                let reads: Vec<Bytes> =
                    spec.events().chunks(burst).map(|events| events.concat().into()).collect();
                let mut said = Vec::new();
                let out = |bytes: Bytes| said.extend_from_slice(&bytes);
                match work_of(Some(dialect)) {
                    Work::Translated(egress) => translate(&*egress, &asked, &cx, &reads, out),
                    Work::Relayed(host) => relay(&host, spec.model, &reads, out),
                }
                chat::check_stream(&said).unwrap_or_else(|fault| panic!("{}: {fault:#}", spec.row));
            }
        }
    }
}
