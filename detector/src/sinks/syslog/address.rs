//! Where a syslog receiver is.

use std::fmt;
use std::path::PathBuf;

use url::Url;

/// Longest path of a socket (unix(7)).
const PATH_MOST: usize = 107;
/// The port of syslog over UDP (RFC 5426), and by custom over TCP.
const PLAIN: u16 = 514;
/// The port of syslog over TLS (RFC 5425).
const SECURE: u16 = 6_514;

/// Where to, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A datagram a message.
    Udp(Target),
    /// A stream with the length before each message.
    Tcp(Target),
    /// The same, encrypted.
    Tls(Target),
    /// A socket of this machine.
    Unix(PathBuf),
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let how = "write udp://HOST, tcp://HOST, tls://HOST (each with :PORT) or unix:///dev/log";
        let url = Url::parse(text).map_err(|error| format!("\"{text}\" is no address: {error}; {how}"))?;
        let is_bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !is_bare {
            return Err(format!("\"{text}\" says more than host and port; {how}"));
        }
        let target = |port: u16| {
            let host = url.host_str().unwrap_or_default();
            if host.is_empty() {
                return Err(format!("\"{text}\" names no host; {how}"));
            }
            if !matches!(url.path(), "" | "/") {
                return Err(format!("\"{text}\" has a path, which this way has not; {how}"));
            }
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            Ok(Target { host, port: url.port().unwrap_or(port) })
        };
        match url.scheme() {
            "udp" => target(PLAIN).map(Self::Udp),
            "tcp" => target(PLAIN).map(Self::Tcp),
            "tls" => target(SECURE).map(Self::Tls),
            "unix" => {
                let path = text.strip_prefix("unix://").unwrap_or_default();
                if !path.starts_with('/') || path.len() > PATH_MOST {
                    return Err(format!(
                        "\"{text}\" names no socket; write its path whole, as in unix:///dev/log"
                    ));
                }
                Ok(Self::Unix(path.into()))
            }
            scheme => Err(format!("\"{scheme}\" is no way to send syslog; {how}")),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(target) => write!(f, "udp://{target}"),
            Self::Tcp(target) => write!(f, "tcp://{target}"),
            Self::Tls(target) => write!(f, "tls://{target}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_their_usual_ports() {
        for (text, shown) in [
            ("udp://127.0.0.1", "udp://127.0.0.1:514"),
            ("tcp://logs.example:601", "tcp://logs.example:601"),
            ("tls://[::1]", "tls://[::1]:6514"),
            ("unix:///dev/log", "unix:///dev/log"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), shown);
        }
        for text in ["udp://a/b", "udp://u:p@a", "tcp://a:70000", "unix://", "tls:a", "", "udp://a?x"] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }
}
