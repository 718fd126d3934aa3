//! HTTP/1 requests and upgrades, HTTP/2 by its preface.
//!
//! Credentials stay out: no Authorization, no Cookie, no userinfo of a target, no bearer token among the
//! protocols of a WebSocket.

use httparse::{EMPTY_HEADER, Header, ParserConfig, Request, Response, Status};
use serde_json::Value;

use super::reader::may_start_with;
use super::{Application, Found, Mark, Prefix, Protocol, Sample, Transport, Verdict, Want};
use crate::event::text;
use crate::network::{Fields, Role};

mod conceal;

pub(super) const PROTOCOL: Protocol = Protocol { application: Application::Http, marks: MARKS, recognise };

/// A head that is longer is judged by so much of it.
const BYTES: u16 = 1024;
/// A head of so many bytes has at most so many headers: a name, a colon and a line end each.
const HEADERS: usize = 344;

const MARKS: &[Mark] = &[
    // "PRI" is the preface of HTTP/2.
    Mark {
        transport: Transport::Tcp,
        regex: r"(?:GET|POST|PUT|HEAD|OPTIONS|DELETE|PATCH|PRI) [/*hH]",
        want: Want { bytes: BYTES, again: 2, urgent: false, length_at: None },
    },
    // Behind a proxy's handshake, and behind an upgrade, another protocol begins.
    Mark {
        transport: Transport::Tcp,
        regex: r"CONNECT |HTTP/1\.[01] (?:101|200 [Cc]onn)",
        want: Want { bytes: BYTES, again: 4, urgent: false, length_at: None },
    },
];

const METHODS: [&str; 9] = ["GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "DELETE", "PATCH", "TRACE"];
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn recognise(prefix: &Prefix<'_>) -> Verdict {
    match prefix.transport {
        Transport::Udp => return Verdict::No,
        Transport::Tcp => {}
    }
    let bytes = prefix.bytes;
    if may_start_with(bytes, PREFACE) && !matches!(bytes, [] | b"P") {
        if bytes.len() < PREFACE.len() {
            return Verdict::More;
        }
        return Verdict::Is(Found { speaker: Role::Client, fields: vec![("HttpVersion", "2".into())] });
    }
    let head = bytes.get(..BYTES.into()).unwrap_or(bytes);
    if may_start_with(head, b"HTTP/1.") && !head.is_empty() {
        return response(head, prefix.other);
    }
    if METHODS.iter().any(|method| is_method(head, method.as_bytes())) {
        return request(head);
    }
    if head.is_empty() { Verdict::More } else { Verdict::No }
}

fn is_method(head: &[u8], method: &[u8]) -> bool {
    may_start_with(head, method) && head.get(method.len()).is_none_or(|byte| *byte == b' ')
}

fn config() -> ParserConfig {
    let mut config = ParserConfig::default();
    // Servers take them, so whoever wants to hide behind one must not be able to.
    config.ignore_invalid_headers_in_requests(true).ignore_invalid_headers_in_responses(true);
    config
}

fn request(head: &[u8]) -> Verdict {
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut request = Request::new(&mut headers);
    match config().parse_request(&mut request, head) {
        Ok(Status::Complete(_)) => Verdict::Is(asked(&request)),
        Ok(Status::Partial) if head.len() < BYTES.into() => Verdict::More,
        Ok(Status::Partial) => long_request(head),
        Err(_) => Verdict::No,
    }
}

/// A request whose head does not end within what is handed over, by the lines that are whole.
fn long_request(head: &[u8]) -> Verdict {
    let mut lines = match head.iter().rposition(|byte| *byte == b'\n') {
        Some(last) => head.get(..=last).unwrap_or(head).to_vec(),
        None => [head, b" HTTP/1.1\r\n"].concat(),
    };
    lines.extend_from_slice(b"\r\n");
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut request = Request::new(&mut headers);
    match config().parse_request(&mut request, &lines) {
        Ok(Status::Complete(_)) => Verdict::Is(asked(&request)),
        Ok(Status::Partial) | Err(_) => Verdict::No,
    }
}

fn asked(request: &Request<'_, '_>) -> Found {
    let target = conceal::target(request.path.unwrap_or_default());
    let host = header(request.headers, "host")
        .map(str::into_string)
        .filter(|host| !host.is_empty())
        .or_else(|| authority(&target, request.method == Some("CONNECT")));
    let mut fields = vec![("HttpMethod", Value::from(request.method.unwrap_or_default()))];
    fields.extend(host.map(|host| ("HttpHost", Value::from(without_port(&host)))));
    fields.push(("HttpPath", target.into()));
    fields.push(("HttpVersion", version(request.version)));
    fields
        .extend(header(request.headers, "user-agent").map(|agent| ("UserAgent", agent.into_string().into())));
    upgrade(request.headers, &mut fields);
    Found { speaker: Role::Client, fields }
}

/// Only responses behind which another protocol begins are of interest.
fn response(head: &[u8], other: &[u8]) -> Verdict {
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut response = Response::new(&mut headers);
    let status = config().parse_response(&mut response, head);
    let opens = match response.code {
        Some(101) => true,
        Some(200) => {
            let reason = response.reason.unwrap_or_default();
            other.starts_with(b"CONNECT ") || reason.to_ascii_lowercase().starts_with("connection est")
        }
        Some(_) => return Verdict::No,
        None => false,
    };
    match status {
        Ok(Status::Complete(_)) if opens => {
            let mut fields = vec![
                ("HttpStatus", Value::from(response.code.unwrap_or_default())),
                ("HttpVersion", version(response.version)),
            ];
            upgrade(response.headers, &mut fields);
            Verdict::Is(Found { speaker: Role::Server, fields })
        }
        Ok(Status::Partial) if head.len() < BYTES.into() => Verdict::More,
        Ok(Status::Complete(_) | Status::Partial) | Err(_) => Verdict::No,
    }
}

fn upgrade(headers: &[Header<'_>], fields: &mut Fields) {
    fields.extend(header(headers, "upgrade").map(|value| ("HttpUpgrade", value.into_string().into())));
    let protocol = header(headers, "sec-websocket-protocol");
    fields.extend(protocol.map(|value| ("HttpProtocol", conceal::protocols(&value).into())));
}

fn header(headers: &[Header<'_>], name: &str) -> Option<Box<str>> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| text(header.value))
}

fn version(minor: Option<u8>) -> Value {
    if minor == Some(0) { "1.0".into() } else { "1.1".into() }
}

/// `host:port` of a target such as `http://host:port/path`, or of one that is nothing else.
fn authority(target: &str, is_connect: bool) -> Option<String> {
    if is_connect {
        return Some(target.to_owned());
    }
    let rest = target.split_once("://")?.1;
    rest.split(['/', '?', '#']).next().map(str::to_owned)
}

/// A host as one would look it up: lower case, without port, brackets and userinfo.
fn without_port(host: &str) -> String {
    let host = host.rsplit('@').next().unwrap_or(host);
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name.to_ascii_lowercase()
}

const fn sample(name: &'static str, from: Role, bytes: &'static [u8]) -> Sample {
    Sample { name, from, bytes, decisive: bytes.len(), application: Application::Http }
}

pub(super) const SAMPLES: &[Sample] = &[
    sample("a request of curl", Role::Client, b"GET /a?b=c HTTP/1.1\r\nHost: Example.org:8080\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"),
    sample("a request without headers", Role::Client, b"HEAD / HTTP/1.0\r\n\r\n"),
    sample("bare line feeds", Role::Client, b"DELETE /x HTTP/1.1\nHost: [2001:db8::1]:80\n\n"),
    sample(
        "chisel's client",
        Role::Client,
        b"GET / HTTP/1.1\r\nHost: c2.example:8080\r\nUser-Agent: Go-http-client/1.1\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chisel-v3\r\nSec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n\r\n",
    ),
    sample(
        "wstunnel's client",
        Role::Client,
        b"GET /v1/events HTTP/1.1\r\nHost: w.example\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Protocol: v1, authorization.bearer.eyJ0eXAi.c2VjcmV0.sig\r\n\r\n",
    ),
    sample(
        "a request to a proxy",
        Role::Client,
        b"CONNECT pool.example:3333 HTTP/1.1\r\nHost: pool.example:3333\r\nProxy-Authorization: Basic c2VjcmV0\r\n\r\n",
    ),
    sample("a request through a proxy", Role::Client, b"GET http://me:secret@example.org:81/p HTTP/1.1\r\nCookie: secret\r\n\r\n"),
    sample("a header that is none", Role::Client, b"POST /x HTTP/1.1\r\nbad header: 1\r\nHost: h.example\r\n\r\nbody"),
    sample("the preface of HTTP/2", Role::Client, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x12\x04\x00\x00\x00\x00\x00"),
    sample(
        "an upgrade that is granted",
        Role::Server,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: chisel-v3\r\n\r\n",
    ),
    sample("a proxy's consent", Role::Server, b"HTTP/1.0 200 Connection established\r\n\r\n"),
];

#[cfg(test)]
mod tests;
