//! Whether somebody has a file open for writing, found out by a lease that is given back at once.
//!
//! fcntl(2): a read lease is refused with EAGAIN while any descriptor of the file is open for writing. Nobody
//! notices one that is held for a microsecond, except for an open for writing in this very microsecond: it
//! waits, and with O_NONBLOCK fails. The signal that would tell us of it is one that is ignored.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use libc::c_int;

/// Sets the signal that tells of a lease's end; the number is the same on every architecture we build for.
const F_SETSIG: c_int = 10;

/// Who else has a file open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writers {
    /// Nobody for writing.
    None,
    /// Somebody for writing.
    Some,
    /// This file system or kernel does not say.
    Unknown,
}

/// Asks for a file that is open for reading only.
pub(super) fn writers(file: BorrowedFd<'_>) -> Writers {
    // By default the signal is SIGIO, which would end this process.
    if fcntl(file, F_SETSIG, libc::SIGURG).is_err() {
        return Writers::Unknown;
    }
    match fcntl(file, libc::F_SETLEASE, libc::F_RDLCK) {
        Ok(()) => {
            let _ = fcntl(file, libc::F_SETLEASE, libc::F_UNLCK);
            Writers::None
        }
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Writers::Some,
        Err(_) => Writers::Unknown,
    }
}

fn fcntl(file: BorrowedFd<'_>, command: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open as long as it is borrowed, and these commands take a number.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), command, value) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn a_writer_shows_until_it_closes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer = OpenOptions::new().append(true).open(file.path()).unwrap();
        let reader = File::open(file.path()).unwrap();
        assert_eq!(writers(reader.as_fd()), Writers::Some);
        drop(writer);
        let (_path, own) = (file.path().to_owned(), file.into_temp_path());
        assert_eq!(writers(reader.as_fd()), Writers::None);
        // The lease is given back: an open for writing does not wait.
        OpenOptions::new().append(true).open(&own).unwrap();
        let (pipe, _writer) = io::pipe().unwrap();
        assert_eq!(writers(pipe.as_fd()), Writers::Unknown);
    }
}
