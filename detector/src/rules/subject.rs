//! What is judged, offered to the Sigma engine field by field, without JSON and on demand.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::SocketAddr;

use rsigma_eval::EventValue;
use serde_json::{Map, Value};

use super::facts::Facts;
use super::facts::miner::Token;
use super::facts::program::basename;
use super::field::{self, FieldId};
use crate::canary::Strings;
use crate::change::Change;
use crate::event::{
    CgroupMove, Endpoint, EventKind, Exec, FileEvent, Flow, Lost, Membership, Operation, ProcessId,
    StdioSocket, is_loopback, is_private, is_public,
};
use crate::process::{Process, ProcessTable};
use crate::task::{InFlight, Ledger};
use crate::wallet::{self, Address};

mod intent;
mod target;
mod what;

pub use what::What;

/// Something to judge and what is known around it.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The event or observation.
    pub what: What<'a>,
    /// The processes.
    pub table: &'a ProcessTable,
    /// Name of the agent.
    pub agent_name: Option<&'a str>,
    /// Control group of the process below the cgroup2 mount.
    pub cgroup_path: Option<&'a str>,
    /// Container id in that path.
    pub container: Option<&'a str>,
    /// Pod UID in that path.
    pub pod: Option<&'a str>,
    /// Name that DNS gave the remote address of the flow, if this is about one.
    pub hostname: Option<&'a str>,
    /// The acting process as it was, for an event that is judged later.
    pub actor: Option<&'a Process>,
    /// How the file changed, for an event about one whose content is known.
    pub change: Option<&'a Change>,
    /// Strings of canaries.
    pub canaries: &'a Strings,
    /// What agents were meant to do.
    pub tasks: &'a Ledger,
}

impl<'a> Subject<'a> {
    /// The process with this identity; the acting one as it was.
    pub fn process(&self, id: ProcessId) -> Option<&'a Process> {
        self.actor.filter(|actor| actor.id == id).or_else(|| self.table.get(id))
    }
}

/// A subject as the engine sees it: facts are parsed when a rule first asks, and once.
pub(super) struct View<'a> {
    what: What<'a>,
    table: Option<&'a ProcessTable>,
    agent_name: Option<&'a str>,
    cgroup_path: Option<&'a str>,
    container: Option<&'a str>,
    pod: Option<&'a str>,
    hostname: Option<&'a str>,
    change: Option<&'a Change>,
    canaries: Option<&'a Strings>,
    tasks: Option<&'a Ledger>,
    exec: Option<&'a Exec>,
    /// Fields given by hand: exemplars and `rules explain`. They win over everything else.
    given: Option<&'a Map<String, Value>>,
    process: OnceCell<Option<&'a Process>>,
    facts: OnceCell<Facts<'a>>,
    command_line: OnceCell<String>,
    call: OnceCell<Option<InFlight>>,
}

impl<'a> View<'a> {
    pub(super) fn of(subject: &Subject<'a>) -> Self {
        let Subject {
            what,
            table,
            agent_name,
            cgroup_path,
            container,
            pod,
            hostname,
            actor: _,
            change,
            canaries,
            tasks,
        } = *subject;
        let process = OnceCell::new();
        let exec = if let Some(EventKind::Exec(exec)) = what.kind() {
            Some(&**exec)
        } else if let Some(EventKind::Lost(_)) = what.kind() {
            None
        } else {
            let found = subject.process(what.process());
            let _ = process.set(found);
            found.and_then(|process| process.exec.as_deref())
        };
        Self {
            what,
            table: Some(table),
            agent_name,
            cgroup_path,
            container,
            pod,
            hostname,
            change,
            canaries: Some(canaries),
            tasks: Some(tasks),
            exec,
            given: None,
            process,
            facts: OnceCell::new(),
            command_line: OnceCell::new(),
            call: OnceCell::new(),
        }
    }

    /// A view of fields given by hand, and of what the parsers make of them.
    pub(super) fn given(what: What<'a>, exec: Option<&'a Exec>, fields: &'a Map<String, Value>) -> Self {
        Self {
            what,
            table: None,
            agent_name: None,
            cgroup_path: None,
            container: None,
            pod: None,
            hostname: None,
            change: None,
            canaries: None,
            tasks: None,
            exec,
            given: Some(fields),
            process: OnceCell::new(),
            facts: OnceCell::new(),
            command_line: OnceCell::new(),
            call: OnceCell::new(),
        }
    }

    /// A field's value as a person reads it; lists joined by a comma.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        fn plain(value: &EventValue<'_>) -> Option<String> {
            match value {
                EventValue::Array(items) => {
                    let items: Vec<String> = items.iter().filter_map(plain).collect();
                    Some(items.join(", "))
                }
                EventValue::Null | EventValue::Map(_) => None,
                EventValue::Str(_) | EventValue::Int(_) | EventValue::Float(_) | EventValue::Bool(_) => {
                    value.as_str().map(Cow::into_owned)
                }
            }
        }
        rsigma_eval::Event::get_field(self, name).as_ref().and_then(plain)
    }

    fn process(&self) -> Option<&'a Process> {
        *self.process.get_or_init(|| self.table?.get(self.what.process()))
    }

    fn parent(&self) -> Option<&'a Process> {
        self.ancestors().next()
    }

    fn ancestors(&self) -> impl Iterator<Item = &'a Process> {
        self.table.map(|table| table.ancestors(self.what.process())).into_iter().flatten()
    }

    fn facts(&self) -> Option<&Facts<'a>> {
        let exec = self.exec?;
        Some(self.facts.get_or_init(|| Facts::of(exec)))
    }

    fn command_line(&self) -> Option<&str> {
        let exec = self.exec?;
        Some(self.command_line.get_or_init(|| exec.command_line()))
    }

    fn env(&self, name: &str) -> Option<EventValue<'_>> {
        let exec = self.exec?;
        exec.env.iter().find(|(key, _)| &**key == name).map(|(_, value)| str(value))
    }

    fn flow(&self) -> Option<&'a Flow> {
        self.what.flow()
    }

    fn endpoint(&self) -> Option<&'a Endpoint> {
        let kind = self.what.kind()?;
        if let EventKind::Bind(endpoint) | EventKind::Listen(endpoint) = kind { Some(endpoint) } else { None }
    }

    fn file(&self) -> Option<&'a FileEvent> {
        if let EventKind::File(file) = self.what.kind()? { Some(file) } else { None }
    }

    fn operation(&self) -> Option<&'a Operation> {
        if let EventKind::Operation(operation) = self.what.kind()? { Some(operation) } else { None }
    }

    fn moved(&self) -> Option<&'a CgroupMove> {
        if let EventKind::CgroupMove(moved) = self.what.kind()? { Some(moved) } else { None }
    }

    fn lost(&self) -> Option<&'a Lost> {
        if let EventKind::Lost(lost) = self.what.kind()? { Some(lost) } else { None }
    }

    fn protocol(&self) -> Option<EventValue<'_>> {
        let protocol =
            self.flow().map(|flow| flow.protocol).or_else(|| self.endpoint().map(|end| end.protocol))?;
        Some(EventValue::Str(protocol.name()))
    }

    fn user(&self) -> Option<EventValue<'_>> {
        let uid = match self.what {
            What::Event(event) => event.uid,
            What::Observation(_) => self.process()?.uid,
            What::Recognised(recognised) => recognised.uid,
        };
        Some(if uid == 0 { str("root") } else { EventValue::Str(Cow::Owned(uid.to_string())) })
    }

    /// The topmost process of the same agent above this one, itself where there is none.
    fn process_tree(&self) -> EventValue<'_> {
        let agent = self.what.agent();
        let top = self
            .ancestors()
            .take_while(|process| process.agent == agent)
            .last()
            .map_or(self.what.process(), |process| process.id);
        EventValue::Str(Cow::Owned(top.to_string()))
    }

    fn observed(&self, name: &str) -> Option<EventValue<'_>> {
        let fields = match self.what {
            What::Observation(observation) => &observation.fields,
            What::Recognised(recognised) => &recognised.fields,
            What::Event(_) => return None,
        };
        fields.iter().find(|(field, _)| *field == name).map(|(_, value)| EventValue::from(value))
    }

    /// A name in `field`, and every domain above it.
    fn domains(&self, field: &str) -> Option<EventValue<'_>> {
        let name = rsigma_eval::Event::get_field(self, field)?.as_str()?.to_ascii_lowercase();
        let above = std::iter::successors(Some(&*name), |name| Some(name.split_once('.')?.1));
        Some(list(above.map(|name| EventValue::Str(Cow::Owned(name.to_owned())))))
    }

    /// Whether the file that was opened stands in the arguments of the process, or of one above it.
    fn names_canary(&self) -> bool {
        let Some(file) = self.file() else { return false };
        let name = basename(&file.path);
        let names = |exec: &Exec| exec.argv.iter().skip(1).any(|arg| arg.contains(name));
        let agent = self.what.agent();
        let mut above = self.ancestors().take_while(|process| process.agent == agent);
        !name.is_empty()
            && (self.exec.is_some_and(names)
                || above.any(|process| process.exec.as_deref().is_some_and(names)))
    }

    fn stdio(&self) -> Option<&'a StdioSocket> {
        self.exec?.stdio.first()
    }

    fn value(&self, id: FieldId) -> Option<EventValue<'_>> {
        match id {
            FieldId::Image => Some(str(&self.exec?.exe)),
            FieldId::CommandLine => self.command_line().map(str),
            FieldId::Args => Some(list(self.exec?.argv.iter().map(|arg| str(arg)))),
            FieldId::Argv0 => self.exec?.argv.first().map(|arg| str(arg)),
            FieldId::Comm => Some(str(&self.exec?.comm)),
            FieldId::CurrentDirectory => Some(str(&self.exec?.cwd)),
            FieldId::Script => self.exec?.script.as_deref().map(str),
            FieldId::User => self.user(),
            FieldId::ProcessId => Some(int(self.what.process().pid)),
            FieldId::ParentProcessId => match (self.what.kind(), self.process()) {
                (Some(EventKind::Exec(exec)), _) => Some(int(exec.parent.pid)),
                (_, process) => Some(int(process?.parent?.pid)),
            },
            FieldId::ParentImage => self.parent()?.exec.as_deref().map(|exec| str(&exec.exe)),
            FieldId::ParentCommandLine => {
                Some(EventValue::Str(Cow::Owned(self.parent()?.exec.as_deref()?.command_line())))
            }
            FieldId::Program => Some(list(self.facts()?.programs.iter().map(|name| str(name)))),
            FieldId::ExeMemfd => Some(EventValue::Bool(self.exec?.is_memfd())),
            FieldId::ExeDeleted => Some(EventValue::Bool(self.exec?.is_deleted())),
            FieldId::ExeInode => Some(EventValue::Int(self.exec?.inode.cast_signed())),
            FieldId::ExeWorldWritable => Some(EventValue::Bool(self.exec?.mode & 0o002 != 0)),
            FieldId::ExeSetuid => Some(EventValue::Bool(self.exec?.mode & 0o6000 != 0)),
            FieldId::ArgvTruncated => Some(EventValue::Bool(self.exec?.argv_truncated.is_some())),
            FieldId::PathTruncated => Some(EventValue::Bool(self.exec?.path_truncated)),
            FieldId::ScriptText => self.facts()?.script.map(str),
            FieldId::EnvLdPreload => self.env("LD_PRELOAD"),
            FieldId::EnvLdAudit => self.env("LD_AUDIT"),
            FieldId::EnvBashEnv => self.env("BASH_ENV"),
            FieldId::EnvPythonStartup => self.env("PYTHONSTARTUP"),
            FieldId::SshForward => {
                let ssh = self.facts()?.ssh.as_ref()?;
                Some(match ssh.forwards.as_slice() {
                    [] => list(std::iter::once(str("none"))),
                    forwards => list(forwards.iter().map(|(kind, _)| str(kind.name()))),
                })
            }
            FieldId::SshForwardSpec => {
                let ssh = self.facts()?.ssh.as_ref()?;
                (!ssh.forwards.is_empty()).then(|| list(ssh.forwards.iter().map(|(_, spec)| str(spec))))
            }
            FieldId::SshDestination => self.facts()?.ssh.as_ref()?.destination.as_deref().map(str),
            FieldId::SshBackground => Some(EventValue::Bool(self.facts()?.ssh.as_ref()?.background)),
            FieldId::SshNoCommand => Some(EventValue::Bool(self.facts()?.ssh.as_ref()?.no_command)),
            FieldId::SshConfigFile => self.facts()?.ssh.as_ref()?.config_file.as_deref().map(str),
            FieldId::MinerTokens => tokens(&self.facts()?.miner),
            FieldId::ScriptMinerTokens => tokens(&self.facts()?.script_miner),
            FieldId::Wallets => match self.what {
                What::Event(_) => addresses(&self.facts()?.wallets.arguments),
                What::Observation(_) | What::Recognised(_) => self.observed(id.name()),
            },
            FieldId::WalletCoins => match self.what {
                What::Event(_) => coins(&self.facts()?.wallets.arguments),
                What::Observation(_) | What::Recognised(_) => self.observed(id.name()),
            },
            FieldId::ScriptWallets => addresses(&self.facts()?.wallets.text),
            FieldId::ScriptWalletCoins => coins(&self.facts()?.wallets.text),
            FieldId::Initiated => Some(EventValue::Bool(self.flow()?.initiated)),
            FieldId::Protocol => self.protocol(),
            FieldId::SourceIp => self.flow()?.local.map(ip),
            FieldId::SourcePort => self.flow()?.local.map(|local| int(local.port())),
            FieldId::DestinationIp => Some(ip(self.flow()?.remote)),
            FieldId::DestinationPort => Some(int(self.flow()?.remote.port())),
            FieldId::DestinationIsLoopback => Some(EventValue::Bool(is_loopback(self.flow()?.remote.ip()))),
            FieldId::DestinationIsPrivate => Some(EventValue::Bool(is_private(self.flow()?.remote.ip()))),
            FieldId::DestinationIsIpv6 => Some(EventValue::Bool(self.flow()?.remote.is_ipv6())),
            FieldId::DestinationHostname => self.hostname.map(str),
            FieldId::DestinationDomains => self.domains("DestinationHostname"),
            FieldId::DestinationResolved => {
                let public = is_public(self.flow()?.remote.ip());
                public.then(|| EventValue::Bool(self.hostname.is_some()))
            }
            FieldId::Application => match self.what {
                What::Recognised(recognised) => Some(str(recognised.application.name())),
                What::Event(_) | What::Observation(_) => None,
            },
            FieldId::Role => match self.what {
                What::Recognised(recognised) => Some(str(recognised.role.name())),
                What::Event(_) | What::Observation(_) => None,
            },
            FieldId::SniDomains => self.domains("Sni"),
            FieldId::HttpHostDomains => self.domains("HttpHost"),
            FieldId::QueryDomains => self.domains("QueryName"),
            FieldId::StratumDialect
            | FieldId::StratumMethod
            | FieldId::StratumAgent
            | FieldId::StratumLogin
            | FieldId::StratumAlgo
            | FieldId::StratumCertainty
            | FieldId::SshBanner
            | FieldId::SshSoftware
            | FieldId::Sni
            | FieldId::Alpn
            | FieldId::Ja4
            | FieldId::TlsVersion
            | FieldId::HttpMethod
            | FieldId::HttpHost
            | FieldId::HttpPath
            | FieldId::HttpStatus
            | FieldId::HttpUpgrade
            | FieldId::HttpProtocol
            | FieldId::HttpVersion
            | FieldId::UserAgent
            | FieldId::SocksVersion
            | FieldId::SocksTarget
            | FieldId::NoiseShape
            | FieldId::TunnelTool
            | FieldId::ShellText
            | FieldId::QueryName
            | FieldId::QueryType
            | FieldId::QueryStatus
            | FieldId::QueryResults
            | FieldId::SshServer
            | FieldId::SshForwardUse
            | FieldId::SshDedicated
            | FieldId::Target
            | FieldId::TargetIsLoopback
            | FieldId::ScanKind
            | FieldId::Targets
            | FieldId::ScanHosts
            | FieldId::Ports
            | FieldId::Refused
            | FieldId::Seconds
            | FieldId::FlowRemote
            | FieldId::FlowPort
            | FieldId::FlowIsPrivate
            | FieldId::FlowIsLoopback
            | FieldId::FlowTls
            | FieldId::FlowAgeSeconds
            | FieldId::BytesSent
            | FieldId::BytesReceived
            | FieldId::LongestGapSeconds
            | FieldId::TunnelDomain
            | FieldId::QueryNames
            | FieldId::MeanLength
            | FieldId::Entropy
            | FieldId::OddTypes
            | FieldId::QueryExample
            | FieldId::ShellEvidence
            | FieldId::NewCode
            | FieldId::NewCodeKind
            | FieldId::NewCodeAgeSeconds
            | FieldId::WrittenBy
            | FieldId::WriterCommandLine
            | FieldId::WriterLineage
            | FieldId::FetchedBy
            | FieldId::FetchedFrom
            | FieldId::MiningScore
            | FieldId::MiningCertainty
            | FieldId::MiningPool
            | FieldId::MiningMarks
            | FieldId::MiningFor
            | FieldId::MiningAgainst
            | FieldId::MiningUnseen
            | FieldId::ShellProcessId
            | FieldId::WalletFile
            | FieldId::PoolWords
            | FieldId::PoolEndpoints
            | FieldId::GpuDevices
            | FieldId::GpuName
            | FieldId::GpuShape
            | FieldId::GpuSeconds
            | FieldId::GpuMemory
            | FieldId::TasksRegistered
            | FieldId::GpuSetting
            | FieldId::GpuBefore
            | FieldId::GpuAfter
            | FieldId::GpuSetBy
            | FieldId::DetachedBy
            | FieldId::StartedBy
            | FieldId::OutlivesWhat
            | FieldId::OutlivedSeconds
            | FieldId::Listens
            | FieldId::ListensReachable
            | FieldId::Connects
            | FieldId::ConnectsPublic
            | FieldId::Writes
            | FieldId::Runs
            | FieldId::KeepsWorking
            | FieldId::ExpectedDaemon
            | FieldId::CpuProcessors
            | FieldId::CpuUserPercent
            | FieldId::CpuThreads
            | FieldId::RequestManager
            | FieldId::RequestVia
            | FieldId::RequestVerb
            | FieldId::RequestCommand
            | FieldId::RequestOptions
            | FieldId::RequestUnit
            | FieldId::StartedCgroup
            | FieldId::StartedTie
            | FieldId::Effect
            | FieldId::EffectTarget => self.observed(id.name()),
            FieldId::TargetHostPath => self.file()?.host_path.as_deref().map(str),
            FieldId::Canary => match self.file() {
                Some(file) => file.canary.as_deref().map(str),
                None => self.observed(id.name()),
            },
            FieldId::CanaryNamed => Some(EventValue::Bool(self.names_canary())),
            FieldId::CanaryTokens => {
                let args = self.exec?.argv.iter().map(|arg| arg.as_bytes());
                let found = self.canaries?.find(args);
                (!found.is_empty()).then(|| list(found.into_iter().map(str)))
            }
            FieldId::ImageLoaded => Some(str(&self.file()?.path)),
            FieldId::ExeWrittenByAgent => Some(EventValue::Bool(self.exec?.written.is_some())),
            FieldId::ExeAgeSeconds => {
                let EventKind::Exec(exec) = self.what.kind()? else { return None };
                let seconds = self.what.time().since(exec.written?.time) / 1_000_000_000;
                Some(EventValue::Int(seconds.cast_signed()))
            }
            FieldId::Operation => Some(str(self.operation()?.code.name())),
            FieldId::OperationNumber => Some(EventValue::Int(self.operation()?.number.cast_signed())),
            FieldId::OperationPath => self.operation()?.path.as_deref().map(str),
            FieldId::OperationSource => self.operation()?.source.as_deref().map(str),
            FieldId::OperationDetail => self.operation()?.detail.as_deref().map(str),
            FieldId::TargetProcessId => Some(int(self.operation()?.target?.pid)),
            FieldId::TargetImage => {
                let target = self.table?.get(self.operation()?.target?)?;
                target.exec.as_deref().map(|exec| str(&exec.exe))
            }
            FieldId::OperationErrno => Some(int(self.operation()?.errno)),
            FieldId::BpfProgramType => self.operation()?.program_type.map(int),
            FieldId::OnHostMounts => {
                let (own, its) = (self.table?.own().mntns, self.operation()?.mntns);
                (own != 0 && its != 0).then_some(EventValue::Bool(own == its))
            }
            FieldId::TargetName => {
                let operation = self.operation()?;
                operation.target.and(operation.detail.as_deref()).map(str)
            }
            FieldId::TargetIsDescendant => {
                let target = self.operation()?.target?;
                let actor = self.what.process();
                Some(EventValue::Bool(self.table?.ancestors(target).any(|above| above.id == actor)))
            }
            FieldId::TargetIsSameAgent => {
                let operation = self.operation()?;
                operation.target.map(|_| EventValue::Bool(operation.same_agent))
            }
            FieldId::TargetIsDetector => {
                let own = self.table?.own();
                let touched = match (self.operation(), self.file()) {
                    (Some(operation), _) => own.is_process(operation.target?),
                    (None, Some(file)) => {
                        own.has_file(&file.path)
                            || file.from.as_deref().is_some_and(|from| own.has_file(from))
                    }
                    (None, None) => return None,
                };
                Some(EventValue::Bool(touched))
            }
            FieldId::StdioPeerIp => Some(ip(self.stdio()?.remote)),
            FieldId::StdioPeerPort => Some(int(self.stdio()?.remote.port())),
            FieldId::StdioLocalPort => Some(int(self.stdio()?.local.port())),
            FieldId::StdioPeerIsLoopback => Some(EventValue::Bool(is_loopback(self.stdio()?.remote.ip()))),
            FieldId::StdioSockets => {
                let sockets = self.exec?.stdio.as_slice();
                (!sockets.is_empty()).then(|| list(sockets.iter().map(|socket| int(socket.fd))))
            }
            FieldId::LocalIp => Some(ip(self.endpoint()?.local)),
            FieldId::LocalPort => Some(int(self.endpoint()?.local.port())),
            FieldId::LocalIsLoopback => Some(EventValue::Bool(self.endpoint()?.is_loopback())),
            FieldId::TargetFilename => Some(match target::names(self.file()?) {
                (name, None) => str(name),
                (name, Some(other)) => list([str(name), str(other)].into_iter()),
            }),
            FieldId::SourceFilename => {
                let file = self.file()?;
                file.host_from.as_deref().or(file.from.as_deref()).map(str)
            }
            FieldId::TargetOnHost => Some(EventValue::Bool(target::is_on_host(self.file()?))),
            FieldId::TargetInWorkspace => {
                let agent = self.what.agent();
                let below = self.ancestors().take_while(|process| process.agent == agent);
                let mut execs = below.filter_map(|process| process.exec.as_deref()).chain(self.exec);
                Some(EventValue::Bool(target::is_in_workspace(self.file()?, &mut execs)))
            }
            FieldId::TargetIsDirectory => Some(EventValue::Bool(target::is_directory(self.file()?))),
            FieldId::WriterTrusted => {
                let above = self.ancestors().filter_map(|process| process.exec.as_deref());
                Some(EventValue::Bool(target::is_writer_trusted(self.exec?, above)))
            }
            FieldId::FileOperation => Some(str(self.file()?.op.name())),
            FieldId::FileCreated => Some(EventValue::Bool(self.file()?.created)),
            FieldId::FileMode => {
                Some(EventValue::Str(Cow::Owned(format!("{:04o}", self.file()?.mode & 0o7777))))
            }
            FieldId::FileExecutable => Some(EventValue::Bool(self.file()?.mode & 0o111 != 0)),
            FieldId::FileType => Some(str(match self.file()?.mode & 0o170_000 {
                0o100_000 => "regular",
                0o060_000 => "block",
                0o020_000 => "character",
                _ => return None,
            })),
            FieldId::FileEmptied => Some(EventValue::Bool(self.file()?.emptied)),
            FieldId::ChangeAdded => Some(list(self.change?.added.iter().map(|line| str(line)))),
            FieldId::ChangeRemoved => Some(list(self.change?.removed.iter().map(|line| str(line)))),
            FieldId::ChangeMeaning => Some(list(self.change?.meaning.iter().map(|line| str(line)))),
            FieldId::ChangeKinds => {
                let kinds = &self.change?.kinds;
                (!kinds.is_empty()).then(|| list(kinds.iter().map(|kind| str(kind))))
            }
            FieldId::FileInode => Some(EventValue::Int(self.file()?.inode.cast_signed())),
            FieldId::Observation => match self.what {
                What::Observation(observation) => Some(str(observation.name)),
                What::Event(_) | What::Recognised(_) => None,
            },
            FieldId::Membership => Some(str(match self.moved()?.change {
                Membership::Within => "within",
                Membership::Joined => "joined",
                Membership::Left => "left",
            })),
            FieldId::TargetCgroupPath => Some(str(&self.moved()?.path)),
            FieldId::MovedProcessId => Some(int(self.moved()?.moved.pid)),
            FieldId::LostEvents => {
                Some(EventValue::Int(i64::try_from(self.lost()?.count).unwrap_or(i64::MAX)))
            }
            FieldId::LostKind => Some(str(&self.lost()?.what)),
            FieldId::Agent => self.agent_name.map(str),
            FieldId::Container => self.container.map(str),
            FieldId::Pod => self.pod.map(str),
            FieldId::CgroupPath => self.cgroup_path.map(str),
            FieldId::Ancestors => {
                Some(list(self.ancestors().filter_map(|process| Some(str(&process.exec.as_deref()?.exe)))))
            }
            FieldId::AncestorCommandLines => Some(list(self.ancestors().filter_map(|process| {
                Some(EventValue::Str(Cow::Owned(process.exec.as_deref()?.command_line())))
            }))),
            FieldId::ProcessTree => Some(self.process_tree()),
            FieldId::HasTask => self.has_task(),
            FieldId::TaskId => self.observed(id.name()).or_else(|| Some(str(&self.task()?.id))),
            FieldId::TaskName => self.observed(id.name()).or_else(|| Some(str(&self.task()?.name))),
            FieldId::Declared => self.is_declared(),
            FieldId::HasToolCall => self.has_tool_call(),
            FieldId::ToolCallId => self.observed(id.name()).or_else(|| Some(str(&self.call()?.id))),
            FieldId::ToolName => self.observed(id.name()).or_else(|| Some(str(&self.call()?.name))),
        }
    }
}

impl rsigma_eval::Event for View<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        if let Some(value) = self.given.and_then(|given| given.get(path)) {
            return Some(EventValue::from(value));
        }
        match field::id(path) {
            Some(id) => self.value(id),
            None => self.observed(path),
        }
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        self.all_string_values().iter().any(|value| pred(value))
    }

    /// What a keyword search looks through: the texts that a person would take for the event.
    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        const TEXTS: [FieldId; 6] = [
            FieldId::Image,
            FieldId::CommandLine,
            FieldId::TargetFilename,
            FieldId::SourceFilename,
            FieldId::DestinationIp,
            FieldId::CgroupPath,
        ];
        let own = TEXTS
            .iter()
            .filter_map(|id| if let EventValue::Str(text) = self.value(*id)? { Some(text) } else { None });
        let given = self.given.into_iter().flat_map(Map::values);
        own.chain(given.filter_map(|value| value.as_str().map(Cow::Borrowed))).collect()
    }

    fn to_json(&self) -> Value {
        let category = self.what.category();
        let mut out = Map::new();
        for field in field::fields() {
            if category.is_some_and(|category| field.categories.contains(&category))
                && let Some(value) = self.get_field(field.name)
            {
                out.insert(field.name.to_owned(), value.to_json());
            }
        }
        out.extend(self.given.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
        Value::Object(out)
    }
}

fn str(text: &str) -> EventValue<'_> {
    EventValue::Str(Cow::Borrowed(text))
}

fn int(number: impl Into<i64>) -> EventValue<'static> {
    EventValue::Int(number.into())
}

fn ip(address: SocketAddr) -> EventValue<'static> {
    EventValue::Str(Cow::Owned(address.ip().to_string()))
}

fn list<'a>(items: impl Iterator<Item = EventValue<'a>>) -> EventValue<'a> {
    EventValue::Array(items.collect())
}

/// Absent where nothing was found, as what follows: a rule that asks costs nothing then.
fn tokens(found: &[Token]) -> Option<EventValue<'static>> {
    (!found.is_empty()).then(|| list(found.iter().map(|token| str(token.name()))))
}

fn addresses<'a>(found: &[Address<'a>]) -> Option<EventValue<'a>> {
    (!found.is_empty()).then(|| list(found.iter().map(|address| str(address.text))))
}

fn coins(found: &[Address<'_>]) -> Option<EventValue<'static>> {
    let symbols = wallet::symbols(found);
    (!symbols.is_empty()).then(|| list(symbols.into_iter().map(str)))
}
