//! What came of the tests on each kernel: what failed, what was skipped, one line each.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::kernels::Kernel;
use super::machine::{self, Run};
use super::verifier::{self, Counts};
use crate::table;
use crate::test::Tally;

/// Stands between doctor's report and the tests.
pub(super) const TESTS: &str = "vm: tests";

/// Shows what failed and one line a kernel; gives what the verifiers counted.
pub(super) fn summarise(done: &[(Kernel, Result<Run>)]) -> Result<Counts> {
    let mut rows = vec![["kernel", "passed", "failed", "skipped", "seconds"].map(str::to_owned)];
    let mut counts = Counts::new();
    let mut bad = vec![];
    for (kernel, result) in done {
        let name = kernel.name;
        let run = match result {
            Ok(run) => run,
            Err(error) => {
                bad.push(format!("{name}: {error:#}"));
                continue;
            }
        };
        let (tally, report) = read(run);
        let complaint = complaint(run, tally, &report, name, &mut counts);
        if let Some(complaint) = complaint {
            show(name, run);
            bad.push(format!("{name}: {complaint}"));
        } else {
            for line in run.lines.iter().filter(|line| line.starts_with("skipped: ")) {
                println!("{name}: {line}");
            }
        }
        let Tally { passed, failed, skipped } = tally;
        let seconds = format!("{:.0}", run.took.as_secs_f64());
        rows.push([name.to_owned(), passed.to_string(), failed.to_string(), skipped.to_string(), seconds]);
    }
    println!("{}", table::align(&rows));
    if !bad.is_empty() {
        bail!("{}", bad.join("; "));
    }
    Ok(counts)
}

/// How the tests went, and doctor's report.
fn read(run: &Run) -> (Tally, Result<Value>) {
    let mut lines = run.lines.iter();
    let report: String = lines.by_ref().take_while(|line| *line != TESTS).map(String::as_str).collect();
    let mut tally = Tally::default();
    lines.for_each(|line| tally.count(line));
    (tally, serde_json::from_str(&report).context("doctor's report is no JSON"))
}

/// What is wrong, if anything is.
fn complaint(
    run: &Run,
    tally: Tally,
    report: &Result<Value>,
    name: &str,
    counts: &mut Counts,
) -> Option<String> {
    if run.late || run.status != Some(0) || tally.failed > 0 {
        return Some(super::outcome(run, super::LIMIT));
    }
    if tally.passed == 0 {
        return Some("no test ran".to_owned());
    }
    let report = match report {
        Ok(report) => report,
        Err(error) => return Some(format!("{error:#}")),
    };
    if report.get("usable") != Some(&Value::Bool(true)) {
        return Some("doctor says that the detector cannot run here".to_owned());
    }
    verifier::add(counts, name, report).err().map(|error| format!("{error:#}"))
}

/// All that was said, but for what went well.
fn show(name: &str, run: &Run) {
    println!("\n--- {name}: what the tests said");
    for line in run.lines.iter().filter(|line| !line.ends_with("... ok")) {
        println!("{line}");
    }
    println!("--- {name}: the end of its console, {}", run.console.display());
    println!("{}", machine::last_words(&run.console));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn run(lines: &str, status: i32) -> Run {
        let lines = lines.lines().map(str::to_owned).collect();
        Run { lines, status: Some(status), took: Duration::ZERO, late: false, console: "none".into() }
    }

    fn judged(lines: &str, status: i32) -> Option<String> {
        let run = run(lines, status);
        let (tally, report) = read(&run);
        complaint(&run, tally, &report, "6.1", &mut Counts::new())
    }

    #[test]
    fn a_machine_passes_only_with_a_report_and_tests() {
        let report = "{\"usable\": true,\n\"events\": []}";
        let passed = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(judged(&format!("{report}\n{TESTS}\n{passed}"), 0), None);
        assert!(judged(&format!("{report}\n{TESTS}\n{passed}"), 101).is_some());
        assert!(judged(&format!("{report}\n{TESTS}"), 0).is_some());
        assert!(judged(&format!("{{}}\n{TESTS}\n{passed}"), 0).is_some());
        assert!(judged(passed, 0).is_some());
    }
}
