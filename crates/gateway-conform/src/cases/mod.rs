//! The table of cases. One file a group; each case is a line of what is asked and who judges.

mod asks;
mod content;
mod counts;
mod errors;
mod models;
mod recorded;
mod schemas;
mod sessions;
mod stops;
mod streams;
mod system;
mod thinking;
mod tools;
mod unary;

pub(crate) use asks::first;

use crate::case::Case;

/// Every case, in the order in which they are told.
pub fn cases() -> Vec<Case> {
    [
        models::cases(),
        unary::cases(),
        streams::cases(),
        stops::cases(),
        system::cases(),
        content::cases(),
        tools::cases(),
        schemas::cases(),
        thinking::cases(),
        counts::cases(),
        errors::cases(),
        sessions::cases(),
        recorded::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
