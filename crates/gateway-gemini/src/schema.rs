//! Tool schemas as Google takes them (behaviour R21).
//!
//! There are two fields for them. [`json_schema`] makes what `parametersJsonSchema` takes: JSON Schema
//! with the keywords that are documented. [`openapi_schema`] makes what the older `parameters` takes, a
//! subset of `OpenAPI`'s. What can't be said is told in the description, so that the model knows it all the
//! same. Only schemas are rewritten; the names in `properties` are names, whatever they are called.

mod json;
mod node;
mod openapi;
mod refs;

use std::borrow::Cow;

use gateway_dialect::SchemaMemo;
use gateway_types::Raw;

use node::Node;

/// Remembers what was made of schemas, one memory for each way of making them acceptable. Clones share
/// them.
#[derive(Debug, Clone, Default)]
pub struct Schemas {
    json: SchemaMemo,
    openapi: SchemaMemo,
}

impl Schemas {
    /// [`json_schema`], remembered.
    pub(crate) fn json<'b>(&self, schema: Raw<'b>) -> Cow<'b, str> {
        self.json.mended(schema, |schema| Cow::Owned(json_schema(schema)))
    }

    /// [`openapi_schema`], remembered; `None` for an object without properties.
    pub(crate) fn openapi<'b>(&self, schema: Raw<'b>) -> Option<Cow<'b, str>> {
        let made = self
            .openapi
            .mended(schema, |schema| Cow::Owned(openapi_schema(schema).unwrap_or_default()));
        (!made.is_empty()).then_some(made)
    }
}

/// The schema of a function's arguments for `parametersJsonSchema`. Making it twice changes nothing.
///
/// ```
/// use gateway_gemini::json_schema;
/// use gateway_types::Raw;
///
/// let schema = r#"{"$schema":"x","type":"object","properties":{"n":{"const":1}}}"#;
/// assert_eq!(
///     json_schema(Raw::from_json(schema)),
///     r#"{"type":"object","properties":{"n":{"enum":[1]}}}"#,
/// );
/// ```
pub fn json_schema(schema: Raw<'_>) -> String {
    json::prepared(Node::read(schema.as_str()), json::Root::Object).to_json()
}

/// The schema of a whole answer for `responseJsonSchema`: its root may be anything.
pub(crate) fn format_schema(schema: Raw<'_>) -> String {
    json::prepared(Node::read(schema.as_str()), json::Root::Any).to_json()
}

/// The schema of a function's arguments for `parameters`; `None` where there are none: an object without
/// properties is refused. Made of what it made, it is the same.
pub fn openapi_schema(schema: Raw<'_>) -> Option<String> {
    let node = json::prepared(Node::read(schema.as_str()), json::Root::Object);
    openapi::root(node).map(|node| node.to_json())
}

/// The schema of a whole answer for `responseSchema`.
pub(crate) fn openapi_format(schema: Raw<'_>) -> String {
    let node = json::prepared(Node::read(schema.as_str()), json::Root::Any);
    openapi::any(node).to_json()
}
