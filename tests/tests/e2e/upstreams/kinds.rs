//! The upstreams: how each is played, and how a gateway is told of it.

use std::sync::Arc;

use gateway_testkit::{bedrock, google, ollama, openai};

use super::say::Heard;
use super::third::{self, Third};
use super::{Model, PROVIDER_KEY};

/// One upstream with one model.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about an upstream")]
pub(crate) struct Kind {
    /// What its provider is called where there are several.
    pub(crate) name: &'static str,
    /// The kind of the provider.
    pub(crate) provider: &'static str,
    /// The model, as the upstream has to be asked for it.
    pub(crate) model: &'static str,
    /// Further lines of the provider. `FILE` is a file with a service account.
    pub(crate) lines: &'static str,
    /// Whether it thinks.
    pub(crate) thinks: bool,
    /// Whether its thoughts (or their signatures) go back to it.
    pub(crate) back: bool,
    /// Whether it sees pictures.
    pub(crate) sees: bool,
    /// Whether it gets what the client says of itself, being Claude or the like of it.
    pub(crate) own: bool,
    /// Words of what the user is told when the credential is wrong: whose, and what to look at.
    pub(crate) wrong: &'static [&'static str],
    /// Begins to play it.
    start: fn(&'static Kind, Arc<Model>) -> Box<dyn Played>,
}

const KEY: &str = "api_key_env_var: UP_KEY";
const ACCOUNT: &str = "extra: {project: project-test, location: global, credentials_file: FILE}";
const REGION: &str = "extra: {region: us-east-1}";
const AWS_ID: &str = "AKIDUPSTREAMS";
const AWS_TOKEN: &str = "session-token-of-the-gateway";

pub(crate) static GEMINI_3: Kind = Kind {
    name: "gemini-3",
    provider: "gemini",
    model: "gemini-3.1-pro",
    lines: KEY,
    thinks: true,
    back: true,
    sees: true,
    own: false,
    wrong: &["UP_KEY"],
    start: studio,
};

pub(crate) static GEMINI_25: Kind =
    Kind { name: "gemini-2", model: "gemini-2.5-pro", back: false, ..kind(&GEMINI_3) };

pub(crate) static VERTEX_GEMINI: Kind = Kind {
    name: "vertex-gemini",
    provider: "vertex",
    model: "gemini-3.1-pro",
    lines: ACCOUNT,
    thinks: true,
    back: true,
    sees: true,
    own: false,
    wrong: &["expired or are refused", "gcloud auth application-default login"],
    start: vertex,
};

pub(crate) static VERTEX_CLAUDE: Kind =
    Kind { name: "vertex-claude", model: "claude-opus-5-5", own: true, ..kind(&VERTEX_GEMINI) };

pub(crate) static BEDROCK_CLAUDE: Kind = Kind {
    name: "bedrock-claude",
    provider: "bedrock",
    model: "us.anthropic.claude-opus-5-5",
    lines: REGION,
    thinks: true,
    back: true,
    sees: true,
    own: true,
    wrong: &["expired"],
    start: bedrock,
};

pub(crate) static NOVA: Kind = Kind {
    name: "nova",
    model: "us.amazon.nova-pro-v1:0",
    thinks: false,
    back: false,
    own: false,
    ..kind(&BEDROCK_CLAUDE)
};

pub(crate) static GPT_OSS: Kind = Kind {
    name: "gpt-oss",
    model: "openai.gpt-oss-120b-1:0",
    sees: false,
    own: false,
    ..kind(&BEDROCK_CLAUDE)
};

/// Responses, as Azure has it for models that want it.
pub(crate) static AZURE: Kind = Kind {
    name: "azure-v1",
    provider: "azure",
    model: "gpt-5.6-terra",
    lines: KEY,
    thinks: true,
    back: true,
    sees: true,
    own: false,
    wrong: &["UP_KEY"],
    start: azure,
};

/// Chat Completions with the deployment in the path.
pub(crate) static AZURE_CLASSIC: Kind = Kind {
    name: "azure-classic",
    model: "gpt-4.1",
    lines: "api_key_env_var: UP_KEY\n    extra: {api_version: \"2024-10-21\"}",
    thinks: false,
    back: false,
    ..kind(&AZURE)
};

pub(crate) static OPENROUTER: Kind = Kind {
    name: "router",
    provider: "openrouter",
    model: "anthropic/claude-opus-5.5:free",
    lines: KEY,
    thinks: true,
    back: true,
    sees: true,
    own: false,
    wrong: &["UP_KEY"],
    start: openrouter,
};

pub(crate) static OLLAMA: Kind = Kind {
    name: "home",
    provider: "ollama",
    model: "qwen3-vl:30b",
    lines: "extra: {num_ctx: 131072}",
    thinks: true,
    back: true,
    sees: true,
    own: false,
    wrong: &["ollama serve"],
    start: ollama,
};

pub(crate) static THIRD: Kind = Kind {
    name: "third",
    provider: "anthropic",
    model: third::MODEL,
    lines: "api_key_env_var: UP_KEY\n    auth_type: bearer_token\n    \
            compat: {thinking: preserve, drop_events: [usage_report]}",
    thinks: true,
    back: true,
    sees: true,
    own: true,
    wrong: &["UP_KEY"],
    start: third,
};

/// A kind to be changed in places: constants can't refer to each other's parts otherwise.
const fn kind(of: &Kind) -> Kind {
    let Kind { name, provider, model, lines, thinks, back, sees, own, wrong, start } = *of;
    Kind { name, provider, model, lines, thinks, back, sees, own, wrong, start }
}

impl Kind {
    /// Begins to play it.
    pub(crate) fn start(&'static self, model: Arc<Model>) -> Box<dyn Played> {
        (self.start)(self, model)
    }

    /// What its gateway has in the environment.
    pub(crate) fn env(&self) -> Vec<String> {
        match self.provider {
            "bedrock" => vec![
                format!("AWS_ACCESS_KEY_ID={AWS_ID}"),
                format!("AWS_SECRET_ACCESS_KEY={PROVIDER_KEY}"),
                format!("AWS_SESSION_TOKEN={AWS_TOKEN}"),
            ],
            _ => vec![format!("UP_KEY={PROVIDER_KEY}")],
        }
    }
}

/// A scripted server of any kind.
pub(crate) trait Played: Send + Sync {
    fn url(&self) -> String;
    /// What it refused: what a gateway must never earn.
    fn refusals(&self) -> Vec<String>;
    /// What came up and must not, and what did harm.
    fn leaks(&self) -> Vec<String>;
    /// The requests for an answer.
    fn turns(&self) -> Vec<Heard>;
    /// From now on its window has so many tokens.
    fn narrow(&self, tokens: u64);
    /// From now on it takes the credential no more.
    fn close(&self);
    /// How many signatures came up as values that only skip their check: calls of others' have none.
    fn lost(&self) -> usize {
        0
    }
    /// A file with a credential, where there are such files.
    fn account(&self) -> Option<String> {
        None
    }
}

fn words(refusals: &[impl std::fmt::Debug]) -> Vec<String> {
    refusals.iter().map(|refusal| format!("{refusal:?}")).collect()
}

/// Without those that teach what Claude elsewhere does not have: each of these may come once.
fn but_lessons(mut refusals: Vec<String>) -> Vec<String> {
    let lessons = [
        "Extra inputs are not permitted",
        "for the `anthropic-beta` header",
        "role: Input should be 'user' or 'assistant'",
        "display: Input should be",
    ];
    let mut had: Vec<String> = Vec::new();
    refusals.retain(|why| {
        let teaches = lessons.iter().any(|words| why.contains(words)) && !had.contains(why);
        had.push(why.clone());
        !teaches
    });
    refusals
}

fn heard<S>(seen: &[S]) -> Vec<Heard>
where
    for<'a> Heard: From<&'a S>,
{
    seen.iter().map(Heard::from).collect()
}

fn studio(kind: &'static Kind, model: Arc<Model>) -> Box<dyn Played> {
    let rules = google::Rules::studio(kind.model).with_key(PROVIDER_KEY);
    Box::new(google::Server::start(rules, move |seen| {
        model(&Heard::from(seen)).google(kind.thinks)
    }))
}

fn vertex(kind: &'static Kind, model: Arc<Model>) -> Box<dyn Played> {
    let rules = google::Rules::vertex(kind.model).at(google::PROJECT, "global");
    Box::new(google::Server::start(rules, move |seen| {
        model(&Heard::from(seen)).google(kind.thinks)
    }))
}

fn bedrock(kind: &'static Kind, model: Arc<Model>) -> Box<dyn Played> {
    let mut rules = bedrock::Rules::bedrock(kind.model);
    // As long as the client wants it: what is too long is the matter of another test.
    rules.max_output = rules.max_output.max(128_000);
    let rules = rules.with_session(AWS_ID, PROVIDER_KEY, AWS_TOKEN, false);
    Box::new(bedrock::Server::start(rules, move |seen| {
        model(&Heard::from(seen)).bedrock(kind.thinks)
    }))
}

fn azure(kind: &'static Kind, model: Arc<Model>) -> Box<dyn Played> {
    let rules = openai::Rules::azure(kind.model, kind.model).with_key(PROVIDER_KEY);
    openai_with(rules, kind, model)
}

fn openrouter(kind: &'static Kind, model: Arc<Model>) -> Box<dyn Played> {
    openai_with(openai::Rules::compatible("openrouter").with_key(PROVIDER_KEY), kind, model)
}

fn openai_with(rules: openai::Rules, kind: &'static Kind, model: Arc<Model>) -> Box<dyn Played> {
    Box::new(openai::Server::start(rules, move |seen| {
        let say = model(&Heard::from(seen));
        let mut turn = say.openai(kind.thinks);
        if say.cut.is_some() {
            turn.fault = Some(openai::Fault::CutAt(half(&turn, seen)));
        }
        turn
    }))
}

/// The bytes of the first half of an answer's events. Responses repeats all of the request before it says
/// anything.
fn half(turn: &openai::Turn, seen: &openai::Seen) -> usize {
    let asked = openai::Asked { body: &seen.body, index: seen.index, account: "org-test" };
    let frames = if seen.is_chat() {
        openai::chat_reply::frames(turn, asked)
    } else {
        openai::responses_reply::frames(turn, asked)
    };
    frames[..frames.len() / 2].iter().map(String::len).sum()
}

fn ollama(kind: &'static Kind, model: Arc<Model>) -> Box<dyn Played> {
    let says = move |seen: &ollama::Seen| model(&Heard::from(seen)).openai(kind.thinks);
    Box::new(ollama::Server::start(ollama::Model::new(kind.model), says))
}

fn third(_: &'static Kind, model: Arc<Model>) -> Box<dyn Played> {
    Box::new(Third::start(model))
}

impl Played for google::Server {
    fn url(&self) -> String {
        self.url()
    }

    fn refusals(&self) -> Vec<String> {
        but_lessons(words(&self.refusals()))
    }

    fn leaks(&self) -> Vec<String> {
        self.leaks()
    }

    fn lost(&self) -> usize {
        self.seen().iter().map(google::Seen::bypasses).sum()
    }

    fn turns(&self) -> Vec<Heard> {
        heard(&self.turns())
    }

    fn narrow(&self, tokens: u64) {
        self.change(|rules| rules.window = tokens);
    }

    /// Tokens go on being given out where the file is the right one.
    fn close(&self) {
        self.change(|rules| rules.key = Some("another key".to_owned()));
        self.expire_tokens();
    }

    fn account(&self) -> Option<String> {
        Some(self.service_account())
    }
}

impl Played for bedrock::Server {
    fn url(&self) -> String {
        self.url()
    }

    fn refusals(&self) -> Vec<String> {
        words(&self.refusals())
    }

    fn leaks(&self) -> Vec<String> {
        self.leaks()
    }

    fn turns(&self) -> Vec<Heard> {
        heard(&self.turns())
    }

    fn narrow(&self, tokens: u64) {
        self.change(|rules| rules.window = tokens);
    }

    fn close(&self) {
        self.change(|rules| rules.keys.iter_mut().for_each(|key| key.expired = true));
    }
}

impl Played for openai::Server {
    fn url(&self) -> String {
        self.url()
    }

    fn refusals(&self) -> Vec<String> {
        words(&self.refusals())
    }

    fn leaks(&self) -> Vec<String> {
        self.leaks()
    }

    fn turns(&self) -> Vec<Heard> {
        heard(&self.turns())
    }

    fn narrow(&self, tokens: u64) {
        self.change(|rules| rules.window = tokens);
    }

    fn close(&self) {
        self.change(|rules| rules.key = Some("another key".to_owned()));
    }
}

impl Played for ollama::Server {
    fn url(&self) -> String {
        self.url()
    }

    fn refusals(&self) -> Vec<String> {
        words(&self.refusals())
    }

    fn leaks(&self) -> Vec<String> {
        self.leaks().into_iter().chain(self.harm()).collect()
    }

    fn turns(&self) -> Vec<Heard> {
        heard(&self.turns())
    }

    fn narrow(&self, tokens: u64) {
        self.change(|model| model.length = tokens);
    }

    /// It has none. [`Setup::wrong`](super::Setup::wrong) looks for it where it is not.
    fn close(&self) {}
}

impl Played for Third {
    fn url(&self) -> String {
        self.url()
    }

    fn refusals(&self) -> Vec<String> {
        but_lessons(self.refused())
    }

    fn leaks(&self) -> Vec<String> {
        self.leaks()
    }

    fn turns(&self) -> Vec<Heard> {
        self.taken().iter().map(Heard::from).collect()
    }

    fn narrow(&self, tokens: u64) {
        self.narrow(tokens);
    }

    fn close(&self) {
        self.close();
    }
}
