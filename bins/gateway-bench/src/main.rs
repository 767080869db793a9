//! Measures the gateway beside nginx and beside minimal hyper proxies, on one core each, in the
//! same run. Started by `cargo xtask bench`; `docs/performance.md` says what is measured and how.

mod chat;
mod clock;
mod dialect;
mod floor;
mod load;
mod machine;
mod micro;
mod page;
mod run;
mod script;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod upstream;
mod wire;
mod workload;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

/// Measures the gateway beside nginx and minimal proxies.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the measurement.
    Run(RunArgs),
    /// Measure the parts of a translation by themselves.
    Micro,
    /// Be a minimal proxy: a part of `run`.
    #[command(hide = true)]
    Floor {
        listen: SocketAddr,
        upstream: SocketAddr,
        /// The model's name to replace, and the one to put there.
        #[arg(long, num_args = 2)]
        rename: Vec<String>,
        /// The model to ask for at Chat Completions.
        #[arg(long)]
        chat: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// The gateway's binary.
    #[arg(long)]
    gateway: PathBuf,
    /// Another binary of the gateway to measure beside it; may be repeated.
    #[arg(long, value_name = "NAME=PATH")]
    also: Vec<String>,
    /// The page to write the table into.
    #[arg(long)]
    page: PathBuf,
    /// Short rounds, for a first look.
    #[arg(long)]
    quick: bool,
    /// Rounds of every workload.
    #[arg(long)]
    rounds: Option<usize>,
    /// Only these workloads: W1, W1d, W2r, W3, W3f, W3p, W4u, W4, W4p, W4d (a row for each dialect),
    /// rate, first, W5s, W5, W5L, start.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Leave the page as it is.
    #[arg(long)]
    no_write: bool,
}

fn main() -> Result<()> {
    match Cli::parse().verb {
        Verb::Run(args) => measure(&args),
        Verb::Micro => {
            say(&micro::run()?);
            Ok(())
        }
        Verb::Floor { listen, upstream, rename, chat } => {
            let work = match (&rename[..], chat) {
                ([from, to], None) => {
                    floor::Work::Splice { from: from.clone(), to: to.clone().into() }
                }
                (_, Some(model)) => floor::Work::Chat { model },
                _ => floor::Work::Stream,
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            tokio::task::LocalSet::new().block_on(&runtime, async {
                let socket = tokio::net::TcpSocket::new_v4()?;
                socket.set_reuseaddr(true)?;
                socket.bind(listen)?;
                floor::serve(socket.listen(1024)?, upstream, work).await
            })
        }
    }
}

fn measure(args: &RunArgs) -> Result<()> {
    let only: BTreeSet<String> = args.only.iter().cloned().collect();
    if let Some(unknown) = only.iter().find(|name| !run::NAMES.contains(&name.as_str())) {
        bail!("no workload is called {unknown:?}; there are: {}", run::NAMES.join(", "));
    }
    let mut gateways = vec![("gateway".to_owned(), args.gateway.clone())];
    for also in &args.also {
        let (name, path) = also.split_once('=').context("--also takes NAME=PATH")?;
        gateways.push((name.to_owned(), path.into()));
    }
    for (_, binary) in &mut gateways {
        let whole = binary.canonicalize();
        *binary = whole.with_context(|| format!("no gateway at {}", binary.display()))?;
    }
    let plan = run::Plan {
        rounds: args.rounds.unwrap_or(if args.quick { 2 } else { 7 }),
        seconds: if args.quick { 0.5 } else { 2.0 },
        only,
        nginx: target::find_nginx()?,
        gateways: gateways.clone(),
    };
    let facts = page::Facts {
        at: jiff::Timestamp::now().to_string(),
        machine: machine::describe(),
        nginx: machine::version_of(&plan.nginx.to_string_lossy(), "-v"),
        gateway: machine::version_of(&gateways[0].1.to_string_lossy(), "--version"),
        rounds: plan.rounds,
        seconds: plan.seconds,
    };
    let whole = plan.only.is_empty() && !args.quick;
    let mut bench = run::Bench::new(plan, say)?;
    let rows = bench.run()?;
    for (name, _) in &gateways {
        say(&format!("\n{name}\n\n{}", table::tables(&rows, name)));
    }
    say(&format!(
        "{}; proxies on core {}; others had at most {:.0} % of it in a round that counts",
        facts.machine,
        bench.proxy_core(),
        bench.disturbance * 100.0
    ));
    if args.no_write {
        return Ok(());
    }
    if !whole {
        say("not written: only a whole run goes onto the page");
        return Ok(());
    }
    page::write(&args.page, &facts, bench.disturbance, &table::tables(&rows, "gateway"))
}

#[expect(clippy::print_stdout, reason = "a command-line tool")]
fn say(line: &str) {
    println!("{line}");
    let _ = std::io::stdout().flush();
}
