//! What errors are told by: words of `code`, `type`, `status` and their like, and phrases of texts. All
//! in lower case.

pub(super) const REASONING: &[&str] = &["invalid_encrypted_content", "previous_response_not_found"];
pub(super) const REASONING_TEXT: &[&str] = &[
    "encrypted content",
    "provided without its required following item",
    "without its required 'reasoning' item",
    "items are not persisted when",
];
pub(super) const MONEY: &[&str] = &[
    "insufficient_quota",
    "credit_balance_exhausted",
    "billing_error",
    "billing_not_active",
    "billing_hard_limit_reached",
    "exceeded_current_quota_error",
    "insufficient_balance",
    "insufficient_credits",
    "payment_required",
    "spend_limit_exceeded",
    "usage_limit_reached",
    "arrearage",
    "base_resp_1008",
];
pub(super) const MONEY_TEXT: &[&str] = &[
    "exceeded your current quota",
    "insufficient balance",
    "insufficient credits",
    "insufficient quota",
    "credit balance is too low",
    "requires more credits",
    "spend limit",
    "spending limit",
    // Of a key of OpenRouter's, which has a budget of its own.
    "key limit exceeded",
    "billing hard limit",
];
pub(super) const POLICY: &[&str] = &[
    "content_filter",
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "invalid_prompt",
    "bio_policy",
    "cyber_policy",
    "cyber_policy_violation",
    "misalignment_policy_violation",
    "policy_violation",
    "moderation_blocked",
    "refusal",
];
pub(super) const KEY: &[&str] = &[
    "invalid_api_key",
    "authentication",
    "authentication_error",
    "invalid_authentication_error",
    "base_resp_1004",
];
pub(super) const KEY_TEXT: &[&str] = &[
    "incorrect api key",
    "invalid api key",
    "api key not valid",
    "api key is invalid",
    "api key has been",
];
pub(super) const NO_MODEL: &[&str] =
    &["model_not_found", "deploymentnotfound", "model_not_available"];
pub(super) const OVERLOADED: &[&str] = &[
    "server_is_overloaded",
    "overloaded_error",
    "overloaded",
    "service_unavailable_error",
    "service_unavailable",
    "unavailable_error",
    "engine_overloaded_error",
    "provider_overloaded",
    "insufficient_system_resource",
];
pub(super) const OVERLOADED_TEXT: &[&str] =
    &["overloaded", "at capacity", "no capacity", "loading model", "server busy", "is busy"];
pub(super) const RATE: &[&str] = &[
    "rate_limit_exceeded",
    "rate_limit_error",
    "rate_limit_reached_error",
    "ratelimitreached",
    "slow_down",
    "base_resp_1002",
    "too_many_requests",
    "tokens",
    "requests",
];
pub(super) const PERMISSION: &[&str] =
    &["permission_denied", "permission_error", "unsupported_country_region_territory"];
pub(super) const TIMEOUT: &[&str] = &["timeout", "timeout_error", "request_timeout"];
pub(super) const INVALID: &[&str] = &[
    "invalid_request_error",
    "invalid_request",
    "invalid_value",
    "badrequesterror",
    "invalid_image",
    "invalid_image_format",
    "invalid_image_url",
    "image_parse_error",
    "image_too_large",
    "unsupported_parameter",
    "unknown_parameter",
];
