//! What a person can do about an error that configuration or an account causes.

use super::Whose;
use super::said::Said;
use crate::family;

/// The model has no on-demand form here: names the profile's form of this very id.
pub(super) fn on_demand(whose: &Whose, quoted: &str) -> String {
    let Whose { model, region, .. } = whose;
    let place = match region.split('-').next().unwrap_or_default() {
        "eu" => "eu.",
        "ap" => "apac.",
        "ca" => "ca.",
        _ if region.starts_with("us-gov-") => "us-gov.",
        _ => "us.",
    };
    let bare = family::without_place(model);
    format!(
        "model `{model}` is served through inference profiles only: configure the model id \
         `{place}{bare}` or `global.{bare}`, or the ARN of a profile of yours ({quoted})"
    )
}

pub(super) fn no_model(whose: &Whose, quoted: &str) -> String {
    let Whose { model, region, .. } = whose;
    format!(
        "Bedrock knows no model `{model}` in region `{region}`: check the model id, which may need a \
         prefix such as `us.` or `global.`, and the region ({quoted})"
    )
}

/// Credentials that were refused; the gateway asks again with fresh ones before this is told.
pub(super) fn credentials(whose: &Whose, said: &Said, quoted: &str) -> String {
    let provider = &whose.provider;
    let kind = said.kind.to_ascii_lowercase();
    let clock = ["signature expired", "not yet current", "signature not yet"];
    let what = if said.mentions(&clock) || kind == "requestexpired" {
        "their signature carries a wrong time: check the clock of this machine"
    } else if kind.starts_with("expiredtoken") || said.mentions(&["expired"]) {
        "they have expired: sign in again (`aws sso login`) or renew them"
    } else if kind.starts_with("invalidsignature") || kind == "signaturedoesnotmatch" {
        "the signature does not fit: check the secret access key, the region, and that no proxy \
         changes the path or the host"
    } else {
        "check AWS_BEARER_TOKEN_BEDROCK, AWS_ACCESS_KEY_ID or AWS_PROFILE, whichever you use"
    };
    format!("{provider} refused the AWS credentials that the gateway has for it; {what} ({quoted})")
}

pub(super) fn access(whose: &Whose, said: &Said, quoted: &str) -> String {
    let Whose { model, region, .. } = whose;
    let what = if said.mentions(&["is not authorized to perform", "explicit deny"]) {
        "allow `bedrock:InvokeModel` and `bedrock:InvokeModelWithResponseStream` on the model and its \
         inference profile in the policy of these AWS credentials"
            .to_owned()
    } else {
        format!(
            "enable model access for it in the Bedrock console of region `{region}` (Anthropic's models \
             also want the use case form)"
        )
    };
    format!("no access to model `{model}`: {what} ({quoted})")
}
