//! Callers: what they ask for, when they leave, and what they make of what they get.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::dice::Dice;
use crate::gateway::{CLIENT_KEY, GREEDY_KEY};
use crate::tally::{Kind, Logged, Tally, Verdict};
use crate::wire::{Connection, Exchange, Reply, Stay};
use crate::words::{count_of, count_request, heard, is_whole, mark, request};

/// What all callers share.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) to: SocketAddr,
    pub(crate) seed: u64,
    /// The next question's number.
    pub(crate) next: Cell<u64>,
    pub(crate) tally: RefCell<Tally>,
}

/// Longer than all that the gateway may try together; who waits longer has been forgotten.
const PATIENCE: Duration = Duration::from_secs(90);

/// A `retry-after` is waited for, but a client with so many others has something else to ask soon.
const OBEDIENCE: Duration = Duration::from_secs(2);

const KINDS: &[(u64, Kind)] = &[
    (28, Kind::Unary),
    (42, Kind::Stream),
    (10, Kind::Count),
    (5, Kind::Large),
    (15, Kind::Leaver),
];

/// The first two have a fallback, each to the other's upstream; the last has none.
pub(crate) const MODELS: &[&str] = &["claude-sonnet-4-6", "claude-haiku-4-5", "claude-opus-4-7"];

impl Load {
    /// Asks one question after another until `until`.
    pub(crate) async fn call(&self, caller: u64, until: Instant) {
        let mut dice = Dice::new(self.seed, 1 << 32 | caller);
        let mut kept = None;
        while Instant::now() < until {
            let kind = dice.pick(KINDS);
            let model = MODELS[usize::try_from(dice.below(3)).unwrap_or(0)];
            let pause;
            (kept, pause) = self.ask(kind, model, kept, &mut dice).await;
            sleep(pause.min(OBEDIENCE)).await;
            if dice.below(8) == 0 {
                kept = None;
            }
            sleep(Duration::from_millis(dice.below(120))).await;
        }
    }

    /// Asks again and again as the client that has a limit, faster than that allows.
    pub(crate) async fn call_greedily(&self, until: Instant) {
        let mut dice = Dice::new(self.seed, 2 << 32);
        let mut kept = None;
        while Instant::now() < until {
            (kept, _) = self.ask(Kind::Greedy, MODELS[0], kept, &mut dice).await;
            sleep(Duration::from_millis(50 + dice.below(200))).await;
        }
    }

    /// One question of a kind; takes and gives back a connection, and how long it was told to
    /// wait.
    pub(crate) async fn ask(
        &self,
        kind: Kind,
        model: &str,
        kept: Option<Connection>,
        dice: &mut Dice,
    ) -> (Option<Connection>, Duration) {
        let mut pause = Duration::ZERO;
        let streams = match kind {
            Kind::Stream => true,
            Kind::Leaver => dice.below(3) > 0,
            _ => false,
        };
        let stay = match kind {
            Kind::Leaver if dice.below(2) == 0 => Stay::Millis(5 + dice.below(1500)),
            Kind::Leaver => Stay::Bytes(usize::try_from(1 + dice.below(3000)).unwrap_or(1)),
            _ => Stay::ToTheEnd,
        };
        let question = self.number();
        let connection = match kept {
            Some(connection) => Ok(connection),
            None => Connection::open(self.to).await,
        };
        let Ok(connection) = connection else {
            self.settle(kind, question, Verdict::Refused, Logged::Never, "no connection");
            return (None, pause);
        };
        let body = match kind {
            Kind::Count => count_request(question, model),
            Kind::Large => request(question, model, streams, 200_000),
            _ => request(question, model, streams, 2000),
        };
        let wire = wire(kind, question, &body);
        let Ok(end) = timeout(PATIENCE, connection.exchange(&wire, stay)).await else {
            self.settle(kind, question, Verdict::Forgotten, Logged::Once, "nothing more came");
            return (None, pause);
        };
        let kept = match end {
            Exchange::Left(came) => {
                let logged = if came.is_some() { Logged::Once } else { Logged::Perhaps };
                self.settle(kind, question, Verdict::Left, logged, "");
                None
            }
            Exchange::Nothing { stale: true } => {
                self.settle(kind, question, Verdict::Stale, Logged::Perhaps, "");
                None
            }
            Exchange::Nothing { stale: false } => {
                self.settle(kind, question, Verdict::Lost, Logged::Once, "no reply at all");
                None
            }
            Exchange::Reply(reply, connection) => {
                let verdict = judge(&reply, kind == Kind::Count, streams, question);
                let shown = String::from_utf8_lossy(&reply.body[..reply.body.len().min(600)]);
                let shown = format!("{} {:?}: {shown}", reply.status, reply.headers);
                let mut tally = self.tally.borrow_mut();
                tally.see(&reply, streams);
                tally.judge(kind, model, verdict);
                drop(tally);
                self.settle(kind, question, verdict, Logged::Once, &shown);
                let told = reply.header("retry-after").and_then(|seconds| seconds.parse().ok());
                pause = Duration::from_secs(told.unwrap_or(0));
                connection
            }
        };
        (kept, pause)
    }

    fn number(&self) -> u64 {
        let question = self.next.get();
        self.next.set(question + 1);
        question
    }

    fn settle(&self, kind: Kind, question: u64, verdict: Verdict, logged: Logged, shown: &str) {
        let mut tally = self.tally.borrow_mut();
        tally.settle(kind, question, verdict, logged);
        if verdict.is_wrong() {
            tally.complain(format!("{} ({}): {verdict:?}: {shown}", mark(question), kind.name()));
        }
    }
}

fn wire(kind: Kind, question: u64, body: &str) -> Vec<u8> {
    let path = if kind == Kind::Count { "/v1/messages/count_tokens" } else { "/v1/messages" };
    let key = if kind == Kind::Greedy { GREEDY_KEY } else { CLIENT_KEY };
    let (mark, length) = (mark(question), body.len());
    format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: {key}\r\nanthropic-version: 2023-06-01\r\n\
         content-type: application/json\r\nx-claude-code-session-id: {mark}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// What a caller makes of a reply.
fn judge(reply: &Reply, counts: bool, streams: bool, question: u64) -> Verdict {
    if reply.status != 200 {
        return match (reply.whole, is_error(&reply.body)) {
            (true, true) => Verdict::Error(reply.status),
            (true, false) => Verdict::Dishonest,
            (false, _) => Verdict::Cut,
        };
    }
    if streams {
        let heard = heard(&reply.body);
        return match (heard.stopped, heard.failed) {
            (true, false) if is_whole(question, &heard.text) => Verdict::Whole,
            (true, _) => Verdict::FalselyWhole,
            (false, true) => Verdict::ErrorEvent,
            (false, false) if reply.whole => Verdict::FalselyWhole,
            (false, false) => Verdict::Cut,
        };
    }
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let right = if counts {
        let estimate = reply.header("x-gateway-estimate") == Some("1");
        answer["input_tokens"].as_u64().is_some_and(|count| estimate || count == count_of(question))
    } else {
        answer["type"] == "message"
            && answer["content"][0]["text"].as_str().is_some_and(|text| is_whole(question, text))
    };
    match (reply.whole, right) {
        (true, true) => Verdict::Whole,
        (true, false) => Verdict::FalselyWhole,
        (false, _) => Verdict::Cut,
    }
}

fn is_error(body: &[u8]) -> bool {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body["type"] == "error"
        && body["error"]["type"].is_string()
        && body["error"]["message"].is_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{Dialect, pieces};

    fn reply(status: u16, whole: bool, body: impl Into<Vec<u8>>) -> Reply {
        Reply { status, headers: Vec::new(), body: body.into(), whole }
    }

    #[test]
    fn replies_are_judged_by_what_they_say_and_how_they_end() {
        let (unary, stream) = ((false, false), (false, true));
        let answer = Dialect::Messages.unary(&pieces(5, 4));
        let events = Dialect::Messages.events(&pieces(5, 4));
        let (all, part) = (events.concat(), events[..4].concat());
        let error = Dialect::Messages.error_event();
        for (reply, (counts, streams), verdict) in [
            (reply(200, true, answer.clone()), unary, Verdict::Whole),
            (reply(200, false, &answer.as_bytes()[..50]), unary, Verdict::Cut),
            (reply(200, true, &answer.as_bytes()[..50]), unary, Verdict::FalselyWhole),
            (reply(200, true, answer.replace(" 3/4", "")), unary, Verdict::FalselyWhole),
            (reply(200, true, Dialect::Messages.error(500, "x")), unary, Verdict::FalselyWhole),
            (reply(500, true, Dialect::Messages.error(500, "x")), unary, Verdict::Error(500)),
            (reply(502, true, "<html>"), unary, Verdict::Dishonest),
            (reply(200, true, all.clone()), stream, Verdict::Whole),
            (reply(200, true, all.replace("3/4", "")), stream, Verdict::FalselyWhole),
            (reply(200, true, part.clone()), stream, Verdict::FalselyWhole),
            (reply(200, false, part.clone()), stream, Verdict::Cut),
            (reply(200, true, part + &error), stream, Verdict::ErrorEvent),
            (reply(200, true, r#"{"input_tokens":1005}"#), (true, false), Verdict::Whole),
            (reply(200, true, r#"{"input_tokens":7}"#), (true, false), Verdict::FalselyWhole),
        ] {
            assert_eq!(judge(&reply, counts, streams, 5), verdict, "{reply:?}");
        }
    }
}
