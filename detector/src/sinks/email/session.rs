//! A conversation with an SMTP server that is kept between mails, and what its answers mean.

use std::error::Error as _;
use std::io;
use std::time::{Duration, Instant};

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Quit, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};

use crate::alert::escape::clip;
use crate::sinks::Failure;

/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a connection is kept without a mail: servers close it after some minutes.
const IDLE: Duration = Duration::from_secs(60);
/// Mails after which a connection is made anew: Exim takes ten, and then as few commands that are no mail, as asking
/// whether it still listens is.
const MAILS_MOST: u32 = 8;
/// Most characters of an answer in a reason.
const SAID_MOST: usize = 200;

/// A server, and how to speak with it.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) hello: ClientId,
    pub(super) login: Option<Credentials>,
    /// For each answer.
    pub(super) timeout: Duration,
}

/// When the connection is encrypted.
pub(super) enum Encryption {
    /// From the first byte.
    Now(TlsParameters),
    /// By STARTTLS.
    Later(TlsParameters),
    /// Never.
    None,
}

impl Server {
    pub(super) fn session(self) -> Session {
        Session { server: self, open: None }
    }

    fn connect(&self) -> Result<SmtpConnection, Failure> {
        let Self { host, port, encryption, hello, login, timeout } = self;
        let at_once = match encryption {
            Encryption::Now(parameters) => Some(parameters),
            Encryption::Later(_) | Encryption::None => None,
        };
        let what = format!("{host}:{port}");
        let connect = CONNECT.min(*timeout);
        // The answer to the greeting has the time of a connection; later ones have more.
        let mut connection = SmtpConnection::connect((&**host, *port), Some(connect), hello, at_once, None)
            .map_err(|error| failure(&what, &error, connect))?;
        connection.set_timeout(Some(*timeout)).map_err(|error| Failure::later(format!("{what}: {error}")))?;
        if let Encryption::Later(parameters) = encryption {
            if !connection.can_starttls() {
                // Whoever sits between can take the offer out, hence no refusal for good.
                let reason = format!(
                    "{what} offers no STARTTLS; set tls = \"tls\" (port 465), or \"none\" where nobody listens"
                );
                return Err(Failure::later(reason));
            }
            connection.starttls(parameters, hello).map_err(|error| failure(&what, &error, *timeout))?;
        }
        if let Some(login) = login {
            connection
                .auth(DEFAULT_MECHANISMS, login)
                .map_err(|error| not_let_in(&what, &error, *timeout))?;
        }
        Ok(connection)
    }
}

/// A server, and the connection to it while there is one.
pub(super) struct Session {
    server: Server,
    open: Option<Open>,
}

/// A connection on which every mail went well.
struct Open {
    connection: SmtpConnection,
    since: Instant,
    mails: u32,
}

impl Session {
    /// Sends a mail, over the connection that is there if it still answers.
    pub(super) fn send(&mut self, envelope: &Envelope, mail: &[u8]) -> Result<(), Failure> {
        let kept = self.open.take().and_then(|open| {
            let Open { mut connection, since, mails } = open;
            if since.elapsed() < IDLE && mails < MAILS_MOST && connection.test_connected() {
                return Some((connection, mails));
            }
            leave(&mut connection);
            None
        });
        let (mut connection, mails) = match kept {
            Some(kept) => kept,
            None => (self.server.connect()?, 0),
        };
        // A conversation that went wrong is not gone on with.
        transfer(&mut connection, envelope, mail, &self.server)?;
        self.open = Some(Open { connection, since: Instant::now(), mails: mails + 1 });
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(mut open) = self.open.take() {
            leave(&mut open.connection);
        }
    }
}

/// Says goodbye, which the other side need not hear.
fn leave(connection: &mut SmtpConnection) {
    let _ = connection.set_timeout(Some(CONNECT));
    let _ = connection.command(Quit);
}

/// Hands a mail over. Recipients that the server does not know are left out as long as there is another.
fn transfer(
    connection: &mut SmtpConnection,
    envelope: &Envelope,
    mail: &[u8],
    server: &Server,
) -> Result<(), Failure> {
    let Server { host, port, timeout, .. } = server;
    let what = format!("{host}:{port}");
    let wrong = |error: Error| failure(&what, &error, *timeout);
    let mut options = Vec::new();
    let info = connection.server_info();
    let addresses = envelope.from().into_iter().chain(envelope.to());
    if addresses.into_iter().any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
        if !info.supports_feature(Extension::SmtpUtfEight) {
            return Err(Failure::refused(format!("{what} takes no addresses beyond ASCII; write them so")));
        }
        options.push(MailParameter::SmtpUtfEight);
    }
    if !mail.is_ascii() && info.supports_feature(Extension::EightBitMime) {
        options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    connection.command(Mail::new(envelope.from().cloned(), options)).map_err(wrong)?;
    let mut refused = Vec::new();
    for address in envelope.to() {
        match connection.command(Rcpt::new(address.clone(), Vec::new())) {
            Ok(_) => {}
            Err(error) if error.is_permanent() => refused.push(format!("{address}: {}", said(&error))),
            Err(error) => return Err(wrong(error)),
        }
    }
    if refused.len() == envelope.to().len() {
        return Err(Failure::refused(format!(
            "{what} takes mail for nobody in `to`: {}",
            clip(&refused.join("; "), SAID_MOST)
        )));
    }
    connection.command(Data).map_err(wrong)?;
    connection.message(mail).map_err(wrong)?;
    for reason in refused {
        tracing::warn!(server = what, reason, "a mail went to the other recipients only");
    }
    Ok(())
}

fn not_let_in(what: &str, error: &Error, timeout: Duration) -> Failure {
    if error.is_permanent() {
        let said = said(error);
        Failure::refused(format!("{what} refuses user or password ({said}); correct them, then retry"))
    } else if error.is_client() {
        Failure::refused(format!(
            "{what} offers no way to log in that we know (PLAIN, LOGIN); leave `user` out or name another server"
        ))
    } else {
        failure(what, error, timeout)
    }
}

fn failure(what: &str, error: &Error, timeout: Duration) -> Failure {
    let said = said(error);
    if error.is_permanent() {
        return Failure::refused(format!("{what} refuses: {said}"));
    }
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            if matches!(io.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
                let timeout = humantime::format_duration(timeout);
                return Failure::later(format!("{what} did not answer within {timeout}"));
            }
            if io.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
                return Failure::later(format!(
                    "{what}: {}; set ca_file to the authority that signed its certificate, and server to the name in it",
                    clip(&io.to_string(), SAID_MOST)
                ));
            }
        }
        source = cause.source();
    }
    if error.is_transient() {
        Failure::later(format!("{what} asks to try again: {said}"))
    } else {
        Failure::later(format!("{what}: {said}"))
    }
}

/// What a server said, or what went wrong before it could, in one short line. No command of ours is part of it.
fn said(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    clip(&words.join(" "), SAID_MOST)
}
