//! What a digest asks of alerts and queues, and when the last one was sent.

use rusqlite::{OptionalExtension as _, TransactionBehavior, params};

use super::alerts::{level, number};
use super::{Store, StoreError, outbox};
use crate::alert::Level;
use crate::alert::card::Card;
use crate::event::Nanos;

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS digest (name TEXT PRIMARY KEY, last_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// The digest that the daemon sends by itself.
const SCHEDULED: &str = "scheduled";

/// Most kinds of quiet alerts that are read.
const MOST: u32 = 2_000;

/// How many alerts of one level an agent has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Name of the agent; none for the sensor itself.
    pub agent: Option<String>,
    /// Level.
    pub level: Level,
    /// Alerts.
    pub alerts: u64,
    /// Findings: repeats are counted.
    pub findings: u64,
}

/// Alerts that nobody was told of, or at most in passing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// Name of the agent; none for the sensor itself.
    pub agent: Option<String>,
    /// What was found: the rule's title.
    pub title: String,
    /// Its level.
    pub level: Level,
    /// The level that it had without the task that declared it, and what the task is called.
    pub lowered: Option<(String, String)>,
    /// Why somebody muted it; empty where the mute is gone.
    pub muted: Option<String>,
    /// How often it was found.
    pub findings: u64,
}

/// Messages of one sink that have not arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// The sink.
    pub sink: String,
    /// Messages that wait.
    pub waiting: u64,
    /// Messages that were given up.
    pub dead: u64,
    /// Milliseconds since the epoch: since when the oldest waits.
    pub since_ms: i64,
}

impl Store {
    /// Alerts by agent and level that began between two times (milliseconds since the epoch), the gravest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn alert_counts(
        &self,
        agent: Option<&str>,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<Count>, StoreError> {
        let db = self.db();
        let mut statement = db.prepare(
            "SELECT agent, level, count(*), sum(count) FROM alert
             WHERE time >= ?1 AND time < ?2 AND (?3 IS NULL OR agent = ?3)
             GROUP BY agent, level ORDER BY agent, level DESC",
        )?;
        let rows = statement.query_map(params![rfc3339(from_ms), rfc3339(to_ms), agent], |row| {
            Ok(Count {
                agent: row.get(0)?,
                level: level(row.get(1)?),
                alerts: number(row.get(2)?),
                findings: number(row.get(3)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Alerts of level low and less, those that a task lowered, and those that a mute kept quiet; the most frequent
    /// first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn quiet_alerts(
        &self,
        agent: Option<&str>,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<Quiet>, StoreError> {
        let db = self.db();
        // What a task lowers is informational, so only those are taken apart.
        let mut statement = db.prepare(
            "SELECT alert.agent, title, level,
                CASE level WHEN 0 THEN json_extract(alert, '$.task.lowered_from') END AS lowered,
                CASE level WHEN 0 THEN json_extract(alert, '$.task.name') END AS task,
                CASE WHEN muted IS NOT NULL THEN coalesce(mute.reason, '') END AS why, sum(count)
             FROM alert LEFT JOIN mute ON mute.id = alert.muted
             WHERE time >= ?1 AND time < ?2 AND (level <= 1 OR muted IS NOT NULL)
                AND (?3 IS NULL OR alert.agent = ?3)
             GROUP BY alert.agent, title, level, lowered, CASE WHEN lowered IS NULL THEN '' ELSE task END, why
             ORDER BY sum(count) DESC, title LIMIT ?4",
        )?;
        let rows = statement.query_map(params![rfc3339(from_ms), rfc3339(to_ms), agent, MOST], |row| {
            let lowered: Option<String> = row.get(3)?;
            let task: Option<String> = row.get(4)?;
            Ok(Quiet {
                agent: row.get(0)?,
                title: row.get(1)?,
                level: level(row.get(2)?),
                lowered: lowered.map(|from| (from, task.unwrap_or_default())),
                muted: row.get(5)?,
                findings: number(row.get(6)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Sinks of a configuration with messages that have not arrived. What was made less than `after_ms` ago may be on
    /// its way and is left out, unless it was given up.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn behind(&self, now_ms: i64, after_ms: i64) -> Result<Vec<Behind>, StoreError> {
        let db = self.db();
        let mut statement = db.prepare(
            "SELECT sink, sum(state = 'waiting'), sum(state = 'dead'), min(made_ms) FROM delivery
             WHERE state = 'dead' OR (state = 'waiting' AND made_ms < ?1) GROUP BY sink ORDER BY sink",
        )?;
        let rows = statement.query_map([now_ms.saturating_sub(after_ms)], |row| {
            Ok(Behind {
                sink: row.get(0)?,
                waiting: number(row.get(1)?),
                dead: number(row.get(2)?),
                since_ms: row.get(3)?,
            })
        })?;
        let all: Vec<Behind> = rows.collect::<Result<_, _>>()?;
        // Names in brackets are of command lines: standard output of one process.
        Ok(all.into_iter().filter(|behind| !behind.sink.starts_with('(')).collect())
    }

    /// When the digest that the daemon sends by itself went out last, or when it was first planned: then it is `now_ms`
    /// from now on.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn last_digest(&self, now_ms: i64) -> Result<i64, StoreError> {
        let db = self.db();
        let last = db
            .query_row("SELECT last_ms FROM digest WHERE name = ?1", [SCHEDULED], |row| row.get(0))
            .optional()?;
        if let Some(last) = last {
            return Ok(last);
        }
        db.execute(
            "INSERT OR IGNORE INTO digest (name, last_ms) VALUES (?1, ?2)",
            params![SCHEDULED, now_ms],
        )?;
        Ok(now_ms)
    }

    /// Queues a digest for sinks and writes down that it went out, both or neither. `false` where another process was
    /// faster: then nothing is queued. No card: there was nothing to say.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn send_digest(
        &self,
        owner: &str,
        sinks: &[String],
        card: Option<&Card>,
        (last_ms, now_ms): (i64, i64),
    ) -> Result<bool, StoreError> {
        let mut db = self.db();
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let is_ours = transaction.execute(
            "UPDATE digest SET last_ms = ?3 WHERE name = ?1 AND last_ms = ?2",
            params![SCHEDULED, last_ms, now_ms],
        )? > 0;
        if is_ours && let Some(card) = card {
            for sink in sinks {
                outbox::post(&transaction, owner, sink, card)?;
            }
        }
        transaction.commit()?;
        Ok(is_ours)
    }
}

/// A time as alerts have it.
fn rfc3339(ms: i64) -> String {
    Nanos(u64::try_from(ms).unwrap_or(0).saturating_mul(1_000_000)).rfc3339()
}
