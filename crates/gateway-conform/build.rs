//! Packs the recorded requests into one compressed file, which the crate carries: they are nearly the
//! same text fifty times, three megabytes that become two hundred kilobytes.

use std::env;
use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

fn main() {
    let from =
        Path::new(&env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the crate is"))
            .join("../../fixtures/claude-code");
    println!("cargo::rerun-if-changed={}", from.display());
    let entries = fs::read_dir(&from).expect("the fixtures are part of the repository");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("a readable directory").file_name())
        .map(|name| name.into_string().expect("names are ASCII"))
        .filter(|name| Path::new(name).extension().is_some_and(|ext| ext == "json"))
        .filter(|name| !name.starts_with("reply-") && name != "error-bodies.json")
        .collect();
    names.sort();

    let out =
        Path::new(&env::var_os("OUT_DIR").expect("cargo gives a directory")).join("recorded.gz");
    let file = fs::File::create(out).expect("OUT_DIR can be written");
    let mut packed = GzEncoder::new(file, Compression::best());
    for name in names {
        let text = fs::read_to_string(from.join(&name)).expect("fixtures are UTF-8");
        let stem = name.trim_end_matches(".json");
        // A line with the name and the length, then the text.
        write!(packed, "{stem} {}\n{text}", text.len()).expect("OUT_DIR can be written");
    }
    packed.finish().expect("OUT_DIR can be written");
}
