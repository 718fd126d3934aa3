//! SOCKS 4, 4a and 5: greetings and requests of clients. Credentials are never read.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use serde_json::Value;

use super::reader::Reader;
use super::{Application, Found, Mark, Prefix, Protocol, Sample, Transport, Verdict, Want};
use crate::network::Role;

pub(super) const PROTOCOL: Protocol = Protocol { application: Application::Socks, marks: MARKS, recognise };

/// What follows the handshake is looked at afresh: greeting, credentials, request, then the data.
const WANT: Want = Want { bytes: 300, again: 4, urgent: false, length_at: None };
const MARKS: &[Mark] = &[
    Mark { transport: Transport::Tcp, regex: r"\x05[\x01-\x0a][\x00-\x09]", want: WANT },
    Mark { transport: Transport::Tcp, regex: r"\x04[\x01\x02]..[\x00-\xdf]", want: WANT },
];

/// Methods that IANA names end here; private ones are not spoken by any client that is common.
const LAST_METHOD: u8 = 9;
/// Longest user id of SOCKS 4 that is taken for one.
const USER_ID: usize = 64;

/// What reading a message came to.
enum Read {
    /// A message, and the address that it asks for.
    Whole(Option<String>),
    Short,
    Foreign,
}

fn recognise(prefix: &Prefix<'_>) -> Verdict {
    match prefix.transport {
        Transport::Udp => return Verdict::No,
        Transport::Tcp => {}
    }
    // Replies begin with the same bytes.
    if prefix.sender_initiated == Some(false) {
        return Verdict::No;
    }
    let (version, read) = match prefix.bytes {
        [] => return Verdict::More,
        [4, rest @ ..] => (4, version4(rest)),
        [5, rest @ ..] => (5, version5(rest)),
        _ => return Verdict::No,
    };
    match read {
        Read::Whole(target) => {
            let mut fields = vec![("SocksVersion", Value::from(version))];
            fields.extend(target.map(|target| ("SocksTarget", Value::from(target))));
            Verdict::Is(Found { speaker: Role::Client, fields })
        }
        Read::Short => Verdict::More,
        Read::Foreign => Verdict::No,
    }
}

/// Behind the version byte. Three bytes may be a greeting with one method or a request that is cut: each
/// is SOCKS, and what follows adds the target.
fn version5(rest: &[u8]) -> Read {
    match greeting(rest) {
        Some(([], _)) => Read::Whole(None),
        // Sent in one go with the greeting, in the hope that no credentials are asked for.
        Some((behind, [0])) if behind.first() == Some(&5) => {
            match request(behind.get(1..).unwrap_or_default()) {
                Read::Short => Read::Whole(None),
                read @ (Read::Whole(_) | Read::Foreign) => read,
            }
        }
        Some(_) | None => match request(rest) {
            Read::Short => Read::Short,
            Read::Foreign if is_short_greeting(rest) => Read::Short,
            read @ (Read::Whole(_) | Read::Foreign) => read,
        },
    }
}

/// The methods of a greeting, and what stands behind it.
fn greeting(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = Reader(rest);
    let methods = reader.counted8()?;
    is_methods(methods).then_some((reader.0, methods))
}

fn is_short_greeting(rest: &[u8]) -> bool {
    let Some((count, methods)) = rest.split_first() else { return true };
    (1..=LAST_METHOD + 1).contains(count)
        && methods.len() < usize::from(*count)
        && (methods.is_empty() || is_methods(methods))
}

/// Each method once, and only those that exist.
fn is_methods(methods: &[u8]) -> bool {
    let distinct = methods.iter().enumerate().all(|(at, method)| {
        *method <= LAST_METHOD && !methods.iter().take(at).any(|earlier| earlier == method)
    });
    distinct && !methods.is_empty()
}

/// Command, reserved byte, address, port.
fn request(rest: &[u8]) -> Read {
    let (command, reserved) = (rest.first(), rest.get(1));
    if command.is_some_and(|command| !(1..=3).contains(command))
        || reserved.is_some_and(|reserved| *reserved != 0)
    {
        return Read::Foreign;
    }
    let mut reader = Reader(rest.get(2..).unwrap_or_default());
    let read = match reader.u8() {
        Some(1) => {
            let (address, port) = (reader.array::<4>(), reader.u16());
            address.zip(port).map(|(ip, port)| SocketAddr::from((Ipv4Addr::from(ip), port)).to_string())
        }
        Some(4) => {
            let (address, port) = (reader.array::<16>(), reader.u16());
            address.zip(port).map(|(ip, port)| SocketAddr::from((Ipv6Addr::from(ip), port)).to_string())
        }
        Some(3) => {
            let count = usize::from(reader.0.first().copied().unwrap_or(1));
            let there = reader.0.get(1..).unwrap_or_default();
            if count == 0 || !is_name(there.get(..count).unwrap_or(there)) {
                return Read::Foreign;
            }
            let (name, port) = (reader.counted8(), reader.u16());
            name.zip(port).map(|(name, port)| host_and_port(name, port))
        }
        Some(_) => return Read::Foreign,
        None => None,
    };
    // Data may follow in the same segment, sent before the proxy consents.
    read.map_or(Read::Short, |target| Read::Whole(Some(target)))
}

/// Behind the version byte: command, port, address, user id, and for 4a a name.
fn version4(rest: &[u8]) -> Read {
    if rest.first().is_some_and(|command| !(1..=2).contains(command)) {
        return Read::Foreign;
    }
    let mut reader = Reader(rest.get(1..).unwrap_or_default());
    let (Some(port), Some(ip)) = (reader.u16(), reader.array::<4>()) else { return Read::Short };
    let address = Ipv4Addr::from(ip);
    let is_4a = matches!(ip, [0, 0, 0, last] if last != 0);
    if port == 0 || address.is_multicast() || (matches!(ip, [0, ..]) && !is_4a) {
        return Read::Foreign;
    }
    let user = match until_zero(&mut reader) {
        Ok(user) => user,
        Err(there) if is_name(there) && there.len() <= USER_ID => return Read::Short,
        Err(_) => return Read::Foreign,
    };
    if !is_name(user) || user.len() > USER_ID {
        return Read::Foreign;
    }
    let target = if is_4a {
        match until_zero(&mut reader) {
            Ok(name) if is_name(name) && !name.is_empty() => host_and_port(name, port),
            Err(there) if is_name(there) && there.len() <= 255 => return Read::Short,
            Ok(_) | Err(_) => return Read::Foreign,
        }
    } else {
        SocketAddr::from((address, port)).to_string()
    };
    // Without a name there is too little shape to tell a request from other bytes, unless it stands alone.
    let has_shape = is_4a || !user.is_empty();
    if has_shape || reader.0.is_empty() { Read::Whole(Some(target)) } else { Read::Foreign }
}

/// The bytes before the next zero, which is passed over; `Err` with all where none is.
fn until_zero<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], &'a [u8]> {
    let end = reader.0.iter().position(|byte| *byte == 0).ok_or(reader.0)?;
    let taken = reader.take(end).ok_or(reader.0)?;
    reader.u8();
    Ok(taken)
}

/// A host or a user id, as far as it is there.
fn is_name(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_graphic)
}

fn host_and_port(name: &[u8], port: u16) -> String {
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    if name.contains(':') { format!("[{name}]:{port}") } else { format!("{name}:{port}") }
}

const fn sample(name: &'static str, bytes: &'static [u8]) -> Sample {
    Sample { name, from: Role::Client, bytes, decisive: bytes.len(), application: Application::Socks }
}

pub(super) const SAMPLES: &[Sample] = &[
    sample("a greeting without credentials", b"\x05\x01\x00"),
    sample("a greeting of curl", b"\x05\x02\x00\x01"),
    sample("a greeting with a password", b"\x05\x02\x00\x02"),
    sample("a greeting with three methods", b"\x05\x03\x00\x01\x02"),
    sample("a request by name", b"\x05\x01\x00\x03\x0cpool.Example\x0d\x05"),
    sample("a request by IPv4 address", b"\x05\x01\x00\x01\xc0\x00\x02\x01\x0d\x05"),
    sample(
        "a request by IPv6 address",
        b"\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb",
    ),
    sample("greeting and request in one", b"\x05\x01\x00\x05\x01\x00\x03\x01h\x00\x50"),
    sample("a request of SOCKS 4", b"\x04\x01\x0d\x05\xc0\x00\x02\x01user\x00"),
    sample("a request of SOCKS 4a", b"\x04\x01\x01\xbb\x00\x00\x00\x01\x00pool.example\x00"),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::check;
    use super::*;

    #[test]
    fn samples_are_known_wherever_they_are_split() {
        check::known(&PROTOCOL, Transport::Tcp, SAMPLES);
        check::marked(&PROTOCOL, Transport::Tcp, SAMPLES);
    }

    #[test]
    fn requests_name_their_target() {
        let targets = [
            None,
            None,
            None,
            None,
            Some("pool.example:3333"),
            Some("192.0.2.1:3333"),
            Some("[2001:db8::1]:443"),
            Some("h:80"),
            Some("192.0.2.1:3333"),
            Some("pool.example:443"),
        ];
        for (sample, target) in SAMPLES.iter().zip(targets) {
            let mut expected = vec![("SocksVersion", json!(sample.bytes[0]))];
            expected.extend(target.map(|target| ("SocksTarget", json!(target))));
            let found = check::fields(&PROTOCOL, Transport::Tcp, sample.bytes);
            assert_eq!(found, expected, "{}", sample.name);
        }
    }

    #[test]
    fn other_bytes_are_no_socks() {
        check::foreign(
            &PROTOCOL,
            Transport::Tcp,
            &[
                b"\x05\x00",
                b"\x05\xff",
                b"\x05\x02\x00\x00",
                b"\x05\x02\x00\x80",
                b"\x05\x0b\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a",
                b"\x05\x04\x00\x01\x7f\x00\x00\x01\x00\x50",
                b"\x05\x02\x01\x01",
                b"\x04\x01\x00\x00\x7f\x00\x00\x01\x00",
                b"\x04\x03\x0d\x05\xc0\x00\x02\x01\x00",
                b"\x04\x01\x0d\x05\x00\x00\x00\x00\x00",
                b"\x04\x01\x0d\x05\xc0\x00\x02\x01\x07\x00",
                b"\x04\x00\x00\x00\x00\x00",
                b"\x10\x0c\x00\x04MQTT",
            ],
        );
        check::foreign(&PROTOCOL, Transport::Udp, &[SAMPLES[1].bytes]);
    }

    #[test]
    fn data_sent_with_a_request_does_not_hide_it() {
        for sample in SAMPLES.iter().filter(|sample| sample.name.starts_with("a request")) {
            let more = [sample.bytes, b"data"].concat();
            let found = check::fields(&PROTOCOL, Transport::Tcp, &more);
            assert_eq!(found, check::fields(&PROTOCOL, Transport::Tcp, sample.bytes), "{}", sample.name);
        }
        let bare = check::prefix(Transport::Tcp, b"\x04\x01\x0d\x05\xc0\x00\x02\x01\x00data");
        assert_eq!((PROTOCOL.recognise)(&bare), Verdict::No);
    }

    #[test]
    fn replies_are_not_taken_for_requests() {
        let reply = b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50";
        let prefix = Prefix { sender_initiated: Some(false), ..check::prefix(Transport::Tcp, reply) };
        assert_eq!((PROTOCOL.recognise)(&prefix), Verdict::No);
    }
}
