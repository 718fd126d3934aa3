//! What goes around file syscalls: seen where the kernel's own access control is hooked; where only syscalls are,
//! what slips past is a fact of its own.

use std::fs;
use std::path::Path;

use detector::event::{EventKind, FileEvent, FileOp, OperationCode};
use detector::kernel::hook::{Tier, event};
use detector_tests::needs_root;
use serde_json::Value;

use crate::file::{file_of, files_of, place};
use crate::watch::{Watch, small};

/// Whether file events come from syscalls alone.
fn is_fallback(watch: &Watch) -> bool {
    watch.tier(event::OPEN) == Some(Tier::Syscall)
}

#[test]
fn no_syscall_is_hooked_where_a_better_tier_serves_every_event() {
    needs_root!();
    let watch = Watch::new("tier");
    let syscall = watch.sensor.states().iter().find(|state| state.hook.tier == Some(Tier::Syscall)).unwrap();
    if is_fallback(&watch) {
        assert!(syscall.is_used() && !watch.sensor.unserved().is_empty());
        return;
    }
    // Kernels that lack the function of one operation have that served by syscalls, and nothing of files.
    assert!(syscall.serves.iter().all(|event| !event.starts_with("file")), "{:?}", syscall.serves);
    assert_eq!(syscall.is_used(), !syscall.serves.is_empty());
    assert!(watch.sensor.unserved().iter().all(|(event, _)| !event.starts_with("file")));
}

#[test]
fn what_a_ring_does_to_files_is_seen_or_the_ring_is() {
    needs_root!();
    let mut watch = Watch::new("uring");
    let (_place, file) = place();
    let (fresh, other) = (format!("{file}.fresh"), format!("{file}.other"));
    let created = watch.run(&["uring-open", &fresh]);
    let renamed = watch.run(&["uring-rename", &fresh, &other]);
    let removed = watch.run(&["uring-unlink", &other]);
    for said in [&created, &renamed, &removed] {
        let pid = small(said, "pid");
        watch.find("a ring", |event| match &event.kind {
            EventKind::Operation(operation) => {
                (event.process.pid == pid && operation.code == OperationCode::IoUring).then_some(())
            }
            _ => None,
        });
    }
    if is_fallback(&watch) {
        for said in [&created, &renamed, &removed] {
            assert_eq!(files_of(&mut watch, said), []);
        }
        return;
    }
    let opened = file_of(&mut watch, &created, FileOp::Open, &fresh);
    assert!(opened.created);
    assert_eq!(created["inode"], opened.inode);
    let moved = file_of(&mut watch, &renamed, FileOp::Rename, &other);
    assert_eq!(moved.from.as_deref(), Some(fresh.as_str()));
    file_of(&mut watch, &removed, FileOp::Unlink, &other);
}

#[test]
fn whatever_writes_the_open_for_writing_is_seen() {
    needs_root!();
    let mut watch = Watch::new("forms");
    for trigger in ["mmap-write", "splice"] {
        let (_place, file) = place();
        let said = watch.run(&[trigger, &file]);
        assert_eq!(said["inode"], file_of(&mut watch, &said, FileOp::Open, &file).inode, "{trigger}");
    }
    let (_place, file) = place();
    let copy = format!("{file}.copy");
    let said = watch.run(&["copy-range", &file, &copy]);
    assert!(file_of(&mut watch, &said, FileOp::Open, &copy).created);
}

#[test]
fn an_open_by_handle_has_its_inode_and_its_path() {
    needs_root!();
    let mut watch = Watch::new("handle");
    let (_place, file) = place();
    let said = watch.run(&["open-by-handle", &file]);
    assert_eq!(said["inode"], file_of(&mut watch, &said, FileOp::Open, &file).inode);
}

#[test]
fn a_file_has_the_path_that_its_directory_was_renamed_to() {
    needs_root!();
    let mut watch = Watch::new("parent");
    let (_place, file) = place();
    let directory = Path::new(&file).parent().unwrap();
    let (old, new) = (directory.join("old"), directory.join("new"));
    fs::create_dir(&old).unwrap();
    fs::write(old.join("file"), "content").unwrap();
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let said = watch.run(&["rename", old, new]);
    assert_eq!(file_of(&mut watch, &said, FileOp::Rename, new).from.as_deref(), Some(old));
    let below = format!("{new}/file");
    let said = watch.run(&["open-write", &below]);
    file_of(&mut watch, &said, FileOp::Open, &below);
}

#[test]
fn a_file_that_is_received_open_is_reported() {
    needs_root!();
    let mut watch = Watch::new("receive");
    let (_place, file) = place();
    let said = watch.run(&["receive-file", &file]);
    let files = files_of(&mut watch, &said);
    if is_fallback(&watch) {
        assert_eq!(files, []);
        assert_eq!(
            watch.sensor.unserved().iter().map(|(event, _)| *event).collect::<Vec<_>>(),
            [event::RECEIVE]
        );
        return;
    }
    let [FileEvent { received: true, inode, path, .. }] = &files[..] else { panic!("{files:?}") };
    assert_eq!((&said["inode"], &**path), (&Value::from(*inode), file.as_str()));
}

#[test]
fn a_file_that_an_agent_wrote_and_maps_executable_is_reported() {
    needs_root!();
    let mut watch = Watch::new("map");
    for trigger in ["map-executable", "protect-executable"] {
        let (_place, file) = place();
        let said = watch.run(&[trigger, &file]);
        if trigger == "protect-executable" && is_fallback(&watch) {
            let mapped = files_of(&mut watch, &said).iter().any(|file| file.op == FileOp::Map);
            assert!(!mapped, "the fallback sees this by now: say so in its `blind`");
            continue;
        }
        assert_eq!(said["inode"], file_of(&mut watch, &said, FileOp::Map, &file).inode, "{trigger}");
    }
}

#[test]
fn a_library_that_no_agent_wrote_is_mapped_in_silence() {
    needs_root!();
    let mut watch = Watch::new("library");
    let (_place, file) = place();
    fs::write(&file, [0; 4096]).unwrap();
    let said = watch.run(&["map-library", &file]);
    assert_eq!(files_of(&mut watch, &said), []);
}

#[test]
fn names_come_from_the_kernel_and_have_an_inode_where_it_is_asked() {
    needs_root!();
    let mut watch = Watch::new("names");
    let (_place, file) = place();
    let other = format!("{file}.other");
    let said = watch.run(&["rename", &file, &other]);
    let moved = file_of(&mut watch, &said, FileOp::Rename, &other);
    let fallback = is_fallback(&watch);
    assert_eq!(moved.path_from_string, fallback);
    if !fallback {
        assert_eq!(said["inode"], moved.inode);
    }
}

#[test]
fn an_open_that_empties_its_file_is_one_event() {
    needs_root!();
    let mut watch = Watch::new("empty");
    let (_place, file) = place();
    let said = watch.run(&["open-truncate", &file]);
    let ops: Vec<FileOp> = files_of(&mut watch, &said).iter().map(|file| file.op).collect();
    assert_eq!(ops, [FileOp::Open]);
}
