//! The pages of `docs/providers`: one for each kind, and examples that load.

use super::*;
use crate::keys::KINDS;

fn pages() -> Vec<(String, String)> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/providers");
    let files = fs::read_dir(dir).expect("the pages");
    let mut pages: Vec<_> = files
        .map(|file| {
            let path = file.expect("a file").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(path).expect("a text"))
        })
        .collect();
    pages.sort();
    pages
}

/// What stands between fences of `language`.
fn fenced<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let begin = format!("```{language}\n");
    page.split(&*begin).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// Every variable that an example may name, and no AWS profile or file of Google's.
const SET: &[(&str, &str)] = &[
    ("ANTHROPIC_API_KEY", "k"),
    ("AZURE_OPENAI_API_KEY", "k"),
    ("DEEPSEEK_API_KEY", "k"),
    ("GEMINI_API_KEY", "k"),
    ("MISTRAL_API_KEY", "k"),
    ("OPENAI_API_KEY", "k"),
    ("OPENROUTER_API_KEY", "k"),
];

#[test]
fn every_kind_has_a_page_that_the_index_leads_to() {
    let pages = pages();
    let (_, index) = pages.iter().find(|(name, _)| name == "README").expect("an index");
    for kind in KINDS.iter().filter(|kind| !["demo", "google", "local"].contains(kind)) {
        let word = format!("`{kind}`");
        let row = index.lines().find(|line| line.starts_with("| [") && line.contains(&word));
        let row = row.unwrap_or_else(|| panic!("no page for kind {kind}"));
        let page = row.split("](").nth(1).and_then(|rest| rest.split(".md)").next());
        assert!(pages.iter().any(|(name, _)| Some(&**name) == page), "{kind}: {page:?}");
    }
    for (name, page) in pages.iter().filter(|(name, _)| name != "README") {
        assert!(index.contains(&format!("]({name}.md)")), "the index lacks {name}");
        for part in
            ["**A start checks**", "## What becomes of a request", "* **Counts**", "## Errors"]
        {
            assert!(page.contains(part), "{name} has no `{part}`");
        }
    }
}

#[test]
fn every_example_of_a_page_loads_without_a_warning() {
    let mut loaded_all = 0;
    for (name, page) in pages() {
        for yaml in fenced(&page, "yaml") {
            let loaded = load(&case(yaml, SET).sources).unwrap_or_else(|f| panic!("{name}: {f}"));
            assert!(loaded.warnings.is_empty(), "{name}: {:?}", loaded.warnings);
            let table = loaded.config.routing().expect("a table");
            // Claude's names lead to something that the provider may have: those of some are its own.
            for model in ["claude-opus-5-5", "claude-haiku-4-5-20251001"] {
                let way = table.explain(&gateway_router::Query::model(model)).expect("a way");
                let hosted = ["anthropic", "azure", "vertex"].contains(&&*name);
                assert!(hosted || way.upstream_model != model, "{name}: {model}");
            }
            loaded_all += 1;
        }
    }
    assert!(loaded_all >= 11, "{loaded_all}");
}

#[test]
fn the_variables_of_a_page_set_its_kind_up_alone() {
    for (name, page) in pages().into_iter().filter(|(name, _)| name != "README") {
        let [script] = fenced(&page, "sh")[..] else { panic!("{name}: one script") };
        let words = script.lines().flat_map(|line| {
            let said = line.split(" #").next().unwrap_or_default();
            said.strip_prefix("export ").expect("an export").split_whitespace()
        });
        let dir = TempDir::new().expect("a directory");
        let login = dir.path().join("login.json");
        fs::write(&login, "{}").expect("a file");
        let login = login.to_string_lossy();
        let env: Vec<(&str, &str)> = words
            .map(|word| word.split_once('=').expect("NAME=value"))
            .map(|(name, value)| (name, if value.starts_with("/path") { &*login } else { value }))
            .collect();
        let loaded =
            load(&no_file(&env).sources).unwrap_or_else(|faults| panic!("{name}: {faults}"));
        let kinds: Vec<_> = loaded.config.providers.iter().map(|p| p.kind.as_str()).collect();
        let kind = match &*name {
            "anthropic-compatible" => "anthropic",
            "compatible" => "openai",
            other => other,
        };
        assert_eq!(kinds, [kind], "{name}");
    }
}
