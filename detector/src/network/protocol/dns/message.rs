//! Header, question and answers of a message (RFC 1035 section 4).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::reader::Reader;
use super::name::{self, Trouble};
use super::{Answer, Message, words};

/// Header, the root as name, type, class.
pub(super) const SHORTEST: usize = HEADER + 1 + 4;
const HEADER: usize = 12;
/// Most answers that are read; names may repeat a long one at two bytes each.
const ANSWERS: u16 = 64;
/// Most bytes of a record's text.
const TEXT: usize = 1024;

/// What the bytes are.
pub(super) enum Parsed {
    /// A message whose question is whole.
    Message(Message),
    /// More bytes may make it one.
    Short,
    /// Something else.
    Foreign,
}

struct Header {
    id: u16,
    response: bool,
    status: u8,
    answers: u16,
}

/// Reads a message from its id on.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let header = match header(bytes) {
        Ok(header) => header,
        Err(Trouble::Short) => return Parsed::Short,
        Err(Trouble::Foreign) => return Parsed::Foreign,
    };
    let (name, behind) = match name::read(bytes, HEADER) {
        Ok(read) => read,
        Err(Trouble::Short) => return Parsed::Short,
        Err(Trouble::Foreign) => return Parsed::Foreign,
    };
    let mut rest = Reader(bytes.get(behind..).unwrap_or_default());
    let (Some(kind), Some(class)) = (rest.u16(), rest.u16()) else { return Parsed::Short };
    // The first bit of the class asks for an answer to one, in multicast DNS.
    if kind == 0 || !matches!(class & 0x7fff, 1 | 3 | 4 | 254 | 255) {
        return Parsed::Foreign;
    }
    let Header { id, response, status, answers } = header;
    let answers = read_answers(bytes, bytes.len() - rest.0.len(), answers);
    Parsed::Message(Message { id, response, status, name, kind: words::kind(kind), answers })
}

/// The header, where it is one of a question or of its answer. The shape is strict, since no port is asked
/// for: NTP, STUN, QUIC and WireGuard do not have it.
fn header(bytes: &[u8]) -> Result<Header, Trouble> {
    let may_be = |at: usize, fits: fn(u8) -> bool| bytes.get(at).is_none_or(|byte| fits(*byte));
    let fits = may_be(2, |byte| byte & 0x78 == 0)
        && may_be(3, |byte| byte & 0x40 == 0 && byte & 0x0f <= 10)
        && may_be(4, |byte| byte == 0)
        && may_be(5, |byte| byte == 1);
    if !fits {
        return Err(Trouble::Foreign);
    }
    let mut reader = Reader(bytes);
    let mut next = || reader.u16().ok_or(Trouble::Short);
    let (id, flags) = (next()?, next()?);
    let [_question, answers, authorities, additional] = [next()?, next()?, next()?, next()?];
    let response = flags & 0x8000 != 0;
    let status = flags.to_be_bytes()[1] & 0x0f;
    // A question carries at most a zone's serial (IXFR), an EDNS record and a signature.
    if !response && (answers != 0 || authorities > 1 || additional > 2 || status != 0) {
        return Err(Trouble::Foreign);
    }
    Ok(Header { id, response, status, answers })
}

fn read_answers(bytes: &[u8], mut at: usize, count: u16) -> Vec<Answer> {
    let mut found = Vec::new();
    for _ in 0..count.min(ANSWERS) {
        let Some((answer, behind)) = read_answer(bytes, at) else { break };
        found.push(answer);
        at = behind;
    }
    found
}

/// The record at an offset, and the offset behind it.
fn read_answer(bytes: &[u8], at: usize) -> Option<(Answer, usize)> {
    let (name, behind) = name::read(bytes, at).ok()?;
    let mut rest = Reader(bytes.get(behind..)?);
    let (kind, _class, ttl) = (rest.u16()?, rest.u16()?, rest.u32()?);
    let data = rest.counted16()?;
    let end = bytes.len() - rest.0.len();
    let data = match kind {
        1 => <[u8; 4]>::try_from(data).ok().map(|ip| Ipv4Addr::from(ip).to_string()),
        28 => <[u8; 16]>::try_from(data).ok().map(|ip| Ipv6Addr::from(ip).to_string()),
        // NS, CNAME, PTR, DNAME
        2 | 5 | 12 | 39 => name::read(bytes, end - data.len()).ok().map(|(name, _)| name),
        16 => Some(texts(Reader(data))),
        _ => None,
    };
    Some((Answer { name, ttl, data: data.unwrap_or_else(|| words::kind(kind)) }, end))
}

/// The strings of a TXT record, joined.
fn texts(mut data: Reader<'_>) -> String {
    let mut text = String::new();
    while let Some(part) = data.counted8() {
        for byte in part {
            if text.len() >= TEXT {
                return text;
            }
            match byte {
                b' ' | b'.' => text.push(char::from(*byte)),
                _ => name::escape(*byte, &mut text),
            }
        }
    }
    text
}
