//! Who has a number: pids as a process writes them, looked up in its own pid namespace.
//!
//! A namespace keeps its numbers in a radix tree (`idr`, since 4.15; a node is `xa_node` since 4.20). A helper
//! for this exists for newer kernels only (`bpf_task_from_vpid`, 6.13), and as a kfunc.

use core::ptr::null;

use super::memory::read;
use super::task::Task;

/// Size of `struct upid`: a number and a pointer.
const UPID: usize = 16;
/// Index bits that one node divides.
const NODE_BITS: u32 = 6;
/// Levels of the tree that hold any pid: at most 2^22 of them.
const LEVELS: u32 = 4;

impl Task {
    /// The thread that this task calls `number`; null where there is none, or this kernel does not say.
    #[inline(always)]
    pub fn numbered(self, number: u32) -> Self {
        if !known!(task_thread_pid) || !known!(pid_numbers) || !known!(pidns_tree) || !known!(node_slots) {
            return Self(null());
        }
        let own: *const u8 = at!(self.0, task_thread_pid);
        let level: u32 = at!(own, pid_level);
        let numbers = inside!(own, pid_numbers);
        let namespace: *const u8 = at!(numbers.wrapping_add(level as usize * UPID), upid_ns);
        let mut entry: u64 = at!(namespace, pidns_tree);
        // The topmost node says how far indices go.
        let shift: u8 = at!(node(entry), node_shift);
        if !is_node(entry) || u64::from(number) >> ((u32::from(shift) + NODE_BITS) & 63) != 0 {
            return Self(null());
        }
        for _ in 0..LEVELS {
            if is_node(entry) {
                let shift: u8 = at!(node(entry), node_shift);
                let slot = (number >> (u32::from(shift) & 31)) & ((1 << NODE_BITS) - 1);
                entry = read(inside!(node(entry), node_slots).wrapping_add(slot as usize * size_of::<u64>()));
            }
        }
        Self::first_of(entry as *const u8)
    }

    /// The thread that a `struct pid` stands for; null where it ended.
    #[inline(always)]
    pub(super) fn first_of(pid: *const u8) -> Self {
        if !known!(pid_tasks) || !known!(task_pid_links) {
            return Self(null());
        }
        let first: *const u8 = at!(pid, pid_tasks);
        if first.is_null() {
            return Self(null());
        }
        let back = offset!(task_pid_links);
        Self(first.wrapping_sub(back))
    }
}

/// Whether an entry of a tree leads to a node, not to a value.
#[inline(always)]
fn is_node(entry: u64) -> bool {
    entry & 3 == 2
}

#[inline(always)]
fn node(entry: u64) -> *const u8 {
    (entry & !3) as *const u8
}
