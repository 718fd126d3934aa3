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
pub(crate) fn basename(path: &str) -> &str {
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

/// Programs that run a file which is their first operand, beside shells and interpreters.
const RUNNERS: &[&str] = &["node", "nodejs", "deno", "bun", "java", "awk", "gawk", "tclsh", "Rscript"];

/// The file that a shell or an interpreter is given to run; `None` for `-c`, `-m` and their like.
pub(crate) fn operand(exec: &Exec) -> Option<&str> {
    let applet =
        basename(&exec.exe) == "busybox" && exec.argv.first().is_some_and(|name| basename(name) == "busybox");
    if !is_shell(exec) && !is_interpreter(exec) && !RUNNERS.contains(&basename(&exec.exe)) {
        return None;
    }
    for arg in exec.argv.iter().skip(if applet { 2 } else { 1 }) {
        let Some(option) = arg.strip_prefix('-') else { return Some(arg) };
        if option.starts_with(['c', 'e', 'm']) || (!option.starts_with('-') && option.ends_with('c')) {
            return None;
        }
    }
    None
}

/// The module that Python was told to run.
pub(crate) fn module(exec: &Exec) -> Option<&str> {
    if !basename(&exec.exe).starts_with("python") {
        return None;
    }
    let at = exec.argv.iter().position(|arg| &**arg == "-m")?;
    exec.argv.get(at + 1).map(|name| name.split('.').next().unwrap_or(name))
}

/// What a tool is called, whatever its version and target: `x86_64-linux-gnu-gcc-12` is `gcc`, `python3.11` is
/// `python`, `npm-cli.js` is `npm-cli`.
pub(super) fn tool(path: &str) -> &str {
    let name = basename(path);
    let name = ["-linux-gnu-", "-linux-musl-", "-elf-"]
        .iter()
        .find_map(|target| name.split_once(target))
        .map_or(name, |(_, name)| name);
    let name = [".py", ".js", ".mjs", ".cjs", ".sh", ".rb", ".pl"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(name);
    let version = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    let plain = name.trim_end_matches(version);
    if plain.is_empty() { name } else { plain }
}

/// A path as a process in `cwd` names it, without empty components and `.`.
///
/// `..` stays: behind a symbolic link it leads elsewhere than the text says, and only the kernel knew where.
pub(super) fn absolute(cwd: &str, path: &str) -> String {
    let base = if path.starts_with('/') { "" } else { cwd };
    let mut out = String::with_capacity(base.len() + path.len() + 1);
    for part in base.split('/').chain(path.split('/')).filter(|part| !matches!(*part, "" | ".")) {
        out.push('/');
        out.push_str(part);
    }
    out
}

/// What stands behind the last `..` of a path, if it has one: all that such a path says for certain.
pub(super) fn behind_dots(path: &str) -> Option<&str> {
    path.rsplit_once("/../").map(|(_, end)| end).or_else(|| path.ends_with("/..").then_some(""))
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
    fn the_file_that_is_run_is_the_first_operand() {
        assert_eq!(operand(&exec("/usr/bin/bash", "bash -x a.sh -c")), Some("a.sh"));
        assert_eq!(operand(&exec("/usr/bin/python3.11", "python3 -u a.py")), Some("a.py"));
        assert_eq!(operand(&exec("/bin/busybox", "busybox sh a.sh")), Some("a.sh"));
        for line in ["bash -c ls", "bash -lc ls", "bash"] {
            assert_eq!(operand(&exec("/usr/bin/bash", line)), None, "{line}");
        }
        assert_eq!(operand(&exec("/usr/bin/python3", "python3 -m pytest x")), None);
        assert_eq!(operand(&exec("/usr/bin/cat", "cat a.sh")), None);
        assert_eq!(module(&exec("/usr/bin/python3.11", "python3 -I -m pip.__main__ install x")), Some("pip"));
        for (path, name) in [
            ("/usr/bin/x86_64-linux-gnu-gcc-12", "gcc"),
            ("/usr/bin/python3.11", "python"),
            ("/usr/lib/node_modules/npm/bin/npm-cli.js", "npm-cli"),
            ("/usr/bin/g++", "g++"),
            ("/bin/7", "7"),
        ] {
            assert_eq!(tool(path), name);
        }
        assert_eq!(absolute("/work/", "./b//a.sh"), "/work/b/a.sh");
        assert_eq!(absolute("/work/b", "../a.sh"), "/work/b/../a.sh");
        assert_eq!(absolute("/work", "/x/./y"), "/x/y");
        assert_eq!(behind_dots("/work/../b/../c/a.sh"), Some("c/a.sh"));
        assert_eq!((behind_dots("/work/.."), behind_dots("/work/..a/b")), (Some(""), None));
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
