//! Processes that were there before the watch began, read from `/proc`.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use procfs::process::Process as ProcProcess;

use super::cgroup::Cgroups;
use crate::event::{AgentId, CgroupId, Exec, Nanos, Own, ProcessId, Ticks, text};
use crate::process::Process;

/// Deepest chain of parents that is followed.
const DEPTH: usize = 64;

/// The process `pid` as `/proc` shows it; `None` if it is gone.
pub fn read(pid: u32, agent: AgentId, cgroup: CgroupId, now: Nanos) -> Option<Process> {
    let id = i32::try_from(pid).ok()?;
    let process = ProcProcess::new(id).ok()?;
    let stat = process.stat().ok()?;
    let parent = u32::try_from(stat.ppid).ok().filter(|pid| *pid != 0).and_then(identity);
    // PID 1 and kernel threads may hide their executable; then the task's name stands in for it.
    let exe = process.exe().map_or_else(
        |_| format!("[{}]", text(stat.comm.as_bytes())).into(),
        |exe| text(exe.as_os_str().as_bytes()),
    );
    let exec = Some({
        let file = std::fs::metadata(format!("/proc/{pid}/exe")).ok();
        let cmdline = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let argv = cmdline.strip_suffix(&[0]).unwrap_or(&cmdline);
        Arc::new(Exec {
            exe,
            inode: file.as_ref().map_or(0, std::fs::Metadata::ino),
            nlink: file.as_ref().map_or(1, |file| u32::try_from(file.nlink()).unwrap_or(1)),
            mode: file.as_ref().map_or(0, std::fs::Metadata::mode),
            argv: argv.split(|byte| *byte == 0).map(text).collect(),
            cwd: process.cwd().map(|cwd| text(cwd.as_os_str().as_bytes())).unwrap_or_default(),
            parent: parent.unwrap_or_default(),
            comm: text(stat.comm.as_bytes()),
            ..Exec::default()
        })
    });
    Some(Process {
        id: ProcessId { pid, start: Ticks(stat.starttime) },
        parent,
        exec,
        agent,
        cgroup,
        uid: process.uid().unwrap_or(0),
        since: now,
        ended: None,
        setsid: None,
    })
}

/// The process and everything above it, topmost first; the ancestors belong to no agent.
pub fn read_with_ancestors(pid: u32, agent: AgentId, cgroup: CgroupId, now: Nanos) -> Vec<Process> {
    let mut chain: Vec<Process> = read(pid, agent, cgroup, now).into_iter().collect();
    while let Some(parent) = chain.last().and_then(|process| process.parent)
        && chain.len() < DEPTH
    {
        let Some(process) = read(parent.pid, AgentId::NONE, CgroupId(0), now) else { break };
        chain.push(process);
    }
    chain.reverse();
    chain
}

/// This process: what the core calls the detector. `files` are those that belong to it beside its executable.
pub fn own(cgroups: &Cgroups, files: &[PathBuf]) -> Own {
    let pid = std::process::id();
    let exe = std::fs::read_link("/proc/self/exe").ok();
    let files = exe.into_iter().chain(files.iter().filter_map(|file| file.canonicalize().ok()));
    let group = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = group.lines().find_map(|line| line.strip_prefix("0::")).filter(|path| *path != "/");
    Own {
        process: identity(pid).unwrap_or_default(),
        mntns: std::fs::metadata("/proc/self/ns/mnt")
            .ok()
            .and_then(|file| file.ino().try_into().ok())
            .unwrap_or(0),
        cgroup: group.map(|path| text(cgroups.directory(path).as_os_str().as_bytes())),
        files: files.map(|file| text(file.as_os_str().as_bytes())).collect(),
    }
}

/// Path below the cgroup2 mount of the control group that a process is in.
pub fn cgroup(pid: u32) -> Option<Box<str>> {
    let lines = std::fs::read(format!("/proc/{pid}/cgroup")).ok()?;
    lines.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"0::")).map(text)
}

/// Identity of a running process.
pub fn identity(pid: u32) -> Option<ProcessId> {
    let stat = ProcProcess::new(i32::try_from(pid).ok()?).ok()?.stat().ok()?;
    Some(ProcessId { pid, start: Ticks(stat.starttime) })
}
