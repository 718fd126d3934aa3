//! What still has to reach a sink: one queue a sink, in order, kept until it has arrived or is given up.
//!
//! A row is about one thing for one sink: an alert, an incident, or a card of its own. What happens to that thing
//! before the row is sent changes the row's wanted revision, not the number of rows. The revision that is on its way is
//! written down before it goes, so that after a crash the same key is sent again.

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::alerts::{self, json_of};
use super::mute::Mute;
use super::{Store, StoreError, now_ms};
use crate::alert::card::Card;
use crate::alert::incident::Incident;
use crate::alert::{Alert, Level, card};
use crate::sinks::Grain;

/// `scope` is empty for the sinks of a configuration, which all instances share; for those of a command line it is the
/// owner, since each process has its own standard output. `told` is the number of the last alert of an incident that
/// was told; `level` is what the subject has now, `told_level` what was told.
pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL, owner TEXT NOT NULL, scope TEXT NOT NULL,
    what TEXT NOT NULL CHECK (what IN ('alert', 'incident', 'card')), subject TEXT NOT NULL, level INTEGER NOT NULL,
    wanted INTEGER NOT NULL, sending INTEGER, sent INTEGER NOT NULL DEFAULT 0,
    told INTEGER NOT NULL DEFAULT 0, told_level INTEGER NOT NULL DEFAULT -1, messages INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'dead')),
    hushed INTEGER NOT NULL DEFAULT 0, reference TEXT, body TEXT, attempts INTEGER NOT NULL DEFAULT 0,
    due_ms INTEGER NOT NULL DEFAULT 0, made_ms INTEGER NOT NULL, error TEXT,
    UNIQUE (subject, what, sink, scope)
) STRICT;
CREATE INDEX IF NOT EXISTS delivery_queue ON delivery (sink, owner, id) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS delivery_dead ON delivery (sink, id) WHERE state = 'dead';
";

/// Where an alert goes: a sink by name, and what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The sink. A name in brackets is one of this process alone.
    pub sink: String,
    /// What it is given.
    pub grain: Grain,
}

/// Which messages of a queue.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// What the sink is given; of incidents the critical ones go first, all else is in order.
    pub grain: Grain,
    /// At most so many.
    pub most: u32,
    /// Incidents of this level and above.
    pub incidents: Level,
    /// Cards of this level and above.
    pub cards: Level,
    /// Those that are due at this time: milliseconds since the epoch.
    pub at_ms: i64,
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
    /// How many messages about this went before.
    pub messages: u32,
    /// The last alert of the incident that this tells of.
    upto: i64,
    /// The level that it tells of.
    level: Level,
    /// Whether there is anything that those who read the message before do not know.
    pub is_news: bool,
}

/// What to say, owned.
#[derive(Clone, Debug, PartialEq)]
pub enum Owned {
    /// An alert.
    Alert(Box<Alert>),
    /// A card.
    Card(Box<Card>),
}

/// A row of the queue.
struct Found {
    row: i64,
    what: String,
    subject: String,
    revision: i64,
    told: i64,
    told_level: i64,
    reference: Option<String>,
    body: Option<String>,
    attempts: u32,
    made_ms: i64,
    messages: u32,
    level: i64,
}

impl Store {
    /// Puts alerts down and queues them for the sinks that `routes` names, all or nothing.
    ///
    /// `routes` is told which mute keeps the alert quiet, if any.
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
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for alert in alerts {
            let mute = mutes.iter().find(|mute| mute.matches(alert));
            let Some(recorded) = alerts::record(&transaction, alert, mute.map(|mute| &*mute.id))? else {
                continue;
            };
            if let Some(mute) = mute {
                transaction
                    .prepare_cached("UPDATE mute SET hits = hits + 1 WHERE id = ?1")?
                    .execute([&mute.id])?;
            }
            for Route { sink, grain } in routes(alert, mute) {
                let wanted = match grain {
                    Grain::Alert => Wanted {
                        what: "alert",
                        subject: &alert.id,
                        revision: recorded.revision,
                        level: alert.level,
                        body: None,
                    },
                    Grain::Incident if recorded.acknowledged => continue,
                    Grain::Incident => Wanted {
                        what: "incident",
                        subject: &alert.incident,
                        revision: recorded.incident_revision,
                        level: recorded.incident_level,
                        body: None,
                    },
                };
                want(&transaction, owner, &sink, &wanted, now)?;
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

    /// The messages of this sink that are due, in order. What is on its way is written down.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn claim(&self, owner: &str, sink: &str, claim: &Claim) -> Result<Vec<Due>, StoreError> {
        let found = self.mark(owner, sink, claim)?;
        let mut due = Vec::new();
        for found in found {
            let row = found.row;
            match self.message(found)? {
                Some(message) => due.push(message),
                // What it was about had to make room.
                None => {
                    self.db().execute("DELETE FROM delivery WHERE id = ?1", [row])?;
                }
            }
        }
        Ok(due)
    }

    fn mark(&self, owner: &str, sink: &str, claim: &Claim) -> Result<Vec<Found>, StoreError> {
        // The second order would sort a queue of a hundred thousand alerts for each look.
        let order = match claim.grain {
            Grain::Alert => "id",
            Grain::Incident => "(what = 'incident' AND level >= 4) DESC, id",
        };
        let mut db = self.db();
        let found = {
            let mut statement = db.prepare_cached(&format!(
                "SELECT id, what, subject, coalesce(sending, wanted), told, told_level, reference, body, attempts,
                    made_ms, messages, level, sending
                 FROM delivery WHERE sink = ?1 AND owner = ?2 AND state = 'waiting' AND due_ms <= ?3
                    AND (what <> 'incident' OR level >= ?4) AND (what <> 'card' OR level >= ?5)
                 ORDER BY {order} LIMIT ?6"
            ))?;
            let rows = statement.query_map(
                params![sink, owner, claim.at_ms, claim.incidents as i64, claim.cards as i64, claim.most],
                |row| {
                    let found = Found {
                        row: row.get(0)?,
                        what: row.get(1)?,
                        subject: row.get(2)?,
                        revision: row.get(3)?,
                        told: row.get(4)?,
                        told_level: row.get(5)?,
                        reference: row.get(6)?,
                        body: row.get(7)?,
                        attempts: row.get(8)?,
                        made_ms: row.get(9)?,
                        messages: row.get(10)?,
                        level: row.get(11)?,
                    };
                    Ok((found, row.get::<_, Option<i64>>(12)?.is_some()))
                },
            )?;
            rows.collect::<Result<Vec<_>, _>>()?
        };
        if found.iter().any(|(_, marked)| !marked) {
            let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for (found, _) in found.iter().filter(|(_, marked)| !marked) {
                transaction
                    .prepare_cached("UPDATE delivery SET sending = ?2 WHERE id = ?1")?
                    .execute(params![found.row, found.revision])?;
            }
            transaction.commit()?;
        }
        Ok(found.into_iter().map(|(found, _)| found).collect())
    }

    fn message(&self, found: Found) -> Result<Option<Due>, StoreError> {
        let (mut upto, mut level, mut is_news) = (0, alerts::level(found.level), true);
        let body = match &*found.what {
            "alert" => self.alert(&found.subject)?.map(|stored| {
                level = stored.alert.level;
                Owned::Alert(Box::new(stored.alert))
            }),
            "incident" => match self.incident(&found.subject)? {
                Some(incident) => {
                    let news = if found.told == 0 { Vec::new() } else { self.news(&incident, found.told)? };
                    upto = self.last_of(&incident.id)?;
                    level = incident.level;
                    is_news = found.told == 0 || !news.is_empty() || incident.level as i64 > found.told_level;
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
        Ok(body.map(|body| Due {
            row: found.row,
            key: format!("{}-{}", found.subject, found.revision),
            body,
            reference: found.reference,
            attempts: found.attempts,
            made_ms: found.made_ms,
            messages: found.messages,
            upto,
            level,
            is_news,
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

    fn last_of(&self, incident: &str) -> Result<i64, StoreError> {
        let db = self.db();
        let mut statement =
            db.prepare_cached("SELECT coalesce(max(seq), 0) FROM alert WHERE incident = ?1")?;
        Ok(statement.query_row([incident], |row| row.get(0))?)
    }

    /// A message has arrived. An incident's row stays, for what comes after, not before `next_ms` unless it has become
    /// graver meanwhile.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn arrived(&self, due: &Due, reference: Option<&str>, next_ms: i64) -> Result<(), StoreError> {
        self.db()
            .prepare_cached(
                "UPDATE delivery SET sent = sending, sending = NULL, attempts = 0, error = NULL,
                    due_ms = CASE WHEN level > max(told_level, ?5) THEN 0 ELSE ?3 END,
                    reference = coalesce(?2, reference), told = max(told, ?4), told_level = max(told_level, ?5),
                    messages = messages + 1, hushed = 0,
                    state = CASE WHEN sending >= wanted THEN 'sent' ELSE 'waiting' END
                 WHERE id = ?1",
            )?
            .execute(params![due.row, reference, next_ms, due.upto, due.level as i64])?;
        Ok(())
    }

    /// A message has not arrived; it is tried again, or never.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn failed(&self, row: i64, error: &str, fate: Fate) -> Result<(), StoreError> {
        self.db()
            .prepare_cached(
                "UPDATE delivery SET attempts = attempts + 1, error = ?2,
                    state = CASE WHEN ?3 THEN 'dead' ELSE state END WHERE id = ?1",
            )?
            .execute(params![row, error, fate == Fate::Never])?;
        Ok(())
    }

    /// Gives up what a sink was to have had long ago; how many messages that was.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn give_up(&self, owner: &str, sink: &str, before_ms: i64, error: &str) -> Result<usize, StoreError> {
        Ok(self.db().execute(
            "UPDATE delivery SET state = 'dead', error = coalesce(error, ?4)
             WHERE sink = ?1 AND owner = ?2 AND state = 'waiting' AND made_ms < ?3",
            params![sink, owner, before_ms, error],
        )?)
    }
}

/// What becomes of a message that did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is tried again.
    Again,
    /// It is given up, until somebody puts it back.
    Never,
}

/// What is wanted said.
struct Wanted<'a> {
    what: &'a str,
    subject: &'a str,
    revision: u64,
    level: Level,
    body: Option<&'a str>,
}

/// As [`Store::post`], within a transaction.
pub(super) fn post(db: &Connection, owner: &str, sink: &str, card: &Card) -> Result<(), StoreError> {
    let body = json_of(card, "a card")?;
    let wanted =
        Wanted { what: "card", subject: &card.id, revision: 1, level: card.level, body: Some(&body) };
    want(db, owner, sink, &wanted, now_ms())
}

/// Wants something said once more that was taken out of a queue.
pub(super) fn again(
    db: &Connection,
    owner: &str,
    sink: &str,
    what: &str,
    subject: &str,
    level: Level,
) -> Result<(), StoreError> {
    let revision: Option<i64> = db
        .query_row(
            "SELECT revision FROM alert WHERE id = ?1 UNION SELECT revision FROM incident WHERE id = ?1",
            [subject],
            |row| row.get(0),
        )
        .optional()?;
    let Some(revision) = revision else { return Ok(()) };
    let wanted = Wanted { what, subject, revision: alerts::number(revision), level, body: None };
    want(db, owner, sink, &wanted, now_ms())
}

/// Whose queue a row stands in, beside the name of the sink.
fn scope<'a>(sink: &str, owner: &'a str) -> &'a str {
    if sink.starts_with('(') { owner } else { "" }
}

/// Wants something said to a sink: a new row, or a higher revision of the one that is there. A row that waits stays with
/// its owner, who may be sending it; those whose owner is gone are adopted ([`Store::adopt`]).
fn want(db: &Connection, owner: &str, sink: &str, wanted: &Wanted<'_>, now: i64) -> Result<(), StoreError> {
    let Wanted { what, subject, revision, level, body } = wanted;
    let revision = i64::try_from(*revision).unwrap_or(i64::MAX);
    db.prepare_cached(
        "INSERT INTO delivery (sink, owner, scope, what, subject, level, wanted, body, made_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (subject, what, sink, scope) DO UPDATE SET wanted = max(wanted, excluded.wanted),
            level = excluded.level, owner = CASE state WHEN 'waiting' THEN owner ELSE excluded.owner END,
            made_ms = CASE state WHEN 'waiting' THEN made_ms ELSE excluded.made_ms END,
            due_ms = CASE WHEN excluded.level > told_level THEN 0 ELSE due_ms END,
            state = CASE state WHEN 'sent' THEN 'waiting' ELSE state END",
    )?
    .execute(params![
        sink,
        owner,
        scope(sink, owner),
        what,
        subject,
        *level as i64,
        revision,
        body,
        now
    ])?;
    Ok(())
}
