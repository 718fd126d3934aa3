//! Keeps processors busy, and says for how long by its own count.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::Words;
use crate::fork::{Side, fork, leave};
use crate::report::parsed;

/// A child burns with so many threads for so long, partly in the kernel, and ends with threads still running; what
/// wait4(2) says that it used.
pub(crate) fn times(words: Words<'_>) -> Result<Value> {
    let (threads, milliseconds): (usize, u64) = (parsed(words, 0)?, parsed(words, 1)?);
    let child = match fork()? {
        Side::Child => {
            let until = Instant::now() + Duration::from_millis(milliseconds);
            for _ in 1..threads {
                // One in two of them is over by itself, the other is ended by the process.
                std::thread::spawn(move || burn(until));
                std::thread::spawn(|| burn(Instant::now() + Duration::from_secs(600)));
            }
            burn(until);
            leave(0)
        }
        Side::Parent(child) => child.as_raw_nonzero().get(),
    };
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    // SAFETY: waits for the child just made; both places outlive the call.
    let waited = unsafe { libc::wait4(child, &raw mut status, 0, usage.as_mut_ptr()) };
    anyhow::ensure!(waited == child, "wait4: {}", std::io::Error::last_os_error());
    // SAFETY: zeroed before, and any bytes are a value of it.
    let usage = unsafe { usage.assume_init() };
    let nanoseconds = |time: libc::timeval| -> Result<u64> {
        let microseconds = time.tv_sec.checked_mul(1_000_000).and_then(|all| all.checked_add(time.tv_usec));
        Ok(u64::try_from(microseconds.context("too long")?)?.saturating_mul(1000))
    };
    let (user, system) = (nanoseconds(usage.ru_utime)?, nanoseconds(usage.ru_stime)?);
    Ok(json!({ "child": child, "user": user, "system": system }))
}

/// Three parts of arithmetic, one of system calls.
fn burn(until: Instant) {
    while Instant::now() < until {
        for number in 0..200_000_u64 {
            black_box(number.wrapping_mul(number));
        }
        for _ in 0..200 {
            // A call that costs, asks for nothing and is not seen by anybody.
            black_box(std::fs::metadata("/").is_ok());
        }
    }
}
