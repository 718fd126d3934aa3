//! Many incidents that wait for people become one message that counts them.

use std::collections::BTreeMap;

use rusqlite::{Connection, TransactionBehavior, params};

use super::alerts::{level, number};
use super::{Store, StoreError, outbox};
use crate::alert::Level;
use crate::alert::card::Card;

/// Incidents that are named one by one.
const NAMED: usize = 20;
/// Most names of agents and rules that are counted apart; the rest counts as one.
const KINDS: usize = 1_000;
/// What the rest is called.
const REST: &str = "others";

/// Which incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that wait, below this level.
    Below(Level),
    /// All that wait.
    All,
    /// Those that were held back while it was quiet.
    Hushed,
}

/// Incidents, counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folded {
    /// How many.
    pub incidents: u64,
    /// How many alerts they have.
    pub alerts: u64,
    /// By level.
    pub levels: BTreeMap<Level, u64>,
    /// By agent.
    pub agents: BTreeMap<String, u64>,
    /// Alerts by title of the rule.
    pub rules: BTreeMap<String, u64>,
    /// The gravest, the newest first among those.
    pub gravest: Vec<Named>,
    /// RFC 3339: when the first began.
    pub since: String,
    /// RFC 3339: when the last one grew.
    pub last: String,
}

/// An incident in a few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its level.
    pub level: Level,
    /// Its id.
    pub id: String,
    /// Its agent.
    pub agent: String,
    /// The title of its gravest alert.
    pub title: String,
}

struct Row {
    row: i64,
    incident: String,
    level: i64,
    agent: Option<String>,
    began: String,
    last: String,
    total: i64,
    told: i64,
}

impl Store {
    /// How many incidents of this queue are due below this level and how many at or above it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn due_incidents(
        &self,
        owner: &str,
        sink: &str,
        least: Level,
        at_ms: i64,
    ) -> Result<(u64, u64), StoreError> {
        let db = self.db();
        let mut statement = db.prepare_cached(
            "SELECT coalesce(sum(level < ?4), 0), coalesce(sum(level >= ?4), 0) FROM delivery
             WHERE sink = ?1 AND owner = ?2 AND state = 'waiting' AND what = 'incident' AND due_ms <= ?3",
        )?;
        Ok(statement.query_row(params![sink, owner, at_ms, least as i64], |row| {
            Ok((number(row.get(0)?), number(row.get(1)?)))
        })?)
    }

    /// Marks the incidents below this level as held back because it is quiet.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn hush(&self, owner: &str, sink: &str, least: Level) -> Result<(), StoreError> {
        let db = self.db();
        let waits: bool = db
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM delivery WHERE sink = ?1 AND owner = ?2 AND state = 'waiting'
                    AND what = 'incident' AND level < ?3 AND hushed = 0)",
            )?
            .query_row(params![sink, owner, least as i64], |row| row.get(0))?;
        if waits {
            db.prepare_cached(
                "UPDATE delivery SET hushed = 1 WHERE sink = ?1 AND owner = ?2 AND state = 'waiting'
                    AND what = 'incident' AND level < ?3",
            )?
            .execute(params![sink, owner, least as i64])?;
        }
        Ok(())
    }

    /// Whether something was held back because it was quiet.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn has_hushed(&self, owner: &str, sink: &str) -> Result<bool, StoreError> {
        let db = self.db();
        let mut statement = db.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM delivery WHERE sink = ?1 AND owner = ?2 AND state = 'waiting'
                AND what = 'incident' AND hushed = 1)",
        )?;
        Ok(statement.query_row([sink, owner], |row| row.get(0))?)
    }

    /// Takes incidents that are due out of the queue and puts the card that `tell` makes of them in their place, all or
    /// nothing. What is on its way stays. How many there were.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn fold(
        &self,
        owner: &str,
        sink: &str,
        which: Which,
        at_ms: i64,
        tell: &dyn Fn(&Folded) -> Card,
    ) -> Result<u64, StoreError> {
        let (below, hushed) = match which {
            Which::Below(level) => (level as i64, false),
            Which::All => (i64::MAX, false),
            Which::Hushed => (i64::MAX, true),
        };
        let mut db = self.db();
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let rows = {
            let mut statement = transaction.prepare_cached(
                "SELECT d.id, i.id, i.level, i.agent, i.began, i.last, i.total, d.told
                 FROM delivery d JOIN incident i ON i.id = d.subject
                 WHERE d.sink = ?1 AND d.owner = ?2 AND d.state = 'waiting' AND d.what = 'incident'
                    AND d.sending IS NULL AND d.due_ms <= ?3 AND d.level < ?4 AND (d.hushed = 1 OR NOT ?5)
                 ORDER BY i.level DESC, d.id DESC",
            )?;
            let rows = statement.query_map(params![sink, owner, at_ms, below, hushed], |row| {
                Ok(Row {
                    row: row.get(0)?,
                    incident: row.get(1)?,
                    level: row.get(2)?,
                    agent: row.get(3)?,
                    began: row.get(4)?,
                    last: row.get(5)?,
                    total: row.get(6)?,
                    told: row.get(7)?,
                })
            })?;
            rows.collect::<Result<Vec<_>, _>>()?
        };
        if rows.is_empty() {
            return Ok(0);
        }
        let mut folded = Folded::default();
        for row in &rows {
            add(&transaction, &mut folded, row)?;
        }
        for row in &rows {
            transaction
                .prepare_cached(
                    "UPDATE delivery SET state = 'sent', sent = wanted, told_level = level, hushed = 0, attempts = 0,
                        error = NULL, told = coalesce((SELECT max(seq) FROM alert WHERE incident = subject), told)
                     WHERE id = ?1",
                )?
                .execute([row.row])?;
        }
        outbox::post(&transaction, owner, sink, &tell(&folded))?;
        transaction.commit()?;
        Ok(folded.incidents)
    }
}

fn add(db: &Connection, folded: &mut Folded, row: &Row) -> Result<(), StoreError> {
    let Row { row: _, incident, level: at, agent, began, last, total, told } = row;
    let at = level(*at);
    folded.incidents += 1;
    *folded.levels.entry(at).or_default() += 1;
    let agent = agent.as_deref().unwrap_or("the detector itself");
    bump(&mut folded.agents, agent, 1);
    let mut statement = db.prepare_cached(
        "SELECT title, count(*), max(level) FROM alert WHERE incident = ?1 AND seq > ?2 GROUP BY rule ORDER BY 3 DESC",
    )?;
    let mut titles = statement.query(params![incident, told])?;
    let mut gravest = None;
    while let Some(title) = titles.next()? {
        let (title, count): (String, i64) = (title.get(0)?, title.get(1)?);
        bump(&mut folded.rules, &title, number(count));
        folded.alerts += number(count);
        gravest.get_or_insert(title);
    }
    if folded.gravest.len() < NAMED {
        let title = gravest.unwrap_or_else(|| format!("{} alerts", number(*total)));
        folded.gravest.push(Named { level: at, id: incident.clone(), agent: agent.to_owned(), title });
    }
    if folded.since.is_empty() || *began < folded.since {
        folded.since.clone_from(began);
    }
    if *last > folded.last {
        folded.last.clone_from(last);
    }
    Ok(())
}

fn bump(counts: &mut BTreeMap<String, u64>, name: &str, more: u64) {
    let name = if counts.contains_key(name) || counts.len() < KINDS { name } else { REST };
    *counts.entry(name.to_owned()).or_default() += more;
}
