//! What the operator wants: TOML, parsed once, unknown keys refused, errors with file, line and remedy.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;

use crate::agent::Pattern;
use crate::analysis::ExpectedDaemon;
use crate::canary::state::{self, State};
use crate::canary::{Canary, Kind};
use crate::digest::schedule::Schedule;
use crate::kernel::hook::Tier;
use crate::kernel::sensor::LEAST_RING;
use crate::sinks::http::{Http, HttpConfig};
use crate::store::room::Limits;

mod digest;
pub mod quiet;
pub mod sinks;
mod store;
mod tasks;
mod telemetry;

pub use digest::DigestConfig;
pub use sinks::SinkConfig;
pub use store::StoreConfig;
pub use tasks::TasksConfig;
pub use telemetry::{CpuConfig, GpuConfig, TelemetryConfig};

/// The whole configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `observe` (the default) reports; `enforce` is refused until responses exist.
    pub mode: Mode,
    /// Where `detector canary plant` writes down what it planted; `/var/lib/detector/canaries.toml` where not given.
    pub canary_file: Option<PathBuf>,
    /// Agents to watch.
    #[serde(rename = "agent")]
    pub agents: Vec<AgentConfig>,
    /// Decoys that nobody may open, beside those in `canary_file`.
    #[serde(rename = "canary")]
    pub canaries: Vec<CanaryConfig>,
    /// Rules beside the built-in ones.
    pub rules: RulesConfig,
    /// The kernel half.
    pub kernel: KernelConfig,
    /// What agents may leave running.
    pub daemons: DaemonsConfig,
    /// What is measured.
    pub telemetry: TelemetryConfig,
    /// Where tasks and tool calls come from.
    pub tasks: TasksConfig,
    /// Where alerts are kept.
    pub store: StoreConfig,
    /// How sinks that speak HTTP reach the network.
    pub http: HttpConfig,
    /// When people are told what agents did.
    pub digest: DigestConfig,
}

/// Whether anything may be touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Report only.
    #[default]
    Observe,
}

/// One kind of agent: exactly one of `cgroup` and `systemd_unit`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// What alerts call it.
    pub name: Spanned<String>,
    /// Glob over control group paths below the cgroup2 mount: `/agents/coder-*`.
    pub cgroup: Option<Spanned<String>>,
    /// Glob over systemd unit names: `openclaw@*.service`.
    pub systemd_unit: Option<Spanned<String>>,
}

/// One decoy: any open of it by an agent is an alert.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryConfig {
    /// What alerts call it.
    pub name: Spanned<String>,
    /// The file, as the host sees it: `/root/.aws/credentials.bak`.
    pub path: Spanned<PathBuf>,
    /// What it pretends to be: aws, ssh, wallet, env, kubeconfig, gcloud or file (the default).
    #[serde(default)]
    pub kind: Kind,
    /// Strings of it that stand nowhere else, at least 12 characters each; those that `plant` made need not be named.
    #[serde(default)]
    pub tokens: Vec<Spanned<String>>,
}

/// Where rules come from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RulesConfig {
    /// Files and directories of Sigma rules.
    pub paths: Vec<PathBuf>,
    /// Whether the built-in rules count.
    pub builtin: bool,
}

impl Default for RulesConfig {
    fn default() -> Self {
        Self { paths: Vec::new(), builtin: true }
    }
}

/// The kernel half.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KernelConfig {
    /// Bytes of each of the two rings, a power of two: `"4MiB"`.
    pub ring_size: Option<Spanned<String>>,
    /// Write the probes' own diagnostics to the log at DEBUG.
    pub probe_log: bool,
    /// How file events are come by: `auto` (the default) takes the best that works, event by event. Another is an
    /// error where it is not possible.
    pub tier: Option<TierConfig>,
}

/// How file events are come by; `detector doctor` says what works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TierConfig {
    /// The best that works.
    Auto,
    /// The BPF LSM.
    Lsm,
    /// Entries of kernel functions.
    Fentry,
    /// Kprobes.
    Kprobe,
    /// Exits of syscalls.
    Syscall,
}

impl TierConfig {
    /// The tier that is asked for; `None` for the best that works.
    pub fn tier(self) -> Option<Tier> {
        match self {
            Self::Auto => None,
            Self::Lsm => Some(Tier::Lsm),
            Self::Fentry => Some(Tier::Fentry),
            Self::Kprobe => Some(Tier::Kprobe),
            Self::Syscall => Some(Tier::Syscall),
        }
    }

    /// As the configuration writes it.
    pub fn named(name: &str) -> Option<Self> {
        Self::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(name)).ok()
    }
}

/// What agents may leave running.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DaemonsConfig {
    /// Daemons that are expected beside the known helpers: a glob over the whole path of the executable or
    /// script, then words that stand in its arguments: `"/usr/bin/postgres"`, `"/usr/bin/python3* http.server"`.
    pub expected: Vec<Spanned<String>>,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}; name a readable file with --config FILE")]
    Read {
        /// File.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// The file says something that has no meaning.
    #[error("{place}: {message}")]
    Invalid {
        /// Where.
        place: Place,
        /// What, and the remedy.
        message: String,
    },
}

/// File, line and column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// File.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}

/// A configuration that was checked, with what was parsed out of it.
#[derive(Clone, Debug)]
pub struct Checked {
    /// As written.
    pub config: Config,
    /// Its agents.
    pub patterns: Vec<Pattern>,
    /// Bytes of each ring.
    pub ring_size: Option<u32>,
    /// Canaries, those that were planted included.
    pub canaries: Vec<Canary>,
    /// Daemons that are expected, each one checked.
    pub daemons: Vec<String>,
    /// Where alerts go; standard output where nothing is named.
    pub sinks: Vec<SinkConfig>,
    /// The client of those that speak HTTP.
    pub http: Http,
    /// The digest that is sent by itself.
    pub digest: Option<Schedule>,
    /// What the store may take.
    pub limits: Limits,
    /// Where it was read from; need not be a file.
    pub path: PathBuf,
}

impl Checked {
    /// Files and directories that the detector goes by and writes to: whoever changes them blinds it.
    pub fn files(&self) -> Vec<PathBuf> {
        let alerts = self.sinks.iter().flat_map(|sink| sink.kind.files());
        let rules = self.config.rules.paths.iter().cloned();
        std::iter::once(self.path.clone()).chain(alerts).chain(rules).collect()
    }
}

/// Reads and checks a configuration file.
///
/// # Errors
/// Unreadable, no TOML, an unknown key, a malformed glob or size.
pub fn load(path: &Path) -> Result<Checked, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
    let mut checked = parse(&text, path)?;
    planted(&mut checked)?;
    Ok(checked)
}

/// The configuration where none is named: what was planted still alarms.
///
/// # Errors
/// The file of planted canaries cannot be read or has no meaning.
pub fn default() -> Result<Checked, ConfigError> {
    let mut checked = parse("", Path::new("(default)"))?;
    planted(&mut checked)?;
    Ok(checked)
}

impl Config {
    /// Where planted canaries are written down.
    pub fn canary_file(&self) -> &Path {
        self.canary_file.as_deref().unwrap_or(Path::new(state::DEFAULT))
    }
}

/// Reads the file of planted canaries; one that is not there names none.
///
/// # Errors
/// It cannot be read or has no meaning.
pub fn state(path: &Path) -> Result<State, ConfigError> {
    let text = state::text(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
    toml::from_str(&text).map_err(|error| ConfigError::Invalid {
        place: place(&text, path, error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    })
}

/// Adds what was planted to what is configured; the same file twice is one canary.
fn planted(checked: &mut Checked) -> Result<(), ConfigError> {
    let path = checked.config.canary_file();
    if checked.config.canary_file.is_none() && !path.is_file() {
        return Ok(());
    }
    for planted in &state(path)?.canary {
        let canary = Canary::from(planted);
        match checked.canaries.iter_mut().find(|known| known.path == canary.path) {
            Some(known) => known.tokens.extend(canary.tokens),
            None => checked.canaries.push(canary),
        }
    }
    Ok(())
}

/// The canaries of a configuration, checked. `invalid` makes an error of a place in the text and a message.
fn canaries(
    config: &Config,
    invalid: impl Fn(usize, String) -> ConfigError,
) -> Result<Vec<Canary>, ConfigError> {
    let mut canaries: Vec<Canary> = Vec::new();
    for CanaryConfig { name, path, kind, tokens } in &config.canaries {
        let said = |at: usize, what: &str| Err(invalid(at, what.to_owned()));
        if name.get_ref().trim().is_empty() {
            return said(name.span().start, "a [[canary]] needs a name; write e.g. \"backup-key\"");
        }
        if canaries.iter().any(|known| known.name == *name.get_ref()) {
            return said(name.span().start, "another [[canary]] has this name; give each its own");
        }
        if !path.get_ref().is_absolute() {
            let message =
                "the path of a [[canary]] begins with a slash; write e.g. \"/root/.aws/credentials.bak\"";
            return said(path.span().start, message);
        }
        if let Some(token) = tokens.iter().find(|token| !(12..=256).contains(&token.get_ref().len())) {
            let message = "a token has 12 to 256 characters: a shorter one stands in other files, too";
            return said(token.span().start, message);
        }
        canaries.push(Canary {
            name: name.get_ref().clone(),
            path: path.get_ref().clone(),
            kind: *kind,
            tokens: tokens.iter().map(|token| token.get_ref().clone()).collect(),
        });
    }
    Ok(canaries)
}

/// Checks the text of a configuration; `path` is for messages.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str, path: &Path) -> Result<Checked, ConfigError> {
    let invalid = |at: usize, message: String| ConfigError::Invalid { place: place(text, path, at), message };
    let wrong = |error: toml::de::Error| {
        invalid(error.span().map_or(0, |span| span.start), error.message().to_owned())
    };
    let mut document = DeTable::parse(text).map_err(wrong)?;
    let sinks = match document.get_mut().remove("sinks") {
        Some(sinks) => sinks::read(sinks).map_err(|(at, message)| invalid(at, message))?,
        None => Vec::new(),
    };
    let config = Config::deserialize(toml::de::Deserializer::from(document)).map_err(wrong)?;
    let http = Http::new(&config.http).map_err(|(at, message)| invalid(at, message))?;
    let digest = config.digest.schedule(&sinks).map_err(|(at, message)| invalid(at, message))?;
    let limits = config.store.limits().map_err(|(at, message)| invalid(at, message))?;
    let mut patterns = Vec::new();
    for agent in &config.agents {
        let (at, key, glob) = match (&agent.cgroup, &agent.systemd_unit) {
            (Some(glob), None) => (glob.span().start, "cgroup", glob.get_ref().clone()),
            (None, Some(unit)) => (unit.span().start, "systemd_unit", format!("**/{}", unit.get_ref())),
            (None, None) | (Some(_), Some(_)) => {
                let message = "an [[agent]] needs exactly one of `cgroup` and `systemd_unit`";
                return Err(invalid(agent.name.span().start, message.to_owned()));
            }
        };
        if glob.trim_matches('/').is_empty() {
            let message = "this would watch the whole machine; name the control groups of the agents, e.g. \"/agents/*\"";
            return Err(invalid(at, message.to_owned()));
        }
        let pattern = Pattern::new(agent.name.get_ref(), &glob).map_err(|error| {
            invalid(at, format!("{key} is no valid glob: {}; write e.g. \"/agents/coder-*\"", error.kind()))
        })?;
        patterns.push(pattern);
    }
    let ring_size = match &config.kernel.ring_size {
        None => None,
        Some(size) => {
            let invalid = |what: &str| invalid(size.span().start, format!("{what}; write e.g. \"4MiB\""));
            let bytes = bytes(size.get_ref()).ok_or_else(|| invalid("ring_size is no size"))?;
            if !bytes.is_power_of_two() {
                return Err(invalid("ring_size is no power of two"));
            }
            if bytes < LEAST_RING {
                return Err(invalid(&format!("ring_size is less than {} KiB", LEAST_RING >> 10)));
            }
            Some(bytes)
        }
    };
    let mut daemons = Vec::new();
    for entry in &config.daemons.expected {
        ExpectedDaemon::parse(entry.get_ref()).map_err(|message| invalid(entry.span().start, message))?;
        daemons.push(entry.get_ref().clone());
    }
    let canaries = canaries(&config, invalid)?;
    Ok(Checked {
        config,
        patterns,
        ring_size,
        daemons,
        canaries,
        sinks,
        http,
        digest,
        limits,
        path: path.to_path_buf(),
    })
}

/// A size such as `4MiB`, `64KiB` or `65536`, in bytes.
pub(crate) fn bytes(text: &str) -> Option<u32> {
    let text = text.trim();
    let (number, unit) = if let Some(number) = text.strip_suffix("MiB") {
        (number, 1 << 20)
    } else if let Some(number) = text.strip_suffix("KiB") {
        (number, 1 << 10)
    } else {
        (text, 1)
    };
    number.trim().parse::<u32>().ok()?.checked_mul(unit)
}

fn place(text: &str, path: &Path, at: usize) -> Place {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
    Place { path: path.into(), line, column }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(text, Path::new("d.toml")).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_key_names_its_line_and_the_known_ones() {
        let message = error("mode = \"observe\"\n\n[[agent]]\nname = \"a\"\ncgruop = \"/a\"\n");
        assert!(message.starts_with("d.toml:5:1: unknown field `cgruop`"), "{message}");
        assert!(message.contains("`cgroup`"), "{message}");
    }

    #[test]
    fn a_bad_glob_names_its_place_and_the_remedy() {
        let message = error("[[agent]]\nname = \"a\"\ncgroup = \"/agents/[x\"\n");
        assert!(message.starts_with("d.toml:3:10: cgroup is no valid glob"), "{message}");
    }

    #[test]
    fn the_root_is_no_agent() {
        assert!(error("[[agent]]\nname = \"a\"\ncgroup = \"/\"\n").contains("whole machine"));
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("4MiB"), Some(4 << 20));
        assert_eq!(bytes("64 KiB"), Some(64 << 10));
        assert_eq!(bytes("65536"), Some(65536));
        assert_eq!(bytes("4 parsecs"), None);
        assert_eq!(bytes("99999MiB"), None);
    }

    #[test]
    fn a_ring_that_the_kernel_refuses_names_its_line() {
        for (size, what) in [("100", "no power of two"), ("4KiB", "less than 64 KiB"), ("many", "no size")] {
            let message = error(&format!("[kernel]\nring_size = \"{size}\"\n"));
            assert!(message.starts_with("d.toml:2:13: ring_size is"), "{message}");
            assert!(message.contains(what), "{message}");
        }
    }

    #[test]
    fn a_tier_is_one_of_those_that_there_are() {
        let checked = parse("[kernel]\ntier = \"fentry\"\n", Path::new("d.toml")).unwrap();
        assert_eq!(checked.config.kernel.tier.and_then(TierConfig::tier), Some(Tier::Fentry));
        assert!(error("[kernel]\ntier = \"best\"\n").contains("`auto`"));
        assert_eq!(TierConfig::named("lsm"), Some(TierConfig::Lsm));
        assert_eq!(TierConfig::named("LSM"), None);
    }

    #[test]
    fn a_daemon_that_is_no_path_names_its_place_and_the_remedy() {
        let message = error("[daemons]\nexpected = [\"/usr/bin/vite\", \"postgres\"]\n");
        assert!(message.starts_with("d.toml:2:30: postgres is no path; write the whole path"), "{message}");
        let message = error("[daemons]\nexpect = []\n");
        assert!(message.starts_with("d.toml:2:1: unknown field `expect`"), "{message}");
        let checked = parse("[daemons]\nexpected = [\"/usr/bin/x -d\"]\n", Path::new("d.toml")).unwrap();
        assert_eq!(checked.daemons, ["/usr/bin/x -d"]);
    }

    #[test]
    fn a_wrong_canary_names_its_place_and_the_remedy() {
        let entry = |rest: &str| error(&format!("[[canary]]\nname = \"a\"\n{rest}\n"));
        for (rest, at, what) in [
            ("path = \"x\"", "3:8", "begins with a slash"),
            ("path = \"/x\"\nkind = \"awz\"", "4:8", "unknown variant `awz`, expected one of `aws`"),
            ("path = \"/x\"\ntokens = [\"short\"]", "4:11", "12 to 256 characters"),
            ("path = \"/x\"\ncolour = 1", "4:1", "unknown field `colour`"),
            (
                "path = \"/x\"\n[[canary]]\nname = \"a\"\npath = \"/y\"",
                "5:8",
                "another [[canary]] has this name",
            ),
        ] {
            let message = entry(rest);
            assert!(message.starts_with(&format!("d.toml:{at}: ")) && message.contains(what), "{message}");
        }
    }

    #[test]
    fn planted_canaries_join_the_configured_ones() {
        let place = tempfile::tempdir().unwrap();
        let (path, planted) = (place.path().join("d.toml"), place.path().join("canaries.toml"));
        let config = |more: &str| format!("canary_file = \"{}\"\n{more}", planted.display());
        std::fs::write(&path, config("[[canary]]\nname = \"a\"\npath = \"/a\"\n")).unwrap();
        assert_eq!(load(&path).unwrap().canaries.len(), 1);
        let entry = "[[canary]]\nname = \"b\"\npath = \"/b\"\nkind = \"ssh\"\ntokens = []\nsha256 = \"\"\nplanted = \"\"\ndated = 0\n";
        std::fs::write(&planted, entry).unwrap();
        let names: Vec<String> =
            load(&path).unwrap().canaries.into_iter().map(|canary| canary.name).collect();
        assert_eq!(names, ["a", "b"]);
        std::fs::write(&planted, "[[canary]]\nnome = 1\n").unwrap();
        assert!(load(&path).unwrap_err().to_string().contains("canaries.toml:2:1: unknown field `nome`"));
    }

    #[test]
    fn an_empty_configuration_is_valid() {
        let checked = parse("", Path::new("d.toml")).unwrap();
        assert!(checked.patterns.is_empty());
        assert!(checked.config.rules.builtin);
    }
}
