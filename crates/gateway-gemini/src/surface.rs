//! Google's two services, and where each serves a model.

use gateway_translate::path_segment;
use gateway_types::{ApiError, ErrorKind};

/// Which of Google's services an upstream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Surface {
    /// The Gemini API. Its base URL ends in a version (`…/v1beta`).
    AiStudio,
    /// Vertex AI. Its base URL is the bare host, which depends on the location.
    Vertex {
        /// The project that pays; `None`: express mode, with an API key.
        project: Option<String>,
        /// `global`, a multi-region (`us`, `eu`) or a region; not told in express mode.
        location: String,
        /// The interface's version, e.g. `v1beta1` or `v1`.
        version: String,
    },
}

impl Surface {
    /// The newest fields are in this version of Vertex AI's interface.
    pub const VERTEX_VERSION: &'static str = "v1beta1";

    pub(crate) fn is_vertex(&self) -> bool {
        matches!(self, Self::Vertex { .. })
    }

    /// To which dialect carried state belongs: a signature of the one is refused by the other.
    pub(crate) fn dialect(&self) -> &'static str {
        match self {
            Self::AiStudio => "gemini",
            Self::Vertex { .. } => "vertex",
        }
    }

    /// The path of `verb` for a model, below the base URL.
    pub(crate) fn path(&self, model: &str, verb: &str) -> String {
        let model = path_segment(model);
        match self {
            Self::AiStudio => format!("/models/{model}:{verb}"),
            Self::Vertex { project: None, version, .. } => {
                format!("/{version}/publishers/google/models/{model}:{verb}")
            }
            Self::Vertex { project: Some(project), location, version } => format!(
                "/{version}/projects/{}/locations/{}/publishers/google/models/{model}:{verb}",
                path_segment(project),
                path_segment(location)
            ),
        }
    }
}

/// The model's id as it stands in a path.
///
/// # Errors
/// When it can't stand there.
pub(crate) fn model_id(model: &str) -> Result<&str, ApiError> {
    let id = model.trim();
    let id = id.strip_prefix("models/").unwrap_or(id);
    if matches!(id, "" | "." | "..") {
        let text =
            format!("model: `{model}` is no model's name; ask for one such as gemini-3.1-pro");
        return Err(ApiError::new(ErrorKind::InvalidRequest, text));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_by_service() {
        let vertex = |project: Option<&str>| Surface::Vertex {
            project: project.map(str::to_owned),
            location: "global".into(),
            version: "v1beta1".into(),
        };
        for (surface, model, path) in [
            (Surface::AiStudio, "gemini-3-pro", "/models/gemini-3-pro:x"),
            (Surface::AiStudio, "a/../b;c?d", "/models/a%2F..%2Fb%3Bc%3Fd:x"),
            (
                vertex(Some("p-1")),
                "m@001",
                "/v1beta1/projects/p-1/locations/global/publishers/google/models/m@001:x",
            ),
            (vertex(None), "m", "/v1beta1/publishers/google/models/m:x"),
        ] {
            assert_eq!(surface.path(model, "x"), path);
        }
    }

    #[test]
    fn ids_that_lead_elsewhere_are_refused() {
        assert_eq!(model_id(" models/gemini-3-pro").ok(), Some("gemini-3-pro"));
        for id in ["", "models/", ".", "..", "models/.."] {
            assert!(model_id(id).is_err(), "{id}");
        }
    }
}
