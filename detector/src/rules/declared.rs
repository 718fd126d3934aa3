//! Which expectation of a task names what is judged: the whole mapping, closed.
//!
//! | task | names |
//! |---|---|
//! | `listen:PORT` | a listen or a bind of this port; a daemon that listens on declared ports alone and is connected to no public address |
//! | `egress:HOST` | a connection or a datagram to this address, or to one that DNS gave for this name or one below; DNS questions for it; TLS, HTTP and SSH spoken with it |
//! | `daemon:NAME` | a daemon of this name, from no place that programs hide in; with a slash, of this path |
//! | `gpu`, `cpu` | observations about the use of GPUs and processors, `gpu_…` and `cpu_…` |
//!
//! What a server name or a header says is no host: the process chooses it. Nothing names stratum, shells, tunnels,
//! canaries, files or operations.

use std::net::IpAddr;

use serde_json::Value;

use super::What;
use super::facts::program::basename;
use crate::analysis::Observation;
use crate::event::{EventKind, Exec, Flow};
use crate::network::{Application, Recognised};
use crate::task::{Expect, Ledger, Task};

/// Places that a daemon's name alone does not speak for.
const WRITABLE: [&str; 4] = ["/tmp/", "/var/tmp/", "/dev/shm/", "/run/shm/"];

/// Programs that run a text, which gives them their name.
const INTERPRETERS: [&str; 8] = ["python", "node", "ruby", "perl", "bun", "deno", "php", "java"];

/// A task, and what of it names the subject.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Declared<'a> {
    pub(crate) task: &'a Task,
    pub(crate) expect: &'a Expect,
}

/// The task that names what is judged.
pub(crate) fn declared<'a>(
    tasks: &'a Ledger,
    what: What<'_>,
    hostname: Option<&str>,
    exec: Option<&Exec>,
) -> Option<Declared<'a>> {
    if !tasks.is_used() {
        return None;
    }
    let find = |is_named: &dyn Fn(&Expect) -> bool| {
        let exe = exec.map_or("", |exec| &exec.exe);
        let task = tasks.declared(what.agent(), exe, is_named)?;
        let expect = task.expects.iter().find(|expect| is_named(expect))?;
        Some(Declared { task, expect })
    };
    match what {
        What::Event(event) => match &event.kind {
            EventKind::Listen(end) | EventKind::Bind(end) => {
                find(&|expect| is_port(expect, end.local.port()))
            }
            EventKind::Connect(flow) | EventKind::Send(flow) => {
                find(&|expect| is_host(expect, flow, hostname))
            }
            EventKind::Exec(_)
            | EventKind::Fork(_)
            | EventKind::Exit(_)
            | EventKind::ConnectResult(_)
            | EventKind::Payload(_)
            | EventKind::FlowStats(_)
            | EventKind::File(_)
            | EventKind::Operation(_)
            | EventKind::Setsid
            | EventKind::CgroupMove(_)
            | EventKind::CgroupCreate(_)
            | EventKind::CgroupRemove(_)
            | EventKind::Lost(_) => None,
        },
        What::Recognised(recognised) => match recognised.application {
            Application::Dns => find(&|expect| is_question(expect, recognised)),
            Application::Tls | Application::Http | Application::Ssh => {
                find(&|expect| recognised.flow.initiated && is_host(expect, &recognised.flow, hostname))
            }
            Application::Stratum
            | Application::Socks
            | Application::Noise
            | Application::Tunnel
            | Application::Canary
            | Application::Shell => None,
        },
        What::Observation(observation) if observation.name == "daemonised" => {
            let named = find(&|expect| exec.is_some_and(|exec| is_daemon(expect, exec)));
            named.or_else(|| {
                let ports = lone_ports(observation)?;
                let all = ports.iter().map(|port| find(&|expect| is_port(expect, *port)));
                all.collect::<Option<Vec<_>>>()?.first().copied()
            })
        }
        What::Observation(Observation { name, .. }) if name.starts_with("gpu_") => {
            find(&|expect| *expect == Expect::Gpu)
        }
        What::Observation(Observation { name, .. }) if name.starts_with("cpu_") => {
            find(&|expect| *expect == Expect::Cpu)
        }
        What::Observation(_) => None,
    }
}

fn is_port(expect: &Expect, port: u16) -> bool {
    matches!(expect, Expect::Listen(named) if *named == port)
}

fn is_host(expect: &Expect, flow: &Flow, hostname: Option<&str>) -> bool {
    let Expect::Egress(host) = expect else { return false };
    match host.parse::<IpAddr>() {
        Ok(address) => address == flow.remote.ip(),
        Err(_) => hostname.is_some_and(|name| is_below(name, host)),
    }
}

fn is_question(expect: &Expect, recognised: &Recognised) -> bool {
    let Expect::Egress(host) = expect else { return false };
    let asked = recognised.fields.iter().find(|(name, _)| *name == "QueryName");
    asked.and_then(|(_, value)| value.as_str()).is_some_and(|name| is_below(name, host))
}

/// Whether a name is this host or one below it.
fn is_below(name: &str, host: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name.strip_suffix(host).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether an expectation names a program that stays.
pub(crate) fn is_daemon(expect: &Expect, exec: &Exec) -> bool {
    let Expect::Daemon(name) = expect else { return false };
    if name.contains('/') {
        return *name == exec.exe || exec.script.as_deref() == Some(name);
    }
    let hides = exec.nlink == 0
        || exec.exe.contains("/.") && exec.script.is_none()
        || WRITABLE.iter().any(|place| exec.exe.starts_with(place));
    if hides {
        return false;
    }
    let own = basename(&exec.exe);
    let text = exec.argv.get(1).filter(|_| INTERPRETERS.iter().any(|prefix| own.starts_with(prefix)));
    let names = [Some(own), exec.script.as_deref().map(basename), text.map(|text| basename(text))];
    names.into_iter().flatten().any(|own| own == &**name)
}

/// The ports of a daemon that listens and is connected to no public address.
fn lone_ports(observation: &Observation) -> Option<Vec<u16>> {
    let field = |name| observation.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value);
    if field("ConnectsPublic") != Some(&Value::Bool(false)) {
        return None;
    }
    let listens = field("Listens")?.as_array()?.iter();
    let port = |listens: &Value| listens.as_str()?.rsplit_once('/')?.0.rsplit_once(':')?.1.parse().ok();
    let ports: Vec<u16> = listens.map(port).collect::<Option<_>>()?;
    (!ports.is_empty()).then_some(ports)
}

#[cfg(test)]
#[path = "declared_tests.rs"]
mod tests;
