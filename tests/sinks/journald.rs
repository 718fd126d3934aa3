//! journald: against a socket that reads its protocol, and against systemd-journald itself in a mount namespace of its
//! own, read back with journalctl.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IoSliceMut, Read as _, Seek as _, SeekFrom};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use detector::alert::Alert;
use detector::sinks::journald::JournaldConfig;
use detector::sinks::{Failure, Sink};
use detector_tests::server::Server;
use detector_tests::skip;
use detector_tests::wait::{LIMIT, wait_for};
use rustix::fs::{SealFlags, fcntl_get_seals};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::Value;

use crate::plain::{can_mount, open, with_own_mounts};
use crate::sample::{HOSTILE, alert, card, hostile_alert, long, of_alert, of_card};

const DAEMON: &str = "/lib/systemd/systemd-journald";

fn sink(socket: &Path) -> Box<dyn Sink> {
    open::<JournaldConfig>(&format!("socket = \"{}\"", socket.display()))
}

/// Receives one entry: the datagram, or the file that came with it.
fn receive(socket: &UnixDatagram) -> (Vec<u8>, bool) {
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got =
        recvmsg(socket, &mut [IoSliceMut::new(&mut buffer)], &mut control, RecvFlags::CMSG_CLOEXEC).unwrap();
    buffer.truncate(got.bytes);
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut files) = message {
            let mut file = File::from(files.next().unwrap());
            let seals = fcntl_get_seals(&file).unwrap();
            assert!(seals.contains(SealFlags::SEAL | SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK));
            file.seek(SeekFrom::Start(0)).unwrap();
            let mut entry = Vec::new();
            file.read_to_end(&mut entry).unwrap();
            return (entry, true);
        }
    }
    (buffer, false)
}

/// The fields of an entry, as the protocol's description has them.
fn parse(mut entry: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    while !entry.is_empty() {
        let end = entry.iter().position(|byte| *byte == b'\n').unwrap();
        let line = &entry[..end];
        let (name, value, rest) = match line.iter().position(|byte| *byte == b'=') {
            Some(at) => (&line[..at], &line[at + 1..], &entry[end + 1..]),
            None => {
                let length = u64::from_le_bytes(entry[end + 1..end + 9].try_into().unwrap()) as usize;
                let value = &entry[end + 9..end + 9 + length];
                assert_eq!(entry[end + 9 + length], b'\n');
                (line, value, &entry[end + 10 + length..])
            }
        };
        let name = String::from_utf8(name.to_vec()).unwrap();
        assert!(
            name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'),
            "{name}"
        );
        assert_eq!(fields.insert(name, String::from_utf8(value.to_vec()).unwrap()), None);
        entry = rest;
    }
    fields
}

#[test]
fn every_field_of_an_alert_is_a_field_of_the_entry() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut sink = sink(&path);
    sink.deliver(&of_alert(&alert())).unwrap();
    let fields = parse(&receive(&socket).0);
    for (name, value) in [
        ("MESSAGE", "Known miner executed: Agent training executed /tmp/xmrig, a known miner."),
        ("PRIORITY", "2"),
        ("SYSLOG_IDENTIFIER", "detector"),
        ("SYSLOG_FACILITY", "10"),
        ("DETECTOR_KEY", "01KZ.slack.1"),
        ("DETECTOR_ALERT", "01KZALERT00000000000000001"),
        ("DETECTOR_INCIDENT", "01KZINCIDENT00000000000001"),
        ("DETECTOR_LEVEL", "critical"),
        ("DETECTOR_TIME", "2026-11-21T03:00:01.250000000Z"),
        ("DETECTOR_HOST", "gpu-7"),
        ("DETECTOR_AGENT", "training"),
        ("DETECTOR_RULE", "0b0b5a55-2c3b-4f0c-9a55-1f4b9b3b1a01"),
        ("DETECTOR_PID", "4242"),
    ] {
        assert_eq!(fields[name], value, "{name}");
    }
    assert_eq!(fields["MESSAGE_ID"].len(), 32);
    assert_eq!(serde_json::from_str::<Alert>(&fields["DETECTOR_JSON"]).unwrap(), alert());
    sink.deliver(&of_card(&card(), None)).unwrap();
    let of_card = parse(&receive(&socket).0);
    assert_ne!(of_card["MESSAGE_ID"], fields["MESSAGE_ID"]);
    assert_eq!(of_card["DETECTOR_ALERT"], "01KZINCIDENT00000000000001");
}

#[test]
fn what_is_too_large_for_a_datagram_comes_as_a_sealed_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut large = alert();
    large.summary = "x".repeat(1 << 20);
    sink(&path).deliver(&of_alert(&large)).unwrap();
    let (entry, is_file) = receive(&socket);
    assert!(is_file);
    assert_eq!(serde_json::from_str::<Alert>(&parse(&entry)["DETECTOR_JSON"]).unwrap(), large);
}

#[test]
fn hostile_texts_make_neither_fields_nor_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut sink = sink(&path);
    let long = long();
    for text in HOSTILE.iter().copied().chain([&*long, "x\nPRIORITY=7\nMESSAGE=forged"]) {
        let hostile = hostile_alert(text);
        sink.deliver(&of_alert(&hostile)).unwrap();
        let fields = parse(&receive(&socket).0);
        assert_eq!((fields.len(), &*fields["PRIORITY"]), (15, "2"));
        assert!(fields.values().all(|value| !value.contains(detector::alert::escape::is_deceptive)));
        assert_eq!(serde_json::from_str::<Alert>(&fields["DETECTOR_JSON"]).unwrap(), hostile);
    }
}

#[test]
fn a_journal_that_is_gone_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let mut sink = sink(&path);
    let gone = |outcome| {
        let Err(Failure::Later { reason, .. }) = outcome else { panic!("{outcome:?}") };
        assert!(reason.contains("is systemd-journald running?"), "{reason}");
    };
    gone(sink.deliver(&of_alert(&alert())));
    for _ in 0..2 {
        let socket = UnixDatagram::bind(&path).unwrap();
        sink.deliver(&of_alert(&alert())).unwrap();
        assert_eq!(parse(&receive(&socket).0)["PRIORITY"], "2");
        drop(socket);
        gone(sink.deliver(&of_alert(&alert())));
        std::fs::remove_file(&path).unwrap();
    }
}

/// systemd-journald with /run of its own.
struct Journald {
    daemon: Server,
}

impl Journald {
    /// `None`, and why, where it cannot run.
    fn start() -> Result<Self, String> {
        if !skip::is_root() || !can_mount() {
            return Err("needs root and mounts of its own".to_owned());
        }
        if !Path::new(DAEMON).exists() {
            return Err(format!("needs {DAEMON}"));
        }
        // It must neither read the kernel's log nor turn auditing on: both belong to the machine.
        let script = format!(
            "mount -t tmpfs none /mnt
             printf '[Journal]\\nStorage=volatile\\nAudit=no\\nReadKMsg=no\\nForwardToWall=no\\n' > /mnt/journald.conf
             mount -t tmpfs none /etc/systemd
             cp /mnt/journald.conf /etc/systemd/
             mount -t tmpfs none /run
             mkdir -p /run/systemd/journal /run/log/journal
             exec {DAEMON}"
        );
        let daemon = Server::start(&mut with_own_mounts(&script)).map_err(|error| format!("{error:#}"))?;
        let made = Self { daemon };
        let listens = wait_for("journald's socket", LIMIT, || {
            Ok(made.inside("run/systemd/journal/socket").exists().then_some(()))
        });
        listens.map_err(|error| format!("journald does not start: {error}: {}", made.daemon.said()))?;
        Ok(made)
    }

    fn inside(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root/{path}", self.daemon.pid()))
    }

    /// Entries of ours, oldest first.
    fn entries(&self) -> Vec<Value> {
        let directory = self.inside("run/log/journal");
        let output = Command::new("journalctl")
            .args(["-o", "json", "--all", "--no-pager", "-q", "SYSLOG_IDENTIFIER=detector", "-D"])
            .arg(directory)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn wait(&self, count: usize) -> Vec<Value> {
        wait_for(&format!("{count} entries"), LIMIT, || {
            let entries = self.entries();
            Ok((entries.len() >= count).then_some(entries))
        })
        .unwrap()
    }
}

#[test]
fn systemd_journald_keeps_what_it_is_sent() {
    let journald = match Journald::start() {
        Ok(journald) => journald,
        Err(reason) => skip!("{reason}"),
    };
    let mut sink = sink(&journald.inside("run/systemd/journal/socket"));
    sink.deliver(&of_alert(&alert())).unwrap();
    let mut large = alert();
    large.summary = "x".repeat(1 << 20);
    sink.deliver(&of_alert(&large)).unwrap();
    let hostile = hostile_alert("x\nPRIORITY=7\u{0}\u{202e}");
    sink.deliver(&of_alert(&hostile)).unwrap();
    let entries = journald.wait(3);
    assert_eq!(entries.len(), 3);
    for (name, value) in [
        ("MESSAGE", "Known miner executed: Agent training executed /tmp/xmrig, a known miner."),
        ("PRIORITY", "2"),
        ("SYSLOG_FACILITY", "10"),
        ("DETECTOR_ALERT", "01KZALERT00000000000000001"),
        ("DETECTOR_INCIDENT", "01KZINCIDENT00000000000001"),
        ("DETECTOR_AGENT", "training"),
        ("DETECTOR_RULE", "0b0b5a55-2c3b-4f0c-9a55-1f4b9b3b1a01"),
        ("DETECTOR_PID", "4242"),
        ("_PID", &std::process::id().to_string()),
        ("_TRANSPORT", "journal"),
    ] {
        assert_eq!(entries[0][name], value, "{name}");
    }
    for (entry, sent) in entries.iter().zip([alert(), large, hostile]) {
        let json = entry["DETECTOR_JSON"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Alert>(json).unwrap(), sent);
    }
    assert_eq!(entries[2]["PRIORITY"], "2");
}
