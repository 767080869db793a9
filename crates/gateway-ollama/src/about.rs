//! What Ollama says of a model (`POST /api/show`).

use gateway_models::Effort;
use serde_json::Value;

/// A model as its server describes it. Old servers say less, and a server that did not answer nothing.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct About {
    /// The longest context that it was made for, in tokens.
    pub length: Option<u64>,
    /// The window that its Modelfile says.
    pub num_ctx: Option<u64>,
    /// Whether it calls tools, sees images, thinks; `None`: not said.
    pub tools: Option<bool>,
    pub vision: Option<bool>,
    pub thinking: Option<bool>,
    /// Ways in which it can be told to think, where it is said.
    pub ways: Option<Ways>,
    /// It runs in Ollama's cloud, which sees to the window itself.
    pub remote: bool,
}

/// What `think` may be.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Ways {
    pub on: bool,
    pub off: bool,
    /// Lowest first.
    pub levels: Vec<Effort>,
}

impl Ways {
    /// On or off.
    pub(crate) fn switch() -> Self {
        Self { on: true, off: true, levels: Vec::new() }
    }

    /// gpt-oss's: it thinks always, and takes no `true` or `false` for an answer.
    pub(crate) fn levels() -> Self {
        Self { on: false, off: false, levels: vec![Effort::Low, Effort::Medium, Effort::High] }
    }
}

impl About {
    /// Reads an answer; what is not there or not understood stays unknown.
    pub(crate) fn read(body: Option<&[u8]>) -> Self {
        let Some(Ok(value)) = body.map(serde_json::from_slice::<Value>) else {
            return Self::default();
        };
        let info = value["model_info"].as_object();
        // Keys begin with the architecture: `qwen3moe.context_length`. An adapter or a vision tower
        // beside it has one of its own.
        let architecture = value["model_info"]["general.architecture"].as_str().unwrap_or_default();
        let length = info.and_then(|info| {
            let own = info.get(&format!("{architecture}.context_length"));
            let any = || info.iter().find(|(key, _)| key.ends_with(".context_length"));
            own.or_else(|| any().map(|(_, value)| value)).and_then(Value::as_u64)
        });
        let capabilities = value["capabilities"].as_array();
        let can = |word: &str| capabilities.map(|all| all.iter().any(|known| known == word));
        let levels_only = architecture == "gptoss" || value["details"]["family"] == "gptoss";
        let ways = match ways(&value["thinking"]["values"]) {
            None => levels_only.then(Ways::levels),
            some => some,
        };
        Self {
            length: length.filter(|length| *length > 0),
            num_ctx: value["parameters"].as_str().and_then(num_ctx),
            tools: can("tools"),
            vision: can("vision"),
            thinking: can("thinking"),
            ways,
            remote: value["remote_host"].as_str().is_some_and(|host| !host.is_empty()),
        }
    }
}

/// `[false, true]`, `["low", "medium", "high"]`, or both mixed.
fn ways(values: &Value) -> Option<Ways> {
    let values = values.as_array().filter(|values| !values.is_empty())?;
    let mut levels: Vec<Effort> =
        values.iter().filter_map(|value| value.as_str()?.parse().ok()).collect();
    levels.sort_unstable();
    let has = |wanted: bool| values.iter().any(|value| *value == wanted);
    Some(Ways { on: has(true), off: has(false), levels })
}

/// `num_ctx                        8192` among the lines of a Modelfile's parameters.
fn num_ctx(parameters: &str) -> Option<u64> {
    let line = parameters.lines().rev().find_map(|line| {
        let (name, value) = line.trim().split_once(char::is_whitespace)?;
        (name == "num_ctx").then(|| value.trim().trim_matches('"'))
    });
    line?.parse().ok().filter(|tokens| *tokens > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_servers_are_understood() {
        let none = About::default();
        for body in [
            "",
            "{",
            "null",
            "[]",
            r#"{"error":"model 'x' not found"}"#,
            r#"{"model_info":7,"capabilities":{}}"#,
        ] {
            assert_eq!(About::read(Some(body.as_bytes())), none, "{body}");
        }
        assert_eq!(About::read(None), none);
        let old = br#"{"modelfile":"FROM x","parameters":"num_ctx                        8192\nstop                           \"<|x|>\"",
            "model_info":{"general.architecture":"llama","llama.context_length":131072}}"#;
        let wanted = About { length: Some(131_072), num_ctx: Some(8192), ..About::default() };
        assert_eq!(About::read(Some(old)), wanted);
        let new = br#"{"capabilities":["completion","tools","thinking"],"model_info":{"general.architecture":"qwen35","clip.context_length":77,
            "qwen35.context_length":262144},"thinking":{"values":[false,true],"default":true}}"#;
        let wanted = About {
            length: Some(262_144),
            tools: Some(true),
            vision: Some(false),
            thinking: Some(true),
            ways: Some(Ways::switch()),
            ..About::default()
        };
        assert_eq!(About::read(Some(new)), wanted);
        let oss = br#"{"details":{"family":"gptoss"},"capabilities":["thinking"]}"#;
        assert_eq!(About::read(Some(oss)).ways, Some(Ways::levels()));
        let both = br#"{"thinking":{"values":["high",false,"low","odd"]},"remote_host":"https://ollama.com:443"}"#;
        let both = About::read(Some(both));
        let levels = vec![Effort::Low, Effort::High];
        assert_eq!(both.ways, Some(Ways { on: false, off: true, levels }));
        assert!(both.remote);
    }
}
