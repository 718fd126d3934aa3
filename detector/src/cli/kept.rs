//! What `alerts` and `explain` do alike: find the store, and what an id in it means; times and places for people.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{BadArgument, setup};
use crate::alert::Alert;
use crate::alert::incident::Incident;
use crate::config::Checked;
use crate::store::Store;
use crate::store::alerts::Stored;
use crate::store::find::{SHORTEST, Thing};

/// Which store.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Which {
    /// Store of alerts; otherwise what `DETECTOR_STORE` or the configuration says, otherwise
    /// /var/lib/detector/state.db
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Configuration file of the daemon, for its `[store] path` and its rules
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Something that an id names.
pub(super) enum Found {
    /// An alert, its fields with it.
    Alert(Box<Stored>),
    /// An incident.
    Incident(Box<Incident>),
}

impl Which {
    pub(super) fn config(&self) -> anyhow::Result<Checked> {
        setup::config(self.config.as_deref())
    }

    fn path(&self) -> anyhow::Result<PathBuf> {
        Ok(setup::store_path(&self.config()?.config, self.store.as_deref()))
    }

    /// The store, which must be there.
    pub(super) fn open(&self) -> anyhow::Result<Store> {
        let path = self.path()?;
        let store = Store::existing(&path).map_err(|error| match unreadable(&path) {
            Some(reason) => {
                BadArgument(format!("the store {} cannot be read: {reason}", path.display())).into()
            }
            None => anyhow::Error::new(error),
        })?;
        Ok(store.ok_or_else(|| {
            let why = match unreadable(&path) {
                Some(reason) if path.exists() => format!("cannot be read: {reason}"),
                _ => {
                    "is not there: `detector run` or `detector wrap` makes it with the first start".to_owned()
                }
            };
            BadArgument(format!("the store {} {why}; name another with --store FILE", path.display()))
        })?)
    }
}

/// Why a file cannot be read, where that is so.
fn unreadable(path: &Path) -> Option<std::io::Error> {
    std::fs::File::open(path).err().filter(|error| error.kind() != std::io::ErrorKind::NotFound)
}

/// What an id names: by all of it, or by at least four characters of its beginning or its end.
pub(super) fn find(store: &Store, id: &str) -> anyhow::Result<Found> {
    let (thing, full) = one(store, id, &[Thing::Alert, Thing::Incident])?;
    let found = match thing {
        Thing::Alert => store.alert(&full)?.map(|stored| Found::Alert(Box::new(stored))),
        Thing::Incident => store.incident(&full)?.map(|incident| Found::Incident(Box::new(incident))),
        Thing::Mute => None,
    };
    found.with_context(|| format!("{full} had to make room meanwhile"))
}

/// The one thing of these kinds that an id names.
pub(super) fn one(store: &Store, id: &str, things: &[Thing]) -> anyhow::Result<(Thing, String)> {
    let kinds: Vec<&str> = things.iter().map(|thing| thing.name()).collect();
    let kinds = kinds.join(" or ");
    if id.trim().len() < SHORTEST {
        let why = format!("`{id}` is too short to name an {kinds}; give its last six characters or more");
        return Err(BadArgument(why).into());
    }
    let found = store.named(id, things)?;
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => {
            let near = store.nearest(id, things)?.map(|near| format!("; did you mean {near}?"));
            let list = if things.contains(&Thing::Mute) { "alerts mutes" } else { "alerts" };
            let remedy = near.unwrap_or_else(|| format!("; `detector {list}` names them"));
            Err(BadArgument(format!("no {kinds} has the id `{id}`{remedy}")).into())
        }
        several => {
            let names: Vec<String> =
                several.iter().map(|(thing, id)| format!("{} {id}", thing.name())).collect();
            let more = if several.len() > 9 { " and others" } else { "" };
            Err(BadArgument(format!("`{id}` may mean {}{more}", names.join(", "))).into())
        }
    }
}

/// The alerts of an incident, oldest first, each with its fields.
pub(super) fn alerts_of(store: &Store, incident: &Incident) -> anyhow::Result<Vec<Alert>> {
    let mut out = Vec::new();
    for alert in &incident.alerts {
        out.push(store.alert(&alert.id)?.map_or_else(|| alert.clone(), |stored| stored.alert));
    }
    Ok(out)
}

/// The end of an id, by which people name it.
pub(super) fn short(id: &str) -> &str {
    id.get(id.len().saturating_sub(8)..).unwrap_or(id)
}

/// A time (RFC 3339) in the zone of whoever reads: `2026-11-21 23:59:14`. As it was where it is none.
pub(super) fn local(time: &str) -> String {
    local_as(time, "%Y-%m-%d %H:%M:%S")
}

/// As [`local`], in a form of one's own.
pub(super) fn local_as(time: &str, form: &str) -> String {
    match time.parse::<Timestamp>() {
        Ok(time) => time.to_zoned(TimeZone::system()).strftime(form).to_string(),
        Err(_) => time.to_owned(),
    }
}

/// Milliseconds since the epoch in the zone of whoever reads.
pub(super) fn local_ms(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(time) => time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => ms.to_string(),
    }
}

/// Columns of the terminal; `None` where the output is none.
pub(super) fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
