//! The file that an event is about: its names that count, where it is, and whether its writer is trusted.

use crate::event::{Exec, FileEvent, Trust};

/// Where the programs of the system are, and the scripts that packages bring.
const SYSTEM: [&str; 7] = ["/usr/", "/bin/", "/sbin/", "/lib", "/var/lib/dpkg/", "/etc/", "/opt/"];
/// Directories that no work is done in: being started there says nothing.
const NO_WORKSPACE: [&str; 9] = ["", "/", "/root", "/home", "/etc", "/usr", "/var", "/opt", "/tmp"];

/// The path on the host, or else as the process has it; the latter too, where it is another of the host's.
pub(super) fn names(file: &FileEvent) -> (&str, Option<&str>) {
    match file.host_path.as_deref() {
        Some(host) if file.in_host && host != &*file.path => (host, Some(&file.path)),
        Some(host) => (host, None),
        None => (&file.path, None),
    }
}

/// Whether a write there is one on the host. Where nobody said whose mounts the process has, it is.
pub(super) fn is_on_host(file: &FileEvent) -> bool {
    file.in_host || file.host_path.is_some() || file.mntns == 0
}

/// Whether the file is a directory.
pub(super) fn is_directory(file: &FileEvent) -> bool {
    const S_IFMT: u32 = 0o170_000;
    const S_IFDIR: u32 = 0o040_000;
    file.mode & S_IFMT == S_IFDIR
}

/// Whether the file is where the processes of its writer work: below the directory that one of them was
/// started in, or in the project (what a hidden directory such as `.git` lies in) around that.
pub(super) fn is_in_workspace(file: &FileEvent, execs: &mut dyn Iterator<Item = &Exec>) -> bool {
    let path = &*file.path;
    let hidden = path.find("/.").map_or(path, |at| path.get(..at).unwrap_or(path));
    let project = if hidden.len() == path.len() { parent(path) } else { hidden };
    std::iter::from_fn(|| execs.next()).any(|exec| {
        let cwd = exec.cwd.trim_end_matches('/');
        let is_below = |path: &str, directory: &str| {
            !is_nowhere(directory)
                && path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        is_below(path, cwd) || is_below(cwd, project)
    })
}

/// Whether a directory is one that work is not done in but below.
fn is_nowhere(directory: &str) -> bool {
    NO_WORKSPACE.contains(&directory) || parent(directory) == "/home"
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Whether a writer's program is trusted itself, or is one of the system's that a trusted installer runs, with
/// nothing but such programs between the two.
pub(super) fn is_writer_trusted<'a>(exec: &'a Exec, above: impl Iterator<Item = &'a Exec>) -> bool {
    if exec.trust != Trust::None {
        return true;
    }
    let mut chain = std::iter::once(exec).chain(above);
    let first_other = chain.find(|exec| exec.trust != Trust::None || !is_of_the_system(exec));
    first_other.is_some_and(|exec| exec.trust == Trust::Installer)
}

/// Whether a program, and the script that it interprets, stand where packages put them, and no agent wrote it.
fn is_of_the_system(exec: &Exec) -> bool {
    let is_there = |path: &str| SYSTEM.iter().any(|place| path.starts_with(place));
    exec.written.is_none() && is_there(&exec.exe) && exec.script.as_deref().is_none_or(is_there)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(exe: &str, trust: Trust) -> Exec {
        Exec { exe: exe.into(), trust, ..Exec::default() }
    }

    fn file(path: &str) -> FileEvent {
        FileEvent { path: path.into(), ..FileEvent::default() }
    }

    #[test]
    fn the_path_on_the_host_counts_and_the_other_too_where_it_is_the_hosts() {
        let bound = FileEvent { host_path: Some("/etc/x".into()), mntns: 9, ..file("/tmp/x") };
        assert_eq!(names(&bound), ("/etc/x", None));
        assert!(is_on_host(&bound));
        let bound = FileEvent { in_host: true, ..bound };
        assert_eq!(names(&bound), ("/etc/x", Some("/tmp/x")));
        let layer = FileEvent { mntns: 9, ..file("/etc/x") };
        assert_eq!((names(&layer), is_on_host(&layer)), (("/etc/x", None), false));
        assert!(is_on_host(&file("/etc/x")), "nothing is known of its mounts");
    }

    #[test]
    fn a_workspace_is_below_or_around_where_the_agent_was_started() {
        let at = |cwd: &str| Exec { cwd: cwd.into(), ..Exec::default() };
        let hook = file("/work/project/.git/hooks/pre-commit");
        for (cwd, expected) in [
            ("/work/project", true),
            ("/work/project/src", true),
            ("/work", true),
            ("/work/other", false),
            ("/", false),
            ("/home/u", false),
        ] {
            assert_eq!(is_in_workspace(&hook, &mut [&at(cwd)].into_iter()), expected, "{cwd}");
        }
        let home = file("/home/u/.git/hooks/pre-commit");
        assert!(!is_in_workspace(&home, &mut [&at("/home/u/project")].into_iter()));
        assert!(is_in_workspace(&file("/work/AGENTS.md"), &mut [&at("/work/src")].into_iter()));
    }

    #[test]
    fn trust_goes_down_from_an_installer_through_programs_of_the_system_alone() {
        let (dpkg, apt) = (exec("/usr/bin/dpkg", Trust::Installer), exec("/usr/bin/apt-get", Trust::Writer));
        let (dash, own) = (exec("/usr/bin/dash", Trust::None), exec("/tmp/evil", Trust::None));
        assert!(is_writer_trusted(&dpkg, [].into_iter()));
        assert!(is_writer_trusted(&dash, [&dash, &dpkg, &apt].into_iter()));
        assert!(!is_writer_trusted(&dash, [&apt].into_iter()), "a hook of apt is no script of a package");
        assert!(!is_writer_trusted(&dash, [&own, &dpkg].into_iter()));
        assert!(!is_writer_trusted(&own, [&dpkg].into_iter()));
        assert!(!is_writer_trusted(&dash, [&dash].into_iter()));
        let script = Exec { script: Some("/tmp/systemctl".into()), ..dash.clone() };
        assert!(!is_writer_trusted(&script, [&dpkg].into_iter()));
    }
}
