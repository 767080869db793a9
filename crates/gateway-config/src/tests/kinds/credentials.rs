//! Every credential of every kind, and to whom it goes.

use super::*;

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
