//! Kinds azure, openrouter, gemini, vertex, bedrock and ollama: the least that sets them up, every missing piece,
//! what only some of them have.

use super::*;

mod claudes;
mod credentials;

type Vars<'a> = &'a [(&'a str, &'a str)];

const AZURE: (&str, &str) = ("AZURE_OPENAI_ENDPOINT", "https://res.openai.azure.com/");
const AZURE_KEY: (&str, &str) = ("AZURE_OPENAI_API_KEY", "z");
const ID: (&str, &str) = ("AWS_ACCESS_KEY_ID", "AKID");
const SECRET: (&str, &str) = ("AWS_SECRET_ACCESS_KEY", "shh");
const REGION: (&str, &str) = ("AWS_REGION", "eu-west-1");
const BEARER: (&str, &str) = ("AWS_BEARER_TOKEN_BEDROCK", "b");
const PROJECT: (&str, &str) = ("VERTEX_PROJECT", "p1");

fn first(yaml: &str, env: Vars<'_>) -> Provider {
    good(yaml, env).config.providers.remove(0)
}

/// `providers: {name: {keys}}`
fn one(name: &str, keys: &str) -> String {
    format!("providers: {{{name}: {{{keys}}}}}")
}

fn auth(p: &Provider) -> String {
    let text = match &p.auth {
        Auth::ApiKey(k) => format!("key {}", k.expose_secret()),
        Auth::Bearer(k) => format!("bearer {}", k.expose_secret()),
        Auth::Missing { variable } => format!("missing {variable}"),
        Auth::None => "none".to_owned(),
        Auth::Client => "client".to_owned(),
        Auth::Aws(AwsCredentials { keys: Some(k), .. }) => {
            let token = k.session_token.as_ref().map(|t| format!(" {}", t.expose_secret()));
            let secret = k.secret_access_key.expose_secret();
            format!("aws {} {secret}{}", k.access_key_id, token.unwrap_or_default())
        }
        Auth::Aws(aws) => format!("aws profile {}", aws.profile.as_deref().unwrap_or("-")),
        Auth::Google(google) => {
            let file = google.file.as_ref().and_then(|f| f.file_name());
            format!("google {}", file.map_or("-".into(), |f| f.to_string_lossy()))
        }
        Auth::AzureAd(entra) => format!(
            "entra {} {} {} {}",
            entra.tenant_id.as_deref().unwrap_or("-"),
            entra.client_secret.as_ref().map_or("-", |s| s.expose_secret()),
            entra.federated_token_file.as_ref().map_or("-".into(), |f| f.to_string_lossy()),
            entra.authority_host.as_deref().unwrap_or("-"),
        ),
    };
    match &p.key_variable {
        Some(variable) => format!("{text} ({variable})"),
        None => text,
    }
}

#[test]
fn a_built_in_name_fills_the_rest_in() {
    for (name, kind, shown, env, base, credential) in [
        (
            "azure",
            Kind::Azure,
            "Azure OpenAI",
            &[AZURE, AZURE_KEY] as Vars<'_>,
            "https://res.openai.azure.com",
            "key z (AZURE_OPENAI_API_KEY)",
        ),
        (
            "openrouter",
            Kind::OpenRouter,
            "OpenRouter",
            &[("OPENROUTER_API_KEY", "r")],
            "https://openrouter.ai/api/v1",
            "bearer r (OPENROUTER_API_KEY)",
        ),
        (
            "openrouter",
            Kind::OpenRouter,
            "OpenRouter",
            &[("OPENAI_API_KEY", "sk-or-x")],
            "https://openrouter.ai/api/v1",
            "bearer sk-or-x (OPENAI_API_KEY)",
        ),
        (
            "gemini",
            Kind::Gemini,
            "Gemini",
            &[("GEMINI_API_KEY", "g"), ("GOOGLE_API_KEY", "h")],
            "https://generativelanguage.googleapis.com/v1beta",
            "key g (GEMINI_API_KEY)",
        ),
        (
            "google",
            Kind::Gemini,
            "Gemini",
            &[("GOOGLE_API_KEY", "h")],
            "https://generativelanguage.googleapis.com/v1beta",
            "key h (GOOGLE_API_KEY)",
        ),
        (
            "vertex",
            Kind::Vertex,
            "Vertex AI",
            &[PROJECT],
            "https://aiplatform.googleapis.com",
            "google -",
        ),
        (
            "bedrock",
            Kind::Bedrock,
            "Amazon Bedrock",
            &[REGION],
            "https://bedrock-runtime.eu-west-1.amazonaws.com",
            "aws profile -",
        ),
        (
            "bedrock",
            Kind::Bedrock,
            "Amazon Bedrock",
            &[REGION, ID, SECRET],
            "https://bedrock-runtime.eu-west-1.amazonaws.com",
            "aws AKID shh (AWS_SECRET_ACCESS_KEY)",
        ),
        (
            "bedrock",
            Kind::Bedrock,
            "Amazon Bedrock",
            &[REGION, ID, SECRET, BEARER],
            "https://bedrock-runtime.eu-west-1.amazonaws.com",
            "bearer b (AWS_BEARER_TOKEN_BEDROCK)",
        ),
        ("ollama", Kind::Ollama, "Ollama", &[], "http://localhost:11434", "none"),
        (
            "local",
            Kind::Ollama,
            "Ollama",
            &[("OLLAMA_API_KEY", "o")],
            "http://localhost:11434",
            "none",
        ),
    ] {
        let loaded = good(&one(name, "models: [m]"), env);
        let p = &loaded.config.providers[0];
        assert_eq!((p.name.as_str(), p.kind, p.display_name.as_str()), (name, kind, shown));
        assert_eq!(p.api_base.as_deref(), Some(base));
        assert_eq!(auth(p), credential);
        assert_eq!(p.private, kind == Kind::Ollama, "{name}");
        let none = "there is no `default_provider`";
        assert!(loaded.warnings.iter().all(|w| w.message().starts_with(none)), "{name}");
        assert_eq!(serde_json::to_value(kind).expect("text"), kind.as_str());
        // The same by its kind, under another name.
        let mut keys = format!("kind: {name}");
        if ["azure", "openrouter", "gemini", "google"].contains(&name) {
            assert!(good(&one("x", &keys), env).config.providers[0].auth.is_ready());
        }
        if name == "azure" {
            keys.push_str(", api_base: 'https://other.openai.azure.com'");
            let p = first(&one("x", &keys), env);
            assert_eq!(
                (p.display_name.as_str(), p.api_base.as_deref()),
                ("x", Some("https://other.openai.azure.com"))
            );
        }
    }
    assert!(!first(&one("ollama", "private: false"), &[]).private);
}

#[test]
fn each_missing_piece_is_one_fault_with_its_remedy() {
    for (name, keys, env, message, help) in [
        (
            "azure",
            "",
            &[AZURE_KEY] as Vars<'_>,
            "1:13 `providers.azure` has no `api_base`",
            "or set AZURE_OPENAI_ENDPOINT",
        ),
        (
            "azure",
            "",
            &[AZURE],
            "1:13 the key of `azure` is missing: the variable AZURE_OPENAI_API_KEY is not set",
            "set AZURE_OPENAI_API_KEY",
        ),
        (
            "azure",
            "auth_type: azure_ad",
            &[AZURE, ("AZURE_CLIENT_SECRET", "s")],
            "AZURE_CLIENT_SECRET is set, but AZURE_TENANT_ID and AZURE_CLIENT_ID is not",
            "set AZURE_TENANT_ID and AZURE_CLIENT_ID",
        ),
        (
            "azure",
            "auth_type: azure_ad",
            &[AZURE, ("AZURE_AUTHORITY_HOST", "ftp://x")],
            "AZURE_AUTHORITY_HOST: the URL must begin with https:// or http://",
            "login.microsoftonline.com",
        ),
        (
            "openrouter",
            "",
            &[("OPENAI_API_KEY", "sk-x")],
            "1:13 the key of `openrouter` is missing: the variable OPENROUTER_API_KEY is not set",
            "set OPENROUTER_API_KEY",
        ),
        (
            "gemini",
            "",
            &[],
            "1:13 the key of `gemini` is missing: the variable GEMINI_API_KEY is not set",
            "set GEMINI_API_KEY",
        ),
        (
            "vertex",
            "",
            &[],
            "1:13 `providers.vertex` has no Google Cloud project",
            "add `extra: {project: my-project}`, set VERTEX_PROJECT (or GOOGLE_CLOUD_PROJECT), or use a service account's file, which names its project",
        ),
        (
            "vertex",
            "",
            &[PROJECT, ("VERTEX_LOCATION", "Europe West")],
            "`Europe West` is no location of Google Cloud",
            "`global`",
        ),
        (
            "vertex",
            "",
            &[PROJECT, ("GOOGLE_APPLICATION_CREDENTIALS", "/no/such.json")],
            "GOOGLE_APPLICATION_CREDENTIALS names /no/such.json, which is no file",
            "correct the path",
        ),
        (
            "vertex",
            "extra: {project: p, credentials_file: no.json}",
            &[],
            "1:60 `providers.vertex.extra.credentials_file`: there is no file",
            "correct the path",
        ),
        (
            "vertex",
            "auth_type: api_key",
            &[],
            "1:33 the key of `vertex` is missing: the variable GOOGLE_API_KEY is not set",
            "set GOOGLE_API_KEY",
        ),
        (
            "bedrock",
            "",
            &[ID, SECRET],
            "1:13 `providers.bedrock` has no AWS region",
            "add `extra: {region: us-east-1}`, set AWS_REGION, or give the profile `default` a `region` in ~/.aws/config",
        ),
        (
            "bedrock",
            "",
            &[("AWS_REGION", "us-east-1a")],
            "`us-east-1a` is no AWS region",
            "without the letter of a zone",
        ),
        (
            "bedrock",
            "",
            &[REGION, ID],
            "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not",
            "set AWS_SECRET_ACCESS_KEY, or unset AWS_ACCESS_KEY_ID",
        ),
        (
            "bedrock",
            "",
            &[REGION, SECRET],
            "AWS_SECRET_ACCESS_KEY is set, but AWS_ACCESS_KEY_ID is not",
            "set AWS_ACCESS_KEY_ID, or unset",
        ),
        (
            "bedrock",
            "extra: {profile: dev}",
            &[REGION],
            "1:40 there is no AWS profile `dev`",
            "HOME is not set",
        ),
        (
            "bedrock",
            "auth_type: bearer_token",
            &[REGION],
            "1:34 the key of `bedrock` is missing: the variable AWS_BEARER_TOKEN_BEDROCK is not set",
            "set AWS_BEARER_TOKEN_BEDROCK",
        ),
        (
            "ollama",
            "auth_type: bearer_token",
            &[],
            "1:33 the key of `ollama` is missing: the variable OLLAMA_API_KEY is not set",
            "set OLLAMA_API_KEY",
        ),
    ] {
        let (found, remedy) = fault(&one(name, keys), env);
        assert!(found.starts_with(message), "{name} {{{keys}}}: {found}");
        assert!(remedy.contains(help), "{name} {{{keys}}}: {remedy}");
    }
}

#[test]
fn extra_is_read_by_its_kind() {
    let azure = first(
        &one("azure", "extra: {api_version: 2024-10-21, deployment: d.1, api: responses}"),
        &[AZURE, AZURE_KEY],
    );
    assert_eq!(azure.extra.api_version.as_deref(), Some("2024-10-21"));
    assert_eq!((azure.extra.deployment.as_deref(), azure.api), (Some("d.1"), Api::Responses));
    for same in ["v1", "preview", "latest"] {
        let p =
            first(&one("azure", &format!("extra: {{api_version: {same}}}")), &[AZURE, AZURE_KEY]);
        assert_eq!(p.extra, Extra::default(), "{same}");
    }
    let yaml = one(
        "openrouter",
        "extra: {provider: {order: [anthropic, azure], allow_fallbacks: false, max_price: {prompt: 1.5}, n: null}}",
    );
    let router = first(&yaml, &[("OPENROUTER_API_KEY", "r")]);
    let expected = serde_json::json!({"order": ["anthropic", "azure"], "allow_fallbacks": false, "max_price": {"prompt": 1.5}, "n": null});
    assert_eq!(router.extra.provider.map(serde_json::Value::Object), Some(expected));
    assert_eq!(router.api, Api::Chat);
    let bedrock = |api: &str| {
        let p = first(
            &one("bedrock", &format!("extra: {{region: us-east-1, family: Claude, api: {api}}}")),
            &[REGION],
        );
        assert_eq!(
            (p.extra.region.as_deref(), p.extra.family.as_deref()),
            (Some("us-east-1"), Some("claude"))
        );
        p.extra.bedrock_api
    };
    assert_eq!(bedrock("auto"), BedrockApi::Auto);
    assert_eq!(bedrock("invoke"), BedrockApi::Invoke);
    assert_eq!(bedrock("converse"), BedrockApi::Converse);
    assert_eq!(bedrock("messages"), BedrockApi::Messages);
    for (said, family) in [
        ("claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("Claude-Opus-4-7", "claude-opus-4-7"),
        ("claude-3-5-sonnet-20241022", "claude-3-5-sonnet-20241022"),
        ("nova-2", "nova-2"),
    ] {
        let p = first(&one("bedrock", &format!("extra: {{family: {said}}}")), &[REGION]);
        assert_eq!(p.extra.family.as_deref(), Some(family));
    }
    let vertex = first(
        &one("vertex", "extra: {project: p2, location: europe-west1}"),
        &[PROJECT, ("VERTEX_LOCATION", "us")],
    );
    assert_eq!(
        (vertex.extra.project.as_deref(), vertex.extra.location.as_deref()),
        (Some("p2"), Some("europe-west1"))
    );
    let ollama = good(&one("ollama", "default_model: m, extra: {num_ctx: 65536}"), &[]);
    assert_eq!(ollama.config.providers[0].extra.num_ctx, Some(65_536));
    assert!(ollama.warnings.is_empty());
    let small = good(&one("ollama", "default_model: m, extra: {num_ctx: 8192}"), &[]);
    assert!(small.warnings[0].message().contains("cuts what is too long in silence"));
    assert!(small.warnings[0].help_lines()[0].contains("65536"));
}

#[test]
fn a_key_of_extra_says_for_which_kind_it_is() {
    for (name, env, keys, message, help) in [
        (
            "ollama",
            &[] as Vars<'_>,
            "region: x",
            "`providers.ollama.extra.region` has no meaning here: it is for kind `bedrock`, not for `ollama`",
            "remove `region`",
        ),
        (
            "gemini",
            &[("GEMINI_API_KEY", "g")],
            "project: x",
            "`providers.gemini.extra.project` has no meaning here: it is for kind `vertex`, not for `gemini`",
            "remove `project`",
        ),
        (
            "anthropic",
            KEY,
            "api: chat",
            "`providers.anthropic.extra.api` has no meaning here: it is for kinds `openai`, `azure` and `bedrock`, not for `anthropic`",
            "remove `api`",
        ),
        (
            "openrouter",
            &[("OPENROUTER_API_KEY", "r")],
            "num_ctx: 5",
            "it is for kind `ollama`, not for `openrouter`",
            "remove `num_ctx`",
        ),
        (
            "openrouter",
            &[("OPENROUTER_API_KEY", "r")],
            "provider: anthropic",
            "`providers.openrouter.extra.provider` must be a map of keys, found text",
            "{order: [anthropic], allow_fallbacks: false}",
        ),
        (
            "openrouter",
            &[("OPENROUTER_API_KEY", "r")],
            "provider: {a: 1, a: 2}",
            "the key `a` is there twice",
            "keep one of the two",
        ),
        (
            "bedrock",
            &[REGION],
            "family: clade",
            "`providers.bedrock.extra.family`: there is no family `clade`",
            "did you mean `claude`?",
        ),
        (
            "bedrock",
            &[REGION],
            "family: claude-opus-20250514",
            "`providers.bedrock.extra.family`: this name does not say which Claude it is",
            "e.g. `claude-opus-4-7`, or the family, `claude`",
        ),
        (
            "bedrock",
            &[REGION],
            "api: chat",
            "`providers.bedrock.extra.api`: there is no api `chat`",
            "`auto`, `invoke`, `converse`, `messages`",
        ),
        (
            "azure",
            &[AZURE, AZURE_KEY],
            "api: invoke",
            "there is no api `invoke`",
            "`auto`, `chat`, `responses`",
        ),
        (
            "azure",
            &[AZURE, AZURE_KEY],
            "api_version: '2024'",
            "`providers.azure.extra.api_version` is no version of Azure's interface",
            "2024-10-21",
        ),
        (
            "azure",
            &[AZURE, AZURE_KEY],
            "api_versoin: x",
            "unknown key `providers.azure.extra.api_versoin`",
            "did you mean `api_version`?",
        ),
        (
            "ollama",
            &[],
            "num_ctx: 0",
            "`providers.ollama.extra.num_ctx` must be a whole number from 1 to 100000000, found 0",
            "write a whole number",
        ),
    ] {
        let (found, remedy) = fault(&one(name, &format!("extra: {{{keys}}}")), env);
        assert!(found.contains(message), "{name} {keys}: {found}");
        assert!(remedy.contains(help), "{name} {keys}: {remedy}");
    }
}

#[test]
fn compat_of_the_other_kinds_tells_what_does_nothing() {
    let with = |kind: &str, line: &str| {
        let extra = match kind {
            "bedrock" => "region: us-east-1",
            "vertex" => "project: p",
            _ => "",
        };
        let keys = format!(
            "kind: {kind}, default_model: m, api_base: 'http://localhost:1', auth_type: none, extra: {{{extra}}}, compat: {{{line}}}"
        );
        load(&case(&one("x", &keys), &[]).sources)
    };
    for (kind, useful, useless) in [
        (
            "azure",
            &["stop_max: 4", "efforts: [low]", "tool_name_max: 64", "documents: text"] as &[&str],
            &["thinking: strip", "drop_betas: [a]", "preset: vllm"] as &[&str],
        ),
        (
            "openrouter",
            &["stop_max: 4", "reasoning_out: auto", "drop_fields: [n]"],
            &["cache_control: strip"],
        ),
        (
            "gemini",
            &["tool_name_max: 64", "stop_max: 0", "drop_fields: [labels]", "drop_events: [ping]"],
            &["thinking: strip", "reasoning_in: none", "efforts: [low]"],
        ),
        (
            "vertex",
            &["tool_name_max: 64", "thinking: strip", "drop_betas: [a]", "documents: text"],
            &["developer_role: true"],
        ),
        (
            "bedrock",
            &["thinking: strip", "cache_control: strip"],
            &["user_field: user", "preset: zai"],
        ),
        ("ollama", &["documents: refuse", "drop_events: [thinking]"], &["top_k: false"]),
    ] {
        for line in useful {
            let loaded = with(kind, line).unwrap_or_else(|f| panic!("{kind} {line}: {f}"));
            assert!(loaded.warnings.is_empty(), "{kind} {line}: {:?}", loaded.warnings);
        }
        for line in useless {
            let key = line.split(':').next().expect("a key");
            let full = format!("`providers.x.compat.{key}`");
            if ["azure", "openrouter"].contains(&kind) {
                let faults = with(kind, line).expect_err(line);
                let message = format!("{full} has no meaning for kind `{kind}`");
                assert_eq!(faults.errors[0].message(), message);
            } else {
                let loaded = with(kind, line).expect("it loads");
                let message = format!("{full} has no effect for kind `{kind}`");
                assert_eq!(loaded.warnings[0].message(), message);
                assert!(loaded.warnings[0].help_lines()[0].contains("`drop_events`"));
            }
        }
    }
}
