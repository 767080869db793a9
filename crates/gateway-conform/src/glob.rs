//! `*` and `?` in the names of cases.

/// Whether `name` fits `pattern`: `*` stands for any text, `?` for one character, a comma between
/// patterns for "or".
pub fn matches(pattern: &str, name: &str) -> bool {
    pattern.split(',').any(|one| fits(one.trim().as_bytes(), name.as_bytes()))
}

fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|at| fits(rest, &name[at..])),
        Some((b'?', rest)) => name.split_first().is_some_and(|(_, name)| fits(rest, name)),
        Some((byte, rest)) => {
            name.split_first().is_some_and(|(n, name)| n == byte && fits(rest, name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        for (pattern, name, want) in [
            ("stream.*", "stream.order", true),
            ("stream.*", "tools.forced", false),
            ("*tool*", "recorded.tool-round", true),
            ("stream.orde?", "stream.order", true),
            ("stream", "stream.order", false),
            ("models.*, *.order", "stream.order", true),
            ("", "stream.order", false),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }
}
