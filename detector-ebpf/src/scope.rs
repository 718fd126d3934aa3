//! Which tasks are watched: the first question of every probe.
//!
//! A process is watched because its tag says so. It gets the tag by fork from a watched process, by
//! being in or moving to a watched control group, or from userspace at start; it loses it at exit,
//! never by leaving the group. One hash look-up decides, for watched and unwatched tasks alike.

use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_current_uid_gid, generated};
use aya_ebpf::macros::map;
use aya_ebpf::maps::HashMap;
use detector_common::limits;
use detector_common::wire::{Kind, Tag};

use crate::kernel::{Task, Word};
use crate::output;

/// Control group id → agent.
#[map]
static CGROUPS: HashMap<u64, u32> = HashMap::with_max_entries(limits::CGROUPS, 0);

/// Control groups whose children userspace may recognise as agents.
#[map]
static NURSERIES: HashMap<u64, u32> = HashMap::with_max_entries(limits::NURSERIES, 0);

/// How many groups were given a provisional number.
static BORN: Word<u32> = Word::new(0);

/// Process id → tag.
#[map]
static TASKS: HashMap<u32, Tag> = HashMap::with_max_entries(limits::TASKS, 0);

/// A watched process at the moment of an event.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Actor {
    /// Process id.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Start, CLOCK_BOOTTIME nanoseconds.
    pub start: u64,
    /// Agent; 0 for none.
    pub agent: u32,
    /// User id.
    pub uid: u32,
    /// Control group.
    pub cgroup: u64,
}

/// The current process, if its tag says that it is watched.
#[inline(always)]
pub fn watched() -> Option<Actor> {
    let ids = bpf_get_current_pid_tgid();
    let pid = (ids >> 32) as u32;
    let tag = tag(pid)?;
    Some(Actor { pid, tid: ids as u32, start: tag.start, agent: tag.agent, uid: uid(), cgroup: cgroup() })
}

/// The current process, if it is watched or stands in a watched control group (then it gets its tag).
#[inline(always)]
pub fn watched_or_inside() -> Option<Actor> {
    if let Some(actor) = watched() {
        return Some(actor);
    }
    let agent = agent_of(cgroup())?;
    let task = Task::current();
    put_tag(task.tgid(), Tag { start: task.start(), agent, left: 0 });
    watched()
}

/// The current process, as [`watched_or_inside`] gives it, for programs of packets: before 6.10 these may ask
/// for the current task and nothing else of it.
#[inline(always)]
pub fn sender() -> Option<Actor> {
    let task = Task::current();
    let (pid, cgroup) = (task.tgid(), task.cgroup());
    let tag = match tag(pid) {
        Some(tag) => tag,
        None => {
            let tag = Tag { start: task.start(), agent: agent_of(cgroup)?, left: 0 };
            put_tag(pid, tag);
            tag
        }
    };
    Some(Actor { pid, tid: task.tid(), start: tag.start, agent: tag.agent, uid: task.uid(), cgroup })
}

/// The current process, if it is watched and left every watched control group.
#[inline(always)]
pub fn watched_outside() -> Option<Actor> {
    if current_tag()?.left == 0 { None } else { watched() }
}

/// The current process, watched or not.
#[inline(always)]
pub fn anyone() -> Actor {
    watched().unwrap_or_else(|| {
        let task = Task::current();
        let ids = bpf_get_current_pid_tgid();
        Actor {
            pid: (ids >> 32) as u32,
            tid: ids as u32,
            start: task.start(),
            agent: 0,
            uid: uid(),
            cgroup: cgroup(),
        }
    })
}

/// The tag of the current process.
#[inline(always)]
pub fn current_tag() -> Option<Tag> {
    tag((bpf_get_current_pid_tgid() >> 32) as u32)
}

/// The tag of a process.
#[inline(always)]
pub fn tag(pid: u32) -> Option<Tag> {
    // SAFETY: a copy is taken at once; a torn read could only happen while the pid's own exit is
    // being handled, and the entry of a pid is written before that process runs.
    unsafe { TASKS.get(pid) }.copied()
}

/// Gives a process its tag. A full table leaves the process unwatched, which userspace reports.
#[inline(always)]
pub fn put_tag(pid: u32, tag: Tag) {
    if TASKS.insert(pid, tag, 0).is_err() {
        output::count_loss(tag.agent, Kind::Fork);
    }
}

/// Takes the tag of a process away.
#[inline(always)]
pub fn remove_tag(pid: u32) {
    let _ = TASKS.remove(pid);
}

/// The agent that a control group belongs to.
#[inline(always)]
pub fn agent_of(cgroup: u64) -> Option<u32> {
    // SAFETY: a copy is taken at once.
    unsafe { CGROUPS.get(cgroup) }.copied()
}

/// The agent of a group that is born below `parent`: the parent's, a provisional one where agents are
/// born, 0 for none. Births are serial: the kernel holds cgroup_mutex.
#[inline(always)]
pub fn agent_at_birth(parent: u64) -> u32 {
    if let Some(agent) = agent_of(parent) {
        return agent;
    }
    if NURSERIES.get_ptr(parent).is_none() {
        return 0;
    }
    let born = BORN.get();
    BORN.set(born.wrapping_add(1));
    limits::PROVISIONAL | born
}

/// Gives a new control group its agent. A full table leaves it unwatched, which userspace reports.
#[inline(always)]
pub fn put_cgroup(cgroup: u64, agent: u32) {
    if CGROUPS.insert(cgroup, agent, 0).is_err() {
        output::count_loss(agent, Kind::CgroupCreate);
    }
}

/// Forgets a control group.
#[inline(always)]
pub fn remove_cgroup(cgroup: u64) {
    let _ = CGROUPS.remove(cgroup);
}

#[inline(always)]
fn cgroup() -> u64 {
    // SAFETY: always allowed for tracing and cgroup programs.
    unsafe { generated::bpf_get_current_cgroup_id() }
}

#[inline(always)]
fn uid() -> u32 {
    bpf_get_current_uid_gid() as u32
}
