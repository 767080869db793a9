//! The body of a relayed event stream: bytes as they come, pings in silences, an honest end.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gateway_anthropic::{PING, Phase, StreamEnd};
use gateway_types::{ApiError, ErrorKind};
use gateway_upstream::BoxError;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::attempt::Opened;
use crate::ending::Aborted;
use crate::exchange::Open;
use crate::failure::Refusal;
use crate::feed::Feed;
use crate::record::Outcome;
use crate::resume::{Rest, Resume};
use crate::runtime::Provider;
use crate::upbody::UpBody;

/// After its terminal event an upstream may take this long to end its body; the caller has all it
/// needs, and a connection that stays open must not keep it waiting.
const END_GRACE: Duration = Duration::from_secs(5);

/// An attempt that has not brought its first event yet.
pub(crate) type Pending = Pin<Box<dyn Future<Output = Result<Opened, Refusal>> + Send>>;

/// A stream on its way to the caller.
pub(crate) struct StreamBody {
    state: State,
    ready: VecDeque<Bytes>,
    /// One timer for pings and the idle limit, set anew only when it fires: an event costs a
    /// clock reading, not a timer.
    timer: Pin<Box<Sleep>>,
    last_sent: Instant,
    last_heard: Instant,
    idle: Duration,
    ping: Duration,
    provider: Arc<Provider>,
    open: Option<Open>,
}

enum State {
    /// The 200 is out, the upstream has said nothing yet.
    Waiting(Pending),
    Flowing(Box<Flow>),
    /// The upstream stopped in the middle; the rest has been asked for.
    Resuming(Box<Flow>, Rest),
    /// Everything that is left is in `ready`; then this.
    Ending(Ending),
    Done,
}

struct Flow {
    body: UpBody,
    feed: Feed,
    resume: Option<Arc<Resume>>,
}

#[derive(Debug, Clone, Copy)]
enum Ending {
    Whole,
    /// Ends in good form with an error event.
    Told,
    /// Cut, once what was handed over before has been written: hyper drops what it has only
    /// buffered when a body fails.
    Cut,
    CutNow,
}

impl fmt::Debug for StreamBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Waiting(_) => "waiting",
            State::Flowing(_) => "flowing",
            State::Resuming(..) => "resuming",
            State::Ending(_) => "ending",
            State::Done => "done",
        };
        f.debug_struct("StreamBody").field("state", &state).finish_non_exhaustive()
    }
}

impl StreamBody {
    /// A stream whose first event is there.
    pub(crate) fn opened(opened: Opened, open: Open) -> Self {
        let mut body = Self::new(State::Done, opened.provider.clone(), open);
        body.flow(opened);
        body
    }

    /// A stream that gets its 200 and pings before its upstream has spoken.
    pub(crate) fn waiting(pending: Pending, provider: Arc<Provider>, open: Open) -> Self {
        Self::new(State::Waiting(pending), provider, open)
    }

    fn new(state: State, provider: Arc<Provider>, open: Open) -> Self {
        let now = Instant::now();
        let idle = provider.timeouts.idle;
        let ping = open.runtime().config.resilience.keepalive_ping;
        Self {
            state,
            ready: VecDeque::new(),
            timer: Box::pin(sleep_until(now + ping.min(idle))),
            last_sent: now,
            last_heard: now,
            idle,
            ping,
            provider,
            open: Some(open),
        }
    }

    /// The next bytes for the caller.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Aborted>>> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                if let Some(open) = &mut self.open {
                    open.sending(bytes.len());
                }
                self.last_sent = Instant::now();
                return Poll::Ready(Some(Ok(bytes)));
            }
            match &mut self.state {
                State::Done => return Poll::Ready(None),
                State::Ending(ending) => {
                    if matches!(ending, Ending::Cut) {
                        *ending = Ending::CutNow;
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    let ending = *ending;
                    return Poll::Ready(self.end(ending));
                }
                State::Waiting(pending) => match pending.as_mut().poll(cx) {
                    Poll::Ready(Ok(opened)) => self.flow(opened),
                    Poll::Ready(Err(refusal)) => self.tell(&refusal),
                    Poll::Pending => std::task::ready!(self.poll_timer(cx)),
                },
                State::Resuming(_, rest) => match rest.as_mut().poll(cx) {
                    Poll::Ready(rest) => self.resumed(rest),
                    Poll::Pending => std::task::ready!(self.poll_timer(cx)),
                },
                State::Flowing(flow) => match flow.body.poll_next(cx) {
                    Poll::Ready(Some(Ok(chunk))) => {
                        self.last_heard = Instant::now();
                        flow.feed.push(chunk, &mut self.ready);
                        let (fault, runs_on) = (flow.feed.take_fault(), flow.feed.runs_on());
                        if let Some(fault) = fault {
                            self.fail(&fault.error);
                        } else if runs_on {
                            self.upstream_ended(None);
                        }
                    }
                    Poll::Ready(Some(Err(err))) => self.upstream_ended(Some(err)),
                    Poll::Ready(None) => self.upstream_ended(None),
                    Poll::Pending => std::task::ready!(self.poll_timer(cx)),
                },
            }
        }
    }

    fn flow(&mut self, opened: Opened) {
        self.last_heard = Instant::now();
        self.ready.extend(opened.first);
        if let Some(open) = &mut self.open {
            open.record().losses.extend(&opened.losses);
        }
        let Opened { provider, body, feed, resume, ended, .. } = opened;
        self.idle = provider.timeouts.idle;
        self.provider = provider;
        self.state = State::Flowing(Box::new(Flow { body, feed, resume }));
        let fault = match &mut self.state {
            State::Flowing(flow) => flow.feed.take_fault(),
            _ => None,
        };
        if let Some(fault) = fault {
            // It came in the same chunk as the beginning.
            self.fail(&fault.error);
            return;
        }
        match ended {
            None => {}
            Some(Ok(())) => self.upstream_ended(None),
            Some(Err(err)) => self.upstream_ended(Some(err)),
        }
    }

    /// Ready once the timer has done something.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            std::task::ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let mut next = self.last_sent + self.ping;
            if let State::Flowing(flow) = &self.state {
                let phase = flow.feed.phase();
                let limit = if phase == Phase::Ended { END_GRACE } else { self.idle };
                let silent = self.last_heard + limit;
                if now >= silent {
                    let why = format!("no byte came for {} s", limit.as_secs());
                    self.upstream_ended(Some(why.into()));
                    return Poll::Ready(());
                }
                if phase == Phase::Ended || !flow.feed.at_boundary() {
                    // No ping inside a frame; look again later.
                    next = next.max(now + self.ping / 10);
                }
                next = next.min(silent);
            }
            if now >= next {
                self.ready.push_back(Bytes::from_static(PING));
                next = now + self.ping;
                self.timer.as_mut().reset(next);
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(next);
        }
    }

    /// The upstream's body is over, well or not. What was held back goes out first.
    fn upstream_ended(&mut self, err: Option<BoxError>) {
        let State::Flowing(mut flow) = std::mem::replace(&mut self.state, State::Done) else {
            return;
        };
        let between_frames = flow.feed.at_boundary();
        let end = if err.is_none() { StreamEnd::Clean } else { StreamEnd::Cut };
        flow.feed.finish(end, &mut self.ready);
        if let (Some(body), Some(resume)) = (flow.feed.take_goes_on(), &flow.resume) {
            let rest = resume.rest(body);
            self.state = State::Resuming(flow, rest);
            return;
        }
        let phase = flow.feed.phase();
        if let Some(open) = &mut self.open {
            flow.feed.settle(open.record());
        }
        if let Some(fault) = flow.feed.take_fault() {
            self.note(&fault.error);
            self.push_error(&fault.error);
            return;
        }
        // After its terminal event a stream is whole, however the connection ends.
        if phase == Phase::Ended {
            let failed = flow.feed.failed();
            if let (true, Some(open)) = (failed, &mut self.open) {
                let text = format!("{} ended its stream with an error", self.provider.name);
                open.record().fault = Some(text);
            }
            self.state = State::Ending(if failed { Ending::Told } else { Ending::Whole });
            return;
        }
        let text = format!("{} ended its stream before it was whole", self.provider.name);
        let mut fault = ApiError::new(ErrorKind::BadGateway, text);
        if let Some(err) = err {
            fault = fault.with_source(err);
        }
        self.note(&fault);
        if phase < Phase::InBlocks && between_frames {
            // No block has started, so nothing can be acted on: the error can be told.
            self.push_error(&fault);
        } else {
            // Any byte added here could complete something that was never meant.
            self.state = State::Ending(Ending::Cut);
        }
    }

    /// The rest of a reply has come, or will not.
    fn resumed(&mut self, rest: Result<UpBody, ApiError>) {
        let State::Resuming(mut flow, _) = std::mem::replace(&mut self.state, State::Done) else {
            return;
        };
        self.last_heard = Instant::now();
        match rest {
            Ok(body) => {
                flow.body = body;
                let trace = self.open.as_mut().and_then(|open| open.record().trace.as_ref());
                if let Some(trace) = trace {
                    trace.lock().attempts += 1;
                }
                self.state = State::Flowing(flow);
            }
            Err(fault) => {
                self.state = State::Flowing(flow);
                self.fail(&fault);
            }
        }
    }

    /// A translated reply turned out to be unusable. Nothing is closed: a tool call that looks whole
    /// would be run.
    fn fail(&mut self, fault: &ApiError) {
        if let State::Flowing(flow) = std::mem::replace(&mut self.state, State::Done)
            && let Some(open) = &mut self.open
        {
            flow.feed.settle(open.record());
        }
        self.note(fault);
        self.push_error(fault);
    }

    /// The attempt failed after the 200 had gone out.
    fn tell(&mut self, refusal: &Refusal) {
        match refusal {
            Refusal::Gateway(err) => {
                self.note(err);
                self.push_error(err);
            }
            Refusal::Upstream(refused) => {
                if let Some(open) = &mut self.open {
                    let text = format!("{} answered {}", refused.provider, refused.status);
                    open.record().fault = Some(text);
                }
                let mut frame = Vec::new();
                let data = String::from_utf8_lossy(&refused.body);
                gateway_anthropic::error_event(&data, &mut frame);
                self.ready.push_back(frame.into());
                self.state = State::Ending(Ending::Told);
            }
        }
    }

    fn push_error(&mut self, fault: &ApiError) {
        let id = self.open.as_mut().map(|open| open.record().id.clone());
        let event = fault.to_event(id.as_deref());
        let event = match &self.open {
            Some(open) => open.runtime().redactor.mask(&event).into_owned(),
            None => event,
        };
        self.ready.push_back(event.into());
        self.state = State::Ending(Ending::Told);
    }

    fn note(&mut self, fault: &ApiError) {
        if let Some(open) = &mut self.open {
            let text = open.runtime().fault_text(fault);
            open.record().fault = Some(text);
        }
    }

    fn end(&mut self, ending: Ending) -> Option<Result<Bytes, Aborted>> {
        self.state = State::Done;
        let open = self.open.take();
        let outcome = match ending {
            Ending::Whole => Outcome::Delivered,
            Ending::Told | Ending::Cut | Ending::CutNow => Outcome::Broken,
        };
        if let Some(open) = open {
            open.settle(outcome);
        }
        matches!(ending, Ending::CutNow).then_some(Err(Aborted))
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        // The caller left, or read no more after the terminal event.
        if let (Some(mut open), State::Flowing(flow) | State::Resuming(flow, _)) =
            (self.open.take(), &self.state)
        {
            flow.feed.settle(open.record());
            let ended = flow.feed.phase() == Phase::Ended && self.ready.is_empty();
            let whole = ended && !flow.feed.failed();
            open.settle(if whole { Outcome::Delivered } else { Outcome::Abandoned });
        }
    }
}
