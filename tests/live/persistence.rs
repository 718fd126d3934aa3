//! Every form of a write to every group of files that last, and what must not be taken for one.
//!
//! It all happens in a mount namespace of the test's own, with copies over /etc, /root, /home, /boot and
//! /var/spool, which is the host's to the sensor since it lives there too: nothing of this machine is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use detector::alert::Level;
use detector::event::{Event, EventKind, Trust};
use detector::process::ProcessTable;
use detector::rules::{Finding, RuleSet, Subject, What};
use detector_tests::needs_root;
use detector_tests::trigger::program;

use crate::watch::Watch;

/// Rule, mount, file. One of each group at least; the rule is a file of `rules/persistence/`.
const GROUPS: &[(&str, &str, &str)] = &[
    ("cron", "/etc", "/etc/cron.d/job"),
    ("cron", "/etc", "/etc/crontab"),
    ("cron", "/var/spool", "/var/spool/cron/crontabs/root"),
    ("at", "/var/spool", "/var/spool/cron/atjobs/a0001"),
    ("systemd_unit", "/etc", "/etc/systemd/system/x.service"),
    ("systemd_unit", "/etc", "/etc/systemd/system-generators/x"),
    ("systemd_unit", "/home", "/home/u/.config/systemd/user/x.timer"),
    ("init_script", "/etc", "/etc/rc.local"),
    ("shell_startup_system", "/etc", "/etc/profile.d/x.sh"),
    ("shell_startup_user", "/root", "/root/.bashrc"),
    ("authorized_keys", "/root", "/root/.ssh/authorized_keys"),
    ("ssh_server", "/etc", "/etc/ssh/sshd_config.d/x.conf"),
    ("ssh_client", "/home", "/home/u/.ssh/config"),
    ("privilege_policy", "/etc", "/etc/sudoers.d/x"),
    ("accounts", "/etc", "/etc/passwd"),
    ("ld_so_preload", "/etc", "/etc/ld.so.preload"),
    ("loader", "/etc", "/etc/ld.so.conf.d/x.conf"),
    ("login_modules", "/etc", "/etc/pam.d/x"),
    ("kernel_modules", "/etc", "/etc/modules-load.d/x.conf"),
    ("udev", "/etc", "/etc/udev/rules.d/x.rules"),
    ("motd", "/etc", "/etc/update-motd.d/x"),
    ("autostart", "/home", "/home/u/.config/autostart/x.desktop"),
    ("dbus_service", "/home", "/home/u/.local/share/dbus-1/services/x.service"),
    ("network_hook", "/etc", "/etc/NetworkManager/dispatcher.d/x"),
    ("package_hook", "/etc", "/etc/apt/apt.conf.d/x"),
    ("boot", "/boot", "/boot/grub/grub.cfg"),
    ("container_start", "/etc", "/etc/kubernetes/manifests/x.yaml"),
    ("service_hook", "/etc", "/etc/logrotate.d/x"),
    ("tool_startup_system", "/etc", "/etc/vim/vimrc.local"),
    ("tool_startup_user", "/root", "/root/.vimrc"),
    ("tool_config", "/root", "/root/.npmrc"),
    ("git_hook_elsewhere", "/home", "/home/u/p/.git/hooks/pre-commit"),
    ("python_startup", "/home", "/home/u/.local/lib/python3.11/site-packages/usercustomize.py"),
    ("agent_config", "/root", "/root/.claude/settings.json"),
];

/// Forms that another rule answers than that of the group.
const OTHER_RULES: &[(&str, &str)] = &[("second-name-made", "hard_link"), ("chmod", "persistence_mode")];
/// Groups that those rules are not about: what reads such a file does not care.
const PLAIN: &[&str] = &[
    "ssh_client",
    "tool_startup_user",
    "tool_config",
    "git_hook_elsewhere",
    "python_startup",
    "agent_config",
];

/// Runs in a thread whose mounts are its own.
fn apart<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(|| {
        // SAFETY: descriptors stay shared; only the mounts, and with them root and working directory, become
        // this thread's own.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }.unwrap();
        run()
    });
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What came after a mark: rules that matched, with their levels, and the events.
#[derive(Default)]
struct Cell<'a> {
    found: BTreeSet<(String, Level)>,
    events: Vec<&'a Event>,
}

type Judged<'a> = BTreeMap<String, Cell<'a>>;

/// Judges every event by itself: repeats count as much as the first.
fn judged<'a>(events: &'a [Event], marks: &str) -> Judged<'a> {
    let strings = detector::canary::Strings::default();
    let tasks = detector::task::Ledger::default();
    let mut rules = RuleSet::builtin().unwrap();
    let mut table = ProcessTable::default();
    let (mut found, mut mark) = (Judged::new(), String::new());
    let mut findings: Vec<Finding> = Vec::new();
    for event in events {
        table.apply(event);
        if let EventKind::File(file) = &event.kind
            && let Some(name) = file.path.strip_prefix(marks)
        {
            mark = name.to_owned();
            found.entry(mark.clone()).or_default();
            continue;
        }
        let subject = Subject {
            what: What::Event(event),
            table: &table,
            agent_name: None,
            cgroup_path: None,
            container: None,
            pod: None,
            hostname: None,
            actor: None,
            change: None,
            canaries: &strings,
            tasks: &tasks,
        };
        rules.judge(&subject, &mut findings);
        let cell = found.entry(mark.clone()).or_default();
        cell.events.push(event);
        for finding in findings.drain(..) {
            let file = finding.rule.file.trim_start_matches("rules/persistence/").trim_end_matches(".yml");
            cell.found.insert((file.to_owned(), finding.rule.level));
        }
    }
    found
}

/// Runs a command of the watched group to its end, taking events all the while. Files in `settle` are removed
/// once their events came.
fn run(watch: &mut Watch, command: &mut Command, input: &str, settle: &str) {
    let mut child = watch.group.hold(command.stdin(Stdio::piped())).unwrap().spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(300);
    let mut from = 0;
    loop {
        watch.take(Duration::from_millis(5));
        for event in &watch.seen[from..] {
            if let EventKind::File(file) = &event.kind
                && file.path.starts_with(settle)
            {
                fs::remove_file(&*file.path).unwrap();
            }
        }
        from = watch.seen.len();
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            break;
        }
        assert!(Instant::now() < deadline, "the script did not end");
    }
    let pid = child.id();
    watch.until_exit(pid);
}

fn stage(place: &Path) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/live/persistence/stage.sh");
    assert!(Command::new("sh").arg(script).arg(place).status().unwrap().success());
}

#[test]
fn every_form_of_a_write_to_every_group_is_judged() {
    needs_root!();
    apart(|| {
        let place = tempfile::Builder::new().prefix("detector-forms-").tempdir().unwrap();
        stage(place.path());
        let mut watch = Watch::new("persistence");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/live/persistence/forms.sh");
        let mut command = Command::new("bash");
        command.arg(script).arg(place.path()).arg(program("detector-trigger").unwrap()).current_dir("/");
        let only = std::env::var("DETECTOR_GROUP").unwrap_or_default();
        let groups = GROUPS.iter().filter(|(rule, ..)| only.is_empty() || *rule == only);
        let lines: String =
            groups.clone().map(|(rule, mount, path)| format!("{rule} {mount} {path}\n")).collect();
        let settle = format!("{}/settle/", place.path().display());
        run(&mut watch, &mut command, &lines, &settle);
        let errors = fs::read_to_string(place.path().join("errors")).unwrap();
        // The loader speaks of what ld.so.preload names for as long as it is there.
        let errors: Vec<&str> = errors.lines().filter(|line| !line.contains("/etc/ld.so.preload")).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let marks = format!("{}/mark/", place.path().display());
        let judged = judged(&watch.seen, &marks);
        let mut wrong = Vec::new();
        let mut cells = 0;
        for (rule, _, path) in groups {
            let suffix = format!("@{rule}@{}", path.replace('/', "%"));
            for (mark, Cell { found, events }) in judged.iter().filter(|(mark, _)| mark.ends_with(&suffix)) {
                let form = mark.trim_end_matches(&suffix);
                cells += 1;
                let other = OTHER_RULES.iter().find(|(name, _)| *name == form).map(|(_, rule)| *rule);
                let expected = other.unwrap_or(rule);
                let is_there = found.iter().any(|(found, _)| found == expected);
                let loud = found.iter().any(|(_, level)| *level > Level::Low);
                let right = match form {
                    "layer" => !loud,
                    "prepared" | "end" | "parent-moved-made" => true,
                    _ if other.is_some() && PLAIN.contains(rule) => true,
                    _ => is_there,
                };
                if !right {
                    wrong.push(format!("{form} of {path}: {found:?} of {events:#?}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{} of {cells}: {wrong:#?}", wrong.len());
        assert!(!only.is_empty() || cells > GROUPS.len() * 30, "{cells} cells were judged");
    });
}

#[test]
fn a_package_manager_is_trusted_by_its_inode_not_by_its_name() {
    needs_root!();
    if !Path::new("/usr/bin/dpkg").exists() {
        detector_tests::skip!("no dpkg");
    }
    let mut watch = Watch::new("trust");
    let place = tempfile::tempdir().unwrap();
    let copy = place.path().join("dpkg");
    assert!(Command::new("cp").arg("/usr/bin/dpkg").arg(&copy).status().unwrap().success());
    let mut trust = |script: &str| {
        let mut command = Command::new("bash");
        // cargo's own would spoil it.
        command.args(["-c", script]).env_remove("LD_LIBRARY_PATH");
        let mut child = watch.group.hold(&mut command).unwrap().spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        watch.find(script, |event| match &event.kind {
            EventKind::Exec(exec) if event.process.pid == pid && exec.exe.ends_with("dpkg") => {
                Some(exec.trust)
            }
            _ => None,
        })
    };
    assert_eq!(trust("exec /usr/bin/dpkg --version > /dev/null"), Trust::Installer);
    assert_eq!(trust(&format!("exec {} --version > /dev/null", copy.display())), Trust::None);
    assert_eq!(trust("LD_PRELOAD=/nothing.so exec /usr/bin/dpkg --version > /dev/null 2>&1"), Trust::None);
    let over = "exec unshare -m bash -c 'mount --bind /usr/bin/env /usr/bin/dpkg && exec dpkg true'";
    assert_eq!(trust(over), Trust::None, "another file at that path, in mounts of one's own");
}
