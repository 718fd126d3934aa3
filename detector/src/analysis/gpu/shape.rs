//! What work on a GPU looks like: hashing that waits for memory, hashing that does not, flat work, work that varies.
//!
//! Known twins: decoding of a language model under constant load waits for memory with flat power and no traffic, and
//! benchmarks and simulations are flat. Hence a shape alone is no verdict.

use super::Numbers;
use super::window::Window;

/// What work looks like, the least telling first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    /// Next to none.
    Idle,
    /// Some, with holes.
    Light,
    /// Power, traffic, memory or use vary as in training and inference.
    Varied,
    /// Busy, and neither varied nor flat, or too little is known.
    Unclear,
    /// Full, with flat power, constant memory and no traffic.
    Flat,
    /// The same, and the memory controller is busy throughout.
    MemoryBound,
    /// The same, with memory hardly used and its clock held down.
    CoreBound,
}

impl Shape {
    /// Its name in rules.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Light => "light",
            Self::Varied => "varied",
            Self::Unclear => "unclear",
            Self::Flat => "flat",
            Self::MemoryBound => "memory_bound",
            Self::CoreBound => "core_bound",
        }
    }

    /// Whether it looks as mining does.
    pub(super) fn is_burn(self) -> bool {
        self >= Self::Flat
    }
}

/// What a window shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Profile {
    pub(super) shape: Shape,
    /// Whether the device is kept busy.
    pub(super) busy: bool,
    /// Seconds that the window spans.
    pub(super) seconds: u64,
    share: f64,
    controller: Option<f64>,
    power: Option<(f64, f64)>,
    traffic: Option<f64>,
    memory: Option<f64>,
    clock: Option<f64>,
}

/// What a window shows; `None` where it is too short, or what the process does is not told.
pub(super) fn profile(window: &Window, numbers: &Numbers) -> Option<Profile> {
    if window.seconds() < numbers.window_seconds || (window.len() as f64) < numbers.window_readings {
        return None;
    }
    let busy = window.sorted(|reading| reading.busy)?;
    let controller = window.sorted(|reading| reading.controller);
    let power = window.sorted(|reading| reading.power);
    let traffic = window.sorted(|reading| reading.traffic);
    let memory = window.sorted(|reading| reading.memory);
    let clock = window.sorted(|reading| reading.clock);
    let steady = numbers.steady_readings;
    let is_busy = busy.share(|share| share >= numbers.busy_share) >= steady;
    let is_full = busy.share(|share| share >= numbers.full_share) >= steady;
    let flat = power.as_ref().is_some_and(|power| power.spread() <= numbers.flat_power)
        && memory.as_ref().is_some_and(|memory| memory.change() <= numbers.constant_memory)
        && traffic
            .as_ref()
            .is_some_and(|traffic| traffic.share(|rate| rate < numbers.little_traffic) >= steady);
    let varied = power.as_ref().is_some_and(|power| power.spread() >= numbers.varied_power)
        || memory.as_ref().is_some_and(|memory| memory.change() >= numbers.grown_memory)
        || traffic.as_ref().is_some_and(|traffic| {
            traffic.share(|rate| rate >= numbers.much_traffic) >= numbers.much_readings
        });
    let waits =
        controller.as_ref().is_some_and(|share| share.share(|share| share >= numbers.memory_bound) >= steady);
    let spares =
        controller.as_ref().is_some_and(|share| share.share(|share| share <= numbers.core_bound) >= steady);
    let held = clock.as_ref().is_some_and(|clock| clock.share(|clock| clock <= numbers.held_down) >= steady);
    let shape = match () {
        () if busy.median() < numbers.active_share && busy.at(0.9) < numbers.active_share => Shape::Idle,
        () if is_full && flat && spares && held => Shape::CoreBound,
        () if is_full && flat && waits => Shape::MemoryBound,
        () if is_full && flat => Shape::Flat,
        () if varied => Shape::Varied,
        () if is_busy => Shape::Unclear,
        () => Shape::Light,
    };
    Some(Profile {
        shape,
        busy: is_busy,
        // Whole seconds of a short span.
        seconds: window.seconds() as u64,
        share: busy.median(),
        controller: controller.map(|share| share.median()),
        power: power.map(|power| (power.median(), power.spread())),
        traffic: traffic.map(|traffic| traffic.median()),
        memory: memory.map(|memory| memory.at(1.0)),
        clock: clock.map(|clock| clock.median()),
    })
}

impl Profile {
    /// What it shows, as a sentence without subject.
    pub(super) fn text(&self) -> String {
        let Self { shape, busy: _, seconds, share, controller, power, traffic, memory, clock } = self;
        let what = match shape {
            Shape::Idle => "next to idle",
            Shape::Light => "at work with pauses",
            Shape::Varied => "at work that varies",
            Shape::Unclear => "busy",
            Shape::Flat => "flat work without pause",
            Shape::MemoryBound => "flat work without pause that waits for memory",
            Shape::CoreBound => "flat work without pause, the memory's clock held down",
        };
        let mut parts = vec![format!("{share:.0} % of its multiprocessors")];
        parts.extend(controller.map(|share| format!("{share:.0} % of its memory controller")));
        parts.extend(
            power.map(|(median, spread)| format!("{median:.0} W within {:.0} %", (spread * 100.0).ceil())),
        );
        parts.extend(memory.map(|bytes| format!("{:.0} MiB", bytes / f64::from(1 << 20))));
        parts.extend(traffic.map(|rate| format!("{:.1} MB/s over PCIe", rate / 1e6)));
        parts.extend(
            clock
                .filter(|_| *shape == Shape::CoreBound)
                .map(|share| format!("memory at {:.0} % of its clock", share * 100.0)),
        );
        format!("{what} for {seconds} s, {}", parts.join(", "))
    }
}
