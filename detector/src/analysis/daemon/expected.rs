//! Daemons that nobody wonders about: known helpers of developers, and what the operator declares.

use globset::{GlobBuilder, GlobMatcher};

use super::super::program;
use crate::event::Exec;

/// Known helpers; a line an entry.
const KNOWN: &str = include_str!("../../../../rules/lists/expected_daemons.txt");

/// Where no known helper lives: everybody may write there.
const WRITABLE: &[&str] = &["/tmp/", "/var/tmp/", "/dev/shm/", "/run/shm/"];

/// One kind of daemon: which executable, and which words stand in its arguments.
#[derive(Clone, Debug)]
pub struct ExpectedDaemon {
    path: GlobMatcher,
    words: Vec<Box<str>>,
}

impl ExpectedDaemon {
    /// Reads `PATH [WORD…]`: a glob over the whole path of the executable (`*` within one component, `**`
    /// across them), then words that each stand in some argument.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let path = words.next().unwrap_or_default();
        if !path.starts_with('/') && !path.starts_with("**/") {
            let what = if path.is_empty() { "an empty entry" } else { path };
            return Err(format!(
                "{what} is no path; write the whole path of the executable, e.g. \"/usr/bin/postgres\", or a \
                 glob such as \"/work/**/vite\""
            ));
        }
        let glob = GlobBuilder::new(path).literal_separator(true).build().map_err(|error| {
            format!("{path} is no valid glob: {}; write e.g. \"/usr/bin/postgres\"", error.kind())
        })?;
        Ok(Self { path: glob.compile_matcher(), words: words.map(Into::into).collect() })
    }

    /// Whether a program that was executed at one of these paths is of this kind.
    fn is(&self, exec: &Exec, paths: &[String]) -> bool {
        let Self { path, words } = self;
        paths.iter().any(|known| path.is_match(known))
            && words.iter().all(|word| exec.argv.iter().skip(1).any(|argument| argument.contains(&**word)))
    }
}

/// Who says that a daemon is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Nobody.
    Nobody,
    /// It is a known helper.
    Known,
    /// The configuration.
    Declared,
}

impl Said {
    /// Word for rules.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nobody => "no",
            Self::Known => "known",
            Self::Declared => "declared",
        }
    }
}

/// Every kind that is expected.
#[derive(Debug)]
pub(super) struct Expected {
    known: Vec<ExpectedDaemon>,
    declared: Vec<ExpectedDaemon>,
}

impl Default for Expected {
    fn default() -> Self {
        let lines = KNOWN.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self { known: lines.filter_map(|line| ExpectedDaemon::parse(line).ok()).collect(), declared: vec![] }
    }
}

impl Expected {
    /// What the operator declares, in place of what was declared before. The configuration was checked;
    /// what has no meaning here is passed over.
    pub(super) fn declare(&mut self, entries: &[String]) {
        self.declared = entries.iter().filter_map(|entry| ExpectedDaemon::parse(entry).ok()).collect();
    }

    /// Who expects this program to stay.
    ///
    /// A known helper is judged by its executable alone, which lies where not everybody may write and was
    /// not made by an agent; what the operator declares may be a script as well.
    pub(super) fn says(&self, exec: &Exec) -> Said {
        let scripts = exec.script.as_deref().into_iter().chain(text(exec));
        let scripts = scripts.map(|script| program::absolute(&exec.cwd, script));
        // Where `..` led, its text does not say: nothing is excused by it.
        let scripts = scripts.filter(|script| program::behind_dots(script).is_none());
        let paths: Vec<String> = std::iter::once(exec.exe.to_string()).chain(scripts).collect();
        if self.declared.iter().any(|entry| entry.is(exec, &paths)) {
            return Said::Declared;
        }
        let trusted = exec.nlink > 0
            && exec.written.is_none()
            && !WRITABLE.iter().any(|place| exec.exe.starts_with(place));
        let own = paths.get(..1).unwrap_or_default();
        if trusted && self.known.iter().any(|entry| entry.is(exec, own)) { Said::Known } else { Said::Nobody }
    }
}

/// The program text that an interpreter was given by its first argument.
fn text(exec: &Exec) -> Option<&str> {
    let interprets = program::is_interpreter(exec)
        || program::is_shell(exec)
        || ["node", "nodejs", "bun", "deno", "java"].contains(&program::basename(&exec.exe));
    exec.argv.get(1).map(AsRef::as_ref).filter(|argument| interprets && !argument.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(exe: &str, line: &str) -> Exec {
        Exec {
            exe: exe.into(),
            argv: line.split(' ').map(Into::into).collect(),
            cwd: "/work".into(),
            nlink: 1,
            ..Exec::default()
        }
    }

    #[test]
    fn every_line_of_the_list_has_a_meaning() {
        for line in KNOWN.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            assert!(ExpectedDaemon::parse(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn known_helpers_are_known_by_executable_and_arguments_and_never_in_tmp() {
        let expected = Expected::default();
        for (exe, line) in [
            ("/usr/bin/ssh-agent", "ssh-agent -s"),
            ("/usr/bin/gpg-agent", "gpg-agent --homedir /root/.gnupg --use-standard-socket --daemon"),
            (
                "/usr/lib/jvm/java-17/bin/java",
                "java -Xmx512m org.gradle.launcher.daemon.bootstrap.GradleDaemon 8.5",
            ),
            ("/usr/bin/ssh", "ssh -o ControlMaster=auto -o ControlPersist=60 host true"),
        ] {
            assert_eq!(expected.says(&exec(exe, line)), Said::Known, "{line}");
        }
        for (exe, line) in [
            ("/tmp/ssh-agent", "ssh-agent -s"),
            ("/dev/shm/gpg-agent", "gpg-agent"),
            ("/usr/bin/java", "java -jar server.jar"),
            ("/usr/bin/ssh", "ssh -fN -R 2222:localhost:22 host"),
            ("/usr/bin/ssh-agents", "ssh-agent"),
        ] {
            assert_eq!(expected.says(&exec(exe, line)), Said::Nobody, "{line}");
        }
        let mut deleted = exec("/usr/bin/ssh-agent", "ssh-agent");
        deleted.nlink = 0;
        assert_eq!(expected.says(&deleted), Said::Nobody);
    }

    #[test]
    fn what_is_declared_may_be_a_script_and_need_arguments() {
        let mut expected = Expected::default();
        let entries = ["/usr/bin/postgres", "/work/**/vite", "/usr/bin/python3* http.server"];
        expected.declare(&entries.map(str::to_owned));
        for (exe, line) in [
            ("/usr/bin/postgres", "postgres -D data"),
            ("/usr/bin/node", "node node_modules/.bin/vite --host"),
            ("/usr/bin/python3.11", "python3 -m http.server"),
        ] {
            assert_eq!(expected.says(&exec(exe, line)), Said::Declared, "{line}");
        }
        assert_eq!(expected.says(&exec("/usr/bin/python3.11", "python3 x.py")), Said::Nobody);
        let elsewhere = exec("/usr/bin/node", "node /work/link/../../tmp/vite");
        assert_eq!(expected.says(&elsewhere), Said::Nobody, "nobody knows where .. led");
        expected.declare(&[]);
        assert_eq!(expected.says(&exec("/usr/bin/postgres", "postgres")), Said::Nobody);
    }

    #[test]
    fn what_is_no_path_is_refused_with_the_remedy() {
        assert!(ExpectedDaemon::parse("postgres").unwrap_err().contains("write the whole path"));
        assert!(ExpectedDaemon::parse(" ").unwrap_err().contains("an empty entry"));
        assert!(ExpectedDaemon::parse("/usr/bin/[x").unwrap_err().contains("no valid glob"));
    }
}
