//! Protocols of tunnel tools.
//!
//! ngrok, cloudflared, chisel and wstunnel hide in TLS or HTTP: rules know them by names and headers.

use serde_json::Value;

use super::{Application, Found, Mark, Prefix, Protocol, Transport, Verdict, Want};
use crate::network::Role;

mod bore;
mod frp;
mod ngrok;
mod proxy_header;
mod rathole;
mod samples;
mod websocket;
mod wireguard;

pub use proxy_header::behind_proxy_header;
pub(super) use samples::{DATAGRAMS, SAMPLES};

pub(super) const PROTOCOL: Protocol = Protocol { application: Application::Tunnel, marks: MARKS, recognise };

/// One tool's protocol.
struct Tool {
    transport: Transport,
    recognise: fn(&Prefix<'_>) -> Answer,
}

/// What a tool's parser says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// This side of this tool.
    Yes(&'static str, Role),
    More,
    No,
}

const TOOLS: &[Tool] = &[
    Tool { transport: Transport::Tcp, recognise: frp::recognise },
    Tool { transport: Transport::Tcp, recognise: bore::recognise },
    Tool { transport: Transport::Tcp, recognise: rathole::recognise },
    Tool { transport: Transport::Tcp, recognise: ngrok::recognise },
    Tool { transport: Transport::Tcp, recognise: websocket::recognise },
    Tool { transport: Transport::Udp, recognise: wireguard::recognise },
];

const fn mark(transport: Transport, regex: &'static str, bytes: u16, again: u8) -> Mark {
    Mark { transport, regex, want: Want { bytes, again, urgent: true, length_at: None } }
}

const MARKS: &[Mark] = &[
    // frp: a message; yamux's first frame; the byte before its TLS.
    mark(Transport::Tcp, r#"[1ovw]\x00{6}[\x00-\x28].\{""#, 256, 0),
    mark(Transport::Tcp, r"\x00[\x00\x01]\x00\x01\x00\x00\x00\x01", 256, 2),
    mark(Transport::Tcp, r"\x17\x16\x03[\x00-\x04]..\x01", 16, 0),
    mark(Transport::Tcp, r#"\{"(?:Hello|Accept|Authenticate|C(?:hallenge|onnection))":"#, 256, 0),
    mark(Transport::Tcp, r"[\x00\x01]\x00\x00\x00\x01", 64, 0),
    mark(Transport::Tcp, r#"..\x00{6}\{"T"#, 256, 0),
    // A WebSocket's binary message: a server's, and a client's, which is masked.
    mark(Transport::Tcp, r"\x82(?:[\x04-\x7d]SSH-|[\x84-\xfd])", 64, 0),
    mark(Transport::Udp, r"\x01\x00\x00\x00", 160, 0),
    // What a PROXY header announces is looked at behind it.
    mark(Transport::Tcp, r"PROXY [TU]|\r\n\r\n\x00\r\nQ", 1024, 2),
];

fn recognise(prefix: &Prefix<'_>) -> Verdict {
    let mut verdict = Verdict::No;
    for tool in TOOLS.iter().filter(|tool| tool.transport == prefix.transport) {
        match (tool.recognise)(prefix) {
            Answer::Yes(name, speaker) => {
                return Verdict::Is(Found { speaker, fields: vec![("TunnelTool", Value::from(name))] });
            }
            Answer::More => verdict = Verdict::More,
            Answer::No => {}
        }
    }
    verdict
}

/// Which side sends what both may send: whoever asked for the connection is the client.
fn either(prefix: &Prefix<'_>) -> Role {
    if prefix.sender_initiated == Some(false) { Role::Server } else { Role::Client }
}

/// Whether bytes are as mixed as those of a key or a digest: at least so many different ones.
fn is_mixed(bytes: &[u8], different: usize) -> bool {
    let mut seen = [false; 256];
    for byte in bytes {
        if let Some(seen) = seen.get_mut(usize::from(*byte)) {
            *seen = true;
        }
    }
    seen.iter().filter(|seen| **seen).count() >= different
}

#[cfg(test)]
mod tests;
