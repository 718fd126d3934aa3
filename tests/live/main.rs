//! Each probe, live: a trigger program does one thing, and the event that the kernel reported is
//! compared field by field with what the trigger said. Needs root.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one kind of event among many")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot set itself up has failed"
)]

mod cgroup;
mod exec;
mod file;
mod loss;
mod network;
mod process;
mod watch;
