//! Words that a shell takes as they are: an agent chooses its names, and commands are pasted.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::alert::escape::is_deceptive;

/// A word for a POSIX shell; with a character that would deceive whoever pastes it, in the form of `$'…'` that bash
/// and zsh read.
pub fn quote(word: &str) -> Cow<'_, str> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,@%+".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return Cow::Borrowed(word);
    }
    if !word.contains(is_deceptive) {
        return Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")));
    }
    let mut out = String::from("$'");
    for letter in word.chars() {
        match letter {
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            letter if is_deceptive(letter) => {
                for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
                    // Three octal digits: nothing that follows can be taken for more of them.
                    let _ = write!(out, "\\{byte:03o}");
                }
            }
            letter => out.push(letter),
        }
    }
    out.push('\'');
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_what_was_quoted() {
        for word in [
            "plain",
            "",
            "two words",
            "$(touch /tmp/x)",
            "it's; rm -rf /",
            "`id`",
            "a\u{202e}b'\\\n1",
            "--rule",
            "-",
            "*",
            "~",
            "é",
        ] {
            let script = format!("printf %s {}", quote(word));
            let output = Command::new("bash").args(["-c", &script]).output().unwrap();
            // printf takes a first dash as an option only before its format.
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word, "{script}");
        }
    }

    #[test]
    fn nothing_deceptive_is_shown() {
        assert!(!quote("a\u{202e}b\u{1b}[31m\n").contains(is_deceptive));
    }
}
