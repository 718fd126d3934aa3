//! `cargo xtask setup`: installs what is missing, says what it does, is quick when nothing is.
//!
//! On Debian and Ubuntu by apt, elsewhere by rustup and cargo with the system packages named for the
//! reader to install. No service is started or enabled.

mod apt;
mod ebpf;
mod needs;

use std::time::Instant;

use anyhow::{Result, bail};

use crate::shell::step;
pub(crate) use needs::{KEYRING, Purpose};

/// Options of `setup`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Also install the peers that `bench` compares with: bpftrace and auditd.
    #[arg(long)]
    bench: bool,
}

/// Runs the command.
pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    let began = Instant::now();
    let mut purposes = vec![Purpose::Build, Purpose::Live];
    if arguments.bench {
        purposes.push(Purpose::Bench);
    }
    ensure(&purposes)?;
    step(&format!("everything is in place ({:.1} s)", began.elapsed().as_secs_f64()));
    Ok(())
}

/// Makes sure that everything for these purposes is there.
pub(crate) fn ensure(purposes: &[Purpose]) -> Result<()> {
    let missing = needs::missing(purposes);
    if !missing.is_empty() {
        let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
        for need in &missing {
            step(&format!("missing: {} ({})", need.package, need.why));
        }
        if !apt::is_here() {
            bail!(
                "no apt here, and these are missing: {}; install them with your package manager",
                packages.join(", ")
            );
        }
        apt::install(&packages)?;
        let still = needs::missing(purposes);
        if let Some(need) = still.first() {
            bail!("{} is still missing after `apt-get install {}`", need.package, packages.join(" "));
        }
    }
    if purposes.contains(&Purpose::Build) {
        ebpf::ensure()?;
    }
    Ok(())
}
