//! Each sink against a receiver: what is sent is what the service's documentation asks for, and what the receiver
//! answers becomes what it should. Needs no root.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that is surprised fails")]

mod alertmanager;
mod cards;
mod command;
mod discord;
mod email;
mod file;
mod googlechat;
mod http;
mod journald;
mod matrix;
mod mattermost;
mod opsgenie;
mod otlp;
mod outcome;
mod pagerduty;
mod plain;
mod proxy;
mod receiver;
mod sample;
mod slack;
mod syslog;
mod teams;
mod telegram;
mod webhook;
