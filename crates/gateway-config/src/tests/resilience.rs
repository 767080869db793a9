//! `resilience`, `max_retries`, and the limits of providers.

use gateway_resilience::settings::{
    BreakerSettings, Budget, Jitter, OutlierSettings, Resilience, Retry, UpstreamLimits,
};

use super::*;

fn read(yaml: &str) -> Resilience {
    good(yaml, KEY).config.resilience
}

fn seconds(n: f64) -> Duration {
    Duration::from_secs_f64(n)
}

#[test]
fn nothing_said_gives_the_defaults() {
    for yaml in ["", "resilience:\n", "resilience: {retry: , retry_budget: {}, hedge_after: null}"]
    {
        assert_eq!(read(yaml), Resilience::default(), "{yaml}");
    }
    let loaded = good("", KEY);
    for (key, value) in [
        ("retry.max_retries", serde_json::json!(2)),
        ("retry.base_delay", serde_json::json!(1.0)),
        ("retry.max_delay", serde_json::json!(30.0)),
        ("retry.jitter", serde_json::json!("full")),
        ("retry.statuses", serde_json::json!([429, 500, 502, 503, 504, 529])),
        ("retry.respect_retry_after", serde_json::json!(true)),
        ("retry_budget.ratio", serde_json::json!(0.2)),
        ("retry_budget.min_per_second", serde_json::json!(10.0)),
        ("retry_budget.per_client", serde_json::json!(true)),
        ("circuit_breaker.failure_threshold", serde_json::json!(5)),
        ("circuit_breaker.success_threshold", serde_json::json!(2)),
        ("circuit_breaker.open_seconds", serde_json::json!(30.0)),
        ("circuit_breaker.half_open_max", serde_json::json!(1)),
        ("outlier_ejection.enabled", serde_json::json!(true)),
        ("outlier_ejection.failure_ratio", serde_json::json!(0.5)),
        ("outlier_ejection.min_requests", serde_json::json!(20)),
        ("outlier_ejection.window", serde_json::json!(30.0)),
        ("outlier_ejection.eject_seconds", serde_json::json!(30.0)),
        ("hedge_after", serde_json::Value::Null),
        ("keepalive_ping", serde_json::json!(10.0)),
        ("commit_after", serde_json::json!(100.0)),
    ] {
        let key = format!("resilience.{key}");
        let found: Vec<_> = loaded.values.iter().filter(|v| v.key == key).collect();
        let [shown] = found.as_slice() else { panic!("{key}: {found:?}") };
        assert_eq!((&shown.value, &shown.origin), (&value, &Origin::Default), "{key}");
    }
}

#[test]
fn every_key_of_resilience_reaches_its_field() {
    let yaml = "
resilience:
  retry: {max_retries: 0, base_delay: 0, max_delay: 2.5, jitter: Equal, statuses: [408, 500, 599, 500], respect_retry_after: false}
  retry_budget: {ratio: 0.5, min_per_second: 3, per_client: false}
  circuit_breaker: {failure_threshold: 0, success_threshold: 3, open_seconds: 1.5, half_open_max: 4}
  outlier_ejection: {failure_ratio: 1, min_requests: 5, window: 60, eject_seconds: 90}
  hedge_after: 8
  keepalive_ping: 5
  commit_after: 20
";
    let expected = Resilience {
        retry: Retry {
            max_retries: 0,
            base_delay: Duration::ZERO,
            max_delay: seconds(2.5),
            jitter: Jitter::Equal,
            statuses: vec![408, 500, 599],
            respect_retry_after: false,
        },
        budget: Budget { ratio: 0.5, min_per_second: 3.0, per_client: false },
        breaker: BreakerSettings {
            failure_threshold: 0,
            success_threshold: 3,
            open: seconds(1.5),
            half_open_max: 4,
        },
        outliers: Some(OutlierSettings {
            failure_ratio: 1.0,
            min_requests: 5,
            window: seconds(60.0),
            eject: seconds(90.0),
        }),
        hedge_after: Some(seconds(8.0)),
        keepalive_ping: seconds(5.0),
        commit_after: seconds(20.0),
    };
    assert_eq!(read(yaml), expected);
    let loaded = good(yaml, KEY);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(origin(&loaded, "resilience.retry.statuses"), "file, line 3");
    assert_eq!(origin(&loaded, "resilience.hedge_after"), "file, line 7");
    assert_eq!(read("resilience: {outlier_ejection: {enabled: false}}").outliers, None);
    assert_eq!(read("resilience: {retry: {jitter: none}}").retry.jitter, Jitter::None);
    assert_eq!(read("resilience: {retry: {statuses: []}}").retry.statuses, [0; 0]);
    assert_eq!(read("resilience: {commit_after: 0}").commit_after, Duration::ZERO);
}

#[test]
fn a_bad_value_of_resilience_names_its_key_its_place_and_what_is_allowed() {
    for (section, value, column, message, help) in [
        (
            "retry",
            "max_retries: -1",
            35,
            "must be a whole number from 0 to 100, found -1",
            "write a whole number from 0 to 100",
        ),
        (
            "retry",
            "max_retries: 101",
            35,
            "must be a whole number from 0 to 100, found 101",
            "0 to 100",
        ),
        (
            "retry",
            "max_retries: many",
            35,
            "must be a whole number from 0 to 100, found text",
            "0 to 100",
        ),
        (
            "retry",
            "base_delay: -1",
            34,
            "must be a number of seconds from 0 to 604800, found -1",
            "0 to 604800",
        ),
        (
            "retry",
            "max_delay: soon",
            33,
            "must be a number of seconds, found text",
            "write a number of seconds",
        ),
        (
            "retry",
            "jitter: fool",
            30,
            ": there is no jitter `fool`",
            "did you mean `full`? Possible are `full`, `equal`, `none`",
        ),
        (
            "retry",
            "statuses: 500",
            32,
            "must be a list like [a, b], found a number",
            "write a list",
        ),
        (
            "retry",
            "respect_retry_after: 1",
            43,
            "must be true or false, found a number",
            "true or false",
        ),
        (
            "retry_budget",
            "ratio: 11",
            36,
            "must be a number from 0 to 10, found 11",
            "write a number from 0 to 10",
        ),
        (
            "retry_budget",
            "min_per_second: -1",
            45,
            "must be a number from 0 to 1000000, found -1",
            "0 to 1000000",
        ),
        ("retry_budget", "min_per_second: x", 45, "must be a number, found text", "write a number"),
        ("retry_budget", "per_client: x", 41, "must be true or false, found text", "true or false"),
        (
            "circuit_breaker",
            "failure_threshold: -1",
            51,
            "must be a whole number from 0 to 1000000, found -1",
            "0 to",
        ),
        (
            "circuit_breaker",
            "success_threshold: 0",
            51,
            "must be a whole number from 1 to 1000000, found 0",
            "1 to",
        ),
        (
            "circuit_breaker",
            "open_seconds: 0",
            46,
            "must be a number of seconds above 0, at most 604800, found 0",
            "above 0",
        ),
        (
            "circuit_breaker",
            "half_open_max: 0",
            47,
            "must be a whole number from 1 to 1000000, found 0",
            "1 to",
        ),
        (
            "outlier_ejection",
            "enabled: 2",
            42,
            "must be true or false, found a number",
            "true or false",
        ),
        (
            "outlier_ejection",
            "failure_ratio: 50",
            48,
            "must be a number above 0, at most 1, found 50",
            "above 0, at most 1",
        ),
        (
            "outlier_ejection",
            "min_requests: 0",
            47,
            "must be a whole number from 1 to 1000000, found 0",
            "1 to",
        ),
        (
            "outlier_ejection",
            "window: 0",
            41,
            "must be a number of seconds above 0, at most 604800, found 0",
            "above 0",
        ),
        (
            "outlier_ejection",
            "eject_seconds: 604801",
            48,
            "must be a number of seconds above 0, at most 604800, found 604801",
            "above 0",
        ),
    ] {
        let yaml = format!("resilience: {{{section}: {{{value}}}}}");
        let key = value.split(':').next().expect("a key");
        let join = if message.starts_with(':') { "" } else { " " };
        let expected = format!("1:{column} `resilience.{section}.{key}`{join}{message}");
        let (found, remedy) = fault(&yaml, KEY);
        assert_eq!(found, expected);
        assert!(remedy.contains(help), "{value}: {remedy}");
    }
    for (yaml, message, help) in [
        (
            "resilience: {hedge_after: 0}",
            "1:27 `resilience.hedge_after` must be a number of seconds above 0, at most 604800, found 0",
            "above 0",
        ),
        (
            "resilience: {keepalive_ping: 0}",
            "1:30 `resilience.keepalive_ping` must be a number of seconds above 0, at most 604800, found 0",
            "above 0",
        ),
        (
            "resilience: {commit_after: never}",
            "1:28 `resilience.commit_after` must be a number of seconds, found text",
            "seconds",
        ),
        (
            "max_retries: -1",
            "1:14 `max_retries` must be a whole number from 0 to 100, found -1",
            "0 to",
        ),
        ("resilience: 5", "1:13 `resilience` must be a map of keys, found a number", "key: value"),
        (
            "resilience: {retry: twice}",
            "1:21 `resilience.retry` must be a map of keys, found text",
            "key: value",
        ),
        ("resilience: {retyr: {}}", "1:14 unknown key `resilience.retyr`", "did you mean `retry`?"),
        (
            "resilience: {max_retries: 2}",
            "1:14 unknown key `resilience.max_retries`",
            "`max_retries` belongs in the top level",
        ),
        (
            "resilience: {circuit_breaker: {open_second: 2}}",
            "1:32 unknown key `resilience.circuit_breaker.open_second`",
            "did you mean `open_seconds`?",
        ),
        (
            "resilience: {retry: {base_delay: 40}}",
            "1:34 `resilience.retry.base_delay` (40) is above `resilience.retry.max_delay` (30)",
            "lower base_delay, or raise max_delay",
        ),
        (
            "resilience: {retry: {max_delay: 0.5}}",
            "1:33 `resilience.retry.base_delay` (1) is above `resilience.retry.max_delay` (0.5)",
            "lower base_delay, or raise max_delay",
        ),
    ] {
        let (found, remedy) = fault(yaml, KEY);
        assert_eq!(found, message);
        assert!(remedy.contains(help), "{yaml}: {remedy}");
    }
}

#[test]
fn only_statuses_that_another_try_may_change_are_retried() {
    let yaml = "resilience: {retry: {statuses: [429, 401, 200, 600, oops]}}";
    let faults = load(&case(yaml, KEY).sources).expect_err("faults").errors;
    let found: Vec<String> = faults.iter().map(brief).collect();
    assert_eq!(
        found,
        [
            "1:38 `resilience.retry.statuses`: 401 is not worth another try",
            "1:43 `resilience.retry.statuses`: 200 is no status of a failure",
            "1:48 `resilience.retry.statuses`: 600 is no status of a failure",
            "1:53 `resilience.retry.statuses` holds something that is no status",
        ]
    );
    assert!(faults[0].help_lines()[0].contains("of the 4xx only 408 and 429 may stand here"));
    assert!(faults[1].help_lines()[0].contains("possible are 408, 429 and 500 to 599"));
}

#[test]
fn the_number_of_retries_has_one_origin() {
    let near = "max_retries: 5\nresilience: {retry: {max_retries: 7}}\n";
    let far = "max_retries: 5\n";
    let variable = ("GATEWAY_MAX_RETRIES", "3");
    let long = ("GATEWAY__RESILIENCE__RETRY__MAX_RETRIES", "4");
    let top = ("GATEWAY__MAX_RETRIES", "6");
    for (yaml, env, option, expected, from) in [
        ("", &[] as &[(&str, &str)], None, 2, "default"),
        (far, &[], None, 5, "file, line 1"),
        (near, &[], None, 7, "file, line 2"),
        (near, &[top], None, 6, "environment, GATEWAY__MAX_RETRIES"),
        (near, &[top, long], None, 4, "environment, GATEWAY__RESILIENCE__RETRY__MAX_RETRIES"),
        (near, &[long, variable], None, 3, "environment, GATEWAY_MAX_RETRIES"),
        (near, &[top, long, variable], Some("1"), 1, "option --max-retries"),
    ] {
        let mut case = case(yaml, &[env, KEY].concat());
        if let Some(value) = option {
            case.sources.overrides.set("resilience.retry.max_retries", value, "--max-retries");
        }
        let loaded = load(&case.sources).unwrap_or_else(|faults| panic!("{faults}"));
        let what = format!("{yaml} {env:?} {option:?}");
        assert_eq!(loaded.config.resilience.retry.max_retries, expected, "{what}");
        assert_eq!(origin(&loaded, "resilience.retry.max_retries"), from, "{what}");
    }
    assert_eq!(
        warnings(near, KEY),
        [(
            "1:14 `max_retries` has no effect: `resilience.retry.max_retries` (line 2) says 7"
                .to_owned(),
            "keep one of the two".to_owned()
        )]
    );
    assert!(warnings(&near.replace('7', "5"), KEY).is_empty());
    let (found, _) = fault("", &[("GATEWAY_MAX_RETRIES", "x"), KEY[0]]);
    assert_eq!(
        found,
        "`resilience.retry.max_retries` must be a whole number from 0 to 100, found `x`"
    );
}

#[test]
fn every_section_of_resilience_can_be_said_by_variables() {
    let mut case = no_file(&[
        KEY[0],
        ("GATEWAY__RESILIENCE__RETRY__STATUSES", "429, 503"),
        ("GATEWAY__RESILIENCE__CIRCUIT_BREAKER__OPEN_SECONDS", "7.5"),
        ("GATEWAY__RESILIENCE__OUTLIER_EJECTION__ENABLED", "no"),
        ("GATEWAY__RESILIENCE__RETRY_BUDGET__RATIO", "0.1"),
        ("GATEWAY__RESILIENCE__HEDGE_AFTER", "3"),
        ("GATEWAY__LIMITS__CONCURRENT", "9"),
        ("GATEWAY__PROVIDERS__ANTHROPIC__LIMITS__CONCURRENT", "4"),
    ]);
    case.sources.overrides.set("resilience.retry.base_delay", "0.25", "--retry-delay");
    let loaded = load(&case.sources).unwrap_or_else(|faults| panic!("{faults}"));
    let resilience = &loaded.config.resilience;
    assert_eq!(resilience.retry.statuses, [429, 503]);
    assert_eq!(resilience.retry.base_delay, seconds(0.25));
    assert_eq!(resilience.breaker.open, seconds(7.5));
    assert_eq!(resilience.outliers, None);
    assert!((resilience.budget.ratio - 0.1).abs() < 1e-9);
    assert_eq!(resilience.hedge_after, Some(seconds(3.0)));
    assert_eq!(loaded.config.limits.concurrent, Some(9));
    assert_eq!(loaded.config.providers[0].limits.concurrent, Some(4));
    let mut case = self::case("", KEY);
    case.sources.overrides.set("resilience.retry.base_delay", "60", "--retry-delay");
    let faults = load(&case.sources).expect_err("above max_delay").errors;
    assert_eq!(faults[0].place().as_deref(), Some("option --retry-delay"));
}

#[test]
fn values_that_do_not_go_together_are_warned_of() {
    for (yaml, expected) in [
        (
            "resilience: {retry_budget: {ratio: 0, min_per_second: 0}}",
            "1:14 `resilience.retry_budget` allows no retry at all (`ratio` and `min_per_second` are 0)",
        ),
        (
            "resilience: {commit_after: 5}",
            "1:28 `resilience.commit_after` (5) is below `resilience.keepalive_ping` (10): a stream is begun before there is a ping to send",
        ),
        (
            "resilience: {keepalive_ping: 120}",
            "1:30 `resilience.commit_after` (100) is below `resilience.keepalive_ping` (120): a stream is begun before there is a ping to send",
        ),
        (
            "resilience: {commit_after: 181}",
            "1:28 `resilience.commit_after` is 181: Claude Code gives a silent stream up after 180 seconds",
        ),
        (
            "limits: {tokens_per_minute: 500}",
            "1:29 `limits.tokens_per_minute` is 500: Claude Code's own instructions take 20000 to 30000 tokens with every request",
        ),
        (
            "limits: {queue: 5}",
            "1:17 `limits.queue` has no effect: there is no `concurrent` to wait for",
        ),
        (
            "providers: {anthropic: {limits: {queue: 5}}}",
            "1:41 `providers.anthropic.limits.queue` has no effect: there is no limit to wait for",
        ),
    ] {
        let found = warnings(yaml, KEY);
        let [(message, help)] = found.as_slice() else { panic!("{yaml}: {found:?}") };
        assert_eq!(message, expected);
        assert!(!help.is_empty());
    }
    let none = "resilience: {retry: {max_retries: 0}, retry_budget: {ratio: 0, min_per_second: 0}}";
    assert!(warnings(none, KEY).is_empty());
}

#[test]
fn a_provider_has_its_limits() {
    let limits = |keys: &str| {
        let yaml = format!("providers: {{anthropic: {{limits: {{{keys}}}}}}}");
        good(&yaml, KEY).config.providers[0].limits
    };
    assert_eq!(limits(""), UpstreamLimits::default());
    assert_eq!(limits("concurrent: null, queue: null"), UpstreamLimits::default());
    assert_eq!(
        limits("concurrent: 3, requests_per_minute: 40, tokens_per_minute: 500000, queue: 0"),
        UpstreamLimits {
            concurrent: Some(3),
            requests_per_minute: Some(40),
            tokens_per_minute: Some(500_000),
            queue: 0
        }
    );
    for (value, column, message, help) in [
        ("concurrent: 0", 46, "must be a whole number of at least 1, found 0", "at least 1"),
        (
            "requests_per_minute: 0",
            55,
            "must be a whole number of at least 1, found 0",
            "at least 1",
        ),
        ("tokens_per_minute: 0", 53, "must be a whole number of at least 1, found 0", "at least 1"),
        (
            "tokens_per_minute: 1.5",
            53,
            "must be a whole number of at least 1, found 1.5",
            "at least 1",
        ),
        ("queue: -1", 41, "must be a whole number of at least 0, found -1", "at least 0"),
    ] {
        let key = value.split(':').next().expect("a key");
        let (found, remedy) =
            fault(&format!("providers: {{anthropic: {{limits: {{{value}}}}}}}"), KEY);
        assert_eq!(found, format!("1:{column} `providers.anthropic.limits.{key}` {message}"));
        assert!(remedy.contains(help), "{remedy}");
    }
    let (found, help) = fault("providers: {anthropic: {limits: {rpm: 1}}}", KEY);
    assert_eq!(found, "1:34 unknown key `providers.anthropic.limits.rpm`");
    assert!(help.contains("`requests_per_minute`"), "{help}");
}
