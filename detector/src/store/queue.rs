//! The queues as people look at them, how each sink fares, and letters that come back from the dead.

use rusqlite::{OptionalExtension as _, params};

use super::alerts::number;
use super::{Store, StoreError, now_ms};

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS sink_state (
    sink TEXT PRIMARY KEY, hold_ms INTEGER NOT NULL, failures INTEGER NOT NULL, error TEXT, since_ms INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS counter (
    name TEXT PRIMARY KEY, value INTEGER NOT NULL, at_ms INTEGER NOT NULL
) STRICT;
";

/// Longest time that a sink is left alone. What says more was written by another clock.
const PATIENCE_MS: i64 = 3_600_000;

/// A row of a queue, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Number of the row.
    pub row: i64,
    /// The sink.
    pub sink: String,
    /// `alert`, `incident` or `card`.
    pub what: String,
    /// Id of the alert, incident or card.
    pub subject: String,
    /// Whether it was given up.
    pub dead: bool,
    /// How often it was tried.
    pub attempts: u32,
    /// Milliseconds since the epoch: when it is tried next, at the earliest.
    pub due_ms: i64,
    /// Milliseconds since the epoch: when it was first wanted.
    pub made_ms: i64,
    /// Why it did not arrive.
    pub error: Option<String>,
}

/// How a sink fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkState {
    /// Milliseconds since the epoch: until then it is left alone.
    pub hold_ms: i64,
    /// Failures since the last message that arrived.
    pub failures: u32,
    /// What happened last, unless a message has arrived since.
    pub error: Option<String>,
    /// Milliseconds since the epoch: when the failures began.
    pub since_ms: Option<i64>,
}

/// Which letters come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Letters {
    /// All.
    All,
    /// Those of a sink.
    Of(String),
    /// One row.
    Row(i64),
}

impl Store {
    /// Rows that have not arrived, of one sink or of all, at most `most` of them; those that were given up, too.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn waiting(&self, sink: Option<&str>, most: u32) -> Result<Vec<Waiting>, StoreError> {
        let db = self.db();
        let mut statement = db.prepare(
            "SELECT d.id, d.sink, what, subject, state = 'dead', attempts,
                max(due_ms, CASE scope WHEN '' THEN coalesce(hold_ms, 0) ELSE 0 END), made_ms, d.error
             FROM delivery d LEFT JOIN sink_state s ON s.sink = d.sink
             WHERE state <> 'sent' AND (?1 IS NULL OR d.sink = ?1) ORDER BY d.sink, d.id LIMIT ?2",
        )?;
        let rows = statement.query_map(params![sink, most], |row| {
            Ok(Waiting {
                row: row.get(0)?,
                sink: row.get(1)?,
                what: row.get(2)?,
                subject: row.get(3)?,
                dead: row.get(4)?,
                attempts: row.get(5)?,
                due_ms: row.get(6)?,
                made_ms: row.get(7)?,
                error: row.get(8)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many messages of each sink wait, and how many were given up: name, waiting, dead.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn queues(&self) -> Result<Vec<(String, u64, u64)>, StoreError> {
        let db = self.db();
        let mut statement = db.prepare(
            "SELECT sink, sum(state = 'waiting'), sum(state = 'dead') FROM delivery WHERE state <> 'sent'
             GROUP BY sink ORDER BY sink",
        )?;
        let rows =
            statement.query_map([], |row| Ok((row.get(0)?, number(row.get(1)?), number(row.get(2)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many messages of a sink wait, and when the next is due (milliseconds since the epoch).
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn queue(&self, owner: &str, sink: &str) -> Result<(u64, Option<i64>), StoreError> {
        let db = self.db();
        let mut statement = db.prepare_cached(
            "SELECT count(*), min(due_ms) FROM delivery WHERE sink = ?1 AND owner = ?2 AND state = 'waiting'",
        )?;
        Ok(statement.query_row([sink, owner], |row| Ok((number(row.get(0)?), row.get(1)?)))?)
    }

    /// How a sink fares.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn sink_state(&self, sink: &str) -> Result<SinkState, StoreError> {
        let latest = now_ms().saturating_add(PATIENCE_MS);
        let db = self.db();
        let mut statement =
            db.prepare_cached("SELECT hold_ms, failures, error, since_ms FROM sink_state WHERE sink = ?1")?;
        let found = statement
            .query_row([sink], |row| {
                let hold: i64 = row.get(0)?;
                Ok(SinkState {
                    hold_ms: if hold > latest { 0 } else { hold },
                    failures: row.get(1)?,
                    error: row.get(2)?,
                    since_ms: row.get(3)?,
                })
            })
            .optional()?;
        Ok(found.unwrap_or_default())
    }

    /// Writes down that a sink failed, and until when it is left alone.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn sink_failed(
        &self,
        sink: &str,
        failures: u32,
        error: &str,
        hold_ms: i64,
    ) -> Result<(), StoreError> {
        self.db()
            .prepare_cached(
                "INSERT INTO sink_state (sink, hold_ms, failures, error, since_ms) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (sink) DO UPDATE SET hold_ms = excluded.hold_ms, failures = excluded.failures,
                    error = excluded.error, since_ms = coalesce(since_ms, excluded.since_ms)",
            )?
            .execute(params![sink, hold_ms, failures, error, now_ms()])?;
        Ok(())
    }

    /// A message has arrived: the sink is well.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn sink_works(&self, sink: &str) -> Result<(), StoreError> {
        self.db().prepare_cached("DELETE FROM sink_state WHERE sink = ?1")?.execute([sink])?;
        Ok(())
    }

    /// Puts letters that were given up back into their queues; how many. A daemon that runs takes them up.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn retry(&self, letters: &Letters) -> Result<usize, StoreError> {
        let (sink, row) = match letters {
            Letters::All => (None, None),
            Letters::Of(sink) => (Some(&**sink), None),
            Letters::Row(row) => (None, Some(*row)),
        };
        let db = self.db();
        db.execute(
            "DELETE FROM sink_state WHERE sink IN (SELECT sink FROM delivery WHERE state = 'dead'
                AND (?1 IS NULL OR sink = ?1) AND (?2 IS NULL OR id = ?2))",
            params![sink, row],
        )?;
        Ok(db.execute(
            "UPDATE delivery SET state = 'waiting', attempts = 0, due_ms = 0, made_ms = ?3
             WHERE state = 'dead' AND (?1 IS NULL OR sink = ?1) AND (?2 IS NULL OR id = ?2)",
            params![sink, row, now_ms()],
        )?)
    }

    /// Adds to a counter that outlives the process.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn count(&self, name: &str, more: u64) -> Result<(), StoreError> {
        self.db().execute(
            "INSERT INTO counter (name, value, at_ms) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET value = value + excluded.value, at_ms = excluded.at_ms",
            params![name, i64::try_from(more).unwrap_or(i64::MAX), now_ms()],
        )?;
        Ok(())
    }

    /// A counter, and when it last grew (milliseconds since the epoch).
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn counter(&self, name: &str) -> Result<Option<(u64, i64)>, StoreError> {
        let db = self.db();
        let mut statement = db.prepare_cached("SELECT value, at_ms FROM counter WHERE name = ?1")?;
        Ok(statement.query_row([name], |row| Ok((number(row.get(0)?), row.get(1)?))).optional()?)
    }
}
