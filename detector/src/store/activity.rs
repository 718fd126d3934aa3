//! What agents did, in sums of five minutes, and how busy they were every ten seconds.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, params};

use super::alerts::{json_of, number};
use super::{Store, StoreError};
use crate::activity::{Activity, Doing, Item, Others, Sample, Usage};

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS sample (
    agent TEXT NOT NULL, at_ms INTEGER NOT NULL, cpu REAL NOT NULL, processes INTEGER NOT NULL, gpus TEXT,
    PRIMARY KEY (agent, at_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sample_time ON sample (at_ms);
CREATE TABLE IF NOT EXISTS usage (
    from_ms INTEGER NOT NULL, agent TEXT NOT NULL, born INTEGER NOT NULL, ended INTEGER NOT NULL,
    cpu REAL NOT NULL, cpu_unexplained REAL NOT NULL, gpu REAL NOT NULL, gpu_unexplained REAL NOT NULL,
    joules REAL NOT NULL, PRIMARY KEY (from_ms, agent)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS doing (
    from_ms INTEGER NOT NULL, agent TEXT NOT NULL, doing TEXT NOT NULL, name TEXT NOT NULL, more TEXT NOT NULL,
    note TEXT NOT NULL, names INTEGER NOT NULL, count INTEGER NOT NULL, sent INTEGER NOT NULL,
    received INTEGER NOT NULL, PRIMARY KEY (from_ms, agent, doing, name, more)
) STRICT, WITHOUT ROWID;
";

/// How long samples and sums are kept, milliseconds: seven days, and what a digest of seven days may begin before.
pub const KEPT_MS: i64 = 7 * 24 * 3_600 * 1_000 + SPAN_MS;

/// Milliseconds that one sum in the store covers.
pub const SPAN_MS: i64 = 5 * 60 * 1_000;

/// Most samples that are kept, of all agents: what one keeps busy for two months.
const MOST_SAMPLES: i64 = 500_000;

/// Most rows of sums that are kept, of all agents; the oldest go first.
const MOST_ROWS: i64 = 1_000_000;

/// The name of what had no room under its own: no program, file or host is called so.
const OTHERS: &str = "";

/// What an agent did in a span of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Did {
    /// What it used.
    pub usage: Usage,
    /// What it did; of each kind what counts most, the heaviest first.
    pub items: Vec<Item>,
    /// What of each kind had no room.
    pub others: BTreeMap<Doing, Others>,
}

impl Store {
    /// Puts samples down, and lets go of those that are too old or too many.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn add_samples(&self, samples: &[Sample]) -> Result<(), StoreError> {
        let Some(newest) = samples.iter().map(|sample| sample.at_ms).max() else { return Ok(()) };
        let mut db = self.db();
        let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for Sample { at_ms, agent, cpu_cores, gpus, processes } in samples {
            let gpus = (!gpus.is_empty()).then(|| json_of(gpus, "use of GPUs")).transpose()?;
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO sample (agent, at_ms, cpu, processes, gpus)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![agent, at_ms, f64::from(*cpu_cores), processes, gpus])?;
        }
        transaction.prepare_cached("DELETE FROM sample WHERE at_ms < ?1")?.execute([newest - KEPT_MS])?;
        transaction
            .prepare_cached(
                "DELETE FROM sample WHERE at_ms <= coalesce(
                    (SELECT at_ms FROM sample ORDER BY at_ms DESC LIMIT 1 OFFSET ?1), -1)",
            )?
            .execute([MOST_SAMPLES])?;
        transaction.commit()?;
        Ok(())
    }

    /// The samples of an agent from one time to another, both included (milliseconds since the epoch), oldest first.
    /// An agent that was idle has none.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn samples(&self, agent: &str, from_ms: i64, to_ms: i64) -> Result<Vec<Sample>, StoreError> {
        let db = self.db();
        let mut statement = db.prepare_cached(
            "SELECT at_ms, cpu, processes, gpus FROM sample WHERE agent = ?1 AND at_ms BETWEEN ?2 AND ?3
             ORDER BY at_ms",
        )?;
        let mut rows = statement.query(params![agent, from_ms, to_ms])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let gpus: Option<String> = row.get(3)?;
            let gpus = gpus.map(|text| serde_json::from_str(&text)).transpose();
            out.push(Sample {
                at_ms: row.get(0)?,
                agent: agent.to_owned(),
                cpu_cores: row.get::<_, f64>(1)? as f32,
                gpus: gpus
                    .map_err(|source| StoreError::Content { what: "use of GPUs", source })?
                    .unwrap_or_default(),
                processes: row.get(2)?,
            });
        }
        Ok(out)
    }

    /// Puts down what agents did, added to what they did in the same five minutes, and lets go of what is too old or
    /// too much.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn add_activity(&self, activity: &[Activity]) -> Result<(), StoreError> {
        let Some(newest) = activity.iter().map(|one| one.to_ms).max() else { return Ok(()) };
        let mut db = self.db();
        let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for one in activity {
            add(&transaction, one)?;
        }
        for table in ["usage", "doing"] {
            let sql = format!("DELETE FROM {table} WHERE from_ms < ?1");
            transaction.prepare_cached(&sql)?.execute([newest - KEPT_MS])?;
            let sql = format!(
                "DELETE FROM {table} WHERE from_ms <= coalesce(
                    (SELECT from_ms FROM {table} ORDER BY from_ms DESC LIMIT 1 OFFSET ?1), -1)"
            );
            transaction.prepare_cached(&sql)?.execute([MOST_ROWS])?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// What agents did from one time to another (milliseconds since the epoch), by name; the five minutes that either
    /// falls into are counted whole.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn activity(
        &self,
        agent: Option<&str>,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<BTreeMap<String, Did>, StoreError> {
        let from_ms = span(from_ms);
        let db = self.db();
        let mut out: BTreeMap<String, Did> = BTreeMap::new();
        let mut statement = db.prepare(
            "SELECT agent, sum(born), sum(ended), sum(cpu), sum(cpu_unexplained), sum(gpu), sum(gpu_unexplained),
                sum(joules)
             FROM usage WHERE from_ms BETWEEN ?1 AND ?2 AND (?3 IS NULL OR agent = ?3) GROUP BY agent",
        )?;
        let mut rows = statement.query(params![from_ms, to_ms, agent])?;
        while let Some(row) = rows.next()? {
            let usage = Usage {
                born: number(row.get(1)?),
                ended: number(row.get(2)?),
                cpu_s: row.get(3)?,
                cpu_unexplained_s: row.get(4)?,
                gpu_s: row.get(5)?,
                gpu_unexplained_s: row.get(6)?,
                gpu_joules: row.get(7)?,
            };
            out.entry(row.get(0)?).or_default().usage = usage;
        }
        // With a single max(), SQLite takes the bare column `note` from the row that has it.
        let mut statement = db.prepare(
            "SELECT agent, doing, name, more, note, max(count), sum(names), sum(count), sum(sent), sum(received)
             FROM doing WHERE from_ms BETWEEN ?1 AND ?2 AND (?3 IS NULL OR agent = ?3)
             GROUP BY agent, doing, name, more
             ORDER BY agent, doing, sum(count) + (sum(sent) + sum(received)) / 4096 DESC, name, more",
        )?;
        let mut rows = statement.query(params![from_ms, to_ms, agent])?;
        while let Some(row) = rows.next()? {
            let kind: String = row.get(1)?;
            let Some(doing) = Doing::named(&kind) else { continue };
            let item = Item {
                doing,
                name: row.get(2)?,
                more: row.get(3)?,
                note: row.get(4)?,
                // Points do not add up.
                count: number(row.get(if doing == Doing::Mining { 5 } else { 7 })?),
                sent: number(row.get(8)?),
                received: number(row.get(9)?),
            };
            let did = out.entry(row.get(0)?).or_default();
            let others = did.others.entry(doing).or_default();
            if item.name == OTHERS {
                let names = number(row.get(6)?);
                others.join(&Others { names, count: item.count, sent: item.sent, received: item.received });
            } else if did.items.iter().filter(|known| known.doing == doing).count() < doing.most() {
                did.items.push(item);
            } else {
                others.add(&item);
            }
        }
        for did in out.values_mut() {
            did.others.retain(|_, others| others.names > 0);
        }
        Ok(out)
    }
}

/// The beginning of the five minutes that a time falls into.
fn span(at_ms: i64) -> i64 {
    at_ms - at_ms.rem_euclid(SPAN_MS)
}

fn add(db: &Transaction<'_>, activity: &Activity) -> Result<(), StoreError> {
    let Activity { agent, from_ms: _, to_ms, usage, items, others } = activity;
    let from_ms = span(to_ms - 1);
    let Usage { born, ended, cpu_s, cpu_unexplained_s, gpu_s, gpu_unexplained_s, gpu_joules } = usage;
    db.prepare_cached(
        "INSERT INTO usage VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO UPDATE SET
            born = born + excluded.born, ended = ended + excluded.ended, cpu = cpu + excluded.cpu,
            cpu_unexplained = cpu_unexplained + excluded.cpu_unexplained, gpu = gpu + excluded.gpu,
            gpu_unexplained = gpu_unexplained + excluded.gpu_unexplained, joules = joules + excluded.joules",
    )?
    .execute(params![
        from_ms,
        agent,
        whole(*born),
        whole(*ended),
        cpu_s,
        cpu_unexplained_s,
        gpu_s,
        gpu_unexplained_s,
        gpu_joules
    ])?;
    for item in items {
        let Item { doing, name, more, note, count, sent, received } = item;
        // What nobody can name has no row of its own: an empty name is that of the others.
        let name = if name.is_empty() { "(unknown)" } else { name };
        let row = Row { doing: *doing, name, more, note, names: 1, count, sent, received };
        put(db, from_ms, agent, &row)?;
    }
    for (doing, Others { names, count, sent, received }) in others {
        let row =
            Row { doing: *doing, name: OTHERS, more: "", note: "", names: *names, count, sent, received };
        put(db, from_ms, agent, &row)?;
    }
    for doing in Doing::ALL {
        fold(db, from_ms, agent, doing)?;
    }
    Ok(())
}

/// One row of `doing`.
struct Row<'a> {
    doing: Doing,
    name: &'a str,
    more: &'a str,
    note: &'a str,
    names: u64,
    count: &'a u64,
    sent: &'a u64,
    received: &'a u64,
}

fn put(db: &Connection, from_ms: i64, agent: &str, row: &Row<'_>) -> Result<(), StoreError> {
    let Row { doing, name, more, note, names, count, sent, received } = row;
    db.prepare_cached(
        "INSERT INTO doing VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO UPDATE SET
            note = CASE WHEN excluded.note = '' OR (doing = 'mining' AND excluded.count < count) THEN note
                ELSE excluded.note END,
            count = CASE doing WHEN 'mining' THEN max(count, excluded.count) ELSE count + excluded.count END,
            names = CASE name WHEN '' THEN names + excluded.names ELSE 1 END,
            sent = sent + excluded.sent, received = received + excluded.received",
    )?
    .execute(params![
        from_ms,
        agent,
        doing.name(),
        name,
        more,
        note,
        whole(*names),
        whole(**count),
        whole(**sent),
        whole(**received)
    ])?;
    Ok(())
}

/// Keeps of one kind what counts most in these five minutes; the rest goes into the sum of the others.
fn fold(db: &Connection, from_ms: i64, agent: &str, doing: Doing) -> Result<(), StoreError> {
    let most = i64::try_from(2 * doing.most()).unwrap_or(i64::MAX);
    let of = params![from_ms, agent, doing.name()];
    let rows: i64 = db
        .prepare_cached("SELECT count(*) FROM doing WHERE from_ms = ?1 AND agent = ?2 AND doing = ?3")?
        .query_row(of, |row| row.get(0))?;
    if rows <= most + 1 {
        return Ok(());
    }
    let mut statement = db.prepare_cached(
        "SELECT name, more, names, count, sent, received FROM doing
         WHERE from_ms = ?1 AND agent = ?2 AND doing = ?3 AND name <> ''
         ORDER BY count + (sent + received) / 4096 DESC, name, more LIMIT -1 OFFSET ?4",
    )?;
    let mut rows = statement.query(params![from_ms, agent, doing.name(), most])?;
    let mut others = Others::default();
    let mut gone: Vec<(String, String)> = Vec::new();
    while let Some(row) = rows.next()? {
        others.join(&Others {
            names: number(row.get(2)?),
            count: number(row.get(3)?),
            sent: number(row.get(4)?),
            received: number(row.get(5)?),
        });
        gone.push((row.get(0)?, row.get(1)?));
    }
    for (name, more) in gone {
        db.prepare_cached(
            "DELETE FROM doing WHERE from_ms = ?1 AND agent = ?2 AND doing = ?3 AND name = ?4 AND more = ?5",
        )?
        .execute(params![from_ms, agent, doing.name(), name, more])?;
    }
    let Others { names, count, sent, received } = &others;
    let row = Row { doing, name: OTHERS, more: "", note: "", names: *names, count, sent, received };
    put(db, from_ms, agent, &row)
}

/// A number as SQLite takes it.
fn whole(number: u64) -> i64 {
    // Sums of a few rows stay numbers.
    i64::try_from(number).unwrap_or(i64::MAX).min(i64::MAX >> 20)
}

#[cfg(test)]
#[path = "activity_tests.rs"]
mod tests;
