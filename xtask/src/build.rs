//! `cargo xtask build`: sets up, then builds the release binary.

use anyhow::Result;

use crate::place;
use crate::setup::{self, Purpose};
use crate::shell::{cargo, run, step};

/// Runs the command.
pub(crate) fn main() -> Result<()> {
    setup::ensure(&[Purpose::Build])?;
    release(&["detector"])?;
    step(&format!("built {}", place::release("detector")?.display()));
    Ok(())
}

/// Builds every program of the workspace for tests.
pub(crate) fn debug() -> Result<()> {
    // Libraries too: tests load one that answers like NVML.
    run(cargo(&["build", "--bins", "--lib"])?.args(crate::test::WORKSPACE))
}

/// Builds the miner that tests catch: a workspace of its own, since nobody else should wait for RandomX.
pub(crate) fn miner() -> Result<()> {
    let directory = place::target()?.join("miner");
    let mut command = cargo(&["build", "--locked", "--manifest-path", "tests/miner/Cargo.toml"])?;
    run(command.arg("--target-dir").arg(directory))
}

/// Builds packages for release, with what their libraries give to others than cargo.
pub(crate) fn release(packages: &[&str]) -> Result<()> {
    let mut command = cargo(&["build", "--release", "--bins", "--lib"])?;
    for package in packages {
        command.args(["-p", package]);
    }
    run(&mut command)
}
