//! Looking things up for people: a store that somebody else writes, ids by either end, incidents in a list.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use super::alerts::{level, number};
use super::{BUSY, Store, StoreError};
use crate::alert::Level;

/// Fewest characters of an id that name something.
pub const SHORTEST: usize = 4;

/// How many of the newest ids a mistyped one is compared with.
const NEAR: u32 = 2_000;

/// What an id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// An alert.
    Alert,
    /// An incident.
    Incident,
    /// A mute.
    Mute,
}

impl Thing {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Incident => "incident",
            Self::Mute => "mute",
        }
    }

    fn table(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Incident => "incident",
            Self::Mute => "mute",
        }
    }

    fn of(name: &str) -> Self {
        match name {
            "alert" => Self::Alert,
            "mute" => Self::Mute,
            _ => Self::Incident,
        }
    }
}

/// An incident in a list.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Listed {
    /// ULID.
    pub id: String,
    /// How often it has changed; from 1.
    pub revision: u64,
    /// Host name.
    pub host: String,
    /// Name of the agent.
    pub agent: Option<String>,
    /// The highest level of its alerts.
    pub level: Level,
    /// RFC 3339: the first alert.
    pub began: String,
    /// RFC 3339: the last one.
    pub last: String,
    /// Alerts.
    pub total: u64,
    /// Findings: repeats are counted.
    pub findings: u64,
    /// Title of its gravest alert.
    pub title: String,
    /// Who acknowledged it, and when (RFC 3339).
    pub acknowledged: Option<(String, String)>,
}

impl Store {
    /// Opens a store that is there, also for whoever may only read it; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be opened, or another version wrote it.
    pub fn existing(path: &Path) -> Result<Option<Self>, StoreError> {
        if !path.exists() {
            return Ok(None);
        }
        let failed = |source| StoreError::Open { path: path.into(), source };
        let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let ready = |db: Connection| -> rusqlite::Result<Connection> {
            db.busy_timeout(BUSY)?;
            db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            Ok(db)
        };
        let writable = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_WRITE);
        let read_only = || Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_READ_ONLY);
        // The file beside a log that nobody has open is whole; SQLite wants to make the log's index, and may not.
        let at_rest = || {
            let log = path.with_file_name(format!("{}-wal", path.file_name()?.to_str()?));
            let at_rest = log.metadata().map_or(true, |log| log.len() == 0);
            let text = percent(path.to_str()?);
            at_rest.then(|| {
                let uri = format!("file:{text}?immutable=1");
                Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_READ_ONLY)
            })
        };
        let db = match writable.and_then(ready).or_else(|_| read_only().and_then(ready)) {
            Ok(db) => db,
            Err(error) => match at_rest() {
                Some(db) => db.and_then(ready).map_err(failed)?,
                None => return Err(failed(error)),
            },
        };
        let written: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if written == 0 {
            return Ok(None);
        }
        Self::with(db, Some(path.into())).map(Some)
    }

    /// Everything whose id begins or ends so, the newest first, ten at most; only what is called exactly so, where
    /// there is that.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn named(&self, id: &str, things: &[Thing]) -> Result<Vec<(Thing, String)>, StoreError> {
        let id = id.trim().to_ascii_uppercase();
        if id.len() < SHORTEST || !id.chars().all(|letter| letter.is_ascii_alphanumeric()) {
            return Ok(Vec::new());
        }
        let parts: Vec<String> = things
            .iter()
            .map(|thing| {
                let name = thing.table();
                format!(
                    "SELECT '{name}' AS thing, id FROM {name}
                     WHERE substr(id, 1, length(?1)) = ?1 OR substr(id, -length(?1)) = ?1"
                )
            })
            .collect();
        let db = self.db();
        let mut statement =
            db.prepare(&format!("{} ORDER BY id DESC LIMIT 10", parts.join(" UNION ALL ")))?;
        let rows = statement
            .query_map([&id], |row| Ok((Thing::of(&row.get::<_, String>(0)?), row.get::<_, String>(1)?)))?;
        let found: Vec<(Thing, String)> = rows.collect::<Result<_, _>>()?;
        match found.iter().find(|(_, full)| *full == id) {
            Some(exact) => Ok(vec![exact.clone()]),
            None => Ok(found),
        }
    }

    /// The id that a mistyped one was likely meant to be: of the same length, or its end.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn nearest(&self, id: &str, things: &[Thing]) -> Result<Option<String>, StoreError> {
        let id = id.trim().to_ascii_uppercase();
        if id.len() < SHORTEST || id.len() > 64 || !id.is_ascii() {
            return Ok(None);
        }
        let parts: Vec<String> =
            things.iter().map(|thing| format!("SELECT id FROM {}", thing.table())).collect();
        let db = self.db();
        let mut statement =
            db.prepare(&format!("{} ORDER BY id DESC LIMIT {NEAR}", parts.join(" UNION ALL ")))?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        let mut best: Option<(usize, String)> = None;
        for full in rows {
            let full = full?;
            let start = full.get(..id.len().min(full.len())).unwrap_or(&full);
            let end = full.get(full.len().saturating_sub(id.len())..).unwrap_or(&full);
            let far = strsim::osa_distance(start, &id).min(strsim::osa_distance(end, &id));
            if far <= id.len() / 4 && best.as_ref().is_none_or(|(least, _)| far < *least) {
                best = Some((far, full));
            }
        }
        Ok(best.map(|(_, full)| full))
    }

    /// Incidents, the one that changed last at the end.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn incidents(
        &self,
        min_level: Option<Level>,
        agent: Option<&str>,
        since: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Listed>, StoreError> {
        let db = self.db();
        let mut statement = db.prepare(
            "SELECT * FROM (
                SELECT id, revision, host, agent, level, began, last, total, findings, acknowledged_by, acknowledged_at,
                    coalesce((SELECT title FROM alert WHERE alert.incident = incident.id
                              ORDER BY alert.level DESC, alert.seq LIMIT 1), '')
                FROM incident
                WHERE level >= ?1 AND (?2 IS NULL OR agent = ?2) AND (?3 IS NULL OR last >= ?3)
                ORDER BY last DESC LIMIT ?4)
             ORDER BY last, id",
        )?;
        let least = min_level.map_or(0, |level| level as i64);
        let rows = statement.query_map(params![least, agent, since, limit], |row| {
            let by: Option<String> = row.get(9)?;
            let at: Option<String> = row.get(10)?;
            Ok(Listed {
                id: row.get(0)?,
                revision: number(row.get(1)?),
                host: row.get(2)?,
                agent: row.get(3)?,
                level: level(row.get(4)?),
                began: row.get(5)?,
                last: row.get(6)?,
                total: number(row.get(7)?),
                findings: number(row.get(8)?),
                acknowledged: by.zip(at),
                title: row.get(11)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether an incident was acknowledged.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn is_acknowledged(&self, incident: &str) -> Result<bool, StoreError> {
        let db = self.db();
        let mut statement =
            db.prepare_cached("SELECT acknowledged_by IS NOT NULL FROM incident WHERE id = ?1")?;
        Ok(statement.query_row([incident], |row| row.get(0)).optional()?.unwrap_or(false))
    }

    /// A number that changes whenever somebody else has written to the store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        Ok(self.db().pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    /// How often each of the newest alerts has changed: number in the order of arrival, revision.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn revisions(&self, newest: u32) -> Result<Vec<(i64, u64)>, StoreError> {
        let db = self.db();
        let mut statement =
            db.prepare_cached("SELECT seq, revision FROM alert ORDER BY seq DESC LIMIT ?1")?;
        let rows = statement.query_map([newest], |row| Ok((row.get(0)?, number(row.get(1)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A rule by the title that alerts had from it, or by its id, where an alert was of it: id and title.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn rules_named(&self, key: &str) -> Result<Vec<(String, String)>, StoreError> {
        let db = self.db();
        let mut statement = db.prepare(
            "SELECT rule, max(title) FROM alert
             WHERE rule = lower(?1) OR lower(title) = lower(?1) OR (length(?1) > 3 AND instr(rule, lower(?1)) = 1)
             GROUP BY rule LIMIT 10",
        )?;
        let rows = statement.query_map([key], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// A path as part of a URI of SQLite.
fn percent(path: &str) -> String {
    path.replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::mute::Mute;

    fn store(ids: &[&str]) -> Store {
        let store = Store::in_memory().unwrap();
        for id in ids {
            store
                .mute(&Mute {
                    id: (*id).to_owned(),
                    rule: None,
                    agent: Some("coder".to_owned()),
                    exe: None,
                    until_ms: i64::MAX,
                    reason: "a test".to_owned(),
                    who: "us".to_owned(),
                    made_ms: 0,
                    hits: 0,
                })
                .unwrap();
        }
        store
    }

    #[test]
    fn an_id_is_known_by_either_end() {
        let store = store(&["01HF7YAT00QW5V9ZK8TD4M2C3R", "01HF7YAT00AAAAAAAAAAAAAAAA"]);
        let named = |id: &str| -> Vec<String> {
            store.named(id, &[Thing::Mute, Thing::Alert]).unwrap().into_iter().map(|(_, id)| id).collect()
        };
        assert_eq!(named("4m2c3r"), ["01HF7YAT00QW5V9ZK8TD4M2C3R"]);
        assert_eq!(named("01HF7YAT00A"), ["01HF7YAT00AAAAAAAAAAAAAAAA"]);
        assert_eq!(named("01HF7YAT").len(), 2);
        assert!(named("C3R").is_empty(), "too short to mean one");
        assert!(named("%%%%%%").is_empty());
        assert!(named("ZZZZZZ").is_empty());
    }

    #[test]
    fn a_slip_finds_what_was_meant() {
        let store = store(&["01HF7YAT00QW5V9ZK8TD4M2C3R"]);
        let near = |id| store.nearest(id, &[Thing::Mute]).unwrap();
        assert_eq!(near("4M2C4R").as_deref(), Some("01HF7YAT00QW5V9ZK8TD4M2C3R"));
        assert_eq!(near("01HF7YAT00QW5V9ZK8TD4M2C3").as_deref(), Some("01HF7YAT00QW5V9ZK8TD4M2C3R"));
        assert_eq!(near("ZZZZZZZZ"), None);
    }

    #[test]
    fn a_store_that_is_not_there_is_not_made() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("state.db");
        assert!(Store::existing(&path).unwrap().is_none());
        assert!(!path.exists());
        Store::open(&path).unwrap();
        assert!(Store::existing(&path).unwrap().is_some());
        std::fs::write(&path, "no database, but long enough to be looked at as one").unwrap();
        assert!(Store::existing(&path).is_err());
    }
}
