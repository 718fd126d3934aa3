//! Traffic on loopback whose time `cargo xtask bench` compares: one long stream, many short exchanges.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::Words;
use crate::hot::{timed, took};
use crate::net::listener;
use crate::report::parsed;

/// Bytes that one write hands to the kernel, as bulk senders do.
const BLOCK: usize = 128 << 10;

/// Sends so many MiB through a connection to itself; the time is that of one.
pub(crate) fn stream(words: Words<'_>) -> Result<Value> {
    let mebibytes: u32 = parsed(words, 0)?;
    let listener = listener()?;
    let address = listener.local_addr()?;
    let receiver = thread::spawn(move || -> Result<u64> {
        let (mut far, _) = listener.accept()?;
        let mut block = vec![0; BLOCK];
        let mut total = 0;
        loop {
            match far.read(&mut block)? {
                0 => return Ok(total),
                some => total += u64::try_from(some)?,
            }
        }
    });
    let mut near = TcpStream::connect(address)?;
    let block = vec![0x5a; BLOCK];
    let began = Instant::now();
    for _ in 0..u64::from(mebibytes) * (1 << 20) / u64::try_from(BLOCK)? {
        near.write_all(&block)?;
    }
    drop(near);
    let total = receiver.join().ok().context("the receiver panicked")??;
    anyhow::ensure!(total == u64::from(mebibytes) << 20, "{total} bytes arrived");
    Ok(took(began, mebibytes))
}

/// Connects to itself, asks and answers a hundred bytes each, and closes both ends.
pub(crate) fn exchange(words: Words<'_>) -> Result<Value> {
    let listener = listener()?;
    let address = listener.local_addr()?;
    let message = [0xa5; 100];
    timed(words, || {
        let mut near = TcpStream::connect(address)?;
        rustix::net::sockopt::set_socket_linger(&near, Some(Duration::ZERO))?;
        let (mut far, _) = listener.accept()?;
        let mut got = [0; 100];
        near.write_all(&message)?;
        far.read_exact(&mut got)?;
        far.write_all(&got)?;
        near.read_exact(&mut got)?;
        Ok(())
    })
}

/// Accepts connections on loopback and resets each at once, until it is killed; says where first.
pub(crate) fn service(_: Words<'_>) -> Result<Value> {
    let listener = listener()?;
    println!("{}", json!({ "address": listener.local_addr()?.to_string() }));
    loop {
        let (far, _) = listener.accept()?;
        rustix::net::sockopt::set_socket_linger(&far, Some(Duration::ZERO))?;
    }
}

/// Connects to a service and waits until it hangs up, again and again.
pub(crate) fn connect_to(words: Words<'_>) -> Result<Value> {
    let address: SocketAddr = parsed(words, 1)?;
    timed(words, || {
        // The reset that ends each of them may come before the connect returns.
        match TcpStream::connect(address) {
            Ok(mut near) => _ = near.read(&mut [0]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => return Err(error).context("connect"),
        }
        Ok(())
    })
}

/// Connects to itself and logs in as a miner, in a clear text that nobody answers.
pub(crate) fn stratum(_: Words<'_>) -> Result<Value> {
    const LOGIN: &[u8] = br#"{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"x","pass":"x","agent":"XMRig/6.26.0"}}"#;
    let listener = listener()?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    let (mut far, _) = listener.accept()?;
    near.write_all(LOGIN)?;
    far.read_exact(&mut vec![0; LOGIN.len()])?;
    Ok(json!({ "bytes": LOGIN.len() }))
}
