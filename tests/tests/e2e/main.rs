//! The real clients through the real binary: Claude Code (headless) and the official SDKs talk to
//! `claude-code-model-gateway`, behind which scripted upstreams play Anthropic and OpenAI.
//!
//! Needs the binary and the clients; `cargo xtask test` builds and installs both. Without them the
//! tests fail: an end-to-end test that is skipped proves nothing.

mod claude;
mod harness;
mod model;
mod observe;

mod azure_sdk;
mod bedrock_claude;
mod boto3_client;
mod bytes;
mod cli;
mod failover;
mod failures;
mod google;
mod google_genai;
mod kinds;
mod limits;
mod ollama_sdk;
mod openai;
mod openai_sdk;
mod rolling;
mod sdks;
mod service;
mod side_queries;
mod tools;
mod upstreams;
