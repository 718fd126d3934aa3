//! Alertmanager: alerts are what its API v2 asks for, and a real one (Debian's `prometheus-alertmanager`) keeps one alert
//! an incident.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use detector::alert::Level;
use detector::alert::card::Card;
use detector::sinks::alertmanager::AlertmanagerConfig;
use detector::sinks::http::Request;
use detector::sinks::{Body, Sink};
use detector_tests::skip;
use jiff::Timestamp;
use serde_json::Value;

use crate::cards::{ID, is_honest, keys, length, open, refusal, stands_the_weather, tell, texts};
use crate::http::client;
use crate::receiver::{Receiver, Reply};
use crate::sample::{card, grown_card, huge_card};

fn sink(receiver: &Receiver) -> Box<dyn Sink> {
    let url = receiver.url("/prefix/");
    open::<AlertmanagerConfig>(&format!("url = \"{url}\"\nuser = \"detector\"\npassword = \"s3cret\""))
}

/// What was posted, checked field by field.
fn posted(card: &Card, reference: Option<&str>) -> (Vec<Value>, String) {
    let receiver = Receiver::start([Reply::status(200)]);
    let receipt = tell(&mut *sink(&receiver), card, reference).unwrap();
    let got = receiver.next();
    assert_eq!((&*got.method, &*got.path), ("POST", "/prefix/api/v2/alerts"));
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert_eq!(got.header("authorization"), Some("Basic ZGV0ZWN0b3I6czNjcmV0"));
    let Value::Array(alerts) = got.json() else { panic!("a list: {:?}", got.body) };
    for alert in &alerts {
        assert_eq!(keys(alert), ["annotations", "endsAt", "labels", "startsAt"]);
        for (name, value) in
            alert["labels"].as_object().unwrap().iter().chain(alert["annotations"].as_object().unwrap())
        {
            let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            assert!(
                name.starts_with(|first: char| !first.is_ascii_digit()) && name.chars().all(is_letter),
                "{name}"
            );
            assert!(value.is_string(), "{name}: {value}");
        }
        assert!(alert["labels"].as_object().unwrap().values().all(|value| length(value) > 0));
        assert!(length(&alert["labels"]["alertname"]) > 0);
        let at = |name: &str| alert[name].as_str().unwrap().parse::<Timestamp>().unwrap();
        assert!(at("startsAt") <= at("endsAt"), "{alert}");
    }
    (alerts, receipt.reference.unwrap())
}

fn lives_for(alert: &Value) -> Duration {
    let ends: Timestamp = alert["endsAt"].as_str().unwrap().parse().unwrap();
    Duration::try_from(ends.duration_since(Timestamp::now())).unwrap_or_default()
}

#[test]
fn an_incident_is_one_alert_that_stays_open() {
    let (first, told) = posted(&card(), None);
    assert_eq!(first.len(), 1);
    let labels = &first[0]["labels"];
    assert_eq!(
        (&labels["alertname"], &labels["severity"]),
        (&"Known miner executed".into(), &"critical".into())
    );
    assert_eq!(
        (&labels["agent"], &labels["host"], &labels["incident"]),
        (&"training".into(), &"gpu-7".into(), &ID.into())
    );
    assert_eq!(labels["rule"], "0b0b5a55-2c3b-4f0c-9a55-1f4b9b3b1a01");
    assert_eq!(first[0]["startsAt"], "2026-11-21T03:00:01.25Z");
    let quiet = Duration::from_secs(15 * 60);
    assert!(lives_for(&first[0]) > 10 * quiet, "{}", first[0]["endsAt"]);
    let (second, again) = posted(&grown_card(), Some(&told));
    assert_eq!((second.len(), &second[0]["labels"], &again), (1, labels, &told), "the same alert");
    assert!(lives_for(&second[0]) > 10 * quiet);
}

#[test]
fn an_incident_that_is_graver_is_another_alert_and_the_first_ends() {
    let (first, told) = posted(&Card { level: Level::High, ..card() }, None);
    let (both, _) = posted(&grown_card(), Some(&told));
    assert_eq!(both.len(), 2);
    assert_eq!(both[0]["labels"]["severity"], "critical");
    assert_eq!(both[1]["labels"], first[0]["labels"]);
    assert_eq!(lives_for(&both[1]), Duration::ZERO);
}

#[test]
fn harm_stays_text() {
    let (alerts, _) = posted(&huge_card(), None);
    let size: usize = alerts[0]["annotations"].as_object().unwrap().values().map(length).sum();
    assert!(size <= 17_000, "{size}");
    for text in alerts.iter().flat_map(texts) {
        assert!(!text.contains('<') && !text.contains("]("), "{text}");
    }
    alerts.iter().for_each(is_honest);
}

#[test]
fn what_it_refuses_is_said() {
    let send = |status: u16, body: &str| {
        let receiver = Receiver::start([Reply::With(status, &[], body.to_owned())]);
        refusal(tell(&mut *sink(&receiver), &card(), None))
    };
    let reason = send(400, r#""\"a-b\" is not a valid label name""#);
    assert!(reason.ends_with(r#""a-b" is not a valid label name"#), "{reason}");
    let reason = send(422, r#"{"code":601,"message":"alerts in body is required"}"#);
    assert!(reason.ends_with("alerts in body is required"), "{reason}");
}

#[test]
fn it_stands_the_weather() {
    stands_the_weather(&sink, Body::Card(&card()), &["s3cret", "czNjcmV0"]);
}

/// A running Alertmanager of our own.
struct Running {
    child: Child,
    url: String,
    _data: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start() -> Option<Self> {
        let data = tempfile::tempdir().unwrap();
        let config = data.path().join("alertmanager.yml");
        std::fs::write(
            &config,
            "route: { receiver: none, group_by: [incident] }\nreceivers: [{ name: none }]\n",
        )
        .unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", data.path().display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            // No cluster: it would listen on every address.
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let running = Self { child, url: format!("http://127.0.0.1:{port}"), _data: data };
        let until = Instant::now() + Duration::from_secs(60);
        while running.get("/-/ready").is_none() {
            assert!(Instant::now() < until, "it is not ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(running)
    }

    fn get(&self, path: &str) -> Option<Vec<u8>> {
        let url = format!("{}{path}", self.url);
        let request = Request { method: "GET", url: &url, headers: &[], body: b"" };
        client().send(&request).ok().map(|answer| answer.body)
    }

    /// Active alerts by severity, once there are as many.
    fn alerts(&self, wanted: impl Fn(&[Value]) -> bool) -> BTreeMap<String, Value> {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let body = self.get("/api/v2/alerts?active=true").unwrap();
            let alerts: Vec<Value> = serde_json::from_slice(&body).unwrap();
            if wanted(&alerts) {
                let severity = |alert: &Value| alert["labels"]["severity"].as_str().unwrap().to_owned();
                return alerts.into_iter().map(|alert| (severity(&alert), alert)).collect();
            }
            assert!(Instant::now() < until, "{alerts:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn a_real_one_keeps_one_alert_an_incident() {
    let Some(running) = Running::start() else { skip!("needs prometheus-alertmanager") };
    let mut sink = open::<AlertmanagerConfig>(&format!("url = \"{}\"", running.url));
    let first = tell(&mut *sink, &Card { level: Level::High, ..card() }, None).unwrap();
    let alerts = running.alerts(|alerts| alerts.len() == 1);
    assert_eq!(alerts["high"]["labels"]["incident"], ID);
    assert_eq!(alerts["high"]["status"]["state"], "active");

    let newer = Card { sentence: "it mines".to_owned(), level: Level::High, ..grown_card() };
    let second = tell(&mut *sink, &newer, first.reference.as_deref()).unwrap();
    let is_newer =
        |alerts: &[Value]| alerts.iter().any(|alert| alert["annotations"]["summary"] == "it mines");
    let alerts = running.alerts(is_newer);
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    assert!(lives_for(&alerts["high"]) > Duration::from_secs(3 * 3_600));

    let graver = Card { level: Level::Critical, ..newer };
    tell(&mut *sink, &graver, second.reference.as_deref()).unwrap();
    let alerts = running.alerts(|alerts| alerts.len() == 1 && alerts[0]["labels"]["severity"] == "critical");
    assert_eq!(alerts["critical"]["labels"]["incident"], ID);

    tell(&mut *sink, &Card { id: "01HF7YAT00QW5V9ZK8TD4M2C4Z".to_owned(), ..huge_card() }, None).unwrap();
    running.alerts(|alerts| alerts.len() == 2);
}
