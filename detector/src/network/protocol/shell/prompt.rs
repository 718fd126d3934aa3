//! Prompts: the whole of what was sent, ending in `$ ` or `# `.

/// Longest prompt, escape sequences included.
const LONGEST: usize = 512;
/// Longest name of a user.
const USER: usize = 32;

/// Whether the bytes are a prompt and nothing else.
pub(super) fn is(bytes: &[u8]) -> bool {
    if bytes.len() > LONGEST || !bytes.ends_with(b" ") && !bytes.ends_with(b"m") && !bytes.ends_with(b"h") {
        return false;
    }
    let text = plain(bytes);
    let text = text.trim_start_matches(['\r', '\n']);
    let Some(before) = ["$ ", "# ", "% "].into_iter().find_map(|end| text.strip_suffix(end)) else {
        return false;
    };
    // Two lines, as Kali has them.
    if let Some((first, last)) = before.split_once('\n') {
        return first.starts_with("\u{250c}\u{2500}") && last.starts_with("\u{2514}\u{2500}");
    }
    before.is_empty() || versioned(before) || path(before) || place(before)
}

/// Whether more bytes may make it a prompt.
pub(super) fn begins(bytes: &[u8]) -> bool {
    let text = plain(bytes);
    let text = text.trim_start_matches(['\r', '\n']);
    if text.starts_with("\u{250c}") {
        return text.matches('\n').count() <= 1;
    }
    // A cut escape sequence leaves nothing or an incomplete letter.
    if text.is_empty() || text.contains('\u{fffd}') && text.chars().count() <= 1 {
        return bytes.is_empty() || bytes.contains(&0x1b) || bytes.first().is_some_and(|byte| *byte == 0xe2);
    }
    let before = text.strip_suffix(['$', '#', '%']).unwrap_or(text);
    before.is_empty() && text.len() <= 1
        || ["bash-", "sh-", "zsh-", "ksh-", "dash-"].iter().any(|name| name.starts_with(before))
        || versioned(before)
        || path(before)
        || opens_place(before)
}

/// What is left without escape sequences and carriage returns; a cut sequence is left out whole.
pub(super) fn plain(bytes: &[u8]) -> String {
    let mut kept = Vec::with_capacity(bytes.len().min(LONGEST));
    let mut rest = bytes.iter().take(LONGEST).copied().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            0x1b => match rest.next() {
                // Up to its final letter.
                Some(b'[') => while rest.next().is_some_and(|byte| !(0x40..=0x7e).contains(&byte)) {},
                // Up to a bell, or to escape and backslash.
                Some(b']') => {
                    while let Some(byte) = rest.next() {
                        if byte == 0x07 || byte == 0x1b && rest.next_if_eq(&b'\\').is_some() {
                            break;
                        }
                    }
                }
                Some(_) | None => {}
            },
            b'\r' => {}
            _ => kept.push(byte),
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// `bash-5.2`
fn versioned(text: &str) -> bool {
    text.split_once('-').is_some_and(|(name, version)| {
        ["bash", "sh", "zsh", "ksh", "dash"].contains(&name)
            && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

/// `/root` or `~/x`, with or without a space behind it.
fn path(text: &str) -> bool {
    let text = text.strip_suffix(' ').unwrap_or(text);
    text.starts_with(['/', '~'])
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/~._-".contains(&byte))
}

/// `user@host:/path`, `[user@host directory]`, `(venv) user@host:~`
fn place(text: &str) -> bool {
    let text = environment(text).unwrap_or(text);
    if let Some(inside) = text.strip_prefix('[') {
        return inside
            .strip_suffix(']')
            .and_then(|inside| inside.split_once(' '))
            .is_some_and(|(who, _)| who_at(who));
    }
    text.split_once(':').is_some_and(|(who, path)| who_at(who) && path.starts_with(['/', '~']))
        || text.split_once(' ').is_some_and(|(who, path)| who_at(who) && path.starts_with(['/', '~']))
}

fn opens_place(text: &str) -> bool {
    if let Some(inside) = text.strip_prefix('(') {
        return environment(text).map_or_else(|| inside.bytes().all(word), opens_place);
    }
    let text = text.strip_prefix('[').unwrap_or(text);
    if text.bytes().any(|byte| byte < 0x20) || !text.is_empty() && !text.starts_with(user) {
        return false;
    }
    match text.split_once([':', ' ']) {
        Some((who, _)) => who_at(who),
        None => match text.split_once('@') {
            Some((user, host)) => user.bytes().chain(host.bytes()).all(word),
            None => text.len() <= USER && text.bytes().all(word),
        },
    }
}

/// What stands behind `(venv) `.
fn environment(text: &str) -> Option<&str> {
    let (name, rest) = text.strip_prefix('(')?.split_once(')')?;
    name.bytes().all(word).then(|| rest.trim_start_matches(' '))
}

/// `user@host`
fn who_at(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, host)| {
        !host.is_empty() && name.starts_with(user) && name.bytes().all(word) && host.bytes().all(word)
    })
}

/// First letter of a user's name.
fn user(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter == '_'
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)
}
