//! `detector alerts --follow`: alerts as they come, and those that repeat.

use std::collections::HashMap;
use std::io::{Write as _, stdout};
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::List;
use super::list::{Rows, filter};
use crate::sinks::stdout::line as json;
use crate::store::Store;
use crate::store::alerts::{Filter, Stored};

/// How often the store is asked whether somebody has written; that costs a look into shared memory.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 300_000_000 };
/// How many of the newest alerts are watched for repeats.
const WATCHED: u32 = 1_000;
/// Most alerts that are read at once.
const AT_ONCE: u32 = 1_000;

pub(super) fn run(args: &List) -> anyhow::Result<ExitCode> {
    let store = args.which.open()?;
    let filter = filter(args, &store)?;
    let rows = Rows::here();
    if !args.json {
        stdout().write_all(rows.head().as_bytes())?;
    }
    // Before the first look, so that nothing between the two is missed.
    let mut version = store.data_version()?;
    let mut known: HashMap<i64, u64> = store.revisions(WATCHED)?.into_iter().collect();
    let mut last = known.keys().copied().max().unwrap_or(0);
    for stored in store.alerts(&filter)? {
        last = last.max(stored.seq);
        known.insert(stored.seq, stored.revision);
        print(args, &rows, &store, &stored)?;
    }
    loop {
        let now = store.data_version()?;
        if now == version {
            if reader_is_gone()? {
                return Ok(ExitCode::SUCCESS);
            }
            continue;
        }
        version = now;
        for stored in changed(&store, &filter, &mut known, &mut last)? {
            print(args, &rows, &store, &stored)?;
        }
    }
}

/// Waits a pause for whoever reads our output to go away.
fn reader_is_gone() -> std::io::Result<bool> {
    let out = stdout();
    let mut fds = [PollFd::new(&out, PollFlags::empty())];
    poll(&mut fds, Some(&PAUSE))?;
    Ok(fds.iter().any(|fd| fd.revents().intersects(PollFlags::ERR | PollFlags::HUP)))
}

/// Alerts that are new, and those that have changed, in the order of their arrival.
fn changed(
    store: &Store,
    filter: &Filter,
    known: &mut HashMap<i64, u64>,
    last: &mut i64,
) -> anyhow::Result<Vec<Stored>> {
    let newest: HashMap<i64, u64> = store.revisions(WATCHED)?.into_iter().collect();
    let is_changed = |seq: &i64, revision: u64| known.get(seq).is_some_and(|before| *before < revision);
    let first =
        newest.iter().filter(|(seq, revision)| is_changed(seq, **revision)).map(|(seq, _)| *seq).min();
    let after = first.map_or(*last, |first| (first - 1).min(*last));
    // From the oldest that has changed on; of more than are read at once, the newest.
    let read =
        store.alerts(&Filter { after: Some(after), limit: Some(WATCHED + AT_ONCE), ..filter.clone() })?;
    let fresh =
        read.into_iter().filter(|stored| stored.seq > *last || is_changed(&stored.seq, stored.revision));
    let fresh: Vec<Stored> = fresh.collect();
    *last = newest.keys().copied().chain(fresh.iter().map(|stored| stored.seq)).max().unwrap_or(0).max(*last);
    *known = newest;
    Ok(fresh)
}

fn print(args: &List, rows: &Rows, store: &Store, stored: &Stored) -> anyhow::Result<()> {
    let text = if args.json { json(&stored.alert)? } else { rows.row(store, stored)? };
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}
