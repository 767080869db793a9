//! Whether a schema may be sent with `strict`.

use std::collections::HashSet;

use gateway_translate::{Kind, Malformed, Reader};
use gateway_types::Raw;

/// Deeper, OpenAI refuses it.
const MAX_DEPTH: usize = 10;
const MAX_PROPERTIES: usize = 5000;
const MAX_ENUM: usize = 1000;

const KEYWORDS: [&str; 24] = [
    "$schema",
    "$ref",
    "$defs",
    "definitions",
    "type",
    "title",
    "description",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "const",
    "anyOf",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "$id",
];

const FORMATS: [&str; 9] =
    ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

/// Whether OpenAI takes `schema` with `strict: true`: every object closed, every property required,
/// only keywords that it can hold the model to.
pub fn strict_ok(schema: Raw<'_>) -> bool {
    let mut counts = Counts::default();
    let ok = check(&mut Reader::new(schema.as_str()), 0, &mut counts);
    ok == Ok(true) && counts.properties <= MAX_PROPERTIES && counts.values <= MAX_ENUM
}

#[derive(Debug, Default)]
struct Counts {
    properties: usize,
    values: usize,
}

fn check(r: &mut Reader<'_>, depth: usize, counts: &mut Counts) -> Result<bool, Malformed> {
    if depth > MAX_DEPTH || r.kind()? != Kind::Object {
        r.skip()?;
        return Ok(false);
    }
    let (mut ok, mut object, mut closed) = (true, false, false);
    let (mut properties, mut required) = (Vec::new(), HashSet::new());
    r.object::<Malformed>(|r, key| {
        let key = key.escaped();
        ok &= KEYWORDS.contains(&key) && !(depth == 0 && matches!(key, "anyOf" | "enum" | "$ref"));
        match key {
            "type" => object = r.raw()?.as_str().contains("\"object\""),
            "additionalProperties" => closed = r.raw()?.as_str() == "false",
            "properties" | "$defs" | "definitions" => {
                if r.kind()? != Kind::Object {
                    ok = false;
                    return r.skip();
                }
                r.object::<Malformed>(|r, name| {
                    if key == "properties" {
                        properties.push(name);
                        counts.properties += 1;
                    }
                    ok &= check(r, depth + 1, counts)?;
                    Ok(())
                })?;
            }
            "required" if r.kind()? == Kind::Array => {
                r.array::<Malformed>(|r| {
                    required.extend(r.maybe_string()?);
                    Ok(())
                })?;
            }
            "items" => ok &= check(r, depth + 1, counts)?,
            "anyOf" if r.kind()? == Kind::Array => {
                r.array::<Malformed>(|r| {
                    ok &= check(r, depth + 1, counts)?;
                    Ok(())
                })?;
            }
            "enum" if r.kind()? == Kind::Array => {
                r.array::<Malformed>(|r| {
                    counts.values += 1;
                    r.skip()
                })?;
            }
            "required" | "anyOf" | "enum" => {
                ok = false;
                r.skip()?;
            }
            "format" => {
                ok &= r.maybe_string()?.is_some_and(|f| FORMATS.contains(&f.escaped()));
            }
            _ => r.skip()?,
        }
        Ok(())
    })?;
    let is_object = object || !properties.is_empty();
    let complete = properties.iter().all(|name| required.contains(name));
    Ok(ok && (!is_object || (closed && complete)) && (depth > 0 || object))
}
