//! `${VAR}`, `${VAR:-default}`, `${file:/path}` and `$$` in values. What comes out is text and is never
//! read as YAML again.

use std::ops::Range;
use std::path::Path;

/// What an expansion may look at.
pub(crate) struct Lookup<'a> {
    /// A variable, also an empty one.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
    /// The content of a file, or why it can't be had.
    pub(crate) file: &'a dyn Fn(&Path) -> Result<String, String>,
}

/// A reference that could not be resolved.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unresolved {
    /// Bytes of the text given.
    pub(crate) range: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: String,
}

/// Expands a text; `None` if there is nothing to expand in it.
pub(crate) fn expand(text: &str, lookup: &Lookup<'_>) -> Result<Option<String>, Vec<Unresolved>> {
    if !text.contains('$') {
        return Ok(None);
    }
    let mut out = String::with_capacity(text.len());
    let mut faults = Vec::new();
    let mut changed = false;
    let mut at = 0;
    while let Some(dollar) = text[at..].find('$').map(|i| at + i) {
        out.push_str(&text[at..dollar]);
        let rest = &text[dollar..];
        if rest.starts_with("$$") {
            out.push('$');
            changed = true;
            at = dollar + 2;
        } else if rest.starts_with("${") {
            changed = true;
            let Some(end) = rest.find('}') else {
                faults.push(Unresolved {
                    range: dollar..text.len(),
                    message: "`${` is not closed".to_owned(),
                    help: "write ${NAME}, or $$ for a dollar sign".to_owned(),
                });
                break;
            };
            at = dollar + end + 1;
            match resolve(&rest[2..end], lookup) {
                Ok(value) => out.push_str(&value),
                Err((message, help)) => {
                    faults.push(Unresolved { range: dollar..at, message, help });
                }
            }
        } else {
            out.push('$');
            at = dollar + 1;
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    out.push_str(&text[at..]);
    Ok(changed.then_some(out))
}

fn resolve(inner: &str, lookup: &Lookup<'_>) -> Result<String, (String, String)> {
    if let Some(path) = inner.strip_prefix("file:") {
        let path = path.trim();
        let content = (lookup.file)(Path::new(path)).map_err(|why| {
            let help = "make the file readable for the gateway, or correct the path".to_owned();
            (format!("the file `{path}` can't be read: {why}"), help)
        })?;
        let line = content.strip_suffix('\n').unwrap_or(&content);
        return Ok(line.strip_suffix('\r').unwrap_or(line).to_owned());
    }
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(valid) {
        let help = "write ${NAME}, ${NAME:-default} or ${file:/path}; $$ stands for a dollar sign";
        return Err((format!("`${{{inner}}}` is no variable"), help.to_owned()));
    }
    match ((lookup.variable)(name), default) {
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err((
            format!("the variable {name} is not set"),
            format!("set {name}, or write ${{{name}:-default}}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(text: &str) -> Result<Option<String>, Vec<Unresolved>> {
        let variable = |name: &str| match name {
            "SET" => Some("value".to_owned()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${SET}: [1]".to_owned()),
            _ => None,
        };
        let file = |path: &Path| {
            if path == Path::new("/key") {
                Ok("secret\r\n".to_owned())
            } else {
                Err("not there".to_owned())
            }
        };
        expand(text, &Lookup { variable: &variable, file: &file })
    }

    #[test]
    fn references_become_text() {
        for (text, expanded) in [
            ("plain", None),
            ("$", None),
            ("a $HOME b", None),
            ("$$", Some("$")),
            ("$${SET}", Some("${SET}")),
            ("a${SET}b${SET}", Some("avaluebvalue")),
            ("${MISSING:-x y}", Some("x y")),
            ("${MISSING:-}", Some("")),
            ("${EMPTY}", Some("")),
            ("${EMPTY:-x}", Some("x")),
            ("${SET:-x}", Some("value")),
            ("${NESTED}", Some("${SET}: [1]")),
            ("${file:/key}", Some("secret")),
        ] {
            assert_eq!(run(text), Ok(expanded.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn every_unresolved_reference_is_named_with_its_place() {
        let faults = run("é${A}-${B}").expect_err("unset");
        let found: Vec<_> = faults.iter().map(|f| (f.range.clone(), f.message.as_str())).collect();
        assert_eq!(
            found,
            [(2..6, "the variable A is not set"), (7..11, "the variable B is not set")]
        );
        for (text, message) in [
            ("${SET", "`${` is not closed"),
            ("${SET-x}", "`${SET-x}` is no variable"),
            ("${}", "`${}` is no variable"),
            ("${file:/nope}", "the file `/nope` can't be read: not there"),
        ] {
            assert_eq!(run(text).expect_err(text)[0].message, message);
        }
    }

    proptest! {
        #[test]
        fn doubling_every_dollar_keeps_any_text(text in "\\PC*") {
            let escaped = text.replace('$', "$$");
            let back = run(&escaped).expect("nothing to resolve").unwrap_or(escaped);
            prop_assert_eq!(back, text);
        }
    }
}
