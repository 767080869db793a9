//! What AWS' own variables and files say: region, endpoint, credentials.

use std::path::PathBuf;

use secrecy::SecretString;

use crate::base::Base;
use crate::extra::{Extras, Said};
use crate::locate;
use crate::model::{AwsCredentials, AwsKeys};
use crate::read::{Cx, Section};
use crate::source::At;

/// The region that signs requests, for kind `bedrock`; reported where nothing says it. A host of AWS says it best:
/// a signature for another region is refused there.
pub(crate) fn region(
    cx: &mut Cx,
    section: &Section<'_>,
    extras: &Extras,
    base: Option<&Base>,
) -> Option<String> {
    let of_host = base.and_then(|base| region_of_host(&base.host));
    if let (Some((stated, at)), Some(of_host)) = (&extras.region, &of_host)
        && stated != of_host
    {
        let message =
            format!("requests are signed for {stated}, but sent to {of_host}, which refuses them");
        cx.warn(at, message, format!("remove `api_base`, or write `region: {of_host}`"));
    }
    let of_host = of_host.map(|region| (region, section.place_of("api_base")));
    let variable = |cx: &Cx, name: &str| {
        let (value, at) = cx.env.get(name)?;
        Some((value.trim().to_owned(), at.clone()))
    };
    let found = extras
        .region
        .clone()
        .or(of_host)
        .or_else(|| variable(cx, "AWS_REGION"))
        .or_else(|| variable(cx, "AWS_DEFAULT_REGION"))
        .or_else(|| Some((region_of_profile(cx, &profile(cx, extras)?.0)?, At::BuiltIn)))
        .or_else(|| Some((region_of_profile(cx, "default")?, At::BuiltIn)));
    let Some((region, at)) = found else {
        let profile = profile(cx, extras).map_or_else(|| "default".to_owned(), |(name, _)| name);
        let message = format!("`{}` has no AWS region", section.path);
        let help = format!(
            "add `extra: {{region: us-east-1}}`, set AWS_REGION, or give the profile `{profile}` a `region` in {}",
            config_file(cx).map_or_else(|| "~/.aws/config".to_owned(), |p| p.display().to_string())
        );
        cx.error(&section.at, message, "no region", help);
        return None;
    };
    if !is_region(&region) {
        let message = format!("`{region}` is no AWS region");
        let help = "write a region like us-east-1 or eu-central-1, without the letter of a zone";
        cx.error(&at, message, "not a region", help);
        return None;
    }
    cx.effective_at(section.full("extra.region"), region.as_str(), &at);
    Some(region)
}

/// The region that variables or files name.
pub(crate) fn usual_region(cx: &Cx) -> Option<String> {
    let variable = |name| cx.env.get(name).map(|(region, _)| region.trim().to_owned());
    let named = || region_of_profile(cx, &profile(cx, &Extras::default())?.0);
    variable("AWS_REGION")
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .or_else(named)
        .or_else(|| region_of_profile(cx, "default"))
}

/// Where Bedrock is, where no `api_base` says it.
pub(crate) fn endpoint(cx: &Cx, region: &str) -> (String, At) {
    for name in ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL"] {
        if let Some((url, at)) = cx.env.get(name) {
            return (url.trim().to_owned(), at.clone());
        }
    }
    let fips = cx.env.get("AWS_USE_FIPS_ENDPOINT");
    let fips = fips.filter(|(value, _)| value.trim().eq_ignore_ascii_case("true"));
    let service = if fips.is_some() { "bedrock-runtime-fips" } else { "bedrock-runtime" };
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    (format!("https://{service}.{region}.{domain}"), At::BuiltIn)
}

/// What signs requests, and the variable it comes from.
pub(crate) fn credentials(
    cx: &mut Cx,
    section: &Section<'_>,
    extras: &Extras,
) -> (AwsCredentials, Option<String>) {
    if extras.profile.is_none()
        && let Some(keys) = keys(cx, section)
    {
        let given = AwsCredentials { keys: Some(keys), ..AwsCredentials::default() };
        return (given, Some(SECRET.to_owned()));
    }
    warn_of_unseen(cx);
    let named = profile(cx, extras);
    if let Some((name, at)) = &named
        && !is_profile(cx, name)
    {
        let message = format!("there is no AWS profile `{name}`");
        let files: Vec<String> = [config_file(cx), credentials_file(cx)]
            .into_iter()
            .flatten()
            .map(|path| path.display().to_string())
            .collect();
        let help = if files.is_empty() {
            "HOME is not set: set AWS_CONFIG_FILE to the file that has it".to_owned()
        } else {
            format!("add it to {}, or name another one", files.join(" or "))
        };
        cx.error(at, message, "no such profile", help);
    }
    let profile = named.map(|(name, at)| {
        if !matches!(at, At::File(_)) {
            cx.effective_at(section.full("extra.profile"), name.as_str(), &at);
        }
        name
    });
    let found = AwsCredentials {
        keys: None,
        profile,
        config_file: named_file(cx, CONFIG_FILE),
        credentials_file: named_file(cx, CREDENTIALS_FILE),
    };
    (found, None)
}

/// Variables that only AWS' own code reads, which does not look into `.env`.
fn warn_of_unseen(cx: &mut Cx) {
    let is_theirs = |name: &str| {
        ["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"].contains(&name)
            || name.starts_with("AWS_CONTAINER_")
    };
    let unseen = cx.env.iter().filter(|(name, value, at)| {
        is_theirs(name) && !value.trim().is_empty() && matches!(at, At::DotEnv { .. })
    });
    let unseen: Vec<(String, At)> =
        unseen.map(|(name, _, at)| (name.to_owned(), at.clone())).collect();
    for (name, at) in unseen {
        let message = format!(
            "{name} has no effect in .env: what finds AWS credentials by it reads the environment alone"
        );
        // Several providers, one file.
        if !cx.warnings.iter().any(|warning| warning.message() == message) {
            cx.warn(&at, message, "export it before the gateway is started");
        }
    }
}

/// Whether variables hold credentials of AWS.
pub(crate) fn has_keys(cx: &Cx) -> bool {
    cx.env.get(BEARER).is_some() || (cx.env.get(ID).is_some() && cx.env.get(SECRET).is_some())
}

fn keys(cx: &mut Cx, section: &Section<'_>) -> Option<AwsKeys> {
    let get = |name: &str| cx.env.get(name).map(|(v, at)| (v.trim().to_owned(), at.clone()));
    let (id, secret, token) = (get(ID), get(SECRET), get(TOKEN));
    let half = match (&id, &secret) {
        (Some((_, at)), None) => Some((ID, SECRET, at.clone())),
        (None, Some((_, at))) => Some((SECRET, ID, at.clone())),
        _ => None,
    };
    if let Some((set, missing, at)) = half {
        let message = format!("{set} is set, but {missing} is not");
        cx.error(&at, message, "half a credential", format!("set {missing}, or unset {set}"));
        return None;
    }
    let ((access_key_id, id_at), (secret, at)) = (id?, secret?);
    let in_file = |at: &At| matches!(at, At::DotEnv { .. });
    let place = |at: &At| if in_file(at) { ".env" } else { "the environment" };
    if in_file(&id_at) != in_file(&at) {
        let message = format!(
            "{ID} is set in {}, but {SECRET} in {}: that is not one credential",
            place(&id_at),
            place(&at)
        );
        let help = "set both in one place, or unset the one in the environment";
        cx.error(&at, message, "half a credential", help);
        return None;
    }
    // A shell's leftover, which would make keys of another one invalid.
    let token = match token {
        Some((_, stray)) if in_file(&stray) != in_file(&at) => {
            let (theirs, keys) = (place(&stray), place(&at));
            let message =
                format!("{TOKEN} of {theirs} is not used: the access key is set in {keys}");
            cx.warn(&stray, message, format!("set it in {keys} too, if it belongs to that key"));
            None
        }
        token => token,
    };
    cx.effective_at(section.full("api_key"), "(hidden)", &at);
    Some(AwsKeys {
        access_key_id,
        secret_access_key: SecretString::from(secret),
        session_token: token.map(|(token, _)| SecretString::from(token)),
    })
}

/// The profile that somebody names.
fn profile(cx: &Cx, extras: &Extras) -> Said {
    extras.profile.clone().or_else(|| {
        let (name, at) = cx.env.get("AWS_PROFILE")?;
        Some((name.trim().to_owned(), at.clone()))
    })
}

fn config_file(cx: &Cx) -> Option<PathBuf> {
    named_file(cx, CONFIG_FILE).or_else(|| usual_file(cx, "config"))
}

fn credentials_file(cx: &Cx) -> Option<PathBuf> {
    named_file(cx, CREDENTIALS_FILE).or_else(|| usual_file(cx, "credentials"))
}

/// A `.env` means files beside it; the environment means the working directory.
fn named_file(cx: &Cx, variable: &str) -> Option<PathBuf> {
    let (path, at) = cx.env.get(variable)?;
    let dir = if matches!(at, At::DotEnv { .. }) { &cx.base_dir } else { &cx.cwd };
    Some(dir.join(path.trim()))
}

fn usual_file(cx: &Cx, name: &str) -> Option<PathBuf> {
    Some(PathBuf::from(cx.env.get("HOME")?.0).join(".aws").join(name))
}

fn text(path: Option<PathBuf>) -> String {
    // A file that can't be read says nothing; who needs it is told what is missing.
    path.filter(|p| p.is_file()).and_then(|p| locate::read(&p).ok()).unwrap_or_default()
}

fn is_profile(cx: &Cx, name: &str) -> bool {
    let header = |section: &str| section == name;
    ini(&text(config_file(cx))).any(|line| header(line.0))
        || ini(&text(credentials_file(cx))).any(|line| header(line.0))
}

fn region_of_profile(cx: &Cx, profile: &str) -> Option<String> {
    let found = |text: &str| {
        let mut lines = ini(text).filter(|line| line.0 == profile);
        lines.find_map(|(_, pair)| pair.filter(|(k, _)| *k == "region")).map(|p| p.1.to_owned())
    };
    found(&text(config_file(cx))).or_else(|| found(&text(credentials_file(cx))))
}

/// The lines of a file of AWS: the profile (without the word `profile`), and a key with its value; a header has none.
/// Lines that are indented belong to a key of their own and are passed over.
fn ini(text: &str) -> impl Iterator<Item = (&str, Option<(&str, &str)>)> {
    let mut profile = "";
    text.lines().filter_map(move |line| {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            return None;
        }
        if let Some(header) = trimmed.strip_prefix('[').and_then(|l| l.split(']').next()) {
            let header = header.trim();
            profile = header.strip_prefix("profile ").unwrap_or(header).trim();
            return Some((profile, None));
        }
        if line.starts_with([' ', '\t']) {
            return None;
        }
        let (key, value) = trimmed.split_once('=')?;
        let value = value.split(" #").next().unwrap_or(value);
        Some((profile, Some((key.trim(), value.trim()))))
    })
}

/// Whether a host is one of Bedrock. Others below AWS' domains are its customers'.
pub(crate) fn is_own(host: &str) -> bool {
    region_of_host(host).is_some()
}

/// `bedrock-runtime.eu-west-1.amazonaws.com`, also behind a private endpoint.
fn region_of_host(host: &str) -> Option<String> {
    if ![".amazonaws.com", ".amazonaws.com.cn", ".api.aws"].iter().any(|d| host.ends_with(d)) {
        return None;
    }
    let mut labels = host.split('.').skip_while(|label| !label.starts_with("bedrock"));
    labels.nth(1).filter(|region| is_region(region)).map(str::to_owned)
}

/// `us-east-1`, `us-gov-west-1`.
fn is_region(text: &str) -> bool {
    text.contains('-')
        && text.ends_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

pub(crate) const BEARER: &str = "AWS_BEARER_TOKEN_BEDROCK";
const ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN: &str = "AWS_SESSION_TOKEN";
const CONFIG_FILE: &str = "AWS_CONFIG_FILE";
const CREDENTIALS_FILE: &str = "AWS_SHARED_CREDENTIALS_FILE";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_stands_in_hosts_of_aws_only() {
        for (host, region) in [
            ("bedrock-runtime.eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", Some("us-gov-west-1")),
            ("bedrock-runtime.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("bedrock-runtime.us-west-2.api.aws", Some("us-west-2")),
            ("vpce-0a1-b2.bedrock-runtime.us-east-1.vpce.amazonaws.com", Some("us-east-1")),
            ("bedrock-runtime.amazonaws.com", None),
            ("bedrock-runtime.eu-west-1.example", None),
            ("localhost", None),
        ] {
            assert_eq!(region_of_host(host).as_deref(), region, "{host}");
        }
    }

    #[test]
    fn profiles_are_read_line_by_line() {
        let text = "; c\nregion = none\n[default]\nregion=us-east-1 # home\ns3 =\n  region = nested\n\n[profile a b]\n region = x\nregion = eu-west-1\n[c]\n";
        let lines: Vec<_> = ini(text).collect();
        assert_eq!(
            lines,
            [
                ("", Some(("region", "none"))),
                ("default", None),
                ("default", Some(("region", "us-east-1"))),
                ("default", Some(("s3", ""))),
                ("a b", None),
                ("a b", Some(("region", "eu-west-1"))),
                ("c", None),
            ]
        );
        assert!(is_region("us-gov-west-1") && !is_region("us-east-1a") && !is_region("useast1"));
    }
}
