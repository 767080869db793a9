//! Fields that configuration adds to each request.

use gateway_translate::{Json, Malformed, Reader};
use gateway_types::{ApiError, ErrorKind, Raw};

/// The fields, no two of one name.
#[derive(Debug, Default)]
pub(crate) struct Extra<'a> {
    fields: Vec<(&'a str, Raw<'a>)>,
    /// Members of `generationConfig`.
    config: Vec<(&'a str, Raw<'a>)>,
}

/// What is made of the caller's request alone.
const OWN: [&str; 7] = [
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "model",
    "generateContentRequest",
    "continuationToken",
];

impl<'a> Extra<'a> {
    /// # Errors
    /// When a field is one that only the gateway can write.
    pub(crate) fn of(fields: &'a [(String, String)]) -> Result<Self, ApiError> {
        let mut extra = Self::default();
        for (name, value) in fields {
            let raw = Raw::from_json(value);
            if let Some(own) = OWN.iter().find(|own| same(name, own)) {
                let text = format!(
                    "compat.extra_fields: `{own}` is made of each request; remove it from the \
                     provider's configuration"
                );
                return Err(ApiError::new(ErrorKind::InvalidRequest, text));
            }
            if !same(name, CONFIG) {
                put(&mut extra.fields, name, raw);
                continue;
            }
            let members = members(raw).ok_or_else(|| {
                let text = "compat.extra_fields: `generationConfig` must be an object; change it in \
                            the provider's configuration";
                ApiError::new(ErrorKind::InvalidRequest, text)
            })?;
            for (name, value) in members {
                put(&mut extra.config, name, value);
            }
        }
        Ok(extra)
    }

    /// Whether it has this field.
    pub(crate) fn sets(&self, name: &str) -> bool {
        self.fields.iter().any(|(set, _)| same(set, name))
    }

    /// Writes the fields, but for `generationConfig`.
    pub(crate) fn write(&self, json: &mut Json) {
        for (name, value) in &self.fields {
            json.key(name).raw(*value);
        }
    }

    /// `config`, an object, with what is set for it: that wins.
    pub(crate) fn merge(&self, config: String) -> String {
        if self.config.is_empty() {
            return config;
        }
        let mut all = members(Raw::from_json(&config)).unwrap_or_default();
        for (name, value) in &self.config {
            put(&mut all, name, *value);
        }
        let mut json = Json::new();
        json.object(|json| {
            for (name, value) in all {
                json.key(name).raw(value);
            }
        });
        json.into_string()
    }
}

const CONFIG: &str = "generationConfig";

/// Puts a member in the place of the one with its name, or behind all others.
fn put<'a>(members: &mut Vec<(&'a str, Raw<'a>)>, name: &'a str, value: Raw<'a>) {
    match members.iter_mut().find(|(known, _)| same(known, name)) {
        Some(known) => *known = (name, value),
        None => members.push((name, value)),
    }
}

/// The service reads a name in either spelling.
fn same(one: &str, other: &str) -> bool {
    let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
    plain(one) == plain(other)
}

/// The members of an object, their names as they are written; `None` for anything else.
fn members(raw: Raw<'_>) -> Option<Vec<(&str, Raw<'_>)>> {
    let mut members = Vec::new();
    let mut reader = Reader::new(raw.as_str());
    let read = reader.object::<Malformed>(|r, key| {
        members.push((key.escaped(), r.raw()?));
        Ok(())
    });
    (raw.is_object() && read.is_ok()).then_some(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn members_of_the_configuration_are_merged_and_win() {
        let fields = fields(&[
            ("cachedContent", "\"c\""),
            ("generationConfig", r#"{"mediaResolution":"LOW","maxOutputTokens":7}"#),
            ("generation_config", r#"{"seed":1,"media_resolution":"HIGH"}"#),
        ]);
        let extra = Extra::of(&fields).expect("may be set");
        assert_eq!(
            extra.merge(r#"{"maxOutputTokens":9,"stopSequences":["a"]}"#.to_owned()),
            r#"{"maxOutputTokens":7,"stopSequences":["a"],"media_resolution":"HIGH","seed":1}"#
        );
        assert!(extra.sets("cached_content") && !extra.sets("safetySettings"));
        let mut json = Json::new();
        json.object(|json| extra.write(json));
        assert_eq!(json.into_string(), r#"{"cachedContent":"c"}"#);
        assert_eq!(Extra::default().merge("{ }".to_owned()), "{ }", "untouched");
    }

    #[test]
    fn what_the_gateway_writes_is_not_set() {
        for (name, value) in
            [("contents", "[]"), ("system_instruction", "{}"), ("generationConfig", "[]")]
        {
            let fields = fields(&[(name, value)]);
            let error = Extra::of(&fields).expect_err("refused");
            assert!(error.message().starts_with("compat.extra_fields: "), "{error}");
        }
    }
}
