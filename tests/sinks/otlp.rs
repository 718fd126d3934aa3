//! OTLP: what is sent is an ExportLogsServiceRequest by the JSON mapping, read strictly.

use std::collections::{BTreeMap, BTreeSet};

use detector::sinks::otlp::OtlpConfig;
use detector::sinks::{Body, Failure, Message, Receipt, Sink};
use serde_json::Value;

use crate::cards::{keys, open, refusal, stands_the_weather};
use crate::receiver::{Receiver, Reply};
use crate::sample::{HOSTILE, alert, card, hostile_alert, huge_card, long};

const TOKEN: &str = "Bearer s3cret";

fn sink(receiver: &Receiver) -> Box<dyn Sink> {
    let endpoint = receiver.url("/otlp/");
    open::<OtlpConfig>(&format!("endpoint = \"{endpoint}\"\nheaders = {{ Authorization = \"{TOKEN}\" }}"))
}

fn deliver(receiver: &Receiver, body: Body<'_>) -> Result<Receipt, Failure> {
    sink(receiver).deliver(&Message { key: "01HF-1", body, reference: None })
}

/// What was sent, read.
fn sent(body: Body<'_>) -> Request {
    let receiver = Receiver::start([Reply::ok(r#"{"partialSuccess":{}}"#)]);
    deliver(&receiver, body).unwrap();
    let got = receiver.next();
    assert_eq!((&*got.method, &*got.path), ("POST", "/otlp/v1/logs"));
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert_eq!(got.header("authorization"), Some(TOKEN));
    let read = request(&got.json());
    assert_eq!(read.records.len(), 1);
    read
}

/// An ExportLogsServiceRequest with one resource and one scope.
#[derive(Debug)]
struct Request {
    resource: BTreeMap<String, Any>,
    scope: String,
    records: Vec<Record>,
}

#[derive(Debug)]
struct Record {
    time: u64,
    observed: u64,
    severity: u64,
    severity_text: String,
    event_name: String,
    body: Any,
    attributes: BTreeMap<String, Any>,
}

#[derive(Debug, PartialEq)]
enum Any {
    Text(String),
    Int(i64),
    Array(Vec<Any>),
}

/// The mapping: <https://protobuf.dev/programming-guides/json/> with OTLP's own rules (lowerCamelCase, enums as
/// numbers). 64-bit integers are text; a oneof has one field.
fn request(value: &Value) -> Request {
    let [resource_logs] = &**only(value, &["resourceLogs"])["resourceLogs"].as_array().unwrap() else {
        panic!("one resource: {value}")
    };
    only(resource_logs, &["resource", "scopeLogs", "schemaUrl"]);
    only(&resource_logs["resource"], &["attributes", "droppedAttributesCount"]);
    let [scope_logs] = &**resource_logs["scopeLogs"].as_array().unwrap() else {
        panic!("one scope: {value}")
    };
    only(scope_logs, &["scope", "logRecords", "schemaUrl"]);
    only(&scope_logs["scope"], &["name", "version", "attributes", "droppedAttributesCount"]);
    Request {
        resource: attributes(&resource_logs["resource"]["attributes"]),
        scope: scope_logs["scope"]["name"].as_str().unwrap().to_owned(),
        records: scope_logs["logRecords"].as_array().unwrap().iter().map(record).collect(),
    }
}

fn record(value: &Value) -> Record {
    let known = [
        "timeUnixNano",
        "observedTimeUnixNano",
        "severityNumber",
        "severityText",
        "body",
        "attributes",
        "droppedAttributesCount",
        "flags",
        "traceId",
        "spanId",
        "eventName",
    ];
    only(value, &known);
    let fixed64 = |name: &str| value[name].as_str().unwrap().parse::<u64>().unwrap();
    let severity = value["severityNumber"].as_u64().unwrap();
    assert!((1..=24).contains(&severity), "{severity}");
    Record {
        time: fixed64("timeUnixNano"),
        observed: fixed64("observedTimeUnixNano"),
        severity,
        severity_text: value["severityText"].as_str().unwrap().to_owned(),
        event_name: value["eventName"].as_str().unwrap().to_owned(),
        body: any(&value["body"]),
        attributes: attributes(&value["attributes"]),
    }
}

fn attributes(value: &Value) -> BTreeMap<String, Any> {
    let pairs = value.as_array().unwrap().iter().map(|pair| {
        assert_eq!(keys(pair), ["key", "value"]);
        let key = pair["key"].as_str().unwrap();
        assert!(!key.is_empty());
        (key.to_owned(), any(&pair["value"]))
    });
    let pairs: Vec<_> = pairs.collect();
    let count = pairs.len();
    let read: BTreeMap<_, _> = pairs.into_iter().collect();
    assert_eq!(read.len(), count, "keys are unique");
    read
}

fn any(value: &Value) -> Any {
    match &*keys(value) {
        ["stringValue"] => Any::Text(value["stringValue"].as_str().unwrap().to_owned()),
        ["intValue"] => Any::Int(value["intValue"].as_str().unwrap().parse().unwrap()),
        ["arrayValue"] => {
            let values = &only(&value["arrayValue"], &["values"])["values"];
            Any::Array(values.as_array().unwrap().iter().map(any).collect())
        }
        other => panic!("one value of a kind that we use: {other:?}"),
    }
}

fn only<'a>(value: &'a Value, known: &[&str]) -> &'a Value {
    let known: BTreeSet<_> = known.iter().copied().collect();
    for key in keys(value) {
        assert!(known.contains(key), "{key} is not known: {value}");
    }
    value
}

fn text(text: &str) -> Any {
    Any::Text(text.to_owned())
}

#[test]
fn an_alert_is_a_record() {
    let alert = alert();
    let Request { resource, scope, records } = sent(Body::Alert(&alert));
    assert_eq!(resource["service.name"], text("detector"));
    assert_eq!(resource["host.name"], text("gpu-7"));
    assert!(resource.contains_key("service.version"));
    assert_eq!(scope, "detector");
    let Record { time, observed, severity, severity_text, event_name, body, attributes } = &records[0];
    assert_eq!((*time, *observed), (1_795_230_001_250_000_000, 1_795_230_001_250_812_000));
    assert_eq!((*severity, &**severity_text), (21, "critical"));
    assert_eq!((&**event_name, body), ("detector.alert", &text(&alert.summary)));
    assert_eq!(attributes["event.name"], text("detector.alert"));
    assert_eq!(attributes["detector.alert.id"], text(&alert.id));
    assert_eq!(attributes["detector.incident.id"], text(&alert.incident));
    assert_eq!(attributes["process.pid"], Any::Int(4_242));
    assert_eq!(attributes["process.parent_pid"], Any::Int(4_200));
    assert_eq!(attributes["process.user.id"], Any::Int(1_000));
    assert_eq!(attributes["process.executable.path"], text("/tmp/xmrig"));
    assert_eq!(
        attributes["process.command_args"],
        Any::Array(["xmrig", "-o", "pool.example:3333"].map(text).into())
    );
    assert_eq!(attributes["gen_ai.tool.call.id"], text("call_1"));
    assert_eq!(
        attributes["detector.rule.tags"],
        Any::Array(["attack.impact", "attack.t1496"].map(text).into())
    );
    assert_eq!(attributes["detector.coverage.events_lost"], Any::Int(2));
}

#[test]
fn a_digest_is_a_record_with_its_whole_text() {
    let card = detector::alert::card::Card { about: detector::alert::card::About::Digest, ..card() };
    let request = sent(Body::Card(&card));
    let record = &request.records[0];
    assert_eq!(record.event_name, "detector.notice");
    let Any::Text(body) = &record.body else { panic!("{record:?}") };
    assert!(body.contains("4242 executed /tmp/xmrig"), "{body}");
}

#[test]
fn harm_arrives_as_it_is() {
    for harm in HOSTILE {
        assert_eq!(sent(Body::Alert(&hostile_alert(harm))).records[0].body, text(harm));
    }
    let request = sent(Body::Alert(&hostile_alert(&long().repeat(10))));
    assert!(matches!(&request.records[0].body, Any::Text(text) if text.len() <= 16_000));
    sent(Body::Card(&huge_card()));
}

#[test]
fn a_record_that_was_rejected_is_refused() {
    let answer = r#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"the body is too large"}}"#;
    let receiver = Receiver::start([Reply::ok(answer)]);
    let reason = refusal(deliver(&receiver, Body::Alert(&alert())));
    assert_eq!(reason, "the record was rejected: the body is too large");
    let receiver = Receiver::start([Reply::ok("")]);
    assert_eq!(deliver(&receiver, Body::Alert(&alert())), Ok(Receipt::default()));
}

#[test]
fn what_it_refuses_is_said() {
    let body = r#"{"code":16,"message":"authentication didn't succeed"}"#;
    let receiver = Receiver::start([Reply::With(401, &[], body.to_owned())]);
    let reason = refusal(deliver(&receiver, Body::Alert(&alert())));
    assert!(reason.contains("authentication didn't succeed; write what the collector asks for"), "{reason}");
    assert!(!reason.contains("s3cret"), "{reason}");
}

#[test]
fn it_stands_the_weather() {
    stands_the_weather(&sink, Body::Alert(&alert()), &["s3cret"]);
}
