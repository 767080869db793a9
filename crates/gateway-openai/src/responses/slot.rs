//! An item of a reply while its events come in, and which one an item of the whole response is.

use std::borrow::Cow;

use super::wire::Item;

/// One item so far.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) index: Option<u64>,
    pub(super) id: String,
    /// What kind of item it is; empty until an event tells.
    pub(super) kind: Cow<'static, str>,
    pub(super) call_id: String,
    pub(super) entered: bool,
    pub(super) over: bool,
    /// The part that pieces belong to now.
    pub(super) part: Option<u64>,
    /// Decoded bytes of that part, or of the arguments, that have been handed on.
    pub(super) sent: usize,
    /// Whether thinking comes as a summary.
    pub(super) summary: Option<bool>,
    /// Citations of the part that came by events.
    pub(super) annotations: Vec<String>,
    /// Events that came before the item was live.
    pub(super) waiting: Vec<String>,
}

impl Slot {
    fn may_be(&self, item: &Item<'_>) -> bool {
        self.kind.is_empty() || self.kind == item.kind.decode()
    }

    fn is_call(&self, item: &Item<'_>) -> bool {
        !self.call_id.is_empty()
            && item.call_id.is_some_and(|call_id| self.call_id == call_id.decode())
    }
}

/// Which slot each item of the whole response has; `None` for one that no event told of. Servers
/// may number or name the items of their events otherwise, so the surest sign goes first, and in
/// the end the order within a kind.
pub(super) fn of(known: &[Slot], items: &[Item<'_>]) -> Vec<Option<usize>> {
    type Sign = fn(&Slot, u64, &Item<'_>) -> bool;
    const SIGNS: [Sign; 5] = [
        |slot, place, item| slot.index == Some(place) && slot.is_call(item),
        |slot, _, item| slot.is_call(item),
        |slot, place, item| slot.index == Some(place) && slot.id == item.id.decode(),
        |slot, place, item| {
            slot.index == Some(place) || (!slot.id.is_empty() && slot.id == item.id.decode())
        },
        |_, _, _| true,
    ];
    let mut slots = vec![None; items.len()];
    let mut taken = vec![false; known.len()];
    for sign in SIGNS {
        for (place, item) in items.iter().enumerate().filter(|(_, item)| !item.kind.is_empty()) {
            if slots[place].is_some() {
                continue;
            }
            let fits = |(at, slot): (usize, &Slot)| {
                !taken[at] && slot.may_be(item) && sign(slot, place as u64, item)
            };
            if let Some(at) = known.iter().enumerate().position(fits) {
                taken[at] = true;
                slots[place] = Some(at);
            }
        }
    }
    slots
}
