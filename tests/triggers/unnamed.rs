//! Executes programs that have no name in any directory.

use std::env;
use std::ffi::{CStr, CString, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;

use anyhow::{Context as _, Result, bail};
use rustix::fs::MemfdFlags;
use serde_json::{Value, json};

use crate::Words;
use crate::report::{path, say, text};

/// Becomes a copy of itself that lives in memory only.
pub(crate) fn memfd(words: Words<'_>) -> Result<Value> {
    let memory = rustix::fs::memfd_create(c"trigger", MemfdFlags::CLOEXEC).context("memfd_create")?;
    let mut memory = File::from(memory);
    io::copy(&mut File::open(env::current_exe()?)?, &mut memory).context("cannot copy itself")?;
    let rest = if words.is_empty() { vec![OsString::from("nothing")] } else { words.to_vec() };
    say("exec-memfd", json!({ "exe": "/memfd:trigger" }));
    become_file(&memory.into(), rest)
}

/// Becomes a copy of itself whose file is already deleted.
pub(crate) fn deleted(words: Words<'_>) -> Result<Value> {
    let copy = path(words, 0)?.join("trigger-deleted");
    fs::copy(env::current_exe()?, &copy).context("cannot copy itself")?;
    let file = File::open(&copy)?;
    fs::remove_file(&copy)?;
    say("exec-deleted", json!({ "exe": text(copy.as_os_str()) }));
    become_file(&file.into(), vec!["nothing".into()])
}

/// execveat of an open file; returns only when it fails.
fn become_file(file: &OwnedFd, rest: Vec<OsString>) -> Result<Value> {
    let mut argv = vec![CString::from(c"unnamed")];
    for word in rest {
        argv.push(CString::new(word.into_vec()).context("a word has a NUL inside")?);
    }
    let mut pointers: Vec<*const libc::c_char> = argv.iter().map(|word| word.as_ptr()).collect();
    pointers.push(std::ptr::null());
    let environment = [std::ptr::null::<libc::c_char>()];
    let empty: &CStr = c"";
    // SAFETY: the path, every argument and both arrays are NUL-terminated and live until the call returns.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            file.as_raw_fd(),
            empty.as_ptr(),
            pointers.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    bail!("execveat: {}", io::Error::last_os_error())
}
