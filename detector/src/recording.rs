//! Inputs on disk: zstd-compressed, versioned, replayable on any machine.
//!
//! A file is one line of text, `detector-recording FORMAT VERSION`, and then a zstd stream of
//! frames. A frame is the length of its body (4 bytes, little endian), the low 32 bits of the body's
//! xxh3 (likewise), and the body: postcard. The first frame is the [`Header`], each further one an
//! [`Input`](crate::pipeline::Input).

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use crate::event::Nanos;

mod reader;
mod recorder;
#[cfg(test)]
mod tests;

pub use reader::Reader;
pub use recorder::Recorder;

/// Format that this detector writes and reads.
pub const FORMAT: u32 = 4;

/// First word of the first line.
const MAGIC: &str = "detector-recording";

/// Longest first line.
const MAX_LINE: usize = 128;

/// Longest frame body. The largest input is an exec with 36 KiB of argv and of environment, each
/// byte escaped to four.
const MAX_FRAME: usize = 1 << 20;

/// Bytes before a frame's body.
const PREFIX: usize = 8;

/// Where and when a recording was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Host name.
    pub host: String,
    /// Kernel release, as `uname -r` says it.
    pub kernel: String,
    /// Version of the detector that recorded.
    pub detector: String,
    /// When it began.
    pub started: Nanos,
}

/// A recording that cannot be written or read.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// The file cannot be made.
    #[error("create recording {}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("write recording {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An input cannot be encoded, or is larger than a frame may be.
    #[error("encode an input of {bytes} bytes for recording {}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// Its size, 0 where it could not even be encoded.
        bytes: usize,
    },
    /// The file cannot be read.
    #[error("read recording {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} is not a recording; `detector record -o FILE` makes one", path.display())]
    NotARecording {
        /// The file.
        path: PathBuf,
    },
    /// The file is of another format.
    #[error(
        "{} has recording format {found}, this detector {} reads format {FORMAT}: replay it with detector {writer}",
        path.display(),
        env!("CARGO_PKG_VERSION")
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Version of the detector that wrote it.
        writer: String,
    },
    /// The file ends in the middle.
    #[error(
        "recording {} is cut short after byte {byte}, in frame {frame}: {frame} whole frames before it, the header included",
        path.display()
    )]
    Cut {
        /// The file.
        path: PathBuf,
        /// Number of the frame that is not whole, from 0.
        frame: u64,
        /// Bytes that the file has.
        byte: u64,
    },
    /// The file's bytes are not what was written.
    #[error("recording {} is corrupt in frame {frame}, near byte {byte}: {why}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Number of the frame, from 0.
        frame: u64,
        /// Bytes of the file read so far.
        byte: u64,
        /// What is wrong with it.
        why: String,
    },
}

impl Header {
    /// The header of a recording that begins `now` on this host.
    pub fn of_this_host(now: Nanos) -> Self {
        Self {
            host: host(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            detector: env!("CARGO_PKG_VERSION").to_owned(),
            started: now,
        }
    }
}

impl RecordingError {
    /// Whether the operator named a file that cannot be used at all.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Create { .. } | Self::NotARecording { .. } | Self::Format { .. } => true,
            Self::Write { .. }
            | Self::Encode { .. }
            | Self::Read { .. }
            | Self::Cut { .. }
            | Self::Corrupt { .. } => false,
        }
    }
}

/// Name of this host.
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The checksum of a frame's body.
fn checksum(body: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = xxh3_64(body).to_le_bytes();
    [a, b, c, d]
}
