//! Operation records become events: which one, on whom, at what place.

use detector_common::wire::{self, Header, flag};

use super::path::{self, Name, Who};
use super::{Decoder, Malformed, part, process, string, take};
use crate::event::{EventKind, Operation, OperationCode};

/// In the flags of an mmap: pages of hugetlbfs.
const MAP_HUGETLB: u32 = 0x4_0000;

impl Decoder {
    pub(super) fn operation(&mut self, header: &Header, rest: &[u8]) -> Result<EventKind, Malformed> {
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
