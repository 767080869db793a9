//! What can only be said of the configuration as a whole: names that lead nowhere, credentials that are
//! missing, a base URL that is the gateway itself.

use gateway_router::RuleKind;

use crate::base::{self, leads_back};
use crate::keys::{nearest, quoted};
use crate::model::{Auth, Kind, Route, Server};
use crate::providers::Placed;
use crate::read::Cx;
use crate::rules::PlacedRoute;
use crate::source::At;

mod rules;

pub(crate) use rules::rules;

/// The provider that serves what nothing else does; `key` is what names it.
///
/// Where none is named and nothing in the configuration says which model goes where (no routes, no
/// `models`), the only enabled provider is meant.
pub(crate) fn default_provider(
    cx: &mut Cx,
    key: &str,
    named: Option<(String, At)>,
    providers: &[Placed],
    routes: &[PlacedRoute],
) -> Option<String> {
    let Some((name, at)) = named else {
        let mut enabled = providers.iter().filter(|p| p.provider.enabled);
        return match (enabled.next(), enabled.next()) {
            (Some(only), None) if routes.is_empty() && only.provider.models.is_empty() => {
                Some(only.provider.name.clone())
            }
            (Some(_), _) if routes.iter().any(|r| takes_everything(&r.route)) => None,
            (Some(_), _) => {
                let message = "there is no `default_provider`: a model that no route matches and no provider lists is answered with 404";
                cx.warn(
                    &At::BuiltIn,
                    message.to_owned(),
                    "add `default_provider:` with a provider's name, unless that is intended",
                );
                None
            }
            (None, _) => None,
        };
    };
    match providers.iter().find(|p| p.provider.name == name) {
        Some(p) if p.provider.enabled => return Some(name),
        Some(_) => {
            cx.error(
                &at,
                format!("`{key}` names `{name}`, which is disabled"),
                "disabled",
                format!("enable `{name}` or name another provider"),
            );
        }
        None => unknown(cx, &at, &format!("`{key}`"), &name, providers),
    }
    None
}

/// Whether nothing is left for others.
fn takes_everything(route: &Route) -> bool {
    let every = match route.kind {
        RuleKind::CatchAll => true,
        RuleKind::ModelPattern | RuleKind::PathPattern => route.pattern == "*",
        RuleKind::HeaderMatch { .. } => false,
    };
    every && route.enabled && route.when.is_empty()
}

fn unknown(cx: &mut Cx, at: &At, by: &str, name: &str, providers: &[Placed]) {
    let names: Vec<&str> = providers.iter().map(|p| p.provider.name.as_str()).collect();
    let help = match nearest(name, names.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if names.is_empty() => "no provider is configured".to_owned(),
        None => format!("the providers are {}", quoted(&names)),
    };
    cx.error(
        at,
        format!("{by} names the provider `{name}`, which does not exist"),
        "no such provider",
        help,
    );
}

/// Warns where Claude's names go to a provider of which it is known that it has no models of such names.
pub(crate) fn names_of_claudes(cx: &mut Cx, default: Option<&str>, providers: &[Placed]) {
    let Some(placed) = providers.iter().find(|p| Some(p.provider.name.as_str()) == default) else {
        return;
    };
    let p = &placed.provider;
    let (models, key) = match p.kind {
        Kind::Azure if p.extra.deployment.is_none() => ("deployment", "`extra: {deployment: …}`, "),
        Kind::Ollama => ("model", ""),
        _ => return,
    };
    // What variables alone set up tells it with its start.
    let is_said = p.default_model.is_some() || !p.model_map.is_empty() || !p.models.is_empty();
    if is_said || placed.name_at == At::BuiltIn {
        return;
    }
    let message = format!(
        "`{}` gets the names of Claude's models as they are asked for, and has no {models} of such a name",
        p.name
    );
    let help = format!("say what serves them: {key}`default_model: …` or `model_map: {{…}}`");
    cx.warn(&placed.name_at, message, help);
}

/// Enabled providers: one at least, none of them the gateway itself, one with a credential.
pub(crate) fn providers(cx: &mut Cx, providers: &[Placed], server: &Server) {
    let enabled: Vec<&Placed> = providers.iter().filter(|p| p.provider.enabled).collect();
    if enabled.is_empty() {
        let at = providers.first().map_or(At::BuiltIn, |p| p.enabled_at.clone());
        cx.error(
            &at,
            "no provider is enabled".to_owned(),
            "disabled",
            "set `enabled: true` on one of `providers`",
        );
        return;
    }
    for placed in &enabled {
        let name = &placed.provider.name;
        if let Some(base) = &placed.base {
            let own_names =
                server.allowed_hosts.iter().any(|h| h == &base.host && base.port == server.port);
            if own_names || leads_back(base, &server.host, server.port) {
                let message = format!(
                    "the `api_base` of `{name}` is the gateway itself (port {})",
                    server.port
                );
                cx.error(
                    &placed.base_at,
                    message,
                    "leads back to the gateway",
                    "write the vendor's URL, or listen on another port",
                );
            }
        }
        if matches!(placed.provider.auth, Auth::Client) && !base::is_loopback(&server.host) {
            let at =
                if placed.auth_at == At::BuiltIn { At::BuiltIn } else { placed.auth_at.clone() };
            let message = format!(
                "`{name}` passes the caller's own login on (`auth_type: client`), which is only allowed on a loopback address, not on `{}`",
                server.host
            );
            cx.error(&at, message, "only on loopback", "set `server.host: 127.0.0.1`, or give the provider a key of its own (e.g. ANTHROPIC_API_KEY)");
        }
    }
    let none_ready = enabled.iter().all(|p| !p.provider.auth.is_ready());
    for placed in &enabled {
        let Auth::Missing { variable } = &placed.provider.auth else { continue };
        let name = &placed.provider.name;
        let at = if placed.auth_at == At::BuiltIn { &placed.name_at } else { &placed.auth_at };
        let others: Vec<&str> =
            placed.provider.pool.iter().map(|key| key.variable.as_str()).collect();
        let message = match others.as_slice() {
            [] | [_] => {
                format!("the key of `{name}` is missing: the variable {variable} is not set")
            }
            all => format!("the keys of `{name}` are missing: none of {} is set", all.join(", ")),
        };
        if none_ready {
            cx.error(
                at,
                message,
                "no credential",
                format!("set {variable} in the environment or in .env"),
            );
        } else {
            cx.warn(
                at,
                message,
                format!("set {variable}, or disable `{name}`; until then its requests fail"),
            );
        }
    }
}
