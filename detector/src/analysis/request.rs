//! `service_request` and `service_started`: an agent has somebody else run something.
//!
//! What systemd, a container engine, cron, at or sshd starts is a child of theirs, in a control group of its
//! own: neither ancestry nor group leads back to the agent. What leads back is the request: the command line
//! of a client, or a connection to the manager's socket by a program that is no known client. The new control
//! group that appears within [`SOON`] is tied to it: by its name, where one was asked for, else by time.
//!
//! What slips past: jobs of cron and at get no control group of their own; a manager that is reached through
//! a socket that is not below `/run`; sshd without logind.

use std::collections::VecDeque;

use serde_json::Value;

use super::kept::Kept;
use super::{Around, Moment, Observation, program};
use crate::event::{
    AgentId, CgroupChange, Event, EventKind, Exec, Flow, Nanos, OperationCode, ProcessId, Protocol,
    is_loopback,
};
use crate::network::{Application, Recognised, Role};
use crate::process::container;

mod asked;

use asked::{Asked, asked};

/// How long after a request what it started appears.
const SOON: u64 = 10_000_000_000;

/// Most processes whose requests are remembered, so that each is told of once.
const MAX_TOLD: usize = 4_096;

/// Most requests that wait for a control group.
const MAX_OPEN: usize = 256;

/// Most characters of what is asked for.
const WHAT: usize = 300;

/// Clients whose command line says what they want; what they say over the socket is no news.
const CLIENTS: &[&str] = &[
    "systemctl",
    "systemd-run",
    "loginctl",
    "hostnamectl",
    "timedatectl",
    "localectl",
    "journalctl",
    "machinectl",
    "networkctl",
    "resolvectl",
    "busctl",
    "gdbus",
    "dbus-send",
    "dbus-monitor",
    "docker",
    "docker-compose",
    "docker-buildx",
    "podman",
    "nerdctl",
    "ctr",
    "crictl",
    "kubectl",
];

/// Where such a client lies.
const INSTALLED: &[&str] = &["/usr/", "/bin/", "/sbin/", "/opt/", "/snap/"];

/// Requests of agents.
#[derive(Debug)]
pub(super) struct Request {
    told: Kept<(ProcessId, &'static str), ()>,
    /// Clients of SSH that are connected: what they connect to next is for somebody else, through a tunnel.
    dialled: Kept<ProcessId, ()>,
    open: VecDeque<Open>,
}

/// A request whose effect has not appeared.
#[derive(Debug)]
struct Open {
    since: Nanos,
    process: ProcessId,
    agent: AgentId,
    manager: &'static str,
    unit: Option<String>,
    what: String,
}

impl Default for Request {
    fn default() -> Self {
        Self { told: Kept::new(MAX_TOLD), dialled: Kept::new(MAX_TOLD), open: VecDeque::new() }
    }
}

impl Request {
    pub(super) fn event(&mut self, around: Around<'_>, event: &Event, out: &mut Vec<Observation>) {
        match &event.kind {
            EventKind::Exec(exec) => {
                if let Some(asked) = asked(exec) {
                    out.extend(self.tell(around, Moment::of(event), event.process, "command", asked));
                }
            }
            EventKind::Operation(operation) if operation.code == OperationCode::UnixConnect => {
                let path = operation.path.as_deref().unwrap_or_default();
                let known = around.table.get(event.process).and_then(|process| process.exec.as_deref());
                if let Some(manager) = behind(path)
                    && !known.is_some_and(is_client)
                {
                    let asked = Asked {
                        manager,
                        verb: "connect".to_owned(),
                        what: path.to_owned(),
                        ..Asked::default()
                    };
                    out.extend(self.tell(around, Moment::of(event), event.process, "socket", asked));
                }
            }
            EventKind::ConnectResult(result) if result.errno == 0 => {
                let exec = around.table.get(event.process).and_then(|process| process.exec.as_deref());
                if exec.is_some_and(program::is_ssh) {
                    out.extend(self.ssh(around, Moment::of(event), event.process, &result.flow));
                }
            }
            EventKind::CgroupCreate(change) if event.agent == AgentId::NONE => {
                out.extend(self.started(around, event, change));
            }
            EventKind::Operation(_)
            | EventKind::ConnectResult(_)
            | EventKind::CgroupCreate(_)
            | EventKind::Fork(_)
            | EventKind::Exit(_)
            | EventKind::Connect(_)
            | EventKind::Payload(_)
            | EventKind::FlowStats(_)
            | EventKind::Send(_)
            | EventKind::Bind(_)
            | EventKind::Listen(_)
            | EventKind::File(_)
            | EventKind::Setsid
            | EventKind::CgroupMove(_)
            | EventKind::CgroupRemove(_)
            | EventKind::Lost(_) => {}
        }
    }

    /// A client that goes by another name than ssh speaks it all the same.
    pub(super) fn recognised(
        &mut self,
        around: Around<'_>,
        recognised: &Recognised,
        out: &mut Vec<Observation>,
    ) {
        let exec = around.table.get(recognised.process).and_then(|process| process.exec.as_deref());
        let is_client = recognised.application == Application::Ssh && recognised.role == Role::Client;
        if is_client && !exec.is_some_and(program::is_ssh) {
            out.extend(self.ssh(around, Moment::spoken(recognised), recognised.process, &recognised.flow));
        }
    }

    fn ssh(
        &mut self,
        around: Around<'_>,
        moment: Moment,
        process: ProcessId,
        flow: &Flow,
    ) -> Option<Observation> {
        // One that goes to the background is a child of the one that connected.
        let above = around.table.get(process).and_then(|process| process.parent);
        let again = [Some(process), above].into_iter().flatten().any(|id| self.dialled.get(&id).is_some());
        self.dialled.insert(process, ());
        let here =
            is_loopback(flow.remote.ip()) || flow.local.is_some_and(|local| local.ip() == flow.remote.ip());
        if again || !here || !flow.initiated || flow.protocol != Protocol::Tcp || flow.remote.port() != 22 {
            return None;
        }
        let known = around.table.get(process).and_then(|process| process.exec.as_deref());
        let what = known.map(Exec::command_line).unwrap_or_default();
        let asked = Asked { manager: "sshd", verb: "login".to_owned(), what, ..Asked::default() };
        self.tell(around, moment, process, "flow", asked)
    }

    fn tell(
        &mut self,
        around: Around<'_>,
        moment: Moment,
        process: ProcessId,
        via: &'static str,
        asked: Asked,
    ) -> Option<Observation> {
        let Asked { manager, verb, what, options, unit } = asked;
        let known = around.table.get(process).filter(|process| process.agent != AgentId::NONE)?;
        if via != "command" && self.told.get(&(process, manager)).is_some() {
            return None;
        }
        self.told.insert((process, manager), ());
        let what: String = what.chars().take(WHAT).collect();
        if self.open.len() >= MAX_OPEN {
            self.open.pop_front();
        }
        let (agent, since) = (known.agent, moment.time);
        self.open.push_back(Open { since, process, agent, manager, unit: unit.clone(), what: what.clone() });
        let notable = if options.is_empty() { String::new() } else { format!(" ({})", options.join(", ")) };
        let text = format!("asks {manager} to {verb}{notable}: {what}");
        let mut fields = vec![
            ("RequestManager", Value::from(manager)),
            ("RequestVia", Value::from(via)),
            ("RequestVerb", Value::from(verb)),
            ("RequestCommand", Value::from(what)),
            ("RequestOptions", Value::from(options)),
        ];
        fields.extend(unit.map(|unit| ("RequestUnit", Value::from(unit))));
        Some(moment.observation(around, process, "service_request", text, fields))
    }

    /// The newest request that a control group outside of every agent may come from.
    fn started(&mut self, around: Around<'_>, event: &Event, change: &CgroupChange) -> Option<Observation> {
        while self.open.front().is_some_and(|open| event.time.since(open.since) > SOON) {
            self.open.pop_front();
        }
        if self.open.is_empty() {
            return None;
        }
        let leaf = program::basename(&change.path);
        let named = |open: &Open| {
            open.unit.as_deref().is_some_and(|unit| {
                leaf.strip_prefix(unit).is_some_and(|rest| ["", ".service", ".scope"].contains(&rest))
            })
        };
        let by_name = self.open.iter().rposition(named);
        let by_time = || {
            let manager = maker(&change.path)?;
            self.open.iter().rposition(|open| open.unit.is_none() && manager.contains(&open.manager))
        };
        let at = by_name.or_else(by_time)?;
        let open = self.open.remove(at)?;
        let tie = if by_name.is_some() { "name" } else { "time" };
        let Open { process, agent, manager, what, .. } = open;
        let text = format!(
            "had {manager} start something outside of its agent, in {} (tied by {tie}): {what}",
            change.path
        );
        let fields = vec![
            ("RequestManager", Value::from(manager)),
            ("RequestCommand", Value::from(what)),
            ("StartedCgroup", Value::from(&*change.path)),
            ("StartedTie", Value::from(tie)),
        ];
        let moment = Moment { agent, ..Moment::of(event) };
        Some(moment.observation(around, process, "service_started", text, fields))
    }

    pub(super) fn dropped(&self) -> u64 {
        // What was told long ago may be told again, no more: that is no loss.
        0
    }
}

/// Who listens at a socket.
fn behind(path: &str) -> Option<&'static str> {
    let is = |end: &str| path.ends_with(end);
    Some(if is("/systemd/private") {
        "systemd"
    } else if is("/docker.sock") {
        "docker"
    } else if is("/containerd.sock") {
        "containerd"
    } else if is("/crio.sock") {
        "cri-o"
    } else if is("/podman.sock") {
        "podman"
    } else if is("/dbus/system_bus_socket") || (path.starts_with("/run/user/") && is("/bus")) {
        "dbus"
    } else {
        return None;
    })
}

fn is_client(exec: &Exec) -> bool {
    CLIENTS.contains(&program::basename(&exec.exe))
        && INSTALLED.iter().any(|place| exec.exe.starts_with(place))
        && exec.written.is_none()
}

/// Which managers make a control group of this name.
fn maker(path: &str) -> Option<&'static [&'static str]> {
    let leaf = program::basename(path);
    if leaf.starts_with("run-") && (leaf.ends_with(".service") || leaf.ends_with(".scope")) {
        return Some(&["systemd", "dbus"]);
    }
    if leaf.starts_with("session-") && leaf.ends_with(".scope") {
        return Some(&["sshd", "machined"]);
    }
    let found = container::of(path)?;
    if found.pod.is_some() {
        return Some(&["kubernetes", "cri-o", "containerd"]);
    }
    if found.id.is_some() {
        return Some(&["docker", "podman", "containerd", "cri-o", "machined"]);
    }
    // A unit that was there before, started again: what was asked for names it.
    leaf.ends_with(".service").then_some(&["systemd", "dbus"])
}

#[cfg(test)]
#[path = "request/tests.rs"]
mod tests;
