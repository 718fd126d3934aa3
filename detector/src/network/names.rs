//! Names of addresses, as DNS answers gave them, per network namespace and no longer than they hold.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;

use super::protocol::Message;
use crate::event::{Nanos, NetnsId};

/// Most addresses whose names are known.
const MOST: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();
/// Least time that a name is kept: resolvers give out their last seconds, and a connect comes after.
const LEAST_HOLD: u64 = 30_000_000_000;
/// Longest time that a name is kept, whatever the answer says.
const MOST_HOLD: u64 = 24 * 3_600 * 1_000_000_000;

/// Answers that still hold.
#[derive(Debug)]
pub struct Names {
    known: LruCache<(NetnsId, IpAddr), Name>,
    dropped: u64,
}

#[derive(Debug)]
struct Name {
    name: Arc<str>,
    until: Nanos,
}

impl Default for Names {
    fn default() -> Self {
        Self { known: LruCache::new(MOST), dropped: 0 }
    }
}

impl Names {
    /// The name that was last resolved to `address` in `netns`, if it still holds.
    pub fn get(&self, netns: NetnsId, address: IpAddr, now: Nanos) -> Option<&Arc<str>> {
        let known = self.known.peek(&(netns, address.to_canonical()))?;
        (known.until >= now).then_some(&known.name)
    }

    /// Takes what an answer says: each of its addresses has the name that was asked for, whatever aliases
    /// lie between.
    pub fn learn(&mut self, netns: NetnsId, answer: &Message, now: Nanos) {
        let name: Arc<str> = Arc::from(answer.name.as_str());
        for record in &answer.answers {
            let Ok(address) = record.data.parse::<IpAddr>() else { continue };
            let hold = (u64::from(record.ttl) * 1_000_000_000).clamp(LEAST_HOLD, MOST_HOLD);
            let until = Nanos(now.0.saturating_add(hold));
            let key = (netns, address.to_canonical());
            if self.known.len() == MOST.get() && !self.known.contains(&key) {
                self.dropped += 1;
            }
            self.known.put(key, Name { name: name.clone(), until });
        }
    }

    /// Names that had to go before their time.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::protocol::Answer;

    const SECOND: u64 = 1_000_000_000;

    fn answer(name: &str, records: &[(&str, u32, &str)]) -> Message {
        let record = |(name, ttl, data): &(&str, u32, &str)| Answer {
            name: (*name).to_owned(),
            ttl: *ttl,
            data: (*data).to_owned(),
        };
        Message {
            id: 1,
            response: true,
            status: 0,
            name: name.to_owned(),
            kind: "A".to_owned(),
            answers: records.iter().map(record).collect(),
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_alias_chain_names_the_address_by_what_was_asked() {
        let mut names = Names::default();
        let chain = [("pool.example", 60, "edge.example"), ("edge.example", 60, "192.0.2.7")];
        names.learn(NetnsId(1), &answer("pool.example", &chain), Nanos(0));
        let found = names.get(NetnsId(1), ip("192.0.2.7"), Nanos(SECOND));
        assert_eq!(found.map(|name| &**name), Some("pool.example"));
        let mapped = names.get(NetnsId(1), ip("::ffff:192.0.2.7"), Nanos(SECOND));
        assert_eq!(mapped.map(|name| &**name), Some("pool.example"));
    }

    #[test]
    fn a_name_counts_in_its_namespace_and_in_its_time() {
        let mut names = Names::default();
        names.learn(NetnsId(1), &answer("a.example", &[("a.example", 100, "192.0.2.7")]), Nanos(0));
        assert!(names.get(NetnsId(2), ip("192.0.2.7"), Nanos(0)).is_none());
        assert!(names.get(NetnsId(1), ip("192.0.2.7"), Nanos(100 * SECOND)).is_some());
        assert!(names.get(NetnsId(1), ip("192.0.2.7"), Nanos(100 * SECOND + 1)).is_none());
    }

    #[test]
    fn a_million_names_take_bounded_room_and_are_counted() {
        let mut names = Names::default();
        for number in 0..1_000_000_u32 {
            let address = std::net::Ipv4Addr::from(number).to_string();
            names.learn(NetnsId(1), &answer("a.example", &[("a.example", 1, &address)]), Nanos(0));
        }
        assert_eq!(names.known.len(), MOST.get());
        assert_eq!(names.dropped(), 1_000_000 - 65_536);
    }
}
