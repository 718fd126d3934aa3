//! Makes processes and threads, and lets them end in every way.

use std::env;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::thread;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, WaitOptions, WaitStatus, waitpid};
use serde_json::{Value, json};

use crate::Words;
use crate::report::parsed;

/// Which side of a fork one is on.
pub(crate) enum Side {
    /// The new process.
    Child,
    /// The old one, which knows the new one's pid.
    Parent(Pid),
}

/// Forks. The programs here fork before they have a second thread.
pub(crate) fn fork() -> Result<Side> {
    // SAFETY: the process has one thread, so no lock can be held by a thread that the child lacks.
    let pid = unsafe { libc::fork() };
    match pid {
        0 => Ok(Side::Child),
        pid if pid > 0 => Ok(Side::Parent(Pid::from_raw(pid).context("fork gave no pid")?)),
        _ => bail!("fork: {}", std::io::Error::last_os_error()),
    }
}

/// Ends this process at once, as a forked child must: nothing of the parent's is flushed twice.
pub(crate) fn leave(code: i32) -> ! {
    // SAFETY: _exit takes any number and does not return.
    unsafe { libc::_exit(code) }
}

/// A child ends with a code.
pub(crate) fn exit(words: Words<'_>) -> Result<Value> {
    let code: u8 = parsed(words, 0)?;
    match fork()? {
        Side::Child => leave(i32::from(code)),
        Side::Parent(child) => {
            wait(child)?;
            Ok(json!({ "child": child.as_raw_nonzero().get(), "code": code }))
        }
    }
}

/// A child ends by a signal.
pub(crate) fn signal(words: Words<'_>) -> Result<Value> {
    let signal: i32 = parsed(words, 0)?;
    match fork()? {
        Side::Child => {
            // SAFETY: raising a signal of one's own has no memory effects; a bad number is an error.
            unsafe { libc::raise(signal) };
            leave(0)
        }
        Side::Parent(child) => {
            let status = wait(child)?;
            Ok(json!({ "child": child.as_raw_nonzero().get(), "signal": status.terminating_signal() }))
        }
    }
}

/// A child by posix_spawn, which glibc does with CLONE_VFORK.
pub(crate) fn vfork(_: Words<'_>) -> Result<Value> {
    let own = CString::new(env::current_exe()?.as_os_str().as_bytes())?;
    let child = spawn(&own, &[&own, c"-"])?;
    let status = wait(child)?;
    Ok(json!({ "child": child.as_raw_nonzero().get(), "code": status.exit_status() }))
}

/// Threads come and go; none of them is a process.
pub(crate) fn threads(words: Words<'_>) -> Result<Value> {
    let count: usize = parsed(words, 0)?;
    let running: Vec<_> =
        (0..count).map(|_| thread::spawn(|| rustix::thread::gettid().as_raw_nonzero().get())).collect();
    let threads: Vec<i32> = running.into_iter().filter_map(|thread| thread.join().ok()).collect();
    Ok(json!({ "threads": threads }))
}

/// A child leads a session of its own.
pub(crate) fn setsid(_: Words<'_>) -> Result<Value> {
    match fork()? {
        Side::Child => leave(i32::from(rustix::process::setsid().is_err())),
        Side::Parent(child) => {
            let status = wait(child)?;
            Ok(json!({ "child": child.as_raw_nonzero().get(), "code": status.exit_status() }))
        }
    }
}

/// Waits for a child to end.
pub(crate) fn wait(child: Pid) -> Result<WaitStatus> {
    loop {
        match waitpid(Some(child), WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ok(status),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("waitpid"),
        }
    }
}

/// posix_spawn with an empty environment; the child's pid.
pub(crate) fn spawn(program: &std::ffi::CStr, argv: &[&std::ffi::CStr]) -> Result<Pid> {
    let mut pointers: Vec<*mut libc::c_char> = argv.iter().map(|word| word.as_ptr().cast_mut()).collect();
    pointers.push(std::ptr::null_mut());
    let environment = [std::ptr::null_mut::<libc::c_char>()];
    let mut pid = 0;
    // SAFETY: program, arguments and both arrays are NUL-terminated and outlive the call; posix_spawn
    // does not write through argv.
    let errno = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            program.as_ptr(),
            std::ptr::null(),
            std::ptr::null(),
            pointers.as_ptr(),
            environment.as_ptr(),
        )
    };
    if errno != 0 {
        bail!("posix_spawn: {}", std::io::Error::from_raw_os_error(errno));
    }
    Pid::from_raw(pid).context("posix_spawn gave no pid")
}
