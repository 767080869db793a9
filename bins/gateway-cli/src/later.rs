//! Verbs and options of the contract that a later version brings: each is answered by its name, so that
//! nobody wonders whether it is misspelt.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What the command line asked for, if a later version has it.
pub(crate) fn named(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let verb = context(ContextKind::InvalidSubcommand)?;
            let words: Vec<&str> = arguments.iter().skip(1).filter_map(|a| a.to_str()).collect();
            verb_of(verb, &words)
        }
        ErrorKind::UnknownArgument => {
            let option = context(ContextKind::InvalidArg)?.split(['=', ' ']).next()?;
            let asked = OPTIONS.contains(&option);
            asked.then(|| option.to_owned())
        }
        _ => None,
    }
}

fn verb_of(verb: &str, words: &[&str]) -> Option<String> {
    let at = words.iter().position(|w| *w == verb)?;
    if let Some((group, verbs)) = at
        .checked_sub(1)
        .and_then(|before| NESTED.iter().find(|(group, _)| *group == words[before]))
        && verbs.contains(&verb)
    {
        return Some(format!("{group} {verb}"));
    }
    let (_, verbs) = TOP.iter().find(|(name, _)| *name == verb)?;
    let next = words.get(at + 1).filter(|w| verbs.contains(w));
    Some(next.map_or_else(|| verb.to_owned(), |next| format!("{verb} {next}")))
}

/// Verbs of later versions below groups of this one.
const NESTED: &[(&str, &[&str])] = &[
    ("config", &["set", "schema", "lint", "doctor", "export", "env-check", "import"]),
    ("key", &["create", "list", "revoke"]),
    ("route", &["list", "add", "remove", "test", "stats", "serve"]),
];

/// Verbs of later versions, with their own verbs.
const TOP: &[(&str, &[&str])] = &[
    ("proxy", &[]),
    ("validate-config", &[]),
    ("test-config", &[]),
    ("config-diff", &[]),
    (
        "provider",
        &[
            "list",
            "show",
            "add",
            "remove",
            "set-default",
            "enable",
            "disable",
            "update",
            "test",
            "models",
            "model",
        ],
    ),
    (
        "cache",
        &["stats", "info", "clear", "purge", "warmup", "response-stats", "token-count-stats"],
    ),
    ("health", &["status", "errors", "categories", "circuit-breakers", "reset", "retry-policies"]),
    (
        "logging",
        &[
            "status",
            "test",
            "formats",
            "levels",
            "metrics",
            "health",
            "test-redaction",
            "set-level",
            "configure",
            "files",
        ],
    ),
    ("usage", &[]),
    ("budget", &["list", "show", "reset"]),
    ("audit", &["tail", "show", "export"]),
    ("replay", &[]),
    ("top", &[]),
    ("completions", &[]),
    ("man", &[]),
    ("service", &["install", "uninstall", "status"]),
];

/// Options of later versions.
const OPTIONS: &[&str] = &[
    "--response-cache",
    "--no-response-cache",
    "--cache-ttl",
    "--cache-maxsize",
    "--token-count-cache",
    "--token-count-cache-ttl",
    "--token-count-cache-maxsize",
    "--control",
    "--admin-url",
    "--client",
];
