//! What the operating system knows: which core a process may use, how long it ran, what it holds.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The core of the measured proxy, and those of load and upstream.
#[derive(Debug)]
pub(crate) struct Cores {
    pub(crate) proxy: usize,
    rest: CpuSet,
}

impl Cores {
    /// Takes the first core for the proxies and leaves the others to this process.
    pub(crate) fn share() -> Result<Self> {
        let mut rest = sched_getaffinity(None)?;
        let proxy = (0..CpuSet::MAX_CPU).find(|&core| rest.is_set(core)).context("no core")?;
        ensure!(rest.count() > 1, "two cores are needed: one for the proxy, one for the load");
        rest.unset(proxy);
        sched_setaffinity(None, &rest)?;
        // Two sockets for each of a thousand streams, and a few.
        let limit = getrlimit(Resource::Nofile);
        let wanted = limit.maximum.map_or(65_536, |most| most.min(65_536));
        let limit = Rlimit { current: Some(wanted), maximum: limit.maximum };
        setrlimit(Resource::Nofile, limit).context("the limit of open files")?;
        Ok(Self { proxy, rest })
    }

    /// Runs `spawn` on the proxy's core: what it starts stays there.
    pub(crate) fn on_proxy_core<T>(&self, spawn: impl FnOnce() -> T) -> Result<T> {
        let mut one = CpuSet::new();
        one.set(self.proxy);
        sched_setaffinity(None, &one)?;
        let spawned = spawn();
        sched_setaffinity(None, &self.rest)?;
        Ok(spawned)
    }
}

/// The process and its children.
fn family(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        next += 1;
        for task in tasks(parent) {
            let children = fs::read_to_string(format!("/proc/{parent}/task/{task}/children"));
            let children = children.unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    found
}

fn tasks(pid: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    entries.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok()).collect()
}

/// Nanoseconds that the threads of the process and its children have run on a core.
pub(crate) fn cpu_nanos(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for member in family(pid) {
        for task in tasks(member) {
            let path = format!("/proc/{member}/task/{task}/schedstat");
            let text = fs::read_to_string(&path).with_context(|| path.clone())?;
            let ran = text.split_whitespace().next().and_then(|n| n.parse::<u64>().ok());
            sum += ran.with_context(|| format!("{path}: {text:?}"))?;
        }
    }
    Ok(sum)
}

/// Bytes of memory that the process and its children hold resident.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for member in family(pid) {
        let path = format!("/proc/{member}/status");
        let text = fs::read_to_string(&path).with_context(|| path.clone())?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        sum += kib.with_context(|| format!("{path} has no VmRSS"))? * 1024;
    }
    Ok(sum)
}

/// Nanoseconds that a core was busy with anything, to 10 ms.
pub(crate) fn core_busy_nanos(core: usize) -> Result<u64> {
    let text = fs::read_to_string("/proc/stat")?;
    let name = format!("cpu{core} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name)).context("/proc/stat")?;
    let ticks: Vec<u64> = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    let busy: u64 = [0, 1, 2, 5, 6, 7].iter().filter_map(|&column| ticks.get(column)).sum();
    Ok(busy * 10_000_000)
}

/// The machine in a line: cores, processor, memory, kernel.
pub(crate) fn describe() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(": "))
        .map_or("unknown processor", |(_, name)| name);
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let virtual_machine = if cpuinfo.contains(" hypervisor") { ", virtual machine" } else { "" };
    format!("{cores} cores of {model}{virtual_machine}, Linux {}", kernel.trim())
}

/// The first line that a program prints about its version.
pub(crate) fn version_of(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let output = output.map(|o| [o.stdout, o.stderr].concat()).unwrap_or_default();
    let text = String::from_utf8_lossy(&output);
    text.lines().next().unwrap_or("unknown version").trim().to_owned()
}
