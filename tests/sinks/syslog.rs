//! syslog: against sockets of the test, and against rsyslogd over UDP, TCP, TLS and a socket of its own; what it wrote
//! is read back field by field.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use detector::alert::{Alert, Level};
use detector::sinks::syslog::SyslogConfig;
use detector::sinks::{Failure, Sink};
use detector_tests::server::Server;
use detector_tests::skip;
use detector_tests::wait::{LIMIT, wait_for};
use serde_json::Value;

use crate::plain::{Certificates, has, listens, open, ports};
use crate::sample::{HOSTILE, alert, card, hostile_alert, long, of_alert, of_card};

const TIMEOUT: Option<Duration> = Some(Duration::from_secs(20));

fn sink(address: &str, more: &str) -> Box<dyn Sink> {
    open::<SyslogConfig>(&format!("address = \"{address}\"\n{more}"))
}

/// The next message of a stream whose messages have their length before them.
fn counted(stream: &mut TcpStream) -> Option<String> {
    let mut length = String::new();
    loop {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap() == 0 {
            assert_eq!(length, "");
            return None;
        }
        match byte[0] {
            b' ' => break,
            digit => length.push(char::from(digit)),
        }
    }
    let mut message = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut message).unwrap();
    Some(String::from_utf8(message).unwrap())
}

#[test]
fn over_udp_a_message_is_a_datagram_of_limited_size() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(TIMEOUT).unwrap();
    let mut sink = sink(&format!("udp://{}", receiver.local_addr().unwrap()), "");
    let long = long();
    let mut buffer = vec![0; 65_536];
    for text in HOSTILE.iter().copied().chain([&*long]) {
        sink.deliver(&of_alert(&hostile_alert(text))).unwrap();
        let length = receiver.recv(&mut buffer).unwrap();
        let message = std::str::from_utf8(&buffer[..length]).unwrap();
        assert!(length <= 2_048, "{length}");
        assert!(message.starts_with("<82>1 2026-11-21T03:00:01.250000Z "), "{message}");
        let (_, said) = message.split_once("] \u{feff}").unwrap();
        assert!(!said.contains(detector::alert::escape::is_deceptive), "{said}");
    }
    drop(receiver);
    let failure = sink.deliver(&of_alert(&alert())).unwrap_err();
    assert!(matches!(&failure, Failure::Later { reason, .. } if reason.contains("refused")), "{failure:?}");
}

#[test]
fn a_connection_that_the_receiver_closed_loses_nothing() {
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sink = sink(&format!("tcp://{}", receiver.local_addr().unwrap()), "");
    let send = |sink: &mut dyn Sink, number: usize| {
        let mut alert = alert();
        alert.title = format!("number {number}");
        sink.deliver(&of_alert(&alert))
    };
    for round in 0..10 {
        // The connection is made by the first message, and closed under the second.
        send(&mut *sink, 2 * round).unwrap();
        let (mut stream, _) = receiver.accept().unwrap();
        stream.set_read_timeout(TIMEOUT).unwrap();
        let first = counted(&mut stream).unwrap();
        assert!(first.contains(&format!("number {}:", 2 * round)), "{first}");
        if round % 2 == 0 {
            rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        }
        drop(stream);
        send(&mut *sink, 2 * round + 1).unwrap();
        let (mut stream, _) = receiver.accept().unwrap();
        stream.set_read_timeout(TIMEOUT).unwrap();
        let second = counted(&mut stream).unwrap();
        assert!(second.contains(&format!("number {}:", 2 * round + 1)), "{second}");
    }
    drop(receiver);
    let failure = send(&mut *sink, 0).unwrap_err();
    assert!(
        matches!(&failure, Failure::Later { reason, .. } if reason.starts_with("tcp://127")),
        "{failure:?}"
    );
}

#[test]
fn many_messages_share_a_connection_whatever_the_receiver_says() {
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sink = sink(&format!("tcp://{}", receiver.local_addr().unwrap()), "format = \"json\"");
    let reader = std::thread::spawn(move || {
        let (mut stream, _) = receiver.accept().unwrap();
        stream.set_read_timeout(TIMEOUT).unwrap();
        let mut messages = Vec::new();
        while let Some(message) = counted(&mut stream) {
            // Nobody asked for an answer, and none does harm; whoever has sent everything may be gone already.
            if messages.len() < 25 {
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            }
            messages.push(message);
        }
        messages
    });
    for _ in 0..50 {
        sink.deliver(&of_alert(&alert())).unwrap();
    }
    sink.deliver(&of_card(&card(), None)).unwrap();
    drop(sink);
    let messages = reader.join().unwrap();
    assert_eq!(messages.len(), 51);
    let (_, json) = messages[0].split_once("] ").unwrap();
    assert_eq!(serde_json::from_str::<Alert>(json).unwrap(), alert());
    assert!(messages[50].contains(" card [detector@32473 "), "{}", messages[50]);
}

#[test]
fn a_receiver_that_takes_nothing_is_given_up_in_time() {
    // One that never answers a handshake.
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    if !has("openssl") {
        skip!("needs openssl");
    }
    let certificates = Certificates::create(dir.path());
    let address = format!("tls://localhost:{}", receiver.local_addr().unwrap().port());
    let mut sink = sink(&address, &format!("ca_file = \"{}\"", certificates.ca.display()));
    let began = std::time::Instant::now();
    let failure = sink.deliver(&of_alert(&alert())).unwrap_err();
    assert!(matches!(failure, Failure::Later { .. }), "{failure:?}");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn a_socket_of_this_machine_is_a_datagram_socket_or_a_stream() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("datagram");
    let receiver = UnixDatagram::bind(&path).unwrap();
    receiver.set_read_timeout(TIMEOUT).unwrap();
    let mut to = sink(&format!("unix://{}", path.display()), "facility = \"local3\"\napp_name = \"watch\"");
    let mut buffer = vec![0; 65_536];
    for _ in 0..2 {
        to.deliver(&of_alert(&alert())).unwrap();
        let length = receiver.recv(&mut buffer).unwrap();
        let message = std::str::from_utf8(&buffer[..length]).unwrap();
        assert!(message.starts_with("<154>1 ") && message.contains(" gpu-7 watch "), "{message}");
    }
    // The daemon starts again: another socket at the same path.
    drop(receiver);
    fs::remove_file(&path).unwrap();
    assert!(to.deliver(&of_alert(&alert())).is_err());
    let receiver = UnixDatagram::bind(&path).unwrap();
    to.deliver(&of_alert(&alert())).unwrap();
    assert!(receiver.recv(&mut buffer).unwrap() > 100);

    let path = dir.path().join("stream");
    let receiver = UnixListener::bind(&path).unwrap();
    let mut to = sink(&format!("unix://{}", path.display()), "");
    for _ in 0..2 {
        to.deliver(&of_alert(&alert())).unwrap();
    }
    drop(to);
    let mut said = Vec::new();
    receiver.accept().unwrap().0.read_to_end(&mut said).unwrap();
    let messages: Vec<&[u8]> = said.split(|byte| *byte == 0).collect();
    assert_eq!((messages.len(), messages[0], messages[2]), (3, messages[1], &[][..]));
}

/// rsyslogd in a directory of its own.
struct Rsyslog {
    daemon: Server,
    directory: tempfile::TempDir,
    certificates: Certificates,
    udp: u16,
    tcp: u16,
    tls: u16,
}

impl Rsyslog {
    /// `None`, and why, where it cannot run.
    fn start() -> Result<Self, String> {
        for program in ["rsyslogd", "openssl"] {
            if !has(program) {
                return Err(format!("needs {program}"));
            }
        }
        let module = "rsyslog/lmnsd_ossl.so";
        let output =
            Command::new("sh").args(["-c", &format!("ls /usr/lib/*/{module} /usr/lib/{module}")]).output();
        if output.map_or(true, |output| output.stdout.is_empty()) {
            return Err("needs rsyslog-openssl".to_owned());
        }
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path().display();
        let certificates = Certificates::create(directory.path());
        let [udp, tcp, tls] = ports();
        let Certificates { ca, certificate, key } = &certificates;
        let (ca, certificate, key) = (ca.display(), certificate.display(), key.display());
        let config = format!(
            r#"global(workDirectory="{here}" defaultNetstreamDriver="ossl" defaultNetstreamDriverCAFile="{ca}"
                      defaultNetstreamDriverCertFile="{certificate}" defaultNetstreamDriverKeyFile="{key}"
                      parser.escapeControlCharactersOnReceive="off")
               module(load="mmpstrucdata")
               module(load="imudp")
               module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon")
               module(load="imptcp")
               module(load="imuxsock" sysSock.use="off")
               template(name="fields" type="list" option.jsonf="on") {{
                   property(outname="way" name="inputname" format="jsonf")
                   property(outname="facility" name="syslogfacility-text" format="jsonf")
                   property(outname="severity" name="syslogseverity-text" format="jsonf")
                   property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
                   property(outname="host" name="hostname" format="jsonf")
                   property(outname="app" name="app-name" format="jsonf")
                   property(outname="process" name="procid" format="jsonf")
                   property(outname="kind" name="msgid" format="jsonf")
                   property(outname="structured" name="structured-data" format="jsonf")
                   property(outname="said" name="msg" format="jsonf")
                   property(outname="parsed" name="$!rfc5424-sd" format="jsonf")
               }}
               ruleset(name="all") {{
                   action(type="mmpstrucdata")
                   action(type="omfile" file="{here}/out" template="fields" fileCreateMode="0600")
               }}
               input(type="imudp" address="127.0.0.1" port="{udp}" ruleset="all")
               input(type="imptcp" address="127.0.0.1" port="{tcp}" ruleset="all")
               input(type="imtcp" address="127.0.0.1" port="{tls}" ruleset="all")
               input(type="imuxsock" socket="{here}/log" useSpecialParser="off" parseHostname="on" ruleset="all"
                     ignoreTimestamp="off" rateLimit.interval="0")
            "#
        );
        fs::write(directory.path().join("rsyslog.conf"), config).unwrap();
        let mut command = Command::new("rsyslogd");
        command.args(["-n", "-f"]).arg(directory.path().join("rsyslog.conf"));
        command.arg("-i").arg(directory.path().join("pid"));
        let daemon = Server::start(&mut command).map_err(|error| format!("{error:#}"))?;
        let made = Self { daemon, directory, certificates, udp, tcp, tls };
        wait_for("rsyslogd", LIMIT, || {
            let is_bound =
                fs::read_to_string("/proc/net/udp").unwrap().contains(&format!("0100007F:{udp:04X} "));
            let is_up = is_bound && listens(tcp) && listens(tls) && made.path("log").exists();
            Ok(is_up.then_some(()))
        })
        .unwrap_or_else(|error| panic!("{error}: {}", made.daemon.said()));
        Ok(made)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What it wrote, once there are so many.
    fn wait(&self, count: usize) -> Vec<Value> {
        let messages = wait_for(&format!("{count} messages"), LIMIT, || {
            let text = fs::read_to_string(self.path("out")).unwrap_or_default();
            let lines: Vec<&str> = text.lines().filter(|line| line.contains("32473")).collect();
            Ok((lines.len() >= count && text.ends_with('\n')).then(|| {
                lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
            }))
        });
        messages.unwrap_or_else(|error| panic!("{error}: {}", self.daemon.said()))
    }
}

/// What rsyslog makes of the sample alert.
fn is_the_sample(message: &Value, way: &str) {
    for (name, value) in [
        ("way", way),
        ("facility", "authpriv"),
        ("severity", "crit"),
        ("time", "2026-11-21T03:00:01.250000Z"),
        ("host", "gpu-7"),
        ("app", "detector"),
        ("process", &std::process::id().to_string()),
        ("kind", "0b0b5a552c3b4f0c9a551f4b9b3b1a01"),
        ("said", "\u{feff}Known miner executed: Agent training executed /tmp/xmrig, a known miner."),
    ] {
        assert_eq!(message[name], value, "{name} over {way}: {message}");
    }
    let parsed: Value = serde_json::from_str(message["parsed"].as_str().unwrap()).unwrap();
    let parsed = &parsed["detector@32473"];
    for (name, value) in [
        ("alert", "01KZALERT00000000000000001"),
        ("incident", "01KZINCIDENT00000000000001"),
        ("level", "critical"),
        ("key", "01KZ.slack.1"),
        ("rule", "0b0b5a55-2c3b-4f0c-9a55-1f4b9b3b1a01"),
        ("pid", "4242"),
        ("agent", "training"),
    ] {
        assert_eq!(parsed[name], value, "{name} over {way}: {message}");
    }
}

#[test]
fn rsyslog_understands_every_field_over_every_way() {
    let rsyslog = match Rsyslog::start() {
        Ok(rsyslog) => rsyslog,
        Err(reason) => skip!("{reason}"),
    };
    let ca = format!("ca_file = \"{}\"", rsyslog.certificates.ca.display());
    let ways = [
        ("imudp", format!("udp://127.0.0.1:{}", rsyslog.udp), ""),
        ("imptcp", format!("tcp://127.0.0.1:{}", rsyslog.tcp), ""),
        ("imtcp", format!("tls://localhost:{}", rsyslog.tls), &*ca),
        ("imtcp", format!("tls://127.0.0.1:{}", rsyslog.tls), &*ca),
        ("imuxsock", format!("unix://{}", rsyslog.path("log").display()), ""),
    ];
    for (done, (way, address, more)) in ways.iter().enumerate() {
        let mut sink = sink(address, more);
        sink.deliver(&of_alert(&alert())).unwrap();
        let messages = rsyslog.wait(done + 1);
        assert_eq!(messages.len(), done + 1);
        is_the_sample(&messages[done], way);
    }
}

#[test]
fn rsyslog_takes_hostile_texts_and_json_whole_and_in_order_over_tls() {
    let rsyslog = match Rsyslog::start() {
        Ok(rsyslog) => rsyslog,
        Err(reason) => skip!("{reason}"),
    };
    let ca = rsyslog.certificates.ca.display();
    let address = format!("tls://localhost:{}", rsyslog.tls);
    let mut text = sink(&address, &format!("ca_file = \"{ca}\""));
    for hostile in HOSTILE {
        text.deliver(&of_alert(&hostile_alert(hostile))).unwrap();
    }
    let messages = rsyslog.wait(HOSTILE.len());
    assert_eq!(messages.len(), HOSTILE.len());
    for (message, hostile) in messages.iter().zip(HOSTILE) {
        let shown = detector::alert::escape::escape(hostile);
        let said = format!("\u{feff}{shown}: {shown}");
        assert_eq!(message["said"], said.as_str(), "{message}");
        assert_eq!((&message["app"], &message["severity"]), (&"detector".into(), &"crit".into()));
        assert!(message["structured"].as_str().unwrap().contains(" level=\"critical\""), "{message}");
    }
    let mut json = sink(&address, &format!("ca_file = \"{ca}\"\nformat = \"json\""));
    for number in 0..200 {
        let mut alert = alert();
        alert.count = number;
        alert.level = Level::Low;
        json.deliver(&of_alert(&alert)).unwrap();
    }
    let messages = rsyslog.wait(HOSTILE.len() + 200);
    for (number, message) in (0..200).zip(&messages[HOSTILE.len()..]) {
        let alert: Alert = serde_json::from_str(message["said"].as_str().unwrap()).unwrap();
        assert_eq!((alert.count, &message["severity"]), (number, &"notice".into()));
    }
}

#[test]
fn a_server_with_another_authority_or_name_gets_nothing() {
    let rsyslog = match Rsyslog::start() {
        Ok(rsyslog) => rsyslog,
        Err(reason) => skip!("{reason}"),
    };
    let other = tempfile::tempdir().unwrap();
    let other = Certificates::create(other.path());
    let address = format!("tls://localhost:{}", rsyslog.tls);
    let trusted = format!("ca_file = \"{}\"", rsyslog.certificates.ca.display());
    for (more, what) in [
        (format!("ca_file = \"{}\"", other.ca.display()), "certificate"),
        (format!("{trusted}\nserver_name = \"logs.example\""), "certificate"),
        (String::new(), "certificate"),
    ] {
        let failure = sink(&address, &more).deliver(&of_alert(&alert())).unwrap_err();
        assert!(matches!(&failure, Failure::Later { reason, .. } if reason.contains(what)), "{failure:?}");
    }
    sink(&address, &trusted).deliver(&of_alert(&alert())).unwrap();
    assert_eq!(rsyslog.wait(1).len(), 1);
}

#[test]
fn a_receiver_that_starts_again_gets_what_comes_after() {
    let rsyslog = match Rsyslog::start() {
        Ok(rsyslog) => rsyslog,
        Err(reason) => skip!("{reason}"),
    };
    let ca = format!("ca_file = \"{}\"", rsyslog.certificates.ca.display());
    let mut sinks = [
        sink(&format!("tcp://127.0.0.1:{}", rsyslog.tcp), ""),
        sink(&format!("tls://localhost:{}", rsyslog.tls), &ca),
    ];
    for sink in &mut sinks {
        sink.deliver(&of_alert(&alert())).unwrap();
    }
    rsyslog.wait(2);
    let Rsyslog { daemon, directory, certificates: _, udp: _, tcp, tls } = rsyslog;
    drop(daemon);
    for sink in &mut sinks {
        assert!(matches!(sink.deliver(&of_alert(&alert())), Err(Failure::Later { .. })));
    }
    let mut command = Command::new("rsyslogd");
    command.args(["-n", "-f"]).arg(directory.path().join("rsyslog.conf"));
    command.arg("-i").arg(directory.path().join("second"));
    let _daemon = Server::start(&mut command).unwrap();
    wait_for("rsyslogd", LIMIT, || Ok((listens(tcp) && listens(tls)).then_some(()))).unwrap();
    for sink in &mut sinks {
        sink.deliver(&of_alert(&alert())).unwrap();
    }
    let out: &Path = &directory.path().join("out");
    wait_for("the second messages", LIMIT, || {
        let text = fs::read_to_string(out).unwrap_or_default();
        Ok((text.lines().filter(|line| line.contains("32473")).count() == 4).then_some(()))
    })
    .unwrap();
}
