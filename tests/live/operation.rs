//! What is done to other processes and to the kernel.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use detector::event::{EventKind, FileOp, Operation, OperationCode};
use detector_tests::cgroup::Cgroup;
use detector_tests::{needs_root, skip};
use serde_json::Value;

use crate::cli::{alerts, detector, end};
use crate::watch::{Watch, small, text};

/// A process that no agent owns, a process group of its own; ended when dropped.
struct Stranger(Child);

impl Stranger {
    fn new() -> Self {
        Self(Command::new("sleep").arg("600").stdin(Stdio::null()).process_group(0).spawn().unwrap())
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn word(&self) -> String {
        self.pid().to_string()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // By its handle, so that no other process of that pid can be meant.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Every operation of a process, up to its end.
fn operations(watch: &mut Watch, pid: u32) -> Vec<Operation> {
    let seen = watch.until_exit(pid).iter().filter(|event| event.process.pid == pid);
    seen.filter_map(|event| match &event.kind {
        EventKind::Operation(operation) => Some(Operation::clone(operation)),
        _ => None,
    })
    .collect()
}

/// The operations of one code.
fn of(watch: &mut Watch, said: &Value, code: OperationCode) -> Vec<Operation> {
    let all = operations(watch, small(said, "pid"));
    all.into_iter().filter(|operation| operation.code == code).collect()
}

/// The only operation of one code.
fn only(watch: &mut Watch, said: &Value, code: OperationCode) -> Operation {
    let found = of(watch, said, code);
    assert_eq!(found.len(), 1, "{code:?} of {said}: {found:#?}");
    found.into_iter().next().unwrap()
}

#[test]
fn a_trace_of_a_stranger_names_it() {
    needs_root!();
    let mut watch = Watch::new("trace");
    let stranger = Stranger::new();
    let said = watch.run(&["trace", &stranger.word()]);
    let traced = only(&mut watch, &said, OperationCode::Ptrace);
    assert_eq!(traced.number, said["request"].as_u64().unwrap());
    assert_eq!((traced.target.unwrap().pid, traced.errno), (stranger.pid(), small(&said, "errno")));
    assert_eq!(traced.target, detector::kernel::proc::identity(stranger.pid()));
    assert!(!traced.same_agent);
    assert_eq!(traced.detail.as_deref(), Some("sleep"));
}

#[test]
fn a_trace_of_a_child_belongs_to_the_agent() {
    needs_root!();
    let mut watch = Watch::new("trace-child");
    let said = watch.run(&["trace-child"]);
    let traced = only(&mut watch, &said, OperationCode::Ptrace);
    assert_eq!(traced.target.unwrap().pid, small(&said, "target"));
    assert!(traced.same_agent && traced.errno == 0);
}

#[test]
fn a_child_that_has_itself_traced_is_not_reported() {
    needs_root!();
    let mut watch = Watch::new("trace-me");
    let said = watch.run(&["trace-me"]);
    assert_eq!(said["code"], 0);
    watch.until_exit(small(&said, "pid"));
    assert!(!watch.seen.iter().any(|event| matches!(event.kind, EventKind::Operation(_))));
}

#[test]
fn a_number_of_a_pid_namespace_is_understood() {
    needs_root!();
    let mut watch = Watch::new("trace-inside");
    let said = watch.run(&["trace-inside"]);
    assert_eq!(said["inside"], 2, "the number that it traced");
    let init = small(&said, "init");
    let traced =
        operations(&mut watch, init).into_iter().find(|one| one.code == OperationCode::Ptrace).unwrap();
    let child = watch.find("fork", |event| match event.kind {
        EventKind::Fork(fork) if event.process.pid == init => Some(fork.child),
        _ => None,
    });
    assert_eq!(traced.target, Some(child));
}

#[test]
fn memory_written_by_syscall_names_whose_it_is() {
    needs_root!();
    let mut watch = Watch::new("vm-writev");
    let stranger = Stranger::new();
    let said = watch.run(&["write-memory", &stranger.word()]);
    let written = only(&mut watch, &said, OperationCode::WriteMemory);
    assert_eq!(written.target.unwrap().pid, stranger.pid());
    assert_eq!((written.errno, written.same_agent), (0, false));
}

#[test]
fn memory_opened_in_proc_names_whose_it_is() {
    needs_root!();
    let mut watch = Watch::new("proc-mem");
    let stranger = Stranger::new();
    let said = watch.run(&["open-memory", &stranger.word()]);
    let opened = only(&mut watch, &said, OperationCode::WriteMemory);
    assert_eq!(opened.target, detector::kernel::proc::identity(stranger.pid()));
    let path = format!("/proc/{}/mem", stranger.pid());
    watch.find("the open", |event| match &event.kind {
        EventKind::File(file) if file.op == FileOp::Open && *file.path == *path => Some(()),
        _ => None,
    });
}

#[test]
fn signals_to_a_stranger_are_reported_however_they_are_sent() {
    needs_root!();
    let mut watch = Watch::new("kill");
    for trigger in ["signal", "signal-pidfd", "signal-group"] {
        let stranger = Stranger::new();
        let said = watch.run(&[trigger, &stranger.word(), "10"]);
        let sent = only(&mut watch, &said, OperationCode::Signal);
        assert_eq!(sent.target.unwrap().pid, stranger.pid(), "{trigger}");
        assert_eq!((sent.number, sent.errno), (10, 0), "{trigger}");
        assert_eq!(sent.detail.as_deref(), Some("sleep"));
    }
}

#[test]
fn a_refused_signal_is_reported_as_refused() {
    needs_root!();
    let mut watch = Watch::new("kill-refused");
    let stranger = Stranger::new();
    let said = watch.run(&["signal-refused", &stranger.word(), "9"]);
    let sent = only(&mut watch, &said, OperationCode::Signal);
    assert_eq!((sent.target.unwrap().pid, sent.number, sent.errno), (stranger.pid(), 9, 1));
}

#[test]
fn signals_within_the_agent_and_signal_0_are_not_reported() {
    needs_root!();
    let mut watch = Watch::new("kill-own");
    let stranger = Stranger::new();
    let said = watch.run(&["fork-signal", "9"]);
    assert_eq!(of(&mut watch, &said, OperationCode::Signal), []);
    for trigger in ["signal", "signal-refused"] {
        let said = watch.run(&[trigger, &stranger.word(), "0"]);
        assert_eq!(of(&mut watch, &said, OperationCode::Signal), [], "{trigger}");
    }
}

#[test]
fn an_ebpf_program_is_followed_from_load_to_detachment() {
    needs_root!();
    let mut watch = Watch::new("bpf");
    let group = watch.group.path().to_str().unwrap().to_owned();
    let said = watch.run(&["bpf", &group]);
    let calls = of(&mut watch, &said, OperationCode::Bpf);
    let commands: Vec<u64> = calls.iter().map(|call| call.number).collect();
    assert_eq!(commands, [5, 28, 34], "load, create a link, detach it");
    assert_eq!(calls[0].program_type.map(u64::from), said["type"].as_u64());
    assert_eq!(calls[0].detail.as_deref(), Some(text(&said, "name")));
}

#[test]
fn code_for_the_kernel_is_reported_with_what_came_of_it() {
    needs_root!();
    let mut watch = Watch::new("module");
    let place = tempfile::tempdir().unwrap();
    let file = place.path().canonicalize().unwrap().join("module.ko");
    std::fs::write(&file, "no module").unwrap();
    let file = file.to_str().unwrap();
    let said = watch.run(&["code-for-kernel", file]);
    let all = operations(&mut watch, small(&said, "pid"));
    let outcomes: Vec<_> = all.iter().map(|one| (one.code, one.errno, one.path.as_deref())).collect();
    assert_eq!(
        outcomes,
        [
            (OperationCode::ModuleLoad, small(&said, "init"), None),
            (OperationCode::ModuleLoad, small(&said, "finit"), Some(file)),
            (OperationCode::ModuleUnload, small(&said, "delete"), None),
            (OperationCode::Kexec, small(&said, "kexec"), Some(file)),
        ]
    );
    assert!(all.iter().all(|one| one.errno != 0));
    assert_eq!(all[2].detail.as_deref(), Some("no_such_module"));
}

#[test]
fn mounts_name_both_places_and_tell_private_ones() {
    needs_root!();
    let mut watch = Watch::new("mount");
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [from, to] = [&from, &to].map(|place| place.path().canonicalize().unwrap());
    let [from, to] = [&from, &to].map(|place| place.to_str().unwrap());
    let own = detector::kernel::proc::own(watch.sensor.cgroups(), &[]).mntns;
    assert_ne!(own, 0);
    for (trigger, is_own) in [("mount", false), ("mount-for-all", true)] {
        let said = watch.run(&[trigger, from, to]);
        let mounts = of(&mut watch, &said, OperationCode::Mount);
        let mount = mounts.iter().find(|mount| mount.path.as_deref() == Some(to)).unwrap();
        assert_eq!(mount.source.as_deref(), Some(from), "{trigger}");
        assert_eq!((mount.number, mount.errno), (said["flags"].as_u64().unwrap(), 0));
        assert_eq!(mount.mntns == own, is_own, "{trigger}");
        let unmount = only(&mut watch, &said, OperationCode::Unmount);
        assert_eq!(unmount.path.as_deref(), Some(to));
    }
}

#[test]
fn a_mount_by_the_new_syscalls_and_through_a_link_names_its_place() {
    needs_root!();
    let mut watch = Watch::new("move-mount");
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let to = to.path().canonicalize().unwrap();
    let link = from.path().join("link");
    std::os::unix::fs::symlink(&to, &link).unwrap();
    let said = watch.run(&["move-mount", from.path().to_str().unwrap(), link.to_str().unwrap()]);
    let mounts = of(&mut watch, &said, OperationCode::Mount);
    // The link is followed if the process, in mounts of its own, is still there to be asked.
    let named = |path: &std::path::Path| mounts.iter().any(|mount| mount.path.as_deref() == path.to_str());
    assert!(named(&to) || named(&link), "{mounts:#?}");
}

#[test]
fn a_mount_over_a_process_names_the_process() {
    needs_root!();
    let mut watch = Watch::new("mount-proc");
    let from = tempfile::tempdir().unwrap();
    let said = watch.run(&["mount-over-process", from.path().to_str().unwrap()]);
    let mounts = of(&mut watch, &said, OperationCode::Mount);
    assert!(mounts.iter().any(|mount| mount.path.as_deref() == Some(text(&said, "path"))), "{mounts:#?}");
}

#[test]
fn namespaces_entered_and_made_are_reported_and_nothing_less() {
    needs_root!();
    let mut watch = Watch::new("namespaces");
    let said = watch.run(&["namespaces"]);
    let all = operations(&mut watch, small(&said, "pid"));
    let flags = said["flags"].as_u64().unwrap();
    let got: Vec<_> = all.iter().map(|one| (one.code, one.number)).collect();
    assert_eq!(got, [(OperationCode::Setns, flags), (OperationCode::Unshare, flags)]);
}

#[test]
fn a_changed_root_is_named() {
    needs_root!();
    let mut watch = Watch::new("chroot");
    let place = tempfile::tempdir().unwrap();
    let place = place.path().canonicalize().unwrap();
    let said = watch.run(&["chroot", place.to_str().unwrap()]);
    assert_eq!(only(&mut watch, &said, OperationCode::ChangeRoot).path.as_deref(), place.to_str());
}

#[test]
fn odd_syscalls_and_names_of_kernel_threads_are_reported() {
    needs_root!();
    let mut watch = Watch::new("odd");
    let said = watch.run(&["odd", "kworker/7:1"]);
    let all = operations(&mut watch, small(&said, "pid"));
    let of = |code| all.iter().filter(move |one: &&Operation| one.code == code).collect::<Vec<_>>();
    let names: Vec<_> = of(OperationCode::SetName).iter().map(|one| one.detail.as_deref()).collect();
    assert_eq!(names, [Some("kworker/7:1")], "`worker` is nobody's name");
    assert_eq!(of(OperationCode::Memfd)[0].detail.as_deref(), Some("kworker/7:1"));
    for (key, code) in [("userfaultfd", OperationCode::Userfaultfd), ("io_uring", OperationCode::IoUring)] {
        assert_eq!(of(code).len(), usize::from(said[key] == 0), "{code:?}: {said}");
    }
}

#[test]
fn files_of_the_kernel_s_own_file_systems_have_whole_paths() {
    needs_root!();
    let mut watch = Watch::new("kernel-files");
    let group = watch.group.path().join("cgroup.freeze");
    // Each is opened and written `line`, which none of them takes for a value.
    for file in ["/proc/sys/vm/nr_hugepages", "/proc/sys/kernel/kptr_restrict", group.to_str().unwrap()] {
        let said = watch.run(&["open-write", file]);
        let pid = small(&said, "pid");
        watch.find(file, |event| match &event.kind {
            EventKind::File(one) if event.process.pid == pid && *one.path == *file => Some(()),
            _ => None,
        });
    }
}

#[test]
fn a_disk_opened_for_writing_is_a_block_device() {
    needs_root!();
    let mut watch = Watch::new("disk");
    let Some(disk) = ["/dev/loop7", "/dev/ram0"].into_iter().find(|disk| std::fs::exists(disk).unwrap())
    else {
        skip!("no loop device and no ram disk");
    };
    let said = watch.run(&["open-device", disk]);
    let pid = small(&said, "pid");
    let mode = watch.find(disk, |event| match &event.kind {
        EventKind::File(file) if event.process.pid == pid && &*file.path == disk => Some(file.mode),
        _ => None,
    });
    assert_eq!(mode & 0o170_000, 0o060_000);
}

/// A script of things that an agent should not do, and the rules that say so. Nothing of it lasts.
const TAMPERING: &[(&str, &str)] = &[
    ("kill -USR1 $PPID", "sensor/detector_signalled.yml"),
    ("echo 0 > /proc/$PPID/oom_score_adj", "sensor/detector_file_written.yml"),
    ("$TRIGGER open-memory $PPID", "sensor/detector_reached.yml"),
    (
        "mkdir $GROUP/d; echo $PPID > $GROUP/d/cgroup.procs; echo $PPID > $ROOT/cgroup.procs",
        "sensor/detector_moved.yml",
    ),
    ("kill -USR1 $STRANGER", "evasion/signal_other_minor.yml"),
    ("kill -KILL $STRANGER", "evasion/signal_other.yml"),
    ("$TRIGGER trace $OTHER", "evasion/ptrace_other.yml"),
    ("$TRIGGER write-memory $OTHER", "evasion/memory_other.yml"),
    ("sleep 60 & $TRIGGER trace $!; $TRIGGER open-memory $!; kill $!", "evasion/ptrace_sibling.yml"),
    ("true", "evasion/memory_sibling.yml"),
    ("$TRIGGER mount-over-process $PWD", "evasion/mount_over_process.yml"),
    ("$TRIGGER code-for-kernel $PWD/alerts", "evasion/module_refused.yml"),
    ("true", "evasion/kexec.yml"),
    ("$TRIGGER bpf $GROUP", "evasion/bpf_detached.yml"),
    ("$TRIGGER odd kworker/3:0", "evasion/kernel_thread_name.yml"),
    ("$TRIGGER open-write /proc/sys/vm/nr_hugepages", "mining/huge_pages.yml"),
    ("$TRIGGER open-write /proc/sys/kernel/kptr_restrict", "evasion/hardening_lowered.yml"),
    ("mkdir h; echo x > h/.bash_history; sleep 2; : > h/.bash_history", "evasion/history_emptied.yml"),
    ("rm h/.bash_history", "evasion/history_removed.yml"),
    ("bash -c 'history -c; true'", "evasion/history_cleared.yml"),
    ("bash -c 'unset HISTFILE; true'", "evasion/history_off.yml"),
];

#[test]
fn tampering_is_told_by_its_rules() {
    needs_root!();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("alerts");
    let group = Cgroup::create("tampering").unwrap();
    let [stranger, other] = [Stranger::new(), Stranger::new()];
    let script: Vec<&str> = TAMPERING.iter().map(|(command, _)| *command).collect();
    let script = format!("trap '' USR1\n{}", script.join("\n"));
    let mut command = detector(&["wrap", "--quiet", "--name", "tampering", "--alerts"]);
    command.arg(&file).args(["--", "bash", "-c", &script]).current_dir(place.path());
    command.env("TRIGGER", detector_tests::trigger::program("detector-trigger").unwrap());
    command
        .env("GROUP", group.path())
        .env("ROOT", detector_tests::cgroup::mount().unwrap())
        .env("STRANGER", stranger.word())
        .env("OTHER", other.word());
    let ended = end(&mut command);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    let alerts = alerts(&file);
    let told: Vec<&str> = alerts.iter().filter_map(|alert| alert["rule"]["file"].as_str()).collect();
    for (command, rule) in TAMPERING {
        assert!(told.contains(&&*format!("rules/{rule}")), "{command}: no alert of {rule} in {told:#?}");
    }
    let of_detector = |alert: &&Value| alert["rule"]["file"] == "rules/sensor/detector_signalled.yml";
    let alert = alerts.iter().find(of_detector).unwrap();
    assert!(text(alert, "summary").ends_with("sent signal 10 to the detector"), "{alert:#}");
}
