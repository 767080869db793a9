//! `.env`: `NAME=value` lines. No expansion, no commands.

use std::path::Path;

use crate::diag::{Diagnostic, Place};

/// Reads the text of a `.env` file.
///
/// Blank lines and `#` comments are skipped, `export ` is allowed in front, single quotes keep text as
/// it is, double quotes know `\n \r \t \" \\ \$`, and an unquoted value ends at ` #`.
pub(crate) fn parse(text: &str, path: &Path) -> Result<Vec<(String, String)>, Vec<Diagnostic>> {
    let mut vars = Vec::new();
    let mut faults = Vec::new();
    for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        match assignment(line) {
            Ok(var) => vars.push(var),
            Err(why) => {
                let place = Place::Line { path: path.to_owned(), line: at + 1 };
                faults.push(
                    Diagnostic::error(place, format!("this line of .env can't be read: {why}"))
                        .help(
                            "write NAME=value, with quotes around a value that holds blanks or #",
                        ),
                );
            }
        }
    }
    if faults.is_empty() { Ok(vars) } else { Err(faults) }
}

fn assignment(line: &str) -> Result<(String, String), &'static str> {
    let (name, value) = line.split_once('=').ok_or("there is no `=`")?;
    let name = name.trim_end();
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(valid) || name.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err("the name before `=` must be letters, digits and `_`");
    }
    Ok((name.to_owned(), unquote(value.trim_start())?))
}

fn unquote(value: &str) -> Result<String, &'static str> {
    if let Some(rest) = value.strip_prefix('\'') {
        let (inner, after) = rest.split_once('\'').ok_or("the single quote is not closed")?;
        return ends(after).map(|()| inner.to_owned());
    }
    let Some(rest) = value.strip_prefix('"') else {
        let end = value.find(" #").or_else(|| value.find("\t#")).unwrap_or(value.len());
        let bare = if value.starts_with('#') { "" } else { &value[..end] };
        return Ok(bare.trim_end().to_owned());
    };
    let mut out = String::new();
    let mut chars = rest.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return ends(&rest[at + 1..]).map(|()| out),
            '\\' => match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 'r')) => out.push('\r'),
                Some((_, 't')) => out.push('\t'),
                Some((_, c @ ('"' | '\\' | '$'))) => out.push(c),
                Some((_, c)) => out.extend(['\\', c]),
                None => break,
            },
            c => out.push(c),
        }
    }
    Err("the double quote is not closed")
}

fn ends(after: &str) -> Result<(), &'static str> {
    let after = after.trim();
    if after.is_empty() || after.starts_with('#') {
        Ok(())
    } else {
        Err("there is text after the closing quote")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_people_write_them() {
        for (line, value) in [
            ("A=b", "b"),
            ("export A = b c ", "b c"),
            ("A=b # comment", "b"),
            ("A=b#no", "b#no"),
            ("A=", ""),
            ("A=# nothing", ""),
            ("A='b # c' # d", "b # c"),
            ("A='$B\\n'", "$B\\n"),
            (r#"A="x\ny\"z\\""#, "x\ny\"z\\"),
            ("A=x=y", "x=y"),
        ] {
            let vars = parse(line, Path::new(".env")).expect(line);
            assert_eq!(vars, [("A".to_owned(), value.to_owned())], "{line}");
        }
        assert!(parse("\u{feff}# only\r\n\n", Path::new(".env")).expect("comments").is_empty());
    }

    #[test]
    fn every_bad_line_is_named_without_its_content() {
        let text = "A=1\nsk-secret\n1B=2\nC=\"x\nD='y\nE='y' z\n";
        let faults = parse(text, Path::new("/d/.env")).expect_err("bad lines");
        let places: Vec<_> = faults.iter().filter_map(Diagnostic::place).collect();
        assert_eq!(
            places,
            ["/d/.env:2:1", "/d/.env:3:1", "/d/.env:4:1", "/d/.env:5:1", "/d/.env:6:1"]
        );
        assert!(faults.iter().all(|f| !format!("{f:?}").contains("sk-secret")));
    }
}
