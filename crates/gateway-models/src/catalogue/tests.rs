use super::*;
use crate::effort::Effort;
use crate::family::Family;
use crate::model::Reasoning;
use crate::price::{MicroUsd, Tokens};

fn builtin() -> &'static Catalogue {
    Catalogue::builtin()
}

fn overlaid(text: &str) -> Catalogue {
    builtin().overlaid(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn the_built_in_data_are_dated_and_without_contradiction() {
    let all = builtin();
    assert!(row::is_date(all.as_of()));
    assert!(all.iter().count() >= 120);
    for model in all.iter() {
        let id = &model.id;
        assert!(all.find(id).is_some_and(|found| found == model), "{id}");
        assert_ne!(model.family, Family::Unknown, "{id}");
        assert_eq!(model.vendor, model.family.vendor(), "{id}");
        assert_ne!(&model.display_name, "", "{id}");
        if let (Some(window), Some(input)) = (model.context_window, model.max_input) {
            assert!(input < window, "{id}");
        }
        if let (Some(window), Some(output)) = (model.context_window, model.max_output) {
            assert!(output <= window, "{id}");
        }
        let none = model.efforts.contains(&Effort::None);
        assert!(
            !none || model.reasoning == Reasoning::Optional,
            "{id}: `none` keeps it from reasoning"
        );
        let never = model.reasoning == Reasoning::Never;
        assert!(!never || model.efforts.is_empty(), "{id}: it does not reason");
        for level in model.chat_efforts.iter().flatten() {
            assert!(model.efforts.contains(level), "{id}: {level}");
        }
        if let Some(prices) = &model.prices {
            let cheapest = prices.cache_read.unwrap_or(0);
            assert!(cheapest <= prices.input && prices.input <= prices.output, "{id}");
            assert!(
                prices.input >= 10_000 && prices.output <= 1_000_000_000,
                "{id}: per million tokens"
            );
            if let Some(long) = &prices.over {
                assert!(long.input > prices.input && long.output > prices.output, "{id}");
            }
        }
        let on_chat = model.endpoints;
        assert!(!on_chat.chat_with_tools || on_chat.chat, "{id}");
        assert!(on_chat.chat || on_chat.responses, "{id}");
    }
}

#[test]
fn r40_every_claude_passes_the_clients_filter_and_has_limits() {
    let claude: Vec<_> = builtin().iter().filter(|m| m.family == Family::Claude).collect();
    assert!(claude.len() >= 15);
    for model in claude {
        assert!(model.id.starts_with("claude-"), "{}", model.id);
        assert!(model.context_window > model.max_output && model.max_output > Some(0));
    }
}

/// Rows that must not be lost when the file is edited: the limits that errors quote.
#[test]
fn well_known_facts() {
    for (name, prompt, output, efforts) in [
        ("gpt-4o", 128_000, 16_384, ""),
        ("gpt-4.1", 1_047_576, 32_768, ""),
        ("o3", 200_000, 100_000, "low medium high"),
        ("gpt-5", 272_000, 128_000, "minimal low medium high"),
        ("gpt-5.1", 272_000, 128_000, "none low medium high"),
        ("gpt-5.2-codex", 272_000, 128_000, "low medium high xhigh"),
        ("gpt-5.6-sol", 922_000, 128_000, "none low medium high xhigh max"),
        ("gpt-6-astra", 922_000, 128_000, "low medium high xhigh max"),
        ("claude-opus-5-5", 1_000_000, 128_000, "low medium high xhigh max"),
        ("claude-haiku-4-5", 200_000, 64_000, ""),
        ("gemini-4-argon", 1_048_576, 1_048_576, "low medium high"),
        ("gemini-3.8-flash", 1_048_576, 65_536, "low medium high"),
        ("moonshotai.kimi-k2.5", 262_143, 16_000, ""),
        ("deepseek-v4-pro", 1_000_000, 393_216, "high max"),
        ("kimi-k3", 1_048_576, 1_048_576, "low high max"),
    ] {
        let model = builtin().find(name).expect("listed");
        assert_eq!(
            (model.prompt_limit(), model.max_output),
            (Some(prompt), Some(output)),
            "{name}"
        );
        let listed: Vec<_> = model.efforts.iter().map(|e| e.as_str()).collect();
        assert_eq!(listed.join(" "), efforts, "{name}");
    }
    let sol = builtin().find("gpt-5.6").expect("an alias");
    assert_eq!(sol.nearest_effort(Effort::Max), Some(Effort::Max));
    assert_eq!(sol.nearest_chat_effort(Effort::Max), Some(Effort::XHigh));
    let kimi = builtin().find("kimi-k3").expect("listed");
    assert_eq!(kimi.nearest_effort(Effort::Medium), Some(Effort::Low));
    assert_eq!(kimi.clamp_output(u64::MAX), 1_048_576);
    let haiku = builtin().find("claude-haiku-5-5").and_then(|m| m.prices.as_ref()).expect("priced");
    let cost = |input| haiku.cost(Tokens { input, ..Tokens::default() });
    assert_eq!((cost(100_000), cost(100_001)), (MicroUsd(10_000), MicroUsd(50_001)));
}

#[test]
fn r23_a_name_is_found_without_what_is_hung_on_it() {
    for (name, id) in [
        ("gpt-5", "gpt-5"),
        ("GPT-5", "gpt-5"),
        (" gpt-5 ", "gpt-5"),
        ("gpt-5-2025-08-07", "gpt-5"),
        ("openai/gpt-5", "gpt-5"),
        ("azure/openai/gpt-5-2025-08-07[1M]", "gpt-5"),
        ("gpt-5[1m][1m]", "gpt-5"),
        ("gpt-5 [1m]", "gpt-5"),
        ("openai/gpt-oss-20b:free", "gpt-oss-20b"),
        ("openai/gpt-oss-20b:free:online", "gpt-oss-20b"),
        ("gpt-oss:20b-cloud", "gpt-oss-20b"),
        ("moonshotai/Kimi-K2.6:nitro", "kimi-k2.6"),
        ("minimax/minimax-m2.7", "MiniMax-M2.7"),
        ("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("claude-haiku-4-5-20251001[1m]", "claude-haiku-4-5"),
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("anthropic.claude-opus-4-8", "claude-opus-4-8"),
        ("claude-opus-4-6@default", "claude-opus-4-6"),
        ("anthropic/claude-sonnet-4.5:free", "claude-sonnet-4-5"),
        ("models/gemini-3.1-pro-preview", "gemini-3.1-pro-preview"),
        ("gemini-pro-latest", "gemini-pro-latest"),
        ("qwen3-coder:30b", "qwen3-coder-30b-a3b-instruct"),
        ("gpt-35-turbo", "gpt-3.5-turbo"),
        ("us.amazon.nova-pro-v1:0", "nova-pro"),
        ("amazon/nova-lite-v1", "nova-lite"),
        ("global.amazon.nova-2-lite-v1:0", "nova-2-lite"),
        ("us.meta.llama4-maverick-17b-instruct-v1:0", "llama-4-maverick"),
        ("us.meta.llama3-3-70b-instruct-v1:0", "llama-3.3-70b-instruct"),
        ("meta.llama3-2-90b-instruct-v1:0", "llama-3.2-90b-vision-instruct"),
        ("openai.gpt-oss-120b-1:0", "gpt-oss-120b"),
        ("global.openai.gpt-5.6-sol", "gpt-5.6-sol"),
        ("deepseek.v3-v1:0", "deepseek-v3.1"),
        ("deepseek.v3.2", "deepseek-v3.2"),
        ("us.deepseek.r1-v1:0", "deepseek.r1"),
        ("qwen.qwen3-coder-480b-a35b-v1:0", "qwen.qwen3-coder-480b-a35b"),
        ("mistral.magistral-small-2509", "magistral-small"),
        ("global.moonshotai.kimi-k3", "kimi-k3"),
        ("minimax.minimax-m2.1", "MiniMax-M2.1"),
        ("zai.glm-4.7", "glm-4.7"),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-pro-v1:0", "nova-pro"),
        (
            "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0",
            "claude-haiku-4-5",
        ),
        ("claude-3-5-haiku-20241022", "claude-3-5-haiku"),
        ("deepseek-ai/DeepSeek-V3.1", "deepseek-v3.1"),
    ] {
        assert_eq!(builtin().find(name).map(|m| m.id.as_str()), Some(id), "{name}");
        assert!(builtin().facts(name).is_listed(), "{name}");
    }
}

#[test]
fn nothing_like_a_name_is_taken_for_it() {
    for name in [
        "",
        " ",
        "/",
        "[1m]",
        ":free",
        "gpt",
        "gpt-5-",
        "gpt-5x",
        "gpt-5-preview",
        "gpt-5-mini-2",
        "gpt-5.60",
        "claude-sonnet-4-5-preview1",
        "claude-sonnet",
        "opus",
        "gpt-5-20250807x",
        "gpt-5-1999-99",
        "-2025-08-07",
        "gpt-5/",
        "gpt-5[2m]",
        "xanthropic.claude-opus-4-8",
        "us.claude-opus-4-8",
        "acme.gpt-5",
        "us.acme.gpt-5",
        "gpt-5-v1:0",
        "gpt-5-1:0",
        "amazon.nova-pro-v1:0:24k",
        "arn:aws:bedrock:us-east-1:1:application-inference-profile/8f2k3",
        "gpt-4o-audio-preview",
    ] {
        assert_eq!(builtin().find(name), None, "{name}");
    }
    let long = "a/".repeat(100_000);
    assert_eq!(builtin().find(&long), None);
}

#[test]
fn an_overlay_changes_what_it_says_and_leaves_the_rest() {
    let own = overlaid(
        r#"
        # A comment.
        {"as_of": "2030-01-02"}
        [{"id": "gpt-4o", "max_output": 4096, "prices": {"input": 1}},
         {"id": "O3", "efforts": ["high"], "default_effort": null, "prices": null, "cannot": ["tools"]}]
        {"id": "our-llama", "context_window": 32768, "can": ["tools"]}
        {"id": "gpt-5.9-foo", "context_window": 500000}
        {"id": "deployment-7", "like": "gpt-5.5", "max_input": 100000, "aliases": ["d7"]}
        "#,
    );
    assert_eq!(own.as_of(), "2030-01-02");
    let of = |name: &str| own.find(name).unwrap_or_else(|| panic!("{name} is listed"));

    let gpt = of("gpt-4o");
    let before = builtin().find("gpt-4o").expect("listed");
    assert_eq!((gpt.max_output, gpt.context_window), (Some(4096), before.context_window));
    let prices = gpt.prices.as_ref().expect("priced");
    assert_eq!((prices.input, prices.output), (1, 10_000_000));
    assert_eq!(before.max_output, Some(16_384), "the built-in one is as it was");

    let o3 = of("openai/o3");
    assert_eq!(
        (o3.id.as_str(), o3.efforts.as_slice(), o3.default_effort),
        ("o3", &[Effort::High][..], None)
    );
    assert_eq!(
        (&o3.prices, o3.capabilities.tools, o3.capabilities.vision),
        (&None, Some(false), Some(true))
    );

    let llama = of("our-llama");
    assert_eq!((llama.prompt_limit(), llama.capabilities.tools), (Some(32_768), Some(true)));
    assert_eq!((llama.display_name.as_str(), llama.capabilities.vision), ("our-llama", None));
    // A new row has the habits of its family where it says nothing.
    let foo = of("gpt-5.9-foo");
    assert!(foo.endpoints.responses && !foo.endpoints.chat_with_tools && !foo.efforts.is_empty());

    let deployed = of("d7");
    assert_eq!((deployed.id.as_str(), deployed.prompt_limit()), ("deployment-7", Some(100_000)));
    assert_eq!(deployed.efforts, of("gpt-5.5").efforts);
    assert_eq!(
        (deployed.display_name.as_str(), deployed.family),
        ("deployment-7", Family::Gpt5(5))
    );
    assert_eq!(deployed.endpoints, of("gpt-5.5").endpoints);
    assert_eq!(own.iter().count(), builtin().iter().count() + 3);

    // A form of a listed name begins with what is known of it, and the smaller limit counts.
    let routed = overlaid(r#"{"id": "openai/gpt-5", "context_window": 100000}"#);
    let found = routed.find("openai/gpt-5:online").expect("listed");
    assert_eq!((found.id.as_str(), found.prompt_limit()), ("openai/gpt-5", Some(100_000)));
    assert_eq!(found.max_output, Some(128_000));
    assert_eq!(routed.find("gpt-5").and_then(Model::prompt_limit), Some(272_000));

    // A second one goes on top of the first.
    let again = own.overlaid(r#"{"id": "deployment-7", "aliases": ["d8"]}"#).expect("it is right");
    assert!(again.find("d8").is_some() && again.find("d7").is_none() && own.find("d7").is_some());
    assert_eq!(overlaid("").iter().count(), builtin().iter().count());
}

#[test]
fn every_mistake_is_told_with_its_place_and_remedy() {
    for (text, wanted) in [
        (
            "\n{\"id\": \"a\", \"contxt_window\": 5}",
            "line 2, model `a`: unknown key `contxt_window`; did you mean `context_window`?",
        ),
        (
            "{\"id\": \"a\", \"zzz\": 5}",
            "line 1, model `a`: unknown key `zzz`; there are: id, like, ",
        ),
        (
            "{\"id\": \"a\", \"can\": [\"visoin\"]}",
            "unknown capability `visoin`; did you mean `vision`?",
        ),
        (
            "{\"id\": \"a\", \"context_window\": \"128k\"}",
            "`context_window`: invalid type: string \"128k\", expected u64",
        ),
        (
            "{\"id\": \"a\", \"efforts\": [\"ultra\"]}",
            "`efforts`: unknown variant `ultra`, expected one of `none`",
        ),
        (
            "{\"id\": \"a\", \"efforts\": [\"high\", \"low\"]}",
            "`efforts` must be written lowest first",
        ),
        (
            "{\"id\": \"a\", \"efforts\": [\"low\"], \"default_effort\": \"high\"}",
            "`default_effort` is `high`, which `efforts` does not list",
        ),
        ("{\"id\": \"a\", \"prices\": {\"input\": 1}}", "`prices`: missing field `output`"),
        (
            "{\"id\": \"a\", \"prices\": {\"input\": 1.5, \"output\": 2}}",
            "`prices`: invalid type: floating point `1.5`, expected u64",
        ),
        ("{\"id\": \"a\", \"prices\": {\"inptu\": 1}}", "`prices`: unknown field `inptu`"),
        ("{\"id\": \"a\", \"retires\": \"soon\"}", "`retires` must be a date such as 2027-02-28"),
        (
            "{\"id\": \"a\", \"can\": [\"tools\"], \"cannot\": [\"tools\"]}",
            "`tools` stands in both `can` and `cannot`",
        ),
        ("{\"id\": \"a\", \"like\": \"nobody\"}", "`like` names `nobody`, which is not listed"),
        ("{\"id\": \"a\", \"like\": 5}", "`like` must be the name of a listed model"),
        ("{\"id\": \"a\", \"aliases\": [\"gpt-5\"]}", "`gpt-5` is a name of `gpt-5` already"),
        ("{\"context_window\": 5}", "line 1: a row needs an `id`"),
        ("{\"id\": \"\"}", "`id` must be a model's name"),
        ("{\"id\": 5}", "`id` must be a model's name"),
        ("\"gpt-5\"", "each model is an object such as"),
        (
            "{\"as_of\": \"today\"}",
            "the dating row is {\"as_of\": \"YYYY-MM-DD\"} and nothing else",
        ),
        ("# fine\n\n{\"id\": \"a\",\n  \"can\": [}", "line 4: this is no JSON: expected value"),
        ("{\"id\": \"a\"", "this is no JSON: EOF while parsing"),
    ] {
        let error = builtin().overlaid(text).expect_err(text).to_string();
        assert!(error.contains(wanted), "{text}\n  {error}\n  {wanted}");
    }
}
