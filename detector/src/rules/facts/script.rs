//! The program text that an interpreter was given on its command line.

use super::program::basename;
use crate::event::Exec;

/// How an interpreter takes program text.
struct Interpreter {
    /// Names without version: `python` is also `python3.11`.
    names: &'static [&'static str],
    /// Short options that take program text.
    text: &'static [u8],
    /// Long options that take program text.
    long: &'static [&'static str],
    /// Other short options that take a value.
    valued: &'static [u8],
    /// Short options that begin the arguments of something else (`python -m module`).
    ends: &'static [u8],
}

const INTERPRETERS: &[Interpreter] = &[
    Interpreter {
        names: &["sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "busybox"],
        text: b"c",
        long: &["--command"],
        valued: b"oO",
        ends: b"",
    },
    Interpreter { names: &["python", "pypy"], text: b"c", long: &[], valued: b"WXQ", ends: b"m" },
    Interpreter { names: &["perl"], text: b"eE", long: &[], valued: b"", ends: b"" },
    Interpreter { names: &["ruby", "lua", "luajit"], text: b"e", long: &[], valued: b"rI", ends: b"" },
    Interpreter {
        names: &["node", "nodejs", "bun"],
        text: b"ep",
        long: &["--eval", "--print"],
        valued: b"r",
        ends: b"",
    },
    Interpreter { names: &["php"], text: b"r", long: &["--run"], valued: b"dcz", ends: b"" },
];

/// The text after `-c` of a shell or Python, `-e` of Perl, Ruby or Node, `-r` of PHP.
pub(in crate::rules) fn text(exec: &Exec) -> Option<&str> {
    let argv0 = exec.argv.first().map_or("", AsRef::as_ref);
    let interpreter = interpreter(basename(&exec.exe)).or_else(|| interpreter(basename(argv0)))?;
    let mut args = exec.argv.iter().skip(1).map(AsRef::as_ref);
    if basename(&exec.exe) == "busybox" && basename(argv0) == "busybox" {
        args.next();
    }
    while let Some(arg) = args.next() {
        if let Some((name, value)) = arg.split_once('=')
            && interpreter.long.contains(&name)
        {
            return Some(value);
        }
        if interpreter.long.contains(&arg) {
            return args.next();
        }
        let cluster = arg.strip_prefix('-').filter(|rest| !rest.is_empty())?;
        if cluster == "-" {
            return None;
        }
        if cluster.starts_with('-') {
            continue;
        }
        for (at, letter) in cluster.bytes().enumerate() {
            if interpreter.text.contains(&letter) {
                // A shell's -c takes the next argument even inside a cluster (`-lc`, `-cx`);
                // the others take what is glued first.
                let glued = cluster.get(at + 1..).unwrap_or_default();
                let shell = interpreter.names.contains(&"bash");
                return if glued.is_empty() || shell { args.next() } else { Some(glued) };
            }
            if interpreter.ends.contains(&letter) {
                return None;
            }
            if interpreter.valued.contains(&letter) {
                if at + 1 == cluster.len() {
                    args.next();
                }
                break;
            }
        }
    }
    None
}

fn interpreter(name: &str) -> Option<&'static Interpreter> {
    let name = name.trim_start_matches('-').trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    INTERPRETERS.iter().find(|known| known.names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(argv: &[&str], expect: Option<&str>) {
        let exec = Exec {
            exe: argv[0].into(),
            argv: argv.iter().map(|arg| (*arg).into()).collect(),
            ..Exec::default()
        };
        assert_eq!(text(&exec), expect, "{argv:?}");
    }

    #[test]
    fn program_text_is_found_where_each_interpreter_takes_it() {
        check(&["/bin/sh", "-c", "echo hi"], Some("echo hi"));
        check(&["/bin/bash", "-lc", "echo hi", "name"], Some("echo hi"));
        check(&["/bin/bash", "-o", "pipefail", "-ec", "x"], Some("x"));
        check(&["/bin/bash", "--norc", "-c", "x"], Some("x"));
        check(&["/usr/bin/python3.11", "-W", "ignore", "-c", "import os"], Some("import os"));
        check(&["/usr/bin/python3", "-cimport os"], Some("import os"));
        check(&["/usr/bin/perl", "-we", "print 1"], Some("print 1"));
        check(&["/usr/bin/node", "--eval=1+1"], Some("1+1"));
        check(&["/usr/bin/node", "-p", "1+1"], Some("1+1"));
        check(&["/bin/busybox", "sh", "-c", "x"], Some("x"));
    }

    #[test]
    fn arguments_of_a_script_are_no_program_text() {
        check(&["/bin/bash", "script.sh", "-c", "x"], None);
        check(&["/usr/bin/python3", "-m", "pytest", "-c", "pyproject.toml"], None);
        check(&["/usr/bin/gcc", "-c", "x.c"], None);
        check(&["/bin/sh"], None);
    }
}
