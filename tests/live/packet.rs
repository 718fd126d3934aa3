//! First bytes and volume of flows: whose, which way, how split; and that what is of no interest costs little.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};

use detector::event::{Carried, Direction, Event, EventKind, FlowStats, Payload, Protocol};
use detector_tests::needs_root;

use crate::watch::{Watch, small};

const BANNER: &[u8] = b"SSH-2.0-test_1.0\r\n";

/// A Python program in the watched group; ended with the test.
struct Script(Child);

impl Script {
    fn start(watch: &Watch, text: &str, words: &[&str]) -> Self {
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-c", text]).args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        Self(watch.group.hold(&mut command).unwrap().spawn().unwrap())
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    /// What it prints next.
    fn line(&mut self) -> String {
        let mut line = vec![];
        let stdout = self.0.stdout.as_mut().unwrap();
        let mut byte = [0];
        while stdout.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    /// Lets it go on behind `input()`.
    fn go_on(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn payload(watch: &mut Watch, direction: Direction) -> (Event, Box<Payload>) {
    watch.find("payload", |event| match &event.kind {
        EventKind::Payload(payload) if payload.direction == direction => {
            Some((event.clone(), payload.clone()))
        }
        _ => None,
    })
}

fn closed(watch: &mut Watch) -> FlowStats {
    watch.find("flow", |event| match &event.kind {
        EventKind::FlowStats(stats) if stats.closed => Some(**stats),
        _ => None,
    })
}

const CLIENT: &str = "
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
for part in sys.argv[3].split('|'):
    s.send(part.encode().decode('unicode_escape').encode('latin1'))
    s.recv(1)
s.close()
";

/// Accepts one connection, reads until `size` bytes came, and answers each read with one byte.
fn serve(listener: &TcpListener, size: usize) -> TcpStream {
    let (mut far, _) = listener.accept().unwrap();
    far.set_nodelay(true).unwrap();
    let (mut got, mut buffer) = (0, vec![0; 1 << 16]);
    while got < size {
        got += far.read(&mut buffer).unwrap();
        far.write_all(b"!").unwrap();
    }
    far
}

fn first_bytes_are_handed_over(listen: &str) {
    let mut watch = Watch::new("payload");
    let listener = TcpListener::bind(listen).unwrap();
    let address = listener.local_addr().unwrap();
    let words = [&address.ip().to_string(), &address.port().to_string(), "SSH-2.0-test_1.0\\r\\n"];
    let client = Script::start(&watch, CLIENT, &words);
    serve(&listener, BANNER.len());
    let (event, sent) = payload(&mut watch, Direction::Out);
    assert_eq!((event.process.pid, event.agent.0), (client.pid(), watch.agent.0));
    assert_eq!((sent.flow.remote, sent.flow.protocol), (address, Protocol::Tcp));
    assert_eq!(sent.bytes, BANNER);
    assert!(sent.begins && sent.flow.initiated && sent.segment == 0);
    assert_ne!(sent.flow.netns.0, 0);
    let stats = closed(&mut watch);
    assert_eq!((stats.sent.bytes, stats.received.bytes), (BANNER.len() as u64, 1));
    assert_eq!(stats.flow.cookie, sent.flow.cookie);
}

#[test]
fn first_bytes_by_ipv4_are_handed_over_with_their_owner() {
    needs_root!();
    first_bytes_are_handed_over("127.0.0.1:0");
}

#[test]
fn first_bytes_by_ipv6_are_handed_over_with_their_owner() {
    needs_root!();
    first_bytes_are_handed_over("[::1]:0");
}

#[test]
fn a_message_that_is_split_into_bytes_comes_whole() {
    needs_root!();
    let mut watch = Watch::new("split");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let parts = "S|S|H|-|2|.|0|-|t";
    let _client = Script::start(&watch, CLIENT, &["127.0.0.1", &port, parts]);
    serve(&listener, 9);
    closed(&mut watch);
    let mut bytes: Vec<u8> = vec![];
    for event in &watch.seen {
        if let EventKind::Payload(payload) = &event.kind
            && payload.direction == Direction::Out
        {
            assert_eq!(payload.begins, bytes.is_empty());
            bytes.extend(&payload.bytes);
        }
    }
    assert_eq!(bytes, b"SSH-2.0-t");
}

#[test]
fn an_accepted_flow_belongs_to_its_listener() {
    needs_root!();
    let mut watch = Watch::new("accepted");
    let mut server = Script::start(
        &watch,
        "
import socket
l = socket.create_server(('127.0.0.1', 0))
print(l.getsockname()[1], flush=True)
s, _ = l.accept()
s.recv(100)
",
        &[],
    );
    let port: u16 = server.line().parse().unwrap();
    let mut near = TcpStream::connect(("127.0.0.1", port)).unwrap();
    near.write_all(BANNER).unwrap();
    let (event, received) = payload(&mut watch, Direction::In);
    assert_eq!(event.process.pid, server.pid());
    assert_eq!(received.bytes, BANNER);
    assert_eq!(received.flow.remote, near.local_addr().unwrap());
    assert!(!received.flow.initiated);
}

#[test]
fn a_flow_from_before_the_start_is_seen_with_its_owner() {
    needs_root!();
    let group = detector_tests::cgroup::Cgroup::create("late").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut command = Command::new("/usr/bin/python3");
    let text = "
import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
print('ready', flush=True)
input()
s.send(b'SSH-2.0-test_1.0\\r\\n')
s.recv(1)
";
    command.args(["-c", text, &port]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = Script(group.hold(&mut command).unwrap().spawn().unwrap());
    assert_eq!(client.line(), "ready");
    let mut watch = Watch::around(group);
    client.go_on();
    let _far = serve(&listener, BANNER.len());
    let (event, sent) = payload(&mut watch, Direction::Out);
    assert_eq!(event.process.pid, client.pid());
    assert_eq!(sent.bytes, BANNER);
}

#[test]
fn datagrams_are_looked_at_one_by_one() {
    needs_root!();
    let mut watch = Watch::new("datagram");
    let far = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = far.local_addr().unwrap();
    let text = "
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
query = bytes([7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 4]) + b'name' + bytes([0, 0, 1, 0, 1])
for _ in range(40):
    s.sendto(query, ('127.0.0.1', int(sys.argv[1])))
";
    let client = Script::start(&watch, text, &[&address.port().to_string()]);
    let pid = client.pid();
    let seen = watch.until_exit(pid);
    let queries = seen.iter().filter(|event| match &event.kind {
        EventKind::Payload(sent) => {
            assert_eq!((sent.flow.remote, sent.flow.protocol), (address, Protocol::Udp));
            assert!(sent.begins && sent.bytes.len() == 22 && event.process.pid == pid);
            true
        }
        _ => false,
    });
    assert_eq!(queries.count(), 40);
}

#[test]
fn bulk_and_bytes_of_no_interest_cost_one_small_record() {
    needs_root!();
    let mut watch = Watch::new("bulk");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let text = "
import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
for _ in range(512):
    s.sendall(b'\\xff' * 131072)
s.close()
";
    let client = Script::start(&watch, text, &[&port]);
    let (mut far, _) = listener.accept().unwrap();
    let read = std::io::copy(&mut far, &mut std::io::sink()).unwrap();
    assert_eq!(read, 64 << 20);
    closed(&mut watch);
    let seen = watch.until_exit(client.pid());
    let payloads = seen.iter().filter(|event| matches!(event.kind, EventKind::Payload(_)));
    assert_eq!(payloads.count(), 0);
    let flows: Vec<u64> = seen
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::FlowStats(stats) => Some(stats.sent.bytes),
            _ => None,
        })
        .collect();
    // TCP may have sent a little of it again. Before 5.11 the sum is made when the descriptor closes, while the last
    // of it waits to be sent.
    let least = if detector_tests::skip::kernel() < (5, 11) { 48 << 20 } else { 64 << 20 };
    assert!(flows.len() == 1 && (least..66 << 20).contains(&flows[0]), "{flows:?}");
}

#[test]
fn a_program_that_is_started_on_a_socket_says_so() {
    needs_root!();
    let mut watch = Watch::new("stdio");
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(listen).unwrap();
        let address = listener.local_addr().unwrap();
        let text = "
import os, socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
os.dup2(s.fileno(), 0)
os.dup2(s.fileno(), 1)
os.execv('/bin/cat', ['cat'])
";
        let client = Script::start(&watch, text, &[&address.ip().to_string(), &address.port().to_string()]);
        let (far, near) = listener.accept().unwrap();
        let pid = client.pid();
        let stdio = watch.find("exec on a socket", |event| match &event.kind {
            EventKind::Exec(exec) if event.process.pid == pid && &*exec.argv[0] == "cat" => {
                Some(exec.stdio.clone())
            }
            _ => None,
        });
        drop(far);
        assert_eq!(stdio.iter().map(|socket| socket.fd).collect::<Vec<_>>(), [0, 1]);
        for socket in stdio {
            assert_eq!((socket.remote, socket.local), (address, near));
        }
    }
}

#[test]
fn bytes_that_io_uring_sends_are_seen() {
    needs_root!();
    let mut watch = Watch::new("ring");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let far = std::thread::spawn(move || serve(&listener, 14));
    let said = watch.run(&["send-uring", &address]);
    far.join().unwrap();
    let (event, sent) = payload(&mut watch, Direction::Out);
    assert_eq!(sent.bytes, b"SSH-2.0-ring\r\n");
    assert_eq!(event.process.pid, small(&said, "pid"));
}

/// Sends a banner from a socket with more headers than usual.
fn is_seen_behind(options: &str, listen: &str) {
    let mut watch = Watch::new("options");
    let listener = TcpListener::bind(listen).unwrap();
    let address = listener.local_addr().unwrap();
    let text = format!(
        "
import socket, sys
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_STREAM)
{options}
s.connect((sys.argv[1], int(sys.argv[2])))
s.send(b'SSH-2.0-test_1.0\\r\\n')
s.recv(1)
"
    );
    let _client = Script::start(&watch, &text, &[&address.ip().to_string(), &address.port().to_string()]);
    serve(&listener, BANNER.len());
    assert_eq!(payload(&mut watch, Direction::Out).1.bytes, BANNER);
}

#[test]
fn bytes_behind_ipv4_options_are_seen() {
    needs_root!();
    is_seen_behind("s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, bytes([1] * 12))", "127.0.0.1:0");
}

#[test]
fn bytes_behind_ipv6_extension_headers_are_seen() {
    needs_root!();
    // Hop-by-hop and destination options, each eight bytes of padding.
    let options = "
for option in (54, 59):
    s.setsockopt(socket.IPPROTO_IPV6, option, bytes([0, 0, 1, 4, 0, 0, 0, 0]))
";
    is_seen_behind(options, "[::1]:0");
}

#[test]
fn a_flow_that_goes_on_is_reported_every_half_minute() {
    needs_root!();
    let mut watch = Watch::new("lasting");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let text = "
import socket, sys, time
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
while True:
    s.send(b'x' * 100)
    time.sleep(2)
";
    let client = Script::start(&watch, text, &[&port]);
    let _far = listener.accept().unwrap();
    let began = std::time::Instant::now();
    let stats = loop {
        watch.take(std::time::Duration::from_millis(200));
        let found = watch.seen.iter().find_map(|event| match &event.kind {
            EventKind::FlowStats(stats) if event.process.pid == client.pid() => Some(**stats),
            _ => None,
        });
        if let Some(stats) = found {
            break stats;
        }
        assert!(began.elapsed().as_secs() < 60, "no report");
    };
    assert!(!stats.closed && stats.age >= 30_000_000_000, "{stats:?}");
    assert_eq!(
        (stats.sent.bytes, u64::from(stats.sent.pauses)),
        (stats.sent.packets * 100, stats.sent.packets - 1)
    );
    assert!((2_000_000_000..4_000_000_000).contains(&stats.sent.longest_gap), "{stats:?}");
    assert_eq!(stats.received, Carried::default());
}

/// What a TLS client says first is handed over, to the end of its record; what it says then is nobody's business.
#[test]
fn nothing_behind_a_client_hello_is_handed_over() {
    needs_root!();
    let mut watch = Watch::new("hello");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let text = "
import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
hello = b'\\x16\\x03\\x01\\x01\\x2c\\x01' + b'h' * 299
for part in (hello[:100], hello[100:], b'secret' * 50):
    s.send(part)
    s.recv(1)
";
    let client = Script::start(&watch, text, &[&port]);
    serve(&listener, 605);
    let mut bytes: Vec<u8> = vec![];
    for event in watch.until_exit(client.pid()) {
        if let EventKind::Payload(payload) = &event.kind
            && payload.direction == Direction::Out
        {
            bytes.extend(&payload.bytes);
        }
    }
    assert_eq!((bytes.len(), bytes.starts_with(b"\x16\x03\x01")), (305, true));
}
