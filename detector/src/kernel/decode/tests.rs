//! Records are decoded field by field, and bytes that are no records never harm.

use detector_common::limits;
use detector_common::wire::{Stream, flag};

use super::*;
use crate::event::{Direction, StdioSocket};

const AF_INET6: u16 = 10;

fn bytes<T: Wire>(value: T) -> Vec<u8> {
    // SAFETY: a Wire struct has no padding, so each of its bytes is initialised.
    unsafe { std::slice::from_raw_parts((&raw const value).cast::<u8>(), size_of::<T>()) }.to_vec()
}

fn header(kind: Kind, flags: u16) -> Header {
    Header {
        time: 5,
        pid: 7,
        tid: 8,
        start: 20_000_000,
        agent: 1,
        kind: kind as u16,
        flags,
        ..Header::default()
    }
}

fn exec_record() -> Vec<u8> {
    let (path, cwd, argv, env) =
        (b"x\0tmp\0", b"root\0", b"x\0-o\0\xff\0", b"HOME=/\0LD_PRELOAD=/tmp/a.so\0");
    let body = wire::Exec {
        path_len: path.len() as u16,
        cwd_len: cwd.len() as u16,
        argv_len: argv.len() as u16,
        env_len: env.len() as u16,
        argv_total: argv.len() as u32,
        env_total: 9000,
        ppid: 1,
        parent_start: 10_000_000,
        nlink: 1,
        comm: [u64::from(b'x'), 0],
        ..wire::Exec::default()
    };
    [bytes(header(Kind::Exec, 0)), bytes(body), path.to_vec(), cwd.to_vec(), argv.to_vec(), env.to_vec()]
        .concat()
}

#[test]
fn an_exec_is_decoded_field_by_field() {
    let event = Decoder::new(100).decode(&exec_record(), Nanos(200)).unwrap();
    assert_eq!(event.time, Nanos(105));
    assert_eq!(event.process, ProcessId { pid: 7, start: Ticks(2) });
    let EventKind::Exec(exec) = event.kind else { panic!("no exec") };
    assert_eq!(&*exec.exe, "/tmp/x");
    assert_eq!(&*exec.cwd, "/root");
    assert_eq!(exec.argv, ["x", "-o", "\\xff"].map(Box::<str>::from));
    assert_eq!(exec.argv_truncated, None);
    assert_eq!(exec.parent, ProcessId { pid: 1, start: Ticks(1) });
    assert_eq!(exec.env, [("LD_PRELOAD".into(), "/tmp/a.so".into())]);
    assert!(exec.env_truncated);
}

#[test]
fn a_record_cut_at_any_byte_is_counted_and_gives_nothing() {
    let record = exec_record();
    let mut decoder = Decoder::new(0);
    for len in 0..record.len() {
        assert_eq!(decoder.decode(&record[..len], Nanos(0)), None);
    }
    assert_eq!(decoder.malformed(), record.len() as u64);
}

#[test]
fn chunks_continue_the_exec_that_follows() {
    let mut decoder = Decoder::new(0);
    let rest = b"end\0";
    let chunk = wire::ExecChunk {
        stream: Stream::Argv as u32,
        offset: limits::ARGV_INLINE as u32,
        len: rest.len() as u32,
        pad: 0,
    };
    let record = [bytes(header(Kind::ExecChunk, 0)), bytes(chunk), rest.to_vec()].concat();
    assert_eq!(decoder.decode(&record, Nanos(0)), None);
    let EventKind::Exec(exec) = decoder.decode(&exec_record(), Nanos(0)).unwrap().kind else {
        panic!("no exec")
    };
    assert_eq!(exec.argv.last().map(|arg| &**arg), Some("end"));
}

#[test]
fn a_v4_mapped_address_is_given_as_ipv4() {
    let mut remote = [0; 16];
    remote[10..].copy_from_slice(&[0xff, 0xff, 127, 0, 0, 1]);
    let socket =
        wire::Socket { remote, remote_port: 80, family: AF_INET6, protocol: 6, ..wire::Socket::default() };
    let record = [bytes(header(Kind::Connect, 0)), bytes(socket)].concat();
    let EventKind::Connect(flow) = Decoder::new(0).decode(&record, Nanos(0)).unwrap().kind else { panic!() };
    assert_eq!(flow.remote, "127.0.0.1:80".parse().unwrap());
    assert!(flow.v4_mapped);
    assert_eq!(flow.local, None);
}

fn settled(decoder: &mut Decoder, record: &[u8]) -> Event {
    let mut event = decoder.decode(record, Nanos(0)).unwrap();
    decoder.settle(&mut event);
    event
}

#[test]
fn what_a_socket_carries_belongs_to_whoever_connected_it() {
    let mut decoder = Decoder::new(0);
    let socket = wire::Socket { cookie: 9, family: 2, protocol: 6, netns: 3, ..wire::Socket::default() };
    settled(&mut decoder, &[bytes(header(Kind::Connect, 0)), bytes(socket)].concat());
    let softirq = |kind, flags| Header { pid: 0, tid: 0, start: 0, ..header(kind, flags) };
    let payload = wire::Payload {
        socket: wire::Socket { netns: 0, ..socket },
        segment: 1,
        total: 600,
        len: 2,
        mark: 0,
    };
    let head = softirq(Kind::Payload, flag::INBOUND | flag::BEGINS);
    let record = [bytes(head), bytes(payload), b"ab".to_vec(), vec![0; 254]].concat();
    let event = settled(&mut decoder, &record);
    assert_eq!((event.process.pid, event.thread), (7, 8));
    let EventKind::Payload(payload) = event.kind else { panic!("no payload") };
    assert_eq!((&*payload.bytes, payload.total, payload.segment), (&b"ab"[..], 600, 1));
    assert_eq!((payload.direction, payload.begins), (Direction::In, true));
    assert_eq!((payload.flow.initiated, payload.flow.netns), (true, NetnsId(3)));

    let flow = wire::Flow { socket, age: 5, ..wire::Flow::default() };
    let record = [bytes(softirq(Kind::Flow, flag::CLOSED)), bytes(flow)].concat();
    let event = settled(&mut decoder, &record);
    assert_eq!(event.process.pid, 7);
    let EventKind::FlowStats(stats) = event.kind else { panic!("no flow") };
    assert!(stats.closed && stats.age == 5);
    // The cookie is never used again, and nothing is remembered of it.
    assert_eq!(settled(&mut decoder, &record).process.pid, 0);
}

#[test]
fn a_payload_that_claims_more_bytes_than_it_has_is_malformed() {
    let payload = wire::Payload { len: 3, ..wire::Payload::default() };
    let record = [bytes(header(Kind::Payload, 0)), bytes(payload), b"ab".to_vec()].concat();
    let mut decoder = Decoder::new(0);
    assert_eq!(decoder.decode(&record, Nanos(0)), None);
    assert_eq!(decoder.malformed(), 1);
}

#[test]
fn sockets_at_standard_descriptors_are_told() {
    let stdio = wire::Stdio {
        remote: [10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        local: [10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        remote_port: 4444,
        local_port: 50_000,
        family: 2,
        fd: 1,
    };
    let body = wire::Exec { stdio_len: 40, nlink: 1, ..wire::Exec::default() };
    let record = [bytes(header(Kind::Exec, 0)), bytes(body), bytes(stdio)].concat();
    let EventKind::Exec(exec) = Decoder::new(0).decode(&record, Nanos(0)).unwrap().kind else { panic!() };
    let expected = StdioSocket {
        fd: 1,
        remote: "10.0.0.2:4444".parse().unwrap(),
        local: "10.0.0.1:50000".parse().unwrap(),
    };
    assert_eq!(exec.stdio, [expected]);
}

#[test]
fn random_bytes_never_panic() {
    let mut decoder = Decoder::new(0);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..20_000 {
        let mut record: Vec<u8> = Vec::new();
        for _ in 0..(round % 200) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            record.push(state as u8);
        }
        if record.len() > 45 {
            record[44] = (round % 26) as u8;
            record[45] = 0;
        }
        let _ = decoder.decode(&record, Nanos(0));
    }
}
