//! `dns_tunnel`: a process tree asks for many long, random-looking names below one domain.
//!
//! Data leave in the labels of the questions and come back in the answers, so each question is new and
//! as long as may be. Counted are the distinct names below a domain within [`WINDOW`], and the
//! characters in them.

use hashbrown::HashSet;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::kept::Kept;
use super::{Around, Moment, Observation};
use crate::event::{Nanos, ProcessId};
use crate::network::{Application, Recognised};

/// How long names are counted together.
const WINDOW: u64 = 60_000_000_000;

/// Distinct names that it takes.
const NAMES: usize = 30;
/// Characters that the part below the domain has on average.
const LENGTH: u64 = 30;
/// The same, where most questions are for types that carry more than an address.
const LENGTH_ODD: u64 = 16;
/// Bits a character: of base32 about 5, of hexadecimal 4, of a counter in words far less.
const ENTROPY: f64 = 3.5;
const ENTROPY_HEX: f64 = 3.3;

/// Most domains of all trees that are followed, and most names of one.
const MAX_DOMAINS: usize = 4_096;
const MAX_NAMES: usize = 128;

/// Types whose answers carry text or names.
const ODD_TYPES: &[&str] = &["TXT", "NULL", "CNAME", "MX", "SRV", "PRIVATE", "DNSKEY"];

/// Second-level labels below which organisations have their names, where a country's label follows.
const SECOND_LEVEL: &[&str] = &["co", "com", "org", "net", "gov", "ac", "edu", "ne", "or", "go"];

/// Domains whose names are long by design: addresses turned round, services of a cluster.
const EXEMPT: &[&str] = &["in-addr.arpa", "ip6.arpa", "cluster.local", "ec2.internal"];

/// Domains that were lately asked for.
#[derive(Debug)]
pub(super) struct DnsTunnel {
    /// By root of the tree and hash of the domain.
    domains: Kept<(ProcessId, u64), Domain>,
}

#[derive(Debug)]
struct Domain {
    since: Nanos,
    names: HashSet<u64>,
    /// Characters of the distinct names.
    length: u64,
    /// How often each of a-z, 0-9, `-`, `_` and anything else stands in them.
    characters: [u32; 39],
    questions: u32,
    odd: u32,
    told: bool,
}

impl Default for DnsTunnel {
    fn default() -> Self {
        Self { domains: Kept::new(MAX_DOMAINS) }
    }
}

impl DnsTunnel {
    pub(super) fn recognised(
        &mut self,
        around: Around<'_>,
        recognised: &Recognised,
        out: &mut Vec<Observation>,
    ) {
        if recognised.application != Application::Dns || recognised.process.pid == 0 {
            return;
        }
        let Some(name) = recognised.field("QueryName").and_then(Value::as_str) else { return };
        let Some((below, suffix)) = split(name.trim_end_matches('.')) else { return };
        if EXEMPT.iter().any(|exempt| suffix.eq_ignore_ascii_case(exempt)) {
            return;
        }
        let kind = recognised.field("QueryType").and_then(Value::as_str).unwrap_or_default();
        let key = (around.table.root(recognised.process), xxh3_64(suffix.to_ascii_lowercase().as_bytes()));
        let now = recognised.time;
        let Some(domain) = self.domains.get_or_insert_with(key, || Domain::new(now)) else { return };
        if now.since(domain.since) >= WINDOW {
            *domain = Domain::new(now);
        }
        domain.note(below, kind);
        if domain.told || !domain.is_tunnel() {
            return;
        }
        domain.told = true;
        let (mean, entropy) = (domain.mean(), domain.entropy());
        let text = format!(
            "and its relatives asked for {} names below {suffix} within a minute, {mean} characters long on average",
            domain.names.len()
        );
        let fields = vec![
            ("TunnelDomain", Value::from(suffix)),
            ("QueryNames", Value::from(domain.names.len())),
            ("MeanLength", Value::from(mean)),
            ("Entropy", Value::from((entropy * 100.0).round() / 100.0)),
            ("OddTypes", Value::from(domain.odd_types_dominate())),
            ("QueryExample", Value::from(name)),
        ];
        let moment = Moment::spoken(recognised);
        out.push(moment.observation(around, recognised.process, "dns_tunnel", text, fields));
    }

    pub(super) fn dropped(&self) -> u64 {
        self.domains.dropped()
    }
}

impl Domain {
    fn new(since: Nanos) -> Self {
        Self {
            since,
            names: HashSet::new(),
            length: 0,
            characters: [0; 39],
            questions: 0,
            odd: 0,
            told: false,
        }
    }

    fn note(&mut self, below: &str, kind: &str) {
        self.questions = self.questions.saturating_add(1);
        let odd = ODD_TYPES.contains(&kind) || kind.starts_with("TYPE");
        self.odd = self.odd.saturating_add(u32::from(odd));
        // Resolvers against forgery ask in random case; one name stays one name.
        let below = below.to_ascii_lowercase();
        if self.names.len() >= MAX_NAMES || !self.names.insert(xxh3_64(below.as_bytes())) {
            return;
        }
        for byte in below.bytes().filter(|byte| *byte != b'.') {
            self.length += 1;
            if let Some(count) = self.characters.get_mut(class(byte)) {
                *count += 1;
            }
        }
    }

    fn mean(&self) -> u64 {
        self.length.checked_div(self.names.len() as u64).unwrap_or(0)
    }

    fn odd_types_dominate(&self) -> bool {
        u64::from(self.odd) * 2 > u64::from(self.questions)
    }

    /// Shannon's entropy of the characters, in bits.
    fn entropy(&self) -> f64 {
        let all = self.length as f64;
        let bits = |count: &u32| {
            let share = f64::from(*count) / all;
            -share * share.log2()
        };
        self.characters.iter().filter(|count| **count > 0).map(bits).sum()
    }

    fn is_hex(&self) -> bool {
        let others = self.characters.iter().enumerate().filter(|(at, _)| !matches!(at, 0..=5 | 26..=35));
        others.map(|(_, count)| u64::from(*count)).sum::<u64>() * 20 <= self.length
    }

    fn is_tunnel(&self) -> bool {
        let length = if self.odd_types_dominate() { LENGTH_ODD } else { LENGTH };
        if self.names.len() < NAMES || self.mean() < length {
            return false;
        }
        self.entropy() >= if self.is_hex() { ENTROPY_HEX } else { ENTROPY }
    }
}

fn class(byte: u8) -> usize {
    match byte {
        b'a'..=b'z' => usize::from(byte - b'a'),
        b'0'..=b'9' => 26 + usize::from(byte - b'0'),
        b'-' => 36,
        b'_' => 37,
        _ => 38,
    }
}

/// What stands below the domain that somebody could have registered, and that domain.
fn split(name: &str) -> Option<(&str, &str)> {
    let mut dots = name.rmatch_indices('.').map(|(at, _)| at);
    let (top, second) = (dots.next()?, dots.next()?);
    let country = name.len() - top == 3;
    let middle = name.get(second + 1..top)?;
    let cut = if country && SECOND_LEVEL.contains(&middle) { dots.next()? } else { second };
    Some((name.get(..cut)?, name.get(cut + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::super::world::{SECOND, World, field, flow, spoken};
    use super::*;
    use crate::network::Names;
    use crate::process::ProcessTable;
    use crate::task::Ledger;

    /// Letters and digits without a pattern, the same each time.
    fn noise(seed: u64, length: usize, alphabet: &[u8]) -> String {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(alphabet[(state >> 33) as usize % alphabet.len()])
        };
        (0..length).map(|_| next()).collect()
    }

    const BASE32: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
    const HEX: &[u8] = b"0123456789abcdef";

    fn ask(names: impl Iterator<Item = String>, kind: &str, pause: u64) -> Vec<Observation> {
        let mut world = World::new();
        world.fork(1, 2);
        for name in names {
            let fields = vec![("QueryName", Value::from(name)), ("QueryType", Value::from(kind))];
            world.speaks(2, 1, "203.0.113.53:53", Application::Dns, fields).wait(pause);
        }
        world.taken()
    }

    #[test]
    fn data_in_labels_are_a_tunnel() {
        let seen = ask((0..40).map(|at| format!("{}.t.example.org", noise(at, 50, BASE32))), "A", 0);
        assert_eq!(seen.len(), 1);
        assert_eq!(field(&seen[0], "TunnelDomain"), "example.org");
        assert_eq!(field(&seen[0], "QueryNames"), 30);
        let hex = (0..40).map(|at| format!("{}.{}.t.co.uk", noise(at, 60, HEX), at));
        assert_eq!(field(&ask(hex, "A", 0)[0], "TunnelDomain"), "t.co.uk");
        let txt = (0..40).map(|at| format!("{}.example.org", noise(at, 20, BASE32)));
        assert_eq!(field(&ask(txt, "TXT", 0)[0], "OddTypes"), true);
    }

    #[test]
    fn everyday_names_are_no_tunnel() {
        let none: [Observation; 0] = [];
        // Hashes of a content network, identities in telemetry: long, but few.
        assert_eq!(ask((0..10).map(|at| format!("{}.cdn.example", noise(at, 36, HEX))), "A", 0), none);
        // Addresses asked at a block list, and turned round.
        assert_eq!(ask((0..200).map(|at| format!("{at}.2.0.192.zen.spamhaus.example")), "A", 0), none);
        let reverse = (0..200).map(|at| format!("{}.ip6.arpa", noise(at, 62, HEX)));
        assert_eq!(ask(reverse, "PTR", 0), none);
        // Hosts of a cloud and buckets.
        assert_eq!(ask((0..200).map(|at| format!("ip-10-0-0-{at}.compute.amazonaws.com")), "A", 0), none);
        // The same long name again and again, in random case.
        assert_eq!(ask((0..200).map(|_| format!("{}.example.org", noise(1, 50, BASE32))), "A", 0), none);
        // Forty domains with a long name each.
        assert_eq!(ask((0..40).map(|at| format!("{}.d{at}.example", noise(at, 50, BASE32))), "A", 0), none);
        // One character repeated.
        assert_eq!(ask((0..40).map(|at| format!("{}{at}.example.org", "a".repeat(40))), "A", 0), none);
        // A name every few seconds.
        assert_eq!(ask((0..40).map(|at| format!("{}.example.org", noise(at, 50, BASE32))), "A", 3), none);
    }

    #[test]
    fn names_are_cut_where_somebody_could_register() {
        assert_eq!(split("a.b.example.org"), Some(("a.b", "example.org")));
        assert_eq!(split("a.b.example.co.uk"), Some(("a.b", "example.co.uk")));
        assert_eq!(split("a.co.example"), Some(("a", "co.example")));
        for name in ["", ".", "localhost", "example.org", "example.co.uk"] {
            assert_eq!(split(name), None, "{name}");
        }
        assert_eq!(split("\u{e9}.\u{e9}.\u{e9}"), Some(("\u{e9}", "\u{e9}.\u{e9}")));
    }

    #[test]
    fn a_million_domains_cost_no_more_than_the_limit() {
        let mut analysis = DnsTunnel::default();
        let (table, names) = (ProcessTable::default(), Names::default());
        let around = Around { table: &table, names: &names, tasks: &Ledger::default(), now: Nanos(SECOND) };
        let mut out = Vec::new();
        for number in 0..1_000_000 {
            let fields = vec![("QueryName", Value::from(format!("a.d{number}.example")))];
            let flow = flow(1, "203.0.113.53:53");
            analysis.recognised(around, &spoken(SECOND, 2, flow, Application::Dns, fields), &mut out);
        }
        assert_eq!(analysis.domains.len(), MAX_DOMAINS);
        assert_eq!(analysis.dropped(), 1_000_000 - MAX_DOMAINS as u64);
        let mut domain = Domain::new(Nanos(0));
        for number in 0..100_000 {
            domain.note(&number.to_string(), "A");
        }
        assert_eq!(domain.names.len(), MAX_NAMES);
    }
}
