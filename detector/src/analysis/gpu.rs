//! What processes do with GPUs, and whether anybody asked for it.
//!
//! - `gpu_busy_without_task`: a process of an agent keeps a GPU busy, and no declared task of it expects a GPU. What the
//!   work looks like stands beside; without such a shape it is next to nothing.
//! - `gpu_undeclared`: where tasks are registered, a process of an agent is on a GPU that no task declared.
//! - `gpu_settings_changed`: limits or clocks changed while an agent's process changed settings, or held the device.
//!
//! What looks like mining, and what speaks against it, goes to the verdict as [`Signal`]s. Processes of no agent are not
//! followed. Under MIG, NVML does not tell what a process computes: such use can be undeclared, and no more.

use super::kept::Kept;
use super::mining::{Mark, Signal};
use super::{Around, Moment, Observation};
use crate::event::{AgentId, Event, EventKind, GpuProcess, GpuSample, Nanos, ProcessId};
use crate::rules::weights::{Form, Tables, numbers};
use crate::task::Expect;

mod setting;
mod shape;
#[cfg(test)]
mod tests;
mod usage;
mod window;

use setting::Settings;
use shape::Shape;
use usage::{Use, place};
use window::{Reading, Window};

/// Most processes, and most pairs of process and device, that are followed.
const MOST: usize = 1_024;

/// How long a process is remembered that no sample names, in nanoseconds.
const GONE: u64 = 60_000_000_000;

/// After which time what still holds is said again, in nanoseconds.
const AGAIN: u64 = 600_000_000_000;

numbers! {
    /// Thresholds; `rules/weights/gpu.yml` gives the reason of each.
    pub(super) struct Numbers {
        /// Seconds that a window spans at least.
        window_seconds,
        /// Readings in it at least.
        window_readings,
        /// Percent from which on somebody works.
        active_share,
        /// Percent of a busy device.
        busy_share,
        /// Percent of a full device.
        full_share,
        /// Share of readings that must agree.
        steady_readings,
        /// Spread of power at most.
        flat_power,
        /// Spread of power at least.
        varied_power,
        /// Bytes a second.
        little_traffic,
        /// Bytes a second.
        much_traffic,
        /// Share of readings with much traffic.
        much_readings,
        /// Change of memory at most.
        constant_memory,
        /// Change of memory at least.
        grown_memory,
        /// Percent of the memory controller at least.
        memory_bound,
        /// Percent of the memory controller at most.
        core_bound,
        /// Share of the memory's highest clock at most.
        held_down,
        /// Readings before a process counts as a user of a device.
        holding_readings,
    }
}

/// What `rules/weights/gpu.yml` must say.
pub(super) const FORM: Form = Form { name: "gpu", numbers: Numbers::NAMES, marks: &[] };

/// A process on a device.
type Place = (ProcessId, u32, Option<(u32, u32)>);

/// What is known of the use of GPUs.
#[derive(Debug)]
pub(super) struct Gpu {
    numbers: Numbers,
    windows: Kept<Place, Window>,
    users: Kept<ProcessId, User>,
    settings: Settings,
}

/// What was said of a process.
#[derive(Debug, Default)]
struct User {
    readings: u32,
    seen: Nanos,
    undeclared: bool,
    /// The heaviest shape under which it was observed.
    busy: Option<Shape>,
    signals: Vec<(Mark, Nanos)>,
}

impl Default for Gpu {
    fn default() -> Self {
        Self {
            numbers: Numbers::of(&Tables::builtin().get(FORM)),
            windows: Kept::new(MOST),
            users: Kept::new(MOST),
            settings: Settings::default(),
        }
    }
}

impl Gpu {
    /// Takes the thresholds to judge by from now on.
    pub(super) fn set_table(&mut self, tables: &Tables) {
        self.numbers = Numbers::of(&tables.get(FORM));
    }

    /// Takes an event: tools that change settings, and ends.
    pub(super) fn event(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Exec(exec) => {
                self.users.remove(&event.process);
                self.settings.exec(event, exec);
            }
            EventKind::Exit(_) => {
                self.users.remove(&event.process);
            }
            EventKind::Fork(_)
            | EventKind::Connect(_)
            | EventKind::ConnectResult(_)
            | EventKind::Payload(_)
            | EventKind::FlowStats(_)
            | EventKind::Send(_)
            | EventKind::Bind(_)
            | EventKind::Listen(_)
            | EventKind::File(_)
            | EventKind::Operation(_)
            | EventKind::Setsid
            | EventKind::CgroupMove(_)
            | EventKind::CgroupCreate(_)
            | EventKind::CgroupRemove(_)
            | EventKind::Lost(_) => {}
        }
    }

    /// Takes a sample.
    pub(super) fn sample(
        &mut self,
        around: Around<'_>,
        sample: &GpuSample,
        signals: &mut Vec<Signal>,
        out: &mut Vec<Observation>,
    ) {
        let mut uses: Vec<Use> = Vec::new();
        for process in &sample.processes {
            let Some(device) =
                usize::try_from(process.device).ok().and_then(|place| sample.devices.get(place))
            else {
                continue;
            };
            if agent_of(around, process) == AgentId::NONE || process.process.start.0 == 0 {
                continue;
            }
            let alone = sample.processes.iter().filter(|other| other.device == process.device).count() == 1;
            let place = (process.process, device.index, device.instance);
            let Some(window) = self.windows.get_or_insert_with(place, Window::default) else { continue };
            window.push(Reading::of(sample, device, process, alone));
            let profile = shape::profile(window, &self.numbers);
            let found = uses.iter_mut().find(|found| found.process == process.process);
            match found {
                Some(found) => found.join(device, process, profile),
                None => uses.push(Use::new(device, process, profile)),
            }
        }
        for one in &uses {
            self.judge(around, sample.time, one, signals, out);
        }
        self.settings.sample(around, sample, self.numbers.held_down, out);
    }

    /// Says of one process what is new.
    fn judge(
        &mut self,
        around: Around<'_>,
        time: Nanos,
        one: &Use,
        signals: &mut Vec<Signal>,
        out: &mut Vec<Observation>,
    ) {
        let id = one.process;
        let Some(user) = self.users.get_or_insert_with(id, User::default) else { return };
        user.readings = user.readings.saturating_add(1);
        user.seen = time;
        let known = around.table.get(id);
        let agent = known.map_or(one.agent, |process| process.agent);
        let exe = known.and_then(|process| process.exec.as_deref()).map_or("", |exec| &*exec.exe);
        let declared = around.tasks.declared(agent, exe, |expect| matches!(expect, Expect::Gpu)).is_some();
        let shape = one.shape();
        let text = one.text();
        let undeclared =
            around.tasks.is_used() && !declared && f64::from(user.readings) >= self.numbers.holding_readings;
        let is_burn = shape.is_some_and(Shape::is_burn);
        for (mark, holds) in [
            (Mark::GpuBurn, is_burn),
            (Mark::GpuCoreBound, shape == Some(Shape::CoreBound)),
            (Mark::GpuVaries, shape == Some(Shape::Varied)),
            (Mark::GpuUndeclared, undeclared),
        ] {
            let text = || match mark == Mark::GpuUndeclared {
                true => format!("{} that no task declared", one.holds()),
                false => text.clone(),
            };
            signals.extend(user.says(mark, holds, time).then(|| Signal {
                time,
                received: time,
                process: id,
                mark,
                holds,
                text: text(),
            }));
        }
        let tell = |name, text, fields| {
            let moment = Moment { agent, cgroup: one.cgroup, ..Moment::now(around) };
            moment.observation(around, id, name, text, fields)
        };
        if undeclared && !user.undeclared {
            user.undeclared = true;
            let text = format!("{} that no task declared, where tasks are registered", one.holds());
            out.push(tell("gpu_undeclared", text, one.fields(around, shape)));
        }
        let busy = one.profile.as_ref().filter(|profile| profile.busy).map(|profile| profile.shape);
        let heavier = |shape: Shape| user.busy.is_none_or(|told| shape > told);
        if let Some(shape) = busy.filter(|shape| !declared && heavier(*shape)) {
            user.busy = Some(shape);
            let text = format!("{text}, and no task expects that");
            out.push(tell("gpu_busy_without_task", text, one.fields(around, Some(shape))));
        }
    }

    /// Lets time pass: what no sample came for is forgotten.
    pub(super) fn tick(&mut self, around: Around<'_>) {
        self.windows.retain(|_, window| around.now.since(window.last()) < GONE);
        self.users.retain(|_, user| around.now.since(user.seen) < GONE);
    }

    pub(super) fn dropped(&self) -> u64 {
        self.windows.dropped() + self.users.dropped()
    }
}

impl User {
    /// Whether something is to be said: it changed, or holds on for long.
    fn says(&mut self, mark: Mark, holds: bool, time: Nanos) -> bool {
        let told = self.signals.iter().position(|(told, _)| *told == mark);
        match (told.and_then(|place| self.signals.get_mut(place)), holds) {
            (None, false) => false,
            (None, true) => {
                self.signals.push((mark, time));
                true
            }
            (Some((_, since)), true) => {
                let again = time.since(*since) >= AGAIN;
                if again {
                    *since = time;
                }
                again
            }
            (Some(_), false) => {
                self.signals.retain(|(told, _)| *told != mark);
                true
            }
        }
    }
}

/// The agent of a process: as the table knows it, or as the sampler did.
fn agent_of(around: Around<'_>, process: &GpuProcess) -> AgentId {
    let known = around.table.get(process.process).map(|known| known.agent);
    known.filter(|agent| *agent != AgentId::NONE).unwrap_or(process.agent)
}
