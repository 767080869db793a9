//! What becomes of Claude's names where they are not served under them.

use super::*;

#[test]
fn names_of_claudes_become_those_that_each_vendor_has() {
    let way = |yaml: &str, env: Vars<'_>, model: &str| {
        let table = good(yaml, env).config.routing().expect("a table");
        let query = gateway_router::Query::model(model);
        table.explain(&query).expect("a way").upstream_model
    };
    let aws = [REGION, ID, SECRET];
    let google = [PROJECT];
    let gemini = [("GEMINI_API_KEY", "g")];
    let router = [("OPENROUTER_API_KEY", "r")];
    let shaped = "kind: anthropic, auth_type: none, api_base: 'https://api.z.ai/api/anthropic'";
    let zai = format!("{shaped}, default_model: glm-5.3");
    let lists = format!("{zai}, models: [claude-haiku-4-5]");
    let relay = format!("{shaped}, default_model: claude-opus-5-5");
    let own = "default_model: some-model";
    for (name, keys, env, asked, sent) in [
        ("zai", &*zai, &[] as Vars<'_>, "claude-opus-5-5", "glm-5.3"),
        ("zai", &zai, &[], "gpt-5", "glm-5.3"),
        ("zai", &zai, &[], "glm-5.3-flash", "glm-5.3-flash"),
        ("zai", &lists, &[], "claude-haiku-4-5", "claude-haiku-4-5"),
        ("relay", &relay, &[], "claude-haiku-4-5", "claude-haiku-4-5"),
        ("anthropic", own, KEY, "claude-haiku-4-5", "claude-haiku-4-5"),
        ("bedrock", "", &aws, "claude-opus-5-5[1m]", "eu.anthropic.claude-opus-5-5"),
        (
            "bedrock",
            "",
            &aws,
            "claude-haiku-4-5-20251001",
            "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
        ),
        (
            "bedrock",
            "",
            &aws,
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ),
        ("bedrock", "", &aws, "claude-nobody-knows", "claude-nobody-knows"),
        (
            "bedrock",
            "default_model: us.amazon.nova-pro-v1:0",
            &aws,
            "claude-opus-5-5",
            "us.amazon.nova-pro-v1:0",
        ),
        (
            "bedrock",
            "model_map: {'claude-opus-*': 'arn:aws:bedrock:eu-west-1:1:inference-profile/x'}",
            &aws,
            "claude-opus-5-5",
            "arn:aws:bedrock:eu-west-1:1:inference-profile/x",
        ),
        ("vertex", "", &google, "claude-opus-4-6", "claude-opus-4-6"),
        ("vertex", "", &google, "claude-haiku-4-5-20251001", "claude-haiku-4-5@20251001"),
        ("vertex", "", &google, "claude-haiku-4-5@20251001", "claude-haiku-4-5@20251001"),
        ("vertex", "", &google, "gemini-3.8-flash", "gemini-3.8-flash"),
        (
            "vertex",
            "default_model: gemini-3.8-flash",
            &google,
            "claude-opus-4-6",
            "claude-opus-4-6",
        ),
        ("vertex", "default_model: gemini-3.8-flash", &google, "gpt-5", "gemini-3.8-flash"),
        ("gemini", "", &gemini, "claude-opus-5-5", "gemini-3.1-pro-preview"),
        ("gemini", "", &gemini, "claude-haiku-5-5", "gemini-3.8-flash"),
        ("gemini", "default_model: gemini-2.5-pro", &gemini, "claude-haiku-5-5", "gemini-2.5-pro"),
        ("gemini", "", &gemini, "gemini-2.5-flash", "gemini-2.5-flash"),
        ("openrouter", "", &router, "claude-opus-4-6", "anthropic/claude-opus-4.6"),
        ("openrouter", "", &router, "openai/gpt-5:online", "openai/gpt-5:online"),
        (
            "openrouter",
            "default_model: qwen/qwen3-coder",
            &router,
            "claude-opus-4-6",
            "qwen/qwen3-coder",
        ),
        (
            "openrouter",
            "default_model: qwen/qwen3-coder",
            &router,
            "anthropic/claude-opus-4.6",
            "anthropic/claude-opus-4.6",
        ),
        ("ollama", "", &[], "qwen3:8b", "qwen3:8b"),
        ("ollama", "default_model: 'qwen3:8b'", &[], "claude-opus-5-5", "qwen3:8b"),
        ("ollama", "default_model: 'qwen3:8b'", &[], "gpt-oss:20b", "gpt-oss:20b"),
        ("azure", "default_model: my-gpt", &[AZURE, AZURE_KEY], "claude-opus-5-5", "my-gpt"),
        (
            "azure",
            "default_model: my-gpt",
            &[AZURE, AZURE_KEY],
            "another-deployment",
            "another-deployment",
        ),
    ] {
        assert_eq!(way(&one(name, keys), env, asked), sent, "{name} {{{keys}}} {asked}");
    }
    // The names that stand in by themselves are models that exist.
    let catalogue = include_str!("../../../../gateway-models/data/models.jsonl");
    for model in [
        crate::models::GEMINI_BIG,
        crate::models::GEMINI_SMALL,
        crate::models::OPENAI_BIG,
        crate::models::OPENAI_SMALL,
    ] {
        assert!(catalogue.contains(&format!("{{\"id\": \"{model}\"")), "{model}");
    }
}

#[test]
fn where_claudes_names_lead_nowhere_a_warning_says_so() {
    let azure = [AZURE, AZURE_KEY];
    for (name, keys, env, warns) in [
        ("azure", "", &azure as Vars<'_>, true),
        ("azure", "extra: {deployment: d}", &azure, false),
        ("azure", "default_model: d", &azure, false),
        ("ollama", "", &[], true),
        ("ollama", "model_map: {'*': m}", &[], false),
        ("gemini", "", &[("GEMINI_API_KEY", "g")], false),
    ] {
        let warnings = good(&one(name, keys), env).warnings;
        let text = format!("`{name}` gets the names of Claude's models as they are asked for");
        let found = warnings.iter().any(|w| w.message().starts_with(&text));
        assert_eq!((found, warnings.len()), (warns, usize::from(warns)), "{name} {{{keys}}}");
    }
}
