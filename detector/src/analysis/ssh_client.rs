//! `ssh_client_forwards`: a process that speaks SSH as a client carries other connections as well.
//!
//! What an SSH channel carries is encrypted, but both ends of a forwarding are plain: for `-R` the client
//! connects to a target each time that somebody comes in at the far end, for `-L` and `-D` it
//! listens. Neither the program's name nor its arguments matter. A program that has other business besides
//! (an agent with an SSH library in it) connects and listens for other reasons: `SshDedicated` says
//! whether the process had a connection of its own to anybody else before it spoke SSH.
//!
//! Not seen: `-w`, which carries packets of a network device; a remote forwarding to a Unix socket.

use std::net::SocketAddr;

use serde_json::Value;

use super::kept::Kept;
use super::{Around, Moment, Observation, program};
use crate::event::{Event, EventKind, Nanos, ProcessId, Protocol, is_loopback};
use crate::network::{Application, Recognised, Role};

/// Most processes of each kind that are remembered.
const MAX_CLIENTS: usize = 8_192;
const MAX_OTHERS: usize = 32_768;

/// Most uses of one client that are told.
const MAX_TOLD: usize = 8;

/// How long before its first word of SSH a client may have begun to listen.
const LISTENED: u64 = 60_000_000_000;

/// Ports that a client asks on its own behalf: names and Kerberos tickets.
const OWN_BUSINESS: [u16; 2] = [53, 88];

/// X11 displays, which ssh reaches at the loopback address for `-X`.
const X11: std::ops::RangeInclusive<u16> = 6_000..=6_063;

/// SSH clients, and what processes did that may turn out to be one.
#[derive(Debug)]
pub(super) struct SshClient {
    clients: Kept<ProcessId, Client>,
    others: Kept<ProcessId, Other>,
}

#[derive(Clone, Debug)]
struct Client {
    server: SocketAddr,
    banner: Option<String>,
    dedicated: bool,
    told: Vec<(&'static str, SocketAddr)>,
}

/// What a process did before it spoke SSH.
#[derive(Debug, Default)]
struct Other {
    /// The first two addresses that it was connected to.
    connected: [Option<SocketAddr>; 2],
    listens: Option<(Nanos, SocketAddr)>,
}

impl Default for SshClient {
    fn default() -> Self {
        Self { clients: Kept::new(MAX_CLIENTS), others: Kept::new(MAX_OTHERS) }
    }
}

impl SshClient {
    pub(super) fn event(&mut self, around: Around<'_>, event: &Event, out: &mut Vec<Observation>) {
        let process = event.process;
        match &event.kind {
            EventKind::Connect(flow) if flow.protocol == Protocol::Tcp && flow.initiated => {
                let exec = around.table.get(process).and_then(|process| process.exec.as_deref());
                let Some(client) = self.clients.get_mut(&process) else { return };
                if let Some(usage) = client.usage(flow.remote, exec.is_some_and(program::is_ssh)) {
                    out.extend(client.observe(around, Moment::of(event), process, usage, flow.remote));
                }
            }
            EventKind::ConnectResult(result) if result.errno == 0 && process.pid != 0 => {
                let remote = result.flow.remote;
                if self.clients.get(&process).is_some() || OWN_BUSINESS.contains(&remote.port()) {
                    return;
                }
                let Some(other) = self.others.get_or_insert_with(process, Other::default) else { return };
                if other.connected.contains(&Some(remote)) {
                    return;
                }
                if let Some(free) = other.connected.iter_mut().find(|place| place.is_none()) {
                    *free = Some(remote);
                }
            }
            EventKind::Listen(at) if at.protocol == Protocol::Tcp => {
                if let Some(client) = self.clients.get_mut(&process) {
                    out.extend(client.observe(around, Moment::of(event), process, "local", at.local));
                } else if let Some(other) = self.others.get_or_insert_with(process, Other::default) {
                    other.listens = Some((event.time, at.local));
                }
            }
            // `ssh -f` goes to the background once it is connected: its child goes on.
            EventKind::Fork(fork) => {
                if let Some(client) = self.clients.get(&process).cloned() {
                    self.clients.insert(fork.child, client);
                }
            }
            // A new program of the same pid is another client, or none.
            EventKind::Exec(_) | EventKind::Exit(_) => {
                self.clients.remove(&process);
                self.others.remove(&process);
            }
            EventKind::Connect(_)
            | EventKind::ConnectResult(_)
            | EventKind::Listen(_)
            | EventKind::Payload(_)
            | EventKind::FlowStats(_)
            | EventKind::Send(_)
            | EventKind::Bind(_)
            | EventKind::File(_)
            | EventKind::Operation(_)
            | EventKind::Setsid
            | EventKind::CgroupMove(_)
            | EventKind::CgroupCreate(_)
            | EventKind::CgroupRemove(_)
            | EventKind::Lost(_) => {}
        }
    }

    pub(super) fn recognised(
        &mut self,
        around: Around<'_>,
        recognised: &Recognised,
        out: &mut Vec<Observation>,
    ) {
        let Recognised { application, role, flow, process, .. } = recognised;
        if *application != Application::Ssh || *role != Role::Client || !flow.initiated || process.pid == 0 {
            return;
        }
        // A second session, or what a remote forwarding carries, which may be SSH as well.
        if self.clients.get(process).is_some() {
            return;
        }
        let other = self.others.remove(process).unwrap_or_default();
        let server = flow.remote;
        let banner = recognised.field("SshBanner").and_then(Value::as_str).map(str::to_owned);
        let dedicated = other.connected.iter().flatten().all(|remote| *remote == server);
        let mut client = Client { server, banner, dedicated, told: Vec::new() };
        if let Some((since, local)) = other.listens
            && recognised.time.since(since) <= LISTENED
        {
            out.extend(client.observe(around, Moment::spoken(recognised), *process, "local", local));
        }
        self.clients.insert(*process, client);
    }

    pub(super) fn dropped(&self) -> u64 {
        self.clients.dropped() + self.others.dropped()
    }
}

impl Client {
    /// What a connect of the client is for; `None` where it is no forwarding.
    fn usage(&self, remote: SocketAddr, is_ssh: bool) -> Option<&'static str> {
        let here = is_loopback(remote.ip());
        if remote == self.server || OWN_BUSINESS.contains(&remote.port()) {
            return None;
        }
        if here && X11.contains(&remote.port()) {
            return Some("x11");
        }
        // A library of SSH goes on to the next server; the client of OpenSSH has one in its life.
        let next_server = !here && remote.port() == self.server.port() && !is_ssh;
        (!next_server).then_some("remote")
    }

    fn observe(
        &mut self,
        around: Around<'_>,
        moment: Moment,
        process: ProcessId,
        usage: &'static str,
        target: SocketAddr,
    ) -> Option<Observation> {
        if self.told.len() >= MAX_TOLD || self.told.contains(&(usage, target)) {
            return None;
        }
        self.told.push((usage, target));
        let Self { server, banner, dedicated, told: _ } = self;
        let does = if usage == "local" { "listens on" } else { "connects to" };
        let mut fields = vec![
            ("SshServer", Value::from(server.to_string())),
            ("SshForwardUse", Value::from(usage)),
            ("Target", Value::from(target.to_string())),
            ("TargetIsLoopback", Value::from(is_loopback(target.ip()))),
            ("SshDedicated", Value::from(*dedicated)),
        ];
        fields.extend(banner.as_deref().map(|banner| ("SshBanner", Value::from(banner))));
        let text = format!("speaks SSH with {server} and {does} {target}");
        Some(moment.observation(around, process, "ssh_client_forwards", text, fields))
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::{SECOND, World, at, field, flow, id, spoken};
    use super::*;
    use crate::event::FlowResult;
    use crate::network::Names;
    use crate::process::ProcessTable;
    use crate::task::Ledger;

    const SERVER: &str = "203.0.113.9:443";

    fn client(exe: &str) -> World {
        let mut world = World::new();
        world.fork(1, 2).exec(2, exe, "x").connect(2, 7, SERVER, 0);
        world.speaks(2, 7, SERVER, Application::Ssh, vec![("SshBanner", "SSH-2.0-Go".into())]);
        world
    }

    #[test]
    fn a_connect_behind_the_banner_is_a_remote_forwarding_under_any_name() {
        let mut world = client("/tmp/updater");
        world.connect(2, 8, "127.0.0.1:22", 0).connect(2, 9, "127.0.0.1:22", 0);
        let seen = world.taken();
        assert_eq!(seen.len(), 1);
        assert_eq!(field(&seen[0], "SshForwardUse"), "remote");
        assert_eq!(field(&seen[0], "SshServer"), SERVER);
        assert_eq!(field(&seen[0], "Target"), "127.0.0.1:22");
        assert_eq!(field(&seen[0], "SshBanner"), "SSH-2.0-Go");
        assert_eq!(field(&seen[0], "SshDedicated"), true);
    }

    #[test]
    fn a_listener_before_or_behind_the_banner_is_a_local_forwarding() {
        let mut world = client("/usr/bin/ssh");
        world.listen(2, "127.0.0.1:8080");
        assert_eq!(world.names(), ["ssh_client_forwards 2"]);
        let mut world = World::new();
        world.fork(1, 2).exec(2, "/tmp/a", "a").listen(2, "0.0.0.0:1080").connect(2, 7, SERVER, 0);
        world.speaks(2, 7, SERVER, Application::Ssh, Vec::new());
        assert_eq!(field(&world.taken()[0], "SshForwardUse"), "local");
    }

    #[test]
    fn a_client_that_goes_to_the_background_is_followed() {
        let mut world = client("/usr/bin/ssh");
        world.fork(2, 3).exit(2).connect(3, 8, "127.0.0.1:22", 0);
        assert_eq!(world.names(), ["ssh_client_forwards 3"]);
    }

    #[test]
    fn x11_says_so() {
        let mut world = client("/usr/bin/ssh");
        world.connect(2, 8, "127.0.0.1:6010", 0);
        assert_eq!(field(&world.taken()[0], "SshForwardUse"), "x11");
    }

    #[test]
    fn a_program_with_other_business_is_not_dedicated() {
        let mut world = World::new();
        world.fork(1, 2).exec(2, "/usr/bin/node", "node").connect(2, 6, "203.0.113.1:443", 0);
        world.connect(2, 7, SERVER, 0).speaks(2, 7, SERVER, Application::Ssh, Vec::new());
        world.connect(2, 8, "127.0.0.1:3000", 0);
        assert_eq!(field(&world.taken()[0], "SshDedicated"), false);
    }

    #[test]
    fn everyday_ssh_is_not_reported() {
        let mut world = World::new();
        world.fork(1, 2).exec(2, "/usr/bin/ssh", "ssh host");
        // The first address of two does not answer; a name is asked for by TCP.
        world.connect(2, 5, "[2001:db8::9]:22", 101).connect(2, 6, "203.0.113.53:53", 0);
        world.connect(2, 7, "203.0.113.9:22", 0);
        world.speaks(2, 7, "203.0.113.9:22", Application::Ssh, Vec::new());
        world.connect(2, 8, "203.0.113.53:53", 0).connect(2, 9, "203.0.113.9:22", 0);
        // ProxyJump is a child of its own.
        world.fork(2, 3).exec(3, "/usr/bin/ssh", "ssh -W a:22 b").connect(3, 10, "203.0.113.8:22", 0);
        // A library that goes from server to server.
        world.fork(1, 4).exec(4, "/usr/bin/python3", "python3").connect(4, 11, "10.0.0.2:22", 0);
        world.speaks(4, 11, "10.0.0.2:22", Application::Ssh, Vec::new()).connect(4, 12, "10.0.0.3:22", 0);
        // Whoever answers SSH is no client.
        assert_eq!(world.names(), Vec::<String>::new());
    }

    #[test]
    fn a_million_processes_cost_no_more_than_the_limit() {
        let mut analysis = SshClient::default();
        let (table, names) = (ProcessTable::default(), Names::default());
        let around = Around { table: &table, names: &names, tasks: &Ledger::default(), now: Nanos(SECOND) };
        let mut out = Vec::new();
        for pid in 1..=1_000_000 {
            let flow = flow(u64::from(pid), SERVER);
            let result = EventKind::ConnectResult(FlowResult { flow, errno: 0 });
            analysis.event(around, &at(SECOND, pid, result), &mut out);
            analysis.recognised(around, &spoken(SECOND, pid, flow, Application::Ssh, Vec::new()), &mut out);
            analysis.event(
                around,
                &at(SECOND, 2_000_000 + pid, EventKind::ConnectResult(FlowResult { flow, errno: 0 })),
                &mut out,
            );
        }
        assert_eq!((analysis.clients.len(), analysis.others.len()), (MAX_CLIENTS, MAX_OTHERS));
        assert!(analysis.clients.get(&id(1_000_000)).is_some());
        assert_eq!(analysis.dropped(), 2_000_000 - (MAX_CLIENTS + MAX_OTHERS) as u64);
    }
}
