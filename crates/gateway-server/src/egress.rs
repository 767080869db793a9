//! Which dialect a provider's configuration means.

use gateway_config::Provider;
use gateway_translate::Egress;

/// The dialect of a provider that does not speak the callers' own.
pub(crate) fn of(_provider: &Provider) -> Option<Box<dyn Egress>> {
    None
}
