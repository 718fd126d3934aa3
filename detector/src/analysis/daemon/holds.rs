//! What a process holds open, as far as its events said: listeners, connections, files; so many and no more.

use std::net::SocketAddr;

use crate::event::{Event, EventKind, FileOp, Flow, Protocol, is_loopback, is_public};

/// Most listeners and most connections of one process.
const MOST_SOCKETS: usize = 8;

/// Most files of one process.
const MOST_FILES: usize = 4;

/// Listeners, connections and files.
#[derive(Clone, Debug, Default)]
pub(super) struct Holds {
    listens: Vec<(Protocol, SocketAddr)>,
    connects: Vec<(u64, Protocol, SocketAddr)>,
    writes: Vec<Box<str>>,
    /// A connection to a public address was made, whether it lasts or not.
    was_public: bool,
}

impl Holds {
    /// Whether an event of this kind says anything here.
    pub(super) fn concerns(event: &Event) -> bool {
        match &event.kind {
            EventKind::Listen(_) => true,
            EventKind::Bind(end) => end.protocol != Protocol::Tcp && end.local.port() != 0,
            EventKind::Connect(flow) | EventKind::Send(flow) => {
                flow.protocol != Protocol::Tcp && flow.remote.port() != 53
            }
            EventKind::ConnectResult(result) => result.errno == 0 && result.flow.initiated,
            EventKind::FlowStats(stats) => stats.closed,
            EventKind::File(file) => file.op == FileOp::Open,
            EventKind::Exec(_)
            | EventKind::Fork(_)
            | EventKind::Exit(_)
            | EventKind::Payload(_)
            | EventKind::Operation(_)
            | EventKind::Setsid
            | EventKind::CgroupMove(_)
            | EventKind::CgroupCreate(_)
            | EventKind::CgroupRemove(_)
            | EventKind::Lost(_) => false,
        }
    }

    /// Takes an event that [`Holds::concerns`].
    pub(super) fn note(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Listen(end) | EventKind::Bind(end) => self.listen(end.protocol, end.local),
            EventKind::Connect(flow) | EventKind::Send(flow) => self.connect(flow),
            EventKind::ConnectResult(result) => self.connect(&result.flow),
            EventKind::FlowStats(stats) => self.connects.retain(|(known, ..)| *known != stats.flow.cookie),
            EventKind::File(file) => {
                if self.writes.len() < MOST_FILES && !self.writes.contains(&file.path) {
                    self.writes.push(file.path.clone());
                }
            }
            EventKind::Exec(_)
            | EventKind::Fork(_)
            | EventKind::Exit(_)
            | EventKind::Payload(_)
            | EventKind::Operation(_)
            | EventKind::Setsid
            | EventKind::CgroupMove(_)
            | EventKind::CgroupCreate(_)
            | EventKind::CgroupRemove(_)
            | EventKind::Lost(_) => {}
        }
    }

    /// What another process of the same daemon holds is held by this one, too.
    pub(super) fn absorb(&mut self, other: &Self) {
        let Self { listens, connects, writes, was_public } = other;
        for (protocol, local) in listens {
            self.listen(*protocol, *local);
        }
        for (cookie, protocol, remote) in connects {
            self.connected(*cookie, *protocol, *remote);
        }
        let room = MOST_FILES.saturating_sub(self.writes.len());
        self.writes.extend(writes.iter().take(room).cloned());
        self.was_public |= was_public;
    }

    /// The listeners alone: what a child has from a parent that ended.
    pub(super) fn inherited(&self) -> Option<Self> {
        let listens = self.listens.clone();
        (!listens.is_empty()).then(|| Self { listens, ..Self::default() })
    }

    /// Forgets connections that were over before: they say nothing about what stays.
    pub(super) fn begin(&mut self) {
        self.was_public = self.connects.iter().any(|(.., remote)| is_public(remote.ip()));
    }

    /// Other machines can reach a listener.
    pub(super) fn is_reachable(&self) -> bool {
        self.listens.iter().any(|(_, local)| !is_loopback(local.ip()))
    }

    /// It is, or was, connected to a public address.
    pub(super) fn is_public(&self) -> bool {
        self.was_public
    }

    /// Where it listens, as `0.0.0.0:8080/tcp`.
    pub(super) fn listeners(&self) -> Vec<String> {
        self.listens.iter().map(|(protocol, local)| format!("{local}/{}", protocol.name())).collect()
    }

    /// Where it is connected to, likewise.
    pub(super) fn connections(&self) -> Vec<String> {
        self.connects.iter().map(|(_, protocol, remote)| format!("{remote}/{}", protocol.name())).collect()
    }

    /// Files that it opened for writing.
    pub(super) fn files(&self) -> &[Box<str>] {
        &self.writes
    }

    fn listen(&mut self, protocol: Protocol, local: SocketAddr) {
        if self.listens.len() < MOST_SOCKETS && !self.listens.contains(&(protocol, local)) {
            self.listens.push((protocol, local));
        }
    }

    fn connect(&mut self, flow: &Flow) {
        self.connected(flow.cookie, flow.protocol, flow.remote);
    }

    fn connected(&mut self, cookie: u64, protocol: Protocol, remote: SocketAddr) {
        self.was_public |= is_public(remote.ip());
        let known = self.connects.iter().any(|(known, ..)| *known == cookie);
        if !known && self.connects.len() < MOST_SOCKETS {
            self.connects.push((cookie, protocol, remote));
        }
    }
}
