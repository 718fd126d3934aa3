//! The registry of protocols: one file each, with its marks for the kernel half, its parser and its samples.
//!
//! A mark is a regular expression over the first bytes that one side sends. The kernel half runs all of
//! them as one automaton and hands over only the segments that may match. The parser then decides, on what
//! one direction of the flow sent since the last message began. Bytes are hostile: a parser never
//! indexes, never panics, and looks at no more than it is given.

use super::{Fields, Role};

#[cfg(test)]
mod check;
mod dns;
mod http;
mod noise;
mod reader;
mod sample;
mod shell;
mod socks;
mod ssh;
mod stratum;
mod tls;
mod tunnel;

pub use dns::{Answer, Message, message};
pub use sample::Sample;
pub use tunnel::behind_proxy_header;

/// What is spoken over a flow: the field `Application`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Application {
    /// A mining protocol, whichever dialect.
    Stratum,
    /// SSH, by its identification string.
    Ssh,
    /// TLS, by its ClientHello.
    Tls,
    /// HTTP/1, a WebSocket upgrade included, and HTTP/2 by its preface.
    Http,
    /// DNS over UDP or TCP.
    Dns,
    /// SOCKS 4 or 5, HTTP CONNECT and the PROXY protocol excluded.
    Socks,
    /// A Noise handshake, by the shape of its messages (Stratum V2, rathole).
    Noise,
    /// A tunnel tool's own protocol (frp, bore, rathole, ngrok, cloudflared …).
    Tunnel,
    /// An interactive shell in clear text: prompts and complaints of a shell without a terminal.
    Shell,
    /// None of these: bytes that hold a string of a canary.
    Canary,
}

impl Application {
    /// Word for rules.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stratum => "stratum",
            Self::Ssh => "ssh",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Dns => "dns",
            Self::Socks => "socks",
            Self::Noise => "noise",
            Self::Tunnel => "tunnel",
            Self::Shell => "shell",
            Self::Canary => "canary",
        }
    }
}

/// Transport that a mark or a prefix belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A byte stream.
    Tcp,
    /// Datagrams; each is a message of its own.
    Udp,
}

/// What the kernel half looks for in the first bytes of a segment.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Where it looks.
    pub transport: Transport,
    /// Regular expression in the syntax of the `regex` crate, matched on bytes (`(?s-u)` is set), from the
    /// first byte on. Ends a match as soon as it can.
    pub regex: &'static str,
    /// What userspace wants to see then.
    pub want: Want,
}

/// How much of a flow is handed over, once a mark matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Bytes of the message, from its first on: at most 2,048.
    pub bytes: u16,
    /// How many later segments of this direction are looked at afresh, such as what follows a proxy's
    /// handshake. 0: this direction is done.
    pub again: u8,
    /// Must not be lost: takes the ring of execs and persistence.
    pub urgent: bool,
    /// Where the message says its length: two bytes, big-endian, that count what follows them. What comes
    /// behind the message is not handed over then.
    pub length_at: Option<u8>,
}

/// What one direction of a flow sent, from the beginning of a message on.
#[derive(Clone, Copy, Debug)]
pub struct Prefix<'a> {
    /// How it was sent.
    pub transport: Transport,
    /// The bytes, as many as there are until now.
    pub bytes: &'a [u8],
    /// What the other direction sent at the same time, as far as it was handed over.
    pub other: &'a [u8],
    /// Whether the socket that sent the bytes asked for the connection, where that is known.
    pub sender_initiated: Option<bool>,
}

/// What a parser says of a prefix.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is this protocol.
    Is(Found),
    /// More bytes may make it so.
    More,
    /// It is not.
    No,
}

/// What a parser found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Which side sent the bytes.
    pub speaker: Role,
    /// Its facts.
    pub fields: Fields,
}

/// One protocol: a row of [`PROTOCOLS`].
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// Its name.
    pub application: Application,
    /// What the kernel half looks for.
    pub marks: &'static [Mark],
    /// Its parser.
    pub recognise: fn(&Prefix<'_>) -> Verdict,
}

/// Every protocol, the most telling first: the first that says yes wins.
pub const PROTOCOLS: &[Protocol] = &[
    stratum::PROTOCOL,
    ssh::PROTOCOL,
    tunnel::PROTOCOL,
    tls::PROTOCOL,
    http::PROTOCOL,
    socks::PROTOCOL,
    dns::PROTOCOL,
    shell::PROTOCOL,
    noise::PROTOCOL,
];

/// What each protocol looks like on the wire, over TCP.
pub fn samples() -> impl Iterator<Item = &'static Sample> {
    [
        stratum::SAMPLES,
        shell::SAMPLES,
        noise::SAMPLES,
        dns::SAMPLES,
        http::SAMPLES,
        socks::SAMPLES,
        ssh::SAMPLES,
        tls::SAMPLES,
        tunnel::SAMPLES,
    ]
    .into_iter()
    .flatten()
}

/// What protocols over UDP look like on the wire.
pub fn datagrams() -> impl Iterator<Item = &'static Sample> {
    [dns::DATAGRAMS, tunnel::DATAGRAMS].into_iter().flatten()
}

/// What a prefix is, by the first parser that says yes.
///
/// ```
/// use detector::network::protocol::{recognise, Prefix, Transport};
/// let bytes = b"SSH-2.0-OpenSSH_9.2\r\n";
/// let prefix = Prefix { transport: Transport::Tcp, bytes, other: b"", sender_initiated: None };
/// assert_eq!(recognise(&prefix).unwrap().0.name(), "ssh");
/// ```
pub fn recognise(prefix: &Prefix<'_>) -> Option<(Application, Found)> {
    PROTOCOLS.iter().find_map(|protocol| match (protocol.recognise)(prefix) {
        Verdict::Is(found) => Some((protocol.application, found)),
        Verdict::More | Verdict::No => None,
    })
}
