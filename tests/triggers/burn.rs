//! Keeps processors busy, and says for how long by its own count.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::Words;
use crate::fork::{Side, fork, leave};
use crate::report::{parsed, path, say};

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

/// So many threads multiply in a rounding mode (`nearest`, `down`, `up`, `zero`), for so many seconds; says which
/// process it is before.
pub(crate) fn rounding(words: Words<'_>) -> Result<Value> {
    let mode = match &*path(words, 0)?.to_string_lossy() {
        "nearest" => 0_u32,
        "down" => 1,
        "up" => 2,
        "zero" => 3,
        other => anyhow::bail!("`{other}` is no rounding mode"),
    };
    let (threads, seconds): (usize, u64) = (parsed(words, 1)?, parsed(words, 2)?);
    let until = Instant::now() + Duration::from_secs(seconds);
    say("rounding", json!({ "mode": mode }));
    let running: Vec<_> = (0..threads)
        .map(|_| {
            std::thread::spawn(move || {
                while Instant::now() < until {
                    multiply(mode);
                }
            })
        })
        .collect();
    for thread in running {
        thread.join().ok().context("a thread failed")?;
    }
    Ok(Value::Null)
}

/// Multiplies some millions of times in a rounding mode, which ends with it: Rust's own arithmetic knows one only.
fn multiply(mode: u32) {
    let other = 0x1f80_u32 | mode << 13;
    let mut before = 0_u32;
    // SAFETY: writes `before` and registers that it names; the rounding mode is put back.
    unsafe {
        std::arch::asm!(
            "stmxcsr [{before}]",
            "ldmxcsr [{other}]",
            "2:",
            "mulsd {value}, {factor}",
            "addsd {value}, {factor}",
            "dec {count}",
            "jnz 2b",
            "ldmxcsr [{before}]",
            before = in(reg) &raw mut before,
            other = in(reg) &raw const other,
            value = inout(xmm_reg) 1.1_f64 => _,
            factor = in(xmm_reg) 0.3_f64,
            count = inout(reg) 5_000_000_u64 => _,
            options(nostack),
        );
    }
}
