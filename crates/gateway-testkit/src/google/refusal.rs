//! What a request is refused with: the status and the error body of the real service.

use serde_json::{Value, json};

/// A request refused, or any other error answered in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The HTTP status, and `error.code`.
    pub code: u16,
    /// `error.message`
    pub message: String,
    /// `error.status`: `INVALID_ARGUMENT`. For an error in Anthropic's form its type.
    pub status: String,
    /// `error.details`; absent when empty.
    pub details: Vec<Value>,
    /// Headers beside the usual ones.
    pub headers: Vec<(String, String)>,
    /// In whose form.
    pub form: Form,
}

/// How an error is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// `{"error": {…}}`
    #[default]
    Google,
    /// `[{"error": {…}}]`, as a streamed answer without `alt=sse` has it, and Vertex at times.
    Array,
    /// As the Messages API has it: what the model itself says of a request to Claude.
    Anthropic,
    /// As a token endpoint has it: `{"error", "error_description"}`.
    Oauth,
}

const TYPES: &str = "type.googleapis.com/google.rpc.";

impl Refusal {
    /// A 400 `INVALID_ARGUMENT`.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            code: 400,
            message: message.into(),
            status: "INVALID_ARGUMENT".to_owned(),
            details: Vec::new(),
            headers: Vec::new(),
            form: Form::Google,
        }
    }

    /// With this code and status.
    #[must_use]
    pub fn status(mut self, code: u16, status: &str) -> Self {
        self.code = code;
        status.clone_into(&mut self.status);
        self
    }

    /// With one more detail of this type, such as `RetryInfo`.
    #[must_use]
    pub fn detail(mut self, kind: &str, mut fields: Value) -> Self {
        fields["@type"] = json!(format!("{TYPES}{kind}"));
        self.details.push(fields);
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Wrapped into an array.
    #[must_use]
    pub fn in_array(mut self) -> Self {
        self.form = Form::Array;
        self
    }

    /// In Anthropic's form, with this HTTP status and `error.type`.
    pub fn anthropic(code: u16, kind: &str, message: impl Into<String>) -> Self {
        Self { form: Form::Anthropic, ..Self::new(message).status(code, kind) }
    }

    /// The body as the service writes it.
    pub fn body(&self) -> Value {
        if self.form == Form::Anthropic {
            return json!({
                "type": "error", "request_id": "req_vrtx_011CVtest",
                "error": {"type": self.status, "message": self.message},
            });
        }
        if self.form == Form::Oauth {
            return json!({"error": self.status, "error_description": self.message});
        }
        let mut error = json!({"code": self.code, "message": self.message, "status": self.status});
        if !self.details.is_empty() {
            error["details"] = json!(self.details);
        }
        let body = json!({ "error": error });
        if self.form == Form::Array { json!([body]) } else { body }
    }

    // === Errors that are not about the body ===

    /// AI Studio without a key.
    pub fn no_key() -> Self {
        Self::new("Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.")
            .status(403, "PERMISSION_DENIED")
    }

    /// AI Studio with a key that is none: a 400, not a 401.
    pub fn wrong_key() -> Self {
        let reason = json!({
            "reason": "API_KEY_INVALID", "domain": "googleapis.com",
            "metadata": {"service": "generativelanguage.googleapis.com"},
        });
        let words = json!({"locale": "en-US", "message": "API key not valid. Please pass a valid API key."});
        Self::new("API key not valid. Please pass a valid API key.")
            .detail("ErrorInfo", reason)
            .detail("LocalizedMessage", words)
    }

    /// Vertex without a token, or with one that is unknown or has expired.
    pub fn unauthenticated() -> Self {
        let reason = json!({
            "reason": "ACCESS_TOKEN_EXPIRED", "domain": "googleapis.com",
            "metadata": {"service": "aiplatform.googleapis.com"},
        });
        Self::new("Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.")
            .status(401, "UNAUTHENTICATED")
            .detail("ErrorInfo", reason)
            .header("www-authenticate", "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"")
    }

    /// A project that the caller may not use.
    pub fn permission_denied(project: &str) -> Self {
        Self::new(format!("Permission 'aiplatform.endpoints.predict' denied on resource '//aiplatform.googleapis.com/projects/{project}' (or it may not exist)."))
            .status(403, "PERMISSION_DENIED")
    }

    /// A quota, to be tried again after so many seconds.
    pub fn rate_limit(seconds: &str) -> Self {
        let violation = json!({
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_paid_tier_input_token_count",
            "quotaId": "GenerateContentPaidTierInputTokensPerModelPerMinute",
            "quotaDimensions": {"location": "global"}, "quotaValue": "1000000",
        });
        Self::exhausted("You exceeded your current quota, please check your plan and billing details.")
            .detail("QuotaFailure", json!({"violations": [violation]}))
            .detail("Help", json!({"links": [{"description": "Learn more", "url": "https://ai.google.dev/gemini-api/docs/rate-limits"}]}))
            .detail("RetryInfo", json!({"retryDelay": format!("{seconds}s")}))
    }

    /// The quota of a day: no use to try again.
    pub fn daily_limit() -> Self {
        let violation = json!({
            "quotaMetric": "generativelanguage.googleapis.com/generate_requests_per_model_per_day",
            "quotaId": "GenerateRequestsPerDayPerProjectPerModel", "quotaValue": "250",
        });
        Self::exhausted(
            "You exceeded your current quota, please check your plan and billing details.",
        )
        .detail("QuotaFailure", json!({"violations": [violation]}))
        .detail("RetryInfo", json!({"retryDelay": "12s"}))
    }

    /// Vertex' shared capacity: a 429 that says nothing more.
    pub fn exhausted_without_details() -> Self {
        Self::exhausted(
            "Resource exhausted. Please try again later. Please refer to https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details.",
        )
    }

    fn exhausted(message: &str) -> Self {
        Self::new(message).status(429, "RESOURCE_EXHAUSTED")
    }

    /// The model is busy.
    pub fn overloaded() -> Self {
        Self::new("The model is overloaded. Please try again later.").status(503, "UNAVAILABLE")
    }

    /// Something broke.
    pub fn internal() -> Self {
        Self::new("An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting")
            .status(500, "INTERNAL")
    }

    /// It took too long.
    pub fn deadline() -> Self {
        Self::new("Deadline expired before operation could complete.")
            .status(504, "DEADLINE_EXCEEDED")
    }

    /// AI Studio from a country without it.
    pub fn location() -> Self {
        Self::new("User location is not supported for the API use.")
            .status(400, "FAILED_PRECONDITION")
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(message).status(404, "NOT_FOUND")
    }

    // === Errors about one field ===

    /// AI Studio's form of a broken rule: `* GenerateContentRequest.path: why`.
    pub(crate) fn field(path: &str, why: &str) -> Self {
        Self::new(format!("* GenerateContentRequest.{path}: {why}\n"))
    }

    /// Vertex' form of a broken rule.
    pub(crate) fn submit(why: &str) -> Self {
        Self::new(format!(
            "Unable to submit request because {why}. Learn more: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/gemini"
        ))
    }

    /// What the parser of JSON says: all that it could not read.
    pub(crate) fn unreadable(violations: &[(String, String)]) -> Self {
        let texts: Vec<&str> = violations.iter().map(|(_, text)| text.as_str()).collect();
        let listed: Vec<Value> = violations
            .iter()
            .map(|(path, text)| json!({"field": path, "description": text}))
            .collect();
        Self::new(texts.join("\n")).detail("BadRequest", json!({"fieldViolations": listed}))
    }
}
