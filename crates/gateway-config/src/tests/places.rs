//! Where providers of the clouds are: hosts, regions, projects, and the files that name them.

use super::*;

type Vars<'a> = &'a [(&'a str, &'a str)];

fn base_of(name: &str, keys: &str, env: Vars<'_>) -> (String, Vec<String>) {
    let loaded =
        good(&format!("providers: {{{name}: {{auth_type: none, default_model: m, {keys}}}}}"), env);
    let warnings = loaded.warnings.iter().map(|w| w.message().to_owned()).collect();
    (loaded.config.providers[0].api_base.clone().expect("a base"), warnings)
}

#[test]
fn every_kind_has_its_base_url() {
    let region = ("AWS_REGION", "us-east-1");
    for (name, keys, env, expected) in [
        ("gemini", "", &[] as Vars<'_>, "https://generativelanguage.googleapis.com/v1beta"),
        (
            "gemini",
            "api_base: 'https://generativelanguage.googleapis.com/v1/'",
            &[],
            "https://generativelanguage.googleapis.com/v1",
        ),
        ("gemini", "api_base: 'http://localhost:9/x'", &[], "http://localhost:9/x/v1beta"),
        (
            "vertex",
            "extra: {project: p, location: us}",
            &[],
            "https://aiplatform.us.rep.googleapis.com",
        ),
        (
            "vertex",
            "extra: {project: p, location: eu}",
            &[],
            "https://aiplatform.eu.rep.googleapis.com",
        ),
        (
            "vertex",
            "extra: {project: p, location: europe-west4}",
            &[],
            "https://europe-west4-aiplatform.googleapis.com",
        ),
        ("vertex", "extra: {project: p}", &[], "https://aiplatform.googleapis.com"),
        (
            "vertex",
            "extra: {project: p}",
            &[("CLOUD_ML_REGION", "us-east5")],
            "https://us-east5-aiplatform.googleapis.com",
        ),
        (
            "vertex",
            "extra: {project: p}",
            &[("CLOUD_ML_REGION", "us-east5"), ("GOOGLE_CLOUD_LOCATION", "global")],
            "https://aiplatform.googleapis.com",
        ),
        (
            "vertex",
            "extra: {project: p, location: us}, api_base: 'http://localhost:9/'",
            &[],
            "http://localhost:9",
        ),
        ("bedrock", "", &[region], "https://bedrock-runtime.us-east-1.amazonaws.com"),
        (
            "bedrock",
            "extra: {region: cn-north-1}",
            &[region],
            "https://bedrock-runtime.cn-north-1.amazonaws.com.cn",
        ),
        (
            "bedrock",
            "",
            &[region, ("AWS_USE_FIPS_ENDPOINT", "true")],
            "https://bedrock-runtime-fips.us-east-1.amazonaws.com",
        ),
        (
            "bedrock",
            "",
            &[region, ("AWS_USE_FIPS_ENDPOINT", "false")],
            "https://bedrock-runtime.us-east-1.amazonaws.com",
        ),
        (
            "bedrock",
            "",
            &[region, ("AWS_ENDPOINT_URL", "http://localhost:1")],
            "http://localhost:1",
        ),
        (
            "bedrock",
            "",
            &[
                region,
                ("AWS_ENDPOINT_URL", "http://localhost:1"),
                ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://localhost:2/"),
            ],
            "http://localhost:2",
        ),
        (
            "bedrock",
            "api_base: 'http://localhost:3/aws'",
            &[region, ("AWS_ENDPOINT_URL", "http://localhost:1")],
            "http://localhost:3/aws",
        ),
        ("ollama", "", &[("OLLAMA_BASE_URL", "http://localhost:1")], "http://localhost:11434"),
        ("ollama", "api_base: 'https://ollama.com/'", &[], "https://ollama.com"),
        ("openrouter", "", &[], "https://openrouter.ai/api/v1"),
        (
            "openrouter",
            "api_base: 'https://openrouter.ai/api'",
            &[],
            "https://openrouter.ai/api/v1",
        ),
        ("openrouter", "api_base: 'https://openrouter.ai'", &[], "https://openrouter.ai/api/v1"),
        (
            "azure",
            "api_base: 'https://res.openai.azure.com/openai/v1/'",
            &[],
            "https://res.openai.azure.com",
        ),
        (
            "azure",
            "api_base: 'https://res.services.ai.azure.com/openai/v1'",
            &[],
            "https://res.services.ai.azure.com",
        ),
        (
            "azure",
            "",
            &[("AZURE_OPENAI_ENDPOINT", "https://res.openai.azure.com/")],
            "https://res.openai.azure.com",
        ),
    ] {
        let (base, warnings) = base_of(name, keys, env);
        assert_eq!(base, expected, "{name} {{{keys}}} {env:?}");
        assert!(warnings.is_empty(), "{warnings:?}");
    }
    for (keys, base, taken) in [
        ("api_base: 'http://localhost:11434/v1'", "http://localhost:11434", "/v1"),
        ("api_base: 'http://localhost:11434/api/'", "http://localhost:11434", "/api"),
    ] {
        let (found, warnings) = base_of("ollama", keys, &[]);
        assert_eq!(found, base);
        let text = format!(
            "`providers.ollama.api_base`: `{taken}` is not used: kind `ollama` uses Ollama's own interface"
        );
        assert!(warnings[0].starts_with(&text), "{warnings:?}");
    }
    let (found, warnings) =
        base_of("vertex", "extra: {project: p}, api_base: 'https://h.example/v1'", &[]);
    assert_eq!(found, "https://h.example");
    assert!(warnings[0].contains("`/v1` is not used"), "{warnings:?}");
}

#[test]
fn a_base_url_that_is_none_says_what_to_write() {
    for (name, url, message, help) in [
        (
            "gemini",
            "https://generativelanguage.googleapis.com/v1beta/openai",
            "this is Gemini's interface that is compatible with OpenAI",
            "`kind: openai`",
        ),
        (
            "gemini",
            "https://generativelanguage.googleapis.com/v1beta/models",
            "the URL names an endpoint, not the base",
            "leave `/models` away",
        ),
        (
            "vertex",
            "https://h.example/v1/projects/p/locations/l",
            "the URL names a project",
            "belong into `extra`",
        ),
        (
            "bedrock",
            "https://h.example/model",
            "the URL names an endpoint, not the base",
            "leave `/model` away",
        ),
        (
            "ollama",
            "localhost:11434",
            "the URL must begin with https:// or http://",
            "http://localhost:11434",
        ),
        (
            "ollama",
            "http://localhost:11434/api/chat",
            "the URL names an endpoint, not the base",
            "leave `/api/chat` away",
        ),
        (
            "azure",
            "res.openai.azure.com",
            "the URL must begin with https:// or http://",
            "https://RESOURCE.openai.azure.com",
        ),
        (
            "azure",
            "https://res.openai.azure.com/?x=1",
            "the URL has a query or a fragment",
            "https://RESOURCE.openai.azure.com",
        ),
    ] {
        let yaml =
            format!("providers: {{{name}: {{auth_type: none, api_base: '{url}', extra: {{}}}}}}");
        let env = [("AWS_REGION", "us-east-1"), ("VERTEX_PROJECT", "p")];
        let faults = load(&case(&yaml, &env).sources).expect_err(url);
        let [fault] = faults.errors.as_slice() else { panic!("one fault: {faults}") };
        assert_eq!(fault.message(), format!("`providers.{name}.api_base`: {message}"), "{url}");
        assert!(fault.help_lines()[0].contains(help), "{faults}");
    }
    let env = [("AZURE_OPENAI_ENDPOINT", "nonsense")];
    let faults =
        load(&case("providers: {azure: {auth_type: none}}", &env).sources).expect_err("no URL");
    assert_eq!(
        faults.errors[0].place().as_deref(),
        Some("environment variable AZURE_OPENAI_ENDPOINT")
    );
}

#[test]
fn an_azure_deployments_path_is_kept() {
    let azure = |url: &str, extra: &str| {
        let yaml = format!(
            "providers: {{azure: {{auth_type: none, api_base: '{url}', extra: {{{extra}}}}}}}"
        );
        let loaded = good(&yaml, &[]);
        let p = &loaded.config.providers[0];
        assert_eq!(p.api_base.as_deref(), Some("https://res.openai.azure.com"));
        let text = |t: &Option<String>| t.clone().unwrap_or_else(|| "-".to_owned());
        format!("{} {}", text(&p.extra.deployment), text(&p.extra.api_version))
    };
    let host = "https://res.openai.azure.com";
    let path = format!("{host}/openai/deployments/gpt-5");
    let whole = format!("{path}/chat/completions?api-version=2025-01-01-preview");
    assert_eq!(azure(host, ""), "- -");
    assert_eq!(azure(&path, ""), "gpt-5 2024-10-21");
    assert_eq!(azure(&path, "api_version: 2025-04-01-preview"), "gpt-5 2025-04-01-preview");
    assert_eq!(azure(&whole, ""), "gpt-5 2025-01-01-preview");
    assert_eq!(azure(&whole, "deployment: other, api_version: 2024-10-21"), "other 2024-10-21");
}

/// A bedrock provider without more, with AWS files of these texts.
fn aws(config: &str, credentials: &str, yaml: &str, env: Vars<'_>) -> Result<Loaded, Diagnostics> {
    let mut case = case(yaml, env);
    let dir = case.dir.path().join(".aws");
    fs::create_dir(&dir).expect("a directory");
    fs::write(dir.join("config"), config).expect("a file");
    fs::write(dir.join("credentials"), credentials).expect("a file");
    fs::write(case.dir.path().join("other"), "[default]\nregion = sa-east-1\n").expect("a file");
    let home = case.dir.path().display().to_string();
    case.sources.env.insert("HOME".to_owned(), home);
    load(&case.sources)
}

#[test]
fn the_region_is_the_first_that_anybody_names() {
    let config =
        "[default]\nregion = us-west-2\n[profile dev]\nregion = eu-north-1\n[profile none]\n";
    let credentials = "[dev]\naws_access_key_id = x\n[old]\nregion = ap-south-1\n";
    let plain = "providers: {bedrock: {}}";
    let env = |more: &[(&'static str, &'static str)]| more.to_vec();
    for (yaml, env, region, from) in [
        (plain, env(&[]), "us-west-2", "default"),
        (plain, env(&[("AWS_PROFILE", "dev")]), "eu-north-1", "default"),
        (plain, env(&[("AWS_PROFILE", "old")]), "ap-south-1", "default"),
        (plain, env(&[("AWS_PROFILE", "none")]), "us-west-2", "default"),
        (plain, env(&[("AWS_CONFIG_FILE", "other")]), "sa-east-1", "default"),
        (
            plain,
            env(&[("AWS_DEFAULT_REGION", "us-east-2")]),
            "us-east-2",
            "environment, AWS_DEFAULT_REGION",
        ),
        (
            plain,
            env(&[("AWS_DEFAULT_REGION", "us-east-2"), ("AWS_REGION", "us-east-1")]),
            "us-east-1",
            "environment, AWS_REGION",
        ),
        ("providers: {bedrock: {extra: {profile: dev}}}", env(&[]), "eu-north-1", "default"),
        (
            "providers: {bedrock: {extra: {region: ca-central-1}}}",
            env(&[("AWS_REGION", "us-east-1")]),
            "ca-central-1",
            "file, line 1",
        ),
        (
            "providers: {bedrock: {api_base: 'https://bedrock-runtime.eu-west-3.amazonaws.com'}}",
            env(&[("AWS_REGION", "us-east-1")]),
            "eu-west-3",
            "file, line 1",
        ),
    ] {
        let loaded =
            aws(config, credentials, yaml, &env).unwrap_or_else(|f| panic!("{yaml} {env:?}: {f}"));
        assert_eq!(
            loaded.config.providers[0].extra.region.as_deref(),
            Some(region),
            "{yaml} {env:?}"
        );
        assert_eq!(origin(&loaded, "providers.bedrock.extra.region"), from, "{yaml} {env:?}");
    }
    let profile = |yaml: &str, env: Vars<'_>| {
        let loaded = aws(config, credentials, yaml, env).unwrap_or_else(|f| panic!("{f}"));
        match &loaded.config.providers[0].auth {
            Auth::Aws(aws) => (aws.keys.is_some(), aws.profile.clone()),
            other => panic!("{other:?}"),
        }
    };
    let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), ("AWS_PROFILE", "dev")];
    let dev = "providers: {bedrock: {extra: {profile: dev}}}";
    assert_eq!(profile(plain, &keys), (true, None), "keys of the environment come first");
    assert_eq!(
        profile(dev, &keys),
        (false, Some("dev".to_owned())),
        "but for a profile that is named"
    );
    assert_eq!(profile(plain, &[("AWS_PROFILE", "dev")]), (false, Some("dev".to_owned())));
    let faults =
        aws(config, credentials, plain, &[("AWS_PROFILE", "nope")]).expect_err("no profile");
    assert_eq!(faults.errors[0].message(), "there is no AWS profile `nope`");
    assert!(faults.errors[0].help_lines()[0].contains("/.aws/config or "), "{faults}");
    let faults = aws("", "", dev, &[]).expect_err("no region");
    assert!(
        faults.errors[0].help_lines()[0].contains("give the profile `dev` a `region` in "),
        "{faults}"
    );
}

/// A bedrock provider whose configuration and `.env` lie in `etc`, below the working directory.
fn beside_env(dotenv: &str, env: Vars<'_>) -> (TempDir, Result<Loaded, Diagnostics>) {
    let mut case = no_file(env);
    let etc = case.dir.path().join("etc");
    fs::create_dir(&etc).expect("a directory");
    fs::write(etc.join("g.yaml"), "providers: {a: {kind: bedrock}, b: {kind: bedrock}}")
        .expect("a file");
    fs::write(etc.join(".env"), dotenv).expect("a file");
    for (dir, region) in [(case.dir.path(), "us-west-2"), (etc.as_path(), "eu-west-3")] {
        let text = format!("[default]\nregion = {region}\n[profile dev]\nregion = {region}\n");
        fs::write(dir.join("aws"), text).expect("a file");
    }
    case.sources.overrides.config = Some(etc.join("g.yaml"));
    let loaded = load(&case.sources);
    (case.dir, loaded)
}

fn aws_of(loaded: &Loaded) -> &AwsCredentials {
    match &loaded.config.providers[0].auth {
        Auth::Aws(aws) => aws,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_files_of_aws_are_those_that_its_own_code_is_told() {
    let file = ("AWS_CONFIG_FILE", "aws");
    for (dotenv, env, path, region) in [
        ("AWS_CONFIG_FILE=aws\nAWS_PROFILE=dev", &[] as Vars<'_>, "etc/aws", "eu-west-3"),
        ("AWS_PROFILE=dev", &[file], "aws", "us-west-2"),
        ("AWS_CONFIG_FILE=gone", &[file], "aws", "us-west-2"),
    ] {
        let (dir, loaded) = beside_env(dotenv, env);
        let loaded = loaded.unwrap_or_else(|faults| panic!("{dotenv}: {faults}"));
        let path = dir.path().join(path);
        assert_eq!(aws_of(&loaded).config_file.as_deref(), Some(&*path), "{dotenv}");
        assert_eq!(loaded.config.providers[0].extra.region.as_deref(), Some(region), "{dotenv}");
    }
    let dotenv = "AWS_SHARED_CREDENTIALS_FILE=/c\nAWS_REGION=us-east-1";
    let loaded = beside_env(dotenv, &[]).1.expect("valid");
    let aws = aws_of(&loaded);
    let files = (aws.config_file.clone(), aws.credentials_file.clone());
    assert_eq!(files, (None, Some("/c".into())));
}

#[test]
fn what_aws_code_reads_from_the_environment_alone_is_told_of_in_a_file() {
    let dotenv = "AWS_REGION=us-east-1\nAWS_ROLE_ARN=a\nAWS_WEB_IDENTITY_TOKEN_FILE=t\n\
                  AWS_CONTAINER_CREDENTIALS_FULL_URI=u\n";
    let warned = |dotenv: &str, env: Vars<'_>| {
        let loaded = beside_env(dotenv, env).1.unwrap_or_else(|faults| panic!("{faults}"));
        let unseen = loaded.warnings.iter().filter(|w| w.message().contains("no effect in .env"));
        unseen.map(|w| w.message().split(' ').next().unwrap_or("").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        warned(dotenv, &[]),
        ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"]
    );
    assert_eq!(warned(dotenv, &[("AWS_ROLE_ARN", "a")]).len(), 2);
    let keys = format!("{dotenv}AWS_ACCESS_KEY_ID=i\nAWS_SECRET_ACCESS_KEY=s\n");
    assert!(warned(&keys, &[]).is_empty(), "keys that are given need none of them");
}

#[test]
fn the_parts_of_an_aws_key_come_from_one_place() {
    let (id, secret) = (("AWS_ACCESS_KEY_ID", "i"), ("AWS_SECRET_ACCESS_KEY", "s"));
    let token = ("AWS_SESSION_TOKEN", "shell");
    let file = "AWS_REGION=us-east-1\nAWS_ACCESS_KEY_ID=i2\nAWS_SECRET_ACCESS_KEY=s2\n";
    let with_token = format!("{file}AWS_SESSION_TOKEN=file\n");
    for (dotenv, env, parts, warnings) in [
        (file, &[] as Vars<'_>, ("i2", None), 0),
        (file, &[token], ("i2", None), 2),
        (&with_token, &[], ("i2", Some("file")), 0),
        (&with_token, &[id, secret], ("i", None), 2),
        (&with_token, &[id, secret, token], ("i", Some("shell")), 0),
    ] {
        let loaded = beside_env(dotenv, env).1.unwrap_or_else(|faults| panic!("{faults}"));
        let keys = aws_of(&loaded).keys.clone().expect("keys");
        let found = keys.session_token.as_ref().map(ExposeSecret::expose_secret);
        assert_eq!((keys.access_key_id.as_str(), found), parts, "{dotenv} {env:?}");
        let strays =
            loaded.warnings.iter().filter(|w| w.message().starts_with("AWS_SESSION_TOKEN"));
        assert_eq!(strays.count(), warnings, "{dotenv} {env:?}");
    }
    let faults = beside_env(file, &[id]).1.expect_err("two halves");
    assert_eq!(
        faults.errors[0].message(),
        "AWS_ACCESS_KEY_ID is set in the environment, but AWS_SECRET_ACCESS_KEY in .env: that is not one credential"
    );
}

#[test]
fn the_project_is_the_first_that_anybody_names() {
    let account = r#"{"type": "service_account", "project_id": "of-account"}"#;
    let user = r#"{"type": "authorized_user", "quota_project_id": "pays"}"#;
    let vertex = |file: &str, extra: &str, env: Vars<'_>| {
        let mut case = case(&format!("providers: {{vertex: {{extra: {{{extra}}}}}}}"), env);
        let path = case.dir.path().join("adc.json");
        fs::write(&path, file).expect("a file");
        if extra.is_empty() || !extra.contains("credentials_file") {
            let path = path.display().to_string();
            case.sources.env.insert("GOOGLE_APPLICATION_CREDENTIALS".to_owned(), path);
        }
        let loaded = load(&case.sources)?;
        let p = &loaded.config.providers[0];
        let Auth::Google(google) = &p.auth else { panic!("{:?}", p.auth) };
        assert_eq!(google.file.as_deref(), Some(path.as_path()));
        Ok::<_, Diagnostics>(p.extra.project.clone().expect("a project"))
    };
    let (v, g, a) = (
        ("VERTEX_PROJECT", "v"),
        ("GOOGLE_CLOUD_PROJECT", "g"),
        ("ANTHROPIC_VERTEX_PROJECT_ID", "a"),
    );
    for (file, extra, env, project) in [
        (account, "", &[] as Vars<'_>, "of-account"),
        (account, "credentials_file: adc.json", &[], "of-account"),
        (account, "", &[a], "a"),
        (user, "", &[a, g], "g"),
        (user, "", &[a, g, v], "v"),
        (user, "project: x", &[a, g, v], "x"),
    ] {
        assert_eq!(vertex(file, extra, env).expect("a configuration"), project);
    }
    let faults = vertex(user, "", &[]).expect_err("the project that pays is not the one");
    assert_eq!(faults.errors[0].message(), "`providers.vertex` has no Google Cloud project");
    // With an API key none is needed.
    let yaml = "providers: {vertex: {auth_type: api_key}}";
    let loaded = good(yaml, &[("GOOGLE_API_KEY", "k")]);
    assert_eq!(loaded.config.providers[0].extra.project, None);
}

#[test]
fn a_dotenv_names_files_beside_it() {
    let case = case("providers: {vertex: {}}", &[]);
    let account = r#"{"type": "service_account", "project_id": "here"}"#;
    fs::write(case.dir.path().join("key.json"), account).expect("a file");
    fs::write(case.dir.path().join(".env"), "GOOGLE_APPLICATION_CREDENTIALS=key.json\n")
        .expect("a file");
    let loaded = load(&case.sources).expect("a configuration");
    assert_eq!(loaded.config.providers[0].extra.project.as_deref(), Some("here"));
    let from = ".env, GOOGLE_APPLICATION_CREDENTIALS";
    assert_eq!(origin(&loaded, "providers.vertex.extra.project"), from);
}
