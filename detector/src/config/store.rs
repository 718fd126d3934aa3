//! `[store]`: where alerts are kept, how many and how long.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::store::room::Limits;

/// Least bytes of a store.
const LEAST: u64 = 1 << 20;

/// Where alerts are kept.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// The file; `/var/lib/detector/state.db` where none is named, or what `DETECTOR_STORE` or `--store` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Most bytes that it takes: `"512MiB"` where not given. What is more goes, the oldest informational and low alerts
    /// first, and people are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size: Option<Spanned<String>>,
    /// How long alerts are kept; `"30d"` where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Spanned<String>>,
}

impl StoreConfig {
    /// What the store may take.
    ///
    /// # Errors
    /// Where in the configuration something is wrong, and what.
    pub fn limits(&self) -> Result<Limits, (usize, String)> {
        let mut limits = Limits::default();
        if let Some(size) = &self.max_size {
            let wrong = |what: &str| (size.span().start, format!("max_size {what}; write e.g. \"512MiB\""));
            limits.size = bytes(size.get_ref()).ok_or_else(|| wrong("is no size"))?;
            if limits.size < LEAST {
                return Err(wrong("is less than 1 MiB"));
            }
        }
        if let Some(keep) = &self.keep {
            let wrong = |what: &str| (keep.span().start, format!("keep {what}; write e.g. \"30d\""));
            limits.keep =
                humantime::parse_duration(keep.get_ref()).map_err(|_| wrong("is no length of time"))?;
            if limits.keep < Duration::from_secs(60) {
                return Err(wrong("is less than a minute"));
            }
        }
        Ok(limits)
    }
}

/// A size such as `512MiB`, in bytes.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        .into_iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, unit)))
        .unwrap_or((text, 1));
    number.trim().parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    fn error(text: &str) -> String {
        parse(text, std::path::Path::new("d.toml")).unwrap_err().to_string()
    }

    #[test]
    fn limits_have_units_and_what_has_no_meaning_names_its_line() {
        let text = "[store]\nmax_size = \"2GiB\"\nkeep = \"7d\"\n";
        let limits = parse(text, std::path::Path::new("d.toml")).unwrap().limits;
        assert_eq!((limits.size, limits.keep.as_secs()), (2 << 30, 7 * 86_400));
        for (text, what) in [
            ("max_size = \"much\"", "max_size is no size"),
            ("max_size = \"64KiB\"", "less than 1 MiB"),
            ("keep = \"long\"", "keep is no length of time"),
            ("keep = \"1s\"", "less than a minute"),
        ] {
            let message = error(&format!("[store]\n{text}\n"));
            assert!(message.starts_with("d.toml:2:") && message.contains(what), "{message}");
        }
    }
}
