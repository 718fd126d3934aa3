//! Reads places in the tree of mounts.

use super::file::Inode;
use super::memory::read;

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
        let back = offset!(mount_mnt);
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
