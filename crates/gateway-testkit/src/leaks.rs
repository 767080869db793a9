//! What of the client's side must not reach a foreign upstream.

/// The client's own headers, and Anthropic's, as `path: name: value`.
pub(crate) fn of(path: &str, headers: &[(String, String)]) -> Vec<String> {
    let own = |name: &str| {
        let name = name.to_ascii_lowercase();
        name == "x-api-key"
            || name == "x-app"
            || ["anthropic-", "x-claude-", "x-stainless-"].iter().any(|p| name.starts_with(p))
    };
    let leaked = headers.iter().filter(|(name, _)| own(name));
    leaked.map(|(name, value)| format!("{path}: {name}: {value}")).collect()
}
