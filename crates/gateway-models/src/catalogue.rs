//! The catalogue of models: a dated data file, and a person's own rows laid over it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use crate::facts::Facts;
use crate::model::Model;
use crate::name;
use crate::row::{self, Row};

/// What is known of models. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalogue {
    inner: Arc<Inner>,
}

#[derive(Clone, Debug, Default)]
struct Inner {
    as_of: String,
    /// In the order of the file; beside each model the row it was made of.
    models: Vec<(Arc<Model>, Row)>,
    /// Names in lower case, ids and aliases.
    by_name: HashMap<String, usize>,
}

/// Why a text is no catalogue. The line counts from 1.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// The text is not JSON.
    #[error("line {line}: this is no JSON: {why}; write one object for each model")]
    NotJson {
        /// Where it stands.
        line: usize,
        /// The reader's words.
        why: String,
    },
    /// A row cannot be used.
    #[error("line {line}{}: {fault}", if id.is_empty() { String::new() } else { format!(", model `{id}`") })]
    Row {
        /// Where it begins.
        line: usize,
        /// Its model, if it says one.
        id: String,
        /// What is wrong and what to do.
        fault: String,
    },
}

impl Catalogue {
    /// The catalogue that is built in. Parsed when first asked for.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Catalogue> = LazyLock::new(|| {
            let text = include_str!("../data/models.jsonl");
            Catalogue::empty().overlaid(text).expect("a test reads the built-in data file")
        });
        &BUILTIN
    }

    /// A catalogue without models.
    pub fn empty() -> Self {
        Self { inner: Arc::default() }
    }

    /// The day the facts were read, `YYYY-MM-DD`: of the latest text laid over that names one.
    pub fn as_of(&self) -> &str {
        &self.inner.as_of
    }

    /// This catalogue with the rows of `text` laid over it.
    ///
    /// `text` holds JSON objects, one for each model, one after another or in an array; lines that
    /// begin with `#` are comments. An object without `id` but with `as_of` dates the text. A row
    /// whose `id` is listed already changes the facts that it gives (`null` erases one) and leaves
    /// the others; any other row adds a model, which begins with the facts of the one named by
    /// `like`, or else of the one that its name is a form of (`openai/gpt-5`).
    ///
    /// # Errors
    ///
    /// Anything that is not understood, with its line and what to do about it.
    ///
    /// ```
    /// use gateway_models::Catalogue;
    ///
    /// let own = Catalogue::builtin().overlaid(r#"
    ///     ## Our deployment on Azure.
    ///     {"id": "team-chat", "like": "gpt-4.1", "prices": {"input": 1500000}}
    /// "#)?;
    /// assert_eq!(own.find("team-chat").and_then(|m| m.max_output), Some(32_768));
    ///
    /// let wrong = own.overlaid(r#"{"id": "team-chat", "max_outptu": 1}"#).unwrap_err();
    /// assert_eq!(
    ///     wrong.to_string(),
    ///     "line 1, model `team-chat`: unknown key `max_outptu`; did you mean `max_output`?",
    /// );
    /// # Ok::<(), gateway_models::CatalogueError>(())
    /// ```
    pub fn overlaid(&self, text: &str) -> Result<Self, CatalogueError> {
        let mut inner = Inner::clone(&self.inner);
        let text = without_comments(text);
        let mut values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        loop {
            let line = line_of(&text, values.byte_offset());
            let Some(value) = values.next() else { break };
            let value = value.map_err(|e| CatalogueError::NotJson {
                line: e.line().max(1),
                why: e.to_string().split(" at line ").next().unwrap_or_default().to_owned(),
            })?;
            let rows = match value {
                Value::Array(rows) => rows,
                other => vec![other],
            };
            for value in rows {
                let id = value.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
                inner.lay(value).map_err(|fault| CatalogueError::Row { line, id, fault })?;
            }
        }
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The model of that name. The name as it is goes first, then without `[1m]`, variants such as
    /// `:free`, dates, and last without what stands before a slash. Letter case does not matter;
    /// similar names are never taken for one another.
    ///
    /// ```
    /// use gateway_models::Catalogue;
    ///
    /// let all = Catalogue::builtin();
    /// let plain = all.find("claude-sonnet-4-5").expect("listed");
    /// assert_eq!(all.find("anthropic/Claude-Sonnet-4-5-20250929[1m]"), Some(plain));
    /// assert_eq!(all.find("anthropic/claude-sonnet-4.5:free"), Some(plain));
    /// assert_eq!(all.find("claude-sonnet"), None);
    /// ```
    pub fn find(&self, name: &str) -> Option<&Model> {
        self.inner.position(name).map(|at| self.inner.models[at].0.as_ref())
    }

    /// What holds for `name`: the model of that name if it is listed, else what its family does.
    pub fn facts(&self, name: &str) -> Facts {
        match self.inner.position(name) {
            Some(at) => Facts::listed(Arc::clone(&self.inner.models[at].0)),
            None => Facts::presumed(name),
        }
    }

    /// All models, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Model> {
        self.inner.models.iter().map(|(model, _)| model.as_ref())
    }
}

impl Inner {
    fn position(&self, name: &str) -> Option<usize> {
        // Names come from requests; no model's is this long.
        if name.len() > LONGEST_NAME {
            return None;
        }
        let lower = name.to_ascii_lowercase();
        let known = |name: &str| name::barer(name).find_map(|n| self.by_name.get(n).copied());
        known(&lower).or_else(|| known(&name::dashed_claude(&lower)?))
    }

    fn lay(&mut self, value: Value) -> Result<(), String> {
        let Value::Object(mut above) = value else {
            return Err("each model is an object such as {\"id\": \"my-model\"}".to_owned());
        };
        if !above.contains_key("id") && above.contains_key("as_of") {
            return self.date(&above);
        }
        row::check_keys(&above)?;
        let id = row::id(&above)?.to_owned();
        let like = above.remove("like");
        let known = self.by_name.get(&id.to_ascii_lowercase()).copied();
        let mut row = match (known, like) {
            (Some(at), None) => self.models[at].1.clone(),
            (_, Some(Value::String(like))) => {
                let at = self.by_name.get(&like.to_ascii_lowercase()).ok_or_else(|| {
                    format!("`like` names `{like}`, which is not listed; list that model first")
                })?;
                let (model, row) = &self.models[*at];
                let mut row = row.clone();
                row.retain(|key, _| !matches!(key.as_str(), "display_name" | "aliases"));
                // Its family is that of the one it is like, whatever it is called itself.
                row.entry("like").or_insert_with(|| model.id.clone().into());
                row
            }
            (_, Some(_)) => return Err("`like` must be the name of a listed model".to_owned()),
            // `openai/gpt-5` is a model of its own from here on, and what is known of `gpt-5` holds.
            (None, None) => self.position(&id).map_or_else(Row::new, |at| {
                let mut row = self.models[at].1.clone();
                row.remove("aliases");
                row
            }),
        };
        // An alias in the overlay speaks of the model it stands for.
        if let (Some(at), true) = (known, row.contains_key("id")) {
            above.insert("id".to_owned(), self.models[at].0.id.clone().into());
        }
        row::lay_over(&mut row, above);
        let model = Arc::new(row::model(&row)?);
        let at = known.unwrap_or(self.models.len());
        self.by_name.retain(|_, place| *place != at);
        let names: Vec<String> = std::iter::once(model.id.as_str())
            .chain(row::aliases(&row))
            .map(str::to_ascii_lowercase)
            .collect();
        for name in names {
            if let Some(other) = self.by_name.get(&name).filter(|other| **other != at) {
                let other = &self.models[*other].0.id;
                return Err(format!(
                    "`{name}` is a name of `{other}` already; take it off one of them"
                ));
            }
            self.by_name.insert(name, at);
        }
        match self.models.get_mut(at) {
            Some(place) => *place = (model, row),
            None => self.models.push((model, row)),
        }
        Ok(())
    }

    fn date(&mut self, row: &Row) -> Result<(), String> {
        match row.get("as_of") {
            Some(Value::String(day)) if row.len() == 1 && row::is_date(day) => {
                self.as_of.clone_from(day);
                Ok(())
            }
            _ => Err("the dating row is {\"as_of\": \"YYYY-MM-DD\"} and nothing else".to_owned()),
        }
    }
}

/// Comment lines made empty, so that line numbers stay. No string of JSON spans lines.
fn without_comments(text: &str) -> String {
    let blank = |line: &str| line.trim_start().starts_with('#');
    text.split('\n').map(|line| if blank(line) { "" } else { line }).collect::<Vec<_>>().join("\n")
}

/// The line of the first thing at or after `offset`.
fn line_of(text: &str, offset: usize) -> usize {
    let rest = text.get(offset..).unwrap_or_default();
    let at = offset + (rest.len() - rest.trim_start().len());
    1 + text[..at].matches('\n').count()
}

/// Bytes of a name that is looked for.
const LONGEST_NAME: usize = 256;

#[cfg(test)]
mod tests;
