//! A miner for tests to catch: real RandomX hashing, in the forms that real miners take.
//!
//! Tests copy it to names of their choice. It takes one argument, a file of settings (see [`settings`]), so that its
//! command line says nothing. It prints JSON lines: when its memory stands, its first hash, what it did in the end.
//!
//! **What is real:** hashing is that of RandomX's reference implementation, with its just-in-time compiler, and so are
//! its rounding modes, its cache of 256 MiB, its dataset and its scratchpads. The dataset is librandomx's, of 2,181,038,016 bytes,
//! 64 fewer than xmrig asks for: with huge pages by `mmap` with `MAP_HUGETLB | MAP_POPULATE`, without by malloc, hence as an area
//! that is a page larger. Under `memory xmrig` a buffer is asked for as xmrig does it ([`memory`]) and left empty; hashing goes
//! on in light mode. **What is not:** it is slower than xmrig, pins no threads, touches no machine registers and mines for nobody.

mod hash;
mod memory;
mod pool;
mod settings;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use hash::{Memory, Worker};
use pool::{Job, Pool};
use settings::Settings;

/// How often the job is looked at, and whether time is up.
const PACE: Duration = Duration::from_millis(100);

/// What threads share.
#[derive(Default)]
struct State {
    job: Mutex<Option<Arc<Job>>>,
    hashes: AtomicU64,
    found: Mutex<Vec<pool::Share>>,
}

fn main() -> Result<()> {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let [file] = words.as_slice() else { bail!("one argument: a file of settings") };
    let settings = Settings::read(Path::new(file))?;
    // It is held to the end.
    let _buffer = match settings.memory {
        settings::Memory::Light | settings::Memory::Full => None,
        settings::Memory::Xmrig => Some(memory::Buffer::ask(settings.huge)?),
    };
    let mut pool = settings.pool.map(|address| Pool::login(address, settings.tls)).transpose()?;
    let state = Arc::new(State::default());
    let job = pool.as_mut().map_or_else(|| Ok(Job::own()), Pool::first_job)?;
    let key = job.seed.clone();
    put(&state, job);
    say("asks", json!({}));
    let memory = Memory::make(&key, settings.memory == settings::Memory::Full, settings.huge)?;
    say("memory", json!({ "huge": memory.is_huge }));
    for number in 0..settings.threads {
        let (worker, state) = (Worker::new(&memory), Arc::clone(&state));
        thread::spawn(move || {
            if let Err(error) = work(worker, number, settings.share, &state) {
                eprintln!("worker {number}: {error:#}");
                std::process::exit(1);
            }
        });
    }
    let until = Instant::now() + settings.seconds;
    while Instant::now() < until {
        match &mut pool {
            None => thread::park_timeout(PACE),
            Some(pool) => serve(pool, &state)?,
        }
    }
    let accepted = pool.map_or(0, |pool| pool.accepted);
    say("ends", json!({ "hashes": state.hashes.load(Ordering::Relaxed), "accepted": accepted }));
    Ok(())
}

/// Hands over what was found and takes what the pool says, for one pace.
fn serve(pool: &mut Pool, state: &State) -> Result<()> {
    let found = std::mem::take(&mut *lock(&state.found));
    for share in found {
        pool.submit(&share)?;
    }
    if let Some(job) = pool.listen(PACE)? {
        put(state, job);
    }
    Ok(())
}

/// Hashes for ever: `share` percent of the time.
fn work(worker: Worker, number: u32, share: u32, state: &State) -> Result<()> {
    let machine = worker.machine()?;
    // Threads of one miner try different numbers.
    let mut nonce = number << 24;
    let (mut worked, mut since) = (Duration::ZERO, Instant::now());
    loop {
        let job = lock(&state.job).clone().context("there is no job")?;
        let began = memory::thread_time();
        let share_found = job.attempt(nonce, |blob| machine.calculate_hash(blob).context("cannot hash"))?;
        worked += memory::thread_time().saturating_sub(began);
        if state.hashes.fetch_add(1, Ordering::Relaxed) == 0 {
            say("first", json!({}));
        }
        nonce = nonce.wrapping_add(1);
        lock(&state.found).extend(share_found);
        if share < 100 && worked >= PACE * share / 100 {
            // On a crowded machine it makes up for what it did not get, as far as it can.
            thread::sleep((worked * 100 / share).saturating_sub(since.elapsed()));
            (worked, since) = (Duration::ZERO, Instant::now());
        }
    }
}

fn put(state: &State, job: Job) {
    *lock(&state.job) = Some(Arc::new(job));
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One line: what happened, when, and more.
fn say(what: &str, mut more: Value) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    more["at"] = json!(what);
    more["seconds"] = json!(now.as_secs_f64());
    println!("{more}");
}
