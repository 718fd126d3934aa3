//! Asks for memory as miners do, and gives it back untouched.

use std::io;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::Words;
use crate::report::path;

/// Asks for each length in turn: `plain`, in pages of hugetlbfs whether or not there are any (`huge`), or only if
/// there are enough (`huge-reserved`).
pub(crate) fn ask(words: Words<'_>) -> Result<Value> {
    let kind = path(words, 0)?.to_string_lossy().into_owned();
    // What is not reserved is not refused either, and nothing here is ever touched.
    let flags = match &*kind {
        "plain" => libc::MAP_NORESERVE,
        "huge" => libc::MAP_NORESERVE | libc::MAP_HUGETLB,
        "huge-reserved" => libc::MAP_HUGETLB,
        _ => bail!("`{kind}` is no kind of memory"),
    };
    let mut errnos = vec![];
    for word in words.iter().skip(1) {
        let length: usize = word.to_str().and_then(|word| word.parse().ok()).context("no length")?;
        errnos.push(map(length, flags | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS));
    }
    Ok(json!({ "errnos": errnos }))
}

/// Maps and unmaps; the errno, 0 for none.
fn map(length: usize, flags: libc::c_int) -> i32 {
    // SAFETY: a new mapping where the kernel likes, whose address is used for nothing but to unmap it.
    let address =
        unsafe { libc::mmap(std::ptr::null_mut(), length, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
    if address == libc::MAP_FAILED {
        return io::Error::last_os_error().raw_os_error().unwrap_or(-1);
    }
    // Memory of hugetlbfs goes by whole pages of it.
    let whole = length.next_multiple_of(2 << 20);
    // SAFETY: the mapping just made; nothing refers to it.
    let failed =
        unsafe { libc::munmap(address, if flags & libc::MAP_HUGETLB == 0 { length } else { whole }) } != 0;
    if failed { -1 } else { 0 }
}
