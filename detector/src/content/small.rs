//! Which small files are read beside those with a class: what an agent writes as configuration or script.

/// Endings of names.
const ENDINGS: &[&str] = &[".json", ".conf", ".toml", ".yaml", ".yml", ".ini", ".env", ".sh"];

/// Directories whose files nobody configures by hand.
const NOT_BELOW: &[&str] = &[
    "/node_modules/",
    "/site-packages/",
    "/dist-packages/",
    "/.git/",
    "/target/",
    "/__pycache__/",
    "/.cache/",
];

/// File systems of the kernel.
const KERNEL: &[&str] = &["/proc/", "/sys/", "/dev/"];

/// Whether a file at this path is likely to be a configuration or script that somebody wrote.
pub(super) fn is_small(path: &str) -> bool {
    let Some((directory, name)) = path.rsplit_once('/') else { return false };
    let by_ending = ENDINGS.iter().any(|ending| name.ends_with(ending));
    // Such as ~/.aws/credentials.
    let by_place = || !name.contains('.') && directory.contains("/.");
    (by_ending || by_place())
        && !NOT_BELOW.iter().any(|below| path.contains(below))
        && !KERNEL.iter().any(|kernel| path.starts_with(kernel))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_are_small_files_and_dependencies_are_not() {
        for path in ["/work/config.json", "/root/.aws/credentials", "/tmp/run.sh", "/work/.env"] {
            assert!(is_small(path), "{path}");
        }
        for path in [
            "/work/main.rs",
            "/work/node_modules/a/package.json",
            "/work/.git/index",
            "/work/target/debug/a.json",
            "/sys/fs/cgroup/a.conf",
            "/work/README",
        ] {
            assert!(!is_small(path), "{path}");
        }
    }
}
