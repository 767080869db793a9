//! What happens to the tree before it is read: lists with names become maps, and references in values
//! are expanded.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use crate::diag::{Diagnostic, Place};
use crate::expand::{Lookup, Unresolved, expand};
use crate::locate;
use crate::read::Cx;
use crate::source::{At, SourceFile};
use crate::tree::{Key, Node, Value};

/// Turns `providers`, each provider's `models` and `clients`, where they are lists, into maps by name.
pub(crate) fn name_lists(cx: &mut Cx, tree: &mut Node) {
    let Value::Map(entries) = &mut tree.value else { return };
    for (_, clients) in entries.iter_mut().filter(|(k, _)| k.text == "clients") {
        list_to_map(cx, clients, "clients");
    }
    for (_, providers) in entries.iter_mut().filter(|(k, _)| k.text == "providers") {
        list_to_map(cx, providers, "providers");
        let Value::Map(entries) = &mut providers.value else { continue };
        for (name, provider) in entries {
            let Value::Map(keys) = &mut provider.value else { continue };
            for (_, models) in keys.iter_mut().filter(|(k, _)| k.text == "models") {
                list_to_map(cx, models, &format!("providers.{}.models", name.text));
            }
        }
    }
}

fn list_to_map(cx: &mut Cx, node: &mut Node, path: &str) {
    let Value::List(items) = &mut node.value else { return };
    let mut entries = Vec::with_capacity(items.len());
    for (index, mut item) in std::mem::take(items).into_iter().enumerate() {
        let mut place = item.at.clone();
        let name = match &mut item.value {
            // `models: [a, b]`
            Value::Text(text) => {
                let text = std::mem::take(text);
                let key = Key { text, at: item.at.clone() };
                item.value = Value::Null;
                Some(key)
            }
            Value::Map(keys) => {
                place = keys.first().map_or(place, |(k, _)| k.at.clone());
                let at = keys.iter().position(|(k, _)| k.text == "name");
                at.map(|at| keys.remove(at).1).and_then(|name| match name.value {
                    Value::Text(text) => Some(Key { text, at: name.at }),
                    _ => None,
                })
            }
            _ => None,
        };
        match name {
            Some(key) => entries.push((key, item)),
            None => cx.error(
                &place,
                format!("`{path}[{index}]` has no `name`"),
                "no name",
                "add `name:` with a text",
            ),
        }
    }
    node.value = Value::Map(entries);
}

/// Expands `${…}` in every text of the file. Keys stay as they are.
pub(crate) fn expand_values(cx: &mut Cx, node: &mut Node) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| expand_values(cx, item)),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, value)| expand_values(cx, value)),
        Value::Text(text) => {
            let base = cx.base_dir.clone();
            let read = RefCell::new(Vec::new());
            let result = {
                let variable = |name: &str| cx.env.raw(name).map(str::to_owned);
                let file = |path: &Path| {
                    let path = base.join(path);
                    let content = read_value_file(&path);
                    read.borrow_mut().push(path);
                    content
                };
                expand(text, &Lookup { variable: &variable, file: &file })
            };
            cx.files.append(&mut read.into_inner());
            match result {
                Ok(None) => {}
                Ok(Some(expanded)) => {
                    *text = expanded;
                    node.untyped = true;
                }
                Err(faults) => {
                    for fault in faults {
                        let at = exact(cx.file.as_deref(), &node.at, text, &fault);
                        cx.error(&at, fault.message, "", fault.help);
                    }
                    node.value = Value::Broken;
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Broken => {}
    }
}

/// The place of a reference inside its value, where the value stands in the file as it is.
fn exact(file: Option<&SourceFile>, at: &At, text: &str, fault: &Unresolved) -> At {
    if let (Some(file), At::File(range)) = (file, at)
        && let Some(source) = file.text.get(range.clone())
        && let Some(offset) = source.find(&text[fault.range.clone()])
    {
        let start = range.start + offset;
        return At::File(start..start + fault.range.len());
    }
    at.clone()
}

fn read_value_file(path: &Path) -> Result<String, String> {
    if !path.is_file() {
        return Err(if path.exists() {
            "it is no file".to_owned()
        } else {
            "it does not exist".to_owned()
        });
    }
    locate::read(path).map_err(|e| e.message().to_owned())
}

/// The path of a `.env` that is there, and its variables.
pub(crate) type DotEnv = (Option<PathBuf>, Vec<(String, String)>);

/// Reads the `.env` beside the configuration, if there is one.
pub(crate) fn dotenv(dir: &Path) -> Result<DotEnv, Vec<Diagnostic>> {
    let path = dir.join(".env");
    if !path.is_file() {
        return Ok((None, Vec::new()));
    }
    let text = locate::read(&path).map_err(|e| vec![*e])?;
    if text.contains('\0') {
        return Err(vec![Diagnostic::error(Place::WholeFile(path), ".env is not a text file")]);
    }
    let vars = crate::dotenv::parse(&text, &path)?;
    Ok((Some(path), vars))
}
