//! The dialects, each with a service that refuses what the real one refuses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gateway_anthropic::edit::{self, Policy};
use gateway_anthropic::hosted::{self, Host, HostCx};
use gateway_anthropic::{Refused, presets, refused};
use gateway_bedrock::{Bedrock, Unwrap};
use gateway_gemini::{Gemini, Options, Schemas, Surface};
use gateway_models::Catalogue;
use gateway_ollama::Ollama;
use gateway_openai::{Api, Azure, ModelOverrides, OpenAi, Quirks, SchemaMemo};
use gateway_testkit::{bedrock, google, ollama, openai};
use gateway_translate::{AttemptCx, Egress, Encoded, FaultCx, Keyring, ReplyReader};
use gateway_types::{Endpoint, Feature, Losses, Remedy};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

/// One upstream of one dialect.
pub(crate) struct Dialect {
    /// What it is called; the provider too.
    pub(crate) name: &'static str,
    /// The name the upstream gets.
    pub(crate) model: &'static str,
    pub(crate) speaks: Speaks,
    pub(crate) keys: Keyring,
}

/// What is spoken, and who refuses.
pub(crate) enum Speaks {
    OpenAi(Box<OpenAi>, openai::Rules),
    Gemini(Gemini, google::Rules),
    Converse(Bedrock, bedrock::Rules),
    Ollama(Ollama, ollama::Model),
    /// Claude on Vertex AI.
    Vertex(Host, google::Rules),
    /// Claude by `InvokeModel`.
    Invoke(bedrock::Rules),
    /// An Anthropic-compatible server. Nobody scripted one: only what must never reach it is checked.
    Compatible(Policy),
}

/// What is asked besides the body.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) betas: &'a str,
    pub(crate) version: &'a str,
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self { endpoint: Endpoint::Messages, betas: "", version: "2023-06-01" }
    }
}

/// What a service was found to refuse.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Lesson {
    Translated(Feature),
    Claude(Refused),
}

/// What a service says no with.
#[derive(Debug, PartialEq)]
pub(crate) struct No {
    pub(crate) message: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// Amazon's header that names an error.
    pub(crate) kind: String,
    pub(crate) body: String,
}

impl No {
    fn new(message: String, status: u16, body: &Value) -> Self {
        Self { message, status, kind: String::new(), body: body.to_string() }
    }

    fn openai(refusal: &openai::Refusal) -> Self {
        Self::new(refusal.message.clone(), refusal.status, &refusal.body())
    }

    fn google(refusal: &google::Refusal) -> Self {
        Self::new(refusal.message.clone(), 400, &refusal.body())
    }

    fn bedrock(refusal: &bedrock::Refusal) -> Self {
        let no = Self::new(refusal.message.clone(), refusal.status, &refusal.body());
        Self { kind: refusal.kind.clone(), ..no }
    }
}

/// What goes up.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) stream: bool,
    pub(crate) losses: Losses,
    pub(crate) read: Read,
    /// What the service had to refuse before.
    pub(crate) learnt: Vec<Lesson>,
}

/// How the answer is read.
#[derive(Debug)]
pub(crate) enum Read {
    Translated(Box<dyn ReplyReader>),
    /// Claude's own stream.
    Verbatim,
    /// Claude's own stream, out of Amazon's.
    Unwrapped(Box<Unwrap>),
}

impl Sent {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a body is JSON")
    }
}

impl Dialect {
    /// Writes a request. The error is what the caller is told.
    pub(crate) fn send(&self, body: &[u8], ask: Ask<'_>) -> Result<Sent, String> {
        self.send_without(body, ask, &[])
    }

    fn send_without(&self, body: &[u8], ask: Ask<'_>, learnt: &[Lesson]) -> Result<Sent, String> {
        let told =
            |error: gateway_types::ApiError| format!("{} {}", error.status(), error.message());
        let streams =
            gateway_translate::peek(&Bytes::copy_from_slice(body)).is_ok_and(|ask| ask.stream);
        let host = match &self.speaks {
            Speaks::Vertex(host, _) => host.clone(),
            Speaks::Invoke(_) => Host::Bedrock,
            Speaks::Compatible(policy) => {
                let edited = edit::edit(body, policy, ask.betas).map_err(told)?;
                let betas = edited.as_ref().and_then(|edited| edited.betas.clone());
                let betas = betas.map_or(ask.betas.to_owned(), |left| left.join(","));
                let (text, losses) = match edited {
                    Some(edited) => (edited.body.to_vec(), edited.losses),
                    None => (body.to_vec(), Losses::new()),
                };
                let headers = vec![("anthropic-beta".to_owned(), betas)];
                return Ok(Sent {
                    path: "/v1/messages".to_owned(),
                    headers: headers.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
                    body: String::from_utf8(text).expect("a text"),
                    stream: streams,
                    losses,
                    read: Read::Verbatim,
                    learnt: Vec::new(),
                });
            }
            _ => {
                let request = gateway_anthropic::decode(body).expect("a request");
                let about = self.about();
                let without: Vec<Feature> = learnt
                    .iter()
                    .filter_map(|lesson| match lesson {
                        Lesson::Translated(feature) => Some(*feature),
                        Lesson::Claude(_) => None,
                    })
                    .collect();
                let about = about.as_deref().map(str::as_bytes);
                let cx = AttemptCx { about, without: &without, ..self.cx(ask) };
                let encoded = self.egress().encode(&request, &cx).map_err(told)?;
                let Encoded { path, headers, body, stream, reader, losses, .. } = encoded;
                let read = Read::Translated(reader);
                let (headers, learnt) = (plain(&headers), learnt.to_vec());
                return Ok(Sent { path, headers, body, stream, losses, read, learnt });
            }
        };
        let policy = Policy::default();
        let Ask { endpoint, betas, version } = ask;
        let without: Vec<Refused> = learnt
            .iter()
            .filter_map(|lesson| match lesson {
                Lesson::Claude(refused) => Some(refused.clone()),
                Lesson::Translated(_) => None,
            })
            .collect();
        let cx = HostCx {
            endpoint,
            betas,
            version,
            stream: streams,
            without: &without,
            ..HostCx::new(self.model, &policy)
        };
        let wrapped = hosted::wrap(&host, body, &cx).map_err(told)?;
        let read = match &self.speaks {
            Speaks::Invoke(_) => Read::Unwrapped(Box::new(self.unwrap())),
            _ => Read::Verbatim,
        };
        Ok(Sent {
            path: wrapped.path,
            headers: plain(&wrapped.headers),
            body: String::from_utf8(wrapped.body.to_vec()).expect("a text"),
            stream: streams,
            losses: wrapped.losses,
            read,
            learnt: learnt.to_vec(),
        })
    }

    /// As [`send`](Self::send), for what can be said.
    pub(crate) fn sent(&self, body: &Value) -> Sent {
        let ask = Ask { betas: "interleaved-thinking-2025-05-14", ..Ask::default() };
        let sent = self.send(body.to_string().as_bytes(), ask);
        sent.unwrap_or_else(|why| panic!("{}: {why}", self.name))
    }

    /// As [`send`](Self::send), for what the service takes, too; where its refusals teach, after those.
    /// `issued` is the reasoning that it said before.
    pub(crate) fn ask(&self, body: &[u8], ask: Ask<'_>, issued: &[&str]) -> Result<Sent, String> {
        let mut learnt: Vec<Lesson> = Vec::new();
        loop {
            let sent = self.send_without(body, ask, &learnt)?;
            let Err(no) = self.check(&sent, ask.endpoint, issued) else { return Ok(sent) };
            match self.lesson(&no).filter(|lesson| !learnt.contains(lesson)) {
                Some(lesson) => learnt.push(lesson),
                None => return Err(format!("SERVICE {}\nof {}", no.message, sent.body)),
            }
        }
    }

    /// As [`ask`](Self::ask), for what must be taken.
    pub(crate) fn taken(&self, body: &Value, issued: &[&str]) -> Sent {
        let ask = Ask { betas: "interleaved-thinking-2025-05-14", ..Ask::default() };
        let sent = self.ask(body.to_string().as_bytes(), ask, issued);
        sent.unwrap_or_else(|why| panic!("{}: {why}", self.name))
    }

    /// What a refusal teaches.
    fn lesson(&self, no: &No) -> Option<Lesson> {
        if self.is_claude() {
            return refused(no.body.as_bytes()).map(Lesson::Claude);
        }
        let cx = FaultCx { provider: self.name, model: self.model, prompt_estimate: 1000 };
        let mut head = HeaderMap::new();
        if !no.kind.is_empty() {
            head.insert("x-amzn-errortype", HeaderValue::from_str(&no.kind).expect("plain"));
        }
        let status = StatusCode::from_u16(no.status).expect("a status");
        match self.egress().fault(&cx, status, &head, no.body.as_bytes()).remedy {
            Remedy::Without(feature) => Some(Lesson::Translated(feature)),
            _ => None,
        }
    }

    /// What the service says to a request that was written for it.
    pub(crate) fn check(&self, sent: &Sent, endpoint: Endpoint, issued: &[&str]) -> Result<(), No> {
        let body = sent.json();
        let counting = endpoint == Endpoint::CountTokens;
        // Whatever the service would say of it.
        if sent.body.contains("gw1.") {
            let text = "a gateway's own state reaches the provider".to_owned();
            return Err(No::new(text, 500, &Value::Null));
        }
        match &self.speaks {
            Speaks::OpenAi(_, rules) => {
                let responses = sent.path.contains("/responses");
                let known = openai::Issued::default();
                let checked = match (responses, counting) {
                    (true, true) => openai::responses_rules::check_count(&body, rules, &known),
                    (true, false) => openai::responses_rules::check(&body, rules, &known),
                    (false, _) => openai::chat_rules::check(&body, rules),
                };
                checked.map_err(|refusal| No::openai(&refusal))
            }
            Speaks::Gemini(_, rules) => {
                let checked = if counting {
                    google::gemini_rules::count(&body, self.model, rules).map(|_| ())
                } else {
                    google::gemini_rules::check(&body, self.model, rules)
                };
                checked.map_err(|refusal| No::google(&refusal))
            }
            Speaks::Converse(_, rules) => {
                let body = if counting { &body["input"]["converse"] } else { &body };
                let issued = issued.iter().map(|&text| text.to_owned()).collect();
                let checked = bedrock::converse_rules::check(body, rules, &issued);
                checked.map_err(|refusal| No::bedrock(&refusal))
            }
            Speaks::Ollama(_, model) => {
                ollama::rules::check(&body, model).map_err(|refusal| No::openai(&refusal))
            }
            Speaks::Vertex(_, rules) => {
                let betas = sent.headers.iter().find(|(name, _)| name == "anthropic-beta");
                let betas = betas.map_or("", |(_, value)| value);
                let call = google::Call { model: self.model, betas, streams: sent.stream };
                let checked = if counting {
                    google::claude_rules::count(&body, betas, rules).map(|_| ())
                } else {
                    google::claude_rules::check(&body, call, rules)
                };
                checked.map_err(|refusal| No::google(&refusal))
            }
            Speaks::Invoke(rules) => {
                let body = match body["input"]["invokeModel"]["body"].as_str() {
                    Some(text) => {
                        let bytes = STANDARD.decode(text).expect("base64");
                        serde_json::from_slice(&bytes).expect("JSON")
                    }
                    None => body,
                };
                let checked = bedrock::invoke_rules::check(&body, rules);
                checked.map_err(|refusal| No::bedrock(&refusal))
            }
            Speaks::Compatible(_) => Ok(()),
        }
    }

    /// Whether its service was scripted, so that [`check`](Self::check) means something.
    pub(crate) fn is_strict(&self) -> bool {
        !matches!(self.speaks, Speaks::Compatible(_))
    }

    /// Whether its answers are Claude's own events.
    pub(crate) fn is_claude(&self) -> bool {
        matches!(self.speaks, Speaks::Vertex(..) | Speaks::Invoke(_) | Speaks::Compatible(_))
    }

    /// Whether the upstream counts tokens.
    pub(crate) fn counts(&self) -> bool {
        match &self.speaks {
            Speaks::Vertex(host, _) => hosted::counts(host, self.model),
            Speaks::Invoke(_) => hosted::counts(&Host::Bedrock, self.model),
            Speaks::Compatible(_) => true,
            _ => self.egress().counts(self.model),
        }
    }

    pub(crate) fn egress(&self) -> &dyn Egress {
        match &self.speaks {
            Speaks::OpenAi(egress, _) => &**egress,
            Speaks::Gemini(egress, _) => egress,
            Speaks::Converse(egress, _) => egress,
            Speaks::Ollama(egress, _) => egress,
            Speaks::Vertex(..) | Speaks::Invoke(_) | Speaks::Compatible(_) => {
                panic!("{} is not translated", self.name)
            }
        }
    }

    pub(crate) fn cx<'a>(&'a self, ask: Ask<'a>) -> AttemptCx<'a> {
        AttemptCx {
            endpoint: ask.endpoint,
            model: self.model,
            provider: self.name,
            reply_id: "msg_1",
            betas: ask.betas,
            ..AttemptCx::new(&self.keys)
        }
    }

    pub(crate) fn unwrap(&self) -> Unwrap {
        let cx = FaultCx { provider: self.name, model: self.model, prompt_estimate: 1000 };
        Unwrap::new(&amazon(), &cx)
    }

    fn about(&self) -> Option<String> {
        let Speaks::Ollama(_, model) = &self.speaks else { return None };
        let capabilities = model.capabilities.clone().unwrap_or_default();
        Some(
            json!({"model_info": {"x.context_length": model.length}, "capabilities": capabilities})
                .to_string(),
        )
    }
}

fn plain(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| value.to_str().expect("a text").to_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

fn keys() -> Keyring {
    Keyring::new(["a secret of the tests"])
}

fn amazon() -> Bedrock {
    Bedrock {
        region: "us-east-1".into(),
        family: None,
        catalogue: Catalogue::builtin().clone(),
        schemas: SchemaMemo::default(),
    }
}

fn openai(
    name: &'static str,
    model: &'static str,
    api: Api,
    quirks: Quirks,
    rules: openai::Rules,
) -> Dialect {
    let egress = OpenAi {
        api,
        quirks,
        catalogue: Catalogue::builtin().clone(),
        overrides: ModelOverrides::default(),
        schemas: SchemaMemo::default(),
        azure: None,
    };
    Dialect { name, model, speaks: Speaks::OpenAi(Box::new(egress), rules), keys: keys() }
}

fn azure(name: &'static str, model: &'static str, version: Option<&str>) -> Dialect {
    let azure = Azure { api_version: version.map(str::to_owned), deployment: None };
    let rules = openai::Rules::azure(model, model);
    let mut dialect = openai(name, model, Api::Auto, azure.quirks(), rules);
    if let Speaks::OpenAi(egress, _) = &mut dialect.speaks {
        egress.azure = Some(azure);
    }
    dialect
}

fn compatible(name: &'static str, model: &'static str, quirks: &str, rules: &str) -> Dialect {
    let quirks = Quirks::named(quirks).expect("a preset");
    openai(name, model, Api::Chat, quirks, openai::Rules::compatible(rules))
}

fn gemini(name: &'static str, model: &'static str, surface: Surface) -> Dialect {
    let rules = match surface {
        Surface::AiStudio => google::Rules::studio(model),
        Surface::Vertex { .. } => google::Rules::vertex(model),
    };
    let egress = Gemini {
        surface,
        catalogue: Catalogue::builtin().clone(),
        schemas: Schemas::default(),
        options: Options::default(),
    };
    Dialect { name, model, speaks: Speaks::Gemini(egress, rules), keys: keys() }
}

fn bedrock_rules(model: &str) -> bedrock::Rules {
    // The scripted service's usual window is smaller than the recorded prompts.
    let mut rules = bedrock::Rules::bedrock(model).with_window(1_000_000);
    rules.max_output = 128_000;
    rules
}

fn converse(name: &'static str, model: &'static str) -> Dialect {
    Dialect { name, model, speaks: Speaks::Converse(amazon(), bedrock_rules(model)), keys: keys() }
}

fn invoke(name: &'static str, model: &'static str) -> Dialect {
    Dialect { name, model, speaks: Speaks::Invoke(bedrock_rules(model)), keys: keys() }
}

fn vertex_claude(name: &'static str, model: &'static str) -> Dialect {
    let host = Host::Vertex { project: "p".into(), location: "global".into() };
    Dialect {
        name,
        model,
        speaks: Speaks::Vertex(host, google::Rules::vertex(model)),
        keys: keys(),
    }
}

fn vertex() -> Surface {
    Surface::Vertex {
        project: Some("p".to_owned()),
        location: "global".to_owned(),
        version: Surface::VERTEX_VERSION.to_owned(),
    }
}

/// Anthropic-compatible servers, by the names of their presets; those that differ.
const PRESETS: [(&str, &str); 4] = [
    ("deepseek", "anthropic-deepseek"),
    ("kimi", "anthropic-kimi"),
    ("minimax", "anthropic-minimax"),
    ("openrouter", "anthropic-openrouter"),
];
/// And those that are as Kimi's.
pub(crate) const PLAIN: [&str; 5] = ["zai", "vllm", "llama_cpp", "lm_studio", "ollama"];

/// All that have a strict service.
pub(crate) fn all() -> Vec<Dialect> {
    vec![
        openai(
            "openai-chat",
            "gpt-4.1",
            Api::Chat,
            Quirks::default(),
            openai::Rules::openai("gpt-4.1"),
        ),
        openai(
            "openai-responses",
            "gpt-5.6-terra",
            Api::Responses,
            Quirks::default(),
            openai::Rules::openai("gpt-5.6-terra"),
        ),
        azure("azure-classic", "gpt-4.1", Some("2024-10-21")),
        azure("azure-v1", "gpt-5.2", None),
        compatible("openrouter", "anthropic/claude-sonnet-4.5", "openrouter", "openrouter"),
        compatible("deepseek", "deepseek-v4", "deepseek", "deepseek"),
        compatible("mistral", "mistral-large-latest", "mistral", "mistral"),
        compatible("vllm", "some-model", "vllm", "vllm_strict_template"),
        gemini("gemini-2.5", "gemini-2.5-pro", Surface::AiStudio),
        gemini("gemini-3.1", "gemini-3.1-pro", Surface::AiStudio),
        gemini("vertex-gemini", "gemini-3.1-pro", vertex()),
        converse("converse-nova", "us.amazon.nova-pro-v1:0"),
        converse("converse-gpt-oss", "openai.gpt-oss-120b-1:0"),
        converse("converse-llama", "us.meta.llama3-3-70b-instruct-v1:0"),
        Dialect {
            name: "ollama",
            model: "local-coder:30b",
            speaks: Speaks::Ollama(Ollama::default(), ollama::Model::new("local-coder:30b")),
            keys: keys(),
        },
        vertex_claude("vertex-claude-4.5", "claude-sonnet-4-5@20250929"),
        vertex_claude("vertex-claude-4.7", "claude-opus-4-7"),
        invoke("bedrock-claude-4.5", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        invoke("bedrock-claude-4.7", "us.anthropic.claude-opus-4-7"),
    ]
}

/// The Anthropic-compatible ones.
pub(crate) fn presets() -> Vec<Dialect> {
    let preset = |(preset, name)| {
        let policy = presets::by_name(preset).expect("a preset").policy();
        Dialect { name, model: "m", speaks: Speaks::Compatible(policy), keys: keys() }
    };
    PRESETS.into_iter().map(preset).collect()
}

/// Anthropic itself: edited only where a history holds what others made.
pub(crate) fn anthropic() -> Dialect {
    let policy = Policy::default();
    Dialect { name: "anthropic", model: "m", speaks: Speaks::Compatible(policy), keys: keys() }
}

/// The one of that name in [`all`].
pub(crate) fn named(name: &str) -> Dialect {
    all().into_iter().find(|dialect| dialect.name == name).expect("a dialect")
}
