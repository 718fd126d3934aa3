//! How the cost of watching grows: with watched control groups, with rules, with processes. Flat is 1.00.

use std::fs;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

use super::daemon::Group;
use super::stage::Stage;
use super::workload::nanoseconds;
use super::{Line, median};
use crate::live::Guarded;

/// The exec loop that shows the cost.
const LOOP: [&str; 2] = ["bench-exec", "1000"];

/// An exec loop in one watched group, beside 1 and beside 10,000 others that are watched.
pub(super) fn cgroups(stage: &Stage, rounds: u32) -> Result<Vec<Line>> {
    const MANY: u32 = 10_000;
    let group = Group::create("growth")?;
    let few = stage.daemon("growth-few", &format!("{}*", group.pattern()), "")?;
    let before = looped(stage, &group, rounds)?;
    drop(few);
    for number in 0..MANY {
        crate::interrupt::check()?;
        fs::create_dir(group.path().join(number.to_string())).context("cannot make control groups")?;
    }
    let _many: Guarded = stage.daemon("growth-many", &format!("{}*", group.pattern()), "")?;
    let after = looped(stage, &group, rounds)?;
    Ok(vec![Line::at_most("exec loop, 10,000 agent cgroups to 1", after / before, 1.05, "")])
}

/// An exec loop judged by the built-in rules, and by fifty times as many.
pub(super) fn rules(stage: &Stage, rounds: u32) -> Result<Vec<Line>> {
    const MANY: u32 = 3000;
    let place = stage.file("rules");
    fs::create_dir_all(&place)?;
    for number in 0..MANY {
        fs::write(place.join(format!("r{number}.yml")), rule(number))?;
    }
    let group = Group::create("rules")?;
    let few = stage.daemon("rules-few", &group.pattern(), "")?;
    let before = looped(stage, &group, rounds)?;
    drop(few);
    let more = format!("[rules]\npaths = [\"{}\"]\n", place.display());
    let _many: Guarded = stage.daemon("rules-many", &group.pattern(), &more)?;
    let after = looped(stage, &group, rounds)?;
    Ok(vec![Line::at_most("exec loop, 3,000 rules to the built-in ones", after / before, 1.05, "")])
}

/// A rule that matches nothing, but that nobody can tell without looking.
fn rule(number: u32) -> String {
    format!(
        "title: Bench {number}\nid: 00000000-0000-4000-8000-{number:012}\nstatus: test\nlevel: low\n\
         logsource:\n    category: process_creation\n    product: linux\ndetection:\n    selection:\n\
         \x20       Image|endswith: '/bench-{number}'\n        CommandLine|contains: 'bench-{number}'\n    \
         condition: selection\n"
    )
}

/// An exec loop while 100 and while many idle processes are watched.
pub(super) fn processes(stage: &Stage, rounds: u32) -> Result<Vec<Line>> {
    let many = processes_allowed()?.min(100_000);
    let group = Group::create("processes")?;
    let _daemon = stage.daemon("processes", &group.pattern(), "")?;
    let mut idle = Idle::default();
    idle.grow(&group, 100)?;
    let before = looped(stage, &group, rounds)?;
    idle.grow(&group, many)?;
    let after = looped(stage, &group, rounds)?;
    let what = format!("exec loop, {many} watched processes to 100");
    Ok(vec![Line::at_most(&what, after / before, 1.10, "")])
}

/// How many processes this machine lets us make, with room for its own.
fn processes_allowed() -> Result<usize> {
    let read = |file: &str| -> Result<usize> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
        text.trim().parse().with_context(|| format!("{file} holds no number"))
    };
    let limit = read("/proc/sys/kernel/pid_max")?.min(read("/proc/sys/kernel/threads-max")?);
    Ok(limit.saturating_sub(4000) / 10 * 9)
}

/// Processes that only wait, in one shell a thousand.
#[derive(Default)]
struct Idle {
    shells: Vec<Child>,
    count: usize,
}

impl Idle {
    fn grow(&mut self, group: &Group, wanted: usize) -> Result<()> {
        while self.count < wanted {
            crate::interrupt::check()?;
            let more = (wanted - self.count).min(1000);
            let script =
                format!("i=0; while [ $i -lt {more} ]; do (read x) <&3 & i=$((i+1)); done; echo up; wait");
            // A pipe that nobody writes to: each child waits in read, and ends when the pipe does.
            let mut shell = Command::new("/bin/sh");
            shell.arg("-c").arg(format!("exec 3<&0; {script}"));
            shell.stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut shell = group.inside(&mut shell)?.spawn().context("cannot start idle processes")?;
            let mut up = [0; 3];
            let said = shell.stdout.as_mut().context("no output")?;
            std::io::Read::read_exact(said, &mut up).context("idle processes did not start")?;
            self.shells.push(shell);
            self.count += more;
        }
        Ok(())
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        for shell in &mut self.shells {
            drop(shell.stdin.take());
        }
        for shell in &mut self.shells {
            let _ = shell.wait();
        }
    }
}

/// What watching costs in the machine's present state: the exec loop inside the group to the same loop
/// outside, the median over rounds. What the state itself costs, watched or not, is no matter of ours.
fn looped(stage: &Stage, group: &Group, rounds: u32) -> Result<f64> {
    let mut ratios = vec![];
    for _ in 0..rounds {
        let outside = nanoseconds(Command::new(stage.trigger()).args(LOOP))?;
        ratios.push(nanoseconds(group.inside(Command::new(stage.trigger()).args(LOOP))?)? / outside);
    }
    median(ratios).context("no round was run")
}
