//! Kinds azure, openrouter, gemini, vertex, bedrock and ollama: the least that sets them up, every credential, every
//! missing piece.

use super::*;

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

/// The one fault of a configuration and what it proposes.
fn fault(yaml: &str, env: Vars<'_>) -> (String, String) {
    let faults = load(&case(yaml, env).sources).expect_err(yaml);
    let [fault] = faults.errors.as_slice() else { panic!("{yaml}: one fault: {faults}") };
    (brief(fault), fault.help_lines().join("; "))
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
fn every_credential_has_its_turn() {
    const TENANT: (&str, &str) = ("AZURE_TENANT_ID", "t");
    const CLIENT: (&str, &str) = ("AZURE_CLIENT_ID", "c");
    for (name, keys, env, expected) in [
        (
            "azure",
            "",
            &[AZURE, ("AZURE_OPENAI_AD_TOKEN", "t")] as Vars<'_>,
            "bearer t (AZURE_OPENAI_AD_TOKEN)",
        ),
        (
            "azure",
            "auth_type: bearer_token",
            &[AZURE, AZURE_KEY, ("AZURE_OPENAI_AD_TOKEN", "t")],
            "bearer t (AZURE_OPENAI_AD_TOKEN)",
        ),
        (
            "azure",
            "auth_type: bearer_token, api_key_env_var: K",
            &[AZURE, ("K", "k")],
            "bearer k (K)",
        ),
        ("azure", "api_key_env_var: K", &[AZURE, AZURE_KEY, ("K", "k")], "key k (K)"),
        (
            "azure",
            "",
            &[AZURE, TENANT, CLIENT, ("AZURE_CLIENT_SECRET", "s")],
            "entra t s - - (AZURE_CLIENT_SECRET)",
        ),
        (
            "azure",
            "",
            &[AZURE, AZURE_KEY, TENANT, CLIENT, ("AZURE_CLIENT_SECRET", "s")],
            "key z (AZURE_OPENAI_API_KEY)",
        ),
        (
            "azure",
            "auth_type: azure_ad",
            &[
                AZURE,
                AZURE_KEY,
                TENANT,
                CLIENT,
                ("AZURE_FEDERATED_TOKEN_FILE", "/t"),
                ("AZURE_AUTHORITY_HOST", "login.example/"),
            ],
            "entra t - /t https://login.example (AZURE_FEDERATED_TOKEN_FILE)",
        ),
        ("azure", "auth_type: azure_ad", &[AZURE], "entra - - - -"),
        ("gemini", "api_key: '${K}'", &[("K", "k"), ("GEMINI_API_KEY", "g")], "key k (K)"),
        ("vertex", "auth_type: api_key", &[("GOOGLE_API_KEY", "g")], "key g (GOOGLE_API_KEY)"),
        ("vertex", "api_key_env_var: K", &[("K", "k")], "key k (K)"),
        (
            "vertex",
            "auth_type: bearer_token, api_key_env_var: K",
            &[PROJECT, ("K", "k")],
            "bearer k (K)",
        ),
        (
            "bedrock",
            "auth_type: aws",
            &[REGION, ID, SECRET, BEARER],
            "aws AKID shh (AWS_SECRET_ACCESS_KEY)",
        ),
        (
            "bedrock",
            "auth_type: aws",
            &[REGION, ID, SECRET, ("AWS_SESSION_TOKEN", "t")],
            "aws AKID shh t (AWS_SECRET_ACCESS_KEY)",
        ),
        (
            "bedrock",
            "auth_type: bearer_token, api_key_env_var: K",
            &[REGION, ID, SECRET, ("K", "k")],
            "bearer k (K)",
        ),
        ("bedrock", "api_key_env_var: K", &[REGION, ("K", "k")], "bearer k (K)"),
        (
            "openrouter",
            "api_key_env_var: K",
            &[("OPENROUTER_API_KEY", "r"), ("K", "k")],
            "bearer k (K)",
        ),
        ("openrouter", "auth_type: client", &[], "client"),
        ("ollama", "api_key_env_var: K", &[("K", "k")], "bearer k (K)"),
        (
            "ollama",
            "auth_type: bearer_token",
            &[("OLLAMA_API_KEY", "o")],
            "bearer o (OLLAMA_API_KEY)",
        ),
        (
            "ollama",
            "api_base: 'https://ollama.com'",
            &[("OLLAMA_API_KEY", "o")],
            "bearer o (OLLAMA_API_KEY)",
        ),
        (
            "ollama",
            "auth_type: none, api_base: 'https://ollama.com'",
            &[("OLLAMA_API_KEY", "o")],
            "none",
        ),
    ] {
        let p = first(&one(name, keys), env);
        assert_eq!(auth(&p), expected, "{name} {{{keys}}}");
    }
}

#[test]
fn a_vendors_key_goes_to_the_vendor_only() {
    let env =
        [AZURE_KEY, ("OPENROUTER_API_KEY", "r"), ("GEMINI_API_KEY", "g"), ("OLLAMA_API_KEY", "o")];
    for kind in ["azure", "openrouter", "gemini"] {
        let yaml = one("x", &format!("kind: {kind}, api_base: 'https://h.example'"));
        assert_eq!(fault(&yaml, &env).0, "1:13 `providers.x` does not say how to authenticate");
    }
    // Below Azure's domain are its customers' machines too.
    let yaml = one("x", "kind: azure, api_base: 'https://vm.cloudapp.azure.com'");
    assert_eq!(fault(&yaml, &env).0, "1:13 `providers.x` does not say how to authenticate");
    let yaml = one("x", "kind: ollama, api_base: 'https://h.example'");
    assert_eq!(auth(&first(&yaml, &env)), "none");
    // Google's token opens more than models; another host gets one only if that is said.
    let vertex =
        |name: &str, keys: &str| one(name, &format!("kind: vertex, {keys}, extra: {{project: p}}"));
    let yaml = vertex("corp", "api_base: 'https://llm.example'");
    let (message, help) = fault(&yaml, &env);
    assert_eq!(message, "1:13 `providers.corp` does not say how to authenticate");
    assert!(help.contains("write `auth_type: google`"), "{help}");
    let with_file = |file: &str| {
        let file = format!("extra: {{project: p, credentials_file: {file}}}");
        one("corp", &format!("kind: vertex, api_base: 'https://llm.example', {file}"))
    };
    assert_eq!(auth(&first(&with_file("gateway.yaml"), &env)), "google gateway.yaml");
    assert!(fault(&with_file("gone"), &env).0.contains("there is no file"));
    for (name, keys) in [
        ("corp", "api_base: 'https://llm.example', auth_type: google"),
        ("corp", "api_base: 'https://us-east5-aiplatform.googleapis.com'"),
        ("corp", "default_model: m"),
        ("vertex", "api_base: 'http://127.0.0.1:9'"),
    ] {
        assert_eq!(auth(&first(&vertex(name, keys), &env)), "google -", "{name} {keys}");
    }
}

#[test]
fn an_auth_type_that_a_kind_does_not_take_names_those_it_takes() {
    for (name, env, word, taken) in [
        ("anthropic", KEY, "google", "`api_key`, `bearer_token`, `none`, `client`"),
        (
            "openai",
            &[("OPENAI_API_KEY", "o")],
            "azure_ad",
            "`bearer_token`, `api_key`, `none`, `client`",
        ),
        ("azure", &[AZURE], "client", "`api_key`, `bearer_token`, `azure_ad`, `none`"),
        ("openrouter", &[], "api_key", "`bearer_token`, `none`, `client`"),
        ("gemini", &[], "google", "`api_key`, `bearer_token`, `none`"),
        ("vertex", &[PROJECT], "aws", "`google`, `api_key`, `bearer_token`, `none`"),
        ("bedrock", &[REGION], "api_key", "`aws`, `bearer_token`, `none`"),
        ("ollama", &[], "api_key", "`none`, `bearer_token`, `client`"),
    ] {
        let (message, help) = fault(&one(name, &format!("auth_type: {word}")), env);
        let expected = format!("`providers.{name}.auth_type`: kind `{name}` takes no `{word}`");
        assert!(message.ends_with(&expected), "{message}");
        let name = |k: Kind| k.as_str();
        assert!(help.ends_with(taken), "{}: {help}", name(Kind::Demo));
    }
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
fn keys_beside_a_credential_of_its_own_are_told() {
    let warned = |yaml: &str, env: Vars<'_>| {
        let loaded = good(yaml, env);
        loaded.warnings.iter().map(|w| w.message().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        warned(&one("vertex", "auth_type: google, api_key_env_var: K"), &[PROJECT]),
        [
            "`providers.vertex.api_key_env_var` is not used: `auth_type: google` has credentials of its own"
        ]
    );
    let case = case(&one("bedrock", "extra: {profile: dev}"), &[REGION, BEARER]);
    let loaded = load(&case.sources).expect("a configuration");
    assert_eq!(auth(&loaded.config.providers[0]), "bearer b (AWS_BEARER_TOKEN_BEDROCK)");
    assert!(loaded.warnings[0].message().starts_with("`extra.profile` is not used"));
    assert!(loaded.warnings[0].help_lines()[0].contains("`auth_type: aws`"));
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
    let catalogue = include_str!("../../../gateway-models/data/models.jsonl");
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

#[test]
fn aws_bearer_token_goes_to_aws_only() {
    let env = [REGION, BEARER, ID, SECRET];
    let of = |keys: &str| auth(&first(&one("x", &format!("kind: bedrock{keys}")), &env));
    assert_eq!(of(""), "bearer b (AWS_BEARER_TOKEN_BEDROCK)");
    let aws = ", api_base: 'https://bedrock-runtime.eu-west-1.amazonaws.com'";
    assert_eq!(of(aws), "bearer b (AWS_BEARER_TOKEN_BEDROCK)");
    let other = ", api_base: 'https://s3.amazonaws.com.example'";
    assert_eq!(of(other), "aws AKID shh (AWS_SECRET_ACCESS_KEY)");
    let elsewhere =
        "api_base: 'https://bedrock-runtime.us-west-2.amazonaws.com', extra: {region: eu-west-1}";
    let warnings = good(&one("bedrock", elsewhere), &env).warnings;
    assert!(
        warnings[0]
            .message()
            .starts_with("requests are signed for eu-west-1, but sent to us-west-2")
    );
}

#[test]
fn no_credential_of_a_cloud_shows_anywhere() {
    let env = [
        REGION,
        AZURE,
        PROJECT,
        ID,
        ("AWS_SECRET_ACCESS_KEY", "planted-1"),
        ("AWS_SESSION_TOKEN", "planted-2"),
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_CLIENT_SECRET", "planted-3"),
        ("GEMINI_API_KEY", "planted-4"),
        ("OPENROUTER_API_KEY", "planted-5"),
    ];
    let yaml = "default_provider: azure\nproviders: {azure: {auth_type: azure_ad}, bedrock: {}, gemini: {}, openrouter: {}, vertex: {}}";
    let loaded = good(yaml, &env);
    for text in
        [format!("{loaded:?}"), loaded.table(), loaded.to_json().to_string(), loaded.summary()]
    {
        assert!(!text.contains("planted"), "{text}");
    }
}
