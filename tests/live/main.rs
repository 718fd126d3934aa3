//! Each probe, live: a trigger program does one thing, and the event that the kernel reported is
//! compared field by field with what the trigger said; then the program as a whole. Needs root.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is surprised fails"
)]

mod around;
mod benign;
mod canary;
mod cgroup;
mod change;
mod cli;
mod cpu;
mod daemon;
mod delivery;
mod digest;
mod exec;
mod file;
mod gpu;
mod loss;
mod memory;
mod mining;
mod network;
mod new_code;
mod operation;
mod packet;
mod persistence;
mod process;
mod rounding;
mod task;
mod watch;
mod wire;
