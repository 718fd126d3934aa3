//! The rim that hears what agents are meant to do: tasks and tool calls, by a socket, by OTLP/HTTP, from files.
//!
//! Threads of their own, which hand what they heard to the ring thread and never wait for it. What an agent says of
//! itself cannot declare a task: a peer inside a watched control group may tell of its own tool calls alone.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};

use crate::agent::Pattern;
use crate::config::TasksConfig;
use crate::event::Nanos;
use crate::pipeline::Input;
use crate::task::ToolCall;
use crate::telemetry::Feeder;

mod follow;
mod http;
mod line;
mod otlp;
mod registry;
pub mod request;
mod socket;

/// Where `detector task` finds the daemon where nobody says otherwise.
pub const SOCKET: &str = "/run/detector/detector.sock";

/// Most bytes of a name, a tool or an id.
const MOST: usize = 256;

/// How long binding may take before the start goes on without it.
const BINDS: Duration = Duration::from_secs(5);

/// How many calls are handed over before the ring thread is given a moment.
const BATCH: usize = 256;

/// Where tasks and tool calls are heard.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Unix socket.
    pub socket: Option<PathBuf>,
    /// Address for OTLP/HTTP.
    pub otlp: Option<SocketAddr>,
    /// Files of JSON lines.
    pub follow: Vec<PathBuf>,
}

impl Places {
    /// Those that the configuration names.
    pub fn named(config: &TasksConfig) -> Self {
        let TasksConfig { socket, otlp, follow } = config.clone();
        Self { socket, otlp, follow }
    }

    /// The same, and the usual socket where it names none.
    pub fn of_daemon(config: &TasksConfig) -> Self {
        let mut places = Self::named(config);
        places.socket.get_or_insert_with(|| SOCKET.into());
        places
    }
}

/// What hears; dropped, it ends.
#[derive(Debug)]
pub struct Intake {
    agents: Known,
    stop: Option<Arc<OwnedFd>>,
    stop_serving: Option<tokio::sync::oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Intake {
    /// Starts to hear. What is not possible is said once in the log, and the rest goes on.
    pub fn start(places: Places, agents: Vec<Pattern>, feeder: Feeder) -> Self {
        let agents = Known(Arc::new(Mutex::new(agents)));
        let mut intake = Self { agents: agents.clone(), stop: None, stop_serving: None, threads: Vec::new() };
        let Places { socket, otlp, follow } = places;
        let ear = Ear { agents, feeder, said: Arc::default() };
        if !follow.is_empty() {
            intake.follow(&follow, ear.clone());
        }
        if socket.is_some() || otlp.is_some() {
            intake.serve(socket, otlp, ear);
        }
        intake
    }

    /// Other agents count from now on.
    pub fn set_agents(&self, agents: Vec<Pattern>) {
        *self.agents.0.lock().unwrap_or_else(PoisonError::into_inner) = agents;
    }

    fn follow(&mut self, files: &[PathBuf], ear: Ear) {
        let stop = match eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK) {
            Ok(stop) => Arc::new(stop),
            Err(error) => return tracing::error!(%error, "files of tool calls are not followed"),
        };
        let theirs = stop.clone();
        // Before the thread: what is written from now on is new.
        let files = follow::Files::open(files);
        self.thread("follow", move || files.run(&theirs, &ear));
        self.stop = Some(stop);
    }

    fn serve(&mut self, socket: Option<PathBuf>, otlp: Option<SocketAddr>, ear: Ear) {
        let (sender, stopped) = tokio::sync::oneshot::channel();
        let (bound, is_bound) = std::sync::mpsc::channel::<()>();
        self.stop_serving = Some(sender);
        self.thread("tasks", move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return tracing::error!(%error, "tasks and tool calls are not heard"),
            };
            runtime.block_on(async {
                let (socket, otlp) = tokio::join!(socket::open(socket), http::open(otlp));
                drop(bound);
                let serving =
                    async { tokio::join!(socket::serve(socket, ear.clone()), http::serve(otlp, ear)) };
                tokio::select! {
                    _ = stopped => {}
                    ((), ()) = serving => {}
                }
            });
        });
        // Whoever is started next may speak at once.
        let _ = is_bound.recv_timeout(BINDS);
    }

    fn thread(&mut self, name: &str, run: impl FnOnce() + Send + 'static) {
        match std::thread::Builder::new().name(name.to_owned()).spawn(run) {
            Ok(thread) => self.threads.push(thread),
            Err(error) => tracing::error!(%error, name, "tasks and tool calls are not heard"),
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = rustix::io::write(&stop, &1_u64.to_ne_bytes());
        }
        self.stop_serving.take().map(|stop| stop.send(()));
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Takes what was heard to the core.
#[derive(Clone, Debug)]
struct Ear {
    agents: Known,
    feeder: Feeder,
    /// That something found no room is said.
    said: Arc<AtomicBool>,
}

impl Ear {
    /// Hands over an input; nobody listening any more is the end of the run, which the caller sees by itself.
    fn hear(&self, input: Input) {
        self.feeder.feed(input);
        if self.feeder.dropped() > 0 && !self.said.swap(true, Ordering::Relaxed) {
            tracing::warn!("what was told or measured found no room and is dropped; the alerts may lack it");
        }
    }

    fn call(&self, call: ToolCall) {
        self.hear(Input::ToolCall(Box::new(call)));
    }
}

/// The agents by their patterns.
#[derive(Clone, Debug)]
struct Known(Arc<Mutex<Vec<Pattern>>>);

impl Known {
    fn with<T>(&self, look: impl FnOnce(&[Pattern]) -> T) -> T {
        look(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The first of these names that an agent has, or the first that is a path; none where no agent is meant.
    fn first<'a>(&self, names: impl Iterator<Item = &'a str>) -> &'a str {
        self.with(|patterns| {
            let is_one =
                |name: &&str| name.starts_with('/') || patterns.iter().any(|pattern| pattern.name() == *name);
            names.into_iter().find(is_one).unwrap_or_default()
        })
    }

    /// Whether an agent has this name, or may have this path.
    fn has(&self, agent: &str) -> bool {
        let is_it = |pattern: &Pattern| pattern.name() == agent || pattern.matches(agent);
        self.with(|patterns| patterns.iter().any(is_it))
    }

    fn names(&self) -> Vec<String> {
        let mut names =
            self.with(|patterns| patterns.iter().map(|it| it.name().to_owned()).collect::<Vec<_>>());
        names.dedup();
        names
    }

    /// The control group of the agent that a group is, or is below of.
    fn agent_at(&self, cgroup: &str) -> Option<String> {
        let ends = cgroup.char_indices().skip(1).filter(|(_, c)| *c == '/').map(|(at, _)| at);
        let mut prefixes = ends.chain([cgroup.len()]).filter_map(|end| cgroup.get(..end));
        self.with(|patterns| {
            prefixes.find(|path| patterns.iter().any(|pattern| pattern.matches(path))).map(str::to_owned)
        })
    }
}

/// Text from outside as it is kept: so long and no longer.
fn short(text: &str) -> Box<str> {
    text.get(..text.floor_char_boundary(MOST)).unwrap_or_default().into()
}

/// A time as JSON gives it: RFC 3339, or a number of seconds, milliseconds, microseconds or nanoseconds since the
/// epoch, told apart by its size.
fn time_of(value: &serde_json::Value) -> Option<Nanos> {
    const SECONDS: f64 = 1e11;
    let number = |text: &str| text.parse::<u64>().ok();
    let scaled = |count: u64| {
        let factor = match count {
            0..100_000_000_000 => 1_000_000_000,
            100_000_000_000..100_000_000_000_000 => 1_000_000,
            100_000_000_000_000..100_000_000_000_000_000 => 1_000,
            100_000_000_000_000_000.. => 1,
        };
        Nanos(count.saturating_mul(factor))
    };
    match value {
        serde_json::Value::String(text) => match number(text) {
            Some(count) => Some(scaled(count)),
            None => {
                use time::format_description::well_known::Rfc3339;
                let at = time::OffsetDateTime::parse(text, &Rfc3339).ok()?;
                u64::try_from(at.unix_timestamp_nanos()).ok().map(Nanos)
            }
        },
        serde_json::Value::Number(count) => match count.as_u64() {
            Some(count) => Some(scaled(count)),
            None => {
                let seconds = count.as_f64().filter(|seconds| (0.0..SECONDS).contains(seconds))?;
                let whole = Duration::try_from_secs_f64(seconds).ok()?;
                u64::try_from(whole.as_nanos()).ok().map(Nanos)
            }
        },
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => None,
    }
}

/// The directory of a path; the current one where it names none.
fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_unit_and_nonsense_is_none() {
        let at = Nanos(1_700_000_000_000_000_000);
        for text in [
            "1700000000",
            "1700000000000",
            "1700000000000000",
            "1700000000000000000",
            "\"1700000000000000000\"",
            "\"2023-11-14T22:13:20Z\"",
            "\"2023-11-14T23:13:20.000+01:00\"",
            "1700000000.0",
        ] {
            assert_eq!(time_of(&serde_json::from_str(text).unwrap()), Some(at), "{text}");
        }
        for text in ["null", "-1", "1e300", "\"yesterday\"", "\"\"", "[]", "true", "\"1600-01-01T00:00:00Z\""]
        {
            assert_eq!(time_of(&serde_json::from_str(text).unwrap()), None, "{text}");
        }
    }

    #[test]
    fn an_agent_is_found_by_its_name_and_by_the_group_around_a_process() {
        let known = Known(Arc::new(Mutex::new(vec![Pattern::new("coder", "/agents/coder-*").unwrap()])));
        assert_eq!(known.first(["researcher", "coder"].into_iter()), "coder");
        assert_eq!(known.first(["researcher"].into_iter()), "");
        assert!(known.has("coder") && known.has("/agents/coder-1") && !known.has("/agents/x"));
        assert_eq!(known.agent_at("/agents/coder-1/inner/x").as_deref(), Some("/agents/coder-1"));
        assert_eq!(known.agent_at("/agents/coder-1").as_deref(), Some("/agents/coder-1"));
        assert_eq!(known.agent_at("/agents"), None);
        assert_eq!(known.agent_at("/"), None);
    }
}
