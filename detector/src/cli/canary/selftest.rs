//! Opens a canary from a watched control group that is there for nothing else, and waits for the report.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::event::{EventfdFlags, eventfd};

use crate::agent::Agent;
use crate::canary::Held;
use crate::event::{AgentId, CgroupId, EventKind, FileOp};
use crate::kernel::clock;
use crate::kernel::decode::Decoder;
use crate::kernel::ring::Rings;
use crate::kernel::sensor::{Sensor, Settings};

/// How long a report may take.
const LIMIT: Duration = Duration::from_secs(10);
/// What opens: a shell that goes into the group first, and reads nothing.
const SCRIPT: &str = "echo $$ > \"$1\" && exec 3< \"$2\"";

/// A sensor, and the group that it watches.
pub(super) struct SelfTest {
    sensor: Sensor,
    rings: Rings,
    decoder: Decoder,
    group: PathBuf,
    never: OwnedFd,
}

impl SelfTest {
    /// Loads the kernel half and makes the group. Fails where this kernel or these privileges do not allow it.
    pub(super) fn start() -> anyhow::Result<Self> {
        let (mut sensor, rings) = Sensor::load(&Settings::default())?;
        let path = format!("/detector-canary-check-{}", std::process::id());
        let group = sensor.cgroups().directory(&path);
        fs::create_dir(&group)
            .with_context(|| format!("making the control group {} failed", group.display()))?;
        let groups = sensor.cgroups().tree(&path);
        let cgroup = groups.first().map_or(CgroupId(0), |group| group.id);
        let agent = Agent { id: AgentId(1), name: "canary check".to_owned(), cgroup, path };
        let watched = sensor.watch(&agent, &agent.path);
        let never = eventfd(0, EventfdFlags::CLOEXEC).context("no descriptor is left")?;
        let test = Self { sensor, rings, decoder: Decoder::new(clock::offset()), group, never };
        watched?;
        Ok(test)
    }

    /// Opens the canary and waits for the report; gives how many milliseconds that took.
    pub(super) fn alarms(&mut self, held: &Held) -> anyhow::Result<u128> {
        self.sensor.add_canary(held.key)?;
        let opened = self.open(held);
        self.sensor.remove_canary(held.key)?;
        opened
    }

    fn open(&mut self, held: &Held) -> anyhow::Result<u128> {
        let path = held.path().context("it has no name")?;
        let began = Instant::now();
        let ended = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(self.group.join("cgroup.procs"))
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .output()
            .context("starting /bin/sh failed")?;
        if !ended.status.success() {
            bail!("opening it failed: {}", String::from_utf8_lossy(&ended.stderr).trim());
        }
        while began.elapsed() < LIMIT {
            let is_it = |kind: &EventKind| {
                let EventKind::File(file) = kind else { return false };
                file.op == FileOp::Access && file.inode == held.key.inode && file.dev == held.key.dev
            };
            if self.rings.drain(&mut self.decoder, clock::now).any(|event| is_it(&event.kind)) {
                return Ok(began.elapsed().as_millis());
            }
            self.rings.wait(std::os::fd::AsFd::as_fd(&self.never), Duration::from_millis(20))?;
        }
        bail!(
            "an open was not reported within {} s; `detector doctor` tells what is missing",
            LIMIT.as_secs()
        )
    }
}

impl Drop for SelfTest {
    fn drop(&mut self) {
        // What was inside has ended, which may take the kernel a moment to count.
        let deadline = Instant::now() + LIMIT;
        while fs::remove_dir(&self.group).is_err() && self.group.exists() && Instant::now() < deadline {
            std::thread::yield_now();
        }
    }
}
