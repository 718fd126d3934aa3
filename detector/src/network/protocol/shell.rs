//! Interactive shells in clear text: what a shell says when it has no terminal, and its first prompt.
//!
//! The side that runs the shell is the server here, whoever asked for the connection. What passes: a shell
//! that was not told to be interactive says nothing, and a prompt that its user changed is a prompt to
//! nobody else.

use serde_json::Value;

use super::{Application, Found, Mark, Prefix, Protocol, Role, Sample, Transport, Verdict, Want};

mod prompt;
mod samples;

pub(super) const PROTOCOL: Protocol = Protocol { application: Application::Shell, marks: MARKS, recognise };

pub(super) const SAMPLES: &[Sample] = samples::POSITIVE;

/// Longest complaint or prompt.
const LONGEST: usize = 256;

const WANT: Want = Want { bytes: 256, again: 1, urgent: true, length_at: None };

const fn mark(regex: &'static str) -> Mark {
    Mark { transport: Transport::Tcp, regex, want: WANT }
}

/// They let more through than shells say; the parser decides.
const MARKS: &[Mark] = &[
    // A shell's name before its complaint, and the names that csh and fish do without.
    mark(r"-?(?:/[0-9A-Za-z_/.-]*)?[a-z]{0,3}sh: "),
    mark("[wW]arning: [nN]o (?:access|TTY)"),
    // Prompts: bare, of a shell with its version, of user and host, of busybox, or behind the escape
    // sequences of a terminal.
    mark(r"[$#%] "),
    mark(r"(?:ba|z|k|da)?sh-[0-9]"),
    mark(r"(?:\([0-9A-Za-z_.-]+\) ?)?\[?[a-z_][0-9a-z_.-]*@[0-9A-Za-z_.-]+(?:[: ][^\x00-\x1f]*)[$#] "),
    mark(r"[/~][0-9A-Za-z_/.-]* ?[$#] "),
    mark(r"\x1b\[\?2004h|\x1b\][0-2];"),
    mark("\u{250c}\u{2500}"),
];

/// What a shell says on its first line, behind its name.
const COMPLAINTS: &[&str] = &[
    // bash
    "cannot set terminal process group",
    "no job control in this shell",
    "initialize_job_control: no job control",
    // dash and busybox
    "can't access tty; job control turned off",
    // zsh
    "can't set tty pgrp",
    "no job control in this shell.",
    // ksh and mksh
    "No controlling tty",
    "warning: won't have full job control",
    "can't access tty",
];

/// Complaints without a name before them: csh, and fish.
const NAMELESS: &[&str] = &["Warning: no access to tty", "warning: No TTY for interactive shell"];

fn recognise(prefix: &Prefix<'_>) -> Verdict {
    match prefix.transport {
        Transport::Udp => return Verdict::No,
        Transport::Tcp => {}
    }
    let bytes = prefix.bytes.get(..LONGEST).unwrap_or(prefix.bytes);
    if prompt::is(prefix.bytes) {
        return said(prefix.bytes);
    }
    match complaint(bytes) {
        found @ Verdict::Is(_) => found,
        Verdict::More | Verdict::No if prefix.bytes.len() >= LONGEST => Verdict::No,
        Verdict::No if !prompt::begins(bytes) => Verdict::No,
        Verdict::More | Verdict::No => Verdict::More,
    }
}

/// A complaint, alone or behind the escape sequences of a terminal.
fn complaint(bytes: &[u8]) -> Verdict {
    let text = prompt::plain(bytes);
    let line = text.trim_start();
    if NAMELESS.iter().any(|complaint| line.starts_with(complaint)) {
        return said(bytes);
    }
    let open = NAMELESS.iter().any(|complaint| complaint.starts_with(line));
    let Some((name, rest)) = line.split_once(": ") else {
        return if open || shell(line.trim_end_matches(':')) != Known::No {
            Verdict::More
        } else {
            Verdict::No
        };
    };
    if shell(name) != Known::Shell {
        return if open { Verdict::More } else { Verdict::No };
    }
    // "0: " of dash, "line 1: " of bash.
    let rest = match rest.split_once(": ") {
        Some((place, behind))
            if place.trim_start_matches("line ").bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            behind
        }
        Some(_) | None => rest,
    };
    let place = rest.trim_start_matches("line ").trim_end_matches(':');
    if COMPLAINTS.iter().any(|complaint| rest.starts_with(complaint)) {
        said(bytes)
    } else if COMPLAINTS.iter().any(|complaint| complaint.starts_with(rest))
        || "line ".starts_with(rest)
        || place.bytes().all(|byte| byte.is_ascii_digit())
    {
        Verdict::More
    } else {
        Verdict::No
    }
}

/// Whether something is a shell's name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Shell,
    /// It may become one.
    Perhaps,
    No,
}

const SHELLS: &[&str] =
    &["bash", "sh", "dash", "ash", "zsh", "ksh", "ksh93", "mksh", "lksh", "rbash", "-bash", "-sh"];

/// Judges what stands before the first colon: a shell, or the path of one.
fn shell(name: &str) -> Known {
    let (path, base) = name.rsplit_once('/').map_or(("", name), |(path, base)| (path, base));
    if !path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_.-".contains(&byte))
        || (!path.is_empty() && !path.starts_with('/'))
    {
        return Known::No;
    }
    if SHELLS.contains(&base) {
        Known::Shell
    } else if SHELLS.iter().any(|known| known.starts_with(base))
        || name.starts_with('/') && !base.contains(' ')
    {
        Known::Perhaps
    } else {
        Known::No
    }
}

fn said(bytes: &[u8]) -> Verdict {
    let text: String = prompt::plain(bytes).trim_start().chars().take(LONGEST).collect();
    Verdict::Is(Found { speaker: Role::Server, fields: vec![("ShellText", Value::from(text))] })
}

#[cfg(test)]
mod tests;
