//! How many may be inside at once, and who is next.

use std::collections::VecDeque;

/// A limit of requests at once with a queue before it: interactive ones first, first come first served
/// within each kind.
///
/// It only keeps the books. Who is [`Entry::Queued`] waits for somebody's [`leave`](Places::leave),
/// [`abandon`](Places::abandon) or [`set`](Places::set) to name its ticket: then it *has* the place, and
/// has to leave like one that came in at once.
///
/// ```
/// use gateway_resilience::places::{Entry, Places, Priority};
/// let mut places = Places::new(Some(1), 1);
/// assert_eq!(places.enter(Priority::Interactive), Entry::In);
/// let Entry::Queued(waiter) = places.enter(Priority::Interactive) else { panic!("one is inside") };
/// assert_eq!(places.enter(Priority::Interactive), Entry::Full);
/// assert_eq!(places.leave(), Some(waiter));
/// assert_eq!(places.leave(), None);
/// ```
#[derive(Debug)]
pub struct Places {
    limit: Option<u64>,
    queue: u64,
    inside: u64,
    last_ticket: u64,
    interactive: VecDeque<Ticket>,
    background: VecDeque<Ticket>,
}

/// Who waits: a person, or something that nobody looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// A person waits for the answer.
    Interactive,
    /// Titles, summaries, batches.
    Background,
}

/// What becomes of somebody who asks for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It has one.
    In,
    /// It has to wait until this ticket is named.
    Queued(Ticket),
    /// The queue is full, too.
    Full,
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

impl Places {
    /// With room for `limit` at once (`None`: everybody) and for `queue` who wait.
    pub fn new(limit: Option<u64>, queue: u64) -> Self {
        Self {
            limit,
            queue,
            inside: 0,
            last_ticket: 0,
            interactive: VecDeque::new(),
            background: VecDeque::new(),
        }
    }

    /// Asks for a place.
    pub fn enter(&mut self, priority: Priority) -> Entry {
        if self.has_room() {
            self.inside += 1;
            return Entry::In;
        }
        if self.waiting() >= self.queue {
            return Entry::Full;
        }
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        match priority {
            Priority::Interactive => self.interactive.push_back(ticket),
            Priority::Background => self.background.push_back(ticket),
        }
        Entry::Queued(ticket)
    }

    /// Somebody who had a place is done. The one with the returned ticket has it now.
    #[must_use = "the one with this ticket has to be told"]
    pub fn leave(&mut self) -> Option<Ticket> {
        debug_assert!(self.inside > 0, "somebody left who was not inside");
        self.inside = self.inside.saturating_sub(1);
        self.next()
    }

    /// Somebody who waited goes away, before or after its ticket was named, instead of using the place. If
    /// it had been named, the place goes on to the one with the returned ticket.
    #[must_use = "the one with this ticket has to be told"]
    pub fn abandon(&mut self, ticket: Ticket) -> Option<Ticket> {
        for queue in [&mut self.interactive, &mut self.background] {
            // Tickets are given in order, so each queue is sorted.
            if let Ok(at) = queue.binary_search(&ticket) {
                queue.remove(at);
                return None;
            }
        }
        self.leave()
    }

    /// Other limits from now on. Who is inside or waits already stays; those with the returned tickets are
    /// now inside.
    #[must_use = "those with these tickets have to be told"]
    pub fn set(&mut self, limit: Option<u64>, queue: u64) -> Vec<Ticket> {
        self.limit = limit;
        self.queue = queue;
        std::iter::from_fn(|| self.next()).collect()
    }

    /// How many wait.
    pub fn waiting(&self) -> u64 {
        (self.interactive.len() + self.background.len()) as u64
    }

    /// How many have a place.
    pub fn inside(&self) -> u64 {
        self.inside
    }

    fn has_room(&self) -> bool {
        self.limit.is_none_or(|limit| self.inside < limit)
    }

    fn next(&mut self) -> Option<Ticket> {
        if !self.has_room() {
            return None;
        }
        let ticket = self.interactive.pop_front().or_else(|| self.background.pop_front())?;
        self.inside += 1;
        Some(ticket)
    }
}
