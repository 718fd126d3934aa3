//! Turns ring records into events. Bytes are hostile: nothing here indexes, unwraps or trusts a length.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;

use detector_common::limits;
use detector_common::wire::{self, Header, Kind, Stream, flag};
use hashbrown::HashMap;
use lru::LruCache;

use crate::event::{
    AgentId, Carried, CgroupChange, CgroupId, CgroupMove, Direction, Endpoint, Event, EventKind, Exec,
    FileEvent, FileOp, Flow, FlowResult, FlowStats, Fork, Membership, Nanos, NetnsId, Operation,
    OperationCode, Payload, ProcessId, Protocol, StdioSocket, Ticks, Trust, Written, text,
};

mod exit;
mod file;
mod mounts;
mod path;
mod secret;
mod trust;
mod twins;

use mounts::Mounts;
use path::{Name, Resolver, Who};
use twins::Twins;

/// Most execs whose chunks wait for their record.
const PENDING: usize = 1024;
/// Most listeners and bound sockets whose owner is remembered.
const LISTENERS: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();
/// Most sockets whose owner is remembered.
const SOCKETS: NonZeroUsize = NonZeroUsize::new(32_768).unwrap();
/// Most processes whose parent is remembered.
const PARENTS: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();
const AF_INET6: u16 = 10;
/// In the flags of an mmap: pages of hugetlbfs.
const MAP_HUGETLB: u32 = 0x4_0000;

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

#[derive(Default)]
struct Chunks {
    argv: Vec<u8>,
    env: Vec<u8>,
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
            Kind::Connect => EventKind::Connect(initiated(&take::<wire::Socket>(rest)?.0)),
            Kind::ConnectResult => {
                let socket = take::<wire::Socket>(rest)?.0;
                EventKind::ConnectResult(FlowResult { flow: initiated(&socket), errno: socket.errno })
            }
            Kind::Send => EventKind::Send(initiated(&take::<wire::Socket>(rest)?.0)),
            Kind::Bind => EventKind::Bind(endpoint(&take::<wire::Socket>(rest)?.0)),
            Kind::Listen => EventKind::Listen(endpoint(&take::<wire::Socket>(rest)?.0)),
            Kind::FileOpen => self.file(&header, FileOp::Open, rest)?,
            Kind::FileTruncate => self.file(&header, FileOp::Truncate, rest)?,
            Kind::FileRename => self.file(&header, FileOp::Rename, rest)?,
            Kind::FileLink => self.file(&header, FileOp::Link, rest)?,
            Kind::FileSymlink => self.file(&header, FileOp::Symlink, rest)?,
            Kind::FileUnlink => self.file(&header, FileOp::Unlink, rest)?,
            Kind::FileChmod => self.file(&header, FileOp::Chmod, rest)?,
            Kind::Setsid => EventKind::Setsid,
            Kind::CgroupMove => cgroup_move(&header, rest)?,
            Kind::CgroupCreate => EventKind::CgroupCreate(cgroup_change(rest)?),
            Kind::CgroupRemove => EventKind::CgroupRemove(cgroup_change(rest)?),
            Kind::Payload => payload(&header, rest)?,
            Kind::Flow => flow_stats(&header, rest)?,
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

    fn exec(&mut self, header: &Header, rest: &[u8]) -> Result<EventKind, Malformed> {
        let (exec, rest) = take::<wire::Exec>(rest)?;
        let (exe, rest) = part(rest, exec.path_len)?;
        let (cwd, rest) = part(rest, exec.cwd_len)?;
        let (argv, rest) = part(rest, exec.argv_len)?;
        let (env, rest) = part(rest, exec.env_len)?;
        let (script, rest) = part(rest, exec.script_len)?;
        let (stdio, _) = part(rest, exec.stdio_len)?;
        let chunks = self.pending.remove(&(header.pid, header.start)).unwrap_or_default();
        let argv = joined(argv, &chunks.argv);
        let env = joined(env, &chunks.env);
        let has = |bit: u16| header.flags & bit != 0;
        self.parents.put(header.pid, exec.ppid);
        let mut exec = Exec {
            exe: path::walked(exe, has(flag::PATH_TRUNCATED)),
            inode: exec.inode,
            dev: exec.dev,
            nlink: exec.nlink,
            mode: exec.mode,
            argv: arguments(&argv),
            argv_truncated: is_shorter(&argv, exec.argv_total).then_some(exec.argv_total),
            cwd: path::walked(cwd, has(flag::CWD_TRUNCATED)),
            script: (!script.is_empty()).then(|| string(script)),
            parent: process(exec.ppid, exec.parent_start),
            gid: exec.gid,
            comm: string(exec.comm.map(u64::to_ne_bytes).as_flattened()),
            env: watched_environment(&env),
            env_truncated: is_shorter(&env, exec.env_total),
            path_truncated: has(flag::PATH_TRUNCATED) || has(flag::CWD_TRUNCATED),
            stdio: stdio_sockets(stdio),
            written: self.written(exec.written),
            trust: Trust::None,
        };
        exec.trust = trust::of(&exec, &mut self.mounts);
        Ok(EventKind::Exec(Arc::new(exec)))
    }

    fn chunk(&mut self, header: &Header, rest: &[u8]) -> Result<(), Malformed> {
        let (chunk, rest) = take::<wire::ExecChunk>(rest)?;
        let len = usize::try_from(chunk.len).map_err(|_| Malformed)?;
        let bytes = rest.get(..len).ok_or(Malformed)?;
        if self.pending.len() >= PENDING {
            // Their exec records were lost; nothing will ever ask for them.
            self.pending.clear();
        }
        let chunks = self.pending.entry((header.pid, header.start)).or_default();
        let (stream, inline) = if chunk.stream == Stream::Argv as u32 {
            (&mut chunks.argv, limits::ARGV_INLINE)
        } else {
            (&mut chunks.env, limits::ENV_INLINE)
        };
        let offset = usize::try_from(chunk.offset).map_err(|_| Malformed)?;
        if offset == inline {
            stream.clear();
        }
        if offset == inline + stream.len() {
            stream.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn operation(&mut self, header: &Header, rest: &[u8]) -> Result<EventKind, Malformed> {
        let (operation, rest) = take::<wire::Operation>(rest)?;
        let wire::Operation { target_start, number, target_pid, code, lens, errno, subtype, mntns, pad: _ } =
            operation;
        let [directory_len, name_len, source_len, detail_len] = lens;
        let (directory, rest) = part(rest, directory_len)?;
        let (name, rest) = part(rest, name_len)?;
        let (source, rest) = part(rest, source_len)?;
        let (detail, _) = part(rest, detail_len)?;
        let walked = path::walked(directory, header.flags & flag::PATH_TRUNCATED != 0);
        let code = operation_code(code).ok_or(Malformed)?;
        let path = match (directory.is_empty(), name.is_empty()) {
            // The name is the other end's, in whose mounts it has its meaning.
            (_, false) if code == OperationCode::UnixConnect => Some(string(name)),
            (true, true) => None,
            (false, true) => Some(walked),
            (_, false) => {
                let truncated = header.flags & flag::PATH_TRUNCATED != 0;
                let text = name.split(|byte| *byte == 0).next().unwrap_or_default();
                // Whatever an absolute name was given beside, it does not count.
                let directory = if text.starts_with(b"/") { &[][..] } else { directory };
                let name = Name { directory, truncated, text, follow: true };
                let Self { resolver, mounts, parents, .. } = self;
                let parent = |pid: u32| parents.peek(&pid).copied();
                let who = Who { pid: header.pid, mntns };
                Some(resolver.resolve(who, name, mounts, &parent).path)
            }
        };
        Ok(EventKind::Operation(Box::new(Operation {
            code,
            errno,
            huge: code == OperationCode::RandomxMemory && subtype & MAP_HUGETLB != 0,
            program_type: (code == OperationCode::Bpf && subtype != 0).then_some(subtype),
            mntns,
            same_agent: header.flags & flag::SAME_AGENT != 0,
            target: (target_pid != 0).then(|| process(target_pid, target_start)),
            number,
            path,
            source: (!source.is_empty()).then(|| string(source)),
            detail: (!detail.is_empty()).then(|| string(detail)).filter(|detail| !detail.is_empty()),
        })))
    }

    fn written(&self, written: wire::Written) -> Option<Written> {
        let wire::Written { time, start, pid, agent } = written;
        (time != 0).then(|| Written {
            time: Nanos(time.saturating_add(self.clock)),
            by: process(pid, start),
            agent: AgentId(agent),
        })
    }
}

fn operation_code(code: u32) -> Option<OperationCode> {
    use wire::OperationCode as Wire;
    const CODES: [(Wire, OperationCode); 20] = [
        (Wire::Ptrace, OperationCode::Ptrace),
        (Wire::WriteMemory, OperationCode::WriteMemory),
        (Wire::Signal, OperationCode::Signal),
        (Wire::Bpf, OperationCode::Bpf),
        (Wire::ModuleLoad, OperationCode::ModuleLoad),
        (Wire::IoUring, OperationCode::IoUring),
        (Wire::Mount, OperationCode::Mount),
        (Wire::Setns, OperationCode::Setns),
        (Wire::Unshare, OperationCode::Unshare),
        (Wire::Memfd, OperationCode::Memfd),
        (Wire::Userfaultfd, OperationCode::Userfaultfd),
        (Wire::ChangeRoot, OperationCode::ChangeRoot),
        (Wire::Kexec, OperationCode::Kexec),
        (Wire::Unmount, OperationCode::Unmount),
        (Wire::SetName, OperationCode::SetName),
        (Wire::ModuleUnload, OperationCode::ModuleUnload),
        (Wire::MoveCgroup, OperationCode::MoveCgroup),
        (Wire::FileCapability, OperationCode::FileCapability),
        (Wire::UnixConnect, OperationCode::UnixConnect),
        (Wire::RandomxMemory, OperationCode::RandomxMemory),
    ];
    CODES.iter().find(|(wire, _)| *wire as u32 == code).map(|(_, code)| *code)
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

fn joined<'a>(inline: &'a [u8], chunks: &[u8]) -> std::borrow::Cow<'a, [u8]> {
    if chunks.is_empty() { inline.into() } else { [inline, chunks].concat().into() }
}

fn is_shorter(taken: &[u8], total: u32) -> bool {
    u32::try_from(taken.len()).is_ok_and(|len| len < total)
}

fn arguments(argv: &[u8]) -> Vec<Box<str>> {
    let argv = argv.strip_suffix(&[0]).unwrap_or(argv);
    if argv.is_empty() { Vec::new() } else { argv.split(|byte| *byte == 0).map(text).collect() }
}

fn watched_environment(env: &[u8]) -> Vec<(Box<str>, Box<str>)> {
    let mut found = Vec::new();
    for entry in env.split(|byte| *byte == 0) {
        // Looking at one byte first keeps this cheap for the dozens of names that are of no interest.
        if !matches!(entry.first(), Some(b'L' | b'B' | b'P')) {
            continue;
        }
        for name in Exec::WATCHED_ENV {
            if let Some(value) = entry.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
            {
                found.push((name.into(), text(value)));
            }
        }
    }
    found
}

fn protocol(number: u16) -> Protocol {
    match number {
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        other => Protocol::Other(other),
    }
}

fn address(family: u16, bytes: [u8; 16]) -> IpAddr {
    if family == AF_INET6 {
        return IpAddr::V6(Ipv6Addr::from(bytes));
    }
    let [a, b, c, d, ..] = bytes;
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

/// The flow of a socket that asked for it.
fn initiated(socket: &wire::Socket) -> Flow {
    Flow { initiated: true, ..flow(socket) }
}

fn flow(socket: &wire::Socket) -> Flow {
    let remote = address(socket.family, socket.remote);
    let local = SocketAddr::new(address(socket.family, socket.local).to_canonical(), socket.local_port);
    Flow {
        cookie: socket.cookie,
        protocol: protocol(socket.protocol),
        remote: SocketAddr::new(remote.to_canonical(), socket.remote_port),
        local: (local.port() != 0).then_some(local),
        v4_mapped: remote != remote.to_canonical(),
        initiated: false,
        netns: NetnsId(socket.netns),
    }
}

fn payload(header: &Header, rest: &[u8]) -> Result<EventKind, Malformed> {
    let (payload, rest) = take::<wire::Payload>(rest)?;
    let len = usize::try_from(payload.len).map_err(|_| Malformed)?;
    let mut bytes = rest.get(..len).ok_or(Malformed)?.to_vec();
    secret::mask(&mut bytes);
    let has = |bit: u16| header.flags & bit != 0;
    Ok(EventKind::Payload(Box::new(Payload {
        flow: flow(&payload.socket),
        direction: if has(flag::INBOUND) { Direction::In } else { Direction::Out },
        begins: has(flag::BEGINS),
        segment: payload.segment,
        total: payload.total,
        bytes,
    })))
}

fn flow_stats(header: &Header, rest: &[u8]) -> Result<EventKind, Malformed> {
    let (stats, _) = take::<wire::Flow>(rest)?;
    let has = |bit: u16| header.flags & bit != 0;
    Ok(EventKind::FlowStats(Box::new(FlowStats {
        flow: flow(&stats.socket),
        closed: has(flag::CLOSED),
        age: stats.age,
        sent: carried(stats.sent),
        received: carried(stats.received),
    })))
}

fn carried(carried: wire::Carried) -> Carried {
    let wire::Carried { bytes, packets, longest_gap, idle, pauses, pad: _ } = carried;
    // Where there was no segment, the kernel half counts from boot.
    let idle = if packets == 0 { 0 } else { idle };
    Carried { bytes, packets, pauses, longest_gap, idle }
}

fn stdio_sockets(mut bytes: &[u8]) -> Vec<StdioSocket> {
    let mut sockets = Vec::new();
    while let Ok((socket, rest)) = take::<wire::Stdio>(bytes) {
        bytes = rest;
        let end = |bytes, port| SocketAddr::new(address(socket.family, bytes).to_canonical(), port);
        sockets.push(StdioSocket {
            fd: u8::try_from(socket.fd).unwrap_or(u8::MAX),
            remote: end(socket.remote, socket.remote_port),
            local: end(socket.local, socket.local_port),
        });
    }
    sockets
}

fn endpoint(socket: &wire::Socket) -> Endpoint {
    Endpoint {
        cookie: socket.cookie,
        protocol: protocol(socket.protocol),
        local: SocketAddr::new(address(socket.family, socket.local).to_canonical(), socket.local_port),
    }
}

fn cgroup_path(cgroup: &wire::Cgroup, rest: &[u8]) -> Result<Box<str>, Malformed> {
    let len = u16::try_from(cgroup.path_len).map_err(|_| Malformed)?;
    Ok(string(part(rest, len)?.0))
}

fn cgroup_change(rest: &[u8]) -> Result<CgroupChange, Malformed> {
    let (cgroup, rest) = take::<wire::Cgroup>(rest)?;
    Ok(CgroupChange {
        id: CgroupId(cgroup.id),
        parent: CgroupId(cgroup.parent),
        path: cgroup_path(&cgroup, rest)?,
    })
}

fn cgroup_move(header: &Header, rest: &[u8]) -> Result<EventKind, Malformed> {
    let (cgroup, rest) = take::<wire::Cgroup>(rest)?;
    let change = if header.flags & flag::LEFT != 0 {
        Membership::Left
    } else if header.flags & flag::JOINED != 0 {
        Membership::Joined
    } else {
        Membership::Within
    };
    Ok(EventKind::CgroupMove(CgroupMove {
        moved: process(cgroup.moved_pid, cgroup.moved_start),
        to: CgroupId(cgroup.id),
        path: cgroup_path(&cgroup, rest)?,
        change,
    }))
}

#[cfg(test)]
mod tests;
