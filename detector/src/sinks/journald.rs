//! Alerts as entries of systemd's journal, by its own protocol.
//!
//! The protocol: <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>. journald acknowledges nothing, and drops what comes too
//! fast (`RateLimitBurst=` in journald.conf, 10,000 entries in 30 s where not set).

use std::io::{IoSlice, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, sendmsg_addr};
use serde::{Deserialize, Serialize};

use super::gist::Gist;
use super::http::Http;
use super::stdout::message_line;
use super::{Body, Failure, Grain, Kind, Message, Problem, Receipt, Sink, SinkError};

/// Where journald listens.
const SOCKET: &str = "/run/systemd/journal/socket";
/// MESSAGE_ID of alerts: a number that nobody else uses.
const ALERT: &str = "b6a7e83d2d0842c48915a0a4bc70991f";
/// MESSAGE_ID of digests and notices.
const CARD: &str = "ae6d77c2d78d4a2e8ac3e00cce4d34d3";
/// Longest path of a socket (unix(7)).
const PATH_MOST: usize = 107;
/// How long journald may leave its queue full.
const WAIT: Duration = Duration::from_secs(10);
/// The facility authpriv, whose entries are for administrators.
const FACILITY: &str = "10";

/// Entries in systemd's journal.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct JournaldConfig {
    /// journald's socket; `/run/systemd/journal/socket` where not given. A journal namespace has one of its own:
    /// `/run/systemd/journal.NAME/socket`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
}

impl JournaldConfig {
    fn socket(&self) -> &Path {
        self.socket.as_deref().unwrap_or(Path::new(SOCKET))
    }
}

impl Kind for JournaldConfig {
    const NAME: &'static str = "journald";
    const GRAIN: Grain = Grain::Alert;
    const RATE: Option<u32> = None;

    fn check(&self) -> Result<(), Problem> {
        let socket = self.socket();
        if !socket.is_absolute() || socket.as_os_str().len() > PATH_MOST {
            let message =
                format!("{}: write the whole path, from /, of at most {PATH_MOST} bytes", socket.display());
            return Err(Problem::new("socket", message));
        }
        Ok(())
    }

    fn open(&self, name: &str, _http: &Http) -> Result<Box<dyn Sink>, SinkError> {
        let setup = |error: &dyn std::fmt::Display| SinkError::Setup {
            name: name.to_owned(),
            reason: format!("no socket can be made: {error}"),
        };
        let socket = UnixDatagram::unbound().map_err(|error| setup(&error))?;
        socket.set_write_timeout(Some(WAIT)).map_err(|error| setup(&error))?;
        let address = SocketAddrUnix::new(self.socket()).map_err(|error| setup(&error))?;
        Ok(Box::new(Journal { socket, address, path: self.socket().to_path_buf() }))
    }
}

/// A socket, and where journald's is.
#[derive(Debug)]
struct Journal {
    socket: UnixDatagram,
    address: SocketAddrUnix,
    path: PathBuf,
}

impl Sink for Journal {
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure> {
        self.send(&entry(message)?).map_err(|error| {
            let path = self.path.display();
            Failure::later(match error {
                Errno::NOENT | Errno::CONNREFUSED => {
                    format!("nobody listens at {path}: {error}; is systemd-journald running?")
                }
                Errno::AGAIN => format!("journald at {path} took nothing for {} s", WAIT.as_secs()),
                error => format!("journald at {path} cannot be reached: {error}"),
            })
        })?;
        Ok(Receipt::default())
    }
}

impl Journal {
    fn send(&self, entry: &[u8]) -> Result<(), Errno> {
        let mut none = SendAncillaryBuffer::default();
        let parts = [IoSlice::new(entry)];
        match sendmsg_addr(&self.socket, &self.address, &parts, &mut none, SendFlags::NOSIGNAL) {
            Ok(_) => Ok(()),
            Err(Errno::MSGSIZE | Errno::NOBUFS) => self.send_file(entry),
            Err(error) => Err(error),
        }
    }

    /// What is too large for a datagram goes as a file in memory that nobody can change any more.
    fn send_file(&self, entry: &[u8]) -> Result<(), Errno> {
        let file = memfd_create("detector-alert", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut file = std::fs::File::from(file);
        file.write_all(entry).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL)?;
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        let files = [file.as_fd()];
        if !rights.push(SendAncillaryMessage::ScmRights(&files)) {
            return Err(Errno::NOBUFS);
        }
        sendmsg_addr(&self.socket, &self.address, &[], &mut rights, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

/// A message as an entry.
fn entry(message: &Message<'_>) -> Result<Vec<u8>, SinkError> {
    let gist = Gist::of(message);
    let json = message_line(message)?;
    let id = match message.body {
        Body::Alert(_) => ALERT,
        Body::Card(_) => CARD,
    };
    let severity = gist.severity().to_string();
    let pid = gist.pid.map(|pid| pid.to_string());
    let fields = [
        ("MESSAGE", Some(&*gist.line)),
        ("PRIORITY", Some(&severity)),
        ("MESSAGE_ID", Some(id)),
        ("SYSLOG_IDENTIFIER", Some("detector")),
        ("SYSLOG_FACILITY", Some(FACILITY)),
        ("DETECTOR_KEY", Some(&gist.key)),
        ("DETECTOR_ALERT", Some(&gist.id)),
        ("DETECTOR_INCIDENT", Some(&gist.incident)),
        ("DETECTOR_LEVEL", Some(gist.level.name())),
        ("DETECTOR_TIME", Some(&gist.time)),
        ("DETECTOR_HOST", Some(&gist.host)),
        ("DETECTOR_AGENT", gist.agent.as_deref()),
        ("DETECTOR_RULE", gist.rule.as_deref()),
        ("DETECTOR_PID", pid.as_deref()),
        ("DETECTOR_JSON", Some(json.trim_end())),
    ];
    let mut entry = Vec::new();
    for (name, value) in fields {
        if let Some(value) = value {
            put(&mut entry, name, value.as_bytes());
        }
    }
    Ok(entry)
}

/// One field: `NAME=value`, or with its length before it where the value has several lines.
fn put(entry: &mut Vec<u8>, name: &str, value: &[u8]) {
    entry.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value);
    entry.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::human::tests::alert;

    #[test]
    fn a_value_of_several_lines_has_its_length_before_it() {
        let mut entry = Vec::new();
        put(&mut entry, "A", b"one");
        put(&mut entry, "B", b"x\nC=forged");
        assert_eq!(entry, b"A=one\nB\n\x0a\0\0\0\0\0\0\0x\nC=forged\n");
    }

    #[test]
    fn hostile_texts_make_no_fields() {
        let mut hostile = alert();
        hostile.title = "a\nPRIORITY=7\n".to_owned();
        hostile.summary = "x\u{0}\u{202e}".repeat(10_000);
        hostile.agent.as_mut().unwrap().name = "a\nDETECTOR_RULE=none".to_owned();
        let message = Message { key: "k", body: Body::Alert(&hostile), reference: None };
        let entry = String::from_utf8(entry(&message).unwrap()).unwrap();
        let names: Vec<&str> = entry.lines().map(|line| line.split('=').next().unwrap()).collect();
        assert_eq!(names.len(), 15, "{names:?}");
        assert_eq!(names.iter().filter(|name| **name == "PRIORITY").count(), 1);
        assert!(entry.starts_with("MESSAGE=a\\u{a}PRIORITY=7\\u{a}: x\\u{0}\\u{202e}"), "{entry:.100}");
    }

    #[test]
    fn a_socket_that_cannot_be_is_known_before_the_start() {
        let check = |text: &str| toml::from_str::<JournaldConfig>(text).unwrap().check();
        assert_eq!(check(""), Ok(()));
        assert_eq!(check("socket = \"run/socket\"").unwrap_err().key, "socket");
        assert!(check(&format!("socket = \"/{}\"", "x".repeat(200))).is_err());
    }
}
