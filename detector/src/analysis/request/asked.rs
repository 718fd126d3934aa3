//! What the command line of a service manager's client asks for.

use super::super::program::basename;
use crate::event::Exec;

mod container;
mod line;
#[cfg(test)]
mod tests;

use container::{container, ctr, kubectl};
use line::{Item, Line};

/// A request, as far as the command line says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Who is asked: systemd, docker, podman, containerd, cri-o, kubernetes, machined, dbus, cron, at.
    pub(super) manager: &'static str,
    /// For what, in the manager's word: run, start, exec, call, edit.
    pub(super) verb: String,
    /// What is to be run: command, unit, container, method; empty where the command line does not say.
    pub(super) what: String,
    /// What is notable about it.
    pub(super) options: Vec<&'static str>,
    /// Name that the new unit gets, where one was given.
    pub(super) unit: Option<String>,
}

/// The request that a program makes by its command line. `None` for other programs, and for questions such
/// as `docker ps`.
pub(super) fn asked(exec: &Exec) -> Option<Asked> {
    let words: Vec<&str> = exec.argv.iter().skip(1).map(AsRef::as_ref).collect();
    match basename(&exec.exe) {
        "systemd-run" => Some(systemd_run(&words)),
        "systemctl" => systemctl(&words),
        "machinectl" => machinectl(&words),
        "busctl" | "gdbus" | "dbus-send" => dbus(&words),
        name @ ("docker" | "podman" | "nerdctl") => container(name, &words),
        "ctr" => ctr(&words),
        "crictl" => {
            verb_of("cri-o", &words, &["-r", "-i", "-c"], &["run", "runp", "create", "start", "exec"])
        }
        "kubectl" => kubectl(&words),
        "at" | "batch" if !words.iter().any(|word| ["-l", "-c", "-V"].contains(word)) => {
            let verb = if words.iter().any(|word| ["-r", "-d"].contains(word)) { "remove" } else { "run" };
            Some(Asked { manager: "at", verb: verb.to_owned(), what: words.join(" "), ..Asked::default() })
        }
        "crontab" if !words.contains(&"-l") => {
            let flag = |flag: &str| words.iter().any(|word| word.starts_with('-') && word.contains(flag));
            let verb = if flag("r") { "remove" } else { "edit" };
            Some(Asked { manager: "cron", verb: verb.to_owned(), what: words.join(" "), ..Asked::default() })
        }
        _ => None,
    }
}

/// Options of systemd-run that take a value.
const SYSTEMD_RUN: &[&str] = &[
    "-p",
    "--property",
    "-u",
    "--unit",
    "--description",
    "--slice",
    "-E",
    "--setenv",
    "--uid",
    "--gid",
    "--nice",
    "--working-directory",
    "-M",
    "--machine",
    "-H",
    "--host",
    "-C",
    "--capsule",
    "--on-active",
    "--on-boot",
    "--on-startup",
    "--on-unit-active",
    "--on-unit-inactive",
    "--on-calendar",
    "--timer-property",
    "--path-property",
    "--socket-property",
    "--service-type",
    "--background",
    "--job-mode",
];

fn systemd_run(words: &[&str]) -> Asked {
    let mut asked = Asked { manager: "systemd", verb: "run".to_owned(), ..Asked::default() };
    let mut line = Line { words };
    while let Some(item) = line.next(|option| SYSTEMD_RUN.contains(&option)) {
        match item {
            Item::Words(words) => asked.what = words.join(" "),
            Item::Option("-u" | "--unit", Some(name)) => asked.unit = Some(name.to_owned()),
            Item::Option("--user", _) => asked.options.push("user"),
            Item::Option("--scope", _) => asked.options.push("scope"),
            Item::Option(option, _) if option.starts_with("--on-") => push(&mut asked.options, "timer"),
            Item::Option(..) => {}
        }
    }
    asked
}

fn systemctl(words: &[&str]) -> Option<Asked> {
    const VERBS: &[&str] = &[
        "start",
        "restart",
        "reload-or-restart",
        "try-restart",
        "enable",
        "reenable",
        "link",
        "edit",
        "preset",
        "set-property",
        "set-environment",
        "import-environment",
        "daemon-reload",
        "daemon-reexec",
        "isolate",
        "unmask",
        "add-wants",
        "add-requires",
        "set-default",
    ];
    const VALUES: &[&str] = &[
        "-H",
        "--host",
        "-M",
        "--machine",
        "-t",
        "--type",
        "-p",
        "--property",
        "-n",
        "--lines",
        "-o",
        "--root",
        "-s",
    ];
    verb_of("systemd", words, VALUES, VERBS)
}

fn machinectl(words: &[&str]) -> Option<Asked> {
    let verbs = &["shell", "login", "start", "enable", "import-tar", "pull-tar"];
    verb_of("machined", words, &["-M", "--machine", "-H", "--host", "--uid", "-E", "--setenv"], verbs)
}

/// `[OPTION…] VERB WHAT…` with one of these verbs, wherever options stand.
fn verb_of(manager: &'static str, words: &[&str], values: &[&str], verbs: &[&str]) -> Option<Asked> {
    let mut asked = Asked { manager, ..Asked::default() };
    let mut plain: Vec<&str> = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match *word {
            "--user" => asked.options.push("user"),
            "--now" => asked.options.push("now"),
            word if values.contains(&word) => drop(rest.next()),
            word if word.starts_with('-') => {}
            word => plain.push(word),
        }
    }
    let (verb, what) = plain.split_first()?;
    asked.verb = verbs.iter().find(|known| *known == verb).map(ToString::to_string)?;
    asked.what = what.join(" ");
    Some(asked)
}

fn dbus(words: &[&str]) -> Option<Asked> {
    let after = |names: &[&str]| {
        words.iter().enumerate().find_map(|(at, word)| {
            let (name, value) =
                word.split_once('=').map_or((*word, None), |(name, value)| (name, Some(value)));
            names.contains(&name).then(|| value.or_else(|| words.get(at + 1).copied())).flatten()
        })
    };
    let plain: Vec<&str> = words.iter().filter(|word| !word.starts_with('-')).copied().collect();
    let (service, method) = match after(&["--dest", "-d"]) {
        // gdbus names the method by an option, dbus-send by its second word.
        Some(service) => (service, after(&["--method", "-m"]).or_else(|| plain.get(1).copied())?),
        None => {
            plain.first().filter(|verb| **verb == "call")?;
            (*plain.get(1)?, *plain.get(4)?)
        }
    };
    let manager = match service {
        "org.freedesktop.systemd1" => "systemd",
        "org.freedesktop.machine1" => "machined",
        _ => "dbus",
    };
    let verb = method.rsplit('.').next().unwrap_or(method).to_owned();
    Some(Asked { manager, verb, what: plain.join(" "), ..Asked::default() })
}

fn push(options: &mut Vec<&'static str>, word: &'static str) {
    if !options.contains(&word) {
        options.push(word);
    }
}
