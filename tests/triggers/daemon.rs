//! Leaves a daemon behind, by the book: fork, setsid, fork; it listens, and ends by itself in time.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::Words;
use crate::fork::{Side, fork, leave, wait};
use crate::report::parsed;

/// Starts the daemon; says its pid and where it listens once it does.
pub(crate) fn run(words: Words<'_>) -> Result<Value> {
    let address: SocketAddr = parsed(words, 0)?;
    let seconds: u32 = parsed(words, 1)?;
    let (mut heard, told) = std::io::pipe().context("cannot make a pipe")?;
    match fork()? {
        Side::Child => {
            drop(heard);
            let code = match detach(address, seconds, told) {
                Ok(()) => 0,
                Err(error) => {
                    eprintln!("daemon: {error:#}");
                    1
                }
            };
            leave(code)
        }
        Side::Parent(child) => {
            drop(told);
            wait(child)?;
            let mut line = String::new();
            // Ends when the daemon has said its piece and closed the pipe.
            heard.read_to_string(&mut line).context("cannot hear the daemon")?;
            let (pid, listens) = line.trim().split_once(' ').context("the daemon did not start")?;
            Ok(json!({
                "session": child.as_raw_nonzero().get(),
                "daemon": pid.parse::<u32>()?,
                "address": listens,
            }))
        }
    }
}

/// In the first child: leads a session, forks again, and leaves the second child to listen.
fn detach(address: SocketAddr, seconds: u32, mut told: std::io::PipeWriter) -> Result<()> {
    rustix::process::setsid().context("setsid")?;
    let Side::Child = fork()? else { return Ok(()) };
    let listener = TcpListener::bind(address).with_context(|| format!("cannot listen at {address}"))?;
    writeln!(told, "{} {}", std::process::id(), listener.local_addr()?)?;
    // What it inherited must close, or whoever reads the starter's output waits for the daemon.
    drop(told);
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    // SAFETY: alarm only sets a timer; its signal ends the process, which is the wish.
    unsafe { libc::alarm(seconds) };
    while listener.accept().is_ok() {}
    leave(0)
}
