//! What speaks against a finding, as far as it is known: verdicts, declared tasks, who acts, where to.

use indexmap::IndexMap;
use serde_json::Value;

use super::escape::clip;
use super::{ProcessRef, TaskRef};

/// Most sentences, and most characters of each.
const MOST: usize = 12;
const LONGEST: usize = 300;

/// Tools that write programs as their work. An agent's own copies are not in the lineage that is compared.
const BUILDERS: &[&str] = &[
    "ar",
    "bazel",
    "buck2",
    "bun",
    "cargo",
    "cc",
    "cc1",
    "clang",
    "cmake",
    "collect2",
    "conda",
    "dpkg",
    "esbuild",
    "g++",
    "gcc",
    "go",
    "gradle",
    "ld",
    "lld",
    "make",
    "mamba",
    "meson",
    "mvn",
    "ninja",
    "node-gyp",
    "npm",
    "nvcc",
    "pip",
    "pnpm",
    "poetry",
    "rustc",
    "rustup",
    "setuptools",
    "swift",
    "tsc",
    "uv",
    "yarn",
];

/// What of the subject and of the task speaks against the finding, a sentence each. Whatever is not known is not said.
pub(super) fn evidence(
    subject: &IndexMap<String, Value>,
    process: Option<&ProcessRef>,
    task: Option<&TaskRef>,
) -> Vec<String> {
    let is = |name: &str| subject.get(name).and_then(Value::as_bool) == Some(true);
    let texts = |name: &str| {
        let list = subject.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(Value::as_str)
    };
    let mut out: Vec<String> = texts("MiningAgainst").map(|line| clip(line, LONGEST)).collect();
    if let Some(TaskRef { id, name, declares: Some(declares), .. }) = task {
        out.push(format!("the task {} ({}) declares {}", clip(name, 100), clip(id, 64), clip(declares, 100)));
    }
    if is("WriterTrusted") {
        let exe = process.map_or("it", |process| &*process.exe);
        out.push(format!(
            "{} is a package manager or a manager of the host, told by its inode, or runs below one",
            clip(exe, 200)
        ));
    }
    let builders: Vec<&str> = texts("WriterLineage").filter(|tool| BUILDERS.contains(tool)).take(3).collect();
    if !builders.is_empty() {
        out.push(format!("what it runs was written by {}, which builds programs", builders.join(" below ")));
    }
    if is("DestinationIsLoopback") {
        out.push("the other end is on this machine".to_owned());
    } else if is("DestinationIsPrivate") {
        out.push("the other end is in a private network".to_owned());
    }
    if is("LocalIsLoopback") {
        out.push("only this machine can reach what it listens on".to_owned());
    }
    if subject.get("ExpectedDaemon").and_then(Value::as_str) == Some("known") {
        out.push("helpers of developers of that name are usually left running".to_owned());
    }
    let refused = subject.get("OperationErrno").and_then(Value::as_i64).filter(|errno| *errno != 0);
    if let Some(errno) = refused {
        out.push(format!("the kernel refused it (errno {errno})"));
    }
    out.truncate(MOST);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_known_is_said() {
        assert_eq!(evidence(&IndexMap::new(), None, None), [""; 0]);
        let subject = IndexMap::from_iter([
            ("MiningAgainst".to_owned(), json!(["-3: the task declares the processor"])),
            ("WriterLineage".to_owned(), json!(["bash", "rustc", "cargo"])),
            ("DestinationIsPrivate".to_owned(), json!(true)),
            ("OperationErrno".to_owned(), json!(13)),
            ("WriterTrusted".to_owned(), json!(false)),
        ]);
        let task = TaskRef {
            id: "t1".to_owned(),
            name: "serve\u{1b}".to_owned(),
            started: String::new(),
            expects: vec!["listen:8000".to_owned()],
            declares: Some("listen:8000".to_owned()),
            lowered_from: None,
        };
        assert_eq!(
            evidence(&subject, None, Some(&task)),
            [
                "-3: the task declares the processor",
                "the task serve\\u{1b} (t1) declares listen:8000",
                "what it runs was written by rustc below cargo, which builds programs",
                "the other end is in a private network",
                "the kernel refused it (errno 13)",
            ]
        );
    }
}
