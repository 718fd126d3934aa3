//! A virtual machine that boots a kernel, runs one command, and ends.
//!
//! Two serial lines: the kernel's console goes to a file, what the command prints comes to us and to another.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::interrupt;
use crate::shell::which;

/// What the machine says last: this, and the status of the command.
pub(super) const ENDED: &str = "vm: ended with ";
const MEMORY: &str = "768";
const QEMU: &str = "qemu-system-x86_64";

/// What the machine's clock goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// This machine's.
    Real,
    /// A nanosecond an instruction: what is measured does not depend on what else this machine does.
    Instructions,
}

/// How a run went.
#[derive(Debug)]
pub(super) struct Run {
    /// What the command printed, in lines.
    pub(super) lines: Vec<String>,
    /// Its exit status; `None` where the machine never got so far.
    pub(super) status: Option<i32>,
    /// From start to end.
    pub(super) took: Duration,
    /// Whether it was ended by us for its time.
    pub(super) late: bool,
    /// The kernel's console.
    pub(super) console: PathBuf,
}

/// Boots `kernel` with `image` as its root file system, and hands each line that is printed to `show`.
pub(super) fn run(
    kernel: &Path,
    image: &Path,
    console: PathBuf,
    pace: Pace,
    limit: Duration,
    mut show: impl FnMut(&str),
) -> Result<Run> {
    let began = Instant::now();
    let qemu =
        which(QEMU).with_context(|| format!("{QEMU} is missing; `cargo xtask vm` installs it by apt"))?;
    let mut command = Command::new(qemu);
    command.args(["-M", "pc", "-m", MEMORY, "-smp", "1"]);
    command.args(["-nodefaults", "-display", "none", "-no-reboot"]);
    command.args(match pace {
        Pace::Instructions => ["-accel", "tcg", "-cpu", "max", "-icount", "shift=0,sleep=off"].as_slice(),
        Pace::Real if has_kvm() => &["-accel", "kvm", "-cpu", "host"],
        Pace::Real => &["-accel", "tcg", "-cpu", "max"],
    });
    command.arg("-kernel").arg(kernel).arg("-initrd").arg(image);
    // Without `no_timer_check` a kernel on a busy host panics for a timer tick that came late.
    command.args(["-append", "console=ttyS0 panic=-1 mitigations=off no_timer_check"]);
    command.arg("-serial").arg(format!("file:{}", console.display())).args(["-serial", "stdio"]);
    let mut machine = Machine(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .context("cannot start qemu")?,
    );
    let said = machine.0.stdout.take().context("qemu has no standard output")?;
    let output = console.with_extension("output");
    let mut kept = File::create(&output).with_context(|| format!("cannot write {}", output.display()))?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(said).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
            if sender.send(text).is_err() {
                return;
            }
        }
    });
    let mut lines = vec![];
    let (mut status, mut late) = (None, false);
    loop {
        interrupt::check()?;
        match receiver.recv_timeout(Duration::from_millis(100)) {
            Ok(line) => match line.strip_prefix(ENDED) {
                Some(code) => status = code.trim().parse().ok(),
                None => {
                    writeln!(kept, "{line}").with_context(|| format!("cannot write {}", output.display()))?;
                    show(&line);
                    lines.push(line);
                }
            },
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if began.elapsed() > limit {
            late = true;
            break;
        }
    }
    drop(machine);
    Ok(Run { lines, status, took: began.elapsed(), late, console })
}

/// The last lines of a kernel's console.
pub(super) fn last_words(console: &Path) -> String {
    let text = fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
}

/// Ended when it is dropped.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // One that has ended by itself needs no killing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether the processor's own virtualisation can be had. `/dev/kvm` alone says little: nested, it may be
/// there and boot no stock kernel.
fn has_kvm() -> bool {
    let loaded = ["kvm_intel", "kvm_amd"].iter().any(|name| Path::new("/sys/module").join(name).is_dir());
    loaded && File::options().read(true).write(true).open("/dev/kvm").is_ok()
}
