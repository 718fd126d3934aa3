//! Very many small files, as a repository and as an archive, kept in memory so that no disk is measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::place;
use crate::shell::output;

/// How many files there are, and how many a directory holds.
const MANY: u32 = 20_000;
const IN_DIRECTORY: u32 = 100;

/// The repository and the archive; dropped, they go away.
pub(crate) struct Many(TempDir);

impl Many {
    /// Makes both.
    ///
    /// # Errors
    ///
    /// Fails where git or tar do.
    pub(crate) fn create() -> Result<Self> {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { place::target()? };
        let directory = tempfile::Builder::new().prefix("detector-bench.").tempdir_in(&place);
        let many =
            Self(directory.with_context(|| format!("cannot make a directory in {}", place.display()))?);
        let tree = many.0.path().join("tree");
        for number in 0..MANY {
            let directory = tree.join(format!("directory-{}", number / IN_DIRECTORY));
            if number % IN_DIRECTORY == 0 {
                fs::create_dir_all(&directory)?;
            }
            fs::write(directory.join(format!("file-{number}.txt")), format!("{number}\n").repeat(50))?;
        }
        output(Command::new("tar").arg("-C").arg(&tree).arg("-cf").arg(many.archive()).arg("."))?;
        commit_all(&tree)?;
        // Packed, as a server hands it out.
        let mut bare = Command::new("git");
        output(bare.args(["clone", "-q", "--bare", "--no-local"]).arg(&tree).arg(many.repository()))?;
        fs::remove_dir_all(&tree)?;
        Ok(many)
    }

    /// A bare repository with all files in one commit and one pack.
    pub(crate) fn repository(&self) -> PathBuf {
        self.0.path().join("many.git")
    }

    /// An archive of them.
    pub(crate) fn archive(&self) -> PathBuf {
        self.0.path().join("many.tar")
    }

    /// Where they are cloned or unpacked to: an empty directory, whatever was there before.
    pub(super) fn emptied(&self) -> Result<PathBuf> {
        let place = self.0.path().join("out");
        if place.exists() {
            fs::remove_dir_all(&place).with_context(|| format!("cannot remove {}", place.display()))?;
        }
        fs::create_dir(&place).with_context(|| format!("cannot make {}", place.display()))?;
        Ok(place)
    }
}

/// Makes a repository of a directory, with one commit.
pub(super) fn commit_all(directory: &Path) -> Result<()> {
    // Nothing may go on in the background.
    let settings =
        ["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "maintenance.auto=false"];
    let git = || {
        let mut git = Command::new("git");
        git.arg("-C").arg(directory).args(settings).env("GIT_CONFIG_GLOBAL", "/dev/null");
        git
    };
    output(git().args(["init", "-q"]))?;
    output(git().args(["add", "."]))?;
    output(git().args(["commit", "-q", "-m", "all"]))?;
    Ok(())
}
