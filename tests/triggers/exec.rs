//! Executes programs: with arguments of every size, as scripts, from threads, and in vain.

use std::env;
use std::ffi::{CString, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::Words;
use crate::report::{parsed, path, say, text};

/// Becomes another program.
pub(crate) fn plain(words: Words<'_>) -> Result<Value> {
    let (program, arguments) = words.split_first().context("no program named")?;
    say("exec", json!({ "argv": words.iter().map(|word| text(word)).collect::<Vec<_>>() }));
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot execute {}", program.display()))
}

/// Runs itself with an argv of so many bytes, the terminating NULs included.
pub(crate) fn long_argv(words: Words<'_>) -> Result<Value> {
    let wanted: usize = parsed(words, 0)?;
    // The kernel allows argv and environment a quarter of the stack limit, 6 MiB at most.
    let limit = getrlimit(Resource::Stack);
    let roomy = Rlimit { current: Some(64 << 20), ..limit };
    setrlimit(Resource::Stack, roomy).context("cannot raise the stack limit")?;
    let own = env::current_exe()?;
    let mut arguments: Vec<OsString> = vec!["nothing".into()];
    let mut left = wanted.saturating_sub(own.as_os_str().len() + 1 + "nothing".len() + 1);
    // One argument may have 128 KiB with its NUL.
    while left > 1 {
        let size = left.min(100_000);
        arguments.push("a".repeat(size - 1).into());
        left -= size;
    }
    let count = arguments.len() + 1;
    let child = run(Command::new(&own).args(arguments).env_clear())?;
    Ok(json!({ "child": child, "bytes": wanted - left, "arguments": count }))
}

/// Writes a script and runs it by its path.
pub(crate) fn script(words: Words<'_>) -> Result<Value> {
    let script = path(words, 0)?.join("trigger-script.sh");
    fs::write(&script, "#!/bin/sh\nexit 0\n")?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let child = run(Command::new(&script).arg("word"))?;
    Ok(json!({ "child": child, "script": text(script.as_os_str()), "interpreter": "/bin/sh" }))
}

/// Runs itself with one environment variable.
pub(crate) fn environment(words: Words<'_>) -> Result<Value> {
    let (name, value) = (path(words, 0)?, path(words, 1)?);
    let child = run(Command::new(env::current_exe()?).arg("nothing").env(name, value))?;
    Ok(json!({ "child": child, "name": text(name.as_os_str()), "value": text(value.as_os_str()) }))
}

/// Becomes another program from a thread that is not the first: the process keeps its pid.
pub(crate) fn from_thread(_: Words<'_>) -> Result<Value> {
    let own = env::current_exe()?;
    let thread = thread::spawn(move || {
        say("exec-thread", json!({ "thread": rustix::thread::gettid().as_raw_nonzero().get() }));
        Command::new(own).arg("nothing").exec()
    });
    match thread.join() {
        Ok(error) => Err(error).context("cannot execute itself"),
        Err(_) => bail!("the thread panicked"),
    }
}

/// Tries to execute what is not there and what is no program: neither is an exec.
pub(crate) fn failing(words: Words<'_>) -> Result<Value> {
    let directory = path(words, 0)?;
    let (absent, garbage) = (directory.join("absent"), directory.join("garbage"));
    fs::write(&garbage, [0_u8; 64])?;
    fs::set_permissions(&garbage, fs::Permissions::from_mode(0o755))?;
    let errno = |program: &Path| -> Result<Option<i32>> {
        let name = CString::new(program.as_os_str().as_bytes())?;
        let argv = [name.as_ptr(), std::ptr::null()];
        // SAFETY: the path and the array are NUL-terminated and outlive the call. Not execvp: that hands
        // what is no program to the shell.
        unsafe { libc::execv(name.as_ptr(), argv.as_ptr()) };
        Ok(io::Error::last_os_error().raw_os_error())
    };
    Ok(json!({ "errnos": [errno(&absent)?, errno(&garbage)?] }))
}

/// Runs a child to its good end; its pid.
pub(crate) fn run(command: &mut Command) -> Result<u32> {
    let mut child = command
        .stdout(std::process::Stdio::null())
        .spawn()
        .with_context(|| format!("cannot execute {}", command.get_program().display()))?;
    let pid = child.id();
    let status = child.wait()?;
    if !status.success() {
        bail!("the child ended with {status}");
    }
    Ok(pid)
}
