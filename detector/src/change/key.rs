//! Lines that say who may log in: authorized keys, and options of the SSH server.

/// What a line of authorized_keys allows.
pub(super) fn authorized(line: &str) -> Option<String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (options, key) = if is_type(line.split_whitespace().next()?) { ("", line) } else { options(line)? };
    let mut words = key.split_whitespace();
    let kind = words.next().filter(|word| is_type(word))?;
    let blob = words.next()?;
    let tail = blob.char_indices().rev().nth(11).map_or(blob, |(at, _)| blob.get(at..).unwrap_or(blob));
    let comment = words.collect::<Vec<_>>().join(" ");
    let comment = if comment.is_empty() { "no comment".to_owned() } else { comment };
    let what = if has(options, "cert-authority") {
        "lets any key log in that is signed by the"
    } else {
        "lets in the"
    };
    let mut out = format!("{what} key {kind} …{tail} ({comment})");
    if let Some(from) = value(options, "from") {
        out.push_str(&format!(" from {from}"));
    }
    if let Some(command) = value(options, "command") {
        out.push_str(&format!(", which then runs {command}"));
    }
    Some(out)
}

fn is_type(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|begin| word.starts_with(begin))
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "-@._".contains(c))
}

/// The options before a key, which end at the first blank outside quotes, and the key.
fn options(line: &str) -> Option<(&str, &str)> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' if !is_escaped => is_quoted = !is_quoted,
            ' ' | '\t' if !is_quoted => return Some((line.get(..at)?, line.get(at..)?.trim_start())),
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    None
}

fn has(options: &str, name: &str) -> bool {
    options.split(',').any(|option| option.eq_ignore_ascii_case(name))
}

/// The value of `name="…"`.
fn value<'a>(options: &'a str, name: &str) -> Option<&'a str> {
    // ASCII lower case keeps offsets.
    let at = options.to_ascii_lowercase().find(&format!("{name}=\""))?;
    let rest = options.get(at + name.len() + 2..)?;
    let end = rest.char_indices().find(|(at, c)| *c == '"' && !rest.get(..*at).unwrap_or("").ends_with('\\'));
    rest.get(..end.map_or(rest.len(), |(at, _)| at))
}

/// Options of sshd that say who comes in, and what runs then.
const OPTIONS: &[&str] = &[
    "AllowGroups",
    "AllowTcpForwarding",
    "AllowUsers",
    "AuthenticationMethods",
    "AuthorizedKeysCommand",
    "AuthorizedKeysCommandUser",
    "AuthorizedKeysFile",
    "DenyUsers",
    "ForceCommand",
    "GatewayPorts",
    "Include",
    "ListenAddress",
    "PasswordAuthentication",
    "PermitEmptyPasswords",
    "PermitRootLogin",
    "PermitTunnel",
    "PermitUserEnvironment",
    "Port",
    "PubkeyAuthentication",
    "StrictModes",
    "Subsystem",
    "TrustedUserCAKeys",
    "UsePAM",
];

/// What a line of sshd_config says.
pub(super) fn server(line: &str) -> Option<String> {
    let line = line.trim();
    let (key, value) = line.split_once(|c: char| c.is_whitespace() || c == '=')?;
    let value = value.trim_start_matches(|c: char| c.is_whitespace() || c == '=');
    if key.eq_ignore_ascii_case("match") {
        return Some(format!("what follows counts for {value}"));
    }
    let known = OPTIONS.iter().find(|option| option.eq_ignore_ascii_case(key))?;
    Some(format!("the SSH server's {known} is {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_say_whose_they_are_and_what_they_may() {
        for (line, said) in [
            (
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIabcdefghijkl me@host",
                Some("lets in the key ssh-ed25519 …abcdefghijkl (me@host)"),
            ),
            (
                r#"command="/tmp/a \"b\" c",from="10.0.0.*",no-pty ssh-rsa AAAAB3 x"#,
                Some(r#"lets in the key ssh-rsa …AAAAB3 (x) from 10.0.0.*, which then runs /tmp/a \"b\" c"#),
            ),
            (
                "cert-authority ssh-rsa AAAAB3",
                Some("lets any key log in that is signed by the key ssh-rsa …AAAAB3 (no comment)"),
            ),
            ("# ssh-rsa AAAA x", None),
            ("ssh-rsa", None),
            ("nonsense and more", None),
            ("command=\"never closed ssh-rsa AAAA", None),
            ("ssh-rsa éééééééééééééé é", Some("lets in the key ssh-rsa …éééééééééééé (é)")),
        ] {
            assert_eq!(authorized(line).as_deref(), said, "{line}");
        }
    }

    #[test]
    fn options_of_the_server_are_named() {
        assert_eq!(server("permitrootlogin yes").as_deref(), Some("the SSH server's PermitRootLogin is yes"));
        assert_eq!(server("Match User x").as_deref(), Some("what follows counts for User x"));
        assert_eq!(server("# PermitRootLogin yes"), None);
        assert_eq!(server("Banner x"), None);
    }
}
