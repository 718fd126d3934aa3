//! A control group that a sensor of its own watches, and the events that come of it.

use std::error::Error;
use std::io::ErrorKind;
use std::ops::{Deref, DerefMut};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use detector::agent::Agent;
use detector::config::TierConfig;
use detector::event::{AgentId, CgroupId, Event, EventKind};
use detector::kernel::clock;
use detector::kernel::decode::Decoder;
use detector::kernel::hook::Tier;
use detector::kernel::ring::Rings;
use detector::kernel::sensor::{Sensor, Settings};
use detector_common::limits::PROVISIONAL;
use detector_tests::cgroup::Cgroup;
use detector_tests::{trigger, wait};
use serde_json::Value;

/// Loading takes a fifth of a second, on an emulated processor four: what one test is done with, the next one takes.
static LOADED: Mutex<Vec<(Sensor, Rings)>> = Mutex::new(Vec::new());
/// Each watch is of an agent of its own, so that none sees what is left of another.
static AGENTS: AtomicU32 = AtomicU32::new(1);

/// A watched control group.
pub(crate) struct Watch {
    /// The group.
    pub(crate) group: Cgroup,
    /// Its agent.
    pub(crate) agent: AgentId,
    /// The sensor.
    pub(crate) sensor: Loan,
    decoder: Decoder,
    /// Everything seen so far.
    pub(crate) seen: Vec<Event>,
}

impl Watch {
    /// Watches a new group.
    pub(crate) fn new(name: &str) -> Self {
        Self::around(Cgroup::create(name).unwrap())
    }

    /// Watches a new group with a sensor of these settings.
    pub(crate) fn with(name: &str, settings: &Settings) -> Self {
        let sensor = Loan { loaded: Some(Sensor::load(settings).unwrap()), goes_back: false };
        Self::by(sensor, Cgroup::create(name).unwrap())
    }

    /// Watches a group that is there already.
    pub(crate) fn around(group: Cgroup) -> Self {
        let free = LOADED.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let loaded = free.unwrap_or_else(|| Sensor::load(&settings()).unwrap());
        Self::by(Loan { loaded: Some(loaded), goes_back: true }, group)
    }

    fn by(mut sensor: Loan, group: Cgroup) -> Self {
        let (path, cgroup) = (group.below_mount(), CgroupId(group.id().unwrap()));
        let id = AgentId(AGENTS.fetch_add(1, Ordering::Relaxed));
        let agent = Agent { id, name: path.clone(), cgroup, path };
        wait::wait_for("hooks that are free", wait::LIMIT, || match sensor.watch(&agent, &agent.path) {
            Ok(_) => Ok(Some(())),
            // A child that another test starts just now holds what the last loan was attached by, until its exec.
            Err(error) if is_attached_still(&error) => Ok(None),
            Err(error) => Err(error.into()),
        })
        .unwrap();
        Self { group, agent: id, sensor, decoder: Decoder::new(clock::offset()), seen: Vec::new() }
    }

    /// The tier that serves an event.
    pub(crate) fn tier(&self, event: &str) -> Option<Tier> {
        let mut serving = self.sensor.states().iter().filter(|state| state.serves.contains(&event));
        serving.find_map(|state| state.hook.tier)
    }

    /// Runs a trigger in the group, to its end; what it said.
    pub(crate) fn run(&self, words: &[&str]) -> Value {
        trigger::run(&self.group, words).unwrap_or_else(|error| panic!("{words:?}: {error:#}"))
    }

    /// What `pick` takes from the first event that it takes something from, waited for.
    pub(crate) fn find<T>(&mut self, what: &str, pick: impl Fn(&Event) -> Option<T>) -> T {
        let deadline = Instant::now() + wait::LIMIT;
        let mut from = 0;
        loop {
            if let Some(found) = self.seen[from..].iter().find_map(&pick) {
                return found;
            }
            from = self.seen.len();
            assert!(Instant::now() < deadline, "{what}: not seen; there were {:#?}", self.kinds());
            self.take(Duration::from_millis(20));
        }
    }

    /// Everything that was reported up to the end of process `pid`.
    pub(crate) fn until_exit(&mut self, pid: u32) -> &[Event] {
        self.find("exit", |event| {
            (event.process.pid == pid && matches!(event.kind, EventKind::Exit(_))).then_some(())
        });
        // What is in the other ring was written before; one more look takes it.
        self.take(Duration::from_millis(20));
        &self.seen
    }

    /// Takes what the rings hold, after waiting for something for so long.
    pub(crate) fn take(&mut self, wait: Duration) {
        let never = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap();
        let (_, rings) = self.sensor.loaded.as_mut().unwrap();
        rings.wait(never.as_fd(), wait).unwrap();
        loop {
            let mut batch = rings.drain(&mut self.decoder, clock::now).peekable();
            if batch.peek().is_none() {
                break;
            }
            let own = self.agent;
            let others = |agent: AgentId| agent != own && agent != AgentId::NONE && agent.0 < PROVISIONAL;
            self.seen.extend(batch.filter(|event| !others(event.agent)));
        }
        assert_eq!(self.decoder.malformed(), 0, "a record was malformed");
    }

    fn kinds(&self) -> Vec<String> {
        self.seen.iter().map(|event| format!("{} of {}", event.kind.name(), event.process)).collect()
    }
}

/// A sensor of the tier that `DETECTOR_TIER` names; of the best that works where it names none.
pub(crate) fn settings() -> Settings {
    let named = std::env::var("DETECTOR_TIER").ok();
    let tier = named.map(|name| TierConfig::named(&name).expect("DETECTOR_TIER names no tier"));
    Settings { tier: tier.and_then(TierConfig::tier), ..Settings::default() }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.sensor.unwatch(self.agent);
    }
}

/// A sensor for a time.
pub(crate) struct Loan {
    loaded: Option<(Sensor, Rings)>,
    goes_back: bool,
}

impl Deref for Loan {
    type Target = Sensor;

    fn deref(&self) -> &Sensor {
        &self.loaded.as_ref().unwrap().0
    }
}

impl DerefMut for Loan {
    fn deref_mut(&mut self) -> &mut Sensor {
        &mut self.loaded.as_mut().unwrap().0
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        // A test that failed may leave anything behind.
        if !self.goes_back || std::thread::panicking() {
            return;
        }
        let Some((mut sensor, mut rings)) = self.loaded.take() else { return };
        let mut decoder = Decoder::new(clock::offset());
        while rings.drain(&mut decoder, clock::now).next().is_some() {}
        sensor.take_lost();
        LOADED.lock().unwrap_or_else(PoisonError::into_inner).push((sensor, rings));
    }
}

fn is_attached_still(error: &(dyn Error + 'static)) -> bool {
    let own = error.downcast_ref::<std::io::Error>();
    own.is_some_and(|error| error.kind() == ErrorKind::AlreadyExists)
        || error.source().is_some_and(is_attached_still)
}

/// A number in what a trigger said, as a pid or port.
pub(crate) fn small(said: &Value, key: &str) -> u32 {
    u32::try_from(trigger::number(said, key).unwrap()).unwrap()
}

/// A text in what a trigger said.
pub(crate) fn text<'a>(said: &'a Value, key: &str) -> &'a str {
    trigger::text(said, key).unwrap()
}
