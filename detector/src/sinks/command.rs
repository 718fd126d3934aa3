//! Alerts to a command of the operator's: one run for each, JSON on its standard input.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, OFlags, fcntl_getfl, fcntl_setfl, memfd_create};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, geteuid, kill_process_group, pidfd_open};
use serde::{Deserialize, Serialize};

use super::gist::Gist;
use super::http::Http;
use super::stdout::message_line;
use super::{Failure, Grain, Kind, Message, Problem, Receipt, Sink, SinkError};
use crate::alert::escape::clip;

/// How long a run may take, unless configured.
const WHOLE: Duration = Duration::from_secs(10);
/// Longest that may be configured: a run that takes longer holds up the queue.
const LONGEST: Duration = Duration::from_secs(600);
/// Where programs are looked for that the command starts.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// EX_TEMPFAIL of sysexits.h: try again.
const TRY_AGAIN: i32 = 75;
/// Last bytes of its standard error that are kept.
const SAID_MOST: usize = 4 << 10;
/// Most bytes that are read after its end.
const LEFT_MOST: usize = 256 << 10;
/// Most characters of a reason.
const REASON_MOST: usize = 200;

/// A command for each alert.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CommandConfig {
    /// The program's whole path and its arguments: `["/usr/local/bin/on-alert", "--json"]`. No shell reads them, and
    /// nothing of an alert becomes part of them. Exit status 0 is "arrived", 75 "try again", any other "refused".
    pub command: Vec<String>,
    /// How long a run may take before it is killed with all that it started; `"10s"` where not given.
    #[serde(default, with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// User of /etc/passwd that it runs as, with that user's group alone; the detector's own where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

impl CommandConfig {
    fn program(&self) -> Result<(PathBuf, &[String]), Problem> {
        let wrong = |message: &str| Problem::new("command", message);
        let (program, arguments) = self
            .command
            .split_first()
            .ok_or_else(|| wrong("names no program; write e.g. [\"/usr/local/bin/on-alert\"]"))?;
        if self.command.iter().any(|word| word.contains('\0')) {
            return Err(wrong("holds a NUL character, which no argument can"));
        }
        Ok((program.into(), arguments))
    }

    fn account(&self) -> Result<Option<Account>, Problem> {
        let Some(user) = &self.user else { return Ok(None) };
        let wrong = |message: String| Problem::new("user", message);
        if !geteuid().is_root() {
            return Err(wrong("only root can run a command as another user; leave the key out".to_owned()));
        }
        let passwd = fs::read_to_string("/etc/passwd")
            .map_err(|error| wrong(format!("/etc/passwd cannot be read: {error}")))?;
        let account = account(&passwd, user).ok_or_else(|| {
            wrong(format!("/etc/passwd has no user \"{user}\"; add one with `useradd --system`"))
        })?;
        Ok(Some(account))
    }
}

impl Kind for CommandConfig {
    const NAME: &'static str = "command";
    const GRAIN: Grain = Grain::Alert;
    const RATE: Option<u32> = Some(600);

    fn check(&self) -> Result<(), Problem> {
        let (program, _) = self.program()?;
        can_be_trusted(&program).map_err(|message| Problem::new("command", message))?;
        if self.timeout.is_some_and(|timeout| timeout.is_zero() || timeout > LONGEST) {
            let message = format!("is not between 1ms and {} s; 10s is usual", LONGEST.as_secs());
            return Err(Problem::new("timeout", message));
        }
        self.account()?;
        Ok(())
    }

    fn open(&self, name: &str, _http: &Http) -> Result<Box<dyn Sink>, SinkError> {
        let setup = |Problem { key, message }| SinkError::Setup {
            name: name.to_owned(),
            reason: format!("{key}: {message}"),
        };
        let (program, arguments) = self.program().map_err(setup)?;
        Ok(Box::new(Runner {
            program,
            arguments: arguments.to_vec(),
            account: self.account().map_err(setup)?,
            whole: self.timeout.unwrap_or(WHOLE),
        }))
    }

    fn files(&self) -> Vec<PathBuf> {
        self.command.first().map(PathBuf::from).into_iter().collect()
    }
}

/// Who a command runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Account {
    uid: u32,
    gid: u32,
}

/// Finds a user in the text of /etc/passwd (passwd(5)).
fn account(passwd: &str, user: &str) -> Option<Account> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(user) && !user.is_empty())?;
    let mut fields = line.split(':').skip(2);
    Some(Account { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
}

/// Whether nobody but root and ourselves can change what would run.
fn can_be_trusted(program: &Path) -> Result<(), String> {
    let name = program.display();
    if !program.is_absolute() {
        return Err(format!("{name}: write the program's whole path, from /"));
    }
    let place = fs::canonicalize(program)
        .map_err(|error| format!("{name}: {error}; name a program that is there"))?;
    let metadata = fs::metadata(&place).map_err(|error| format!("{name}: {error}"))?;
    if !metadata.is_file() {
        return Err(format!("{name} is no file; name a program"));
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err(format!("{name} is not executable; run `chmod 755 {name}`"));
    }
    if may_be_changed(&metadata, 0o022) {
        let place = place.display();
        return Err(format!(
            "{place} can be changed by others; run `chown root {place}` and `chmod 755 {place}`"
        ));
    }
    for above in place.ancestors().skip(1) {
        let metadata = fs::metadata(above).map_err(|error| format!("{}: {error}", above.display()))?;
        // In a sticky directory nobody replaces what belongs to others.
        let bits = if metadata.permissions().mode() & 0o1000 == 0 { 0o022 } else { 0 };
        if may_be_changed(&metadata, bits) {
            let above = above.display();
            return Err(format!(
                "what is in {above} can be replaced by others; move the program, or `chmod go-w {above}`"
            ));
        }
    }
    Ok(())
}

fn may_be_changed(metadata: &Metadata, bits: u32) -> bool {
    let is_others = metadata.uid() != 0 && metadata.uid() != geteuid().as_raw();
    let for_group = if metadata.gid() == 0 { bits & !0o020 } else { bits };
    is_others || metadata.permissions().mode() & for_group != 0
}

/// Runs the command.
#[derive(Debug)]
struct Runner {
    program: PathBuf,
    arguments: Vec<String>,
    account: Option<Account>,
    whole: Duration,
}

impl Sink for Runner {
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure> {
        let line = message_line(message)?;
        can_be_trusted(&self.program).map_err(Failure::later)?;
        let child = self
            .start(message, line.as_bytes())
            .map_err(|error| Failure::later(format!("{} does not start: {error}", self.program.display())))?;
        let name = self.program.file_name().unwrap_or_default().display();
        let ended = watch(child, self.whole)
            .map_err(|error| Failure::later(format!("{name} cannot be waited for: {error}")))?;
        let Ended { status, said } = ended;
        let Some(status) = status else {
            let whole = humantime::format_duration(self.whole);
            return Err(Failure::later(format!("{name} took longer than {whole} and was killed{said}")));
        };
        match (status.code(), status.signal()) {
            (Some(0), _) => Ok(Receipt::default()),
            (Some(TRY_AGAIN), _) => Err(Failure::later(format!("{name} asks to try again{said}"))),
            (Some(code), _) => Err(Failure::refused(format!("{name} ended with status {code}{said}"))),
            (None, signal) => {
                let signal = signal.unwrap_or_default();
                Err(Failure::later(format!("{name} was killed by signal {signal}{said}")))
            }
        }
    }
}

impl Runner {
    fn start(&self, message: &Message<'_>, line: &[u8]) -> io::Result<Child> {
        // A file in memory: a command that does not read its input blocks nobody.
        let mut input = File::from(memfd_create("detector-alert", MemfdFlags::CLOEXEC)?);
        input.write_all(line)?;
        input.seek(SeekFrom::Start(0))?;
        let Gist { key, id, incident, level, host: _, time: _, line: _, agent, rule, pid: _ } =
            Gist::of(message);
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .env("PATH", PATH)
            .env("DETECTOR_KEY", key)
            .env("DETECTOR_ALERT", id)
            .env("DETECTOR_INCIDENT", incident)
            .env("DETECTOR_LEVEL", level.name())
            .env("DETECTOR_AGENT", agent.unwrap_or_default())
            .env("DETECTOR_RULE", rule.unwrap_or_default())
            .current_dir("/")
            .process_group(0)
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if let Some(Account { uid, gid }) = self.account {
            // Started by root, it loses every other group, too.
            command.uid(uid).gid(gid);
        }
        command.spawn()
    }
}

/// How a run ended.
struct Ended {
    /// `None` where it was killed for taking too long.
    status: Option<ExitStatus>,
    /// The last line of its standard error as part of a reason, empty where it said nothing.
    said: String,
}

/// Waits for the end of a run, for as long as it may take, and listens to it meanwhile.
fn watch(mut child: Child, whole: Duration) -> io::Result<Ended> {
    let end = Instant::now() + whole;
    let outcome = listen(&mut child, end);
    let is_late = !matches!(outcome, Ok((true, _)));
    if is_late && let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // The leader is not waited for yet, so that the number is still that of its group.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let status = child.wait()?;
    let (_, said) = outcome?;
    Ok(Ended { status: (!is_late).then_some(status), said: last_line(&said) })
}

/// Whether it ended in time, and the last of what it said.
fn listen(child: &mut Child, end: Instant) -> io::Result<(bool, Vec<u8>)> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
    let ended = pidfd_open(pid, PidfdFlags::empty())?;
    let mut said = Vec::new();
    let mut errors = child.stderr.take();
    if let Some(errors) = &errors {
        fcntl_setfl(errors, fcntl_getfl(errors)? | OFlags::NONBLOCK)?;
    }
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok((false, said));
        }
        let timeout = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        let mut fds = vec![PollFd::from_borrowed_fd(ended.as_fd(), PollFlags::IN)];
        if let Some(errors) = &errors {
            fds.push(PollFd::from_borrowed_fd(errors.as_fd(), PollFlags::IN));
        }
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_over = fds.first().is_some_and(|fd| !fd.revents().is_empty());
        let has_more = fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
        drop(fds);
        if (has_more || is_over)
            && let Some(pipe) = &mut errors
            && !read(pipe, &mut said)
        {
            errors = None;
        }
        if is_over {
            return Ok((true, said));
        }
    }
}

/// Reads what is there, and keeps the last of it; `false` once nothing more can come.
fn read(pipe: &mut ChildStderr, said: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 8 << 10];
    let mut total = 0;
    while total < LEFT_MOST {
        match pipe.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => {
                total += count;
                said.extend_from_slice(buffer.get(..count).unwrap_or_default());
                said.drain(..said.len().saturating_sub(SAID_MOST));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
    true
}

fn last_line(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
    line.map_or_else(String::new, |line| format!(": {}", clip(line, REASON_MOST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533::/:/bin/false\nbad:x:y:1\n";
        assert_eq!(account(passwd, "nobody"), Some(Account { uid: 65_534, gid: 65_533 }));
        for user in ["no", "", "bad", "nobody:x"] {
            assert_eq!(account(passwd, user), None, "{user}");
        }
    }

    #[test]
    fn the_reason_is_the_last_line_that_says_something() {
        assert_eq!(last_line(b"one\ntwo\x1b[2J\n\n"), ": two\\u{1b}[2J");
        assert_eq!(last_line(b"\n \n"), "");
        assert_eq!(last_line(&[0xff; 10_000]).chars().count(), 2 + REASON_MOST + 1);
    }
}
