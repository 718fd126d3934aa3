//! RandomX: memory that threads share, a virtual machine for each.

use anyhow::{Context as _, Result};
use randomx_rs::{RandomXCache, RandomXDataset, RandomXError, RandomXFlag, RandomXVM};

/// The cache, or the dataset that was computed from it.
pub(crate) struct Memory {
    flags: RandomXFlag,
    cache: RandomXCache,
    dataset: Option<RandomXDataset>,
    /// Whether the kernel gave huge pages for the larger of the two.
    pub(crate) is_huge: bool,
}

impl Memory {
    /// Computes it. Huge pages are asked for first where wanted; the kernel may have none.
    pub(crate) fn make(key: &[u8], is_full: bool, wants_huge: bool) -> Result<Self> {
        let flags = RandomXFlag::get_recommended_flags();
        let (cache, is_huge) = huge_first(wants_huge, |huge| RandomXCache::new(flags | huge, key))
            .context("cannot make the cache")?;
        if !is_full {
            return Ok(Self { flags, cache, dataset: None, is_huge });
        }
        let (dataset, is_huge) =
            huge_first(wants_huge, |huge| RandomXDataset::new(flags | huge, cache.clone(), 0))
                .context("cannot make the dataset")?;
        let flags = flags | RandomXFlag::FLAG_FULL_MEM;
        Ok(Self { flags, cache, dataset: Some(dataset), is_huge })
    }
}

/// Makes something with huge pages, or without; which of both.
fn huge_first<T>(
    wants_huge: bool,
    make: impl Fn(RandomXFlag) -> Result<T, RandomXError>,
) -> Result<(T, bool), RandomXError> {
    if wants_huge && let Ok(made) = make(RandomXFlag::FLAG_LARGE_PAGES) {
        return Ok((made, true));
    }
    Ok((make(RandomXFlag::FLAG_DEFAULT)?, false))
}

/// What a thread needs to make its machine.
pub(crate) struct Worker {
    flags: RandomXFlag,
    cache: RandomXCache,
    dataset: Option<RandomXDataset>,
}

// SAFETY: cache and dataset are written by those who make them only, before there is a worker; the library's
// machines only read them, from any thread. Their counts of references are atomic.
unsafe impl Send for Worker {}

impl Worker {
    pub(crate) fn new(memory: &Memory) -> Self {
        Self { flags: memory.flags, cache: memory.cache.clone(), dataset: memory.dataset.clone() }
    }

    /// The machine of the thread that calls: a scratchpad of 2 MiB and a page of machine code.
    pub(crate) fn machine(self) -> Result<RandomXVM> {
        let Self { flags, cache, dataset } = self;
        RandomXVM::new(flags, Some(cache), dataset).context("cannot make a machine")
    }
}
