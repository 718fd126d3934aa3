//! Tests that cannot run here say so; `cargo xtask test` counts them as skipped.

use std::io::Write as _;
use std::thread;

/// Ends the test with `skipped: NAME: reason` on standard output. Takes what `format!` takes.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)*) => {{
        $crate::skip::say(&format!($($reason)*));
        return;
    }};
}

/// Goes on only as root, which loading probes needs.
#[macro_export]
macro_rules! needs_root {
    () => {
        if !$crate::skip::is_root() {
            $crate::skip!("needs root");
        }
    };
}

/// Goes on only on a kernel of this version or a later one.
#[macro_export]
macro_rules! needs_kernel {
    ($major:literal, $minor:literal) => {
        if $crate::skip::kernel() < ($major, $minor) {
            $crate::skip!("needs Linux {}.{}", $major, $minor);
        }
    };
}

/// Major and minor version of the running kernel.
pub fn kernel() -> (u32, u32) {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers =
        release.split(|letter: char| !letter.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Whether we are root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Prints the line; past libtest's capture, which swallows what a passing test prints by `print!`.
pub fn say(reason: &str) {
    let thread = thread::current();
    let line = format!("\nskipped: {}: {reason}\n", thread.name().unwrap_or("test"));
    // A closed standard output is no reason to fail.
    let _ = std::io::stdout().write_all(line.as_bytes());
}
