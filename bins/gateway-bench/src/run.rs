//! A run: every proxy through every workload, in rounds that take turns.
#![expect(clippy::cast_precision_loss, reason = "figures of at most five digits are printed")]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::clock;
use crate::dialect::Dialect;
use crate::load::{Callers, Pattern, Tally, Until};
use crate::machine::{self, Cores};
use crate::table::{CHAT, Goal, PLAIN, Row, Unit};
use crate::target::{Asks, Running, Target};
use crate::upstream::Upstream;
use crate::workload::Workload;

/// How long and what.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    /// Empty for all.
    pub(crate) only: BTreeSet<String>,
    pub(crate) nginx: PathBuf,
    /// Name and binary; the first is the one that counts.
    pub(crate) gateways: Vec<(String, PathBuf)>,
}

/// Everything that can be asked for by name.
pub(crate) const NAMES: &[&str] = &[
    "W1", "W1d", "W2r", "W3", "W3f", "W3p", "W4u", "W4", "W4p", "W4d", "rate", "first", "W5s",
    "W5", "W5L", "start",
];

/// Rounds on a core that others used for more than this share are repeated.
const DISTURBED: f64 = 0.08;

/// A disturbed round is repeated this often at most.
const REPEATS: usize = 3;

/// Requests a second at which latency is compared.
const RATE: u32 = 500;

/// Streams whose memory is measured.
const MANY: usize = 1000;

/// The machine, the proxies and what was measured so far.
pub(crate) struct Bench {
    plan: Plan,
    cores: Cores,
    upstream: Upstream,
    runtime: tokio::runtime::Runtime,
    say: fn(&str),
    /// Largest share of the proxy's core that others had in a round that counts.
    pub(crate) disturbance: f64,
}

impl Bench {
    pub(crate) fn new(plan: Plan, say: fn(&str)) -> Result<Self> {
        // Before any thread begins: threads inherit the cores.
        let cores = Cores::share()?;
        let upstream = Upstream::start()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { plan, cores, upstream, runtime, say, disturbance: 0.0 })
    }

    pub(crate) fn proxy_core(&self) -> usize {
        self.cores.proxy
    }

    /// All that the plan asks for.
    pub(crate) fn run(&mut self) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        if self.wants("start") {
            rows.extend(self.starts()?);
        }
        let running = self.started(self.targets(&[Target::Floor, Target::FloorSplice]))?;
        let both = [Target::Floor, Target::FloorSplice];
        let one = [Target::Floor];
        let (per_request, per_event) = (Unit::MicrosPerRequest, Unit::MicrosPerEvent);
        for (name, workload, floors, unit, most) in [
            ("W1", Workload::unary_small(), &both[..], per_request, Some(1.25)),
            ("W2r", Workload::unary_captured(), &both[..], per_request, Some(1.5)),
            ("W3", Workload::bursts(), &one[..], per_event, Some(3.0)),
            ("W3f", Workload::flood(), &one[..], per_event, None),
            ("W3p", Workload::paced(), &one[..], per_event, Some(1.2)),
        ] {
            if self.wants(name) {
                let mut row = Row::new(name, unit, most.map(Goal::TimesNginx));
                self.costs(&workload, &self.targets(floors), &running, &mut row)?;
                rows.push(row);
            }
        }
        if self.wants("W1d") {
            rows.push(self.decision()?);
        }
        rows.extend(self.translations()?);
        if self.wants("W4d") {
            rows.extend(self.dialects()?);
        }
        if self.wants("rate") {
            let workload = Workload::unary_at_rate(RATE);
            rows.extend(self.latencies("rate", &workload, &running, |tally| tally.waits)?);
        }
        if self.wants("first") {
            let workload = Workload::first_events();
            rows.extend(self.latencies("first", &workload, &running, |tally| tally.waits)?);
        }
        if self.wants("W5s") {
            let workload = Workload::slow(100);
            let mut latencies = self.latencies("W5s", &workload, &running, |tally| tally.delays)?;
            latencies[0].goal = Some(Goal::TimesNginx(2.0));
            rows.extend(latencies);
        }
        if self.wants("start") && self.plan.only.is_empty() {
            let mut after = Row::new("after", Unit::MiB, None);
            for (target, running) in &running {
                after.push(target.name(), mib(running.resident()?));
            }
            rows.push(after);
        }
        drop(running);
        if self.wants("W5") {
            let goal = Some(Goal::AtMost(50.0));
            rows.extend(self.many_streams("W5", &Workload::slow(MANY), goal)?);
        }
        if self.wants("W5L") {
            rows.extend(self.many_streams("W5L", &Workload::slow_captured(MANY), None)?);
        }
        Ok(rows)
    }

    fn wants(&self, name: &str) -> bool {
        self.plan.only.is_empty() || self.plan.only.contains(name)
    }

    /// nginx, these floors, and the gateways, in the order of a round.
    fn targets(&self, floors: &[Target]) -> Vec<Target> {
        let gateways = self.plan.gateways.iter().cloned();
        let gateways =
            gateways.map(|(name, binary)| Target::Gateway { name, binary, asks: Asks::Messages });
        let nginx = Target::Nginx(self.plan.nginx.clone());
        std::iter::once(nginx).chain(floors.iter().cloned()).chain(gateways).collect()
    }

    fn started(&self, targets: Vec<Target>) -> Result<Vec<(Target, Running)>> {
        let start = |target: Target| {
            let running = target.start(&self.cores, self.upstream.addr)?;
            Ok((target, running))
        };
        targets.into_iter().map(start).collect()
    }

    /// W1 with a configuration of many rules and limits, beside the same with hardly any.
    fn decision(&mut self) -> Result<Row> {
        let mut row = Row::new("W1d", Unit::MicrosPerRequest, Some(Goal::AbovePlain(5.0)));
        let mut targets = Vec::new();
        for (name, binary) in &self.plan.gateways {
            for (name, asks) in
                [(format!("{name} {PLAIN}"), Asks::Messages), (name.clone(), Asks::Ruled)]
            {
                targets.push(Target::Gateway { name, binary: binary.clone(), asks });
            }
        }
        let running = self.started(targets.clone())?;
        self.costs(&Workload::unary_of_a_session(), &targets, &running, &mut row)?;
        Ok(row)
    }

    /// The work of asking another dialect's upstream; nginx passes on what it need not translate.
    fn translations(&mut self) -> Result<Vec<Row>> {
        let work = [
            ("W4u", Workload::chat_unary(), Unit::MicrosPerRequest, Goal::TimesNginx(3.3)),
            ("W4", Workload::chat_bursts(), Unit::MicrosPerEvent, Goal::TimesFloor(1.1)),
            ("W4p", Workload::chat_paced(), Unit::MicrosPerEvent, Goal::TimesNginx(1.3)),
        ];
        let mut rows = Vec::new();
        if !work.iter().any(|(name, ..)| self.wants(name)) {
            return Ok(rows);
        }
        let mut targets = self.targets(&[Target::FloorChat]);
        for target in &mut targets {
            if let Target::Gateway { asks, .. } = target {
                *asks = Asks::Chat;
            }
        }
        let running = self.started(targets.clone())?;
        for (name, workload, unit, goal) in work {
            if self.wants(name) {
                let mut row = Row::new(name, unit, Some(goal));
                self.costs(&workload, &targets, &running, &mut row)?;
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// W4 in every dialect, in the same rounds as in Chat Completions.
    fn dialects(&mut self) -> Result<Vec<Row>> {
        let workload = Workload::chat_bursts();
        let unit = Unit::MicrosPerEvent;
        // One round asks all of them, so each is a target of its own.
        let mut rounds = Row::new("W4d", unit, None);
        let mut targets = vec![Target::Nginx(self.plan.nginx.clone())];
        for (name, binary) in &self.plan.gateways {
            let asking = |asks, what: &str| Target::Gateway {
                name: format!("{name} {what}"),
                binary: binary.clone(),
                asks,
            };
            targets.push(asking(Asks::Chat, CHAT));
            targets.extend(Dialect::ALL.iter().map(|it| asking(Asks::Dialect(*it), it.spec().row)));
        }
        let running = self.started(targets.clone())?;
        self.costs(&workload, &targets, &running, &mut rounds)?;
        let row = |dialect: &Dialect| {
            let spec = dialect.spec();
            let mut row = Row::new(spec.row, unit, Some(Goal::TimesChat(spec.goal)));
            let mut copy = |from: &str, to: &str| {
                rounds.of(from).into_iter().flatten().for_each(|value| row.push(to, *value));
            };
            copy("nginx", "nginx");
            for (name, _) in &self.plan.gateways {
                copy(&format!("{name} {}", spec.row), name);
                copy(&format!("{name} {CHAT}"), &format!("{name} {CHAT}"));
            }
            row
        };
        Ok(Dialect::ALL.iter().map(row).collect())
    }

    /// Time on the core for each request or event.
    fn costs(
        &mut self,
        workload: &Workload,
        targets: &[Target],
        running: &[(Target, Running)],
        row: &mut Row,
    ) -> Result<()> {
        for target in targets {
            let (ask, script) = workload.for_target(target)?;
            self.upstream.play(script);
            let to = find(running, target)?.addr;
            let checked =
                self.runtime.block_on(async { Callers::connect(to, 1).await?.check(&ask).await });
            // The upstream knows more of what is wrong.
            self.upstream.check().and(checked).with_context(|| {
                format!("{} through {}, before all rounds", row.name, target.name())
            })?;
        }
        for round in 0..self.plan.rounds {
            for target in targets {
                let process = find(running, target)?;
                let cost = self.cost(workload, target, process, row.unit).with_context(|| {
                    format!("{} through {}, round {}", row.name, target.name(), round + 1)
                })?;
                row.push(target.name(), cost);
            }
            (self.say)(&row.progress(round));
        }
        Ok(())
    }

    fn cost(
        &mut self,
        workload: &Workload,
        target: &Target,
        process: &Running,
        unit: Unit,
    ) -> Result<f64> {
        let seconds = self.plan.seconds;
        let mut repeats = 0;
        loop {
            let (ask, script) = workload.for_target(target)?;
            self.upstream.play(script);
            let mut callers =
                self.runtime.block_on(Callers::connect(process.addr, workload.connections))?;
            let pattern = workload.pattern;
            let mut ask_for = |time: f64| {
                let until = Until::Time(clock::now() + Duration::from_secs_f64(time));
                self.runtime.block_on(callers.run(&ask, pattern, until))
            };
            ask_for(seconds / 10.0)?;
            let (core, before) =
                (machine::core_busy_nanos(self.cores.proxy)?, process.cpu_nanos()?);
            let tally = ask_for(seconds)?;
            // Until the last thread is off the core, so that its time is in the books.
            std::thread::sleep(Duration::from_millis(5));
            let used = process.cpu_nanos()? - before;
            let busy = machine::core_busy_nanos(self.cores.proxy)? - core;
            drop(callers);
            self.upstream.check()?;
            let others = busy.saturating_sub(used) as f64 / tally.took.as_nanos() as f64;
            if others > DISTURBED && repeats < REPEATS {
                repeats += 1;
                continue;
            }
            self.disturbance = self.disturbance.max(others);
            let count = if unit == Unit::MicrosPerEvent { tally.events } else { tally.requests };
            return Ok(used as f64 / 1000.0 / count as f64);
        }
    }

    /// Median and 99th percentile of the time that a proxy adds to the direct way.
    fn latencies(
        &mut self,
        name: &str,
        workload: &Workload,
        running: &[(Target, Running)],
        of: fn(Tally) -> Vec<u64>,
    ) -> Result<Vec<Row>> {
        let mut middle = Row::new(&format!("{name} p50"), Unit::AddedMicros, None);
        let mut tail = Row::new(&format!("{name} p99"), Unit::AddedMicros, None);
        let mut targets = self.targets(&[Target::Floor]);
        targets.insert(0, Target::Direct);
        for round in 0..self.plan.rounds {
            let mut direct = (0.0, 0.0);
            for target in &targets {
                let addr = match target {
                    Target::Direct => self.upstream.addr,
                    _ => find(running, target)?.addr,
                };
                let (ask, script) = workload.for_target(target)?;
                self.upstream.play(script);
                let pattern = workload.pattern;
                let until = Until::Time(clock::now() + Duration::from_secs_f64(self.plan.seconds));
                let tally = self
                    .runtime
                    .block_on(async {
                        let mut callers = Callers::connect(addr, workload.connections).await?;
                        let warm = Pattern { interval: Duration::ZERO, ..pattern };
                        if !pattern.interval.is_zero() {
                            callers.run(&ask, warm, Until::Count(20)).await?;
                        }
                        callers.run(&ask, pattern, until).await
                    })
                    .with_context(|| format!("{name} through {}", target.name()))?;
                self.upstream.check()?;
                let mut times = of(tally);
                times.sort_unstable();
                let at = |share: usize| -> Result<f64> {
                    let last = times.len().checked_sub(1).context("no event has a time")?;
                    Ok(times[last * share / 100] as f64 / 1000.0)
                };
                let (p50, p99) = (at(50)?, at(99)?);
                if *target == Target::Direct {
                    direct = (p50, p99);
                    middle.push(target.name(), p50);
                    tail.push(target.name(), p99);
                } else {
                    middle.push(target.name(), p50 - direct.0);
                    tail.push(target.name(), p99 - direct.1);
                }
            }
            (self.say)(&middle.progress(round));
        }
        Ok(vec![middle, tail])
    }

    /// From the start of a process to its first answer, and what it holds then.
    fn starts(&mut self) -> Result<Vec<Row>> {
        let mut start = Row::new("start", Unit::Millis, Some(Goal::AtMost(100.0)));
        let mut idle = Row::new("idle", Unit::MiB, Some(Goal::AtMost(15.0)));
        for round in 0..self.plan.rounds {
            for target in self.targets(&[Target::Floor]) {
                let running = target.start(&self.cores, self.upstream.addr)?;
                std::thread::sleep(Duration::from_millis(500));
                start.push(target.name(), running.first_answer.as_secs_f64() * 1000.0);
                idle.push(target.name(), mib(running.resident()?));
            }
            (self.say)(&start.progress(round));
        }
        Ok(vec![start, idle])
    }

    /// A thousand slow streams at once, through a fresh process each time.
    fn many_streams(
        &mut self,
        name: &str,
        workload: &Workload,
        goal: Option<Goal>,
    ) -> Result<Vec<Row>> {
        let mut memory = Row::new(name, Unit::KbPerStream, goal);
        let mut after = Row::new(&format!("{name} after"), Unit::MiB, None);
        let mut cost = Row::new(&format!("{name} CPU"), Unit::MicrosPerEvent, None);
        let mut rate = Row::new(&format!("{name} rate"), Unit::EventsPerSecond, None);
        for round in 0..self.plan.rounds.min(5) {
            for target in self.targets(&[Target::Floor]) {
                let process = target.start(&self.cores, self.upstream.addr)?;
                std::thread::sleep(Duration::from_millis(300));
                let (ask, script) = workload.for_target(&target)?;
                self.upstream.play(script);
                let idle = process.resident()?;
                let peak = Rc::new(Cell::new(idle));
                let before = process.cpu_nanos()?;
                let tally = self
                    .runtime
                    .block_on(async {
                        let mut callers = Callers::connect(process.addr, MANY).await?;
                        let watch = async {
                            loop {
                                tokio::time::sleep(Duration::from_millis(20)).await;
                                let now = process.resident().unwrap_or_default();
                                peak.set(peak.get().max(now));
                            }
                        };
                        tokio::select! {
                            tally = callers.run(&ask, workload.pattern, Until::Count(1)) => tally,
                            () = watch => bail!("the watch never ends"),
                        }
                    })
                    .with_context(|| format!("{MANY} streams through {}", target.name()))?;
                self.upstream.check()?;
                let used = process.cpu_nanos()? - before;
                std::thread::sleep(Duration::from_secs(1));
                let name = target.name();
                memory.push(name, (peak.get() - idle) as f64 / 1000.0 / MANY as f64);
                after.push(name, mib(process.resident()?));
                cost.push(name, used as f64 / 1000.0 / tally.events as f64);
                rate.push(name, tally.events as f64 / tally.took.as_secs_f64());
            }
            (self.say)(&memory.progress(round));
        }
        Ok(vec![memory, after, cost, rate])
    }
}

fn find<'r>(running: &'r [(Target, Running)], target: &Target) -> Result<&'r Running> {
    let found = running.iter().find(|(running, _)| running == target);
    Ok(&found.with_context(|| format!("{} is not running", target.name()))?.1)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
