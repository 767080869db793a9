//! The server against scripted upstreams, on real sockets.

mod abuse;
mod access;
mod callers;
mod chain;
mod clouds;
mod conform;
mod drain;
mod endpoints;
mod endurance;
mod faults;
mod legs;
mod limits;
mod moving;
mod openai;
mod pools;
mod relay;
mod reload;
mod resilience;
mod routes;
mod setup;
mod silence;
mod storm;
mod support;
mod switches;
mod translated;
mod wire;
