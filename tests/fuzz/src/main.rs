//! What libFuzzer calls: the target that the environment names, on the bytes that libFuzzer made up.
//!
//! `cargo xtask fuzz` builds and runs this.

#![no_main]

use std::env;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

mod changed;
mod decoder;
mod wire;

/// Parsers as they stand in the detector, with the modules that they ask for. The crate as a whole would drag
/// in what loads probes and serves, all of it instrumented.
#[path = "../../../detector/src"]
#[expect(dead_code, unused_imports, reason = "of the detector's modules only the parsers are called")]
mod detector {
    pub mod canary {
        mod strings;
        pub mod token;
        pub use strings::{Decoy, Strings};
    }
    pub mod change;
    pub mod content {
        mod secret;
        pub(crate) use secret::masked;
    }
    pub mod event;
    pub mod kernel {
        pub mod decode;
    }
    pub mod network;
    pub mod wallet;
}
use detector::{canary, change, content, event, kernel, network, wallet};

/// One thing that is fuzzed.
struct Target {
    name: String,
    run: Box<dyn Fn(&[u8]) + Send + Sync>,
    /// Where the search begins.
    seeds: Vec<Vec<u8>>,
}

/// Names the target.
const TARGET: &str = "DETECTOR_FUZZ_TARGET";
/// Names a directory to write each target's seeds to, below the target's name.
const SEEDS: &str = "DETECTOR_FUZZ_SEEDS";

static CHOSEN: OnceLock<Option<Target>> = OnceLock::new();

fuzz_target!(
    init: {
        if let Some(directory) = env::var_os(SEEDS) {
            write_seeds(Path::new(&directory));
        }
        CHOSEN.get_or_init(|| {
            let name = env::var(TARGET).ok()?;
            Some(targets().find(|target| target.name == name).expect("no such target"))
        });
    },
    |bytes: &[u8]| {
        if let Some(target) = CHOSEN.get().and_then(Option::as_ref) {
            (target.run)(bytes);
        }
    }
);

fn targets() -> impl Iterator<Item = Target> {
    wire::targets().chain(decoder::targets()).chain(changed::targets())
}

fn write_seeds(directory: &Path) {
    for target in targets() {
        let directory = directory.join(&target.name);
        fs::create_dir_all(&directory).expect("cannot make a directory for seeds");
        for (number, seed) in target.seeds.iter().enumerate() {
            fs::write(directory.join(format!("{number:03}")), seed).expect("cannot write a seed");
        }
    }
}
