//! A few plain rules for the tests of the rooms around them, whatever the built-in ones say.

use std::path::PathBuf;

use crate::rules::{Builtin, RuleSet};

pub(crate) fn rules() -> RuleSet {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/pipeline/sample.yml"));
    RuleSet::load(&[path], Builtin::Without).unwrap()
}
