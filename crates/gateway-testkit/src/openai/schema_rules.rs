//! What JSON Schemas the service takes for functions and structured output.

use serde_json::Value;

use super::refusal::Refusal;
use super::walk::{Checked, Fields};

/// Keywords that a strict schema may hold.
const STRICT_KEYWORDS: &[&str] = &[
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "const",
    "anyOf",
    "$ref",
    "$defs",
    "definitions",
    "description",
    "title",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "$schema",
];
const STRICT_FORMATS: &[&str] =
    &["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];
const COMBINATORS: &[&str] = &["oneOf", "anyOf", "allOf", "enum", "not"];
const TYPES: &[&str] = &["string", "number", "integer", "boolean", "object", "array", "null"];
const DEPTH: usize = 10;
const PROPERTIES: usize = 5000;
const ENUM_VALUES: usize = 1000;

/// What the schema is for, as the messages say it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct For<'a> {
    /// `function 'Bash'` or `response_format 'output'`
    pub(crate) what: &'a str,
    pub(crate) param: &'a str,
    pub(crate) code: &'a str,
}

impl For<'_> {
    fn refuse(self, why: &str) -> Refusal {
        let Self { what, param, code } = self;
        Refusal::new(format!("Invalid schema for {what}: {why}")).param(param).code(code)
    }

    fn within(self, context: &[String], why: &str) -> Refusal {
        self.refuse(&format!("In context={}, {why}", tuple(context)))
    }
}

/// Checks a schema; the root rules hold always, the rest of the limits when `strict`.
pub(crate) fn check(schema: &Value, strict: bool, of: For<'_>) -> Checked {
    let Some(root) = schema.as_object() else {
        return Err(of.refuse(&format!("{} is not of type 'object', 'boolean'.", repr(schema))));
    };
    match root.get("type").and_then(Value::as_str) {
        Some("object") => {}
        found => {
            let found = found.unwrap_or("None");
            return Err(of.refuse(&format!(
                "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{found}\"'."
            )));
        }
    }
    if COMBINATORS.iter().any(|word| root.contains_key(*word)) {
        return Err(of.refuse("schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level."));
    }
    let mut walk = Walk { of, strict, properties: 0, enum_values: 0, root: schema };
    walk.schema(schema, &mut Vec::new(), 1)
}

struct Walk<'a> {
    of: For<'a>,
    strict: bool,
    properties: usize,
    enum_values: usize,
    root: &'a Value,
}

impl Walk<'_> {
    fn schema(&mut self, schema: &Value, context: &mut Vec<String>, depth: usize) -> Checked {
        self.meta(schema)?;
        let Some(fields) = schema.as_object() else {
            if self.strict {
                return Err(self.of.within(context, "schema must have a 'type' key."));
            }
            return Ok(());
        };
        // Free-form objects are an error at the root only; strict ones are refused below.
        if context.is_empty() && !fields.contains_key("properties") {
            return Err(self.of.within(context, "object schema missing properties."));
        }
        if has_type(fields, "array") && !fields.contains_key("items") {
            return Err(self.of.within(context, "array schema missing items."));
        }
        if self.strict {
            self.strictly(fields, context, depth)?;
        }
        self.below(fields, context, depth)
    }

    /// What the definition of JSON Schema itself (2020-12) forbids; told without a context.
    fn meta(&self, schema: &Value) -> Checked {
        let wrong =
            |value: &Value, why: &str| Err(self.of.refuse(&format!("{} {why}", repr(value))));
        let fields = match schema {
            Value::Object(fields) => fields,
            Value::Bool(_) => return Ok(()),
            other => return wrong(other, "is not of type 'object', 'boolean'."),
        };
        for (name, value) in fields {
            match name.as_str() {
                "properties" | "$defs" | "definitions" | "patternProperties"
                    if !value.is_object() =>
                {
                    return wrong(value, "is not of type 'object'.");
                }
                "required" => match value.as_array() {
                    None => return wrong(value, "is not of type 'array'."),
                    Some(names) if (1..names.len()).any(|n| names[..n].contains(&names[n])) => {
                        return wrong(value, "has non-unique elements.");
                    }
                    Some(_) => {}
                },
                "enum" | "anyOf" | "oneOf" | "allOf" if !value.is_array() => {
                    return wrong(value, "is not of type 'array'.");
                }
                "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf"
                    if !value.is_number() =>
                {
                    return wrong(value, "is not of type 'number'.");
                }
                "type" if !type_words(value) => {
                    return wrong(value, "is not valid under any of the given schemas.");
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn below(&mut self, fields: &Fields, context: &mut Vec<String>, depth: usize) -> Checked {
        for group in ["properties", "$defs", "definitions"] {
            for (name, schema) in fields.get(group).and_then(Value::as_object).into_iter().flatten()
            {
                context.extend([group.to_owned(), name.clone()]);
                self.schema(schema, context, depth + 1)?;
                context.truncate(context.len() - 2);
            }
        }
        if let Some(items) = fields.get("items") {
            context.push("items".to_owned());
            self.schema(items, context, depth + 1)?;
            context.pop();
        }
        for group in ["anyOf", "oneOf", "allOf"] {
            let members = fields.get(group).and_then(Value::as_array);
            for (index, schema) in members.into_iter().flatten().enumerate() {
                context.extend([group.to_owned(), index.to_string()]);
                self.schema(schema, context, depth)?;
                context.truncate(context.len() - 2);
            }
        }
        Ok(())
    }

    fn strictly(&mut self, fields: &Fields, context: &[String], depth: usize) -> Checked {
        let refuse = |why: &str| Err(self.of.within(context, why));
        if let Some(word) = fields.keys().find(|word| !STRICT_KEYWORDS.contains(&word.as_str())) {
            return refuse(&format!("'{word}' is not permitted."));
        }
        if depth > DEPTH {
            return refuse(&format!("schema is nested deeper than {DEPTH} levels."));
        }
        if let Some(format) = fields.get("format").and_then(Value::as_str)
            && !STRICT_FORMATS.contains(&format)
        {
            return refuse(&format!("'{format}' is not a valid format."));
        }
        if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
            let found = target == "#"
                || target.strip_prefix('#').is_some_and(|at| self.root.pointer(at).is_some());
            if !found {
                return refuse(&format!(
                    "reference to component '{target}' which was not found in the schema."
                ));
            }
        } else if !["type", "anyOf", "enum", "const"].iter().any(|key| fields.contains_key(*key)) {
            return refuse("schema must have a 'type' key.");
        }
        if has_type(fields, "object") {
            if fields.get("additionalProperties") != Some(&Value::Bool(false)) {
                return refuse(
                    "'additionalProperties' is required to be supplied and to be false.",
                );
            }
            let none = Fields::new();
            let properties = fields.get("properties").and_then(Value::as_object).unwrap_or(&none);
            let required: Vec<&str> = fields
                .get("required")
                .and_then(Value::as_array)
                .map(|names| names.iter().filter_map(Value::as_str).collect())
                .unwrap_or_default();
            if let Some(missing) = properties.keys().find(|key| !required.contains(&key.as_str())) {
                return refuse(&format!(
                    "'required' is required to be supplied and to be an array including every key in properties. Missing '{missing}'."
                ));
            }
            if let Some(extra) = required.iter().find(|key| !properties.contains_key(**key)) {
                return refuse(&format!(
                    "'required' is required to be supplied and to be an array including every key in properties. Extra required key '{extra}' supplied."
                ));
            }
            self.properties += properties.len();
            if self.properties > PROPERTIES {
                return Err(self.of.refuse(&format!(
                    "schema has more than {PROPERTIES} object properties in total."
                )));
            }
        }
        self.enum_values += fields.get("enum").and_then(Value::as_array).map_or(0, Vec::len);
        if self.enum_values > ENUM_VALUES {
            return Err(self
                .of
                .refuse(&format!("schema has more than {ENUM_VALUES} enum values.")));
        }
        Ok(())
    }
}

fn type_words(value: &Value) -> bool {
    let word = |value: &Value| value.as_str().is_some_and(|word| TYPES.contains(&word));
    word(value) || value.as_array().is_some_and(|list| list.iter().all(word))
}

/// As Python writes it, near enough.
fn repr(value: &Value) -> String {
    match value {
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => "None".to_owned(),
        other => other.to_string().replace('"', "'"),
    }
}

fn has_type(fields: &Fields, kind: &str) -> bool {
    match fields.get("type") {
        Some(Value::String(word)) => word == kind,
        Some(Value::Array(words)) => words.iter().any(|word| word == kind),
        _ => false,
    }
}

/// As Python writes it: `()`, `('a',)`, `('a', 'b')`.
fn tuple(context: &[String]) -> String {
    match context {
        [] => "()".to_owned(),
        [one] => format!("('{one}',)"),
        many => {
            let quoted: Vec<String> = many.iter().map(|part| format!("'{part}'")).collect();
            format!("({})", quoted.join(", "))
        }
    }
}
