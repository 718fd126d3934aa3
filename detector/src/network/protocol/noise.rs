//! Noise handshakes, by the shape of their messages.

use super::{Application, Prefix, Protocol, Sample, Verdict};

pub(super) const PROTOCOL: Protocol = Protocol { application: Application::Noise, marks: &[], recognise };

pub(super) const SAMPLES: &[Sample] = &[];

fn recognise(_prefix: &Prefix<'_>) -> Verdict {
    Verdict::No
}
