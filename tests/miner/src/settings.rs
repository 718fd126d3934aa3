//! What it is told to do: a file of lines, a word and its value each.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// Where hashing takes its data from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// The cache of 256 MiB.
    Light,
    /// The dataset of 2 GiB, which takes minutes to compute.
    Full,
    /// Light, and beside it a buffer for the dataset as xmrig asks for one.
    Xmrig,
}

/// All settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// `threads N`: 1 where not said; `all` are as many as there are processors.
    pub(crate) threads: u32,
    /// `memory light|full|xmrig`.
    pub(crate) memory: Memory,
    /// `huge yes`: huge pages are asked for first.
    pub(crate) huge: bool,
    /// `share N`: percent of the time that each thread hashes.
    pub(crate) share: u32,
    /// `seconds N`: from the first job on.
    pub(crate) seconds: Duration,
    /// `pool ADDRESS`: where it logs in; nowhere where not said.
    pub(crate) pool: Option<SocketAddr>,
    /// `tls yes`: in TLS, whatever certificate it gets, as miners do.
    pub(crate) tls: bool,
}

impl Settings {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut settings = Self {
            threads: 1,
            memory: Memory::Light,
            huge: false,
            share: 100,
            seconds: Duration::from_secs(60),
            pool: None,
            tls: false,
        };
        for line in text.lines() {
            settings.set(line).with_context(|| format!("in `{line}`"))?;
        }
        Ok(settings)
    }

    fn set(&mut self, line: &str) -> Result<()> {
        let (word, value) = line.split_once(' ').context("a line is a word and its value")?;
        match word {
            "threads" if value == "all" => {
                self.threads = std::thread::available_parallelism()?.get().try_into()?;
            }
            "threads" => self.threads = value.parse()?,
            "memory" => {
                self.memory = match value {
                    "light" => Memory::Light,
                    "full" => Memory::Full,
                    "xmrig" => Memory::Xmrig,
                    _ => bail!("light, full or xmrig"),
                };
            }
            "huge" => self.huge = value == "yes",
            "share" => {
                self.share = value.parse()?;
                if !(1..=100).contains(&self.share) {
                    bail!("between 1 and 100 percent");
                }
            }
            "seconds" => self.seconds = Duration::from_secs(value.parse()?),
            "pool" => self.pool = Some(value.parse()?),
            "tls" => self.tls = value == "yes",
            _ => bail!("no such word"),
        }
        Ok(())
    }
}
