//! Each sink against a receiver: what is sent is what the service's documentation asks for, and what the receiver
//! answers becomes what it should. Needs no root.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that is surprised fails")]

mod alertmanager;
mod cards;
mod command;
mod email;
mod file;
mod googlechat;
mod http;
mod journald;
mod matrix;
mod opsgenie;
mod otlp;
mod pagerduty;
mod plain;
mod receiver;
mod sample;
mod syslog;
mod teams;
mod webhook;
