//! A dozen small requests in full, for three families, for a person to read: the requests are those that
//! every dialect is tried with, `tests/cases` holds, written by the test when `UPDATE_SNAPSHOTS=1` is set,
//! what goes up and is lost.

use std::fs;
use std::path::Path;

use crate::support::{CLAUDE, LLAMA, NOVA_2, Upstream, parse};

fn written(request: &[u8], model: &'static str) -> String {
    let encoded = match Upstream::of(model).encode_bytes(request) {
        Ok(encoded) => encoded,
        Err(refused) => return format!("{model}\nrefused: {}\n", refused.message()),
    };
    let mut text = format!("POST {}\n{:#}\n", encoded.path, parse(&encoded));
    for loss in &encoded.losses {
        text += &format!("{} {}: {}\n", loss.what.as_str(), loss.path, loss.why);
    }
    text
}

#[test]
fn small_requests_in_full() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cases = here.join("../gateway-openai/tests/cases");
    let mut names: Vec<_> = fs::read_dir(&cases)
        .expect("the cases")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    assert!(names.len() >= 12);
    for name in names {
        let request = fs::read(cases.join(&name).join("request.json")).expect("a request");
        let now = [CLAUDE, NOVA_2, LLAMA].map(|model| written(&request, model)).join("\n");
        let place = here.join("tests/cases").join(&name).with_extension("txt");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::create_dir_all(here.join("tests/cases")).expect("a directory");
            fs::write(&place, &now).expect("written");
        }
        let known = fs::read_to_string(&place).unwrap_or_default();
        assert_eq!(now, known, "{}", place.display());
    }
}
