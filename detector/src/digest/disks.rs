//! How full the file systems are that agents work in. Part of the rim: it looks at the machine as it is now.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Share from which on a file system is named.
pub const FULL: f64 = 0.8;
/// Most directories that are looked at.
const MOST: usize = 1_024;
/// Most directories that are named of one file system.
const NAMED: usize = 8;

/// A file system that is nearly full.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Disk {
    /// Where it is mounted.
    pub mount: String,
    /// Bytes that it has.
    pub size: u64,
    /// Bytes that are used.
    pub used: u64,
    /// Share that is used, as df(1) counts: of what is not kept for root.
    pub share: f64,
    /// Directories of agents on it.
    pub workspaces: Vec<String>,
}

/// The file systems of these directories that are used by more than `share`, the fullest first. Directories that are
/// not there are passed over: an agent's may be in a container.
pub fn over(share: f64, places: &[PathBuf]) -> Vec<Disk> {
    let mut by_device: BTreeMap<u64, (PathBuf, Vec<String>)> = BTreeMap::new();
    for place in places.iter().take(MOST) {
        let Ok(found) = std::fs::metadata(place) else { continue };
        let (_, named) = by_device.entry(found.dev()).or_insert_with(|| (place.clone(), Vec::new()));
        let name = place.to_string_lossy().into_owned();
        if named.len() < NAMED && !named.contains(&name) {
            named.push(name);
        }
    }
    let mut out: Vec<Disk> =
        by_device.into_values().filter_map(|(place, named)| disk(&place, named)).collect();
    out.retain(|disk| disk.share > share);
    out.sort_by(|a, b| b.share.total_cmp(&a.share));
    out
}

/// The directories that patterns such as `/srv/agents/*` name now.
pub fn expand(patterns: &[String]) -> Vec<PathBuf> {
    let found = patterns.iter().filter_map(|pattern| glob::glob(pattern).ok()).flatten();
    found.filter_map(Result::ok).filter(|path| path.is_dir()).take(MOST).collect()
}

fn disk(place: &Path, workspaces: Vec<String>) -> Option<Disk> {
    let is = rustix::fs::statvfs(place).ok()?;
    let used = is.f_blocks.saturating_sub(is.f_bfree);
    let all = used.saturating_add(is.f_bavail);
    if all == 0 {
        return None;
    }
    Some(Disk {
        mount: mount(place),
        size: is.f_blocks.saturating_mul(is.f_frsize),
        used: used.saturating_mul(is.f_frsize),
        share: used as f64 / all as f64,
        workspaces,
    })
}

/// The topmost directory above a place that is on the same file system.
fn mount(place: &Path) -> String {
    let place = std::fs::canonicalize(place).unwrap_or_else(|_| place.to_path_buf());
    let device = |path: &Path| std::fs::metadata(path).ok().map(|found| found.dev());
    let own = device(&place);
    let on_it = place.ancestors().take_while(|above| device(above) == own);
    on_it.last().unwrap_or(&place).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_is_told_once_for_all_directories_on_it() {
        let place = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            std::fs::create_dir(place.path().join(name)).unwrap();
        }
        std::fs::write(place.path().join("c"), "no directory").unwrap();
        let pattern = format!("{}/*", place.path().display());
        let found = expand(&[pattern, "/nonexistent/*".to_owned(), "[".to_owned()]);
        assert_eq!(found.len(), 2);
        let mut all = found.clone();
        all.push("/nonexistent/a".into());
        let disks = over(-1.0, &all);
        assert_eq!(disks.len(), 1, "{disks:?}");
        let Disk { mount, size, used, share, workspaces } = &disks[0];
        assert!(place.path().starts_with(mount) && used <= size && (0.0..=1.0).contains(share), "{disks:?}");
        assert_eq!(workspaces.len(), 2);
        assert!(over(1.0, &found).is_empty());
    }
}
