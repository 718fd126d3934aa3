//! Who shares the store: the processes that deliver from it. What one of them leaves behind, another one adopts.

use rusqlite::{OptionalExtension as _, TransactionBehavior, params};

use super::{Store, StoreError, now_ms};

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS instance (
    id TEXT PRIMARY KEY, pid INTEGER NOT NULL, start INTEGER NOT NULL, boot TEXT NOT NULL, began_ms INTEGER NOT NULL
) STRICT;
";

/// What was found when an instance looked for what others left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Messages that are ours now.
    pub messages: usize,
    /// Messages that nobody can deliver any more: for standard output of a process that is gone.
    pub dropped: usize,
}

/// A process, so that another one with its number is not taken for it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Process {
    pid: u32,
    /// Clock ticks since boot.
    start: u64,
    boot: String,
}

impl Process {
    fn this() -> Self {
        let pid = std::process::id();
        Self { pid, start: start_of(pid).unwrap_or(0), boot: boot() }
    }

    fn lives(&self) -> bool {
        self.boot == boot() && start_of(self.pid) == Some(self.start)
    }
}

impl Store {
    /// Enters this process under a name of its own; the name.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn enter(&self) -> Result<String, StoreError> {
        let id = ulid::Ulid::new().to_string();
        self.enter_as(&id)?;
        Ok(id)
    }

    /// Enters this process under this name; once more is no error.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn enter_as(&self, id: &str) -> Result<(), StoreError> {
        let Process { pid, start, boot } = Process::this();
        self.db().execute(
            "INSERT OR REPLACE INTO instance (id, pid, start, boot, began_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![id, pid, i64::try_from(start).unwrap_or(i64::MAX), boot, now_ms()],
        )?;
        Ok(())
    }

    /// Leaves: what is left of it may be adopted.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn leave(&self, id: &str) -> Result<(), StoreError> {
        self.db().execute("DELETE FROM instance WHERE id = ?1", [id])?;
        Ok(())
    }

    /// Makes the messages of instances that are gone ours where we have a sink of that name, and drops those that only
    /// their own process could deliver. Writes nothing where there are none.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn adopt(&self, owner: &str, sinks: &[String]) -> Result<Adopted, StoreError> {
        let mut db = self.db();
        let gone: Vec<String> = {
            let mut statement =
                db.prepare_cached("SELECT id, pid, start, boot FROM instance WHERE id <> ?1")?;
            let rows = statement.query_map([owner], |row| {
                let start: i64 = row.get(2)?;
                let process =
                    Process { pid: row.get(1)?, start: u64::try_from(start).unwrap_or(0), boot: row.get(3)? };
                Ok((row.get::<_, String>(0)?, process))
            })?;
            let all = rows.collect::<Result<Vec<_>, _>>()?;
            all.into_iter().filter(|(_, process)| !process.lives()).map(|(id, _)| id).collect()
        };
        let orphan: Option<i64> = db
            .prepare_cached(
                "SELECT 1 FROM delivery WHERE state = 'waiting' AND owner NOT IN (SELECT id FROM instance) LIMIT 1",
            )?
            .query_row([], |row| row.get(0))
            .optional()?;
        if gone.is_empty() && orphan.is_none() {
            return Ok(Adopted::default());
        }
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for id in &gone {
            transaction.execute("DELETE FROM instance WHERE id = ?1", [id])?;
        }
        let dropped = transaction.execute(
            "DELETE FROM delivery WHERE scope <> '' AND scope NOT IN (SELECT id FROM instance)",
            [],
        )?;
        let mut messages = 0;
        for sink in sinks {
            messages += transaction.execute(
                "UPDATE delivery SET owner = ?1 WHERE sink = ?2 AND scope = '' AND state = 'waiting'
                    AND owner NOT IN (SELECT id FROM instance)",
                params![owner, sink],
            )?;
        }
        transaction.commit()?;
        Ok(Adopted { messages, dropped })
    }
}

/// Field 22 of `/proc/PID/stat`; the name before may hold anything.
fn start_of(pid: u32) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat).into_owned();
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    // A zombie delivers nothing.
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start() {
        let this = Process::this();
        assert!(this.lives());
        assert!(!Process { start: this.start + 1, ..this.clone() }.lives());
        assert!(!Process { boot: "another".to_owned(), ..this }.lives());
    }
}
