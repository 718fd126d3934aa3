//! `detector canary plant`: writes a decoy where nothing stands yet.

use std::fs::{self, DirBuilder, File, FileTimes, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use serde_json::json;

use super::super::BadArgument;
use super::{Source, proposals};
use crate::canary::decoy::{self, Random};
use crate::canary::state::{self, Planted, sha256};
use crate::canary::{Kind, token};
use crate::kernel::clock;

/// Days that a decoy says it was not touched for.
const AGE_DAYS: u64 = 217;
const DAY: u64 = 86_400;

/// Write a decoy that looks real, opens nothing and is unlike any other
///
/// It never replaces a file. The decoy has mode 0600 and old times; what was planted is written down (see
/// --state), so that the detector watches it from its next start or reload on, and its [[canary]] entry is
/// printed. Plant it where an agent has no business: outside of its workspace, and outside of what is searched,
/// indexed, archived or copied into images as a whole.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub(super) struct Args {
    /// What it pretends to be
    #[arg(long)]
    kind: Kind,
    /// Where to plant it; below the home directory, as listed here, where not given
    #[arg(long, value_name = "FILE")]
    path: Option<PathBuf>,
    /// What alerts call it; the kind and a number where not given
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    source: Source,
    /// As JSON
    #[arg(long)]
    json: bool,
}

fn after_help() -> String {
    format!(
        "Where each kind is planted when --path is not given:\n{}\n\nA wallet under another name than wallet.dat \
         is an Ethereum keystore.",
        proposals()
    )
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Args { kind, path, name, source, json } = args;
    let path = match path {
        Some(path) => std::path::absolute(path).context("the path cannot be made absolute")?,
        None => home()?.join(kind.proposal()),
    };
    let record = source.state_path()?;
    let mut written = crate::config::state(&record)?;
    let name = match name {
        Some(name) if written.canary.iter().any(|known| known.name == *name) => {
            let message = format!("a canary called {name} was planted before; give another --name");
            return Err(BadArgument(message).into());
        }
        Some(name) => name.clone(),
        None => free_name(*kind, &written.canary),
    };
    let content = decoy::content(*kind, &path, &mut Random::open()?).context("no random bytes")?;
    let old = SystemTime::now() - Duration::from_secs(AGE_DAYS * DAY);
    let dated = old.duration_since(SystemTime::UNIX_EPOCH).context("the clock stands before 1970")?.as_secs();
    write(&path, &content, old)?;
    let planted = Planted {
        name,
        path: path.clone(),
        kind: *kind,
        tokens: token::find(&content),
        sha256: sha256(&content),
        planted: clock::now().rfc3339(),
        dated: i64::try_from(dated)?,
    };
    written.canary.push(planted.clone());
    if let Err(error) = state::write(&record, &written) {
        // A decoy that nobody knows of is worse than none.
        let _ = fs::remove_file(&path);
        return Err(error).with_context(|| {
            format!("writing {} failed, nothing is planted; name another file with --state", record.display())
        });
    }
    say(&planted, &record, *json)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the decoy, if nothing has its name.
fn write(path: &Path, content: &[u8], old: SystemTime) -> anyhow::Result<()> {
    if let Some(directory) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .with_context(|| format!("making {} failed", directory.display()))?;
    }
    let open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file: File = match open {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let message = format!(
                "{} exists, and a canary never replaces a file; give another --path, or name this file in a \
                 [[canary]] of the configuration to watch it as it is",
                path.display()
            );
            return Err(BadArgument(message).into());
        }
        open => open.with_context(|| format!("making {} failed", path.display()))?,
    };
    file.write_all(content)
        .and_then(|()| file.set_times(FileTimes::new().set_accessed(old).set_modified(old)))
        .with_context(|| format!("writing {} failed", path.display()))
}

fn home() -> anyhow::Result<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    home.ok_or_else(|| BadArgument("HOME names no directory; say where with --path FILE".to_owned()).into())
}

/// `aws-1`, or the next number that is free.
fn free_name(kind: Kind, known: &[Planted]) -> String {
    let name = |number: usize| format!("{}-{number}", kind.name());
    let is_free = |candidate: &String| known.iter().all(|planted| planted.name != *candidate);
    (1..=known.len()).map(name).find(is_free).unwrap_or_else(|| name(known.len() + 1))
}

fn say(planted: &Planted, record: &Path, json: bool) -> anyhow::Result<()> {
    let Planted { name, path, kind, tokens, .. } = planted;
    let mut out = io::stdout();
    if json {
        let said =
            json!({ "name": name, "path": path, "kind": kind, "tokens": tokens, "recorded_in": record });
        writeln!(out, "{said}")?;
        return Ok(());
    }
    let quoted = |text: &str| toml::Value::from(text).to_string();
    writeln!(
        out,
        "[[canary]]\nname = {}\npath = {}\nkind = {}",
        quoted(name),
        quoted(&path.to_string_lossy()),
        quoted(kind.name())
    )?;
    eprintln!(
        "detector: planted, and written down in {}; a running detector takes it up at its next reload (SIGHUP)",
        record.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_given_in_turn() {
        let planted = |name: &str| Planted {
            name: name.into(),
            path: "/x".into(),
            kind: Kind::Aws,
            tokens: vec![],
            sha256: String::new(),
            planted: String::new(),
            dated: 0,
        };
        assert_eq!(free_name(Kind::Aws, &[]), "aws-1");
        assert_eq!(free_name(Kind::Aws, &[planted("aws-1"), planted("aws-2")]), "aws-3");
        assert_eq!(free_name(Kind::Aws, &[planted("aws-2"), planted("x")]), "aws-1");
    }
}
