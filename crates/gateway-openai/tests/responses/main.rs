//! The Responses API, against a scripted OpenAI that refuses what the real one refuses.

mod carried;
mod damaged;
mod events;
mod history;
mod replies;
mod requests;
mod streams;
mod support;
