//! Routes a request by its model's name, renames the model in the request and in the reply stream,
//! and reads what it cost: the pure crates alone, no socket, no runtime.
//!
//! ```sh
//! cargo run -p gateway-examples --bin rename_a_stream
//! ```
#![expect(clippy::print_stdout, reason = "an example that shows its results")]

use bytes::Bytes;
use gateway_anthropic::Relay;
use gateway_router::{ProviderSpec, Query, RuleSpec, Table};
use gateway_translate::{Redactor, Splice, peek};

const REQUEST: &[u8] =
    br#"{"model":"claude-haiku-4-5","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

const REPLY: &[&[u8]] = &[
    b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"small\",\"usage\":{\"inp",
    b"ut_tokens\":9,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",",
    b"\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: message_delta\ndata: {\"type\":",
    b"\"message_delta\",\"usage\":{\"output_tokens\":3}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let table = Table::build(
        vec![ProviderSpec::new("anthropic"), ProviderSpec::new("internal")],
        vec![RuleSpec::new("claude-haiku-*", "internal").with_model("small")],
        Some("anthropic"),
    )?;

    let body = Bytes::from_static(REQUEST);
    let ask = peek(&body)?;
    let plan = table.decide(&Query::model(&ask.model))?;
    println!("{} goes to provider {} as {}", ask.model, plan.provider, plan.upstream_model);
    let sent = Splice::string(&body, ask.model_span.clone(), &plan.upstream_model);
    println!("sent: {}", String::from_utf8_lossy(&sent.concat()));

    let mut relay = Relay::new(Some(ask.model.into_owned()), Redactor::default());
    for chunk in REPLY {
        for part in relay.push(Bytes::from_static(chunk)).into_parts() {
            print!("{}", String::from_utf8_lossy(&part));
        }
    }
    let (usage, quality) = relay.usage();
    println!("ended: {:?}, usage: {usage:?} ({quality:?})", relay.phase());
    Ok(())
}
