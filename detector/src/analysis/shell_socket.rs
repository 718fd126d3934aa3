//! `shell_on_socket`: a shell opened a connection by its own hand and takes or gives more than a knock.
//!
//! `bash </dev/tcp/db/5432` waits for a service and is everyday work. A shell that runs programs whose
//! output is the socket (`descriptors`), or that keeps a connection for more than [`KEPT`] on which
//! somebody speaks to it (`received`), is not waiting. One descriptor alone does not count: `cat <&3`
//! is how scripts fetch a page without curl. A shell that *begins* on a socket needs no analysis;
//! its exec says so.

use std::collections::VecDeque;
use std::net::SocketAddr;

use serde_json::Value;

use super::kept::Kept;
use super::{Around, Moment, Observation, program};
use crate::event::{Direction, Event, EventKind, Exec, Flow, Nanos, ProcessId, Protocol, is_loopback};

/// How long a shell must keep a connection that speaks to it.
const KEPT: u64 = 5_000_000_000;

/// Most connections of shells that are followed.
const MAX_FLOWS: usize = 4_096;

/// How far above a program its shell may stand: subshells lie between.
const GENERATIONS: usize = 4;

/// Connections that shells opened.
#[derive(Debug)]
pub(super) struct ShellSocket {
    flows: Kept<u64, Open>,
    /// Shells and their newest connection.
    shells: Kept<ProcessId, u64>,
    /// Connections by the time they were asked for, oldest first, until they are [`KEPT`].
    young: VecDeque<(Nanos, u64)>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    shell: ProcessId,
    remote: SocketAddr,
    since: Nanos,
    received: bool,
    told: bool,
}

impl Default for ShellSocket {
    fn default() -> Self {
        Self { flows: Kept::new(MAX_FLOWS), shells: Kept::new(MAX_FLOWS), young: VecDeque::new() }
    }
}

impl ShellSocket {
    pub(super) fn event(&mut self, around: Around<'_>, event: &Event, out: &mut Vec<Observation>) {
        match &event.kind {
            EventKind::Connect(flow) => self.connect(around, event, flow),
            EventKind::ConnectResult(result) if result.errno != 0 => {
                self.flows.remove(&result.flow.cookie);
            }
            EventKind::Payload(payload) if payload.direction == Direction::In && payload.total > 0 => {
                self.received(around, event, payload.flow.cookie, out);
            }
            EventKind::FlowStats(stats) => {
                let cookie = stats.flow.cookie;
                if stats.received.bytes > 0 && !stats.closed {
                    self.received(around, event, cookie, out);
                }
                if stats.closed {
                    self.flows.remove(&cookie);
                }
            }
            EventKind::Exec(exec) => out.extend(self.child(around, event, exec)),
            EventKind::Exit(_) => {
                self.shells.remove(&event.process);
            }
            EventKind::ConnectResult(_)
            | EventKind::Payload(_)
            | EventKind::Fork(_)
            | EventKind::Send(_)
            | EventKind::Bind(_)
            | EventKind::Listen(_)
            | EventKind::File(_)
            | EventKind::Operation(_)
            | EventKind::Setsid
            | EventKind::CgroupMove(_)
            | EventKind::CgroupCreate(_)
            | EventKind::CgroupRemove(_)
            | EventKind::Lost(_) => {}
        }
    }

    pub(super) fn tick(&mut self, around: Around<'_>, out: &mut Vec<Observation>) {
        while let Some((since, cookie)) = self.young.front().copied() {
            if around.now.since(since) < KEPT {
                return;
            }
            self.young.pop_front();
            out.extend(self.kept(around, cookie, Moment::now(around)));
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.flows.dropped() + self.shells.dropped()
    }

    fn connect(&mut self, around: Around<'_>, event: &Event, flow: &Flow) {
        if flow.protocol != Protocol::Tcp || !flow.initiated || flow.remote.port() == 53 {
            return;
        }
        let exec = around.table.get(event.process).and_then(|process| process.exec.as_deref());
        if !exec.is_some_and(program::is_shell) {
            return;
        }
        let (shell, remote, since) = (event.process, flow.remote, event.time);
        self.flows.insert(flow.cookie, Open { shell, remote, since, received: false, told: false });
        self.shells.insert(shell, flow.cookie);
        self.young.push_back((since, flow.cookie));
        if self.young.len() > 2 * MAX_FLOWS {
            self.young.pop_front();
        }
    }

    fn received(&mut self, around: Around<'_>, event: &Event, cookie: u64, out: &mut Vec<Observation>) {
        let Some(open) = self.flows.get_mut(&cookie) else { return };
        open.received = true;
        out.extend(self.kept(around, cookie, Moment::of(event)));
    }

    /// A connection on which somebody spoke, once it is old enough.
    fn kept(&mut self, around: Around<'_>, cookie: u64, moment: Moment) -> Option<Observation> {
        let open = self.flows.get_mut(&cookie)?;
        if open.told || !open.received || around.now.since(open.since) < KEPT {
            return None;
        }
        // `cat </dev/tcp/…`: the shell connects, then becomes another program.
        let process = around.table.get(open.shell).filter(|process| process.ended.is_none())?;
        process.exec.as_deref().filter(|exec| program::is_shell(exec))?;
        open.told = true;
        Some(observe(around, moment, *open, "received", "keeps a connection that it opened and listens to"))
    }

    /// A program whose output, or input and output, is the connection of a shell above it.
    fn child(&mut self, around: Around<'_>, event: &Event, exec: &Exec) -> Option<Observation> {
        let on_socket = |fd: u8| exec.stdio.iter().find(|socket| socket.fd == fd);
        let output = on_socket(1)?;
        let other = on_socket(0).or_else(|| on_socket(2))?;
        if output.remote != other.remote {
            return None;
        }
        let above = around.table.ancestors(event.process).take(GENERATIONS).map(|process| process.id);
        let shells = std::iter::once(event.process).chain(above);
        let cookie = shells.into_iter().find_map(|id| self.shells.get(&id).copied())?;
        let open = self.flows.get_mut(&cookie).filter(|open| open.remote == output.remote && !open.told)?;
        open.told = true;
        let text = "runs programs on a connection that it opened,";
        Some(observe(around, Moment::of(event), *open, "descriptors", text))
    }
}

fn observe(
    around: Around<'_>,
    moment: Moment,
    open: Open,
    evidence: &'static str,
    does: &str,
) -> Observation {
    let Open { shell, remote, .. } = open;
    let fields = vec![
        ("FlowRemote", Value::from(remote.to_string())),
        ("FlowPort", Value::from(remote.port())),
        ("FlowIsLoopback", Value::from(is_loopback(remote.ip()))),
        ("ShellEvidence", Value::from(evidence)),
    ];
    moment.observation(around, shell, "shell_on_socket", format!("{does} to {remote}"), fields)
}

#[cfg(test)]
mod tests {
    use super::super::world::{SECOND, World, at, field, flow};
    use super::*;
    use crate::network::Names;
    use crate::task::Ledger;

    const REMOTE: &str = "203.0.113.9:4444";

    fn shell() -> World {
        let mut world = World::new();
        world.fork(1, 2).exec(2, "/usr/bin/bash", "bash -c x").connect(2, 7, REMOTE, 0);
        world
    }

    #[test]
    fn programs_whose_output_is_the_shells_socket_are_seen() {
        let mut world = shell();
        world.fork(2, 3).fork(3, 4).exec_on(4, "/usr/bin/id", "id", &[(1, REMOTE), (2, REMOTE)]);
        world.fork(2, 5).exec_on(5, "/usr/bin/ls", "ls", &[(0, REMOTE), (1, REMOTE)]);
        let seen = world.taken();
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].process.pid, field(&seen[0], "ShellEvidence")), (2, &"descriptors".into()));
    }

    #[test]
    fn a_kept_connection_that_speaks_is_seen_however_late() {
        let mut world = shell();
        world.carried(2, 7, REMOTE, 12, false).wait(4);
        assert_eq!(world.names(), Vec::<String>::new());
        world.wait(2);
        assert_eq!(world.names(), ["shell_on_socket 2"]);
        let mut world = shell();
        world.wait(30).carried(2, 7, REMOTE, 12, false);
        assert_eq!(field(&world.taken()[0], "ShellEvidence"), "received");
        assert_eq!(world.wait(30).names(), Vec::<String>::new());
    }

    #[test]
    fn waiting_for_a_service_and_fetching_a_page_are_not_seen() {
        // Connects, gets the banner of a database, ends.
        let mut world = shell();
        world.closed(2, 7, REMOTE, 80).exit(2).wait(10);
        // Knocks until it is let in.
        world.fork(1, 3).exec(3, "/usr/bin/bash", "bash wait.sh");
        for cookie in 20..40 {
            world.connect(3, cookie, "10.0.0.2:5432", 111).wait(1);
        }
        // exec 3<>/dev/tcp/…; cat <&3
        world.fork(1, 4).exec(4, "/usr/bin/bash", "bash get.sh").connect(4, 50, REMOTE, 0);
        world.fork(4, 5).exec_on(5, "/usr/bin/cat", "cat", &[(0, REMOTE)]).exit(5).exit(4);
        // cat </dev/tcp/…: the shell becomes cat.
        world.fork(1, 6).exec(6, "/usr/bin/bash", "bash").connect(6, 51, REMOTE, 0);
        world.exec_on(6, "/usr/bin/cat", "cat", &[(0, REMOTE)]).carried(6, 51, REMOTE, 9, false).wait(10);
        // Not a shell at all.
        world.fork(1, 8).exec(8, "/usr/bin/python3", "python3").connect(8, 52, REMOTE, 0);
        world.carried(8, 52, REMOTE, 12, false).wait(10);
        assert_eq!(world.names(), Vec::<String>::new());
    }

    #[test]
    fn a_million_connections_cost_no_more_than_the_limit() {
        let mut world = shell();
        let mut analysis = ShellSocket::default();
        let names = Names::default();
        world.fork(1, 2);
        let table = std::mem::take(&mut world.table);
        let around = Around { table: &table, names: &names, tasks: &Ledger::default(), now: Nanos(SECOND) };
        for cookie in 0..1_000_000 {
            let connect = EventKind::Connect(flow(cookie, REMOTE));
            analysis.event(around, &at(SECOND, 2, connect), &mut Vec::new());
        }
        assert_eq!(analysis.flows.len(), MAX_FLOWS);
        assert!(analysis.young.len() <= 2 * MAX_FLOWS);
        assert_eq!(analysis.dropped(), 1_000_000 - MAX_FLOWS as u64);
    }
}
