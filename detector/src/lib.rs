//! An eBPF runtime anomaly detector for machines that run autonomous AI agents.
//!
//! The modules are the data flow: [`kernel`] loads probes and reads rings, [`event`] is what they say,
//! [`process`] knows who did it, [`analysis`] turns many events into one observation, [`rules`] judge,
//! [`alert`] groups and explains, [`sinks`] deliver. [`pipeline`] joins them without doing I/O; [`wallet`] finds
//! addresses in any text.

pub mod activity;
pub mod agent;
pub mod alert;
pub mod analysis;
pub mod canary;
pub mod change;
pub mod cli;
pub mod config;
pub mod content;
pub mod delivery;
pub mod digest;
pub mod event;
pub mod explain;
pub mod intake;
pub mod kernel;
pub mod network;
pub mod pipeline;
pub mod process;
pub mod recording;
pub mod redact;
pub mod report;
pub mod rules;
pub mod runtime;
pub mod sinks;
pub mod store;
pub mod task;
pub mod telemetry;
pub mod wallet;
