//! Shared ground of the live tests: control groups and networks of their own, trigger programs, servers, the
//! detector as a process, waiting for facts, and saying why a test could not run.

pub mod cgroup;
pub mod detector;
pub mod hook;
pub mod netns;
pub mod server;
pub mod skip;
pub mod sshd;
pub mod trigger;
pub mod wait;
