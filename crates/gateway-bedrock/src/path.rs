//! Where a model is asked.

use gateway_translate::path_segment;
use gateway_types::{ApiError, ErrorKind};

/// The path of an operation on a model, its id as one segment: Bedrock takes a slash of an ARN that is not
/// encoded for another route.
///
/// ```
/// use gateway_bedrock::model_path;
///
/// let path = model_path("amazon.nova-pro-v1:0", "converse")?;
/// assert_eq!(path, "/model/amazon.nova-pro-v1%3A0/converse");
/// # Ok::<(), gateway_types::ApiError>(())
/// ```
///
/// # Errors
/// For an id that is none.
pub fn model_path(model: &str, operation: &str) -> Result<String, ApiError> {
    if matches!(model, "" | "." | "..") {
        let text = format!(
            "model: `{model}` is no model id of Bedrock; use an id such as \
             `us.anthropic.claude-sonnet-4-5-20250929-v1:0`, or an ARN"
        );
        return Err(ApiError::new(ErrorKind::InvalidRequest, text));
    }
    Ok(format!("/model/{}/{operation}", path_segment(model)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment_of_the_path() {
        for (model, wanted) in [
            (
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0",
            ),
            (
                "arn:aws:bedrock:us-east-1:1:inference-profile/us.x",
                "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x",
            ),
            ("a b?c#d%2F/../é", "a%20b%3Fc%23d%252F%2F..%2F%C3%A9"),
        ] {
            let path = model_path(model, "converse-stream").expect("an id");
            assert_eq!(path, format!("/model/{wanted}/converse-stream"));
        }
        for none in ["", ".", ".."] {
            assert_eq!(model_path(none, "converse").expect_err("no id").status(), 400);
        }
    }
}
