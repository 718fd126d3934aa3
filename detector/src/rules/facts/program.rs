//! The names that a program goes by, without directory, version and case.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::event::Exec;

/// Mostly one or two names, none of them copied.
pub(in crate::rules) type Names<'a> = SmallVec<[Cow<'a, str>; 4]>;

/// The last component of a path.
pub(in crate::rules) fn basename(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Names of the file, argv\[0\], the task and the script: lower case, each once, as written and
/// without a version suffix (`xmrig-6.21.0` is also `xmrig`).
pub(in crate::rules) fn names(exec: &Exec) -> Names<'_> {
    let argv0 = exec.argv.first().map_or("", AsRef::as_ref);
    let script = exec.script.as_deref().unwrap_or_default();
    let mut out = Names::new();
    for name in [basename(&exec.exe), basename(argv0), &exec.comm, basename(script)] {
        let name = name.strip_suffix(".exe").unwrap_or(name);
        for form in [name, without_version(name)] {
            if !form.is_empty() && !out.iter().any(|known| known.eq_ignore_ascii_case(form)) {
                let lower = !form.bytes().any(|byte| byte.is_ascii_uppercase());
                out.push(if lower { form.into() } else { form.to_ascii_lowercase().into() });
            }
        }
    }
    out
}

/// Cuts `-1.2`, `_v3`, `.6.21-linux`: everything from a separator that a digit (or `v` and a digit)
/// follows.
fn without_version(name: &str) -> &str {
    let bytes = name.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let cut = bytes.iter().enumerate().skip(1).find_map(|(at, byte)| {
        let separates = matches!(byte, b'-' | b'_' | b'.');
        let versioned = is_digit(at + 1) || (bytes.get(at + 1) == Some(&b'v') && is_digit(at + 2));
        (separates && versioned).then_some(at)
    });
    cut.and_then(|at| name.get(..at)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_case_do_not_hide_a_name() {
        let exec = Exec {
            exe: "/tmp/XMRig-6.21.0".into(),
            argv: vec!["./lolMiner_v1.76a".into()],
            comm: "srbminer-multi".into(),
            ..Exec::default()
        };
        let names = names(&exec);
        for name in ["xmrig", "xmrig-6.21.0", "lolminer", "srbminer-multi"] {
            assert!(names.iter().any(|known| known == name), "{name} in {names:?}");
        }
    }

    #[test]
    fn digits_inside_a_name_stay() {
        assert_eq!(without_version("ethdcrminer64"), "ethdcrminer64");
        assert_eq!(without_version("cpuminer-avx2"), "cpuminer-avx2");
        assert_eq!(without_version("python3.11"), "python3");
        assert_eq!(without_version("t-rex-0.26.8"), "t-rex");
    }
}
