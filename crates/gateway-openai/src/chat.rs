//! Chat Completions.

pub(crate) fn encode(
    _: &gateway_types::Request<'_>,
    _: &crate::common::Target<'_>,
) -> Result<gateway_translate::Encoded, gateway_types::ApiError> {
    Err(gateway_types::ApiError::new(gateway_types::ErrorKind::Internal, "not yet"))
}
