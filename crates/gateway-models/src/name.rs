//! The parts of a model's name that do not say which model it is.

/// What `name` may be called without what routes, dates and vendors add, nearest first, ending with
/// the barest form. `name` is in lower case already.
///
/// One part is taken off at a time: `[1m]`, a variant (`:free`), a date, Bedrock's revision, place and
/// maker (`us.anthropic.…-v1:0`), and last what stands before a slash. Nothing is ever guessed.
pub(crate) fn barer(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name.trim()), |name| shorter(name))
}

fn shorter(name: &str) -> Option<&str> {
    without_window(name)
        .or_else(|| without_variant(name))
        .or_else(|| without_date(name))
        .or_else(|| without_revision(name))
        .or_else(|| without_place(name))
        .or_else(|| without_maker(name))
        .filter(|shorter| !shorter.is_empty())
        .or_else(|| name.split_once('/').map(|(_, rest)| rest).filter(|rest| !rest.is_empty()))
}

/// Anthropic's models as those call them who write versions with a point: `claude-sonnet-4.5` is
/// `claude-sonnet-4-5`. In lower case already.
pub(crate) fn dashed_claude(name: &str) -> Option<String> {
    (last_part(name).starts_with("claude-") && name.contains('.')).then(|| name.replace('.', "-"))
}

/// What follows the last slash; settings kept at OpenRouter left out.
pub(crate) fn last_part(name: &str) -> &str {
    let name = name.split_once("@preset/").map_or(name, |(model, _)| model);
    name.rsplit('/').next().unwrap_or(name)
}

/// Claude Code's mark for the long window.
fn without_window(name: &str) -> Option<&str> {
    name.strip_suffix("[1m]").map(str::trim_end)
}

/// What aggregators and local servers put behind a colon.
fn without_variant(name: &str) -> Option<&str> {
    const VARIANTS: [&str; 10] = [
        "free", "online", "nitro", "floor", "extended", "thinking", "exacto", "beta", "latest",
        "cloud",
    ];
    // OpenRouter: settings that are kept there, in force for this model.
    if let Some((base, _)) = name.split_once("@preset/") {
        return Some(base);
    }
    let (base, variant) = name.rsplit_once(':')?;
    VARIANTS.contains(&variant).then_some(base)
}

/// `-20251001`, `@20251001` and `-2025-10-01`; Vertex AI's `@default` in their place.
fn without_date(name: &str) -> Option<&str> {
    if let Some(base) = name.strip_suffix("@default") {
        return Some(base);
    }
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if let Some((base, date)) = name.rsplit_once(['-', '@'])
        && date.len() == 8
        && digits(date)
        && date.starts_with("20")
    {
        return Some(base);
    }
    let (base, date) = name.split_at_checked(name.len().checked_sub(11)?)?;
    let dashed = date.bytes().enumerate().all(|(at, b)| match at {
        0 | 5 | 8 => b == b'-',
        _ => b.is_ascii_digit(),
    });
    dashed.then_some(base)
}

/// Bedrock's `-v1`, `-v1:0`, `-1:0`.
fn without_revision(name: &str) -> Option<&str> {
    let (base, revision) = name.rsplit_once('-')?;
    let digit = match revision.strip_prefix('v') {
        Some(rest) => rest.strip_suffix(":0").unwrap_or(rest),
        None => revision.strip_suffix(":0")?,
    };
    let one_digit = digit.len() == 1 && digit.bytes().all(|b| b.is_ascii_digit());
    (one_digit
        && without_maker(without_place(last_part(base)).unwrap_or(last_part(base))).is_some())
    .then_some(base)
}

/// Bedrock's inference profiles: `us.anthropic.…`.
fn without_place(name: &str) -> Option<&str> {
    const PLACES: [&str; 9] =
        ["us.", "eu.", "apac.", "jp.", "au.", "ca.", "sa.", "global.", "us-gov."];
    let rest = PLACES.iter().find_map(|place| name.strip_prefix(place))?;
    without_maker(rest).is_some().then_some(rest)
}

/// Bedrock's makers: `anthropic.claude-…`.
fn without_maker(name: &str) -> Option<&str> {
    const MAKERS: [&str; 12] = [
        "amazon",
        "anthropic",
        "deepseek",
        "google",
        "meta",
        "minimax",
        "mistral",
        "moonshot",
        "moonshotai",
        "openai",
        "qwen",
        "zai",
    ];
    let (maker, rest) = name.split_once('.')?;
    MAKERS.contains(&maker).then_some(rest)
}

/// A model's own name, without where Bedrock serves it and whose it is. In lower case already.
pub(crate) fn without_bedrocks(name: &str) -> &str {
    let name = without_place(name).unwrap_or(name);
    without_maker(name).unwrap_or(name)
}
