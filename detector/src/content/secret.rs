//! Masks what is nobody's business in the text of a file, before a recording or an alert can keep it.

use crate::change::Class;

/// What stands in place of a secret.
const MASK: &str = "***";

/// Words in the name of a variable, key or option whose value is masked.
const NAMES: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "access_key",
    "accesskey",
    "private_key",
    "privatekey",
    "credential",
    "authorization",
    "cookie",
];

/// Options of ordinary programs whose value is `USER:PASSWORD`.
const LOGINS: &[&str] = &["-u", "--user", "--proxy-user", "-U"];

/// How tokens begin that are known by their beginning, and how many letters and digits follow at least.
const TOKENS: &[(&str, usize)] = &[
    ("AKIA", 16),
    ("ASIA", 16),
    ("ghp_", 30),
    ("gho_", 30),
    ("ghu_", 30),
    ("ghs_", 30),
    ("github_pat_", 30),
    ("glpat-", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("sk-", 20),
    ("sk_live_", 16),
    ("hf_", 30),
    ("npm_", 30),
    ("pypi-", 30),
    ("AIza", 30),
    ("eyJ", 30),
    ("$1$", 20),
    ("$2a$", 20),
    ("$2b$", 20),
    ("$2y$", 20),
    ("$5$", 20),
    ("$6$", 20),
    ("$y$", 20),
    ("$7$", 20),
];

/// The text with every secret that is known as one replaced by asterisks, line by line.
pub(crate) fn masked(text: &str, class: Option<Class>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_key = false;
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        if in_key {
            in_key = !line.contains("-----END ");
            continue;
        }
        match line.find("-----BEGIN ").filter(|_| line.contains("PRIVATE KEY")) {
            Some(at) => {
                in_key = !line.contains("-----END ");
                out.push_str(line.get(..at).unwrap_or_default());
                out.push_str("-----PRIVATE KEY *** -----");
            }
            None => line_of(line, class, &mut out),
        }
        out.push_str(end);
    }
    out
}

fn line_of(line: &str, class: Option<Class>, out: &mut String) {
    let line = userinfo(line);
    let line = tokens(&line);
    match class {
        // Their words are `NOPASSWD:` and `PasswordAuthentication`.
        Some(Class::Sudoers | Class::SshServer) => out.push_str(&line),
        Some(Class::AuthorizedKeys) => out.push_str(&public_key(&line)),
        Some(
            Class::SystemCrontab
            | Class::UserCrontab
            | Class::Anacrontab
            | Class::Script
            | Class::Unit
            | Class::Shell
            | Class::Environment
            | Class::Preload
            | Class::Udev
            | Class::Desktop,
        )
        | None => assignments(&logins(&line), out),
    }
}

/// `scheme://user:password@host` without the password.
fn userinfo(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let end = after.find(|c: char| c.is_whitespace() || "/\"'`?#<>".contains(c)).unwrap_or(after.len());
        let authority = after.get(..end).unwrap_or_default();
        match authority.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?.0, host))) {
            Some((user, host)) => {
                out.extend([user, ":", MASK, "@", host]);
                rest = after.get(end..).unwrap_or_default();
            }
            None => rest = after,
        }
    }
    out.push_str(rest);
    out
}

/// The line without tokens that are known by how they begin.
fn tokens(line: &str) -> String {
    let mut line = line.to_owned();
    for (begin, least) in TOKENS {
        let mut from = 0;
        while let Some(at) = line.get(from..).and_then(|rest| rest.find(begin)).map(|at| from + at) {
            let first = at + begin.len();
            from = first;
            let inside = |c: char| c.is_ascii_alphanumeric() || "-_./$=+".contains(c);
            let before = line.get(..at).and_then(|text| text.chars().next_back());
            let rest = line.get(first..).unwrap_or_default();
            let length = rest.find(|c| !inside(c)).unwrap_or(rest.len());
            if length >= *least && before.is_none_or(|c| !c.is_ascii_alphanumeric()) {
                line.replace_range(first..first + length, MASK);
                from = first + MASK.len();
            }
        }
    }
    line
}

/// `NAME=VALUE`, `NAME: VALUE` and `--name VALUE` without the value.
fn assignments(line: &str, out: &mut String) {
    // ASCII lower case keeps offsets.
    let lower = line.to_ascii_lowercase();
    let mut done = 0;
    while let Some((at, word)) = next_name(&lower, done) {
        let behind = at + word.len();
        let name_end = behind + length_of(lower.get(behind..).unwrap_or_default(), is_name);
        let rest = line.get(name_end..).unwrap_or_default();
        let is_option = is_option(&lower, at);
        let Some((skip, length)) = value(rest, is_option) else {
            out.push_str(line.get(done..name_end).unwrap_or_default());
            done = name_end;
            continue;
        };
        out.push_str(line.get(done..name_end + skip).unwrap_or_default());
        out.push_str(MASK);
        done = name_end + skip + length;
    }
    out.push_str(line.get(done..).unwrap_or_default());
}

fn next_name(lower: &str, from: usize) -> Option<(usize, &'static str)> {
    let rest = lower.get(from..)?;
    NAMES.iter().filter_map(|word| Some((from + rest.find(word)?, *word))).min_by_key(|(at, _)| *at)
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn length_of(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// Whether the name at this place begins with `--`.
fn is_option(lower: &str, at: usize) -> bool {
    let before = lower.get(..at).unwrap_or_default();
    let start = before.rfind(|c| !is_name(c)).map_or(0, |at| at + 1);
    lower.get(start..).is_some_and(|name| name.starts_with("--"))
}

/// Where the value behind a name begins, and how long it is. What a shell would compute is no secret, and
/// hiding it could hide a command.
fn value(rest: &str, is_option: bool) -> Option<(usize, usize)> {
    let closing = length_of(rest, |c| c == '"' || c == '\'');
    let space = length_of(rest.get(closing..)?, |c| c == ' ' || c == '\t');
    let mut skip = closing + space;
    let sign = rest.get(skip..)?.chars().next().filter(|c| "=:".contains(*c));
    match sign {
        Some(_) => skip += 1,
        None if is_option && space > 0 => {}
        None => return None,
    }
    skip += length_of(rest.get(skip..)?, |c| c == ' ' || c == '\t');
    let text = rest.get(skip..)?;
    let quote = text.chars().next().filter(|c| "\"'".contains(*c));
    if let Some(quote) = quote {
        let inner = text.get(1..)?;
        let length = inner.find(quote).unwrap_or(inner.len());
        return worth(inner.get(..length)?).then_some((skip + 1, length));
    }
    let ends = |c: char| c.is_whitespace() || ";&|<>\"'`,)}".contains(c);
    let mut length = length_of(text, |c| !ends(c));
    if sign == Some(':') {
        // A header: `Authorization: Bearer x`.
        let scheme = text.get(..length)?;
        if ["bearer", "basic", "token", "digest"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            let gap = length_of(text.get(length..)?, |c| c == ' ');
            length += gap + length_of(text.get(length + gap..)?, |c| !ends(c));
        }
    }
    worth(text.get(..length)?).then_some((skip, length))
}

fn worth(value: &str) -> bool {
    !value.is_empty() && !value.contains('$') && !value.contains('`') && value != MASK
}

/// The line without the password of `-u USER:PASSWORD`.
fn logins(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut after_option = false;
    for word in line.split_inclusive(' ') {
        let (bare, end) = word.strip_suffix(' ').map_or((word, ""), |bare| (bare, " "));
        let shown = match bare.split_once(':') {
            Some((user, password)) if after_option && worth(password) && !password.starts_with("//") => {
                out.push_str(user);
                out.push(':');
                MASK
            }
            Some(_) | None => bare,
        };
        out.push_str(shown);
        out.push_str(end);
        after_option = LOGINS.contains(&bare);
    }
    out
}

/// A public key is no secret, but long: its last characters tell it from others.
fn public_key(line: &str) -> String {
    let word = |word: &str| {
        let long = word.len() > 40 && word.starts_with("AAAA");
        let tail = word.get(word.len().saturating_sub(12)..).filter(|_| long);
        tail.map_or_else(|| word.to_owned(), |tail| format!("AAAA…{tail}"))
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_nothing_else() {
        for (given, shown) in [
            ("export DB_PASSWORD=hunter2", "export DB_PASSWORD=***"),
            ("export API_KEY='hun ter2'; curl x", "export API_KEY='***'; curl x"),
            (r#"  "client_secret": "hunter2","#, r#"  "client_secret": "***","#),
            ("password: hunter2", "password: ***"),
            ("a --token hunter2 b --password=hunter2", "a --token *** b --password=***"),
            ("curl -H 'Authorization: Bearer hunter2' h", "curl -H 'Authorization: Bearer hunter2' h"),
            ("curl https://u:hunter2@h/p", "curl https://u:***@h/p"),
            ("curl -u me:hunter2 https://h", "curl -u me:*** https://h"),
            ("curl -u me:hunter2 --token hunter2", "curl -u me:*** --token ***"),
            ("AKIAIOSFODNN7EXAMPLE x", "AKIA*** x"),
            ("a ghp_0123456789012345678901234567890123 b", "a ghp_*** b"),
            ("root:$6$saltsalt$0123456789abcdefghij:19000", "root:$6$***:19000"),
            ("TOKEN=$(curl h | sh)", "TOKEN=$(curl h | sh)"),
            ("PASSWORD=\"$OTHER\"", "PASSWORD=\"$OTHER\""),
            ("token; rm -rf x", "token; rm -rf x"),
            ("export PATH=\"$HOME/.cargo/bin:$PATH\"", "export PATH=\"$HOME/.cargo/bin:$PATH\""),
            ("*/5 * * * * root curl http://h/a | sh", "*/5 * * * * root curl http://h/a | sh"),
            ("Password", "Password"),
            ("tokené=x", "tokené=x"),
        ] {
            let shown = shown.replace("Bearer hunter2", MASK);
            assert_eq!(masked(given, None), shown, "{given}");
        }
    }

    #[test]
    fn private_keys_are_left_out_whole() {
        let key =
            "a\n-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\nBBBB\n-----END OPENSSH PRIVATE KEY-----\nb\n";
        assert_eq!(masked(key, None), "a\n-----PRIVATE KEY *** -----\nb\n");
        assert!(!masked("x='-----BEGIN PRIVATE KEY-----\nAAAA\n", None).contains("AAAA"));
    }

    #[test]
    fn what_sudo_and_ssh_call_passwords_stays() {
        let line = "ALL ALL=(ALL) NOPASSWD: ALL";
        assert_eq!(masked(line, Some(Class::Sudoers)), line);
        let line = "PasswordAuthentication yes";
        assert_eq!(masked(line, Some(Class::SshServer)), line);
    }

    #[test]
    fn public_keys_are_short() {
        let key = format!("ssh-ed25519 AAAA{}tailtailtail me@host", "x".repeat(60));
        assert_eq!(masked(&key, Some(Class::AuthorizedKeys)), "ssh-ed25519 AAAA…tailtailtail me@host");
    }
}
