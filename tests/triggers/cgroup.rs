//! Leaves its control group, or has a child that is born outside of it.

use std::fs;
use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, Result, bail};
use rustix::process::Pid;
use serde_json::{Value, json};

use crate::Words;
use crate::fork::{leave, wait};
use crate::report::{path, text};

/// Enters the control group at a directory of the cgroup2 mount.
pub(crate) fn enter(words: Words<'_>) -> Result<Value> {
    let directory = path(words, 0)?;
    fs::write(directory.join("cgroup.procs"), "0")
        .with_context(|| format!("cannot enter {}", directory.display()))?;
    Ok(json!({ "cgroup": text(directory.as_os_str()) }))
}

/// Makes a child in the control group at a directory of the cgroup2 mount, by clone3 (Linux 5.7).
pub(crate) fn born(words: Words<'_>) -> Result<Value> {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let directory = path(words, 0)?;
    let group = fs::File::open(directory).with_context(|| format!("cannot open {}", directory.display()))?;
    // struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
    // set_tid_size, cgroup.
    let mut arguments = [0_u64; 11];
    arguments[0] = CLONE_INTO_CGROUP;
    arguments[4] = u64::try_from(libc::SIGCHLD)?;
    arguments[10] = u64::try_from(group.as_raw_fd())?;
    // SAFETY: without CLONE_VM this is a fork; the process has one thread, and the arguments outlive the call.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, arguments.as_ptr(), size_of_val(&arguments)) };
    match pid {
        0 => leave(0),
        pid if pid > 0 => {
            wait(Pid::from_raw(i32::try_from(pid)?).context("clone3 gave no pid")?)?;
            Ok(json!({ "cgroup": text(directory.as_os_str()), "child": pid }))
        }
        _ => bail!("clone3: {}", std::io::Error::last_os_error()),
    }
}
