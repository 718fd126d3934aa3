//! An agent of the demo: a shell script that the detector watches, and how it is told to go on.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::fs::{CWD, FileType, Mode};

use super::scenes::{Deed, Task};
use super::scratch::Scratch;
use crate::interrupt::wait_for;
use crate::live::Guarded;

/// A running agent.
pub(super) struct Agent {
    process: Guarded,
    /// Where its alerts go.
    pub(super) alerts: PathBuf,
    /// Lines `NUMBER STATUS`, written by the script when a scene is over.
    done: PathBuf,
    notes: PathBuf,
    /// A pipe: the script waits there for the number of its next scene.
    go: File,
}

/// What every agent's script begins with.
const PRELUDE: &str = "#!/bin/bash\n. \"$(dirname \"$0\")/environment\"\n";

/// The rogue agent takes its tunnel down, also when it is told to end in the middle of opening it.
const TUNNEL: &str = r#"close_tunnel() { ssh -F /dev/null -S "$DEMO/tunnel" -O exit "root@$PEER"; }
trap '[ ! -S "$DEMO/tunnel" ] || close_tunnel' EXIT
trap 'exit 1' TERM INT
"#;

/// A script that does all tasks in order, each in a directory that they share.
pub(super) fn straight(tasks: &[Task]) -> String {
    let mut script =
        format!("{PRELUDE}note() {{ echo \"$1\" >> \"$DEMO/benign.notes\"; }}\ncd \"$DEMO/work\"\n");
    for (number, Task { script: task, .. }) in tasks.iter().enumerate() {
        script.push_str(&format!("( set -e\n{task}\n)\necho \"{number} $?\" >> \"$DEMO/benign.done\"\n"));
    }
    script
}

/// A script that does each deed when it reads its number, and ends when it reads none.
pub(super) fn on_command(name: &str, deeds: &[Deed]) -> String {
    let mut script = format!("{PRELUDE}{TUNNEL}exec 3< \"$DEMO/{name}.go\"\n");
    script.push_str("while read -r number <&3; do\ncase $number in\n");
    for (number, Deed { script: deed, .. }) in deeds.iter().enumerate() {
        script.push_str(&format!("{number}) {deed}\n;;\n"));
    }
    script.push_str(&format!("*) exit 0 ;;\nesac\necho \"$number $?\" >> \"$DEMO/{name}.done\"\ndone\n"));
    script
}

impl Agent {
    /// Starts it.
    pub(super) fn start(
        name: &str,
        command: &mut Command,
        scratch: &Scratch,
        alerts: PathBuf,
    ) -> Result<Self> {
        let file = |suffix: &str| scratch.path().join(format!("{name}.{suffix}"));
        let pipe = file("go");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
            .context("cannot make a pipe")?;
        // Open at both ends, so that neither we nor the script wait for the other to open it.
        let go = OpenOptions::new().read(true).write(true).open(&pipe).context("cannot open the pipe")?;
        let output = File::create(file("out")).context("cannot write the agent's output")?;
        let process = Guarded::start(name, command.stdout(Stdio::from(output)), &file("log"))?;
        Ok(Self { process, alerts, done: file("done"), notes: file("notes"), go })
    }

    /// Has it do a scene, and waits until that is over.
    pub(super) fn go(&mut self, number: usize) -> Result<()> {
        writeln!(self.go, "{number}").context("cannot speak to the agent")?;
        self.over(number, Duration::from_secs(20))
    }

    /// Waits until a scene is over; fails when the scene itself did.
    fn over(&mut self, number: usize, limit: Duration) -> Result<()> {
        let process = &mut self.process;
        let done = &self.done;
        let status = wait_for(&format!("scene {number}"), limit, || {
            let text = fs::read_to_string(done).unwrap_or_default();
            let found = text.lines().find_map(|line| {
                let (scene, status) = line.split_once(' ')?;
                (scene == number.to_string()).then(|| status.to_owned())
            });
            if found.is_none() {
                process.check()?;
            }
            Ok(found)
        })?;
        if status != "0" {
            bail!("scene {number} ended with status {status}: {}", process.last_words());
        }
        Ok(())
    }

    /// Waits for all tasks of an agent that works on its own, showing each, and for its end.
    pub(super) fn follow(&mut self, tasks: &[Task], limit: Duration) -> Result<()> {
        for (number, task) in tasks.iter().enumerate() {
            // The script may end, well, between two looks.
            if let Err(error) = self.over(number, limit) {
                self.over(number, Duration::ZERO).map_err(|_| error)?;
            }
            eprintln!("    benign: {} … done", task.what());
        }
        self.end(limit)
    }

    /// Tells an agent that waits for its next scene that there is none, and waits for its end.
    pub(super) fn finish(&mut self, limit: Duration) -> Result<()> {
        writeln!(self.go, "end").context("cannot speak to the agent")?;
        self.end(limit)
    }

    fn end(&mut self, limit: Duration) -> Result<()> {
        let status = self.process.wait(limit)?;
        if !status.success() {
            bail!("the agent ended with {status}: {}", self.process.last_words());
        }
        Ok(())
    }

    /// Fails when it has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        self.process.check()
    }

    /// The end of its log.
    pub(super) fn last_words(&self) -> String {
        self.process.last_words()
    }

    /// What it wants said about how it worked.
    pub(super) fn notes(&self) -> Result<Vec<String>> {
        Ok(fs::read_to_string(&self.notes).unwrap_or_default().lines().map(str::to_owned).collect())
    }
}
