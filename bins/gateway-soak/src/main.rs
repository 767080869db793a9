//! Minutes of mixed load with faults injected against the gateway's binary, and what must be true at
//! their end. Started by `cargo xtask soak`; `docs/reliability.md` says what is done and found.

mod caller;
mod dice;
mod fault;
mod gateway;
mod report;
mod tally;
mod upstream;
mod wire;
mod words;

use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use tokio::time::{Instant, sleep};

use crate::caller::{Load, MODELS};
use crate::dice::Dice;
use crate::gateway::{Gateway, Sample};
use crate::report::Run;
use crate::tally::{Kind, Tally, Verdict};
use crate::upstream::{Death, Upstream};
use crate::words::Dialect;

/// Minutes of mixed load with faults injected.
#[derive(Debug, Parser)]
struct Cli {
    /// The gateway's binary.
    #[arg(long)]
    gateway: PathBuf,
    /// The page to write the tables into.
    #[arg(long)]
    page: PathBuf,
    /// How long the load lasts.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Another one: other faults at other times.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Callers at once.
    #[arg(long, default_value_t = 32)]
    callers: u64,
    /// Keep the gateway's log and configuration, as is done anyway when something does not hold.
    #[arg(long)]
    keep: bool,
    /// Leave the page as it is.
    #[arg(long)]
    no_write: bool,
}

fn main() -> Result<()> {
    let mut cli = Cli::parse();
    cli.gateway = cli.gateway.canonicalize().context("no gateway there")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = tokio::task::LocalSet::new().block_on(&runtime, soak(&cli))?;
    let tables = run.tables();
    say(&tables);
    for complaint in &run.tally.complaints {
        say(complaint);
    }
    if !cli.no_write {
        let date = jiff::Timestamp::now().to_string();
        let date = date.split('T').next().unwrap_or_default();
        let (minutes, callers, seed) = (cli.minutes, cli.callers, cli.seed);
        let facts = format!(
            "Measured {date} with `cargo xtask soak --minutes {minutes} --seed {seed}`: {callers} callers at once.\n\n"
        );
        report::write(&cli.page, &(facts + &tables))?;
    }
    let failed: Vec<&str> =
        run.checks().iter().filter(|check| !check.holds).map(|check| check.what).collect();
    if !failed.is_empty() {
        bail!("this does not hold: {}", failed.join("; "));
    }
    Ok(())
}

async fn soak(cli: &Cli) -> Result<Run> {
    let death = |first| Death {
        first: Duration::from_secs(first),
        every: Duration::from_secs(40),
        lasts: Duration::from_secs(3),
    };
    let alpha = Upstream::start(Dialect::Messages, cli.seed, death(12))?;
    let beta = Upstream::start(Dialect::Chat, !cli.seed, death(32))?;
    let mut gateway = Gateway::start(&cli.gateway, alpha.addr, beta.addr).await?;
    let load = Rc::new(Load {
        to: gateway.addr,
        seed: cli.seed,
        next: Cell::new(0),
        tally: RefCell::new(Tally::default()),
    });
    let until = Instant::now() + Duration::try_from_secs_f64(cli.minutes * 60.0)?;
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..cli.callers {
        let load = Rc::clone(&load);
        callers.spawn_local(async move { load.call(caller, until).await });
    }
    let greedy = Rc::clone(&load);
    callers.spawn_local(async move { greedy.call_greedily(until).await });
    let mut samples = Vec::new();
    while Instant::now() < until {
        sleep(Duration::from_secs(1)).await;
        samples.push(gateway.sample()?);
        if samples.len() % 10 == 5 {
            gateway.disturb()?;
        }
        if samples.len().is_multiple_of(20) {
            progress(&load.tally.borrow(), samples[samples.len() - 1]);
        }
    }
    while callers.join_next().await.is_some() {}
    alpha.get_well();
    beta.get_well();
    // Longer than a breaker is open, than a key rests, and than nobody listens.
    sleep(Duration::from_secs(8)).await;
    let recovered = recovery(&load).await;
    let mut in_flight = gateway.in_flight().await?;
    for _ in 0..100 {
        if in_flight == 0 {
            break;
        }
        sleep(Duration::from_millis(100)).await;
        in_flight = gateway.in_flight().await?;
    }
    let idle = gateway.sample()?;
    let exit = gateway.stop().await?;
    let (told, log) = (gateway.told(), gateway.logged()?);
    let upstreams = vec![alpha.behaved("alpha (Messages)"), beta.behaved("beta (Chat)")];
    let tally = load.tally.take();
    let run = Run { tally, samples, idle, in_flight, exit, told, log, upstreams, recovered };
    if cli.keep || run.checks().iter().any(|check| !check.holds) {
        say(&format!("log and configuration are kept in {}", gateway.keep().display()));
    }
    Ok(run)
}

fn progress(tally: &Tally, sample: Sample) {
    say(&format!(
        "{} requests, {} wrong; {} MiB, {} descriptors",
        tally.total(|_| true),
        tally.total(Verdict::is_wrong),
        sample.resident >> 20,
        sample.descriptors
    ));
}

/// Asks for every model, some times each, when there are no faults any more.
async fn recovery(load: &Load) -> (u64, u64) {
    let whole = || load.tally.borrow().total(|verdict| verdict == Verdict::Whole);
    let before = whole();
    let mut dice = Dice::new(0, 0);
    let mut asked = 0;
    for model in MODELS {
        for kind in [Kind::Unary, Kind::Stream, Kind::Stream, Kind::Count, Kind::Unary] {
            load.ask(kind, model, None, &mut dice).await;
            asked += 1;
        }
    }
    (asked, whole() - before)
}

#[expect(clippy::print_stdout, reason = "a command-line tool")]
fn say(line: &str) {
    println!("{line}");
    let _ = std::io::stdout().flush();
}
