//! A subject made of fields written by hand: what exemplars and `rules explain` judge.
//!
//! Facts are not written by hand: the parsers run over Image, Args and CommandLine as they do on a
//! live event, so an exemplar tests them too.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::Category;
use super::facts::program::basename;
use super::subject::{View, What};
use crate::analysis::Observation;
use crate::event::{
    AgentId, CgroupId, CgroupMove, Endpoint, Event, EventKind, Exec, FileEvent, FileOp, Flow, Lost,
    Membership, Nanos, NetnsId, Operation, OperationCode, ProcessId, Protocol, Ticks,
};
use crate::network::{Application, Recognised, Role};

/// Fields, and the event that they describe.
pub(super) struct Sample {
    what: Made,
    exec: Arc<Exec>,
    fields: Map<String, Value>,
}

enum Made {
    Event(Box<Event>),
    Recognised(Box<Recognised>),
    Observation(Observation),
}

impl Sample {
    /// The event of `category` that `fields` describe.
    pub(super) fn new(category: Category, fields: Map<String, Value>) -> Self {
        let exec = Arc::new(exec(&fields));
        let process = ProcessId {
            pid: number(&fields, "ProcessId").and_then(|pid| pid.try_into().ok()).unwrap_or(1000),
            start: Ticks(1),
        };
        let kind = match category {
            Category::Observation => None,
            Category::ProcessCreation => Some(EventKind::Exec(exec.clone())),
            Category::NetworkConnection => Some(EventKind::Connect(flow(&fields))),
            Category::NetworkPayload => return Self::recognised(Application::Tls, exec, process, fields),
            Category::DnsQuery => return Self::recognised(Application::Dns, exec, process, fields),
            Category::NetworkListen => Some(EventKind::Listen(Endpoint {
                cookie: 1,
                protocol: protocol(&fields),
                local: address(&fields, "LocalIp", "LocalPort"),
            })),
            Category::FileEvent
            | Category::FileChange
            | Category::FileDelete
            | Category::FileAccess
            | Category::ImageLoad => Some(EventKind::File(file(category, &fields))),
            Category::Operation => Some(EventKind::Operation(Box::new(operation(&fields)))),
            Category::Cgroup => Some(EventKind::CgroupMove(CgroupMove {
                moved: process,
                to: CgroupId(2),
                path: text(&fields, "TargetCgroupPath").unwrap_or("/").into(),
                change: match text(&fields, "Membership") {
                    Some("left") => Membership::Left,
                    Some("joined") => Membership::Joined,
                    _ => Membership::Within,
                },
            })),
            Category::Sensor => Some(EventKind::Lost(Lost {
                what: text(&fields, "LostKind").unwrap_or("exec").into(),
                count: number(&fields, "LostEvents").unwrap_or(1),
            })),
        };
        let what = match kind {
            Some(kind) => Made::Event(Box::new(Event {
                time: Nanos(0),
                received: Nanos(0),
                agent: AgentId(1),
                process,
                thread: process.pid,
                uid: number(&fields, "User").and_then(|uid| uid.try_into().ok()).unwrap_or(0),
                cgroup: CgroupId(1),
                kind,
            })),
            None => Made::Observation(Observation {
                time: Nanos(0),
                received: Nanos(0),
                agent: AgentId(1),
                process,
                cgroup: CgroupId(1),
                name: "given",
                text: String::new(),
                fields: Vec::new(),
            }),
        };
        Self { what, exec, fields }
    }

    /// What the parser of a protocol gives, apart from `fields`, which say it themselves.
    fn recognised(
        application: Application,
        exec: Arc<Exec>,
        process: ProcessId,
        fields: Map<String, Value>,
    ) -> Self {
        let recognised = Recognised {
            time: Nanos(0),
            received: Nanos(0),
            agent: AgentId(1),
            process,
            uid: 0,
            cgroup: CgroupId(1),
            flow: flow(&fields),
            application,
            role: Role::Client,
            fields: fields.get("QueryName").map(|name| ("QueryName", name.clone())).into_iter().collect(),
        };
        Self { what: Made::Recognised(Box::new(recognised)), exec, fields }
    }

    /// What is described.
    pub(super) fn what(&self) -> What<'_> {
        match &self.what {
            Made::Event(event) => What::Event(event),
            Made::Observation(observation) => What::Observation(observation),
            Made::Recognised(recognised) => What::Recognised(recognised),
        }
    }

    /// The program of the process.
    pub(super) fn exec(&self) -> &Exec {
        &self.exec
    }

    /// The view that rules judge.
    pub(super) fn view(&self) -> View<'_> {
        View::given(self.what(), Some(&self.exec), &self.fields)
    }
}

fn exec(fields: &Map<String, Value>) -> Exec {
    let argv: Vec<Box<str>> = match fields.get("Args") {
        Some(Value::Array(args)) => args.iter().filter_map(Value::as_str).map(Into::into).collect(),
        _ => text(fields, "CommandLine")
            .into_iter()
            .flat_map(|line| line.split_whitespace().map(Into::into))
            .collect(),
    };
    let argv0 = argv.first().map_or("", AsRef::as_ref);
    let exe = text(fields, "Image").unwrap_or(argv0);
    let nlink = if exe.starts_with("/memfd:") || fields.get("ExeDeleted") == Some(&Value::Bool(true)) {
        0
    } else {
        1
    };
    Exec {
        exe: exe.into(),
        inode: 1,
        nlink,
        mode: 0o100_755,
        cwd: text(fields, "CurrentDirectory").unwrap_or("/").into(),
        script: text(fields, "Script").map(Into::into),
        comm: text(fields, "Comm")
            .map_or_else(|| basename(exe).chars().take(15).collect::<String>(), str::to_owned)
            .into(),
        argv,
        ..Exec::default()
    }
}

fn file(category: Category, fields: &Map<String, Value>) -> FileEvent {
    let op = match (category, text(fields, "FileOperation")) {
        (Category::FileDelete, _) => FileOp::Unlink,
        (Category::FileChange, _) => FileOp::Chmod,
        (Category::FileAccess, Some("copy")) => FileOp::Copy,
        (Category::FileAccess, _) => FileOp::Access,
        (Category::ImageLoad, _) => FileOp::Map,
        (_, Some("rename")) => FileOp::Rename,
        (_, Some("link")) => FileOp::Link,
        (_, Some("symlink")) => FileOp::Symlink,
        (_, Some("truncate")) => FileOp::Truncate,
        (_, _) => FileOp::Open,
    };
    FileEvent {
        op,
        path: text(fields, "TargetFilename").unwrap_or_default().into(),
        from: text(fields, "SourceFilename").map(Into::into),
        inode: 1,
        dev: 1,
        mode: 0o100_644,
        created: fields.get("FileCreated") == Some(&Value::Bool(true)),
        ..FileEvent::default()
    }
}

fn operation(fields: &Map<String, Value>) -> Operation {
    let code = text(fields, "Operation").and_then(OperationCode::from_name);
    Operation {
        code: code.unwrap_or(OperationCode::Ptrace),
        target: None,
        same_agent: false,
        errno: number(fields, "OperationErrno").and_then(|errno| errno.try_into().ok()).unwrap_or(0),
        huge: false,
        program_type: None,
        mntns: 0,
        number: number(fields, "OperationNumber").unwrap_or_default(),
        path: text(fields, "OperationPath").map(Into::into),
        source: text(fields, "OperationSource").map(Into::into),
        detail: text(fields, "OperationDetail").map(Into::into),
    }
}

fn flow(fields: &Map<String, Value>) -> Flow {
    Flow {
        cookie: 1,
        protocol: protocol(fields),
        remote: address(fields, "DestinationIp", "DestinationPort"),
        local: text(fields, "SourceIp").map(|_| address(fields, "SourceIp", "SourcePort")),
        v4_mapped: false,
        initiated: fields.get("Initiated") != Some(&Value::Bool(false)),
        netns: NetnsId(0),
    }
}

fn protocol(fields: &Map<String, Value>) -> Protocol {
    match text(fields, "Protocol") {
        Some("udp") => Protocol::Udp,
        _ => Protocol::Tcp,
    }
}

fn address(fields: &Map<String, Value>, ip: &str, port: &str) -> SocketAddr {
    let ip = text(fields, ip).and_then(|ip| ip.parse().ok()).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let port = number(fields, port).and_then(|port| port.try_into().ok()).unwrap_or(0);
    SocketAddr::new(ip, port)
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name)?.as_str()
}

fn number(fields: &Map<String, Value>, name: &str) -> Option<u64> {
    let value = fields.get(name)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
