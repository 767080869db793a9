//! House-keeping commands: `cargo xtask <verb>`.

use anyhow::{Result, bail};

mod bench;
mod layers;
mod release;
mod soak;
mod test;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bench", ref args @ ..] => bench::run(args),
        ["soak", ref args @ ..] => soak::run(args),
        ["check-layers"] => layers::check(),
        ["test", ref only @ ..] => test::run(only),
        _ => bail!(
            "usage: cargo xtask bench [--quick] [--only W1,...] [--no-write] | soak [--minutes N] [--seed S] [--no-write] | check-layers | test [STEP]..."
        ),
    }
}
