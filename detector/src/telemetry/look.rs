//! Looks at what a busy process is made of: libraries, memory, open data. On a thread of its own, since reading the
//! memory map of a process may wait for that process.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use globset::{Glob, GlobSet, GlobSetBuilder};
use procfs::FromRead as _;
use procfs::process::Stat;
use rustix::fs::{AtFlags, FileType, StatxFlags, statx};

use super::{Feeder, file};
use crate::event::{Look, ProcessId, text};
use crate::kernel::clock;
use crate::pipeline::Input;

mod map;

use map::{Area, Backing};

/// Which libraries say what a process is for.
const LIST: &str = include_str!("../../../rules/lists/work_libraries.txt");

/// Most processes that wait to be looked at; one that finds no room is due again with the next round that it is hot.
const WAITING: usize = 32;
/// Most bytes of a memory map.
const MOST_MAP: u64 = 4 << 20;
/// Most descriptors.
const MOST_FILES: usize = 4_096;
/// Most libraries that are told, and bytes of a name.
const MOST_LIBRARIES: usize = 32;
const LONGEST_NAME: usize = 128;
/// Most areas that are told.
const MOST_AREAS: usize = 8;
/// From what size on an open file is data.
const DATA: u64 = 1 << 20;

/// Hands processes to the thread that looks.
#[derive(Debug)]
pub(super) struct Looker(SyncSender<ProcessId>);

impl Looker {
    /// Has a process looked at soon, if there is room.
    pub(super) fn look(&self, process: ProcessId) {
        if self.0.try_send(process).is_err() {
            tracing::debug!(pid = process.pid, "a busy process is not looked at: too many wait");
        }
    }
}

/// Starts the thread; it ends with the [`Looker`].
///
/// # Errors
/// It does not start.
pub(super) fn start(feeder: Feeder) -> io::Result<Looker> {
    let (sender, wanted) = sync_channel(WAITING);
    std::thread::Builder::new().name("looks".to_owned()).spawn(move || run(&wanted, &feeder))?;
    Ok(Looker(sender))
}

fn run(wanted: &Receiver<ProcessId>, feeder: &Feeder) {
    let libraries = libraries();
    while let Ok(process) = wanted.recv() {
        if let Some(look) = look(Path::new("/proc"), process, &libraries)
            && !feeder.feed(Input::Look(Box::new(look)))
        {
            return;
        }
    }
}

/// The list as a set. A line that is no glob is left out; a test holds that there is none.
fn libraries() -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for glob in patterns().filter_map(|line| Glob::new(line).ok()) {
        set.add(glob);
    }
    set.build().unwrap_or_default()
}

fn patterns() -> impl Iterator<Item = &'static str> {
    LIST.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// What `/proc` says about a process; nothing where it is over or its pid another's.
fn look(proc: &Path, process: ProcessId, libraries: &GlobSet) -> Option<Look> {
    let directory = proc.join(process.pid.to_string());
    let mut buffer = Vec::new();
    let mut found = Look { time: clock::now(), process, ..Look::default() };
    if file::read(&directory.join("maps"), MOST_MAP, &mut buffer).is_ok() {
        areas(&buffer, libraries, &mut found);
    }
    if file::read(&directory.join("smaps_rollup"), 16_384, &mut buffer).is_ok() {
        let kib = |key| file::number(&buffer, key).unwrap_or(0);
        let huge = [kib("AnonHugePages:"), kib("Private_Hugetlb:"), kib("Shared_Hugetlb:")];
        found.huge = huge.iter().fold(0_u64, |sum, kib| sum.saturating_add(kib.saturating_mul(1_024)));
    }
    found.data_files = data_files(&directory.join("fd"));
    // Last, so that what was read before is of this process and of no later one with its pid.
    file::read(&directory.join("stat"), 4_096, &mut buffer).ok()?;
    buffer.ends_with(b"\n").then_some(())?;
    let stat = Stat::from_read(buffer.as_slice()).ok()?;
    (stat.starttime == process.start.0).then_some(found)
}

/// Takes what the areas of memory say.
fn areas(maps: &[u8], libraries: &GlobSet, found: &mut Look) {
    for line in maps.split(|byte| *byte == b'\n') {
        let Some(Area { size, executable, backing }) = Area::parse(line) else { continue };
        match backing {
            Backing::Nothing => {
                found.executable_anonymous += u32::from(executable);
                found.anonymous.push(size);
            }
            Backing::File(path) => {
                let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
                let name = text(name.get(..LONGEST_NAME).unwrap_or(name));
                let is_known = found.libraries.contains(&name);
                // A library's code is mapped; data that is called like one is not.
                if executable
                    && !is_known
                    && found.libraries.len() < MOST_LIBRARIES
                    && libraries.is_match(&*name)
                {
                    found.libraries.push(name);
                }
            }
            Backing::Kernel => {}
        }
    }
    found.anonymous.sort_unstable_by(|a, b| b.cmp(a));
    found.anonymous.truncate(MOST_AREAS);
}

/// How many large regular files are open for reading.
fn data_files(directory: &Path) -> u32 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().take(MOST_FILES);
    let count = entries.filter(|entry| is_data(&entry.path())).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn is_data(descriptor: &PathBuf) -> bool {
    // The mode of the link is how the file was opened.
    let is_read = fs::symlink_metadata(descriptor).is_ok_and(|link| link.permissions().mode() & 0o400 != 0);
    // What is known of the file will do: a file system of the process's own making might never answer.
    let wanted = StatxFlags::TYPE | StatxFlags::SIZE;
    is_read
        && statx(rustix::fs::CWD, descriptor, AtFlags::STATX_DONT_SYNC, wanted).is_ok_and(|file| {
            FileType::from_raw_mode(u32::from(file.stx_mode)) == FileType::RegularFile
                && file.stx_size >= DATA
        })
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::event::Ticks;
    use crate::kernel::proc;

    fn seen(maps: &[u8]) -> Look {
        let mut found = Look::default();
        areas(maps, &libraries(), &mut found);
        found
    }

    #[test]
    fn every_pattern_of_the_list_is_a_glob_of_a_file_name() {
        for line in patterns() {
            assert!(Glob::new(line).is_ok() && !line.contains('/'), "{line}");
        }
        let set = libraries();
        assert!(set.is_match("libtorch_cpu.so") && set.is_match("libopenblas64_p-r0-5007b62f.3.23.dev.so"));
        assert!(set.is_match("_multiarray_umath.cpython-311-x86_64-linux-gnu.so"));
        assert!(
            !set.is_match("libgomp.so.1") && !set.is_match("libc.so.6") && !set.is_match("libcrypto.so.3")
        );
    }

    #[test]
    fn libraries_are_told_once_and_by_their_code() {
        let maps = b"7f00-7f10 r--p 00000000 08:01 5 /opt/libtorch_cpu.so\n\
            7f10-7f20 r-xp 00000000 08:01 5 /opt/libtorch_cpu.so\n\
            7f20-7f30 r-xp 00000000 08:01 5 /opt/libtorch_cpu.so\n\
            7f30-7f40 r--p 00000000 08:01 6 /tmp/libmkl_rt.so.2\n\
            7f40-7f50 r-xp 00000000 08:01 7 /lib/libc.so.6\n";
        assert_eq!(seen(maps).libraries, ["libtorch_cpu.so".into()]);
    }

    #[test]
    fn the_dataset_of_randomx_is_an_area_of_its_size_in_huge_pages_or_not() {
        let maps = b"10000000-92000000 rw-p 00000000 00:00 0 \n\
            7f0000000000-7f0082000000 rw-p 00000000 00:0f 1234 /anon_hugepage (deleted)\n\
            7f1000000000-7f1000001000 rwxp 00000000 00:00 0 \n";
        let found = seen(maps);
        assert_eq!(found.anonymous, [2_181_038_080, 2_181_038_080, 4_096]);
        assert_eq!(found.executable_anonymous, 1);
    }

    #[test]
    fn hostile_maps_are_bounded_and_harm_nothing() {
        let mut maps = Vec::new();
        for number in 0..10_000_u64 {
            maps.extend_from_slice(
                format!("{number:x}000-{:x}000 r-xp 0 0:0 1 /\\012libtorch{number}.so\n", number + 1)
                    .as_bytes(),
            );
        }
        maps.extend_from_slice(
            b"ffffffffffffffff-0 rwxp 0 0:0 0 \n-\n\xff\xfe-zz\n0-1 r-xp 0 0:0 1 /libtorch\xff.so\n",
        );
        let found = seen(&maps);
        // An escaped line feed is part of a name, and so are bytes that are no UTF-8.
        assert_eq!(found.libraries, ["libtorch\\xff.so".into()]);
        assert!(found.anonymous.len() <= MOST_AREAS);
        let mut maps = Vec::new();
        for number in 0..1_000 {
            let name = "x".repeat(500);
            maps.extend_from_slice(format!("0-1000 r-xp 0 0:0 1 /a/libtorch{number}{name}.so\n").as_bytes());
            maps.extend_from_slice(format!("0-1000 r-xp 0 0:0 1 /a/libtorch{number}.so\n").as_bytes());
        }
        assert_eq!(seen(&maps).libraries.len(), MOST_LIBRARIES);
    }

    #[test]
    fn this_process_is_looked_at_and_another_of_its_pid_is_not() {
        let id = proc::identity(std::process::id()).unwrap();
        let place = tempfile::tempdir().unwrap();
        let (large, small) = (place.path().join("large"), place.path().join("small"));
        File::create(&large).unwrap().set_len(DATA).unwrap();
        File::create(&small).unwrap().set_len(DATA - 1).unwrap();
        let before = look(Path::new("/proc"), id, &libraries()).unwrap();
        let _open = [File::open(&large).unwrap(), File::open(&small).unwrap()];
        let _written = File::options().append(true).open(&large).unwrap();
        let after = look(Path::new("/proc"), id, &libraries()).unwrap();
        assert_eq!(after.data_files, before.data_files + 1);
        assert!(!after.anonymous.is_empty());
        let other = ProcessId { start: Ticks(id.start.0 + 1), ..id };
        assert_eq!(look(Path::new("/proc"), other, &libraries()), None);
    }
}
