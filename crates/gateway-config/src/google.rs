//! What Google Cloud's own variables and files say: project, location, credentials.

use std::path::{Path, PathBuf};

use crate::extra::{Extras, Said};
use crate::locate;
use crate::model::GoogleCredentials;
use crate::read::{Cx, Section};
use crate::source::At;

/// The credentials file, and the variable that names it. One that is named must be there.
pub(crate) fn credentials(cx: &mut Cx, extras: &Extras) -> (GoogleCredentials, Option<String>) {
    if let Some((file, _)) = &extras.credentials_file {
        return (GoogleCredentials { file: Some(file.clone()) }, None);
    }
    let Some((file, at)) = named_file(cx) else { return (GoogleCredentials::default(), None) };
    if !file.is_file() {
        let message = format!("{CREDENTIALS} names {}, which is no file", file.display());
        let help = format!("correct the path, or unset {CREDENTIALS} to use this machine's login");
        cx.error(&at, message, "no such file", help);
    }
    (GoogleCredentials { file: Some(file) }, Some(CREDENTIALS.to_owned()))
}

/// The project, for kind `vertex`; `None` where nothing says it.
pub(crate) fn project(cx: &Cx, extras: &Extras) -> Said {
    extras.project.clone().or_else(|| first(cx, PROJECTS)).or_else(|| {
        let file = extras.credentials_file.clone().or_else(|| named_file(cx));
        file.and_then(|(file, at)| Some((project_of(&file)?, at)))
    })
}

/// Says what is missing.
pub(crate) fn report_no_project(cx: &mut Cx, section: &Section<'_>) {
    let message = format!("`{}` has no Google Cloud project", section.path);
    let help = "add `extra: {project: my-project}`, set VERTEX_PROJECT (or GOOGLE_CLOUD_PROJECT), or use a service account's file, which names its project";
    cx.error(&section.at, message, "no project", help);
}

/// The location, for kind `vertex`; `global` where nothing says it.
pub(crate) fn location(cx: &mut Cx, section: &Section<'_>, extras: &Extras) -> Option<String> {
    let found = extras.location.clone().or_else(|| first(cx, LOCATIONS));
    let (location, at) = found.unwrap_or_else(|| ("global".to_owned(), At::BuiltIn));
    if !location.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        let message = format!("`{location}` is no location of Google Cloud");
        let help = "write `global`, `us`, `eu`, or a region like europe-west1";
        cx.error(&at, message, "not a location", help);
        return None;
    }
    cx.effective_at(section.full("extra.location"), location.as_str(), &at);
    Some(location)
}

/// Where Vertex AI is for a location.
pub(crate) fn endpoint(location: &str) -> String {
    match location {
        "global" => "https://aiplatform.googleapis.com".to_owned(),
        "us" | "eu" => format!("https://aiplatform.{location}.rep.googleapis.com"),
        region => format!("https://{region}-aiplatform.googleapis.com"),
    }
}

fn first(cx: &Cx, variables: &[&str]) -> Said {
    variables.iter().find_map(|name| {
        let (value, at) = cx.env.get(name)?;
        Some((value.trim().to_owned(), at.clone()))
    })
}

fn named_file(cx: &Cx) -> Option<(PathBuf, At)> {
    let (path, at) = cx.env.get(CREDENTIALS)?;
    let path = Path::new(path.trim());
    // A `.env` means files beside it; the environment means the working directory.
    let path = if matches!(at, At::DotEnv { .. }) { cx.base_dir.join(path) } else { path.into() };
    Some((path, at.clone()))
}

/// A service account belongs to a project. What other files name is another one: that which pays for quota.
fn project_of(file: &Path) -> Option<String> {
    let text = locate::read(file).ok()?;
    let json: serde_json::Value = serde_json::from_str(&text).ok()?;
    let project = json.get("project_id")?.as_str()?;
    (!project.is_empty()).then(|| project.to_owned())
}

const CREDENTIALS: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const PROJECTS: &[&str] =
    &["VERTEX_PROJECT", "GOOGLE_CLOUD_PROJECT", "ANTHROPIC_VERTEX_PROJECT_ID"];
const LOCATIONS: &[&str] = &["VERTEX_LOCATION", "GOOGLE_CLOUD_LOCATION", "CLOUD_ML_REGION"];
