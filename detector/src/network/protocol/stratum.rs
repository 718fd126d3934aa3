//! Mining protocols: lines of JSON over TCP, getwork over HTTP, and Stratum V2 without encryption.
//!
//! Sources: xmrig/xmrig (Client.cpp), fireice-uk/xmr-stak (jpsock.cpp), ckolivas/cgminer (util.c),
//! ethereum-mining/ethminer (EthStratumClient.cpp), ethereum/EIPs (1571), nicehash/Specifications,
//! stratum-mining/sv2-spec. What passes: mining inside TLS (its shape is for others to judge), and the
//! gzip that EthereumStratum/2.0.0 may ask for after its greeting.

use serde_json::Value;

use super::{Application, Found, Mark, Prefix, Protocol, Role, Sample, Transport, Verdict, Want};

mod dialect;
mod facts;
mod http;
mod json;
mod samples;
mod version2;

pub(super) const PROTOCOL: Protocol = Protocol { application: Application::Stratum, marks: MARKS, recognise };

pub(super) const SAMPLES: &[Sample] = samples::POSITIVE;

/// Bytes after which a message that has said nothing is left alone.
const ENOUGH: usize = 512;
/// The same over HTTP, whose headers come first.
const ENOUGH_HTTP: usize = 2_048;

const WANT: Want = Want { bytes: 512, again: 3, urgent: true, length_at: None };

const MARKS: &[Mark] = &[
    // A line of JSON, or an HTTP head with what follows it, and a word of miners anywhere after. The words
    // stand alone, so that spaces around colons do not matter; an escaped letter is a word as well, because
    // nobody but an evader writes one.
    Mark {
        transport: Transport::Tcp,
        regex: concat!(
            r"(?:[ \t\r\n]*\{|(?:GET|POST) /|HTTP/1).*(?:mining\.|EthereumStratum/|eth_(?:submit|getWork)",
            r#"|"(?:login|job|job_id|solution|client\.|api_key)"?|(?i:keepalived)|getjobtemplate"#,
            r#"|getwork|submitblock|get_?block_?template|block(?:template_blob|hashing_blob)|"coinbase"#,
            r#"|pre_pow|extra_nonce|nonceprefix|\[[ ]*"0x|\\u00(?:2[eE]|[4-7])"#,
            r"|[xX]-(?:[mM]ining|[sS]tratum|[rR]oll-|[lL]ong-)|[12]000000010000000000000)"
        ),
        want: WANT,
    },
    // Stratum V2: SetupConnection for versions 2 to 2, and its success.
    Mark {
        transport: Transport::Tcp,
        regex: r"\x00\x00(?:\x00..\x00[\x00-\x02]\x02\x00\x02\x00|\x01\x06\x00\x00\x02\x00)",
        want: WANT,
    },
];

fn recognise(prefix: &Prefix<'_>) -> Verdict {
    match prefix.transport {
        Transport::Udp => return Verdict::No,
        Transport::Tcp => {}
    }
    let bytes = prefix.bytes;
    match bytes.trim_ascii_start().first() {
        None => Verdict::More,
        Some(b'{') => match dialect::lines(bytes) {
            // A likely message becomes certain with what follows; its verdict waits for its end.
            dialect::Outcome::Message(message) => Verdict::Is(message.found()),
            dialect::Outcome::Open(message) if bytes.len() >= ENOUGH => {
                message.map_or(Verdict::No, |message| Verdict::Is(message.found()))
            }
            dialect::Outcome::Open(_) => Verdict::More,
            dialect::Outcome::Foreign => Verdict::No,
        },
        Some(b'G' | b'P' | b'H') => match http::recognise(bytes) {
            Verdict::More if bytes.len() >= ENOUGH_HTTP => Verdict::No,
            verdict @ (Verdict::More | Verdict::Is(_) | Verdict::No) => verdict,
        },
        Some(0) => version2::recognise(bytes),
        Some(_) => Verdict::No,
    }
}

/// A recognised message.
#[derive(Clone, Debug, PartialEq)]
struct Message {
    /// Which side sends it.
    speaker: Role,
    /// Word for `StratumDialect`.
    dialect: &'static str,
    /// `StratumMethod`.
    method: String,
    /// Nobody but miners and pools says so.
    certain: bool,
    /// What the miner calls itself.
    agent: Option<String>,
    /// Whom it mines for.
    login: Option<String>,
    /// What it can compute, or is to.
    algo: Vec<String>,
}

impl Message {
    fn found(self) -> Found {
        let Self { speaker, dialect, method, certain, agent, login, algo } = self;
        let mut fields = vec![
            ("StratumDialect", Value::from(dialect)),
            ("StratumMethod", Value::from(method)),
            ("StratumCertainty", Value::from(if certain { "certain" } else { "likely" })),
        ];
        fields.extend(agent.map(|agent| ("StratumAgent", Value::from(agent))));
        fields.extend(login.map(|login| ("StratumLogin", Value::from(login))));
        if !algo.is_empty() {
            fields.push(("StratumAlgo", Value::from(algo)));
        }
        Found { speaker, fields }
    }
}

#[cfg(test)]
mod tests;
