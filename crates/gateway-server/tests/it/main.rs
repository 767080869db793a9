//! The server against scripted upstreams, on real sockets.

mod relay;
mod support;
