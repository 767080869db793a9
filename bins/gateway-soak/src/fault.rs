//! What can be wrong with an upstream, and how each of it looks on the wire.

use std::time::Duration;

use crate::dice::Dice;
use crate::words::{Dialect, count_of, pieces};

/// What an upstream does with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Fault {
    /// Answers.
    None,
    /// Takes the connection and never reads.
    HangAccept,
    /// Never answers.
    HangHead,
    /// Sends a head and nothing else.
    HangFirst,
    /// Falls silent in the middle.
    HangMiddle,
    /// Resets the connection instead of answering.
    ResetHead,
    /// Resets it in the middle.
    ResetMiddle,
    /// Closes it in the middle, without the end of the framing.
    CloseMiddle,
    /// Ends in the middle as if that were the end.
    EndMiddle,
    /// 429 with `retry-after: 1`.
    Limit,
    /// 429 without a hint.
    LimitBare,
    /// 429 with a `retry-after` above the longest pause.
    LimitLong,
    /// 500.
    Broken,
    /// 529 or 503.
    Overloaded,
    /// 502 with a page for people.
    ErrorPage,
    /// 200 with what is no answer.
    Garbage,
    /// 200 with a page for people.
    WrongType,
    /// 200 with an error in it.
    ErrorFirst,
    /// A byte at a time.
    Drip,
    /// Thinks before the answer and in the middle of it.
    Slow,
}

/// How often each comes, out of a thousand. Limits are rare, because one makes a key rest for all.
const SHARES: &[(u64, Fault)] = &[
    (650, Fault::None),
    (8, Fault::HangHead),
    (8, Fault::HangFirst),
    (15, Fault::HangMiddle),
    (20, Fault::ResetHead),
    (15, Fault::ResetMiddle),
    (15, Fault::CloseMiddle),
    (15, Fault::EndMiddle),
    (8, Fault::Limit),
    (25, Fault::LimitBare),
    (2, Fault::LimitLong),
    (40, Fault::Broken),
    (40, Fault::Overloaded),
    (10, Fault::ErrorPage),
    (15, Fault::Garbage),
    (15, Fault::WrongType),
    (15, Fault::ErrorFirst),
    (34, Fault::Drip),
    (50, Fault::Slow),
];

/// One thing to do on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send this.
    Write(Vec<u8>),
    /// Be silent so long.
    Pause(Duration),
    /// Be silent until the peer leaves.
    Hang,
    /// End the connection with FIN.
    Close,
    /// End it with RST.
    Reset,
}

/// What is asked of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Unary,
    Stream,
    Count,
}

impl Fault {
    /// The next one.
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        dice.pick(SHARES)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "answers",
            Self::HangAccept => "hangs before it reads",
            Self::HangHead => "hangs before the head",
            Self::HangFirst => "hangs after the head",
            Self::HangMiddle => "hangs in the middle",
            Self::ResetHead => "resets before the head",
            Self::ResetMiddle => "resets in the middle",
            Self::CloseMiddle => "closes in the middle",
            Self::EndMiddle => "ends in the middle as if whole",
            Self::Limit => "429, retry-after 1",
            Self::LimitBare => "429 without retry-after",
            Self::LimitLong => "429, retry-after 5",
            Self::Broken => "500",
            Self::Overloaded => "529 or 503",
            Self::ErrorPage => "502 with a page",
            Self::Garbage => "200 with garbage",
            Self::WrongType => "200 with a page",
            Self::ErrorFirst => "200 with an error in it",
            Self::Drip => "a byte at a time",
            Self::Slow => "thinks for seconds",
        }
    }

    /// What to do for this question.
    pub(crate) fn steps(
        self,
        dialect: Dialect,
        asked: Asked,
        question: u64,
        dice: &mut Dice,
    ) -> Vec<Step> {
        let error = |status: u16, more: &str| {
            vec![full(status, JSON, more, &dialect.error(status, "soak"))]
        };
        match self {
            Self::Limit => return error(429, "retry-after: 1\r\n"),
            Self::LimitBare => return error(429, ""),
            Self::LimitLong => return error(429, "retry-after: 5\r\n"),
            Self::Broken => return error(500, ""),
            Self::Overloaded if dialect == Dialect::Messages => return error(529, ""),
            Self::Overloaded => return error(503, ""),
            Self::ErrorPage => return vec![full(502, HTML, "", PAGE)],
            Self::WrongType => return vec![full(200, HTML, "", PAGE)],
            Self::ResetHead => return vec![Step::Reset],
            Self::HangHead | Self::HangAccept => return vec![Step::Hang],
            _ => {}
        }
        match asked {
            Asked::Count => {
                let count = format!(r#"{{"input_tokens":{}}}"#, count_of(question));
                self.unary(&count, dialect)
            }
            Asked::Unary => {
                let body = dialect.unary(&pieces(question, 1 + dice.below(60)));
                self.unary(&body, dialect)
            }
            Asked::Stream => {
                let events = dialect.events(&pieces(question, 1 + dice.below(40)));
                self.stream(&events, dialect, dice)
            }
        }
    }

    fn unary(self, body: &str, dialect: Dialect) -> Vec<Step> {
        let whole = full(200, JSON, "", body);
        let Step::Write(bytes) = &whole else { return vec![whole] };
        let head = bytes.len() - body.len();
        let middle = head + body.len() / 2;
        let part = |to: usize| Step::Write(bytes[..to].to_vec());
        match self {
            Self::HangFirst => vec![part(head), Step::Hang],
            Self::HangMiddle => vec![part(middle), Step::Hang],
            Self::ResetMiddle => vec![part(middle), Step::Reset],
            Self::CloseMiddle => vec![part(middle), Step::Close],
            Self::EndMiddle => vec![full(200, JSON, "", &body[..body.len() / 2])],
            Self::Garbage => vec![full(200, JSON, "", "{\"well\": [\"this is\", no answer")],
            Self::ErrorFirst => vec![full(200, JSON, "", &dialect.error(529, "Overloaded"))],
            Self::Drip => drip(bytes),
            Self::Slow => vec![
                Step::Pause(THINKING),
                part(middle),
                Step::Pause(BREATH),
                Step::Write(bytes[middle..].to_vec()),
            ],
            _ => vec![whole],
        }
    }

    fn stream(self, events: &[String], dialect: Dialect, dice: &mut Dice) -> Vec<Step> {
        let head = Step::Write(EVENT_STREAM.as_bytes().to_vec());
        // Anywhere from nothing but the first event to all but the last.
        let middle = 1 + usize::try_from(dice.below(events.len() as u64 - 1)).unwrap_or(0);
        let mut steps = vec![head];
        match self {
            Self::HangFirst => steps.push(Step::Hang),
            Self::Garbage => {
                steps.push(chunk("data: {\"well\": [\n\n: this is\n\ndata: no answer\n\n"));
                steps.push(last_chunk());
            }
            Self::ErrorFirst => {
                steps.push(chunk(&dialect.error_event()));
                steps.push(last_chunk());
            }
            Self::HangMiddle | Self::ResetMiddle | Self::CloseMiddle | Self::EndMiddle => {
                for event in &events[..middle] {
                    steps.push(chunk(event));
                    steps.push(Step::Pause(Duration::from_millis(dice.below(4))));
                }
                // Often in the middle of an event.
                if dice.below(2) == 0 {
                    steps.push(chunk(&events[middle][..events[middle].len() / 2]));
                }
                steps.push(match self {
                    Self::HangMiddle => Step::Hang,
                    Self::ResetMiddle => Step::Reset,
                    Self::CloseMiddle => Step::Close,
                    _ => last_chunk(),
                });
            }
            Self::Drip => {
                let whole = events.concat();
                let wire = [chunk(&whole), last_chunk()].into_iter().flat_map(|step| match step {
                    Step::Write(bytes) => bytes,
                    _ => Vec::new(),
                });
                steps.extend(drip(&wire.collect::<Vec<u8>>()));
            }
            Self::Slow => {
                steps.insert(0, Step::Pause(BREATH));
                steps.push(Step::Pause(THINKING));
                steps.extend(events[..middle].iter().map(|event| chunk(event)));
                steps.push(Step::Pause(THINKING));
                steps.extend(events[middle..].iter().map(|event| chunk(event)));
                steps.push(last_chunk());
            }
            _ => {
                // One event a write, or all in one.
                let pace = dice.below(6);
                if pace == 0 {
                    steps.push(chunk(&events.concat()));
                } else {
                    for event in events {
                        steps.push(chunk(event));
                        steps.push(Step::Pause(Duration::from_millis(dice.below(pace))));
                    }
                }
                steps.push(last_chunk());
            }
        }
        steps
    }
}

/// Above what the gateway is told to wait before it pings.
const THINKING: Duration = Duration::from_millis(1600);
const BREATH: Duration = Duration::from_millis(300);

const JSON: &str = "application/json";
const HTML: &str = "text/html";
const PAGE: &str = "<html><body><h1>Something went wrong</h1></body></html>";
const EVENT_STREAM: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

fn full(status: u16, content_type: &str, more: &str, body: &str) -> Step {
    let length = body.len();
    Step::Write(
        format!(
            "HTTP/1.1 {status} Soak\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n{more}\r\n{body}"
        )
        .into_bytes(),
    )
}

fn chunk(text: &str) -> Step {
    Step::Write(format!("{:x}\r\n{text}\r\n", text.len()).into_bytes())
}

fn last_chunk() -> Step {
    Step::Write(b"0\r\n\r\n".to_vec())
}

/// The first bytes one by one and with a breath now and then, the rest in one: thousands of single bytes
/// would take longer than anybody waits.
fn drip(bytes: &[u8]) -> Vec<Step> {
    let slow = bytes.len().min(600);
    let mut steps = Vec::with_capacity(slow + slow / 20 + 1);
    for (at, byte) in bytes[..slow].iter().enumerate() {
        steps.push(Step::Write(vec![*byte]));
        if at % 20 == 0 {
            steps.push(Step::Pause(Duration::from_millis(10)));
        }
    }
    steps.push(Step::Write(bytes[slow..].to_vec()));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(steps: &[Step]) -> Vec<u8> {
        let bytes = steps.iter().filter_map(|step| match step {
            Step::Write(bytes) => Some(bytes.as_slice()),
            _ => None,
        });
        bytes.collect::<Vec<_>>().concat()
    }

    #[test]
    fn every_fault_has_its_share() {
        assert_eq!(SHARES.iter().map(|(share, _)| share).sum::<u64>(), 1000);
        let mut dice = Dice::new(1, 1);
        let drawn: std::collections::BTreeSet<Fault> =
            (0..20_000).map(|_| Fault::draw(&mut dice)).collect();
        assert_eq!(drawn.len(), SHARES.len());
    }

    #[test]
    fn what_drips_or_is_slow_is_the_whole_answer_in_the_end() {
        for dialect in [Dialect::Messages, Dialect::Chat] {
            for asked in [Asked::Unary, Asked::Stream, Asked::Count] {
                // The same dice, the same answer, but for how it is cut.
                let whole = |fault: Fault| {
                    let text = written(&fault.steps(dialect, asked, 3, &mut Dice::new(5, 5)));
                    let text = String::from_utf8_lossy(&text).into_owned();
                    text.split(['\r', '\n'])
                        .filter(|line| line.starts_with('{') || line.starts_with("data"))
                        .collect::<String>()
                };
                assert!(whole(Fault::Slow) == whole(Fault::Drip), "{dialect:?} {asked:?}");
                assert!(whole(Fault::Drip).contains(if asked == Asked::Count {
                    "1003"
                } else {
                    "end"
                }));
            }
        }
    }

    #[test]
    fn what_breaks_in_the_middle_is_never_the_whole_answer() {
        let mut dice = Dice::new(7, 7);
        let faults = [Fault::HangMiddle, Fault::ResetMiddle, Fault::CloseMiddle, Fault::EndMiddle];
        for _ in 0..200 {
            for fault in faults {
                for asked in [Asked::Unary, Asked::Stream] {
                    let steps = fault.steps(Dialect::Messages, asked, 3, &mut dice);
                    let text = String::from_utf8_lossy(&written(&steps)).into_owned();
                    let stopped = text.contains("message_stop\"}\n\n") || text.ends_with("}}");
                    assert!(!stopped, "{fault:?}: {text}");
                }
            }
        }
    }
}
