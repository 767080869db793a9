//! The variables of each vendor, where no provider is configured.

use gateway_router::Query;

use super::without_file::{A, CUSTOM, LOCAL, O, Vars, loaded, prefers, providers, ways};
use super::*;

type Pair = (&'static str, &'static str);

const AZURE: [Pair; 2] =
    [("AZURE_OPENAI_API_KEY", "z"), ("AZURE_OPENAI_ENDPOINT", "https://res.openai.azure.com")];
const GEMINI: Pair = ("GEMINI_API_KEY", "g");
const ROUTER: Pair = ("OPENROUTER_API_KEY", "r");
const AWS: [Pair; 2] = [("AWS_ACCESS_KEY_ID", "i"), ("AWS_SECRET_ACCESS_KEY", "s")];
const REGION: Pair = ("AWS_REGION", "eu-west-1");
const VERTEX: [Pair; 2] = [("USE_VERTEX_AUTH", "True"), ("VERTEX_PROJECT", "p")];
const OLLAMA: Pair = ("OLLAMA_BASE_URL", "http://localhost:1");

/// Several groups of variables as one.
fn all(groups: &[&[Pair]]) -> Vec<Pair> {
    groups.concat()
}

fn with(vendor: &[Pair], more: &[Pair]) -> Vec<Pair> {
    [vendor, more].concat()
}

#[test]
fn every_vendor_can_be_set_up_by_variables_alone() {
    for (env, expected) in [
        (all(&[&[ROUTER]]), "*openrouter bearer r"),
        (all(&[&[GEMINI]]), "*gemini key g"),
        (all(&[&[("GOOGLE_API_KEY", "g")]]), "*gemini key g"),
        (all(&[&AZURE]), "*azure key z"),
        (all(&[&AWS, &[REGION]]), "*bedrock aws keys"),
        (all(&[&[("AWS_BEARER_TOKEN_BEDROCK", "b"), REGION]]), "*bedrock bearer b"),
        (all(&[&VERTEX]), "*vertex google"),
        (all(&[&[("USE_VERTEX_AUTH", "false"), ("VERTEX_PROJECT", "p")]]), "*anthropic login"),
        (all(&[&[OLLAMA]]), "*ollama! none"),
        (all(&[&[A], &[OLLAMA]]), "*anthropic key a, ollama! none"),
        (
            all(&[&VERTEX, &AWS, &[REGION], &AZURE, &[GEMINI, ROUTER, O, CUSTOM]]),
            "*openai bearer o, openrouter bearer r, gemini key g, azure key z, bedrock aws keys, vertex google, custom! none",
        ),
        (all(&[&VERTEX, &AWS, &[REGION]]), "*bedrock aws keys, vertex google"),
        // Words of PREFERRED_PROVIDER.
        (all(&[&[A, GEMINI, prefers("google")]]), "anthropic key a, *gemini key g"),
        (all(&[&[A, prefers("google")], &VERTEX]), "anthropic key a, *vertex google"),
        (all(&[&[A, prefers("vertex")], &VERTEX]), "anthropic key a, *vertex google"),
        (all(&[&[A, prefers("azure")], &AZURE]), "anthropic key a, *azure key z"),
        (all(&[&[A, REGION, prefers("bedrock")]]), "*bedrock aws chain, anthropic key a"),
        (all(&[&[A, ROUTER, prefers("openrouter")]]), "anthropic key a, *openrouter bearer r"),
        (all(&[&[A, O, prefers("ollama")]]), "*ollama! none"),
        (all(&[&[A, OLLAMA, prefers("local")]]), "*ollama! none"),
        (
            all(&[&[A, GEMINI, ("GATEWAY_DEFAULT_PROVIDER", "gemini")]]),
            "anthropic key a, *gemini key g",
        ),
        // What lacks a piece is left out where others serve.
        (all(&[&[A], &AZURE[..1]]), "*anthropic key a"),
        (all(&[&[A], &AWS]), "*anthropic key a"),
        (all(&[&[A], &VERTEX[..1]]), "*anthropic key a"),
        (all(&[&AWS]), "*anthropic login"),
        (all(&[&AWS[..1]]), "*anthropic login"),
        // Ollama's own variable says where one is, and chooses nothing.
        (all(&[&[("OLLAMA_HOST", "0.0.0.0")]]), "*anthropic login, ollama! none"),
        (all(&[&[A, ("OLLAMA_HOST", "0.0.0.0")]]), "*anthropic key a, ollama! none"),
        (all(&[&[("OLLAMA_HOST", "h:1"), ("BIG_MODEL", "qwen3:8b")]]), "*ollama! none"),
        (all(&[&[("OLLAMA_HOST", "h:1"), ("BIG_MODEL", "gpt-oss:20b")]]), "*ollama! none"),
        (all(&[&[("BIG_MODEL", "ollama/qwen3:8b")]]), "*ollama! none"),
        (
            all(&[&[("OLLAMA_HOST", "h:1"), ("BIG_MODEL", "claude-opus-5")]]),
            "*anthropic login, ollama! none",
        ),
    ] {
        assert_eq!(providers(&loaded(&env)), expected, "{env:?}");
    }
}

#[test]
fn an_ollama_that_answers_is_listed_beside_the_callers_login() {
    let with = |env: Vars<'_>, answers: fn() -> bool| {
        let mut case = no_file(env);
        case.sources.ollama_answers = answers;
        load(&case.sources).expect("a configuration")
    };
    let found = with(&[], || true);
    assert_eq!(providers(&found), "*anthropic login, ollama! none");
    let note = "provider `ollama` too, because an Ollama answers at http://localhost:11434";
    assert_eq!(found.notes[2], note);
    assert!(found.notes[3].contains("claude-via-ollama--NAME"), "{:?}", found.notes);
    assert_eq!(providers(&with(&[], || false)), "*anthropic login");
    let chosen = with(&[("BIG_MODEL", "qwen3")], || true);
    assert_eq!(providers(&chosen), "*ollama! none");
    assert_eq!(ways(&chosen), "ollama:qwen3 ollama:qwen3");
    let why = "because BIG_MODEL names a model, and nothing else is set up";
    assert!(chosen.notes[0].contains(why), "{:?}", chosen.notes);
    // Where anything is set, nobody asks.
    let asked: fn() -> bool = || panic!("asked");
    for env in [&[A] as Vars<'_>, &[prefers("anthropic")], &[OLLAMA], &[LOCAL]] {
        with(env, asked);
    }
    let configured = case("providers: {demo: {}}", &[]);
    let mut sources = configured.sources.clone();
    sources.ollama_answers = asked;
    assert!(load(&sources).is_ok());
}

#[test]
fn ollamas_host_is_read_as_its_own_tools_read_it() {
    let base = |loaded: &Loaded| loaded.config.providers[0].api_base.clone().expect("a base");
    for (variable, value, expected) in [
        ("OLLAMA_HOST", "127.0.0.1", "http://127.0.0.1:11434"),
        ("OLLAMA_HOST", "gpu.lan:9000", "http://gpu.lan:9000"),
        ("OLLAMA_HOST", "0.0.0.0:9000", "http://127.0.0.1:9000"),
        ("OLLAMA_HOST", ":9000", "http://127.0.0.1:9000"),
        ("OLLAMA_HOST", "[::]:9000", "http://[::1]:9000"),
        ("OLLAMA_HOST", "https://ollama.example/", "https://ollama.example"),
        ("OLLAMA_BASE_URL", "localhost", "http://localhost:11434"),
        ("OLLAMA_BASE_URL", "http://localhost:1/v1", "http://localhost:1"),
    ] {
        let loaded = loaded(&[(variable, value), prefers("ollama")]);
        assert_eq!(base(&loaded), expected, "{value}");
        let from = format!("environment, {variable}");
        assert_eq!(origin(&loaded, "providers.ollama.api_base"), from);
    }
    assert_eq!(base(&loaded(&[OLLAMA, ("OLLAMA_HOST", "h:2")])), "http://localhost:1");
    assert_eq!(base(&loaded(&[prefers("ollama")])), "http://localhost:11434");
}

#[test]
fn each_vendor_has_models_that_stand_for_claudes() {
    let big = |name: &'static str| ("BIG_MODEL", name);
    let small = |name: &'static str| ("SMALL_MODEL", name);
    let aws = all(&[&AWS, &[REGION]]);
    for (env, expected) in [
        (with(&[GEMINI], &[]), "gemini:gemini-3.1-pro-preview gemini:gemini-3.8-flash"),
        (
            with(&[GEMINI], &[big("gemini-2.5-pro")]),
            "gemini:gemini-2.5-pro gemini:gemini-3.8-flash",
        ),
        (
            with(&[GEMINI], &[small("google/gemini-2.5-flash")]),
            "gemini:gemini-3.1-pro-preview gemini:gemini-2.5-flash",
        ),
        (with(&VERTEX, &[]), "vertex:gemini-3.1-pro-preview vertex:gemini-3.8-flash"),
        (
            with(&VERTEX, &[big("claude-opus-4-6"), small("claude-haiku-4-5-20251001")]),
            "vertex:claude-opus-4-6 vertex:claude-haiku-4-5@20251001",
        ),
        (
            with(&VERTEX, &[big("gemini/gemini-2.5-pro")]),
            "vertex:gemini-2.5-pro vertex:gemini-3.8-flash",
        ),
        (
            with(&aws, &[big("claude-opus-4-6"), small("us.amazon.nova-lite-v1:0")]),
            "bedrock:eu.anthropic.claude-opus-4-6-v1 bedrock:us.amazon.nova-lite-v1:0",
        ),
        (
            with(&aws, &[big("bedrock/claude-sonnet-4-6"), small("x.y")]),
            "bedrock:eu.anthropic.claude-sonnet-4-6 bedrock:x.y",
        ),
        (
            with(&[ROUTER], &[big("openai/gpt-5"), small("qwen/qwen3-coder:free")]),
            "openrouter:openai/gpt-5 openrouter:qwen/qwen3-coder:free",
        ),
        (
            with(&[ROUTER], &[big("gpt-5"), small("claude-haiku-4-5-20251001")]),
            "openrouter:openai/gpt-5 openrouter:anthropic/claude-haiku-4.5",
        ),
        (
            with(&[ROUTER], &[big("openrouter/auto"), small("openrouter/google/gemini-3.8-flash")]),
            "openrouter:openrouter/auto openrouter:google/gemini-3.8-flash",
        ),
        (
            with(
                &[ROUTER, O, prefers("openrouter")],
                &[big("openai/gpt-5"), small("gemini-3.8-flash")],
            ),
            "openrouter:openai/gpt-5 openrouter:google/gemini-3.8-flash",
        ),
        (
            with(&[A, ROUTER], &[big("openai/gpt-5"), small("gpt-5-mini")]),
            "openrouter:openai/gpt-5 openrouter:openai/gpt-5-mini",
        ),
        (
            with(&[A, O, GEMINI], &[big("openai/gpt-5"), small("gemini-3.8-flash")]),
            "openai:gpt-5 gemini:gemini-3.8-flash",
        ),
        (with(&AZURE, &[big("my-gpt"), small("openai/mini")]), "azure:my-gpt azure:mini"),
        (with(&AZURE, &[big("my-gpt")]), "azure:my-gpt azure:my-gpt"),
        (with(&AZURE, &[]), "azure:= azure:="),
        (with(&[OLLAMA], &[big("qwen3:8b")]), "ollama:qwen3:8b ollama:qwen3:8b"),
        (
            with(&[OLLAMA], &[big("ollama/gpt-oss:20b"), small("local/x/y")]),
            "ollama:gpt-oss:20b ollama:x/y",
        ),
        (with(&[A, OLLAMA], &[small("ollama/qwen3")]), "anthropic:= ollama:qwen3"),
        (with(&[A], &[small("ollama/qwen3")]), "anthropic:= ollama:qwen3"),
    ] {
        assert_eq!(ways(&loaded(&env)), expected, "{env:?}");
    }
    let table = loaded(&aws).config.routing().expect("a table");
    let plan = table.explain(&Query::model("claude-opus-5-5")).expect("a way");
    assert_eq!(plan.upstream_model, "eu.anthropic.claude-opus-5-5");
    let deployment = [("AZURE_OPENAI_DEPLOYMENT", "d"), ("AZURE_OPENAI_API_VERSION", "2024-10-21")];
    let one = loaded(&with(&AZURE, &deployment));
    let extra = &one.config.providers[0].extra;
    let said = (extra.deployment.as_deref(), extra.api_version.as_deref());
    assert_eq!(said, (Some("d"), Some("2024-10-21")));
    let from = "environment, AZURE_OPENAI_DEPLOYMENT";
    assert_eq!(origin(&one, "providers.azure.extra.deployment"), from);
}

#[test]
fn a_start_says_what_the_other_vendors_serve_and_what_they_lack() {
    let deployed = with(&AZURE, &[("AZURE_OPENAI_DEPLOYMENT", "d")]);
    let lacking = all(&[&[A], &VERTEX[..1]]);
    for (env, last) in [
        (
            &[ROUTER] as Vars<'_>,
            "Claude's models go to `openrouter` by the names that they have there; BIG_MODEL and SMALL_MODEL change that",
        ),
        (
            &[GEMINI],
            "opus, sonnet and fable are `gemini-3.1-pro-preview` of `gemini`, haiku is `gemini-3.8-flash` of `gemini`; BIG_MODEL and SMALL_MODEL change that",
        ),
        (
            &AZURE,
            "Claude's models go to `azure` by the names that are asked for, which no deployment has: set AZURE_OPENAI_DEPLOYMENT, or BIG_MODEL and SMALL_MODEL, to names of deployments",
        ),
        (&deployed, "every model is the one deployment of `azure`"),
        (
            &AWS,
            "AWS_ACCESS_KEY_ID is set, but `bedrock` is not used: there is no region: neither AWS_REGION is set, nor does a profile name one",
        ),
        (&lacking, "USE_VERTEX_AUTH is set, but `vertex` is not used: VERTEX_PROJECT is not set"),
    ] {
        assert_eq!(loaded(env).notes.last().map(String::as_str), Some(last));
    }
    let private = loaded(&[OLLAMA, A, prefers("ollama")]).notes;
    assert_eq!(
        private[1],
        "`ollama` is private: nothing goes anywhere else (ANTHROPIC_API_KEY is set, but `anthropic` is not used)"
    );
    // Alone, what lacks a piece is what was meant.
    for (env, message) in [
        (&AZURE[..1], "`providers.azure` has no `api_base`"),
        (&VERTEX[..1], "`providers.vertex` has no Google Cloud project"),
        (&[AWS[0], AWS[1], prefers("bedrock")], "`providers.bedrock` has no AWS region"),
        // Keys of AWS alone mean nothing, so they hide nobody who was meant.
        (&[AWS[0], AWS[1], VERTEX[0]], "`providers.vertex` has no Google Cloud project"),
    ] {
        let faults = load(&no_file(env).sources).expect_err("a fault");
        let [fault] = faults.errors.as_slice() else { panic!("one fault: {faults}") };
        assert_eq!(fault.message(), message);
    }
    let unused = good("providers: {demo: {}}", &[OLLAMA, VERTEX[0], GEMINI]).notes;
    assert_eq!(
        unused,
        [
            "USE_VERTEX_AUTH, OLLAMA_BASE_URL set, but not used: providers are configured, and only what is said there counts"
        ]
    );
}
