//! exec: paths, arguments, scripts, environment, memory-only and deleted programs.

use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use detector::event::{Event, EventKind, Exec};
use detector_tests::{needs_root, trigger};

use crate::watch::{Watch, small, text};

fn exec_of(watch: &mut Watch, pid: u32, pick: impl Fn(&Exec) -> bool) -> (Event, Arc<Exec>) {
    watch.find("exec", |event| match &event.kind {
        EventKind::Exec(exec) if event.process.pid == pid && pick(exec) => {
            Some((event.clone(), exec.clone()))
        }
        _ => None,
    })
}

#[test]
fn an_exec_is_reported_with_every_field() {
    needs_root!();
    let mut watch = Watch::new("exec");
    let said = watch.run(&["nothing"]);
    let (event, exec) = exec_of(&mut watch, small(&said, "pid"), |_| true);
    let program = trigger::program("detector-trigger").unwrap();
    let file = program.metadata().unwrap();
    assert_eq!(&*exec.exe, program.canonicalize().unwrap().to_str().unwrap());
    assert_eq!(exec.inode, file.ino());
    assert_eq!(u64::from(exec.nlink), file.nlink());
    assert_eq!(exec.mode, file.mode());
    assert_eq!(exec.argv.last().map(|word| &**word), Some("nothing"));
    assert_eq!(&*exec.cwd, std::env::current_dir().unwrap().to_str().unwrap());
    assert_eq!(exec.parent, detector::kernel::proc::identity(std::process::id()).unwrap());
    assert_eq!(exec.argv_truncated, None);
    assert_eq!(event.uid, 0);
    assert_eq!(event.cgroup.0, watch.group.id().unwrap());
    assert!(event.received >= event.time);
    assert!(event.received.since(event.time) < 5_000_000_000, "the clocks agree");
}

#[test]
fn a_long_argv_is_taken_in_chunks_and_says_what_is_missing() {
    needs_root!();
    let mut watch = Watch::new("argv");
    for bytes in [2_000, 2_048, 2_049, 10_240, 30_000, 34_816, 2 << 20] {
        let said = watch.run(&["exec-argv", &bytes.to_string()]);
        let (_, exec) = exec_of(&mut watch, small(&said, "child"), |_| true);
        let taken: usize = exec.argv.iter().map(|word| word.len() + 1).sum();
        let total = usize::try_from(trigger::number(&said, "bytes").unwrap()).unwrap();
        if total <= 34_816 {
            assert_eq!(exec.argv_truncated, None, "{total} bytes");
            assert_eq!(taken, total);
            assert_eq!(exec.argv.len() as u64, trigger::number(&said, "arguments").unwrap());
        } else {
            assert_eq!(exec.argv_truncated.map(|all| all as usize), Some(total));
            // The cut word has no NUL of its own.
            assert_eq!(taken - 1, 34_816);
        }
    }
}

#[test]
fn hostile_names_and_arguments_come_through_escaped() {
    needs_root!();
    let mut watch = Watch::new("hostile");
    let place = tempfile::tempdir().unwrap();
    let said = watch.run(&["exec-hostile-name", place.path().to_str().unwrap()]);
    let (_, exec) = exec_of(&mut watch, small(&said, "child"), |_| true);
    assert_eq!(&*exec.exe, text(&said, "exe"));
    assert!(exec.exe.contains("\\xff"));
    assert_eq!(serde_json::json!(exec.argv), said["argv"]);
}

#[test]
fn a_path_of_4095_bytes_is_whole() {
    needs_root!();
    let mut watch = Watch::new("path");
    let place = tempfile::tempdir().unwrap();
    let said = watch.run(&["exec-long-path", place.path().to_str().unwrap()]);
    let (_, exec) = exec_of(&mut watch, small(&said, "child"), |_| true);
    assert!(!exec.path_truncated);
    assert_eq!(&*exec.exe, text(&said, "exe"));
}

#[test]
fn a_script_names_itself_and_its_interpreter() {
    needs_root!();
    let mut watch = Watch::new("script");
    let place = tempfile::tempdir().unwrap();
    let said = watch.run(&["exec-script", place.path().to_str().unwrap()]);
    let (_, exec) = exec_of(&mut watch, small(&said, "child"), |_| true);
    assert_eq!(exec.script.as_deref(), Some(text(&said, "script")));
    let interpreter = std::path::Path::new(text(&said, "interpreter")).canonicalize().unwrap();
    assert_eq!(&*exec.exe, interpreter.to_str().unwrap());
}

#[test]
fn only_the_watched_environment_is_kept() {
    needs_root!();
    let mut watch = Watch::new("environment");
    // cargo sets where its libraries are, which is watched as well.
    let kept = |exec: &Exec| {
        let kept = exec.env.iter().filter(|(name, _)| &**name != "LD_LIBRARY_PATH");
        kept.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    let said = watch.run(&["exec-environment", "BASH_ENV", "/tmp/evil.sh"]);
    let (_, exec) = exec_of(&mut watch, small(&said, "child"), |_| true);
    assert_eq!(kept(&exec), ["BASH_ENV=/tmp/evil.sh"]);
    let said = watch.run(&["exec-environment", "AWS_SECRET_ACCESS_KEY", "hush"]);
    let (_, exec) = exec_of(&mut watch, small(&said, "child"), |_| true);
    assert!(kept(&exec).is_empty());
}

#[test]
fn memfd_and_deleted_programs_are_recognised() {
    needs_root!();
    let mut watch = Watch::new("unnamed");
    let said = watch.run(&["exec-memfd"]);
    let (_, exec) = exec_of(&mut watch, small(&said, "pid"), |exec| exec.nlink == 0);
    assert_eq!(&*exec.exe, text(&said, "exe"));
    assert!(exec.is_memfd());
    let place = tempfile::tempdir().unwrap();
    let said = watch.run(&["exec-deleted", place.path().to_str().unwrap()]);
    let (_, exec) = exec_of(&mut watch, small(&said, "pid"), |exec| exec.nlink == 0);
    assert_eq!(&*exec.exe, text(&said, "exe"));
    assert!(exec.is_deleted());
}

#[test]
fn an_exec_from_a_thread_keeps_the_process() {
    needs_root!();
    let mut watch = Watch::new("thread");
    let said = watch.run(&["exec-thread"]);
    let pid = small(&said, "pid");
    let has = |word: &'static str| move |exec: &Exec| exec.argv.iter().any(|found| &**found == word);
    let (first, _) = exec_of(&mut watch, pid, has("exec-thread"));
    let (second, exec) = exec_of(&mut watch, pid, has("nothing"));
    assert_eq!(first.process, second.process);
    assert_eq!(exec.parent.pid, std::process::id());
}

#[test]
fn an_exec_that_fails_is_none() {
    needs_root!();
    let mut watch = Watch::new("failing");
    let place = tempfile::tempdir().unwrap();
    let said = watch.run(&["exec-failing", place.path().to_str().unwrap()]);
    let seen = watch.until_exit(small(&said, "pid"));
    let execs = seen.iter().filter(|event| matches!(event.kind, EventKind::Exec(_))).count();
    assert_eq!(execs, 1, "only the trigger itself");
}

#[test]
fn what_happens_in_other_groups_is_not_reported() {
    needs_root!();
    let mut watch = Watch::new("scope");
    let other = detector_tests::cgroup::Cgroup::create("scope-other").unwrap();
    let elsewhere = small(&trigger::run(&other, &["nothing"]).unwrap(), "pid");
    let pid = small(&watch.run(&["nothing"]), "pid");
    let seen = watch.until_exit(pid);
    assert!(seen.iter().all(|event| event.process.pid != elsewhere), "{seen:#?}");
}
