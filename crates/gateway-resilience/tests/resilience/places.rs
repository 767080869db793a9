use std::collections::VecDeque;

use gateway_resilience::places::{Entry, Places, Priority, Ticket};
use proptest::prelude::*;

use crate::config;

fn queued(places: &mut Places, priority: Priority) -> Ticket {
    match places.enter(priority) {
        Entry::Queued(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

#[test]
fn interactive_ones_come_before_background_ones() {
    let mut places = Places::new(Some(1), 4);
    assert_eq!(places.enter(Priority::Background), Entry::In);
    let title = queued(&mut places, Priority::Background);
    let person = queued(&mut places, Priority::Interactive);
    let other = queued(&mut places, Priority::Interactive);
    let order: Vec<_> = std::iter::from_fn(|| places.leave()).collect();
    assert_eq!(order, [person, other, title]);
    assert_eq!((places.inside(), places.waiting()), (0, 0));
}

#[test]
fn a_queue_of_nought_refuses_at_once_and_no_limit_lets_everybody_in() {
    let mut places = Places::new(Some(1), 0);
    assert_eq!(places.enter(Priority::Interactive), Entry::In);
    assert_eq!(places.enter(Priority::Interactive), Entry::Full);
    let mut open = Places::new(None, 0);
    assert!((0..1000).all(|_| open.enter(Priority::Background) == Entry::In));
}

#[test]
fn a_place_that_was_granted_to_one_who_has_left_goes_on() {
    let mut places = Places::new(Some(1), 4);
    assert_eq!(places.enter(Priority::Interactive), Entry::In);
    let first = queued(&mut places, Priority::Interactive);
    let second = queued(&mut places, Priority::Interactive);
    let third = queued(&mut places, Priority::Interactive);
    assert_eq!(places.abandon(second), None, "it only waited");
    assert_eq!(places.leave(), Some(first));
    assert_eq!(places.abandon(first), Some(third), "it had been named");
    assert_eq!(places.abandon(third), None);
    assert_eq!((places.inside(), places.waiting()), (0, 0));
}

#[test]
fn a_lower_limit_lets_nobody_in_until_enough_have_left_and_a_higher_one_does_at_once() {
    let mut places = Places::new(Some(2), 9);
    assert_eq!(places.enter(Priority::Interactive), Entry::In);
    assert_eq!(places.enter(Priority::Interactive), Entry::In);
    let waiters: Vec<_> = (0..3).map(|_| queued(&mut places, Priority::Interactive)).collect();
    assert_eq!(places.set(Some(1), 9), []);
    assert_eq!(places.leave(), None);
    assert_eq!(places.leave(), Some(waiters[0]));
    assert_eq!(places.set(None, 9), waiters[1..]);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Enter(bool),
    Leave,
    AbandonWaiting(usize),
    AbandonGranted,
    Set(u64, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<bool>().prop_map(Step::Enter),
        4 => Just(Step::Leave),
        1 => any::<usize>().prop_map(Step::AbandonWaiting),
        1 => Just(Step::AbandonGranted),
        1 => (0u64..5, 0u64..5).prop_map(|(limit, queue)| Step::Set(limit, queue)),
    ]
}

proptest! {
    #![proptest_config(config(5))]

    #[test]
    fn nobody_is_lost_nobody_overtakes_and_the_limit_holds(
        limit in 0u64..4,
        queue in 0u64..6,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let (mut limit, mut queue) = (limit, queue);
        let mut places = Places::new(Some(limit), queue);
        // Both queues as they should be, the interactive one first, and who is inside (`None`: came in at once).
        let mut waiting: [VecDeque<Ticket>; 2] = Default::default();
        let mut inside: Vec<Option<Ticket>> = Vec::new();
        for step in steps {
            let mut named = Vec::new();
            match step {
                Step::Enter(background) => {
                    let was_waiting = (waiting[0].len() + waiting[1].len()) as u64;
                    let room = (inside.len() as u64) < limit;
                    let priority = if background { Priority::Background } else { Priority::Interactive };
                    match places.enter(priority) {
                        Entry::In => {
                            prop_assert!(room);
                            inside.push(None);
                        }
                        Entry::Queued(ticket) => {
                            prop_assert!(!room && was_waiting < queue);
                            waiting[usize::from(background)].push_back(ticket);
                        }
                        Entry::Full => prop_assert!(!room && was_waiting >= queue),
                    }
                }
                Step::Leave if inside.is_empty() => {}
                Step::Leave => {
                    inside.swap_remove(0);
                    named.extend(places.leave());
                }
                Step::AbandonWaiting(which) => {
                    let queue = &mut waiting[which % 2];
                    if !queue.is_empty() {
                        let ticket = queue.remove(which / 2 % queue.len()).expect("within its length");
                        prop_assert_eq!(places.abandon(ticket), None);
                    }
                }
                Step::AbandonGranted => {
                    if let Some(at) = inside.iter().position(Option::is_some) {
                        let ticket = inside.swap_remove(at).expect("it has one");
                        named.extend(places.abandon(ticket));
                    }
                }
                Step::Set(new_limit, new_queue) => {
                    (limit, queue) = (new_limit, new_queue);
                    named = places.set(Some(limit), queue);
                }
            }
            for ticket in named {
                let next = if waiting[0].is_empty() { waiting[1].pop_front() } else { waiting[0].pop_front() };
                prop_assert_eq!(Some(ticket), next);
                inside.push(Some(ticket));
                prop_assert!(inside.len() as u64 <= limit);
            }
            prop_assert_eq!(places.inside(), inside.len() as u64);
            prop_assert_eq!(places.waiting(), (waiting[0].len() + waiting[1].len()) as u64);
            // A place is never empty while somebody waits.
            prop_assert!(places.waiting() == 0 || places.inside() >= limit);
        }
    }
}
