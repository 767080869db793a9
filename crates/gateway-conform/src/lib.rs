//! Drives an endpoint that speaks the Anthropic Messages API with recorded client traffic and says
//! what it gets wrong.
