//! Typed reads of kernel structs at the offsets of the running kernel.
//!
//! A read that fails gives zeros, as `bpf_probe_read_kernel` leaves them: no branch on the result, so
//! that the verifier explores one path. Callers treat 0 and null as "unknown".

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::read_volatile;

use aya_ebpf::helpers::{bpf_get_current_task, generated};
use detector_common::limits;
use detector_common::offsets::Offsets;
use detector_common::wire::Times;

/// Filled by the loader and frozen: the verifier sees constants.
#[unsafe(no_mangle)]
static OFFSETS: Offsets = Offsets::unknown();

/// Filled likewise: bits of [`detector_common::features`].
#[unsafe(no_mangle)]
static FEATURES: u32 = 0;

/// Whether this kernel has a feature; the verifier knows the answer and does not look at the other way.
#[inline(always)]
pub fn has(feature: u32) -> bool {
    // SAFETY: a frozen map value; volatile, since the loader wrote it.
    unsafe { read_volatile(&raw const FEATURES) & feature != 0 }
}

macro_rules! at {
    ($base:expr, $field:ident) => {{
        // SAFETY: OFFSETS is a frozen map value of this layout; volatile, since the loader wrote it.
        let offset = unsafe { read_volatile(&raw const OFFSETS.$field) };
        read($base.wrapping_add(offset as usize))
    }};
}

macro_rules! field {
    ($base:expr, $field:ident) => {{
        // SAFETY: as in `at!`.
        let offset = unsafe { read_volatile(&raw const OFFSETS.$field) };
        load($base, offset as usize)
    }};
}

macro_rules! offset {
    ($field:ident) => {{
        // SAFETY: as in `at!`.
        (unsafe { read_volatile(&raw const OFFSETS.$field) }) as usize
    }};
}

macro_rules! inside {
    ($base:expr, $field:ident) => {{
        // SAFETY: as in `at!`.
        let offset = unsafe { read_volatile(&raw const OFFSETS.$field) };
        $base.wrapping_add(offset as usize)
    }};
}

macro_rules! known {
    ($field:ident) => {{
        // SAFETY: as in `at!`.
        let offset = unsafe { read_volatile(&raw const OFFSETS.$field) };
        offset != detector_common::offsets::UNKNOWN
    }};
}

mod numbered;
mod sock;

pub use sock::{Ends, Sock};

/// How a signal came to be that the kernel gives no account of.
#[derive(Clone, Copy)]
pub struct SignalInfo(pub *const u8);

impl SignalInfo {
    /// Whether a process asked for it by kill(2) or one of its kin. 0 and 1 are no addresses: sent without an
    /// account, as cgroup.kill does, and by the kernel itself.
    #[inline(always)]
    pub fn is_asked_for(self) -> bool {
        const SI_USER: i32 = 0;
        const SI_QUEUE: i32 = -1;
        const SI_TKILL: i32 = -6;
        match self.0 as u64 {
            0 => true,
            1 => false,
            _ => {
                let code: u32 = at!(self.0, siginfo_code);
                matches!(code as i32, SI_USER | SI_QUEUE | SI_TKILL)
            }
        }
    }
}

/// Plain old data that any bytes are a value of.
pub trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for u16 {}
impl Plain for u32 {}
impl Plain for u64 {}
impl Plain for [u8; 16] {}
impl Plain for [u32; 5] {}
impl<T> Plain for *const T {}

/// The same value, of which the compiler knows no more where it is from: choosing between two words of a context, it
/// would choose between their addresses, which the verifier refuses.
#[inline(always)]
pub fn settled(value: u64) -> u64 {
    let mut value = value;
    // SAFETY: moves a register to itself.
    unsafe { core::arch::asm!("{0} = {0}", inout(reg) value, options(nomem, nostack)) };
    value
}

/// Whether kernel memory holds exactly this text, its NUL included.
#[inline(always)]
pub fn text_is<const N: usize>(address: *const u8, text: &[u8; N]) -> bool {
    let mut held = [0_u8; N];
    // SAFETY: writes at most the N bytes of `held`; the helper checks the source.
    unsafe { generated::bpf_probe_read_kernel(held.as_mut_ptr().cast(), N as u32, address.cast()) };
    held == *text
}

/// The kernel value at `address`, zeros if it cannot be read.
#[inline(always)]
pub fn read<T: Plain>(address: *const u8) -> T {
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: the helper checks the address and writes all of `value`, zeros on failure.
    unsafe {
        generated::bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, address.cast());
    }
    // SAFETY: zeroed or written; any bytes are a value of a Plain type.
    unsafe { value.assume_init() }
}

/// Whether user memory holds exactly this text, its NUL included.
#[inline(always)]
pub fn user_text_is<const N: usize>(address: u64, text: &[u8; N]) -> bool {
    let mut held = [0_u8; N];
    // SAFETY: writes at most the N bytes of `held`; the helper checks the source.
    unsafe {
        generated::bpf_probe_read_user(
            held.as_mut_ptr().cast(),
            N as u32,
            address as *const core::ffi::c_void,
        );
    }
    held == *text
}

/// The byte of user memory at `address`, 0 if it cannot be read.
#[inline(always)]
pub fn user_byte(address: u64) -> u8 {
    let mut value = 0_u8;
    // SAFETY: the helper checks the address and writes one byte.
    unsafe {
        generated::bpf_probe_read_user((&raw mut value).cast(), 1, address as *const core::ffi::c_void)
    };
    value
}

/// The value in user memory at `address`, zeros if it cannot be read.
#[inline(always)]
pub fn read_user<T: Plain>(address: u64) -> T {
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: the helper checks the address and writes all of `value`, zeros on failure.
    unsafe {
        generated::bpf_probe_read_user(value.as_mut_ptr().cast(), size_of::<T>() as u32, address as *const _);
    }
    // SAFETY: zeroed or written; any bytes are a value of a Plain type.
    unsafe { value.assume_init() }
}

/// A number that any CPU may read and write; aligned words are never torn.
pub struct Word<T>(UnsafeCell<T>);

// SAFETY: all access is volatile and of one word; users say why a lost update does no harm.
unsafe impl<T: Plain> Sync for Word<T> {}

impl<T: Plain> Word<T> {
    /// Holds `value`.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// What it holds.
    #[inline(always)]
    pub fn get(&self) -> T {
        // SAFETY: points into a live global.
        unsafe { self.0.get().read_volatile() }
    }

    /// Holds `value` from now on.
    #[inline(always)]
    pub fn set(&self, value: T) {
        // SAFETY: as above.
        unsafe { self.0.get().write_volatile(value) }
    }
}

/// A process or thread.
#[derive(Clone, Copy)]
pub struct Task(pub *const u8);

impl Task {
    /// The task that the program runs for.
    #[inline(always)]
    pub fn current() -> Self {
        // SAFETY: always allowed, returns the current task_struct.
        Self(unsafe { bpf_get_current_task() } as *const u8)
    }

    /// Process id.
    #[inline(always)]
    pub fn tgid(self) -> u32 {
        at!(self.0, task_tgid)
    }

    /// Thread id.
    #[inline(always)]
    pub fn tid(self) -> u32 {
        at!(self.0, task_pid)
    }

    /// Start of the process, CLOCK_BOOTTIME nanoseconds.
    #[inline(always)]
    pub fn start(self) -> u64 {
        let leader: *const u8 = at!(self.0, task_group_leader);
        at!(leader, task_start)
    }

    /// User id.
    #[inline(always)]
    pub fn uid(self) -> u32 {
        let credentials: *const u8 = at!(self.0, task_cred);
        at!(credentials, cred_uid)
    }

    /// Parent.
    #[inline(always)]
    pub fn parent(self) -> Self {
        Self(at!(self.0, task_real_parent))
    }

    /// wait(2) status.
    #[inline(always)]
    pub fn exit_code(self) -> u32 {
        at!(self.0, task_exit_code)
    }

    /// What all threads of its process used of the processors, those that ended included.
    ///
    /// The kernel adds a thread's time to the process's when it releases the thread, which at the end of the last one
    /// need not have come to all, and never has to the last and the first. One that is released between the
    /// two reads is missed; of the one that runs, what it ran since the last tick.
    #[inline(always)]
    pub fn times(self) -> Times {
        let signal: *const u8 = at!(self.0, task_signal);
        let mut times = Times {
            user: at!(signal, signal_user),
            system: at!(signal, signal_system),
            ran: at!(signal, signal_ran),
        };
        let head = inside!(signal, signal_threads);
        // `next` is the first word of a list_head.
        let mut link: *const u8 = read(head);
        for _ in 0..limits::THREADS {
            if link == head || link.is_null() {
                break;
            }
            let thread = link.wrapping_sub(offset!(task_thread));
            let (user, system, ran): (u64, u64, u64) =
                (at!(thread, task_user), at!(thread, task_system), at!(thread, task_ran));
            times.user = times.user.wrapping_add(user);
            times.system = times.system.wrapping_add(system);
            times.ran = times.ran.wrapping_add(ran);
            link = read(link);
        }
        times
    }

    /// Whether no thread of the process lives any more.
    #[inline(always)]
    pub fn group_is_dead(self) -> bool {
        let signal: *const u8 = at!(self.0, task_signal);
        let live: u32 = at!(signal, signal_live);
        live == 0
    }

    /// Id of its control group in cgroup2.
    #[inline(always)]
    pub fn cgroup(self) -> u64 {
        let set: *const u8 = at!(self.0, task_cgroups);
        Cgroup(at!(set, css_set_dfl)).id()
    }

    /// Working directory.
    #[inline(always)]
    pub fn cwd(self) -> Path {
        let fs: *const u8 = at!(self.0, task_fs);
        Path::at(inside!(fs, fs_pwd))
    }

    /// Root directory.
    #[inline(always)]
    pub fn root(self) -> Path {
        let fs: *const u8 = at!(self.0, task_fs);
        Path::at(inside!(fs, fs_root))
    }

    /// Where its name stands: sixteen bytes, a NUL among them.
    #[inline(always)]
    pub fn name(self) -> *const u8 {
        inside!(self.0, task_comm)
    }

    /// Number of its mount namespace.
    #[inline(always)]
    pub fn mount_namespace(self) -> u32 {
        let namespaces: *const u8 = at!(self.0, task_nsproxy);
        let mounts: *const u8 = at!(namespaces, nsproxy_mnt);
        at!(mounts, mntns_inum)
    }

    /// Where argv and environment stand in user memory.
    #[inline(always)]
    pub fn memory(self) -> Memory {
        let mm: *const u8 = at!(self.0, task_mm);
        Memory {
            arg_start: at!(mm, mm_arg_start),
            arg_end: at!(mm, mm_arg_end),
            env_start: at!(mm, mm_env_start),
            env_end: at!(mm, mm_env_end),
        }
    }

    /// The open file behind a descriptor; null if there is none.
    #[inline(always)]
    pub fn file(self, fd: u32) -> File {
        let files: *const u8 = at!(self.0, task_files);
        let table: *const u8 = at!(files, files_fdt);
        let slots: *const u8 = at!(table, fdt_fd);
        let max: u32 = at!(table, fdt_max);
        if fd >= max {
            return File(core::ptr::null());
        }
        File(read(slots.wrapping_add(fd as usize * size_of::<usize>())))
    }
}

/// User memory of a process.
#[derive(Clone, Copy)]
pub struct Memory {
    /// First byte of argv.
    pub arg_start: u64,
    /// End of argv.
    pub arg_end: u64,
    /// First byte of the environment.
    pub env_start: u64,
    /// End of the environment.
    pub env_end: u64,
}

/// What is being executed.
#[derive(Clone, Copy)]
pub struct Binprm(pub *const u8);

impl Binprm {
    /// The executable, or the interpreter of a script.
    #[inline(always)]
    pub fn file(self) -> File {
        File(at!(self.0, bprm_file))
    }

    /// The script's path as given to execve, null where no script is run.
    #[inline(always)]
    pub fn script(self) -> *const u8 {
        let filename: *const u8 = at!(self.0, bprm_filename);
        let interp: *const u8 = at!(self.0, bprm_interp);
        if filename == interp { core::ptr::null() } else { filename }
    }
}

/// How a file was opened.
#[derive(Clone, Copy)]
pub struct OpenFile {
    /// FMODE_* bits.
    pub mode: u32,
    /// O_* flags.
    pub flags: u32,
}

impl OpenFile {
    const FMODE_WRITE: u32 = 2;
    const FMODE_CREATED: u32 = 0x10_0000;
    /// An overlay's file below the one that was opened: since 6.6, and before.
    const FMODE_INNER: u32 = 0x200_0000 | 0x2000_0000;
    const O_TRUNC: u32 = 0o1000;

    /// The same with the O_* flags that the caller asked for: the kernel forgets O_TRUNC once it is done.
    #[inline(always)]
    pub fn asked(self, flags: u64) -> Self {
        Self { flags: self.flags | flags as u32 & Self::O_TRUNC, ..self }
    }

    /// Whether it was made by this open.
    #[inline(always)]
    pub fn is_created(self) -> bool {
        self.mode & Self::FMODE_CREATED != 0
    }

    /// Whether it is emptied, having been there before.
    #[inline(always)]
    pub fn is_emptied(self) -> bool {
        self.flags & Self::O_TRUNC != 0 && !self.is_created()
    }

    /// Whether it can be written, was made, or is emptied.
    #[inline(always)]
    pub fn is_change(self) -> bool {
        let writes = self.mode & (Self::FMODE_WRITE | Self::FMODE_CREATED) != 0;
        (writes || self.flags & Self::O_TRUNC != 0) && self.mode & Self::FMODE_INNER == 0
    }
}

/// An open file.
#[derive(Clone, Copy)]
pub struct File(pub *const u8);

impl File {
    /// Where its FMODE_* bits stand.
    #[inline(always)]
    pub fn mode_at() -> usize {
        offset!(file_mode)
    }

    /// Where its O_* flags stand.
    #[inline(always)]
    pub fn flags_at() -> usize {
        offset!(file_flags)
    }

    /// The file that an area of memory maps; null where it maps none.
    #[inline(always)]
    pub fn of_area(area: *const u8) -> Self {
        Self(at!(area, area_file))
    }

    /// How it was opened.
    #[inline(always)]
    pub fn open(self) -> OpenFile {
        OpenFile { mode: self.mode(), flags: self.flags() }
    }

    /// FMODE_* bits.
    #[inline(always)]
    pub fn mode(self) -> u32 {
        at!(self.0, file_mode)
    }

    /// O_* flags.
    #[inline(always)]
    pub fn flags(self) -> u32 {
        at!(self.0, file_flags)
    }

    /// Its inode.
    #[inline(always)]
    pub fn inode(self) -> Inode {
        Inode(at!(self.0, file_inode))
    }

    /// Where it stands.
    #[inline(always)]
    pub fn path(self) -> Path {
        Path::at(inside!(self.0, file_path))
    }

    /// The connected TCP socket that it is; null where it is none.
    #[inline(always)]
    pub fn connected(self) -> *const u8 {
        const S_IFMT: u16 = 0o170_000;
        const S_IFSOCK: u16 = 0o140_000;
        const TCP: u16 = 6;
        const ESTABLISHED: u8 = 1;
        const CLOSE_WAIT: u8 = 8;
        if self.inode().mode() & S_IFMT != S_IFSOCK {
            return core::ptr::null();
        }
        let socket: *const u8 = at!(self.0, file_private);
        let sock: *const u8 = at!(socket, socket_sk);
        let protocol: u16 = at!(sock, sock_protocol);
        let family: u16 = at!(sock, sock_family);
        let state: u8 = at!(sock, sock_state);
        let connected = state == ESTABLISHED || state == CLOSE_WAIT;
        let known = protocol == TCP && (family == AF_INET || family == AF_INET6);
        if connected && known { sock } else { core::ptr::null() }
    }
}

/// Linux's number of Unix sockets.
const AF_UNIX: u16 = 1;

impl File {
    /// The path that the other end of this Unix socket was bound to, NUL-terminated as a rule; null where
    /// the file is no such socket or the other end has no name.
    #[inline(always)]
    pub fn peer_name(self) -> *const u8 {
        const S_IFMT: u16 = 0o170_000;
        const S_IFSOCK: u16 = 0o140_000;
        if self.inode().mode() & S_IFMT != S_IFSOCK {
            return core::ptr::null();
        }
        let socket: *const u8 = at!(self.0, file_private);
        let sock: *const u8 = at!(socket, socket_sk);
        let family: u16 = at!(sock, sock_family);
        if family != AF_UNIX {
            return core::ptr::null();
        }
        let peer: *const u8 = at!(sock, unix_peer);
        let address: *const u8 = at!(peer, unix_addr);
        // The path stands behind two bytes of family, in every sockaddr_un.
        if address.is_null() { address } else { inside!(address, unix_name).wrapping_add(2) }
    }
}

/// An inode.
#[derive(Clone, Copy)]
pub struct Inode(pub *const u8);

impl Inode {
    /// Inode number.
    #[inline(always)]
    pub fn number(self) -> u64 {
        at!(self.0, inode_ino)
    }

    /// Which of the files that had its number it is.
    #[inline(always)]
    pub fn generation(self) -> u32 {
        at!(self.0, inode_generation)
    }

    /// Device.
    #[inline(always)]
    pub fn device(self) -> u32 {
        let sb: *const u8 = at!(self.0, inode_sb);
        at!(sb, sb_dev)
    }

    /// Magic number of its file system.
    #[inline(always)]
    pub fn magic(self) -> u32 {
        let sb: *const u8 = at!(self.0, inode_sb);
        at!(sb, sb_magic)
    }

    /// Type and permission bits.
    #[inline(always)]
    pub fn mode(self) -> u16 {
        at!(self.0, inode_mode)
    }

    /// Number of the device that a device file stands for.
    #[inline(always)]
    pub fn represents(self) -> u32 {
        at!(self.0, inode_rdev)
    }

    /// The process that this file of `/proc/PID` is about; null where that is not known. To be asked of
    /// inodes of procfs only.
    #[inline(always)]
    pub fn about(self) -> Task {
        if !known!(proc_pid) || !known!(proc_vfs) {
            return Task(core::ptr::null());
        }
        // SAFETY: as in `at!`.
        let back = unsafe { read_volatile(&raw const OFFSETS.proc_vfs) } as usize;
        Task::first_of(at!(self.0.wrapping_sub(back), proc_pid))
    }

    /// Link count.
    #[inline(always)]
    pub fn links(self) -> u32 {
        at!(self.0, inode_nlink)
    }
}

/// A place in the tree of mounts.
#[derive(Clone, Copy)]
pub struct Path {
    /// Directory entry.
    pub dentry: *const u8,
    /// Its mount.
    pub mount: *const u8,
}

impl Path {
    /// No place: its walk is empty.
    pub const NONE: Self = Self { dentry: core::ptr::null(), mount: core::ptr::null() };

    /// What a `struct path` says.
    #[inline(always)]
    pub fn at(path: *const u8) -> Self {
        Self { dentry: at!(path, path_dentry), mount: at!(path, path_mnt) }
    }

    /// Device of its file system.
    #[inline(always)]
    pub fn device(self) -> u32 {
        let sb: *const u8 = at!(self.dentry, dentry_sb);
        at!(sb, sb_dev)
    }

    /// An entry of the directory that a `struct path` says.
    #[inline(always)]
    pub fn below(directory: *const u8, dentry: *const u8) -> Self {
        Self { dentry, mount: at!(directory, path_mnt) }
    }

    /// Whether an inode belongs to the file system that is mounted here.
    #[inline(always)]
    pub fn mounts(self, inode: Inode) -> bool {
        let mounted: *const u8 = at!(self.mount, vfsmount_sb);
        let of_it: *const u8 = at!(inode.0, inode_sb);
        mounted == of_it
    }

    /// The inode that its name leads to; null where there is none yet.
    #[inline(always)]
    pub fn inode(self) -> Inode {
        Inode(at!(self.dentry, dentry_inode))
    }

    /// Whether this is the root of its mount.
    #[inline(always)]
    pub fn is_mount_root(self) -> bool {
        let root: *const u8 = at!(self.mount, vfsmount_root);
        self.dentry == root
    }

    /// The place that the mount of this path is mounted on; the same mount at the very root.
    #[inline(always)]
    pub fn mounted_on(self) -> Self {
        // SAFETY: as in `at!`.
        let back = unsafe { read_volatile(&raw const OFFSETS.mount_mnt) } as usize;
        let mount = self.mount.wrapping_sub(back);
        let parent: *const u8 = at!(mount, mount_parent);
        Self { dentry: at!(mount, mount_mountpoint), mount: parent.wrapping_add(back) }
    }

    /// The directory above, within the mount.
    #[inline(always)]
    pub fn parent(self) -> Self {
        Self { dentry: at!(self.dentry, dentry_parent), mount: self.mount }
    }

    /// Whether these are the first four bytes of the name.
    #[inline(always)]
    pub fn name_is(self, name: u32) -> bool {
        let first: u32 = read(self.name());
        first == name
    }

    /// The bytes of the name.
    #[inline(always)]
    pub fn name(self) -> *const u8 {
        at!(self.dentry, dentry_name)
    }
}

/// A control group.
#[derive(Clone, Copy)]
pub struct Cgroup(pub *const u8);

impl Cgroup {
    /// Inode number of its directory.
    #[inline(always)]
    pub fn id(self) -> u64 {
        let node: *const u8 = at!(self.0, cgroup_kn);
        at!(node, kernfs_id)
    }

    /// Whether it belongs to cgroup2; ids of other hierarchies mean something else.
    #[inline(always)]
    pub fn is_unified(self) -> bool {
        let root: *const u8 = at!(self.0, cgroup_root);
        let hierarchy: u32 = at!(root, root_hierarchy);
        hierarchy == 0
    }

    /// Id of the control group above.
    #[inline(always)]
    pub fn parent_id(self) -> u64 {
        let own = inside!(self.0, cgroup_self);
        let parent: *const u8 = at!(own, css_parent);
        // SAFETY: as in `at!`. `self` is embedded in its cgroup, so the way back is the same offset.
        let back = unsafe { read_volatile(&raw const OFFSETS.cgroup_self) } as usize;
        Self(parent.wrapping_sub(back)).id()
    }
}

/// The word at `offset` of a program's context, in one load as the verifier wants it.
#[inline(always)]
pub fn context_word<C>(context: *const C, offset: usize) -> u32 {
    // SAFETY: the verifier checks the access to the context.
    unsafe { read_volatile(context.cast::<u8>().wrapping_add(offset).cast()) }
}

/// The socket pointer at `offset` of a program's context; null where there is none.
#[inline(always)]
pub fn context_sock<C>(context: *const C, offset: usize) -> *mut core::ffi::c_void {
    // SAFETY: the verifier checks the access and knows the pointer for a socket.
    unsafe { read_volatile(context.cast::<u8>().wrapping_add(offset).cast()) }
}

/// The four words at `offset` of a program's context, as an IPv6 address.
#[inline(always)]
pub fn context_address<C>(context: *const C, offset: usize) -> [u8; 16] {
    let mut address = [0; 16];
    for (word, bytes) in address.chunks_exact_mut(4).enumerate() {
        bytes.copy_from_slice(&context_word(context, offset + word * 4).to_ne_bytes());
    }
    address
}

/// Cookie of the socket behind a program's context or a trusted socket pointer; made if there is none.
#[inline(always)]
pub fn cookie<C>(context: *const C) -> u64 {
    // SAFETY: the verifier checks what the pointer is (5.12 for socket pointers of tracing programs).
    unsafe { generated::bpf_get_socket_cookie(context.cast_mut().cast()) }
}

/// Linux's number of IPv4.
pub const AF_INET: u16 = 2;
/// Linux's number of IPv6.
pub const AF_INET6: u16 = 10;

/// An IPv4 address as the kernel keeps it, in the first four of sixteen bytes.
#[inline(always)]
pub fn widen(address: u32) -> [u8; 16] {
    let [a, b, c, d] = address.to_ne_bytes();
    [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// Cookie of the network namespace that a cgroup program's socket belongs to (5.7).
#[inline(always)]
pub fn netns<C>(context: *const C) -> u64 {
    // SAFETY: the verifier checks the context.
    unsafe { generated::bpf_get_netns_cookie(context.cast_mut().cast()) }
}

/// The value at a typed BTF pointer plus a constant, read without a helper call.
#[inline(always)]
pub fn load<T: Plain>(pointer: *const u8, offset: usize) -> T {
    // SAFETY: the verifier knows the pointer's BTF type and checks the field at this offset.
    unsafe { read_volatile(pointer.wrapping_add(offset).cast()) }
}
