//! Runs trigger programs and reads what they say they did.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::cgroup::Cgroup;

/// A program that cargo built beside the running test.
pub fn program(name: &str) -> Result<PathBuf> {
    let own = env::current_exe().context("cannot find the test's own program")?;
    let place = own
        .ancestors()
        .skip(1)
        .take(3)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file());
    place.with_context(|| {
        format!("{name} is not built; run `cargo build --workspace --exclude detector-ebpf`")
    })
}

/// `detector-trigger` with words, not yet started.
pub fn command<W: AsRef<OsStr>>(words: &[W]) -> Result<Command> {
    let mut command = Command::new(program("detector-trigger")?);
    command.args(words).stdin(Stdio::null());
    Ok(command)
}

/// Runs a trigger inside a group, to its end; what it said in its first line.
pub fn run<W: AsRef<OsStr>>(group: &Cgroup, words: &[W]) -> Result<Value> {
    let mut command = command(words)?;
    let output = group.hold(&mut command)?.output().context("cannot run detector-trigger")?;
    if !output.status.success() {
        bail!("the trigger ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let said = String::from_utf8(output.stdout).context("the trigger's line is no UTF-8")?;
    let line = said.lines().find(|line| line.starts_with('{')).context("the trigger said nothing")?;
    serde_json::from_str(line).with_context(|| format!("the trigger's line is no JSON: {line}"))
}

/// A number in what a trigger said.
pub fn number(said: &Value, key: &str) -> Result<u64> {
    said.get(key).and_then(Value::as_u64).with_context(|| format!("no number `{key}` in {said}"))
}

/// A text in what a trigger said.
pub fn text<'a>(said: &'a Value, key: &str) -> Result<&'a str> {
    said.get(key).and_then(Value::as_str).with_context(|| format!("no text `{key}` in {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(group: &Cgroup, words: &[&str]) -> Value {
        run(group, words).unwrap_or_else(|error| panic!("{words:?}: {error:#}"))
    }

    #[test]
    fn triggers_do_what_they_say() {
        crate::needs_root!();
        let group = Cgroup::create("triggers").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().to_str().unwrap();
        let file = directory.path().join("file");
        let name = file.to_str().unwrap();

        assert_eq!(check(&group, &["exec-argv", "2097152"])["bytes"], 2_097_152);
        assert_eq!(check(&group, &["exec-long-path", place])["exe"].as_str().unwrap().len(), 4095);
        assert!(text(&check(&group, &["exec-hostile-name", place]), "exe").unwrap().contains("\\xff"));
        assert_eq!(check(&group, &["exec-failing", place])["errnos"], serde_json::json!([2, 8]));
        assert_eq!(check(&group, &["fork-exit", "7"])["code"], 7);
        assert_eq!(check(&group, &["fork-signal", "9"])["signal"], 9);
        assert_eq!(check(&group, &["open-create", name])["path"], name);
        assert_eq!(check(&group, &["chmod", name, "4755"])["mode"], 0o104_755);
        assert_eq!(check(&group, &["connect-tcp", "[::ffff:127.0.0.1]:1"])["errno"], 111);
        for words in
            [&["exec-memfd"][..], &["exec-deleted", place], &["exec-thread"], &["vfork"], &["setsid"]]
        {
            number(&check(&group, words), "pid").unwrap();
        }
    }

    #[test]
    fn a_daemon_outlives_its_starter_and_listens() {
        crate::needs_root!();
        let group = Cgroup::create("daemon").unwrap();
        let said = check(&group, &["daemon", "127.0.0.1:0", "20"]);
        assert!(group.is_populated().unwrap());
        std::net::TcpStream::connect(text(&said, "address").unwrap()).unwrap();
    }
}
