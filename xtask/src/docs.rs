//! `cargo xtask docs`: writes the generated documents, or says which have drifted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::place;
use crate::shell::{run, step};

/// Options of `docs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Change nothing; fail when a committed document differs from what would be written.
    #[arg(long)]
    check: bool,
}

impl Arguments {
    /// As `--check`.
    pub(crate) fn check() -> Self {
        Self { check: true }
    }
}

/// Runs the command.
pub(crate) fn main(arguments: &Arguments) -> Result<()> {
    let repository = place::repository()?;
    let fresh = tempfile::tempdir().context("cannot make a temporary directory")?;
    generate(fresh.path())?;
    let documents = files_below(fresh.path())?;
    if documents.is_empty() {
        bail!("`detector docs` wrote nothing");
    }
    let mut drifted = vec![];
    for document in &documents {
        let wanted = fs::read(fresh.path().join(document))?;
        let committed = repository.join(document);
        if fs::read(&committed).is_ok_and(|found| found == wanted) {
            continue;
        }
        drifted.push(document.display().to_string());
        if !arguments.check {
            if let Some(directory) = committed.parent() {
                fs::create_dir_all(directory)
                    .with_context(|| format!("cannot create {}", directory.display()))?;
            }
            fs::write(&committed, wanted).with_context(|| format!("cannot write {}", committed.display()))?;
        }
    }
    if drifted.is_empty() {
        step(&format!("{} generated documents are up to date", documents.len()));
    } else if arguments.check {
        bail!("out of date: {}; run `cargo xtask docs`", drifted.join(", "));
    } else {
        step(&format!("wrote {}", drifted.join(", ")));
    }
    Ok(())
}

/// Has the detector write all documents below `root`, by their paths in the repository.
fn generate(root: &Path) -> Result<()> {
    crate::build::debug()?;
    let detector = place::target()?.join("debug/detector");
    run(Command::new(detector).args(["docs", "--out"]).arg(root))
}

/// Every file below a directory, relative to it, in order.
fn files_below(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![];
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        let entries =
            fs::read_dir(&directory).with_context(|| format!("cannot list {}", directory.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(root)?.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}
