//! Every area of the built-in rules, replayed: inputs made by hand go into a recording, the recording is
//! judged, and the alerts are compared with a snapshot. Needs no root and no kernel.
//!
//! `UPDATE_EXPECT=1 cargo test -p detector-tests --test replay` writes a snapshot that has changed.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that is surprised fails")]

mod digest;
mod incident;
mod task;

use std::net::SocketAddr;
use std::sync::Arc;

use detector::agent::Agent;
use detector::alert::Alert;
use detector::event::{
    AgentId, CgroupId, CgroupMove, Endpoint, Event, EventKind, Exec, Exit, FileEvent, FileOp, Flow,
    FlowResult, Fork, Lost, Membership, Nanos, NetnsId, ProcessId, Protocol, Ticks,
};
use detector::pipeline::{Input, Outputs, Pipeline, Settings};
use detector::recording::{Header, Reader, Recorder};
use detector::rules::{Builtin, RuleSet};
use expect_test::{Expect, expect};

/// An agent at work, a second between two things that it does; each in a process tree of its own.
struct Story {
    inputs: Vec<Input>,
    time: u64,
    pid: u32,
}

fn id(pid: u32) -> ProcessId {
    ProcessId { pid, start: Ticks(u64::from(pid)) }
}

fn story() -> Story {
    let agent = Agent {
        id: AgentId(1),
        name: "coder".to_owned(),
        cgroup: CgroupId(40),
        path: "/agents/coder-1".to_owned(),
    };
    Story { inputs: vec![Input::AgentAdded(agent)], time: 1_700_000_000_000_000_000, pid: 1000 }
}

impl Story {
    fn event(mut self, kind: EventKind) -> Self {
        self.time += 1_000_000_000;
        self.inputs.push(Input::Event(Event {
            time: Nanos(self.time),
            received: Nanos(self.time + 150_000),
            agent: AgentId(1),
            process: id(self.pid),
            thread: self.pid,
            uid: 1000,
            cgroup: CgroupId(40),
            kind,
        }));
        self.inputs.push(Input::Tick(Nanos(self.time)));
        self
    }

    /// A new process runs this; its words are parted by blanks.
    fn runs(self, exe: &str, line: &str) -> Self {
        self.runs_with(exe, &line.split(' ').collect::<Vec<_>>(), |_| {})
    }

    fn runs_with(mut self, exe: &str, argv: &[&str], change: impl Fn(&mut Exec)) -> Self {
        self.pid += 1;
        let comm = exe.rsplit('/').next().unwrap_or_default();
        let mut exec = Exec {
            exe: exe.into(),
            inode: 7,
            nlink: 1,
            mode: 0o100_755,
            argv: argv.iter().map(|&word| word.into()).collect(),
            cwd: "/work".into(),
            comm: comm.chars().take(15).collect::<String>().into(),
            ..Exec::default()
        };
        change(&mut exec);
        self.event(EventKind::Exec(Arc::new(exec)))
    }

    fn touches(self, op: FileOp, path: &str, from: Option<&str>) -> Self {
        self.event(EventKind::File(FileEvent {
            op,
            path: path.into(),
            from: from.map(Into::into),
            inode: 9,
            dev: 1,
            mode: 0o100_644,
            created: op == FileOp::Open,
            ..FileEvent::default()
        }))
    }

    fn connects(self, remote: &str, errno: u32) -> Self {
        let remote: SocketAddr = remote.parse().unwrap();
        let flow = Flow {
            cookie: self.time,
            protocol: Protocol::Tcp,
            remote,
            local: None,
            v4_mapped: false,
            initiated: true,
            netns: NetnsId(0),
        };
        self.event(EventKind::Connect(flow)).event(EventKind::ConnectResult(FlowResult { flow, errno }))
    }

    fn listens(self, local: &str) -> Self {
        let local = local.parse().unwrap();
        self.event(EventKind::Listen(Endpoint { cookie: 5, protocol: Protocol::Tcp, local }))
    }

    /// Records, reads the recording again, judges it by the built-in rules.
    fn alerts(self) -> Vec<Alert> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("story.detrec");
        let header = Header {
            host: "node-1".to_owned(),
            kernel: "6.12.0".to_owned(),
            detector: env!("CARGO_PKG_VERSION").to_owned(),
            started: Nanos(0),
        };
        let mut recorder = Recorder::create(&path, &header).unwrap();
        for input in &self.inputs {
            recorder.write(input).unwrap();
        }
        recorder.finish().unwrap();
        let judge = || {
            let reader = Reader::open(&path).unwrap();
            let rules = RuleSet::load(&[], Builtin::With).unwrap();
            let mut pipeline = Pipeline::new(rules, Settings { host: reader.header().host.clone() });
            let mut outputs = Outputs::default();
            for input in reader {
                pipeline.step_into(input.unwrap(), &mut outputs);
            }
            outputs.alerts.extend(pipeline.finish().alerts);
            outputs.alerts
        };
        let alerts = judge();
        assert_eq!(alerts, judge(), "two replays differ");
        alerts
    }

    /// Compares level, rule file, first eight digits of the rule's id, and summary of each alert.
    fn check(self, expected: &Expect) {
        let alerts = self.alerts();
        let lines = alerts.iter().map(|alert| {
            let file = alert.rule.file.trim_start_matches("rules/");
            format!("{} {file} {}: {}\n", alert.level.name(), &alert.rule.id[..8], alert.summary)
        });
        expected.assert_eq(&lines.collect::<String>());
    }
}

#[test]
fn mining() {
    story()
        .runs("/opt/bin/xmrig", "xmrig --version")
        .runs("/tmp/python3", "./python3 -o stratum+tcp://pool.example:14444 -u wallet --donate-level 1")
        .connects("203.0.113.7:14444", 0)
        .runs("/bin/dash", "sh -c true")
        .runs_with("/bin/dash", &["sh", "-c", "./a -o stratum+tcp://pool.example:3333 --donate-level=1"], |_| {})
        .runs("/usr/bin/python3", "python3 client.py")
        .connects("203.0.113.7:14444", 111)
        .runs("/usr/sbin/modprobe", "modprobe msr allow_writes=on")
        .runs("/usr/bin/grep", "grep -rn xmrig .")
        .check(&expect![[r#"
            high mining/miner_name.yml 47eaa099: /opt/bin/xmrig ran under the name of a cryptocurrency miner: xmrig --version
            high mining/miner_command_line.yml 59ba1b0d: /tmp/python3 was given the command line of a cryptocurrency miner: ./python3 -o stratum+tcp://pool.example:14444 -u wallet --donate-level 1
            informational mining/pool_port.yml 68b4aef7: /tmp/python3 connected to 203.0.113.7:14444, a port that mining pools use
            informational network/unresolved_public_address.yml 7aa80d6c: /tmp/python3 connected to 203.0.113.7:14444, for which no name was asked
            critical mining/miner_connected.yml 142c8364: /tmp/python3 has the command line of a miner and connected to 203.0.113.7:14444
            low mining/miner_command_line_in_script.yml 5d32fe61: /bin/dash was given a script with arguments of a cryptocurrency miner
            informational mining/pool_port.yml 68b4aef7: /usr/bin/python3 connected to 203.0.113.7:14444, a port that mining pools use
            informational network/unresolved_public_address.yml 7aa80d6c: /usr/bin/python3 connected to 203.0.113.7:14444, for which no name was asked
            high mining/msr_writes.yml 9a1e40b4: /usr/sbin/modprobe opened the registers of the processor for writing: modprobe msr allow_writes=on
            high mining/verdict.yml d3ecee01: /opt/bin/xmrig mines cryptocurrency: command, registers say so together, 130 points where 90 are sure
            high mining/verdict.yml d3ecee01: /tmp/python3 mines cryptocurrency: command, registers say so together, 130 points where 90 are sure
        "#]]);
}

#[test]
fn execution() {
    story()
        .runs_with("/memfd:a", &["a"], |exec| exec.nlink = 0)
        .runs_with("/tmp/a", &["./a"], |exec| exec.nlink = 0)
        .runs_with("/srv/a", &["./a"], |exec| exec.nlink = 0)
        .runs("/dev/shm/a", "/dev/shm/a")
        .runs("/tmp/.x/a", "./a")
        .runs("/usr/bin/python3", "[kworker/0:1]")
        .runs_with("/bin/ls", &["ls"], |exec| exec.env = vec![("LD_PRELOAD".into(), "/tmp/x.so".into())])
        .runs_with("/bin/ls", &["ls"], |exec| exec.env = vec![("LD_AUDIT".into(), "/tmp/x.so".into())])
        .runs("/root/.cargo/bin/cargo", "cargo build")
        .runs("/work/.venv/bin/python3", "python3 -m pytest")
        .check(&expect![[r#"
            high execution/memfd.yml 3b041641: a ran from memory, without a file (/memfd:a)
            high execution/deleted_file_in_temporary_directory.yml c0290103: /tmp/a ran from a temporary directory although the file is deleted: ./a
            medium execution/deleted_file.yml 00a154d8: /srv/a ran although the file is deleted: ./a
            high execution/shared_memory.yml 6e704245: /dev/shm/a ran from shared memory: /dev/shm/a
            medium execution/hidden_path.yml de1b1471: /tmp/.x/a ran from a hidden path: ./a
            high execution/kernel_thread_masquerade.yml 4350cc17: /usr/bin/python3 goes by the name of a kernel thread: [kworker/0:1]
            medium execution/preload_from_writable_directory.yml 9ed89edd: /bin/ls was started with /tmp/x.so loaded into it
            medium execution/audit_from_writable_directory.yml 627bf322: /bin/ls was started with /tmp/x.so loaded into it
        "#]]);
}

#[test]
fn network() {
    story()
        .runs("/usr/bin/ssh", "ssh -fNR 2222:localhost:22 user@203.0.113.9")
        .runs("/usr/bin/ssh", "ssh -L 8080:db:5432 bastion.example")
        .runs("/usr/bin/ssh", "ssh -W inner:22 jump.example")
        .runs("/usr/bin/ssh", "ssh -p 2200 host.example uptime")
        .runs("/usr/bin/bash", "bash")
        .connects("203.0.113.9:443", 0)
        .runs("/usr/bin/bash", "bash wait-for-it.sh")
        .connects("127.0.0.1:5432", 111)
        .runs("/usr/bin/nc", "nc -l -p 4444")
        .listens("0.0.0.0:4444")
        .runs("/usr/bin/python3", "python3 -m http.server --bind 127.0.0.1")
        .listens("127.0.0.1:8000")
        .runs("/usr/bin/curl", "curl https://example.invalid/")
        .connects("203.0.113.9:443", 0)
        .check(&expect![[r#"
            high network/ssh_reverse_tunnel.yml a930d55d: /usr/bin/ssh opened a reverse SSH tunnel to user@203.0.113.9: 2222:localhost:22
            medium network/ssh_forward.yml 43f2f193: /usr/bin/ssh forwards through SSH to bastion.example: 8080:db:5432
            low network/ssh_stdio_forward.yml 990d3cd8: /usr/bin/ssh reaches inner:22 through jump.example
            low network/shell_connects.yml e07cb579: The shell /usr/bin/bash connected to 203.0.113.9:443
            low network/shell_connects_here.yml 78f6d824: The shell /usr/bin/bash connected to this machine, port 5432
            low network/listener.yml 1dcd327f: /usr/bin/nc listens on 0.0.0.0:4444, open to other machines
            informational network/listener_here.yml 9672be1a: /usr/bin/python3 listens on 127.0.0.1:8000, for this machine only
        "#]]);
}

#[test]
fn persistence() {
    story()
        .runs("/usr/bin/bash", "bash")
        .touches(FileOp::Open, "/etc/cron.d/job", None)
        .touches(FileOp::Open, "/etc/systemd/system/a.service", None)
        .touches(FileOp::Open, "/root/.ssh/authorized_keys", None)
        .touches(FileOp::Rename, "/etc/ld.so.preload", Some("/tmp/p"))
        .touches(FileOp::Open, "/etc/profile.d/a.sh", None)
        .touches(FileOp::Open, "/root/.bashrc", None)
        .touches(FileOp::Open, "/root/.ssh/known_hosts", None)
        .touches(FileOp::Unlink, "/work/build/a.o", None)
        .check(&expect![[r#"
            high persistence/cron.yml c44a66f4: /usr/bin/bash changed a scheduled job: /etc/cron.d/job
            high persistence/systemd_unit.yml 1e2ed6cb: /usr/bin/bash wrote a systemd unit: /etc/systemd/system/a.service
            high persistence/authorized_keys.yml 4f859933: /usr/bin/bash changed who may log in by SSH: /root/.ssh/authorized_keys
            critical persistence/ld_so_preload.yml 2e460a96: /usr/bin/bash wrote /etc/ld.so.preload, which puts a library into every program
            high persistence/shell_startup_system.yml 64e752cc: /usr/bin/bash changed what the shells of every user run when they start: /etc/profile.d/a.sh
            medium persistence/shell_startup_user.yml 310a853e: /usr/bin/bash changed what shells run when they start: /root/.bashrc
        "#]]);
}

#[test]
fn sensor() {
    story()
        .runs("/usr/bin/bash", "bash")
        .event(EventKind::CgroupMove(CgroupMove {
            moved: id(1001),
            to: CgroupId(1),
            path: "/".into(),
            change: Membership::Left,
        }))
        .event(EventKind::Lost(Lost { what: "exec".into(), count: 12 }))
        .check(&expect![[r#"
            high sensor/left_cgroup.yml bbb3a32a: A process of coder was moved out of its control group, to /
            medium sensor/events_lost.yml 79ded9f2: 12 events of kind exec were lost
        "#]]);
}

#[test]
fn a_working_day_is_quiet() {
    let mut story = story();
    for _ in 0..50 {
        story = story
            .runs("/usr/bin/git", "git commit -qm change")
            .touches(FileOp::Rename, "/work/.git/index", Some("/work/.git/index.lock"))
            .event(EventKind::Exit(Exit { user: 0, system: 0, code: 0, signal: None }))
            .runs("/root/.cargo/bin/cargo", "cargo test")
            .event(EventKind::Fork(Fork { child: id(9_000) }))
            .touches(FileOp::Open, "/work/target/debug/deps/a.d", None)
            .runs("/usr/bin/node", "node npm install")
            .connects("203.0.113.5:443", 0)
            .event(EventKind::Exit(Exit { user: 0, system: 0, code: 0, signal: None }));
    }
    story.check(&expect![[""]]);
}
