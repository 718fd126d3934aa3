//! The client of all sinks: what each kind of answer means.

use std::time::Duration;

use detector::sinks::Failure;
use detector::sinks::http::{Http, HttpConfig, Request};

use crate::receiver::{Receiver, Reply};

pub(crate) fn client() -> Http {
    let config = HttpConfig { timeout: Some(Duration::from_millis(1_500)), ..HttpConfig::default() };
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
