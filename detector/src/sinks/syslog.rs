//! Alerts as syslog messages of RFC 5424, over UDP (RFC 5426), TCP (RFC 6587, octet counting), TLS (RFC 5425) or a
//! socket of this machine.

use std::fmt::Display;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::gist::Gist;
use super::http::Http;
use super::stdout::message_line;
use super::{Failure, Grain, Kind, Message, Problem, Receipt, Sink, SinkError};

mod address;
mod render;
mod transport;

use address::Address;
use transport::{Link, Tls};

/// Most bytes over UDP: what RFC 5426 says receivers should take.
const UDP_MOST: usize = 2_048;
/// Most bytes otherwise: what RFC 5425 says receivers should take, and what rsyslog takes unless told otherwise.
const STREAM_MOST: usize = 8_192;
/// Least that may be configured: what RFC 5424 says that every receiver takes.
const LEAST: usize = 480;
/// Longest APP-NAME (RFC 5424, 6.2.5).
const APP_MOST: usize = 48;

/// Facilities by name (RFC 5424, 6.2.1).
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

/// Messages of RFC 5424.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SyslogConfig {
    /// Where to: `"udp://HOST"`, `"tcp://HOST"` (both port 514 where none is named), `"tls://HOST"` (6514) or
    /// `"unix:///dev/log"`.
    pub address: String,
    /// Facility; `"authpriv"` where not given, since alerts hold command lines and are for administrators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facility: Option<String>,
    /// APP-NAME; `"detector"` where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_name: Option<String>,
    /// What the message is: `"text"` (one line of what happened; the default) or `"json"` (the whole alert).
    #[serde(default)]
    pub format: Format,
    /// Most bytes of a message; 2048 over UDP and 8192 otherwise, where not given. JSON that does not fit is sent as
    /// text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<usize>,
    /// PEM file of certificate authorities that are trusted in place of the built-in ones (Mozilla's), for `tls://`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The name in the server's certificate, where that is not the one in the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// PEM file with our own certificate, where the server asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// PEM file with the key of that certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

/// What the message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One line of what happened.
    #[default]
    Text,
    /// The whole alert.
    Json,
}

impl SyslogConfig {
    fn parts(&self) -> Result<Parts, Problem> {
        let Self {
            address,
            facility,
            app_name,
            format,
            max_bytes,
            ca_file,
            server_name,
            cert_file,
            key_file,
        } = self;
        let address = Address::parse(address).map_err(|message| Problem::new("address", message))?;
        let facility = facility.as_deref().unwrap_or("authpriv");
        let facility = FACILITIES.iter().position(|known| *known == facility).ok_or_else(|| {
            Problem::new("facility", format!("there is no \"{facility}\"; known: {}", FACILITIES.join(", ")))
        })?;
        let app = app_name.clone().unwrap_or_else(|| "detector".to_owned());
        if app.is_empty() || app.len() > APP_MOST || !app.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = format!("write at most {APP_MOST} ASCII characters without blanks");
            return Err(Problem::new("app_name", message));
        }
        let usual = match &address {
            Address::Udp(_) => UDP_MOST,
            Address::Tcp(_) | Address::Tls(_) | Address::Unix(_) => STREAM_MOST,
        };
        let most = max_bytes.unwrap_or(usual);
        if !(LEAST..=65_000).contains(&most) {
            let message = format!("{most} is not between {LEAST}, which every receiver takes, and 65000");
            return Err(Problem::new("max_bytes", message));
        }
        let tls = match &address {
            Address::Tls(target) => {
                let name = server_name.as_deref().unwrap_or(&target.host);
                Some(Tls::new(name, ca_file.as_deref(), cert_file.as_deref(), key_file.as_deref())?)
            }
            Address::Udp(_) | Address::Tcp(_) | Address::Unix(_) => {
                let keys = [
                    ("ca_file", ca_file.is_some()),
                    ("server_name", server_name.is_some()),
                    ("cert_file", cert_file.is_some()),
                    ("key_file", key_file.is_some()),
                ];
                if let Some((key, _)) = keys.into_iter().find(|(_, is_given)| *is_given) {
                    let message = "only tls:// has certificates; write the address so, or leave the key out";
                    return Err(Problem::new(key, message));
                }
                None
            }
        };
        let facility = u8::try_from(facility).unwrap_or_default();
        Ok(Parts { address, tls, style: render::Style { facility, app, format: *format, most } })
    }
}

/// A configuration that was checked.
struct Parts {
    address: Address,
    tls: Option<Tls>,
    style: render::Style,
}

impl Kind for SyslogConfig {
    const NAME: &'static str = "syslog";
    const GRAIN: Grain = Grain::Alert;
    const RATE: Option<u32> = None;

    fn check(&self) -> Result<(), Problem> {
        self.parts().map(drop)
    }

    fn open(&self, name: &str, _http: &Http) -> Result<Box<dyn Sink>, SinkError> {
        let Parts { address, tls, style } = self.parts().map_err(|Problem { key, message }| {
            SinkError::Setup { name: name.to_owned(), reason: format!("{key}: {message}") }
        })?;
        Ok(Box::new(Syslog { link: Link::new(address, tls), style }))
    }
}

/// An open syslog sink.
struct Syslog {
    link: Link,
    style: render::Style,
}

impl Sink for Syslog {
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure> {
        let json = match self.style.format {
            Format::Text => None,
            Format::Json => Some(message_line(message)?),
        };
        let text = self.style.render(&Gist::of(message), message, json.as_deref().map(str::trim_end));
        self.link.send(&text).map_err(|error| self.failure(&error))?;
        Ok(Receipt::default())
    }
}

impl Syslog {
    /// A receiver that is not there may come back; one that takes no message so long will not.
    fn failure(&self, error: &dyn Display) -> Failure {
        Failure::later(format!("{}: {error}", self.link.address()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Problem {
        toml::from_str::<SyslogConfig>(text).unwrap().check().unwrap_err()
    }

    #[test]
    fn what_is_wrong_is_known_before_the_start() {
        for address in ["udp://127.0.0.1", "tcp://[::1]:1514", "tls://logs.example", "unix:///dev/log"] {
            let config: SyslogConfig = toml::from_str(&format!("address = \"{address}\"")).unwrap();
            assert_eq!(config.check(), Ok(()), "{address}");
        }
        for (text, key, what) in [
            ("address = \"logs.example\"", "address", "udp://"),
            ("address = \"http://logs.example\"", "address", "udp://"),
            ("address = \"udp://\"", "address", "host"),
            ("address = \"unix://dev/log\"", "address", "unix:///dev/log"),
            ("address = \"udp://a\"\nfacility = \"local8\"", "facility", "local7"),
            ("address = \"udp://a\"\napp_name = \"a b\"", "app_name", "blanks"),
            ("address = \"udp://a\"\nmax_bytes = 100", "max_bytes", "480"),
            ("address = \"udp://a\"\nca_file = \"/x\"", "ca_file", "tls://"),
            ("address = \"tls://a\"\nca_file = \"/nowhere/ca.pem\"", "ca_file", "/nowhere/ca.pem"),
            ("address = \"tls://a\"\nca_file = \"/dev/null\"", "ca_file", "no certificate"),
            ("address = \"tls://a\"\ncert_file = \"/x\"", "key_file", "key"),
            ("address = \"tls://a\"\nserver_name = \"a b\"", "server_name", "name"),
        ] {
            let problem = problem(text);
            assert_eq!(problem.key, key, "{problem:?}");
            assert!(problem.message.contains(what), "{problem:?}");
        }
    }
}
