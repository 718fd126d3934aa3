//! What is read of a busy process beside its times: how its threads ran, what it read and wrote, its huge pages.

use std::fs;
use std::path::Path;

use crate::event::CpuProcess;

use super::super::file;

/// Most threads of one process that are looked at.
const MOST_THREADS: usize = 256;
/// Share of the time, as its reciprocal, that a busy thread ran or was ready to, and that it ran at least.
const WANTED: u64 = 20;
const RAN: u64 = 1_000;

/// What was read of a process in a round, to compare the next with.
#[derive(Debug, Default)]
pub(super) struct Details {
    /// By number of the thread, ascending.
    threads: Vec<Thread>,
    transferred: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Thread {
    number: u32,
    /// Nanoseconds that it ran, and that it was ready to; none where the kernel does not count.
    schedule: Option<(u64, u64)>,
    /// Voluntary switches, where they were read.
    switches: Option<u64>,
}

/// Reads details; keeps its buffer.
#[derive(Debug, Default)]
pub(super) struct Reader {
    buffer: Vec<u8>,
}

impl Reader {
    /// Reads a process below `directory` and completes what is told of it; `before` is what was read in the round
    /// before, `left` how many threads may still be looked at in this one. Nothing where it is over.
    pub(super) fn read(
        &mut self,
        directory: &Path,
        interval: u64,
        before: Option<Details>,
        process: &mut CpuProcess,
        left: &mut usize,
    ) -> Option<Details> {
        let mut now = Details { threads: Vec::new(), transferred: self.transferred(directory) };
        let mut numbers: Vec<u32> = fs::read_dir(directory.join("task"))
            .ok()?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .take(MOST_THREADS.min(*left))
            .collect();
        numbers.sort_unstable();
        *left -= numbers.len();
        let mut sum = Sum::default();
        for number in numbers {
            let place = directory.join("task").join(number.to_string());
            now.threads.push(self.thread(&place, number, interval, before.as_ref(), &mut sum));
        }
        process.huge_pages = self.huge_pages(directory);
        process.affinity = sum.affinity;
        if let Some(before) = before {
            process.busy_threads = sum.timed.then_some(sum.busy);
            process.waited = sum.timed.then_some(sum.waited);
            process.voluntary_switches = sum.switches;
            let both = now.transferred.zip(before.transferred);
            process.transferred = both.map(|(now, before)| now.saturating_sub(before));
        }
        Some(now)
    }

    /// Reads one thread and adds what it did since `before` to `sum`.
    fn thread(
        &mut self,
        place: &Path,
        number: u32,
        interval: u64,
        before: Option<&Details>,
        sum: &mut Sum,
    ) -> Thread {
        let schedule = self.schedule(place);
        // A thread that was not there before is new: all that it did counts.
        let had = before.map(|before| {
            before.thread(number).unwrap_or(Thread { schedule: Some((0, 0)), switches: Some(0), number })
        });
        let idle = match (schedule, had.and_then(|had| had.schedule)) {
            (Some((ran, waited)), Some((had_run, had_waited))) => {
                sum.timed = true;
                let (ran, waited) = (ran.saturating_sub(had_run), waited.saturating_sub(had_waited));
                let busy = ran >= interval / RAN && ran.saturating_add(waited) >= interval / WANTED;
                if busy {
                    sum.busy += 1;
                    sum.waited = sum.waited.saturating_add(waited);
                }
                !busy
            }
            (None, _) | (_, None) => false,
        };
        let switches = if idle { None } else { self.switches(place, sum) };
        if let (Some(now), Some(had)) = (switches, had.and_then(|had| had.switches)) {
            sum.switches = Some(sum.switches.unwrap_or(0).saturating_add(now.saturating_sub(had)));
        }
        Thread { number, schedule, switches }
    }

    /// Nanoseconds that a thread ran and that it was ready to; nothing where the kernel counts neither.
    fn schedule(&mut self, place: &Path) -> Option<(u64, u64)> {
        file::read(&place.join("schedstat"), 256, &mut self.buffer).ok()?;
        let text = std::str::from_utf8(&self.buffer).ok()?;
        let mut numbers = text.split_ascii_whitespace().map(|number| number.parse().ok());
        let (ran, waited): (u64, u64) = (numbers.next()??, numbers.next()??);
        (ran > 0).then_some((ran, waited))
    }

    /// Voluntary switches of a thread; where it may run goes to `sum`.
    fn switches(&mut self, place: &Path, sum: &mut Sum) -> Option<u64> {
        file::read(&place.join("status"), 16_384, &mut self.buffer).ok()?;
        let allowed = file::value(&self.buffer, "Cpus_allowed_list:").and_then(file::count);
        sum.affinity = sum.affinity.max(allowed.unwrap_or(0));
        file::number(&self.buffer, "voluntary_ctxt_switches:")
    }

    fn transferred(&mut self, directory: &Path) -> Option<u64> {
        file::read(&directory.join("io"), 4_096, &mut self.buffer).ok()?;
        let read = file::number(&self.buffer, "rchar:")?;
        Some(read.saturating_add(file::number(&self.buffer, "wchar:")?))
    }

    fn huge_pages(&mut self, directory: &Path) -> u64 {
        if file::read(&directory.join("status"), 16_384, &mut self.buffer).is_err() {
            return 0;
        }
        file::number(&self.buffer, "HugetlbPages:").unwrap_or(0).saturating_mul(1_024)
    }
}

impl Details {
    fn thread(&self, number: u32) -> Option<Thread> {
        let at = self.threads.binary_search_by_key(&number, |thread| thread.number).ok()?;
        self.threads.get(at).copied()
    }
}

/// What the busy threads of a process did together.
#[derive(Default)]
struct Sum {
    /// Whether the kernel counts times of threads.
    timed: bool,
    busy: u32,
    waited: u64,
    switches: Option<u64>,
    affinity: u32,
}
