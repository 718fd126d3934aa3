//! The benign corpus, live: everyday work of an agent, and not one alert above low.
//!
//! Each script is a file of `tests/benign/`: bash with `-euo pipefail`, in an empty directory with an empty
//! `$HOME`. It ends with 77 where this machine lacks what it needs.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use detector_tests::{needs_root, skip};

use crate::cli::{alerts, detector, end};

/// Where the scripts are.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benign");

macro_rules! corpus {
    ($($name:ident)*) => {
        /// One test a script.
        const NAMES: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                needs_root!();
                if let Outcome::Lacks(what) = run(stringify!($name)) {
                    skip!("{what}");
                }
            }
        )*
    };
}

corpus! {
    background cargo chroot database debugger docker editable editor files git hooks https jsonrpc languageserver layers make notebook npm
    packages pip profile pytest sandbox server shell sqlite ssh tmux training waitfor
}

enum Outcome {
    Quiet,
    Lacks(String),
}

fn run(name: &str) -> Outcome {
    // Not hidden, as tempfile's own names are: programs that are built here run from here.
    let place = tempfile::Builder::new().prefix("detector-benign-").tempdir().unwrap();
    let (home, work) = (place.path().join("home"), place.path().join("work"));
    fs::create_dir(&home).unwrap();
    fs::create_dir(&work).unwrap();
    let file = place.path().join("alerts.jsonl");
    let script = Path::new(SCRIPTS).join(format!("{name}.sh"));
    let mut command = detector(&["wrap", "--name", name, "--show", "medium", "--alerts"]);
    command.arg(&file).args(["--", "bash", "-euo", "pipefail"]).arg(script);
    let own = std::env::var_os("HOME").map(std::path::PathBuf::from).unwrap_or_default();
    for (variable, directory) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        if std::env::var_os(variable).is_none() {
            command.env(variable, own.join(directory));
        }
    }
    command.current_dir(&work).env("HOME", &home).stdin(Stdio::null());
    let ended = end(&mut command);
    if ended.code == Some(77) {
        return Outcome::Lacks(ended.stdout.trim().to_owned());
    }
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    let loud: Vec<String> = alerts(&file)
        .iter()
        .filter(|alert| !matches!(alert["level"].as_str(), Some("informational" | "low")))
        .map(|alert| format!("{}: {} ({})", alert["level"], alert["summary"], alert["rule"]["file"]))
        .collect();
    assert!(loud.is_empty(), "{loud:#?}");
    Outcome::Quiet
}

#[test]
fn every_script_of_the_corpus_is_run() {
    let mut scripts: Vec<String> = fs::read_dir(SCRIPTS)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        // Those in directories are other tests' own.
        .filter(|path| path.is_file())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    scripts.sort();
    assert_eq!(scripts, NAMES);
}
