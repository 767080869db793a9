//! Requests that the client makes beside the conversation.

use std::net::SocketAddr;

use gateway_testkit::openai::{Refusal, Rules, Seen, Turn, count_tokens};
use gateway_testkit::{RawClient, fixtures};
use serde_json::{Value, json};

use super::{CHAT, RESPONSES, Setup, both, clean};
use crate::harness::block_on;

/// The upstream's window becomes too small for the second question: the client compacts and goes on.
#[test]
fn r30_r31_c09_an_overflow_leads_to_a_compaction() {
    both(|dialect| {
        let setup = Setup::new(dialect, |seen| {
            if seen.last_user_text().contains("<summary>") {
                return Turn::text("<analysis>short</analysis>\n<summary>SUMMARY-OF-IT</summary>");
            }
            if seen.mentions("SUMMARY-OF-IT") {
                return Turn::text("went on with the summary");
            }
            if seen.last_user_text().contains("and now more") {
                return Turn::error(overflow(seen.is_chat()));
            }
            match seen.results().len() {
                0 => Turn::reasoning(&["Work."])
                    .and_call("Bash", &json!({"command": "echo work", "description": "work"})),
                _ => Turn::text("worked"),
            }
        });
        let claude = setup.claude();
        claude.ask("work", &[]).said("worked");
        let run = claude.ask("and now more", &["--continue"]);
        run.said("went on with the summary");
        setup.check(&run);
        let asked = |seen: &Seen| seen.last_user_text().contains("<summary>");
        let compactions = setup.server.turns().iter().filter(|seen| asked(seen)).count();
        assert_eq!(compactions, 1, "{run:?}");
    });
}

/// The window itself is too small, for the request to compact as well: the client leaves out the oldest rounds
/// of it, by the numbers that it is told, until it fits.
#[test]
fn r30_r31_a_window_that_is_too_small_for_the_compaction_too() {
    both(|dialect| {
        let setup = Setup::new(dialect, |seen| {
            if seen.last_user_text().contains("<summary>") {
                return Turn::text("<analysis>short</analysis>\n<summary>SUMMARY-OF-IT</summary>");
            }
            if seen.mentions("SUMMARY-OF-IT") {
                return Turn::text("went on with the summary");
            }
            match seen.results().len() {
                3 => Turn::text("worked"),
                n => {
                    let command = format!("seq {n}1000 {n}4500");
                    Turn::call("Bash", &json!({"command": command, "description": "work"}))
                }
            }
        });
        let claude = setup.claude();
        claude.ask("work", &[]).said("worked");
        let last = setup.server.turns().pop().expect("asked");
        setup.server.change(|rules| rules.window = count_tokens(&last.body) + 100);
        let run = claude.ask(&"and now more. ".repeat(100), &["--continue"]);
        run.said("went on with the summary");
        setup.check_wire(&run);
        let refused = setup.server.refusals();
        let overflow = Some("context_length_exceeded");
        assert!(!refused.is_empty() && refused.iter().all(|r| r.code.as_deref() == overflow));
        assert!(refused.len() <= 3, "each try is a bill: {refused:?}");
    });
}

/// As the two services say it.
fn overflow(chat: bool) -> Refusal {
    if chat {
        let text = "This model's maximum context length is 128000 tokens. However, your messages resulted in 131072 tokens. Please reduce the length of the messages.";
        return Refusal::new(text).param("messages").code("context_length_exceeded");
    }
    let text = "Your input exceeds the context window of this model. Please adjust your input and try again.";
    Refusal::new(text).param("input").code("context_length_exceeded")
}

/// Not streamed, with a stop sequence that OpenAI's newer models do not take.
#[test]
fn c04_the_safety_check_of_auto_mode_is_answered() {
    both(|dialect| {
        let setup = Setup::new(dialect, |seen| {
            if !seen.streams() {
                return Turn::text("<block>no</block>never shown");
            }
            match seen.results().len() {
                0 => {
                    let command = "touch /var/tmp/../../$PWD/safe.txt";
                    Turn::call("Bash", &json!({"command": command, "description": "touch"}))
                }
                _ => Turn::text("it was safe"),
            }
        });
        let claude = setup.claude();
        let run = claude.turn("do it", &["--permission-mode", "auto"]);
        run.said("it was safe");
        setup.check(&run);
        assert!(claude.file("safe.txt").is_some(), "the command ran after the check");
        assert!(setup.server.turns().iter().any(|seen| !seen.streams()), "it was made: {run:?}");
    });
}

/// A recorded request of the client to a gateway, as it stands; the answer's status and body.
fn replay(setup: &Setup, name: &str) -> (u16, String) {
    let addr: SocketAddr = setup.gateway.url()[7..].parse().expect("an address");
    let mut fixture = fixtures::request(name);
    for (header, value) in &mut fixture.headers {
        if header.eq_ignore_ascii_case("accept-encoding") {
            "identity".clone_into(value);
        }
    }
    block_on(async {
        let mut client = RawClient::connect(addr).await;
        client.send(&fixture.to_http1(&addr.to_string())).await;
        let (head, body) = client.reply().await;
        (head.status, String::from_utf8_lossy(&body.bytes).into_owned())
    })
}

/// No tools, and an answer in the shape of a schema.
#[test]
fn c08_a_title_for_the_session() {
    both(|dialect| {
        let setup = Setup::new(dialect, |_| Turn::text(r#"{"title":"A title"}"#));
        let (status, text) = replay(&setup, "title-side-query");
        assert_eq!((status, setup.server.refusals()), (200, vec![]), "{text}");
        assert!(text.contains("\\\"title\\\"") || text.contains("message_stop"), "{text}");
        clean(&setup.server, &text);
        let body = &setup.server.turns()[0].body;
        assert_eq!(body["tools"], Value::Null, "{body}");
        let format = body.pointer(if dialect == CHAT {
            "/response_format/json_schema/schema/properties/title"
        } else {
            "/text/format/schema/properties/title"
        });
        assert!(format.is_some(), "{body}");
    });
}

/// What `/context` asks. Responses counts by itself; elsewhere it is an estimate, and nobody is asked.
#[test]
fn r31_tokens_are_counted() {
    both(|dialect| {
        let setup = Setup::new(dialect, |_| Turn::text("never asked"));
        for name in ["count-tokens-text", "count-tokens-tools"] {
            let (status, text) = replay(&setup, name);
            assert_eq!((status, setup.server.refusals()), (200, vec![]), "{text}");
            let count: Value = serde_json::from_str(&text).expect("JSON");
            assert!(count["input_tokens"].as_u64() > Some(0), "{name}: {text}");
        }
        clean(&setup.server, "counts");
        assert_eq!(setup.server.turns().len(), 0, "counting is not asking");
        let asked = setup.server.seen().len();
        assert_eq!(asked, if dialect == RESPONSES { 2 } else { 0 });
    });
}

/// The client's list of models has OpenAI's, under names that it takes; one of them is asked.
#[test]
fn c10_r40_the_client_discovers_openais_models() {
    both(|dialect| {
        let rules = Rules::openai(dialect.model);
        let models = format!("models: [{}]", dialect.model);
        let setup = Setup::with(dialect, rules, &models, |_| Turn::text("discovered"));
        let mut claude = setup.claude();
        claude.set("CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY", "1");
        let name = format!("claude-via-up--{}", dialect.model);
        let run = claude.ask("hi", &["--model", &name]);
        run.said("discovered");
        setup.check(&run);
        let cache = claude.home().join(".claude/cache/gateway-models.json");
        let found =
            std::fs::read_to_string(&cache).unwrap_or_else(|e| panic!("{}: {e}", cache.display()));
        assert!(found.contains(&name), "{found}");
    });
}

/// What stands behind a stop sequence is not told, and the sequence is named.
#[test]
fn a_stop_sequence_is_met() {
    both(|dialect| {
        let setup = Setup::new(dialect, |_| Turn::text("<block>no</block> and more"));
        let (status, text) = replay(&setup, "auto-mode-classifier");
        assert_eq!((status, setup.server.refusals()), (200, vec![]), "{text}");
        let message: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(message["content"], json!([{"type": "text", "text": "<block>no"}]), "{text}");
        let stop = (&message["stop_reason"], &message["stop_sequence"]);
        assert_eq!(stop, (&json!("stop_sequence"), &json!("</block>")), "{text}");
        clean(&setup.server, &text);
    });
}
