//! DNS over UDP and TCP.

use super::{Application, Prefix, Protocol, Verdict};

pub(super) const PROTOCOL: Protocol = Protocol { application: Application::Dns, marks: &[], recognise };

fn recognise(_prefix: &Prefix<'_>) -> Verdict {
    Verdict::No
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
    /// Name asked for, lower case, without the last dot.
    pub name: String,
    /// Type asked for, as its mnemonic: `A`, `AAAA`, `TXT` …
    pub kind: String,
    /// The answers, CNAME chains in order.
    pub answers: Vec<Answer>,
}

/// One resource record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Owner, lower case, without the last dot.
    pub name: String,
    /// Seconds that it holds.
    pub ttl: u32,
    /// An address, the target of a CNAME, or other data as text.
    pub data: String,
}

/// The message in a datagram, or in a stream behind its two bytes of length; `None` where it is none.
pub fn message(_transport: super::Transport, _bytes: &[u8]) -> Option<Message> {
    None
}
