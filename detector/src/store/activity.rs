//! How busy agents were.

use rusqlite::{Connection, params};

use super::{Store, StoreError};
use crate::activity::Sample;

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS sample (
    agent TEXT NOT NULL, at_ms INTEGER NOT NULL, cpu REAL NOT NULL, processes INTEGER NOT NULL, gpus TEXT,
    PRIMARY KEY (agent, at_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sample_time ON sample (at_ms);
";

/// How long samples are kept, milliseconds: seven days.
pub const KEPT_MS: i64 = 7 * 24 * 3_600 * 1_000;

/// Most samples that are kept, of all agents: what one keeps busy for two months.
const MOST_SAMPLES: i64 = 500_000;

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
            let gpus =
                if gpus.is_empty() { None } else { Some(super::alerts::json_of(gpus, "use of GPUs")?) };
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO sample (agent, at_ms, cpu, processes, gpus)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![agent, at_ms, f64::from(*cpu_cores), processes, gpus])?;
        }
        forget(&transaction, newest)?;
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
}

fn forget(db: &Connection, newest: i64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM sample WHERE at_ms < ?1")?.execute([newest - KEPT_MS])?;
    db.prepare_cached(
        "DELETE FROM sample WHERE at_ms <= coalesce(
            (SELECT at_ms FROM sample ORDER BY at_ms DESC LIMIT 1 OFFSET ?1), -1)",
    )?
    .execute([MOST_SAMPLES])?;
    Ok(())
}

#[cfg(test)]
#[path = "activity_tests.rs"]
mod tests;
