//! What a request is refused with: the status, the type's header and the body of the real service.

use serde_json::{Map, Value, json};

/// A request refused, or any other error answered in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The type, such as `ValidationException`; the head of `x-amzn-ErrorType`.
    pub kind: String,
    /// `message` of the body.
    pub message: String,
    /// What few have; apart, to keep a refusal small.
    pub extra: Box<Extra>,
}

/// What few refusals have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extra {
    /// Fields of the body beside the message, such as `originalStatusCode`.
    pub fields: Map<String, Value>,
    /// The whole body, where it has another form.
    pub body: Option<Value>,
    /// For the test's own eyes, never sent: what the server computed when a signature was wrong, or which
    /// beta it does not know.
    pub hint: String,
}

impl Refusal {
    /// A `ValidationException`.
    pub fn new(message: impl Into<String>) -> Self {
        Self::of(400, "ValidationException", message)
    }

    /// Any exception.
    pub fn of(status: u16, kind: &str, message: impl Into<String>) -> Self {
        Self { status, kind: kind.to_owned(), message: message.into(), extra: Box::default() }
    }

    /// With one more field of the body.
    #[must_use]
    pub fn field(mut self, name: &str, value: Value) -> Self {
        self.extra.fields.insert(name.to_owned(), value);
        self
    }

    /// The body as the service writes it.
    pub fn body(&self) -> Value {
        if let Some(body) = &self.extra.body {
            return body.clone();
        }
        let mut body = json!({"message": self.message});
        for (name, value) in &self.extra.fields {
            body[name] = value.clone();
        }
        body
    }

    /// The same as one frame within a stream.
    pub fn frame(&self) -> Vec<u8> {
        super::event_stream::exception(&lower(&self.kind), &self.body())
    }

    // === Errors that are not about the body ===

    /// No such path. The body is that of the framework, not of the service.
    pub fn unknown_operation(status: u16) -> Self {
        let mut refusal = Self::of(status, "UnknownOperationException", "");
        let output = json!({"__type": "com.amazon.coral.service#UnknownOperationException"});
        refusal.extra.body = Some(json!({"Output": output, "Version": "1.0"}));
        refusal
    }

    /// No credential.
    pub fn no_credential() -> Self {
        Self::of(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    }

    /// A key or session that the service does not know.
    pub fn unknown_key() -> Self {
        let text = "The security token included in the request is invalid.";
        Self::of(403, "UnrecognizedClientException", text)
    }

    /// A session that has ended.
    pub fn expired_token() -> Self {
        let text = "The security token included in the request is expired";
        Self::of(403, "ExpiredTokenException", text)
    }

    /// A signature that is none, with what the service has to say on it.
    pub fn signature(message: impl Into<String>) -> Self {
        Self::of(403, "InvalidSignatureException", message)
    }

    /// A bearer key that is none of this service's.
    pub fn wrong_bearer() -> Self {
        let text = "Authentication failed: Please make sure your API Key is valid.";
        Self::of(403, "AccessDeniedException", text)
    }

    /// The account was not given the model.
    pub fn no_model_access() -> Self {
        let text = "You don't have access to the model with the specified model ID.";
        Self::of(403, "AccessDeniedException", text)
    }

    /// A model that is had through an inference profile only.
    pub fn not_on_demand(model: &str) -> Self {
        Self::new(format!(
            "Invocation of model ID {model} with on-demand throughput isn\u{2019}t supported. Retry your request with the ID or ARN of an inference profile that contains this model."
        ))
    }

    /// No such model.
    pub fn unknown_model() -> Self {
        Self::new("The provided model identifier is invalid.")
    }

    /// A model that is no more, or an ARN without anything behind it.
    pub fn not_found(message: &str) -> Self {
        Self::of(404, "ResourceNotFoundException", message)
    }

    /// Too many requests; without `retry-after`, as the service does it.
    pub fn throttled() -> Self {
        let text = "Too many requests, please wait before trying again.";
        Self::of(429, "ThrottlingException", text)
    }

    /// The day's tokens are used up: a throttling that no retry helps.
    pub fn daily_tokens() -> Self {
        let text = "Too many tokens per day, please wait before trying again.";
        Self::of(429, "ThrottlingException", text)
    }

    /// A quota of the account.
    pub fn quota() -> Self {
        let text = "Your request exceeds the service quota for your account.";
        Self::of(400, "ServiceQuotaExceededException", text)
    }

    /// The model is being loaded.
    pub fn not_ready() -> Self {
        let text = "Model is not ready for inference. Wait and try your request again.";
        Self::of(429, "ModelNotReadyException", text)
    }

    /// The model took too long.
    pub fn model_timeout() -> Self {
        let text = "Model has timed out in processing the request. Try your request again.";
        Self::of(408, "ModelTimeoutException", text)
    }

    /// The model failed with this status of its own.
    pub fn model_error(original: u16) -> Self {
        let text =
            "The system encountered an unexpected error during processing. Try your request again.";
        Self::of(424, "ModelErrorException", text)
            .field("originalStatusCode", json!(original))
            .field("resourceName", json!("test"))
    }

    /// The model failed within a stream.
    pub fn model_stream_error(original: u16) -> Self {
        let text =
            "The system encountered an unexpected error during processing. Try your request again.";
        Self::of(424, "ModelStreamErrorException", text)
            .field("originalStatusCode", json!(original))
            .field("originalMessage", json!("broken"))
    }

    /// A 500.
    pub fn internal() -> Self {
        let text =
            "The system encountered an unexpected error during processing. Try your request again.";
        Self::of(500, "InternalServerException", text)
    }

    /// A 503.
    pub fn unavailable() -> Self {
        let text = "Bedrock is unable to process your request.";
        Self::of(503, "ServiceUnavailableException", text)
    }

    /// The prompt does not fit.
    pub fn too_long(given: u64, window: u64, claude: bool) -> Self {
        if claude {
            return Self::new(format!("prompt is too long: {given} tokens > {window} maximum"));
        }
        Self::new(format!(
            "The model returned the following errors: Input is too long for requested model. ({given} > {window})"
        ))
    }

    // === Errors about one member of the service's model ===

    /// `at` is the path as the framework writes it: list entries as `1.member`.
    pub(crate) fn constraint(at: &str, value: &Value, constraint: &str) -> Self {
        let value = match value {
            Value::Null => "null".to_owned(),
            Value::String(text) => format!("'{text}'"),
            other => format!("'{other}'"),
        };
        Self::new(format!(
            "1 validation error detected: Value {value} at '{at}' failed to satisfy constraint: {constraint}"
        ))
    }

    pub(crate) fn missing(at: &str) -> Self {
        Self::constraint(at, &Value::Null, "Member must not be null")
    }

    pub(crate) fn wrong_type(found: &Value, wanted: &str) -> Self {
        let found = match found {
            Value::Null => "NULL_VALUE",
            Value::Bool(true) => "TRUE_VALUE",
            Value::Bool(false) => "FALSE_VALUE",
            Value::Number(_) => "NUMBER_VALUE",
            Value::String(_) => "STRING_VALUE",
            Value::Array(_) => "START_ARRAY",
            Value::Object(_) => "START_OBJECT",
        };
        Self::of(400, "SerializationException", format!("{found} can not be converted to {wanted}"))
    }

    /// A member that the service's model does not have. `at` as in a JSON pointer.
    pub(crate) fn extraneous(at: &str, key: &str) -> Self {
        Self::new(format!(
            "Malformed input request: #{at}: extraneous key [{key}] is not permitted, please reformat your input and try again."
        ))
    }

    /// A field that a model does not take on Converse.
    pub(crate) fn unsupported(field: &str) -> Self {
        Self::new(format!(
            "This model doesn't support the {field} field. Remove {field} and try again."
        ))
    }

    /// A field that Claude does not know, in its words.
    pub(crate) fn extra_input(at: &str) -> Self {
        Self::new(format!("{at}: Extra inputs are not permitted"))
    }

    /// The same as Converse hands it on: what the model says, not the service.
    pub(crate) fn by_model(mut self) -> Self {
        self.message = format!("The model returned the following errors: {}", self.message);
        self
    }
}

/// `ThrottlingException` as `throttlingException`.
fn lower(kind: &str) -> String {
    let mut chars = kind.chars();
    let first = chars.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}
