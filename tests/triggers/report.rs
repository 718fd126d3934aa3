//! What a trigger says about itself, and how it reads its words.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::Words;

/// Prints one JSON line: the trigger, its pid, and what it did.
pub(crate) fn say(trigger: &str, did: Value) {
    let mut line = json!({ "trigger": trigger, "pid": std::process::id() });
    if let (Value::Object(line), Value::Object(did)) = (&mut line, did) {
        line.extend(did);
    }
    println!("{line}");
}

/// The word at a place, as a path.
pub(crate) fn path<'a>(words: Words<'a>, at: usize) -> Result<&'a Path> {
    words.get(at).map(Path::new).with_context(|| format!("word {} is missing", at + 1))
}

/// The word at a place, parsed.
pub(crate) fn parsed<T: FromStr>(words: Words<'_>, at: usize) -> Result<T> {
    let word = path(words, at)?.to_string_lossy();
    word.parse().ok().with_context(|| format!("`{word}` is not what word {} should be", at + 1))
}

/// Bytes as text, those that are no UTF-8 written `\xNN`, as the detector writes them.
pub(crate) fn text(bytes: &OsStr) -> String {
    bytes
        .as_bytes()
        .utf8_chunks()
        .flat_map(|chunk| {
            let bad = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
            std::iter::once(chunk.valid().to_owned()).chain(bad)
        })
        .collect()
}
