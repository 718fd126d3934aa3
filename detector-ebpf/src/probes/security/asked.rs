//! Between the two questions that the kernel asks about a name: where it is, then whether it may be done there.
//!
//! `security_path_*` knows the mount, but comes before the permission to write the directory is checked;
//! `security_inode_*` comes after, and knows no mount. The first remembers the mount for the thread, the second
//! reports. What an overlay does below itself asks the second question alone, of other entries.

use aya_ebpf::macros::map;
use aya_ebpf::maps::LruHashMap;
use detector_common::limits;

use crate::kernel::Path;
use crate::scope;

/// What a thread was asked about last.
#[map]
static ASKED: LruHashMap<u32, Asked> = LruHashMap::with_max_entries(limits::ASKED, 0);

/// An entry, and what its second question does not say.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Asked {
    dentry: u64,
    mount: u64,
    /// RENAME_* of a rename.
    pub flags: u64,
}

/// A watched thread is asked about an entry of the directory that a `struct path` says.
#[inline(always)]
pub fn put(directory: *const u8, dentry: *const u8, flags: u64) {
    if let Some(actor) = scope::watched() {
        let mount = Path::below(directory, dentry).mount as u64;
        let _ = ASKED.insert(actor.tid, Asked { dentry: dentry as u64, mount, flags }, 0);
    }
}

/// What this thread was asked about this entry.
#[inline(always)]
pub fn about(thread: u32, dentry: *const u8) -> Option<Asked> {
    // SAFETY: a copy is taken at once; a thread answers one question at a time.
    unsafe { ASKED.get(thread) }.copied().filter(|asked| asked.dentry == dentry as u64)
}

impl Asked {
    /// Where an entry of the same mount is.
    #[inline(always)]
    pub fn place(self, dentry: *const u8) -> Path {
        Path { dentry, mount: self.mount as *const u8 }
    }
}
