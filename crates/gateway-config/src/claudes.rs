//! What Claude's models are called where somebody else serves them.

/// One model of Claude's.
struct Claude {
    /// Anthropic's own name, without a date.
    name: &'static str,
    /// The date that belongs to the name on clouds, for models that have one there.
    date: &'static str,
    /// What Bedrock has behind name and date.
    revision: &'static str,
}

/// Every version that the clouds serve, the latest first.
const CLAUDES: &[Claude] = &[
    of("claude-opus-5-5"),
    of("claude-sonnet-5-5"),
    of("claude-haiku-5-5"),
    of("claude-fable-5-2"),
    of("claude-fable-5-1"),
    of("claude-fable-5"),
    of("claude-opus-5"),
    of("claude-sonnet-5"),
    of("claude-opus-4-8"),
    of("claude-opus-4-7"),
    Claude { name: "claude-opus-4-6", date: "", revision: "-v1" },
    of("claude-sonnet-4-6"),
    dated("claude-opus-4-5", "20251101"),
    dated("claude-sonnet-4-5", "20250929"),
    dated("claude-haiku-4-5", "20251001"),
];

const fn of(name: &'static str) -> Claude {
    Claude { name, date: "", revision: "" }
}

const fn dated(name: &'static str, date: &'static str) -> Claude {
    Claude { name, date, revision: "-v1:0" }
}

/// A glob on Anthropic's name, with a date or without, and the name elsewhere.
pub(crate) type Names = Vec<(String, String)>;

/// Names on Bedrock: profiles that keep requests in the part of the world that the region is in, where there is one.
pub(crate) fn on_bedrock(region: &str) -> Names {
    let Some(place) = place_of(region) else { return Vec::new() };
    names(|claude| {
        let date = if claude.date.is_empty() { String::new() } else { format!("-{}", claude.date) };
        Some(format!("{place}.anthropic.{}{date}{}", claude.name, claude.revision))
    })
}

/// Names on Vertex AI, where they differ: a date stands behind an at sign.
pub(crate) fn on_vertex() -> Names {
    names(|claude| (!claude.date.is_empty()).then(|| format!("{}@{}", claude.name, claude.date)))
}

/// Names at OpenRouter: the vendor before them, and a dot in the version.
pub(crate) fn at_openrouter() -> Names {
    names(|claude| Some(format!("anthropic/{}", dotted(claude.name))))
}

/// What one model is called elsewhere, by Anthropic's name with a date or without.
pub(crate) fn called(names: &Names, model: &str) -> Option<String> {
    let plain = gateway_router::without_date(model).unwrap_or(model);
    let glob = glob(plain);
    names.iter().find(|(pattern, _)| *pattern == glob).map(|(_, name)| name.clone())
}

fn glob(name: &str) -> String {
    format!("{{{name},{name}-20*}}")
}

fn names(elsewhere: impl Fn(&Claude) -> Option<String>) -> Names {
    CLAUDES.iter().filter_map(|claude| Some((glob(claude.name), elsewhere(claude)?))).collect()
}

/// `claude-opus-4-6` → `claude-opus-4.6`.
fn dotted(name: &str) -> String {
    let is_digit = |part: &str| part.len() == 1 && part.bytes().all(|b| b.is_ascii_digit());
    match name.rsplit_once('-') {
        Some((head, minor)) if is_digit(minor) && head.rsplit('-').next().is_some_and(is_digit) => {
            format!("{head}.{minor}")
        }
        _ => name.to_owned(),
    }
}

/// The beginning of an inference profile's id; `None` where Claude is not served.
fn place_of(region: &str) -> Option<&'static str> {
    let begins = |prefix: &str| region.starts_with(prefix);
    Some(match region {
        _ if begins("cn-") => return None,
        _ if begins("us-gov-") => "us-gov",
        _ if begins("us-") => "us",
        _ if begins("eu-") => "eu",
        "ap-northeast-1" | "ap-northeast-3" => "jp",
        "ap-southeast-2" | "ap-southeast-4" => "au",
        _ => "global",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(names: &Names, model: &str) -> String {
        called(names, model).unwrap_or_else(|| "-".to_owned())
    }

    #[test]
    fn each_cloud_has_its_own_names() {
        for (model, bedrock, vertex, openrouter) in [
            ("claude-opus-5-5", "anthropic.claude-opus-5-5", "-", "anthropic/claude-opus-5.5"),
            ("claude-sonnet-5", "anthropic.claude-sonnet-5", "-", "anthropic/claude-sonnet-5"),
            ("claude-opus-4-6", "anthropic.claude-opus-4-6-v1", "-", "anthropic/claude-opus-4.6"),
            (
                "claude-haiku-4-5",
                "anthropic.claude-haiku-4-5-20251001-v1:0",
                "claude-haiku-4-5@20251001",
                "anthropic/claude-haiku-4.5",
            ),
        ] {
            for (region, place) in
                [("us-west-2", "us"), ("eu-central-1", "eu"), ("ap-south-1", "global")]
            {
                assert_eq!(find(&on_bedrock(region), model), format!("{place}.{bedrock}"));
            }
            assert_eq!(find(&on_vertex(), model), vertex);
            assert_eq!(find(&at_openrouter(), model), openrouter);
        }
        assert!(on_bedrock("cn-north-1").is_empty());
        let globs = at_openrouter();
        assert!(globs.iter().all(|(glob, _)| gateway_router::check_pattern(glob).is_ok()));
    }
}
