//! The webhook: the alert as it is, or as a template says, and a signature that others can check.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use detector::alert::Alert;
use detector::alert::card::Card;
use detector::sinks::{Failure, Kind as _, Sink, webhook::WebhookConfig};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::http::client;
use crate::receiver::{Got, Receiver, Reply};
use crate::sample::{HOSTILE, alert, card, hostile_alert, long, of_alert, of_card};

fn open(receiver: &Receiver, more: &str) -> Box<dyn Sink> {
    let text = format!("url = \"{}\"\n{more}", receiver.url("/hook?token=t0ken"));
    let config: WebhookConfig = toml::from_str(&text).unwrap();
    config.check().unwrap();
    config.open("hook", &client()).unwrap()
}

#[test]
fn an_alert_arrives_as_it_is_with_its_key() {
    let receiver = Receiver::start([Reply::status(202)]);
    let mut sink = open(&receiver, "method = \"PUT\"\nheaders = { X-Token = \"s3cret\" }");
    assert_eq!(sink.deliver(&of_alert(&alert())).unwrap().reference, None);
    let got = receiver.next();
    assert_eq!((&*got.method, &*got.path), ("PUT", "/hook?token=t0ken"));
    let header = |name| got.header(name).unwrap();
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("x-token"), "s3cret");
    assert_eq!((header("idempotency-key"), header("webhook-id")), ("01KZ.slack.1", "01KZ.slack.1"));
    assert_eq!(got.header("webhook-signature"), None);
    assert!(header("user-agent").starts_with("detector/"));
    assert_eq!(serde_json::from_value::<Alert>(got.json()).unwrap(), alert());
}

#[test]
fn a_digest_arrives_as_a_card() {
    let receiver = Receiver::start([Reply::status(200)]);
    open(&receiver, "").deliver(&of_card(&card(), None)).unwrap();
    assert_eq!(serde_json::from_value::<Card>(receiver.next().json()).unwrap(), card());
}

/// As the specification has it: base64 of HMAC-SHA256 over id, time and body, joined by full stops.
fn is_signed(got: &Got, key: &[u8]) -> bool {
    let header = |name| got.header(name).unwrap();
    let time: i64 = header("webhook-timestamp").parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!((i64::try_from(now).unwrap() - time).abs() < 60, "{time} is not now");
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(format!("{}.{time}.", header("webhook-id")).as_bytes());
    mac.update(&got.body);
    header("webhook-signature") == format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[test]
fn what_is_signed_can_be_checked_and_is_bound_to_its_key() {
    let receiver = Receiver::start([Reply::status(200)]);
    let secret = STANDARD.encode([7; 32]);
    open(&receiver, &format!("secret = \"whsec_{secret}\"")).deliver(&of_alert(&alert())).unwrap();
    let mut got = receiver.next();
    assert!(is_signed(&got, &[7; 32]));
    assert!(!is_signed(&got, &[8; 32]));
    got.body.push(b' ');
    assert!(!is_signed(&got, &[7; 32]));
    open(&receiver, "secret = \"any text\"").deliver(&of_alert(&hostile_alert(&long()))).unwrap();
    assert!(is_signed(&receiver.next(), b"any text"));
}

#[test]
fn hostile_text_keeps_its_value_and_breaks_no_template() {
    let receiver = Receiver::start([Reply::status(200)]);
    let mut plain = open(&receiver, "");
    let template = r#"template = '{"text": {{ title }}, "all": [{{ sentence }}, {{ agent }}, {{ alert }}]}'"#;
    let mut shaped = open(&receiver, template);
    for text in HOSTILE.iter().copied().chain([&*long()]) {
        let alert = hostile_alert(text);
        plain.deliver(&of_alert(&alert)).unwrap();
        let got = receiver.next();
        assert!(!got.body.iter().any(|byte| byte.is_ascii_control()), "{text:?}");
        assert_eq!(serde_json::from_value::<Alert>(got.json()).unwrap(), alert);
        shaped.deliver(&of_alert(&alert)).unwrap();
        let got = receiver.next().json();
        assert_eq!(
            (&got["text"], &got["all"][0], &got["all"][1]),
            (&text.into(), &text.into(), &text.into())
        );
        assert_eq!(got["all"][2]["process"]["exe"], text);
    }
}

#[test]
fn a_template_for_text_writes_text() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("body.jinja");
    std::fs::write(&file, "{{ level | upper }} {{ title }} on {{ host }}\n{{ about }}").unwrap();
    let receiver = Receiver::start([Reply::status(200)]);
    let more = format!("template_file = \"{}\"\ncontent_type = \"text/plain\"", file.display());
    open(&receiver, &more).deliver(&of_alert(&alert())).unwrap();
    let got = receiver.next();
    assert_eq!(got.header("content-type"), Some("text/plain"));
    assert_eq!(got.body, b"CRITICAL Known miner executed on gpu-7\nalert");
}

#[test]
fn what_the_receiver_answers_is_taken_as_it_is_meant() {
    let deliver = |reply: Reply| {
        let receiver = Receiver::start([reply]);
        open(&receiver, "").deliver(&of_alert(&alert()))
    };
    assert!(deliver(Reply::ok("whatever")).is_ok());
    for reply in [Reply::status(429), Reply::status(500), Reply::Hang, Reply::Reset, Reply::Garbage] {
        let outcome = deliver(reply.clone());
        let Err(Failure::Later { reason, .. }) = outcome else { panic!("{reply:?}: {outcome:?}") };
        assert!(!reason.contains("t0ken"), "{reason}");
    }
    for reply in [Reply::status(404), Reply::status(410), Reply::With(400, &[], "no such field".to_owned())] {
        let outcome = deliver(reply.clone());
        let Err(Failure::Refused { reason }) = outcome else { panic!("{reply:?}: {outcome:?}") };
        assert!(reason.contains("HTTP 4") && !reason.contains("t0ken"), "{reason}");
    }
}
