//! Fields of the body and the betas of the header that belong together: both halves go, or none.

use std::collections::BTreeSet;
use std::sync::Arc;

use gateway_types::{Losses, What};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::Policy;

/// Patterns on names of betas: `*`, `?`, `[ab]` and `{a,b}`.
#[derive(Debug, Clone)]
pub struct BetaPatterns(Arc<GlobSet>);

impl Default for BetaPatterns {
    fn default() -> Self {
        Self(Arc::new(GlobSet::empty()))
    }
}

impl BetaPatterns {
    /// From patterns.
    ///
    /// # Errors
    /// The index of the first that is none, and why in words.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, (usize, String)> {
        let mut builder = GlobSetBuilder::new();
        let mut last = 0;
        for (at, pattern) in patterns.into_iter().enumerate() {
            last = at;
            let glob = GlobBuilder::new(pattern.trim()).backslash_escape(true).build();
            builder.add(glob.map_err(|fault| (at, fault.kind().to_string()))?);
        }
        builder
            .build()
            .map(|set| Self(Arc::new(set)))
            .map_err(|fault| (last, fault.kind().to_string()))
    }

    fn hits(&self, beta: &str) -> bool {
        self.0.is_match(beta)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is no field of one place, but of many, or the content of one.
pub(crate) const SYSTEM_ROLE: &str = "#system_role";
pub(super) const TOOL_CHANGES: &str = "#tool_changes";
pub(crate) const CACHE_TTL: &str = "#cache_control.ttl";
pub(crate) const CACHE_SCOPE: &str = "#cache_control.scope";
/// The mark of the whole request, which asks to be cached as it grows.
pub(crate) const AUTOMATIC_CACHING: &str = "#automatic_caching";
/// Marks of the prompt cache, wherever they are.
pub(super) const CACHE_CONTROL: &str = "cache_control";
pub(super) const DEFER_LOADING: &str = "tools.defer_loading";

struct Feature {
    /// Dropping one of these drops the feature.
    fields: &'static [&'static str],
    /// These only go along with it.
    along: &'static [&'static str],
    /// With the dates they had when this was written; other dates are the same beta.
    betas: &'static [&'static str],
}

const fn pair(fields: &'static [&'static str], betas: &'static [&'static str]) -> Feature {
    Feature { fields, along: &[], betas }
}

impl Feature {
    fn goes(&self, policy: &Policy, dropped: &Dropped, betas: &[&str]) -> bool {
        let lacks = &policy.lacks;
        let of_it = |listed: &&str| {
            let listed = family(lacks.name_of(listed));
            self.betas.iter().any(|beta| family(beta) == listed)
        };
        let of_it = || betas.iter().copied().filter(of_it);
        let configured = |beta: &str| policy.drop_betas.hits(beta);
        if self.fields.iter().any(|field| dropped.has(field))
            || self.betas.iter().any(|b| configured(b) || dropped.families.contains(family(b)))
            || of_it().any(configured)
        {
            return true;
        }
        if self.fields.iter().any(|field| lacks.is_free(field)) {
            return false;
        }
        // None: nobody asked for it, or the caller's API does not want the beta any more.
        let unpaired = lacks.pairs && of_it().next().is_none();
        unpaired || of_it().any(|beta| policy.is_unknown(beta))
    }
}

/// Which field needs which beta.
const FEATURES: &[Feature] = &[
    pair(&["context_management"], &["context-management-2025-06-27"]),
    Feature {
        fields: &["output_config.effort"],
        along: &["messages.output_config"],
        betas: &["effort-2025-11-24"],
    },
    Feature {
        fields: &["output_config.format", "output_format"],
        along: &["tools.strict"],
        betas: &["structured-outputs-2025-12-15"],
    },
    pair(&["output_config.task_budget"], &["task-budgets-2026-03-13"]),
    pair(&["messages.output_config"], &["per-turn-control-2026-07-01"]),
    pair(&["speed"], &["fast-mode-2026-02-01"]),
    pair(&["thinking.display"], &["thinking-display-updates-2026-08-18"]),
    pair(&["safeguards"], &["dangerous-tool-use-2026-09-03", "afk-mode-2026-01-31"]),
    pair(&["mcp_servers"], &["mcp-client-2025-11-20"]),
    pair(&["compaction"], &["compact-2026-09-04"]),
    pair(&["fallback_credit_token"], &["fallback-credit-2026-06-01"]),
    pair(&["tools.eager_input_streaming"], &["fine-grained-tool-streaming-2025-05-14"]),
    Feature {
        fields: &[DEFER_LOADING],
        along: &["tools.input_examples", "tools.allowed_callers"],
        betas: &["advanced-tool-use-2025-11-20", "tool-search-tool-2025-10-19"],
    },
    pair(&[SYSTEM_ROLE], &["mid-conversation-system-2026-04-07"]),
    pair(&[TOOL_CHANGES], &["mid-conversation-tool-changes-2026-07-01"]),
    pair(&[CACHE_TTL], &["extended-cache-ttl-2025-04-11"]),
    pair(&[CACHE_SCOPE], &["prompt-caching-scope-2026-01-05"]),
];

/// Without these the answer is the same, or nearly so.
const HINTS: &[&str] = &[
    "metadata",
    "context_management",
    "safeguards",
    "diagnostics",
    "speed",
    "tags",
    "thinking.display",
    "tools.eager_input_streaming",
    "tools.custom",
    "service_tier",
    "user_profile_id",
    "workspace_id",
    "fallback_credit_token",
    DEFER_LOADING,
];

/// Without these there is no request.
const NEEDED: &[&str] = &["model", "messages", "stream", "messages.role", "messages.content"];

/// All that goes for one upstream.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    fields: BTreeSet<String>,
    families: BTreeSet<&'static str>,
}

impl Dropped {
    /// What `policy` and the pairs say together. `betas` is what the caller's header lists.
    pub(super) fn new(policy: &Policy, betas: &[&str]) -> Self {
        let mut dropped = Self::default();
        let mut say = |field: &str| {
            dropped.fields.insert(field.to_owned());
        };
        for field in &policy.drop_fields {
            say(field.trim());
        }
        for field in policy.lacks.fields.iter().copied().flatten() {
            say(field);
        }
        if policy.strip_output_config || policy.drop_fields.iter().any(|f| f == "output_config") {
            say("output_config");
            say("output_format");
            say("messages.output_config");
        }
        if policy.strip_cache_control {
            say(CACHE_CONTROL);
        }
        if policy.inline_system {
            say(SYSTEM_ROLE);
            say(TOOL_CHANGES);
        }
        if dropped.fields.contains(CACHE_CONTROL) {
            dropped.fields.extend([CACHE_TTL, CACHE_SCOPE].map(str::to_owned));
        }
        for needed in NEEDED {
            dropped.fields.remove(*needed);
        }
        // Each round can only add; the table bounds the rounds.
        loop {
            let before = (dropped.fields.len(), dropped.families.len());
            for feature in FEATURES {
                if feature.goes(policy, &dropped, betas) {
                    let along = feature.fields.iter().chain(feature.along);
                    dropped.fields.extend(along.map(|field| (*field).to_owned()));
                    dropped.families.extend(feature.betas.iter().map(|beta| family(beta)));
                }
            }
            if before == (dropped.fields.len(), dropped.families.len()) {
                return dropped;
            }
        }
    }

    /// Whether a field goes: by its own name, or with the one it is in.
    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.contains(field)
            || field.split_once('.').is_some_and(|(outer, _)| self.fields.contains(outer))
    }

    /// One more that goes.
    pub(super) fn add(&mut self, field: &str) {
        self.fields.insert(field.to_owned());
    }

    /// Whether anything goes that is named `outer.something`.
    pub(super) fn within(&self, outer: &str) -> bool {
        let inner =
            |field: &String| field.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
        self.fields.iter().any(inner)
    }

    /// The header's new list, if it changes.
    pub(super) fn betas(
        &self,
        policy: &Policy,
        betas: &[&str],
        losses: &mut Losses,
    ) -> Option<Vec<String>> {
        let mut kept: Vec<String> = Vec::with_capacity(betas.len());
        for beta in betas {
            let name = policy.lacks.name_of(beta);
            if policy.drop_betas.hits(beta)
                || policy.is_unknown(beta)
                || self.families.contains(family(beta))
                || self.families.contains(family(name))
            {
                let path = format!("anthropic-beta:{beta}");
                losses.add(What::Hint, path, "this upstream does not take it");
            } else if name == *beta || !kept.iter().any(|kept| kept == name) {
                kept.push(name.to_owned());
            }
        }
        (kept.iter().map(String::as_str).ne(betas.iter().copied())).then_some(kept)
    }
}

/// Notes that a field was there and goes.
pub(super) fn note(field: &str, losses: &mut Losses) {
    let what = if HINTS.contains(&field) { What::Hint } else { What::Dropped };
    losses.add(what, field.to_owned(), "this upstream does not take it");
}

/// A beta without its date.
fn family(beta: &str) -> &str {
    let dated = |rest: &str| {
        let bytes = rest.as_bytes();
        bytes.len() == 11
            && bytes.iter().enumerate().all(|(at, byte)| match at {
                0 | 5 | 8 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    };
    match beta.len().checked_sub(11).and_then(|at| beta.split_at_checked(at)) {
        Some((name, date)) if dated(date) => name,
        _ => beta,
    }
}
