//! Where a turn of Claude's begins: thinking with a budget stands there, and nowhere else unless it is
//! interleaved.

use serde_json::Value;

/// The first and the last message of the model's last turn, which reaches back over the results of tools.
pub(crate) fn last(messages: &[Value]) -> Option<(usize, usize)> {
    let is = |message: &Value, role: &str| message["role"] == role;
    let last = messages.iter().rposition(|message| is(message, "assistant"))?;
    let result = |block: &Value| block["type"] == "tool_result" || !block["toolResult"].is_null();
    let results = |message: &Value| {
        message["content"].as_array().is_some_and(|blocks| blocks.iter().any(result))
    };
    let asked = messages[..last].iter().rposition(|m| is(m, "user") && !results(m));
    let start = asked.map_or(0, |at| at + 1);
    let first = messages[start..].iter().position(|message| is(message, "assistant"))?;
    Some((start + first, last))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_turn_reaches_back_over_its_rounds_of_tools() {
        let (user, model) = (json!({"role": "user", "content": "x"}), json!({"role": "assistant"}));
        let result = json!({"role": "user", "content": [{"type": "tool_result"}]});
        let converse = json!({"role": "user", "content": [{"toolResult": {}}]});
        for (messages, wanted) in [
            (vec![&user], None),
            (vec![&user, &model, &user], Some((1, 1))),
            (vec![&user, &model, &result, &model, &converse], Some((1, 3))),
            (vec![&user, &model, &user, &model, &result], Some((3, 3))),
        ] {
            let messages: Vec<Value> = messages.into_iter().cloned().collect();
            assert_eq!(last(&messages), wanted, "{messages:?}");
        }
    }
}
