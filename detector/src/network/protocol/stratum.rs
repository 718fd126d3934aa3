//! Mining protocols.

use super::{Application, Prefix, Protocol, Verdict};

pub(super) const PROTOCOL: Protocol = Protocol { application: Application::Stratum, marks: &[], recognise };

fn recognise(_prefix: &Prefix<'_>) -> Verdict {
    Verdict::No
}
