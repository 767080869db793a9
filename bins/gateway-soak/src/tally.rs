//! What came of all questions.

use std::collections::BTreeMap;

use crate::wire::Reply;
use crate::words::heard;

/// What a caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Unary,
    Stream,
    Count,
    /// An answer to a prompt of 200 KB.
    Large,
    /// Leaves early.
    Leaver,
    /// Asks faster than its limit allows.
    Greedy,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Unary, Self::Stream, Self::Count, Self::Large, Self::Leaver, Self::Greedy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::Stream => "stream",
            Self::Count => "count_tokens",
            Self::Large => "200 KB prompt",
            Self::Leaver => "caller leaves early",
            Self::Greedy => "client above its limit",
        }
    }
}

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// The whole answer.
    Whole,
    /// An error status with an error body.
    Error(u16),
    /// A stream that ended with an `error` event.
    ErrorEvent,
    /// A reply that was cut so that every client sees it.
    Cut,
    /// The caller left.
    Left,
    /// A kept connection was gone when it was used again.
    Stale,
    /// A reply that looks whole and is not the answer.
    FalselyWhole,
    /// An error that clients can't read.
    Dishonest,
    /// A new connection ended without a reply.
    Lost,
    /// No connection at all.
    Refused,
    /// No end within the longest time.
    Forgotten,
}

impl Verdict {
    /// Must not happen.
    pub(crate) fn is_wrong(self) -> bool {
        use Verdict::{Dishonest, FalselyWhole, Forgotten, Lost, Refused};
        matches!(self, FalselyWhole | Dishonest | Lost | Refused | Forgotten)
    }
}

/// How many lines of the log a question has to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logged {
    Never,
    Once,
    /// One, or none if the gateway never saw it.
    Perhaps,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) verdicts: BTreeMap<(Kind, Verdict), u64>,
    /// By question.
    pub(crate) logged: Vec<Option<Logged>>,
    /// By the provider that is named in a reply.
    pub(crate) served: BTreeMap<String, u64>,
    /// By the attempts that are named in a reply.
    pub(crate) attempts: BTreeMap<u64, u64>,
    /// By model: whole answers, and all replies to those who stayed.
    pub(crate) models: BTreeMap<String, (u64, u64)>,
    pub(crate) pings: u64,
    /// The first of what is wrong, for the eye.
    pub(crate) complaints: Vec<String>,
}

const COMPLAINTS: usize = 12;

impl Tally {
    pub(crate) fn settle(&mut self, kind: Kind, question: u64, verdict: Verdict, logged: Logged) {
        *self.verdicts.entry((kind, verdict)).or_default() += 1;
        let at = usize::try_from(question).unwrap_or(usize::MAX);
        if self.logged.len() <= at {
            self.logged.resize(at + 1, None);
        }
        self.logged[at] = Some(logged);
    }

    pub(crate) fn complain(&mut self, what: String) {
        if self.complaints.len() < COMPLAINTS {
            self.complaints.push(what);
        }
    }

    pub(crate) fn see(&mut self, reply: &Reply, streams: bool) {
        if let Some(provider) = reply.header("x-gateway-provider") {
            *self.served.entry(provider.to_owned()).or_default() += 1;
        }
        if let Some(count) = reply.header("x-gateway-attempts").and_then(|n| n.parse().ok()) {
            *self.attempts.entry(count).or_default() += 1;
        }
        if streams {
            self.pings += heard(&reply.body).pings;
        }
    }

    pub(crate) fn judge(&mut self, kind: Kind, model: &str, verdict: Verdict) {
        if !matches!(kind, Kind::Leaver | Kind::Greedy) {
            let (whole, all) = self.models.entry(model.to_owned()).or_default();
            *whole += u64::from(verdict == Verdict::Whole);
            *all += 1;
        }
    }

    /// Questions of a kind with a verdict.
    pub(crate) fn count(&self, kind: Kind, counts: impl Fn(Verdict) -> bool) -> u64 {
        let of = self.verdicts.iter().filter(|((of, verdict), _)| *of == kind && counts(*verdict));
        of.map(|(_, count)| count).sum()
    }

    /// Over all kinds.
    pub(crate) fn total(&self, counts: impl Fn(Verdict) -> bool) -> u64 {
        self.verdicts.iter().filter(|((_, verdict), _)| counts(*verdict)).map(|(_, n)| n).sum()
    }
}
