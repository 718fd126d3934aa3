//! The toolchain for the kernel half: a rustc that has `core` for BPF, and bpf-linker.
//!
//! Debian ships a rustc with a prebuilt `core` for BPF: no nightly is needed where apt has it. Elsewhere
//! it is rustup's nightly with the sources of `core`. Which one a machine gets is decided by looking.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::apt;
use crate::shell::{output, run, step, succeeds, which};

/// Name under which rustup knows Debian's rustc; detector/build.rs asks for it first.
const LINKED: &str = "detector-ebpf";
const TARGET: &str = "bpfel-unknown-none";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const LINKER_VERSION: &str = "0.13.0";
/// Oldest rustc that the workspace builds with, as `1.MINOR`.
const MINOR: u32 = 95;

/// A rustc that can compile the kernel half.
enum Compiler {
    /// Debian's, linked as [`LINKED`].
    Debian,
    /// rustup's nightly with rust-src.
    Nightly,
}

/// Makes sure that the kernel half can be built.
pub(super) fn ensure() -> Result<()> {
    if which("rustup").is_none() {
        bail!("rustup is missing: install it with `curl --proto '=https' -sSf https://sh.rustup.rs | sh`");
    }
    let compiler = match present() {
        Some(compiler) => compiler,
        None => install()?,
    };
    if linker_is_missing() {
        install_linker(&compiler)?;
    }
    Ok(())
}

fn present() -> Option<Compiler> {
    if has_core(Command::new("rustup").args(["run", LINKED, "rustc"])) {
        Some(Compiler::Debian)
    } else if nightly_has_source() {
        Some(Compiler::Nightly)
    } else {
        None
    }
}

fn install() -> Result<Compiler> {
    if !has_core(&mut Command::new(DEBIAN_RUSTC)) && apt::is_here() {
        if apt::candidate("rustc-web").is_none() {
            apt::update()?;
        }
        if apt::candidate("rustc-web").as_deref().is_some_and(new_enough)
            && apt::candidate("libstd-rust-web-dev-bpf").is_some()
        {
            apt::install(&["rustc-web", "libstd-rust-web-dev-bpf"])?;
        }
    }
    if has_core(&mut Command::new(DEBIAN_RUSTC)) {
        run(Command::new("rustup").args(["toolchain", "link", LINKED, "/usr"]))?;
        return Ok(Compiler::Debian);
    }
    run(Command::new("rustup").args([
        "toolchain",
        "install",
        "nightly",
        "--profile",
        "minimal",
        "--component",
        "rust-src",
    ]))
    .context("a rustc for BPF is missing: `rustup toolchain install nightly -c rust-src` installs one")?;
    Ok(Compiler::Nightly)
}

/// Whether a rustc comes with `core` for BPF.
fn has_core(rustc: &mut Command) -> bool {
    let Ok(directory) = output(rustc.args(["--print", "target-libdir", "--target", TARGET])) else {
        return false;
    };
    let Ok(entries) = std::fs::read_dir(directory.trim()) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
}

fn nightly_has_source() -> bool {
    // Asking rustc directly would make rustup install a toolchain that is missing.
    let listed = output(Command::new("rustup").args(["toolchain", "list"])).unwrap_or_default();
    listed.lines().any(|line| line.starts_with("nightly-"))
        && output(Command::new("rustup").args(["run", "nightly", "rustc", "--print", "sysroot"]))
            .is_ok_and(|root| Path::new(root.trim()).join("lib/rustlib/src/rust/library/core").is_dir())
}

fn linker_is_missing() -> bool {
    let known = which("bpf-linker").unwrap_or_else(|| PathBuf::from("bpf-linker"));
    let Ok(said) = output(Command::new(known).arg("--version")) else { return true };
    let version = said.trim().rsplit(' ').next().unwrap_or_default();
    let minor = version.split('.').nth(1).and_then(|text| text.parse::<u32>().ok());
    let enough = version.split('.').next() != Some("0") || minor.is_some_and(|minor| minor >= 13);
    if !enough {
        step(&format!("bpf-linker {version} is too old, {LINKER_VERSION} is wanted"));
    }
    !enough
}

/// Installs bpf-linker, built against the LLVM that made the compiler.
fn install_linker(compiler: &Compiler) -> Result<()> {
    let version = format!("bpf-linker@{LINKER_VERSION}");
    if succeeds(Command::new("cargo").args(["binstall", "-V"])) {
        return run(Command::new("cargo").args(["binstall", "--no-confirm", &version]));
    }
    let llvm = llvm_major(compiler)?;
    let prefix = format!("/usr/lib/llvm-{llvm}");
    if !Path::new(&prefix).join("bin/llvm-config").exists() && apt::is_here() {
        let (dev, polly) = (format!("llvm-{llvm}-dev"), format!("libpolly-{llvm}-dev"));
        if apt::candidate(&dev).is_some() {
            apt::install(&[&dev, &polly, "libzstd-dev", "g++", "zlib1g-dev"])?;
        }
    }
    let mut build = Command::new("cargo");
    build.args(["install", "bpf-linker", "--version", LINKER_VERSION, "--no-default-features"]);
    build.args(["--features", &format!("llvm-{llvm}"), "--locked"]);
    if Path::new(&prefix).join("bin/llvm-config").exists() {
        // Without llvm-config on PATH its build does not find libLLVM.
        let path = std::env::var("PATH").unwrap_or_default();
        build.env("PATH", format!("{prefix}/bin:{path}")).env("LLVM_PREFIX", &prefix);
    }
    run(&mut build).with_context(|| {
        format!(
            "bpf-linker is missing: install LLVM {llvm}'s development files, or \
             `cargo install cargo-binstall && cargo binstall {version}`"
        )
    })
}

/// Major version of the LLVM inside the compiler.
fn llvm_major(compiler: &Compiler) -> Result<u32> {
    let toolchain = match compiler {
        Compiler::Debian => LINKED,
        Compiler::Nightly => "nightly",
    };
    let said = output(Command::new("rustup").args(["run", toolchain, "rustc", "-vV"]))?;
    said.lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))
        .and_then(|version| version.split('.').next())
        .and_then(|major| major.parse().ok())
        .with_context(|| format!("`rustup run {toolchain} rustc -vV` names no LLVM version"))
}

/// Whether a Debian version such as `1.96.0+dfsg1-1` builds the workspace.
fn new_enough(version: &str) -> bool {
    let mut parts = version.split(['.', '+', '-']);
    parts.next() == Some("1")
        && parts.next().and_then(|minor| minor.parse().ok()).is_some_and(|minor: u32| minor >= MINOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_debian_rustc_is_not_taken() {
        assert!(new_enough("1.96.0+dfsg1-1~deb12u2"));
        assert!(!new_enough("1.85.0+dfsg3-1"));
        assert!(!new_enough("garbage"));
    }
}
