//! The model that a server has, and the server's age.

use serde_json::{Map, Value, json};

/// One model on one server. Make one and change what the test is about.
#[derive(Clone, Debug)]
pub struct Model {
    /// What it is called.
    pub name: String,
    /// Its architecture, e.g. `qwen3moe`.
    pub architecture: String,
    /// The longest context it was made for, in tokens.
    pub length: u64,
    /// The window of its Modelfile.
    pub num_ctx: Option<u64>,
    /// The server's window for models that nobody says one for.
    pub default_num_ctx: u64,
    /// `tools`, `vision`, `thinking`; none: an old server that does not say.
    pub capabilities: Option<Vec<&'static str>>,
    /// What `think` may be; none: an older server that does not say.
    pub thinking: Option<Value>,
    /// Whether the server knows `truncate`.
    pub knows_truncate: bool,
    /// Whether calls have ids.
    pub call_ids: bool,
    /// Whether what was read from a cache counts as read.
    pub counts_cached: bool,
    /// The credential that is asked for; none: no check.
    pub key: Option<String>,
}

impl Model {
    /// A model of today on a server of today, whose default window is the smallest.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            architecture: "qwen3moe".to_owned(),
            length: 262_144,
            num_ctx: None,
            default_num_ctx: 4096,
            capabilities: Some(vec!["tools", "vision", "thinking"]),
            thinking: Some(json!([false, true])),
            knows_truncate: true,
            call_ids: true,
            counts_cached: true,
            key: None,
        }
    }

    /// The same on a server from before all that was added to the interface.
    pub fn old(name: &str) -> Self {
        Self {
            capabilities: None,
            thinking: None,
            knows_truncate: false,
            call_ids: false,
            ..Self::new(name)
        }
    }

    /// gpt-oss, which thinks at levels.
    pub fn gpt_oss(name: &str) -> Self {
        Self {
            architecture: "gptoss".to_owned(),
            length: 131_072,
            thinking: None,
            ..Self::new(name)
        }
    }

    /// With this length.
    #[must_use]
    pub fn length(mut self, tokens: u64) -> Self {
        self.length = tokens;
        self
    }

    /// Whether it can do this; what is not said is yes.
    pub(crate) fn can(&self, what: &str) -> bool {
        self.capabilities.as_ref().is_none_or(|all| all.contains(&what))
    }

    /// The window that a request loads it with.
    pub(crate) fn window(&self, body: &Value) -> u64 {
        let asked = body["options"]["num_ctx"].as_f64().map(|tokens| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "as Go does"
            )]
            let tokens = tokens as u64;
            tokens
        });
        asked.or(self.num_ctx).unwrap_or(self.default_num_ctx).min(self.length)
    }

    /// What `/api/show` says.
    pub(crate) fn show(&self) -> Value {
        let architecture = &self.architecture;
        let mut info = Map::new();
        info.insert("general.architecture".to_owned(), json!(architecture));
        info.insert("general.parameter_count".to_owned(), json!(30_532_122_624_u64));
        info.insert("clip.vision.embedding_length".to_owned(), json!(1152));
        info.insert(format!("{architecture}.context_length"), json!(self.length));
        info.insert(format!("{architecture}.embedding_length"), json!(2048));
        let parameters = match self.num_ctx {
            Some(tokens) => format!(
                "num_ctx                        {tokens}\nstop                           \"<|im_end|>\""
            ),
            None => "stop                           \"<|im_end|>\"".to_owned(),
        };
        let mut show = json!({
            "license": "A licence of many words.",
            "modelfile": format!("FROM {}", self.name),
            "parameters": parameters,
            "template": "{{ .Prompt }}",
            "details": self.details(),
            "model_info": info,
            "modified_at": CREATED,
        });
        if let Some(capabilities) = &self.capabilities {
            let mut all = vec!["completion"];
            all.extend(capabilities);
            show["capabilities"] = json!(all);
        }
        if let Some(values) = &self.thinking {
            show["thinking"] = json!({"values": values, "default": true});
        }
        show
    }

    /// What `/api/tags` says.
    pub(crate) fn tag(&self) -> Value {
        json!({
            "name": self.name, "model": self.name, "modified_at": CREATED, "size": 18_556_701_140_u64,
            "digest": "0".repeat(64), "details": self.details(),
        })
    }

    fn details(&self) -> Value {
        json!({
            "parent_model": "", "format": "gguf", "family": self.architecture, "families": [self.architecture],
            "parameter_size": "30.5B", "quantization_level": "Q4_K_M",
        })
    }
}

/// The time of every answer.
pub(crate) const CREATED: &str = "2026-09-21T12:00:00.123456789Z";
