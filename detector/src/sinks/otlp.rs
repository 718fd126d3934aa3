//! OpenTelemetry, by OTLP over HTTP in JSON: one log record an alert.
//!
//! Protocol, answers and the JSON mapping: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>; the record:
//! <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/logs/v1/logs.proto>; severities:
//! <https://opentelemetry.io/docs/specs/otel/logs/data-model/#severity-fields>; names of attributes:
//! <https://opentelemetry.io/docs/specs/semconv/registry/attributes/>.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::http::{Explained, Http, Request, check_url, said};
use super::outline::{fit, text};
use super::secret::Secret;
use super::{Body, Failure, Grain, Kind, Message, Problem, Receipt, Sink, SinkError};
use crate::alert::card::Card;
use crate::alert::{Alert, Level};

/// Where logs go below the endpoint.
const PATH: &str = "/v1/logs";
/// Most arguments, most pieces of evidence, and most bytes of one text.
const ARGUMENTS: usize = 100;
const EVIDENCE: usize = 50;
const TEXT: usize = 16_000;

/// A collector that takes logs as OTLP over HTTP.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OtlpConfig {
    /// Where it is: `"http://127.0.0.1:4318"`; `/v1/logs` is added where it is not there.
    pub endpoint: String,
    /// Headers of every request: `{ Authorization = { env = "OTLP_AUTHORIZATION" } }`.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
}

impl Kind for OtlpConfig {
    const NAME: &'static str = "otlp";
    const GRAIN: Grain = Grain::Alert;
    const RATE: Option<u32> = None;

    fn check(&self) -> Result<(), Problem> {
        check_url("endpoint", &self.endpoint)?;
        for (name, value) in &self.headers {
            if ureq::http::HeaderName::try_from(&**name).is_err() {
                return Err(Problem::new("headers", format!("\"{name}\" is no name of a header")));
            }
            let value = value.check("headers")?;
            if ureq::http::HeaderValue::try_from(value).is_err() {
                let message = format!("the value of {name} is none that a header can have");
                return Err(Problem::new("headers", message));
            }
        }
        Ok(())
    }

    fn open(&self, name: &str, http: &Http) -> Result<Box<dyn Sink>, SinkError> {
        let setup = |reason: String| SinkError::Setup { name: name.to_owned(), reason };
        let mut url = check_url("endpoint", &self.endpoint).map_err(|problem| setup(problem.message))?;
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&if path.ends_with(PATH) { path } else { path + PATH });
        let mut headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        for (name, value) in &self.headers {
            headers.push((name.clone(), value.read().map_err(setup)?));
        }
        Ok(Box::new(Otlp { http: http.clone(), url: url.into(), headers }))
    }
}

struct Otlp {
    http: Http,
    url: String,
    headers: Vec<(String, String)>,
}

impl Sink for Otlp {
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure> {
        let (host, record) = match message.body {
            Body::Alert(alert) => (&alert.host, of_alert(alert)),
            Body::Card(card) => (&card.host, of_card(card)),
        };
        let body = request(host, &record).to_string();
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let request = Request { method: "POST", url: &self.url, headers: &headers, body: body.as_bytes() };
        let answer = self.http.send_explained(&request, explain)?;
        if !answer.body.trim_ascii().is_empty() {
            accepted(&answer.json()?)?;
        }
        Ok(Receipt::default())
    }
}

/// What an answer of success means: a record may have been rejected all the same.
fn accepted(answer: &Value) -> Result<(), Failure> {
    if !answer.is_object() {
        let answer = said(answer.to_string().as_bytes());
        return Err(Failure::later(format!("the answer is none of OTLP's: {answer}")));
    }
    let text = |name: &str| answer.pointer(&format!("/partialSuccess/{name}"));
    // A 64-bit number is text in JSON; some servers write it as a number.
    let rejected = match text("rejectedLogRecords") {
        Some(Value::String(count)) => count.parse().unwrap_or(0_i64),
        Some(count) => count.as_i64().unwrap_or(0),
        None => 0,
    };
    if rejected > 0 {
        let why = text("errorMessage").and_then(Value::as_str).unwrap_or("no reason given");
        return Err(Failure::refused(format!("the record was rejected: {}", said(why.as_bytes()))));
    }
    Ok(())
}

fn request(host: &str, record: &Value) -> Value {
    let mut resource = Attributes::default();
    resource.text("service.name", "detector");
    resource.text("service.version", env!("CARGO_PKG_VERSION"));
    resource.text("host.name", host);
    let scope = json!({ "name": "detector", "version": env!("CARGO_PKG_VERSION") });
    json!({
        "resourceLogs": [{
            "resource": { "attributes": resource.0 },
            "scopeLogs": [{ "scope": scope, "logRecords": [record] }],
        }],
    })
}

/// Attributes as OTLP writes them.
#[derive(Default)]
struct Attributes(Vec<Value>);

impl Attributes {
    fn add(&mut self, key: &str, value: &Value) {
        self.0.push(json!({ "key": key, "value": value }));
    }

    fn text(&mut self, key: &str, text: &str) {
        self.add(key, &string(text));
    }

    fn maybe(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    fn number(&mut self, key: &str, number: impl Into<i128>) {
        // Whatever does not fit is as large as can be said.
        let number = i64::try_from(number.into()).unwrap_or(i64::MAX);
        self.add(key, &json!({ "intValue": number.to_string() }));
    }

    fn texts(&mut self, key: &str, texts: impl IntoIterator<Item: AsRef<str>>) {
        let values: Vec<Value> = texts.into_iter().map(|text| string(text.as_ref())).collect();
        if !values.is_empty() {
            self.add(key, &json!({ "arrayValue": { "values": values } }));
        }
    }
}

fn string(text: &str) -> Value {
    json!({ "stringValue": crate::alert::escape::cut(text, TEXT) })
}

fn of_alert(alert: &Alert) -> Value {
    let mut attributes = Attributes::default();
    attributes.text("event.name", "detector.alert");
    attributes.text("detector.alert.id", &alert.id);
    attributes.text("detector.incident.id", &alert.incident);
    attributes.text("detector.alert.title", &alert.title);
    attributes.number("detector.alert.count", alert.count);
    attributes.text("security_rule.uuid", &alert.rule.id);
    attributes.text("security_rule.name", &alert.rule.title);
    attributes.texts("detector.rule.tags", &alert.rule.tags);
    if let Some(agent) = &alert.agent {
        attributes.text("gen_ai.agent.name", &agent.name);
        attributes.text("process.linux.cgroup", &agent.cgroup);
        attributes.maybe("container.id", agent.container.as_deref());
        attributes.maybe("k8s.pod.uid", agent.pod.as_deref());
    }
    if let Some(process) = &alert.process {
        attributes.number("process.pid", process.pid);
        attributes.text("process.executable.path", &process.exe);
        attributes.texts("process.command_args", process.argv.iter().take(ARGUMENTS));
        attributes.text("process.working_directory", &process.cwd);
        attributes.number("process.user.id", process.uid);
        if let Some(parent) = process.ancestors.first() {
            attributes.number("process.parent_pid", parent.pid);
        }
        let ancestors: Vec<String> = process
            .ancestors
            .iter()
            .take(EVIDENCE)
            .map(|above| format!("{} {} {}", above.pid, above.exe, above.command_line))
            .collect();
        attributes.texts("detector.process.ancestors", ancestors);
    }
    if let Some(task) = &alert.task {
        attributes.text("detector.task.id", &task.id);
        attributes.text("detector.task.name", &task.name);
    }
    if let Some(call) = &alert.tool_call {
        attributes.text("gen_ai.tool.name", &call.name);
        attributes.text("gen_ai.tool.call.id", &call.id);
        attributes.maybe("gen_ai.conversation.id", call.conversation.as_deref());
    }
    let evidence: Vec<String> =
        alert.evidence.iter().take(EVIDENCE).map(|fact| format!("{} {}", fact.time, fact.text)).collect();
    attributes.texts("detector.evidence", evidence);
    attributes.texts("detector.counter_evidence", &alert.counter_evidence);
    let responses: Vec<String> = alert
        .response
        .iter()
        .map(|done| format!("{} ({}): {}", done.action, done.mode, done.outcome))
        .collect();
    attributes.texts("detector.response", responses);
    attributes.texts("detector.coverage.gaps", &alert.coverage.gaps);
    attributes.number("detector.coverage.events_lost", alert.coverage.events_lost);
    let time = nanos(&alert.time);
    let observed = time.map(|time| time.saturating_add(i128::from(alert.latency_us) * 1_000));
    record("detector.alert", time, observed, alert.level, &alert.summary, &attributes)
}

/// A digest or a notice: the whole text is the body.
fn of_card(card: &Card) -> Value {
    let mut attributes = Attributes::default();
    attributes.text("event.name", "detector.notice");
    attributes.text("detector.notice.id", &card.id);
    attributes.text("detector.notice.title", &card.title);
    let body = fit(card, TEXT, |card| format!("{}\n{}", card.title, text(card)), String::len);
    let time = nanos(&card.time);
    record("detector.notice", time, nanos(&card.updated).or(time), card.level, &body, &attributes)
}

fn record(
    name: &str,
    time: Option<i128>,
    observed: Option<i128>,
    level: Level,
    body: &str,
    attributes: &Attributes,
) -> Value {
    let (number, _) = severity(level);
    // Nanoseconds since the epoch in 64 bits, as text; 0 is "unknown".
    let time_text = |nanos: Option<i128>| u64::try_from(nanos.unwrap_or(0)).unwrap_or(0).to_string();
    json!({
        "timeUnixNano": time_text(time),
        "observedTimeUnixNano": time_text(observed),
        "severityNumber": number,
        "severityText": severity(level).1,
        "eventName": name,
        "body": string(body),
        "attributes": attributes.0,
    })
}

/// The number, and our word for it, which `severityText` is meant for.
fn severity(level: Level) -> (u32, &'static str) {
    let number = match level {
        Level::Informational => 9,
        Level::Low => 10,
        Level::Medium => 13,
        Level::High => 17,
        Level::Critical => 21,
    };
    (number, level.name())
}

fn nanos(time: &str) -> Option<i128> {
    time.parse::<Timestamp>().ok().map(Timestamp::as_nanosecond)
}

/// A `Status` in JSON: `{"code":3,"message":"…"}`.
fn explain(status: u16, body: &[u8]) -> Explained {
    let read: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = read.get("message").and_then(Value::as_str);
    let mut reason = message.map_or_else(|| said(body), |message| said(message.as_bytes()));
    match status {
        401 | 403 => reason.push_str("; write what the collector asks for into headers"),
        404 | 405 => reason.push_str("; the endpoint takes no OTLP over HTTP: its port is often 4318"),
        415 => reason.push_str("; the endpoint takes no JSON"),
        _ => {}
    }
    Explained { reason, after: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::human::tests::alert;

    #[test]
    fn a_record_has_times_as_text() {
        let record = of_alert(&alert());
        assert_eq!(record["timeUnixNano"], "1772446830123456789");
        assert_eq!(record["observedTimeUnixNano"], "1772446830124690789");
        assert_eq!(record["severityNumber"], 21);
        assert_eq!(record["body"], json!({ "stringValue": "coder ran xmrig" }));
        let pid = json!({ "key": "process.pid", "value": { "intValue": "7" } });
        assert!(record["attributes"].as_array().unwrap().contains(&pid), "{record}");
    }

    #[test]
    fn a_rejected_record_is_refused() {
        let refused = |text: &str| accepted(&serde_json::from_str(text).unwrap()).is_err();
        assert!(!refused("{}") && !refused(r#"{"partialSuccess":{}}"#));
        assert!(!refused(r#"{"partialSuccess":{"rejectedLogRecords":"0","errorMessage":"a hint"}}"#));
        assert!(refused(r#"{"partialSuccess":{"rejectedLogRecords":"1"}}"#));
        assert!(refused(r#"{"partialSuccess":{"rejectedLogRecords":1}}"#) && refused("[]"));
    }
}
