//! Shells in clear text.

use super::{Application, Prefix, Protocol, Verdict};

pub(super) const PROTOCOL: Protocol = Protocol { application: Application::Shell, marks: &[], recognise };

fn recognise(_prefix: &Prefix<'_>) -> Verdict {
    Verdict::No
}
