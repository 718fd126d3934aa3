//! Serves one sink: its queue in order, at the pace that the sink, the operator and the hour allow.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bell::Bell;
use super::pace::{Bucket, backoff, chance, spacing};
use super::{Shared, Target, chain, notice, said};
use crate::alert::Level;
use crate::sinks::{Body, Failure, Grain, Message, Receipt};
use crate::store::fold::Which;
use crate::store::outbox::{Claim, Due, Fate, Owned};
use crate::store::{Store, StoreError, now_ms};

/// How long a sink that has nothing to do waits before it looks again.
const IDLE: Duration = Duration::from_secs(1);
/// Most alerts that are read at once.
const BATCH: u32 = 64;
/// Messages a minute to people where neither operator nor kind says anything.
const RATE: u32 = 60;
/// How long a message is tried where the operator says nothing.
const GIVE_UP: Duration = Duration::from_secs(24 * 3_600);
/// Incidents that may wait for people before they are counted instead of told one by one.
const FOLD: u64 = 20;
/// The same for critical ones.
const FOLD_CRITICAL: u64 = 50;
/// Waits between overviews of one flood.
const OVERVIEWS: [Duration; 4] =
    [Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(900), Duration::from_secs(3_600)];
/// How often a message may make the sink panic.
const PANICS: u32 = 3;

/// The thread of one sink.
pub(super) struct Worker {
    shared: Arc<Shared>,
    target: Target,
    bell: Arc<Bell>,
    bucket: Bucket,
    /// Failures since the last message that arrived.
    failures: u32,
    /// Until when the sink is left alone, where the store does not hold that.
    hold_ms: i64,
    /// Whether the store says that the sink fails.
    is_marked: bool,
    flood: Option<Flood>,
    /// What has arrived and could not be written down.
    unwritten: Option<(Arc<Store>, Due, Receipt)>,
    unread: u64,
}

/// More than can be told one by one.
#[derive(Clone, Copy, Debug)]
struct Flood {
    overviews: usize,
    next_ms: i64,
}

/// What a turn came to.
enum Turn {
    /// Something was done; there may be more.
    Again,
    /// Nothing is due.
    Idle,
    /// Nothing may be done for so long.
    Wait(Duration),
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, target: Target, bell: Arc<Bell>) -> Self {
        let rate = target.routing.config.rate.or(target.rate);
        let rate = rate.or((target.grain == Grain::Incident).then_some(RATE));
        Self {
            shared,
            bucket: Bucket::new(rate, Instant::now()),
            target,
            bell,
            failures: 0,
            hold_ms: 0,
            is_marked: true,
            flood: None,
            unwritten: None,
            unread: 0,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.target.name
    }

    /// Waits, unless it is told to end.
    pub(super) fn rest(&self, time: Duration) {
        self.bell.wait(time);
    }

    /// Serves until it is told to end.
    pub(super) fn run(&mut self) {
        if self.is_shared() {
            self.failures = self.shared.store.sink_state(&self.target.name).unwrap_or_default().failures;
        }
        loop {
            let word = self.bell.word();
            if word.leave || word.end.is_some_and(|until| Instant::now() >= until) {
                return;
            }
            match self.turn(word.end.is_some()) {
                Turn::Again => {}
                Turn::Idle if word.end.is_some() => return,
                Turn::Idle => self.bell.wait(IDLE),
                Turn::Wait(wait) => {
                    if word.end.is_some_and(|until| Instant::now() + wait >= until) {
                        return;
                    }
                    self.bell.wait(wait.min(IDLE));
                }
            }
        }
    }

    /// Delivers what is due. At the end that is also what would have waited for more to come.
    fn turn(&mut self, is_end: bool) -> Turn {
        if let Some((store, due, receipt)) = self.unwritten.take() {
            self.note(store, due, receipt);
        }
        // Its next message would be the one that has arrived already. The other store goes on.
        let stuck = self.unwritten.as_ref().map(|(store, ..)| Arc::clone(store));
        let held = self.held();
        if !held.is_zero() {
            return Turn::Wait(held);
        }
        if self.bucket.available(Instant::now()) == 0 {
            return Turn::Wait(self.bucket.wait());
        }
        let at_ms = if is_end { i64::MAX } else { now_ms() };
        let shared = Arc::clone(&self.shared);
        for store in shared.stores() {
            if stuck.as_ref().is_some_and(|stuck| Arc::ptr_eq(stuck, store)) {
                continue;
            }
            match self.serve(store, at_ms) {
                Ok(true) => {
                    self.unread = 0;
                    return Turn::Again;
                }
                Ok(false) => {}
                Err(error) => {
                    self.unread += 1;
                    if self.unread.is_power_of_two() {
                        tracing::error!(sink = self.target.name, error = %chain(error), "the queue cannot be read");
                    }
                }
            }
        }
        Turn::Idle
    }

    /// Whether other processes may have a sink of this name.
    fn is_shared(&self) -> bool {
        !self.target.name.starts_with('(')
    }

    /// How long the sink is left alone.
    fn held(&self) -> Duration {
        let stored = if self.is_shared() && self.is_marked {
            self.shared.store.sink_state(&self.target.name).map_or(0, |state| state.hold_ms)
        } else {
            0
        };
        let left = stored.max(self.hold_ms).saturating_sub(now_ms());
        Duration::from_millis(u64::try_from(left).unwrap_or(0))
    }

    /// Delivers what is due in one store; whether there was something.
    fn serve(&mut self, store: &Arc<Store>, at_ms: i64) -> Result<bool, StoreError> {
        let mut claim = Claim {
            grain: self.target.grain,
            most: BATCH.min(self.bucket.available(Instant::now())),
            incidents: Level::Informational,
            cards: Level::Informational,
            at_ms,
        };
        if self.target.grain == Grain::Incident {
            // One by one: what comes meanwhile may change which is next.
            claim.most = 1;
            if self.hush(store, &mut claim)? || self.fold(store, &mut claim)? {
                return Ok(true);
            }
        }
        let due = store.claim(&self.shared.owner, &self.target.name, &claim)?;
        let found = !due.is_empty();
        for due in due {
            if !self.say(store, due) || self.bell.word().leave {
                break;
            }
        }
        Ok(found)
    }

    /// In quiet hours only the gravest goes; afterwards one card tells what waited.
    fn hush(&mut self, store: &Store, claim: &mut Claim) -> Result<bool, StoreError> {
        let Some(quiet) = &self.target.routing.quiet else { return Ok(false) };
        let (owner, name) = (&self.shared.owner, &self.target.name);
        if quiet.holds(now_ms()) {
            let least = self.target.routing.config.quiet_min_level.unwrap_or(Level::Critical);
            store.hush(owner, name, least)?;
            (claim.incidents, claim.cards) = (least, least);
            return Ok(false);
        }
        if !store.has_hushed(owner, name)? {
            return Ok(false);
        }
        let host = &self.shared.host;
        // Whatever spacing there was is long over.
        let tell = |folded: &_| notice::quiet_digest(host, &quiet.span, folded);
        Ok(store.fold(owner, name, Which::Hushed, i64::MAX, &tell)? > 0)
    }

    /// Where more incidents wait than people can take, they are counted in one card.
    fn fold(&mut self, store: &Store, claim: &mut Claim) -> Result<bool, StoreError> {
        let (owner, name) = (&self.shared.owner, &self.target.name);
        if self.target.routing.quiet.as_ref().is_some_and(|quiet| quiet.holds(now_ms())) {
            return Ok(false);
        }
        let now = now_ms();
        let (below, critical) = store.due_incidents(owner, name, Level::Critical, claim.at_ms)?;
        let is_flood = below > FOLD || critical > FOLD_CRITICAL;
        match self.flood {
            None if !is_flood => return Ok(false),
            Some(Flood { next_ms, .. }) if now < next_ms => {
                claim.incidents = claim.incidents.max(Level::Critical);
                return Ok(false);
            }
            Some(_) if !is_flood => {
                self.flood = None;
                return Ok(false);
            }
            None | Some(_) => {}
        }
        let which = if critical > FOLD_CRITICAL { Which::All } else { Which::Below(Level::Critical) };
        let host = &self.shared.host;
        let folded = store.fold(owner, name, which, claim.at_ms, &|folded| notice::overview(host, folded))?;
        let overviews = self.flood.map_or(0, |flood| flood.overviews);
        let wait = OVERVIEWS.get(overviews).or(OVERVIEWS.last()).map_or(0, Duration::as_millis);
        let next_ms = now.saturating_add(i64::try_from(wait).unwrap_or(i64::MAX));
        self.flood = Some(Flood { overviews: overviews + 1, next_ms });
        if folded > 0 {
            tracing::warn!(sink = name, incidents = folded, "many incidents at once are told in one message");
        }
        Ok(folded > 0)
    }

    /// Sends one message and writes down what became of it; `false` where nothing more goes for now.
    fn say(&mut self, store: &Arc<Store>, due: Due) -> bool {
        if !due.is_news && due.messages > 0 && due.reference.is_none() {
            // A count grew. Where a message can be edited it is; nobody reads another one for that.
            return self.note(Arc::clone(store), due, Receipt::default());
        }
        let body = match &due.body {
            Owned::Alert(alert) => Body::Alert(alert),
            Owned::Card(card) => Body::Card(card),
        };
        let message = Message { key: &due.key, body, reference: due.reference.as_deref() };
        self.bucket.take();
        let sink = &mut self.target.sink;
        let outcome = catch_unwind(AssertUnwindSafe(|| sink.deliver(&message)));
        match outcome.unwrap_or_else(|panic| Err(self.panicked(said(&*panic), due.attempts))) {
            Ok(receipt) => {
                self.works();
                self.note(Arc::clone(store), due, receipt)
            }
            Err(Failure::Refused { reason }) => {
                tracing::error!(sink = self.target.name, message = due.key, reason, "a message was refused");
                self.mark(&reason, 0);
                self.fate(store, &due, &reason, Fate::Never)
            }
            Err(Failure::Later { reason, after }) => {
                self.failures = self.failures.saturating_add(1);
                let wait = backoff(self.failures, after, chance());
                tracing::warn!(
                    sink = self.target.name,
                    reason,
                    seconds = wait.as_secs_f64(),
                    "a message did not arrive; the sink is tried again"
                );
                self.give_up(store, &due, &reason);
                self.mark(
                    &reason,
                    now_ms().saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)),
                );
                false
            }
        }
    }

    /// A sink that panics may hold anything: it is opened again. A message that makes it panic again and again goes.
    fn panicked(&mut self, reason: &str, attempts: u32) -> Failure {
        tracing::error!(sink = self.target.name, reason, "a sink panicked");
        if let Some(reopen) = &self.target.reopen {
            match reopen() {
                Ok(sink) => self.target.sink = sink,
                Err(error) => {
                    tracing::error!(sink = self.target.name, error = %chain(error), "the sink cannot be opened again");
                }
            }
        }
        let reason = format!("the sink panicked: {reason}");
        if attempts + 1 >= PANICS { Failure::refused(reason) } else { Failure::later(reason) }
    }

    /// What has waited for too long goes to the dead letters; the rest is tried again.
    fn give_up(&mut self, store: &Store, due: &Due, reason: &str) {
        let patience = self.target.routing.config.give_up.unwrap_or(GIVE_UP);
        let before = now_ms().saturating_sub(i64::try_from(patience.as_millis()).unwrap_or(i64::MAX));
        if due.made_ms >= before {
            self.fate(store, due, reason, Fate::Again);
            return;
        }
        match store.give_up(&self.shared.owner, &self.target.name, before, reason) {
            Ok(messages) => {
                tracing::error!(
                    sink = self.target.name,
                    messages,
                    reason,
                    "messages were given up; `detector sinks retry` sends them again"
                );
                let shared = &self.shared;
                let card = notice::given_up(&shared.host, &self.target.name, messages, reason);
                let others = shared.ways();
                let others =
                    others.iter().filter(|way| way.grain == Grain::Incident && way.name != self.target.name);
                for way in others {
                    if let Err(error) = shared.post(&way.name, &card) {
                        tracing::error!(sink = way.name, error = %chain(error), "a notice cannot be queued");
                    }
                    way.bell.look();
                }
            }
            Err(error) => {
                tracing::error!(sink = self.target.name, error = %chain(error), "the queue cannot be written");
            }
        }
    }

    /// Writes down that a message arrived; what cannot be written is kept, so that it is not sent twice.
    fn note(&mut self, store: Arc<Store>, due: Due, receipt: Receipt) -> bool {
        let next = match due.body {
            Owned::Alert(_) => 0,
            Owned::Card(_) => {
                let wait = i64::try_from(spacing(due.messages).as_millis()).unwrap_or(i64::MAX);
                now_ms().saturating_add(wait)
            }
        };
        let Err(error) = store.arrived(&due, receipt.reference.as_deref(), next) else { return true };
        self.unread += 1;
        if self.unread.is_power_of_two() {
            tracing::error!(sink = self.target.name, error = %chain(error), "the queue cannot be written");
        }
        self.unwritten = Some((store, due, receipt));
        false
    }

    fn fate(&self, store: &Store, due: &Due, reason: &str, fate: Fate) -> bool {
        let Err(error) = store.failed(due.row, reason, fate) else { return true };
        tracing::error!(sink = self.target.name, error = %chain(error), "the queue cannot be written");
        false
    }

    /// The sink took a message.
    fn works(&mut self) {
        self.failures = 0;
        self.hold_ms = 0;
        if self.is_marked && self.is_shared() {
            match self.shared.store.sink_works(&self.target.name) {
                Ok(()) => self.is_marked = false,
                Err(error) => tracing::debug!(error = %chain(error), "the state of a sink is not written"),
            }
        }
    }

    /// The sink did not.
    fn mark(&mut self, reason: &str, hold_ms: i64) {
        self.is_marked = true;
        self.hold_ms = 0;
        let is_written = self.is_shared()
            && self.shared.store.sink_failed(&self.target.name, self.failures, reason, hold_ms).is_ok();
        if !is_written {
            self.hold_ms = hold_ms;
        }
    }
}
