//! Reads open files and inodes.

use super::path::Path;
use super::socket::{AF_INET, AF_INET6, AF_UNIX};
use super::task::Task;

const S_IFMT: u16 = 0o170_000;
const S_IFSOCK: u16 = 0o140_000;

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

    /// The path that the other end of this Unix socket was bound to, NUL-terminated as a rule; null where
    /// the file is no such socket or the other end has no name.
    #[inline(always)]
    pub fn peer_name(self) -> *const u8 {
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
        let back = offset!(proc_vfs);
        Task::first_of(at!(self.0.wrapping_sub(back), proc_pid))
    }

    /// Link count.
    #[inline(always)]
    pub fn links(self) -> u32 {
        at!(self.0, inode_nlink)
    }
}
