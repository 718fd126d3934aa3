//! Sends without a syscall that names a socket: through `io_uring`.

use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, Result, ensure};
use io_uring::{IoUring, opcode, types};
use serde_json::{Value, json};

use crate::Words;
use crate::report::parsed;

/// Connects, sends an SSH banner through a ring, and waits for one byte.
pub(crate) fn send(words: Words<'_>) -> Result<Value> {
    const BANNER: &[u8] = b"SSH-2.0-ring\r\n";
    let remote: SocketAddr = parsed(words, 0)?;
    let mut stream = TcpStream::connect(remote).with_context(|| format!("cannot connect to {remote}"))?;
    let mut ring = IoUring::new(1).context("io_uring_setup")?;
    let length = u32::try_from(BANNER.len())?;
    let entry = opcode::Send::new(types::Fd(stream.as_raw_fd()), BANNER.as_ptr(), length).build();
    // SAFETY: the bytes are static and the descriptor stays open until the entry is completed below.
    unsafe { ring.submission().push(&entry) }.context("a full queue")?;
    ring.submit_and_wait(1).context("io_uring_enter")?;
    let sent = ring.completion().next().context("no completion")?.result();
    ensure!(usize::try_from(sent) == Ok(BANNER.len()), "the ring sent {sent}");
    stream.read_exact(&mut [0])?;
    Ok(json!({ "bytes": sent }))
}
