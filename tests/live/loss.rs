//! Loss: what does not fit into a ring is counted by kind and agent, and nothing is lost in a storm
//! that the detector can follow.

use std::time::Duration;

use detector::event::EventKind;
use detector::kernel::sensor::Settings;
use detector_common::wire::Kind;
use detector_tests::{needs_root, trigger};

use crate::watch::Watch;

fn execs(watch: &Watch) -> u64 {
    watch.seen.iter().filter(|event| matches!(event.kind, EventKind::Exec(_))).count() as u64
}

#[test]
fn lost_records_are_counted_by_kind_and_agent() {
    needs_root!();
    let settings = Settings { ring_size: 64 << 10, ..crate::watch::settings() };
    let mut watch = Watch::with("loss", &settings);
    // Nobody drains meanwhile, so a ring of 64 KiB must overflow.
    watch.run(&["bench-exec", "300"]);
    watch.take(Duration::ZERO);
    let lost = watch.sensor.take_lost();
    let of_exec = lost.iter().filter(|(agent, kind, _)| (*agent, *kind) == (watch.agent, Kind::Exec));
    let lost_execs: u64 = of_exec.map(|(_, _, count)| count).sum();
    assert!(lost_execs > 0, "{lost:?}");
    // Warm-up and the trigger itself add some to the 300.
    assert!(execs(&watch) + lost_execs >= 301, "{} seen, {lost:?}", execs(&watch));
    assert_eq!(watch.sensor.take_lost(), [], "what was reported is not reported again");
}

#[test]
fn a_storm_of_execs_is_followed_without_loss() {
    needs_root!();
    let mut watch = Watch::new("storm");
    let mut command = trigger::command(&["bench-exec", "2000"]).unwrap();
    let command = watch.group.hold(&mut command).unwrap().stdout(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    watch.until_exit(child.id());
    child.wait().unwrap();
    assert!(execs(&watch) >= 2001, "{}", execs(&watch));
    assert_eq!(watch.sensor.take_lost(), []);
}
