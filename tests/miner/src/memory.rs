//! Memory as xmrig asks for it, and how long a thread has run.

use std::ptr::{self, NonNull};
use std::time::Duration;

use anyhow::{Result, bail};

/// xmrig's `RANDOMX_DATASET_MAX_SIZE`.
const DATASET: usize = 2_181_038_080;
/// xmrig aligns what it gets without huge pages to a line of the cache.
const ALIGNMENT: usize = 64;
/// Pages of 2 MiB, as the flag says it.
const HUGE_2MB: libc::c_int = 21 << 26;

/// A buffer of the size of xmrig's dataset: asked for, never written to, held until the process ends.
pub(crate) struct Buffer {
    _memory: NonNull<libc::c_void>,
}

impl Buffer {
    /// Asks as `VirtualMemory` of xmrig does: huge pages by mmap, then, or at once where huge pages are switched
    /// off, by the C library's allocator.
    pub(crate) fn ask(wants_huge: bool) -> Result<Self> {
        if wants_huge {
            let flags =
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_HUGETLB | libc::MAP_POPULATE | HUGE_2MB;
            // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
            let memory = unsafe {
                libc::mmap(ptr::null_mut(), DATASET, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
            };
            if memory != libc::MAP_FAILED
                && let Some(memory) = NonNull::new(memory)
            {
                // SAFETY: the mapping is ours and of this length. The advice is one that may be refused.
                unsafe { libc::madvise(memory.as_ptr(), DATASET, libc::MADV_RANDOM | libc::MADV_WILLNEED) };
                // SAFETY: as above.
                unsafe { libc::mlock(memory.as_ptr(), DATASET) };
                return Ok(Self { _memory: memory });
            }
        }
        let mut memory = ptr::null_mut();
        // SAFETY: the alignment is a power of two and a multiple of a pointer's size.
        let failed = unsafe { libc::posix_memalign(&raw mut memory, ALIGNMENT, DATASET) };
        match NonNull::new(memory) {
            Some(memory) if failed == 0 => Ok(Self { _memory: memory }),
            _ => bail!("there is no memory for the buffer"),
        }
    }
}

/// Time that the calling thread has run.
pub(crate) fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it is written to, and nothing else.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
