//! Mutes: what people do not want to hear of for a while, and why.

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS mute (
    id TEXT PRIMARY KEY, rule TEXT, agent TEXT, exe TEXT, until_ms INTEGER NOT NULL, reason TEXT NOT NULL,
    who TEXT NOT NULL, made_ms INTEGER NOT NULL, hits INTEGER NOT NULL DEFAULT 0
) STRICT;
";

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::{Store, StoreError};
use crate::alert::Alert;

/// A mute: alerts that match every part that is given are stored and given to machines, and people are not told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mute {
    /// ULID.
    pub id: String,
    /// Id of a rule.
    pub rule: Option<String>,
    /// Name of an agent.
    pub agent: Option<String>,
    /// Executable.
    pub exe: Option<String>,
    /// Milliseconds since the epoch: when it ends.
    pub until_ms: i64,
    /// Why.
    pub reason: String,
    /// Who.
    pub who: String,
    /// Milliseconds since the epoch: when it was made.
    pub made_ms: i64,
    /// How many alerts it kept quiet.
    pub hits: u64,
}

impl Mute {
    /// Whether an alert is one that nobody wants to hear of.
    pub fn matches(&self, alert: &Alert) -> bool {
        let agent = alert.agent.as_ref().map(|agent| &*agent.name);
        let exe = alert.process.as_ref().map(|process| &*process.exe);
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| Some(wanted) == found)
        };
        is(&self.rule, Some(&alert.rule.id)) && is(&self.agent, agent) && is(&self.exe, exe)
    }
}

impl Store {
    /// The mutes that hold at `now_ms`, the one that ends first in front.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn mutes(&self, now_ms: i64) -> Result<Vec<Mute>, StoreError> {
        let db = self.db();
        let mut statement = db.prepare_cached(
            "SELECT id, rule, agent, exe, until_ms, reason, who, made_ms, hits FROM mute WHERE until_ms > ?1
             ORDER BY until_ms",
        )?;
        let rows = statement.query_map([now_ms], |row| {
            Ok(Mute {
                id: row.get(0)?,
                rule: row.get(1)?,
                agent: row.get(2)?,
                exe: row.get(3)?,
                until_ms: row.get(4)?,
                reason: row.get(5)?,
                who: row.get(6)?,
                made_ms: row.get(7)?,
                hits: super::alerts::number(row.get(8)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Adds a mute.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn mute(&self, mute: &Mute) -> Result<(), StoreError> {
        let Mute { id, rule, agent, exe, until_ms, reason, who, made_ms, hits: _ } = mute;
        self.db().execute(
            "INSERT INTO mute (id, rule, agent, exe, until_ms, reason, who, made_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![id, rule, agent, exe, until_ms, reason, who, made_ms],
        )?;
        Ok(())
    }

    /// Takes a mute back; `false` where there is none with this id.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn unmute(&self, id: &str) -> Result<bool, StoreError> {
        Ok(self.db().execute("DELETE FROM mute WHERE id = ?1", [id.to_ascii_uppercase()])? > 0)
    }
}
