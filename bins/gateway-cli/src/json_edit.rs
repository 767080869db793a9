//! Editing a few members of a JSON file while every other byte stays where it is.
//!
//! Only for text that `serde_json` accepted: the scanner here finds places, it does not check.

use std::ops::Range;

use anyhow::{Context, Result, bail};

/// A member of an object: the places of its key (quotes included) and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    name: String,
    key: Range<usize>,
    value: Range<usize>,
}

/// The raw text of `object.name`, `None` where either is missing.
pub(crate) fn get<'t>(text: &'t str, object: &str, name: &str) -> Result<Option<&'t str>> {
    let Some(inner) = inner_object(text, object)? else { return Ok(None) };
    Ok(find(text, inner, name).map(|m| &text[m.value]))
}

/// Whether the top level has this object.
pub(crate) fn has(text: &str, object: &str) -> Result<bool> {
    Ok(inner_object(text, object)?.is_some())
}

/// Sets `object.name` to a raw JSON value, adding both where they are missing.
pub(crate) fn set(text: &str, object: &str, name: &str, raw: &str) -> Result<String> {
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Ok(format!("{{\n  \"{object}\": {{\n    \"{name}\": {raw}\n  }}\n}}\n"));
    }
    let top = top_object(text)?;
    if let Some(inner) = inner_object(text, object)? {
        return Ok(match find(text, inner.clone(), name) {
            Some(member) => replaced(text, member.value, raw),
            None => appended(text, inner, name, raw),
        });
    }
    let (indent, newline) = (indentation(text, &top), newline(text));
    let (open, close) = if text.contains('\n') {
        (format!("{newline}{indent}{indent}"), format!("{newline}{indent}"))
    } else {
        (String::new(), String::new())
    };
    Ok(appended(text, top, object, &format!("{{{open}\"{name}\": {raw}{close}}}")))
}

/// Removes `object.name`, its comma and its line.
pub(crate) fn remove(text: &str, object: &str, name: &str) -> Result<String> {
    let Some(inner) = inner_object(text, object)? else { return Ok(text.to_owned()) };
    Ok(without(text, &inner, name))
}

/// Removes a top-level object if nothing is in it.
pub(crate) fn remove_if_empty(text: &str, object: &str) -> Result<String> {
    match inner_object(text, object)? {
        Some(inner) if members(text, &inner).is_empty() => {
            let top = top_object(text)?;
            Ok(without(text, &top, object))
        }
        _ => Ok(text.to_owned()),
    }
}

/// Checks that the text is one JSON object (or nothing at all).
pub(crate) fn check(text: &str) -> Result<()> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Ok(());
    }
    let value: serde_json::Value = serde_json::from_str(text)?;
    if !value.is_object() {
        bail!("it is no JSON object");
    }
    Ok(())
}

fn top_object(text: &str) -> Result<Range<usize>> {
    let start = text.find('{').context("it is no JSON object")?;
    Ok(start..skip_value(text, start))
}

/// The last one counts where a key is there twice, as for every JSON reader.
fn inner_object(text: &str, object: &str) -> Result<Option<Range<usize>>> {
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Ok(None);
    }
    match find(text, top_object(text)?, object) {
        Some(member) if text[member.value.clone()].starts_with('{') => Ok(Some(member.value)),
        Some(_) => bail!("`{object}` in it is no object"),
        None => Ok(None),
    }
}

fn find(text: &str, object: Range<usize>, name: &str) -> Option<Member> {
    members(text, &object).into_iter().rfind(|m| m.name == name)
}

fn members(text: &str, object: &Range<usize>) -> Vec<Member> {
    let mut out = Vec::new();
    let mut at = skip_blank(text, object.start + 1);
    while text[at..].starts_with('"') {
        let key = at..skip_value(text, at);
        let colon = skip_blank(text, key.end);
        let start = skip_blank(text, colon + 1);
        let value = start..skip_value(text, start);
        at = skip_blank(text, value.end);
        if text[at..].starts_with(',') {
            at = skip_blank(text, at + 1);
        }
        let name = serde_json::from_str(&text[key.clone()]).unwrap_or_default();
        out.push(Member { name, key, value });
    }
    out
}

fn skip_blank(text: &str, at: usize) -> usize {
    at + text[at..].len() - text[at..].trim_start_matches([' ', '\t', '\r', '\n']).len()
}

/// The end of the value that begins at `at`.
fn skip_value(text: &str, at: usize) -> usize {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (offset, byte) in text.bytes().enumerate().skip(at) {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    in_string = false;
                    if depth == 0 {
                        return offset + 1;
                    }
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return offset,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return offset + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

fn replaced(text: &str, range: Range<usize>, with: &str) -> String {
    format!("{}{with}{}", &text[..range.start], &text[range.end..])
}

/// Adds a member behind the last one, set off as that one is.
fn appended(text: &str, object: Range<usize>, name: &str, raw: &str) -> String {
    let all = members(text, &object);
    let Some(last) = all.last() else {
        let outer = line_indent(text, object.start);
        let step = if outer.is_empty() { "  ".to_owned() } else { outer.clone() };
        let body = if text.contains('\n') {
            format!("{n}{outer}{step}\"{name}\": {raw}{n}{outer}", n = newline(text))
        } else {
            format!("\"{name}\": {raw}")
        };
        return replaced(text, object.start + 1..object.end - 1, &body);
    };
    let before = all.len().checked_sub(2).map_or(object.start + 1, |i| {
        let end = all[i].value.end;
        end + text[end..].find(',').map_or(0, |c| c + 1)
    });
    let gap = match &text[before..last.key.start] {
        "" if all.len() == 1 => " ",
        gap => gap,
    };
    replaced(text, last.value.end..last.value.end, &format!(",{gap}\"{name}\": {raw}"))
}

fn without(text: &str, object: &Range<usize>, name: &str) -> String {
    let all = members(text, object);
    let Some(at) = all.iter().rposition(|m| m.name == name) else { return text.to_owned() };
    let range = if let Some(next) = all.get(at + 1) {
        all[at].key.start..next.key.start
    } else if let Some(before) = at.checked_sub(1) {
        all[before].value.end..all[at].value.end
    } else {
        object.start + 1..object.end - 1
    };
    replaced(text, range, "")
}

/// One level of indentation, as the first member of the top level shows it.
fn indentation(text: &str, top: &Range<usize>) -> String {
    let first = members(text, top).first().map(|m| line_indent(text, m.key.start));
    first.filter(|i| !i.is_empty()).unwrap_or_else(|| "  ".to_owned())
}

fn line_indent(text: &str, at: usize) -> String {
    let line = text[..at].rfind('\n').map_or(0, |n| n + 1);
    text[line..at].chars().take_while(|c| *c == ' ' || *c == '\t').collect()
}

fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sets `env.A`, checks the text, and that removing brings the original back.
    #[test]
    fn setting_keeps_the_layout_and_removing_undoes_it() {
        for (before, after) in [
            ("", "{\n  \"env\": {\n    \"A\": \"x\"\n  }\n}\n"),
            ("{}", "{\"env\": {\"A\": \"x\"}}"),
            ("{}\n", "{\n  \"env\": {\n    \"A\": \"x\"\n  }\n}\n"),
            ("{\"m\": 1}", "{\"m\": 1, \"env\": {\"A\": \"x\"}}"),
            (
                "{\"m\":1,\"n\":[1,{\"env\":2}]}",
                "{\"m\":1,\"n\":[1,{\"env\":2}],\"env\": {\"A\": \"x\"}}",
            ),
            (
                "{\n\t\"m\": \"a\\\"}\",\n\t\"env\": {\n\t\t\"B\": \"1\"\n\t}\n}\n",
                "{\n\t\"m\": \"a\\\"}\",\n\t\"env\": {\n\t\t\"B\": \"1\",\n\t\t\"A\": \"x\"\n\t}\n}\n",
            ),
            (
                "{\n    \"env\": {},\n    \"z\": null\n}",
                "{\n    \"env\": {\n        \"A\": \"x\"\n    },\n    \"z\": null\n}",
            ),
            (
                "{\r\n  \"z\": 1\r\n}",
                "{\r\n  \"z\": 1,\r\n  \"env\": {\r\n    \"A\": \"x\"\r\n  }\r\n}",
            ),
            ("{\"env\":{\"B\":\"é\"}}", "{\"env\":{\"B\":\"é\", \"A\": \"x\"}}"),
        ] {
            let set = set(before, "env", "A", "\"x\"").expect(before);
            assert_eq!(set, after);
            check(&set).expect("valid JSON");
            assert_eq!(get(&set, "env", "A").expect("readable"), Some("\"x\""));
            let undone = remove(&set, "env", "A").expect("readable");
            let undone = if has(before, "env").expect("readable") {
                undone
            } else {
                remove_if_empty(&undone, "env").expect("readable")
            };
            let value = |t: &str| {
                serde_json::from_str::<serde_json::Value>(if t.is_empty() { "{}" } else { t })
                    .expect("JSON")
            };
            assert_eq!(value(&undone), value(before), "{undone}");
        }
    }

    #[test]
    fn a_value_that_is_there_is_replaced_in_place() {
        let text = "{ \"env\" : { \"A\" : \"old\" , \"B\":1 }, \"A\": 2 }";
        let new = set(text, "env", "A", "\"new\"").expect("readable");
        assert_eq!(new, text.replace("\"old\"", "\"new\""));
        assert_eq!(
            remove(text, "env", "A").expect("readable"),
            "{ \"env\" : { \"B\":1 }, \"A\": 2 }"
        );
        assert_eq!(
            remove(text, "env", "B").expect("readable"),
            "{ \"env\" : { \"A\" : \"old\" }, \"A\": 2 }"
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert!(check("[]").is_err() && check("{,}").is_err() && check(" \n").is_ok());
        assert!(set("{\"env\": []}", "env", "A", "1").is_err());
    }

    fn any_object() -> impl Strategy<Value = serde_json::Value> {
        let text = "[ -~é\\n]{0,6}";
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<i32>().prop_map(Into::into),
            text.prop_map(Into::into)
        ];
        let value = leaf.prop_recursive(3, 16, 3, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
                prop::collection::btree_map(text, inner, 0..3)
                    .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
            ]
        });
        let env = prop::option::of(prop::collection::btree_map("[A-C]", text, 0..3));
        (prop::collection::btree_map("[a-z\"]{1,3}", value, 0..3), env).prop_map(|(map, env)| {
            let mut map: serde_json::Map<_, _> = map.into_iter().collect();
            map.remove("env");
            if let Some(env) = env {
                map.insert("env".to_owned(), serde_json::json!(env));
            }
            serde_json::Value::Object(map)
        })
    }

    proptest! {
        /// Whatever the layout: only that one member changes, and taking it away again changes nothing else.
        #[test]
        fn an_edit_means_what_it_says(before in any_object(), pretty in any::<bool>()) {
            let text = if pretty { format!("{before:#}") } else { before.to_string() };
            let edited = set(&text, "env", "A", "\"new\"").expect("an object");
            let mut wanted = before.clone();
            wanted["env"]["A"] = "new".into();
            let read: serde_json::Value = serde_json::from_str(&edited).expect("valid JSON");
            prop_assert_eq!(read, wanted.clone(), "{}", edited);

            let gone = remove(&edited, "env", "A").expect("an object");
            let read: serde_json::Value = serde_json::from_str(&gone).expect("valid JSON");
            wanted["env"].as_object_mut().expect("an object").remove("A");
            prop_assert_eq!(read, wanted, "{}", gone);
            if before.get("env").is_some_and(|env| env.get("A").is_none() && env.as_object().is_some_and(|e| !e.is_empty())) {
                prop_assert_eq!(gone, text, "not a byte else");
            }
        }
    }
}
