//! What a service manager gives the gateway and wants to know of it: a socket, and where it is in its life.
//! Without one nothing here does anything.

use std::net::TcpListener;

use anyhow::{Context, Result, bail};
use listenfd::ListenFd;
use sd_notify::NotifyState;

/// The socket that was passed (`LISTEN_FDS`), if one was. To be called before there are threads.
pub(crate) fn listener() -> Result<Option<TcpListener>> {
    let mut passed = ListenFd::from_env();
    match passed.len() {
        0 => Ok(None),
        1 => passed.take_tcp_listener(0).context(
            "the socket that was passed (LISTEN_FDS) is no TCP socket: the socket unit needs \
             `ListenStream=` with a port",
        ),
        more => bail!(
            "{more} sockets were passed (LISTEN_FDS), and the gateway serves one: leave one \
             `ListenStream=` in the socket unit"
        ),
    }
}

/// It serves. `status` is what the manager shows.
pub(crate) fn ready(status: &str) -> std::io::Result<()> {
    sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(status)])
}

/// It reads its configuration; [`ready`] follows.
pub(crate) fn reloading() -> std::io::Result<()> {
    sd_notify::notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?])
}

/// It drains.
pub(crate) fn stopping() -> std::io::Result<()> {
    sd_notify::notify(&[NotifyState::Stopping, NotifyState::Status("what runs may finish")])
}
