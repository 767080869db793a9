//! Rules that never decide, because another takes all of their requests.

use crate::pattern::{Reading, matcher};
use crate::rule::RuleSpec;
use crate::spec::RuleKind;
use crate::table::VIA;

/// Rules that can never decide, each with the one that takes everything it could, by their places in the list.
///
/// Only what is sure is named: an earlier enabled rule without conditions (or with the very same ones) that has the same
/// pattern, takes every request, or has a plain glob (`*`, `?` and letters) that covers the later one. Rules of
/// one group do not hide each other. A hidden rule may still serve when the one that hides it fails.
pub fn unreachable(rules: &[RuleSpec]) -> Vec<(usize, usize)> {
    let mut order: Vec<(usize, &RuleSpec)> =
        rules.iter().enumerate().filter(|(_, rule)| rule.enabled).collect();
    order.sort_by_key(|(_, rule)| std::cmp::Reverse(rule.priority)); // stable, as when a table is built
    let mut out = Vec::new();
    for (at, (index, rule)) in order.iter().enumerate() {
        let mut earlier = order[..at].iter();
        if let Some((by, _)) = earlier.find(|(_, earlier)| hides(earlier, rule)) {
            out.push((*index, *by));
        }
    }
    out.sort_unstable();
    out
}

fn hides(earlier: &RuleSpec, later: &RuleSpec) -> bool {
    let takes = earlier.when.is_empty() || earlier.when == later.when;
    takes && !earlier.shares_with(later) && covers(earlier, later)
}

/// Whether every request that `later` matches, conditions aside, matches `earlier`.
fn covers(earlier: &RuleSpec, later: &RuleSpec) -> bool {
    let (Some((_, wide)), Some((reading, narrow))) = (glob_of(earlier), glob_of(later)) else {
        return false;
    };
    // A name `claude-via-…` asks rules on such names and no others.
    let is_via =
        |rule: &RuleSpec, glob: &str| rule.kind == RuleKind::ModelPattern && glob.starts_with(VIA);
    if is_via(later, narrow) && !is_via(earlier, wide) {
        return false;
    }
    let same_text = match (&earlier.kind, &later.kind) {
        (RuleKind::HeaderMatch { name: a, .. }, RuleKind::HeaderMatch { name: b, .. }) => {
            a.eq_ignore_ascii_case(b)
        }
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    };
    // A header's rule takes no request without the header.
    let takes_all = wide == "*" && !matches!(earlier.kind, RuleKind::HeaderMatch { .. });
    takes_all || (same_text && glob_covers(reading, wide, narrow))
}

/// What a rule matches by, `*` where it takes everything.
fn glob_of(rule: &RuleSpec) -> Option<(Reading, &str)> {
    match rule.kind {
        RuleKind::CatchAll => Some((Reading::Text, "*")),
        _ => rule.glob(),
    }
}

fn glob_covers(reading: Reading, wide: &str, narrow: &str) -> bool {
    if wide == narrow {
        return true;
    }
    if !narrow.contains(['*', '?', '[', ']', '{', '}', '\\', ',']) {
        return matcher(reading, wide).is_ok_and(|glob| glob.is_match(narrow));
    }
    // `**` has a meaning of its own between slashes.
    let is_plain = |glob: &str| {
        glob.is_ascii() && !glob.contains(['[', ']', '{', '}', '\\']) && !glob.contains("**")
    };
    is_plain(wide) && is_plain(narrow) && plain_covers(wide, narrow)
}

/// Whether `wide` matches `narrow` with its wildcards as letters: a `*` stands for any run of them, a `?` for one that is
/// no `*`. What is covered is sure; some that is, is not seen.
fn plain_covers(wide: &str, narrow: &str) -> bool {
    let narrow: Vec<char> = narrow.chars().collect();
    // Which beginnings of `narrow` the part of `wide` so far covers.
    let mut covered = vec![false; narrow.len() + 1];
    covered[0] = true;
    for token in wide.chars() {
        let mut next = vec![false; narrow.len() + 1];
        for at in 0..=narrow.len() {
            next[at] = match token {
                '*' => covered[at] || (at > 0 && next[at - 1]),
                '?' => at > 0 && covered[at - 1] && narrow[at - 1] != '*',
                letter => at > 0 && covered[at - 1] && narrow[at - 1] == letter,
            };
        }
        covered = next;
    }
    covered[narrow.len()]
}
