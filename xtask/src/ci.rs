//! `cargo xtask ci`: what must hold before a change goes in, cheapest first.

use std::process::Command;

use anyhow::Result;

use crate::setup::{self, Purpose};
use crate::shell::{cargo, output, run, step, succeeds};
use crate::{docs, fuzz, test, vm};

/// Runs the command.
pub(crate) fn main() -> Result<()> {
    setup::ensure(&[Purpose::Build, Purpose::Live, Purpose::Vm, Purpose::Fuzz])?;
    components()?;
    run(&mut cargo(&["fmt", "--all", "--check"])?)?;
    let mut lints = cargo(&["clippy", "--all-targets"])?;
    run(lints.args(test::WORKSPACE).args(["--", "-D", "warnings"]))?;
    lint_kernel_half()?;
    licences()?;
    docs::main(&docs::Arguments::check())?;
    test::main(&test::Arguments::all())?;
    vm::main(&vm::Arguments::ci())?;
    fuzz::main(&fuzz::Arguments::all())
}

/// rustfmt and clippy: a minimal rustup profile lacks them.
fn components() -> Result<()> {
    let has = |task: &str| cargo(&[task, "--version"]).is_ok_and(|mut command| succeeds(&mut command));
    if has("fmt") && has("clippy") {
        return Ok(());
    }
    run(Command::new("rustup").args(["component", "add", "rustfmt", "clippy"]))
}

/// Clippy over the kernel half, for its own target; needs a nightly that has clippy and rust-src.
fn lint_kernel_half() -> Result<()> {
    let listed = output(Command::new("rustup").args(["toolchain", "list"])).unwrap_or_default();
    let able = listed.lines().any(|line| line.starts_with("nightly-"))
        && succeeds(Command::new("rustup").args(["run", "nightly", "cargo", "clippy", "--version"]))
        && output(Command::new("rustup").args(["run", "nightly", "rustc", "--print", "sysroot"])).is_ok_and(
            |root| std::path::Path::new(root.trim()).join("lib/rustlib/src/rust/library/core").is_dir(),
        );
    if !able {
        step("no clippy over detector-ebpf: it needs `rustup toolchain install nightly -c clippy,rust-src`");
        return Ok(());
    }
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo", "clippy", "-p", "detector-ebpf"]);
    command.args(["--target", "bpfel-unknown-none", "-Z", "build-std=core", "--", "-D", "warnings"]);
    run(command.current_dir(crate::place::repository()?))
}

/// Licences, bans and sources of all dependencies, where cargo-deny is installed.
fn licences() -> Result<()> {
    if !succeeds(Command::new("cargo-deny").arg("--version")) {
        step("no licence check: `cargo install cargo-deny --locked` makes it run (it builds for minutes)");
        return Ok(());
    }
    run(&mut cargo(&["deny", "check", "bans", "licenses", "sources"])?)
}
