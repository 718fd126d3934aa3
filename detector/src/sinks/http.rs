//! The one HTTP client of all sinks: proxy, certificate authorities, time limits, reused connections, no redirects.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde::Deserialize;
use toml::Spanned;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy, http};

use super::secret::Secret;
use super::{Failure, Problem};

/// Most bytes of an answer that are read.
const ANSWER_MOST: u64 = 64 << 10;
/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an exchange may take as a whole, unless configured.
const WHOLE: Duration = Duration::from_secs(15);
/// Longest wait that a server may ask for.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// Most characters of an answer in a reason.
const SAID_MOST: usize = 200;

/// How sinks that speak HTTP reach the network.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Proxy for every request: `"http://proxy:3128"`, `"socks5://127.0.0.1:1080"`. Where none is named, the
    /// variables HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY count.
    pub proxy: Option<Spanned<String>>,
    /// PEM file of certificate authorities that are trusted in place of the built-in ones (Mozilla's).
    pub ca_file: Option<Spanned<PathBuf>>,
    /// How long one exchange may take; `"15s"` where not given.
    #[serde(with = "humantime_serde")]
    pub timeout: Option<Duration>,
}

/// The client; clones share its connections.
#[derive(Clone)]
pub struct Http {
    agent: Agent,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `POST`, `PUT`, `PATCH`, `GET`.
    pub method: &'static str,
    /// Where to. May hold secrets: it is never part of a reason.
    pub url: &'a str,
    /// Names and values.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; none is sent where it is empty.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    /// A `POST` of JSON.
    pub fn post(url: &'a str, body: &'a [u8]) -> Self {
        Self { method: "POST", url, headers: &[("Content-Type", "application/json")], body }
    }
}

/// What a server answered to a request that it took: a status of 200 to 299.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body, at most 64 KiB of it.
    pub body: Vec<u8>,
}

/// What a server said, whatever it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// What it asks to wait (`Retry-After`).
    pub after: Option<Duration>,
    /// The body, at most 64 KiB of it.
    pub body: Vec<u8>,
}

impl Reply {
    /// Whether the status is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// What a status that is none of success means; `why` is what the server said, and the remedy, in one line.
    pub fn failure(&self, why: &str) -> Failure {
        let colon = if why.is_empty() { "" } else { ": " };
        let reason = format!("HTTP {}{colon}{why}", self.status);
        match self.status {
            408 | 425 | 429 | 500..=599 => Failure::Later { reason, after: self.after },
            300..=399 => Failure::refused(format!(
                "{reason}; redirects are not followed: write the address it leads to"
            )),
            _ => Failure::Refused { reason },
        }
    }
}

/// What the answer to a request that was not taken says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// Why, and the remedy, in one short line without secrets; empty where nothing was said.
    pub reason: String,
    /// How long the service asks to be left alone, where it says so in the body.
    pub after: Option<Duration>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// It is none; whether the message arrived is then unknown.
    pub fn json(&self) -> Result<serde_json::Value, Failure> {
        serde_json::from_slice(&self.body)
            .map_err(|_| Failure::later(format!("the answer is no JSON: {}", said(&self.body))))
    }
}

impl Http {
    /// The client of a configuration.
    ///
    /// # Errors
    /// Where in the configuration something is wrong, and what.
    pub fn new(config: &HttpConfig) -> Result<Self, (usize, String)> {
        let HttpConfig { proxy, ca_file, timeout } = config;
        let mut tls = TlsConfig::builder();
        if let Some(file) = ca_file {
            let wrong =
                |what: String| (file.span().start, format!("ca_file: {}: {what}", file.get_ref().display()));
            let pem = std::fs::read(file.get_ref())
                .map_err(|error| wrong(format!("{error}; name a readable PEM file")))?;
            let items: Result<Vec<_>, _> = parse_pem(&pem).collect();
            let items = items.map_err(|error| wrong(format!("{error}; write certificates as PEM")))?;
            let certificates: Vec<_> = items
                .into_iter()
                .filter_map(|item| if let PemItem::Certificate(found) = item { Some(found) } else { None })
                .collect();
            if certificates.is_empty() {
                return Err(wrong("holds no certificate; write certificates as PEM".to_owned()));
            }
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
        }
        let mut builder = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_resolve(Some(CONNECT))
            .timeout_global(Some(timeout.unwrap_or(WHOLE)))
            .max_idle_connections_per_host(2)
            .user_agent(concat!("detector/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls.build());
        if let Some(proxy) = proxy {
            let wrong = |_| {
                let message = "proxy: no URL of a proxy; write e.g. \"http://proxy:3128\" or \"socks5://127.0.0.1:1080\"";
                (proxy.span().start, message.to_owned())
            };
            builder = builder.proxy(Some(Proxy::new(proxy.get_ref()).map_err(wrong)?));
        }
        Ok(Self { agent: builder.build().new_agent() })
    }

    /// Sends a request and gives the answer of a server that took it.
    ///
    /// # Errors
    /// [`Failure::Later`] for what may pass: no connection, a time-out, 408, 425, 429, 5xx; with the wait that
    /// `Retry-After` asks for. [`Failure::Refused`] for every other status. Reasons name neither URL nor headers.
    pub fn send(&self, request: &Request<'_>) -> Result<Answer, Failure> {
        self.send_explained(request, |_, body| Explained { reason: said(body), after: None })
    }

    /// As [`Http::send`], for a service that says in its own way what is wrong: `explain` is given the status and the
    /// body of every answer that is no success.
    ///
    /// # Errors
    /// As there.
    pub fn send_explained(
        &self,
        request: &Request<'_>,
        explain: impl Fn(u16, &[u8]) -> Explained,
    ) -> Result<Answer, Failure> {
        let mut reply = self.exchange(request)?;
        if reply.is_success() {
            return Ok(Answer { status: reply.status, body: reply.body });
        }
        let Explained { reason, after } = explain(reply.status, &reply.body);
        reply.after = reply.after.or(after.map(|after| after.min(PATIENCE)));
        Err(reply.failure(&reason))
    }

    /// Sends a request and gives what the server said, whatever the status.
    ///
    /// # Errors
    /// Nothing was said, or the request cannot be made.
    pub fn exchange(&self, request: &Request<'_>) -> Result<Reply, Failure> {
        let Request { method, url, headers, body } = *request;
        let mut builder = http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let request = builder.body(body).map_err(|_| Failure::refused("the URL or a header is malformed"))?;
        let mut response = self.agent.run(request).map_err(|error| {
            if matches!(error, ureq::Error::BadUri(_) | ureq::Error::Http(_)) {
                Failure::refused("the URL is malformed")
            } else {
                Failure::later(error)
            }
        })?;
        let after = response.headers().get("Retry-After").and_then(|value| retry_after(value.to_str().ok()?));
        let status = response.status().as_u16();
        // The status says what became of it, whatever became of the rest of the answer.
        let body = response.body_mut().with_config().limit(ANSWER_MOST).read_to_vec().unwrap_or_default();
        Ok(Reply { status, after, body })
    }
}

/// Looks at a URL before anything is sent to it; says what is wrong without the URL, which may be secret.
///
/// # Errors
/// It is no absolute `http://` or `https://` URL.
pub fn check_url(key: &'static str, text: &str) -> Result<url::Url, Problem> {
    let wrong = |what: &str| Problem::new(key, format!("{what}; write e.g. \"https://HOST/PATH\""));
    let read = url::Url::parse(text).map_err(|error| wrong(&format!("no URL: {error}")))?;
    if !matches!(read.scheme(), "http" | "https") || read.host_str().is_none_or(str::is_empty) {
        return Err(wrong("no http:// or https:// URL"));
    }
    Ok(read)
}

/// The address that a secret holds.
///
/// # Errors
/// It cannot be read or is no address of HTTP; the address is not named.
pub fn address(key: &'static str, secret: &Secret) -> Result<String, Problem> {
    check_url(key, &secret.check(key)?).map(String::from)
}

/// What a server said, in one short line.
pub fn said(body: &[u8]) -> String {
    let text =
        String::from_utf8_lossy(body.get(..body.len().min(4 * SAID_MOST)).unwrap_or(body)).into_owned();
    let line: Vec<&str> = text.split_whitespace().collect();
    crate::alert::escape::clip(&line.join(" "), SAID_MOST)
}

/// A wait of so many seconds, as long as anybody may ask for.
pub(super) fn wait(seconds: f64) -> Option<Duration> {
    Some(Duration::try_from_secs_f64(seconds).ok()?.min(PATIENCE))
}

/// The wait of a `Retry-After` header: seconds, or a date.
fn retry_after(value: &str) -> Option<Duration> {
    let wait = match value.trim().parse::<f64>() {
        Ok(seconds) => wait(seconds)?,
        Err(_) => {
            let at = rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
            Duration::try_from(at.duration_since(Timestamp::now())).ok()?
        }
    };
    Some(wait.min(PATIENCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after("3"), Some(Duration::from_secs(3)));
        assert_eq!(retry_after("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(retry_after("999999"), Some(PATIENCE));
        assert_eq!(retry_after("-1"), None);
        assert_eq!(retry_after("soon"), None);
        let at = Timestamp::now() + Duration::from_secs(60);
        let date = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap();
        let wait = retry_after(&date).unwrap();
        assert!((50..=60).contains(&wait.as_secs()), "{wait:?}");
    }

    #[test]
    fn what_a_server_says_is_one_short_plain_line() {
        assert_eq!(said(b"a\n\tb\x1b[2J"), "a b\\u{1b}[2J");
        assert_eq!(said(&[b'x'; 1000]).chars().count(), SAID_MOST + 1);
    }
}
