//! A receiver of webhooks that fails in many ways and remembers each idempotency key.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;

/// How the receiver behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Takes everything.
    Well,
    /// One request in five fails, each in another way; some of those were taken all the same.
    Moody,
    /// Answers after a while.
    Slow,
    /// Refuses connections, by resetting each.
    Dead,
}

/// A receiver of webhooks that remembers each key, and how often it came.
pub struct Hook {
    /// Where it listens.
    pub port: u16,
    mood: Arc<Mutex<Mood>>,
    taken: Arc<Mutex<BTreeMap<String, u32>>>,
    failures: Arc<AtomicU32>,
}

impl Hook {
    /// Listens on a port of this machine.
    pub fn start(mood: Mood) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let mood = Arc::new(Mutex::new(mood));
        let taken = Arc::new(Mutex::new(BTreeMap::new()));
        let failures = Arc::new(AtomicU32::new(0));
        let this = Self { port, mood, taken, failures };
        let (mood, taken, failures) =
            (Arc::clone(&this.mood), Arc::clone(&this.taken), Arc::clone(&this.failures));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mood, taken, failures) = (Arc::clone(&mood), Arc::clone(&taken), Arc::clone(&failures));
                std::thread::spawn(move || {
                    // A daemon that is killed leaves half a request.
                    let _ = stream.and_then(|stream| serve(stream, &mood, &taken, &failures));
                });
            }
        });
        Ok(this)
    }

    /// Behaves so from now on.
    pub fn be(&self, mood: Mood) {
        *lock(&self.mood) = mood;
    }

    /// The keys of all messages that were taken.
    pub fn keys(&self) -> BTreeSet<String> {
        lock(&self.taken).keys().cloned().collect()
    }

    /// How many requests were taken, those that came twice too.
    pub fn taken(&self) -> u32 {
        lock(&self.taken).values().sum()
    }

    /// The part of a configuration that sends to it.
    pub fn sink(&self, name: &str) -> String {
        format!("[sinks.{name}]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{}/hook\"\n\n", self.port)
    }
}

fn serve(
    stream: TcpStream,
    mood: &Mutex<Mood>,
    taken: &Mutex<BTreeMap<String, u32>>,
    failures: &AtomicU32,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut key, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let Some((name, value)) = line.trim().split_once(':') else {
                if line.trim().is_empty() {
                    break;
                }
                continue;
            };
            match &*name.to_ascii_lowercase() {
                "content-length" => length = value.trim().parse().map_err(std::io::Error::other)?,
                "idempotency-key" => key = value.trim().to_owned(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mood = *lock(mood);
        let turn = match mood {
            Mood::Moody => failures.fetch_add(1, Ordering::Relaxed) % 20,
            Mood::Dead => 3,
            Mood::Well | Mood::Slow => 0,
        };
        if mood == Mood::Slow {
            std::thread::park_timeout(Duration::from_millis(200));
        }
        let take = || {
            *lock(taken).entry(key.clone()).or_default() += 1;
        };
        let answer = match turn {
            // Reset before and after it was taken: the sender cannot know.
            3 => return reset(reader.get_ref()),
            7 => {
                take();
                return reset(reader.get_ref());
            }
            11 => "HTTP/1.1 429 Slow Down\r\nRetry-After: 0.1\r\nContent-Length: 0\r\n\r\n",
            15 => "HTTP/1.1 503 No\r\nRetry-After: 0.2\r\nContent-Length: 0\r\n\r\n",
            _ => {
                take();
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
            }
        };
        reader.get_mut().write_all(answer.as_bytes())?;
    }
}

fn reset(stream: &TcpStream) -> std::io::Result<()> {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?;
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
