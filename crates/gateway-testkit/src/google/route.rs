//! What a path asks for.

use super::models::Gemini;
use super::refusal::Refusal;
use super::rules::{Platform, Rules};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Generate,
    Count,
    Models,
    Model,
    Claude,
    ClaudeCount,
    Unknown,
}

/// What a path names.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) route: Route,
    pub(crate) platform: Platform,
    /// Vertex without a project, by API key.
    pub(crate) express: bool,
    pub(crate) project: String,
    pub(crate) location: String,
    pub(crate) model: String,
    pub(crate) verb: String,
}

const VERSIONS: &[&str] = &["v1", "v1beta", "v1beta1", "v1alpha"];

/// Reads `METHOD /path`.
pub(crate) fn target(method: &str, path: &str) -> Target {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let mut target = Target {
        route: Route::Unknown,
        platform: Platform::Studio,
        express: false,
        project: String::new(),
        location: String::new(),
        model: String::new(),
        verb: String::new(),
    };
    let Some((version, rest)) = segments.split_first() else { return target };
    if !VERSIONS.contains(version) {
        return target;
    }
    let (publisher, last) = match rest {
        ["models"] if method == "GET" => {
            target.route = Route::Models;
            return target;
        }
        ["models", last] => ("studio", *last),
        ["publishers", "google", "models", last] => {
            target.express = true;
            ("google", *last)
        }
        ["projects", project, "locations", location, "publishers", publisher, "models", last] => {
            (target.project, target.location) = ((*project).to_owned(), (*location).to_owned());
            (*publisher, *last)
        }
        _ => return target,
    };
    if publisher != "studio" {
        target.platform = Platform::Vertex;
    }
    let (model, verb) = last.split_once(':').unwrap_or((last, ""));
    target.model = model.replace("%40", "@");
    verb.clone_into(&mut target.verb);
    if target.model.is_empty() || target.model.starts_with('.') {
        return target;
    }
    target.route = match (method, publisher, verb) {
        ("GET", "studio", "") => Route::Model,
        ("POST", "studio" | "google", "generateContent" | "streamGenerateContent") => {
            Route::Generate
        }
        ("POST", "studio" | "google", "countTokens") => Route::Count,
        ("POST", "anthropic", "rawPredict") if target.model == "count-tokens" => Route::ClaudeCount,
        ("POST", "anthropic", "rawPredict" | "streamRawPredict") => Route::Claude,
        _ => Route::Unknown,
    };
    target
}

/// The platform, the project and the location have this model.
pub(crate) fn placed(target: &Target, rules: &Rules) -> Result<(), Refusal> {
    if target.platform != rules.platform {
        return Err(Refusal::not_found("Requested entity was not found."));
    }
    if target.platform == Platform::Studio || target.express {
        return Ok(());
    }
    if rules.project.as_ref().is_some_and(|project| *project != target.project) {
        return Err(Refusal::permission_denied(&target.project));
    }
    let multi_region = ["global", "us", "eu"].contains(&target.location.as_str());
    let newest = target.route != Route::Claude
        && target.route != Route::ClaudeCount
        && Gemini::of(&target.model).version >= 30;
    if rules.location.as_ref().is_some_and(|location| *location != target.location)
        || newest && !multi_region
    {
        let Target { project, location, model, .. } = target;
        return Err(Refusal::not_found(format!(
            "Publisher Model `projects/{project}/locations/{location}/publishers/google/models/{model}` was not found or your project does not have access to it. Please ensure you are using a valid model version. For more information, see: https://cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions"
        )));
    }
    Ok(())
}
