//! Alert files: turned over by size, beside logrotate, with a full disk; no line lost, none broken.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use detector::alert::Alert;
use detector::sinks::file::FileConfig;
use detector::sinks::{Failure, Sink};
use detector_tests::skip;

use crate::plain::{can_mount, open};
use crate::sample::{HOSTILE, alert, hostile_alert, long, of_alert};

/// An alert of some kilobytes with this number.
fn numbered(number: usize) -> Alert {
    let mut alert = alert();
    alert.id = format!("{number:08}");
    alert.summary = "x".repeat(4_000);
    alert
}

fn write(sink: &mut dyn Sink, numbers: std::ops::Range<usize>) {
    for number in numbers {
        sink.deliver(&of_alert(&numbered(number))).unwrap();
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The numbers in all files of a directory; every line is whole.
fn numbers(directory: &Path) -> Vec<usize> {
    let mut found = Vec::new();
    for path in files(directory) {
        let bytes = fs::read(&path).unwrap();
        let bytes = if path.extension().is_some_and(|end| end == "zst") {
            let output = Command::new("zstd").args(["-dcq"]).arg(&path).output().unwrap();
            assert!(output.status.success(), "{}", path.display());
            output.stdout
        } else {
            bytes
        };
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{}", path.display());
        for line in text.lines() {
            let alert: Alert = serde_json::from_str(line).unwrap();
            found.push(alert.id.parse().unwrap());
        }
    }
    found
}

#[test]
fn a_file_is_turned_over_by_size_and_the_oldest_go() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alerts.jsonl");
    let config = format!("path = \"{}\"\nmax_size = \"64KiB\"\nkeep = 3", path.display());
    let mut sink = open::<FileConfig>(&config);
    write(&mut *sink, 0..100);
    let files = files(dir.path());
    assert_eq!(files.len(), 4, "{files:?}");
    for file in &files {
        let metadata = fs::metadata(file).unwrap();
        assert!(metadata.len() <= 64 << 10, "{}", file.display());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
    let numbers: BTreeSet<usize> = numbers(dir.path()).into_iter().collect();
    assert_eq!(numbers.last(), Some(&99));
    assert_eq!(numbers.len(), 100 - numbers.first().unwrap(), "what is there is without a gap");
    assert!(numbers.len() > 30, "{}", numbers.len());
}

#[test]
fn moved_files_are_compressed_and_private() {
    if !crate::plain::has("zstd") {
        skip!("needs zstd");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alerts.jsonl");
    let config = format!("path = \"{}\"\nmax_size = \"64KiB\"\nkeep = 100\ncompress = true", path.display());
    let mut sink = open::<FileConfig>(&config);
    write(&mut *sink, 0..60);
    let files = files(dir.path());
    assert!(files.len() > 3, "{files:?}");
    for file in &files {
        assert!(*file == path || file.extension().unwrap() == "zst", "{files:?}");
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let mut numbers = numbers(dir.path());
    numbers.sort_unstable();
    assert_eq!(numbers, (0..60).collect::<Vec<_>>());
}

#[test]
fn nothing_is_lost_while_somebody_else_rotates_the_same_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alerts.jsonl");
    let config = format!("path = \"{}\"\nmax_size = \"64KiB\"\nkeep = 1000", path.display());
    let mut sink = open::<FileConfig>(&config);
    let is_done = AtomicBool::new(false);
    let moves = std::thread::scope(|scope| {
        // As logrotate does it, with `nocreate` and with `create`, as fast as it can.
        let rotator = scope.spawn(|| {
            let mut moves = 0;
            while !is_done.load(Ordering::Relaxed) {
                if fs::rename(&path, dir.path().join(format!("alerts.jsonl.{moves}"))).is_ok() {
                    moves += 1;
                    if moves % 2 == 0 {
                        let _ = fs::OpenOptions::new().create_new(true).write(true).open(&path);
                    }
                }
                std::thread::yield_now();
            }
            moves
        });
        write(&mut *sink, 0..2_000);
        is_done.store(true, Ordering::Relaxed);
        rotator.join().unwrap()
    });
    assert!(moves > 10, "{moves}");
    let mut numbers = numbers(dir.path());
    numbers.sort_unstable();
    assert_eq!(numbers, (0..2_000).collect::<Vec<_>>());
}

#[test]
fn a_full_disk_breaks_no_line_and_is_waited_for() {
    if !skip::is_root() || !can_mount() {
        skip!("needs root and mounts of its own");
    }
    // The file system is the namespace's; what is written to it goes through /proc of the process that holds it.
    let mut holder = detector_tests::server::Server::start(&mut crate::plain::with_own_mounts(
        "mount -t tmpfs -o size=128k none /mnt; echo ready; exec cat",
    ))
    .unwrap();
    holder.until_says("ready").unwrap();
    let directory = PathBuf::from(format!("/proc/{}/root/mnt", holder.pid()));
    let path = directory.join("alerts.jsonl");
    let mut sink = open::<FileConfig>(&format!("path = \"{}\"\nmax_size = \"0\"", path.display()));
    let mut written = 0;
    let failure = loop {
        match sink.deliver(&of_alert(&numbered(written))) {
            Ok(_) => written += 1,
            Err(failure) => break failure,
        }
        assert!(written < 1_000);
    };
    assert!(
        matches!(&failure, Failure::Later { reason, .. } if reason.contains("No space left")),
        "{failure:?}"
    );
    assert_eq!(numbers(&directory), (0..written).collect::<Vec<_>>());
    fs::rename(&path, directory.join("old")).unwrap();
    fs::File::options().write(true).open(directory.join("old")).unwrap().set_len(0).unwrap();
    sink.deliver(&of_alert(&numbered(7))).unwrap();
    assert_eq!(numbers(&directory), [7]);
}

#[test]
fn hostile_texts_are_one_line_that_parses() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alerts.jsonl");
    let mut sink = open::<FileConfig>(&format!("path = \"{}\"", path.display()));
    let long = long();
    let texts: Vec<&str> = HOSTILE.iter().copied().chain([&*long]).collect();
    for text in &texts {
        sink.deliver(&of_alert(&hostile_alert(text))).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines.len(), texts.len());
    for (line, text) in lines.iter().zip(texts) {
        assert_eq!(serde_json::from_str::<Alert>(line).unwrap().summary, text);
        assert!(!line.contains(detector::alert::escape::is_deceptive));
    }
}
