//! A control group that a sensor of its own watches, and the events that come of it.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use detector::agent::Agent;
use detector::config::TierConfig;
use detector::event::{AgentId, CgroupId, Event, EventKind};
use detector::kernel::clock;
use detector::kernel::decode::Decoder;
use detector::kernel::hook::Tier;
use detector::kernel::ring::Rings;
use detector::kernel::sensor::{Sensor, Settings};
use detector_tests::cgroup::Cgroup;
use detector_tests::{trigger, wait};
use serde_json::Value;

/// A watched control group.
pub(crate) struct Watch {
    /// The group.
    pub(crate) group: Cgroup,
    /// The sensor.
    pub(crate) sensor: Sensor,
    rings: Rings,
    decoder: Decoder,
    /// Everything seen so far.
    pub(crate) seen: Vec<Event>,
}

impl Watch {
    /// Watches a new group.
    pub(crate) fn new(name: &str) -> Self {
        Self::with(name, &settings())
    }

    /// Watches a new group with a sensor of these settings.
    pub(crate) fn with(name: &str, settings: &Settings) -> Self {
        Self::around(Cgroup::create(name).unwrap(), settings)
    }

    /// Watches a group that is there already.
    pub(crate) fn around(group: Cgroup, settings: &Settings) -> Self {
        let (mut sensor, rings) = Sensor::load(settings).unwrap();
        let (path, cgroup) = (group.below_mount(), CgroupId(group.id().unwrap()));
        let agent = Agent { id: AgentId(1), name: path.clone(), cgroup, path };
        sensor.watch(&agent, &agent.path).unwrap();
        Self { group, sensor, rings, decoder: Decoder::new(clock::offset()), seen: Vec::new() }
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
        self.rings.wait(never.as_fd(), wait).unwrap();
        loop {
            let before = self.seen.len();
            self.seen.extend(self.rings.drain(&mut self.decoder, clock::now));
            if self.seen.len() == before {
                break;
            }
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

/// A number in what a trigger said, as a pid or port.
pub(crate) fn small(said: &Value, key: &str) -> u32 {
    u32::try_from(trigger::number(said, key).unwrap()).unwrap()
}

/// A text in what a trigger said.
pub(crate) fn text<'a>(said: &'a Value, key: &str) -> &'a str {
    trigger::text(said, key).unwrap()
}
