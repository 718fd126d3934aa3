//! Where things lie: the repository, its target directory, the built programs.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The repository's root, from where this program was compiled, or the working directory when that moved.
pub(crate) fn repository() -> Result<PathBuf> {
    let compiled = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent directory")?;
    if compiled.join("Cargo.toml").is_file() {
        return Ok(compiled.to_owned());
    }
    env::current_dir().context("cannot read the working directory")
}

/// The directory that cargo builds into: the one that this program itself was built into.
pub(crate) fn target() -> Result<PathBuf> {
    if let Some(chosen) = env::var_os("CARGO_TARGET_DIR") {
        return Ok(repository()?.join(chosen));
    }
    Ok(repository()?.join("target"))
}

/// A program of the release build.
pub(crate) fn release(name: &str) -> Result<PathBuf> {
    Ok(target()?.join("release").join(name))
}
