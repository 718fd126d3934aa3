//! What a protocol looks like on the wire: the bytes that tests and the corpus are driven by.

use super::{Application, Role};

/// What one side of a flow sends first.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// What it is, as a test says it.
    pub name: &'static str,
    /// Which side sends it.
    pub from: Role,
    /// The bytes, from the first on.
    pub bytes: &'static [u8],
    /// Bytes after which it must be known.
    pub decisive: usize,
    /// What it is.
    pub application: Application,
}
