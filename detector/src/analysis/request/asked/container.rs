//! What clients of container engines ask for, and what a container gets of the host.

use super::line::{Item, Line};
use super::{Asked, push, verb_of};

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

pub(super) fn container(engine: &str, words: &[&str]) -> Option<Asked> {
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

pub(super) fn ctr(words: &[&str]) -> Option<Asked> {
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

pub(super) fn kubectl(words: &[&str]) -> Option<Asked> {
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
