//! Events that several tiers serve, and how the last tier is asked for each.

use detector_common::wire::{Kind, OperationCode};

/// A file was opened for writing, created or emptied.
pub const OPEN: &str = "file open (write, create)";
/// A descriptor was received from another process.
pub const RECEIVE: &str = "file received over a socket";
/// A file was cut.
pub const TRUNCATE: &str = "file truncate";
/// A name was moved.
pub const RENAME: &str = "file rename";
/// A hard link was made.
pub const LINK: &str = "file link";
/// A symbolic link was made.
pub const SYMLINK: &str = "file symlink";
/// A name was removed.
pub const UNLINK: &str = "file unlink, rmdir";
/// Permission bits were changed.
pub const CHMOD: &str = "file chmod";
/// A file that an agent wrote was mapped executable.
pub const MAP: &str = "file mapped executable";
/// A file was given capabilities.
pub const CAPABILITY: &str = "file capabilities";
/// A new session.
pub const SETSID: &str = "setsid";

/// Something was done to another process or to the kernel.
pub const OPERATION: &str = "operation (on processes and the kernel)";

/// Anonymous memory of one of RandomX's sizes was asked for.
pub const RANDOMX: &str = "memory of RandomX's sizes";

/// What the syscall tier is asked for by each; those that it does not know are not here.
pub const FALLBACK: &[(&str, u64)] = &[
    (OPEN, Kind::FileOpen.bit()),
    (TRUNCATE, Kind::FileTruncate.bit()),
    (RENAME, Kind::FileRename.bit()),
    (LINK, Kind::FileLink.bit()),
    (SYMLINK, Kind::FileSymlink.bit()),
    (UNLINK, Kind::FileUnlink.bit()),
    (CHMOD, Kind::FileChmod.bit()),
    (MAP, Kind::ImageLoad.bit()),
    (CAPABILITY, OperationCode::FileCapability.bit()),
    (SETSID, Kind::Setsid.bit()),
    (OPERATION, Kind::Operation.bit()),
    (RANDOMX, OperationCode::RandomxMemory.bit()),
];
