//! Rounds over a `/proc` of the test's own making, and over the real one.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use super::*;
use crate::event::{CgroupId, Ticks};
use crate::kernel::proc;

const INTERVAL: Duration = Duration::from_secs(2);

/// A `/proc` and rounds over it, two seconds apart.
struct Bench {
    proc: TempDir,
    sampler: Sampler,
    now: Instant,
    watched: Vec<Watched>,
}

/// A process as `/proc` shows it; times in ticks of 10 ms.
#[derive(Clone, Copy)]
struct Shown {
    pid: u32,
    start: u64,
    user: u64,
    system: u64,
}

fn watched(pid: u32, start: u64) -> Watched {
    Watched { process: ProcessId { pid, start: Ticks(start) }, agent: AgentId(1), cgroup: CgroupId(9) }
}

impl Bench {
    fn new() -> Self {
        let proc = tempfile::tempdir().unwrap();
        let sampler = Sampler::new(proc.path(), Path::new("/nowhere"));
        Self { proc, sampler, now: Instant::now(), watched: vec![] }
    }

    fn show(&self, shown: Shown) {
        let Shown { pid, start, user, system } = shown;
        let directory = self.proc.path().join(pid.to_string());
        fs::create_dir_all(&directory).unwrap();
        let stat = format!(
            "{pid} (a) ) b) R 1 1 1 0 -1 0 0 0 0 0 {user} {system} 0 0 20 5 3 0 {start} 4096 2 0 0 0 0 0 0 0 0 0 0 \
             0 0 0 17 0 0 5 0 0 0 0 0 0 0 0 0 0 0\n"
        );
        fs::write(directory.join("stat"), stat).unwrap();
    }

    /// A thread: what it ran and waited for in nanoseconds, its voluntary switches.
    fn thread(&self, pid: u32, number: u32, schedule: (u64, u64), switches: u64) {
        let place = self.proc.path().join(pid.to_string()).join("task").join(number.to_string());
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("schedstat"), format!("{} {} 7\n", schedule.0, schedule.1)).unwrap();
        let status = format!(
            "Name:\tx\nCpus_allowed_list:\t{number}-{}\nvoluntary_ctxt_switches:\t{switches}\n",
            number + 1
        );
        fs::write(place.join("status"), status).unwrap();
    }

    fn round(&mut self) -> Round {
        self.now += INTERVAL;
        self.sampler.round(self.now, &self.watched, &[])
    }

    fn processes(&mut self) -> Vec<CpuProcess> {
        self.round().sample.map_or(vec![], |sample| sample.processes)
    }
}

#[test]
fn what_was_added_is_told_and_what_used_nothing_is_left_out() {
    let mut bench = Bench::new();
    bench.watched = vec![watched(10, 5), watched(11, 5)];
    for pid in [10, 11] {
        bench.show(Shown { pid, start: 5, user: 1_000, system: 100 });
    }
    assert!(bench.round().sample.is_none(), "there is nothing to compare with");
    bench.show(Shown { pid: 10, start: 5, user: 1_190, system: 102 });
    let round = bench.round().sample.unwrap();
    assert_eq!(round.interval, 2_000_000_000);
    let [process] = round.processes.as_slice() else { panic!("{round:?}") };
    assert_eq!((process.process.pid, process.user, process.system), (10, 1_900_000_000, 20_000_000));
    assert_eq!((process.threads, process.nice, process.policy), (3, 5, 5));
    assert_eq!(process.resident, 2 * procfs::page_size());
    assert_eq!(bench.processes(), []);
}

#[test]
fn a_process_that_began_since_counts_as_a_whole() {
    let mut bench = Bench::new();
    bench.round();
    let now = boot_time() / 10_000_000;
    bench.watched = vec![watched(10, now), watched(11, 5)];
    bench.show(Shown { pid: 10, start: now, user: 100, system: 0 });
    bench.show(Shown { pid: 11, start: 5, user: 360_000, system: 0 });
    let processes = bench.processes();
    assert_eq!(
        processes.iter().map(|it| (it.process.pid, it.user)).collect::<Vec<_>>(),
        [(10, 1_000_000_000)]
    );
}

#[test]
fn a_pid_that_is_anothers_now_or_gone_is_passed_over() {
    let mut bench = Bench::new();
    bench.watched = vec![watched(10, 5), watched(11, 5)];
    bench.show(Shown { pid: 10, start: 5, user: 100, system: 0 });
    bench.show(Shown { pid: 11, start: 5, user: 100, system: 0 });
    bench.round();
    bench.show(Shown { pid: 10, start: 6, user: 9_000, system: 0 });
    fs::remove_dir_all(bench.proc.path().join("11")).unwrap();
    assert_eq!(bench.processes(), []);
    // Cut short, as by an end in the middle.
    fs::write(bench.proc.path().join("10/stat"), "10 (a").unwrap();
    assert_eq!(bench.processes(), []);
    fs::write(bench.proc.path().join("10/stat"), "").unwrap();
    assert_eq!(bench.processes(), []);
    fs::write(bench.proc.path().join("10/stat"), b"\xff\n").unwrap();
    assert_eq!(bench.processes(), []);
}

#[test]
fn threads_of_a_busy_process_are_told_apart() {
    let mut bench = Bench::new();
    bench.watched = vec![watched(10, 5)];
    let directory = bench.proc.path().join("10");
    for turn in 0..3_u64 {
        bench.show(Shown { pid: 10, start: 5, user: turn * 190, system: 0 });
        // A worker, one that waits for a processor half of the time, and an idle one.
        bench.thread(10, 10, (1_900_000_000 * turn + 1, 0), 5 * turn);
        bench.thread(10, 11, (950_000_000 * turn + 1, 950_000_000 * turn), 3 * turn);
        bench.thread(10, 12, (1_000 * turn + 1, 0), 1_000 * turn);
        fs::write(directory.join("io"), format!("rchar: {}\nwchar: 50\n", 1_000 * turn)).unwrap();
        fs::write(directory.join("status"), "HugetlbPages:\t    4096 kB\n").unwrap();
        let [process] = bench.processes().try_into().unwrap_or_else(|_| [CpuProcess::default()]);
        if turn < 2 {
            assert_eq!(
                (process.busy_threads, process.voluntary_switches, process.transferred),
                (None, None, None)
            );
        } else {
            assert_eq!((process.busy_threads, process.waited), (Some(2), Some(950_000_000)));
            assert_eq!((process.voluntary_switches, process.transferred), (Some(8), Some(1_000)));
            assert_eq!((process.affinity, process.huge_pages), (2, 4_194_304));
        }
    }
}

#[test]
fn one_that_stays_busy_is_looked_at_and_again_after_a_minute() {
    let mut bench = Bench::new();
    bench.watched = vec![watched(10, 5)];
    let mut looked = vec![];
    for turn in 0..40_u64 {
        bench.show(Shown { pid: 10, start: 5, user: turn * 150, system: 0 });
        looked.extend(bench.round().look.into_iter().map(|process| (turn, process.pid)));
    }
    assert_eq!(looked, [(2, 10), (32, 10)]);
}

#[test]
fn hidden_processes_are_a_gap_until_they_are_seen() {
    let mut bench = Bench::new();
    bench.watched = vec![watched(10, 5), watched(11, 5)];
    assert_eq!((bench.round().gap, bench.round().gap), (None, None));
    assert!(bench.round().gap.is_some_and(|gap| gap.contains("hidepid")));
    assert!(bench.round().gap.is_some());
    bench.show(Shown { pid: 10, start: 5, user: 1, system: 0 });
    assert_eq!(bench.round().gap, None);
    bench.watched.clear();
    assert_eq!(bench.round().gap, None);
}

#[test]
fn of_too_many_processes_the_busy_are_read_and_the_others_in_turns() {
    let mut bench = Bench::new();
    let all = u32::try_from(MOST).unwrap() + 1_000;
    bench.watched = (1..=all).map(|pid| watched(pid, 5)).collect();
    let mut seen = std::collections::HashSet::new();
    for turn in 1..=3_u64 {
        let chosen = bench.sampler.chosen(&bench.watched);
        assert_eq!(chosen.len(), MOST, "round {turn}");
        seen.extend(chosen.iter().map(|it| it.process.pid));
    }
    assert_eq!(seen.len(), bench.watched.len());
    bench.sampler.known.insert(watched(4_000, 5).process, Known { warm: WARM, ..Known::default() });
    for _ in 0..3 {
        let chosen = bench.sampler.chosen(&bench.watched);
        assert_eq!((chosen.len(), chosen[0].process.pid), (MOST, 4_000));
    }
}

#[test]
fn what_is_remembered_goes_with_the_processes() {
    let mut bench = Bench::new();
    for pid in 1..2_000 {
        bench.watched = vec![watched(pid, 5)];
        bench.show(Shown { pid, start: 5, user: 1, system: 0 });
        bench.round();
    }
    assert!(bench.sampler.known.len() <= 3, "{}", bench.sampler.known.len());
}

/// Processes that do nothing; dropped, they are gone.
struct Idle(Vec<Child>);

impl Idle {
    fn new(count: usize) -> Self {
        let sleep = || Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        Self((0..count).map(|_| sleep()).collect())
    }

    fn watched(&self) -> Vec<Watched> {
        let identity = |child: &Child| proc::identity(child.id()).unwrap();
        self.0.iter().map(identity).map(|id| watched(id.pid, id.start.0)).collect()
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Nanoseconds that this thread has run.
fn own_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}

#[test]
fn idle_processes_cost_little() {
    for count in [200, 500] {
        let idle = Idle::new(count);
        let watched = idle.watched();
        let mut sampler = Sampler::new(Path::new("/proc"), Path::new("/nowhere"));
        let mut now = Instant::now();
        sampler.round(now, &watched, &[]);
        let before = own_time();
        for _ in 0..20 {
            now += INTERVAL;
            let round = sampler.round(now, &watched, &[]);
            assert_eq!(round.gap, None);
        }
        let round = (own_time() - before) / 20;
        let share = round as f64 / INTERVAL.as_nanos() as f64;
        eprintln!(
            "{count} idle processes: {} us a round, {:.3} % of a processor",
            round / 1_000,
            share * 100.0
        );
        // A debug build on a loaded machine; the goal for 200 is 0.3 % in a release build.
        assert!(share < 0.03, "{count} processes: {share}");
    }
}
