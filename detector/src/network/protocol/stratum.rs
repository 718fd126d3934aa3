//! Mining protocols.

use super::{Application, Prefix, Protocol, Sample, Verdict};

pub(super) const PROTOCOL: Protocol = Protocol { application: Application::Stratum, marks: &[], recognise };

pub(super) const SAMPLES: &[Sample] = &[];

fn recognise(_prefix: &Prefix<'_>) -> Verdict {
    Verdict::No
}
