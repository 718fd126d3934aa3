//! Alerts and incidents as they were found.

use std::sync::Arc;

use indexmap::IndexMap;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, TransactionBehavior, params};
use serde_json::Value;

use super::{Store, StoreError};
use crate::alert::incident::Incident;
use crate::alert::{Alert, Level};

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS incident (
    id TEXT PRIMARY KEY, revision INTEGER NOT NULL, host TEXT NOT NULL, agent TEXT, level INTEGER NOT NULL,
    began TEXT NOT NULL, last TEXT NOT NULL, total INTEGER NOT NULL, findings INTEGER NOT NULL,
    acknowledged_by TEXT, acknowledged_at TEXT, acknowledged_level INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS alert (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, incident TEXT NOT NULL, time TEXT NOT NULL,
    level INTEGER NOT NULL, agent TEXT, rule TEXT NOT NULL, title TEXT NOT NULL, count INTEGER NOT NULL,
    revision INTEGER NOT NULL, muted TEXT, alert TEXT NOT NULL, subject TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS alert_incident ON alert (incident, seq);
CREATE INDEX IF NOT EXISTS alert_time ON alert (time);
CREATE INDEX IF NOT EXISTS alert_level ON alert (level, seq);
";

/// Alerts of an incident that are kept at hand of each sort: first, gravest, last.
const PART: u32 = 20;

/// An alert as the store has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Number in the order of arrival.
    pub seq: i64,
    /// The alert; [`Alert::subject`] is filled in where one alert was asked for.
    pub alert: Alert,
    /// How often it has changed; from 1.
    pub revision: u64,
    /// Id of the mute that kept it quiet.
    pub muted: Option<String>,
}

/// Which alerts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Of this level and above.
    pub min_level: Option<Level>,
    /// Of this agent, by name.
    pub agent: Option<String>,
    /// Of rules with this id, or with this in their title.
    pub rule: Option<String>,
    /// Of this incident.
    pub incident: Option<String>,
    /// At this time (RFC 3339) or later.
    pub since: Option<String>,
    /// After this number.
    pub after: Option<i64>,
    /// At most so many, the newest.
    pub limit: Option<u32>,
}

/// What recording an alert did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// How often the alert has changed; from 1.
    pub revision: u64,
    /// How often its incident has changed; from 1.
    pub incident_revision: u64,
    /// The highest level of the incident's alerts.
    pub incident_level: Level,
    /// Whether somebody acknowledged the incident when it was as grave as it is now.
    pub acknowledged: bool,
}

/// Puts an alert down, or what became of it, and lets its incident grow. `None` where the store knew all of it: the
/// same alert again, or an earlier state of it.
pub(super) fn record(
    db: &Connection,
    alert: &Alert,
    muted: Option<&str>,
) -> Result<Option<Recorded>, StoreError> {
    let json = json(alert, "an alert")?;
    let subject = alert.subject.as_ref().map(|subject| json_of(&**subject, "a subject")).transpose()?;
    let count = i64::try_from(alert.count).unwrap_or(i64::MAX);
    // A tool call that is told late changes an alert that counts no more than before.
    let known: Option<(i64, i64, bool)> = db
        .prepare_cached("SELECT revision, count, count > ?2 OR alert = ?3 FROM alert WHERE id = ?1")?
        .query_row(params![alert.id, count, json], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let agent = alert.agent.as_ref().map(|agent| &*agent.name);
    let level = alert.level as i64;
    if known.is_some_and(|(.., is_old)| is_old) {
        return Ok(None);
    }
    let (revision, before) = match known {
        Some((revision, before, _)) => {
            db.prepare_cached(
                "UPDATE alert SET revision = ?2, count = ?3, alert = ?4, level = ?5 WHERE id = ?1",
            )?
            .execute(params![alert.id, revision + 1, count, json, level])?;
            (revision + 1, before)
        }
        None => {
            db.prepare_cached(
                "INSERT INTO alert (id, incident, time, level, agent, rule, title, count, revision, muted, alert, subject)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, ?9, ?10, ?11)",
            )?
            .execute(params![
                alert.id, alert.incident, alert.time, level, agent, alert.rule.id, alert.title, count, muted, json,
                subject
            ])?;
            (1, 0)
        }
    };
    let more = i64::from(known.is_none());
    let recorded = db
        .prepare_cached(
            "INSERT INTO incident (id, revision, host, agent, level, began, last, total, findings)
             VALUES (?1, 1, ?2, ?3, ?4, ?5, ?5, 1, ?6)
             ON CONFLICT (id) DO UPDATE SET revision = revision + 1, level = max(level, excluded.level),
                began = min(began, excluded.began), last = max(last, excluded.last), total = total + ?7,
                findings = findings + ?8
             RETURNING revision, level, coalesce(acknowledged_level >= level, 0)",
        )?
        .query_row(
            params![alert.incident, alert.host, agent, level, alert.time, count, more, count - before],
            |row| {
                Ok(Recorded {
                    revision: number(revision),
                    incident_revision: number(row.get(0)?),
                    incident_level: self::level(row.get(1)?),
                    acknowledged: row.get(2)?,
                })
            },
        )?;
    Ok(Some(recorded))
}

impl Store {
    /// Alerts, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn alerts(&self, filter: &Filter) -> Result<Vec<Stored>, StoreError> {
        let mut clauses = vec!["1"];
        let mut values: Vec<(&str, Box<dyn ToSql>)> = Vec::new();
        if let Some(level) = filter.min_level {
            clauses.push("level >= :level");
            values.push((":level", Box::new(level as i64)));
        }
        for (name, clause, value) in [
            (":agent", "agent = :agent", &filter.agent),
            (":rule", "(rule = :rule OR instr(lower(title), lower(:rule)))", &filter.rule),
            (":incident", "incident = :incident", &filter.incident),
            (":since", "time >= :since", &filter.since),
        ] {
            if let Some(value) = value {
                clauses.push(clause);
                values.push((name, Box::new(value.clone())));
            }
        }
        if let Some(after) = filter.after {
            clauses.push("seq > :after");
            values.push((":after", Box::new(after)));
        }
        let limit = filter.limit.map_or(-1, i64::from);
        values.push((":limit", Box::new(limit)));
        let sql = format!(
            "SELECT * FROM (SELECT seq, alert, revision, muted FROM alert WHERE {} ORDER BY seq DESC LIMIT :limit)
             ORDER BY seq",
            clauses.join(" AND ")
        );
        let db = self.db();
        let mut statement = db.prepare(&sql)?;
        let values: Vec<(&str, &dyn ToSql)> = values.iter().map(|(name, value)| (*name, &**value)).collect();
        let mut rows = statement.query(&*values)?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            out.push(stored(row)?);
        }
        Ok(out)
    }

    /// One alert by its id, or by the start of it where only one has that.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn alert(&self, id: &str) -> Result<Option<Stored>, StoreError> {
        let db = self.db();
        let mut statement = db.prepare_cached(
            "SELECT seq, alert, revision, muted, subject FROM alert WHERE id >= ?1 AND id < ?2 LIMIT 2",
        )?;
        let mut rows = statement.query(beginning(id))?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let mut found = stored(row)?;
        if let Some(subject) = row.get::<_, Option<String>>(4)? {
            let read: IndexMap<String, Value> = serde_json::from_str(&subject)
                .map_err(|source| StoreError::Content { what: "a subject", source })?;
            found.alert.subject = Some(Arc::new(read));
        }
        Ok(rows.next()?.is_none().then_some(found))
    }

    /// One incident by its id, or by the start of it where only one has that.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn incident(&self, id: &str) -> Result<Option<Incident>, StoreError> {
        let db = self.db();
        let mut statement = db.prepare_cached(
            "SELECT id, revision, host, level, began, last, total, findings, acknowledged_by, acknowledged_at
             FROM incident WHERE id >= ?1 AND id < ?2 LIMIT 2",
        )?;
        let mut rows = statement.query(beginning(id))?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let by: Option<String> = row.get(8)?;
        let at: Option<String> = row.get(9)?;
        let mut incident = Incident {
            id: row.get(0)?,
            revision: number(row.get(1)?),
            host: row.get(2)?,
            level: level(row.get(3)?),
            began: row.get(4)?,
            last: row.get(5)?,
            agent: None,
            alerts: Vec::new(),
            total: number(row.get(6)?),
            findings: number(row.get(7)?),
            acknowledged: by.zip(at),
        };
        if rows.next()?.is_some() {
            return Ok(None);
        }
        let mut statement = db.prepare_cached(
            "SELECT seq, alert, revision, muted FROM alert WHERE seq IN (
                SELECT seq FROM (SELECT seq FROM alert WHERE incident = ?1 ORDER BY seq LIMIT ?2)
                UNION SELECT seq FROM (SELECT seq FROM alert WHERE incident = ?1 ORDER BY level DESC, seq LIMIT ?2)
                UNION SELECT seq FROM (SELECT seq FROM alert WHERE incident = ?1 ORDER BY seq DESC LIMIT ?2)
             ) ORDER BY seq",
        )?;
        let mut rows = statement.query(params![incident.id, PART])?;
        while let Some(row) = rows.next()? {
            incident.alerts.push(stored(row)?.alert);
        }
        incident.agent = incident.alerts.iter().find_map(|alert| alert.agent.clone());
        Ok(Some(incident))
    }

    /// Acknowledges an incident: people are not told more of it unless its level rises.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn acknowledge(&self, incident: &str, who: &str, at: &str) -> Result<bool, StoreError> {
        let mut db = self.db();
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let changed = transaction.execute(
            "UPDATE incident SET acknowledged_by = ?2, acknowledged_at = ?3, acknowledged_level = level WHERE id = ?1",
            params![incident, who, at],
        )?;
        // What is on its way goes on: nobody knows whether it has arrived.
        transaction.execute(
            "UPDATE delivery SET state = 'sent' WHERE subject = ?1 AND what = 'incident' AND state = 'waiting'
                AND sending IS NULL",
            [incident],
        )?;
        transaction.commit()?;
        Ok(changed > 0)
    }
}

/// The ids that begin so, as the bounds of a search that the index serves.
fn beginning(id: &str) -> [String; 2] {
    let from = id.to_ascii_uppercase();
    // After every letter of an id.
    let to = format!("{from}~");
    [from, to]
}

fn stored(row: &Row<'_>) -> Result<Stored, StoreError> {
    let text: String = row.get(1)?;
    let alert =
        serde_json::from_str(&text).map_err(|source| StoreError::Content { what: "an alert", source })?;
    Ok(Stored { seq: row.get(0)?, alert, revision: number(row.get(2)?), muted: row.get(3)? })
}

pub(super) fn json(alert: &Alert, what: &'static str) -> Result<String, StoreError> {
    json_of(alert, what)
}

pub(super) fn json_of(value: &impl serde::Serialize, what: &'static str) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Content { what, source })
}

pub(super) fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

/// A level as its number in the store.
pub(super) fn level(number: i64) -> Level {
    const ALL: [Level; 5] = [Level::Informational, Level::Low, Level::Medium, Level::High, Level::Critical];
    usize::try_from(number).ok().and_then(|at| ALL.get(at).copied()).unwrap_or(Level::Critical)
}
