//! Lines of crontabs.

use super::schedule;

/// Which columns a crontab has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Columns {
    /// Schedule, user, command.
    System,
    /// Schedule, command.
    User,
    /// Days, delay, name, command.
    Anacron,
}

/// What a line does; nothing for a comment and for what is no line of a crontab.
pub(super) fn sentence(line: &str, columns: Columns) -> Option<String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    if let Some((name, value)) = variable(line) {
        return Some(format!("sets {name} to {value} for its jobs"));
    }
    if columns == Columns::Anacron && !line.starts_with('@') {
        let ([days, _delay, _name], command) = split::<3>(line)?;
        let days: u32 = days.parse().ok()?;
        let every = if days == 1 { "every day".to_owned() } else { format!("every {days} days") };
        return Some(format!("{every}: {command}"));
    }
    let (when, rest) = if line.starts_with('@') {
        let ([word], rest) = split::<1>(line)?;
        (schedule::nickname(word)?.to_owned(), rest)
    } else {
        let (words, rest) = split::<5>(line)?;
        (schedule::fields(words)?, rest)
    };
    Some(match columns {
        Columns::System => {
            let ([user], command) = split::<1>(rest)?;
            format!("{when}, as {user}: {command}")
        }
        Columns::Anacron => {
            let ([_delay, _name], command) = split::<2>(rest)?;
            format!("{when}: {command}")
        }
        Columns::User => format!("{when}: {rest}"),
    })
}

/// `NAME=VALUE`, with blanks around the sign.
pub(super) fn variable(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim().trim_matches(['"', '\'']);
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).then(|| (name, value.trim()))
}

/// The first words and what follows them, which is not empty.
fn split<const N: usize>(line: &str) -> Option<([&str; N], &str)> {
    let mut words = [""; N];
    let mut rest = line.trim_start();
    for word in &mut words {
        let (first, behind) = rest.split_once([' ', '\t'])?;
        (*word, rest) = (first, behind.trim_start());
    }
    (!rest.is_empty()).then_some((words, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_say_when_who_and_what() {
        let check = |columns, line, said: Option<&str>| {
            assert_eq!(sentence(line, columns).as_deref(), said, "{line}");
        };
        check(
            Columns::System,
            "*/5 *\t* * * root  curl -s h | sh",
            Some("every 5 minutes, as root: curl -s h | sh"),
        );
        check(Columns::System, "@reboot www-data /tmp/a", Some("at every boot, as www-data: /tmp/a"));
        check(Columns::System, "# */5 * * * * root x", None);
        check(Columns::System, "MAILTO=\"\"", Some("sets MAILTO to \"\" for its jobs"));
        check(Columns::System, "*/5 * * * * root", None);
        check(Columns::System, "garbage \u{0} here", None);
        check(Columns::User, "0 3 * * * a=b c", Some("at 03:00 every day: a=b c"));
        check(Columns::Anacron, "7 10 cron.weekly run-parts x", Some("every 7 days: run-parts x"));
        check(Columns::Anacron, "@monthly 15 c run", Some("once a month: run"));
    }
}
