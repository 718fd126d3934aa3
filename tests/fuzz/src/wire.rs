//! Parsers of what agents and their peers send.

use crate::Target;
use crate::network::Fields;
use crate::network::protocol::{
    Application, PROTOCOLS, Prefix, Protocol, Transport, Verdict, behind_proxy_header, datagrams, message,
    recognise, samples,
};

/// Most text that a message may leave behind: what is alerted on must stay small, whatever was sent.
const MOST_TEXT: usize = 128 * 1024;

/// Every protocol, and what is beside the registry.
pub fn targets() -> impl Iterator<Item = Target> {
    let protocols = PROTOCOLS.iter().map(|protocol| Target {
        name: protocol.application.name().to_owned(),
        run: Box::new(|bytes| all_ways(bytes, &mut |prefix| one(protocol, prefix))),
        seeds: of(Some(protocol.application)),
    });
    let others = [
        Target {
            name: "registry".to_owned(),
            run: Box::new(|bytes| {
                all_ways(bytes, &mut |prefix| {
                    recognise(prefix);
                });
            }),
            seeds: of(None),
        },
        Target {
            name: "dns-message".to_owned(),
            run: Box::new(|bytes| {
                for transport in [Transport::Tcp, Transport::Udp] {
                    if let Some(message) = message(transport, bytes) {
                        check(&message.fields());
                    }
                }
            }),
            seeds: of(Some(Application::Dns)),
        },
        Target {
            name: "proxy-header".to_owned(),
            run: Box::new(|bytes| assert!(bytes.ends_with(behind_proxy_header(bytes)))),
            seeds: vec![
                b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 22\r\nSSH-2.0-".to_vec(),
                b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x9c\x40\0\x16SSH".to_vec(),
            ],
        },
    ];
    protocols.chain(others)
}

/// The samples of one protocol or of all.
fn of(application: Option<Application>) -> Vec<Vec<u8>> {
    let all = samples().chain(datagrams());
    let wanted = all.filter(|sample| application.is_none_or(|wanted| sample.application == wanted));
    wanted.map(|sample| sample.bytes.to_vec()).collect()
}

/// Over both transports, from either side, alone and after the rest.
fn all_ways(bytes: &[u8], parse: &mut dyn FnMut(&Prefix<'_>)) {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    for transport in [Transport::Tcp, Transport::Udp] {
        for sender_initiated in [None, Some(true), Some(false)] {
            for (bytes, other) in [(bytes, &b""[..]), (first, second)] {
                parse(&Prefix { transport, bytes, other, sender_initiated });
            }
        }
    }
}

fn one(protocol: &Protocol, prefix: &Prefix<'_>) {
    match (protocol.recognise)(prefix) {
        Verdict::Is(found) => check(&found.fields),
        Verdict::More | Verdict::No => {}
    }
}

/// No field comes twice, and together they stay small.
fn check(fields: &Fields) {
    for (at, (name, _)) in fields.iter().enumerate() {
        assert!(fields.iter().skip(at + 1).all(|(other, _)| other != name), "{name} twice");
    }
    let text = serde_json::to_string(fields).map_or(0, |text| text.len());
    assert!(text <= MOST_TEXT, "{text} bytes of fields");
}
