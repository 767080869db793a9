//! Tool schemas made acceptable.
//!
//! OpenAI refuses some schemas even where it does not hold the model to them: the root must be an
//! object with properties and without alternatives, arrays must say what they hold. Most schemas are
//! fine and pass as they were written; only one that is not is taken apart ([`fix`]).

mod fix;
mod strict;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use gateway_translate::{Kind, Malformed, Reader};
use gateway_types::{Raw, Text};

pub use strict::strict_ok;

/// Deeper schemas are cut there: `{}` takes anything.
const MAX_DEPTH: usize = 60;

/// The schema as OpenAI takes it for a function; untouched where nothing has to change.
///
/// ```
/// use gateway_openai::acceptable_schema;
/// use gateway_types::Raw;
///
/// let fine = Raw::from_json(r#"{"type":"object","properties":{"a":{"type":"string"}}}"#);
/// assert_eq!(acceptable_schema(fine), fine.as_str());
/// let bare = Raw::from_json(r#"{"type":"object"}"#);
/// assert_eq!(acceptable_schema(bare), r#"{"type":"object","properties":{}}"#);
/// ```
pub fn acceptable_schema(schema: Raw<'_>) -> Cow<'_, str> {
    let mut reader = Reader::new(schema.as_str());
    match is_fine(&mut reader, 0) {
        Ok(true) => Cow::Borrowed(schema.as_str()),
        _ => Cow::Owned(fix::fixed(schema.as_str())),
    }
}

/// The schema as OpenAI takes it for a whole answer; `None` where its root is no object: mended it
/// would be another answer's, so that the model has to be asked in words.
pub(crate) fn format_schema(schema: Raw<'_>) -> Option<Cow<'_, str>> {
    let acceptable = acceptable_schema(schema);
    let mut types = None;
    // What is no object says nothing.
    let _ = Reader::new(schema.as_str()).object::<Malformed>(|r, key| match key.escaped() {
        "type" => Types::read(r).map(|read| types = Some(read)),
        _ => r.skip(),
    });
    let object = match types {
        Some(Types { only_object: true, .. }) => true,
        Some(Types { listed: false, .. }) => false,
        _ => {
            let properties = gateway_translate::find(acceptable.as_bytes(), &["properties"]);
            properties.is_some_and(|span| &acceptable[span] != "{}")
        }
    };
    object.then_some(acceptable)
}

/// What may stand behind a keyword of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// Names of types.
    Types,
    /// Schemas by name.
    Map,
    /// A schema.
    Schema,
    /// A schema that may be a boolean.
    SchemaOrBool,
    /// A list of schemas.
    List,
    /// Values.
    Values,
    /// Names.
    Names,
    /// A number.
    Number,
    /// A text.
    Text,
    /// Yes or no.
    Flag,
    /// Any value at all.
    Anything,
    /// Anything but `null`.
    Other,
}

fn holds(keyword: &str) -> Holds {
    match keyword {
        "type" => Holds::Types,
        "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => {
            Holds::Map
        }
        "items" => Holds::Schema,
        "anyOf" | "oneOf" | "allOf" | "prefixItems" => Holds::List,
        "additionalProperties"
        | "additionalItems"
        | "unevaluatedProperties"
        | "unevaluatedItems"
        | "not"
        | "if"
        | "then"
        | "else"
        | "contains"
        | "propertyNames" => Holds::SchemaOrBool,
        "enum" => Holds::Values,
        "required" => Holds::Names,
        // An older JSON Schema had booleans for the exclusive ones.
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf"
        | "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
        | "maxProperties" | "minContains" | "maxContains" => Holds::Number,
        "title" | "description" | "pattern" | "format" | "$ref" | "$comment" => Holds::Text,
        "uniqueItems" | "deprecated" | "readOnly" | "writeOnly" => Holds::Flag,
        "const" | "default" | "example" | "examples" => Holds::Anything,
        _ => Holds::Other,
    }
}

const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "object", "array", "null"];

/// What the root may not have: it must be one plain object.
const NOT_AT_ROOT: [&str; 7] = ["anyOf", "oneOf", "allOf", "enum", "const", "not", "$ref"];

/// Whether nothing has to change in the schema that comes next; it is read to its end either way.
fn is_fine(r: &mut Reader<'_>, depth: usize) -> Result<bool, Malformed> {
    if depth > MAX_DEPTH || r.kind()? != Kind::Object {
        return Ok(depth > 0 && r.raw()?.as_str() == "{}");
    }
    let root = depth == 0;
    let (mut fine, mut object, mut array, mut properties, mut items) =
        (true, false, false, false, false);
    r.object::<Malformed>(|r, key| {
        let key = key.escaped();
        fine &= !(root && NOT_AT_ROOT.contains(&key));
        properties |= key == "properties";
        items |= key == "items";
        fine &= match holds(key) {
            Holds::Types => {
                let types = Types::read(r)?;
                object |= types.only_object;
                array |= types.array;
                types.known
            }
            Holds::Map => each_member(r, |r| is_fine(r, depth + 1))?,
            Holds::List => {
                each_element(r, |r| is_fine(r, depth + 1))?.is_some_and(|(f, n)| f && n > 0)
            }
            Holds::SchemaOrBool if r.kind()? == Kind::Bool => r.skip().map(|()| true)?,
            Holds::Schema | Holds::SchemaOrBool => is_fine(r, depth + 1)?,
            Holds::Values => {
                each_element(r, |r| r.skip().map(|()| true))?.is_some_and(|(_, n)| n > 0)
            }
            Holds::Names => {
                each_element(r, |r| Ok(r.maybe_string()?.is_some()))?.is_some_and(|(f, _)| f)
            }
            Holds::Number => is_next(r, Kind::Number)?,
            Holds::Text => is_next(r, Kind::String)?,
            Holds::Flag => is_next(r, Kind::Bool)?,
            Holds::Anything => r.skip().map(|()| true)?,
            Holds::Other => !r.raw()?.is_null(),
        };
        Ok(())
    })?;
    Ok(fine && (!array || items) && (!root || (object && properties)))
}

/// Whether the next value, which is passed over, is of this kind.
fn is_next(r: &mut Reader<'_>, kind: Kind) -> Result<bool, Malformed> {
    let is = r.kind()? == kind;
    r.skip().map(|()| is)
}

/// What a `type` says.
#[derive(Debug, Default)]
struct Types {
    /// All of them are types of JSON schema.
    known: bool,
    /// It is `"object"` and nothing else.
    only_object: bool,
    /// Arrays are among them.
    array: bool,
    /// They stand in a list.
    listed: bool,
}

impl Types {
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let known = |word: Text<'_>| TYPES.contains(&word.escaped());
        Ok(match r.kind()? {
            Kind::String => {
                let word = r.string()?;
                let is = |name| word.escaped() == name;
                Self {
                    known: known(word),
                    only_object: is("object"),
                    array: is("array"),
                    listed: false,
                }
            }
            Kind::Array => {
                let mut types = Self { known: true, listed: true, ..Self::default() };
                let mut count = 0;
                r.array::<Malformed>(|r| {
                    let word = r.maybe_string()?;
                    count += 1;
                    types.known &= word.is_some_and(known);
                    types.array |= word.is_some_and(|word| word.escaped() == "array");
                    Ok(())
                })?;
                types.known &= count > 0;
                types
            }
            _ => r.skip().map(|()| Self::default())?,
        })
    }
}

fn each_member<'b>(
    r: &mut Reader<'b>,
    mut is_fine: impl FnMut(&mut Reader<'b>) -> Result<bool, Malformed>,
) -> Result<bool, Malformed> {
    if r.kind()? != Kind::Object {
        return r.skip().map(|()| false);
    }
    let mut fine = true;
    r.object::<Malformed>(|r, _| {
        fine &= is_fine(r)?;
        Ok(())
    })?;
    Ok(fine)
}

/// Whether all elements are fine, and how many there are; `None` where it is no array.
fn each_element<'b>(
    r: &mut Reader<'b>,
    mut is_fine: impl FnMut(&mut Reader<'b>) -> Result<bool, Malformed>,
) -> Result<Option<(bool, usize)>, Malformed> {
    if r.kind()? != Kind::Array {
        return r.skip().map(|()| None);
    }
    let (mut fine, mut count) = (true, 0);
    r.array::<Malformed>(|r| {
        count += 1;
        fine &= is_fine(r)?;
        Ok(())
    })?;
    Ok(Some((fine, count)))
}
