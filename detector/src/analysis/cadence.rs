//! `pool_cadence`: a long flow on which both sides say little, and keep saying it.
//!
//! That is the shape of a miner's connection to its pool whatever it is wrapped in: jobs from there, shares
//! and keepalives from here, a few hundred bytes a minute for hours. It is also the shape of idle
//! sessions of many protocols, so what was recognised as another application is left out, and nothing is
//! said before ten minutes are over. Alone it proves little; the rules say so.

use std::net::SocketAddr;

use serde_json::Value;

use super::kept::Kept;
use super::{Around, Moment, Observation};
use crate::event::{Carried, Event, EventKind, FlowStats, Protocol, is_loopback, is_private};
use crate::network::{Application, Recognised};

const SECOND: u64 = 1_000_000_000;

/// How old a flow must be.
const OLD: u64 = 600 * SECOND;
/// Longest silence of either side: a pool sends a job with every block, a miner keeps alive each minute.
const SILENCE: u64 = 180 * SECOND;
/// Fewest segments of either side.
const PACKETS: u64 = 6;
/// Most bytes a second of each side.
const SENT: u64 = 100;
const RECEIVED: u64 = 200;

/// Most flows of which is remembered what they carry.
const MAX_FLOWS: usize = 65_536;

/// What is known of flows by their content.
#[derive(Debug)]
pub(super) struct Cadence {
    flows: Kept<u64, Known>,
}

#[derive(Debug, Default)]
struct Known {
    content: Content,
    told: bool,
}

/// What a flow carries.
#[derive(Debug, Default)]
enum Content {
    /// Nothing that is known.
    #[default]
    Unknown,
    /// TLS without an application named in it; with the server's name, if one was sent.
    Tls(Option<String>),
    /// An application that explains itself.
    Explained,
}

impl Default for Cadence {
    fn default() -> Self {
        Self { flows: Kept::new(MAX_FLOWS) }
    }
}

impl Cadence {
    pub(super) fn event(&mut self, around: Around<'_>, event: &Event, out: &mut Vec<Observation>) {
        let EventKind::FlowStats(stats) = &event.kind else { return };
        let FlowStats { flow, closed, .. } = **stats;
        if is_cadence(stats) && event.process.pid != 0 {
            out.extend(self.observe(around, event, stats));
        }
        if closed {
            self.flows.remove(&flow.cookie);
        }
    }

    pub(super) fn recognised(&mut self, recognised: &Recognised) {
        let Recognised { flow, application, .. } = recognised;
        if flow.protocol != Protocol::Tcp {
            return;
        }
        let content = match application {
            Application::Tls if recognised.field("Alpn").is_none_or(is_empty) => {
                let sni = recognised.field("Sni").and_then(Value::as_str).filter(|name| !name.is_empty());
                Content::Tls(sni.map(str::to_owned))
            }
            // A miner behind a proxy: the handshake with the proxy says nothing of what follows; nor does a string.
            Application::Socks | Application::Canary => return,
            // Stratum has a rule of its own that needs no cadence.
            Application::Tls
            | Application::Stratum
            | Application::Ssh
            | Application::Http
            | Application::Dns
            | Application::Noise
            | Application::Tunnel
            | Application::Shell => Content::Explained,
        };
        if let Some(known) = self.flows.get_or_insert_with(flow.cookie, Known::default) {
            known.content = content;
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.flows.dropped()
    }

    fn observe(&mut self, around: Around<'_>, event: &Event, stats: &FlowStats) -> Option<Observation> {
        let known = self.flows.get_or_insert_with(stats.flow.cookie, Known::default)?;
        let (tls, sni) = match &known.content {
            Content::Unknown => ("none", None),
            Content::Tls(None) => ("unnamed", None),
            Content::Tls(Some(name)) => ("named", Some(Value::from(&**name))),
            Content::Explained => return None,
        };
        if known.told {
            return None;
        }
        known.told = true;
        let FlowStats { flow, age, sent, received, .. } = stats;
        let remote: SocketAddr = flow.remote;
        let seconds = age / SECOND;
        let silence = sent.longest_gap.max(received.longest_gap) / SECOND;
        let text = format!(
            "talks to {remote} for {seconds} s, little and steadily: {} bytes sent, {} received, never silent for more than {silence} s",
            sent.bytes, received.bytes
        );
        let mut fields = vec![
            ("FlowRemote", Value::from(remote.to_string())),
            ("FlowPort", Value::from(remote.port())),
            ("FlowIsPrivate", Value::from(is_private(remote.ip()))),
            ("FlowTls", Value::from(tls)),
            ("FlowAgeSeconds", Value::from(seconds)),
            ("BytesSent", Value::from(sent.bytes)),
            ("BytesReceived", Value::from(received.bytes)),
            ("LongestGapSeconds", Value::from(silence)),
        ];
        fields.extend(sni.map(|sni| ("Sni", sni)));
        Some(Moment::of(event).observation(around, event.process, "pool_cadence", text, fields))
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

fn is_cadence(stats: &FlowStats) -> bool {
    let FlowStats { flow, closed: _, age, sent, received } = stats;
    let seconds = age / SECOND;
    let slow = |carried: &Carried, most: u64| carried.bytes < most.saturating_mul(seconds);
    let steady = |carried: &Carried| {
        carried.packets >= PACKETS && carried.longest_gap <= SILENCE && carried.idle <= SILENCE
    };
    flow.protocol == Protocol::Tcp
        && flow.initiated
        && *age >= OLD
        && !is_loopback(flow.remote.ip())
        && slow(sent, SENT)
        && slow(received, RECEIVED)
        && steady(sent)
        && steady(received)
}

#[cfg(test)]
mod tests {
    use super::super::world::{World, at, field, flow, spoken};
    use super::*;
    use crate::event::Nanos;
    use crate::network::{Fields, Names};
    use crate::process::ProcessTable;
    use crate::task::Ledger;

    const POOL: &str = "203.0.113.9:443";

    fn carried(bytes: u64, gap: u64) -> Carried {
        Carried { bytes, packets: 40, pauses: 39, longest_gap: gap * SECOND, idle: SECOND }
    }

    /// Fifteen minutes of mining: a share now and then, a job a minute.
    fn mined(remote: &str) -> FlowStats {
        FlowStats {
            flow: flow(7, remote),
            closed: false,
            age: 900 * SECOND,
            sent: carried(9_000, 60),
            received: carried(20_000, 120),
        }
    }

    fn seen(stats: FlowStats, spoken: Option<(Application, Fields)>) -> Vec<Observation> {
        let mut world = World::new();
        world.fork(1, 2);
        if let Some((application, fields)) = spoken {
            world.speaks(2, 7, &stats.flow.remote.to_string(), application, fields);
        }
        world.stats(2, stats).stats(2, stats);
        world.taken()
    }

    #[test]
    fn a_long_thin_flow_is_told_once() {
        let seen = seen(mined(POOL), None);
        assert_eq!(seen.len(), 1);
        assert_eq!(field(&seen[0], "FlowTls"), "none");
        assert_eq!(field(&seen[0], "FlowAgeSeconds"), 900);
        assert_eq!(field(&seen[0], "LongestGapSeconds"), 120);
    }

    #[test]
    fn tls_says_whether_it_names_a_server() {
        let unnamed = seen(mined(POOL), Some((Application::Tls, Vec::new())));
        assert_eq!(field(&unnamed[0], "FlowTls"), "unnamed");
        let named = seen(mined(POOL), Some((Application::Tls, vec![("Sni", "x.example".into())])));
        assert_eq!(
            (field(&named[0], "FlowTls"), field(&named[0], "Sni")),
            (&"named".into(), &"x.example".into())
        );
    }

    #[test]
    fn applications_that_explain_themselves_are_left_out() {
        let h2 = || (Application::Tls, vec![("Alpn", vec!["h2", "http/1.1"].into())]);
        for spoken in [h2(), (Application::Ssh, Vec::new()), (Application::Http, Vec::new())] {
            assert_eq!(seen(mined(POOL), Some(spoken)), []);
        }
    }

    #[test]
    fn flows_of_other_shapes_are_left_out() {
        let pool = || mined(POOL);
        let accepted = crate::event::Flow { initiated: false, ..pool().flow };
        for stats in [
            FlowStats { age: 599 * SECOND, ..pool() },
            FlowStats { sent: carried(200_000, 60), ..pool() },
            FlowStats { received: carried(400_000, 60), ..pool() },
            FlowStats { received: carried(20_000, 600), ..pool() },
            FlowStats { sent: Carried { packets: 2, ..carried(300, 60) }, ..pool() },
            FlowStats { flow: accepted, ..pool() },
            mined("127.0.0.1:5432"),
        ] {
            assert_eq!(seen(stats, None), [], "{stats:?}");
        }
    }

    #[test]
    fn a_million_flows_cost_no_more_than_the_limit() {
        let mut analysis = Cadence::default();
        let (table, names) = (ProcessTable::default(), Names::default());
        let around = Around { table: &table, names: &names, tasks: &Ledger::default(), now: Nanos(SECOND) };
        for cookie in 0..1_000_000 {
            analysis.recognised(&spoken(SECOND, 2, flow(cookie, POOL), Application::Tls, Vec::new()));
        }
        assert_eq!(analysis.flows.len(), MAX_FLOWS);
        assert_eq!(analysis.dropped(), 1_000_000 - MAX_FLOWS as u64);
        for cookie in 0..1_000_000 {
            let stats = FlowStats { flow: flow(cookie, POOL), closed: true, ..mined(POOL) };
            analysis.event(around, &at(SECOND, 2, EventKind::FlowStats(stats.into())), &mut Vec::new());
        }
        assert_eq!(analysis.flows.len(), 0);
    }
}
