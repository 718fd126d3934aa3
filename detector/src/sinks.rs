//! Where alerts go.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub mod file;
pub mod human;
pub mod stdout;

/// An alert that could not be delivered.
#[derive(Debug, Error)]
pub enum SinkError {
    /// The alert cannot be written as JSON.
    #[error("encode alert {id}")]
    Encode {
        /// The alert.
        id: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The file cannot be opened.
    #[error("open alert file {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written, not even after opening it again.
    #[error("write alert to {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The stream cannot be written.
    #[error("write alert to standard output")]
    Stream(#[source] io::Error),
}
