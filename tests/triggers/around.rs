//! Changes files by ways that are no file syscall of their own, or that no open for writing precedes.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::ptr;

use anyhow::{Context as _, Result, bail, ensure};
use io_uring::squeue::Entry;
use io_uring::{IoUring, opcode, types};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde_json::{Value, json};

use crate::Words;
use crate::file::{facts, pair};
use crate::fork::{Side, fork, leave, wait};
use crate::report::{path, text};

const PAGE: usize = 4096;

/// Creates a file through a ring, and writes a line through it.
pub(crate) fn uring_open(words: Words<'_>) -> Result<Value> {
    const LINE: &[u8] = b"line\n";
    let name = c_string(path(words, 0)?)?;
    let mut ring = IoUring::new(2).context("io_uring_setup")?;
    let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_CLOEXEC;
    let open = opcode::OpenAt::new(types::Fd(libc::AT_FDCWD), name.as_ptr()).flags(flags).mode(0o640);
    let opened = done(&mut ring, &open.build()).context("opening through the ring")?;
    // SAFETY: the ring gave this descriptor, and nobody else has it.
    let file = unsafe { File::from_raw_fd(opened) };
    let write = opcode::Write::new(types::Fd(opened), LINE.as_ptr(), u32::try_from(LINE.len())?).build();
    let written = done(&mut ring, &write).context("writing through the ring")?;
    ensure!(usize::try_from(written) == Ok(LINE.len()), "the ring wrote {written}");
    facts(path(words, 0)?, &file)
}

/// Renames through a ring.
pub(crate) fn uring_rename(words: Words<'_>) -> Result<Value> {
    let (from, to) = (path(words, 0)?, path(words, 1)?);
    let (old, new) = (c_string(from)?, c_string(to)?);
    let here = types::Fd(libc::AT_FDCWD);
    let rename = opcode::RenameAt::new(here, old.as_ptr(), here, new.as_ptr()).build();
    done(&mut IoUring::new(1).context("io_uring_setup")?, &rename).context("renaming through the ring")?;
    Ok(pair(from, to))
}

/// Removes a name through a ring.
pub(crate) fn uring_unlink(words: Words<'_>) -> Result<Value> {
    let name = c_string(path(words, 0)?)?;
    let unlink = opcode::UnlinkAt::new(types::Fd(libc::AT_FDCWD), name.as_ptr()).build();
    done(&mut IoUring::new(1).context("io_uring_setup")?, &unlink).context("removing through the ring")?;
    Ok(json!({ "path": text(path(words, 0)?.as_os_str()) }))
}

/// Writes by a shared mapping.
pub(crate) fn mmap_write(words: Words<'_>) -> Result<Value> {
    let file = OpenOptions::new().read(true).write(true).open(path(words, 0)?)?;
    let area = map(&file, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED)?;
    // SAFETY: one byte of a mapping that can be written and that lives until the process ends.
    unsafe { area.cast::<u8>().write_volatile(b'X') };
    facts(path(words, 0)?, &file)
}

/// Copies without a write.
pub(crate) fn copy_range(words: Words<'_>) -> Result<Value> {
    let from = File::open(path(words, 0)?)?;
    let to = OpenOptions::new().write(true).create(true).truncate(true).open(path(words, 1)?)?;
    let length = usize::try_from(from.metadata()?.len())?;
    // SAFETY: two open files; offsets are the files' own.
    let copied = unsafe {
        libc::copy_file_range(from.as_raw_fd(), ptr::null_mut(), to.as_raw_fd(), ptr::null_mut(), length, 0)
    };
    ensure!(usize::try_from(copied) == Ok(length), "copy_file_range: {}", io::Error::last_os_error());
    facts(path(words, 1)?, &to)
}

/// Fills a file from a pipe.
pub(crate) fn splice(words: Words<'_>) -> Result<Value> {
    let to = OpenOptions::new().write(true).create(true).truncate(true).open(path(words, 0)?)?;
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(b"line\n")?;
    drop(writer);
    // SAFETY: an open pipe and an open file; offsets are their own.
    let moved = unsafe {
        libc::splice(reader.as_raw_fd(), ptr::null_mut(), to.as_raw_fd(), ptr::null_mut(), PAGE, 0)
    };
    ensure!(moved == 5, "splice: {}", io::Error::last_os_error());
    facts(path(words, 0)?, &to)
}

/// Opens a file for writing by its handle, without a name.
pub(crate) fn open_by_handle(words: Words<'_>) -> Result<Value> {
    #[repr(C)]
    struct Handle {
        bytes: u32,
        kind: i32,
        handle: [u8; 128],
    }
    let name = path(words, 0)?;
    let directory = File::open(name.parent().context("a file in a directory")?)?;
    let mut handle = Handle { bytes: 128, kind: 0, handle: [0; 128] };
    let (target, mut mount) = (c_string(name)?, 0_i32);
    // SAFETY: the name is NUL-terminated; the handle has the room that it says.
    let named = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            libc::AT_FDCWD,
            target.as_ptr(),
            &raw mut handle,
            &raw mut mount,
            0,
        )
    };
    ensure!(named == 0, "name_to_handle_at: {}", io::Error::last_os_error());
    // SAFETY: an open directory of the same file system, and the handle that was just filled.
    let opened = unsafe {
        libc::syscall(
            libc::SYS_open_by_handle_at,
            directory.as_raw_fd(),
            &raw mut handle,
            libc::O_WRONLY | libc::O_CLOEXEC,
        )
    };
    ensure!(opened >= 0, "open_by_handle_at: {}", io::Error::last_os_error());
    // SAFETY: the call gave this descriptor, and nobody else has it.
    let file = unsafe { File::from_raw_fd(RawFd::try_from(opened)?) };
    facts(name, &file)
}

/// Receives a file that a child opened for writing, over a socket.
pub(crate) fn receive(words: Words<'_>) -> Result<Value> {
    let (near, far) = UnixStream::pair()?;
    let child = match fork()? {
        Side::Parent(child) => child,
        Side::Child => leave(i32::from(send(path(words, 0)?, &far).is_err())),
    };
    drop(far);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(&near, &mut [io::IoSliceMut::new(&mut byte)], &mut control, RecvFlags::empty())?;
    let mut received = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        RecvAncillaryMessage::ScmCredentials(_) | _ => None,
    });
    let file = File::from(received.next().context("no descriptor came")?);
    wait(child)?;
    facts(path(words, 0)?, &file)
}

/// Opens a file for writing and sends it over a socket.
fn send(name: &Path, to: &UnixStream) -> Result<()> {
    let file = OpenOptions::new().write(true).open(name)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files = [file.as_fd()];
    ensure!(control.push(SendAncillaryMessage::ScmRights(&files)), "no room for a descriptor");
    sendmsg(to, &[io::IoSlice::new(b"x")], &mut control, SendFlags::empty())?;
    Ok(())
}

/// Writes a file and maps it executable.
pub(crate) fn map_executable(words: Words<'_>) -> Result<Value> {
    let file = written(path(words, 0)?)?;
    map(&file, libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE)?;
    facts(path(words, 0)?, &file)
}

/// Writes a file, maps it for reading, and makes the mapping executable.
pub(crate) fn protect_executable(words: Words<'_>) -> Result<Value> {
    let file = written(path(words, 0)?)?;
    let area = map(&file, libc::PROT_READ, libc::MAP_PRIVATE)?;
    // SAFETY: a whole mapping of this process, which nothing else uses.
    if unsafe { libc::mprotect(area, PAGE, libc::PROT_READ | libc::PROT_EXEC) } != 0 {
        bail!("mprotect: {}", io::Error::last_os_error());
    }
    facts(path(words, 0)?, &file)
}

/// Maps a file executable that somebody else wrote.
pub(crate) fn map_library(words: Words<'_>) -> Result<Value> {
    let file = File::open(path(words, 0)?)?;
    map(&file, libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE)?;
    facts(path(words, 0)?, &file)
}

fn written(name: &Path) -> Result<File> {
    fs::write(name, [0x90; PAGE])?;
    File::open(name).context("cannot open what was written")
}

fn map(file: &File, protection: i32, flags: i32) -> Result<*mut libc::c_void> {
    // SAFETY: a new mapping at an address of the kernel's choice.
    let area = unsafe { libc::mmap(ptr::null_mut(), PAGE, protection, flags, file.as_raw_fd(), 0) };
    ensure!(area != libc::MAP_FAILED, "mmap: {}", io::Error::last_os_error());
    Ok(area)
}

/// Has the ring do one thing; what it gave.
fn done(ring: &mut IoUring, entry: &Entry) -> Result<i32> {
    // SAFETY: callers keep what the entry points to until it is completed below.
    unsafe { ring.submission().push(entry) }.context("a full queue")?;
    ring.submit_and_wait(1).context("io_uring_enter")?;
    let result = ring.completion().next().context("no completion")?.result();
    if result < 0 {
        bail!("{}", io::Error::from_raw_os_error(-result));
    }
    Ok(result)
}

fn c_string(path: &Path) -> Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}
