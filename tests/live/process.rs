//! fork, exit, threads, sessions.

use detector::event::{EventKind, Exit};
use detector_tests::{needs_root, trigger};

use crate::watch::{Watch, small};

fn exit_of(watch: &mut Watch, pid: u32) -> Exit {
    watch.find("exit", |event| match event.kind {
        EventKind::Exit(exit) if event.process.pid == pid => Some(exit),
        _ => None,
    })
}

#[test]
fn a_fork_names_the_child_that_later_ends() {
    needs_root!();
    let mut watch = Watch::new("fork");
    let said = watch.run(&["fork-exit", "7"]);
    let (pid, child) = (small(&said, "pid"), small(&said, "child"));
    let fork = watch.find("fork", |event| match event.kind {
        EventKind::Fork(fork) if event.process.pid == pid => Some(fork),
        _ => None,
    });
    assert_eq!(fork.child.pid, child);
    let end = watch.find("exit", |event| {
        (event.process.pid == child && matches!(event.kind, EventKind::Exit(_))).then_some(event.process)
    });
    assert_eq!(end, fork.child, "pid and start are those that the fork told");
    assert!(matches!(exit_of(&mut watch, child), Exit { code: 7, signal: None, .. }));
    assert!(matches!(exit_of(&mut watch, pid), Exit { code: 0, signal: None, .. }));
}

#[test]
fn a_death_by_signal_names_the_signal() {
    needs_root!();
    let mut watch = Watch::new("signal");
    let said = watch.run(&["fork-signal", "9"]);
    assert_eq!(exit_of(&mut watch, small(&said, "child")).signal, Some(9));
}

#[test]
fn a_vfork_is_a_fork() {
    needs_root!();
    let mut watch = Watch::new("vfork");
    let child = small(&watch.run(&["vfork"]), "child");
    watch.find("fork", |event| match event.kind {
        EventKind::Fork(fork) if fork.child.pid == child => Some(()),
        _ => None,
    });
}

#[test]
fn threads_are_no_processes() {
    needs_root!();
    let mut watch = Watch::new("threads");
    let pid = small(&watch.run(&["threads", "8"]), "pid");
    let seen = watch.until_exit(pid);
    let (mut forks, mut exits) = (0, 0);
    for event in seen.iter().filter(|event| event.process.pid == pid) {
        forks += usize::from(matches!(event.kind, EventKind::Fork(_)));
        exits += usize::from(matches!(event.kind, EventKind::Exit(_)));
    }
    assert_eq!((forks, exits), (0, 1));
}

#[test]
fn a_new_session_is_reported() {
    needs_root!();
    let mut watch = Watch::new("setsid");
    let child = small(&watch.run(&["setsid"]), "child");
    watch.find("setsid", |event| {
        (event.process.pid == child && matches!(event.kind, EventKind::Setsid)).then_some(())
    });
}

#[test]
fn an_exit_says_what_all_threads_used_of_the_processors() {
    needs_root!();
    let mut watch = Watch::new("times");
    for threads in ["1", "4"] {
        let said = watch.run(&["burn", threads, "600"]);
        let exit = exit_of(&mut watch, small(&said, "child"));
        let waited = ["user", "system"].map(|mode| trigger::number(&said, mode).unwrap());
        for (ours, theirs) in [(exit.user, waited[0]), (exit.system, waited[1])] {
            // What the last thread ran since the last tick is not in ours.
            let slack = waited.iter().sum::<u64>() / 10;
            assert!(ours.abs_diff(theirs) <= slack, "{threads} threads: {exit:?}, wait4 says {said}");
        }
    }
}
