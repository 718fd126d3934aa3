//! Opens of canaries: files that are watched for themselves, whatever they are opened for.
//!
//! No hook of its own: [`super::file`] calls this with the `struct file` that an open made, and a hook on
//! `security_file_open` can do the same. By device and inode, so that hard links, renames, bind mounts and
//! other mount namespaces change nothing. While no canary exists, an open for reading costs what it did: one
//! word is looked at. With canaries, each open of a watched task costs its descriptor and one hash look-up.
//! Slips past: what slips past the hook that calls; stat(2) and O_PATH, which read nothing.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap};
use detector_common::limits;
use detector_common::wire::{InodeKey, Kind, OpenKey};

use super::file;
use crate::kernel::File;
use crate::output;
use crate::recent;
use crate::scope::Actor;

/// Canaries and their copies; the number is userspace's.
#[map]
static CANARIES: HashMap<InodeKey, u32> = HashMap::with_max_entries(limits::CANARIES, 0);

/// How many of them there are.
#[map]
static CANARY_COUNT: Array<u32> = Array::with_max_entries(1, 0);

/// When a process was last reported to open a canary.
#[map]
static TOUCHED: LruHashMap<OpenKey, u64> = LruHashMap::with_max_entries(limits::TOUCHED, 0);

const FMODE_PATH: u32 = 0x4000;

/// Whether there is any.
#[inline(always)]
pub fn exist() -> bool {
    CANARY_COUNT.get(0).is_some_and(|count| *count != 0)
}

/// Reports an open if the file is a canary, once a process and [`limits::DEDUPE_WINDOW`].
#[inline(always)]
pub fn opened(actor: &Actor, file: File) {
    if !exist() {
        return;
    }
    let inode = file.inode();
    let key = OpenKey { inode: inode.number(), dev: inode.device(), pid: actor.pid };
    if CANARIES.get_ptr(InodeKey { inode: key.inode, dev: key.dev, pad: 0 }).is_none()
        || file.mode() & FMODE_PATH != 0
        || recent::is_repeat(&TOUCHED, &key, output::now(), limits::DEDUPE_WINDOW)
    {
        return;
    }
    file::report(actor, Kind::FileAccess, file, u32::from(inode.mode()), 0);
}
