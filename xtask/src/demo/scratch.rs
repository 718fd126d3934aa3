//! Everything that the demo puts on the machine, and taking it away again.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::network::PEER;
use crate::live::terminate;
use crate::place;

/// The scratch directory and two files in /etc; dropped, all are removed.
pub(super) struct Scratch {
    directory: TempDir,
    cron: PathBuf,
    unit: PathBuf,
    made: Vec<PathBuf>,
}

impl Scratch {
    /// Makes the directory; the files in /etc are the rogue agent's to write.
    pub(super) fn create() -> Result<Self> {
        let target = place::target()?;
        let directory = tempfile::Builder::new().prefix("demo.").tempdir_in(&target);
        let directory =
            directory.with_context(|| format!("cannot make a directory in {}", target.display()))?;
        fs::create_dir(directory.path().join("work"))?;
        let mut made = vec![];
        for needed in ["/etc/cron.d", "/etc/systemd/system"] {
            if !Path::new(needed).is_dir() {
                fs::create_dir_all(needed).with_context(|| format!("cannot make {needed}"))?;
                made.push(needed.into());
            }
        }
        let name = format!("detector-demo-{}", std::process::id());
        let cron = Path::new("/etc/cron.d").join(&name);
        let unit = Path::new("/etc/systemd/system").join(format!("{name}.service"));
        Ok(Self { directory, cron, unit, made })
    }

    /// The directory.
    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The detector's configuration.
    pub(super) fn config(&self) -> PathBuf {
        self.path().join("detector.toml")
    }

    /// Puts a decoy key where nobody has business, and has the detector watch it.
    pub(super) fn plant_canary(&self) -> Result<()> {
        let keys = self.path().join("old-laptop");
        fs::create_dir(&keys).context("cannot make a directory for the decoy")?;
        let decoy = keys.join("id_ed25519");
        fs::write(&decoy, "a decoy\n").with_context(|| format!("cannot write {}", decoy.display()))?;
        let planted = self.path().join("canaries.toml");
        let config = format!(
            "canary_file = {planted:?}\n\n[[canary]]\nname = \"key of the old laptop\"\nkind = \"ssh\"\npath = {decoy:?}\n"
        );
        fs::write(self.config(), config).context("cannot write the detector's configuration")
    }

    /// Writes what the agents' scripts read first.
    pub(super) fn write_environment(&self) -> Result<()> {
        let home = env::var("HOME").unwrap_or_else(|_| "/root".to_owned());
        let below_home =
            |name: &str, directory: &str| env::var(name).unwrap_or_else(|_| format!("{home}/{directory}"));
        let here = self.path().display();
        let text = format!(
            "export DEMO='{here}' TRIGGER='{trigger}' PEER={PEER} CRON='{cron}' UNIT='{unit}'\n\
             export CARGO_HOME='{cargo}' RUSTUP_HOME='{rustup}' HOME='{here}/work'\n\
             export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null\n\
             export GIT_AUTHOR_NAME=agent GIT_AUTHOR_EMAIL=agent@localhost\n\
             export GIT_COMMITTER_NAME=agent GIT_COMMITTER_EMAIL=agent@localhost\n",
            trigger = super::trigger()?.display(),
            cron = self.cron.display(),
            unit = self.unit.display(),
            cargo = below_home("CARGO_HOME", ".cargo"),
            rustup = below_home("RUSTUP_HOME", ".rustup"),
        );
        fs::write(self.path().join("environment"), text).context("cannot write the agents' environment")
    }

    /// Ends the daemon that the rogue agent left behind, if it is still the one it says.
    pub(super) fn end_daemon(&self) {
        let said = fs::read_to_string(self.path().join("daemon.json")).unwrap_or_default();
        let Ok(said) = serde_json::from_str::<Value>(&said) else { return };
        let Some(pid) = said.get("daemon").and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok())
        else {
            return;
        };
        let runs = fs::read_link(format!("/proc/{pid}/exe")).ok();
        if runs.is_some() && runs == super::trigger().ok() {
            terminate(pid, Signal::TERM);
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.end_daemon();
        for file in [&self.cron, &self.unit] {
            if file.exists()
                && let Err(error) = fs::remove_file(file)
            {
                eprintln!("cannot remove {}: {error}", file.display());
            }
        }
        for directory in &self.made {
            // Stays when somebody else put something there meanwhile.
            let _ = fs::remove_dir(directory);
        }
    }
}
