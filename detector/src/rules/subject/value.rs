//! Each field's value.

use std::borrow::Cow;
use std::net::SocketAddr;

use rsigma_eval::EventValue;

use super::{View, What, target};
use crate::event::{EventKind, Membership, is_loopback, is_private, is_public};
use crate::rules::facts::miner::Token;
use crate::rules::field::FieldId;
use crate::wallet::{self, Address};

impl View<'_> {
    pub(super) fn value(&self, id: FieldId) -> Option<EventValue<'_>> {
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

pub(super) fn str(text: &str) -> EventValue<'_> {
    EventValue::Str(Cow::Borrowed(text))
}

pub(super) fn int(number: impl Into<i64>) -> EventValue<'static> {
    EventValue::Int(number.into())
}

pub(super) fn ip(address: SocketAddr) -> EventValue<'static> {
    EventValue::Str(Cow::Owned(address.ip().to_string()))
}

pub(super) fn list<'a>(items: impl Iterator<Item = EventValue<'a>>) -> EventValue<'a> {
    EventValue::Array(items.collect())
}

/// Absent where nothing was found, as what follows: a rule that asks costs nothing then.
pub(super) fn tokens(found: &[Token]) -> Option<EventValue<'static>> {
    (!found.is_empty()).then(|| list(found.iter().map(|token| str(token.name()))))
}

pub(super) fn addresses<'a>(found: &[Address<'a>]) -> Option<EventValue<'a>> {
    (!found.is_empty()).then(|| list(found.iter().map(|address| str(address.text))))
}

pub(super) fn coins(found: &[Address<'_>]) -> Option<EventValue<'static>> {
    let symbols = wallet::symbols(found);
    (!symbols.is_empty()).then(|| list(symbols.into_iter().map(str)))
}
