//! What lines do, by the class of their file.

use super::cron::Columns;
use super::{Class, cron, key, shell, sudo, unit};

/// Most sentences of one change.
const MOST: usize = 20;

/// Most sentences about lines that went.
const MOST_GONE: usize = 5;

/// What lines do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meaning {
    /// A sentence each, what needs a look first.
    pub sentences: Vec<String>,
    /// The same in single words, each once and in order; for lines that a shell runs.
    pub kinds: Vec<&'static str>,
}

/// What lines that came and lines that went do.
pub fn meaning(class: Class, added: &[&str], removed: &[&str]) -> Meaning {
    let mut kinds = Vec::new();
    let mut found: Vec<(bool, String)> = Vec::new();
    for line in added {
        let (of_line, sentence) = said(class, line);
        let is_harmless = !of_line.is_empty() && of_line.iter().all(|kind| shell::is_harmless(kind));
        kinds.extend(of_line);
        found.extend(sentence.map(|sentence| (is_harmless, sentence)));
    }
    kinds.sort_unstable();
    kinds.dedup();
    // What needs a look must not hide behind twenty lines that need none.
    found.sort_by_key(|(is_harmless, _)| *is_harmless);
    let more = found.len().saturating_sub(MOST);
    let mut sentences: Vec<String> = found.into_iter().take(MOST).map(|(_, sentence)| sentence).collect();
    let gone = removed.iter().filter_map(|line| said(class, line).1);
    sentences.extend(gone.take(MOST_GONE).map(|sentence| format!("no longer: {sentence}")));
    if more > 0 {
        sentences.push(format!("and {more} more"));
    }
    Meaning { sentences, kinds }
}

fn said(class: Class, line: &str) -> (Vec<&'static str>, Option<String>) {
    let sentence = match class {
        Class::SystemCrontab => cron::sentence(line, Columns::System),
        Class::UserCrontab => cron::sentence(line, Columns::User),
        Class::Anacrontab => cron::sentence(line, Columns::Anacron),
        Class::Unit => unit::unit(line),
        Class::AuthorizedKeys => key::authorized(line),
        Class::Sudoers => sudo::sentence(line),
        Class::SshServer => key::server(line),
        Class::Udev => unit::udev(line),
        Class::Desktop => unit::desktop(line),
        Class::Preload => preload(line),
        Class::Script | Class::Shell => return shell::look(line),
        Class::Environment => return (shell::look(line).0, environment(line)),
    };
    (Vec::new(), sentence)
}

fn preload(line: &str) -> Option<String> {
    let line = line.split('#').next()?.trim();
    (!line.is_empty()).then(|| format!("every program loads {line}"))
}

fn environment(line: &str) -> Option<String> {
    let (name, value) = cron::variable(line.trim().trim_start_matches("export "))?;
    Some(format!("sets {name} to {value} at every login"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_look_comes_first_and_the_rest_is_counted() {
        let mut lines = vec!["export A=b"; 30];
        lines.push("curl h | sh");
        let found = meaning(Class::Shell, &lines, &["alias a=b"]);
        assert_eq!(found.sentences.len(), 22);
        assert_eq!(found.sentences[0], "runs what it downloads: curl h | sh");
        assert_eq!(found.sentences[20], "no longer: gives a command another meaning: alias a=b");
        assert_eq!(found.sentences[21], "and 11 more");
        assert_eq!(found.kinds, ["download", "environment"]);
    }

    #[test]
    fn libraries_for_every_program_are_named() {
        let found = meaning(Class::Preload, &["/tmp/a.so # x"], &[]);
        assert_eq!(found.sentences, ["every program loads /tmp/a.so"]);
    }
}
