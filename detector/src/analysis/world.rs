//! A small world for tests of analyses: processes, flows and a clock, joined as the pipeline joins them.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;

use super::{Analyses, Around, Measured, Observation};
use crate::event::{
    AgentId, Carried, CgroupId, Endpoint, Event, EventKind, Exec, Exit, Flow, FlowResult, FlowStats, Fork,
    Nanos, NetnsId, ProcessId, Protocol, StdioSocket, Ticks,
};
use crate::network::{Application, Fields, Names, Recognised, Role};
use crate::process::ProcessTable;
use crate::task::Ledger;

pub(super) const SECOND: u64 = 1_000_000_000;

#[derive(Default)]
pub(super) struct World {
    pub(super) table: ProcessTable,
    pub(super) analyses: Analyses,
    pub(super) names: Names,
    pub(super) tasks: Ledger,
    pub(super) seen: Vec<Observation>,
    pub(super) time: u64,
}

pub(super) fn id(pid: u32) -> ProcessId {
    ProcessId { pid, start: Ticks(u64::from(pid)) }
}

pub(super) fn flow(cookie: u64, remote: &str) -> Flow {
    Flow {
        cookie,
        protocol: Protocol::Tcp,
        remote: remote.parse().unwrap(),
        local: Some("10.0.0.1:40000".parse().unwrap()),
        v4_mapped: false,
        initiated: true,
        netns: NetnsId(1),
    }
}

pub(super) fn at(time: u64, pid: u32, kind: EventKind) -> Event {
    Event {
        time: Nanos(time),
        received: Nanos(time),
        agent: AgentId(1),
        process: id(pid),
        thread: pid,
        uid: 0,
        cgroup: CgroupId(9),
        kind,
    }
}

pub(super) fn spoken(
    time: u64,
    pid: u32,
    flow: Flow,
    application: Application,
    fields: Fields,
) -> Recognised {
    Recognised {
        time: Nanos(time),
        received: Nanos(time),
        agent: AgentId(1),
        process: id(pid),
        uid: 0,
        cgroup: CgroupId(9),
        flow,
        application,
        role: Role::Client,
        fields,
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self { time: 1_000 * SECOND, ..Self::default() }
    }

    pub(super) fn event(&mut self, pid: u32, kind: EventKind) -> &mut Self {
        self.time += 1_000_000;
        let event = at(self.time, pid, kind);
        self.table.apply(&event);
        let around =
            Around { table: &self.table, names: &self.names, tasks: &self.tasks, now: Nanos(self.time) };
        self.analyses.event(around, &event, &mut self.seen);
        self
    }

    pub(super) fn fork(&mut self, pid: u32, child: u32) -> &mut Self {
        self.event(pid, EventKind::Fork(Fork { child: id(child) }))
    }

    pub(super) fn exec(&mut self, pid: u32, exe: &str, line: &str) -> &mut Self {
        self.exec_on(pid, exe, line, &[])
    }

    /// An exec with descriptors on a socket that leads to a remote address.
    pub(super) fn exec_on(&mut self, pid: u32, exe: &str, line: &str, stdio: &[(u8, &str)]) -> &mut Self {
        let parent = self.table.get(id(pid)).and_then(|process| process.parent).unwrap_or(id(1));
        let socket = |(fd, remote): &(u8, &str)| StdioSocket {
            fd: *fd,
            remote: remote.parse().unwrap(),
            local: "10.0.0.1:40000".parse().unwrap(),
        };
        self.event(
            pid,
            EventKind::Exec(Arc::new(Exec {
                exe: exe.into(),
                argv: line.split(' ').map(Into::into).collect(),
                parent,
                stdio: stdio.iter().map(socket).collect(),
                ..Exec::default()
            })),
        )
    }

    pub(super) fn exit(&mut self, pid: u32) -> &mut Self {
        self.event(pid, EventKind::Exit(Exit { user: 0, system: 0, code: 0, signal: None }))
    }

    /// A connect that is answered; errno 0 is success.
    pub(super) fn connect(&mut self, pid: u32, cookie: u64, remote: &str, errno: u32) -> &mut Self {
        let flow = flow(cookie, remote);
        self.event(pid, EventKind::Connect(flow));
        self.event(pid, EventKind::ConnectResult(FlowResult { flow, errno }))
    }

    pub(super) fn listen(&mut self, pid: u32, local: &str) -> &mut Self {
        let local: SocketAddr = local.parse().unwrap();
        self.event(pid, EventKind::Listen(Endpoint { cookie: 0, protocol: Protocol::Tcp, local }))
    }

    pub(super) fn stats(&mut self, pid: u32, stats: FlowStats) -> &mut Self {
        self.event(pid, EventKind::FlowStats(Box::new(stats)))
    }

    /// A flow ends, having received so many bytes.
    pub(super) fn closed(&mut self, pid: u32, cookie: u64, remote: &str, received: u64) -> &mut Self {
        self.carried(pid, cookie, remote, received, true)
    }

    pub(super) fn carried(
        &mut self,
        pid: u32,
        cookie: u64,
        remote: &str,
        received: u64,
        closed: bool,
    ) -> &mut Self {
        let received = Carried { bytes: received, packets: received.min(1), ..Carried::default() };
        let flow = flow(cookie, remote);
        self.stats(pid, FlowStats { flow, closed, age: SECOND, sent: Carried::default(), received })
    }

    pub(super) fn speaks(
        &mut self,
        pid: u32,
        cookie: u64,
        remote: &str,
        application: Application,
        fields: Fields,
    ) -> &mut Self {
        self.time += 1_000_000;
        let recognised = spoken(self.time, pid, flow(cookie, remote), application, fields);
        let around =
            Around { table: &self.table, names: &self.names, tasks: &self.tasks, now: Nanos(self.time) };
        self.analyses.recognised(around, &recognised, &mut self.seen);
        self
    }

    pub(super) fn measured(&mut self, measured: &Measured) -> &mut Self {
        self.time = self.time.max(measured.time().0);
        let around =
            Around { table: &self.table, names: &self.names, tasks: &self.tasks, now: Nanos(self.time) };
        self.analyses.measured(around, measured, &mut self.seen);
        self
    }

    pub(super) fn wait(&mut self, seconds: u64) -> &mut Self {
        for _ in 0..seconds {
            self.time += SECOND;
            self.table.tick(Nanos(self.time));
            let around =
                Around { table: &self.table, names: &self.names, tasks: &self.tasks, now: Nanos(self.time) };
            self.analyses.tick(around, &mut self.seen);
        }
        self
    }

    /// What was observed since the last call, but for `daemonised`, as `name pid`.
    pub(super) fn names(&mut self) -> Vec<String> {
        let seen = self.taken();
        seen.iter().map(|seen| format!("{} {}", seen.name, seen.process.pid)).collect()
    }

    pub(super) fn taken(&mut self) -> Vec<Observation> {
        self.seen.drain(..).filter(|seen| seen.name != "daemonised").collect()
    }
}

pub(super) fn field<'a>(observation: &'a Observation, name: &str) -> &'a Value {
    observation.fields.iter().find(|(field, _)| *field == name).map_or(&Value::Null, |(_, value)| value)
}
