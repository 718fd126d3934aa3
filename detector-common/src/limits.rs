//! The bounds that both halves keep: how much of a path, an argv or an environment is taken.

/// Longest resolved path in bytes, the kernel's own `PATH_MAX`.
pub const PATH_MAX: usize = 4096;
/// Longest single path component with its NUL.
pub const NAME_MAX: usize = 256;
/// Most steps of a path walk before it says "truncated": a path of [`PATH_MAX`] bytes has at most half as
/// many components, and some mounts to cross.
pub const PATH_COMPONENTS: u32 = 2_048 + 64;
/// Bytes of argv that travel inside the exec record itself.
pub const ARGV_INLINE: usize = 2048;
/// Bytes of environment that travel inside the exec record itself.
pub const ENV_INLINE: usize = 3072;
/// Bytes of argv or environment in one [`ExecChunk`](crate::wire::ExecChunk) record.
pub const EXEC_CHUNK: usize = 8192;
/// Most chunk records of argv for one exec: with the inline part, 34 KiB.
pub const ARGV_CHUNKS: u32 = 4;
/// Most chunk records of environment for one exec.
pub const ENV_CHUNKS: u32 = 4;
/// Longest string taken from a tracepoint or a syscall argument (script, cgroup path, link target).
pub const STRING_MAX: usize = 4096;
/// Most watched cgroups, agents' children included.
pub const CGROUPS: u32 = 65_536;
/// Most control groups whose children may be agents.
pub const NURSERIES: u32 = 1_024;
/// Agent numbers from here on are given by the kernel half, to a group that is born where agents are
/// born; userspace says afterwards whether it is one.
pub const PROVISIONAL: u32 = 0x8000_0000;
/// Most watched processes alive at once.
pub const TASKS: u32 = 65_536;
/// Remembered outgoing sockets whose result is awaited, and remembered file opens for dedupe.
pub const LRU: u32 = 16_384;
/// Remembered threads that are in an open which empties its file.
pub const EMPTIED: u32 = 1_024;
/// Remembered threads that are asked about a name.
pub const ASKED: u32 = 1_024;
/// Most processes whose rounding mode is counted at once.
pub const ROUNDING: u32 = 8;
/// Threads of a process that ends whose times are added, beside those that were released before.
pub const THREADS: u32 = 512;
/// Nanoseconds in which a process that does the same to the same process is not reported again.
pub const OPERATION_WINDOW: u64 = 1_000_000_000;
/// Remembered inodes that watched processes wrote.
pub const WRITTEN: u32 = 65_536;
/// Nanoseconds in which the rings wake userspace at most once. Whoever was woken looks again every
/// [`LOOK`] for at least this long after the last record, so a record without a wake-up waits one look.
/// A wake-up costs the watched task an interrupt (some 20 µs in a virtual machine), a look costs it nothing.
pub const WAKE_WINDOW: u64 = 10_000_000;
/// Nanoseconds between two looks into the rings while something happens.
pub const LOOK: u64 = 400_000;
/// Most bytes of a message that the automaton looks at before it gives up.
pub const LOOKED_AT: u32 = 256;
/// Most bytes of a message that are handed over.
pub const PAYLOAD_MAX: usize = 2048;
/// Segments of each direction of a flow that are looked at in any case.
pub const FIRST_SEGMENTS: u32 = 8;
/// A message that says a shorter length than this may go on in another one: its length does not count.
pub const FRAME_LEAST: u32 = 128;
/// Messages of a stream direction that a mark matched, after which no more segments are looked at for it.
pub const ACCEPTED_MAX: u32 = 32;
/// After those, one in so many is looked at, if it is short: a session that was joined late shows itself.
pub const SAMPLED: u64 = 16;
/// Longest segment that is looked at after the first ones.
pub const SAMPLED_MAX: u32 = 1024;
/// A first segment of this length may be the first act of a Noise handshake, which has no bytes to know
/// it by.
pub const NOISE_ACT_ONE: u32 = 64;
/// Length of the answer to it.
pub const NOISE_ACT_TWO: u32 = 234;
/// A gap of more nanoseconds than this between two segments is a pause.
pub const PAUSE: u64 = 1_000_000_000;
/// Nanoseconds after which a flow that goes on is reported again.
pub const FLOW_REPORT: u64 = 30_000_000_000;
/// Nanoseconds in which datagrams of one socket to one address are reported once.
pub const SEND_WINDOW: u64 = 10_000_000_000;
/// Nanoseconds in which a process that opens one inode for writing again is not reported again.
pub const DEDUPE_WINDOW: u64 = 1_000_000_000;
/// Most canaries, their copies included.
pub const CANARIES: u32 = 4_096;
/// Remembered opens of canaries.
pub const TOUCHED: u32 = 4_096;
/// States of the automaton over the first bytes of a segment; the table has 256 next states for each.
pub const AUTOMATON_STATES: u32 = 1024;
/// State from which no mark can be reached.
pub const AUTOMATON_DEAD: u16 = 0;
/// State in which the bytes of a stream are begun.
pub const AUTOMATON_START_TCP: u16 = 1;
/// State in which the bytes of a datagram are begun.
pub const AUTOMATON_START_UDP: u16 = 2;
/// First of the states that say "mark n matched", n being what they are beyond it; the last 64 states.
pub const AUTOMATON_ACCEPT: u16 = 960;
/// The last of these: a string of a canary was found, by a walk of its own beside that of the marks.
pub const AUTOMATON_STRING: u16 = 1023;
/// State of the walk over strings of canaries in which nothing of one was seen; 0 where there are none.
pub const STRINGS_START: u16 = 1;
/// State that says that one was found.
pub const STRINGS_FOUND: u16 = 1023;
