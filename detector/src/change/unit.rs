//! Lines of systemd's units, of desktop entries and of udev's rules.

use super::schedule;

/// What a line of a unit does, where it says what runs, when, and as whom.
pub(super) fn unit(line: &str) -> Option<String> {
    let (key, value) = line.trim().split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    if value.is_empty() || key.starts_with(['#', ';']) {
        return None;
    }
    Some(match key {
        "ExecStart" => format!("runs {}", command(value)),
        "ExecStartPre" | "ExecCondition" => format!("runs before it: {}", command(value)),
        "ExecStartPost" => format!("runs after its start: {}", command(value)),
        "ExecReload" => format!("runs at a reload: {}", command(value)),
        "ExecStop" | "ExecStopPost" => format!("runs at its stop: {}", command(value)),
        "OnCalendar" => format!("starts {}", schedule::calendar(value)),
        "OnBootSec" | "OnStartupSec" => format!("starts {value} after boot"),
        "OnActiveSec" => format!("starts {value} after it was switched on"),
        "OnUnitActiveSec" | "OnUnitInactiveSec" => format!("starts again every {value}"),
        "Unit" => format!("starts the unit {value}"),
        "User" => format!("runs as {value}"),
        "WantedBy" | "RequiredBy" | "UpheldBy" => wanted(value),
        "Restart" if value == "no" => return None,
        "Restart" => format!("is started again when it ends ({value})"),
        "Environment" => format!("sets the environment {value}"),
        "EnvironmentFile" => format!("takes its environment from {value}"),
        "ListenStream" | "ListenDatagram" | "ListenSequentialPacket" => {
            format!("starts when something comes in at {value}")
        }
        "ListenFIFO" => format!("starts when something comes in at the FIFO {value}"),
        "PathExists" | "PathExistsGlob" | "PathChanged" | "PathModified" | "DirectoryNotEmpty" => {
            format!("starts by changes of {value}")
        }
        "Alias" => format!("is also called {value}"),
        "RootDirectory" | "RootImage" => format!("runs within {value}"),
        "AmbientCapabilities" => format!("has the capabilities {value}"),
        _ => return None,
    })
}

/// A command line without systemd's own prefixes.
fn command(value: &str) -> &str {
    value.trim_start_matches(['@', '-', ':', '+', '!', '|'])
}

fn wanted(value: &str) -> String {
    let boot = ["multi-user.target", "default.target", "graphical.target", "basic.target", "sysinit.target"];
    if value.split_whitespace().any(|target| boot.contains(&target)) {
        format!("starts at boot ({value})")
    } else if value == "timers.target" {
        "its timer is on from boot".to_owned()
    } else if value == "sockets.target" || value == "paths.target" {
        "is on from boot".to_owned()
    } else {
        format!("starts with {value}")
    }
}

/// What a line of a desktop entry does.
pub(super) fn desktop(line: &str) -> Option<String> {
    let (key, value) = line.trim().split_once('=')?;
    match (key.trim(), value.trim()) {
        (_, "") => None,
        ("Exec", value) => Some(format!("runs when the desktop starts: {value}")),
        ("Hidden", "true") | ("X-GNOME-Autostart-enabled", "false") => Some("is switched off".to_owned()),
        _ => None,
    }
}

/// What a rule of udev runs.
pub(super) fn udev(line: &str) -> Option<String> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let (key, rest) =
        ["RUN", "PROGRAM", "IMPORT{program}"].iter().find_map(|key| Some((*key, line.split_once(key)?.1)))?;
    let value = rest.split_once('"')?.1;
    let value = value.split_once('"').map_or(value, |(value, _)| value);
    let how = if key == "RUN" { "runs when a device matches" } else { "runs while a device is matched" };
    (!value.is_empty()).then(|| format!("{how}: {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_say_what_runs_when_and_as_whom() {
        for (line, said) in [
            ("ExecStart=-/tmp/a --daemon", Some("runs /tmp/a --daemon")),
            ("OnCalendar=*:0/5", Some("starts every 5 minutes")),
            ("OnBootSec=2min", Some("starts 2min after boot")),
            ("WantedBy=multi-user.target", Some("starts at boot (multi-user.target)")),
            ("WantedBy=timers.target", Some("its timer is on from boot")),
            ("Restart=always", Some("is started again when it ends (always)")),
            ("User=nobody", Some("runs as nobody")),
            ("Description=x", None),
            ("[Service]", None),
            ("ExecStart=", None),
        ] {
            assert_eq!(unit(line).as_deref(), said, "{line}");
        }
    }

    #[test]
    fn desktop_entries_and_udev_rules_say_what_runs() {
        assert_eq!(desktop("Exec=/tmp/a").as_deref(), Some("runs when the desktop starts: /tmp/a"));
        let rule = r#"ACTION=="add", SUBSYSTEM=="net", RUN+="/tmp/a b""#;
        assert_eq!(udev(rule).as_deref(), Some("runs when a device matches: /tmp/a b"));
        assert_eq!(udev("RUN"), None);
    }
}
