//! Executes programs whose names are an attack on whoever prints them.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::Words;
use crate::exec::run;
use crate::report::{path, text};

/// Longest path that the kernel takes, without its NUL.
const LONGEST: usize = 4095;

/// Runs a copy of itself with bytes that are no UTF-8, control characters and quotes in its name and argv.
pub(crate) fn hostile(words: Words<'_>) -> Result<Value> {
    let name = OsStr::from_bytes(b"bad \xff\xfe\"'\\ \x1b[31m\n\x01name");
    let program = path(words, 0)?.join(name);
    fs::copy(env::current_exe()?, &program).context("cannot copy itself")?;
    let arguments =
        [b"nothing".as_slice(), b"", b"\xc3\x28", b"a\nb\x07", b"{\"json\":\"}"].map(OsStr::from_bytes);
    let child = run(Command::new(&program).args(arguments))?;
    let argv: Vec<String> = std::iter::once(program.as_os_str()).chain(arguments).map(text).collect();
    Ok(json!({ "child": child, "exe": text(program.as_os_str()), "argv": argv }))
}

/// Runs a copy of itself by a path of exactly 4,095 bytes.
pub(crate) fn long_path(words: Words<'_>) -> Result<Value> {
    let mut program: PathBuf = path(words, 0)?.to_owned();
    // Directory names of 200 bytes, the last file name takes what is left.
    while LONGEST - program.as_os_str().len() > 400 {
        program.push("d".repeat(200));
    }
    fs::create_dir_all(&program)?;
    let left = LONGEST - program.as_os_str().len() - 1;
    let own = env::current_exe()?;
    let name = |length: usize| "f".repeat(length);
    if left > 255 {
        program.push(name(100));
        fs::create_dir_all(&program)?;
        program.push(name(left - 101));
    } else {
        program.push(name(left));
    }
    if program.as_os_str().len() != LONGEST {
        bail!("the path has {} bytes", program.as_os_str().len());
    }
    fs::copy(own, &program).context("cannot copy itself")?;
    let child = run(Command::new(&program).arg("nothing"))?;
    Ok(json!({ "child": child, "exe": text(program.as_os_str()) }))
}
