//! Turns many events into one observation: facts that no single event carries.

use serde_json::Value;

use crate::alert::Level;
use crate::event::{
    AgentId, CgroupId, CpuSample, Event, Exec, FileText, GpuSample, Look, Nanos, ProcessId, Rounding,
};
use crate::network::{Names, Recognised};
use crate::process::{Process, ProcessTable};
use crate::rules::weights::{Form, Tables};
use crate::task::Ledger;

mod cadence;
mod cpu;
mod daemon;
mod dns_tunnel;
mod gpu;
mod kept;
mod mining;
mod new_code;
pub(crate) mod program;
mod relay;
mod request;
mod scan;
mod shell_socket;
mod ssh_client;
mod task;
mod wallet_file;
#[cfg(test)]
mod world;

use cadence::Cadence;
use cpu::Cpu;
use daemon::Daemon;
pub use daemon::ExpectedDaemon;
use dns_tunnel::DnsTunnel;
use gpu::Gpu;
use mining::Mining;
pub(crate) use mining::{Mark, Near, Signal};
use new_code::NewCode;
use relay::Relay;
use request::Request;
use scan::Scan;
use shell_socket::ShellSocket;
use ssh_client::SshClient;
use task::Meant;
pub use wallet_file::is_worth_reading;

/// The tables of numbers and weights that analyses judge by.
pub(crate) const TABLES: &[Form] = &[mining::FORM, cpu::FORM, gpu::FORM];

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
    /// What agents were meant to do.
    pub tasks: &'a Ledger,
    /// The time of the input.
    pub now: Nanos,
}

/// What the rim measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Measured {
    /// Processors.
    Cpu(CpuSample),
    /// GPUs.
    Gpu(GpuSample),
    /// A busy process.
    Look(Look),
    /// How it rounds.
    Rounding(Rounding),
}

impl Measured {
    /// When.
    pub fn time(&self) -> Nanos {
        match self {
            Self::Cpu(sample) => sample.time,
            Self::Gpu(sample) => sample.time,
            Self::Look(look) => look.time,
            Self::Rounding(rounding) => rounding.time,
        }
    }
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
    meant: Meant,
    cpu: Cpu,
    gpu: Gpu,
    mining: Mining,
    /// Kept between steps, so that a step allocates nothing.
    signals: Vec<Signal>,
}

impl Analyses {
    /// Takes an event; what it completes is appended to `out`.
    pub fn event(&mut self, around: Around<'_>, event: &Event, out: &mut Vec<Observation>) {
        let from = out.len();
        self.daemon.event(around, event, out);
        self.request.event(around, event, out);
        self.ssh_client.event(around, event, out);
        self.scan.event(around, event, out);
        self.cadence.event(around, event, out);
        self.shell_socket.event(around, event, out);
        self.relay.event(around, event, out);
        self.new_code.event(around, event, out);
        self.meant.event(around, event);
        self.cpu.event(around, event, &mut self.signals);
        self.gpu.event(event);
        self.mining.event(event, &mut self.signals);
        self.weigh(around, from, out);
    }

    /// Takes what the rim measured.
    pub fn measured(&mut self, around: Around<'_>, measured: &Measured, out: &mut Vec<Observation>) {
        let from = out.len();
        match measured {
            Measured::Cpu(sample) => {
                self.daemon.computes(around, sample, out);
                self.cpu.sample(around, sample, &mut self.signals, out);
            }
            Measured::Gpu(sample) => self.gpu.sample(around, sample, &mut self.signals, out),
            Measured::Look(_) | Measured::Rounding(_) => {}
        }
        self.mining.measured(measured, &mut self.signals);
        self.weigh(around, from, out);
    }

    /// Takes what other analyses saw, from `from` on, and the signals; gives what follows from them together.
    fn weigh(&mut self, around: Around<'_>, from: usize, out: &mut Vec<Observation>) {
        for observation in out.get(from..).unwrap_or_default() {
            self.mining.observed(observation, &mut self.signals);
        }
        if !self.signals.is_empty() {
            self.mining.signals(around, self.signals.drain(..).map(|signal| (signal, None)), out);
        }
    }

    /// Takes what rules that matched say for mining, each with the level of its alert.
    pub(crate) fn marked(
        &mut self,
        around: Around<'_>,
        marked: impl Iterator<Item = (Signal, Option<Level>)>,
        out: &mut Vec<Observation>,
    ) {
        self.mining.signals(around, marked, out);
    }

    /// Takes the numbers and weights to judge by from now on.
    pub fn set_tables(&mut self, tables: &Tables) {
        self.mining.set_table(tables);
        self.cpu.set_table(tables);
        self.gpu.set_table(tables);
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
        let from = out.len();
        self.ssh_client.recognised(around, recognised, out);
        self.cadence.recognised(recognised);
        self.dns_tunnel.recognised(around, recognised, out);
        self.relay.recognised(around, recognised);
        self.request.recognised(around, recognised, out);
        self.mining.recognised(recognised);
        self.weigh(around, from, out);
    }

    /// Takes what a small file held after it was written.
    pub fn file_text(&mut self, around: Around<'_>, text: &FileText, out: &mut Vec<Observation>) {
        let from = out.len();
        wallet_file::file_text(around, text, out);
        self.weigh(around, from, out);
    }

    /// Lets time pass.
    pub fn tick(&mut self, around: Around<'_>, out: &mut Vec<Observation>) {
        let from = out.len();
        self.daemon.tick(around, out);
        self.shell_socket.tick(around, out);
        self.relay.tick(around, out);
        self.meant.tick(around, out);
        self.gpu.tick(around);
        self.mining.tick(around, out);
        self.weigh(around, from, out);
    }

    /// The process of an agent that wrote what this executes, if one did.
    pub(crate) fn writer(&self, exec: &Exec) -> Option<ProcessId> {
        self.new_code.writer(exec)
    }

    /// What came near a verdict on mining since it was asked for last.
    pub(crate) fn near(&mut self) -> std::vec::Drain<'_, Near> {
        self.mining.near()
    }

    /// Things that were not followed because too many were.
    pub fn dropped(&self) -> u64 {
        self.daemon.dropped()
            + self.ssh_client.dropped()
            + self.scan.dropped()
            + self.cadence.dropped()
            + self.dns_tunnel.dropped()
            + self.shell_socket.dropped()
            + self.relay.dropped()
            + self.new_code.dropped()
            + self.request.dropped()
            + self.meant.dropped()
            + self.cpu.dropped()
            + self.gpu.dropped()
            + self.mining.dropped()
    }
}
