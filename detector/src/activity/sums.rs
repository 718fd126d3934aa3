//! Adds up what each agent does: programs, destinations, listeners, files, and what of its work no task explains.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use hashbrown::HashMap;
use lru::LruCache;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::top::Top;
use super::{Activity, Doing, Item, Usage, gpu};
use crate::alert::escape::cut;
use crate::analysis::{Around, Near, Observation, program};
use crate::event::{
    AgentId, CgroupMove, CpuSample, Event, EventKind, Exec, FileEvent, FileOp, Flow, FlowStats, GpuSample,
    Membership, Nanos, ProcessId, Protocol,
};
use crate::process::Process;
use crate::redact;
use crate::task::Expect;

/// Nanoseconds that one sum covers, at least.
const EVERY: u64 = 60_000_000_000;
/// Most agents in one sum, by name.
const MOST: usize = 1_024;
/// Most flows of which is remembered what was counted already.
const FLOWS: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();
/// Most processes of which is remembered what was counted already.
const PROCESSES: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();
/// Most bytes of a name or a note.
const TEXT: usize = 512;

/// What new files of wallets and miners are called, whatever the case: issue 6 and the first table of
/// shared/knowledge/detection.md.
static NAMED: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder().ascii_case_insensitive(true).build(["wallet", "miner", "xmrig"]).ok()
});

/// The sums of all agents since they were given out last.
#[derive(Debug)]
pub(crate) struct Sums {
    since: Nanos,
    agents: HashMap<Box<str>, Of>,
    /// What flows that live on had carried when they were counted.
    flows: LruCache<u64, (u64, u64)>,
    /// What processes that began in our sight were seen to use of processors, until they end.
    used: LruCache<ProcessId, Used>,
    dropped: u64,
}

/// What a process was seen to use.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    /// Nanoseconds of processors.
    nanos: u64,
    /// When it came to the agent, where it was born elsewhere: what it used before is no agent's.
    joined: Option<Nanos>,
}

impl Used {
    /// What of all that it used until its end was not counted yet. One that was born elsewhere used at most the time
    /// since it came; what several threads did is sampled.
    fn rest(self, all: u64, now: Nanos) -> u64 {
        let most = self.joined.map_or(u64::MAX, |joined| now.since(joined));
        all.min(most).saturating_sub(self.nanos)
    }
}

/// The sums of one agent.
#[derive(Debug)]
struct Of {
    usage: Usage,
    tops: BTreeMap<Doing, Top>,
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            since: Nanos(0),
            agents: HashMap::new(),
            flows: LruCache::new(FLOWS),
            used: LruCache::new(PROCESSES),
            dropped: 0,
        }
    }
}

impl Sums {
    /// Takes an event of an agent; the table knows it already. `lasts` says that the file it is about starts by itself
    /// or lets somebody in.
    pub(crate) fn event(&mut self, around: Around<'_>, name: &str, event: &Event, lasts: bool) {
        match &event.kind {
            EventKind::Exec(exec) => self.exec(around, name, event.process, exec),
            EventKind::Fork(fork) => {
                self.of(name, |of| of.usage.born += 1);
                self.begins(fork.child, Used::default());
            }
            EventKind::Exit(exit) => {
                let before = self.used.pop(&event.process);
                let all = exit.user.saturating_add(exit.system);
                let rest = before.map_or(0, |before| before.rest(all, event.time));
                let declared = is_declared(around, event.process, &Expect::Cpu);
                self.of(name, |of| {
                    of.usage.ended += 1;
                    of.computes(rest, declared);
                });
            }
            EventKind::Connect(flow) | EventKind::Send(flow) => {
                self.destination(around, name, flow, |item| item.count += 1);
            }
            EventKind::FlowStats(stats) => self.carried(around, name, stats),
            EventKind::Listen(end) => self.listens(around, name, event.process, end.protocol, end.local),
            EventKind::Bind(end) if end.protocol == Protocol::Udp && end.local.port() != 0 => {
                self.listens(around, name, event.process, end.protocol, end.local);
            }
            EventKind::File(file) => self.file(name, file, lasts),
            EventKind::CgroupMove(CgroupMove { moved, change: Membership::Joined, .. }) => {
                self.begins(*moved, Used { nanos: 0, joined: Some(event.time) });
            }
            EventKind::ConnectResult(_)
            | EventKind::Payload(_)
            | EventKind::Bind(_)
            | EventKind::Operation(_)
            | EventKind::Setsid
            | EventKind::CgroupMove(_)
            | EventKind::CgroupCreate(_)
            | EventKind::CgroupRemove(_)
            | EventKind::Lost(_) => {}
        }
    }

    /// Takes a file that a rule has something to say about.
    pub(crate) fn found(&mut self, name: &str, file: &FileEvent, rule: &str) {
        self.noted(name, &file.path, rule);
    }

    /// Takes what analyses saw: programs, scripts and libraries that an agent wrote and ran.
    pub(crate) fn observed(&mut self, name: &str, observation: &Observation) {
        if observation.name != "new_code" {
            return;
        }
        let of = |wanted: &str| {
            let found = observation.fields.iter().find(|(field, _)| *field == wanted);
            found.and_then(|(_, value)| value.as_str())
        };
        if let Some(path) = of("NewCode") {
            let note = match of("NewCodeKind") {
                Some("library") => "library that an agent wrote and loaded",
                Some("script") => "script that an agent wrote and ran",
                Some(_) | None => "program that an agent wrote and ran",
            };
            self.noted(name, path, note);
        }
    }

    /// Takes what came near a verdict on mining.
    pub(crate) fn near(&mut self, around: Around<'_>, name: &str, near: &Near) {
        let Near { process, points, possible, marks } = near;
        let exe = around.table.get(*process).and_then(|process| process.exec.as_ref());
        let exe = exe.map_or("", |exec| &*exec.exe);
        self.of(name, |of| {
            let item = of
                .top(Doing::Mining)
                .at(xxh3_64(exe.as_bytes()), || Item::new(Doing::Mining, cut(exe, TEXT), ""));
            if item.note.is_empty() || *points > item.count {
                item.count = *points;
                item.note = cut(&format!("{points} of {possible} points: {marks}"), TEXT).to_owned();
            }
        });
    }

    /// Takes what processors did; `name` is what an agent is called.
    pub(crate) fn cpu<'a>(
        &mut self,
        around: Around<'_>,
        sample: &CpuSample,
        name: impl Fn(AgentId) -> Option<&'a str>,
    ) {
        for process in &sample.processes {
            let Some(known) = around.table.get(process.process) else { continue };
            let Some(name) = name(known.agent) else { continue };
            // What it used until its end was counted with its end.
            if known.ended.is_some() {
                continue;
            }
            let nanos = process.user.saturating_add(process.system);
            if let Some(used) = self.used.peek_mut(&process.process) {
                used.nanos = used.nanos.saturating_add(nanos);
            }
            let declared = is_declared(around, process.process, &Expect::Cpu);
            self.of(name, |of| of.computes(nanos, declared));
        }
    }

    /// Takes what GPUs did.
    pub(crate) fn gpu<'a>(
        &mut self,
        around: Around<'_>,
        sample: &GpuSample,
        name: impl Fn(AgentId) -> Option<&'a str>,
    ) {
        let whose = |process: &crate::event::GpuProcess| {
            Some((name(process.agent)?, is_declared(around, process.process, &Expect::Gpu)))
        };
        for (((name, declared), _), work) in gpu::work(sample, whose) {
            let seconds = work.share.unwrap_or(1.0) * sample.interval as f64 / 1e9;
            self.of(name, |of| {
                of.usage.gpu_s += seconds;
                of.usage.gpu_joules += work.energy.unwrap_or(0.0);
                if !declared {
                    of.usage.gpu_unexplained_s += seconds;
                }
            });
        }
    }

    /// Lets time pass; gives the sums where a minute is over.
    pub(crate) fn tick<'a>(
        &mut self,
        around: Around<'_>,
        name: impl Fn(AgentId) -> Option<&'a str>,
        out: &mut Vec<Activity>,
    ) {
        if self.since == Nanos(0) {
            self.since = around.now;
        }
        if around.now.since(self.since) >= EVERY {
            self.give(around, name, out);
        }
    }

    /// Gives the sums as they are.
    pub(crate) fn give<'a>(
        &mut self,
        around: Around<'_>,
        name: impl Fn(AgentId) -> Option<&'a str>,
        out: &mut Vec<Activity>,
    ) {
        for process in around.table.iter().filter(|process| process.ended.is_none()) {
            if let Some(exec) = &process.exec
                && let Some(name) = name(process.agent)
            {
                self.works_in(around, name, process, exec);
            }
        }
        let ms = |time: Nanos| i64::try_from(time.0 / 1_000_000).unwrap_or(i64::MAX);
        let began = if self.since == Nanos(0) { around.now } else { self.since };
        let (from_ms, to_ms) = (ms(began), ms(around.now));
        self.since = around.now;
        let mut agents: Vec<(Box<str>, Of)> = self.agents.drain().collect();
        agents.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (agent, mut of) in agents {
            if of.usage.is_empty() && of.tops.values().all(Top::is_empty) {
                continue;
            }
            let (mut items, mut others) = (Vec::new(), Vec::new());
            for (doing, top) in &mut of.tops {
                let (kept, rest) = top.take();
                items.extend(kept.into_iter().map(without_secrets));
                if rest.names > 0 {
                    others.push((*doing, rest));
                }
            }
            let usage = of.usage;
            out.push(Activity { agent: agent.into_string(), from_ms, to_ms, usage, items, others });
        }
    }

    /// Agents, flows and processes that were not followed because too many were.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn begins(&mut self, process: ProcessId, used: Used) {
        if self.used.push(process, used).is_some_and(|(other, _)| other != process) {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    fn exec(&mut self, around: Around<'_>, name: &str, process: ProcessId, exec: &Exec) {
        // What `env` finds for a script is what runs it, and says so next.
        if exec.script.is_some() && program::basename(&exec.exe) == "env" {
            return;
        }
        let module = program::module(exec);
        let given = exec.script.as_deref().or_else(|| program::operand(exec)).or(module).unwrap_or_default();
        let mut hash = Xxh3::new();
        hash.update(exec.exe.as_bytes());
        hash.update(b"\0");
        hash.update(given.as_bytes());
        self.of(name, |of| {
            let make = || Item::new(Doing::Program, cut(&exec.exe, TEXT), cut(given, TEXT));
            of.top(Doing::Program).at(hash.digest(), make).count += 1;
        });
        if let Some(process) = around.table.get(process) {
            self.works_in(around, name, process, exec);
        }
    }

    /// A topmost process says where its agent works.
    fn works_in(&mut self, around: Around<'_>, name: &str, process: &Process, exec: &Exec) {
        let is_inner = |above: &Process| above.agent == process.agent;
        if exec.cwd.is_empty() || around.table.ancestors(process.id).next().is_some_and(is_inner) {
            return;
        }
        self.of(name, |of| {
            let make = || Item::new(Doing::Workspace, cut(&exec.cwd, TEXT), "");
            of.top(Doing::Workspace).at(xxh3_64(exec.cwd.as_bytes()), make).count += 1;
        });
    }

    fn destination(&mut self, around: Around<'_>, name: &str, flow: &Flow, change: impl FnOnce(&mut Item)) {
        let (ip, port) = (flow.remote.ip().to_canonical(), flow.remote.port());
        let host = around.names.get(flow.netns, ip, around.now).map(|host| &**host);
        let mut hash = Xxh3::new();
        match (host, ip) {
            (Some(host), _) => hash.update(host.as_bytes()),
            (None, std::net::IpAddr::V4(ip)) => hash.update(&ip.octets()),
            (None, std::net::IpAddr::V6(ip)) => hash.update(&ip.octets()),
        }
        hash.update(&port.to_le_bytes());
        let protocol = match flow.protocol {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Other(number) => number,
        };
        hash.update(&protocol.to_le_bytes());
        self.of(name, |of| {
            let item = of.top(Doing::Destination).at(hash.digest(), || {
                let mut item = Item::new(
                    Doing::Destination,
                    host.map_or_else(|| ip.to_string(), str::to_owned),
                    format!("{port}/{}", flow.protocol.name()),
                );
                if host.is_some() {
                    item.note = ip.to_string();
                }
                item
            });
            change(item);
        });
    }

    fn carried(&mut self, around: Around<'_>, name: &str, stats: &FlowStats) {
        if !stats.flow.initiated {
            return;
        }
        let now = (stats.sent.bytes, stats.received.bytes);
        let before = if stats.closed {
            self.flows.pop(&stats.flow.cookie)
        } else {
            let pushed = self.flows.push(stats.flow.cookie, now);
            if pushed.is_some_and(|(cookie, _)| cookie != stats.flow.cookie) {
                self.dropped = self.dropped.saturating_add(1);
            }
            pushed.filter(|(cookie, _)| *cookie == stats.flow.cookie).map(|(_, before)| before)
        };
        let (sent, received) = before.unwrap_or_default();
        let (sent, received) = (now.0.saturating_sub(sent), now.1.saturating_sub(received));
        if (sent, received) != (0, 0) {
            self.destination(around, name, &stats.flow, |item| {
                item.sent = item.sent.saturating_add(sent);
                item.received = item.received.saturating_add(received);
            });
        }
    }

    fn listens(
        &mut self,
        around: Around<'_>,
        name: &str,
        process: ProcessId,
        protocol: Protocol,
        local: SocketAddr,
    ) {
        let exec = around.table.get(process).and_then(|process| process.exec.as_ref());
        let exe = exec.map_or("", |exec| &*exec.exe);
        let place = format!("{local}/{}", protocol.name());
        self.of(name, |of| {
            let key = xxh3_64(format!("{place}\0{exe}").as_bytes());
            let make = || Item::new(Doing::Listener, place, cut(exe, TEXT));
            of.top(Doing::Listener).at(key, make).count += 1;
        });
    }

    fn file(&mut self, name: &str, file: &FileEvent, lasts: bool) {
        let is_new = match file.op {
            FileOp::Open | FileOp::Truncate => file.created,
            FileOp::Rename | FileOp::Link => true,
            FileOp::Symlink
            | FileOp::Unlink
            | FileOp::Chmod
            | FileOp::Access
            | FileOp::Map
            | FileOp::Copy => false,
        };
        if lasts {
            self.noted(name, &file.path, "");
        }
        let base = program::basename(&file.path);
        if is_new && NAMED.as_ref().is_some_and(|named| named.is_match(base)) {
            self.of(name, |of| {
                let make = || Item::new(Doing::Named, cut(&file.path, TEXT), "");
                of.top(Doing::Named).at(xxh3_64(file.path.as_bytes()), make).count += 1;
            });
        }
    }

    /// A file worth a note; what a rule or an analysis says of it goes before what its place says.
    fn noted(&mut self, name: &str, path: &str, note: &str) {
        self.of(name, |of| {
            let make = || Item::new(Doing::File, cut(path, TEXT), "");
            let item = of.top(Doing::File).at(xxh3_64(path.as_bytes()), make);
            item.count += 1;
            if !note.is_empty() {
                item.note = cut(note, TEXT).to_owned();
            }
        });
    }

    /// Does something to the sums of an agent; nothing where there are too many agents.
    fn of(&mut self, name: &str, change: impl FnOnce(&mut Of)) {
        if let Some(of) = self.agents.get_mut(name) {
            return change(of);
        }
        if self.agents.len() >= MOST {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let of = Of { usage: Usage::default(), tops: BTreeMap::new() };
        change(self.agents.entry(name.into()).or_insert(of));
    }
}

impl Of {
    fn top(&mut self, doing: Doing) -> &mut Top {
        self.tops.entry(doing).or_insert_with(|| Top::new(doing.most()))
    }

    fn computes(&mut self, nanos: u64, declared: bool) {
        let seconds = nanos as f64 / 1e9;
        self.usage.cpu_s += seconds;
        if !declared {
            self.usage.cpu_unexplained_s += seconds;
        }
    }
}

/// Whether a task that runs declares what a process uses.
fn is_declared(around: Around<'_>, process: ProcessId, what: &Expect) -> bool {
    if !around.tasks.is_used() {
        return false;
    }
    let Some(process) = around.table.get(process) else { return false };
    let exe = process.exec.as_ref().map_or("", |exec| &*exec.exe);
    around.tasks.declared(process.agent, exe, |said| said == what).is_some()
}

fn without_secrets(item: Item) -> Item {
    let clean = |text: String| match redact::text(&text) {
        std::borrow::Cow::Borrowed(_) => text,
        std::borrow::Cow::Owned(clean) => clean,
    };
    let Item { name, more, note, .. } = item;
    Item { name: clean(name), more: clean(more), note: clean(note), ..item }
}

#[cfg(test)]
#[path = "sums_tests.rs"]
mod tests;
