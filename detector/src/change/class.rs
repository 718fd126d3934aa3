//! Which files' content is looked at when they change, by their path.

use crate::event::FileEvent;

/// A kind of file whose lines say what will run, or who may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Crontab with a column for the user.
    SystemCrontab,
    /// Crontab of one user.
    UserCrontab,
    /// anacron's table.
    Anacrontab,
    /// Script that something runs: at boot, daily, by git.
    Script,
    /// Unit, timer or drop-in of systemd, or a configuration of it.
    Unit,
    /// Keys that may log in.
    AuthorizedKeys,
    /// Who may run what as whom.
    Sudoers,
    /// What shells run when they start.
    Shell,
    /// Variables that logins get.
    Environment,
    /// Libraries that the loader puts into programs.
    Preload,
    /// Configuration of the SSH server.
    SshServer,
    /// Rules of udev.
    Udev,
    /// Program that starts with the desktop.
    Desktop,
}

use Class::{
    Anacrontab, AuthorizedKeys, Desktop, Environment, Preload, Script, Shell, SshServer, Sudoers,
    SystemCrontab, Udev, Unit, UserCrontab,
};

/// One file.
pub const FILES: &[(&str, Class)] = &[
    ("/etc/crontab", SystemCrontab),
    ("/etc/anacrontab", Anacrontab),
    ("/etc/sudoers", Sudoers),
    ("/etc/ld.so.preload", Preload),
    ("/etc/rc.local", Script),
    ("/etc/rc.d/rc.local", Script),
    ("/etc/ssh/sshd_config", SshServer),
    ("/etc/ssh/sshrc", Script),
    ("/etc/profile", Shell),
    ("/etc/bash.bashrc", Shell),
    ("/etc/bash.bash_logout", Shell),
    ("/etc/bashrc", Shell),
    ("/etc/zshenv", Shell),
    ("/etc/zshrc", Shell),
    ("/etc/zprofile", Shell),
    ("/etc/csh.cshrc", Shell),
    ("/etc/csh.login", Shell),
    ("/etc/environment", Environment),
];

/// Everything below a directory.
pub const BELOW: &[(&str, Class)] = &[
    ("/etc/cron.d/", SystemCrontab),
    ("/etc/cron.hourly/", Script),
    ("/etc/cron.daily/", Script),
    ("/etc/cron.weekly/", Script),
    ("/etc/cron.monthly/", Script),
    ("/etc/crontabs/", UserCrontab),
    ("/var/spool/cron/atjobs/", Script),
    ("/var/spool/cron/atspool/", Script),
    ("/var/spool/atjobs/", Script),
    ("/var/spool/at/", Script),
    ("/var/spool/cron/", UserCrontab),
    ("/etc/systemd/system/", Unit),
    ("/etc/systemd/user/", Unit),
    ("/run/systemd/system/", Unit),
    ("/run/systemd/user/", Unit),
    ("/run/systemd/transient/", Unit),
    ("/usr/local/lib/systemd/", Unit),
    ("/usr/lib/systemd/system/", Unit),
    ("/usr/lib/systemd/user/", Unit),
    ("/lib/systemd/system/", Unit),
    ("/lib/systemd/user/", Unit),
    ("/etc/sudoers.d/", Sudoers),
    ("/etc/ssh/sshd_config.d/", SshServer),
    ("/etc/ssh/authorized_keys", AuthorizedKeys),
    ("/etc/profile.d/", Shell),
    ("/etc/zsh/", Shell),
    ("/etc/fish/", Shell),
    ("/etc/init.d/", Script),
    ("/etc/update-motd.d/", Script),
    ("/etc/udev/rules.d/", Udev),
    ("/run/udev/rules.d/", Udev),
    ("/etc/xdg/autostart/", Desktop),
];

/// Files of a user, below whatever home directory.
pub const HOME_FILES: &[(&str, Class)] = &[
    (".profile", Shell),
    (".bashrc", Shell),
    (".bash_profile", Shell),
    (".bash_login", Shell),
    (".bash_logout", Shell),
    (".bash_aliases", Shell),
    (".zshrc", Shell),
    (".zshenv", Shell),
    (".zprofile", Shell),
    (".zlogin", Shell),
    (".zlogout", Shell),
    (".kshrc", Shell),
    (".cshrc", Shell),
    (".tcshrc", Shell),
    (".login", Shell),
    (".shrc", Shell),
    (".xprofile", Shell),
    (".xsessionrc", Shell),
    (".config/fish/config.fish", Shell),
    (".ssh/authorized_keys", AuthorizedKeys),
    (".ssh/authorized_keys2", AuthorizedKeys),
    (".ssh/rc", Script),
    (".ssh/environment", Environment),
];

/// Directories of a user.
pub const HOME_BELOW: &[(&str, Class)] = &[
    (".config/fish/conf.d/", Shell),
    (".config/environment.d/", Environment),
    (".config/systemd/user/", Unit),
    (".local/share/systemd/user/", Unit),
    (".config/autostart/", Desktop),
];

/// The class of the file at a resolved path, if its content is looked at.
pub fn class(path: &str) -> Option<Class> {
    let found = if path.starts_with("/etc/") || path.starts_with("/var/spool/") || path.contains("/systemd/")
    {
        let file = FILES.iter().find(|(file, _)| *file == path);
        file.or_else(|| BELOW.iter().find(|(below, _)| path.starts_with(below)))
    } else {
        None
    };
    if let Some((_, class)) = found {
        return Some(*class);
    }
    if path.starts_with("/run/udev/rules.d/") {
        return Some(Udev);
    }
    // What a user starts begins with a dot somewhere.
    let (dot, _) = path.match_indices("/.").find(|(at, _)| !is_traversal(path, *at))?;
    if let Some((_, hook)) = path.rsplit_once("/.git/hooks/") {
        return (!hook.ends_with(".sample")).then_some(Script);
    }
    let hidden = path.get(dot + 1..)?;
    HOME_FILES
        .iter()
        .find(|(file, _)| *file == hidden)
        .or_else(|| HOME_BELOW.iter().find(|(below, _)| hidden.starts_with(below)))
        .map(|(_, class)| *class)
}

/// The class of the file that an event is about, by its path as the process has it and as the host has it.
pub fn class_of(file: &FileEvent) -> Option<Class> {
    class(&file.path).or_else(|| class(file.host_path.as_deref()?))
}

fn is_traversal(path: &str, at: usize) -> bool {
    path.get(at + 1..).is_some_and(|rest| rest.starts_with("./") || rest.starts_with("../"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_the_class_of_what_reads_them() {
        for (path, expected) in [
            ("/etc/crontab", Some(SystemCrontab)),
            ("/etc/cron.d/a", Some(SystemCrontab)),
            ("/etc/cron.daily/a", Some(Script)),
            ("/var/spool/cron/crontabs/root", Some(UserCrontab)),
            ("/var/spool/cron/root", Some(UserCrontab)),
            ("/var/spool/cron/atjobs/a0001", Some(Script)),
            ("/etc/systemd/system/a.service", Some(Unit)),
            ("/usr/lib/systemd/system/a.timer", Some(Unit)),
            ("/home/u/.config/systemd/user/a.timer", Some(Unit)),
            ("/srv/x/.ssh/authorized_keys", Some(AuthorizedKeys)),
            ("/root/.bashrc", Some(Shell)),
            ("/root/.config/fish/conf.d/a.fish", Some(Shell)),
            ("/work/repo/.git/hooks/pre-commit", Some(Script)),
            ("/work/repo/.git/hooks/pre-commit.sample", None),
            ("/run/udev/rules.d/9.rules", Some(Udev)),
            ("/etc/ld.so.preload", Some(Preload)),
            ("/etc/passwd", None),
            ("/work/etc/cron.d/a", None),
            ("/work/.hidden/.bashrc", None),
            ("/work/src/main.rs", None),
            ("", None),
        ] {
            assert_eq!(class(path), expected, "{path}");
        }
    }
}
