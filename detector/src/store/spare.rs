//! Takes what was kept in memory back into the store on disk.

use rusqlite::params;

use super::outbox::Route;
use super::{Store, StoreError, alerts};
use crate::alert::Alert;
use crate::sinks::Grain;

impl Store {
    /// Alerts after a number, the oldest first, with their subjects.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn oldest(&self, after: i64, most: u32) -> Result<Vec<(i64, Alert)>, StoreError> {
        let ids = {
            let db = self.db();
            let mut statement =
                db.prepare_cached("SELECT id FROM alert WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
            let rows = statement.query_map(params![after, most], |row| row.get::<_, String>(0))?;
            rows.collect::<Result<Vec<_>, _>>()?
        };
        let mut out = Vec::new();
        for id in ids {
            if let Some(stored) = self.alert(&id)? {
                out.push((stored.seq, stored.alert));
            }
        }
        Ok(out)
    }

    /// Takes out of the queues what was to be said of an alert and is not on its way: where it was to go.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn take(&self, alert: &Alert) -> Result<Vec<Route>, StoreError> {
        let db = self.db();
        let mut statement = db.prepare_cached(
            "DELETE FROM delivery WHERE subject IN (?1, ?2) AND state = 'waiting' AND sending IS NULL
                AND what IN ('alert', 'incident') RETURNING sink, what",
        )?;
        let rows = statement.query_map([&alert.id, &alert.incident], |row| {
            let grain = if row.get::<_, String>(1)? == "alert" { Grain::Alert } else { Grain::Incident };
            Ok(Route { sink: row.get(0)?, grain })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Puts into the queues what [`Store::take`] took.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn give_back(&self, owner: &str, alert: &Alert, routes: &[Route]) -> Result<(), StoreError> {
        let db = self.db();
        for Route { sink, grain } in routes {
            let (what, subject) = match grain {
                Grain::Alert => ("alert", &alert.id),
                Grain::Incident => ("incident", &alert.incident),
            };
            super::outbox::again(&db, owner, sink, what, subject, alert.level)?;
        }
        Ok(())
    }

    /// How many alerts there are.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn total(&self) -> Result<u64, StoreError> {
        let db = self.db();
        let count = db.query_row("SELECT count(*) FROM alert", [], |row| row.get(0))?;
        Ok(alerts::number(count))
    }
}
