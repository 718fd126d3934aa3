//! Puts the first bytes of each flow together until a parser knows what they are.

use std::hash::{Hash as _, Hasher as _};
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use smallvec::SmallVec;
use xxhash_rust::xxh3::Xxh3;

use super::protocol::{self, Found, Prefix, Transport};
use super::queries::Queries;
use super::{Application, Names, Recognised, Role, handshake};
use crate::canary::Strings;
use crate::event::{Direction, Event, EventKind, Nanos, Payload, Protocol};
use crate::wallet;

/// Most flows whose bytes are remembered.
const MOST_FLOWS: NonZeroUsize = NonZeroUsize::new(8_192).unwrap();
/// Most bytes of one direction that are remembered.
const MOST_BYTES: usize = 4_096;
/// Most different things that are said of one flow.
const MOST_SAID: usize = 16;

/// What goes over the wire.
#[derive(Debug)]
pub struct Network {
    flows: LruCache<u64, Flow>,
    queries: Queries,
    names: Names,
    canaries: Arc<Strings>,
    evicted: u64,
}

/// What one flow said until now.
#[derive(Debug, Default)]
struct Flow {
    sent: Vec<u8>,
    received: Vec<u8>,
    /// Hashes of what was recognised, so that it is said once.
    said: SmallVec<[u64; 4]>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            flows: LruCache::new(MOST_FLOWS),
            queries: Queries::default(),
            names: Names::default(),
            canaries: Arc::default(),
            evicted: 0,
        }
    }
}

impl Network {
    /// Takes an event; what it makes known is appended to `out`.
    pub fn event(&mut self, event: &Event, out: &mut Vec<Recognised>) {
        match &event.kind {
            EventKind::Payload(payload) => self.payload(event, payload, out),
            EventKind::FlowStats(stats) if stats.closed => {
                self.flows.pop(&stats.flow.cookie);
            }
            EventKind::FlowStats(_)
            | EventKind::Exec(_)
            | EventKind::Fork(_)
            | EventKind::Exit(_)
            | EventKind::Connect(_)
            | EventKind::ConnectResult(_)
            | EventKind::Send(_)
            | EventKind::Bind(_)
            | EventKind::Listen(_)
            | EventKind::File(_)
            | EventKind::Operation(_)
            | EventKind::Setsid
            | EventKind::CgroupMove(_)
            | EventKind::CgroupCreate(_)
            | EventKind::CgroupRemove(_)
            | EventKind::Lost(_) => {}
        }
    }

    /// Lets time pass: questions that nobody answered are said.
    pub fn tick(&mut self, now: Nanos, out: &mut Vec<Recognised>) {
        self.queries.tick(now, out);
    }

    /// Gives what waits, for the end of a run.
    pub fn finish(&mut self, out: &mut Vec<Recognised>) {
        self.queries.finish(out);
    }

    /// Looks for these strings in what is sent.
    pub fn set_canaries(&mut self, canaries: Arc<Strings>) {
        self.canaries = canaries;
    }

    /// Names of addresses.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Flows remembered now.
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// Flows, names and questions that had to go before their time.
    pub fn evicted(&self) -> u64 {
        self.evicted + self.names.dropped() + self.queries.dropped()
    }

    fn payload(&mut self, event: &Event, payload: &Payload, out: &mut Vec<Recognised>) {
        let transport = match payload.flow.protocol {
            Protocol::Tcp => Transport::Tcp,
            Protocol::Udp => Transport::Udp,
            Protocol::Other(_) => return,
        };
        let cookie = payload.flow.cookie;
        if self.flows.len() == MOST_FLOWS.get() && !self.flows.contains(&cookie) {
            self.evicted += 1;
        }
        let flow = self.flows.get_or_insert_mut(cookie, Flow::default);
        for (application, mut found) in flow.recognise(payload, transport) {
            wallets(application, flow.bytes(payload.direction), &mut found);
            if application == Application::Dns {
                let bytes = flow.bytes(payload.direction);
                let Some(message) = protocol::message(transport, bytes) else { continue };
                let base = recognised(event, payload, application, found);
                self.queries.message(base, &message, &mut self.names, out);
                continue;
            }
            let hash = hash(application, &found);
            if flow.said.len() < MOST_SAID && !flow.said.contains(&hash) {
                flow.said.push(hash);
                out.push(recognised(event, payload, application, found));
            }
        }
        let canaries = self.canaries.find(flow.sent_by(payload));
        if !canaries.is_empty() {
            let speaker = if payload.flow.initiated { Role::Client } else { Role::Server };
            let found = Found { speaker, fields: vec![("Canary", canaries.into())] };
            let hash = hash(Application::Canary, &found);
            if flow.said.len() < MOST_SAID && !flow.said.contains(&hash) {
                flow.said.push(hash);
                out.push(recognised(event, payload, Application::Canary, found));
            }
        }
    }
}

impl Flow {
    /// What the payload makes of the flow: by itself, and behind a handshake with a proxy. One that continues
    /// a message may as well begin the next: it is tried alone first.
    fn recognise(&mut self, payload: &Payload, transport: Transport) -> SmallVec<[(Application, Found); 1]> {
        let (own, other) = match payload.direction {
            Direction::Out => (&mut self.sent, &self.received),
            Direction::In => (&mut self.received, &self.sent),
        };
        let sender_initiated = payload.flow.initiated.then_some(payload.direction == Direction::Out);
        let parsed =
            |bytes: &[u8]| protocol::recognise(&Prefix { transport, bytes, other, sender_initiated });
        let alone = if payload.begins || own.is_empty() { None } else { parsed(&payload.bytes) };
        if payload.begins || alone.is_some() {
            own.clear();
        }
        let room = MOST_BYTES.saturating_sub(own.len());
        own.extend(payload.bytes.iter().take(room));
        let behind = handshake::behind(own).and_then(parsed);
        alone.or_else(|| parsed(own)).into_iter().chain(behind).collect()
    }

    /// What the watched side sent, if this payload is of it.
    fn sent_by(&self, payload: &Payload) -> Option<&[u8]> {
        (payload.direction == Direction::Out).then_some(self.sent.as_slice())
    }

    fn bytes(&self, direction: Direction) -> &[u8] {
        match direction {
            Direction::Out => &self.sent,
            Direction::In => &self.received,
        }
    }
}

/// Adds the wallet addresses in the message, where the application says its business in clear text.
fn wallets(application: Application, bytes: &[u8], found: &mut Found) {
    match application {
        Application::Stratum | Application::Http | Application::Tunnel | Application::Shell => {}
        Application::Ssh
        | Application::Tls
        | Application::Dns
        | Application::Socks
        | Application::Noise
        | Application::Canary => {
            return;
        }
    }
    let text = String::from_utf8_lossy(bytes);
    let mut addresses: Vec<_> = wallet::payable(&text).take(MOST_SAID).collect();
    addresses.dedup_by_key(|address| address.text);
    if !addresses.is_empty() {
        let texts: Vec<&str> = addresses.iter().map(|address| address.text).collect();
        found.fields.push(("Wallets", texts.into()));
        found.fields.push(("WalletCoins", wallet::symbols(&addresses).into()));
    }
}

fn recognised(event: &Event, payload: &Payload, application: Application, found: Found) -> Recognised {
    let Found { speaker, fields } = found;
    let role = match (payload.direction, speaker) {
        (Direction::Out, speaker) => speaker,
        (Direction::In, Role::Client) => Role::Server,
        (Direction::In, Role::Server) => Role::Client,
    };
    Recognised {
        time: event.time,
        received: event.received,
        agent: event.agent,
        process: event.process,
        uid: event.uid,
        cgroup: event.cgroup,
        flow: payload.flow,
        application,
        role,
        fields,
    }
}

fn hash(application: Application, found: &Found) -> u64 {
    let mut hash = Xxh3::new();
    (application, found.speaker).hash(&mut hash);
    for (name, value) in &found.fields {
        hash.write(name.as_bytes());
        hash.write(value.to_string().as_bytes());
    }
    hash.finish()
}

#[cfg(test)]
#[path = "flows_tests.rs"]
mod tests;
