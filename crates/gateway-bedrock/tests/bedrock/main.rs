//! Converse, against a scripted Bedrock that refuses what the real one refuses; and Claude's own stream
//! out of Amazon's.

mod carried;
mod cases;
mod conversations;
mod damaged;
mod replies;
mod requests;
mod streams;
mod support;
mod unwrapped;
