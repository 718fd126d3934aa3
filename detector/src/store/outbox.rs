//! What still has to reach a sink: one queue a sink, in order, kept until it has arrived or is given up.
//!
//! A row is about one thing for one sink: an alert, an incident, or a card of its own. What happens to that thing
//! before the row is sent changes the row's wanted revision, not the number of rows. The revision that is on its way is
//! written down before it goes, so that after a crash the same key is sent again.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::alerts::{self, json_of, number};
use super::mute::Mute;
use super::{Store, StoreError, now_ms};
use crate::alert::card::Card;
use crate::alert::incident::Incident;
use crate::alert::{Alert, card};
use crate::sinks::Grain;

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL, owner TEXT NOT NULL,
    what TEXT NOT NULL CHECK (what IN ('alert', 'incident', 'card')), subject TEXT NOT NULL,
    wanted INTEGER NOT NULL, sending INTEGER, sent INTEGER NOT NULL DEFAULT 0, told INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'dead')),
    reference TEXT, body TEXT, attempts INTEGER NOT NULL DEFAULT 0, due_ms INTEGER NOT NULL DEFAULT 0,
    made_ms INTEGER NOT NULL, error TEXT,
    UNIQUE (sink, what, subject)
) STRICT;
CREATE INDEX IF NOT EXISTS delivery_queue ON delivery (sink, owner, state, due_ms, id);
";

/// Where an alert goes: a sink by name, and what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The sink.
    pub sink: String,
    /// What it is given.
    pub grain: Grain,
}

/// A message that is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// Number of the row.
    pub row: i64,
    /// Idempotency key.
    pub key: String,
    /// What to say.
    pub body: Owned,
    /// The receipt of what went before.
    pub reference: Option<String>,
    /// How often it was tried before.
    pub attempts: u32,
    /// Milliseconds since the epoch: when it was first wanted.
    pub made_ms: i64,
}

/// What to say, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum Owned {
    /// An alert.
    Alert(Box<Alert>),
    /// A card.
    Card(Box<Card>),
}

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
    /// Milliseconds since the epoch: when it is tried next.
    pub due_ms: i64,
    /// Milliseconds since the epoch: when it was first wanted.
    pub made_ms: i64,
    /// Why it did not arrive.
    pub error: Option<String>,
}

impl Store {
    /// Puts alerts down and queues them for the sinks that `routes` names, all or nothing.
    ///
    /// `routes` is told whether a mute keeps the alert quiet.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn record(
        &self,
        owner: &str,
        alerts: &[Alert],
        routes: &mut dyn FnMut(&Alert, Option<&Mute>) -> Vec<Route>,
    ) -> Result<(), StoreError> {
        let now = now_ms();
        let mutes = self.mutes(now)?;
        let mut db = self.db();
        let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for alert in alerts {
            let mute = mutes.iter().find(|mute| mute.matches(alert));
            let recorded = alerts::record(&transaction, alert, mute.map(|mute| &*mute.id))?;
            if let Some(mute) = mute {
                transaction
                    .prepare_cached("UPDATE mute SET hits = hits + 1 WHERE id = ?1")?
                    .execute([&mute.id])?;
            }
            for Route { sink, grain } in routes(alert, mute) {
                let (what, subject, wanted) = match grain {
                    Grain::Alert => ("alert", &alert.id, recorded.revision),
                    Grain::Incident => ("incident", &alert.incident, recorded.incident_revision),
                };
                want(&transaction, owner, &sink, (what, subject, wanted), None, now)?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Queues a card of its own: a digest, a notice, a test.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn post(&self, owner: &str, sink: &str, card: &Card) -> Result<(), StoreError> {
        post(&self.db(), owner, sink, card)
    }

    /// The message of this sink that is due and was wanted first. What is on its way is written down.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn due(&self, owner: &str, sink: &str) -> Result<Option<Due>, StoreError> {
        struct Found {
            row: i64,
            what: String,
            subject: String,
            revision: i64,
            told: i64,
            reference: Option<String>,
            body: Option<String>,
            attempts: u32,
            made_ms: i64,
        }
        let found = {
            let db = self.db();
            let mut statement = db.prepare_cached(
                "SELECT id, what, subject, coalesce(sending, wanted), told, reference, body, attempts, made_ms
                 FROM delivery WHERE sink = ?1 AND owner = ?2 AND state = 'waiting' AND due_ms <= ?3
                 ORDER BY id LIMIT 1",
            )?;
            let found = statement
                .query_row(params![sink, owner, now_ms()], |row| {
                    Ok(Found {
                        row: row.get(0)?,
                        what: row.get(1)?,
                        subject: row.get(2)?,
                        revision: row.get(3)?,
                        told: row.get(4)?,
                        reference: row.get(5)?,
                        body: row.get(6)?,
                        attempts: row.get(7)?,
                        made_ms: row.get(8)?,
                    })
                })
                .optional()?;
            let Some(found) = found else { return Ok(None) };
            db.prepare_cached("UPDATE delivery SET sending = ?2 WHERE id = ?1")?
                .execute(params![found.row, found.revision])?;
            found
        };
        let body = match &*found.what {
            "alert" => self.alert(&found.subject)?.map(|stored| Owned::Alert(Box::new(stored.alert))),
            "incident" => match self.incident(&found.subject)? {
                Some(incident) => {
                    let news = if found.told == 0 { Vec::new() } else { self.news(&incident, found.told)? };
                    Some(Owned::Card(Box::new(card::incident(&incident, &news))))
                }
                None => None,
            },
            _ => {
                let text = found.body.unwrap_or_default();
                let read = serde_json::from_str(&text);
                let card = read.map_err(|source| StoreError::Content { what: "a card", source })?;
                Some(Owned::Card(Box::new(card)))
            }
        };
        let Some(body) = body else {
            // What it was about had to make room.
            self.db().execute("DELETE FROM delivery WHERE id = ?1", [found.row])?;
            return self.due(owner, sink);
        };
        Ok(Some(Due {
            row: found.row,
            key: format!("{}-{}", found.subject, found.revision),
            body,
            reference: found.reference,
            attempts: found.attempts,
            made_ms: found.made_ms,
        }))
    }

    /// Alerts of an incident that came after the number that was told last.
    fn news(&self, incident: &Incident, told: i64) -> Result<Vec<Alert>, StoreError> {
        let filter = alerts::Filter {
            incident: Some(incident.id.clone()),
            after: Some(told),
            limit: Some(20),
            ..alerts::Filter::default()
        };
        Ok(self.alerts(&filter)?.into_iter().map(|stored| stored.alert).collect())
    }

    /// A message has arrived. An incident's row stays, for what comes after, not before `next_ms`.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn arrived(&self, row: i64, reference: Option<&str>, next_ms: i64) -> Result<(), StoreError> {
        self.db()
            .prepare_cached(
                "UPDATE delivery SET sent = sending, sending = NULL, attempts = 0, error = NULL, due_ms = ?3,
                    reference = coalesce(?2, reference),
                    told = CASE what WHEN 'incident' THEN
                        coalesce((SELECT max(seq) FROM alert WHERE incident = delivery.subject), told) ELSE told END,
                    state = CASE WHEN sending >= wanted THEN 'sent' ELSE 'waiting' END
                 WHERE id = ?1",
            )?
            .execute(params![row, reference, next_ms])?;
        Ok(())
    }

    /// A message has not arrived; it is tried again at `due_ms`, or never.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn failed(&self, row: i64, error: &str, due_ms: Option<i64>) -> Result<(), StoreError> {
        self.db()
            .prepare_cached(
                "UPDATE delivery SET attempts = attempts + 1, error = ?2, due_ms = coalesce(?3, due_ms),
                    state = CASE WHEN ?3 IS NULL THEN 'dead' ELSE state END WHERE id = ?1",
            )?
            .execute(params![row, error, due_ms])?;
        Ok(())
    }

    /// Rows that have not arrived, of one sink or of all; those that were given up, too.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn waiting(&self, sink: Option<&str>) -> Result<Vec<Waiting>, StoreError> {
        let db = self.db();
        let mut statement = db.prepare(
            "SELECT id, sink, what, subject, state = 'dead', attempts, due_ms, made_ms, error FROM delivery
             WHERE state <> 'sent' AND (?1 IS NULL OR sink = ?1) ORDER BY sink, id",
        )?;
        let rows = statement.query_map([sink], |row| {
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
}

/// Queues a card of its own.
pub(super) fn post(db: &Connection, owner: &str, sink: &str, card: &Card) -> Result<(), StoreError> {
    let body = json_of(card, "a card")?;
    want(db, owner, sink, ("card", &card.id, 1), Some(&body), now_ms())
}

/// Wants something said to a sink: a new row, or a higher revision of the one that is there.
fn want(
    db: &Connection,
    owner: &str,
    sink: &str,
    (what, subject, wanted): (&str, &str, u64),
    body: Option<&str>,
    now: i64,
) -> Result<(), StoreError> {
    let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
    db.prepare_cached(
        "INSERT INTO delivery (sink, owner, what, subject, wanted, body, made_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (sink, what, subject) DO UPDATE SET wanted = excluded.wanted, owner = excluded.owner,
            made_ms = CASE state WHEN 'sent' THEN excluded.made_ms ELSE made_ms END,
            state = CASE state WHEN 'sent' THEN 'waiting' ELSE state END",
    )?
    .execute(params![sink, owner, what, subject, wanted, body, now])?;
    Ok(())
}
