//! TLS, by its ClientHello.
//!
//! The hello is read by hand: the parsers on crates.io give nothing of a hello that is cut, and post-quantum
//! key shares make hellos longer than what the kernel half hands over.

use serde_json::Value;

use super::{Application, Found, Mark, Prefix, Protocol, Sample, Transport, Verdict, Want};
use crate::network::Role;

mod hello;
mod ja4;

use hello::Hello;

pub(super) const PROTOCOL: Protocol = Protocol { application: Application::Tls, marks: MARKS, recognise };

/// What the kernel half hands over; a hello that is longer is judged by its beginning.
const BYTES: u16 = 2048;

const MARKS: &[Mark] = &[Mark {
    transport: Transport::Tcp,
    regex: r"\x16\x03[\x00-\x04]..\x01",
    want: Want { bytes: BYTES, again: 0, urgent: false, length_at: Some(3) },
}];

/// Longest fragment of a record, RFC 8446 section 5.1.
const LONGEST_FRAGMENT: usize = 1 << 14;
/// Longest hello that anyone sends; an encrypted one with several key shares has some 4 KiB.
const LONGEST_HELLO: usize = 1 << 16;

fn recognise(prefix: &Prefix<'_>) -> Verdict {
    match prefix.transport {
        Transport::Udp => return Verdict::No,
        Transport::Tcp => {}
    }
    let (message, whole) = match handshake(prefix.bytes) {
        Handshake::Whole(message) => (message, true),
        Handshake::Cut(_) if prefix.bytes.len() < BYTES.into() => return Verdict::More,
        Handshake::Cut(message) => (message, false),
        Handshake::Foreign => return Verdict::No,
    };
    let Some(hello) = Hello::read(message.get(4..).unwrap_or_default(), whole) else {
        return Verdict::No;
    };
    let mut fields = Vec::new();
    fields.extend(hello.sni().map(|name| ("Sni", Value::from(name))));
    if !hello.alpn.is_empty() {
        fields.push(("Alpn", Value::from(hello.alpn())));
    }
    if hello.is_whole {
        fields.push(("Ja4", Value::from(ja4::fingerprint(&hello))));
    }
    fields.extend(hello.version().map(|version| ("TlsVersion", Value::from(version))));
    Verdict::Is(Found { speaker: Role::Client, fields })
}

/// The first handshake message of a stream.
enum Handshake {
    /// A ClientHello, its header of 4 bytes included.
    Whole(Vec<u8>),
    /// What there is of one.
    Cut(Vec<u8>),
    /// Something else.
    Foreign,
}

/// Puts the message together from the records that it is spread over.
fn handshake(mut bytes: &[u8]) -> Handshake {
    let mut message: Vec<u8> = Vec::new();
    loop {
        let (length, body) = match bytes {
            [] | [0x16] | [0x16, 3] | [0x16, 3, 0..=4] | [0x16, 3, 0..=4, _] => {
                return Handshake::Cut(message);
            }
            [0x16, 3, 0..=4, high, low, body @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), body),
            _ => return Handshake::Foreign,
        };
        if !(1..=LONGEST_FRAGMENT).contains(&length) {
            return Handshake::Foreign;
        }
        let (fragment, rest) = body.split_at_checked(length).unwrap_or((body, &[]));
        message.extend_from_slice(fragment);
        match *message {
            [] | [1] | [1, 0] | [1, 0, _] | [1, 0, _, _] | [1, 0, _, _, 3] => {}
            [1, 0, high, low, 3, 0..=4, ..] => {
                let end = 4 + usize::from(u16::from_be_bytes([high, low]));
                if !(4 + hello::SHORTEST..=LONGEST_HELLO).contains(&end) {
                    return Handshake::Foreign;
                }
                if message.len() >= end {
                    message.truncate(end);
                    return Handshake::Whole(message);
                }
            }
            _ => return Handshake::Foreign,
        }
        if fragment.len() < length {
            return Handshake::Cut(message);
        }
        bytes = rest;
    }
}

const fn sample(name: &'static str, bytes: &'static [u8]) -> Sample {
    Sample { name, from: Role::Client, bytes, decisive: bytes.len(), application: Application::Tls }
}

pub(super) const SAMPLES: &[Sample] = &[
    sample("OpenSSL 3.0 without a server name, as miners connect", include_bytes!("tls/openssl.hello")),
    sample("curl with OpenSSL 3.0", include_bytes!("tls/curl.hello")),
    sample("git with GnuTLS 3.7", include_bytes!("tls/gnutls.hello")),
    sample("Python 3.11", include_bytes!("tls/python.hello")),
];

#[cfg(test)]
mod tests;
