//! `internal_scan`: a process tree knocks at many doors of the networks that are not public.
//!
//! Counted are TCP connects to private, link-local and loopback addresses, each address and port once in
//! the window of [`WINDOW`]. Software that works together also meets many doors, but is let in: where
//! all of the ports are high and (nearly) all connects succeed, far more of them are needed, and what
//! answers on the loopback address never counts. Datagrams are not counted: most get no answer even
//! from a service that is there.

use std::net::{IpAddr, SocketAddr};

use hashbrown::HashSet;
use serde_json::Value;

use super::kept::Kept;
use super::{Around, Moment, Observation};
use crate::event::{Event, EventKind, Nanos, ProcessId, Protocol, is_loopback, is_private};

/// How long a target counts.
const WINDOW: u64 = 60_000_000_000;

/// A connect without an answer for so long counts as refused: scanners do not wait.
const UNANSWERED: u64 = 3_000_000_000;

/// Silence after a report, so that one scan is told once.
const QUIET: u64 = 60_000_000_000;

/// Most trees, and most targets of one.
const MAX_TREES: usize = 4_096;
const MAX_TARGETS: usize = 256;

/// Hosts asked at one port.
const HOSTS: usize = 20;
/// The same, where every port is high and nearly all answer: a cluster at work.
const HOSTS_LET_IN: usize = 64;
/// Ports of one host.
const PORTS: usize = 30;
/// The same, where every port is high and nearly all answer.
const PORTS_LET_IN: usize = 128;
/// Targets that mostly refuse.
const REFUSING: usize = 15;
/// Targets here that refuse.
const REFUSED_HERE: usize = 50;

/// Process trees and where they lately connected to.
#[derive(Debug)]
pub(super) struct Scan {
    trees: Kept<ProcessId, Tree>,
}

#[derive(Debug, Default)]
struct Tree {
    targets: Vec<Target>,
    quiet: Option<Nanos>,
    /// Targets beyond the limit, which are not told apart.
    beyond: u64,
}

#[derive(Clone, Copy, Debug)]
struct Target {
    at: SocketAddr,
    since: Nanos,
    answer: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Awaited,
    Yes,
    No,
}

impl Default for Scan {
    fn default() -> Self {
        Self { trees: Kept::new(MAX_TREES) }
    }
}

impl Scan {
    pub(super) fn event(&mut self, around: Around<'_>, event: &Event, out: &mut Vec<Observation>) {
        let (flow, answer) = match &event.kind {
            EventKind::Connect(flow) => (flow, Answer::Awaited),
            EventKind::ConnectResult(result) if result.errno == 0 => (&result.flow, Answer::Yes),
            EventKind::ConnectResult(result) => (&result.flow, Answer::No),
            EventKind::Exec(_)
            | EventKind::Fork(_)
            | EventKind::Exit(_)
            | EventKind::Payload(_)
            | EventKind::FlowStats(_)
            | EventKind::Send(_)
            | EventKind::Bind(_)
            | EventKind::Listen(_)
            | EventKind::File(_)
            | EventKind::Operation(_)
            | EventKind::Setsid
            | EventKind::CgroupMove(_)
            | EventKind::CgroupCreate(_)
            | EventKind::CgroupRemove(_)
            | EventKind::Lost(_) => return,
        };
        let ip = flow.remote.ip();
        let inside = is_loopback(ip) || is_private(ip);
        if flow.protocol != Protocol::Tcp || !flow.initiated || event.process.pid == 0 || !inside {
            return;
        }
        let root = around.table.root(event.process);
        let Some(tree) = self.trees.get_or_insert_with(root, Tree::default) else { return };
        tree.note(flow.remote, answer, event.time);
        if tree.quiet.is_some_and(|until| event.time < until) {
            return;
        }
        let Some(found) = tree.found(event.time) else { return };
        tree.quiet = Some(Nanos(event.time.0.saturating_add(QUIET)));
        out.push(found.observation(around, event));
    }

    pub(super) fn dropped(&self) -> u64 {
        self.trees.dropped()
    }
}

impl Tree {
    fn note(&mut self, at: SocketAddr, answer: Answer, now: Nanos) {
        if let Some(known) = self.targets.iter_mut().find(|target| target.at == at) {
            if answer != Answer::Awaited {
                known.answer = answer;
            }
            return;
        }
        if self.targets.len() >= MAX_TARGETS {
            self.targets.retain(|target| now.since(target.since) < WINDOW);
        }
        if self.targets.len() >= MAX_TARGETS {
            self.beyond = self.beyond.saturating_add(1);
            return;
        }
        self.targets.push(Target { at, since: now, answer });
    }

    fn found(&mut self, now: Nanos) -> Option<Found> {
        // The thresholds begin here: most trees are done with this comparison.
        if self.targets.len() < REFUSING {
            return None;
        }
        self.targets.retain(|target| now.since(target.since) < WINDOW);
        let refused = |target: &&Target| target.refused(now);
        let (here, away): (Vec<Target>, Vec<Target>) =
            self.targets.iter().partition(|target| is_loopback(target.at.ip()));
        let here: Vec<Target> = here.iter().filter(refused).copied().collect();
        let no = away.iter().filter(refused).count();
        let let_in = no * 4 < away.len() && away.iter().all(|target| target.at.port() >= 1_024);
        let (hosts_at_port, ports_of_host) = (widest_port(&away), widest_host(&away));
        let kind = if hosts_at_port >= if let_in { HOSTS_LET_IN } else { HOSTS } {
            "hosts"
        } else if ports_of_host >= if let_in { PORTS_LET_IN } else { PORTS } {
            "ports"
        } else if away.len() >= REFUSING && no * 10 >= away.len() * 7 {
            if hosts_at_port > ports_of_host { "hosts" } else { "ports" }
        } else if here.len() >= REFUSED_HERE {
            return Some(Found::of(kind_here(&here), here, now));
        } else {
            return None;
        };
        Some(Found::of(kind, away, now))
    }
}

impl Target {
    fn refused(&self, now: Nanos) -> bool {
        match self.answer {
            Answer::No => true,
            Answer::Yes => false,
            Answer::Awaited => now.since(self.since) >= UNANSWERED,
        }
    }
}

fn kind_here(targets: &[Target]) -> &'static str {
    if widest_port(targets) > widest_host(targets) { "hosts" } else { "ports" }
}

/// Most hosts that one port was tried at.
fn widest_port(targets: &[Target]) -> usize {
    most(targets.iter().map(|target| target.at.port()))
}

/// Most ports that were tried of one host.
fn widest_host(targets: &[Target]) -> usize {
    most(targets.iter().map(|target| target.at.ip()))
}

/// How often the most frequent item occurs.
fn most<T: Ord>(items: impl Iterator<Item = T>) -> usize {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items.chunk_by(|a, b| a == b).map(<[T]>::len).max().unwrap_or(0)
}

/// A scan.
struct Found {
    kind: &'static str,
    targets: Vec<Target>,
    refused: usize,
}

impl Found {
    fn of(kind: &'static str, targets: Vec<Target>, now: Nanos) -> Self {
        let refused = targets.iter().filter(|target| target.refused(now)).count();
        Self { kind, targets, refused }
    }

    fn observation(&self, around: Around<'_>, event: &Event) -> Observation {
        let Self { kind, targets, refused } = self;
        let hosts: HashSet<IpAddr> = targets.iter().map(|target| target.at.ip()).collect();
        let mut ports: Vec<u16> = targets.iter().map(|target| target.at.port()).collect();
        ports.sort_unstable();
        ports.dedup();
        let first = targets.iter().map(|target| target.since).min().unwrap_or(event.time);
        let seconds = event.time.since(first).div_ceil(1_000_000_000);
        let example = targets.first().map(|target| target.at.to_string());
        let text = format!(
            "and its relatives tried {} addresses and ports of {} hosts in {seconds} s; {refused} refused or did not answer",
            targets.len(),
            hosts.len(),
        );
        let fields = vec![
            ("ScanKind", Value::from(*kind)),
            ("Targets", Value::from(targets.len())),
            ("ScanHosts", Value::from(hosts.len())),
            ("Ports", ports.into_iter().take(32).collect()),
            ("Refused", Value::from(*refused)),
            ("Seconds", Value::from(seconds)),
            ("Target", Value::from(example)),
            ("TargetIsLoopback", Value::from(hosts.iter().all(|ip| is_loopback(*ip)))),
        ];
        Moment::of(event).observation(around, event.process, "internal_scan", text, fields)
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::{SECOND, World, at, field, flow};
    use super::*;
    use crate::event::{Flow, FlowResult};
    use crate::network::Names;
    use crate::process::ProcessTable;
    use crate::task::Ledger;

    const REFUSED: u32 = 111;

    fn knock(targets: impl Iterator<Item = String>, errno: u32) -> Vec<Observation> {
        let mut world = World::new();
        world.fork(1, 2);
        for (at, target) in targets.enumerate() {
            world.connect(2, at as u64, &target, errno);
        }
        world.taken()
    }

    #[test]
    fn hosts_of_a_network_asked_at_one_port_are_a_scan() {
        let seen = knock((1..=40).map(|host| format!("10.0.3.{host}:22")), 0);
        assert_eq!(seen.len(), 1);
        assert_eq!(field(&seen[0], "ScanKind"), "hosts");
        assert_eq!(field(&seen[0], "Targets"), 20);
        assert_eq!(field(&seen[0], "Ports"), &Value::from(vec![22]));
    }

    #[test]
    fn ports_of_a_host_are_a_scan() {
        let seen = knock((1..=60).map(|port| format!("192.168.1.7:{port}")), 0);
        assert_eq!(seen.len(), 1);
        assert_eq!(field(&seen[0], "ScanKind"), "ports");
        let seen = knock((1..=15).map(|port| format!("192.168.1.7:{port}")), REFUSED);
        assert_eq!((field(&seen[0], "Targets"), field(&seen[0], "Refused")), (&15.into(), &14.into()));
    }

    #[test]
    fn a_scan_by_many_processes_of_one_tree_is_one_scan() {
        let mut world = World::new();
        for host in 1..=20 {
            world.fork(1, 100 + host).connect(100 + host, u64::from(host), &format!("10.0.3.{host}:445"), 0);
        }
        assert_eq!(world.names(), ["internal_scan 120"]);
    }

    #[test]
    fn silence_counts_as_refusal() {
        let mut world = World::new();
        for host in 1..=16_u64 {
            world.event(2, EventKind::Connect(flow(host, &format!("10.0.3.{host}:{}", 8_000 + host))));
        }
        assert_eq!(world.names(), Vec::<String>::new());
        world.wait(4).connect(2, 99, "10.0.3.99:8000", 0);
        assert_eq!(world.names(), ["internal_scan 2"]);
    }

    #[test]
    fn refusals_here_are_a_scan_and_answers_here_are_not() {
        let ports = |most: u16| (20_000..20_000 + most).map(|port| format!("127.0.0.1:{port}"));
        assert_eq!(knock(ports(200), 0).len(), 0);
        assert_eq!(knock(ports(49), REFUSED).len(), 0);
        assert_eq!(knock(ports(60), REFUSED).len(), 1);
    }

    #[test]
    fn work_in_a_cluster_is_no_scan() {
        // Distributed training: sixteen hosts, high ports, all let in.
        let ring =
            (1..=16).flat_map(|host| (0..3).map(move |rank| format!("10.0.9.{host}:{}", 29_500 + rank)));
        assert_eq!(knock(ring, 0).len(), 0);
        // Workers at ports of their own.
        assert_eq!(knock((1..=40).map(|host| format!("10.0.9.{host}:{}", 40_000 + host)), 0).len(), 0);
        // A few containers; a browser under test.
        assert_eq!(knock((2..=9).map(|host| format!("172.17.0.{host}:80")), 0).len(), 0);
        assert_eq!(knock((0..12).map(|port| format!("[::1]:{}", 9_222 + port)), REFUSED).len(), 0);
        // The internet is none of this.
        assert_eq!(knock((1..=200).map(|host| format!("203.0.113.{host}:443")), 0).len(), 0);
    }

    #[test]
    fn what_is_slow_enough_is_not_seen() {
        let mut world = World::new();
        for host in 1..=40 {
            world.connect(2, host, &format!("10.0.3.{host}:22"), 0).wait(4);
        }
        assert_eq!(world.names(), Vec::<String>::new());
    }

    #[test]
    fn a_million_targets_and_trees_cost_no_more_than_the_limit() {
        let mut analysis = Scan::default();
        let (table, names) = (ProcessTable::default(), Names::default());
        let around = Around { table: &table, names: &names, tasks: &Ledger::default(), now: Nanos(SECOND) };
        let mut out = Vec::new();
        for number in 0..1_000_000_u32 {
            let ip = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
            let flow = Flow { remote: SocketAddr::new(ip, 80), ..flow(1, "10.0.0.1:1") };
            let result = EventKind::ConnectResult(FlowResult { flow, errno: 0 });
            analysis.event(around, &at(SECOND, 1 + number, result), &mut out);
        }
        assert_eq!(analysis.trees.len(), MAX_TREES);
        assert_eq!(analysis.dropped(), 1_000_000 - MAX_TREES as u64);
        let mut tree = Tree::default();
        for port in 1..=u16::MAX {
            tree.note(SocketAddr::new(IpAddr::from([10, 0, 0, 1]), port), Answer::No, Nanos(SECOND));
        }
        assert_eq!((tree.targets.len(), tree.beyond), (MAX_TARGETS, 65_535 - MAX_TARGETS as u64));
    }
}
