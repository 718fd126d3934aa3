//! Turns ring records into events. Bytes are hostile: nothing here indexes, unwraps or trusts a length.

use std::num::NonZeroUsize;

use detector_common::wire::{self, Header, Kind};
use hashbrown::HashMap;
use lru::LruCache;

use crate::event::{
    AgentId, CgroupId, Event, EventKind, FileEvent, FileOp, FlowResult, Fork, Nanos, NetnsId, ProcessId,
    Protocol, Ticks, text,
};

mod cgroup;
mod exec;
mod exit;
mod file;
mod flow;
mod mounts;
mod operation;
mod path;
mod secret;
mod trust;
mod twins;

use exec::Chunks;
use mounts::Mounts;
use path::Resolver;
use twins::Twins;

/// Most listeners and bound sockets whose owner is remembered.
const LISTENERS: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();
/// Most sockets whose owner is remembered.
const SOCKETS: NonZeroUsize = NonZeroUsize::new(32_768).unwrap();
/// Most processes whose parent is remembered.
const PARENTS: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();

/// Puts records together to events.
pub struct Decoder {
    /// Nanoseconds from CLOCK_BOOTTIME to the Unix epoch.
    clock: u64,
    pending: HashMap<(u32, u64), Chunks>,
    sockets: LruCache<u64, Asked>,
    listeners: LruCache<(AgentId, Protocol, u16), Asked>,
    /// Parents by process id: whom to ask about a process that is gone.
    parents: LruCache<u32, u32>,
    resolver: Resolver,
    mounts: Mounts,
    twins: Twins,
    /// What the last record means beside its own event.
    more: Vec<FileEvent>,
    malformed: u64,
}

/// Who asked for a connection or named where to send: the kernel reports by the socket alone what comes of
/// it, since that happens when any task may be current.
#[derive(Clone, Copy)]
struct Asked {
    process: ProcessId,
    thread: u32,
    uid: u32,
    netns: NetnsId,
}

impl Decoder {
    /// A decoder; `clock` is what to add to CLOCK_BOOTTIME to get nanoseconds since the Unix epoch.
    pub fn new(clock: u64) -> Self {
        Self {
            clock,
            pending: HashMap::new(),
            sockets: LruCache::new(SOCKETS),
            listeners: LruCache::new(LISTENERS),
            parents: LruCache::new(PARENTS),
            resolver: Resolver::default(),
            mounts: Mounts::new(),
            twins: Twins::new(),
            more: Vec::new(),
            malformed: 0,
        }
    }

    /// The clocks drifted apart.
    pub fn set_clock(&mut self, clock: u64) {
        self.clock = clock;
    }

    /// Records that were no records: a kernel half of another version, or memory gone wrong.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// Learns of files of the system that have several names already.
    pub fn look_for_links(&mut self) {
        self.twins.look();
    }

    /// The events of one record: mostly one, several where a file was touched under more names than the one
    /// that was used; none for a part of one, and for bytes that are no record.
    pub fn decode_all(&mut self, bytes: &[u8], received: Nanos, out: &mut Vec<Event>) {
        let Some(event) = self.decode(bytes, received) else { return };
        let more = self.more.drain(..).map(|file| Event { kind: EventKind::File(file), ..event.clone() });
        let more: Vec<Event> = more.collect();
        out.push(event);
        out.extend(more);
    }

    /// The event that a record itself is; `None` for a part of one, and for bytes that are none.
    pub fn decode(&mut self, bytes: &[u8], received: Nanos) -> Option<Event> {
        self.more.clear();
        let event = self.record(bytes, received);
        if let Err(Malformed) = event {
            self.malformed += 1;
        }
        event.ok().flatten()
    }

    /// A batch of records is over: what was remembered for its length is forgotten.
    pub fn end_of_batch(&mut self) {
        self.resolver.forget();
        self.mounts.forget();
    }

    fn record(&mut self, bytes: &[u8], received: Nanos) -> Result<Option<Event>, Malformed> {
        let (header, rest) = take::<Header>(bytes)?;
        let kind = Kind::from_u16(header.kind).ok_or(Malformed)?;
        let kind = match kind {
            Kind::Exec => self.exec(&header, rest)?,
            Kind::ExecChunk => {
                self.chunk(&header, rest)?;
                return Ok(None);
            }
            Kind::Fork => {
                let (fork, _) = take::<wire::Fork>(rest)?;
                self.parents.put(fork.child_pid, header.pid);
                EventKind::Fork(Fork { child: process(fork.child_pid, fork.child_start) })
            }
            Kind::Exit => EventKind::Exit(exit::ended(take::<wire::Exit>(rest)?.0)),
            Kind::Connect => EventKind::Connect(flow::initiated(&take::<wire::Socket>(rest)?.0)),
            Kind::ConnectResult => {
                let socket = take::<wire::Socket>(rest)?.0;
                EventKind::ConnectResult(FlowResult { flow: flow::initiated(&socket), errno: socket.errno })
            }
            Kind::Send => EventKind::Send(flow::initiated(&take::<wire::Socket>(rest)?.0)),
            Kind::Bind => EventKind::Bind(flow::endpoint(&take::<wire::Socket>(rest)?.0)),
            Kind::Listen => EventKind::Listen(flow::endpoint(&take::<wire::Socket>(rest)?.0)),
            Kind::FileOpen => self.file(&header, FileOp::Open, rest)?,
            Kind::FileTruncate => self.file(&header, FileOp::Truncate, rest)?,
            Kind::FileRename => self.file(&header, FileOp::Rename, rest)?,
            Kind::FileLink => self.file(&header, FileOp::Link, rest)?,
            Kind::FileSymlink => self.file(&header, FileOp::Symlink, rest)?,
            Kind::FileUnlink => self.file(&header, FileOp::Unlink, rest)?,
            Kind::FileChmod => self.file(&header, FileOp::Chmod, rest)?,
            Kind::Setsid => EventKind::Setsid,
            Kind::CgroupMove => cgroup::moved(&header, rest)?,
            Kind::CgroupCreate => EventKind::CgroupCreate(cgroup::changed(rest)?),
            Kind::CgroupRemove => EventKind::CgroupRemove(cgroup::changed(rest)?),
            Kind::Payload => flow::payload(&header, rest)?,
            Kind::Flow => flow::flow_stats(&header, rest)?,
            Kind::FileAccess => self.file(&header, FileOp::Access, rest)?,
            Kind::ImageLoad => self.file(&header, FileOp::Map, rest)?,
            Kind::Operation => self.operation(&header, rest)?,
        };
        Ok(Some(Event {
            time: Nanos(header.time.saturating_add(self.clock)),
            received,
            agent: AgentId(header.agent),
            process: process(header.pid, header.start),
            thread: header.tid,
            uid: header.uid,
            cgroup: CgroupId(header.cgroup),
            kind,
        }))
    }

    /// Puts right who acts, for what happens to a socket later: that belongs to whoever asked for its
    /// connection or listens at its port. To be called in the order of time, which is not that of the rings.
    pub fn settle(&mut self, event: &mut Event) {
        let Event { kind, process, thread, uid, agent, .. } = event;
        let asked = |netns| Asked { process: *process, thread: *thread, uid: *uid, netns };
        let (flow, is_last) = match kind {
            EventKind::Connect(flow) | EventKind::Send(flow) => {
                self.sockets.put(flow.cookie, asked(flow.netns));
                return;
            }
            EventKind::Listen(at) | EventKind::Bind(at) => {
                self.listeners.put((*agent, at.protocol, at.local.port()), asked(NetnsId::default()));
                return;
            }
            EventKind::ConnectResult(result) => (&mut result.flow, result.errno != 0),
            EventKind::Payload(payload) => (&mut payload.flow, false),
            EventKind::FlowStats(stats) => (&mut stats.flow, stats.closed),
            EventKind::Exec(_)
            | EventKind::Fork(_)
            | EventKind::Exit(_)
            | EventKind::File(_)
            | EventKind::Operation(_)
            | EventKind::Setsid
            | EventKind::CgroupMove(_)
            | EventKind::CgroupCreate(_)
            | EventKind::CgroupRemove(_)
            | EventKind::Lost(_) => return,
        };
        let asked = if let Some(asked) = self.sockets.get(&flow.cookie).copied() {
            flow.initiated = true;
            flow.netns = asked.netns;
            Some(asked)
        } else {
            let port = flow.local.map_or(0, |local| local.port());
            self.listeners.get(&(*agent, flow.protocol, port)).copied()
        };
        if let Some(asked) = asked {
            (*process, *thread, *uid) = (asked.process, asked.thread, asked.uid);
        }
        if is_last {
            self.sockets.pop(&flow.cookie);
        }
    }
}

/// The bytes are no record of this version.
#[derive(Debug)]
struct Malformed;

/// Reads a wire struct and gives what follows it.
fn take<T: Wire>(bytes: &[u8]) -> Result<(T, &[u8]), Malformed> {
    let (one, rest) = bytes.split_at_checked(size_of::<T>()).ok_or(Malformed)?;
    // SAFETY: `one` has exactly the size of T, a repr(C) struct of integers and arrays without padding,
    // which any bytes are a value of.
    Ok((unsafe { one.as_ptr().cast::<T>().read_unaligned() }, rest))
}

/// Structs that any bytes are a value of.
trait Wire: Copy {}
impl Wire for Header {}
impl Wire for wire::Exec {}
impl Wire for wire::ExecChunk {}
impl Wire for wire::Fork {}
impl Wire for wire::Exit {}
impl Wire for wire::Socket {}
impl Wire for wire::File {}
impl Wire for wire::Operation {}
impl Wire for wire::Cgroup {}
impl Wire for wire::Stdio {}
impl Wire for wire::Payload {}
impl Wire for wire::Flow {}

fn part(bytes: &[u8], len: u16) -> Result<(&[u8], &[u8]), Malformed> {
    bytes.split_at_checked(usize::from(len)).ok_or(Malformed)
}

fn process(pid: u32, start: u64) -> ProcessId {
    ProcessId { pid, start: Ticks::from_boot_nanos(start) }
}

/// The text before the first NUL.
fn string(bytes: &[u8]) -> Box<str> {
    text(bytes.split(|byte| *byte == 0).next().unwrap_or_default())
}

#[cfg(test)]
mod tests;
