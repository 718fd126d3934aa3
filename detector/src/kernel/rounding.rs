//! The counts of rounding modes: of whom they are taken, and what they came to.

use std::collections::BTreeSet;

use aya::maps::{HashMap as EbpfHashMap, MapData, MapError};

use super::KernelError;
use super::program::Link;

/// How a process rounded, each time that one of its threads left its processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rounded {
    /// Times that were looked at.
    pub looked: u32,
    /// Those with another mode than to nearest.
    pub other: u32,
}

/// Whom the kernel half counts.
pub(super) struct Rounding {
    counts: EbpfHashMap<MapData, u32, u64>,
    /// What counts; none while nobody is counted.
    pub(super) links: Vec<Link>,
}

impl Rounding {
    pub(super) fn new(counts: EbpfHashMap<MapData, u32, u64>) -> Self {
        Self { counts, links: Vec::new() }
    }

    /// Counts these and no others.
    pub(super) fn count(&mut self, pids: &BTreeSet<u32>) -> Result<(), KernelError> {
        let refused = |source| KernelError::Map { name: "ROUNDING", source: Box::new(source) };
        let counted: BTreeSet<u32> = self.counts.keys().collect::<Result<_, _>>().map_err(refused)?;
        for pid in counted.difference(pids) {
            match self.counts.remove(pid) {
                Ok(()) | Err(MapError::KeyNotFound) => {}
                Err(source) => return Err(refused(source)),
            }
        }
        for pid in pids.difference(&counted) {
            self.counts.insert(pid, 0, 0).map_err(refused)?;
        }
        Ok(())
    }

    /// What the counts of a process came to.
    pub(super) fn of(&self, pid: u32) -> Option<Rounded> {
        let [a, b, c, d, e, f, g, h] = self.counts.get(&pid, 0).ok()?.to_le_bytes();
        Some(Rounded { looked: u32::from_le_bytes([a, b, c, d]), other: u32::from_le_bytes([e, f, g, h]) })
    }
}
