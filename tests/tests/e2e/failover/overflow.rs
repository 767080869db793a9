//! Prompts that are too long for one model of the chain and not for another.

use std::sync::Arc;

use gateway_testkit::openai::{Rules, Seen, Server, Turn};

use super::{World, limited};
use crate::claude::Claude;
use crate::harness::{Gateway, PROVIDER_KEY};
use crate::model::{Ask, Reply, error};
use crate::observe::{JSON_LOG, chain, until_logged};
use crate::openai::clean;
use crate::openai::strict::Strict;
use crate::openai::{CHAT, RESPONSES};

/// What compactions ask for.
fn compacts(ask: &Ask) -> bool {
    ask.last_user_says("<summary>")
}

/// What Anthropic says is so long that a model with a larger window is asked; the client goes on as if nothing had been.
#[test]
fn r31_a_prompt_that_is_too_long_for_anthropic_goes_to_a_larger_window() {
    let world = World::new(
        RESPONSES,
        ("models: {claude-opus-5-5: {context_window: 200000}}", "", "{}"),
        |ask| {
            if ask.mentions("and now more") {
                let text = "prompt is too long: 210000 tokens > 200000 maximum";
                return error(400, "invalid_request_error", text);
            }
            Reply::text("short enough").to(ask)
        },
        |seen| {
            assert!(!seen.mentions("<summary>"), "the client compacts");
            Turn::text("long enough")
        },
    );
    let claude = Claude::at(world.gateway.url());
    let run = claude.ask("hi", &["--model", "claude-opus-5-5"]);
    run.said("short enough");
    let run = claude.ask("and now more", &["--continue", "--model", "claude-opus-5-5"]);
    run.said("long enough");
    world.check(&run);
    assert_eq!(run.count("system", "compact_boundary"), 0, "{run:?}");
    assert!(!world.anthropic.asks().iter().any(compacts), "{run:?}");
    let chains = world.chains();
    assert_eq!(chains.last().expect("a chain"), &["anthropic 400", "other answered"]);
}

/// Nobody in the chain has a larger window: the client is told what it knows to act on, and compacts.
#[test]
fn r31_a_prompt_that_nobody_takes_is_told_and_compacted() {
    let world = World::new(
        CHAT,
        ("models: {claude-opus-5-5: {context_window: 2000000}}", "", "{}"),
        |ask| {
            if compacts(ask) {
                let text = "<analysis>short</analysis>\n<summary>SUMMARY-OF-IT</summary>";
                return Reply::text(text).to(ask);
            }
            if ask.mentions("SUMMARY-OF-IT") {
                return Reply::text("went on with the summary").to(ask);
            }
            if ask.last_user_says("and now more") {
                let text = "prompt is too long: 2100000 tokens > 2000000 maximum";
                return error(400, "invalid_request_error", text);
            }
            Reply::text("short enough").to(ask)
        },
        |_| Turn::text("never"),
    );
    let claude = Claude::at(world.gateway.url());
    claude.ask("hi", &["--model", "claude-opus-5-5"]).said("short enough");
    let run = claude.ask("and now more", &["--continue", "--model", "claude-opus-5-5"]);
    run.said("went on with the summary");
    assert!(world.other.turns().is_empty(), "{run:?}");
    assert_eq!(world.anthropic.asks().iter().filter(|ask| compacts(ask)).count(), 1, "{run:?}");
}

/// Anthropic has no time, the first that comes after it has too small a window for what Claude Code sends, and the second
/// takes it.
#[test]
fn r31_a_small_fallback_is_passed_over_for_a_larger_one() {
    let anthropic = Strict::start(|_| limited().header("retry-after", "3600"));
    let rules = Rules::openai(CHAT.model).with_key(PROVIDER_KEY).with_window(4000);
    let small = Arc::new(Server::start(rules, |_| Turn::text("never")));
    let rules = Rules::openai(RESPONSES.model).with_key(PROVIDER_KEY);
    let large = Arc::new(Server::start(rules, |seen: &Seen| {
        assert!(!seen.mentions("<summary>"), "the client compacts");
        Turn::text("it fits here")
    }));
    let config = format!(
        "providers:
  anthropic:
    kind: anthropic
    api_base: {}
    api_key_env_var: ANTHROPIC_API_KEY
  small:
    kind: openai
    api_base: {}
    api_key_env_var: ANTHROPIC_API_KEY
    extra: {{api: chat}}
    models: {{{}: {{context_window: 4000, max_tokens: 1000}}}}
  large:
    kind: openai
    api_base: {}
    api_key_env_var: ANTHROPIC_API_KEY
    extra: {{api: responses}}
routes:
  - pattern: \"claude-*\"
    provider: anthropic
    fallbacks: [small/{}, large/{}]
",
        anthropic.upstream.url(),
        small.url(),
        CHAT.model,
        large.url(),
        CHAT.model,
        RESPONSES.model,
    );
    let gateway = Gateway::with(&config, &[JSON_LOG]);
    let run = Claude::at(gateway.url()).ask("hi", &[]);
    run.said("it fits here");
    assert_eq!(run.count("system", "api_retry"), 0, "{run:?}");
    assert_eq!(run.count("system", "compact_boundary"), 0, "{run:?}");
    assert_eq!(large.refusals(), [], "{run:?}");
    for server in [&small, &large] {
        clean(server, &format!("{run:?}"));
    }
    let lines = until_logged(&gateway, "a line", |lines| !lines.is_empty());
    assert_eq!(chain(&lines[0]), ["anthropic 429", "small 400", "large answered"], "{lines:?}");
}
