//! What a request is refused with: the status and the error body of the real service.

use serde_json::{Map, Value, json};

/// A request refused, or any other error answered in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// `error.message`
    pub message: String,
    /// `error.type`
    pub kind: String,
    /// `error.param`
    pub param: Option<String>,
    /// `error.code`
    pub code: Option<String>,
    /// What few have; apart, to keep a refusal small.
    pub extra: Box<Extra>,
}

/// What few refusals have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extra {
    /// Headers beside the usual ones, such as `retry-after`.
    pub headers: Vec<(String, String)>,
    /// Fields of the error object, instead of the usual ones or beside them, as Azure has them.
    pub fields: Map<String, Value>,
}

impl Refusal {
    /// A 400 without `param` and `code`.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            message: message.into(),
            kind: "invalid_request_error".to_owned(),
            param: None,
            code: None,
            extra: Box::default(),
        }
    }

    /// With `error.param`.
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// With `error.code`.
    #[must_use]
    pub fn code(mut self, code: &str) -> Self {
        self.code = Some(code.to_owned());
        self
    }

    /// With this status and `error.type`.
    #[must_use]
    pub fn status(mut self, status: u16, kind: &str) -> Self {
        self.status = status;
        kind.clone_into(&mut self.kind);
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.extra.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The body as the service writes it.
    pub fn body(&self) -> Value {
        let mut error = json!({
            "message": self.message, "type": self.kind, "param": self.param, "code": self.code,
        });
        for (name, value) in &self.extra.fields {
            error[name] = value.clone();
        }
        json!({ "error": error })
    }

    // === Errors that are not about the body ===

    /// No credential.
    pub fn no_key() -> Self {
        Self::new(
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        )
        .status(401, "invalid_request_error")
    }

    /// A credential that is none of this service's. It is shown as the service shows it: masked.
    pub fn wrong_key(key: &str) -> Self {
        let head: String = key.chars().take(3).collect();
        Self::new(format!("Incorrect API key provided: {head}****. You can find your API key at https://platform.openai.com/account/api-keys."))
            .status(401, "invalid_request_error")
            .code("invalid_api_key")
    }

    /// Azure's word for a wrong key.
    pub fn azure_wrong_key() -> Self {
        Self::new("Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.")
            .status(401, "")
            .code("401")
            .untyped()
    }

    /// Azure's word for a path that it does not have, such as one without its `api-version`.
    pub fn azure_not_found() -> Self {
        Self::new("Resource not found").status(404, "").code("404").untyped()
    }

    fn untyped(mut self) -> Self {
        self.extra.fields.insert("type".to_owned(), Value::Null);
        self
    }

    /// Too many requests; `seconds` is the `retry-after`.
    pub fn rate_limit(seconds: u32) -> Self {
        Self::new(format!("Rate limit reached for requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in {seconds}s."))
            .status(429, "requests")
            .code("rate_limit_exceeded")
            .header("retry-after", &seconds.to_string())
            .header("retry-after-ms", &(u64::from(seconds) * 1000).to_string())
            .header("x-ratelimit-remaining-requests", "0")
            .header("x-ratelimit-reset-requests", &format!("{seconds}s"))
    }

    /// No money left: a 429 that no retry helps.
    pub fn insufficient_quota() -> Self {
        Self::new("You exceeded your current quota, please check your plan and billing details.")
            .status(429, "insufficient_quota")
            .code("insufficient_quota")
    }

    /// A 500.
    pub fn server_error() -> Self {
        Self::new("The server had an error while processing your request. Sorry about that!")
            .status(500, "server_error")
            .code("server_error")
    }

    /// A 503.
    pub fn overloaded() -> Self {
        Self::new("Our servers are currently overloaded. Please try again later.")
            .status(503, "service_unavailable_error")
            .code("server_is_overloaded")
    }

    /// Azure's filter against the prompt.
    pub fn azure_content_filter() -> Self {
        let mut refusal = Self::new(
            "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.",
        )
        .param("prompt")
        .code("content_filter")
        .untyped();
        let result = json!({
            "hate": {"filtered": false, "severity": "safe"},
            "jailbreak": {"filtered": true, "detected": true},
        });
        refusal.extra.fields.insert("status".to_owned(), json!(400));
        refusal.extra.fields.insert(
            "innererror".to_owned(),
            json!({"code": "ResponsibleAIPolicyViolation", "content_filter_result": result}),
        );
        refusal
    }

    // === Errors about one field ===

    pub(crate) fn missing(param: &str) -> Self {
        Self::new(format!("Missing required parameter: '{param}'."))
            .param(param)
            .code("missing_required_parameter")
    }

    pub(crate) fn unknown(param: &str) -> Self {
        Self::new(format!("Unknown parameter: '{param}'.")).param(param).code("unknown_parameter")
    }

    pub(crate) fn wrong_type(param: &str, expected: &str, found: &Value) -> Self {
        let found = match found {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(n) if n.is_f64() => "a decimal number",
            Value::Number(_) => "an integer",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        Self::new(format!(
            "Invalid type for '{param}': expected {expected}, but got {found} instead."
        ))
        .param(param)
        .code("invalid_type")
    }

    pub(crate) fn wrong_value(param: &str, found: &str, supported: &[&str]) -> Self {
        let supported = listed(supported);
        Self::new(format!("Invalid value: '{found}'. Supported values are: {supported}."))
            .param(param)
            .code("invalid_value")
    }

    pub(crate) fn unsupported(param: &str) -> Self {
        Self::new(format!("Unsupported parameter: '{param}' is not supported with this model."))
            .param(param)
            .code("unsupported_parameter")
    }

    pub(crate) fn unsupported_value(param: &str, found: &Value, rest: &str) -> Self {
        let found = found.as_str().map_or_else(|| found.to_string(), |word| format!("'{word}'"));
        Self::new(format!(
            "Unsupported value: '{param}' does not support {found} with this model. {rest}"
        ))
        .param(param)
        .code("unsupported_value")
    }

    pub(crate) fn array_too_short(param: &str) -> Self {
        Self::new(format!("Invalid '{param}': empty array. Expected an array with minimum length 1, but got an empty array instead."))
            .param(param)
            .code("empty_array")
    }

    pub(crate) fn array_too_long(param: &str, max: usize, length: usize) -> Self {
        Self::new(format!("Invalid '{param}': array too long. Expected an array with maximum length {max}, but got an array with length {length} instead."))
            .param(param)
            .code("array_above_max_length")
    }

    pub(crate) fn string_too_long(param: &str, max: usize, length: usize) -> Self {
        Self::new(format!("Invalid '{param}': string too long. Expected a string with maximum length {max}, but got a string with length {length} instead."))
            .param(param)
            .code("string_above_max_length")
    }

    pub(crate) fn string_empty(param: &str) -> Self {
        Self::new(format!("Invalid '{param}': empty string. Expected a string with minimum length 1, but got an empty string instead."))
            .param(param)
            .code("empty_string")
    }

    pub(crate) fn pattern(param: &str, pattern: &str) -> Self {
        Self::new(format!("Invalid '{param}': string does not match pattern. Expected a string that matches the pattern '{pattern}'."))
            .param(param)
            .code("invalid_value")
    }

    /// `what` is `integer` or `decimal`.
    pub(crate) fn below(param: &str, what: &str, min: u64, found: &Value) -> Self {
        Self::new(format!("Invalid '{param}': {what} below minimum value. Expected a value >= {min}, but got {found} instead."))
            .param(param)
            .code(&format!("{what}_below_min_value"))
    }

    pub(crate) fn above(param: &str, what: &str, max: u64, found: &Value) -> Self {
        Self::new(format!("Invalid '{param}': {what} above maximum value. Expected a value <= {max}, but got {found} instead."))
            .param(param)
            .code(&format!("{what}_above_max_value"))
    }
}

/// `'a', 'b', and 'c'`
pub(crate) fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [head @ .., last] => format!("{}, and {last}", head.join(", ")),
    }
}
