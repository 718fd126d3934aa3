//! The client of all sinks: what each kind of answer means.

use std::time::Duration;

use detector::sinks::Failure;
use detector::sinks::http::{Http, HttpConfig, Request};

use crate::proxy::Proxy;
use crate::receiver::{Receiver, Reply};

pub(crate) fn client() -> Http {
    configured("")
}

fn configured(text: &str) -> Http {
    let config: HttpConfig = toml::from_str(&format!("timeout = \"1500ms\"\n{text}")).unwrap();
    Http::new(&config).unwrap()
}

/// What becomes of a request that is answered so.
fn send(reply: Reply) -> Result<u16, Failure> {
    let receiver = Receiver::start([reply]);
    client().send(&Request::post(&receiver.url("/secret-path"), b"{}")).map(|answer| answer.status)
}

#[test]
fn what_may_pass_is_tried_later_and_what_stays_is_refused() {
    assert_eq!(send(Reply::status(204)), Ok(204));
    for status in [408, 425, 429, 500, 503] {
        assert!(matches!(send(Reply::status(status)), Err(Failure::Later { .. })), "{status}");
    }
    for status in [301, 307, 400, 401, 403, 404, 410, 413] {
        assert!(matches!(send(Reply::status(status)), Err(Failure::Refused { .. })), "{status}");
    }
    for reply in [Reply::Reset, Reply::Hang, Reply::Garbage] {
        let outcome = send(reply.clone());
        let Err(Failure::Later { reason, .. }) = outcome else { panic!("{reply:?}: {outcome:?}") };
        assert!(!reason.contains("secret-path"), "{reason}");
    }
}

#[test]
fn a_server_that_asks_for_patience_gets_it() {
    let outcome = send(Reply::With(429, &["Retry-After: 7"], "slow down".to_owned()));
    let Err(Failure::Later { reason, after }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(after, Some(Duration::from_secs(7)));
    assert!(reason.contains("429") && reason.ends_with("slow down"), "{reason}");
}

#[test]
fn connections_are_used_again() {
    let receiver = Receiver::start([Reply::ok("")]);
    let client = client();
    for _ in 0..5 {
        client.send(&Request::post(&receiver.url("/hook"), b"{}")).unwrap();
        let got = receiver.next();
        assert_eq!((&*got.method, &*got.path, got.json()), ("POST", "/hook", serde_json::json!({})));
        assert_eq!(got.header("content-type"), Some("application/json"));
    }
    assert_eq!(receiver.connections(), 1);
    assert!(receiver.is_idle());
}

#[test]
fn a_redirect_is_refused_and_takes_no_credentials_along() {
    for status in [301, 302, 303, 307, 308] {
        let other = Receiver::start([Reply::ok("")]);
        let location: &'static str = Box::leak(format!("Location: {}", other.url("/there")).into_boxed_str());
        let headers: &'static [&'static str] = Box::leak(Box::new([location]));
        let receiver = Receiver::start([Reply::With(status, headers, String::new())]);
        let url = receiver.url("/here");
        let outcome = client().send(&Request {
            method: "POST",
            url: &url,
            headers: &[("Authorization", "Bearer s3cret")],
            body: b"{}",
        });
        let Err(Failure::Refused { reason }) = outcome else { panic!("{outcome:?}") };
        assert!(reason.contains("redirects are not followed") && !reason.contains("s3cret"), "{reason}");
        assert_eq!(receiver.next().header("authorization"), Some("Bearer s3cret"));
        assert_eq!((other.connections(), other.is_idle()), (0, true));
    }
}

#[test]
fn a_certificate_is_trusted_where_its_authority_is_named() {
    let receiver = Receiver::start_tls([Reply::ok("fine")]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, receiver.authority()).unwrap();
    let trusting = configured(&format!("ca_file = \"{}\"", file.display()));
    let url = receiver.url("/secret-path");
    assert_eq!(trusting.send(&Request::post(&url, b"{}")).unwrap().body, b"fine");
    assert_eq!(receiver.next().path, "/secret-path");
    let outcome = client().send(&Request::post(&url, b"{}"));
    let Err(Failure::Later { reason, .. }) = outcome else { panic!("{outcome:?}") };
    assert!(reason.to_lowercase().contains("certificate") && !reason.contains("secret-path"), "{reason}");
    // The name has to be right, too.
    let url = url.replace("localhost", "127.0.0.1");
    let outcome = trusting.send(&Request::post(&url, b"{}"));
    assert!(matches!(outcome, Err(Failure::Later { .. })), "{outcome:?}");
    assert!(receiver.is_idle());
}

#[test]
fn a_proxy_is_gone_through() {
    for receiver in [Receiver::start([Reply::ok("fine")]), Receiver::start_tls([Reply::ok("fine")])] {
        let proxy = Proxy::start();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let url = receiver.url("/hook");
        let mut text = format!("proxy = \"{}\"\n", proxy.url());
        if url.starts_with("https") {
            std::fs::write(&file, receiver.authority()).unwrap();
            text.push_str(&format!("ca_file = \"{}\"", file.display()));
        }
        let answer = configured(&text).send(&Request::post(&url, b"{}")).unwrap();
        assert_eq!(answer.body, b"fine");
        assert_eq!((receiver.next().path, receiver.connections()), ("/hook".to_owned(), 1));
        let line = proxy.next();
        assert!(line.starts_with("CONNECT ") && !line.contains("hook"), "{line}");
    }
    // One that is not there is a failure that may pass.
    let receiver = Receiver::start([Reply::ok("")]);
    let outcome =
        configured("proxy = \"http://127.0.0.1:1\"").send(&Request::post(&receiver.url("/"), b"{}"));
    assert!(matches!(outcome, Err(Failure::Later { .. })), "{outcome:?}");
    assert!(receiver.is_idle());
}
