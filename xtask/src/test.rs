//! `cargo xtask test`: everything that has to hold before a change lands. CI runs this and nothing else.
//!
//! The steps are run one after the other, all of them, also when one fails; what a failed one printed is
//! shown. The last line counts tests, and each failed step as at least one.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// What a step has to say when it is done.
#[derive(Debug, Default)]
struct Outcome {
    passed: usize,
    failed: usize,
    /// Beside the time, on the step's line.
    note: String,
}

type Step = (&'static str, fn(&Place) -> Result<Outcome>);

const STEPS: &[Step] = &[
    ("format", |_| quiet(cargo(["fmt", "--all", "--check"]))),
    ("layers", |_| crate::layers::check().map(|()| Outcome::default())),
    ("lints", |_| {
        quiet(cargo([
            "clippy",
            "--workspace",
            "--all-targets",
            KIT,
            "--locked",
            "--",
            "-D",
            "warnings",
        ]))
    }),
    ("tests", |_| {
        counted(cargo([
            "test",
            "--workspace",
            "--exclude",
            "gateway-tests",
            KIT,
            "--locked",
            "--no-fail-fast",
        ]))
    }),
    ("docs", |_| {
        let mut doc = cargo(["doc", "--workspace", "--no-deps", "--locked"]);
        doc.env("RUSTDOCFLAGS", "-D warnings");
        quiet(doc)
    }),
    ("dependencies", dependencies),
    ("binary", |_| quiet(cargo(["build", "--package", "gateway-cli", "--locked"]))),
    ("clients", clients),
    ("end to end", end_to_end),
];

/// The test kit's own tests cover its optional half too.
const KIT: &str = "--features=gateway-testkit/tls";

/// Where things are.
#[derive(Debug)]
struct Place {
    root: PathBuf,
    target: PathBuf,
}

/// Runs every step, or those named in `only`.
pub(crate) fn run(only: &[&str]) -> Result<()> {
    let names: Vec<&str> = STEPS.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = only.iter().find(|name| !names.contains(name)) {
        bail!("no step is called {unknown:?}; there are: {}", names.join(", "));
    }
    let place = Place::find()?;
    let (mut passed, mut failed) = (0, 0);
    let begun = now();
    for (name, step) in STEPS {
        if !only.is_empty() && !only.contains(name) {
            continue;
        }
        let start = now();
        let result = step(&place);
        let took = seconds(start.elapsed());
        match result {
            Ok(outcome) if outcome.failed == 0 => {
                say(&format!("{name:<14} ok     {took}  {}", outcome.note));
                passed += outcome.passed;
            }
            Ok(outcome) => {
                say(&format!("{name:<14} FAILED {took}  {}", outcome.note));
                passed += outcome.passed;
                failed += outcome.failed;
            }
            Err(error) => {
                say(&format!("{name:<14} FAILED {took}  {error:#}"));
                failed += 1;
            }
        }
    }
    say(&format!("\n{} in all", seconds(begun.elapsed()).trim()));
    say(&format!("{passed} passed, {failed} failed"));
    if failed > 0 {
        // Not by an error: its text would come after the line that is to be the last.
        std::process::exit(1);
    }
    Ok(())
}

/// `cargo deny`, where there is one. Advisories are not in it: they come from the network and change
/// without the code; look at them with `cargo deny check advisories`.
fn dependencies(_: &Place) -> Result<Outcome> {
    let found = Command::new("cargo-deny").arg("--version").stdout(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        let note = "NOT CHECKED: cargo-deny is not installed (cargo install --locked cargo-deny)";
        return Ok(Outcome { note: note.to_owned(), ..Outcome::default() });
    }
    quiet(cargo(["deny", "--locked", "check", "bans", "licenses", "sources"]))
}

/// Installs the pinned clients into `target/client`, unless they are there already.
fn clients(place: &Place) -> Result<Outcome> {
    let (from, to) = (place.root.join("tests/client"), place.clients());
    let read = |name: &str| {
        fs::read_to_string(from.join(name)).with_context(|| format!("tests/client/{name}"))
    };
    let (package, lock) = (read("package.json")?, read("package-lock.json")?);
    let requirements = read("requirements.txt")?;
    let wanted = [package.as_str(), &lock, &requirements].join("\n");
    let mark = to.join("installed");
    if fs::read_to_string(&mark).is_ok_and(|have| have == wanted) {
        return Ok(Outcome { note: "already installed".to_owned(), ..Outcome::default() });
    }
    // Half an installation must not look like a whole one.
    let _ = fs::remove_file(&mark);
    fs::create_dir_all(&to)?;
    fs::write(to.join("package.json"), &package)?;
    fs::write(to.join("package-lock.json"), &lock)?;
    fs::write(to.join("requirements.txt"), &requirements)?;

    // Install scripts stay off; the one that is needed (it puts the native client in its place) is
    // run by name.
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&to);
    quiet(npm).context("npm (Node.js 20 or later is needed)")?;
    let mut place_native = Command::new("node");
    place_native.arg("node_modules/@anthropic-ai/claude-code/install.cjs").current_dir(&to);
    quiet(place_native)?;
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear", "python"]).current_dir(&to);
    quiet(venv).context("python3 -m venv (Python 3.11 or later with its venv module is needed)")?;
    let mut pip = Command::new(to.join("python/bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--requirement", "requirements.txt"]);
    pip.current_dir(&to);
    quiet(pip)?;

    let mut claude = Command::new(to.join("node_modules/.bin/claude"));
    let version = claude.arg("--version").output().context("the installed claude")?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    fs::write(mark, wanted)?;
    Ok(Outcome { note: version, ..Outcome::default() })
}

/// The real clients through the binary.
fn end_to_end(place: &Place) -> Result<Outcome> {
    let mut test = cargo(["test", "--package", "gateway-tests", "--locked", "--no-fail-fast"]);
    test.env("GATEWAY_BIN", place.target.join("debug/claude-code-model-gateway"))
        .env("GATEWAY_TEST_CLIENTS", place.clients())
        // They wait more than they work; how many clients run at once is limited by the tests.
        .env("RUST_TEST_THREADS", "8");
    counted(test)
}

fn cargo<const N: usize>(args: [&str; N]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args);
    command
}

/// Runs a command whose output matters only when it fails.
fn quiet(command: Command) -> Result<Outcome> {
    let (ok, output) = run_command(command)?;
    if !ok {
        say(&output);
        bail!("see above");
    }
    Ok(Outcome::default())
}

/// Runs a command that runs tests, and counts them.
fn counted(command: Command) -> Result<Outcome> {
    let (ok, output) = run_command(command)?;
    let (passed, mut failed) = count(&output);
    if !ok {
        say(&output);
        // Something that did not compile has no test to fail.
        failed = failed.max(1);
    }
    Ok(Outcome { passed, failed, note: format!("{passed} passed, {failed} failed") })
}

/// Whether it went well, and all it said.
fn run_command(mut command: Command) -> Result<(bool, String)> {
    let name = PathBuf::from(command.get_program());
    let name = name.file_name().map_or_else(OsString::new, ToOwned::to_owned);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{} can't be run", name.display()))?;
    let said = [&output.stderr[..], &output.stdout[..]].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

/// Adds up the `test result:` lines.
fn count(output: &str) -> (usize, usize) {
    let number = |line: &str, word: &str| -> usize {
        let before = line.split(word).next().unwrap_or_default().trim_end();
        before.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    let results = output.lines().filter(|line| line.starts_with("test result: "));
    results.fold((0, 0), |(passed, failed), line| {
        (passed + number(line, " passed"), failed + number(line, " failed"))
    })
}

impl Place {
    fn find() -> Result<Self> {
        #[derive(Deserialize)]
        struct Metadata {
            workspace_root: PathBuf,
            target_directory: PathBuf,
        }
        let output = cargo(["metadata", "--format-version", "1", "--no-deps"]).output()?;
        let found: Metadata =
            serde_json::from_slice(&output.stdout).context("cargo metadata is JSON")?;
        Ok(Self { root: found.workspace_root, target: found.target_directory })
    }

    fn clients(&self) -> PathBuf {
        self.target.join("client")
    }
}

#[expect(clippy::disallowed_methods, reason = "a tool that tells how long its steps took")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn seconds(time: Duration) -> String {
    format!("{:>6.1} s", time.as_secs_f64())
}

#[expect(clippy::print_stdout, reason = "a command-line tool")]
fn say(line: &str) {
    println!("{line}");
    let _ = std::io::stdout().flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_add_up() {
        let output = "running 2 tests\ntest a ... ok\n\
            test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.01s\n\
            test result: FAILED. 10 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(count(output), (12, 3));
        assert_eq!(count("error: could not compile"), (0, 0));
    }
}
