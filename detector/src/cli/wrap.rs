//! `detector wrap`: one command as an agent of its own.

use std::ffi::OsString;
use std::future::poll_fn;
use std::io::IsTerminal as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command as Process};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal as stream};

use super::setup;
use crate::agent::Pattern;
use crate::alert::Level;
use crate::alert::escape::clip;
use crate::delivery::{self, Delivered, Target};
use crate::event::{AgentId, CgroupId, text};
use crate::intake::{Intake, Places};
use crate::kernel::cgroup::Cgroups;
use crate::runtime::{Command, Core, Engine};
use crate::sinks::file::AlertFile;
use crate::sinks::human::Colour;

/// Control group below which each wrapped command gets its own.
const PARENT: &str = "/detector.wrap";

/// How long what a command leaves behind is watched: somewhat longer than a process must outlive its command
/// to be told of.
const STAYS: Duration = Duration::from_millis(2_200);

/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// Most characters of the command of a process that is left behind.
const COMMAND_MOST: usize = 100;

/// Run a command as an agent: in a control group of its own, watched from its first instruction
///
/// Alerts are shown on standard error. Where COMMAND leaves processes behind, the watch goes on for two more
/// seconds, until it is known which of them stay; they are named, and live on without it. Signals go to COMMAND, and its exit status becomes ours: 128
/// plus the signal, where a signal ended it; 127 where COMMAND is not found, 126 where it cannot be run.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What alerts call the agent; the command's name otherwise
    #[arg(long)]
    name: Option<String>,
    /// Write alerts as JSON lines to this file, `-` for standard output
    #[arg(long, value_name = "FILE")]
    alerts: Option<PathBuf>,
    /// Least level that is shown on standard error
    #[arg(long, value_name = "LEVEL", default_value = "low")]
    show: Level,
    /// Show nothing on standard error
    #[arg(long, short)]
    quiet: bool,
    /// Configuration file, for rules, sinks and kernel settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Record what the sensors see, too
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Where alerts are kept; otherwise DETECTOR_STORE, `[store] path`, /var/lib/detector/state.db
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let checked = setup::config(args.config.as_deref())?;
    let rules = setup::rules(&checked.config)?;
    let mut targets = setup::targets(&checked)?;
    if let Some(path) = &args.alerts {
        let target =
            if path == Path::new("-") { Target::stdout() } else { Target::file(AlertFile::open(path)?) };
        targets.push(target);
    }
    if !args.quiet {
        targets.push(Target::human(Colour::of(&std::io::stderr()), args.show));
    }
    let store = setup::store(&checked.config, args.store.as_deref())?;
    let name = agent_name(args.name.as_deref(), &args.command);
    setup::runtime()?.block_on(async {
        let (outlet, delivery) = delivery::start(Arc::clone(&store), targets, checked.limits)
            .context("starting the threads that deliver failed")?;
        let core = setup::judging(rules, outlet, store, args.record.as_ref())?;
        let engine = setup::engine(&checked, Vec::new(), core)?;
        let places = Places::named(&checked.config.tasks);
        let status = session(&name, &args.command, engine, places).await?;
        let delivered = tokio::task::spawn_blocking(|| delivery.finish()).await?;
        if !args.quiet {
            summarise(&name, &delivered, args.show);
        }
        Ok(exit_code(status))
    })
}

/// What alerts call the agent.
pub(super) fn agent_name(given: Option<&str>, command: &[OsString]) -> String {
    let program = command.first().map(PathBuf::from).unwrap_or_default();
    let base = program.file_name().map(|name| name.to_string_lossy().into_owned());
    given.map(str::to_owned).or(base).unwrap_or_else(|| "agent".to_owned())
}

/// Runs a command as a watched agent until it ends and everything it did was taken from the rings.
pub(super) async fn session(
    name: &str,
    command: &[OsString],
    (mut engine, remote): (Engine, crate::runtime::Remote),
    places: Places,
) -> anyhow::Result<ExitStatus> {
    let cgroups = engine.cgroups().clone();
    let place = Place::create(&cgroups, name)?;
    engine.seed(std::process::id(), AgentId::NONE, CgroupId(0));
    engine.watch(name, place.id, &place.path)?;
    let intake = Intake::start(places, vec![Pattern::new(name, &place.path)?], engine.feeder());
    let mut signals = Signals::listen()?;
    let thread = setup::start(engine)?;
    let outcome = match start(command, &place.directory) {
        Ok(child) => {
            let status = follow(child, &mut signals).await;
            settle(&cgroups, &place.path, &mut signals).await;
            status
        }
        Err(error) => Err(error),
    };
    drop(intake);
    remote.send(Command::Stop);
    tokio::task::spawn_blocking(|| setup::finish(thread)).await??;
    place.leave();
    outcome
}

/// Ours, from the command's.
pub(super) fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

/// The control group of one wrapped command.
struct Place {
    cgroups: Cgroups,
    id: CgroupId,
    path: String,
    directory: PathBuf,
}

impl Place {
    fn create(cgroups: &Cgroups, name: &str) -> anyhow::Result<Self> {
        let safe: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' })
            .collect();
        sweep(cgroups);
        let path = format!("{PARENT}/{safe}.{}", std::process::id());
        let group = cgroups.create(&path)?;
        let directory = cgroups.directory(&path);
        Ok(Self { cgroups: cgroups.clone(), id: group.id, path: group.path, directory })
    }

    /// Removes the group. What still runs in it keeps it, and is named.
    fn leave(self) {
        let left = pids(&self.cgroups, &self.path);
        if !left.is_empty() {
            let pids: Vec<String> = left.iter().map(|pid| named(*pid)).collect();
            eprintln!(
                "detector: {} still running, no longer watched, in {}: pid {}",
                if left.len() == 1 {
                    "1 process is".to_owned()
                } else {
                    format!("{} processes are", left.len())
                },
                self.directory.display(),
                pids.join(", ")
            );
            return;
        }
        if let Err(error) = self.cgroups.remove(&self.path) {
            tracing::warn!("{:#}", anyhow::Error::from(error));
        }
        // Another wrap may still use the parent.
        let _ = std::fs::remove_dir(self.cgroups.directory(PARENT));
    }
}

/// `5 (sleep 60)`; the pid alone where the process has just ended.
fn named(pid: u32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = text(&line).replace('\0', " ");
    let words = words.trim_end();
    if words.is_empty() { pid.to_string() } else { format!("{pid} ({})", clip(words, COMMAND_MOST)) }
}

/// Removes the groups of wraps that are over, where a daemon that was left behind has ended since.
fn sweep(cgroups: &Cgroups) {
    for group in cgroups.tree(PARENT) {
        let name =
            group.path.strip_prefix(PARENT).and_then(|rest| rest.strip_prefix('/')).unwrap_or_default();
        let pid = name.rsplit_once('.').map(|(_, pid)| pid).filter(|_| !name.contains('/'));
        let over = pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        // One that something still runs in refuses.
        if over && pids(cgroups, &group.path).is_empty() {
            let _ = cgroups.remove(&group.path);
        }
    }
}

/// The processes of a group and of those below it.
fn pids(cgroups: &Cgroups, path: &str) -> Vec<u32> {
    cgroups.tree(path).iter().flat_map(|group| cgroups.processes(&group.path)).collect()
}

fn start(command: &[OsString], group: &Path) -> anyhow::Result<Child> {
    let (program, arguments) = command.split_first().context("no command")?;
    let procs = group.join("cgroup.procs");
    let procs = std::fs::OpenOptions::new()
        .write(true)
        .open(&procs)
        .with_context(|| format!("opening {} failed", procs.display()))?;
    let mut process = Process::new(program);
    process.args(arguments);
    let enter = move || rustix::io::write(&procs, b"0").map(drop).map_err(Into::into);
    // SAFETY: between fork and exec the closure makes one write(2) on an open descriptor, which is
    // async-signal-safe, and allocates nothing.
    unsafe { process.pre_exec(enter) };
    process
        .spawn()
        .map_err(|source| StartError { program: program.to_string_lossy().into_owned(), source }.into())
}

/// The command cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("running {program} failed")]
pub(super) struct StartError {
    program: String,
    source: std::io::Error,
}

impl StartError {
    /// The exit status that shells give: 127 where the program is not found, 126 where it cannot be run.
    pub(super) fn code(&self) -> u8 {
        if self.source.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 }
    }
}

/// Signals that are handed on.
struct Signals(Vec<(Signal, Stream)>);

impl Signals {
    /// Listens to all but those that we were started to ignore: nohup, or a script's `&`. The command
    /// inherits that they are ignored.
    fn listen() -> std::io::Result<Self> {
        let ignored = ignored();
        [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2]
            .into_iter()
            .filter(|signal| ignored & (1 << (signal.as_raw() - 1)) == 0)
            .map(|signal| Ok((signal, stream(SignalKind::from_raw(signal.as_raw()))?)))
            .collect::<std::io::Result<_>>()
            .map(Self)
    }

    async fn next(&mut self) -> Signal {
        poll_fn(|context| {
            let arrived = self
                .0
                .iter_mut()
                .find_map(|(signal, stream)| stream.poll_recv(context).is_ready().then_some(*signal));
            arrived.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// The signals that we ignore, as a mask: bit 0 is signal 1. None where `/proc` does not say.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Runs a command where we run, handing signals on, until it ends.
pub(super) async fn attend(command: &[OsString]) -> anyhow::Result<ExitStatus> {
    let mut signals = Signals::listen()?;
    let (program, arguments) = command.split_first().context("no command")?;
    let child = Process::new(program).args(arguments).spawn();
    let program = program.to_string_lossy().into_owned();
    follow(child.map_err(|source| StartError { program, source })?, &mut signals).await
}

/// Waits for the command, handing signals on. What a terminal sends (Ctrl-C, Ctrl-\) reaches the command
/// by itself, since it shares our process group.
async fn follow(mut child: Child, signals: &mut Signals) -> anyhow::Result<ExitStatus> {
    let from_terminal = std::io::stdin().is_terminal();
    loop {
        tokio::select! {
            status = child.wait() => return status.context("waiting for the command failed"),
            signal = signals.next() => {
                if from_terminal && matches!(signal, Signal::INT | Signal::QUIT) {
                    continue;
                }
                let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
                if let Some(pid) = pid {
                    // It may have ended this moment; then the next turn sees it.
                    let _ = kill_process(pid, signal);
                }
            }
        }
    }
}

/// Keeps watching what the command left behind until that has ended, or has stayed for so long that it is
/// told of. A signal ends the wait.
async fn settle(cgroups: &Cgroups, path: &str, signals: &mut Signals) {
    let over = tokio::time::Instant::now() + STAYS;
    while !pids(cgroups, path).is_empty() && tokio::time::Instant::now() < over {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = signals.next() => return,
        }
    }
}

fn summarise(name: &str, delivered: &Delivered, show: Level) {
    let shown = delivered.at_least(show);
    if shown > 0 {
        let noun = if shown == 1 { "alert" } else { "alerts" };
        eprintln!("detector: {shown} {noun} about {}: {delivered}", crate::alert::escape::escape(name));
    }
}

/// For `record`: a core that only records.
pub(super) fn recording(path: &Path) -> anyhow::Result<Core> {
    Ok(Core::recording(setup::recorder(path)?))
}
