//! Where alerts go: one file a kind of sink, all behind one trait.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::alert::Alert;
use crate::alert::card::Card;
use crate::sinks::http::Http;

pub mod alertmanager;
pub mod command;
pub mod discord;
pub mod email;
pub mod file;
mod gist;
pub mod googlechat;
pub mod http;
pub mod human;
pub mod journald;
mod markup;
pub mod matrix;
pub mod mattermost;
pub mod opsgenie;
pub mod otlp;
mod outline;
pub mod pagerduty;
pub mod secret;
pub mod slack;
pub mod stdout;
pub mod syslog;
pub mod teams;
pub mod telegram;
pub mod webhook;

/// What a sink is given.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Idempotency key: the same message sent again has the same key. At most 100 ASCII characters of
    /// `[0-9A-Za-z._-]`.
    pub key: &'a str,
    /// What is said.
    pub body: Body<'a>,
    /// What the sink gave back for the message that this one updates ([`Receipt::reference`]).
    pub reference: Option<&'a str>,
}

/// What is said.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// One alert, or what became of it: its id is the same, its count higher. For sinks of [`Grain::Alert`].
    Alert(&'a Alert),
    /// An incident as far as it has grown, a digest or a notice. Sinks of [`Grain::Alert`] get digests and notices as
    /// cards, too.
    Card(&'a Card),
}

/// What a sink is given for each finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// Every alert: machines read it.
    Alert,
    /// Incidents: people read it.
    Incident,
}

/// A message that has arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// What names the message in its channel, so that it can be updated.
    pub reference: Option<String>,
}

/// A message that has not.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// Later it may: the sink is down, slow or asks for patience.
    #[error("{reason}")]
    Later {
        /// What happened, in one line, without secrets.
        reason: String,
        /// How long the sink asks to be left alone (`Retry-After`).
        after: Option<Duration>,
    },
    /// It never will: the sink understood and refuses.
    #[error("{reason}")]
    Refused {
        /// What happened, in one line, without secrets.
        reason: String,
    },
}

impl Failure {
    /// A failure that may pass.
    pub fn later(reason: impl fmt::Display) -> Self {
        Self::Later { reason: reason.to_string(), after: None }
    }

    /// A failure that stays.
    pub fn refused(reason: impl fmt::Display) -> Self {
        Self::Refused { reason: reason.to_string() }
    }
}

/// An open sink. Each has a thread of its own and may block it, for as long as its own time limits allow.
pub trait Sink: Send {
    /// Delivers one message.
    ///
    /// # Errors
    /// It did not arrive, or nobody knows whether it did.
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure>;
}

/// A kind of sink: the part of a `[sinks.NAME]` table that is its own.
pub trait Kind: fmt::Debug + Send + Sync + DeserializeOwned + Serialize + 'static {
    /// What `type` says.
    const NAME: &'static str;
    /// What it is given.
    const GRAIN: Grain;
    /// Most messages a minute where the configuration does not say otherwise; `None` is no limit.
    const RATE: Option<u32>;

    /// Looks for what can be known to be wrong before anything is sent: URLs, templates, secrets that cannot be read.
    /// Sends nothing and makes nothing.
    ///
    /// # Errors
    /// The key that is wrong, why, and the remedy.
    fn check(&self) -> Result<(), Problem>;

    /// Opens the sink. `name` is what the operator calls it, `http` the client of all sinks.
    ///
    /// # Errors
    /// It cannot work as it is: a file that cannot be opened, a secret that is gone. A receiver that does not
    /// answer is no error here.
    fn open(&self, name: &str, http: &Http) -> Result<Box<dyn Sink>, SinkError>;

    /// Files that it writes and goes by: whoever changes them blinds the detector.
    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// Any kind of sink, as the configuration holds it.
pub trait AnyKind: fmt::Debug + Send + Sync {
    /// See [`Kind::NAME`].
    fn kind(&self) -> &'static str;
    /// See [`Kind::GRAIN`].
    fn grain(&self) -> Grain;
    /// See [`Kind::RATE`].
    fn rate(&self) -> Option<u32>;
    /// See [`Kind::check`].
    ///
    /// # Errors
    /// As there.
    fn check(&self) -> Result<(), Problem>;
    /// See [`Kind::open`].
    ///
    /// # Errors
    /// As there.
    fn open(&self, name: &str, http: &Http) -> Result<Box<dyn Sink>, SinkError>;
    /// See [`Kind::files`].
    fn files(&self) -> Vec<PathBuf>;
    /// Its keys and values, secrets hidden.
    fn shown(&self) -> toml::Table;
}

impl<K: Kind> AnyKind for K {
    fn kind(&self) -> &'static str {
        K::NAME
    }

    fn grain(&self) -> Grain {
        K::GRAIN
    }

    fn rate(&self) -> Option<u32> {
        K::RATE
    }

    fn check(&self) -> Result<(), Problem> {
        Kind::check(self)
    }

    fn open(&self, name: &str, http: &Http) -> Result<Box<dyn Sink>, SinkError> {
        Kind::open(self, name, http)
    }

    fn files(&self) -> Vec<PathBuf> {
        Kind::files(self)
    }

    fn shown(&self) -> toml::Table {
        toml::Table::try_from(self).unwrap_or_default()
    }
}

/// What is wrong with one key of a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key.
    pub key: &'static str,
    /// What, and the remedy.
    pub message: String,
}

impl Problem {
    /// What is wrong with a key.
    pub fn new(key: &'static str, message: impl fmt::Display) -> Self {
        Self { key, message: message.to_string() }
    }
}

/// The names of all kinds, and how each is read from its table.
macro_rules! kinds {
    ($( $kind:ty ),* $(,)?) => {
        /// Every kind of sink.
        pub const KINDS: &[&str] = &[ $( <$kind as Kind>::NAME ),* ];

        /// Reads a sink of this kind; `None` where no such kind is known.
        pub(crate) fn read<'de, D: serde::Deserializer<'de>>(
            kind: &str,
            table: D,
        ) -> Option<Result<Arc<dyn AnyKind>, D::Error>> {
            $(
                if kind == <$kind as Kind>::NAME {
                    let read = <$kind as serde::Deserialize>::deserialize(table);
                    return Some(read.map(|kind| Arc::new(kind) as Arc<dyn AnyKind>));
                }
            )*
            drop(table);
            None
        }
    };
}

kinds! {
    stdout::StdoutConfig,
    file::FileConfig,
    alertmanager::AlertmanagerConfig,
    googlechat::GooglechatConfig,
    matrix::MatrixConfig,
    opsgenie::OpsgenieConfig,
    otlp::OtlpConfig,
    pagerduty::PagerdutyConfig,
    teams::TeamsConfig,
    discord::DiscordConfig,
    mattermost::MattermostConfig,
    slack::SlackConfig,
    telegram::TelegramConfig,
    webhook::WebhookConfig,
    command::CommandConfig,
    email::EmailConfig,
    journald::JournaldConfig,
    syslog::SyslogConfig,
}

/// A sink that cannot be opened, or an alert that cannot be written.
#[derive(Debug, Error)]
pub enum SinkError {
    /// The alert cannot be written as JSON.
    #[error("encode alert {id}")]
    Encode {
        /// The alert.
        id: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The file cannot be opened.
    #[error("open alert file {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written, not even after opening it again.
    #[error("write alert to {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The stream cannot be written.
    #[error("write alert to standard output")]
    Stream(#[source] io::Error),
    /// Something that the sink needs is not as it has to be.
    #[error("sink {name}: {reason}")]
    Setup {
        /// What the operator calls the sink.
        name: String,
        /// What, and the remedy.
        reason: String,
    },
}

/// A failure to write is one that may pass.
impl From<SinkError> for Failure {
    fn from(error: SinkError) -> Self {
        let refused = matches!(error, SinkError::Encode { .. });
        let reason = format!("{:#}", anyhow::Error::from(error));
        if refused { Self::refused(reason) } else { Self::later(reason) }
    }
}
