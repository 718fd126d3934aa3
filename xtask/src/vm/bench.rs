//! What watching very many files costs in the tiers that the machine's own kernel does not let in: ratios within one
//! virtual machine, whose clock counts instructions, beside the same work alone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::image::{self, Image, PROGRAMS, Programs};
use super::kernels::Kernel;
use super::machine::{self, Pace};
use super::{boot, outcome};
use crate::bench::many::Many;
use crate::bench::median;
use crate::shell::{step, which};
use crate::table;

/// Longest that one kernel may take, emulated.
const LIMIT: Duration = Duration::from_secs(1800);
/// The machine's clock counts instructions, so that few suffice.
const ROUNDS: u32 = 3;
/// Begins a line with a result: tier, work, condition, what detector-trigger said.
const RESULT: &str = "vm: took ";
/// Most that a ratio may be.
const WATCHED: f64 = 1.05;
const UNWATCHED: f64 = 1.02;

/// Runs inside; the tier is chosen by the environment.
const SCRIPT: &str = r#"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
work() {
    rm -rf /tmp/out; mkdir /tmp/out; sync
    name=$1 how=$2
    case $name in
        clone) set -- git clone -q --no-hardlinks /many.git /tmp/out ;;
        tar) set -- tar -xf /many.tar -C /tmp/out ;;
    esac
    set -- PROGRAMS/detector-trigger bench-command 1 "$@"
    [ "$how" != watched ] || set -- PROGRAMS/detector wrap --name bench --alerts /tmp/alerts.jsonl -- "$@"
    said=$("$@" 2>/tmp/log) || { cat /tmp/log; exit 1; }
    echo "RESULT$DETECTOR_TIER $name $how $said"
}
for round in $(seq ROUNDS); do
    for tier in lsm fentry; do
        export DETECTOR_TIER=$tier
        for name in clone tar; do
            work $name before-watched
            work $name watched
            rm -f /tmp/ready
            PROGRAMS/detector wrap --name elsewhere --alerts /tmp/elsewhere.jsonl -- \
                /bin/sh -c 'touch /tmp/ready; while [ -e /tmp/ready ]; do sleep 0.2; done' 2>/tmp/log &
            until [ -e /tmp/ready ]; do kill -0 $! || { cat /tmp/log; exit 1; }; sleep 0.2; done
            sleep 1
            work $name unwatched
            rm -f /tmp/ready
            wait $!
            work $name before-unwatched
        done
    done
done
"#;

/// Measures on each kernel in turn.
pub(super) fn main(kernels: &[Kernel], programs: &Programs) -> Result<()> {
    let many = Many::create()?;
    let git = which("git").context("git is missing")?;
    let mut files: Vec<(PathBuf, PathBuf)> = image::libraries(&[&git])?.into_iter().map(same).collect();
    files.extend([
        (git.clone(), PathBuf::from("/usr/bin/git-upload-pack")),
        (git, PathBuf::from("/usr/bin/git")),
        (many.repository(), PathBuf::from("/many.git")),
        (many.archive(), PathBuf::from("/many.tar")),
    ]);
    let script =
        SCRIPT.replace("PROGRAMS", PROGRAMS).replace("RESULT", RESULT).replace("ROUNDS", &ROUNDS.to_string());
    let image = Image::make(programs, &files, &script)?;
    let mut rows = vec![["kernel", "tier", "work", "measured", "goal"].map(str::to_owned)];
    for kernel in kernels {
        step(&format!("measuring on {}", kernel.name));
        let run = boot(*kernel, &image, Pace::Instructions, LIMIT, |line| println!("{line}"))?;
        if run.status != Some(0) {
            println!("{}", machine::last_words(&run.console));
            bail!("{}: {}", kernel.name, outcome(&run, LIMIT));
        }
        rows.extend(summarise(kernel.name, &run.lines)?);
    }
    println!("{}", table::align(&rows));
    println!(
        "Ratios of instructions that the work and the kernel for it go through, without the detector's own process: \
         median of {ROUNDS} rounds, each against the same work alone beside it."
    );
    Ok(())
}

fn same(file: PathBuf) -> (PathBuf, PathBuf) {
    (file.clone(), file)
}

/// A row for each tier, work and condition.
fn summarise(kernel: &str, lines: &[String]) -> Result<Vec<[String; 5]>> {
    let mut alone: BTreeMap<(String, String, String), Vec<f64>> = BTreeMap::new();
    let mut beside = alone.clone();
    for line in lines.iter().filter_map(|line| line.strip_prefix(RESULT)) {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().context("a result that is cut short");
        let (tier, work, condition, said) = (word()?, word()?, word()?, word()?);
        let said: Value = serde_json::from_str(said).with_context(|| format!("no JSON: {said}"))?;
        let took = said.get("cpu_nanoseconds").and_then(Value::as_f64).context("a result without a time")?;
        let (series, condition) = match condition.strip_prefix("before-") {
            Some(condition) => (&mut alone, condition),
            None => (&mut beside, condition),
        };
        series.entry((tier.to_owned(), work.to_owned(), condition.to_owned())).or_default().push(took);
    }
    let mut rows = vec![];
    for (key, took) in beside {
        let alone = alone.get(&key).context("nothing ran alone beside it")?;
        let ratios = took.iter().zip(alone).map(|(took, alone)| took / alone).collect();
        let ratio = median(ratios).context("nothing was measured")?;
        let (tier, work, condition) = key;
        let goal = if condition == "watched" { WATCHED } else { UNWATCHED };
        let verdict = if ratio <= goal { "met" } else { "NOT MET" };
        rows.push([
            kernel.to_owned(),
            tier,
            format!("{work}, {condition}"),
            format!("{ratio:.2}"),
            format!("≤ {goal:.2}: {verdict}"),
        ]);
    }
    if rows.is_empty() {
        bail!("{kernel}: nothing was measured");
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_of_the_run_beside() {
        let line = |text: &str| format!("{RESULT}{text}");
        let lines = [
            line(r#"lsm tar before-watched {"cpu_nanoseconds":100}"#),
            line(r#"lsm tar watched {"cpu_nanoseconds":110}"#),
            "anything".to_owned(),
        ];
        let rows = summarise("6.12", &lines).unwrap();
        assert_eq!(rows, [["6.12", "lsm", "tar, watched", "1.10", "≤ 1.05: NOT MET"].map(str::to_owned)]);
        assert!(summarise("6.12", &[]).is_err());
    }
}
