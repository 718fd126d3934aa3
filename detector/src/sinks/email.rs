//! Incidents as mail, over SMTP (RFC 5321) with STARTTLS or TLS.
//!
//! Updates are mails of the same thread (RFC 5322, 3.6.4). A message that is sent again, because nobody knows whether
//! the first arrived, has the same Message-ID.

use std::path::PathBuf;
use std::time::Duration;

use lettre::Address;
use lettre::address::Envelope;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use serde::{Deserialize, Serialize};

use super::http::Http;
use super::secret::Secret;
use super::{Failure, Grain, Kind, Message, Problem, Receipt, Sink, SinkError};

mod compose;
mod html;
mod session;
mod text;

use session::{Encryption, Server};

/// How long the server may take for each answer, unless configured.
const ANSWER: Duration = Duration::from_secs(15);
/// Longest that may be configured.
const LONGEST: Duration = Duration::from_secs(300);
/// Most recipients.
const TO_MOST: usize = 50;

/// Mail.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EmailConfig {
    /// Host of the server that takes mail from this machine.
    pub server: String,
    /// Its port; 587 with `starttls`, 465 with `tls` and 25 with `none`, where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `"starttls"` (the default; a server that does not offer it gets nothing), `"tls"` from the first byte, or
    /// `"none"`.
    #[serde(default)]
    pub tls: Security,
    /// PEM file of certificate authorities that are trusted in place of the built-in ones (Mozilla's).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// User, where the server asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// That user's password: text, `{ file = "/PATH" }` or `{ env = "NAME" }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// Whom mail is from: `"Detector <detector@example.org>"`.
    pub from: String,
    /// Whom it is to: `["oncall@example.org"]`.
    pub to: Vec<String>,
    /// What we call ourselves in EHLO; the address of the connection where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hello_name: Option<String>,
    /// How long the server may take for each answer; `"15s"` where not given.
    #[serde(default, with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// How the connection is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// After the first words, or not at all.
    #[default]
    Starttls,
    /// From the first byte.
    Tls,
    /// Not.
    None,
}

impl EmailConfig {
    fn parts(&self) -> Result<Mailer, Problem> {
        let Self { server, port, tls, ca_file, user, password, from, to, hello_name, timeout } = self;
        if server.is_empty() || server.contains(|letter: char| letter.is_whitespace() || letter == '/') {
            let message =
                format!("\"{server}\" is no host; write its name alone, and the port as `port = 587`");
            return Err(Problem::new("server", message));
        }
        let from = mailbox("from", from)?;
        if to.is_empty() {
            return Err(Problem::new("to", "names nobody; write e.g. [\"oncall@example.org\"]"));
        }
        if to.len() > TO_MOST {
            let message =
                format!("names {} addresses; write a mailing list where it is more than {TO_MOST}", to.len());
            return Err(Problem::new("to", message));
        }
        let to: Vec<Mailbox> = to.iter().map(|to| mailbox("to", to)).collect::<Result<_, _>>()?;
        let login = match (user, password) {
            (None, None) => None,
            (Some(user), Some(password)) => {
                if *tls == Security::None && !is_local(server) {
                    let message =
                        "a password does not travel in the clear; set tls = \"starttls\" or \"tls\"";
                    return Err(Problem::new("tls", message));
                }
                Some(Credentials::new(user.clone(), password.check("password")?))
            }
            (Some(_), None) => {
                return Err(Problem::new("user", "has no password; write `password = { file = \"/PATH\" }`"));
            }
            (None, Some(_)) => return Err(Problem::new("password", "has no user; write `user = \"NAME\"`")),
        };
        if ca_file.is_some() && *tls == Security::None {
            return Err(Problem::new(
                "ca_file",
                "tls = \"none\" has no certificates; leave one of the two out",
            ));
        }
        let parameters = || self.certificates(server);
        let (encryption, usual) = match tls {
            Security::Starttls => (Encryption::Later(parameters()?), 587),
            Security::Tls => (Encryption::Now(parameters()?), 465),
            Security::None => (Encryption::None, 25),
        };
        let hello = match hello_name {
            None => ClientId::default(),
            Some(name) if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) => {
                return Err(Problem::new("hello_name", "write the name of this host, without blanks"));
            }
            Some(name) => ClientId::Domain(name.clone()),
        };
        let timeout = timeout.unwrap_or(ANSWER);
        if timeout.is_zero() || timeout > LONGEST {
            let message = format!("is not between 1ms and {} s; 15s is usual", LONGEST.as_secs());
            return Err(Problem::new("timeout", message));
        }
        let addresses: Vec<Address> = to.iter().map(|to| to.email.clone()).collect();
        let envelope =
            Envelope::new(Some(from.email.clone()), addresses).map_err(|error| Problem::new("to", error))?;
        let server =
            Server { host: server.clone(), port: port.unwrap_or(usual), encryption, hello, login, timeout };
        Ok(Mailer { letterhead: compose::Letterhead { from, to }, envelope, session: server.session() })
    }

    fn certificates(&self, server: &str) -> Result<TlsParameters, Problem> {
        let mut builder = TlsParameters::builder(server.to_owned());
        if let Some(path) = &self.ca_file {
            let wrong =
                |what: &dyn std::fmt::Display| Problem::new("ca_file", format!("{}: {what}", path.display()));
            let pem = std::fs::read(path)
                .map_err(|error| wrong(&format_args!("{error}; name a readable PEM file")))?;
            if !pem.windows(BEGIN.len()).any(|window| window == BEGIN) {
                return Err(wrong(&"holds no certificate; write certificates as PEM"));
            }
            let certificate = Certificate::from_pem(&pem)
                .map_err(|error| wrong(&format_args!("{error}; write certificates as PEM")))?;
            builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
        }
        builder.build().map_err(|error| {
            let key = if self.ca_file.is_some() { "ca_file" } else { "tls" };
            Problem::new(key, format!("{error}; write certificates of authorities as PEM"))
        })
    }
}

/// How a certificate begins in PEM.
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

fn mailbox(key: &'static str, text: &str) -> Result<Mailbox, Problem> {
    text.parse().map_err(|error| {
        let message =
            format!("\"{text}\" is no mail address: {error}; write e.g. \"Detector <detector@example.org>\"");
        Problem::new(key, message)
    })
}

/// Whether what is said to the host stays on this machine.
fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

impl Kind for EmailConfig {
    const NAME: &'static str = "email";
    const GRAIN: Grain = Grain::Incident;
    const RATE: Option<u32> = Some(20);

    fn check(&self) -> Result<(), Problem> {
        self.parts().map(drop)
    }

    fn open(&self, name: &str, _http: &Http) -> Result<Box<dyn Sink>, SinkError> {
        let mailer = self.parts().map_err(|Problem { key, message }| SinkError::Setup {
            name: name.to_owned(),
            reason: format!("{key}: {message}"),
        })?;
        Ok(Box::new(mailer))
    }
}

/// An open mail sink.
struct Mailer {
    letterhead: compose::Letterhead,
    envelope: Envelope,
    session: session::Session,
}

impl Sink for Mailer {
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure> {
        let mail = self.letterhead.compose(message).map_err(Failure::refused)?;
        self.session.send(&self.envelope, &mail.bytes)?;
        Ok(Receipt { reference: Some(mail.thread) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "server = \"mail.example\"\nfrom = \"d@example.org\"\nto = [\"A <a@example.org>\"]\n";

    fn check(text: &str) -> Result<(), Problem> {
        toml::from_str::<EmailConfig>(text).unwrap().check()
    }

    #[test]
    fn what_is_wrong_is_known_before_the_start() {
        assert_eq!(check(LEAST), Ok(()));
        let with = |more: &str| format!("{LEAST}{more}");
        for (text, key, what) in [
            (LEAST.replace("mail.example", "smtp://mail.example"), "server", "name alone"),
            (LEAST.replace("d@example.org", "nobody"), "from", "nobody"),
            (LEAST.replace("a@example.org", "a@b\\r\\nBcc: x@y"), "to", "no mail address"),
            (LEAST.replace("\"A <a@example.org>\"", ""), "to", "names nobody"),
            (with("user = \"u\""), "user", "password"),
            (with("password = \"p\""), "password", "user"),
            (with("user = \"u\"\npassword = { file = \"/nowhere/p\" }"), "password", "/nowhere/p"),
            (with("user = \"u\"\npassword = \"p\"\ntls = \"none\""), "tls", "in the clear"),
            (with("ca_file = \"/nowhere/ca.pem\""), "ca_file", "/nowhere/ca.pem"),
            (with("ca_file = \"/dev/null\""), "ca_file", "no certificate"),
            (with("ca_file = \"/dev/null\"\ntls = \"none\""), "ca_file", "leave one"),
            (with("hello_name = \"a b\""), "hello_name", "blanks"),
            (with("timeout = \"1h\""), "timeout", "15s"),
        ] {
            let problem = check(&text).unwrap_err();
            assert_eq!(problem.key, key, "{problem:?}");
            assert!(problem.message.contains(what), "{problem:?}");
        }
    }
}
