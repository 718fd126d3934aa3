//! Protocols of tunnel tools.

use super::{Application, Prefix, Protocol, Verdict};

pub(super) const PROTOCOL: Protocol = Protocol { application: Application::Tunnel, marks: &[], recognise };

fn recognise(_prefix: &Prefix<'_>) -> Verdict {
    Verdict::No
}

/// What follows a PROXY protocol header, where there is one.
pub fn behind_proxy_header(bytes: &[u8]) -> &[u8] {
    bytes
}
