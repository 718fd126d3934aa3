//! What outlives the process: alerts, incidents, what still has to be delivered, mutes, activity. One SQLite file.
//!
//! The command line opens the same file beside a running daemon; SQLite's write-ahead log keeps them apart.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use thiserror::Error;

pub mod activity;
pub mod alerts;
pub mod digest;
pub mod find;
pub mod fold;
pub mod instance;
pub mod mute;
pub mod outbox;
pub mod queue;
pub mod room;
pub mod spare;

/// Where the store is, unless the configuration or `DETECTOR_STORE` says otherwise.
pub const DEFAULT: &str = "/var/lib/detector/state.db";

/// How long one process waits for another that writes.
const BUSY: Duration = Duration::from_secs(10);

/// Bytes that the write-ahead log is cut back to. What it has is what deletions need on a full disk.
const JOURNAL: i64 = 16 << 20;

/// The tables of each room; all of them exist in every store.
const SCHEMA: &[&str] = &[
    alerts::SCHEMA,
    outbox::SCHEMA,
    mute::SCHEMA,
    instance::SCHEMA,
    queue::SCHEMA,
    activity::SCHEMA,
    digest::SCHEMA,
];

/// The version of [`SCHEMA`], in `PRAGMA user_version`.
const VERSION: i64 = 1;

/// A store that cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The directory cannot be made, or the file cannot be opened.
    #[error("cannot open the store {}; name another with --store FILE or [store] path", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The directory cannot be made.
    #[error("cannot make the directory of the store {}; name another with --store FILE or [store] path", path.display())]
    Directory {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It was written by another version.
    #[error("the store {} has format {found} and this program reads {VERSION}; move it away, or use the program that wrote it", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
    },
    /// SQLite says no.
    #[error("the store cannot be read or written")]
    Sql(#[from] rusqlite::Error),
    /// What is in it is not what was written.
    #[error("the store holds {what} that cannot be read")]
    Content {
        /// What.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

impl StoreError {
    /// Whether there is no room: the disk is full, or what the file may have.
    pub fn is_full(&self) -> bool {
        self.code() == Some(rusqlite::ErrorCode::DiskFull)
    }

    /// Whether the disk does not do what it is for: full, broken, or read-only.
    pub fn is_disk(&self) -> bool {
        use rusqlite::ErrorCode;
        matches!(
            self.code(),
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::DatabaseCorrupt
                    | ErrorCode::ReadOnly
            )
        )
    }

    fn code(&self) -> Option<rusqlite::ErrorCode> {
        match self {
            Self::Open { source, .. } | Self::Sql(source) => source.sqlite_error_code(),
            Self::Directory { .. } | Self::Version { .. } | Self::Content { .. } => None,
        }
    }
}

/// The store. Its methods are short and may be called from any thread; none of them is for the ring thread.
#[derive(Debug)]
pub struct Store {
    db: Mutex<Connection>,
    path: Option<PathBuf>,
}

impl Store {
    /// Opens the store, made with mode 0600 where it is not there; `:memory:` is one that ends with the process.
    ///
    /// # Errors
    /// It cannot be made or opened, or another version wrote it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if path == Path::new(":memory:") {
            return Self::in_memory();
        }
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .map_err(|source| StoreError::Directory { path: path.into(), source })?;
        }
        private(path);
        let failed = |source| StoreError::Open { path: path.into(), source };
        let db = Connection::open(path).map_err(failed)?;
        db.busy_timeout(BUSY).map_err(failed)?;
        // A crash of the program loses nothing; a power failure may lose the last moments, not the file.
        db.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        db.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
        db.pragma_update(None, "journal_size_limit", JOURNAL).map_err(failed)?;
        Self::with(db, Some(path.into()))
    }

    /// A store that ends with the process.
    ///
    /// # Errors
    /// SQLite has no memory.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::with(Connection::open_in_memory()?, None)
    }

    fn with(db: Connection, path: Option<PathBuf>) -> Result<Self, StoreError> {
        db.set_prepared_statement_cache_capacity(64);
        let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match found {
            0 => {
                let all = SCHEMA.concat();
                db.execute_batch(&format!(
                    "BEGIN IMMEDIATE; {all} PRAGMA user_version = {VERSION}; COMMIT;"
                ))?;
            }
            VERSION => {}
            found => return Err(StoreError::Version { path: path.unwrap_or_default(), found }),
        }
        Ok(Self { db: Mutex::new(db), path })
    }

    /// The file; `None` for one in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the file for its owner alone; what goes wrong shows when it is opened.
fn private(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let _ = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path);
}

/// Milliseconds since the epoch.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
