//! How large the store may be and how long it keeps: what is worth least goes first.

use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior, params};

use super::{Store, StoreError, now_ms};

/// Alerts that go in one step: what else wants to write waits no longer than for these.
const STEP: u32 = 250;

/// Name of the counter of alerts that went to make room.
pub const REMOVED: &str = "removed";

/// What the store may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes.
    pub size: u64,
    /// How long alerts are kept.
    pub keep: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { size: 512 << 20, keep: Duration::from_secs(30 * 86_400) }
    }
}

/// What went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Alerts of level informational or low.
    pub lesser: u64,
    /// Alerts of level medium and above.
    pub graver: u64,
}

impl Removed {
    /// All of them.
    pub fn total(self) -> u64 {
        self.lesser + self.graver
    }
}

impl std::ops::AddAssign for Removed {
    fn add_assign(&mut self, other: Self) {
        self.lesser += other.lesser;
        self.graver += other.graver;
    }
}

impl Store {
    /// Bytes that what is in the store takes; pages that are free again do not count.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn used(&self) -> Result<u64, StoreError> {
        used(&self.db())
    }

    /// Removes what is older than the limit and no sink waits for; how many alerts went.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn expire(&self, limits: &Limits) -> Result<u64, StoreError> {
        let keep = i64::try_from(limits.keep.as_millis()).unwrap_or(i64::MAX);
        let before_ms = now_ms().saturating_sub(keep);
        let Ok(before) = jiff::Timestamp::from_millisecond(before_ms) else { return Ok(0) };
        let before = before.to_string();
        let mut all = 0;
        loop {
            let mut db = self.db();
            let seqs = select(
                &db,
                "SELECT seq FROM alert WHERE time < ?1 AND NOT EXISTS (SELECT 1 FROM delivery
                    WHERE state = 'waiting' AND subject IN (alert.id, alert.incident)) ORDER BY time LIMIT ?2",
                params![before, STEP],
            )?;
            if seqs.is_empty() {
                db.execute(
                    "DELETE FROM delivery WHERE what = 'card' AND state <> 'waiting' AND made_ms < ?1",
                    [before_ms],
                )?;
                return Ok(all);
            }
            remove(&mut db, &seqs)?;
            all += seqs.len() as u64;
        }
    }

    /// Makes room for at least `bytes` more below the limit of size: informational and low alerts go first, the oldest
    /// in front, what a sink still waits for last. Nothing goes where there is room.
    ///
    /// # Errors
    /// The store cannot be written. What went before stays gone and is counted in the store.
    pub fn make_room(&self, limits: &Limits, bytes: u64) -> Result<Removed, StoreError> {
        let mut removed = Removed::default();
        while self.used()?.saturating_add(bytes) > limits.size {
            let step = self.remove_least()?;
            if step == Removed::default() {
                break;
            }
            removed += step;
        }
        Ok(removed)
    }

    /// Removes the few alerts that are worth least.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn remove_least(&self) -> Result<Removed, StoreError> {
        const WAITS: &str = "EXISTS (SELECT 1 FROM delivery WHERE state = 'waiting'
            AND subject IN (alert.id, alert.incident))";
        let mut db = self.db();
        // From what is worth least. Level 1 is low, 2 medium, 3 high.
        for (levels, waits) in [
            ("level <= 1", "NOT"),
            ("level <= 1", ""),
            ("level = 2", "NOT"),
            ("level >= 3", "NOT"),
            ("level = 2", ""),
            ("level >= 3", ""),
        ] {
            let sql =
                format!("SELECT seq FROM alert WHERE {levels} AND {waits} {WAITS} ORDER BY seq LIMIT ?1");
            let seqs = select(&db, &sql, [STEP])?;
            if seqs.is_empty() {
                continue;
            }
            remove(&mut db, &seqs)?;
            // What was freed counts once it is no longer in the log alone. Readers that hold it back are no error.
            let _ = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            let count = seqs.len() as u64;
            return Ok(if levels == "level <= 1" {
                Removed { lesser: count, graver: 0 }
            } else {
                Removed { lesser: 0, graver: count }
            });
        }
        Ok(Removed::default())
    }
}

fn used(db: &Connection) -> Result<u64, StoreError> {
    let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = pragma("page_count")? - pragma("freelist_count")?;
    Ok(super::alerts::number(pages.saturating_mul(pragma("page_size")?)))
}

fn select(db: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<Vec<i64>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(values, |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Removes alerts with what was to be said of them, and incidents of which nothing is left.
fn remove(db: &mut Connection, seqs: &[i64]) -> Result<(), StoreError> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for seq in seqs {
        let (id, incident): (String, String) = transaction
            .prepare_cached("DELETE FROM alert WHERE seq = ?1 RETURNING id, incident")?
            .query_row([seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
        transaction.prepare_cached("DELETE FROM delivery WHERE subject = ?1")?.execute([&id])?;
        let gone = transaction
            .prepare_cached(
                "DELETE FROM incident WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM alert WHERE incident = ?1)",
            )?
            .execute([&incident])?;
        if gone > 0 {
            transaction.prepare_cached("DELETE FROM delivery WHERE subject = ?1")?.execute([&incident])?;
        }
    }
    transaction.commit()?;
    Ok(())
}
