//! Writing to the terminal. Colours are dropped where nobody sees them; a reader that left (`| head`) is
//! no error.

use std::io::Write;

/// A result, to standard output.
pub(crate) fn print(text: &str) {
    let _ = anstream::stdout().write_all(with_newline(text).as_bytes());
}

/// A result for programs, to standard output.
pub(crate) fn print_json(value: &serde_json::Value) {
    // Serialising a value that is already JSON can't fail; the alternate form is the indented one.
    print(&format!("{value:#}"));
}

/// Something for a person beside the result, to standard error.
pub(crate) fn complain(text: &str) {
    let _ = anstream::stderr().write_all(with_newline(text).as_bytes());
}

fn with_newline(text: &str) -> String {
    if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}
