//! DNS over UDP and TCP.
//!
//! Read by hand: crates refuse a message that is cut, and names of tunnels hold bytes that are no text.

use serde_json::Value;

use super::{Application, Found, Mark, Prefix, Protocol, Transport, Verdict, Want};
use crate::network::{Fields, Role};

mod message;
mod name;
mod samples;
mod words;

use message::Parsed;

pub(super) const PROTOCOL: Protocol = Protocol { application: Application::Dns, marks: MARKS, recognise };
pub(super) use samples::{DATAGRAMS, SAMPLES};

/// What the kernel half hands over, the size that DNS Flag Day 2020 recommends for datagrams.
const BYTES: u16 = 1232;
/// Longest message over TCP that the mark lets through.
const LONGEST: usize = 0x0fff;
const WANT: Want = Want { bytes: BYTES, again: 2, urgent: false, length_at: None };

// Opcode QUERY, reserved bit 0, one question.
const MARKS: &[Mark] = &[
    Mark {
        transport: Transport::Udp,
        regex: r"..[\x00-\x07\x80-\x87][\x00-\x3f\x80-\xbf]\x00\x01",
        want: WANT,
    },
    Mark {
        transport: Transport::Tcp,
        regex: r"[\x00-\x0f]...[\x00-\x07\x80-\x87][\x00-\x3f\x80-\xbf]\x00\x01",
        want: WANT,
    },
];

fn recognise(prefix: &Prefix<'_>) -> Verdict {
    let bytes = match prefix.transport {
        Transport::Udp => prefix.bytes,
        Transport::Tcp => match framed(prefix.bytes) {
            Framed::Message { bytes, .. } => bytes,
            Framed::Short => return Verdict::More,
            Framed::Foreign => return Verdict::No,
        },
    };
    match message::parse(bytes) {
        Parsed::Message(message) => match prefix.transport {
            // The answers may still come.
            Transport::Tcp if is_cut(prefix.bytes) => Verdict::More,
            Transport::Tcp | Transport::Udp => {
                let speaker = if message.response { Role::Server } else { Role::Client };
                Verdict::Is(Found { speaker, fields: message.fields() })
            }
        },
        Parsed::Short => Verdict::More,
        Parsed::Foreign => Verdict::No,
    }
}

/// A stream's message, as far as it is there.
enum Framed<'a> {
    Message { bytes: &'a [u8], is_whole: bool },
    Short,
    Foreign,
}

fn framed(bytes: &[u8]) -> Framed<'_> {
    let Some(([high, low], rest)) = bytes.split_first_chunk() else {
        return if bytes.first().is_none_or(|high| *high <= 0x0f) { Framed::Short } else { Framed::Foreign };
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if !(message::SHORTEST..=LONGEST).contains(&length) {
        return Framed::Foreign;
    }
    Framed::Message { bytes: rest.get(..length).unwrap_or(rest), is_whole: rest.len() >= length }
}

fn is_cut(bytes: &[u8]) -> bool {
    match framed(bytes) {
        Framed::Message { is_whole, .. } => !is_whole && bytes.len() < BYTES.into(),
        Framed::Short | Framed::Foreign => true,
    }
}

/// A DNS message, as far as names of addresses need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Id that joins question and answer.
    pub id: u16,
    /// It is an answer.
    pub response: bool,
    /// RCODE, as a number.
    pub status: u8,
    /// Name asked for, lower case, without the last dot. Bytes that are no printable ASCII are `\DDD`, a
    /// dot or backslash within a label is `\.` or `\\`. The root is `.`.
    pub name: String,
    /// Type asked for, as its mnemonic: `A`, `AAAA`, `TXT` …, or `TYPE65399`.
    pub kind: String,
    /// The answers, CNAME chains in order; at most 64, and as many as there are bytes for.
    pub answers: Vec<Answer>,
}

impl Message {
    /// Mnemonic of the status, such as `NXDOMAIN`.
    pub fn status_name(&self) -> String {
        words::status(self.status)
    }

    /// Fields of the category dns_query; a question has neither status nor results.
    pub fn fields(&self) -> Fields {
        let mut fields = vec![
            ("QueryName", Value::from(self.name.as_str())),
            ("QueryType", Value::from(self.kind.as_str())),
        ];
        if self.response {
            fields.push(("QueryStatus", self.status_name().into()));
            let data: Vec<&str> = self.answers.iter().map(|answer| answer.data.as_str()).collect();
            fields.push(("QueryResults", data.into()));
        }
        fields
    }
}

/// One resource record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Owner, lower case, without the last dot.
    pub name: String,
    /// Seconds that it holds.
    pub ttl: u32,
    /// An address, the target of a CNAME, NS, PTR or DNAME, the text of a TXT, or the mnemonic of any
    /// other type.
    pub data: String,
}

/// The message in a datagram, or in a stream behind its two bytes of length; `None` where it is none. Of
/// one that is cut behind its question, the answers that are whole are given.
pub fn message(transport: Transport, bytes: &[u8]) -> Option<Message> {
    let bytes = match transport {
        Transport::Udp => bytes,
        Transport::Tcp => match framed(bytes) {
            Framed::Message { bytes, .. } => bytes,
            Framed::Short | Framed::Foreign => return None,
        },
    };
    match message::parse(bytes) {
        Parsed::Message(message) => Some(message),
        Parsed::Short | Parsed::Foreign => None,
    }
}

#[cfg(test)]
mod tests;
