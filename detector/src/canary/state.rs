//! What `detector canary plant` wrote down: one file of `[[canary]]` entries, with what check compares.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Canary, Kind};

/// Where planted canaries are written down, unless the configuration says `canary_file`.
pub const DEFAULT: &str = "/var/lib/detector/canaries.toml";

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Each planted canary, the oldest first.
    #[serde(default)]
    pub canary: Vec<Planted>,
}

/// A canary that was planted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planted {
    /// What alerts call it.
    pub name: String,
    /// Where it stands.
    pub path: PathBuf,
    /// What it pretends to be.
    pub kind: Kind,
    /// Its strings.
    pub tokens: Vec<String>,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
    /// When it was planted, RFC 3339.
    pub planted: String,
    /// Its times of change and access from then on: seconds since the Unix epoch.
    pub dated: i64,
}

impl From<&Planted> for Canary {
    fn from(planted: &Planted) -> Self {
        let Planted { name, path, kind, tokens, sha256: _, planted: _, dated: _ } = planted;
        Self { name: name.clone(), path: path.clone(), kind: *kind, tokens: tokens.clone() }
    }
}

/// Reads the text of the file; none, where there is no file.
///
/// # Errors
/// It is there and cannot be read.
pub fn text(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

/// Writes the file, whole or not at all; only its owner may read it.
///
/// # Errors
/// The directory cannot be made or written.
pub fn write(path: &Path, state: &State) -> io::Result<()> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let text = toml::to_string(state).map_err(io::Error::other)?;
    let fresh = path.with_extension("toml.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(b"# Written by `detector canary plant`.\n\n")?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("deep/canaries.toml");
        assert_eq!(text(&path).unwrap(), "");
        let planted = Planted {
            name: "a".into(),
            path: "/x".into(),
            kind: Kind::Aws,
            tokens: vec!["AKIA".into()],
            sha256: sha256(b""),
            planted: "2026-11-21T00:00:00Z".into(),
            dated: 7,
        };
        let state = State { canary: vec![planted.clone(), planted] };
        write(&path, &state).unwrap();
        assert_eq!(toml::from_str::<State>(&text(&path).unwrap()).unwrap(), state);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
