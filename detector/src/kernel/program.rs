//! Loads programs and attaches them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use aya::programs::cgroup_skb::{CgroupSkbAttachType, CgroupSkbLink};
use aya::programs::cgroup_sock::CgroupSockLink;
use aya::programs::cgroup_sock_addr::CgroupSockAddrLink;
use aya::programs::fentry::FEntryLink;
use aya::programs::fexit::FExitLink;
use aya::programs::kprobe::KProbeLink;
use aya::programs::lsm::LsmLink;
use aya::programs::tp_btf::BtfTracePointLink;
use aya::programs::{CgroupAttachMode, Program, ProgramError};
use aya::{Btf, BtfError, Ebpf};
use detector_common::offsets::Offsets;

use super::cgroup::mounts;
use super::hook::{Attach, Hook, Tier};
use super::tier::Refusal;
use crate::event::Direction;

/// Dropping one detaches it.
#[expect(dead_code, reason = "links are held for their drop")]
pub(super) enum Link {
    BtfTracepoint(BtfTracePointLink),
    Lsm(LsmLink),
    Fentry(FEntryLink),
    Fexit(FExitLink),
    Kprobe(KProbeLink),
    SockAddr(CgroupSockAddrLink),
    Sock(CgroupSockLink),
    Skb(CgroupSkbLink),
}

/// Loads programs on trial.
pub(super) struct Loader<'a> {
    ebpf: &'a mut Ebpf,
    offsets: &'a Offsets,
    types: &'a Btf,
    /// Why the BPF LSM would not be asked, if it would not.
    lsm: Option<String>,
    /// Tiers of which one program was attached.
    attached: BTreeSet<Tier>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(ebpf: &'a mut Ebpf, offsets: &'a Offsets, types: &'a Btf) -> Self {
        Self { ebpf, offsets, types, lsm: active_lsms().err(), attached: BTreeSet::new() }
    }

    /// Loads one program, and attaches the first of each tier for a moment; gives why it cannot be used.
    pub(super) fn load(&mut self, hook: &Hook) -> Option<Refusal> {
        let Self { ebpf, offsets, types, lsm, attached } = self;
        let missing: Vec<&str> =
            hook.needs.iter().copied().filter(|field| offsets.get(field).is_none()).collect();
        if !missing.is_empty() {
            return Some(format!("this kernel's BTF lacks {}", missing.join(", ")).into());
        }
        let Some(program) = ebpf.program_mut(hook.program) else {
            return Some("the object lacks this program".to_owned().into());
        };
        let loaded = match (program, hook.attach) {
            (Program::BtfTracePoint(program), Attach::BtfTracepoint(name)) => program.load(name, types),
            // It would load, attach and never run.
            (Program::Lsm(_), Attach::Lsm(_)) if lsm.is_some() => return lsm.clone().map(Refusal::from),
            (Program::Lsm(program), Attach::Lsm(name)) => program.load(name, types),
            (Program::FEntry(program), Attach::Fentry(function)) => program.load(function, types),
            (Program::FExit(program), Attach::Fexit(function)) => program.load(function, types),
            (Program::KProbe(program), Attach::Kprobe(_) | Attach::Kretprobe(_)) => program.load(),
            (Program::CgroupSockAddr(program), Attach::CgroupSockAddr) => program.load(),
            (Program::CgroupSock(program), Attach::CgroupSock) => program.load(),
            (Program::CgroupSkb(program), Attach::CgroupSkb(_)) => program.load(),
            _ => return Some("the object has another program under this name".to_owned().into()),
        };
        if let Err(error) = loaded {
            let is_absent = matches!(&error, ProgramError::Btf(BtfError::UnknownBtfTypeName { .. }));
            return Some(Refusal { reason: refusal(&error), is_absent });
        }
        let tier = hook.tier.filter(|tier| *tier != Tier::Syscall)?;
        // A kprobe says only now whether there is such a function.
        if tier != Tier::Kprobe && attached.contains(&tier) {
            return None;
        }
        match attach(ebpf, hook) {
            Ok(link) => {
                detach(vec![link]);
                attached.insert(tier);
                None
            }
            Err(error) => Some(attach_refusal(&error)),
        }
    }
}

/// Attaches a machine-wide program. Kernels before 5.13 attach one at a function's entry only once, and none does
/// while it is being detached: then it is loaded anew.
pub(super) fn attach(ebpf: &mut Ebpf, hook: &Hook) -> Result<Link, ProgramError> {
    let refused = match attach_once(ebpf, hook) {
        Ok(link) => return Ok(link),
        Err(refused) => refused,
    };
    let Ok(types) = Btf::from_sys_fs() else { return Err(refused) };
    match (ebpf.program_mut(hook.program), hook.attach) {
        (Some(Program::Lsm(program)), Attach::Lsm(name)) => {
            program.unload()?;
            program.load(name, &types)?;
        }
        (Some(Program::FEntry(program)), Attach::Fentry(function)) => {
            program.unload()?;
            program.load(function, &types)?;
        }
        (Some(Program::FExit(program)), Attach::Fexit(function)) => {
            program.unload()?;
            program.load(function, &types)?;
        }
        _ => return Err(refused),
    }
    attach_once(ebpf, hook)
}

fn attach_once(ebpf: &mut Ebpf, hook: &Hook) -> Result<Link, ProgramError> {
    match (ebpf.program_mut(hook.program), hook.attach) {
        (Some(Program::BtfTracePoint(program)), _) => {
            let id = program.attach()?;
            program.take_link(id).map(Link::BtfTracepoint)
        }
        (Some(Program::Lsm(program)), _) => {
            let id = program.attach()?;
            program.take_link(id).map(Link::Lsm)
        }
        (Some(Program::FEntry(program)), _) => {
            let id = program.attach()?;
            program.take_link(id).map(Link::Fentry)
        }
        (Some(Program::FExit(program)), _) => {
            let id = program.attach()?;
            program.take_link(id).map(Link::Fexit)
        }
        (Some(Program::KProbe(program)), Attach::Kprobe(function) | Attach::Kretprobe(function)) => {
            let id = program.attach(function, 0)?;
            program.take_link(id).map(Link::Kprobe)
        }
        _ => Err(ProgramError::NotLoaded),
    }
}

/// How many instructions the verifier went through; kernels before 5.16 do not say.
pub(super) fn verified(ebpf: &Ebpf, hook: &Hook) -> Option<u32> {
    ebpf.program(hook.program)?.info().ok()?.verified_instruction_count()
}

/// Detaches what is no longer needed, on a thread of its own: for each program at a function's entry the kernel
/// waits until no task can be inside, which takes it some hundredths of a second, and the rings do not wait.
pub(super) fn detach(links: Vec<Link>) {
    let thread = std::thread::Builder::new().name("detach".to_owned());
    if let Err(error) = thread.spawn(move || drop(links)) {
        tracing::debug!(%error, "programs were detached without a thread of their own");
    }
}

/// Attaches a program to a control group; `None` where it is none of those.
pub(super) fn attach_group(ebpf: &mut Ebpf, hook: &Hook, group: &File) -> Option<Result<Link, ProgramError>> {
    // `Single` is what the kernel calls multi for links; `AllowMultiple` is refused.
    let mode = CgroupAttachMode::Single;
    let program = ebpf.program_mut(hook.program)?;
    if let Program::CgroupSockAddr(program) = program {
        let id = program.attach(group, mode);
        return Some(id.and_then(|id| program.take_link(id)).map(Link::SockAddr));
    }
    if let Program::CgroupSock(program) = program {
        let id = program.attach(group, mode);
        return Some(id.and_then(|id| program.take_link(id)).map(Link::Sock));
    }
    if let (Program::CgroupSkb(program), Attach::CgroupSkb(direction)) = (program, hook.attach) {
        let way = match direction {
            Direction::Out => CgroupSkbAttachType::Egress,
            Direction::In => CgroupSkbAttachType::Ingress,
        };
        let id = program.attach(group, way, mode);
        return Some(id.and_then(|id| program.take_link(id)).map(Link::Skb));
    }
    None
}

/// The active security modules, where the BPF LSM is one of them; otherwise why it would never be asked.
///
/// # Errors
/// `bpf` is not in the list, or the list cannot be read.
pub fn active_lsms() -> Result<String, String> {
    let mount = mounts("securityfs").unwrap_or_else(|| "/sys/kernel/security".to_owned());
    let Ok(list) = fs::read_to_string(Path::new(&mount).join("lsm")) else {
        return Err(
            "securityfs is not mounted or lists no security modules; `mount -t securityfs none /sys/kernel/security` shows them"
                .to_owned(),
        );
    };
    let list = list.trim();
    if list.split(',').any(|name| name == "bpf") {
        Ok(list.to_owned())
    } else {
        Err(format!("`bpf` is not among the active security modules ({list}); boot with lsm={list},bpf"))
    }
}

/// A kprobe is refused where it is attached, with "no such entry", if there is no such function.
fn attach_refusal(error: &ProgramError) -> Refusal {
    use std::error::Error;
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    let mut is_absent = false;
    while let Some(one) = cause {
        is_absent |=
            one.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::NotFound);
        cause = one.source();
    }
    Refusal { reason: refusal(error), is_absent }
}

/// An error of the verifier carries its log; a person wants the end of it.
fn refusal(error: &ProgramError) -> String {
    let text = anyhow::format_err!("{error}").to_string();
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.len() > 12 {
        lines.drain(1..lines.len() - 11);
    }
    lines.join("\n")
}
