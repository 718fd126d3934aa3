//! Commands ready to paste: how to look closer, and how to stop what goes on, with what every machine has.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::OnceLock;

use super::super::escape::is_deceptive;
use super::super::incident::Incident;
use super::super::{Alert, Level};
use super::Command;

/// Most control groups that an incident has commands for.
const GROUPS: usize = 3;

/// Where the cgroup2 file system of this host is; `/sys/fs/cgroup/unified` on hybrid ones.
static MOUNT: OnceLock<String> = OnceLock::new();

/// Says where cgroup2 is mounted, once, before the first card; the core does not look for itself.
pub fn set_cgroup_mount(mount: &Path) {
    let _ = MOUNT.set(mount.to_string_lossy().into_owned());
}

/// The commands of an incident's card.
pub(super) fn all(incident: &Incident, gravest: Option<&Alert>) -> Vec<Command> {
    let mut out = Vec::new();
    let mut add = |what: &str, line: String| out.push(Command { what: what.to_owned(), line });
    if let Some(alert) = gravest {
        add("look closer", format!("detector explain {}", word(&alert.id)));
    }
    add("every finding", format!("detector alerts --incident {}", word(&incident.id)));
    let mount = MOUNT.get().map_or("/sys/fs/cgroup", String::as_str);
    let mut groups: Vec<&str> = Vec::new();
    for agent in
        incident.alerts.iter().filter_map(|alert| alert.agent.as_ref()).chain(incident.agent.as_ref())
    {
        let path = agent.cgroup.trim_matches('/');
        // The root of all groups has no such files, and would take the machine along.
        if !path.is_empty() && !path.split('/').any(|part| part == "..") && !groups.contains(&path) {
            groups.push(path);
        }
    }
    for group in groups.iter().take(GROUPS) {
        let file = |name: &str| word(&format!("{mount}/{group}/{name}"));
        add("freeze its processes, as root", format!("echo 1 > {}", file("cgroup.freeze")));
        add("let them go on", format!("echo 0 > {}", file("cgroup.freeze")));
        add("end its processes, as root (Linux 5.14 and later)", format!("echo 1 > {}", file("cgroup.kill")));
    }
    let acting = gravest.and_then(|alert| alert.process.as_ref()).filter(|process| process.pid > 1);
    if let (Some(process), true) = (acting, incident.level > Level::Informational) {
        add("end this process alone, if it still is the one", format!("kill -KILL {}", process.pid));
    }
    out
}

/// One word of a shell, whatever it holds: quoted where it has to be, and readable.
fn word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:@+,=%".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    if !text.contains(is_deceptive) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    // What cannot be seen is written as bytes, as bash, zsh and POSIX.1-2024 read it.
    let mut out = "$'".to_owned();
    for character in text.chars() {
        match character {
            '\'' => out.push_str(r"\'"),
            '\\' => out.push_str(r"\\"),
            _ if is_deceptive(character) => {
                for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(out, "\\{byte:03o}");
                }
            }
            _ => out.push(character),
        }
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_word_for_a_shell() {
        for text in ["/a/b.slice", "a b", "it's", "$(reboot)", "a\nb'\\\u{202e}c", "", "`x`;y"] {
            let script = format!("printf %s {}", word(text));
            let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text, "{script}");
            assert!(!word(text).contains(is_deceptive));
        }
    }
}
