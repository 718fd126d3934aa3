//! Records of control groups become events.

use detector_common::wire::{self, Header, flag};

use super::{Malformed, part, process, string, take};
use crate::event::{CgroupChange, CgroupId, CgroupMove, EventKind, Membership};

pub(super) fn changed(rest: &[u8]) -> Result<CgroupChange, Malformed> {
    let (cgroup, rest) = take::<wire::Cgroup>(rest)?;
    Ok(CgroupChange { id: CgroupId(cgroup.id), parent: CgroupId(cgroup.parent), path: path(&cgroup, rest)? })
}

pub(super) fn moved(header: &Header, rest: &[u8]) -> Result<EventKind, Malformed> {
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
        path: path(&cgroup, rest)?,
        change,
    }))
}

fn path(cgroup: &wire::Cgroup, rest: &[u8]) -> Result<Box<str>, Malformed> {
    let len = u16::try_from(cgroup.path_len).map_err(|_| Malformed)?;
    Ok(string(part(rest, len)?.0))
}
