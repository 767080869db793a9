//! Claude Code in its own Bedrock mode, with no gateway between: it signs its requests, reads the frames
//! and works; so what the scripted Bedrock takes and says is what the client is made for.

use gateway_testkit::bedrock::{Operation, Rules, Seen, Server, Turn, agent};
use serde_json::json;

use crate::claude::Claude;

/// A conversation of the client's, and no look whether a model is there.
fn converses(seen: &Seen) -> bool {
    seen.operation == Some(Operation::InvokeStream)
}

const KEY: &[(&str, &str)] =
    &[("AWS_ACCESS_KEY_ID", "AKIDOFTHETEST"), ("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")];
const BEARER: &[(&str, &str)] = &[("AWS_BEARER_TOKEN_BEDROCK", "key-of-the-test")];

/// The client writes a file and reads it, with this model and this credential.
fn works(model: &str, credential: &[(&str, &str)]) {
    let steps = [
        Turn::reasoning("A file is wanted.")
            .and_text("I write it.")
            .and_call("Bash", &json!({"command": "printf hello > a.txt", "description": "Write"})),
        Turn::reasoning("Is it there?").and_call("Bash", &json!({"command": "cat a.txt"})),
    ];
    let rules = Rules::bedrock(model).with_key("AKIDOFTHETEST", "secret-of-the-test");
    let rules = rules.with_bearer("key-of-the-test");
    let server = Server::start(rules, agent(steps, Turn::text("The file says hello.")));
    let mut claude = Claude::bare("");
    claude.forget_base_url();
    for (name, value) in [
        ("CLAUDE_CODE_USE_BEDROCK", "1"),
        ("ANTHROPIC_BEDROCK_BASE_URL", &server.url()),
        ("AWS_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("ANTHROPIC_MODEL", model),
        ("ANTHROPIC_DEFAULT_HAIKU_MODEL", model),
    ] {
        claude.set(name, value);
    }
    for (name, value) in credential {
        claude.set(name, value);
    }
    let run = claude.ask("Write hello into a.txt", &[]);
    let seen = server.seen();
    let mut asked = seen.iter().filter(|seen| converses(seen));
    let refused: Vec<_> = asked.clone().filter_map(|seen| seen.refusal.as_ref()).collect();
    assert!(refused.is_empty(), "{model}: {refused:#?}");
    run.said("The file says hello.");
    assert_eq!(claude.file("a.txt").as_deref(), Some("hello"), "{model}");
    let last = asked.next_back().expect("a request");
    assert!(last.results()[1].1.starts_with("hello"), "{model}: {:?}", last.results());
    // Whatever the model, betas stand in the body; those of the header are for Anthropic alone.
    assert!(last.idle_betas().is_some_and(|betas| betas.contains("claude-code-")), "{model}");
}

#[test]
fn claude_code_works_through_the_scripted_bedrock_with_a_model_of_4_5() {
    works("us.anthropic.claude-sonnet-4-5-20250929-v1:0", KEY);
}

#[test]
fn claude_code_works_through_the_scripted_bedrock_with_a_model_of_4_6() {
    works("us.anthropic.claude-opus-4-6-v1", KEY);
}

#[test]
fn claude_code_works_through_the_scripted_bedrock_with_a_model_of_4_8() {
    works("us.anthropic.claude-opus-4-8", BEARER);
}

#[test]
fn claude_code_works_through_the_scripted_bedrock_with_a_model_of_5_5() {
    works("us.anthropic.claude-opus-5-5", KEY);
}
