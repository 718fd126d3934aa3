//! Puts alerts down with a row for each sink that routing picks, keeps the store within its limits, and goes on in
//! memory where it cannot be written.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::{Audience, Delivered, Shared, chain, notice};
use crate::alert::Alert;
use crate::store::mute::Mute;
use crate::store::outbox::Route;
use crate::store::room::{Limits, REMOVED, Removed};
use crate::store::{Store, StoreError};

/// Most alerts that are put down at once.
const BATCH: usize = 512;
/// How often it is looked for what others left behind.
const CHORES: Duration = Duration::from_secs(5);
/// How often what is too old goes.
const EXPIRY: Duration = Duration::from_secs(600);
/// How often people are told of the same trouble.
const AGAIN: Duration = Duration::from_secs(1_800);
/// How often alerts make room for others when the disk is full, before they are kept in memory.
const TRIES: u32 = 20;
/// What alerts take in memory while the store cannot be written.
const SPARE: Limits = Limits { size: 32 << 20, keep: Duration::MAX };

/// The thread of the store.
pub(super) struct Recorder {
    shared: Arc<Shared>,
    alerts: Receiver<Alert>,
    delivered: Delivered,
    /// What had to go and was not told yet.
    removed: Removed,
    is_full: bool,
    room_told: Option<Instant>,
    /// When the store could not be written any more.
    failing: Option<Instant>,
    failure_told: Option<Instant>,
    /// Alerts of the spare store up to this number are in the store.
    moved: i64,
    dropped_told: u64,
    chores: Instant,
    expiry: Option<Instant>,
}

impl Recorder {
    pub(super) fn new(shared: Arc<Shared>, alerts: Receiver<Alert>) -> Self {
        Self {
            shared,
            alerts,
            delivered: Delivered::default(),
            removed: Removed::default(),
            is_full: false,
            room_told: None,
            failing: None,
            failure_told: None,
            moved: 0,
            dropped_told: 0,
            chores: Instant::now(),
            expiry: None,
        }
    }

    pub(super) fn run(mut self) -> Delivered {
        loop {
            match self.alerts.recv_timeout(CHORES.saturating_sub(self.chores.elapsed())) {
                Ok(first) => {
                    let mut batch = vec![first];
                    batch.extend(self.alerts.try_iter().take(BATCH - 1));
                    self.put(&batch);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.chores.elapsed() >= CHORES {
                self.do_chores();
                self.chores = Instant::now();
            }
        }
        self.tell();
        self.delivered
    }

    fn put(&mut self, batch: &[Alert]) {
        for alert in batch {
            *self.delivered.0.entry(alert.level).or_default() += 1;
        }
        self.keep_within();
        match self.record(batch) {
            Ok(()) => self.works_again(),
            Err(error) => self.keep_in_memory(batch, &error),
        }
        for way in self.shared.ways().iter() {
            way.bell.look();
        }
    }

    /// Puts alerts down; where there is no room, what is worth least makes room.
    fn record(&mut self, batch: &[Alert]) -> Result<(), StoreError> {
        let mut tries = 0;
        loop {
            let ways = self.shared.ways();
            let mut route = |alert: &Alert, mute: Option<&Mute>| {
                ways.iter()
                    .filter(|way| {
                        way.routing.takes(alert) && (mute.is_none() || way.audience == Audience::Machines)
                    })
                    .map(|way| Route { sink: way.name.clone(), grain: way.grain })
                    .collect()
            };
            let recorded = self.shared.store.record(&self.shared.owner, batch, &mut route);
            let Err(error) = recorded else { return Ok(()) };
            if !error.is_full() || tries >= TRIES {
                return Err(error);
            }
            tries += 1;
            match self.shared.store.remove_least() {
                Ok(removed) if removed.total() > 0 => {
                    self.is_full = true;
                    self.removed += removed;
                }
                Ok(_) | Err(_) => return Err(error),
            }
        }
    }

    /// Where the store has grown to its limit, a sixteenth of it is made free.
    fn keep_within(&mut self) {
        let Shared { store, limits, .. } = &*self.shared;
        let Ok(used) = store.used() else { return };
        if used <= limits.size {
            return;
        }
        match store.make_room(limits, limits.size / 16) {
            Ok(removed) => self.removed += removed,
            Err(error) => tracing::error!(error = %chain(error), "no room can be made in the store"),
        }
    }

    fn keep_in_memory(&mut self, batch: &[Alert], error: &StoreError) {
        let reason = reason(error);
        if self.failing.is_none() {
            self.failing = Some(Instant::now());
            tracing::error!(
                alerts = batch.len(),
                error = reason,
                "alerts cannot be stored and are kept in memory"
            );
        }
        let shared = Arc::clone(&self.shared);
        let Some(spare) = self.spare() else { return };
        if let Err(error) = spare.make_room(&SPARE, 0) {
            tracing::error!(error = %chain(error), "there is no room in memory");
        }
        let ways = shared.ways();
        let mut route = |alert: &Alert, mute: Option<&Mute>| {
            ways.iter()
                .filter(|way| {
                    way.routing.takes(alert) && (mute.is_none() || way.audience == Audience::Machines)
                })
                .map(|way| Route { sink: way.name.clone(), grain: way.grain })
                .collect()
        };
        if let Err(error) = spare.record(&shared.owner, batch, &mut route) {
            tracing::error!(alerts = batch.len(), error = %chain(error), "alerts are lost: they cannot be kept in memory either");
        }
        if self.failure_told.is_none_or(|told| told.elapsed() >= AGAIN) {
            self.failure_told = Some(Instant::now());
            let path = path(&shared.store);
            shared.tell_people(&notice::unwritable(&shared.host, &path, &reason));
        }
    }

    fn spare(&self) -> Option<Arc<Store>> {
        if let Some(spare) = self.shared.spare.get() {
            return Some(Arc::clone(spare));
        }
        match Store::in_memory() {
            Ok(spare) => Some(Arc::clone(self.shared.spare.get_or_init(|| Arc::new(spare)))),
            Err(error) => {
                tracing::error!(error = %chain(error), "alerts are lost: there is no memory for them");
                None
            }
        }
    }

    fn works_again(&mut self) {
        let Some(since) = self.failing.take() else { return };
        tracing::info!(seconds = since.elapsed().as_secs(), "the store can be written again");
        // A process that could not enter itself does so now, so that nobody adopts what it has.
        if let Err(error) = self.shared.store.enter_as(&self.shared.owner) {
            tracing::error!(error = %chain(error), "the store cannot be written");
        }
        self.move_back();
    }

    /// Moves what was kept in memory into the store.
    fn move_back(&mut self) {
        let Some(spare) = self.shared.spare.get().map(Arc::clone) else { return };
        loop {
            let alerts = match spare.oldest(self.moved, 256) {
                Ok(alerts) if alerts.is_empty() => return,
                Ok(alerts) => alerts,
                Err(error) => {
                    tracing::error!(error = %chain(error), "what is in memory cannot be read");
                    return;
                }
            };
            for (seq, alert) in alerts {
                let routes = match spare.take(&alert) {
                    Ok(routes) => routes,
                    Err(error) => {
                        tracing::error!(error = %chain(error), "what is in memory cannot be moved");
                        return;
                    }
                };
                let owner = &self.shared.owner;
                if let Err(error) =
                    self.shared.store.record(owner, std::slice::from_ref(&alert), &mut |_, _| routes.clone())
                {
                    // They go out from memory, as they would have.
                    let _ = spare.give_back(owner, &alert, &routes);
                    self.failing = Some(Instant::now());
                    tracing::error!(error = %chain(error), "alerts cannot be stored and are kept in memory");
                    return;
                }
                self.moved = seq;
            }
        }
    }

    fn do_chores(&mut self) {
        let names: Vec<String> = self.shared.ways().iter().map(|way| way.name.clone()).collect();
        match self.shared.store.adopt(&self.shared.owner, &names) {
            Ok(adopted) if adopted.messages > 0 => {
                tracing::info!(
                    messages = adopted.messages,
                    "messages that another process left are delivered now"
                );
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(error = %chain(error), "the store is not looked through"),
        }
        self.keep_within();
        if self.failing.is_some() {
            // An empty batch shows whether it can be written.
            let tried = self.record(&[]).and_then(|()| self.shared.store.enter_as(&self.shared.owner));
            if tried.is_ok() {
                self.works_again();
            }
        }
        if self.expiry.is_none_or(|last| last.elapsed() >= EXPIRY) {
            self.expiry = Some(Instant::now());
            match self.shared.store.expire(&self.shared.limits) {
                Ok(0) => {}
                Ok(alerts) => tracing::info!(alerts, "alerts that are older than [store] keep were removed"),
                Err(error) => tracing::error!(error = %chain(error), "what is too old cannot be removed"),
            }
        }
        self.tell();
    }

    /// Reports what went.
    fn tell(&mut self) {
        let shared = Arc::clone(&self.shared);
        let dropped = shared.dropped.load(Ordering::Relaxed);
        if dropped > self.dropped_told {
            self.dropped_told = dropped;
            shared.tell_people(&notice::dropped(&shared.host, dropped));
        }
        let removed = self.removed;
        if removed.total() == 0 || self.room_told.is_some_and(|told| told.elapsed() < AGAIN) {
            return;
        }
        tracing::warn!(
            lesser = removed.lesser,
            graver = removed.graver,
            disk_full = self.is_full,
            "old alerts were removed from the store to make room"
        );
        if let Err(error) = shared.store.count(REMOVED, removed.total()) {
            tracing::debug!(error = %chain(error), "what was removed is not counted");
        }
        let path = path(&shared.store);
        shared.tell_people(&notice::room(&shared.host, removed, &path, self.is_full));
        self.removed = Removed::default();
        self.is_full = false;
        self.room_told = Some(Instant::now());
    }
}

fn path(store: &Store) -> String {
    store.path().map_or_else(|| "in memory".to_owned(), |path| path.display().to_string())
}

fn reason(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        text.push_str(&format!(": {source}"));
        cause = source.source();
    }
    text
}
