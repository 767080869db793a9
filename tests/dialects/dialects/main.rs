//! Every dialect that requests can be written in, through the same tests: recorded requests, replies in
//! every style and cut in every way, damage, providers that change amid a conversation, nasty tools.
//!
//! What only one dialect has is tested in its own crate. Here a new dialect is a row of
//! [`dialects::all`] and gets all of it.

mod damage;
mod dialects;
mod heard;
mod moves;
mod names;
mod replies;
mod requests;
mod said;
mod schemas;
