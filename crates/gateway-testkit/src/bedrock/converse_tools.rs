//! What Converse refuses in `toolConfig`, beside what its shape forbids.

use serde_json::Value;

use super::refusal::Refusal;
use super::rules::{Family, Rules};
use super::walk::Checked;

pub(crate) fn check(body: &Value, rules: &Rules) -> Checked {
    let config = &body["toolConfig"];
    if config.is_null() {
        return Ok(());
    }
    if !rules.tools {
        return Err(Refusal::new("This model doesn't support tool use."));
    }
    let tools = config["tools"].as_array().map_or(&[][..], Vec::as_slice);
    let mut names: Vec<(&str, usize)> = Vec::new();
    for (index, tool) in tools.iter().enumerate() {
        if !tool["systemTool"].is_null() && rules.family != Family::Nova2 {
            return Err(Refusal::unsupported("toolConfig.tools.systemTool"));
        }
        let spec = &tool["toolSpec"];
        let Some(name) = spec["name"].as_str() else { continue };
        if let Some((_, first)) = names.iter().find(|(known, _)| *known == name) {
            return Err(Refusal::new(format!(
                "The tool {name} is already defined at toolConfig.tools.{first}."
            )));
        }
        names.push((name, index));
        schema(&spec["inputSchema"]["json"], index, rules)?;
    }
    if names.is_empty() && tools.iter().all(|tool| tool["systemTool"].is_null()) {
        return Err(Refusal::new(
            "The toolConfig.tools field must hold a tool. Add a toolSpec and try again.",
        ));
    }
    choice(&config["toolChoice"], &names, rules)
}

fn schema(schema: &Value, index: usize, rules: &Rules) -> Checked {
    let at = format!("toolConfig.tools.{index}.toolSpec.inputSchema.json");
    if schema["type"] != "object" {
        return Err(Refusal::new(format!(
            "The value at {at}.type must be one of the following: object."
        )));
    }
    let fields = schema.as_object().into_iter().flat_map(serde_json::Map::keys);
    let nova = matches!(rules.family, Family::Nova | Family::Nova2);
    let known = |name: &String| ["type", "properties", "required"].contains(&name.as_str());
    if let Some(extra) = fields.into_iter().find(|name| nova && !known(name)) {
        return Err(Refusal::extraneous(&format!("/{}", at.replace('.', "/")), extra));
    }
    let poor = matches!(rules.family, Family::Llama | Family::Mistral);
    if poor && has_reference(schema) {
        return Err(Refusal::new(format!(
            "The value at {at} holds $ref, which this model doesn't support."
        )));
    }
    Ok(())
}

fn has_reference(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            fields.get("$ref").is_some_and(Value::is_string) || fields.values().any(has_reference)
        }
        Value::Array(items) => items.iter().any(has_reference),
        _ => false,
    }
}

fn choice(choice: &Value, names: &[(&str, usize)], rules: &Rules) -> Checked {
    let Some(fields) = choice.as_object() else { return Ok(()) };
    for (kind, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        if !rules.tool_choices.contains(&kind.as_str()) {
            return Err(Refusal::unsupported(&format!("toolConfig.toolChoice.{kind}")));
        }
        let Some(name) = value["name"].as_str() else { continue };
        if !names.iter().any(|(known, _)| *known == name) {
            return Err(Refusal::new(format!(
                "The tool {name} at toolConfig.toolChoice.tool.name is not defined in toolConfig.tools."
            )));
        }
    }
    Ok(())
}
