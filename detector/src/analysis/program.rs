//! What kind of program an exec is, as far as analyses care: shell, relay, interpreter, SSH client.

use crate::event::Exec;

/// Programs that take commands.
const SHELLS: &[&str] =
    &["sh", "bash", "dash", "ash", "zsh", "ksh", "ksh93", "mksh", "fish", "tcsh", "csh", "rbash"];

/// Arguments of a shell that is given no work of its own, only told how to behave.
const BARE: &[&str] = &["-i", "-l", "-il", "-li", "--login", "--norc", "--noprofile", "-p", "+m"];

/// Programs that copy between a socket and standard input and output.
const RELAYS: &[&str] =
    &["socat", "socat1", "ncat", "nc", "netcat", "nc.openbsd", "nc.traditional", "telnet", "telnet.netkit"];

/// Programs that run a program text, with which one makes a shell's relay in a few lines.
const INTERPRETERS: &[&str] = &["python", "perl", "ruby", "php", "lua"];

/// The last component of a path.
pub(super) fn basename(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Names of the program: of its file and what it was called, which is what busybox goes by.
fn names(exec: &Exec) -> impl Iterator<Item = &str> {
    let file = basename(&exec.exe);
    let called = exec.argv.first().map(|name| basename(name).trim_start_matches('-'));
    let applet = exec.argv.get(1).filter(|_| called == Some("busybox")).map(AsRef::as_ref);
    let others = (file == "busybox").then_some([called, applet]).into_iter().flatten().flatten();
    std::iter::once(file).chain(others)
}

/// Whether it is a shell, busybox's included.
pub(super) fn is_shell(exec: &Exec) -> bool {
    names(exec).any(|name| SHELLS.contains(&name))
}

/// Whether it is a shell that reads its commands from standard input: no script, no `-c`.
pub(super) fn is_bare_shell(exec: &Exec) -> bool {
    if exec.script.is_some() || !is_shell(exec) {
        return false;
    }
    let applet = exec.argv.first().is_some_and(|name| basename(name) == "busybox");
    exec.argv.iter().skip(if applet { 2 } else { 1 }).all(|arg| BARE.contains(&&**arg))
}

/// The name of a relay: `socat`, `nc`, `openssl s_client` and their kin.
pub(super) fn relay(exec: &Exec) -> Option<&str> {
    let speaks = |word: &str| exec.argv.iter().any(|arg| &**arg == word);
    let openssl = || (basename(&exec.exe) == "openssl" && speaks("s_client")).then_some("openssl s_client");
    names(exec).find(|name| RELAYS.contains(name)).or_else(openssl)
}

/// Whether it is an interpreter of a language that has sockets and can start a shell.
pub(super) fn is_interpreter(exec: &Exec) -> bool {
    let name = basename(&exec.exe);
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '_'));
    INTERPRETERS.contains(&name)
}

/// Whether it goes by the name of a client that connects to one SSH server in its life.
pub(super) fn is_ssh(exec: &Exec) -> bool {
    ["ssh", "slogin", "dbclient"].contains(&basename(&exec.exe))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(exe: &str, line: &str) -> Exec {
        Exec { exe: exe.into(), argv: line.split(' ').map(Into::into).collect(), ..Exec::default() }
    }

    #[test]
    fn shells_are_known_by_file_and_busybox_by_what_it_is_called() {
        assert!(is_shell(&exec("/usr/bin/bash", "-bash")));
        assert!(is_shell(&exec("/bin/busybox", "sh -i")));
        assert!(is_shell(&exec("/bin/busybox", "busybox ash")));
        assert!(!is_shell(&exec("/bin/busybox", "wget x")));
        assert!(!is_shell(&exec("/usr/bin/curl", "sh")));
    }

    #[test]
    fn a_bare_shell_is_given_no_work() {
        for line in ["bash", "sh -i", "-bash", "bash --norc -i"] {
            assert!(is_bare_shell(&exec("/usr/bin/bash", line)), "{line}");
        }
        for line in ["bash -c ls", "sh x.sh", "bash -s"] {
            assert!(!is_bare_shell(&exec("/usr/bin/bash", line)), "{line}");
        }
        assert!(is_bare_shell(&exec("/bin/busybox", "busybox sh -i")));
    }

    #[test]
    fn relays_and_interpreters_are_known() {
        assert_eq!(relay(&exec("/usr/bin/nc.openbsd", "nc h 1")), Some("nc.openbsd"));
        assert_eq!(
            relay(&exec("/usr/bin/openssl", "openssl s_client -connect h:1")),
            Some("openssl s_client")
        );
        assert_eq!(relay(&exec("/usr/bin/openssl", "openssl req")), None);
        assert!(is_interpreter(&exec("/usr/bin/python3.11", "python3")));
        assert!(!is_interpreter(&exec("/usr/bin/node", "node")));
    }
}
