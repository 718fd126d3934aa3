//! Secrets of sinks: in the configuration, in a file or in the environment, and never in what is printed.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};

use super::Problem;

/// Most bytes of a secret in a file.
const MOST: u64 = 65_536;
/// What stands for a secret where it is shown.
const HIDDEN: &str = "(hidden)";

/// A secret and where it is kept: `"…"`, `{ file = "/etc/detector/secrets/x" }` or `{ env = "X" }`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Written")]
pub struct Secret(Written);

/// As the configuration writes it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a secret is text, { file = \"/PATH\" } or { env = \"NAME\" }")]
enum Written {
    Here(String),
    File(FromFile),
    Env(FromEnv),
}

#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct FromFile {
    file: PathBuf,
}

#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct FromEnv {
    env: String,
}

impl From<Written> for Secret {
    fn from(written: Written) -> Self {
        Self(written)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(Written::Here(text.to_owned()))
    }
}

impl Secret {
    /// The secret itself, without blanks around it.
    ///
    /// # Errors
    /// The file cannot be read or the variable is not set, or what is there is empty; the remedy is named, the
    /// secret never.
    pub fn read(&self) -> Result<String, String> {
        let text = match &self.0 {
            Written::Here(text) => text.clone(),
            Written::File(FromFile { file }) => {
                let size = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
                if size > MOST {
                    return Err(format!(
                        "{} has {size} bytes and is no secret; name another file",
                        file.display()
                    ));
                }
                std::fs::read_to_string(file).map_err(|error| {
                    format!(
                        "the secret in {} cannot be read: {error}; make the file and give it to root alone",
                        file.display()
                    )
                })?
            }
            Written::Env(FromEnv { env }) => std::env::var(env)
                .map_err(|_| format!("the environment has no {env}; set it where the detector is started"))?,
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(
                "the secret is empty; write it down, or name the file or variable that holds it".to_owned()
            );
        }
        Ok(text.to_owned())
    }

    /// As [`Secret::read`], for the check of a configuration.
    ///
    /// # Errors
    /// As there, under this key.
    pub fn check(&self, key: &'static str) -> Result<String, Problem> {
        self.read().map_err(|message| Problem::new(key, message))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Written::Here(_) => f.write_str(HIDDEN),
            Written::File(FromFile { file }) => write!(f, "in {}", file.display()),
            Written::Env(FromEnv { env }) => write!(f, "in ${env}"),
        }
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Written::Here(_) => serializer.serialize_str(HIDDEN),
            Written::File(FromFile { file }) => serializer.collect_map([("file", file)]),
            Written::Env(FromEnv { env }) => serializer.collect_map([("env", env)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, Serialize)]
    struct Table {
        token: Secret,
    }

    fn table(text: &str) -> Table {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_secret_is_read_from_where_it_is_kept_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "s3cret\n").unwrap();
        for text in ["token = \"s3cret\"".to_owned(), format!("token = {{ file = \"{}\" }}", path.display())]
        {
            let table = table(&text);
            assert_eq!(table.token.read().unwrap(), "s3cret");
            let shown = format!("{table:?} {}", toml::to_string(&table).unwrap());
            assert!(!shown.contains("s3cret"), "{shown}");
        }
        assert!(table("token = { env = \"PATH\" }").token.read().is_ok());
    }

    #[test]
    fn a_secret_that_is_not_there_names_the_place() {
        let error = table("token = { file = \"/nowhere/token\" }").token.read().unwrap_err();
        assert!(error.contains("/nowhere/token"), "{error}");
        let error = table("token = { env = \"DETECTOR_NO_SUCH\" }").token.read().unwrap_err();
        assert!(error.contains("DETECTOR_NO_SUCH"), "{error}");
        assert!(table("token = \" \"").token.read().is_err());
        assert!(toml::from_str::<Table>("token = { fil = \"x\" }").is_err());
    }
}
