//! Records are decoded field by field, and bytes that are no records never harm.

use super::*;

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
            record[44] = (round % 21) as u8;
            record[45] = 0;
        }
        let _ = decoder.decode(&record, Nanos(0));
    }
}
