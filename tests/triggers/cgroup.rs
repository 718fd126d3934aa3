//! Moves itself to another control group.

use std::fs;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::Words;
use crate::report::{path, text};

/// Enters the control group at a directory of the cgroup2 mount.
pub(crate) fn enter(words: Words<'_>) -> Result<Value> {
    let directory = path(words, 0)?;
    fs::write(directory.join("cgroup.procs"), "0")
        .with_context(|| format!("cannot enter {}", directory.display()))?;
    Ok(json!({ "cgroup": text(directory.as_os_str()) }))
}
