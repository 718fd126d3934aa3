//! What was reported a moment ago and need not be reported again.

use aya_ebpf::maps::LruHashMap;

/// Whether `key` was reported less than `window` nanoseconds ago; if not, it counts as reported `now`.
#[inline(always)]
pub fn is_repeat<K>(reported: &LruHashMap<K, u64>, key: &K, now: u64, window: u64) -> bool {
    // SAFETY: the copy of eight aligned bytes is taken at once; at worst it is that of an entry which
    // replaces this one now, and one report more or less is made.
    let last = unsafe { reported.get(key) }.copied();
    if last.is_some_and(|last| now.wrapping_sub(last) < window) {
        return true;
    }
    let _ = reported.insert(key, now, 0);
    false
}
