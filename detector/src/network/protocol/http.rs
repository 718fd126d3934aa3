//! HTTP/1 requests and upgrades, HTTP/2 by its preface.

use super::{Application, Prefix, Protocol, Verdict};

pub(super) const PROTOCOL: Protocol = Protocol { application: Application::Http, marks: &[], recognise };

fn recognise(_prefix: &Prefix<'_>) -> Verdict {
    Verdict::No
}
