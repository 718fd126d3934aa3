//! What the command line of a service manager's client asks for.

use super::super::program::basename;
use crate::event::Exec;

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

/// A command line read from the left: flags with their values, then words.
struct Line<'a> {
    words: &'a [&'a str],
}

enum Item<'a> {
    /// An option and its value.
    Option(&'a str, Option<&'a str>),
    /// The first word that is no option, and everything after it.
    Words(&'a [&'a str]),
}

impl<'a> Line<'a> {
    /// The next option; those in `bare` take no value, every other one does.
    fn next(&mut self, takes_value: impl Fn(&str) -> bool) -> Option<Item<'a>> {
        let (first, rest) = self.words.split_first()?;
        if *first == "--" {
            self.words = &[];
            return Some(Item::Words(rest));
        }
        if !first.starts_with('-') || *first == "-" {
            let words = std::mem::take(&mut self.words);
            return Some(Item::Words(words));
        }
        self.words = rest;
        if let Some((name, value)) = first.split_once('=').filter(|_| first.starts_with("--")) {
            return Some(Item::Option(name, Some(value)));
        }
        if !takes_value(first) {
            return Some(Item::Option(first, None));
        }
        let value = rest.first().copied();
        self.words = rest.get(1..).unwrap_or_default();
        Some(Item::Option(first, value))
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

/// Options of `docker run` and its kin that take no value.
const BARE: &[&str] = &[
    "--detach",
    "--interactive",
    "--tty",
    "--rm",
    "--privileged",
    "--init",
    "--read-only",
    "--publish-all",
    "--no-healthcheck",
    "--oom-kill-disable",
    "--sig-proxy",
    "--disable-content-trust",
    "--quiet",
    "--replace",
    "--help",
    "--all",
    "--attach-all",
    "--build",
    "--force-recreate",
    "--no-deps",
    "--wait",
];

fn container(engine: &str, words: &[&str]) -> Option<Asked> {
    const GLOBAL: &[&str] = &[
        "-H",
        "--host",
        "-c",
        "--context",
        "--config",
        "-l",
        "--log-level",
        "--tlscacert",
        "--tlscert",
        "--tlskey",
        "-n",
        "--namespace",
        "-a",
        "--address",
        "--connection",
        "--url",
        "--root",
        "--runroot",
    ];
    let manager = match engine {
        "podman" => "podman",
        "nerdctl" => "containerd",
        _ => "docker",
    };
    let mut line = Line { words };
    let mut rest: &[&str] = loop {
        match line.next(|option| GLOBAL.contains(&option))? {
            Item::Words(words) => break words,
            Item::Option(..) => {}
        }
    };
    let group = rest.first().copied()?;
    if ["container", "compose", "service", "stack", "pod"].contains(&group) {
        rest = rest.get(1..)?;
        if group == "compose" {
            rest = rest
                .iter()
                .position(|word| ["up", "run", "start", "exec"].contains(word))
                .and_then(|at| rest.get(at..))?;
        }
    }
    let (verb, rest) = rest.split_first()?;
    if !["run", "create", "start", "exec", "up", "deploy", "update"].contains(verb) {
        return None;
    }
    let mut asked = Asked { manager, verb: (*verb).to_owned(), ..Asked::default() };
    let mut line = Line { words: rest };
    while let Some(item) = line.next(container_value) {
        match item {
            Item::Words(words) => {
                asked.what = words.join(" ");
                break;
            }
            Item::Option(option, value) => container_option(&mut asked.options, option, value),
        }
    }
    Some(asked)
}

/// Whether an option of `docker run` takes the next word: `-v`, `-itp`, `--name`, not `-d`, `-it`, `-p80:80`.
fn container_value(option: &str) -> bool {
    if option.starts_with("--") {
        return !BARE.contains(&option);
    }
    let letters = option.trim_start_matches('-');
    let flags = letters.trim_start_matches(['d', 'i', 't', 'P', 'q']);
    flags.len() == 1
}

fn container_option(options: &mut Vec<&'static str>, option: &str, value: Option<&str>) {
    let letters = option.trim_start_matches('-');
    let short = !option.starts_with("--");
    if short
        && letters.starts_with(['d', 'i', 't', 'P', 'q'])
        && letters.split(['v', 'e', 'p']).next().is_some_and(|flags| flags.contains('d'))
    {
        push(options, "detached");
    }
    // `-v/:/host`: the value is glued to its letter.
    let glued = letters.trim_start_matches(['d', 'i', 't', 'P', 'q']);
    let value = value.or_else(|| glued.get(1..).filter(|_| short)).unwrap_or_default();
    let name = if short { glued.get(..1).unwrap_or_default() } else { letters };
    match name {
        "detach" if value != "false" => push(options, "detached"),
        "privileged" if value != "false" => push(options, "privileged"),
        "pid" if value == "host" => push(options, "host_pid"),
        "net" | "network" if value == "host" => push(options, "host_network"),
        "ipc" if value == "host" => push(options, "host_ipc"),
        "userns" if value == "host" => push(options, "host_users"),
        "cgroupns" if value == "host" => push(options, "host_cgroups"),
        "cgroup-parent" => push(options, "cgroup_parent"),
        "device" => push(options, "device"),
        "restart" if !value.is_empty() && value != "no" => push(options, "restart"),
        "cap-add" if is_mighty(value) => push(options, "capabilities"),
        "security-opt" if value.contains("unconfined") => push(options, "unconfined"),
        "v" | "volume" => mounted(options, value.split(':').next().unwrap_or_default()),
        "mount" => {
            let mut parts = value.split(',').filter_map(|part| part.split_once('='));
            if let Some((_, source)) = parts.find(|(key, _)| ["source", "src"].contains(key)) {
                mounted(options, source);
            }
        }
        _ => {}
    }
}

fn is_mighty(capability: &str) -> bool {
    let name = capability.to_ascii_uppercase();
    let name = name.strip_prefix("CAP_").unwrap_or(&name);
    ["ALL", "SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "SYS_RAWIO", "DAC_READ_SEARCH", "BPF"].contains(&name)
}

/// What of the host a container is given.
fn mounted(options: &mut Vec<&'static str>, source: &str) {
    const SYSTEM: &[&str] = &[
        "/etc", "/root", "/proc", "/sys", "/dev", "/boot", "/usr", "/bin", "/sbin", "/lib", "/var", "/run",
        "/home",
    ];
    if source.ends_with(".sock")
        && ["docker", "containerd", "podman", "crio"].iter().any(|name| source.contains(name))
    {
        push(options, "engine_socket");
        return;
    }
    let path = source.trim_end_matches('/');
    if source.starts_with('/') && path.is_empty() {
        push(options, "host_root");
    } else if SYSTEM.contains(&path)
        || ["/etc/", "/root/.", "/var/spool/", "/boot/"].iter().any(|it| path.starts_with(it))
    {
        push(options, "host_system");
    }
}

fn ctr(words: &[&str]) -> Option<Asked> {
    let verb = words.iter().position(|word| ["run", "exec", "start", "create"].contains(word))?;
    let mut asked = Asked { manager: "containerd", verb: (*words.get(verb)?).to_owned(), ..Asked::default() };
    let rest = words.get(verb + 1..).unwrap_or_default();
    for (at, word) in rest.iter().enumerate() {
        match *word {
            "--privileged" => push(&mut asked.options, "privileged"),
            "--net-host" => push(&mut asked.options, "host_network"),
            "-d" | "--detach" => push(&mut asked.options, "detached"),
            "--mount" => container_option(&mut asked.options, "--mount", rest.get(at + 1).copied()),
            _ => {}
        }
    }
    asked.what = rest.iter().filter(|word| !word.starts_with('-')).copied().collect::<Vec<_>>().join(" ");
    Some(asked)
}

fn kubectl(words: &[&str]) -> Option<Asked> {
    const VALUES: &[&str] = &[
        "-n",
        "--namespace",
        "--context",
        "--kubeconfig",
        "-f",
        "--filename",
        "-l",
        "--image",
        "-c",
        "--container",
    ];
    let verbs = &["run", "create", "apply", "replace", "patch", "exec", "debug"];
    let mut asked = verb_of("kubernetes", words, VALUES, verbs)?;
    let all = words.join(" ").to_ascii_lowercase();
    if all.contains("\"privileged\":true")
        || all.contains("--privileged")
        || all.contains("--profile=sysadmin")
    {
        asked.options.push("privileged");
    }
    if all.contains("\"hostpid\":true") {
        asked.options.push("host_pid");
    }
    Some(asked)
}

fn push(options: &mut Vec<&'static str>, word: &'static str) {
    if !options.contains(&word) {
        options.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(line: &str) -> Option<Asked> {
        let argv: Vec<Box<str>> = line.split(' ').map(Into::into).collect();
        let exe = format!("/usr/bin/{}", argv[0]);
        asked(&Exec { exe: exe.into(), argv, ..Exec::default() })
    }

    fn check(text: &str, manager: &str, verb: &str, what: &str, options: &[&str]) {
        let asked = line(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!((asked.manager, &*asked.verb, &*asked.what), (manager, verb, what), "{text}");
        assert_eq!(asked.options, options, "{text}");
    }

    #[test]
    fn systemd_is_asked_to_run() {
        check("systemd-run sleep 60", "systemd", "run", "sleep 60", &[]);
        check("systemd-run --user -u x.service -p A=b -- sh -c x", "systemd", "run", "sh -c x", &["user"]);
        check("systemd-run --on-calendar=daily --on-boot 5 /x -d", "systemd", "run", "/x -d", &["timer"]);
        assert_eq!(line("systemd-run --unit=x sleep 1").unwrap().unit.as_deref(), Some("x"));
        check("systemctl --now enable x.service", "systemd", "enable", "x.service", &["now"]);
        check("systemctl start a b --user", "systemd", "start", "a b", &["user"]);
        check(
            "busctl call org.freedesktop.systemd1 /o org.freedesktop.systemd1.Manager StartUnit ss a b",
            "systemd",
            "StartUnit",
            "call org.freedesktop.systemd1 /o org.freedesktop.systemd1.Manager StartUnit ss a b",
            &[],
        );
        check(
            "dbus-send --system --dest=org.x /p org.x.I.Do string:a",
            "dbus",
            "Do",
            "/p org.x.I.Do string:a",
            &[],
        );
        check(
            "gdbus call --system --dest org.freedesktop.systemd1 --object-path /o --method a.b.StartTransientUnit",
            "systemd",
            "StartTransientUnit",
            "call org.freedesktop.systemd1 /o a.b.StartTransientUnit",
            &[],
        );
        check("machinectl shell .host /bin/sh", "machined", "shell", ".host /bin/sh", &[]);
    }

    #[test]
    fn containers_and_what_they_get_of_the_host() {
        check("docker run --rm -it alpine sh", "docker", "run", "alpine sh", &[]);
        check("docker run -d --name x -p 80:80 nginx", "docker", "run", "nginx", &["detached"]);
        check("docker run -itd nginx", "docker", "run", "nginx", &["detached"]);
        check(
            "docker -H unix:///x run -v /:/host -it alpine chroot /host",
            "docker",
            "run",
            "alpine chroot /host",
            &["host_root"],
        );
        check("docker run -v/:/host alpine", "docker", "run", "alpine", &["host_root"]);
        check(
            "docker run --privileged --pid=host --net host a",
            "docker",
            "run",
            "a",
            &["privileged", "host_pid", "host_network"],
        );
        check(
            "docker run --mount type=bind,source=/etc,target=/x a b",
            "docker",
            "run",
            "a b",
            &["host_system"],
        );
        check("docker run -v /var/run/docker.sock:/s a", "docker", "run", "a", &["engine_socket"]);
        check(
            "docker run -v /work/src:/src -e A=b -w /src node npm test",
            "docker",
            "run",
            "node npm test",
            &[],
        );
        check(
            "docker run --restart=always --cap-add SYS_ADMIN a",
            "docker",
            "run",
            "a",
            &["restart", "capabilities"],
        );
        check("docker run --privileged=false --restart no a", "docker", "run", "a", &[]);
        check("docker compose -f x.yml up -d", "docker", "up", "", &["detached"]);
        check("docker exec -it web sh", "docker", "exec", "web sh", &[]);
        check("podman container run a", "podman", "run", "a", &[]);
        check("nerdctl run -d a", "containerd", "run", "a", &["detached"]);
        check(
            "ctr -n x run --privileged --mount type=bind,src=/,dst=/h,options=rbind:rw img id sh",
            "containerd",
            "run",
            "type=bind,src=/,dst=/h,options=rbind:rw img id sh",
            &["privileged", "host_root"],
        );
        check(
            "kubectl -n x run p --image=a --overrides={\"spec\":{\"hostPID\":true}}",
            "kubernetes",
            "run",
            "p",
            &["host_pid"],
        );
    }

    #[test]
    fn schedules_are_requests() {
        check("at now + 1 minute", "at", "run", "now + 1 minute", &[]);
        check("crontab /tmp/x", "cron", "edit", "/tmp/x", &[]);
        check("crontab -r", "cron", "remove", "-r", &[]);
    }

    #[test]
    fn questions_are_no_requests() {
        for text in [
            "docker ps -a",
            "docker build .",
            "docker",
            "docker -v",
            "docker compose ps",
            "systemctl status x",
            "systemctl",
            "crontab -l",
            "at -l",
            "busctl list",
            "busctl",
            "dbus-send",
            "kubectl get pods",
            "machinectl list",
            "ctr images ls",
            "ls run",
        ] {
            assert_eq!(line(text), None, "{text}");
        }
    }
}
