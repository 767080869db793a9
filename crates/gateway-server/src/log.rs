//! The log: one line an exchange and a few about the gateway itself, written off the request path.
//!
//! Workers hand records over in memory; one thread formats and writes them in batches. When it
//! can't keep up, records are dropped and counted, never waited for.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use gateway_config::LogLevel;
use gateway_types::Loss;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::record::{Exchange, LimitedBy, Outcome};
use crate::trace::{End, Tried};

/// How a line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Time, level, and the facts in a row.
    #[default]
    Standard,
    /// The same and everything else that is known.
    Detailed,
    /// One JSON object a line.
    Json,
    /// Standard with colours.
    Colored,
    /// Only what happened.
    Minimal,
}

/// Where lines go and which.
#[derive(Debug, Default)]
pub struct LogSettings {
    /// How a line looks.
    pub format: LogFormat,
    /// What is left out.
    pub level: Option<LogLevel>,
    /// A file to append to; the standard error output without one.
    pub file: Option<std::path::PathBuf>,
}

#[derive(Debug)]
enum Line {
    Exchange(Box<Exchange>),
    Note(Timestamp, LogLevel, String),
}

/// Records waiting for the writer at most; more are dropped and counted.
const QUEUE: usize = 16_384;

/// The writer gathers records this long, so that a busy gateway wakes it rarely.
const GATHER: Duration = Duration::from_millis(50);

/// How long the last lines may take to be written at the end.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Queue {
    lines: Mutex<Vec<Line>>,
    dropped: AtomicU64,
    closing: AtomicBool,
}

/// The handle that everybody logs through.
#[derive(Debug)]
pub struct Log {
    queue: Arc<Queue>,
    level: AtomicU8,
    writer: Thread,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Log {
    /// Opens the log.
    ///
    /// # Errors
    /// The log file can't be opened for appending.
    pub fn open(settings: &LogSettings) -> io::Result<Self> {
        let out = match &settings.file {
            Some(path) => Out::File(append(path)?),
            None => Out::Stderr,
        };
        let queue = Arc::new(Queue {
            lines: Mutex::default(),
            dropped: AtomicU64::new(0),
            closing: AtomicBool::new(false),
        });
        let (seen, format) = (queue.clone(), settings.format);
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_lines(&seen, out, format))?;
        let level = AtomicU8::new(settings.level.unwrap_or(LogLevel::Info) as u8);
        let writer = thread.thread().clone();
        Ok(Self { queue, level, writer, thread: Mutex::new(Some(thread)) })
    }

    /// Notes something about the gateway itself. Never pass a secret.
    pub fn note(&self, level: LogLevel, text: impl Into<String>) {
        if self.takes(level) {
            self.push(Line::Note(Timestamp::now(), level, text.into()));
        }
    }

    /// Leaves out other lines from now on.
    pub(crate) fn set_level(&self, level: LogLevel) {
        self.level.store(level as u8, Ordering::Relaxed);
    }

    fn takes(&self, level: LogLevel) -> bool {
        level as u8 <= self.level.load(Ordering::Relaxed)
    }

    pub(crate) fn exchange(&self, exchange: Box<Exchange>) {
        if self.takes(level_of(&exchange)) {
            self.push(Line::Exchange(exchange));
        }
    }

    /// Writes what is waiting and ends the writer.
    pub fn close(&self) {
        self.queue.closing.store(true, Ordering::Release);
        self.writer.unpark();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // A writer stuck in a full pipe must not keep the gateway from ending.
            let begun = tokio::time::Instant::now();
            while !thread.is_finished() && begun.elapsed() < CLOSE_LIMIT {
                std::thread::park_timeout(Duration::from_millis(1));
            }
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }

    fn push(&self, line: Line) {
        let mut lines = self.queue.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= QUEUE {
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        lines.push(line);
        let first = lines.len() == 1;
        drop(lines);
        if first {
            self.writer.unpark();
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}

fn level_of(exchange: &Exchange) -> LogLevel {
    match exchange.outcome {
        _ if exchange.probe => LogLevel::Debug,
        Outcome::Failed if exchange.status.is_server_error() => LogLevel::Error,
        Outcome::Failed | Outcome::Broken => LogLevel::Warn,
        Outcome::Delivered | Outcome::Abandoned => LogLevel::Info,
    }
}

enum Out {
    Stderr,
    File(File),
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn write_lines(queue: &Queue, mut out: Out, format: LogFormat) {
    let mut text = Vec::new();
    let mut clock = Clock::default();
    loop {
        let closing = queue.closing.load(Ordering::Acquire);
        let lines =
            std::mem::take(&mut *queue.lines.lock().unwrap_or_else(PoisonError::into_inner));
        for line in lines {
            match line {
                Line::Exchange(exchange) => {
                    exchange_line(&exchange, format, &mut clock, &mut text);
                }
                Line::Note(at, level, note) => note_line(at, level, &note, format, &mut text),
            }
        }
        let dropped = queue.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let note = format!("{dropped} log lines were dropped: the log can't keep up");
            note_line(Timestamp::now(), LogLevel::Warn, &note, format, &mut text);
        }
        if !text.is_empty() {
            // A log that can't be written must not stop the gateway.
            let _ = match &mut out {
                Out::Stderr => io::stderr().lock().write_all(&text),
                Out::File(file) => file.write_all(&text),
            };
            text.clear();
            text.shrink_to(64 << 10);
        }
        if closing {
            return;
        }
        std::thread::park();
        if !queue.closing.load(Ordering::Acquire) {
            std::thread::park_timeout(GATHER);
        }
    }
}

fn note_line(at: Timestamp, level: LogLevel, note: &str, format: LogFormat, out: &mut Vec<u8>) {
    let _ = match format {
        LogFormat::Json => {
            let line = json!({"time": at.to_string(), "level": level.as_str(), "message": note});
            writeln!(out, "{line}")
        }
        LogFormat::Minimal => writeln!(out, "{note}"),
        _ => writeln!(out, "{at:.3} {} {note}", painted(level, format)),
    };
}

fn painted(level: LogLevel, format: LogFormat) -> &'static str {
    let colored = format == LogFormat::Colored;
    match level {
        LogLevel::Off => "OFF  ",
        LogLevel::Error if colored => "\x1b[31mERROR\x1b[0m",
        LogLevel::Error => "ERROR",
        LogLevel::Warn if colored => "\x1b[33mWARN \x1b[0m",
        LogLevel::Warn => "WARN ",
        LogLevel::Info if colored => "\x1b[32mINFO \x1b[0m",
        LogLevel::Info => "INFO ",
        LogLevel::Debug if colored => "\x1b[36mDEBUG\x1b[0m",
        LogLevel::Debug => "DEBUG",
        LogLevel::Trace if colored => "\x1b[36mTRACE\x1b[0m",
        LogLevel::Trace => "TRACE",
    }
}

/// Writes time stamps. A calendar is worked out once a second, not once a line: at ten thousand
/// lines a second it was the most costly thing that the log did.
#[derive(Default)]
struct Clock {
    second: i64,
    text: String,
}

impl Clock {
    /// `2026-11-21T14:07:29.745Z`.
    fn stamp(&mut self, at: Timestamp, out: &mut Vec<u8>) {
        if self.text.is_empty() || at.as_second() != self.second || at.subsec_nanosecond() < 0 {
            self.second = at.as_second();
            format!("{at:.0}").trim_end_matches('Z').clone_into(&mut self.text);
        }
        out.extend_from_slice(self.text.as_bytes());
        out.push(b'.');
        let millis = at.subsec_millisecond().unsigned_abs();
        for divisor in [100, 10, 1] {
            out.push(b'0' + u8::try_from(millis / divisor % 10).unwrap_or(0));
        }
        out.push(b'Z');
    }
}

fn exchange_line(x: &Exchange, format: LogFormat, clock: &mut Clock, out: &mut Vec<u8>) {
    let level = level_of(x);
    let provider = x.served.as_ref().map(|served| &*served.provider.name);
    let upstream = x.served.as_ref().map(|served| &*served.model);
    let client = x.client.as_ref().and_then(|client| client.name.as_deref());
    let (at, took) = x.settled.unwrap_or_default();
    let millis = took.as_secs_f64() * 1000.0;
    if format == LogFormat::Json {
        let line = json!({
            "time": at.to_string(), "level": level.as_str(), "id": x.id,
            "method": x.method.as_str(), "path": x.path, "status": x.status.as_u16(),
            "outcome": x.outcome.as_str(), "session": x.session,
            "client": client, "limited_by": x.limited_by.map(LimitedBy::as_str), "model": x.model,
            "provider": provider, "upstream_model": upstream, "attempts": x.attempts,
            "chain": x.tried.iter().map(link).collect::<Vec<_>>(),
            "stream": x.streaming, "duration_ms": rounded(millis),
            "first_byte_ms": x.first_byte.map(|t| rounded(t.as_secs_f64() * 1000.0)),
            "usage": x.usage, "usage_quality": x.quality,
            "billed_usd": x.billed.map(usd), "losses": losses(x), "fault": x.fault,
        });
        let _ = writeln!(out, "{line}");
        return;
    }
    if format != LogFormat::Minimal {
        clock.stamp(at, out);
        let _ = write!(out, " {} ", painted(level, format));
    }
    let _ = write!(out, "{} {} {}", x.method, x.path, x.status.as_u16());
    if x.outcome != Outcome::Delivered && x.outcome != Outcome::Failed {
        let _ = write!(out, " ({})", x.outcome.as_str());
    }
    if let Some(model) = &x.model {
        let _ = write!(out, " {}", printable(model));
        if upstream.is_some_and(|sent| sent != model) {
            let _ = write!(out, " as {}", printable(upstream.unwrap_or_default()));
        }
    }
    if let Some(provider) = provider {
        let _ = write!(out, " via {provider}");
    }
    if x.tried.len() > 1 || x.tried.iter().any(|tried| matches!(tried.end, End::Skipped(_))) {
        let chain: Vec<String> = x.tried.iter().map(Tried::told).collect();
        let _ = write!(out, " chain={}", chain.join(","));
    }
    // In tenths, for formatting a float costs more than the rest of the line.
    let tenths = took.as_micros() / 100;
    let _ = write!(out, " {}.{}ms", tenths / 10, tenths % 10);
    if x.usage.input + x.usage.output + x.usage.cache_read + x.usage.cache_write > 0 {
        let u = &x.usage;
        let _ = write!(
            out,
            " in={} out={} cache={}/{}",
            u.input, u.output, u.cache_read, u.cache_write
        );
    }
    if let Some(billed) = x.billed {
        let _ = write!(out, " ${}", usd(billed));
    }
    if let Some(client) = client {
        let _ = write!(out, " client={}", printable(client));
    }
    if let Some(limit) = x.limited_by {
        let _ = write!(out, " limited_by={}", limit.as_str());
    }
    if format == LogFormat::Detailed {
        let first = x.first_byte.map_or(0.0, |t| t.as_secs_f64() * 1000.0);
        let session = x.session.as_deref().unwrap_or("-");
        let _ = write!(out, " first_byte={first:.1}ms attempts={} session={session}", x.attempts);
        for loss in &x.losses {
            let _ = write!(out, " {}={}", loss.what.as_str(), printable(&loss.path));
        }
    }
    if format != LogFormat::Minimal {
        let _ = write!(out, " {}", x.id);
    }
    if let Some(fault) = &x.fault {
        let _ = write!(out, ": {}", printable(fault));
    }
    out.push(b'\n');
}

/// What a translation could not carry over, hints included.
fn losses(x: &Exchange) -> Value {
    let one = |loss: &Loss| json!({"what": loss.what.as_str(), "path": loss.path, "why": loss.why});
    x.losses.iter().map(one).collect()
}

/// One step of the chain that was walked.
fn link(tried: &Tried) -> Value {
    let millis = |time: Duration| rounded(time.as_secs_f64() * 1000.0);
    let (how, status, why) = match &tried.end {
        End::Asked => ("left", None, None),
        End::Answered => ("answered", None, None),
        End::Status(status) => ("failed", Some(status.as_u16()), None),
        End::Skipped(why) => ("skipped", None, Some(*why)),
    };
    json!({
        "provider": &*tried.provider, "model": tried.model, "key": tried.key, "result": how,
        "status": status, "why": why, "at_ms": millis(tried.at), "took_ms": millis(tried.took),
    })
}

/// Billionths of a dollar as dollars.
#[expect(clippy::cast_precision_loss, reason = "exact up to nine million dollars")]
fn usd(billionths: u64) -> f64 {
    billionths as f64 / 1e9
}

fn rounded(millis: f64) -> Value {
    ((millis * 1000.0).round() / 1000.0).into()
}

/// A caller's text on one line of a log: control characters could forge lines or colours.
fn printable(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Cow::Borrowed(text);
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_those_of_the_calendar() {
        let mut clock = Clock::default();
        for millis in [0, 999, 1000, 1_763_733_249_745, 1_763_733_249_746, 1_763_733_250_001] {
            let at = Timestamp::from_millisecond(millis).expect("a time");
            let mut out = Vec::new();
            clock.stamp(at, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), format!("{at:.3}"));
        }
    }

    #[test]
    fn a_callers_text_can_forge_no_line() {
        assert_eq!(printable("a\nb\u{1b}[31m\u{85}é"), "a b [31m é");
        assert!(matches!(printable("claude-opus-5-5"), Cow::Borrowed(_)));
    }
}
