mod chains;
mod hidden;
mod kinds;
mod properties;
mod strategies;
mod support;

use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, prop_assert_ne, proptest};
use proptest::strategy::Strategy as _;

use super::*;

fn provider(name: &str) -> ProviderSpec {
    ProviderSpec { naming: Naming::Families(&[Family::Claude]), ..ProviderSpec::new(name) }
}

/// Two providers, a cheap rule for haiku, a default.
fn table() -> Table {
    let mut b = provider("b");
    b.models = vec!["claude-listed".to_owned(), "m".to_owned()];
    b.model_map = vec![
        ("claude-opus-*".to_owned(), "opus-mapped".to_owned()),
        ("claude-*".to_owned(), "any-mapped".to_owned()),
    ];
    let rules = vec![
        RuleSpec::new("*", "a").with_priority(-1).with_model("catch-all"),
        RuleSpec::new("claude-haiku-*", "b").with_model("small"),
        RuleSpec::new("claude-opus-*", "b"),
    ];
    Table::build(vec![provider("a"), b], rules, Some("a")).expect("a valid table")
}

fn way(table: &Table, model: &str) -> (String, String) {
    let plan = table.explain(&Query::model(model)).expect("a way");
    (plan.provider_name, plan.upstream_model)
}

fn pair(a: &str, b: &str) -> (String, String) {
    (a.to_owned(), b.to_owned())
}

#[test]
fn first_match_wins_by_priority_then_file_order() {
    let t = table();
    assert_eq!(way(&t, "claude-haiku-4-5"), pair("b", "small"));
    assert_eq!(way(&t, "claude-opus-4-6"), pair("b", "opus-mapped"));
    assert_eq!(way(&t, "gpt-5"), pair("a", "catch-all"));

    let order = |first: i64, second: i64| {
        let rules = vec![
            RuleSpec::new("x*", "a").with_priority(first),
            RuleSpec::new("*", "b").with_priority(second),
        ];
        let t = Table::build(vec![provider("a"), provider("b")], rules, None).expect("valid");
        way(&t, "xy").0
    };
    assert_eq!(order(0, 0), "a");
    assert_eq!(order(0, 1), "b");
    assert_eq!(order(-1, -2), "a");
}

#[test]
fn r23_one_million_suffix_never_goes_upstream() {
    let mut p = provider("p");
    p.model_map = vec![("mapped[1m]".to_owned(), "target[1M]".to_owned())];
    p.default_model = Some("default[1m]".to_owned());
    p.models = vec!["listed[1m]".to_owned()];
    let rules = vec![RuleSpec::new("rule[1m]", "p").with_model("sonnet[1m]")];
    let t = Table::build(vec![p], rules, Some("p")).expect("valid");
    for (asked, sent) in [
        ("claude-sonnet-4-6[1m]", "claude-sonnet-4-6"),
        ("claude-sonnet-4-6[1M]", "claude-sonnet-4-6"),
        ("claude-sonnet-4-6 [1m][1M]", "claude-sonnet-4-6"),
        ("claude-haiku-4-5-20251001[1m]", "claude-haiku-4-5-20251001"),
        ("mapped", "target"),
        ("rule[1m]", "sonnet"),
        ("rule", "sonnet"),
        ("gpt-5[1m]", "default"),
        ("listed[1m]", "listed"),
        ("claude-via-p--kimi[1m]", "kimi"),
    ] {
        assert_eq!(way(&t, asked).1, sent, "{asked}");
    }
    // `[1m]` in a pattern is the marker, not a class of characters.
    assert_eq!(way(&t, "rule1").1, "rule1");
}

#[test]
fn r23_a_date_suffix_goes_up_as_it_came_and_rules_match_it_only_as_their_glob_says() {
    let mut p = provider("p");
    p.models = vec!["claude-haiku-4-5".to_owned()];
    let rules = vec![RuleSpec::new("claude-opus-4-6", "q")];
    let t = Table::build(vec![provider("q"), p], rules, None).expect("valid");
    assert_eq!(way(&t, "claude-haiku-4-5-20251001"), pair("p", "claude-haiku-4-5-20251001"));
    assert_eq!(way(&t, "claude-haiku-4-5@20251001"), pair("p", "claude-haiku-4-5@20251001"));
    assert_eq!(way(&t, "claude-opus-4-6"), pair("q", "claude-opus-4-6"));
    assert!(t.decide(&Query::model("claude-opus-4-6-20260101")).is_err());
}

#[test]
fn r17_a_rename_is_visible_as_another_upstream_name() {
    let t = table();
    let asked = "claude-opus-4-6-20260101";
    let d = t.decide(&Query::model(asked)).expect("a way");
    assert_ne!(d.upstream_model, asked, "the caller can tell a rename by comparing");
    let same = t.decide(&Query { pick: Some("a"), ..Query::model("claude-x") }).expect("a way");
    assert!(matches!(same.upstream_model, std::borrow::Cow::Borrowed("claude-x")));
}

#[test]
fn a_default_model_replaces_only_names_of_another_vendors_family() {
    let mut p = provider("p");
    p.default_model = Some("claude-sonnet-4-6".to_owned());
    p.models = vec!["gpt-served-here".to_owned()];
    let t = Table::build(vec![p], vec![], Some("p")).expect("valid");
    for (asked, sent) in [
        ("gpt-5", "claude-sonnet-4-6"),
        ("openai/gpt-5", "claude-sonnet-4-6"),
        ("o3", "claude-sonnet-4-6"),
        ("gemini-2.5-pro", "claude-sonnet-4-6"),
        ("gpt-served-here", "gpt-served-here"),
        ("claude-opus-4-6", "claude-opus-4-6"),
        ("my-own-model", "my-own-model"),
    ] {
        assert_eq!(way(&t, asked).1, sent, "{asked}");
    }
}

#[test]
fn an_openai_gets_its_default_model_for_names_of_other_vendors_only() {
    let mut p =
        ProviderSpec { naming: Naming::Families(&[Family::OpenAi]), ..ProviderSpec::new("p") };
    p.default_model = Some("gpt-5.6-terra".to_owned());
    p.model_map = vec![("claude-*haiku*".to_owned(), "gpt-5.4-mini".to_owned())];
    p.models = vec!["claude-served-here".to_owned(), "gpt-5.5".to_owned()];
    let silent = ProviderSpec { default_model: None, model_map: vec![], ..p.clone() };
    let rules = vec![RuleSpec::new("claude-opus-4-1", "p").with_model("gpt-6-sol")];
    let t = Table::build(vec![p], rules, Some("p")).expect("valid");
    for (asked, sent) in [
        ("claude-opus-4-1", "gpt-6-sol"),
        ("claude-haiku-4-5-20251001", "gpt-5.4-mini"),
        ("claude-3-5-haiku-20241022", "gpt-5.4-mini"),
        ("claude-opus-5[1m]", "gpt-5.6-terra"),
        ("claude-fable-5-2", "gpt-5.6-terra"),
        ("anthropic/claude-sonnet-5", "gpt-5.6-terra"),
        ("gemini-3-pro", "gpt-5.6-terra"),
        ("claude-served-here", "claude-served-here"),
        ("claude-served-here-20251001", "claude-served-here-20251001"),
        ("gpt-5.5", "gpt-5.5"),
        ("gpt-9-not-listed", "gpt-9-not-listed"),
        ("o3", "o3"),
        ("ft:gpt-4o:me", "ft:gpt-4o:me"),
        ("qwen3", "qwen3"),
    ] {
        assert_eq!(way(&t, asked).1, sent, "{asked}");
    }
    let t = Table::build(vec![silent], vec![], Some("p")).expect("valid");
    assert_eq!(way(&t, "claude-opus-5").1, "claude-opus-5", "without a default it goes unchanged");
}

#[test]
fn what_belongs_to_a_private_provider_stays_there() {
    let private = ProviderSpec { private: true, ..provider("private") };
    let rules = vec![RuleSpec::new("claude-haiku-*", "public"), RuleSpec::new("gpt-*", "private")];
    let build = |default| {
        let providers = vec![provider("public"), private.clone()];
        Table::build(providers, rules.clone(), Some(default)).expect("valid")
    };
    let pick = |t: &Table, model, pick| {
        t.decide(&Query { pick: Some(pick), ..Query::model(model) }).map(|d| d.provider)
    };
    let t = build("private");
    let refused = |model: &str| {
        let (private, name) = ("private".to_owned(), "public".to_owned());
        Err(NoRoute::Private { model: model.to_owned(), private, name })
    };
    assert_eq!(pick(&t, "claude-opus-5", "public"), refused("claude-opus-5"));
    assert_eq!(pick(&t, "gpt-5", "public"), refused("gpt-5"));
    assert_eq!(pick(&t, "claude-via-private--m", "public"), refused("claude-via-private--m"));
    assert_eq!(pick(&t, "claude-opus-5", "private"), Ok(1));
    assert_eq!(pick(&t, "claude-haiku-4-5", "public"), Ok(0), "this one is not private's");
    assert_eq!(pick(&t, "claude-haiku-4-5", "private"), Ok(1), "into a private one anybody may");
    let text = refused("m").expect_err("refused").to_string();
    assert!(text.contains("`private`, which is private") && text.contains("`public`"), "{text}");
    let t = build("public");
    assert_eq!(pick(&t, "claude-opus-5", "public"), Ok(0));
    assert_eq!(pick(&t, "gpt-5", "public"), refused("gpt-5"));
}

#[test]
fn a_via_name_goes_to_its_provider_before_broad_rules() {
    let mut dashed = provider("my--own");
    dashed.model_map = vec![("*".to_owned(), "mapped".to_owned())];
    let off = ProviderSpec { enabled: false, ..provider("off") };
    let rules = vec![
        RuleSpec::new("claude-*", "a"),
        RuleSpec::new("claude-via-b--special", "a").with_model("s"),
    ];
    let t =
        Table::build(vec![provider("a"), provider("b"), dashed, off], rules, None).expect("valid");
    assert_eq!(way(&t, "claude-via-b--qwen/qwen3--x"), pair("b", "qwen/qwen3--x"));
    assert_eq!(way(&t, "claude-via-my--own--m"), pair("my--own", "m"));
    assert_eq!(way(&t, "claude-via-b--special"), pair("a", "s"));
    // No such provider, or a disabled one: it may be private, so nobody else is asked.
    for name in ["claude-via-nosuch--m", "claude-via-off--m"] {
        let nowhere = NoRoute::NotFound { model: name.to_owned() };
        assert_eq!(t.decide(&Query::model(name)).map(|_| ()), Err(nowhere));
    }
    // Without the two dashes it is a name like any other.
    assert_eq!(way(&t, "claude-via-nosuch"), pair("a", "claude-via-nosuch"));
}

#[test]
fn each_naming_has_its_own_foreigners() {
    use Naming::{Any, Families, Open, Own, Qualified};
    let google = Families(&[Family::Google, Family::Claude]);
    for (name, foreign_to) in [
        ("claude-opus-5-5", &[Qualified, Own, Open] as &[Naming]),
        ("claude-haiku-4-5@20251001", &[Qualified, Own, Open]),
        ("anthropic/claude-opus-5.5", &[Own, Open]),
        ("gpt-5", &[google, Qualified, Own, Open]),
        ("openai/gpt-5:online", &[google, Own]),
        ("ft:gpt-4o:me", &[google, Qualified, Own, Open]),
        ("gemini-3.8-flash", &[Qualified, Own, Open]),
        ("gpt-oss:20b", &[google, Qualified, Own]),
        ("gpt-oss-120b", &[google, Qualified, Own]),
        ("gemma-3", &[Qualified, Own]),
        ("qwen3:8b", &[]),
        ("hf.co/org/model:Q4_K_M", &[]),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", &[]),
        ("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-x", &[]),
        ("openai.gpt-oss-120b-1:0", &[]),
    ] {
        for naming in [Any, google, Qualified, Own, Open] {
            let foreign = foreign_to.contains(&naming);
            assert_eq!(naming.is_foreign(name), foreign, "{name} for {naming:?}");
        }
    }
    let own = ProviderSpec {
        naming: Own,
        default_model: Some("us.anthropic.claude-x".to_owned()),
        models: vec!["claude-listed".to_owned()],
        ..ProviderSpec::new("p")
    };
    let t = Table::build(vec![own], vec![], Some("p")).expect("valid");
    for (asked, sent) in [
        ("claude-opus-5", "us.anthropic.claude-x"),
        ("claude-listed", "claude-listed"),
        ("us.amazon.nova-pro-v1:0", "us.amazon.nova-pro-v1:0"),
    ] {
        assert_eq!(way(&t, asked).1, sent, "{asked}");
    }
}

/// Names that resellers and clouds have: colons, slashes, at signs, dots, dashes.
const ODD_NAMES: [&str; 7] = [
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3",
    "claude-sonnet-4-5@20250929",
    "openai/gpt-5:online",
    "~anthropic/claude-opus-latest",
    "hf.co/unsloth/Qwen3-GGUF:Q4_K_M",
    "qwen3--coder:30b",
];

#[test]
fn odd_names_survive_patterns_maps_and_via_names() {
    for name in ODD_NAMES {
        let target = ProviderSpec {
            model_map: vec![(name.to_owned(), "mapped".to_owned())],
            ..ProviderSpec::new("my--p.x")
        };
        let plain = ProviderSpec::new("plain");
        let exact = RuleSpec::new(name, "my--p.x").with_priority(1);
        let renamed = RuleSpec::new("alias", "plain").with_model(name);
        let t = Table::build(vec![target, plain], vec![exact, renamed], Some("plain"));
        let t = t.expect("valid");
        assert_eq!(way(&t, name), pair("my--p.x", "mapped"));
        assert_eq!(way(&t, "alias"), pair("plain", name));
        assert_eq!(way(&t, &format!("claude-via-plain--{name}")), pair("plain", name));
        assert_eq!(way(&t, &format!("claude-via-my--p.x--{name}[1m]")), pair("my--p.x", name));
    }
}

#[test]
fn a_listed_model_beats_the_default_and_the_highest_priority_lists_it() {
    let lists = |name: &str, priority, enabled| {
        let models = vec!["m".to_owned()];
        ProviderSpec { enabled, priority, models, ..provider(name) }
    };
    let providers = vec![
        provider("default"),
        lists("low", 1, true),
        lists("high", 2, true),
        lists("high-too", 2, true),
        lists("off", 9, false),
    ];
    let t = Table::build(providers, vec![], Some("default")).expect("valid");
    assert_eq!(way(&t, "m"), pair("high", "m"));
    assert_eq!(way(&t, "other"), pair("default", "other"));
}

#[test]
fn a_header_pick_names_the_provider_directly() {
    let t = table();
    let pick = |model, pick| t.decide(&Query { pick: Some(pick), ..Query::model(model) });
    let d = pick("claude-haiku-4-5", "a").expect("a way");
    assert_eq!((d.provider, &*d.upstream_model, d.winner), (0, "claude-haiku-4-5", Winner::Header));
    let mapped = pick("claude-opus-4-6", "b").expect("a way");
    assert_eq!(&*mapped.upstream_model, "opus-mapped");
    let via = pick("claude-via-b--m", "b").expect("a way");
    assert_eq!(&*via.upstream_model, "m");
    let missing = NoRoute::UnknownProvider { name: "zzz".to_owned() };
    assert_eq!(pick("m", "zzz"), Err(missing));
}

#[test]
fn a_name_that_goes_nowhere_says_so_and_why() {
    let off = ProviderSpec { enabled: false, ..provider("off") };
    let rules =
        vec![RuleSpec::new("m", "off"), RuleSpec { enabled: false, ..RuleSpec::new("m", "on") }];
    let t = Table::build(vec![off, provider("on")], rules, Some("off")).expect("valid");
    let nowhere = NoRoute::NotFound { model: "m[1m]".to_owned() };
    assert_eq!(t.decide(&Query::model("m[1m]")), Err(nowhere));
    let why: Vec<String> =
        t.explain_nowhere(&Query::model("m")).into_iter().map(|r| r.why).collect();
    assert_eq!(
        why,
        ["the provider `off` is disabled", "the rule is disabled", "`off` is disabled"]
    );
    for empty in ["", "  ", "[1m]", " [1M][1m]"] {
        assert_eq!(t.decide(&Query::model(empty)), Err(NoRoute::NoModel));
    }
    let pick = Query { pick: Some("off"), ..Query::model("m") };
    assert_eq!(t.decide(&pick), Err(NoRoute::DisabledProvider { name: "off".to_owned() }));
}

#[test]
fn faults_of_a_table_name_their_place() {
    let build = |rule: RuleSpec| Table::build(vec![provider("a")], vec![rule], None);
    let bad = build(RuleSpec::new("claude-[", "a")).expect_err("a bad glob");
    assert!(bad.to_string().starts_with("the rule `claude-[` has the pattern `claude-[`"), "{bad}");
    let nowhere = build(RuleSpec::new("x", "zzz")).expect_err("no such provider");
    assert_eq!(nowhere.to_string(), "the rule `x` names the provider `zzz`, which does not exist");
    let twice = Table::build(vec![provider("a"), provider("a")], vec![], None);
    assert_eq!(twice.expect_err("twice"), BuildError::DuplicateProvider { name: "a".to_owned() });
}

#[test]
fn globs_match_across_slashes_and_by_case() {
    for (pattern, name, hit) in [
        ("*", "qwen/qwen3:14b", true),
        ("openai/*", "openai/gpt-5/mini", true),
        ("claude-{opus,sonnet}-*", "claude-sonnet-4-6", true),
        ("claude-opus-?-?", "claude-opus-4-6", true),
        ("claude-opus-?", "claude-opus-4-6", false),
        ("Claude-*", "claude-opus", false),
        ("*-20[0-9][0-9]*", "claude-haiku-4-5-20251001", true),
    ] {
        let t = Table::build(vec![provider("a")], vec![RuleSpec::new(pattern, "a")], None)
            .expect("valid");
        assert_eq!(t.decide(&Query::model(name)).is_ok(), hit, "{pattern} on {name}");
    }
}

#[test]
fn dates_are_told_from_versions() {
    for (name, without) in [
        ("claude-haiku-4-5-20251001", Some("claude-haiku-4-5")),
        ("claude-haiku-4-5@20251001", Some("claude-haiku-4-5")),
        ("gpt-5-2025-08-07", Some("gpt-5")),
        ("claude-haiku-4-5", None),
        ("claude-12345678", None),
        ("20251001", None),
        ("-20251001", None),
        ("ü-2025-08-07", Some("ü")),
        ("ééééééé", None),
    ] {
        assert_eq!(without_date(name), without, "{name}");
    }
}

fn any_name() -> impl proptest::strategy::Strategy<Value = String> {
    let stem = prop::sample::select(vec![
        "claude-opus-4-6",
        "claude-haiku-4-5-20251001",
        "gpt-5",
        "m",
        "x/y",
        "claude-via-p1--m",
        "claude-via-p9--m",
        "",
    ]);
    let suffix = prop::sample::select(vec!["", "[1m]", "[1M][1m]", " [1m] ", "-20260101"]);
    (stem, suffix).prop_map(|(a, b)| format!("{a}{b}"))
}

fn any_table() -> impl proptest::strategy::Strategy<Value = Table> {
    let provider = (any::<bool>(), -1i64..2, prop::collection::vec(0usize..3, 0..2), any::<bool>());
    let rule = (0usize..7, 0usize..3, -1i64..2, prop::bool::weighted(0.8), any::<bool>());
    let rules = prop::collection::vec(rule, 0..6);
    (prop::collection::vec(provider, 3), rules, prop::option::of(0usize..3)).prop_map(
        |(providers, rules, default)| {
            const MODELS: [&str; 3] = ["m", "claude-haiku-4-5", "gpt-5"];
            const PATTERNS: [&str; 7] =
                ["*", "claude-*", "claude-opus-*", "m", "gpt-?", "claude-via-*", "{m,x/*}[1m]"];
            let providers = providers.into_iter().enumerate().map(|(at, p)| ProviderSpec {
                enabled: p.0,
                priority: p.1,
                models: p.2.iter().map(|m| MODELS[*m].to_owned()).collect(),
                default_model: p.3.then(|| "fallback[1m]".to_owned()),
                private: at == 1,
                ..self::provider(&format!("p{at}"))
            });
            let rules =
                rules.into_iter().map(|(pattern, to, priority, enabled, renames)| RuleSpec {
                    priority,
                    enabled,
                    model: renames.then(|| "renamed[1m]".to_owned()),
                    ..RuleSpec::new(PATTERNS[pattern], format!("p{to}"))
                });
            let default = default.map(|at| format!("p{at}"));
            Table::build(providers.collect(), rules.collect(), default.as_deref())
                .expect("only valid parts")
        },
    )
}

proptest! {
    #[test]
    fn explain_and_decide_agree(table in any_table(), name in any_name(), pick in prop::option::of(0usize..3)) {
        let pick = pick.map(|at| format!("p{at}"));
        let query = Query { pick: pick.as_deref(), ..Query::model(&name) };
        match (table.decide(&query), table.explain(&query)) {
            (Ok(decision), Ok(plan)) => {
                prop_assert_eq!(decision.provider, plan.provider);
                prop_assert_eq!(decision.upstream_model.as_ref(), &plan.upstream_model);
                prop_assert_eq!(decision.winner, plan.explanation.winner);
                // The automaton's choice is the first rule that its own matcher does not reject.
                for rejected in &plan.explanation.rejected {
                    prop_assert_ne!(&rejected.why, "it matches");
                }
            }
            (Err(a), Err(b)) => {
                let nothing_matched = matches!(a, NoRoute::NotFound { .. });
                prop_assert_eq!(a, b);
                if nothing_matched {
                    prop_assert!(table.explain_nowhere(&query).iter().all(|r| r.why != "it matches"));
                }
            }
            (a, b) => prop_assert!(false, "{:?} but {:?}", a, b),
        }
    }

    #[test]
    fn r23_no_upstream_name_ends_in_the_marker(table in any_table(), name in any_name()) {
        if let Ok(decision) = table.decide(&Query::model(&name)) {
            prop_assert_eq!(strip_long_context(&decision.upstream_model), &*decision.upstream_model);
            let names: Vec<&str> = table.provider_names().collect();
            prop_assert!(decision.provider < names.len());
        }
    }

    #[test]
    fn names_never_panic(name in "\\PC*") {
        let _ = (strip_long_context(&name), without_date(&name), family_of(&name));
        let _ = table().decide(&Query::model(&name));
        let _ = check_pattern(&name);
    }
}
