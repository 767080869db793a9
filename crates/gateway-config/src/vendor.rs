//! The providers that variables alone can set up, and which variables those are.

use crate::aws;
use crate::azure;
use crate::base;
use crate::extra::Extras;
use crate::google;
use crate::read::Cx;
use crate::source::At;
use crate::sources::{
    ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN, Env, GEMINI_API_KEY, GOOGLE_API_KEY, OPENAI_API_KEY,
    OPENROUTER_API_KEY,
};

/// In the order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vendor {
    Anthropic,
    OpenAi,
    OpenRouter,
    Gemini,
    Azure,
    Bedrock,
    Vertex,
    Custom,
    Ollama,
}

/// How far variables set a vendor up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Set,
    /// A credential is there, but not what these words name.
    Unfinished(&'static str),
    Unset,
}

impl Vendor {
    pub(crate) const ALL: [Self; 9] = [
        Self::Anthropic,
        Self::OpenAi,
        Self::OpenRouter,
        Self::Gemini,
        Self::Azure,
        Self::Bedrock,
        Self::Vertex,
        Self::Custom,
        Self::Ollama,
    ];

    /// The provider's name, and the word in `PREFERRED_PROVIDER`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::OpenRouter => "openrouter",
            Self::Gemini => "gemini",
            Self::Azure => "azure",
            Self::Bedrock => "bedrock",
            Self::Vertex => "vertex",
            Self::Custom => "custom",
            Self::Ollama => "ollama",
        }
    }

    /// The vendor of a word in `PREFERRED_PROVIDER`, or before a slash in `BIG_MODEL`.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        match word {
            "google" => Some(Self::Gemini),
            "vertex_ai" => Some(Self::Vertex),
            "local" => Some(Self::Ollama),
            word => Self::ALL.into_iter().find(|vendor| vendor.name() == word),
        }
    }

    /// The variable without which it is nothing.
    pub(crate) fn variable(self) -> &'static str {
        self.variables()[0]
    }

    /// Variables that set it up, the usual one first.
    fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Anthropic => &[ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN],
            Self::OpenAi => &[OPENAI_API_KEY, OPENAI_BASE_URL],
            Self::OpenRouter => &[OPENROUTER_API_KEY, OPENAI_API_KEY],
            Self::Gemini => &[GEMINI_API_KEY, GOOGLE_API_KEY],
            Self::Azure => &[azure::API_KEY, azure::AD_TOKEN, azure::ENDPOINT],
            Self::Bedrock => &["AWS_ACCESS_KEY_ID", aws::BEARER],
            Self::Vertex => &[USE_VERTEX_AUTH],
            Self::Custom => &[CUSTOM_BASE_URL],
            Self::Ollama => &[OLLAMA_BASE_URL, OLLAMA_HOST],
        }
    }

    /// Whether it can be chosen without any variable: its credentials may come from the machine, or it needs none.
    pub(crate) fn needs_nothing(self) -> bool {
        matches!(self, Self::Anthropic | Self::Bedrock | Self::Vertex | Self::Ollama)
    }

    /// Whether nothing that goes there may go anywhere else.
    pub(crate) fn is_private(self, foreign: bool) -> bool {
        matches!(self, Self::Custom | Self::Ollama) || (self == Self::OpenAi && foreign)
    }

    pub(crate) fn standing(self, cx: &Cx) -> Standing {
        let is_set = |name: &str| cx.env.get(name).is_some();
        let any = || self.variables().iter().any(|name| is_set(name));
        let finished = |done: bool, missing| {
            if done { Standing::Set } else { Standing::Unfinished(missing) }
        };
        let set = |yes: bool| if yes { Standing::Set } else { Standing::Unset };
        match self {
            Self::Anthropic | Self::Gemini | Self::Custom => set(any()),
            Self::OpenAi => {
                set(is_foreign(&cx.env) || (is_set(OPENAI_API_KEY) && !has_openrouters(&cx.env)))
            }
            Self::OpenRouter => set(is_set(OPENROUTER_API_KEY) || has_openrouters(&cx.env)),
            Self::Azure if is_set(azure::API_KEY) || is_set(azure::AD_TOKEN) => {
                finished(is_set(azure::ENDPOINT), "AZURE_OPENAI_ENDPOINT is not set")
            }
            Self::Azure => set(is_set(azure::ENDPOINT) && azure::has_entra(cx)),
            Self::Bedrock if aws::has_keys(cx) => finished(
                aws::usual_region(cx).is_some(),
                "there is no region: neither AWS_REGION is set, nor does a profile name one",
            ),
            Self::Vertex if cx.env.get(USE_VERTEX_AUTH).is_some_and(|(v, _)| is_true(v)) => {
                let project = google::project(cx, &Extras::default());
                finished(project.is_some(), "VERTEX_PROJECT is not set")
            }
            Self::Ollama => set(is_set(OLLAMA_BASE_URL)),
            Self::Bedrock | Self::Vertex => Standing::Unset,
        }
    }

    /// `OPENAI_API_KEY is set`, or where else it comes from.
    pub(crate) fn source(self, env: &Env) -> String {
        let found = self.variables().iter().find_map(|v| Some((*v, env.get(v)?.1)));
        match found {
            Some((_, At::Flag(flag))) => format!("{flag} is given"),
            Some((variable, At::DotEnv { .. })) => format!("{variable} is set in .env"),
            Some((variable, _)) => format!("{variable} is set"),
            None if self == Self::Ollama => {
                format!("an Ollama answers at {}", base::OLLAMA.url)
            }
            None => format!("{} is not set", self.variable()),
        }
    }
}

/// `OPENAI_BASE_URL` leads to another host than OpenAI's.
pub(crate) fn is_foreign(env: &Env) -> bool {
    env.get(OPENAI_BASE_URL).is_some_and(|(url, _)| {
        // What can't be read is reported with the provider it belongs to.
        base::read(url.trim(), &base::OPENAI).map_or(true, |base| !base::is_openai(&base.host))
    })
}

/// Whether OpenRouter's key is where OpenAI's belongs.
pub(crate) fn has_openrouters(env: &Env) -> bool {
    env.get(OPENAI_BASE_URL).is_none()
        && env.get(OPENAI_API_KEY).is_some_and(|(key, _)| is_openrouters(key))
}

/// Whether a key is one of OpenRouter, which people also put where OpenAI's belongs.
pub(crate) fn is_openrouters(key: &str) -> bool {
    key.trim().starts_with("sk-or-")
}

fn is_true(text: &str) -> bool {
    ["true", "1", "yes", "on"].contains(&text.trim().to_ascii_lowercase().as_str())
}

pub(crate) const OPENAI_BASE_URL: &str = "OPENAI_BASE_URL";
pub(crate) const CUSTOM_BASE_URL: &str = "CUSTOM_BASE_URL";
pub(crate) const CUSTOM_API_KEY: &str = "CUSTOM_API_KEY";
pub(crate) const USE_VERTEX_AUTH: &str = "USE_VERTEX_AUTH";
pub(crate) const OLLAMA_BASE_URL: &str = "OLLAMA_BASE_URL";
pub(crate) const OLLAMA_HOST: &str = "OLLAMA_HOST";
