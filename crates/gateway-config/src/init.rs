//! `config init`: a first configuration file.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Why no file was written.
#[non_exhaustive]
#[derive(Debug)]
pub enum InitError {
    /// There is one already.
    Exists(PathBuf),
    /// The system refused.
    Io(PathBuf, io::Error),
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(path) => {
                write!(f, "{} is there already; --force replaces it", path.display())
            }
            Self::Io(path, error) => write!(f, "{} can't be written: {error}", path.display()),
        }
    }
}

impl std::error::Error for InitError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Exists(_) => None,
            Self::Io(_, error) => Some(error),
        }
    }
}

/// Whether a file that is there may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Refuse.
    Keep,
    /// Replace it.
    Replace,
}

/// Writes [`TEMPLATE`] to `path`, whole or not at all.
///
/// # Errors
/// [`InitError::Exists`] where the file is there and must be kept; otherwise what the system says.
pub fn init(path: &Path, existing: Existing) -> Result<(), InitError> {
    let failed = |e| InitError::Io(path.to_owned(), e);
    if existing == Existing::Keep && path.symlink_metadata().is_ok() {
        return Err(InitError::Exists(path.to_owned()));
    }
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let temporary = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let write = || {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(TEMPLATE.as_bytes())?;
        file.sync_all()
    };
    let placed = write().and_then(|()| match existing {
        // Unlike a rename, a link fails where somebody else was quicker.
        Existing::Keep => match fs::hard_link(&temporary, path) {
            Ok(()) => fs::remove_file(&temporary),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(e),
            // A file system without links: it was not there a moment ago.
            Err(_) => fs::rename(&temporary, path),
        },
        Existing::Replace => fs::rename(&temporary, path),
    });
    placed.map_err(|error| {
        let _ = fs::remove_file(&temporary); // the first error is the one to tell
        match error.kind() {
            io::ErrorKind::AlreadyExists => InitError::Exists(path.to_owned()),
            _ => failed(error),
        }
    })
}

/// A small configuration that works as it is.
pub const TEMPLATE: &str = "\
# Configuration of claude-code-model-gateway.
# Every key: docs/configuration.md. Check it: claude-code-model-gateway config validate

default_provider: anthropic

providers:
  anthropic:
    # The caller's own login (a subscription or a key) is passed on to Anthropic.
    # To use one key for everybody instead, remove the next line and set ANTHROPIC_API_KEY.
    auth_type: client
# More providers, if needed
#   openai: {}                           # with the key in OPENAI_API_KEY
#   openrouter: {}                       # OPENROUTER_API_KEY
#   gemini: {}                           # GEMINI_API_KEY
#   azure:                               # AZURE_OPENAI_API_KEY
#     api_base: https://RESOURCE.openai.azure.com
#     default_model: my-deployment
#   vertex:                              # the login of `gcloud auth application-default login`
#     extra: {project: my-project, location: global}
#   bedrock:                             # AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile
#     extra: {region: us-east-1}
#   ollama:                              # on this machine, private
#     default_model: qwen3-coder
#   lab:                                 # any server that is compatible with OpenAI
#     kind: openai
#     api_base: http://localhost:8000
#     default_model: qwen3-coder

# Send some models elsewhere: the first matching route wins.
# routes:
#   - pattern: \"claude-haiku-*\"
#     provider: anthropic
#     model: claude-haiku-4-5
#     fallbacks: [openrouter]
#     when: {background: true}

# When an upstream fails.
# resilience:
#   retry: {max_retries: 2, base_delay: 1}

# Who may call, and how much. A hash is what `printf %s \"$KEY\" | sha256sum` prints.
# clients:
#   - name: alice
#     key_hash: \"sha256:0000000000000000000000000000000000000000000000000000000000000000\"
#     limits: {requests_per_minute: 60}
# limits: {concurrent: 200}

# server:
#   host: 127.0.0.1
#   port: 8080
";
