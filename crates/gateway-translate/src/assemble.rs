//! From what an upstream says, in whatever order it says it, to a legal sequence of events.
//!
//! Every dialect's reader feeds an [`Assembler`]. It keeps blocks apart and in order, holds back
//! tool calls that come interleaved, gives calls their ids and names, matches stop sequences, checks
//! that arguments are JSON before a call is closed, and decides how the reply ends.

use std::collections::HashSet;

use gateway_types::{
    ApiError, BlockStart, Delta, ErrorKind, Event, EventSink, Fault, Illegal, Losses, Raw, Remedy,
    ReplyUsage, StopReason, Text, UsageQuality, What, escaped,
};

mod call;

use call::{Call, CallState, fresh_part, is_complete, trim_escaped};

use crate::names::caller_id;
use crate::{Flow, NameMap, Stops, is_json};

/// What the request lets the reply be.
#[derive(Debug, Clone, Default)]
pub struct Expect {
    /// The reply's id: seeds ids that have to be made.
    pub reply_id: String,
    /// The provider's name, for messages.
    pub provider: String,
    /// The way back from the upstream's tool names.
    pub names: NameMap,
    /// Ids of calls in the conversation so far.
    pub used_ids: HashSet<String>,
    /// Texts at which the answer ends.
    pub stop_sequences: Vec<String>,
    /// What the caller wants to see of thinking.
    pub thinking: ThinkingShown,
    /// The prompt's estimated length in tokens: the count until the upstream reports one.
    pub prompt_estimate: u64,
}

/// What the caller wants to see of thinking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ThinkingShown {
    /// Text and signature.
    Shown,
    /// Only the signature.
    Omitted,
    /// Nothing: thinking was not asked for.
    #[default]
    Hidden,
}

/// Which tool call a piece belongs to, as far as the upstream says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallRef {
    /// Its place among the calls.
    pub index: Option<u64>,
}

/// Longest text of arguments that is taken, in bytes.
const MAX_ARGUMENTS_BYTES: usize = 32 << 20;

/// More tool calls than this in one reply are a runaway.
const MAX_CALLS: usize = 1024;

/// Makes events of what an upstream says.
#[derive(Debug)]
pub struct Assembler {
    expect: Expect,
    started: bool,
    open: Open,
    calls: Vec<Call>,
    stops: Stops,
    finish: Option<StopReason>,
    sequence: Option<String>,
    refused: bool,
    ended: bool,
    /// The server has been seen to send all arguments so far each time.
    snapshots: bool,
    usage: ReplyUsage,
    /// Text that came amid a call's arguments, escaped.
    later: String,
    /// Bytes of text, thinking and arguments that came, for an estimate.
    output_bytes: usize,
    losses: Losses,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Text,
    Thinking,
    /// Index into `calls`.
    Call(usize),
}

impl Assembler {
    /// For the reply to one request.
    pub fn new(expect: Expect) -> Self {
        let stops = Stops::new(expect.stop_sequences.iter().cloned());
        Self {
            stops,
            expect,
            started: false,
            open: Open::Nothing,
            calls: Vec::new(),
            finish: None,
            sequence: None,
            refused: false,
            ended: false,
            snapshots: false,
            usage: ReplyUsage::default(),
            later: String::new(),
            output_bytes: 0,
            losses: Losses::new(),
        }
    }

    /// More of the answer's text.
    pub fn text(&mut self, piece: Text<'_>, out: &mut dyn EventSink) -> Result<Flow, Fault> {
        if self.ended {
            return Ok(Flow::Done);
        }
        if piece.is_empty() {
            return Ok(Flow::More);
        }
        self.output_bytes += piece.escaped().len();
        if self.stops.is_empty() {
            if self.waits_for_arguments() {
                self.later.push_str(piece.escaped());
                return Ok(Flow::More);
            }
            self.open_text(out)?;
            send(out, Event::Delta(Delta::Text(piece)))?;
            return Ok(Flow::More);
        }
        let scanned = self.stops.push(&piece.decode());
        self.own_text(&scanned.text, out)?;
        if let Some(sequence) = scanned.hit {
            self.finish = Some(StopReason::StopSequence);
            self.sequence = Some(sequence);
            self.end(out)?;
            return Ok(Flow::Done);
        }
        Ok(Flow::More)
    }

    /// More of a text in which the model declines.
    pub fn refusal(&mut self, piece: Text<'_>, out: &mut dyn EventSink) -> Result<Flow, Fault> {
        self.refused |= !piece.is_empty();
        self.text(piece, out)
    }

    /// The text block is over; text that follows is another block.
    pub fn end_text(&mut self, out: &mut dyn EventSink) -> Result<(), Fault> {
        if self.open == Open::Text || !self.stops.is_empty() { self.close(out) } else { Ok(()) }
    }

    /// A citation of the open text block: one object of the Messages API.
    pub fn citation(&mut self, citation: Raw<'_>, out: &mut dyn EventSink) -> Result<(), Fault> {
        if self.open == Open::Text {
            return send(out, Event::Delta(Delta::Citation(citation)));
        }
        self.losses.add(What::Dropped, "citation", "no text stands before it");
        Ok(())
    }

    /// Whether a thinking block is open, so that its signature may be given.
    pub fn in_thinking(&self) -> bool {
        self.open == Open::Thinking
    }

    /// Whether the reply is whole.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// What the caller wants to see of thinking.
    pub fn thinking_shown(&self) -> ThinkingShown {
        self.expect.thinking
    }

    /// More of the thinking. Hidden thinking is counted and let go.
    pub fn thinking(&mut self, piece: Text<'_>, out: &mut dyn EventSink) -> Result<(), Fault> {
        if self.ended || piece.is_empty() {
            return Ok(());
        }
        self.output_bytes += piece.escaped().len();
        match self.expect.thinking {
            ThinkingShown::Hidden => Ok(()),
            ThinkingShown::Omitted => self.open_thinking(out),
            ThinkingShown::Shown => {
                self.open_thinking(out)?;
                send(out, Event::Delta(Delta::Thinking(piece)))
            }
        }
    }

    /// Begins a thinking block, if none is open, even where no text of it is shown.
    pub fn open_thinking(&mut self, out: &mut dyn EventSink) -> Result<(), Fault> {
        if self.open == Open::Thinking {
            return Ok(());
        }
        self.close(out)?;
        self.start(out)?;
        send(out, Event::BlockStart(BlockStart::Thinking))?;
        self.open = Open::Thinking;
        Ok(())
    }

    /// Ends the thinking block, with a signature if there is one.
    pub fn end_thinking(
        &mut self,
        signature: Option<&str>,
        out: &mut dyn EventSink,
    ) -> Result<(), Fault> {
        if self.open != Open::Thinking {
            return Ok(());
        }
        if let Some(signature) = signature {
            send(out, Event::Delta(Delta::Signature(Text::from_escaped(&escaped(signature)))))?;
        }
        self.close(out)
    }

    /// Thinking that only its provider can read, whole.
    pub fn redacted(&mut self, data: &str, out: &mut dyn EventSink) -> Result<(), Fault> {
        let data = escaped(data);
        let data = Text::from_escaped(&data);
        self.whole_block(BlockStart::RedactedThinking { data }, out)
    }

    /// A call of a tool that the provider runs, whole.
    pub fn server_call(
        &mut self,
        id: &str,
        name: &str,
        input: Raw<'_>,
        out: &mut dyn EventSink,
    ) -> Result<(), Fault> {
        self.close(out)?;
        self.start(out)?;
        let (id, name) = (escaped(id), escaped(name));
        let start = BlockStart::ServerToolUse {
            id: Text::from_escaped(&id),
            name: Text::from_escaped(&name),
        };
        send(out, Event::BlockStart(start))?;
        let input = escaped(input.as_str());
        send(out, Event::Delta(Delta::Json(Text::from_escaped(&input))))?;
        send(out, Event::BlockStop)
    }

    /// What such a call brought, whole.
    pub fn server_result(
        &mut self,
        kind: &str,
        tool_use_id: &str,
        content: Raw<'_>,
        out: &mut dyn EventSink,
    ) -> Result<(), Fault> {
        let (kind, id) = (escaped(kind), escaped(tool_use_id));
        let start = BlockStart::ServerToolResult {
            kind: Text::from_escaped(&kind),
            tool_use_id: Text::from_escaped(&id),
            content,
        };
        self.whole_block(start, out)
    }

    /// A piece of a tool call. Any part may be missing; pieces of several calls may interleave; a
    /// call may come whole, or as ever longer snapshots.
    pub fn call(
        &mut self,
        which: CallRef,
        id: Option<Text<'_>>,
        name: Option<Text<'_>>,
        arguments: Option<Text<'_>>,
        out: &mut dyn EventSink,
    ) -> Result<(), Fault> {
        if self.ended {
            return Ok(());
        }
        let id = id.map(Text::decode).filter(|id| !id.is_empty());
        let name = name.map(Text::decode).filter(|name| !name.is_empty());
        let at = self.find_call(which, id.as_deref(), name.as_deref())?;
        let call = &mut self.calls[at];
        if let Some(id) = id
            && call.id.is_empty()
        {
            call.id = id.into_owned();
        }
        if let Some(name) = name
            && call.state == CallState::Waiting
            && !call.name.ends_with(&*name)
        {
            // Some servers split names; most repeat them.
            if name.starts_with(&call.name) {
                call.name.clear();
            }
            call.name.push_str(&name);
        }
        if let Some(piece) = arguments {
            let all = piece.escaped();
            let piece = fresh_part(&call.arguments, all, self.snapshots);
            self.snapshots |= piece.len() < all.len();
            self.output_bytes += piece.len();
            if call.arguments.len() + piece.len() > MAX_ARGUMENTS_BYTES {
                return Err(self.nonsense("tool arguments beyond all measure"));
            }
            if call.state == CallState::Closed {
                // A call that is over may be told of once more, as a whole or with nothing.
                let again = [piece, all]
                    .iter()
                    .any(|it| trim_escaped(it).is_empty() || it.trim() == call.arguments.trim());
                if !again {
                    return Err(self.nonsense("arguments for a tool call that was over"));
                }
            } else {
                call.arguments.push_str(piece);
            }
        }
        self.advance(out)
    }

    /// Everything of this call has come. One whose arguments are not whole stays open: only the reply's end
    /// tells whether a limit cut it.
    pub fn end_call(&mut self, which: CallRef, out: &mut dyn EventSink) -> Result<(), Fault> {
        let Some(at) = self.calls.iter().rposition(|call| call.index == which.index) else {
            return Ok(());
        };
        let call = &self.calls[at];
        let nothing = call.sent == 0 && matches!(call.arguments.trim(), "" | "null");
        if self.open == Open::Call(at) && (nothing || is_complete(&call.arguments)) {
            self.close(out)?;
            self.advance(out)?;
        }
        Ok(())
    }

    /// Sets all arguments of a call at once, where the pieces may have been missing. They count only
    /// when none has come.
    pub fn call_arguments(
        &mut self,
        which: CallRef,
        arguments: Text<'_>,
        out: &mut dyn EventSink,
    ) -> Result<(), Fault> {
        let empty = self
            .calls
            .iter()
            .rev()
            .find(|call| call.index == which.index)
            .is_none_or(|call| call.arguments.is_empty());
        if empty { self.call(which, None, None, Some(arguments), out) } else { Ok(()) }
    }

    /// Why the upstream says the reply ended. The last word counts, but a reply that was cut stays
    /// so; more may still come.
    pub fn finish_reason(&mut self, reason: StopReason) {
        let ordinary = matches!(reason, StopReason::EndTurn | StopReason::ToolUse);
        if !(ordinary && self.finish.is_some_and(StopReason::is_cut)) {
            self.finish = Some(reason);
        }
    }

    /// The upstream itself met a stop sequence, and may say which.
    pub fn stop_sequence(&mut self, sequence: Option<&str>) {
        self.finish = Some(StopReason::StopSequence);
        self.sequence = sequence.map(str::to_owned);
    }

    /// Whether a reason has been given.
    pub fn has_finish_reason(&self) -> bool {
        self.finish.is_some()
    }

    /// What the upstream says it cost. The last word counts.
    pub fn set_usage(&mut self, usage: ReplyUsage) {
        let web_searches = self.usage.web_searches.max(usage.web_searches);
        self.usage = ReplyUsage { web_searches, ..usage };
    }

    /// One more web search was run.
    pub fn count_web_search(&mut self) {
        self.usage.web_searches += 1;
    }

    /// The usage as far as it is known: reported, else estimated from what came.
    pub fn usage(&self) -> ReplyUsage {
        let mut usage = self.usage;
        if usage.quality == UsageQuality::Unknown {
            usage.quality = UsageQuality::Estimated;
            usage.counts.input = self.expect.prompt_estimate;
            usage.counts.output = self.output_estimate();
            return usage;
        }
        // A count of nothing beside something is no count (R32).
        let counts = &mut usage.counts;
        if counts.output == 0 && self.output_bytes > 0 {
            counts.output = self.output_estimate();
            usage.quality = UsageQuality::Partial;
        }
        if counts.input + counts.cache_read + counts.cache_write == 0 {
            counts.input = self.expect.prompt_estimate;
            usage.quality = UsageQuality::Partial;
        }
        usage
    }

    /// Some four bytes a token; an answer is never for nothing.
    fn output_estimate(&self) -> u64 {
        (self.output_bytes as u64 / 4).max(1)
    }

    /// What of the reply could not be carried over.
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    /// Notes something of the reply that could not be carried over.
    pub fn lose(&mut self, what: What, path: &'static str, why: &'static str) {
        self.losses.add(what, path, why);
    }

    /// The upstream's reply is whole.
    ///
    /// # Errors
    /// When a call's arguments are not JSON and no limit cut them, or a call has no name: such a call
    /// must not run, so the reply is an error.
    pub fn end(&mut self, out: &mut dyn EventSink) -> Result<(), Fault> {
        if self.ended {
            return Ok(());
        }
        let cut = self.finish.is_some_and(StopReason::is_cut);
        self.close(out)?;
        // What stop sequences held back behind a block of another kind is text of its own.
        self.close(out)?;
        while let Some(at) = self.calls.iter().position(|call| call.state == CallState::Waiting) {
            if self.calls[at].name.is_empty() {
                if cut {
                    self.calls.truncate(at);
                    break;
                }
                return Err(self.nonsense("a tool call without a name"));
            }
            self.open_call(at, out)?;
            self.close(out)?;
        }
        self.start(out)?;
        let called = self.calls.iter().any(|call| call.state == CallState::Closed);
        let stop = match self.finish {
            // A limit wins over calls: the last of them may be incomplete (R5).
            Some(reason) if reason.is_cut() => reason,
            Some(StopReason::Refusal) => StopReason::Refusal,
            Some(StopReason::StopSequence) => StopReason::StopSequence,
            _ if called => StopReason::ToolUse,
            _ if self.refused => StopReason::Refusal,
            // Without a call nothing waits for a result (the client would ask again and again).
            None | Some(StopReason::ToolUse) => StopReason::EndTurn,
            Some(reason) => reason,
        };
        let sequence = self.sequence.as_deref().map(escaped);
        let sequence = sequence.as_deref().map(Text::from_escaped);
        send(out, Event::Finish { stop, sequence, usage: self.usage() })?;
        self.ended = true;
        Ok(())
    }

    /// An answer that no dialect allows, as a fault.
    pub fn nonsense(&self, what: &str) -> Fault {
        let text = format!("{} sent {what}", self.expect.provider);
        Fault::new(ApiError::new(ErrorKind::BadGateway, text), Remedy::NextProvider)
    }

    /// The reply's id, for ids made from it.
    pub fn reply_id(&self) -> &str {
        &self.expect.reply_id
    }

    fn start(&mut self, out: &mut dyn EventSink) -> Result<(), Fault> {
        if self.started {
            return Ok(());
        }
        self.started = true;
        let mut usage = self.usage();
        usage.counts.output = 1;
        send(out, Event::Start { usage })
    }

    fn open_text(&mut self, out: &mut dyn EventSink) -> Result<(), Fault> {
        if self.open == Open::Text {
            return Ok(());
        }
        // Where nothing is open, what stop sequences hold back is later text than this.
        if self.open != Open::Nothing {
            self.close(out)?;
        }
        self.start(out)?;
        send(out, Event::BlockStart(BlockStart::Text))?;
        self.open = Open::Text;
        Ok(())
    }

    fn own_text(&mut self, text: &str, out: &mut dyn EventSink) -> Result<(), Fault> {
        if text.is_empty() {
            return Ok(());
        }
        let text = escaped(text);
        if self.waits_for_arguments() {
            self.later.push_str(&text);
            return Ok(());
        }
        self.open_text(out)?;
        send(out, Event::Delta(Delta::Text(Text::from_escaped(&text))))
    }

    /// Whether the open call is not whole yet: text that comes now stands behind it.
    fn waits_for_arguments(&self) -> bool {
        match self.open {
            Open::Call(at) => self.calls[at].sent > 0 && !is_complete(&self.calls[at].arguments),
            _ => false,
        }
    }

    fn whole_block(&mut self, block: BlockStart<'_>, out: &mut dyn EventSink) -> Result<(), Fault> {
        self.close(out)?;
        self.start(out)?;
        send(out, Event::BlockStart(block))?;
        send(out, Event::BlockStop)
    }

    /// Which call a piece belongs to; a new one where it can be none of those there are.
    fn find_call(
        &mut self,
        which: CallRef,
        id: Option<&str>,
        name: Option<&str>,
    ) -> Result<usize, Fault> {
        if let Some(at) = call::find(&self.calls, which.index, id, name) {
            return Ok(at);
        }
        if self.calls.len() == MAX_CALLS {
            return Err(self.nonsense("more tool calls than any reply has"));
        }
        self.calls.push(Call::new(which.index));
        Ok(self.calls.len() - 1)
    }

    /// Hands on what can be handed on: more of the open call, or the next one's beginning.
    ///
    /// An open call is over when another is ready and its arguments are a whole object: nothing that a
    /// server might still add to one, also where calls come interleaved, would leave it JSON. Without
    /// arguments, or with half of them, it stays open, and the others wait.
    fn advance(&mut self, out: &mut dyn EventSink) -> Result<(), Fault> {
        if let Open::Call(at) = self.open {
            self.send_arguments(at, out)?;
        }
        while let Some(next) = self.calls.iter().position(|call| call.state == CallState::Waiting) {
            let call = &self.calls[next];
            // A name may come late, an id too; arguments behind a name mean that no id will.
            let ready =
                !call.name.is_empty() && (!call.id.is_empty() || !call.arguments.is_empty());
            if !ready || matches!(self.open, Open::Call(open) if !self.calls[open].is_over()) {
                break;
            }
            self.open_call(next, out)?;
        }
        Ok(())
    }

    fn open_call(&mut self, at: usize, out: &mut dyn EventSink) -> Result<(), Fault> {
        self.close(out)?;
        self.start(out)?;
        let call = &self.calls[at];
        let id = caller_id(&call.id, &self.expect.used_ids, &self.expect.reply_id, at);
        let name = escaped(self.expect.names.back(&call.name));
        let block =
            BlockStart::ToolUse { id: Text::from_escaped(&id), name: Text::from_escaped(&name) };
        send(out, Event::BlockStart(block))?;
        self.expect.used_ids.insert(id);
        self.calls[at].state = CallState::Open;
        self.open = Open::Call(at);
        self.send_arguments(at, out)
    }

    fn send_arguments(&mut self, at: usize, out: &mut dyn EventSink) -> Result<(), Fault> {
        let call = &mut self.calls[at];
        // What does not begin as an object may turn out to be `null` or nothing at all.
        if call.sent == 0 && !trim_escaped(&call.arguments).starts_with('{') {
            return Ok(());
        }
        let piece = &call.arguments[call.sent..];
        if !piece.is_empty() {
            send(out, Event::Delta(Delta::Json(Text::from_escaped(piece))))?;
            call.sent = call.arguments.len();
        }
        Ok(())
    }

    /// Ends the open block, whatever it is.
    fn close(&mut self, out: &mut dyn EventSink) -> Result<(), Fault> {
        match self.open {
            Open::Nothing | Open::Text => {
                if !self.stops.is_empty() {
                    let held = self.stops.flush();
                    if !held.is_empty() {
                        if self.open == Open::Nothing {
                            self.open = Open::Text;
                            self.start(out)?;
                            send(out, Event::BlockStart(BlockStart::Text))?;
                        }
                        let held = escaped(&held);
                        send(out, Event::Delta(Delta::Text(Text::from_escaped(&held))))?;
                    }
                }
                if self.open == Open::Nothing {
                    return Ok(());
                }
            }
            Open::Thinking => {}
            Open::Call(at) => {
                let cut = self.finish.is_some_and(StopReason::is_cut);
                let call = &self.calls[at];
                let arguments = Text::from_escaped(&call.arguments).decode();
                let arguments = arguments.trim();
                let nothing = call.sent == 0 && matches!(arguments, "" | "null");
                // Only a limit may leave a call incomplete; a repaired one would be run.
                if !(nothing || cut || (arguments.starts_with('{') && is_json(arguments))) {
                    let text = format!("arguments for `{}` that are not a JSON object", call.name);
                    return Err(self.nonsense(&text));
                }
                let call = &mut self.calls[at];
                call.state = CallState::Closed;
                if nothing || cut {
                    call.arguments = String::from("{}");
                }
            }
        }
        self.open = Open::Nothing;
        send(out, Event::BlockStop)?;
        let later = std::mem::take(&mut self.later);
        if !later.is_empty() {
            send(out, Event::BlockStart(BlockStart::Text))?;
            send(out, Event::Delta(Delta::Text(Text::from_escaped(&later))))?;
            send(out, Event::BlockStop)?;
        }
        Ok(())
    }
}

fn send(out: &mut dyn EventSink, event: Event<'_>) -> Result<(), Fault> {
    out.event(event).map_err(broken)
}

/// A reader made an event that may not come: our own fault, told as such.
fn broken(illegal: Illegal) -> Fault {
    let text = "the gateway could not put the answer in order";
    let error = ApiError::new(ErrorKind::Internal, text).with_source(illegal);
    Fault::new(error, Remedy::NextProvider)
}

#[cfg(test)]
mod tests;
