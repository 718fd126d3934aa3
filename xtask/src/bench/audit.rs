//! auditd as a peer: execve, connect and openat recorded. It runs last, and its mark is wiped afterwards.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::stage::Stage;
use super::workload::WORKLOADS;
use super::{Line, median};
use crate::live::Guarded;
use crate::shell::{output, step, succeeds, which};

/// The kernel's audit, with rules; dropped, it is off and new tasks carry no trace of it.
struct Audit {
    daemon: Guarded,
}

/// Measures all workloads with and without auditd, alternating.
pub(super) fn measure(stage: &Stage, rounds: u32) -> Result<Vec<Line>> {
    let program = which("auditd").context("auditd is missing; `cargo xtask setup --bench` installs it")?;
    if succeeds(Command::new("pgrep").args(["-x", "auditd"])) {
        anyhow::bail!("an auditd of this machine is running, and is left alone");
    }
    let mut ratios = vec![vec![]; WORKLOADS.len()];
    for round in 1..=rounds {
        step(&format!("  round {round} of {rounds}"));
        let mut alone = vec![];
        for workload in WORKLOADS {
            alone.push(workload.run(stage)?);
        }
        let audit = Audit::start(stage, &program)?;
        for ((workload, alone), ratios) in WORKLOADS.iter().zip(&alone).zip(&mut ratios) {
            ratios.push(workload.run(stage)? / alone);
        }
        drop(audit);
    }
    let line = |(workload, ratios): (&super::workload::Workload, Vec<f64>)| {
        let ratio = median(ratios).unwrap_or(f64::NAN);
        let plain = Line::plain(&format!("{}, auditd", workload.name), format!("{ratio:.2}"));
        Line { goal: "peer".to_owned(), ..plain }
    };
    Ok(WORKLOADS.iter().zip(ratios).map(line).collect())
}

impl Audit {
    fn start(stage: &Stage, program: &std::path::Path) -> Result<Self> {
        let place = stage.file("audit");
        fs::create_dir_all(place.join("plugins.d"))?;
        let log = place.join("audit.log");
        fs::write(
            place.join("auditd.conf"),
            format!(
                "log_file = {}\nlog_group = root\nlog_format = RAW\nflush = INCREMENTAL_ASYNC\nfreq = 50\n\
                 num_logs = 2\nmax_log_file = 64\nmax_log_file_action = ROTATE\nlocal_events = yes\n\
                 write_logs = yes\nspace_left = 75\nspace_left_action = IGNORE\nadmin_space_left = 50\n\
                 admin_space_left_action = IGNORE\ndisk_full_action = IGNORE\ndisk_error_action = IGNORE\n",
                log.display()
            ),
        )?;
        let mut command = Command::new(program);
        command.args(["-n", "-s", "enable", "-c"]).arg(&place);
        let daemon = stage.start("auditd", &mut command, |running| {
            let status = output(Command::new("auditctl").arg("-s")).unwrap_or_default();
            status.lines().any(|line| line == format!("pid {}", running.pid()))
        })?;
        let audit = Self { daemon };
        control(&["-D"])?;
        control(&["-b", "8192"])?;
        for call in ["execve", "connect", "openat"] {
            control(&["-a", "always,exit", "-F", "arch=b64", "-S", call])?;
        }
        control(&["-e", "1"])?;
        Ok(audit)
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        for words in [&["-e", "0"][..], &["-D"], &["-a", "never,task"]] {
            if let Err(error) = control(words) {
                eprintln!("cannot undo audit rules: {error:#}");
            }
        }
        self.daemon.stop();
    }
}

fn control(words: &[&str]) -> Result<()> {
    output(Command::new("auditctl").args(words)).map(|_| ())
}
