//! The variables that set the gateway up where no provider is configured.

use gateway_router::Query;

use super::*;

pub(super) type Vars<'a> = &'a [(&'a str, &'a str)];

pub(super) const A: (&str, &str) = ("ANTHROPIC_API_KEY", "a");
pub(super) const O: (&str, &str) = ("OPENAI_API_KEY", "o");
pub(super) const LOCAL: (&str, &str) = ("OPENAI_BASE_URL", "http://localhost:8000");
pub(super) const CUSTOM: (&str, &str) = ("CUSTOM_BASE_URL", "http://localhost:9000/v1");

pub(super) fn prefers(provider: &'static str) -> (&'static str, &'static str) {
    ("PREFERRED_PROVIDER", provider)
}

pub(super) fn loaded(env: Vars<'_>) -> Loaded {
    load(&no_file(env).sources).unwrap_or_else(|faults| panic!("{env:?}: {faults}"))
}

/// `*name` for the default, `name!` for a private one, with the credential.
pub(super) fn providers(loaded: &Loaded) -> String {
    let one = |p: &Provider| {
        let default = loaded.config.default_provider.as_deref() == Some(&p.name);
        let auth = match &p.auth {
            Auth::ApiKey(k) => format!("key {}", k.expose_secret()),
            Auth::Bearer(k) => format!("bearer {}", k.expose_secret()),
            Auth::None => "none".to_owned(),
            Auth::Client => "login".to_owned(),
            Auth::Missing { variable } => format!("missing {variable}"),
            Auth::Aws(aws) => if aws.keys.is_some() { "aws keys" } else { "aws chain" }.to_owned(),
            Auth::Google(_) => "google".to_owned(),
            Auth::AzureAd(_) => "entra".to_owned(),
        };
        let (star, mark) = (if default { "*" } else { "" }, if p.private { "!" } else { "" });
        format!("{star}{}{mark} {auth}", p.name)
    };
    loaded.config.providers.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Where opus, sonnet, fable and haiku go, one word for the first three where they agree.
pub(super) fn ways(loaded: &Loaded) -> String {
    let table = loaded.config.routing().expect("a table");
    let way = |model: &str| {
        let plan = table.explain(&Query::model(model)).expect("a way");
        let same = plan.upstream_model == model;
        format!("{}:{}", plan.provider_name, if same { "=" } else { &plan.upstream_model })
    };
    let big = ["claude-opus-5-5", "claude-sonnet-5-5[1m]", "claude-fable-5-2"]
        .map(|m| way(gateway_router::strip_long_context(m)));
    assert!(big.iter().all(|b| *b == big[0]), "{big:?}");
    let small = way("claude-haiku-4-5-20251001");
    assert_eq!(small, way("claude-3-5-haiku-latest").replace("claude-3-5-haiku-latest", "="));
    format!("{} {small}", big[0])
}

#[test]
fn the_variables_that_are_set_say_who_serves() {
    let sk_or = ("OPENAI_API_KEY", "sk-or-v1-x");
    let own = ("OPENAI_BASE_URL", "https://eu.api.openai.com/v1");
    for (env, expected) in [
        (&[] as Vars<'_>, "*anthropic login"),
        (&[A], "*anthropic key a"),
        (&[O], "*openai bearer o"),
        (&[O, own], "*openai bearer o"),
        (&[own], "*anthropic login"),
        (&[A, O], "*anthropic key a, openai bearer o"),
        (&[A, O, prefers("openai")], "anthropic key a, *openai bearer o"),
        (&[A, O, prefers(" OpenAI ")], "anthropic key a, *openai bearer o"),
        (&[A, O, ("GATEWAY_DEFAULT_PROVIDER", "openai")], "anthropic key a, *openai bearer o"),
        (&[O, prefers("anthropic")], "*anthropic login, openai bearer o"),
        // A server of one's own: nothing else is even set up.
        (&[LOCAL], "*openai! none"),
        (&[O, LOCAL], "*openai! bearer o"),
        (&[A, O, LOCAL], "*openai! bearer o"),
        (&[A, O, LOCAL, prefers("openai")], "*openai! bearer o"),
        (&[A, O, LOCAL, prefers("anthropic")], "*anthropic key a, openai! bearer o"),
        (&[CUSTOM], "*custom! none"),
        (&[CUSTOM, ("CUSTOM_API_KEY", "c")], "*custom! bearer c"),
        (&[A, O, CUSTOM, prefers("custom")], "*custom! none"),
        (&[A, CUSTOM], "*anthropic key a, custom! none"),
        (&[O, CUSTOM], "*openai bearer o, custom! none"),
        // A key of OpenRouter is none of OpenAI.
        (&[sk_or], "*openrouter bearer sk-or-v1-x"),
        (&[sk_or, prefers("openai")], "*openrouter bearer sk-or-v1-x"),
        (&[A, sk_or], "*anthropic key a, openrouter bearer sk-or-v1-x"),
        (&[sk_or, CUSTOM], "*openrouter bearer sk-or-v1-x, custom! none"),
        (&[("OPENROUTER_API_KEY", "r"), sk_or], "*openrouter bearer r"),
        (&[sk_or, ("OPENAI_BASE_URL", "https://openrouter.ai/api")], "*openai! bearer sk-or-v1-x"),
    ] {
        assert_eq!(providers(&loaded(env)), expected, "{env:?}");
    }
}

#[test]
fn base_urls_come_from_their_variables_with_their_origin() {
    let l = loaded(&[O, LOCAL]);
    assert_eq!(l.config.providers[0].api_base.as_deref(), Some("http://localhost:8000/v1"));
    assert_eq!(origin(&l, "providers.openai.api_base"), "environment, OPENAI_BASE_URL");
    let l = loaded(&[("CUSTOM_BASE_URL", "https://host.example/api/paas/v4")]);
    assert_eq!(l.config.providers[0].api_base.as_deref(), Some("https://host.example/api/paas/v4"));
    assert_eq!(l.config.providers[0].kind, Kind::OpenAi);
    let faults = load(&no_file(&[("CUSTOM_BASE_URL", "nonsense")]).sources).expect_err("no URL");
    assert_eq!(faults.errors[0].place().as_deref(), Some("environment variable CUSTOM_BASE_URL"));
    let faults = load(&no_file(&[O, ("OPENAI_BASE_URL", "nonsense")]).sources).expect_err("no URL");
    assert_eq!(faults.errors[0].place().as_deref(), Some("environment variable OPENAI_BASE_URL"));
}

#[test]
fn big_and_small_models_stand_for_claudes() {
    let big = |name: &'static str| ("BIG_MODEL", name);
    let small = |name: &'static str| ("SMALL_MODEL", name);
    for (env, expected) in [
        (&[O] as Vars<'_>, "openai:gpt-5.6-terra openai:gpt-5.4-mini"),
        (&[O, big("gpt-6-sol")], "openai:gpt-6-sol openai:gpt-5.4-mini"),
        (&[O, small("gpt-5-nano")], "openai:gpt-5.6-terra openai:gpt-5-nano"),
        (&[O, big("openai/o3"), small("openai/o4-mini")], "openai:o3 openai:o4-mini"),
        (&[O, ("BIG_MODEL_NAME", "b"), ("SMALL_MODEL_NAME", "s")], "openai:b openai:s"),
        (&[O, big("b"), ("BIG_MODEL_NAME", "other")], "openai:b openai:gpt-5.4-mini"),
        (&[A], "anthropic:= anthropic:="),
        (&[A, big("claude-opus-5")], "anthropic:claude-opus-5 anthropic:="),
        (&[A, small("anthropic/claude-haiku-5")], "anthropic:= anthropic:claude-haiku-5"),
        (&[big("anthropic/claude-x")], "anthropic:claude-x anthropic:="),
        // A prefix names the other provider; without one only where nobody chose.
        (&[A, O, big("openai/gpt-5")], "openai:gpt-5 anthropic:="),
        (&[A, O, small("gpt-5-mini")], "anthropic:= openai:gpt-5-mini"),
        (&[A, O, prefers("anthropic"), small("gpt-5-mini")], "anthropic:= anthropic:="),
        (&[A, small("gpt-5-mini")], "anthropic:= anthropic:="),
        (
            &[A, O, prefers("openai"), big("anthropic/claude-opus-5")],
            "anthropic:claude-opus-5 openai:gpt-5.4-mini",
        ),
        (&[A, O, LOCAL, prefers("anthropic"), small("openai/qwen3")], "anthropic:= openai:qwen3"),
        // At a server of one's own every name is that server's.
        (&[LOCAL], "openai:= openai:="),
        (&[LOCAL, big("qwen3")], "openai:qwen3 openai:qwen3"),
        (&[LOCAL, small("qwen3")], "openai:= openai:qwen3"),
        (&[LOCAL, O, big("openai/gpt-4.1"), small("b")], "openai:gpt-4.1 openai:b"),
        (
            &[LOCAL, A, big("anthropic/claude-x")],
            "openai:anthropic/claude-x openai:anthropic/claude-x",
        ),
        (
            &[CUSTOM, big("openai/gpt-oss-120b"), small("gemini/x")],
            "custom:openai/gpt-oss-120b custom:gemini/x",
        ),
        (&[CUSTOM], "custom:= custom:="),
    ] {
        assert_eq!(ways(&loaded(env)), expected, "{env:?}");
    }
    let l = loaded(&[O, big("b"), small("s")]);
    assert_eq!(origin(&l, "providers.openai.default_model"), "environment, BIG_MODEL");
    assert_eq!(origin(&l, "providers.openai.model_map.claude-*haiku*"), "environment, SMALL_MODEL");
    let l = loaded(&[A, O, big("openai/gpt-5")]);
    assert_eq!(origin(&l, "routes[0].model"), "environment, BIG_MODEL");
    assert_eq!(l.config.routes[0].name.as_deref(), Some("BIG_MODEL"));
}

#[test]
fn what_belongs_to_a_server_of_ones_own_never_leaves_it() {
    for env in [&[A, O, LOCAL] as Vars<'_>, &[A, O, CUSTOM, prefers("custom")]] {
        let config = loaded(env).config;
        let hosts: Vec<_> = config.providers.iter().filter_map(|p| p.api_base.as_deref()).collect();
        assert!(hosts.iter().all(|h| h.starts_with("http://localhost:")), "{hosts:?}");
        let table = config.routing().expect("a table");
        for pick in ["anthropic", "openai", "custom"] {
            let query = Query { pick: Some(pick), ..Query::model("claude-opus-5") };
            let own = config.default_provider.as_deref() == Some(pick);
            assert_eq!(table.decide(&query).is_ok(), own, "{pick}");
        }
    }
    let config = loaded(&[A, O, LOCAL, prefers("anthropic"), ("SMALL_MODEL", "openai/q")]).config;
    let table = config.routing().expect("a table");
    let pick = |model| table.decide(&Query { pick: Some("anthropic"), ..Query::model(model) });
    assert!(pick("claude-opus-5").is_ok());
    assert!(matches!(pick("claude-haiku-4-5"), Err(gateway_router::NoRoute::Private { .. })));
}

#[test]
fn rules_of_a_file_without_providers_come_first() {
    let yaml = "routes: [{pattern: claude-opus-5, provider: anthropic, model: mine}]";
    let loaded = good(yaml, &[A, O, ("BIG_MODEL", "openai/gpt-5")]);
    let table = loaded.config.routing().expect("a table");
    let way = |model| table.explain(&Query::model(model)).expect("a way").upstream_model;
    assert_eq!((way("claude-opus-5"), way("claude-opus-4-6")), ("mine".into(), "gpt-5".into()));
    assert_eq!(loaded.config.default_provider.as_deref(), Some("anthropic"));
    // A provider that is configured, in whatever way, ends all this.
    let env = [O, ("GATEWAY__PROVIDERS__ANTHROPIC__AUTH_TYPE", "client"), ("BIG_MODEL", "x/y/z")];
    let configured = self::loaded(&env);
    assert_eq!(providers(&configured), "*anthropic login");
    assert_eq!(
        configured.notes,
        [
            "BIG_MODEL set, but not used: providers are configured, and only what is said there counts"
        ]
    );
}

#[test]
fn a_start_says_which_and_why() {
    for (env, expected) in [
        (
            &[O] as Vars<'_>,
            &[
                "provider `openai`, because OPENAI_API_KEY is set and no provider is configured",
                "opus, sonnet and fable are `gpt-5.6-terra` of `openai`, haiku is `gpt-5.4-mini` of `openai`; BIG_MODEL and SMALL_MODEL change that",
            ] as &[&str],
        ),
        (
            &[A, O],
            &[
                "providers `anthropic`, `openai`, because ANTHROPIC_API_KEY is set, OPENAI_API_KEY is set and no provider is configured",
                "`anthropic` is the default, because several are set and none is chosen; PREFERRED_PROVIDER chooses another",
            ],
        ),
        (
            &[
                A,
                O,
                prefers("openai"),
                ("BIG_MODEL", "anthropic/claude-opus-5"),
                ("SMALL_MODEL", "o4-mini"),
            ],
            &[
                "providers `anthropic`, `openai`, because ANTHROPIC_API_KEY is set, OPENAI_API_KEY is set and no provider is configured",
                "`openai` is the default, because PREFERRED_PROVIDER says so",
                "opus, sonnet and fable are `claude-opus-5` of `anthropic` (BIG_MODEL), haiku is `o4-mini` of `openai` (SMALL_MODEL)",
            ],
        ),
        (
            &[A, O, LOCAL],
            &[
                "provider `openai`, because OPENAI_BASE_URL names a server of your own and no provider is configured",
                "`openai` is private: nothing goes anywhere else (ANTHROPIC_API_KEY is set, but `anthropic` is not used)",
                "Claude's models go to `openai` by the names that are asked for; BIG_MODEL and SMALL_MODEL name models of that server instead",
            ],
        ),
        (
            &[O, LOCAL, ("BIG_MODEL", "openai/b")],
            &[
                "provider `openai`, because OPENAI_BASE_URL names a server of your own and no provider is configured",
                "`openai` is private: nothing goes anywhere else",
                "BIG_MODEL: `openai/` is read as the provider, the model is `b`; where it belongs to the name write `openai/openai/b`",
                "opus, sonnet and fable are `b` of `openai` (BIG_MODEL), haiku is `b` of `openai` (BIG_MODEL); BIG_MODEL and SMALL_MODEL change that",
            ],
        ),
        (
            &[CUSTOM, ("SMALL_MODEL", "s")],
            &[
                "provider `custom`, because CUSTOM_BASE_URL is set and no provider is configured",
                "`custom` is private: nothing goes anywhere else",
                "opus, sonnet and fable go to `custom` by the names that are asked for, haiku is `s` of `custom` (SMALL_MODEL); BIG_MODEL and SMALL_MODEL change that",
            ],
        ),
        (
            &[A, ("BIG_MODEL", "gpt-5"), ("CUSTOM_API_KEY", "c"), ("AZURE_OPENAI_API_KEY", "z")],
            &[
                "provider `anthropic`, because ANTHROPIC_API_KEY is set and no provider is configured",
                "BIG_MODEL is `gpt-5`, which `anthropic` does not serve: it is not used; `openai/gpt-5` with OPENAI_API_KEY set would be",
                "AZURE_OPENAI_API_KEY is set, but `azure` is not used: AZURE_OPENAI_ENDPOINT is not set",
                "CUSTOM_API_KEY set, but not used: CUSTOM_BASE_URL is not set",
            ],
        ),
    ] {
        assert_eq!(loaded(env).notes, expected, "{env:?}");
    }
    let notes = loaded(&[O, prefers("anthropic")]).notes;
    assert!(
        notes[0].contains("caller's own login, because PREFERRED_PROVIDER says so"),
        "{notes:?}"
    );
    assert_eq!(notes[2], "provider `openai` too, because OPENAI_API_KEY is set");
}

#[test]
fn what_can_not_be_served_is_one_fault_with_its_remedy() {
    for (env, place, message, help) in [
        (
            &[prefers("openai")] as Vars<'_>,
            "PREFERRED_PROVIDER",
            "`openai` is chosen (PREFERRED_PROVIDER says so), but OPENAI_API_KEY is not set",
            "set OPENAI_API_KEY",
        ),
        (
            &[A, prefers("custom")],
            "PREFERRED_PROVIDER",
            "`custom` is chosen (PREFERRED_PROVIDER says so), but CUSTOM_BASE_URL is not set",
            "set CUSTOM_BASE_URL",
        ),
        (
            &[A, prefers("google")],
            "PREFERRED_PROVIDER",
            "`gemini` is chosen (PREFERRED_PROVIDER says so), but GEMINI_API_KEY is not set",
            "set GEMINI_API_KEY",
        ),
        (
            &[A, prefers("openrouter")],
            "PREFERRED_PROVIDER",
            "`openrouter` is chosen (PREFERRED_PROVIDER says so), but OPENROUTER_API_KEY is not set",
            "set OPENROUTER_API_KEY",
        ),
        (
            &[A, prefers("gogle")],
            "PREFERRED_PROVIDER",
            "PREFERRED_PROVIDER names no provider that variables can set up",
            "did you mean `google`?",
        ),
        (
            &[A, prefers("opnai")],
            "PREFERRED_PROVIDER",
            "PREFERRED_PROVIDER names no provider that variables can set up",
            "did you mean `openai`? Possible are `anthropic`, `openai`, `openrouter`, `gemini`, ",
        ),
        (
            &[A, ("BIG_MODEL", "openai/gpt-5")],
            "BIG_MODEL",
            "BIG_MODEL names a model of `openai`, but OPENAI_API_KEY is not set",
            "set OPENAI_API_KEY",
        ),
        (
            &[O, ("SMALL_MODEL_NAME", "anthropic/claude-haiku-5")],
            "SMALL_MODEL_NAME",
            "SMALL_MODEL_NAME names a model of `anthropic`, but ANTHROPIC_API_KEY is not set",
            "set ANTHROPIC_API_KEY",
        ),
        (
            &[O, ("BIG_MODEL", "gemini/gemini-3-pro")],
            "BIG_MODEL",
            "BIG_MODEL names a model of `gemini`, but GEMINI_API_KEY is not set",
            "set GEMINI_API_KEY",
        ),
        (
            &[O, ("SMALL_MODEL", "openrouter/x/y")],
            "SMALL_MODEL",
            "SMALL_MODEL names a model of `openrouter`, but OPENROUTER_API_KEY is not set",
            "set OPENROUTER_API_KEY",
        ),
    ] {
        let faults = load(&no_file(env).sources).expect_err("a fault");
        let [fault] = faults.errors.as_slice() else { panic!("one fault: {faults}") };
        assert_eq!(fault.message(), message, "{env:?}");
        assert_eq!(fault.place(), Some(format!("environment variable {place}")));
        assert!(fault.help_lines()[0].contains(help), "{faults}");
        assert!(!faults.to_string().contains("planted"));
    }
}
