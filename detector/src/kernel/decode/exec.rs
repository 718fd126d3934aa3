//! Exec records become events: their strings, what came in chunks before them, where the bytes are from.

use std::net::SocketAddr;
use std::sync::Arc;

use detector_common::limits;
use detector_common::wire::{self, Header, Stream, flag};

use super::flow::address;
use super::{Decoder, Malformed, part, path, process, string, take, trust};
use crate::event::{AgentId, EventKind, Exec, Nanos, StdioSocket, Trust, Written, text};

/// Most execs whose chunks wait for their record.
const PENDING: usize = 1024;

/// What came of an exec before its record.
#[derive(Default)]
pub(super) struct Chunks {
    argv: Vec<u8>,
    env: Vec<u8>,
}

impl Decoder {
    pub(super) fn exec(&mut self, header: &Header, rest: &[u8]) -> Result<EventKind, Malformed> {
        let (exec, rest) = take::<wire::Exec>(rest)?;
        let (exe, rest) = part(rest, exec.path_len)?;
        let (cwd, rest) = part(rest, exec.cwd_len)?;
        let (argv, rest) = part(rest, exec.argv_len)?;
        let (env, rest) = part(rest, exec.env_len)?;
        let (script, rest) = part(rest, exec.script_len)?;
        let (stdio, _) = part(rest, exec.stdio_len)?;
        let chunks = self.pending.remove(&(header.pid, header.start)).unwrap_or_default();
        let argv = joined(argv, &chunks.argv);
        let env = joined(env, &chunks.env);
        let has = |bit: u16| header.flags & bit != 0;
        self.parents.put(header.pid, exec.ppid);
        let mut exec = Exec {
            exe: path::walked(exe, has(flag::PATH_TRUNCATED)),
            inode: exec.inode,
            dev: exec.dev,
            nlink: exec.nlink,
            mode: exec.mode,
            argv: arguments(&argv),
            argv_truncated: is_shorter(&argv, exec.argv_total).then_some(exec.argv_total),
            cwd: path::walked(cwd, has(flag::CWD_TRUNCATED)),
            script: (!script.is_empty()).then(|| string(script)),
            parent: process(exec.ppid, exec.parent_start),
            gid: exec.gid,
            comm: string(exec.comm.map(u64::to_ne_bytes).as_flattened()),
            env: watched_environment(&env),
            env_truncated: is_shorter(&env, exec.env_total),
            path_truncated: has(flag::PATH_TRUNCATED) || has(flag::CWD_TRUNCATED),
            stdio: stdio_sockets(stdio),
            written: self.written(exec.written),
            trust: Trust::None,
        };
        exec.trust = trust::of(&exec, &mut self.mounts);
        Ok(EventKind::Exec(Arc::new(exec)))
    }

    pub(super) fn chunk(&mut self, header: &Header, rest: &[u8]) -> Result<(), Malformed> {
        let (chunk, rest) = take::<wire::ExecChunk>(rest)?;
        let len = usize::try_from(chunk.len).map_err(|_| Malformed)?;
        let bytes = rest.get(..len).ok_or(Malformed)?;
        if self.pending.len() >= PENDING {
            // Their exec records were lost; nothing will ever ask for them.
            self.pending.clear();
        }
        let chunks = self.pending.entry((header.pid, header.start)).or_default();
        let (stream, inline) = if chunk.stream == Stream::Argv as u32 {
            (&mut chunks.argv, limits::ARGV_INLINE)
        } else {
            (&mut chunks.env, limits::ENV_INLINE)
        };
        let offset = usize::try_from(chunk.offset).map_err(|_| Malformed)?;
        if offset == inline {
            stream.clear();
        }
        if offset == inline + stream.len() {
            stream.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn written(&self, written: wire::Written) -> Option<Written> {
        let wire::Written { time, start, pid, agent } = written;
        (time != 0).then(|| Written {
            time: Nanos(time.saturating_add(self.clock)),
            by: process(pid, start),
            agent: AgentId(agent),
        })
    }
}

fn joined<'a>(inline: &'a [u8], chunks: &[u8]) -> std::borrow::Cow<'a, [u8]> {
    if chunks.is_empty() { inline.into() } else { [inline, chunks].concat().into() }
}

fn is_shorter(taken: &[u8], total: u32) -> bool {
    u32::try_from(taken.len()).is_ok_and(|len| len < total)
}

fn arguments(argv: &[u8]) -> Vec<Box<str>> {
    let argv = argv.strip_suffix(&[0]).unwrap_or(argv);
    if argv.is_empty() { Vec::new() } else { argv.split(|byte| *byte == 0).map(text).collect() }
}

fn watched_environment(env: &[u8]) -> Vec<(Box<str>, Box<str>)> {
    let mut found = Vec::new();
    for entry in env.split(|byte| *byte == 0) {
        // Looking at one byte first keeps this cheap for the dozens of names that are of no interest.
        if !matches!(entry.first(), Some(b'L' | b'B' | b'P')) {
            continue;
        }
        for name in Exec::WATCHED_ENV {
            if let Some(value) = entry.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
            {
                found.push((name.into(), text(value)));
            }
        }
    }
    found
}

fn stdio_sockets(mut bytes: &[u8]) -> Vec<StdioSocket> {
    let mut sockets = Vec::new();
    while let Ok((socket, rest)) = take::<wire::Stdio>(bytes) {
        bytes = rest;
        let end = |bytes, port| SocketAddr::new(address(socket.family, bytes).to_canonical(), port);
        sockets.push(StdioSocket {
            fd: u8::try_from(socket.fd).unwrap_or(u8::MAX),
            remote: end(socket.remote, socket.remote_port),
            local: end(socket.local, socket.local_port),
        });
    }
    sockets
}
