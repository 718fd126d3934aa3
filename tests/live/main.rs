//! Each probe, live: a trigger program does one thing, and the event that the kernel reported is
//! compared field by field with what the trigger said; then the program as a whole. Needs root.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is surprised fails"
)]

mod benign;
mod canary;
mod cgroup;
mod cli;
mod exec;
mod file;
mod loss;
mod network;
mod packet;
mod process;
mod watch;
mod wire;
