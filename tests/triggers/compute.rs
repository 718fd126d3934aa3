//! Keeps processors busy with arithmetic alone, as a miner does, and says what that cost by its own account.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::Words;
use crate::report::parsed;

/// How often a throttled thread pauses.
const PERIOD: Duration = Duration::from_millis(100);

/// Computes on so many threads, for a percentage of the time, for so many seconds.
pub(crate) fn run(words: Words<'_>) -> Result<Value> {
    let threads: u32 = parsed(words, 0)?;
    let share: u32 = parsed(words, 1)?;
    let seconds: f64 = parsed(words, 2)?;
    let end = Instant::now() + Duration::try_from_secs_f64(seconds).context("word 3 is no time")?;
    let workers: Vec<_> = (0..threads).map(|_| thread::spawn(move || work(share, end))).collect();
    let mut voluntary = 0;
    for worker in workers {
        voluntary += worker.join().ok().context("a worker panicked")?;
    }
    let usage = usage()?;
    let micros = |time: libc::timeval| time.tv_sec * 1_000_000 + time.tv_usec;
    Ok(json!({
        "user_us": micros(usage.ru_utime),
        "system_us": micros(usage.ru_stime),
        "voluntary_switches": voluntary,
    }))
}

/// One thread; gives how often it paused.
#[expect(clippy::disallowed_methods, reason = "its pauses are what is measured")]
fn work(share: u32, end: Instant) -> u64 {
    let mut pauses = 0;
    let mut number = 1_u64;
    while Instant::now() < end {
        let began = Instant::now();
        let ran = own_time();
        // By its own clock, so that it does as much where it has to wait for a processor.
        while own_time().saturating_sub(ran) < PERIOD * share / 100 && Instant::now() < end {
            for _ in 0..100_000 {
                number = black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            }
        }
        if share < 100 {
            pauses += 1;
            thread::sleep(PERIOD.saturating_sub(began.elapsed()));
        }
    }
    pauses
}

fn own_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

fn usage() -> Result<libc::rusage> {
    // SAFETY: a struct of numbers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: getrusage writes that struct and no further.
    let said = unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    anyhow::ensure!(said == 0, "getrusage: {}", std::io::Error::last_os_error());
    Ok(usage)
}
