//! What is judged: an event, an observation, or what the bytes of a flow are.

use crate::analysis::Observation;
use crate::event::{AgentId, Event, EventKind, FileOp, Flow, Nanos, ProcessId, Protocol};
use crate::network::{Application, Recognised};
use crate::rules::Category;

/// What is judged.
#[derive(Clone, Copy)]
pub enum What<'a> {
    /// One event.
    Event(&'a Event),
    /// A fact that took several.
    Observation(&'a Observation),
    /// What the bytes of a flow are.
    Recognised(&'a Recognised),
}

impl<'a> What<'a> {
    /// The category that its rules stand under; `None` where no rule can ask for it.
    pub fn category(self) -> Option<Category> {
        let event = match self {
            Self::Event(event) => event,
            Self::Observation(_) => return Some(Category::Observation),
            Self::Recognised(recognised) => {
                return Some(match recognised.application {
                    Application::Dns => Category::DnsQuery,
                    Application::Stratum
                    | Application::Ssh
                    | Application::Tls
                    | Application::Http
                    | Application::Socks
                    | Application::Noise
                    | Application::Tunnel
                    | Application::Canary
                    | Application::Shell => Category::NetworkPayload,
                });
            }
        };
        match &event.kind {
            EventKind::Exec(_) => Some(Category::ProcessCreation),
            EventKind::Connect(_) | EventKind::Send(_) => Some(Category::NetworkConnection),
            EventKind::Listen(_) => Some(Category::NetworkListen),
            // A TCP socket that is bound listens later, and says so then.
            EventKind::Bind(endpoint) => {
                (endpoint.protocol != Protocol::Tcp).then_some(Category::NetworkListen)
            }
            EventKind::File(file) => Some(match file.op {
                FileOp::Open | FileOp::Truncate | FileOp::Rename | FileOp::Link | FileOp::Symlink => {
                    Category::FileEvent
                }
                FileOp::Chmod => Category::FileChange,
                FileOp::Unlink => Category::FileDelete,
                FileOp::Access | FileOp::Copy => Category::FileAccess,
                FileOp::Map => Category::ImageLoad,
            }),
            EventKind::Operation(_) => Some(Category::Operation),
            EventKind::CgroupMove(_) => Some(Category::Cgroup),
            EventKind::Lost(_) => Some(Category::Sensor),
            EventKind::Fork(_)
            | EventKind::Exit(_)
            | EventKind::ConnectResult(_)
            | EventKind::Payload(_)
            | EventKind::FlowStats(_)
            | EventKind::Setsid
            | EventKind::CgroupCreate(_)
            | EventKind::CgroupRemove(_) => None,
        }
    }

    /// When it happened.
    pub fn time(self) -> Nanos {
        match self {
            Self::Event(event) => event.time,
            Self::Observation(observation) => observation.time,
            Self::Recognised(recognised) => recognised.time,
        }
    }

    /// The acting process.
    pub fn process(self) -> ProcessId {
        match self {
            Self::Event(event) => event.process,
            Self::Observation(observation) => observation.process,
            Self::Recognised(recognised) => recognised.process,
        }
    }

    /// Agent of the acting process.
    pub(crate) fn agent(self) -> AgentId {
        match self {
            Self::Event(event) => event.agent,
            Self::Observation(observation) => observation.agent,
            Self::Recognised(recognised) => recognised.agent,
        }
    }

    pub(super) fn kind(self) -> Option<&'a EventKind> {
        match self {
            Self::Event(event) => Some(&event.kind),
            Self::Observation(_) | Self::Recognised(_) => None,
        }
    }

    /// The flow that it is about, if any.
    pub fn flow(self) -> Option<&'a Flow> {
        match self {
            Self::Recognised(recognised) => Some(&recognised.flow),
            Self::Event(event) => match &event.kind {
                EventKind::Connect(flow) | EventKind::Send(flow) => Some(flow),
                EventKind::ConnectResult(result) => Some(&result.flow),
                EventKind::Payload(payload) => Some(&payload.flow),
                EventKind::FlowStats(stats) => Some(&stats.flow),
                EventKind::Exec(_)
                | EventKind::Fork(_)
                | EventKind::Exit(_)
                | EventKind::Bind(_)
                | EventKind::Listen(_)
                | EventKind::File(_)
                | EventKind::Operation(_)
                | EventKind::Setsid
                | EventKind::CgroupMove(_)
                | EventKind::CgroupCreate(_)
                | EventKind::CgroupRemove(_)
                | EventKind::Lost(_) => None,
            },
            Self::Observation(_) => None,
        }
    }
}
