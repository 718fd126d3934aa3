//! What `run`, `wrap` and `record` do alike: rules, sensor, engine, and the thread that runs it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context as _;

use crate::agent::{Agents, Pattern};
use crate::config::{Checked, Config, Mode, SinkConfig, TierConfig};
use crate::content::Contents;
use crate::delivery::{Outlet, Target};
use crate::kernel::sensor::{self, ProbeLog, Sensor};
use crate::pipeline::{Pipeline, Settings};
use crate::recording::{Header, Recorder};
use crate::rules::{Builtin, RuleSet};
use crate::runtime::{Core, Engine, Notes, Remote};
use crate::store::{self, Store};
use crate::telemetry;

/// The configuration of a file, or the default where none is named.
pub(super) fn config(path: Option<&Path>) -> anyhow::Result<Checked> {
    Ok(match path {
        Some(path) => crate::config::load(path)?,
        None => crate::config::default()?,
    })
}

/// The rules that a configuration names.
pub(super) fn rules(config: &Config) -> anyhow::Result<RuleSet> {
    let builtin = if config.rules.builtin { Builtin::With } else { Builtin::Without };
    let rules = RuleSet::load(&config.rules.paths, builtin)?;
    for warning in rules.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(rules)
}

/// The sinks that a configuration names, open.
pub(super) fn targets(checked: &Checked) -> anyhow::Result<Vec<Target>> {
    let open = |sink: &SinkConfig| {
        let SinkConfig { name, routing, kind } = sink;
        let mut target = Target::new(name, kind.grain(), routing.clone(), kind.open(name, &checked.http)?);
        target.rate = kind.rate();
        let (name, kind, http) = (name.clone(), Arc::clone(kind), checked.http.clone());
        target.reopen = Some(Arc::new(move || kind.open(&name, &http)));
        Ok(target)
    };
    checked.sinks.iter().map(open).collect()
}

/// Where the store of a configuration is; what the command line or the environment names comes first.
pub(super) fn store_path(config: &Config, named: Option<&Path>) -> PathBuf {
    let named =
        named.map(Path::to_path_buf).or_else(|| std::env::var_os("DETECTOR_STORE").map(PathBuf::from));
    named.or_else(|| config.store.path.clone()).unwrap_or_else(|| PathBuf::from(store::DEFAULT))
}

/// The store of a configuration. Where its disk is full or broken it is one in memory: the detector is there to see who
/// fills disks.
pub(super) fn store(config: &Config, named: Option<&Path>) -> anyhow::Result<Arc<Store>> {
    let store = match Store::open(&store_path(config, named)) {
        Err(error) if error.is_disk() => {
            let error = anyhow::Error::from(error);
            tracing::error!("{error:#}; alerts are kept in memory and do not outlive the detector");
            Store::in_memory()?
        }
        opened => opened?,
    };
    Ok(Arc::new(store))
}

/// A recorder for this host.
pub(super) fn recorder(path: &Path) -> anyhow::Result<Recorder> {
    Ok(Recorder::create(path, &Header::of_this_host(crate::kernel::clock::now()))?)
}

/// A core that judges.
pub(super) fn judging(
    rules: RuleSet,
    outlet: Outlet,
    store: Arc<Store>,
    record: Option<&PathBuf>,
) -> anyhow::Result<Core> {
    let settings = Settings { host: crate::recording::host() };
    let recorder = record.map(|path| recorder(path)).transpose()?;
    let notes = Notes::start(store).context("starting the thread that puts down what agents did failed")?;
    Ok(Core::judging(Pipeline::new(rules, settings), outlet, notes, recorder))
}

/// Settings of the kernel half. A tier that the configuration does not name may be named by `DETECTOR_TIER`, which
/// reaches the commands that take no configuration.
pub(super) fn kernel_settings(tier: Option<TierConfig>) -> sensor::Settings {
    let named = std::env::var("DETECTOR_TIER").ok();
    let tier = match (tier, named.as_deref()) {
        (Some(tier), _) => tier,
        (None, Some(name)) => TierConfig::named(name).unwrap_or_else(|| {
            tracing::warn!(name, "DETECTOR_TIER names no tier and is not heeded");
            TierConfig::Auto
        }),
        (None, None) => TierConfig::Auto,
    };
    sensor::Settings { tier: tier.tier(), ..sensor::Settings::default() }
}

/// Loads the kernel half for a configuration.
pub(super) fn engine(
    checked: &Checked,
    patterns: Vec<Pattern>,
    core: Core,
) -> anyhow::Result<(Engine, Remote)> {
    let Mode::Observe = checked.config.mode;
    let mut settings = kernel_settings(checked.config.kernel.tier);
    if let Some(size) = checked.ring_size {
        settings.ring_size = size;
    }
    if checked.config.kernel.probe_log {
        settings.probe_log = ProbeLog::On;
    }
    // Before the sensor: what files hold is read while programs are being verified.
    let contents = Contents::start().context("starting the reader of files failed")?;
    let (sensor, rings) = Sensor::load(&settings)?;
    crate::alert::card::set_cgroup_mount(sensor.cgroups().mount());
    for state in sensor.states() {
        let Some(reason) = &state.refused else { continue };
        if state.hook.tier.is_none() {
            tracing::warn!(hook = state.hook.program, reason, "a hook is left out; its events are missing");
        } else {
            tracing::debug!(
                hook = state.hook.program,
                reason,
                "a hook is not possible here; the next tier is tried"
            );
        }
    }
    for (event, reason) in sensor.unserved() {
        tracing::info!(
            event,
            reason,
            "no tier can serve these events here; `coverage` says that they are missing"
        );
    }
    let files = checked.files();
    contents.wait_until_ready();
    let (mut engine, remote) = Engine::new(sensor, rings, Agents::new(patterns), core, contents, &files);
    engine.expect_daemons(checked.daemons.clone());
    if !checked.canaries.is_empty() {
        engine.set_canaries(checked.canaries.clone());
    }
    telemetry::cpu::start(&checked.config.telemetry.cpu, telemetry::cpu::Ends::of(&engine))
        .context("starting the sampler of processors failed")?;
    telemetry::gpu::start(&checked.config.telemetry.gpu, engine.feeder(), engine.roster(), engine.gaps())
        .context("starting the thread that measures GPUs failed")?;
    Ok((engine, remote))
}

/// Starts the ring thread.
pub(super) fn start(engine: Engine) -> anyhow::Result<JoinHandle<std::io::Result<Core>>> {
    std::thread::Builder::new()
        .name("rings".to_owned())
        .spawn(move || {
            favour();
            engine.run()
        })
        .context("starting the ring thread failed")
}

/// Asks the scheduler to run this thread before ordinary ones: an agent that keeps every processor busy must
/// not delay its own alerts. On Linux, 0 names the calling thread alone.
fn favour() {
    if let Err(error) = rustix::process::setpriority_process(None, -10) {
        tracing::debug!(%error, "the ring thread keeps its ordinary priority");
    }
}

/// Waits for the ring thread to have drained, and completes what it held.
pub(super) fn finish(thread: JoinHandle<std::io::Result<Core>>) -> anyhow::Result<()> {
    let core = thread.join().map_err(|_| anyhow::anyhow!("the ring thread panicked"))?;
    core.context("reading the rings failed")?.finish().context("completing the recording failed")
}

/// The runtime of the rim.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime failed")
}
