//! Google's dialect, against a scripted Gemini that refuses what the real one refuses.

mod carried;
mod cases;
mod conversations;
mod damaged;
mod history;
mod replies;
mod requests;
mod schemas;
mod search;
mod streams;
mod support;
