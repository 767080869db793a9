//! Families of models, recognised by name; and what holds for a member that the catalogue lacks.

use crate::effort::Effort::{self, High, Low, Max, Medium, Minimal, XHigh};
use crate::model::{Capabilities, Endpoints, Model, Reasoning, Sampling};
use crate::name;

/// A line of models that share a tokenizer, a dialect and habits.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Family {
    /// Anthropic.
    Claude,
    /// The models of OpenAI that do not reason: gpt-3.5, gpt-4, gpt-4o, gpt-4.1, gpt-4.5.
    Gpt4,
    /// o1, o3, o4-mini and their kin.
    OSeries,
    /// gpt-5, with the number behind the point: `Gpt5(0)` is gpt-5, `Gpt5(6)` is gpt-5.6.
    Gpt5(u8),
    /// gpt-6 and later.
    Gpt6,
    /// OpenAI's open models.
    GptOss,
    /// `DeepSeek`.
    DeepSeek,
    /// Moonshot.
    Kimi,
    /// Z.ai.
    Glm,
    /// Alibaba.
    Qwen,
    /// `MiniMax`.
    MiniMax,
    /// Mistral, with Codestral, Devstral, Magistral, Ministral and Pixtral.
    Mistral,
    /// Meta.
    Llama,
    /// Google's Gemini; Gemma counts with it.
    Gemini,
    /// xAI.
    Grok,
    /// Amazon.
    Nova,
    /// Anything else.
    Unknown,
}

impl Family {
    /// Who makes it, as the catalogue writes it; empty when unknown.
    pub const fn vendor(self) -> &'static str {
        match self {
            Self::Claude => "anthropic",
            Self::Gpt4 | Self::OSeries | Self::Gpt5(_) | Self::Gpt6 | Self::GptOss => "openai",
            Self::DeepSeek => "deepseek",
            Self::Kimi => "moonshot",
            Self::Glm => "zai",
            Self::Qwen => "qwen",
            Self::MiniMax => "minimax",
            Self::Mistral => "mistral",
            Self::Llama => "meta",
            Self::Gemini => "google",
            Self::Grok => "xai",
            Self::Nova => "amazon",
            Self::Unknown => "",
        }
    }

    /// Whether OpenAI serves it itself, with the strictness of its own API.
    pub const fn is_openai(self) -> bool {
        matches!(self, Self::Gpt4 | Self::OSeries | Self::Gpt5(_) | Self::Gpt6)
    }
}

/// The family that `name` belongs to, by how the name begins. Vendor prefixes, letter case and suffixes
/// do not matter.
///
/// ```
/// use gateway_models::{Family, family};
///
/// assert_eq!(family("openai/gpt-5.6-sol[1m]"), Family::Gpt5(6));
/// assert_eq!(family("Qwen/Qwen3-Coder"), Family::Qwen);
/// assert_eq!(family("my-own-model"), Family::Unknown);
/// ```
pub fn family(name: &str) -> Family {
    let lower = name.trim().to_ascii_lowercase();
    let base = name::without_bedrocks(name::last_part(&lower));
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| base.starts_with(prefix));
    if let Some(version) = base.strip_prefix("gpt-").or_else(|| base.strip_prefix("gpt")) {
        if version.starts_with("oss") {
            return Family::GptOss;
        }
        return match number(version) {
            (Some(0..=4), _) => Family::Gpt4,
            (Some(5), rest) => {
                Family::Gpt5(rest.strip_prefix('.').and_then(|minor| number(minor).0).unwrap_or(0))
            }
            (Some(_), _) => Family::Gpt6,
            (None, _) => Family::Unknown,
        };
    }
    if starts(&["claude"]) {
        Family::Claude
    } else if starts(&["chatgpt-4o"]) {
        Family::Gpt4
    } else if starts(&["codex-mini"]) || is_o_series(base) {
        Family::OSeries
    } else if starts(&["deepseek"]) {
        Family::DeepSeek
    } else if starts(&["kimi", "moonshot"]) {
        Family::Kimi
    } else if starts(&["glm", "chatglm", "codegeex"]) {
        Family::Glm
    } else if starts(&["qwen", "qwq", "qvq"]) {
        Family::Qwen
    } else if starts(&["minimax", "abab"]) {
        Family::MiniMax
    } else if starts(&[
        "mistral",
        "mixtral",
        "codestral",
        "devstral",
        "magistral",
        "ministral",
        "pixtral",
        "open-mistral",
        "open-mixtral",
    ]) {
        Family::Mistral
    } else if starts(&["llama", "meta-llama", "codellama"]) {
        Family::Llama
    } else if starts(&["gemini", "gemma"]) {
        Family::Gemini
    } else if starts(&["grok"]) {
        Family::Grok
    } else if starts(&["nova-"]) {
        Family::Nova
    } else {
        Family::Unknown
    }
}

/// `o1`, `o3-mini`, `o4-mini-deep-research`: an `o`, one digit, and the end or a sign.
fn is_o_series(base: &str) -> bool {
    let mut bytes = base.bytes();
    bytes.next() == Some(b'o')
        && bytes.next().is_some_and(|b| b.is_ascii_digit())
        && bytes.next().is_none_or(|b| !b.is_ascii_alphanumeric())
}

/// `claude-opus-5`, `claude-fable-6-1`: a name, then a number of 5 or more.
fn is_claude_5(base: &str) -> bool {
    let version = base.split(['-', '.']).skip(2).find_map(|part| part.parse::<u16>().ok());
    base.starts_with("claude-") && version.is_some_and(|major| (5..100).contains(&major))
}

/// The whole number that `text` begins with, and what follows it.
fn number(text: &str) -> (Option<u8>, &str) {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].parse().ok(), &text[end..])
}

/// What is presumed of a model by its name alone: the habits of its family, no limits and no prices.
///
/// This is the one place where habits hang on names. Use [`Catalogue::facts`](crate::Catalogue::facts),
/// which asks the catalogue first.
pub(crate) fn presumed(name: &str) -> Model {
    let family = family(name);
    let lower = name.to_ascii_lowercase();
    let base = name::last_part(&lower);
    let has = |part: &str| base.split(['-', ':', '@', '[', '_']).any(|word| word == part);
    let habits = match family {
        Family::Claude if is_claude_5(base) => Habits {
            efforts: &[Low, Medium, High, XHigh, Max],
            tools: Some(true),
            vision: Some(true),
            ..Habits::UNKNOWN
        },
        Family::Gpt4 => plain(),
        Family::OSeries => {
            let elsewhere = has("pro") || base.contains("deep-research") || has("codex");
            o_series(elsewhere, has("mini"))
        }
        Family::Gpt5(_) if base.contains("chat-latest") => plain(),
        Family::Gpt5(minor) => gpt5(minor, has("pro"), base.contains("codex")),
        Family::Gpt6 => Habits {
            reasoning: Reasoning::Always,
            efforts: &[Low, Medium, High, XHigh, Max],
            default_effort: Some(Medium),
            chat: !has("pro"),
            responses: true,
            chat_with_tools: false,
            sampling: Some(Sampling::Never),
            stop: Some(false),
            ..Habits::UNKNOWN
        },
        Family::GptOss => Habits {
            reasoning: Reasoning::Always,
            efforts: &[Low, Medium, High],
            default_effort: Some(Medium),
            tools: Some(true),
            sampling: Some(Sampling::Always),
            ..Habits::UNKNOWN
        },
        _ => Habits::UNKNOWN,
    };
    habits.of(name, family)
}

fn plain() -> Habits {
    Habits {
        reasoning: Reasoning::Never,
        responses: true,
        parallel_tools: Some(true),
        sampling: Some(Sampling::Always),
        stop: Some(true),
        ..Habits::UNKNOWN
    }
}

fn o_series(responses_only: bool, mini: bool) -> Habits {
    Habits {
        reasoning: Reasoning::Always,
        efforts: &[Low, Medium, High],
        default_effort: Some(Medium),
        chat: !responses_only,
        responses: true,
        chat_with_tools: !responses_only,
        parallel_tools: Some(false),
        sampling: Some(Sampling::Never),
        stop: Some(false),
        vision: (!mini).then_some(true),
        ..Habits::UNKNOWN
    }
}

fn gpt5(minor: u8, pro: bool, codex: bool) -> Habits {
    let efforts: &[Effort] = match (minor, pro, codex) {
        (0, true, _) => &[High],
        (0, _, false) => &[Minimal, Low, Medium, High],
        (0 | 1, _, true) => &[Low, Medium, High],
        (_, true, _) => &[Medium, High, XHigh],
        (_, _, true) => &[Low, Medium, High, XHigh],
        (1, ..) => &[Effort::None, Low, Medium, High],
        (2..=5, ..) => &[Effort::None, Low, Medium, High, XHigh],
        _ => &[Effort::None, Low, Medium, High, XHigh, Max],
    };
    let optional = efforts.contains(&Effort::None);
    let default = match (minor, pro, codex) {
        (0, true, _) => High,
        (1..=4, false, false) => Effort::None,
        _ => Medium,
    };
    let chat = !pro && !codex;
    Habits {
        reasoning: if optional { Reasoning::Optional } else { Reasoning::Always },
        efforts,
        default_effort: Some(default),
        chat,
        responses: true,
        chat_with_tools: chat && minor < 4,
        parallel_tools: Some(true),
        sampling: Some(if optional { Sampling::WithoutReasoning } else { Sampling::Never }),
        stop: Some(false),
        ..Habits::UNKNOWN
    }
}

/// What the members of a family have in common.
struct Habits {
    reasoning: Reasoning,
    efforts: &'static [Effort],
    default_effort: Option<Effort>,
    chat: bool,
    responses: bool,
    chat_with_tools: bool,
    tools: Option<bool>,
    parallel_tools: Option<bool>,
    sampling: Option<Sampling>,
    stop: Option<bool>,
    vision: Option<bool>,
}

impl Habits {
    /// Nothing is known: served on Chat Completions as everything is, no effort control.
    const UNKNOWN: Self = Self {
        reasoning: Reasoning::Optional,
        efforts: &[],
        default_effort: None,
        chat: true,
        responses: false,
        chat_with_tools: true,
        tools: None,
        parallel_tools: None,
        sampling: None,
        stop: None,
        vision: None,
    };

    fn of(self, name: &str, family: Family) -> Model {
        Model {
            id: name.to_owned(),
            display_name: name.to_owned(),
            vendor: family.vendor().to_owned(),
            family,
            context_window: None,
            max_input: None,
            max_output: None,
            efforts: self.efforts.to_vec(),
            chat_efforts: None,
            default_effort: self.default_effort,
            reasoning: self.reasoning,
            capabilities: Capabilities {
                tools: self.tools,
                parallel_tools: self.parallel_tools,
                vision: self.vision,
                stop: self.stop,
                ..Capabilities::default()
            },
            sampling: self.sampling,
            prices: None,
            endpoints: Endpoints {
                chat: self.chat,
                responses: self.responses,
                chat_with_tools: self.chat_with_tools,
            },
            retires: None,
        }
    }
}

#[cfg(test)]
mod tests;
