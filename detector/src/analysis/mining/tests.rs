//! Stories of miners and of work that resembles them, judged by the shipped rules and weights.

use std::sync::Arc;

use super::verdict::{Rank, Verdict};
use super::*;
use crate::agent::Agent;
use crate::alert::Alert;
use crate::analysis::world::{SECOND, World, field, id};
use crate::event::{CpuSample, Exec, FileEvent, Fork, Operation, Written};
use crate::pipeline::{Input, Pipeline, Settings};
use crate::process::ProcessTable;
use crate::rules::RuleSet;
use crate::rules::weights::Strength;
use crate::task::Expect;
use crate::task::{Ledger, Task, TaskChange};

const DATASET_BYTES: u64 = 2_181_038_080;

/// The core with one agent whose process 1 is a shell.
struct Story {
    pipeline: Pipeline,
    time: u64,
    alerts: Vec<Alert>,
}

impl Story {
    fn new() -> Self {
        let rules = RuleSet::builtin().unwrap();
        let mut pipeline = Pipeline::new(rules, Settings { host: "node-1".to_owned() });
        let agent =
            Agent { id: AgentId(1), name: "coder".into(), cgroup: CgroupId(9), path: "/agents/c".into() };
        pipeline.step(Input::AgentAdded(agent));
        let mut story = Self { pipeline, time: 1_000 * SECOND, alerts: Vec::new() };
        story.runs(1, 0, "/usr/bin/bash", "bash", false);
        story
    }

    fn input(&mut self, input: Input) -> &mut Self {
        self.time += 1_000_000;
        self.alerts.extend(self.pipeline.step(input).alerts);
        self
    }

    fn event(&mut self, pid: u32, kind: EventKind) -> &mut Self {
        let event = crate::analysis::world::at(self.time, pid, kind);
        self.input(Input::Event(event))
    }

    /// A process is made and executes something, which the agent wrote itself or did not.
    fn runs(&mut self, pid: u32, parent: u32, exe: &str, line: &str, is_new: bool) -> &mut Self {
        if parent > 0 {
            self.event(parent, EventKind::Fork(Fork { child: id(pid) }));
        }
        let written = Written { time: Nanos(self.time - 50 * SECOND), by: id(1), agent: AgentId(1) };
        self.event(
            pid,
            EventKind::Exec(Arc::new(Exec {
                exe: exe.into(),
                argv: line.split(' ').map(Into::into).collect(),
                cwd: "/work".into(),
                nlink: 1,
                parent: id(parent),
                written: is_new.then_some(written),
                ..Exec::default()
            })),
        )
    }

    fn says(&mut self, pid: u32, mark: Mark, text: &str) -> &mut Self {
        self.time += 1_000_000;
        let now = Nanos(self.time);
        let signal =
            Signal { time: now, received: now, process: id(pid), mark, holds: true, text: text.to_owned() };
        self.alerts.extend(self.pipeline.signal(signal));
        self
    }

    fn burns(&mut self, pid: u32) -> &mut Self {
        self.says(pid, Mark::CpuBurn, "keeps 2 processors busy, 99 % of it in user mode")
    }

    fn takes(&mut self, pid: u32, bytes: u64, huge: bool) -> &mut Self {
        let operation = Operation {
            code: OperationCode::RandomxMemory,
            target: None,
            same_agent: false,
            number: bytes,
            huge,
            errno: 0,
            program_type: None,
            path: None,
            source: None,
            detail: None,
            mntns: 0,
        };
        self.event(pid, EventKind::Operation(Box::new(operation)))
    }

    fn writes(&mut self, pid: u32, path: &str) -> &mut Self {
        let file = FileEvent {
            path: path.into(),
            host_path: Some(path.into()),
            in_host: true,
            ..FileEvent::default()
        };
        self.event(pid, EventKind::File(file))
    }

    fn rounds(&mut self, pid: u32, other: u64) -> &mut Self {
        let rounding = Rounding { time: Nanos(self.time), process: id(pid), looked: 100, other };
        self.input(Input::Rounding(rounding))
    }

    fn maps(&mut self, pid: u32, libraries: &[&str], data_files: u32) -> &mut Self {
        let libraries = libraries.iter().map(|name| (*name).into()).collect();
        let look =
            Look { time: Nanos(self.time), process: id(pid), libraries, data_files, ..Look::default() };
        self.input(Input::Look(Box::new(look)))
    }

    fn task(&mut self, expects: &[Expect]) -> &mut Self {
        let task = Task {
            id: "t1".into(),
            agent: "coder".into(),
            name: "numbers".into(),
            expects: expects.to_vec(),
            exe: None,
            started: Nanos(self.time),
            expires: None,
        };
        self.input(Input::Task(TaskChange::Started(task)))
    }

    /// Bytes that a miner's side of a plain flow begins with.
    fn logs_in(&mut self, pid: u32) -> &mut Self {
        let flow = crate::analysis::world::flow(5, "203.0.113.9:3333");
        let login = br#"{"id":1,"jsonrpc":"2.0","method":"login","params":{"login":"49Xgwx3RfyV3ZMEVyrUNuUMzgQ1WHjkWL5T6Xk7QaTszggbtPbRPEkZQau9yACYEmUCHPNrU2MBdnJf4s4xLK5AyLDP5ucd","pass":"x","agent":"XMRig/6.21.0 (Linux x86_64) libuv/1.44.2 gcc/11.3.0","algo":["rx/0"]}}"#;
        let mut bytes = login.to_vec();
        bytes.push(b'\n');
        self.event(pid, EventKind::Connect(flow));
        let total = u32::try_from(bytes.len()).unwrap();
        self.event(
            pid,
            EventKind::Payload(Box::new(crate::event::Payload {
                flow,
                direction: crate::event::Direction::Out,
                begins: true,
                segment: 0,
                total,
                bytes,
            })),
        )
    }

    /// The alerts of verdicts, as level and what is in the balance.
    fn verdicts(&self) -> Vec<(Level, Vec<String>)> {
        let of_verdicts = self.alerts.iter().filter(|alert| alert.rule.file.contains("/verdict"));
        let marks = |alert: &Alert| {
            let marks = alert.evidence[0].fields["MiningMarks"].as_array().unwrap();
            marks.iter().map(|mark| mark.as_str().unwrap().to_owned()).collect()
        };
        of_verdicts.map(|alert| (alert.level, marks(alert))).collect()
    }

    fn last(&self) -> (Level, String) {
        let (level, marks) = self.verdicts().pop().expect("a verdict was told");
        (level, marks.join(" "))
    }

    fn gravest(&self) -> Option<Level> {
        self.alerts.iter().map(|alert| alert.level).max()
    }
}

const XMRIG: &str = "./xmrig -o stratum+tcp://203.0.113.9:3333 -u x --donate-level=1";

#[test]
fn a_plain_miner_gets_its_picture_in_the_step_of_its_login() {
    let mut story = Story::new();
    story.runs(7, 1, "/work/xmrig", XMRIG, true);
    assert_eq!(story.verdicts(), [], "the rules about names and options say it all");
    assert!(story.gravest() >= Some(Level::High));
    story.logs_in(7);
    assert_eq!(story.last(), (Level::Critical, "stratum command new_code".to_owned()));
    let told = story.alerts.len();
    story.takes(7, DATASET_BYTES, true).burns(7);
    assert_eq!(story.verdicts().len(), 1, "it is told once");
    assert_eq!(story.alerts.len(), told);
}

#[test]
fn a_renamed_miner_without_network_is_seen_by_its_memory() {
    let mut story = Story::new();
    story.runs(7, 1, "/tmp/python3", "python3 train.py", true).takes(7, DATASET_BYTES, false);
    assert_eq!(story.last(), (Level::Medium, "randomx_memory new_code".to_owned()));
    story.burns(7);
    assert_eq!(story.last(), (Level::High, "randomx_memory cpu_burn new_code".to_owned()));
}

#[test]
fn a_renamed_miner_with_huge_pages_is_sure_at_once() {
    let mut story = Story::new();
    story.runs(6, 1, "/usr/bin/bash", "bash -c x", false).writes(6, "/proc/sys/vm/nr_hugepages");
    assert_eq!(story.verdicts(), []);
    story.runs(7, 1, "/opt/tool", "tool", false).takes(7, DATASET_BYTES, true);
    let (level, marks) = story.last();
    assert_eq!((level, marks.as_str()), (Level::High, "randomx_huge huge_pages"));
    assert_eq!(story.alerts.last().unwrap().process.as_ref().unwrap().pid, 7);
}

#[test]
fn a_miner_in_light_mode_is_seen_by_its_rounding() {
    let mut story = Story::new();
    story.runs(7, 1, "/opt/tool", "tool", false).burns(7);
    assert_eq!(story.verdicts(), []);
    story.rounds(7, 4);
    assert_eq!(story.verdicts(), [], "four in a hundred are interval arithmetic");
    story.rounds(7, 75);
    assert_eq!(story.last(), (Level::Medium, "rounding cpu_burn".to_owned()));
}

#[test]
fn a_throttled_miner_with_a_pool_in_tls_adds_up() {
    let mut story = Story::new();
    story.runs(7, 1, "/tmp/.x/agentd", "agentd", true);
    story.says(7, Mark::CpuDuty, "used 1100 s of a processor in an hour, 98 % of it in user mode");
    assert_eq!(story.last().0, Level::Low);
    story.says(7, Mark::Cadence, "holds a long thin flow to 203.0.113.9:443 in TLS without a name");
    assert_eq!(story.verdicts().len(), 1, "55 points are no more than possible");
    story.rounds(7, 70);
    assert_eq!(story.last(), (Level::High, "rounding cpu_duty cadence new_code".to_owned()));
    let mut named = Story::new();
    named.runs(7, 1, "/tmp/.x/agentd", "agentd", false);
    named.says(7, Mark::PoolName, "connects to pool.supportxmr.com:443");
    named.says(7, Mark::CpuDuty, "used 1100 s of a processor in an hour, 98 % of it in user mode");
    assert_eq!(named.last().0, Level::Critical);
}

#[test]
fn workers_count_for_who_made_them_and_siblings_do_not() {
    let mut story = Story::new();
    story.runs(7, 1, "/opt/pool", "pool", false).runs(8, 7, "/opt/work", "work", false);
    story.runs(9, 8, "/opt/work", "work", false).burns(9).takes(7, DATASET_BYTES, false);
    assert_eq!(story.last().0, Level::High);
    assert_eq!(story.alerts.last().unwrap().process.as_ref().unwrap().pid, 9, "it is about who computes");
    let mut others = Story::new();
    others.runs(2, 1, "/usr/bin/bash", "bash", false).runs(3, 2, "/usr/bin/bash", "bash", false);
    others.runs(7, 3, "/opt/a", "a", false).runs(8, 3, "/opt/b", "b", false);
    others.burns(7).takes(8, DATASET_BYTES, false);
    assert_eq!(others.last(), (Level::Medium, "randomx_memory".to_owned()));
}

#[test]
fn training_is_at_most_low_without_a_task_and_silent_with_one() {
    for (with_task, expected) in [(true, None), (false, Some(Level::Low))] {
        let mut story = Story::new();
        if with_task {
            story.task(&[Expect::Gpu]);
        }
        story.runs(7, 1, "/usr/bin/python3.11", "python3 train.py", false);
        story.maps(7, &["libtorch_cpu.so", "libcudnn.so.9"], 3);
        story.says(7, Mark::GpuVaries, "power varies by 22 %").says(7, Mark::GpuBurn, "keeps GPU 0 busy");
        assert!(story.gravest() <= expected, "{:?}", story.verdicts());
    }
}

#[test]
fn an_inference_server_is_at_most_low() {
    let mut story = Story::new();
    story.runs(7, 1, "/usr/bin/python3.11", "python3 -m vllm.entrypoints.openai.api_server", false);
    story.maps(7, &["libtorch_cuda.so"], 0).says(7, Mark::GpuBurn, "keeps GPU 0 busy").burns(7);
    assert!(story.gravest() <= Some(Level::Low), "{:?}", story.verdicts());
}

#[test]
fn a_gpu_that_nobody_asked_for_is_sure_where_its_work_is_a_miners() {
    let mut story = Story::new();
    story.runs(7, 1, "/opt/tool", "tool", false).says(7, Mark::GpuBurn, "keeps GPU 0 busy");
    assert_eq!(story.last().0, Level::Medium);
    story.says(7, Mark::GpuUndeclared, "uses GPU 0, and no task says so");
    assert_eq!(story.last(), (Level::High, "gpu_burn gpu_undeclared".to_owned()));
}

#[test]
fn a_task_excuses_what_it_names_and_nothing_else() {
    let mut story = Story::new();
    story.task(&[Expect::Cpu, Expect::Gpu]).runs(7, 1, "/opt/tool", "tool", false);
    story.burns(7).says(7, Mark::GpuBurn, "keeps GPU 0 busy");
    assert_eq!(story.verdicts(), []);
    story.takes(7, DATASET_BYTES, true);
    let (level, _) = story.last();
    assert_eq!(level, Level::High);
    let fields = &story.alerts.last().unwrap().evidence[0].fields;
    assert_eq!(fields["MiningAgainst"][0], "declared_cpu -100: the task numbers (t1) declares that");
    let lines = fields["MiningFor"].as_array().unwrap();
    assert!(
        lines.iter().any(|line| line.as_str().unwrap().starts_with("cpu_burn +0 of +25: keeps")),
        "{lines:?}"
    );
    assert_eq!(fields["MiningScore"], 90);
}

#[test]
fn what_a_task_excused_is_weighed_again_when_it_ends() {
    let mut story = Story::new();
    story.task(&[Expect::Gpu]).runs(7, 1, "/opt/tool", "tool", false);
    story.says(7, Mark::GpuBurn, "keeps GPU 0 busy");
    assert_eq!(story.verdicts(), []);
    let now = Nanos(story.time);
    story.input(Input::Task(TaskChange::Ended("t1".into(), now)));
    story.input(Input::Tick(Nanos(story.time + 20 * SECOND)));
    assert_eq!(story.last(), (Level::Medium, "gpu_burn".to_owned()));
}

#[test]
fn everyday_work_at_full_tilt_is_at_most_low() {
    // Executable, command line, whether the agent made it, whether programs come and go around it.
    for (exe, line, is_new, churns) in [
        ("/usr/bin/xz", "xz -9 -T0 data.tar", false, false),
        ("/usr/bin/zstd", "zstd -19 --ultra data.tar", false, false),
        ("/usr/bin/ffmpeg", "ffmpeg -i a.mp4 b.mkv", false, false),
        ("/root/.cargo/bin/cargo", "cargo build --release", false, true),
        ("/usr/bin/python3.11", "python3 -m pytest -n auto", false, true),
        ("/work/target/debug/deps/crack-0f3a", "crack-0f3a --test-threads 2", true, false),
        ("/usr/bin/sqlite3", "sqlite3 big.db .import", false, false),
    ] {
        let mut story = Story::new();
        story.runs(7, 1, exe, line, is_new).burns(7);
        story.says(7, Mark::CpuDuty, "used 7000 s of a processor in an hour");
        if churns {
            story.says(7, Mark::Churn, "starts 12 programs a second");
        }
        story.rounds(7, 0);
        let verdicts = story.verdicts();
        assert!(verdicts.iter().all(|(level, _)| *level <= Level::Low), "{line}: {verdicts:?}");
        assert_eq!(verdicts.is_empty(), !is_new, "{line}: {verdicts:?}");
    }
}

#[test]
fn linear_algebra_is_silent_with_a_task_and_without() {
    for with_task in [true, false] {
        let mut story = Story::new();
        if with_task {
            story.task(&[Expect::Cpu]);
        }
        story.runs(7, 1, "/usr/bin/python3.11", "python3 svd.py", false);
        story.maps(7, &["libscipy_openblas64_.so", "_multiarray_umath.so"], 0).burns(7);
        assert_eq!(story.gravest(), None);
    }
}

#[test]
fn a_reservation_of_huge_pages_stays_what_its_rule_says() {
    let mut story = Story::new();
    story.runs(7, 1, "/usr/bin/dpdk-hugepages.py", "dpdk-hugepages.py --setup 2G", false);
    story.writes(7, "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages").burns(7);
    assert_eq!(story.gravest(), Some(Level::Medium));
    let verdicts = story.verdicts();
    assert!(verdicts.iter().all(|(level, _)| *level <= Level::Low), "{verdicts:?}");
}

#[test]
fn an_alert_says_what_was_for_it_against_it_and_unseen() {
    let mut story = Story::new();
    story.runs(7, 1, "/opt/tool", "tool", false).maps(7, &["libopenblas.so.0"], 0);
    story.burns(7).takes(7, DATASET_BYTES, true);
    let alert = story.alerts.last().unwrap();
    expect_test::expect![[r"
        /opt/tool mines cryptocurrency: randomx_huge, cpu_burn say so together, 90 points where 90 are sure
        tool (pid 7) is mining, 90 points: randomx_huge +90, cpu_burn +0; against it: libraries -25
        + randomx_huge +90: asked for 2181038080 bytes of memory in huge pages, the size of RandomX's dataset
        + cpu_burn +0 of +25: keeps 2 processors busy, 99 % of it in user mode
        - libraries -25: maps libopenblas.so.0
        ? use of processors: nothing measures it
        ? use of GPUs: nothing measures it
        ? what the agent was asked to do: no task was declared
        ? how the process rounds: not looked at
    "]]
    .assert_eq(&{
        let lines = crate::alert::changed::lines(&alert.evidence[0]);
        let lines: Vec<String> = lines.map(|(sign, line)| format!("{sign}{line}\n")).collect();
        format!("{}\n{}\n{}", alert.summary, alert.evidence[0].text, lines.concat())
    });
}

#[test]
fn what_was_looked_at_is_not_said_to_be_unseen() {
    let mut world = World::new();
    world.exec(1, "/usr/bin/bash", "bash").fork(1, 7).exec(7, "/opt/tool", "tool");
    let (time, process) = (Nanos(world.time), id(7));
    world.measured(&Measured::Cpu(CpuSample { time, ..CpuSample::default() }));
    world.measured(&Measured::Look(Look { time, process, ..Look::default() }));
    world.measured(&Measured::Rounding(Rounding { time, process, looked: 100, other: 80 }));
    let seen = world.taken();
    let [verdict] = seen.as_slice() else { panic!("{seen:?}") };
    // Executables of this world have no link, so that it is hidden as well.
    assert_eq!(field(verdict, "MiningMarks"), &serde_json::json!(["rounding", "hidden"]));
    assert_eq!(field(verdict, "MiningCertainty"), "likely");
    let unseen = ["use of GPUs: nothing measures it", "what the agent was asked to do: no task was declared"];
    assert_eq!(*field(verdict, "MiningUnseen"), serde_json::json!(unseen));
}

fn weights() -> Weights {
    Weights::of(&Tables::builtin().get(FORM))
}

fn weighed(marks: impl IntoIterator<Item = Mark>) -> Verdict {
    let seen = |mark| (mark, Seen { time: Nanos(0), text: "x".into(), alerted: None });
    Verdict::weigh(&weights(), marks.into_iter().map(seen))
}

fn of_strength(strength: Strength) -> Vec<Mark> {
    let weights = weights();
    let is = |mark: &&Mark| weights.weight(**mark).unwrap().strength == strength;
    Mark::ALL.iter().filter(is).copied().collect()
}

#[test]
fn marks_stand_in_one_order() {
    for (place, mark) in Mark::ALL.iter().enumerate() {
        assert_eq!(*mark as usize, place, "{mark:?}");
        assert_eq!(Mark::from_name(mark.name()), Some(*mark));
    }
}

#[test]
fn no_weak_mark_passes_low_and_all_of_them_are_never_sure() {
    let weak = of_strength(Strength::Weak);
    for mark in &weak {
        assert!(weighed([*mark]).rank <= Some(Rank::Possible), "{mark:?}");
    }
    assert!(weighed(weak).rank < Some(Rank::Sure));
}

#[test]
fn nothing_speaks_against_what_decides_by_itself() {
    let against = of_strength(Strength::Against);
    for mark in of_strength(Strength::Decisive) {
        let alone = weighed([mark]);
        assert!(alone.rank >= Some(Rank::Sure), "{mark:?}");
        assert_eq!(weighed(against.iter().copied().chain([mark])).points, alone.points, "{mark:?}");
    }
}

#[test]
fn more_evidence_never_makes_it_less_and_more_against_never_more() {
    let weights = weights();
    for mark in Mark::ALL {
        let with = weighed(Mark::ALL.iter().copied()).points;
        let without = weighed(Mark::ALL.iter().copied().filter(|other| other != mark)).points;
        if weights.weight(*mark).unwrap().strength == Strength::Against {
            assert!(with <= without, "{mark:?}");
        } else {
            assert!(with >= without, "{mark:?}");
        }
    }
}

#[test]
fn the_order_of_arrival_changes_no_verdict() {
    let signals: Vec<(u32, Mark)> = vec![
        (7, Mark::CpuBurn),
        (8, Mark::PoolName),
        (9, Mark::RandomxMemory),
        (7, Mark::Libraries),
        (9, Mark::Rounding),
        (8, Mark::Wallet),
        (1, Mark::HugePages),
    ];
    let verdict = |order: &[usize]| {
        let mut story = Story::new();
        story
            .runs(7, 1, "/opt/a", "a", false)
            .runs(8, 7, "/opt/b", "b", true)
            .runs(9, 8, "/opt/c", "c", false);
        for at in order {
            let (pid, mark) = signals[*at];
            story.says(pid, mark, "x");
        }
        story.verdicts().into_iter().max()
    };
    let expected = verdict(&[0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(expected.as_ref().unwrap().0, Level::Critical);
    // Each stride that has no divisor in common with seven is a permutation.
    for start in [0, 3] {
        for stride in 1..7 {
            let order: Vec<usize> = (0..7).map(|step| (start + step * stride) % 7).collect();
            assert_eq!(verdict(&order).map(|(level, _)| level), Some(Level::Critical), "{order:?}");
        }
    }
    let marks = |order: &[usize]| {
        let mut all: Vec<Mark> = order.iter().map(|at| signals[*at].1).collect();
        let verdict = weighed(all.drain(..));
        (verdict.points, verdict.rank, verdict.marks.iter().map(|weighed| weighed.counts).collect::<Vec<_>>())
    };
    assert_eq!(marks(&[0, 1, 2, 3, 4, 5, 6]), marks(&[6, 2, 5, 0, 3, 1, 4]));
}

#[test]
fn a_million_signals_stay_within_bounds() {
    let (processes, tasks, names) =
        (ProcessTable::default(), Ledger::default(), crate::network::Names::default());
    let mut mining = Mining::default();
    let mut out = Vec::new();
    for number in 0..1_000_000_u32 {
        let time = Nanos(u64::from(number) * 1_000);
        let around = Around { table: &processes, names: &names, tasks: &tasks, now: time };
        let process = id(if number % 10 == 0 { number } else { 1 + number % 50 });
        let text = "y".repeat(if number % 1_000 == 0 { 100_000 } else { 5 });
        let signal = Signal { time, received: time, process, mark: Mark::CpuBurn, holds: true, text };
        mining.signals(around, std::iter::once((signal, None)), &mut out);
    }
    assert_eq!(mining.evidence.len(), known::MAX_OF_AGENT);
    assert!(mining.dropped() > 0 && out.is_empty());
    let texts = mining.evidence.of(AgentId::NONE).iter().flat_map(|known| known.marks.values());
    assert!(texts.map(|seen| seen.text.len()).max() <= Some(MOST_TEXT));
}

#[test]
fn evidence_of_long_ago_no_longer_counts() {
    let mut story = Story::new();
    story.runs(7, 1, "/opt/tool", "tool", false).burns(7);
    story.time += 3_700 * SECOND;
    story.takes(7, DATASET_BYTES, false);
    assert_eq!(story.last(), (Level::Medium, "randomx_memory".to_owned()));
}
