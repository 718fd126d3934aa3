//! One hook a file.

pub mod bind;
pub mod canary;
pub mod cgroup_attach;
pub mod cgroup_create;
pub mod cgroup_remove;
pub mod connect;
pub mod exec;
pub mod exit;
pub mod file;
pub mod flow_close;
pub mod fork;
pub mod io_uring;
pub mod operation;
pub mod packet;
pub mod rounding;
pub mod security;
pub mod send;
pub mod signal;
pub mod socket_state;
pub mod syscall;
pub mod unix;
