//! Opens sockets of every kind. `[::ffff:127.0.0.1]:PORT` is an IPv6 socket with a v4-mapped address.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, getsockname, listen, sendto};
use serde_json::{Value, json};

use crate::Words;
use crate::report::parsed;

/// Connects by TCP; a refusal is reported, not an error.
pub(crate) fn connect_tcp(words: Words<'_>) -> Result<Value> {
    let remote: SocketAddr = parsed(words, 0)?;
    let socket = socket(remote, SocketType::STREAM, SocketFlags::CLOEXEC)?;
    let outcome = connect(&socket, &remote);
    Ok(flow(&socket, remote, outcome))
}

/// Starts to connect by TCP, then waits until that is decided.
pub(crate) fn connect_tcp_nonblocking(words: Words<'_>) -> Result<Value> {
    let remote: SocketAddr = parsed(words, 0)?;
    let socket = socket(remote, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    let mut outcome = connect(&socket, &remote);
    if outcome == Err(Errno::INPROGRESS) {
        let mut wanted = [rustix::event::PollFd::new(&socket, rustix::event::PollFlags::OUT)];
        let limit = rustix::time::Timespec { tv_sec: 5, tv_nsec: 0 };
        rustix::event::poll(&mut wanted, Some(&limit)).context("poll")?;
        outcome = rustix::net::sockopt::socket_error(&socket).context("SO_ERROR")?;
    }
    Ok(flow(&socket, remote, outcome))
}

/// Connects a UDP socket: no packet goes out, but the kernel decides where they would go.
pub(crate) fn connect_udp(words: Words<'_>) -> Result<Value> {
    let remote: SocketAddr = parsed(words, 0)?;
    let socket = socket(remote, SocketType::DGRAM, SocketFlags::CLOEXEC)?;
    let outcome = connect(&socket, &remote);
    Ok(flow(&socket, remote, outcome))
}

/// Sends one datagram from a socket that is not connected.
pub(crate) fn send_udp(words: Words<'_>) -> Result<Value> {
    let remote: SocketAddr = parsed(words, 0)?;
    let socket = socket(remote, SocketType::DGRAM, SocketFlags::CLOEXEC)?;
    let outcome = sendto(&socket, b"trigger", rustix::net::SendFlags::empty(), &remote).map(|_| ());
    Ok(flow(&socket, remote, outcome))
}

/// Binds a TCP socket that does not listen.
pub(crate) fn bind_tcp(words: Words<'_>) -> Result<Value> {
    let socket = bound(words, SocketType::STREAM)?;
    Ok(json!({ "local": local(&socket) }))
}

/// Binds a UDP socket.
pub(crate) fn bind_udp(words: Words<'_>) -> Result<Value> {
    let socket = bound(words, SocketType::DGRAM)?;
    Ok(json!({ "local": local(&socket) }))
}

/// Listens by TCP.
pub(crate) fn listen_tcp(words: Words<'_>) -> Result<Value> {
    let socket = bound(words, SocketType::STREAM)?;
    listen(&socket, 8).context("listen")?;
    Ok(json!({ "local": local(&socket) }))
}

fn socket(address: SocketAddr, kind: SocketType, flags: SocketFlags) -> Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    rustix::net::socket_with(family, kind, flags, None).context("socket")
}

fn bound(words: Words<'_>, kind: SocketType) -> Result<OwnedFd> {
    let address: SocketAddr = parsed(words, 0)?;
    let socket = socket(address, kind, SocketFlags::CLOEXEC)?;
    bind(&socket, &address).with_context(|| format!("cannot bind {address}"))?;
    Ok(socket)
}

fn flow(socket: &OwnedFd, remote: SocketAddr, outcome: Result<(), Errno>) -> Value {
    let errno = outcome.err().map_or(0, Errno::raw_os_error);
    let cookie = rustix::net::sockopt::socket_cookie(socket).ok();
    json!({ "remote": remote.to_string(), "local": local(socket), "errno": errno, "cookie": cookie })
}

fn local(socket: &OwnedFd) -> Option<String> {
    let address = SocketAddr::try_from(getsockname(socket).ok()?).ok()?;
    Some(address.to_string())
}

/// A TCP listener on loopback, for loops that connect to themselves.
pub(crate) fn listener() -> Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0").context("cannot listen on loopback")
}
