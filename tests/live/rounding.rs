//! How busy processes round.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use detector::kernel::rounding::Rounded;
use detector_tests::{needs_root, trigger, wait};

use crate::watch::Watch;

/// A process that multiplies; ended when dropped.
struct Multiplier(Child);

impl Multiplier {
    /// One that is at it, with more threads than there are processors: each leaves its own now and then.
    fn new(watch: &Watch, mode: &str) -> Self {
        let threads = std::thread::available_parallelism().unwrap().get() + 1;
        let mut command = trigger::command(&["rounding", mode, &threads.to_string(), "120"]).unwrap();
        let mut child = watch.group.hold(&mut command).unwrap().stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert!(said.contains("mode"), "{said}");
        Self(child)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Multiplier {
    fn drop(&mut self) {
        // By its handle, so that no other process of that pid can be meant.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Counts that came to something.
fn counted(watch: &Watch, pid: u32) -> Rounded {
    wait::wait_for("enough looks", wait::LIMIT, || {
        Ok(watch.sensor.rounding(pid).filter(|one| one.looked >= 40))
    })
    .unwrap()
}

fn count(watch: &mut Watch, pids: &BTreeSet<u32>) {
    // What was attached for a count before may be on its way out.
    wait::wait_for("a hook that is free", wait::LIMIT, || Ok(watch.sensor.watch_rounding(pids).ok()))
        .unwrap();
}

#[test]
fn rounding_is_told_of_each_process_that_is_asked_about() {
    needs_root!();
    let mut watch = Watch::new("rounding");
    let [nearest, down, up, unasked] =
        ["nearest", "down", "up", "zero"].map(|mode| Multiplier::new(&watch, mode));
    count(&mut watch, &[nearest.pid(), down.pid(), up.pid()].into());
    assert_eq!(counted(&watch, nearest.pid()).other, 0);
    for other in [&down, &up] {
        let Rounded { looked, other } = counted(&watch, other.pid());
        // Between two rounds of work, and when a thread begins, the mode is the usual one.
        assert!(u64::from(other) * 10 >= u64::from(looked) * 8, "{other} of {looked}");
    }
    assert_eq!(watch.sensor.rounding(unasked.pid()), None);
    count(&mut watch, &[unasked.pid()].into());
    let Rounded { looked, other } = counted(&watch, unasked.pid());
    assert!(u64::from(other) * 10 >= u64::from(looked) * 8, "{other} of {looked}");
    assert_eq!(watch.sensor.rounding(down.pid()), None, "it is asked about no longer");
    count(&mut watch, &BTreeSet::new());
    assert_eq!(watch.sensor.rounding(unasked.pid()), None);
}
