//! What the operator wants: TOML, parsed once, unknown keys refused, errors with file, line and remedy.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::agent::Pattern;
use crate::alert::Level;
use crate::analysis::ExpectedDaemon;
use crate::kernel::hook::Tier;
use crate::kernel::sensor::LEAST_RING;

/// The whole configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `observe` (the default) reports; `enforce` is refused until responses exist.
    pub mode: Mode,
    /// Agents to watch.
    #[serde(rename = "agent")]
    pub agents: Vec<AgentConfig>,
    /// Rules beside the built-in ones.
    pub rules: RulesConfig,
    /// Where alerts go; standard output where nothing is named.
    pub sinks: SinksConfig,
    /// The kernel half.
    pub kernel: KernelConfig,
    /// What agents may leave running.
    pub daemons: DaemonsConfig,
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

/// Where alerts go.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SinksConfig {
    /// JSON lines on standard output.
    pub stdout: Option<StdoutConfig>,
    /// JSON lines in a file.
    pub file: Option<FileConfig>,
}

/// The standard output sink.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StdoutConfig {
    /// Least level that is written.
    pub min_level: Option<Level>,
}

/// The file sink.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// The file; made with mode 0600, opened again after a rotation.
    pub path: PathBuf,
    /// Least level that is written.
    pub min_level: Option<Level>,
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
    /// Daemons that are expected, each one checked.
    pub daemons: Vec<String>,
    /// Where it was read from; need not be a file.
    pub path: PathBuf,
}

impl Checked {
    /// Files and directories that the detector goes by and writes to: whoever changes them blinds it.
    pub fn files(&self) -> Vec<PathBuf> {
        let alerts = self.config.sinks.file.iter().map(|file| file.path.clone());
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
    parse(&text, path)
}

/// Checks the text of a configuration; `path` is for messages.
///
/// # Errors
/// As [`load`].
pub fn parse(text: &str, path: &Path) -> Result<Checked, ConfigError> {
    let invalid = |at: usize, message: String| ConfigError::Invalid { place: place(text, path, at), message };
    let config: Config = toml::from_str(text)
        .map_err(|error| invalid(error.span().map_or(0, |span| span.start), error.message().to_owned()))?;
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
    Ok(Checked { config, patterns, ring_size, daemons, path: path.to_path_buf() })
}

/// A size such as `4MiB`, `64KiB` or `65536`, in bytes.
fn bytes(text: &str) -> Option<u32> {
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
    fn an_empty_configuration_is_valid() {
        let checked = parse("", Path::new("d.toml")).unwrap();
        assert!(checked.patterns.is_empty());
        assert!(checked.config.rules.builtin);
    }
}
