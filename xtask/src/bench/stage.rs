//! What the measurements share: a scratch directory, a repository to clone, control groups, a detector that
//! holds a watch.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::many::{Many, commit_all};
use crate::interrupt::wait_for;
use crate::live::{self, Guarded};
use crate::place;

/// How long a program may take to be ready.
pub(super) const START: Duration = Duration::from_secs(20);
/// Files in the repository, and modules in its crate.
const FILES: u32 = 200;
const MODULES: u32 = 30;
/// The ground of all measurements; dropped, it goes away.
pub(super) struct Stage {
    directory: TempDir,
    trigger: PathBuf,
    many: OnceCell<Many>,
}

impl Stage {
    /// Makes it.
    pub(super) fn create() -> Result<Self> {
        let target = place::target()?;
        let directory = tempfile::Builder::new().prefix("bench.").tempdir_in(&target);
        let directory =
            directory.with_context(|| format!("cannot make a directory in {}", target.display()))?;
        let stage = Self { directory, trigger: place::release("detector-trigger")?, many: OnceCell::new() };
        stage.make_repository()?;
        Ok(stage)
    }

    /// A path in the scratch directory.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The program whose loops are measured.
    pub(super) fn trigger(&self) -> &Path {
        &self.trigger
    }

    /// A script that clones the repository and builds its crate.
    pub(super) fn work_script(&self) -> PathBuf {
        self.file("work.sh")
    }

    /// The repository and the archive of very many files.
    pub(super) fn many(&self) -> Result<&Many> {
        if self.many.get().is_none() {
            let _ = self.many.set(Many::create()?);
        }
        self.many.get().context("was just made")
    }

    fn make_repository(&self) -> Result<()> {
        let origin = self.file("origin");
        fs::create_dir_all(origin.join("src"))?;
        let manifest = "[package]\nname = \"work\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n";
        fs::write(origin.join("Cargo.toml"), manifest)?;
        let mut main = String::new();
        for number in 0..MODULES {
            main.push_str(&format!("mod m{number};\n"));
            let module =
                format!("pub fn f(x: u64) -> String {{ format!(\"{{}} {number}\", x * {number}) }}\n");
            fs::write(origin.join(format!("src/m{number}.rs")), module)?;
        }
        main.push_str("fn main() {\n");
        for number in 0..MODULES {
            main.push_str(&format!("    println!(\"{{}}\", m{number}::f({number}));\n"));
        }
        main.push_str("}\n");
        fs::write(origin.join("src/main.rs"), main)?;
        for number in 0..FILES {
            fs::write(origin.join(format!("file-{number}.txt")), format!("{number}\n").repeat(100))?;
        }
        commit_all(&origin)?;
        let here = self.directory.path().display();
        let script = format!(
            "set -e\nrm -rf '{here}/clone'\ngit clone -q --no-hardlinks '{here}/origin' '{here}/clone'\n\
             cd '{here}/clone'\nenv -u CARGO_TARGET_DIR cargo build --offline -q\n./target/debug/work > /dev/null\n"
        );
        fs::write(self.work_script(), script).context("cannot write the work script")
    }

    /// A command with the detector around it.
    pub(super) fn wrapped(&self, line: &[String]) -> Result<Command> {
        live::wrap("bench", &self.file("alerts.jsonl"), None, line)
    }

    /// A detector that watches some other control group until it is dropped. Ready when it returns: what it
    /// wraps runs only once the watch stands.
    pub(super) fn watch_elsewhere(&self) -> Result<Guarded> {
        let ready = self.file("ready");
        // An earlier watch left its mark, unless this is the first.
        let _ = fs::remove_file(&ready);
        let script = format!("touch '{}'; exec sleep 600", ready.display());
        let line = ["/bin/sh".to_owned(), "-c".to_owned(), script];
        let mut command = live::wrap("elsewhere", &self.file("elsewhere.jsonl"), None, &line)?;
        self.start("the detector", &mut command, |_| ready.exists())
    }

    /// Starts something and waits until it is ready.
    pub(super) fn start(
        &self,
        name: &str,
        command: &mut Command,
        is_ready: impl Fn(&Guarded) -> bool,
    ) -> Result<Guarded> {
        let log = self.file(&format!("{}.log", name.replace(' ', "-")));
        let mut running = Guarded::start(name, command, &log)?;
        wait_for(&format!("{name} being ready"), START, || {
            if is_ready(&running) {
                return Ok(Some(()));
            }
            running.check()?;
            Ok(None)
        })?;
        Ok(running)
    }

    /// `detector run` with a configuration, once it says that it watches.
    pub(super) fn daemon(&self, name: &str, agent: &str, more: &str) -> Result<Guarded> {
        let config = self.file(&format!("{name}.toml"));
        let alerts = self.file(&format!("{name}.jsonl"));
        let text = format!(
            "[[agent]]\nname = \"bench\"\ncgroup = \"{agent}\"\n[sinks.file]\npath = \"{}\"\n{more}",
            alerts.display(),
        );
        fs::write(&config, text)?;
        let mut command = Command::new(place::release("detector")?);
        command.args(["run", "--config"]).arg(&config).stdout(std::process::Stdio::null());
        command.env("DETECTOR_STORE", self.file(&format!("{name}.db")));
        self.start(name, &mut command, |running| running.last_words().contains("watching"))
    }
}
