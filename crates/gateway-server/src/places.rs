//! Waiting for a place: [`gateway_resilience::places`] with somebody to wake.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway_resilience::places::{self, Entry, Priority, Ticket};
use tokio::sync::oneshot;

/// So many at once, with a queue before them. Clones are the same places.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Mutex<Books>>);

#[derive(Debug)]
struct Books {
    places: places::Places,
    /// Whom to wake for a ticket.
    waiting: HashMap<Ticket, oneshot::Sender<()>>,
}

/// The queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// A place; it is free again once this is dropped.
#[derive(Debug)]
#[must_use = "a place that is dropped is free again"]
pub(crate) struct Place(Places);

/// A place, or the wait for one.
#[derive(Debug)]
pub(crate) enum Turn {
    Now(Place),
    Later(Waiter),
}

/// Somebody in the queue, who leaves it when this is dropped.
#[derive(Debug)]
pub(crate) struct Waiter {
    places: Places,
    ticket: Ticket,
    woken: oneshot::Receiver<()>,
    /// Whether a drop has still to be told to the books.
    counts: bool,
}

impl Places {
    /// Room for `limit` at once (`None`: everybody) and for `queue` who wait.
    pub(crate) fn new(limit: Option<u64>, queue: u64) -> Self {
        let places = places::Places::new(limit, queue);
        Self(Arc::new(Mutex::new(Books { places, waiting: HashMap::new() })))
    }

    /// A place, as soon as there is one. Whoever stops waiting leaves the queue.
    ///
    /// # Errors
    /// The queue is full; known at once.
    pub(crate) async fn enter(&self, priority: Priority) -> Result<Place, Full> {
        match self.ask(priority)? {
            Turn::Now(place) => Ok(place),
            Turn::Later(waiter) => Ok(waiter.place().await),
        }
    }

    /// A place if there is one.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn enter_at_once(&self) -> Result<Place, Full> {
        match self.ask(Priority::Interactive)? {
            Turn::Now(place) => Ok(place),
            Turn::Later(_) => Err(Full),
        }
    }

    /// A place if there is one, else a place in the queue.
    ///
    /// # Errors
    /// The queue is full.
    pub(crate) fn ask(&self, priority: Priority) -> Result<Turn, Full> {
        let mut books = self.books();
        match books.places.enter(priority) {
            Entry::In => Ok(Turn::Now(Place(self.clone()))),
            Entry::Full => Err(Full),
            Entry::Queued(ticket) => {
                let (waker, woken) = oneshot::channel();
                books.waiting.insert(ticket, waker);
                Ok(Turn::Later(Waiter { places: self.clone(), ticket, woken, counts: true }))
            }
        }
    }

    /// Other limits from now on. Who is inside or waits already stays.
    pub(crate) fn set(&self, limit: Option<u64>, queue: u64) {
        let mut books = self.books();
        for ticket in books.places.set(limit, queue) {
            books.wake(ticket);
        }
    }

    /// How many have a place.
    pub(crate) fn inside(&self) -> u64 {
        self.books().places.inside()
    }

    /// How many wait for one.
    pub(crate) fn waiting(&self) -> u64 {
        self.books().places.waiting()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for everybody.
impl Default for Places {
    fn default() -> Self {
        Self::new(None, 0)
    }
}

impl Books {
    /// A waiter that is about to go still finds its place in the books, and passes it on.
    fn wake(&mut self, ticket: Ticket) {
        if let Some(waker) = self.waiting.remove(&ticket) {
            let _ = waker.send(());
        }
    }
}

impl Waiter {
    /// The place, once it is there.
    pub(crate) async fn place(mut self) -> Place {
        // The sender goes only by being used: it is kept as long as the ticket waits.
        let _ = (&mut self.woken).await;
        self.counts = false;
        Place(self.places.clone())
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if self.counts {
            let mut books = self.places.books();
            books.waiting.remove(&self.ticket);
            if let Some(next) = books.places.abandon(self.ticket) {
                books.wake(next);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut books = self.0.books();
        if let Some(next) = books.places.leave() {
            books.wake(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::Pin;
    use std::task::Poll;

    use super::*;

    const PERSON: Priority = Priority::Interactive;

    async fn waits<T>(future: &mut Pin<Box<impl Future<Output = T>>>) -> bool {
        poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
    }

    #[tokio::test]
    async fn a_place_that_is_dropped_goes_to_who_has_waited_longest() {
        let places = Places::new(Some(1), 2);
        let first = places.enter(PERSON).await.expect("room");
        let mut second = Box::pin(places.enter(PERSON));
        let mut third = Box::pin(places.enter(PERSON));
        assert!(waits(&mut second).await && waits(&mut third).await);
        assert_eq!(places.enter(PERSON).await.err(), Some(Full));
        assert_eq!((places.inside(), places.waiting()), (1, 2));
        drop(first);
        let second = second.await.expect("a place");
        assert!(waits(&mut third).await);
        drop(second);
        drop(third.await.expect("a place"));
        assert_eq!((places.inside(), places.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn a_waiter_that_leaves_frees_its_place_in_the_queue() {
        let places = Places::new(Some(1), 1);
        let first = places.enter(PERSON).await.expect("room");
        let mut second = Box::pin(places.enter(PERSON));
        assert!(waits(&mut second).await);
        drop(second);
        let mut third = Box::pin(places.enter(PERSON));
        assert!(waits(&mut third).await);
        drop(first);
        drop(third.await.expect("a place"));
        assert_eq!((places.inside(), places.waiting()), (0, 0));
    }

    /// It had been woken, and left before it could look.
    #[tokio::test]
    async fn a_waiter_that_leaves_with_its_place_passes_it_on() {
        let places = Places::new(Some(1), 2);
        let first = places.enter(PERSON).await.expect("room");
        let mut second = Box::pin(places.enter(PERSON));
        let mut third = Box::pin(places.enter(PERSON));
        assert!(waits(&mut second).await && waits(&mut third).await);
        drop(first);
        drop(second);
        drop(third.await.expect("a place"));
        assert_eq!((places.inside(), places.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn more_places_wake_those_who_wait() {
        let places = Places::new(Some(0), 3);
        let mut first = Box::pin(places.enter(PERSON));
        let mut second = Box::pin(places.enter(Priority::Background));
        let mut third = Box::pin(places.enter(PERSON));
        assert!(waits(&mut first).await && waits(&mut second).await && waits(&mut third).await);
        places.set(Some(2), 3);
        let held = (first.await.expect("a place"), third.await.expect("a place"));
        assert!(waits(&mut second).await, "nobody looks at it");
        places.set(None, 0);
        let last = second.await.expect("a place");
        drop((held, last));
        assert_eq!((places.inside(), places.waiting()), (0, 0));
    }
}
