//! Translates a Messages request for a Chat Completions server and its stream back, with the library
//! crates alone: no gateway, no socket.
//!
//! ```text
//! cargo run -p gateway-examples --bin translate_a_call
//! ```

#![expect(clippy::print_stdout, reason = "an example that shows its results")]

use gateway_anthropic::{Folder, StreamWriter, decode};
use gateway_models::Catalogue;
use gateway_openai::{Api, ModelOverrides, OpenAi, Quirks, SchemaMemo};
use gateway_translate::{
    AttemptCx, BodyEnd, Egress as _, Encoded, Keyring, ReplyCx, ReplyWriter as _,
};
use gateway_types::Losses;

/// What Claude Code would send, in short.
const REQUEST: &[u8] = br#"{
  "model": "claude-opus-5-5", "max_tokens": 128000, "stream": true, "top_k": 40,
  "system": "Be brief.",
  "messages": [{"role": "user", "content": "What is in this directory?"}],
  "tools": [{"name": "Bash", "description": "Runs a command",
    "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}}]
}"#;

/// What the server answers, cut in the middle of a word as a network would.
const REPLY: [&[u8]; 3] = [
    b"data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Let me lo",
    b"ok.\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\
      \"type\":\"function\",\"function\":{\"name\":\"Bash\",\"arguments\":\"{\\\"command\\\":\"}}]}}]}\n\n",
    b"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\
      \"\\\"ls\\\"}\"}}]}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n\
      data: {\"choices\":[],\"usage\":{\"prompt_tokens\":90,\"completion_tokens\":12}}\n\ndata: [DONE]\n\n",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let request = decode(REQUEST)?;
    let server = OpenAi {
        api: Api::Chat,
        quirks: Quirks::for_base("http://127.0.0.1:8000/v1"),
        catalogue: Catalogue::builtin().clone(),
        overrides: ModelOverrides::default(),
        schemas: SchemaMemo::default(),
        azure: None,
    };
    let keys = Keyring::new(["seals what the model wants back"]);
    let cx = AttemptCx {
        model: "gpt-4.1",
        provider: "local",
        reply_id: "msg_example",
        ..AttemptCx::new(&keys)
    };
    let encoded = server.encode(&request, &cx)?;
    println!("POST {}\n{}\n", encoded.path, encoded.body);
    println!("lost: {}\n", told(&encoded.losses));

    let reply = ReplyCx { id: cx.reply_id, model: "claude-opus-5-5", stream: true };
    println!("as a stream:\n{}", stream(encoded, &reply)?);

    // The same reply as one message: the fold of its events.
    let mut reader = server.encode(&request, &cx)?.reader;
    let mut folder = Folder::new(&reply);
    for chunk in REPLY {
        reader.push(chunk, &mut folder).map_err(|fault| fault.error)?;
    }
    println!("as a message:\n{}", String::from_utf8(folder.take())?);
    Ok(())
}

fn stream(encoded: Encoded, reply: &ReplyCx<'_>) -> Result<String, Box<dyn std::error::Error>> {
    let mut reader = encoded.reader;
    let mut writer = StreamWriter::new(reply);
    let mut out = Vec::new();
    for chunk in REPLY {
        reader.push(chunk, &mut writer).map_err(|fault| fault.error)?;
        // Whatever is ready goes out at once.
        out.append(&mut writer.take());
    }
    reader.finish(BodyEnd::Clean, &mut writer).map_err(|fault| fault.error)?;
    out.append(&mut writer.take());
    assert!(writer.is_done(), "a reply that is not whole is an error above");
    Ok(String::from_utf8(out)?)
}

fn told(losses: &Losses) -> String {
    let one = |loss: &gateway_types::Loss| {
        format!("\n  {} {}: {}", loss.what.as_str(), loss.path, loss.why)
    };
    losses.iter().map(one).collect()
}
