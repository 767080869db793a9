//! A dozen small requests in full, in both dialects, for a person to read: `tests/cases/NAME` holds
//! what came and, written by the test when `UPDATE_SNAPSHOTS=1` is set, what goes up and is lost.

use std::fs;
use std::path::Path;

use gateway_models::Catalogue;
use gateway_openai::{Api, ModelOverrides, OpenAi, Quirks, SchemaMemo};
use gateway_translate::{AttemptCx, Egress as _, Keyring};
use serde_json::Value;

fn written(request: &[u8], api: Api, model: &str) -> String {
    let request = gateway_anthropic::decode(request).expect("a request");
    let egress = OpenAi {
        api,
        quirks: Quirks::for_base("https://api.openai.com/v1"),
        catalogue: Catalogue::builtin().clone(),
        overrides: ModelOverrides::default(),
        schemas: SchemaMemo::default(),
        azure: None,
    };
    let keys = Keyring::new(["a key for tests"]);
    let cx = AttemptCx { model, provider: "openai", reply_id: "msg_1", ..AttemptCx::new(&keys) };
    let encoded = match egress.encode(&request, &cx) {
        Ok(encoded) => encoded,
        Err(refused) => return format!("refused: {}\n", refused.message()),
    };
    let body: Value = serde_json::from_str(&encoded.body).expect("JSON");
    let mut text = format!("POST {}\n{body:#}\n", encoded.path);
    for loss in &encoded.losses {
        text += &format!("{} {}: {}\n", loss.what.as_str(), loss.path, loss.why);
    }
    text
}

#[test]
fn small_requests_in_full() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut names: Vec<_> = fs::read_dir(&cases)
        .expect("the cases")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    names.sort();
    assert!(names.len() >= 12);
    for case in names {
        let request = fs::read(case.join("request.json")).expect("a request");
        for (file, api, model) in
            [("chat.txt", Api::Chat, "gpt-4.1"), ("responses.txt", Api::Responses, "gpt-5.6-terra")]
        {
            let (place, now) = (case.join(file), written(&request, api, model));
            if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
                fs::write(&place, &now).expect("written");
            }
            let known = fs::read_to_string(&place).unwrap_or_default();
            assert_eq!(now, known, "{}", place.display());
        }
    }
}
