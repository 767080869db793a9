//! A dozen small requests in full, on both services, for a person to read. They are those of the other
//! dialects; `tests/cases/NAME.txt`, written by the test when `UPDATE_SNAPSHOTS=1` is set, is what goes
//! up and is lost.

use std::fs;
use std::path::Path;

use crate::support::Upstream;

fn written(upstream: &Upstream, request: &[u8]) -> String {
    let encoded = match upstream.encode_bytes(request) {
        Ok(encoded) => encoded,
        Err(refused) => return format!("refused: {}\n", refused.message()),
    };
    let body: serde_json::Value = serde_json::from_str(&encoded.body).expect("JSON");
    upstream.check(&body).unwrap_or_else(|refusal| panic!("{}\n{body:#}", refusal.message));
    let mut text = format!("POST {}\n{body:#}\n", encoded.path);
    for loss in &encoded.losses {
        text += &format!("{} {}: {}\n", loss.what.as_str(), loss.path, loss.why);
    }
    text
}

#[test]
fn small_requests_in_full() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names: Vec<_> = fs::read_dir(here.join("../gateway-openai/tests/cases"))
        .expect("the cases")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    names.sort();
    assert!(names.len() >= 12);
    for case in names {
        let request = fs::read(case.join("request.json")).expect("a request");
        let now = format!(
            "{}\n{}",
            written(&Upstream::of("gemini-3.1-pro-preview"), &request),
            written(&Upstream::vertex("gemini-2.5-flash"), &request)
        );
        let name = case.file_name().expect("a name").to_string_lossy().into_owned();
        let place = here.join(format!("tests/cases/{name}.txt"));
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(&place, &now).expect("written");
        }
        let known = fs::read_to_string(&place).unwrap_or_default();
        assert_eq!(now, known, "{}", place.display());
    }
}
