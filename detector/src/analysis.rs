//! Turns many events into one observation: facts that no single event carries.

use serde_json::Value;

use crate::event::{AgentId, CgroupId, Event, FileText, Nanos, ProcessId};
use crate::network::{Names, Recognised};
use crate::process::{Process, ProcessTable};

mod cadence;
mod daemon;
mod dns_tunnel;
mod kept;
mod new_code;
mod program;
mod relay;
mod request;
mod scan;
mod shell_socket;
mod ssh_client;
mod wallet_file;
#[cfg(test)]
mod world;

use cadence::Cadence;
use daemon::Daemon;
pub use daemon::ExpectedDaemon;
use dns_tunnel::DnsTunnel;
use new_code::NewCode;
use relay::Relay;
use request::Request;
use scan::Scan;
use shell_socket::ShellSocket;
use ssh_client::SshClient;
pub use wallet_file::is_worth_reading;

/// A fact about a process that took more than one event to see.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// When the decisive event happened.
    pub time: Nanos,
    /// When userspace took that event from the ring.
    pub received: Nanos,
    /// Agent of the process.
    pub agent: AgentId,
    /// The process that the fact is about.
    pub process: ProcessId,
    /// Its control group.
    pub cgroup: CgroupId,
    /// Name that rules match as `Observation`, such as `daemonised`.
    pub name: &'static str,
    /// The fact as a sentence.
    pub text: String,
    /// Further fields for rules and evidence.
    pub fields: Vec<(&'static str, Value)>,
}

/// What an analysis may ask beside what it is told.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The processes; they know the event already.
    pub table: &'a ProcessTable,
    /// Names of addresses.
    pub names: &'a Names,
    /// The time of the input.
    pub now: Nanos,
}

/// The decisive moment of an observation.
#[derive(Clone, Copy, Debug)]
struct Moment {
    time: Nanos,
    received: Nanos,
    /// Where it happened; what is known of the process itself is preferred.
    agent: AgentId,
    cgroup: CgroupId,
}

impl Moment {
    fn of(event: &Event) -> Self {
        let Event { time, received, agent, cgroup, .. } = *event;
        Self { time, received, agent, cgroup }
    }

    fn spoken(recognised: &Recognised) -> Self {
        let Recognised { time, received, agent, cgroup, .. } = *recognised;
        Self { time, received, agent, cgroup }
    }

    fn now(around: Around<'_>) -> Self {
        Self { time: around.now, received: around.now, agent: AgentId::NONE, cgroup: CgroupId(0) }
    }

    fn observation(
        self,
        around: Around<'_>,
        process: ProcessId,
        name: &'static str,
        text: String,
        fields: Vec<(&'static str, Value)>,
    ) -> Observation {
        let known = around.table.get(process);
        Observation {
            time: self.time,
            received: self.received,
            agent: known.map_or(self.agent, |process| process.agent),
            process,
            cgroup: known.map_or(self.cgroup, |process| process.cgroup),
            name,
            text,
            fields,
        }
    }
}

impl Recognised {
    /// What the parser found under this name.
    fn field(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }
}

/// Every analysis, in the order that they are asked.
#[derive(Debug, Default)]
pub struct Analyses {
    daemon: Daemon,
    ssh_client: SshClient,
    scan: Scan,
    cadence: Cadence,
    dns_tunnel: DnsTunnel,
    shell_socket: ShellSocket,
    relay: Relay,
    new_code: NewCode,
    request: Request,
}

impl Analyses {
    /// Takes an event; what it completes is appended to `out`.
    pub fn event(&mut self, around: Around<'_>, event: &Event, out: &mut Vec<Observation>) {
        let Self { daemon, ssh_client, scan, cadence, dns_tunnel: _, shell_socket, relay, new_code, request } =
            self;
        daemon.event(around, event, out);
        request.event(around, event, out);
        ssh_client.event(around, event, out);
        scan.event(around, event, out);
        cadence.event(around, event, out);
        shell_socket.event(around, event, out);
        relay.event(around, event, out);
        new_code.event(around, event, out);
    }

    /// Takes a process that was there before; the table knows it already.
    pub fn seeded(&mut self, table: &ProcessTable, process: &Process) {
        self.daemon.seeded(table, process);
    }

    /// Takes what the operator expects agents to leave running, in place of what was said before.
    pub fn expect_daemons(&mut self, entries: &[String]) {
        self.daemon.declare(entries);
    }

    /// Takes what the bytes of a flow turned out to be.
    pub fn recognised(&mut self, around: Around<'_>, recognised: &Recognised, out: &mut Vec<Observation>) {
        let Self {
            daemon: _,
            ssh_client,
            scan: _,
            cadence,
            dns_tunnel,
            shell_socket: _,
            relay,
            new_code: _,
            request,
        } = self;
        ssh_client.recognised(around, recognised, out);
        cadence.recognised(recognised);
        dns_tunnel.recognised(around, recognised, out);
        relay.recognised(around, recognised);
        request.recognised(around, recognised, out);
    }

    /// Takes what a small file held after it was written.
    pub fn file_text(&mut self, around: Around<'_>, text: &FileText, out: &mut Vec<Observation>) {
        wallet_file::file_text(around, text, out);
    }

    /// Lets time pass.
    pub fn tick(&mut self, around: Around<'_>, out: &mut Vec<Observation>) {
        let Self {
            daemon,
            ssh_client: _,
            scan: _,
            cadence: _,
            dns_tunnel: _,
            shell_socket,
            relay,
            new_code: _,
            request: _,
        } = self;
        daemon.tick(around, out);
        shell_socket.tick(around, out);
        relay.tick(around, out);
    }

    /// Things that were not followed because too many were.
    pub fn dropped(&self) -> u64 {
        let Self { daemon, ssh_client, scan, cadence, dns_tunnel, shell_socket, relay, new_code, request } =
            self;
        daemon.dropped()
            + ssh_client.dropped()
            + scan.dropped()
            + cadence.dropped()
            + dns_tunnel.dropped()
            + shell_socket.dropped()
            + relay.dropped()
            + new_code.dropped()
            + request.dropped()
    }
}
