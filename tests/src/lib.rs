//! Shared ground of the live tests: control groups of their own, trigger programs, the detector as a
//! process, waiting for facts, and saying why a test could not run.

pub mod cgroup;
pub mod detector;
pub mod skip;
pub mod trigger;
pub mod wait;
