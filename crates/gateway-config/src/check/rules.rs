//! Rules that lead nowhere, leave where nothing may leave, or can never match.

use gateway_router::{Strategy, Target, strip_long_context, unreachable};

use super::unknown;
use crate::keys::{nearest, quoted};
use crate::model::Route;
use crate::providers::Placed;
use crate::read::Cx;
use crate::routing;
use crate::rules::PlacedRoute;
use crate::source::At;

pub(crate) fn rules(cx: &mut Cx, rules: &[PlacedRoute], providers: &[Placed], clients: &[String]) {
    for rule in rules {
        let by = label(rule);
        let own = leads_to(cx, rule, &by, &rule.route.provider, &rule.provider_at, providers);
        let private = own.is_some_and(|own| own.provider.private);
        fallbacks(cx, rule, &by, private, providers);
        mirror(cx, rule, &by, private, providers);
        callers(cx, rule, &by, clients);
    }
    sharing(cx, rules);
    mixing(cx, rules, providers);
    never_matching(cx, rules);
}

fn label(rule: &PlacedRoute) -> String {
    format!("the route `{}` ({})", routing::rule(&rule.route).label(), rule.path)
}

/// The provider that a rule names, which must be there and enabled.
fn leads_to<'p>(
    cx: &mut Cx,
    rule: &PlacedRoute,
    by: &str,
    name: &str,
    at: &At,
    providers: &'p [Placed],
) -> Option<&'p Placed> {
    let Some(found) = providers.iter().find(|p| p.provider.name == name) else {
        unknown(cx, at, by, name, providers);
        return None;
    };
    if !found.provider.enabled && rule.route.enabled {
        let message = format!("{by} leads to `{name}`, which is disabled");
        let off = match &found.enabled_at {
            At::BuiltIn => String::new(),
            at => format!(" ({})", cx.told(at)),
        };
        let help = format!("enable `{name}`{off}, or disable the route");
        cx.error(at, message, "disabled", help);
    }
    Some(found)
}

fn fallbacks(cx: &mut Cx, rule: &PlacedRoute, by: &str, private: bool, providers: &[Placed]) {
    let (key_at, places) = &rule.fallbacks_at;
    let targets = rule.route.fallbacks.as_deref().unwrap_or_default();
    if private && !targets.is_empty() {
        let name = &rule.route.provider;
        let message = format!("{by} has fallbacks, but `{name}` is private: nothing leaves it");
        let help = format!(
            "remove `fallbacks`, or write `private: false` at `{name}` if its requests may go to others"
        );
        cx.error(key_at, message, "never asked", help);
    }
    let mut seen = vec![rule.route.provider.as_str()];
    for (target, at) in targets.iter().zip(places) {
        let by = format!("a fallback of {by}");
        if leads_to(cx, rule, &by, &target.provider, at, providers).is_none() {
            continue;
        }
        if seen.contains(&target.provider.as_str()) {
            let message = format!(
                "{by} is `{}`, which has failed by then: a provider is asked once",
                target.provider
            );
            cx.warn(at, message, "remove it, or name another provider");
        }
        seen.push(&target.provider);
    }
}

fn mirror(cx: &mut Cx, rule: &PlacedRoute, by: &str, private: bool, providers: &[Placed]) {
    let Some(mirror) = &rule.route.mirror else { return };
    let Target { provider, .. } = &mirror.to;
    if private && provider != &rule.route.provider {
        let name = &rule.route.provider;
        let message = format!("{by} is mirrored, but `{name}` is private: nothing leaves it");
        let help = format!("remove `mirror`, or write `private: false` at `{name}`");
        cx.error(&rule.mirror_at, message, "never sent", help);
    }
    leads_to(cx, rule, &format!("the mirror of {by}"), provider, &rule.mirror_at, providers);
}

fn callers(cx: &mut Cx, rule: &PlacedRoute, by: &str, clients: &[String]) {
    let wanted = rule.route.when.client.as_deref().unwrap_or_default();
    for (name, at) in wanted.iter().zip(&rule.clients_at) {
        if clients.contains(name) {
            continue;
        }
        let help = match nearest(name, clients.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if clients.is_empty() => {
                "there are no `clients`: add them, or remove the condition".to_owned()
            }
            None => format!("the clients are {}", quoted(clients)),
        };
        let message = format!("{by} is for the client `{name}`, which does not exist");
        cx.error(at, message, "no such client", help);
    }
}

/// Notes what a rule says of a group whose first rule says otherwise.
fn sharing(cx: &mut Cx, rules: &[PlacedRoute]) {
    let enabled: Vec<&PlacedRoute> = rules.iter().filter(|rule| rule.route.enabled).collect();
    for (place, rule) in enabled.iter().enumerate() {
        let first = enabled[..place].iter().find(|first| share(&first.route, &rule.route));
        let Some(first) = first else { continue };
        let (a, b) = (&first.route, &rule.route);
        let differs = [a.strategy != b.strategy, a.sticky != b.sticky];
        for ((key, at), differs) in rule.of_group.iter().zip(differs) {
            let Some(at) = at.as_ref().filter(|_| differs) else { continue };
            let message = format!(
                "`{}.{key}` is not used: {} comes first of those that share its requests, and says it for all",
                rule.path,
                label(first)
            );
            cx.warn(at, message, format!("say it there ({}), or remove it", cx.told(&first.at)));
        }
    }
}

/// Warns where chance, turns or figures choose between a private provider and others: what one request keeps, the
/// next one of the conversation may give away.
fn mixing(cx: &mut Cx, rules: &[PlacedRoute], providers: &[Placed]) {
    let found = |name: &str| providers.iter().map(|p| &p.provider).find(|p| p.name == name);
    let enabled: Vec<&PlacedRoute> = rules.iter().filter(|rule| rule.route.enabled).collect();
    for (place, first) in enabled.iter().enumerate() {
        let shares = |other: &&&PlacedRoute| share(&first.route, &other.route);
        if enabled[..place].iter().any(|earlier| shares(&earlier)) {
            continue;
        }
        let group: Vec<&&PlacedRoute> = enabled[place..].iter().filter(shares).collect();
        let is_ordered = match first.route.strategy {
            None => group.len() == 1,
            Some(strategy) => strategy == Strategy::Ordered,
        };
        if is_ordered {
            continue;
        }
        let mut names: Vec<&str> = group.iter().map(|rule| &*rule.route.provider).collect();
        if let [rule] = group.as_slice() {
            // A private one with fallbacks is an error of its own.
            if found(&rule.route.provider).is_some_and(|own| own.private) {
                continue;
            }
            names.extend(rule.route.fallbacks.iter().flatten().map(|to| &*to.provider));
        }
        let members = names.iter().filter_map(|name| found(name)).filter(|p| p.enabled);
        let (private, public): (Vec<_>, Vec<_>) = members.partition(|p| p.private);
        let (Some(private), Some(public)) = (private.first(), public.first()) else { continue };
        let (private, public) = (&private.name, &public.name);
        let message = format!(
            "{} shares its requests between `{private}`, which is private, and `{public}`: a conversation may begin at either, and keeps to it for an hour after its last request at most",
            label(first)
        );
        let help = format!(
            "give `{private}` a route with a pattern or conditions of its own, write `strategy: ordered` with `{private}` first, or write `private: false` at `{private}` if its requests may go to others"
        );
        cx.warn(&first.at, message, help);
    }
}

/// Whether two rules take the same requests with the same right.
fn share(a: &Route, b: &Route) -> bool {
    let (one, other) = (strip_long_context(&a.pattern), strip_long_context(&b.pattern));
    a.priority == b.priority && a.kind == b.kind && a.when == b.when && one == other
}

/// Names rules that decide nothing, because one before them takes every request that they would.
fn never_matching(cx: &mut Cx, rules: &[PlacedRoute]) {
    let specs: Vec<_> = rules.iter().map(|rule| routing::rule(&rule.route)).collect();
    for (hidden, by) in unreachable(&specs) {
        let (rule, before) = (&rules[hidden], &rules[by]);
        if rule.at == At::BuiltIn {
            continue; // what variables alone set up says itself what is not used
        }
        let message = format!(
            "{} never decides: {} takes every request that it would",
            label(rule),
            label(before),
        );
        let help = match before.at {
            At::BuiltIn => "give it a higher `priority`, or conditions".to_owned(),
            _ => format!(
                "move it before that one ({}), or give it a higher `priority`; who is only to be asked when another fails belongs into that one's `fallbacks`",
                cx.told(&before.at)
            ),
        };
        cx.warn(&rule.pattern_at, message, help);
    }
}
