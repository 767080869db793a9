//! Which keys exist, which belong to the contract but not to this version, and what a mistyped one
//! was meant to be.

/// The keys of one section.
#[derive(Debug)]
pub(crate) struct Keys {
    /// Keys of this version.
    pub(crate) known: &'static [&'static str],
    /// Keys of the contract that a later version brings.
    pub(crate) later: &'static [&'static str],
    /// Any key with this beginning is known.
    pub(crate) prefix: Option<&'static str>,
}

pub(crate) const TOP: Keys = Keys {
    known: &[
        "default_provider",
        "log_level",
        "timeout",
        "max_retries",
        "server",
        "providers",
        "routes",
        "resilience",
        "clients",
        "limits",
        "extra",
    ],
    later: &["cache", "logging", "audit", "ledger", "telemetry"],
    prefix: None,
};

/// `extra` of the top level: where the predecessor's files have their rules.
pub(crate) const PREDECESSOR: Keys = Keys {
    known: &["routing_rules", "fallback_provider", "routing_strategy"],
    later: &[],
    prefix: None,
};

pub(crate) const SERVER: Keys = Keys {
    known: &[
        "host",
        "port",
        "max_request_size",
        "max_concurrent_requests",
        "max_buffered_bytes",
        "allowed_hosts",
        "tls",
        "shutdown_grace",
        "state_keys",
    ],
    later: &[],
    prefix: None,
};

pub(crate) const TLS: Keys =
    Keys { known: &["cert", "key", "client_ca"], later: &[], prefix: None };

pub(crate) const PROVIDER: Keys = Keys {
    known: &[
        "kind",
        "display_name",
        "api_base",
        "api_key",
        "api_key_env_var",
        "auth_type",
        "enabled",
        "priority",
        "default_model",
        "headers",
        "timeouts",
        "model_map",
        "models",
        "proxy",
        "ca_file",
        "compat",
        "private",
        "extra",
        "api_keys",
        "limits",
    ],
    later: &[],
    prefix: None,
};

pub(crate) const COMPAT: Keys = Keys {
    known: &[
        "preset",
        "thinking",
        "cache_control",
        "system_role",
        "documents",
        "output_config",
        "reasoning_content",
        "drop_fields",
        "drop_betas",
        "drop_events",
        "max_tokens_field",
        "stream_options",
        "developer_role",
        "system_anywhere",
        "tool_choice",
        "parallel_tool_calls",
        "images",
        "tool_images",
        "pdf",
        "json_schema",
        "json_object",
        "strict_schemas",
        "stop_max",
        "tool_name_max",
        "call_id_max",
        "tools_max",
        "reasoning_in",
        "reasoning_out",
        "user_field",
        "efforts",
        "temperature",
        "top_k",
        "empty_tool_output",
        "prefill",
        "native_call_ids",
        "extra_fields",
    ],
    later: &[],
    prefix: None,
};

pub(crate) const EXTRA: Keys = Keys {
    known: &[
        "api",
        "api_version",
        "deployment",
        "region",
        "profile",
        "family",
        "project",
        "location",
        "credentials_file",
        "num_ctx",
        "provider",
    ],
    later: &[],
    prefix: None,
};

pub(crate) const TIMEOUTS: Keys =
    Keys { known: &["connect", "first_byte", "idle", "unary"], later: &[], prefix: None };

pub(crate) const MODEL: Keys = Keys {
    known: &["max_tokens", "context_window", "supports_tools", "supports_vision", "price"],
    later: &[],
    prefix: Some("supports_"),
};

pub(crate) const PRICE: Keys =
    Keys { known: &["input", "output", "cache_read", "cache_write"], later: &[], prefix: None };

pub(crate) const ROUTE: Keys = Keys {
    known: &[
        "pattern",
        "provider",
        "model",
        "priority",
        "name",
        "enabled",
        "rule_type",
        "header_name",
        "header_value",
        "when",
        "weight",
        "fallbacks",
        "strategy",
        "set",
        "sticky",
        "mirror",
    ],
    later: &[],
    prefix: None,
};

pub(crate) const WHEN: Keys = Keys {
    known: &[
        "thinking",
        "min_input_tokens",
        "has_images",
        "has_tools",
        "web_search",
        "background",
        "client",
        "agent",
    ],
    later: &[],
    prefix: None,
};

pub(crate) const SET: Keys = Keys {
    known: &["effort", "max_tokens", "temperature", "extra_body", "system_append"],
    later: &[],
    prefix: None,
};

pub(crate) const MIRROR: Keys = Keys { known: &["to", "percent"], later: &[], prefix: None };

pub(crate) const RESILIENCE: Keys = Keys {
    known: &[
        "retry",
        "retry_budget",
        "circuit_breaker",
        "outlier_ejection",
        "hedge_after",
        "keepalive_ping",
        "commit_after",
    ],
    later: &[],
    prefix: None,
};

pub(crate) const RETRY: Keys = Keys {
    known: &["max_retries", "base_delay", "max_delay", "jitter", "statuses", "respect_retry_after"],
    later: &[],
    prefix: None,
};

pub(crate) const BUDGET: Keys =
    Keys { known: &["ratio", "min_per_second", "per_client"], later: &[], prefix: None };

pub(crate) const BREAKER: Keys = Keys {
    known: &["failure_threshold", "success_threshold", "open_seconds", "half_open_max"],
    later: &[],
    prefix: None,
};

pub(crate) const OUTLIERS: Keys = Keys {
    known: &["enabled", "failure_ratio", "min_requests", "window", "eject_seconds"],
    later: &[],
    prefix: None,
};

pub(crate) const LIMITS: Keys = Keys {
    known: &["concurrent", "requests_per_minute", "tokens_per_minute", "queue"],
    later: &[],
    prefix: None,
};

pub(crate) const CLIENT: Keys = Keys {
    known: &["name", "key_hash", "allow_models", "limits", "pick_provider"],
    later: &["budget"],
    prefix: None,
};

pub(crate) const POOL_KEY: Keys = Keys { known: &["env", "weight"], later: &[], prefix: None };

/// Kinds of providers; `google` is another word for `gemini`, `local` for `ollama`.
pub(crate) const KINDS: &[&str] = &[
    "anthropic",
    "openai",
    "openai-responses",
    "azure",
    "openrouter",
    "gemini",
    "google",
    "vertex",
    "bedrock",
    "ollama",
    "local",
    "demo",
];

/// Sections by the words a message uses for them.
const SECTIONS: &[(&str, &Keys)] = &[
    ("the top level", &TOP),
    ("`server`", &SERVER),
    ("a provider", &PROVIDER),
    ("a provider's `timeouts`", &TIMEOUTS),
    ("a provider's `compat`", &COMPAT),
    ("a provider's `extra`", &EXTRA),
    ("a model of a provider's `models`", &MODEL),
    ("a route", &ROUTE),
    ("a route's `when`", &WHEN),
    ("a route's `set`", &SET),
    ("`resilience`", &RESILIENCE),
    ("`resilience.retry`", &RETRY),
    ("`resilience.retry_budget`", &BUDGET),
    ("`resilience.circuit_breaker`", &BREAKER),
    ("`resilience.outlier_ejection`", &OUTLIERS),
    ("a client", &CLIENT),
    ("`limits`", &LIMITS),
    ("`extra`", &PREDECESSOR),
];

/// What a key is in its section.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Known,
    Later,
    Unknown,
}

impl Keys {
    pub(crate) fn standing(&self, key: &str) -> Standing {
        if self.known.contains(&key) || self.prefix.is_some_and(|p| key.starts_with(p)) {
            Standing::Known
        } else if self.later.contains(&key) {
            Standing::Later
        } else {
            Standing::Unknown
        }
    }

    /// What to do about an unknown key.
    pub(crate) fn remedy(&self, key: &str) -> String {
        if let Some(meant) = nearest(key, self.known.iter().chain(self.later).copied()) {
            return match self.standing(meant) {
                Standing::Later => {
                    format!("did you mean `{meant}`? That is not in this version yet")
                }
                _ => format!("did you mean `{meant}`?"),
            };
        }
        let sections = SECTIONS.iter().filter(|(_, keys)| keys.known.contains(&key));
        let sections: Vec<&str> = sections.map(|(section, _)| *section).collect();
        if !sections.is_empty() {
            return format!("`{key}` belongs in {}", sections.join(" or in "));
        }
        format!("the keys here are {}", quoted(self.known))
    }
}

/// The word of `among` that `typed` was probably meant to be.
pub(crate) fn nearest<'a>(
    typed: &str,
    among: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = |s: &str| s.to_ascii_lowercase().replace(['-', ' '], "_");
    let typed = plain(typed);
    let distance = |word: &str| strsim::damerau_levenshtein(&typed, &plain(word));
    let best = among.into_iter().min_by_key(|word| distance(word))?;
    let limit = 1 + best.len().max(typed.len()) / 4;
    (distance(best) <= limit && distance(best) < best.len()).then_some(best)
}

/// `` `a`, `b`, `c` ``.
pub(crate) fn quoted<S: AsRef<str>>(words: &[S]) -> String {
    let words: Vec<String> = words.iter().map(|w| format!("`{}`", w.as_ref())).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_find_their_word() {
        for (typed, meant) in [
            ("prot", Some("port")),
            ("hots", Some("host")),
            ("max-request-size", Some("max_request_size")),
            ("allowed_host", Some("allowed_hosts")),
            ("zzz", None),
            ("x", None),
        ] {
            assert_eq!(nearest(typed, SERVER.known.iter().copied()), meant, "{typed}");
        }
        assert_eq!(TOP.remedy("port"), "`port` belongs in `server`");
        assert!(TOP.remedy("telemetri").contains("`telemetry`? That is not in this version"));
        assert_eq!(TOP.remedy("resilence"), "did you mean `resilience`?");
        assert_eq!(
            ROUTE.remedy("max_tokens"),
            "`max_tokens` belongs in a model of a provider's `models` or in a route's `set`"
        );
        assert_eq!(ROUTE.remedy("base_delay"), "`base_delay` belongs in `resilience.retry`");
    }

    #[test]
    fn no_key_is_both_known_and_later() {
        for (_, keys) in SECTIONS {
            assert!(keys.known.iter().all(|k| !keys.later.contains(k)));
        }
    }

    #[test]
    fn every_key_is_documented() {
        let page = include_str!("../../../docs/configuration.md");
        let others =
            [&TLS, &PRICE, &MIRROR, &POOL_KEY, &PREDECESSOR].into_iter().map(|keys| ("", keys));
        for (_, keys) in SECTIONS.iter().copied().chain(others) {
            for key in keys.known {
                let written = [format!("`{key}`"), format!(".{key}`"), format!("`{key}.")];
                assert!(written.iter().any(|w| page.contains(w)), "{key} is not documented");
            }
        }
    }
}
