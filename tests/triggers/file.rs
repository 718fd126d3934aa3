//! Touches files in every way that changes them, and in one that does not.

use std::ffi::{CString, OsStr};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags};
use serde_json::{Value, json};

use crate::Words;
use crate::report::{parsed, path, text};

/// Number of fchmodat2 on every architecture; since 6.6.
const SYS_FCHMODAT2: libc::c_long = 452;

/// Opens for reading: nothing that anybody need know.
pub(crate) fn open_read(words: Words<'_>) -> Result<Value> {
    opened(words, OpenOptions::new().read(true))
}

/// Opens an existing file for writing.
pub(crate) fn open_write(words: Words<'_>) -> Result<Value> {
    opened(words, OpenOptions::new().write(true))
}

/// Creates a file that must not exist, mode 0640.
pub(crate) fn open_create(words: Words<'_>) -> Result<Value> {
    opened(words, OpenOptions::new().write(true).create_new(true).mode(0o640))
}

/// Opens and empties a file.
pub(crate) fn open_truncate(words: Words<'_>) -> Result<Value> {
    opened(words, OpenOptions::new().write(true).truncate(true))
}

/// Appends a line, and creates the file if need be.
pub(crate) fn open_append(words: Words<'_>) -> Result<Value> {
    opened(words, OpenOptions::new().append(true).create(true))
}

/// Opens one file for writing many times: one inode, one process.
pub(crate) fn open_repeated(words: Words<'_>) -> Result<Value> {
    let count: u32 = parsed(words, 1)?;
    for _ in 0..count {
        OpenOptions::new().write(true).open(path(words, 0)?)?;
    }
    opened(words, OpenOptions::new().write(true))
}

/// Opens a file without a name, which is gone when it is closed.
pub(crate) fn open_tmpfile(words: Words<'_>) -> Result<Value> {
    let directory = path(words, 0)?;
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file =
        File::from(rustix::fs::open(directory, flags, Mode::from_raw_mode(0o600)).context("O_TMPFILE")?);
    facts(directory, &file)
}

/// Writes a file that has no name yet, then gives it one.
pub(crate) fn link_tmpfile(words: Words<'_>) -> Result<Value> {
    let (directory, name) = (path(words, 0)?, path(words, 1)?);
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let mut file =
        File::from(rustix::fs::open(directory, flags, Mode::from_raw_mode(0o600)).context("O_TMPFILE")?);
    file.write_all(b"line\n")?;
    rustix::fs::linkat(&file, "", CWD, name, rustix::fs::AtFlags::EMPTY_PATH).context("linkat")?;
    facts(name, &file)
}

/// Writes into a file through memory alone.
pub(crate) fn map_write(words: Words<'_>) -> Result<Value> {
    let name = path(words, 0)?;
    let file = OpenOptions::new().read(true).write(true).open(name)?;
    let length = usize::try_from(file.metadata()?.len())?.max(1);
    let (protection, fd) = (libc::PROT_READ | libc::PROT_WRITE, std::os::fd::AsRawFd::as_raw_fd(&file));
    // SAFETY: a shared mapping at an address of the kernel's choice.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, libc::MAP_SHARED, fd, 0) };
    if at == libc::MAP_FAILED {
        bail!("mmap: {}", io::Error::last_os_error());
    }
    // SAFETY: the first byte of a mapping of at least one byte, of a file that is not cut shorter.
    unsafe { at.cast::<u8>().write_volatile(b'#') };
    facts(name, &file)
}

/// Opens for writing relative to an open directory.
pub(crate) fn open_at(words: Words<'_>) -> Result<Value> {
    let (directory, name) = (path(words, 0)?, path(words, 1)?);
    let open = rustix::fs::open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .with_context(|| format!("cannot open {}", directory.display()))?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
    let file =
        File::from(rustix::fs::openat(&open, name, flags, Mode::from_raw_mode(0o600)).context("openat")?);
    facts(&directory.join(name), &file)
}

/// Cuts a file by its path.
pub(crate) fn truncate(words: Words<'_>) -> Result<Value> {
    let (file, length): (&Path, i64) = (path(words, 0)?, parsed(words, 1)?);
    let name = CString::new(file.as_os_str().as_bytes())?;
    // SAFETY: the path is NUL-terminated and outlives the call.
    if unsafe { libc::truncate(name.as_ptr(), length) } != 0 {
        bail!("truncate: {}", io::Error::last_os_error());
    }
    named(file)
}

/// Cuts a file that is open for writing.
pub(crate) fn ftruncate(words: Words<'_>) -> Result<Value> {
    let file = OpenOptions::new().write(true).open(path(words, 0)?)?;
    file.set_len(parsed(words, 1)?).context("ftruncate")?;
    facts(path(words, 0)?, &file)
}

/// Renames, replacing what is there.
pub(crate) fn rename(words: Words<'_>) -> Result<Value> {
    let (from, to) = (path(words, 0)?, path(words, 1)?);
    fs::rename(from, to).context("rename")?;
    Ok(pair(from, to))
}

/// Exchanges two names.
pub(crate) fn rename_exchange(words: Words<'_>) -> Result<Value> {
    rename_with(words, RenameFlags::EXCHANGE)
}

/// Renames to a name that must be free.
pub(crate) fn rename_noreplace(words: Words<'_>) -> Result<Value> {
    rename_with(words, RenameFlags::NOREPLACE)
}

/// Gives a file a second name.
pub(crate) fn link(words: Words<'_>) -> Result<Value> {
    let (from, to) = (path(words, 0)?, path(words, 1)?);
    fs::hard_link(from, to).context("link")?;
    Ok(pair(from, to))
}

/// Makes a symbolic link with any text as its target.
pub(crate) fn symlink(words: Words<'_>) -> Result<Value> {
    let (target, place) = (path(words, 0)?, path(words, 1)?);
    std::os::unix::fs::symlink(target, place).context("symlink")?;
    Ok(pair(target, place))
}

/// Removes a file.
pub(crate) fn unlink(words: Words<'_>) -> Result<Value> {
    let file = path(words, 0)?;
    fs::remove_file(file).context("unlink")?;
    Ok(json!({ "path": text(file.as_os_str()) }))
}

/// Removes an empty directory.
pub(crate) fn unlink_directory(words: Words<'_>) -> Result<Value> {
    let directory = path(words, 0)?;
    fs::remove_dir(directory).context("rmdir")?;
    Ok(json!({ "path": text(directory.as_os_str()) }))
}

/// Changes permission bits by path.
pub(crate) fn chmod(words: Words<'_>) -> Result<Value> {
    let (file, mode) = (path(words, 0)?, octal(words)?);
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).context("chmod")?;
    named(file)
}

/// Changes permission bits of an open file.
pub(crate) fn fchmod(words: Words<'_>) -> Result<Value> {
    let file = File::open(path(words, 0)?)?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(octal(words)?)).context("fchmod")?;
    facts(path(words, 0)?, &file)
}

/// Changes permission bits by the newest of its syscalls.
pub(crate) fn fchmodat2(words: Words<'_>) -> Result<Value> {
    let (file, mode) = (path(words, 0)?, octal(words)?);
    let name = CString::new(file.as_os_str().as_bytes())?;
    // SAFETY: the path is NUL-terminated and outlives the call; the other arguments are numbers.
    if unsafe { libc::syscall(SYS_FCHMODAT2, libc::AT_FDCWD, name.as_ptr(), mode, libc::AT_SYMLINK_NOFOLLOW) }
        != 0
    {
        bail!("fchmodat2: {}", io::Error::last_os_error());
    }
    named(file)
}

fn octal(words: Words<'_>) -> Result<u32> {
    let word: String = parsed(words, 1)?;
    u32::from_str_radix(&word, 8).with_context(|| format!("`{word}` is no octal number"))
}

fn opened(words: Words<'_>, how: &OpenOptions) -> Result<Value> {
    let name = path(words, 0)?;
    let mut file = how.open(name).with_context(|| format!("cannot open {}", name.display()))?;
    // Reading is refused here, which is fine: the open is what counts.
    let _ = file.write_all(b"line\n");
    facts(name, &file)
}

fn rename_with(words: Words<'_>, flags: RenameFlags) -> Result<Value> {
    let (from, to) = (path(words, 0)?, path(words, 1)?);
    rustix::fs::renameat_with(CWD, from, CWD, to, flags).context("renameat2")?;
    Ok(pair(from, to))
}

/// Two names and the inode of the second.
pub(crate) fn pair(from: &Path, to: &Path) -> Value {
    json!({ "from": text(from.as_os_str()), "path": text(to.as_os_str()), "inode": inode(to) })
}

fn inode(file: &Path) -> Option<u64> {
    file.symlink_metadata().ok().map(|meta| meta.ino())
}

fn named(file: &Path) -> Result<Value> {
    facts(file, &File::open(file)?)
}

/// What is true of an open file.
pub(crate) fn facts(name: &Path, file: &File) -> Result<Value> {
    let meta = file.metadata()?;
    // The kernel keeps a device as major << 20 | minor, stat gives it encoded.
    let device = (u64::from(rustix::fs::major(meta.dev())) << 20) | u64::from(rustix::fs::minor(meta.dev()));
    let name: &OsStr = name.as_os_str();
    Ok(json!({ "path": text(name), "inode": meta.ino(), "dev": device, "mode": meta.mode() }))
}
