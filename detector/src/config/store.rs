//! `[store]`: where alerts are kept, how many and how long.

use std::path::PathBuf;

use serde::Deserialize;

/// Where alerts are kept.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// The file; `/var/lib/detector/state.db` where none is named, or what `DETECTOR_STORE` says.
    pub path: Option<PathBuf>,
}
