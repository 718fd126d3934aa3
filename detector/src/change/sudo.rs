//! Lines of sudoers.

/// What a line of sudoers allows or sets.
pub(super) fn sentence(line: &str) -> Option<String> {
    let line = line.trim();
    for include in ["@includedir", "#includedir", "@include", "#include"] {
        if let Some(path) = line.strip_prefix(include).filter(|rest| rest.starts_with([' ', '\t'])) {
            return Some(format!("takes more from {}", path.trim()));
        }
    }
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    if let Some(defaults) = line.strip_prefix("Defaults") {
        return Some(format!("sets for sudo: {}", defaults.trim_start_matches([':', '@', '!', '>']).trim()));
    }
    if line.split_whitespace().next()?.ends_with("_Alias") {
        return Some(format!("names {line}"));
    }
    let (who, rest) = line.split_once([' ', '\t'])?;
    let (hosts, what) = rest.split_once('=')?;
    let (run_as, what) = match what.trim_start().strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((run_as, what)) => (run_as.trim(), what),
        None => ("root", what),
    };
    let run_as = if run_as.is_empty() || run_as == "ALL:ALL" || run_as == "ALL" { "anybody" } else { run_as };
    let (password, what) = tags(what.trim());
    let who = match who.split_at_checked(1) {
        Some(("%", group)) => format!("the group {group}"),
        _ if who == "ALL" => "everybody".to_owned(),
        _ => who.to_owned(),
    };
    let what = if what == "ALL" { "any command" } else { what };
    let hosts = hosts.trim();
    let hosts = if hosts == "ALL" { String::new() } else { format!(" on {hosts}") };
    Some(format!("lets {who} run {what} as {run_as}{hosts}{password}"))
}

/// What tags say about the password, and the commands behind them.
fn tags(mut what: &str) -> (&'static str, &str) {
    let mut password = "";
    while let Some((tag, rest)) = what.split_once(':') {
        if tag.is_empty() || !tag.trim().bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
            break;
        }
        match tag.trim() {
            "NOPASSWD" => password = " without a password",
            "PASSWD" => password = "",
            _ => {}
        }
        what = rest.trim_start();
    }
    (password, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_say_who_may_run_what() {
        for (line, said) in [
            (
                "agent ALL=(ALL:ALL) NOPASSWD: ALL",
                Some("lets agent run any command as anybody without a password"),
            ),
            ("%dev\tALL = /usr/bin/apt", Some("lets the group dev run /usr/bin/apt as root")),
            (
                "a web1=(www) NOEXEC: NOPASSWD: /bin/x, /bin/y",
                Some("lets a run /bin/x, /bin/y as www on web1 without a password"),
            ),
            ("Defaults !authenticate", Some("sets for sudo: !authenticate")),
            ("@includedir /etc/x", Some("takes more from /etc/x")),
            ("#includedir /etc/x", Some("takes more from /etc/x")),
            ("User_Alias A = b", Some("names User_Alias A = b")),
            ("# a ALL=(ALL) ALL", None),
            ("a", None),
            ("é ALL=", Some("lets é run  as root")),
        ] {
            assert_eq!(sentence(line).as_deref(), said, "{line}");
        }
    }
}
