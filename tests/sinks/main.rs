//! Each sink against a receiver: what is sent is what the service's documentation asks for, and what the receiver
//! answers becomes what it should. Needs no root.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that is surprised fails")]

mod command;
mod email;
mod file;
mod http;
mod journald;
mod plain;
mod receiver;
mod sample;
mod syslog;
