//! `new_code`: a program, script or library that an agent's own processes wrote is run: what it is, who
//! wrote it when, and who had it from the network.
//!
//! The kernel half remembers who wrote an inode, and says so with each exec. Scripts are run by their
//! interpreter and libraries are mapped, so for these the paths that were written are remembered here, renames
//! followed. Whether a writer is a compiler or a package manager is for rules to judge: the observation names
//! the writer and what was above it. Tools in that lineage that an agent wrote itself are left out, so that
//! a copy named `cargo` excuses nothing.

use std::sync::Arc;

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::kept::Kept;
use super::{Around, Moment, Observation, program};
use crate::event::{
    Event, EventKind, Exec, FileEvent, FileOp, Flow, Nanos, ProcessId, Protocol, is_loopback,
};

/// Most paths that are remembered as written, most writers, and most processes that fetched something.
const MAX_PATHS: usize = 32_768;
const MAX_WRITERS: usize = 8_192;
const MAX_FETCHERS: usize = 8_192;
/// Most findings that are remembered as told.
const MAX_TOLD: usize = 8_192;
/// Ancestors of a writer that are remembered.
const ABOVE: usize = 8;
/// Most siblings of a writer that are looked at for who fetched what it wrote.
const SIBLINGS: usize = 64;
/// How long before a write its bytes may have been fetched, nanoseconds.
const FETCHED_BEFORE: u64 = 600_000_000_000;
/// How long one file that runs again and again is told of once, nanoseconds.
const TOLD_FOR: u64 = 60_000_000_000;

/// What agents' processes wrote.
#[derive(Debug)]
pub(super) struct NewCode {
    /// Hash of a path → who wrote it when.
    paths: Kept<u64, Write>,
    /// Hash of a name → the path of that name that was written last, for scripts that are named by way of `..`.
    named: Kept<u64, Box<str>>,
    writers: Kept<ProcessId, Writer>,
    fetchers: Kept<ProcessId, Fetched>,
    told: Kept<u64, Nanos>,
}

#[derive(Clone, Copy, Debug)]
struct Write {
    by: ProcessId,
    time: Nanos,
}

/// What a writer ran, and what stood above it, nearest first.
#[derive(Clone, Debug)]
struct Writer {
    exec: Arc<Exec>,
    above: Vec<Arc<Exec>>,
}

/// A connection to elsewhere.
#[derive(Clone, Debug)]
struct Fetched {
    from: String,
    time: Nanos,
}

/// How new code is run.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Program,
    Script,
    Library,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Script => "script",
            Self::Library => "library",
        }
    }
}

impl Default for NewCode {
    fn default() -> Self {
        Self {
            paths: Kept::new(MAX_PATHS),
            named: Kept::new(MAX_PATHS),
            writers: Kept::new(MAX_WRITERS),
            fetchers: Kept::new(MAX_FETCHERS),
            told: Kept::new(MAX_TOLD),
        }
    }
}

impl NewCode {
    pub(super) fn event(&mut self, around: Around<'_>, event: &Event, out: &mut Vec<Observation>) {
        match &event.kind {
            EventKind::File(file) => self.file(around, event, file, out),
            EventKind::Exec(exec) => {
                self.renew_writer(event.process, exec);
                self.executed(around, event, exec, out);
            }
            EventKind::Connect(flow) => self.connects(around, event, flow),
            EventKind::Fork(_)
            | EventKind::Exit(_)
            | EventKind::ConnectResult(_)
            | EventKind::Payload(_)
            | EventKind::FlowStats(_)
            | EventKind::Send(_)
            | EventKind::Bind(_)
            | EventKind::Listen(_)
            | EventKind::Operation(_)
            | EventKind::Setsid
            | EventKind::CgroupMove(_)
            | EventKind::CgroupCreate(_)
            | EventKind::CgroupRemove(_)
            | EventKind::Lost(_) => {}
        }
    }

    /// Who wrote the program or script that this executes, where an agent did.
    pub(super) fn writer(&self, exec: &Exec) -> Option<ProcessId> {
        if let Some(written) = &exec.written {
            return Some(written.by);
        }
        let script = exec.script.as_deref().or_else(|| program::operand(exec))?;
        Some(self.written(&exec.cwd, script)?.1.by)
    }

    /// Paths, writers and fetchers that had to make room for others.
    pub(super) fn dropped(&self) -> u64 {
        self.writers.dropped() + self.fetchers.dropped()
    }

    /// Remembers who wrote a file.
    fn keep(&mut self, path: &str, write: Write) {
        self.paths.insert(xxh3_64(path.as_bytes()), write);
        self.named.insert(xxh3_64(program::basename(path).as_bytes()), path.into());
    }

    /// The file that a process in `cwd` means by `path` and who wrote it, where an agent did. What the text says
    /// of a path with `..` in it is its end only, so any file counts that ends so.
    fn written(&self, cwd: &str, path: &str) -> Option<(String, Write)> {
        let path = program::absolute(cwd, path);
        let path = match program::behind_dots(&path) {
            None => path,
            Some(end) => {
                let known = self.named.get(&xxh3_64(program::basename(end).as_bytes()))?;
                known.strip_suffix(end).filter(|above| above.ends_with('/'))?;
                known.to_string()
            }
        };
        let write = self.paths.get(&xxh3_64(path.as_bytes())).copied()?;
        Some((path, write))
    }

    fn file(&mut self, around: Around<'_>, event: &Event, file: &FileEvent, out: &mut Vec<Observation>) {
        let path = xxh3_64(file.path.as_bytes());
        match file.op {
            FileOp::Open | FileOp::Truncate => {
                self.keep(&file.path, Write { by: event.process, time: event.time });
                self.remember_writer(around, event.process);
            }
            FileOp::Rename | FileOp::Link => {
                let Some(from) = &file.from else { return };
                let from = xxh3_64(from.as_bytes());
                let written = if file.op == FileOp::Rename {
                    self.paths.remove(&from)
                } else {
                    self.paths.get(&from).copied()
                };
                if let Some(written) = written {
                    self.keep(&file.path, written);
                }
            }
            FileOp::Map => {
                let Some(write) = self.paths.get(&path).copied() else { return };
                self.tell(around, event, Kind::Library, &file.path, write, out);
            }
            FileOp::Symlink | FileOp::Unlink | FileOp::Chmod | FileOp::Access | FileOp::Copy => {}
        }
    }

    fn executed(&mut self, around: Around<'_>, event: &Event, exec: &Exec, out: &mut Vec<Observation>) {
        if let Some(written) = &exec.written {
            let write = Write { by: written.by, time: written.time };
            self.tell(around, event, Kind::Program, &exec.exe, write, out);
        }
        let Some(script) = exec.script.as_deref().or_else(|| program::operand(exec)) else { return };
        let Some((script, write)) = self.written(&exec.cwd, script) else { return };
        self.tell(around, event, Kind::Script, &script, write, out);
    }

    fn connects(&mut self, around: Around<'_>, event: &Event, flow: &Flow) {
        if flow.protocol != Protocol::Tcp || is_loopback(flow.remote.ip()) {
            return;
        }
        let name = around.names.get(flow.netns, flow.remote.ip(), around.now);
        let from = name.map_or_else(|| flow.remote.to_string(), ToString::to_string);
        self.fetchers.insert(event.process, Fetched { from, time: event.time });
    }

    fn remember_writer(&mut self, around: Around<'_>, id: ProcessId) {
        if self.writers.get(&id).is_some() {
            return;
        }
        let Some(process) = around.table.get(id) else { return };
        let Some(exec) = process.exec.clone() else { return };
        // What started the agent speaks for nothing that the agent does.
        let above = around.table.ancestors(id).take_while(|above| above.agent == process.agent).take(ABOVE);
        let above = above.filter_map(|process| process.exec.clone()).collect();
        self.writers.insert(id, Writer { exec, above });
    }

    /// A shell opens the target of `curl > file` before the same process becomes curl.
    fn renew_writer(&mut self, id: ProcessId, exec: &Arc<Exec>) {
        if let Some(writer) = self.writers.get_mut(&id) {
            writer.exec = Arc::clone(exec);
        }
    }

    /// Who fetched what this process wrote: it, or one beside it in a pipeline.
    fn fetched(&self, around: Around<'_>, write: Write) -> Option<(ProcessId, &Fetched)> {
        let in_time = |fetched: &&Fetched| {
            fetched.time.since(write.time).max(write.time.since(fetched.time)) < FETCHED_BEFORE
        };
        if let Some(fetched) = self.fetchers.get(&write.by).filter(in_time) {
            return Some((write.by, fetched));
        }
        let parent = around.table.get(write.by)?.parent?;
        let is_shell = around.table.get(parent)?.exec.as_deref().is_some_and(program::is_shell);
        let beside = around.table.children(parent).take(if is_shell { SIBLINGS } else { 0 });
        beside.map(|process| process.id).find_map(|id| Some((id, self.fetchers.get(&id).filter(in_time)?)))
    }

    /// What a program goes by as a tool: its file, the script or module that it interprets; nothing that an
    /// agent wrote itself.
    fn tools(&self, exec: &Exec) -> impl Iterator<Item = Value> {
        let script = exec.script.as_deref().or_else(|| program::operand(exec));
        let script = script.filter(|script| self.written(&exec.cwd, script).is_none());
        let names = [Some(program::tool(&exec.exe)), script.map(program::tool), program::module(exec)];
        let names: Vec<Value> = match exec.written {
            None => names.into_iter().flatten().map(Value::from).collect(),
            Some(_) => Vec::new(),
        };
        names.into_iter()
    }

    fn tell(
        &mut self,
        around: Around<'_>,
        event: &Event,
        kind: Kind,
        path: &str,
        write: Write,
        out: &mut Vec<Observation>,
    ) {
        let root = around.table.root(event.process);
        let key =
            xxh3_64(path.as_bytes()) ^ u64::from(root.pid).rotate_left(32) ^ root.start.0.rotate_left(17);
        if self.told.get(&key).is_some_and(|told| event.time.since(*told) < TOLD_FOR) {
            return;
        }
        self.told.insert(key, event.time);
        let seconds = event.time.since(write.time) / 1_000_000_000;
        let fetched = self.fetched(around, write);
        let image = |exec: &Exec| Value::from(&*exec.exe);
        let mut fields = vec![
            ("NewCodeKind", Value::from(kind.name())),
            ("NewCode", Value::from(path)),
            ("NewCodeAgeSeconds", Value::from(seconds)),
        ];
        let writer = self.writers.get(&write.by);
        let mut by = format!("pid {}", write.by.pid);
        if let Some(Writer { exec, above }) = writer {
            by = format!("{} (pid {})", program::basename(&exec.exe), write.by.pid);
            // The line itself: an interpreter may be told to do what a tool of its own would.
            fields.push(("WrittenBy", image(exec)));
            fields.push(("WriterCommandLine", Value::from(exec.command_line())));
            let lineage = std::iter::once(exec).chain(above);
            fields.push(("WriterLineage", lineage.flat_map(|exec| self.tools(exec)).collect()));
        }
        let mut from = String::new();
        if let Some((id, fetched)) = fetched {
            let exec = around.table.get(id).and_then(|process| process.exec.clone());
            let exec = exec.or_else(|| self.writers.get(&id).map(|writer| Arc::clone(&writer.exec)));
            fields.push(("FetchedFrom", Value::from(&*fetched.from)));
            fields.extend(exec.as_deref().map(|exec| ("FetchedBy", image(exec))));
            from = format!(", which was connected to {}", fetched.from);
        }
        let what = match kind {
            Kind::Program => "runs",
            Kind::Script => "runs the script",
            Kind::Library => "maps as code",
        };
        let text = format!("{what} {path}, which {by} wrote {seconds} s before{from}");
        out.push(Moment::of(event).observation(around, event.process, "new_code", text, fields));
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::{World, field, id};
    use super::*;
    use crate::event::{AgentId, Written};

    fn writes(world: &mut World, pid: u32, path: &str) {
        world.event(pid, EventKind::File(FileEvent { path: path.into(), ..FileEvent::default() }));
    }

    fn runs(world: &mut World, pid: u32, exe: &str, writer: u32) {
        let time = Nanos(world.time);
        let written = Some(Written { time, by: id(writer), agent: AgentId(1) });
        let exec = Exec { exe: exe.into(), argv: vec![exe.into()], written, ..Exec::default() };
        world.event(pid, EventKind::Exec(Arc::new(exec)));
    }

    #[test]
    fn a_program_that_curl_fetched_names_curl_and_where_it_came_from() {
        let mut world = World::new();
        world.exec(10, "/usr/bin/bash", "bash").fork(10, 11).fork(10, 12);
        writes(&mut world, 11, "/tmp/x");
        world.exec(11, "/usr/bin/curl", "curl http://a/x").connect(11, 1, "203.0.113.9:80", 0).exit(11);
        runs(&mut world, 12, "/tmp/x", 11);
        let seen = world.taken();
        assert_eq!(seen.len(), 1);
        assert_eq!(field(&seen[0], "NewCodeKind"), "program");
        assert_eq!(field(&seen[0], "WrittenBy"), "/usr/bin/curl");
        assert_eq!(field(&seen[0], "FetchedBy"), "/usr/bin/curl");
        assert_eq!(field(&seen[0], "FetchedFrom"), "203.0.113.9:80");
    }

    #[test]
    fn who_fetches_may_stand_beside_the_writer_in_a_pipeline() {
        let mut world = World::new();
        world.exec(10, "/usr/bin/bash", "bash").fork(10, 11).fork(10, 12).fork(10, 13);
        world.exec(11, "/usr/bin/curl", "curl http://a/x").connect(11, 1, "203.0.113.9:80", 0);
        world.exec(12, "/usr/bin/base64", "base64 -d");
        writes(&mut world, 12, "/tmp/x");
        runs(&mut world, 13, "/tmp/x", 12);
        let seen = world.taken();
        assert_eq!(field(&seen[0], "WrittenBy"), "/usr/bin/base64");
        assert_eq!(field(&seen[0], "FetchedBy"), "/usr/bin/curl");
    }

    #[test]
    fn a_script_is_known_by_its_path_relative_renamed_and_given_to_its_interpreter() {
        let mut world = World::new();
        world.exec(10, "/usr/bin/python3", "python3 agent.py").fork(10, 11);
        writes(&mut world, 10, "/work/a.tmp");
        let renamed = FileEvent {
            op: FileOp::Rename,
            path: "/work/a.sh".into(),
            from: Some("/work/a.tmp".into()),
            ..FileEvent::default()
        };
        world.event(10, EventKind::File(renamed));
        let line = ["bash", "-x", "./b/../a.sh"].map(Into::into).to_vec();
        let exec = Exec { exe: "/usr/bin/bash".into(), argv: line, cwd: "/work".into(), ..Exec::default() };
        world.event(11, EventKind::Exec(Arc::new(exec)));
        let seen = world.taken();
        assert_eq!(field(&seen[0], "NewCodeKind"), "script");
        assert_eq!(field(&seen[0], "NewCode"), "/work/a.sh");
        assert_eq!(field(&seen[0], "WrittenBy"), "/usr/bin/python3");
    }

    #[test]
    fn a_link_before_dots_hides_no_script() {
        let mut world = World::new();
        world.exec(10, "/usr/bin/bash", "bash").fork(10, 11).fork(10, 12);
        writes(&mut world, 10, "/tmp/deep/evil.sh");
        // /work/link leads to /tmp/deep/below: the text folds to /work/evil.sh, which there is not.
        for (pid, path, expected) in [(11, "link/../evil.sh", 1), (12, "link/../other.sh", 0)] {
            let argv = ["bash", path].map(Into::into).to_vec();
            let exec = Exec { exe: "/usr/bin/bash".into(), argv, cwd: "/work".into(), ..Exec::default() };
            world.event(pid, EventKind::Exec(Arc::new(exec)));
            let seen = world.taken();
            assert_eq!(seen.len(), expected, "{path}");
            assert!(seen.iter().all(|seen| field(seen, "NewCode") == "/tmp/deep/evil.sh"));
        }
    }

    #[test]
    fn a_library_that_nobody_here_wrote_is_no_new_code() {
        let mut world = World::new();
        world.exec(10, "/usr/bin/python3", "python3");
        let map = |path: &str| FileEvent { op: FileOp::Map, path: path.into(), ..FileEvent::default() };
        world.event(10, EventKind::File(map("/usr/lib/libz.so")));
        assert!(world.taken().is_empty());
        writes(&mut world, 10, "/tmp/evil.so");
        world.event(10, EventKind::File(map("/tmp/evil.so")));
        assert_eq!(field(&world.taken()[0], "NewCodeKind"), "library");
    }

    #[test]
    fn a_tool_that_an_agent_wrote_excuses_nothing() {
        let mut world = World::new();
        world.exec(10, "/usr/bin/bash", "bash").fork(10, 11).fork(10, 12);
        runs(&mut world, 11, "/tmp/cargo", 10);
        world.taken();
        writes(&mut world, 11, "/tmp/x");
        runs(&mut world, 12, "/tmp/x", 11);
        let seen = world.taken();
        assert_eq!(field(&seen[0], "WrittenBy"), "/tmp/cargo");
        assert_eq!(field(&seen[0], "WriterLineage"), &serde_json::json!(["bash"]));
    }

    #[test]
    fn what_runs_a_thousand_times_is_told_once_a_minute() {
        let mut world = World::new();
        world.exec(10, "/usr/bin/bash", "bash").fork(10, 11);
        for _ in 0..1_000 {
            runs(&mut world, 11, "/tmp/x", 10);
        }
        assert_eq!(world.taken().len(), 1);
        world.wait(61);
        runs(&mut world, 11, "/tmp/x", 10);
        assert_eq!(world.taken().len(), 1);
    }
}
