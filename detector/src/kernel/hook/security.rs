//! The hooks at the kernel's own access control, each by three tiers.

use super::needs::FILE;
use super::{Attach, Hook, Tier, Vital, When, event};

const BEFORE: &str = "whether a change of mode was then allowed: a refused one is reported too";
const PREEMPTED: &str =
    "a file operation while the same probe, for a task that was preempted, waits on the same processor";
const LSM_BLIND: &[&str] = &[BEFORE];
const ENTRY_BLIND: &[&str] = &[BEFORE, PREEMPTED];

/// The rows of one hook.
macro_rules! hook {
    ($name:literal, $event:expr, $vital:expr) => {
        [
            row(concat!($name, "_lsm"), Attach::Lsm($name), $event, $vital),
            row(concat!($name, "_fentry"), Attach::Fentry(concat!("security_", $name)), $event, $vital),
            row(concat!($name, "_kprobe"), Attach::Kprobe(concat!("security_", $name)), $event, $vital),
        ]
    };
}

const fn row(program: &'static str, attach: Attach, serves: &'static [&'static str], vital: Vital) -> Hook {
    let (tier, blind) = match attach {
        Attach::Lsm(_) => (Tier::Lsm, LSM_BLIND),
        Attach::Kprobe(_) | Attach::Kretprobe(_) => (Tier::Kprobe, ENTRY_BLIND),
        Attach::Fentry(_)
        | Attach::Fexit(_)
        | Attach::BtfTracepoint(_)
        | Attach::CgroupSockAddr
        | Attach::CgroupSock
        | Attach::CgroupSkb(_) => (Tier::Fentry, ENTRY_BLIND),
    };
    Hook {
        program,
        attach,
        when: When::Agents,
        serves,
        needs: FILE,
        pieces: &[],
        blind,
        vital,
        tier: Some(tier),
    }
}

/// Three rows a hook.
pub(super) const HOOKS: &[[Hook; 3]] = &[
    hook!("file_open", &[event::OPEN], Vital::No),
    hook!("file_receive", &[event::RECEIVE], Vital::No),
    hook!("path_truncate", &[event::TRUNCATE], Vital::No),
    hook!("file_truncate", &[event::TRUNCATE], Vital::Part),
    hook!("path_rename", &[event::RENAME], Vital::No),
    hook!("inode_rename", &[event::RENAME], Vital::No),
    hook!("path_link", &[event::LINK], Vital::No),
    hook!("inode_link", &[event::LINK], Vital::No),
    hook!("path_symlink", &[event::SYMLINK], Vital::No),
    hook!("inode_symlink", &[event::SYMLINK], Vital::No),
    hook!("path_unlink", &[event::UNLINK], Vital::No),
    hook!("inode_unlink", &[event::UNLINK], Vital::No),
    hook!("path_rmdir", &[event::UNLINK], Vital::No),
    hook!("inode_rmdir", &[event::UNLINK], Vital::No),
    hook!("path_chmod", &[event::CHMOD], Vital::No),
    hook!("inode_setxattr", &[event::CAPABILITY], Vital::No),
    hook!("mmap_file", &[event::MAP], Vital::No),
    hook!("file_mprotect", &[event::MAP], Vital::No),
];

/// No security function is asked about a new session.
pub(super) const SETSID: &[Hook] = &[
    row("setsid_fexit", Attach::Fexit("ksys_setsid"), &[event::SETSID], Vital::No),
    row("setsid_kretprobe", Attach::Kretprobe("ksys_setsid"), &[event::SETSID], Vital::No),
];
