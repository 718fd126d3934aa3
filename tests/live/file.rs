//! Files opened for writing, created, truncated, renamed, linked, removed and given other modes.

use std::fs;
use std::path::Path;

use detector::event::{EventKind, FileEvent, FileOp};
use detector_tests::{needs_kernel, needs_root};
use serde_json::Value;

use crate::watch::{Watch, small, text};

/// A directory of its own, real on disk, and a file in it.
pub(crate) fn place() -> (tempfile::TempDir, String) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().canonicalize().unwrap().join("file");
    fs::write(&file, "content").unwrap();
    (place, file.to_str().unwrap().to_owned())
}

/// The event of an operation on a path by the process that a trigger said.
pub(crate) fn file_of(watch: &mut Watch, said: &Value, op: FileOp, path: &str) -> FileEvent {
    let pid = small(said, "pid");
    watch.find(&format!("{} of {path}", op.name()), |event| match &event.kind {
        EventKind::File(file) if event.process.pid == pid && file.op == op && &*file.path == path => {
            Some(file.clone())
        }
        _ => None,
    })
}

/// All file events of the process that a trigger said, up to its end.
pub(crate) fn files_of(watch: &mut Watch, said: &Value) -> Vec<FileEvent> {
    let pid = small(said, "pid");
    let of_it = watch.until_exit(pid).iter().filter(|event| event.process.pid == pid);
    of_it
        .filter_map(|event| match &event.kind {
            EventKind::File(file) => Some(file.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn every_open_for_writing_is_reported_from_the_open_file() {
    needs_root!();
    let mut watch = Watch::new("open");
    let (_place, file) = place();
    for trigger in ["open-write", "open-truncate", "open-append"] {
        let said = watch.run(&[trigger, &file]);
        let opened = file_of(&mut watch, &said, FileOp::Open, &file);
        assert_eq!(said["inode"], opened.inode, "{trigger}");
        assert_eq!(said["mode"], opened.mode);
        assert!(!opened.created && !opened.path_from_string && !opened.path_truncated);
        assert_eq!(opened.emptied, trigger == "open-truncate");
    }
    let fresh = format!("{file}.new");
    let said = watch.run(&["open-create", &fresh]);
    assert!(file_of(&mut watch, &said, FileOp::Open, &fresh).created);
}

#[test]
fn an_open_for_reading_is_not_reported() {
    needs_root!();
    let mut watch = Watch::new("read");
    let (_place, file) = place();
    let said = watch.run(&["open-read", &file]);
    assert_eq!(files_of(&mut watch, &said), []);
}

#[test]
fn repeated_opens_of_one_file_by_one_process_are_reported_once() {
    needs_root!();
    let mut watch = Watch::new("repeat");
    let (_place, file) = place();
    let said = watch.run(&["open-repeated", &file, "50"]);
    assert_eq!(files_of(&mut watch, &said).len(), 1);
}

#[test]
fn a_name_below_a_directory_descriptor_and_through_links_is_resolved() {
    needs_root!();
    let mut watch = Watch::new("at");
    let (place, file) = place();
    let directory = Path::new(&file).parent().unwrap();
    let said = watch.run(&["open-at", directory.to_str().unwrap(), "below"]);
    file_of(&mut watch, &said, FileOp::Open, directory.join("below").to_str().unwrap());

    std::os::unix::fs::symlink(directory, place.path().join("link")).unwrap();
    let through = directory.join("link/file");
    let said = watch.run(&["open-write", through.to_str().unwrap()]);
    file_of(&mut watch, &said, FileOp::Open, &file);
    let said = watch.run(&["chmod", through.to_str().unwrap(), "600"]);
    file_of(&mut watch, &said, FileOp::Chmod, &file);
}

#[test]
fn an_unnamed_temporary_file_is_reported() {
    needs_root!();
    let mut watch = Watch::new("tmpfile");
    let (_place, file) = place();
    let directory = Path::new(&file).parent().unwrap().to_str().unwrap().to_owned();
    let said = watch.run(&["open-tmpfile", &directory]);
    let opened = files_of(&mut watch, &said);
    let there = opened.iter().any(|file| file.op == FileOp::Open && file.path.starts_with(&directory));
    assert!(there || opened.iter().any(|file| file.inode == said["inode"]), "{opened:?}");
}

#[test]
fn truncation_by_path_and_descriptor_is_reported() {
    needs_root!();
    let mut watch = Watch::new("truncate");
    let (_place, file) = place();
    for trigger in ["truncate", "ftruncate"] {
        let said = watch.run(&[trigger, &file, "3"]);
        file_of(&mut watch, &said, FileOp::Truncate, &file);
    }
}

#[test]
fn renames_and_links_name_both_ends() {
    needs_root!();
    let mut watch = Watch::new("rename");
    for (trigger, op) in [
        ("rename", FileOp::Rename),
        ("rename-noreplace", FileOp::Rename),
        ("rename-exchange", FileOp::Rename),
        ("link", FileOp::Link),
    ] {
        let (_place, file) = place();
        let other = format!("{file}.other");
        if trigger == "rename-exchange" {
            fs::write(&other, "other").unwrap();
        }
        let said = watch.run(&[trigger, &file, &other]);
        let event = file_of(&mut watch, &said, op, &other);
        assert_eq!(event.from.as_deref(), Some(file.as_str()), "{trigger}");
    }
}

#[test]
fn a_symbolic_link_names_its_target() {
    needs_root!();
    let mut watch = Watch::new("symlink");
    let (_place, file) = place();
    let link = format!("{file}.link");
    let said = watch.run(&["symlink", "/etc/shadow", &link]);
    assert_eq!(file_of(&mut watch, &said, FileOp::Symlink, &link).from.as_deref(), Some("/etc/shadow"));
}

#[test]
fn removals_of_files_and_directories_are_reported() {
    needs_root!();
    let mut watch = Watch::new("unlink");
    let (_place, file) = place();
    let said = watch.run(&["unlink", &file]);
    file_of(&mut watch, &said, FileOp::Unlink, &file);
    fs::create_dir(&file).unwrap();
    let said = watch.run(&["unlink-directory", &file]);
    file_of(&mut watch, &said, FileOp::Unlink, &file);
}

#[test]
fn changes_of_mode_tell_the_mode_asked_for() {
    needs_root!();
    let mut watch = Watch::new("chmod");
    let (_place, file) = place();
    for trigger in ["chmod", "fchmod"] {
        changes_mode(&mut watch, trigger, &file);
    }
}

#[test]
fn a_change_of_mode_by_fchmodat2_is_reported() {
    needs_root!();
    needs_kernel!(6, 6);
    let mut watch = Watch::new("fchmodat2");
    let (_place, file) = place();
    changes_mode(&mut watch, "fchmodat2", &file);
}

fn changes_mode(watch: &mut Watch, trigger: &str, file: &str) {
    let said = watch.run(&[trigger, file, "4755"]);
    assert_eq!(file_of(watch, &said, FileOp::Chmod, file).mode & 0o7777, 0o4755, "{trigger}");
    assert_eq!(text(&said, "path"), file);
}
