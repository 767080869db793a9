//! Reading typed values out of the tree, collecting every fault and the origin of every value.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diag::{Diagnostic, Place};
use crate::keys::{Keys, Standing, nearest, quoted};
use crate::model::{Effective, Origin};
use crate::source::{At, SourceFile};
use crate::sources::Env;
use crate::tree::{Key, Node, Value};

mod numbers;

pub(crate) use numbers::Zero;

/// What is carried through the whole reading.
pub(crate) struct Cx {
    pub(crate) file: Option<Arc<SourceFile>>,
    pub(crate) dotenv: Option<PathBuf>,
    /// What `${file:…}` named.
    pub(crate) files: Vec<PathBuf>,
    /// Relative paths in variables of the environment begin here.
    pub(crate) cwd: PathBuf,
    /// Relative paths in values begin here.
    pub(crate) base_dir: PathBuf,
    pub(crate) env: Env,
    pub(crate) errors: Vec<Diagnostic>,
    pub(crate) warnings: Vec<Diagnostic>,
    pub(crate) values: Vec<Effective>,
}

/// A map of the tree whose keys were checked.
pub(crate) struct Section<'t> {
    /// Dotted path, empty at the top.
    pub(crate) path: String,
    entries: BTreeMap<&'t str, (&'t Key, &'t Node)>,
    pub(crate) at: At,
}

impl<'t> Section<'t> {
    /// The value of a key; `null` counts as not there.
    pub(crate) fn get(&self, key: &str) -> Option<&'t Node> {
        self.entries.get(key).map(|(_, node)| *node).filter(|n| !matches!(n.value, Value::Null))
    }

    /// The place of a key's value, or of the section where the key is missing.
    pub(crate) fn place_of(&self, key: &str) -> At {
        self.entries.get(key).map_or_else(|| self.at.clone(), |(key, node)| value_place(key, node))
    }

    /// Keys and values in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'t Key, &'t Node)> + '_ {
        self.entries.values().copied()
    }

    pub(crate) fn full(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// Block collections have no width of their own; their key stands for them.
fn value_place(key: &Key, node: &Node) -> At {
    match &node.at {
        At::File(range) if range.is_empty() => key.at.clone(),
        At::File(_) if matches!(node.value, Value::List(_) | Value::Map(_)) => key.at.clone(),
        at => at.clone(),
    }
}

impl Cx {
    pub(crate) fn place(&self, at: &At) -> Place {
        match at {
            At::File(range) => match &self.file {
                Some(file) => Place::InFile { file: Arc::clone(file), range: range.clone() },
                None => Place::Nowhere,
            },
            At::Env { variable } => Place::Variable(variable.clone()),
            At::DotEnv { variable } => Place::DotEnv {
                path: self.dotenv.clone().unwrap_or_else(|| PathBuf::from(".env")),
                variable: variable.clone(),
            },
            At::Flag(flag) => Place::Flag(flag),
            At::BuiltIn => Place::Nowhere,
        }
    }

    pub(crate) fn error(&mut self, at: &At, message: String, label: &str, help: impl Into<String>) {
        let diagnostic = Diagnostic::error(self.place(at), message).label(label).help(help);
        self.errors.push(diagnostic);
    }

    pub(crate) fn warn(&mut self, at: &At, message: String, help: impl Into<String>) {
        let diagnostic = Diagnostic::warning(self.place(at), message).help(help);
        self.warnings.push(diagnostic);
    }

    /// Whether a value stands in the file as it is, without any reference.
    pub(crate) fn is_written_out(&self, at: &At) -> bool {
        let At::File(range) = at else { return false };
        let source = self.file.as_ref().and_then(|file| file.text.get(range.clone()));
        source.is_some_and(|source| !source.contains("${"))
    }

    /// Where a value comes from, in words.
    pub(crate) fn told(&self, at: &At) -> String {
        match self.origin(at) {
            Origin::File { line } => format!("line {line}"),
            other => other.to_string(),
        }
    }

    fn origin(&self, at: &At) -> Origin {
        match at {
            At::File(range) => {
                let line = self.file.as_ref().map_or(1, |f| f.line_column(range.start).0);
                Origin::File { line }
            }
            At::Env { variable } => Origin::Environment { variable: variable.clone() },
            At::DotEnv { variable } => Origin::DotEnv { variable: variable.clone() },
            At::Flag(option) => Origin::Option { option },
            At::BuiltIn => Origin::Default,
        }
    }

    /// Notes a value as it counts, with where it comes from.
    pub(crate) fn effective(
        &mut self,
        section: &Section<'_>,
        key: &str,
        value: impl Into<serde_json::Value>,
    ) {
        let origin = match section.get(key) {
            Some(_) => self.origin(&section.place_of(key)),
            None => Origin::Default,
        };
        self.values.push(Effective { key: section.full(key), value: value.into(), origin });
    }

    /// Notes a value whose origin is not its key's.
    pub(crate) fn effective_at(
        &mut self,
        key: String,
        value: impl Into<serde_json::Value>,
        at: &At,
    ) {
        let origin = self.origin(at);
        self.values.push(Effective { key, value: value.into(), origin });
    }

    /// A map with its keys checked against the list: unknown ones, ones of a later version and
    /// duplicates are errors, all of them.
    pub(crate) fn section<'t>(
        &mut self,
        path: &str,
        at: &At,
        node: &'t Node,
        keys: &Keys,
    ) -> Section<'t> {
        let mut section = self.open(path, at, node);
        section.entries.retain(|text, (key, _)| {
            let whole = if path.is_empty() { (*text).to_owned() } else { format!("{path}.{text}") };
            match keys.standing(text) {
                Standing::Known => return true,
                Standing::Later => self.error(
                    &key.at,
                    format!("`{whole}` is not in this version yet"),
                    "not in this version yet",
                    format!("remove `{text}`; it belongs to the configuration of a later version"),
                ),
                Standing::Unknown => {
                    let help = keys.remedy(text);
                    self.error(&key.at, format!("unknown key `{whole}`"), "unknown", help);
                }
            }
            false
        });
        section
    }

    /// A map with free keys; duplicates are errors.
    pub(crate) fn open<'t>(&mut self, path: &str, at: &At, node: &'t Node) -> Section<'t> {
        let mut entries: BTreeMap<&str, (&Key, &Node)> = BTreeMap::new();
        match &node.value {
            Value::Map(pairs) => {
                for (key, value) in pairs {
                    if entries.contains_key(key.text.as_str()) {
                        let message = format!("the key `{}` is there twice", key.text);
                        self.error(&key.at, message, "the second time", "keep one of the two");
                    } else {
                        entries.insert(&key.text, (key, value));
                    }
                }
            }
            Value::Null | Value::Broken => {}
            _ => {
                let message = format!("`{path}` must be a map of keys, found {}", node.describe());
                self.error(at, message, "not a map", "write `key: value` lines, indented below");
            }
        }
        Section { path: path.to_owned(), entries, at: at.clone() }
    }

    /// A map key with free names: the section and its keys in their order, duplicates reported.
    pub(crate) fn named<'t>(
        &mut self,
        section: &Section<'t>,
        key: &str,
    ) -> (Section<'t>, Vec<&'t Key>) {
        let at = section.place_of(key);
        let Some(node) = section.get(key) else {
            return (Section { path: section.full(key), entries: BTreeMap::new(), at }, Vec::new());
        };
        let open = self.open(&section.full(key), &at, node);
        let first =
            |k: &&Key| open.entries.get(k.text.as_str()).is_some_and(|(f, _)| std::ptr::eq(*f, *k));
        let keys = match &node.value {
            Value::Map(pairs) => pairs.iter().map(|(k, _)| k).filter(first).collect(),
            _ => Vec::new(),
        };
        (open, keys)
    }

    /// A section of a section; where it is missing, one without keys.
    pub(crate) fn inner<'t>(
        &mut self,
        section: &Section<'t>,
        key: &str,
        keys: &Keys,
    ) -> Section<'t> {
        let (path, at) = (section.full(key), section.place_of(key));
        match section.get(key) {
            Some(node) => self.section(&path, &at, node, keys),
            None => Section { path, entries: BTreeMap::new(), at },
        }
    }

    fn wrong(&mut self, section: &Section<'_>, key: &str, wanted: &str, node: &Node) {
        if matches!(node.value, Value::Broken) {
            return;
        }
        let found = match &node.value {
            Value::Float(n) => n.to_string(),
            Value::Text(text) if node.untyped && text.len() <= 40 && !is_secret(key) => {
                format!("`{text}`")
            }
            _ => node.describe().to_owned(),
        };
        let message = format!("`{}` must be {wanted}, found {found}", section.full(key));
        let quoted_number =
            matches!(&node.value, Value::Text(t) if t.trim().parse::<f64>().is_ok());
        let help = match &node.value {
            Value::Text(_) if !node.untyped && quoted_number => "remove the quotes".to_owned(),
            Value::Text(t)
                if wanted.starts_with("true")
                    && ["yes", "on", "no", "off"].contains(&t.to_ascii_lowercase().as_str()) =>
            {
                "YAML 1.2 knows only true and false".to_owned()
            }
            _ => format!("write {wanted}"),
        };
        self.error(&section.place_of(key), message, &format!("expected {wanted}"), help);
    }

    /// Text. A bare number counts as its text.
    pub(crate) fn text(&mut self, section: &Section<'_>, key: &str) -> Option<String> {
        let node = section.get(key)?;
        let text = self.as_text(node);
        match text {
            Some(text) if text.trim().is_empty() => {
                let message = format!("`{}` is empty", section.full(key));
                let help = format!("give it a value, or remove `{key}`");
                self.error(&section.place_of(key), message, "empty", help);
                None
            }
            Some(text) => Some(text),
            None => {
                self.wrong(section, key, "text", node);
                None
            }
        }
    }

    fn as_text(&self, node: &Node) -> Option<String> {
        match (&node.value, &node.at) {
            (Value::Text(text), _) => Some(text.clone()),
            (Value::Int(_) | Value::Float(_), At::File(range)) => {
                Some(self.file.as_ref()?.text.get(range.clone())?.to_owned())
            }
            (Value::Int(n), _) => Some(n.to_string()),
            (Value::Float(n), _) => Some(n.to_string()),
            _ => None,
        }
    }

    pub(crate) fn truth(&mut self, section: &Section<'_>, key: &str) -> Option<bool> {
        let node = section.get(key)?;
        let value = match &node.value {
            Value::Bool(b) => Some(*b),
            Value::Text(text) if node.untyped => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Some(true),
                "false" | "0" | "no" | "off" => Some(false),
                _ => None,
            },
            _ => None,
        };
        if value.is_none() {
            self.wrong(section, key, "true or false", node);
        }
        value
    }

    /// A list of texts; a variable may also hold them separated by commas.
    pub(crate) fn texts(&mut self, section: &Section<'_>, key: &str) -> Option<Vec<(String, At)>> {
        let node = section.get(key)?;
        match &node.value {
            Value::List(items) => {
                let mut out = Vec::with_capacity(items.len());
                for item in items {
                    if let Some(text) = self.as_text(item) {
                        out.push((text, item.at.clone()));
                    } else if !matches!(item.value, Value::Broken) {
                        let (key, found) = (section.full(key), item.describe());
                        let message = format!("`{key}` must hold text only, found {found}");
                        self.error(&item.at, message, "not text", "write a list of texts");
                    }
                }
                Some(out)
            }
            Value::Text(text) if node.untyped => Some(
                text.split(',')
                    .map(str::trim)
                    .filter(|t| !t.is_empty())
                    .map(|t| (t.to_owned(), node.at.clone()))
                    .collect(),
            ),
            _ => {
                self.wrong(section, key, "a list like [a, b]", node);
                None
            }
        }
    }

    /// One word of a fixed set.
    pub(crate) fn word(
        &mut self,
        section: &Section<'_>,
        key: &str,
        words: &[&'static str],
    ) -> Option<&'static str> {
        let node = section.get(key)?;
        if self.as_text(node).is_none() {
            self.wrong(section, key, &format!("one of {}", quoted(words)), node);
            return None;
        }
        let text = self.text(section, key)?;
        let lower = text.trim().to_ascii_lowercase();
        if let Some(word) = words.iter().find(|w| **w == lower) {
            return Some(word);
        }
        let at = section.place_of(key);
        let help = match nearest(&lower, words.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`? Possible are {}", quoted(words)),
            None => format!("possible are {}", quoted(words)),
        };
        let shown = if text.len() <= 40 { text } else { "…".to_owned() };
        self.error(
            &at,
            format!("`{}`: there is no {key} `{shown}`", section.full(key)),
            "unknown",
            help,
        );
        None
    }

    /// A file that must be there; relative paths begin beside the configuration.
    pub(crate) fn path(&mut self, section: &Section<'_>, key: &str) -> Option<PathBuf> {
        let text = self.text(section, key)?;
        let path = self.base_dir.join(Path::new(&text));
        if path.is_file() {
            return Some(path);
        }
        let message = format!("`{}`: there is no file {}", section.full(key), path.display());
        self.error(
            &section.place_of(key),
            message,
            "no such file",
            "correct the path; relative ones begin beside the configuration file",
        );
        None
    }
}

/// Keys whose values are never repeated in a message.
fn is_secret(key: &str) -> bool {
    matches!(key, "api_key" | "api_keys" | "env" | "headers" | "proxy" | "state_keys" | "key_hash")
}
