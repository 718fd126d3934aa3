//! The mounts of the host, and where on them a file is that a process reaches by another mount.
//!
//! A file is known by its device and its path within the file system, whatever mount it is reached by. The host
//! has it where one of its own mounts shows it: those of PID 1, or those of this program, where they differ.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::fd::AsFd;

use hashbrown::HashMap;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, Statx, StatxFlags, statx};

use crate::event::text;

/// Most mounts that are read of one table.
const MOUNTS: usize = 16_384;
/// Most tables of other namespaces that are remembered within a batch.
const TABLES: usize = 16;

/// One line of a mountinfo file.
#[derive(Clone, Debug, PartialEq)]
struct Mount {
    id: u64,
    /// Device as the kernel keeps it: `major << 20 | minor`.
    dev: u32,
    /// Which directory of the file system it shows.
    root: Box<str>,
    /// Where.
    point: Box<str>,
    is_overlay: bool,
}

/// A device, and a path from the root of the file system on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Place {
    pub(super) dev: u32,
    pub(super) path: Box<str>,
}

/// The mounts of one namespace.
#[derive(Clone, Debug, Default)]
struct Table {
    mounts: Vec<Mount>,
}

/// A table that is read again when it changed.
struct Followed {
    /// Number of the namespace; `None` where it cannot be told.
    namespace: Option<u32>,
    file: Option<File>,
    table: Table,
    is_fresh: bool,
}

/// What is known of mounts: the host's, and of other namespaces for the length of a batch.
pub(super) struct Mounts {
    own: Followed,
    /// PID 1's, where that lives in another namespace or cannot be asked.
    init: Option<Followed>,
    others: HashMap<u32, Table>,
}

impl Mounts {
    pub(super) fn new() -> Self {
        let own = Followed::open("thread-self");
        let init = Followed::open("1");
        let same = init.namespace.is_some() && init.namespace == own.namespace;
        Self { own, init: (!same).then_some(init), others: HashMap::new() }
    }

    /// Mounts change: what was read is looked at again when next asked for.
    pub(super) fn forget(&mut self) {
        self.own.is_fresh = false;
        if let Some(init) = &mut self.init {
            init.is_fresh = false;
        }
        self.others.clear();
    }

    /// Whether a mount namespace is the host's.
    pub(super) fn is_host(&self, namespace: u32) -> bool {
        let is = |followed: &Followed| followed.namespace == Some(namespace);
        namespace != 0 && (is(&self.own) || self.init.as_ref().is_some_and(is))
    }

    /// Whether a mount namespace is this program's own.
    pub(super) fn is_own(&self, namespace: u32) -> bool {
        namespace == 0 || self.own.namespace == Some(namespace)
    }

    /// The path on the host of a file that a process of this namespace reached.
    pub(super) fn on_host(&mut self, place: &Place, namespace: u32) -> Option<Box<str>> {
        if place.dev == 0 {
            return None;
        }
        // A container's root is an overlay that the host has mounted too, somewhere below /var: that is the
        // image's own layer and no place of the host.
        let is_inside = !self.is_host(namespace);
        let Self { own, init, .. } = self;
        let found = init.as_mut().filter(|init| is_inside || init.namespace == Some(namespace));
        let found = found.and_then(|init| init.fresh().show(place, is_inside));
        found.or_else(|| own.fresh().show(place, is_inside))
    }

    /// Where on its file system a path is, that a process of this namespace reached by this mount.
    pub(super) fn within(&mut self, path: &str, mount: u64, pid: u32, namespace: u32) -> Option<Place> {
        let table = if self.is_own(namespace) {
            self.own.fresh()
        } else if let Some(init) = self.init.as_mut().filter(|init| init.namespace == Some(namespace)) {
            init.fresh()
        } else {
            if self.others.len() >= TABLES {
                self.others.clear();
            }
            self.others.entry(namespace).or_insert_with(|| {
                let file = File::open(format!("/proc/{pid}/mountinfo"));
                file.map(|mut file| Table::read(&mut file)).unwrap_or_default()
            })
        };
        let mount = table.mounts.iter().rev().find(|found| found.id == mount)?;
        let rest = below(path, &mount.point)?;
        Some(Place { dev: mount.dev, path: join(&mount.root, rest) })
    }

    /// The device of an open file as the kernel's own records have it. stat(2) gives another for subvolumes.
    pub(super) fn device(&mut self, facts: &Statx) -> u32 {
        let by_mount = self.own.fresh().mounts.iter().find(|mount| mount.id == facts.stx_mnt_id);
        by_mount.map_or_else(|| device(facts.stx_dev_major, facts.stx_dev_minor), |mount| mount.dev)
    }
}

impl Followed {
    /// The mounts of `/proc/WHO`.
    fn open(who: &str) -> Self {
        let link = std::fs::read_link(format!("/proc/{who}/ns/mnt")).ok();
        let namespace = link.as_deref().and_then(|link| link.to_str()).and_then(number);
        let file = File::open(format!("/proc/{who}/mountinfo")).ok();
        let mut followed = Self { namespace, file, table: Table::default(), is_fresh: false };
        followed.read();
        followed
    }

    /// The table as it is now, as far as a look once a batch can tell.
    fn fresh(&mut self) -> &Table {
        if !self.is_fresh {
            self.is_fresh = true;
            if self.has_changed() {
                self.read();
            }
        }
        &self.table
    }

    fn has_changed(&self) -> bool {
        let Some(file) = &self.file else { return false };
        let mut fds = [PollFd::new(file, PollFlags::PRI)];
        let changed = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        changed.is_ok() && fds.iter().any(|fd| fd.revents().intersects(PollFlags::PRI | PollFlags::ERR))
    }

    fn read(&mut self) {
        if let Some(file) = &mut self.file
            && file.rewind().is_ok()
        {
            self.table = Table::read(file);
        }
    }
}

impl Table {
    fn read(file: &mut File) -> Self {
        let mut bytes = Vec::new();
        // What was read before an error is as good as it gets.
        let _ = file.take(16 << 20).read_to_end(&mut bytes);
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Self {
        Self { mounts: bytes.split(|byte| *byte == b'\n').filter_map(mount).take(MOUNTS).collect() }
    }

    /// Where this namespace shows a place, by the mount that shows most of its file system.
    fn show(&self, place: &Place, skip_overlays: bool) -> Option<Box<str>> {
        let shows = |(_, mount): &(usize, &Mount)| {
            mount.dev == place.dev && !(skip_overlays && mount.is_overlay && &*mount.point != "/")
        };
        let mut found: Vec<(usize, &Mount, &str)> = self
            .mounts
            .iter()
            .enumerate()
            .filter(shows)
            .filter_map(|(at, mount)| Some((at, mount, below(&place.path, &mount.root)?)))
            .collect();
        found.sort_by_key(|(_, mount, _)| mount.root.len());
        let mut paths = found.into_iter().map(|(at, mount, rest)| (at, join(&mount.point, rest)));
        // What is mounted over it hides it.
        paths.find(|(at, path)| self.covering(path) == Some(*at)).map(|(_, path)| path)
    }

    /// Which mount shows a path: the deepest, of several at one place the last.
    fn covering(&self, path: &str) -> Option<usize> {
        let over = self.mounts.iter().enumerate().filter(|(_, mount)| below(path, &mount.point).is_some());
        over.max_by_key(|(at, mount)| (mount.point.len(), *at)).map(|(at, _)| at)
    }
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`: id, parent, device, root, mount point.
fn mount(line: &[u8]) -> Option<Mount> {
    let mut words = line.split(|byte| *byte == b' ');
    let id = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let (major, minor) = std::str::from_utf8(words.nth(1)?).ok()?.split_once(':')?;
    let (root, point) = (unescaped(words.next()?), unescaped(words.next()?));
    let kind = words.skip_while(|word| *word != b"-").nth(1)?;
    Some(Mount {
        id,
        dev: device(major.parse().ok()?, minor.parse().ok()?),
        root,
        point,
        is_overlay: kind == b"overlay" || kind == b"fuse.fuse-overlayfs",
    })
}

/// The kernel writes blanks, line ends and backslashes of names in octal.
fn unescaped(word: &[u8]) -> Box<str> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| {
            digits.iter().try_fold(0_u8, |sum, digit| {
                matches!(digit, b'0'..=b'7').then(|| sum.wrapping_mul(8).wrapping_add(digit - b'0'))
            })
        });
        bytes.push(octal.unwrap_or(*first));
        rest = if octal.is_some() { after.get(3..).unwrap_or_default() } else { after };
    }
    // Every component for itself, as paths of walks are written.
    let mut path = String::with_capacity(bytes.len());
    for (at, component) in bytes.split(|byte| *byte == b'/').enumerate() {
        if at > 0 {
            path.push('/');
        }
        path.push_str(&text(component));
    }
    path.into()
}

/// The number in `mnt:[4026531832]`.
pub(super) fn number(link: &str) -> Option<u32> {
    link.strip_prefix("mnt:[")?.strip_suffix(']')?.parse().ok()
}

/// A device number as the kernel keeps it.
fn device(major: u32, minor: u32) -> u32 {
    (major << 20) | minor
}

/// What follows `directory` in `path`, slash included; nothing for the directory itself.
fn below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(directory.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(if rest == "/" { "" } else { rest })
}

fn join(directory: &str, rest: &str) -> Box<str> {
    let path = format!("{}{rest}", directory.trim_end_matches('/'));
    if path.is_empty() { "/".into() } else { path.into() }
}

/// What the kernel says of a file: by its descriptor where `name` is empty, else of the name below it.
pub(super) fn facts(directory: impl AsFd, name: &[u8]) -> Option<Statx> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    statx(directory, name, flags, StatxFlags::BASIC_STATS | StatxFlags::MNT_ID).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &[u8] = b"22 27 0:21 / /proc rw - proc proc rw\n\
        27 1 254:0 / / rw - ext4 /dev/vda rw\n\
        30 27 254:0 /data/work /work rw - ext4 /dev/vda rw\n\
        31 27 0:40 / /tmp rw - tmpfs tmpfs rw\n\
        32 27 0:55 / /var/lib/docker/overlay2/a/merged rw - overlay overlay rw\n\
        33 27 254:1 / /a\\040b rw - ext4 /dev/vdb rw\n\
        garbage\n";

    fn shown(dev: (u32, u32), path: &str, inside: bool) -> Option<Box<str>> {
        Table::parse(HOST).show(&Place { dev: device(dev.0, dev.1), path: path.into() }, inside)
    }

    #[test]
    fn a_place_is_shown_where_a_mount_of_the_host_shows_it() {
        assert_eq!(shown((254, 0), "/etc/cron.d/x", true).as_deref(), Some("/etc/cron.d/x"));
        assert_eq!(shown((254, 0), "/data/work/x", true).as_deref(), Some("/data/work/x"));
        assert_eq!(shown((254, 1), "/x", true).as_deref(), Some("/a b/x"));
        assert_eq!(shown((254, 1), "/", true).as_deref(), Some("/a b"));
        assert_eq!(shown((7, 7), "/x", true), None);
    }

    #[test]
    fn what_is_mounted_over_a_place_hides_it() {
        assert_eq!(shown((254, 0), "/tmp/x", true), None);
        assert_eq!(shown((254, 0), "/tmpx", true).as_deref(), Some("/tmpx"));
        let twice =
            [HOST, b"34 27 0:60 / /etc rw - tmpfs t rw\n35 34 254:0 /etc /etc rw - ext4 /dev/vda rw\n"];
        let table = Table::parse(&twice.concat());
        let etc = Place { dev: device(254, 0), path: "/etc/x".into() };
        assert_eq!(table.show(&etc, true).as_deref(), Some("/etc/x"));
    }

    #[test]
    fn the_layer_of_an_image_is_no_place_of_the_host() {
        assert_eq!(shown((0, 55), "/etc/cron.d/x", true), None);
        let merged = "/var/lib/docker/overlay2/a/merged/etc/cron.d/x";
        assert_eq!(shown((0, 55), "/etc/cron.d/x", false).as_deref(), Some(merged));
    }

    #[test]
    fn the_mounts_of_this_machine_are_read() {
        let mut mounts = Mounts::new();
        let namespace = mounts.own.namespace.unwrap();
        assert!(mounts.is_host(namespace) && mounts.is_own(namespace) && !mounts.is_host(namespace + 1));
        let directory = File::open("/proc/self/status").unwrap();
        let facts = facts(&directory, b"").unwrap();
        let place = mounts.within("/proc/self/status", facts.stx_mnt_id, 0, namespace).unwrap();
        assert_eq!(&*place.path, "/self/status");
        assert_eq!(place.dev, mounts.device(&facts));
        assert_eq!(mounts.on_host(&place, namespace).as_deref(), Some("/proc/self/status"));
    }

    #[test]
    fn names_in_octal_are_read_and_bytes_that_are_no_text_are_written_out() {
        assert_eq!(&*unescaped(b"/a\\040b\\134c"), "/a b\\c");
        assert_eq!(&*unescaped(b"/a\\04"), "/a\\04");
        assert_eq!(&*unescaped(b"/\xff/b"), "/\\xff/b");
        assert_eq!(number("mnt:[4026531832]"), Some(4_026_531_832));
    }
}
