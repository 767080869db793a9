//! For tests only: an [`Upstream`] that does on the wire exactly what a [`Script`] says, a
//! [`RawClient`] that sends and reads in any pieces, the recorded [`fixtures`], an [`openai`], a
//! [`bedrock`] and a [`google`] that refuse what the real ones refuse.
//!
//! The upstreams run on a runtime of their own, so they work beside a paused clock and in tests
//! that are not async. Waiting is by [`Gate`]s and by what was seen, not by sleeping; whatever
//! a test awaits here gives up after [`PATIENCE`] with a panic that says what did not happen.
//!
//! ```
//! use gateway_testkit::{BodyEnd, Gate, RawClient, Script, Upstream, request};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let gate = Gate::new();
//! let held = gate.clone();
//! let upstream = Upstream::start(move |_| {
//!     Script::event_stream().chunk("event: me").wait(&held).chunk("ssage_start\n").reset()
//! });
//!
//! let mut client = RawClient::connect(upstream.addr()).await;
//! client.send(&request("POST", "/v1/messages", &[("x-api-key", "k")], b"{}")).await;
//! assert_eq!(client.head().await.status, 200);
//! assert_eq!(client.next_piece().await.unwrap(), "event: me");
//! gate.open();
//! let rest = client.rest().await;
//! assert_eq!(rest.end, BodyEnd::Reset); // never the final chunk
//! assert_eq!(upstream.request(0).await.header("X-Api-Key"), Some("k"));
//! # }
//! ```

mod agent;
pub mod bedrock;
mod claude_turn;
mod client;
pub mod fixtures;
mod gate;
pub mod google;
mod http1;
mod http2;
mod leaks;
pub mod obliging;
pub mod ollama;
pub mod openai;
mod script;
mod text;
#[cfg(feature = "tls")]
mod tls;
mod upstream;

pub use client::{Body, BodyEnd, RawClient, ReplyHead, request};
pub use gate::{Gate, PATIENCE, patient};
pub use script::Script;
pub use upstream::{Answer, Builder, Framing, Left, Protocol, Recorded, Upstream};
