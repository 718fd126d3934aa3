//! How many instructions each kernel's verifier goes through for each program, compared with what was accepted.
//!
//! The verifier gives up at a million, and a program that comes near is refused by the next kernel or compiler:
//! growth is to be seen when it happens. Kernels before 5.16 do not tell.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::place;

/// By program, then by kernel.
pub(super) type Counts = BTreeMap<String, BTreeMap<String, u64>>;

/// The command that accepts what is counted now.
const ACCEPT: &str = "cargo xtask vm --accept";

/// What `detector doctor --json` says of one kernel.
pub(super) fn add(counts: &mut Counts, kernel: &str, report: &Value) -> Result<()> {
    let hooks = report.get("events").and_then(Value::as_array).context("doctor's report lists no events")?;
    for hook in hooks {
        let program = hook.get("program").and_then(Value::as_str).context("doctor names no program")?;
        if let Some(count) = hook.get("verified_instructions").and_then(Value::as_u64) {
            counts.entry(program.to_owned()).or_default().insert(kernel.to_owned(), count);
        }
    }
    Ok(())
}

/// What was accepted.
pub(super) fn accepted() -> Result<Counts> {
    let file = file()?;
    let text = fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}; `{ACCEPT}` writes it", file.display()))?;
    parse(&text)
        .with_context(|| format!("{} is no table of counts; `{ACCEPT}` writes it anew", file.display()))
}

/// Writes what is accepted from now on; of kernels that did not run, what was accepted before.
pub(super) fn accept(now: &Counts, ran: &[&str]) -> Result<PathBuf> {
    let mut all = now.clone();
    for (program, kernels) in accepted().unwrap_or_default() {
        for (kernel, count) in kernels {
            if !ran.contains(&kernel.as_str()) {
                all.entry(program.clone()).or_default().insert(kernel, count);
            }
        }
    }
    let file = file()?;
    fs::write(&file, print(&all)).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// Fails where a program grew by more than a tenth, or was never accepted.
pub(super) fn compare(accepted: &Counts, now: &Counts, ran: &[&str]) -> Result<()> {
    let of = |counts: &Counts, program: &str, kernel: &str| counts.get(program)?.get(kernel).copied();
    let mut complaints = vec![];
    for (program, kernels) in now {
        for (kernel, &count) in kernels {
            match of(accepted, program, kernel) {
                None => complaints.push(format!("{program} on {kernel}: {count} instructions, none accepted yet")),
                Some(before) if count.saturating_mul(10) > before.saturating_mul(11) => complaints.push(format!(
                    "{program} on {kernel}: {count} instructions, more than a tenth above the accepted {before}"
                )),
                Some(_) => {}
            }
        }
    }
    for (program, kernels) in accepted {
        for kernel in kernels.keys().filter(|kernel| ran.contains(&kernel.as_str())) {
            if of(now, program, kernel).is_none() {
                complaints.push(format!("{program} on {kernel}: accepted, and not loaded any more"));
            }
        }
    }
    if complaints.is_empty() {
        return Ok(());
    }
    bail!("the verifier's work changed; `{ACCEPT}` accepts it\n  {}", complaints.join("\n  "))
}

fn file() -> Result<PathBuf> {
    Ok(place::repository()?.join("detector-ebpf/verifier.tsv"))
}

/// One line a program and kernel, so that two changes of different programs do not meet.
fn print(counts: &Counts) -> String {
    let mut text = format!("# Instructions that a kernel's verifier goes through. Written by `{ACCEPT}`.\n");
    text.push_str("program\tkernel\tinstructions\n");
    for (program, kernels) in counts {
        for (kernel, count) in kernels {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{program}\t{kernel}\t{count}");
        }
    }
    text
}

fn parse(text: &str) -> Option<Counts> {
    let mut counts = Counts::new();
    for line in text.lines().filter(|line| !line.starts_with('#')).skip(1) {
        let mut cells = line.split('\t');
        let (program, kernel, count) = (cells.next()?, cells.next()?, cells.next()?.parse().ok()?);
        counts.entry(program.to_owned()).or_default().insert(kernel.to_owned(), count);
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(count: u64) -> Counts {
        Counts::from([("exec".to_owned(), BTreeMap::from([("6.1".to_owned(), count)]))])
    }

    #[test]
    fn growth_by_more_than_a_tenth_is_refused_with_the_command_that_accepts_it() {
        compare(&counts(1000), &counts(1100), &["6.1"]).unwrap();
        compare(&counts(1000), &counts(10), &["6.1"]).unwrap();
        let said = compare(&counts(1000), &counts(1101), &["6.1"]).unwrap_err().to_string();
        assert!(said.contains("exec on 6.1: 1101") && said.contains(ACCEPT), "{said}");
    }

    #[test]
    fn programs_that_come_and_go_are_told() {
        assert!(compare(&Counts::new(), &counts(1), &["6.1"]).is_err());
        assert!(compare(&counts(1), &Counts::new(), &["6.1"]).is_err());
        compare(&counts(1), &Counts::new(), &["6.12"]).unwrap();
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(parse(&print(&counts(7))), Some(counts(7)));
        assert_eq!(parse("program\n\n"), None);
    }
}
