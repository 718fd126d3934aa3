//! Counts under names without end in bounded room: what counts most stays, the rest is one sum.
//!
//! Whenever twice as many names are known as may stay, the lighter half goes into the sum of the others. A name that
//! makes up more than a share of one in [`Top`]'s room of all that is counted survives each of these, so what is said
//! of it lacks at most what came before it was noticed; nothing is ever said twice or too high.

use hashbrown::HashMap;

use super::{Item, Others};

/// Names and their counts.
#[derive(Debug)]
pub(super) struct Top {
    known: HashMap<u64, Item>,
    others: Others,
    most: usize,
}

impl Top {
    pub(super) fn new(most: usize) -> Self {
        Self { known: HashMap::new(), others: Others::default(), most }
    }

    /// The item of a key, made where there is none.
    pub(super) fn at(&mut self, key: u64, make: impl FnOnce() -> Item) -> &mut Item {
        if !self.known.contains_key(&key) && self.known.len() >= 2 * self.most {
            self.shrink();
        }
        self.known.entry(key).or_insert_with(make)
    }

    /// What stays, the heaviest first, and the sum of the others.
    pub(super) fn take(&mut self) -> (Vec<Item>, Others) {
        if self.known.len() > self.most {
            self.shrink();
        }
        let mut items: Vec<(u64, Item)> = self.known.drain().collect();
        items.sort_by(|(a_key, a), (b_key, b)| b.weight().cmp(&a.weight()).then(a_key.cmp(b_key)));
        (items.into_iter().map(|(_, item)| item).collect(), std::mem::take(&mut self.others))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn shrink(&mut self) {
        let mut order: Vec<(u64, u64)> = self.known.iter().map(|(key, item)| (item.weight(), *key)).collect();
        let goes = order.len().saturating_sub(self.most);
        if goes == 0 {
            return;
        }
        // By the key where the weight is one, so that the same input leaves the same.
        order.select_nth_unstable(goes - 1);
        for (_, key) in order.iter().take(goes) {
            if let Some(item) = self.known.remove(key) {
                self.others.add(&item);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}
