//! `[tasks]`: where the detector hears what agents are meant to do.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

/// Where tasks and tool calls come from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TasksConfig {
    /// Unix socket of `detector task`; `/run/detector/detector.sock` where none is named.
    pub socket: Option<PathBuf>,
    /// Address for tool calls as OTLP/HTTP JSON, such as `"127.0.0.1:4318"`; none is listened on where none is named.
    pub otlp: Option<SocketAddr>,
    /// Files of tool calls, one JSON object a line, that are followed as they grow.
    pub follow: Vec<PathBuf>,
}
