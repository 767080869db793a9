//! What the service refuses in tools and their schemas.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::models::Gemini;
use super::refusal::Refusal;
use super::rules::{Platform, Rules};

type Checked = Result<(), Refusal>;

/// Keywords of JSON Schema that are documented.
const KEYWORDS: &[&str] = &[
    "$id",
    "$defs",
    "$ref",
    "$anchor",
    "type",
    "format",
    "title",
    "description",
    "enum",
    "items",
    "prefixItems",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "anyOf",
    "oneOf",
    "properties",
    "additionalProperties",
    "required",
    "propertyOrdering",
];
const TYPES: &[&str] = &["string", "number", "integer", "boolean", "object", "array", "null"];

/// Checks `tools` and `toolConfig`; returns how many functions there are.
pub(crate) fn check(request: &Value, model: Gemini, rules: &Rules) -> Result<usize, Refusal> {
    let tools = request["tools"].as_array().map_or(&[][..], Vec::as_slice);
    let mut names = HashSet::new();
    let mut server_tools: Vec<&str> = Vec::new();
    for (number, tool) in tools.iter().enumerate() {
        let tool = tool.as_object().expect("a message that was read is an object");
        if tool.is_empty() {
            return Err(Refusal::field(
                &format!("tools[{number}].tool_type"),
                "required one_of 'tool_type' must have one initialized field",
            ));
        }
        server_tools
            .extend(tool.keys().map(String::as_str).filter(|name| *name != "functionDeclarations"));
        let functions = tool.get("functionDeclarations").and_then(Value::as_array);
        for (index, function) in functions.into_iter().flatten().enumerate() {
            let at = format!("tools[{number}].function_declarations[{index}]");
            self::function(function, &at, rules)?;
            let name = function["name"].as_str().unwrap_or_default();
            if !names.insert(name) {
                return Err(match rules.platform {
                    Platform::Studio => {
                        Refusal::new(format!("Duplicate function declaration found: {name}"))
                    }
                    Platform::Vertex => Refusal::submit(&format!(
                        "Duplicate function declaration found: {name}. Remove the duplicate function declaration and try again"
                    )),
                });
            }
        }
    }
    mixed(&names, &server_tools, request, model, rules)?;
    config(request, &names)?;
    Ok(names.len())
}

fn mixed(
    names: &HashSet<&str>,
    server_tools: &[&str],
    request: &Value,
    model: Gemini,
    rules: &Rules,
) -> Checked {
    let asked = request["toolConfig"]["includeServerSideToolInvocations"] == true;
    if names.is_empty() || server_tools.is_empty() {
        return Ok(());
    }
    match rules.platform {
        Platform::Vertex => Err(Refusal::submit(
            "Multiple tools are supported only when they are all search tools.",
        )),
        Platform::Studio if !model.signs() => {
            Err(Refusal::new("Tool use with function calling is unsupported"))
        }
        Platform::Studio if !asked => Err(Refusal::new(
            "Please enable tool_config.include_server_side_tool_invocations to use Built-in tools with Function calling.",
        )),
        Platform::Studio => Ok(()),
    }
}

fn config(request: &Value, names: &HashSet<&str>) -> Checked {
    let calling = &request["toolConfig"]["functionCallingConfig"];
    let mode = calling["mode"].as_str().unwrap_or("AUTO");
    let allowed = calling["allowedFunctionNames"].as_array().map_or(&[][..], Vec::as_slice);
    let at = "tool_config.function_calling_config";
    if !allowed.is_empty() && !["ANY", "VALIDATED"].contains(&mode) {
        return Err(Refusal::new(
            "Allowed function names should only be set when function calling mode is ANY or VALIDATED.",
        ));
    }
    if mode == "ANY" && names.is_empty() {
        return Err(Refusal::new(
            "Function calling mode is ANY but no function declarations are provided.",
        ));
    }
    for (index, name) in allowed.iter().filter_map(Value::as_str).enumerate() {
        if !names.contains(name) {
            return Err(Refusal::field(
                &format!("{at}.allowed_function_names[{index}]"),
                &format!("function {name} is not declared."),
            ));
        }
    }
    Ok(())
}

fn function(function: &Value, at: &str, rules: &Rules) -> Checked {
    let name = function["name"].as_str().unwrap_or_default();
    let mut letters = name.bytes();
    let first = letters.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    let rest = letters.all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b));
    if !first || !rest || name.len() > 128 {
        let why = "Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128.";
        return Err(Refusal::field(&format!("{at}.name"), why));
    }
    for (open, json) in [("parameters", "parametersJsonSchema"), ("response", "responseJsonSchema")]
    {
        let snake = if open == "parameters" { "parameters" } else { "response" };
        let (open, json) = (function.get(open), function.get(json));
        if open.is_some() && json.is_some() {
            return Err(Refusal::field(
                at,
                &format!("only one of {snake} and {snake}_json_schema can be set."),
            ));
        }
        if let Some(schema) = open {
            let of = Of { function: Some(name), rules };
            if schema["type"] != "OBJECT" && snake == "parameters" {
                return Err(of.refuse(
                    &format!("{at}.{snake}"),
                    "schema should be of type OBJECT",
                    &format!("{snake}.type: should be OBJECT"),
                ));
            }
            of.schema(schema, &format!("{at}.{snake}"), true)?;
        }
        if let Some(schema) = json {
            let at = format!("{at}.{snake}_json_schema");
            if snake == "parameters" && schema["type"] != "object" {
                return Err(Refusal::field(&at, "schema must be of type object."));
            }
            json_schema(schema, &at)?;
        }
    }
    Ok(())
}

/// Whose schema it is, for the words of a refusal.
pub(crate) struct Of<'a> {
    /// The function; none: the response's.
    pub(crate) function: Option<&'a str>,
    pub(crate) rules: &'a Rules,
}

impl Of<'_> {
    fn refuse(&self, at: &str, vertex: &str, studio: &str) -> Refusal {
        match (self.rules.platform, self.function) {
            (Platform::Studio, _) => {
                let (at, why) =
                    studio.split_once(": ").map_or((at.to_owned(), studio), |(under, why)| {
                        let parent = at.rsplit_once('.').map_or("", |(parent, _)| parent);
                        let joined =
                            if under.starts_with("parameters") || under.starts_with("response") {
                                format!("{parent}.{under}")
                            } else {
                                format!("{at}.{under}")
                            };
                        (joined, why)
                    });
                Refusal::field(&at, why)
            }
            (Platform::Vertex, Some(name)) => {
                let under = at.split_once(']').map_or(at, |(_, rest)| rest);
                let under = under.split_once("].").map_or(under, |(_, rest)| rest);
                Refusal::submit(&format!("`{name}` functionDeclaration `{under}` {vertex}"))
            }
            (Platform::Vertex, None) => Refusal::submit(&format!("the response schema {vertex}")),
        }
    }

    /// The subset of `OpenAPI`: what its fields may hold together.
    pub(crate) fn schema(&self, schema: &Value, at: &str, root: bool) -> Checked {
        let fields = schema.as_object().expect("a message that was read is an object");
        let kind = fields.get("type").and_then(Value::as_str);
        let vertex = self.rules.platform == Platform::Vertex;
        if let Some(members) = fields.get("anyOf").and_then(Value::as_array) {
            if vertex && fields.len() > 1 {
                return Err(self.refuse(at, "schema specified other fields alongside any_of. When using any_of, it must be the only field set.", ""));
            }
            for (number, member) in members.iter().enumerate() {
                self.schema(member, &format!("{at}.any_of[{number}]"), false)?;
            }
        } else if kind.is_none() && !fields.contains_key("ref") {
            let why = "schema didn't specify the schema type field";
            return Err(self.refuse(at, why, "type: must be specified"));
        }
        if let Some(values) = fields.get("enum").and_then(Value::as_array) {
            if kind.is_some_and(|kind| kind != "STRING") {
                let why = "schema has an enum that is not of type STRING";
                return Err(self.refuse(at, why, "enum: only allowed for STRING type"));
            }
            if let Some(empty) = values.iter().position(|value| value == "") {
                let why = "schema has an empty enum value";
                return Err(self.refuse(at, why, &format!("enum[{empty}]: cannot be empty")));
            }
        }
        if let Some(format) = fields.get("format").and_then(Value::as_str) {
            let known: &[&str] = match kind {
                Some("STRING") => &["enum", "date-time"],
                Some("NUMBER") => &["float", "double"],
                Some("INTEGER") => &["int32", "int64"],
                _ => &[],
            };
            if !vertex && !known.contains(&format) {
                let kind = kind.unwrap_or_default();
                let known: Vec<String> = known.iter().map(|word| format!("'{word}'")).collect();
                let known = known.join(" and ");
                return Err(self.refuse(
                    at,
                    "",
                    &format!("format: only {known} are supported for {kind} type"),
                ));
            }
        }
        match (kind, fields.get("items")) {
            (Some("ARRAY"), None) => {
                let why = "schema is of type ARRAY but has no items";
                return Err(self.refuse(at, why, "items: missing field."));
            }
            (_, Some(items)) => self.schema(items, &format!("{at}.items"), false)?,
            _ => {}
        }
        self.properties(fields, at, root)
    }

    fn properties(&self, fields: &Map<String, Value>, at: &str, root: bool) -> Checked {
        let none = Map::new();
        let properties = fields.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let object = fields.get("type").is_some_and(|kind| kind == "OBJECT");
        if object
            && properties.is_empty()
            && (!root || fields.contains_key("properties"))
            && self.rules.platform == Platform::Studio
        {
            return Err(self.refuse(at, "", "properties: should be non-empty for OBJECT type"));
        }
        let required = fields.get("required").and_then(Value::as_array);
        for (number, name) in required.into_iter().flatten().filter_map(Value::as_str).enumerate() {
            if !properties.contains_key(name) {
                let vertex =
                    format!("schema requires `{name}`, which is not defined in properties");
                let studio = format!("required[{number}]: property is not defined");
                return Err(self.refuse(at, &vertex, &studio));
            }
        }
        for (name, schema) in properties {
            let at = match self.rules.platform {
                Platform::Studio => format!("{at}.properties[{name}]"),
                Platform::Vertex => format!("{at}.{name}"),
            };
            self.schema(schema, &at, false)?;
        }
        Ok(())
    }
}

/// JSON Schema, as far as it is documented.
pub(crate) fn json_schema(schema: &Value, at: &str) -> Checked {
    below(schema, at, schema)
}

fn below(schema: &Value, at: &str, root: &Value) -> Checked {
    let refuse = |why: String| Err(Refusal::field(at, &why));
    let Some(fields) = schema.as_object() else {
        return if schema.is_boolean() && at.ends_with("additionalProperties") {
            Ok(())
        } else {
            refuse(format!("a JSON schema must be an object, found {schema}."))
        };
    };
    if let Some(word) = fields.keys().find(|word| !KEYWORDS.contains(&word.as_str())) {
        return refuse(format!("JSON schema keyword '{word}' is not supported."));
    }
    if let Some(target) = fields.get("$ref") {
        if let Some(other) = fields.keys().find(|word| !word.starts_with('$')) {
            return refuse(format!("'{other}' is not allowed beside '$ref'."));
        }
        let target = target.as_str().unwrap_or_default();
        let found =
            target == "#" || target.strip_prefix('#').is_some_and(|at| root.pointer(at).is_some());
        if !found {
            return refuse(format!("'$ref' '{target}' cannot be resolved."));
        }
    }
    let words: Vec<&str> = match fields.get("type") {
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
        Some(word) => vec![word.as_str().unwrap_or_default()],
        None => Vec::new(),
    };
    if let Some(word) = words.iter().find(|word| !TYPES.contains(*word)) {
        return refuse(format!("'{word}' is not a valid type."));
    }
    if let Some(values) = fields.get("enum").and_then(Value::as_array)
        && values.iter().any(|value| !value.is_string() && !value.is_number())
    {
        return refuse("'enum' may hold strings and numbers only.".to_owned());
    }
    if let Some(required) = fields.get("required") {
        let names = required.as_array().map_or(&[][..], Vec::as_slice);
        if names.iter().any(|name| !name.is_string()) || !required.is_array() {
            return refuse("'required' must be a list of strings.".to_owned());
        }
    }
    for group in ["properties", "$defs"] {
        for (name, schema) in fields.get(group).and_then(Value::as_object).into_iter().flatten() {
            below(schema, &format!("{at}.{group}[{name}]"), root)?;
        }
    }
    for name in ["items", "additionalProperties"] {
        if let Some(schema) = fields.get(name) {
            below(schema, &format!("{at}.{name}"), root)?;
        }
    }
    for group in ["anyOf", "oneOf", "prefixItems"] {
        let members = fields.get(group).and_then(Value::as_array);
        for (number, schema) in members.into_iter().flatten().enumerate() {
            below(schema, &format!("{at}.{group}[{number}]"), root)?;
        }
    }
    Ok(())
}
