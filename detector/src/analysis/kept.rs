//! A map that holds so many entries and no more: the oldest one makes room, and is counted.

use std::collections::VecDeque;
use std::hash::Hash;

use hashbrown::HashMap;

/// At most `most` entries in the order that they came.
#[derive(Debug)]
pub(super) struct Kept<K, V> {
    entries: HashMap<K, (u64, V)>,
    /// Keys by age with the number that they were given; those of removed entries are passed over.
    order: VecDeque<(u64, K)>,
    next: u64,
    most: usize,
    dropped: u64,
}

impl<K: Copy + Eq + Hash, V> Kept<K, V> {
    pub(super) fn new(most: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), next: 0, most, dropped: 0 }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    /// Puts a value in the place of the one before, which keeps its age, or makes room for it.
    pub(super) fn insert(&mut self, key: K, value: V) {
        if let Some(known) = self.get_mut(&key) {
            *known = value;
            return;
        }
        while self.entries.len() >= self.most {
            let Some((number, oldest)) = self.order.pop_front() else { break };
            if self.is_current(number, &oldest) {
                self.entries.remove(&oldest);
                self.dropped = self.dropped.saturating_add(1);
            }
        }
        self.next += 1;
        self.entries.insert(key, (self.next, value));
        self.order.push_back((self.next, key));
        if self.order.len() > 2 * self.most {
            let entries = &self.entries;
            self.order.retain(|(number, key)| entries.get(key).is_some_and(|(current, _)| current == number));
        }
    }

    /// The value of a key, made where there is none.
    pub(super) fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> Option<&mut V> {
        if !self.entries.contains_key(&key) {
            self.insert(key, make());
        }
        self.get_mut(&key)
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.entries.remove(key).map(|(_, value)| value)
    }

    /// The keys, oldest first.
    pub(super) fn keys(&self) -> impl Iterator<Item = K> {
        self.order.iter().filter(|(number, key)| self.is_current(*number, key)).map(|(_, key)| *key)
    }

    /// Lets go of entries of which something is not true; they are not counted.
    pub(super) fn retain(&mut self, mut is: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain(|key, (_, value)| is(key, value));
    }

    /// Entries that had to make room.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn is_current(&self, number: u64, key: &K) -> bool {
        self.entries.get(key).is_some_and(|(current, _)| *current == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room_and_is_counted() {
        let mut kept = Kept::new(2);
        kept.insert(1, 'a');
        kept.insert(2, 'b');
        kept.insert(1, 'c');
        kept.insert(3, 'd');
        assert_eq!((kept.get(&1), kept.get(&2), kept.get(&3)), (None, Some(&'b'), Some(&'d')));
        assert_eq!((kept.len(), kept.dropped()), (2, 1));
    }

    #[test]
    fn an_entry_that_came_back_is_as_young_as_its_return() {
        let mut kept = Kept::new(2);
        kept.insert(1, 'a');
        kept.insert(2, 'b');
        kept.remove(&1);
        kept.insert(1, 'c');
        kept.insert(3, 'd');
        assert_eq!((kept.get(&1), kept.get(&2), kept.dropped()), (Some(&'c'), None, 1));
    }

    #[test]
    fn a_million_that_come_and_go_leave_nothing() {
        let mut kept = Kept::new(16);
        for key in 0..1_000_000 {
            kept.insert(key, ());
            kept.remove(&key);
        }
        assert_eq!((kept.len(), kept.dropped()), (0, 0));
        assert!(kept.order.len() <= 2 * 16 + 1);
    }
}
