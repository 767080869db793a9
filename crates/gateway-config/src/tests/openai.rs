//! Kinds `openai` and `openai-responses`: credentials, base URLs, names, and every key of `compat`.

use super::*;

/// A compatible server with some more keys, on one line each.
fn server(keys: &str) -> String {
    format!("providers:\n  lab:\n    kind: openai\n    api_base: http://localhost:8000\n{keys}")
}

fn lab(keys: &str) -> Provider {
    good(&server(keys), &[]).config.providers.remove(0)
}

fn compat(line: &str) -> Compat {
    lab(&format!("    compat:\n      {line}\n")).compat
}

fn auth_of(provider: &Provider) -> String {
    match &provider.auth {
        Auth::ApiKey(k) => format!("key {}", k.expose_secret()),
        Auth::Bearer(k) => format!("bearer {}", k.expose_secret()),
        Auth::Missing { variable } => format!("missing {variable}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn the_built_in_names_need_nothing_but_their_key() {
    let env = [("OPENAI_API_KEY", "sk-o"), ("ANTHROPIC_API_KEY", "sk-a")];
    for (name, kind, api) in [
        ("openai", Kind::OpenAi, Api::Auto),
        ("openai-responses", Kind::OpenAiResponses, Api::Responses),
    ] {
        let loaded = good(&format!("providers: {{{name}: {{}}}}"), &env);
        let p = &loaded.config.providers[0];
        assert_eq!((p.kind, p.api), (kind, api));
        assert_eq!(p.api_base.as_deref(), Some("https://api.openai.com/v1"));
        assert_eq!(auth_of(p), "bearer sk-o");
        assert_eq!(p.key_variable.as_deref(), Some("OPENAI_API_KEY"));
        assert!(p.is_openai_host() && !p.private && loaded.warnings.is_empty());
        assert_eq!(serde_json::to_value(p.kind).expect("text"), name);
        assert!(loaded.summary().starts_with(&format!("provider {name} ({name}, https://api")));
    }
    assert_eq!(
        faults("providers: {openai: {}}", &[]),
        ["1:13 the key of `openai` is missing: the variable OPENAI_API_KEY is not set"]
    );
}

#[test]
fn a_compatible_server_works_with_its_base_url_alone() {
    let env = [("OPENAI_API_KEY", "sk-o"), ("ANTHROPIC_API_KEY", "sk-a"), ("K", "mine")];
    let loaded = good(&server(""), &env);
    let p = &loaded.config.providers[0];
    assert_eq!(p.api_base.as_deref(), Some("http://localhost:8000/v1"));
    assert_eq!(auth_of(p), "None", "nobody else's key goes there");
    assert_eq!((p.api, &p.compat, p.is_openai_host()), (Api::Auto, &Compat::default(), false));
    assert_eq!(p.default_model, None);
    assert!(p.model_map.is_empty() && loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(loaded.config.default_provider.as_deref(), Some("lab"));
    for (keys, auth) in [
        ("    api_key_env_var: K\n", "bearer mine"),
        ("    api_key: ${K}\n", "bearer mine"),
        ("    api_key_env_var: K\n    auth_type: api_key\n", "key mine"),
        ("    auth_type: none\n", "None"),
        ("    auth_type: client\n", "Client"),
        ("    enabled: true\n", "None"),
    ] {
        assert_eq!(auth_of(&good(&server(keys), &env).config.providers[0]), auth, "{keys}");
    }
    let missing = faults(&server("    api_key_env_var: NOT_SET\n"), &[]);
    assert_eq!(missing, ["5:22 the key of `lab` is missing: the variable NOT_SET is not set"]);
    let unsaid = faults(&server("    auth_type: bearer_token\n"), &[]);
    assert_eq!(unsaid, ["2:3 `providers.lab` does not say how to authenticate"]);
    let own = "providers: {openai: {auth_type: api_key}}";
    assert_eq!(
        faults(own, &env),
        ["1:33 `providers.openai.auth_type`: OpenAI takes a bearer token only"]
    );
}

#[test]
fn claude_names_have_a_substitute_only_at_openai_itself() {
    let way = |yaml: &str, model: &str| {
        let config = good(yaml, &[("OPENAI_API_KEY", "sk-o")]).config;
        let table = config.routing().expect("a table");
        let query = gateway_router::Query::model(model);
        table.explain(&query).expect("a way").upstream_model
    };
    let own = "providers: {openai: {}}";
    for (asked, sent) in [
        ("claude-opus-5-5", "gpt-5.6-terra"),
        ("claude-sonnet-5-5[1m]", "gpt-5.6-terra"),
        ("claude-fable-5-2", "gpt-5.6-terra"),
        ("claude-haiku-4-5-20251001", "gpt-5.4-mini"),
        ("gpt-4.1", "gpt-4.1"),
    ] {
        assert_eq!(way(own, asked), sent, "{asked}");
    }
    let one = "providers: {openai: {default_model: gpt-6-sol}}";
    assert_eq!(way(one, "claude-haiku-4-5"), "gpt-6-sol", "what is said counts for all");
    let some = "providers: {openai: {model_map: {'claude-opus-*': o3}}}";
    assert_eq!(way(some, "claude-opus-5"), "o3");
    assert_eq!(way(some, "claude-haiku-4-5"), "gpt-5.4-mini");
    assert_eq!(way(&server(""), "claude-opus-5"), "claude-opus-5");
    assert_eq!(way(&server("    default_model: qwen3\n"), "claude-opus-5"), "qwen3");

    let loaded = good(own, &[("OPENAI_API_KEY", "sk-o")]);
    assert_eq!(origin(&loaded, "providers.openai.default_model"), "default");
    assert_eq!(origin(&loaded, "providers.openai.model_map.claude-*haiku*"), "default");
}

#[test]
fn models_and_prices_are_typed() {
    let keys = "    models:\n      m: {max_tokens: 8, context_window: 9, supports_tools: false, price: {input: 2.5, output: 10, cache_read: 0.0375}}\n";
    let facts = lab(keys).models.remove(0);
    let price = facts.price.expect("a price");
    assert_eq!((price.input, price.output), (2_500_000, 10_000_000));
    assert_eq!((price.cache_read, price.cache_write), (Some(37_500), None));
    assert_eq!((facts.supports_tools, facts.supports_vision), (Some(false), None));
    let bad =
        |price: &str| faults(&server(&format!("    models: {{m: {{price: {price}}}}}\n")), &[]);
    let path = "providers.lab.models.m.price";
    assert_eq!(
        bad("{input: -1, output: many, cached: 1}"),
        [
            format!("5:33 `{path}.input` must be a number of dollars from 0 to 1000000, found -1"),
            format!("5:45 `{path}.output` must be a number of dollars, found text"),
            format!("5:51 unknown key `{path}.cached`"),
        ]
    );
    assert_eq!(bad("3"), [format!("5:25 `{path}` must be a map of keys, found a number")]);
}

#[test]
fn every_key_of_compat_reaches_its_field() {
    let nothing = Compat::default;
    let texts = |t: &[&str]| t.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    let yes = Some(true);
    let no = Some(false);
    for (line, expected) in [
        ("documents: text", Compat { documents: Some(Documents::Text), ..nothing() }),
        ("documents: keep", Compat { documents: Some(Documents::Keep), ..nothing() }),
        ("documents: refuse", Compat { documents: Some(Documents::Refuse), ..nothing() }),
        (
            "reasoning_content: auto",
            Compat { reasoning_content: Some(ReasoningContent::Auto), ..nothing() },
        ),
        (
            "reasoning_content: replay",
            Compat { reasoning_content: Some(ReasoningContent::Replay), ..nothing() },
        ),
        (
            "reasoning_content: never",
            Compat { reasoning_content: Some(ReasoningContent::Never), ..nothing() },
        ),
        (
            "drop_fields: [metadata, n]",
            Compat { drop_fields: texts(&["metadata", "n"]), ..nothing() },
        ),
        ("drop_events: [thinking]", Compat { drop_events: texts(&["thinking"]), ..nothing() }),
        (
            "max_tokens_field: max_tokens",
            Compat { max_tokens_field: Some(MaxTokensField::MaxTokens), ..nothing() },
        ),
        (
            "max_tokens_field: max_completion_tokens",
            Compat { max_tokens_field: Some(MaxTokensField::MaxCompletionTokens), ..nothing() },
        ),
        ("stream_options: false", Compat { stream_options: no, ..nothing() }),
        ("developer_role: true", Compat { developer_role: yes, ..nothing() }),
        ("system_anywhere: false", Compat { system_anywhere: no, ..nothing() }),
        ("tool_choice: full", Compat { tool_choice: Some(ToolChoice::Full), ..nothing() }),
        ("tool_choice: no_named", Compat { tool_choice: Some(ToolChoice::NoNamed), ..nothing() }),
        ("tool_choice: auto_only", Compat { tool_choice: Some(ToolChoice::AutoOnly), ..nothing() }),
        ("tool_choice: none", Compat { tool_choice: Some(ToolChoice::None), ..nothing() }),
        ("parallel_tool_calls: false", Compat { parallel_tool_calls: no, ..nothing() }),
        ("images: keep", Compat { images: Some(Images::Keep), ..nothing() }),
        ("images: base64", Compat { images: Some(Images::Base64), ..nothing() }),
        ("images: none", Compat { images: Some(Images::None), ..nothing() }),
        ("tool_images: true", Compat { tool_images: yes, ..nothing() }),
        ("pdf: true", Compat { pdf: yes, ..nothing() }),
        ("json_schema: false", Compat { json_schema: no, ..nothing() }),
        ("json_object: true", Compat { json_object: yes, ..nothing() }),
        ("strict_schemas: true", Compat { strict_schemas: yes, ..nothing() }),
        ("stop_max: 0", Compat { stop_max: Some(0), ..nothing() }),
        ("tool_name_max: 64", Compat { tool_name_max: Some(64), ..nothing() }),
        ("call_id_max: 9", Compat { call_id_max: Some(9), ..nothing() }),
        ("tools_max: 128", Compat { tools_max: Some(128), ..nothing() }),
        (
            "reasoning_in: reasoning_effort",
            Compat { reasoning_in: Some(ReasoningIn::ReasoningEffort), ..nothing() },
        ),
        (
            "reasoning_in: reasoning",
            Compat { reasoning_in: Some(ReasoningIn::Reasoning), ..nothing() },
        ),
        (
            "reasoning_in: thinking",
            Compat { reasoning_in: Some(ReasoningIn::Thinking), ..nothing() },
        ),
        ("reasoning_in: none", Compat { reasoning_in: Some(ReasoningIn::None), ..nothing() }),
        ("reasoning_out: auto", Compat { reasoning_out: Some(ReasoningOut::Auto), ..nothing() }),
        (
            "reasoning_out: reasoning_content",
            Compat { reasoning_out: Some(ReasoningOut::ReasoningContent), ..nothing() },
        ),
        (
            "reasoning_out: reasoning",
            Compat { reasoning_out: Some(ReasoningOut::Reasoning), ..nothing() },
        ),
        (
            "reasoning_out: reasoning_details",
            Compat { reasoning_out: Some(ReasoningOut::ReasoningDetails), ..nothing() },
        ),
        (
            "reasoning_out: think_tags",
            Compat { reasoning_out: Some(ReasoningOut::ThinkTags), ..nothing() },
        ),
        (
            "user_field: safety_identifier",
            Compat { user_field: Some(UserField::SafetyIdentifier), ..nothing() },
        ),
        ("user_field: user", Compat { user_field: Some(UserField::User), ..nothing() }),
        ("user_field: none", Compat { user_field: Some(UserField::None), ..nothing() }),
        (
            "efforts: [none, LOW, max, low]",
            Compat { efforts: Some(vec!["none", "low", "max"]), ..nothing() },
        ),
        ("efforts: []", Compat { efforts: Some(vec![]), ..nothing() }),
        ("temperature: false", Compat { temperature: no, ..nothing() }),
        ("top_k: true", Compat { top_k: yes, ..nothing() }),
        ("preset: llama_cpp", Compat { preset: Some("llama_cpp"), ..nothing() }),
        ("prefill: true", Compat { prefill: yes, ..nothing() }),
        ("native_call_ids: false", Compat { native_call_ids: no, ..nothing() }),
        (
            "extra_fields: {min_p: 0.1}",
            Compat {
                extra_fields: [("min_p".to_owned(), 0.1.into())].into_iter().collect(),
                ..nothing()
            },
        ),
        (
            "empty_tool_output: (no output)",
            Compat { empty_tool_output: Some("(no output)".to_owned()), ..nothing() },
        ),
    ] {
        assert_eq!(compat(line), expected, "{line}");
    }
    assert_eq!(lab("    compat: {}\n").compat, nothing());
}

#[test]
fn every_key_of_anthropics_compat_reaches_its_field() {
    let compat = |line: &str| {
        let yaml = format!("providers:\n  anthropic:\n    compat:\n      {line}\n");
        good(&yaml, KEY).config.providers.remove(0).compat
    };
    let nothing = Compat::default;
    for (line, expected) in [
        ("preset: zai", Compat { preset: Some("zai"), ..nothing() }),
        ("thinking: preserve", Compat { thinking: Some(Thinking::Preserve), ..nothing() }),
        ("thinking: sanitize", Compat { thinking: Some(Thinking::Sanitize), ..nothing() }),
        ("thinking: strip", Compat { thinking: Some(Thinking::Strip), ..nothing() }),
        ("cache_control: keep", Compat { cache_control: Some(CacheControl::Keep), ..nothing() }),
        ("cache_control: strip", Compat { cache_control: Some(CacheControl::Strip), ..nothing() }),
        ("system_role: keep", Compat { system_role: Some(SystemRole::Keep), ..nothing() }),
        ("system_role: inline", Compat { system_role: Some(SystemRole::Inline), ..nothing() }),
        ("output_config: keep", Compat { output_config: Some(OutputConfig::Keep), ..nothing() }),
        ("output_config: strip", Compat { output_config: Some(OutputConfig::Strip), ..nothing() }),
        ("documents: refuse", Compat { documents: Some(Documents::Refuse), ..nothing() }),
        ("drop_fields: [x]", Compat { drop_fields: vec!["x".to_owned()], ..nothing() }),
        ("drop_betas: ['ctx-*']", Compat { drop_betas: vec!["ctx-*".to_owned()], ..nothing() }),
        ("drop_events: [ping]", Compat { drop_events: vec!["ping".to_owned()], ..nothing() }),
    ] {
        assert_eq!(compat(line), expected, "{line}");
    }
}

/// One fault: what is said of it and what is proposed.
fn fault(yaml: &str) -> (String, String) {
    let faults = load(&case(yaml, KEY).sources).expect_err(yaml);
    let [fault] = faults.errors.as_slice() else { panic!("one fault: {faults}") };
    (brief(fault), fault.help_lines().join("; "))
}

#[test]
fn a_bad_value_of_compat_names_its_key_its_place_and_what_is_allowed() {
    let bad = |line: &str| fault(&server(&format!("    compat:\n      {line}\n")));
    for (key, value, wanted) in [
        ("documents", "drop", "`keep`, `text`, `refuse`"),
        ("reasoning_content", "always", "`auto`, `replay`, `never`"),
        ("max_tokens_field", "max_output_tokens", "`max_tokens`, `max_completion_tokens`"),
        ("tool_choice", "auto", "`full`, `no_named`, `auto_only`, `none`"),
        ("tool_choice", "true", "`full`, `no_named`, `auto_only`, `none`"),
        ("images", "false", "`keep`, `base64`, `none`"),
        ("images", "url", "`keep`, `base64`, `none`"),
        ("reasoning_in", "effort", "`reasoning_effort`, `reasoning`, `thinking`, `none`"),
        (
            "reasoning_out",
            "inline",
            "`auto`, `reasoning_content`, `reasoning`, `reasoning_details`, `think_tags`",
        ),
        ("user_field", "metadata", "`safety_identifier`, `user`, `none`"),
        ("stream_options", "yes", "true and false"),
        ("developer_role", "1", "true or false"),
        ("system_anywhere", "sometimes", "true or false"),
        ("parallel_tool_calls", "keep", "true or false"),
        ("tool_images", "[]", "true or false"),
        ("pdf", "text", "true or false"),
        ("json_schema", "strict", "true or false"),
        ("json_object", "0", "true or false"),
        ("strict_schemas", "maybe", "true or false"),
        ("temperature", "0.5", "true or false"),
        ("top_k", "40", "true or false"),
        ("stop_max", "-1", "a whole number from 0 to 1000000"),
        ("tool_name_max", "4", "a whole number from 16 to 1000000"),
        ("call_id_max", "none", "a whole number from 8 to 1000000"),
        ("tools_max", "0", "a whole number from 1 to 1000000"),
        ("efforts", "high", "a list like [a, b]"),
        ("efforts", "[huge]", "`none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`"),
        ("drop_fields", "metadata", "a list like [a, b]"),
        ("drop_fields", "[a b]", "names as they stand in the JSON"),
        ("drop_events", "[{}]", "a list of texts"),
        ("empty_tool_output", "[]", "text"),
        ("empty_tool_output", "''", "give it a value"),
    ] {
        let (message, help) = bad(&format!("{key}: {value}"));
        assert!(message.starts_with("6:"), "{key}: {value}: {message}");
        assert!(message.contains(&format!("providers.lab.compat.{key}`")), "{message}");
        assert!(help.contains(wanted), "{key}: {value}: {help}");
    }
    for (line, message, help) in [
        (
            "tool_choise: full",
            "6:7 unknown key `providers.lab.compat.tool_choise`",
            "did you mean `tool_choice`?",
        ),
        (
            "default_model: x",
            "6:7 unknown key `providers.lab.compat.default_model`",
            "`default_model` belongs in a provider",
        ),
        (
            "drop_fields: [n, model]",
            "6:24 `providers.lab.compat.drop_fields`: `model` can't be dropped: nothing works without it",
            "remove `model` from the list",
        ),
        (
            "drop_events: [message_stop]",
            "6:21 `providers.lab.compat.drop_events`: `message_stop` can't be dropped: nothing works without it",
            "remove `message_stop` from the list",
        ),
    ] {
        assert_eq!(bad(line), (message.to_owned(), help.to_owned()), "{line}");
    }
    let (message, _) = fault("providers: {anthropic: {compat: {drop_betas: ['a[']}}}");
    assert_eq!(message, "1:47 `a[` is no pattern: unclosed character class; missing ']'");
    let (message, help) = fault("providers: {lab: {stop_max: 4, kind: demo}}");
    assert_eq!(message, "1:19 unknown key `providers.lab.stop_max`");
    assert_eq!(help, "`stop_max` belongs in a provider's `compat`");
}

#[test]
fn a_key_of_compat_without_meaning_for_the_kind_is_refused() {
    let of = |kind: &str, rest: &str, line: &str| {
        fault(&format!(
            "providers:\n  p:\n    kind: {kind}\n    api_base: http://localhost:1\n    auth_type: none\n{rest}    compat: {{{line}}}\n"
        ))
    };
    for (kind, line) in [
        ("openai", "thinking: strip"),
        ("openai", "cache_control: strip"),
        ("openai", "system_role: inline"),
        ("openai", "output_config: strip"),
        ("openai", "drop_betas: [a]"),
        ("openai-responses", "drop_betas: [a]"),
        ("openai-responses", "max_tokens_field: max_tokens"),
        ("openai-responses", "stream_options: false"),
        ("openai-responses", "stop_max: 4"),
        ("openai-responses", "reasoning_in: none"),
        ("openai-responses", "reasoning_out: auto"),
        ("openai-responses", "reasoning_content: never"),
        ("anthropic", "reasoning_content: never"),
        ("anthropic", "tool_choice: none"),
        ("anthropic", "images: none"),
        ("anthropic", "efforts: []"),
    ] {
        let key = line.split(':').next().expect("a key");
        let (message, help) = of(kind, "", line);
        assert_eq!(
            message,
            format!("6:14 `providers.p.compat.{key}` has no meaning for kind `{kind}`")
        );
        assert!(help.starts_with("remove it: it is about "), "{help}");
        assert!(help.contains("`drop_fields`") && !help.contains(&format!("`{key}`")), "{help}");
    }
    let (message, _) = of("openai", "    extra: {api: responses}\n", "stop_max: 4");
    assert!(message.ends_with("for kind `openai` with `extra.api: responses`"), "{message}");
    let (message, help) = fault("providers: {demo: {compat: {drop_fields: [a]}}}");
    assert_eq!(message, "1:29 `providers.demo.compat.drop_fields` has no meaning for kind `demo`");
    assert_eq!(help, "remove `compat`: the demo answers by itself");
}

#[test]
fn the_interface_can_be_chosen_for_kind_openai_only() {
    for (word, api) in [("auto", Api::Auto), ("chat", Api::Chat), ("responses", Api::Responses)] {
        let loaded = good(&server(&format!("    extra: {{api: {word}}}\n")), &[]);
        assert_eq!(loaded.config.providers[0].api, api);
        assert_eq!(api.as_str(), word);
    }
    let chat_keys = "    extra: {api: chat}\n    compat: {stop_max: 4, reasoning_in: none}\n";
    assert_eq!(lab(chat_keys).compat.stop_max, Some(4));
    let (message, help) = fault(&server("    extra: {api: messages}\n"));
    assert_eq!(message, "5:18 `providers.lab.extra.api`: there is no api `messages`");
    assert_eq!(help, "possible are `auto`, `chat`, `responses`");
    let (message, _) = fault(&server("    extra: {api_version: x}\n"));
    assert_eq!(
        message,
        "5:13 `providers.lab.extra.api_version` has no meaning here: it is for kind `azure`, not for `openai`"
    );
    let (message, _) = fault("providers: {anthropic: {extra: {api: chat}}}");
    assert!(
        message.starts_with("1:33 `providers.anthropic.extra.api` has no meaning"),
        "{message}"
    );
    let fixed = "providers: {lab: {kind: openai-responses, api_base: 'http://localhost:1', extra: {api: chat}}}";
    assert!(fault(fixed).0.ends_with("kind `openai-responses` always uses Responses"));
}

#[test]
fn a_private_provider_has_no_fallbacks_and_says_that_it_is_private() {
    let loaded = good(&server("    private: true\n"), &[]);
    assert!(loaded.config.providers[0].private);
    assert_eq!(origin(&loaded, "providers.lab.private"), "file, line 5");
    let rule = "routes: [{pattern: a, provider: lab, fallbacks: [lab]}]\n";
    let found = faults(&server(&format!("    private: true\n{rule}")), &[]);
    assert_eq!(
        found,
        ["6:38 the route `a` (routes[0]) has fallbacks, but `lab` is private: nothing leaves it"]
    );
    let two = server("    private: true\n  anthropic:\ndefault_provider: lab\n");
    let table = good(&two, KEY).config.routing().expect("a table");
    let query = gateway_router::Query {
        pick: Some("anthropic"),
        ..gateway_router::Query::model("claude-opus-5")
    };
    assert!(matches!(table.decide(&query), Err(gateway_router::NoRoute::Private { .. })));
}

#[test]
fn state_keys_are_secrets_of_some_length() {
    let keys = |yaml: &str, env: &[(&str, &str)]| {
        let case = case(yaml, &[env, KEY].concat());
        fs::write(case.dir.path().join("seal.key"), "from-a-file-0123456789\n").expect("a file");
        load(&case.sources)
    };
    let loaded = keys(
        "server: {state_keys: [\"${NEW}\", \"${file:seal.key}\"]}",
        &[("NEW", "sixteen-letters!")],
    )
    .expect("keys");
    let read: Vec<&str> =
        loaded.config.server.state_keys.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(read, ["sixteen-letters!", "from-a-file-0123456789"], "newest first");
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let shown = [format!("{loaded:?}"), loaded.table(), loaded.to_json().to_string()];
    for text in shown {
        assert!(!text.contains("sixteen-letters") && !text.contains("from-a-file"), "{text}");
    }
    assert!(loaded.table().contains("[\"(hidden)\",\"(hidden)\"]"), "{}", loaded.table());
    let two = "planted-0123456789,planted-9876543210";
    let loaded = keys("", &[("GATEWAY__SERVER__STATE_KEYS", two)]).expect("keys");
    assert_eq!(loaded.config.server.state_keys.len(), 2);
    assert!(good("", KEY).config.server.state_keys.is_empty());

    let loaded = good("server: {state_keys: [planted-0123456789]}", KEY);
    assert!(loaded.warnings[0].message().contains("holds the key itself"));
    assert!(!loaded.warnings[0].render(Colour::Plain).contains("planted"));
    for (yaml, fault) in [
        ("server: {state_keys: [planted-short]}", "too short to seal anything"),
        ("server: {state_keys: planted-0123456789}", "must be a list like [a, b]"),
        ("server: {state_keys: [{k: planted}]}", "must hold text only"),
        ("server:\n  state_keys:\n    - planted-0123456789\n    - planted: ]\n", "not valid YAML"),
        ("server:\n  state_keys:\n    - planted-0123456789: ]\n", "not valid YAML"),
    ] {
        let faults = load(&case(yaml, KEY).sources).expect_err(yaml).to_string();
        assert!(faults.contains(fault), "{faults}");
        assert!(!faults.contains("planted"), "{faults}");
    }
}

#[test]
fn the_examples_of_the_reference_are_valid() {
    let page = include_str!("../../../../docs/configuration.md");
    let section = page.split("## Compatible servers").nth(1).expect("the section");
    let section = section.split("\n## ").next().expect("its text");
    let examples: Vec<&str> =
        section.split("```yaml\n").skip(1).filter_map(|e| e.split("```").next()).collect();
    let ways = examples.iter().map(|yaml| {
        let loaded = good(yaml, &[("GROQ_API_KEY", "k"), ("RELAY_API_KEY", "k")]);
        let table = loaded.config.routing().expect("a table");
        let provider = loaded.config.providers[0].name.as_str();
        let query = gateway_router::Query {
            pick: Some(provider),
            ..gateway_router::Query::model("claude-haiku-4-5")
        };
        table.explain(&query).expect("a way").upstream_model
    });
    assert_eq!(ways.collect::<Vec<_>>(), ["qwen3-coder", "openai/gpt-oss-20b", "claude-haiku-4-5"]);
}

#[test]
fn compat_can_be_said_by_variables() {
    let env = [
        ("GATEWAY__PROVIDERS__LAB__COMPAT__STOP_MAX", "4"),
        ("GATEWAY__PROVIDERS__LAB__COMPAT__PDF", "false"),
        ("GATEWAY__PROVIDERS__LAB__COMPAT__IMAGES", "none"),
        ("GATEWAY__PROVIDERS__LAB__COMPAT__EFFORTS", "low, high"),
        ("GATEWAY__PROVIDERS__LAB__EXTRA__API", "chat"),
        ("GATEWAY__PROVIDERS__LAB__PRIVATE", "true"),
    ];
    let loaded = good(&server(""), &env);
    let p = &loaded.config.providers[0];
    let expected = Compat {
        stop_max: Some(4),
        pdf: Some(false),
        images: Some(Images::None),
        efforts: Some(vec!["low", "high"]),
        ..Compat::default()
    };
    assert_eq!((&p.compat, p.api, p.private), (&expected, Api::Chat, true));
    let from = "environment, GATEWAY__PROVIDERS__LAB__COMPAT__IMAGES";
    assert_eq!(origin(&loaded, "providers.lab.compat.images"), from);
}

#[test]
fn a_key_of_openrouter_is_not_sent_to_openai_without_a_word() {
    let loaded = good("providers: {openai: {}}", &[("OPENAI_API_KEY", "sk-or-v1-planted")]);
    let [warning] = loaded.warnings.as_slice() else { panic!("{:?}", loaded.warnings) };
    assert!(warning.message().starts_with("OPENAI_API_KEY holds a key of OpenRouter"));
    assert!(warning.help_lines()[0].contains("use the provider `openrouter`"));
    assert!(!warning.render(Colour::Plain).contains("planted"));
}
