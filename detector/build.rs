//! Builds detector-ebpf and leaves its object in `OUT_DIR`, where `kernel/load.rs` embeds it.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use aya_build::{Package, Toolchain};

/// A rustup toolchain that links to a rustc with a prebuilt `core` for BPF (Debian's `rustc-web`).
const LINKED: &str = "detector-ebpf";

fn main() -> Result<()> {
    let toolchain = if has_target(LINKED, "lib/rustlib/bpfel-unknown-none") {
        // aya-ebpf uses inline assembly for BPF, which stable rustc has to be told to allow.
        // SAFETY: a build script has one thread here.
        unsafe { std::env::set_var("RUSTC_BOOTSTRAP", "aya_ebpf,detector_ebpf") };
        Toolchain::Custom(LINKED)
    } else if has_target("nightly", "lib/rustlib/src/rust/library/core") {
        Toolchain::Nightly
    } else {
        bail!("no Rust toolchain here can build eBPF; run `cargo xtask setup`, which installs one");
    };
    if Command::new("bpf-linker").arg("--version").output().is_err() {
        bail!("bpf-linker is not installed; run `cargo xtask setup`, which installs it");
    }
    let root_dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../detector-ebpf");
    for input in ["detector-common/src", "rules"] {
        println!("cargo:rerun-if-changed={}/../{input}", env!("CARGO_MANIFEST_DIR"));
    }
    aya_build::build_ebpf([Package { name: "detector-ebpf", root_dir, ..Package::default() }], toolchain)
        .context("building the eBPF object")
}

/// Whether the sysroot of a rustup toolchain has `path`.
fn has_target(toolchain: &str, path: &str) -> bool {
    let output = Command::new("rustup").args(["run", toolchain, "rustc", "--print", "sysroot"]).output();
    output.is_ok_and(|output| {
        output.status.success()
            && std::path::Path::new(String::from_utf8_lossy(&output.stdout).trim()).join(path).exists()
    })
}
