//! Does things to other processes and to the kernel, and puts right at once what it changed.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context as _, Result, bail};
use rustix::process::Pid;
use serde_json::{Value, json};

use crate::Words;
use crate::fork::{Side, fork, leave, wait};
use crate::report::{parsed, path};

/// A user who is not root.
const NOBODY: libc::uid_t = 65534;
const BPF_PROG_LOAD: usize = 5;
const BPF_LINK_CREATE: usize = 28;
const BPF_LINK_DETACH: usize = 34;
const BPF_PROG_TYPE_CGROUP_SKB: u32 = 8;
const BPF_CGROUP_INET_EGRESS: u32 = 1;

/// Makes one syscall; its result, or the errno.
fn call<const N: usize>(number: libc::c_long, words: [usize; N]) -> io::Result<libc::c_long> {
    let word = |at: usize| words.get(at).copied().unwrap_or(0);
    // SAFETY: each caller passes numbers, and addresses of values that outlive the call, as the syscall
    // wants them; missing arguments are not looked at.
    let result = unsafe { libc::syscall(number, word(0), word(1), word(2), word(3), word(4), word(5)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// What came of a syscall: 0, or its errno.
fn errno<T>(result: &io::Result<T>) -> i32 {
    result.as_ref().err().and_then(io::Error::raw_os_error).unwrap_or(0)
}

fn number(pid: Pid) -> usize {
    usize::try_from(pid.as_raw_nonzero().get()).unwrap_or(0)
}

/// Runs `act` on a child that waits, and ends that child.
fn with_child(act: impl FnOnce(Pid) -> Result<Value>) -> Result<Value> {
    let child = match fork()? {
        Side::Child => loop {
            std::thread::park();
        },
        Side::Parent(child) => child,
    };
    let done = act(child);
    rustix::process::kill_process(child, rustix::process::Signal::KILL)?;
    wait(child)?;
    done
}

fn pid(words: Words<'_>) -> Result<Pid> {
    Pid::from_raw(parsed(words, 0)?).context("no pid")
}

/// Traces a process as debuggers do, and lets it go.
pub(crate) fn trace(words: Words<'_>) -> Result<Value> {
    traced(pid(words)?)
}

/// Traces a child.
pub(crate) fn trace_child(_: Words<'_>) -> Result<Value> {
    with_child(traced)
}

fn traced(target: Pid) -> Result<Value> {
    let request = usize::try_from(libc::PTRACE_SEIZE)?;
    let result = call(libc::SYS_ptrace, [request, number(target), 0, 0]);
    // It goes on when its tracer ends, since it was not stopped.
    Ok(json!({ "target": number(target), "request": request, "errno": errno(&result) }))
}

/// Has a child be traced by this process, as debuggers start a program: nothing is done to another.
pub(crate) fn trace_me(_: Words<'_>) -> Result<Value> {
    match fork()? {
        Side::Child => {
            let result = call(libc::SYS_ptrace, [usize::try_from(libc::PTRACE_TRACEME)?, 0, 0, 0]);
            leave(errno(&result))
        }
        Side::Parent(child) => {
            let status = wait(child)?;
            Ok(json!({ "child": number(child), "code": status.exit_status() }))
        }
    }
}

/// In a pid namespace of its own, traces a process by the number that it has there.
pub(crate) fn trace_inside(_: Words<'_>) -> Result<Value> {
    call(libc::SYS_unshare, [usize::try_from(libc::CLONE_NEWPID)?]).context("unshare")?;
    let init = match fork()? {
        // Number 1 there; what it starts has number 2. It ends with the number that it traced.
        Side::Child => {
            let target = match fork() {
                Ok(Side::Child) => loop {
                    std::thread::park();
                },
                Ok(Side::Parent(child)) => child,
                Err(_) => leave(100),
            };
            let failed = traced(target).is_err();
            let _ = rustix::process::kill_process(target, rustix::process::Signal::KILL);
            leave(if failed { 101 } else { target.as_raw_nonzero().get() })
        }
        Side::Parent(child) => child,
    };
    let status = wait(init)?;
    Ok(json!({ "init": number(init), "inside": status.exit_status() }))
}

/// Writes a byte of another process's memory, the one that is there, by process_vm_writev(2).
pub(crate) fn write_memory(words: Words<'_>) -> Result<Value> {
    let target = pid(words)?;
    let maps = fs::read_to_string(format!("/proc/{}/maps", number(target)))?;
    let stack = maps.lines().find(|line| line.ends_with("[stack]")).context("no stack")?;
    let start = stack.split('-').next().context("no address")?;
    let address = usize::from_str_radix(start, 16)?;
    let end = stack.split(['-', ' ']).nth(1).context("no end")?;
    // The top of the stack is always there; what is below may not have been touched yet.
    let address = usize::from_str_radix(end, 16).unwrap_or(address) - 8;
    let mut byte = [0_u8];
    let local = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: 1 };
    let words = [number(target), (&raw const local) as usize, 1, (&raw const remote) as usize, 1];
    call(libc::SYS_process_vm_readv, words).context("process_vm_readv")?;
    let result = call(libc::SYS_process_vm_writev, words);
    Ok(json!({ "target": number(target), "errno": errno(&result) }))
}

/// Opens another process's memory for writing, and writes nothing.
pub(crate) fn open_memory(words: Words<'_>) -> Result<Value> {
    let target = number(pid(words)?);
    let file = OpenOptions::new().write(true).open(format!("/proc/{target}/mem"))?;
    Ok(json!({ "target": target, "inode": file.metadata()?.ino() }))
}

/// Opens a device for writing, and writes nothing.
pub(crate) fn open_device(words: Words<'_>) -> Result<Value> {
    let name = path(words, 0)?;
    OpenOptions::new().write(true).open(name).with_context(|| format!("cannot open {}", name.display()))?;
    Ok(json!({ "path": name.to_string_lossy() }))
}

/// Sends a signal.
pub(crate) fn signal(words: Words<'_>) -> Result<Value> {
    let (target, signal): (Pid, usize) = (pid(words)?, parsed(words, 1)?);
    let result = call(libc::SYS_kill, [number(target), signal]);
    Ok(json!({ "target": number(target), "signal": signal, "errno": errno(&result) }))
}

/// Sends a signal to a whole process group.
pub(crate) fn signal_group(words: Words<'_>) -> Result<Value> {
    let (group, signal): (i32, libc::c_int) = (parsed(words, 0)?, parsed(words, 1)?);
    // SAFETY: two numbers; no memory is touched.
    if unsafe { libc::kill(-group, signal) } != 0 {
        bail!("kill: {}", io::Error::last_os_error());
    }
    Ok(json!({ "group": group, "signal": signal }))
}

/// Sends a signal by a pidfd.
pub(crate) fn signal_pidfd(words: Words<'_>) -> Result<Value> {
    let (target, signal): (Pid, usize) = (pid(words)?, parsed(words, 1)?);
    let fd = call(libc::SYS_pidfd_open, [number(target), 0]).context("pidfd_open")?;
    let result = call(libc::SYS_pidfd_send_signal, [usize::try_from(fd)?, signal, 0, 0]);
    Ok(json!({ "target": number(target), "signal": signal, "errno": errno(&result) }))
}

/// Sends a signal as a user who may not.
pub(crate) fn signal_refused(words: Words<'_>) -> Result<Value> {
    // SAFETY: a number; the process has one thread.
    if unsafe { libc::setuid(NOBODY) } != 0 {
        bail!("setuid: {}", io::Error::last_os_error());
    }
    signal(words)
}

/// Loads an eBPF program that lets every packet pass, attaches it to a control group, and detaches it.
pub(crate) fn bpf(words: Words<'_>) -> Result<Value> {
    let group = File::open(path(words, 0)?)?;
    // r0 = 1; exit
    let code: [u64; 2] = [0x1_0000_00b7, 0x95];
    let license = c"GPL";
    let mut load = [0_u8; 128];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(place) = load.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    put(0, &BPF_PROG_TYPE_CGROUP_SKB.to_ne_bytes());
    put(4, &2_u32.to_ne_bytes());
    put(8, &(code.as_ptr() as u64).to_ne_bytes());
    put(16, &(license.as_ptr() as u64).to_ne_bytes());
    put(48, b"trigger");
    put(68, &BPF_CGROUP_INET_EGRESS.to_ne_bytes());
    let program = call(libc::SYS_bpf, [BPF_PROG_LOAD, load.as_ptr() as usize, load.len()]).context("load")?;
    let link: [u32; 4] =
        [u32::try_from(program)?, u32::try_from(group.as_raw_fd())?, BPF_CGROUP_INET_EGRESS, 0];
    let link = call(libc::SYS_bpf, [BPF_LINK_CREATE, link.as_ptr() as usize, 16]).context("link")?;
    let detach = [u32::try_from(link)?];
    call(libc::SYS_bpf, [BPF_LINK_DETACH, detach.as_ptr() as usize, 4]).context("detach")?;
    Ok(json!({ "name": "trigger", "type": BPF_PROG_TYPE_CGROUP_SKB }))
}

/// Tries to load what is no module, and no kernel.
pub(crate) fn code_for_kernel(words: Words<'_>) -> Result<Value> {
    let file = File::open(path(words, 0)?)?;
    let fd = usize::try_from(file.as_raw_fd())?;
    let junk = [0_u8; 64];
    let init = call(libc::SYS_init_module, [junk.as_ptr() as usize, junk.len(), c"".as_ptr() as usize]);
    let finit = call(libc::SYS_finit_module, [fd, c"".as_ptr() as usize, 0]);
    // On the heap: where the kernel has no modules it reads no name, and nobody else would make it resident.
    let name = c"no_such_module".to_owned();
    let delete = call(libc::SYS_delete_module, [name.as_ptr() as usize, 0]);
    let kexec = call(libc::SYS_kexec_file_load, [fd, fd, 1, c"".as_ptr() as usize, 0]);
    let errnos = [errno(&init), errno(&finit), errno(&delete), errno(&kexec)];
    Ok(json!({ "init": errnos[0], "finit": errnos[1], "delete": errnos[2], "kexec": errnos[3] }))
}

/// In mounts of its own, binds a directory over another, and takes it away again.
pub(crate) fn mount(words: Words<'_>) -> Result<Value> {
    private_mounts()?;
    bind(words)
}

/// As [`mount`], in the mounts that everybody sees.
pub(crate) fn mount_for_all(words: Words<'_>) -> Result<Value> {
    bind(words)
}

/// In mounts of its own, binds a directory over that of a child in `/proc`.
pub(crate) fn mount_over_process(words: Words<'_>) -> Result<Value> {
    private_mounts()?;
    let from = path(words, 0)?;
    with_child(|child| {
        let over = format!("/proc/{}", number(child));
        rustix::mount::mount_bind(from, &over).context("bind mount")?;
        rustix::mount::unmount(&over, rustix::mount::UnmountFlags::DETACH).context("unmount")?;
        Ok(json!({ "path": over }))
    })
}

/// As [`mount`], by open_tree(2) and move_mount(2).
pub(crate) fn move_mount(words: Words<'_>) -> Result<Value> {
    use rustix::mount::{MoveMountFlags, OpenTreeFlags};
    private_mounts()?;
    let (from, to) = (path(words, 0)?, path(words, 1)?);
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = rustix::mount::open_tree(rustix::fs::CWD, from, flags).context("open_tree")?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
    rustix::mount::move_mount(&tree, c"", rustix::fs::CWD, to, flags).context("move_mount")?;
    rustix::mount::unmount(to, rustix::mount::UnmountFlags::DETACH).context("unmount")?;
    Ok(json!({ "path": to.to_string_lossy() }))
}

fn bind(words: Words<'_>) -> Result<Value> {
    let (from, to) = (path(words, 0)?, path(words, 1)?);
    rustix::mount::mount_bind(from, to).context("bind mount")?;
    rustix::mount::unmount(to, rustix::mount::UnmountFlags::DETACH).context("unmount")?;
    Ok(json!({ "path": to.to_string_lossy(), "flags": libc::MS_BIND }))
}

fn private_mounts() -> Result<()> {
    use rustix::mount::MountPropagationFlags;
    call(libc::SYS_unshare, [usize::try_from(libc::CLONE_NEWNS)?]).context("unshare")?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).context("cannot make mounts private")
}

/// Enters the network that it is in already, then makes one of its own.
pub(crate) fn namespaces(_: Words<'_>) -> Result<Value> {
    let network = usize::try_from(libc::CLONE_NEWNET)?;
    let file = File::open("/proc/self/ns/net")?;
    call(libc::SYS_setns, [usize::try_from(file.as_raw_fd())?, network]).context("setns")?;
    // Not a namespace: nothing that anybody need know.
    call(libc::SYS_unshare, [usize::try_from(libc::CLONE_FS)?]).context("unshare")?;
    call(libc::SYS_unshare, [network]).context("unshare")?;
    Ok(json!({ "flags": network }))
}

/// Changes its root directory.
pub(crate) fn chroot(words: Words<'_>) -> Result<Value> {
    let to = path(words, 0)?;
    let name = CString::new(to.as_os_str().as_bytes())?;
    call(libc::SYS_chroot, [name.as_ptr() as usize]).context("chroot")?;
    Ok(json!({ "path": to.to_string_lossy() }))
}

/// Makes what programs seldom need: a file in memory, an io_uring, a hand on page faults, a name of a kernel thread.
pub(crate) fn odd(words: Words<'_>) -> Result<Value> {
    let name: String = parsed(words, 0)?;
    let name = CString::new(name)?;
    call(libc::SYS_memfd_create, [name.as_ptr() as usize, 0]).context("memfd_create")?;
    let faults = call(libc::SYS_userfaultfd, [usize::try_from(libc::O_CLOEXEC)?]);
    let ring = io_uring::IoUring::new(1);
    // A name of its own first: no kernel thread is called so.
    for name in [c"worker", &*name] {
        let option = usize::try_from(libc::PR_SET_NAME)?;
        call(libc::SYS_prctl, [option, name.as_ptr() as usize]).context("prctl")?;
    }
    Ok(json!({ "name": name.to_string_lossy(), "userfaultfd": errno(&faults), "io_uring": errno(&ring) }))
}
