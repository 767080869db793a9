//! The server against scripted upstreams, on real sockets.

mod access;
mod callers;
mod clouds;
mod conform;
mod endpoints;
mod endurance;
mod faults;
mod moving;
mod openai;
mod relay;
mod setup;
mod silence;
mod support;
mod switches;
mod translated;
mod wire;
