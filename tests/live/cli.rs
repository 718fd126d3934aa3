//! The command line, live: what each command promises, by the real program on a real kernel.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use detector_tests::detector::STORE;
use detector_tests::trigger::program;
use serde_json::Value;

mod hostile;
mod input;
mod look;
mod record;
mod rules;
mod run;
mod wrap;

/// A user who is not root.
const NOBODY: u32 = 65534;

/// `detector` with words, not yet started.
pub(crate) fn detector<W: AsRef<OsStr>>(words: &[W]) -> Command {
    let mut command = Command::new(program("detector").unwrap());
    command.args(words).stdin(Stdio::null()).env(STORE, ":memory:");
    command
}

/// Has a command run as another user than root, from a copy that this user may execute.
fn as_nobody(place: &Path, words: &[&str]) -> Command {
    let copy = place.join("detector");
    copy_program("detector", &copy);
    for readable in [place, &copy] {
        fs::set_permissions(readable, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(copy);
    command.args(words).stdin(Stdio::null()).env(STORE, ":memory:").current_dir("/").uid(NOBODY).gid(NOBODY);
    command
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit status; `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

/// Runs a command to its end.
pub(crate) fn end(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The alerts of a file of JSON lines, each checked against the published schema.
pub(crate) fn alerts(path: &Path) -> Vec<Value> {
    checked(&fs::read_to_string(path).unwrap())
}

/// The alerts in a text, each checked against the published schema and for raw control characters.
pub(crate) fn checked(lines: &str) -> Vec<Value> {
    let schema: Value = serde_json::from_str(include_str!("../../detector/schema/alert-1.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    assert!(lines.is_empty() || lines.ends_with('\n'), "the last line is cut short");
    let parse = |line: &str| {
        assert!(!line.contains(char::is_control), "raw control characters in {line:?}");
        let alert: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let faults: Vec<String> = schema.iter_errors(&alert).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{faults:?} in {alert:#}");
        alert
    };
    lines.split_terminator('\n').map(parse).collect()
}

/// The alert that a rule file gave, from below `rules/`.
fn by_rule<'a>(alerts: &'a [Value], file: &str) -> &'a Value {
    let wanted = format!("rules/{file}");
    let found = alerts.iter().find(|alert| alert["rule"]["file"] == wanted.as_str());
    found.unwrap_or_else(|| panic!("no alert of {file} in {alerts:#?}"))
}

/// A copy of the trigger program in a hidden directory, where the rules do not like it.
fn hidden(place: &Path) -> PathBuf {
    let directory = place.join(".hidden");
    fs::create_dir_all(&directory).unwrap();
    let copy = directory.join("program");
    copy_program("detector-trigger", &copy);
    copy
}

/// Copies a program by another process: a test beside this one may fork while we hold the copy open for
/// writing, and then the kernel calls it busy.
fn copy_program(name: &str, to: &Path) {
    let status = Command::new("cp").arg(program(name).unwrap()).arg(to).status().unwrap();
    assert!(status.success());
}

/// Path of the trigger program, as text.
pub(crate) fn trigger() -> String {
    program("detector-trigger").unwrap().into_os_string().into_string().unwrap()
}

/// A path as text.
fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
