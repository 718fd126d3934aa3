//! Tool calls in OTLP/JSON: spans and log records with the GenAI semantic conventions.
//!
//! A call is a span, or a record, with `gen_ai.operation.name` = `execute_tool`, or with `gen_ai.tool.name` and no
//! operation. Its agent is the first of `detector.agent`, `gen_ai.agent.name`, `gen_ai.agent.id` and `service.name`
//! that a watched agent is called; where none is, it counts for the only agent, if there is but one.
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>

use serde::Deserialize;
use serde_json::Value;

use super::{Known, short, time_of};
use crate::event::Nanos;
use crate::task::{Phase, ToolCall};

/// What one request held.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Heard {
    pub(super) calls: Vec<ToolCall>,
    /// Tool calls that lack a name or a time.
    pub(super) unusable: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Traces {
    resource_spans: Vec<Resourced>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Logs {
    resource_logs: Vec<Resourced>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Resourced {
    resource: Resource,
    scope_spans: Vec<Scoped>,
    scope_logs: Vec<Scoped>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Resource {
    attributes: Vec<Attribute>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Scoped {
    spans: Vec<Item>,
    log_records: Vec<Item>,
}

/// A span or a log record.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Item {
    name: String,
    event_name: String,
    span_id: String,
    start_time_unix_nano: Value,
    end_time_unix_nano: Value,
    time_unix_nano: Value,
    observed_time_unix_nano: Value,
    attributes: Vec<Attribute>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Attribute {
    key: String,
    value: Value,
}

/// The tool calls of an export of traces.
///
/// # Errors
/// No JSON, or none of this shape.
pub(super) fn traces(body: &[u8], received: Nanos, agents: &Known) -> Result<Heard, String> {
    let Traces { resource_spans } = object(body)?;
    Ok(heard(&resource_spans, received, agents))
}

/// The tool calls of an export of logs.
///
/// # Errors
/// As [`traces`].
pub(super) fn logs(body: &[u8], received: Nanos, agents: &Known) -> Result<Heard, String> {
    let Logs { resource_logs } = object(body)?;
    Ok(heard(&resource_logs, received, agents))
}

/// An object; serde would take a list of its fields for one, too.
fn object<T: for<'a> Deserialize<'a>>(body: &[u8]) -> Result<T, String> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err("it is no object".to_owned());
    }
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn heard(resourced: &[Resourced], received: Nanos, agents: &Known) -> Heard {
    let mut heard = Heard::default();
    for Resourced { resource, scope_spans, scope_logs } in resourced {
        for Scoped { spans, log_records } in scope_spans.iter().chain(scope_logs) {
            for item in spans.iter().chain(log_records).filter(|item| item.is_tool()) {
                match item.calls(resource, received, agents) {
                    Some(calls) => heard.calls.extend(calls),
                    None => heard.unusable += 1,
                }
            }
        }
    }
    heard
}

impl Item {
    fn is_tool(&self) -> bool {
        match text(&self.attributes, "gen_ai.operation.name") {
            Some(operation) => operation == "execute_tool",
            None => text(&self.attributes, "gen_ai.tool.name").is_some(),
        }
    }

    fn calls(&self, resource: &Resource, received: Nanos, agents: &Known) -> Option<Vec<ToolCall>> {
        let own = |key| text(&self.attributes, key);
        let named = self.name.strip_prefix("execute_tool ");
        let name = own("gen_ai.tool.name").or(named).filter(|name| !name.is_empty())?;
        let of_resource = |key| text(&resource.attributes, key);
        let names = [
            own("detector.agent"),
            of_resource("detector.agent"),
            own("gen_ai.agent.name"),
            own("gen_ai.agent.id"),
            of_resource("gen_ai.agent.name"),
            of_resource("service.name"),
        ];
        let agent = agents.first(names.into_iter().flatten());
        let call = |phase, time| ToolCall {
            agent: short(agent),
            id: short(own("gen_ai.tool.call.id").unwrap_or(&self.span_id)),
            name: short(name),
            conversation: own("gen_ai.conversation.id").or(own("session.id")).map(short),
            phase,
            time,
            received,
        };
        if let (Some(start), Some(end)) = (nanos(&self.start_time_unix_nano), nanos(&self.end_time_unix_nano))
        {
            return Some(vec![call(Phase::Started, start), call(Phase::Ended, end)]);
        }
        let time = nanos(&self.time_unix_nano).or_else(|| nanos(&self.observed_time_unix_nano))?;
        let event = if self.event_name.is_empty() { own("event.name") } else { Some(&*self.event_name) };
        let event = event.unwrap_or_default();
        if event.ends_with(".start") || event.ends_with(".started") {
            return Some(vec![call(Phase::Started, time)]);
        }
        if event.ends_with(".end") || event.ends_with(".ended") {
            return Some(vec![call(Phase::Ended, time)]);
        }
        let took = number(&self.attributes, "gen_ai.client.operation.duration").map(|seconds| seconds * 1e9);
        let took = took.or_else(|| number(&self.attributes, "duration_ms").map(|millis| millis * 1e6));
        let took = std::time::Duration::try_from_secs_f64(took.unwrap_or(0.0) / 1e9).ok()?;
        let start = Nanos(time.0.saturating_sub(u64::try_from(took.as_nanos()).ok()?));
        Some(vec![call(Phase::Started, start), call(Phase::Ended, time)])
    }
}

/// A time of OTLP/JSON, a string of nanoseconds; some write a number. 0 is none.
fn nanos(value: &Value) -> Option<Nanos> {
    let count = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    count.filter(|count| *count > 0).and_then(|count| time_of(&Value::from(count)))
}

fn text<'a>(attributes: &'a [Attribute], key: &str) -> Option<&'a str> {
    let attribute = attributes.iter().find(|attribute| attribute.key == key)?;
    attribute.value.get("stringValue")?.as_str().filter(|text| !text.is_empty())
}

fn number(attributes: &[Attribute], key: &str) -> Option<f64> {
    let value = &attributes.iter().find(|attribute| attribute.key == key)?.value;
    let of = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
    ["doubleValue", "intValue", "stringValue"].iter().find_map(|kind| of(value.get(kind)?))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::agent::Pattern;

    fn agents() -> Known {
        Known(Arc::new(Mutex::new(vec![Pattern::new("coder", "/agents/*").unwrap()])))
    }

    const SPAN: &str = r#"{"resourceSpans":[{"resource":{"attributes":[
        {"key":"service.name","value":{"stringValue":"coder"}}]},
        "scopeSpans":[{"scope":{"name":"x"},"spans":[
        {"traceId":"5b8e","spanId":"eee1","name":"chat gpt","kind":3,
         "startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000009000000000",
         "attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}}]},
        {"traceId":"5b8e","spanId":"eee2","name":"execute_tool bash","kind":1,
         "startTimeUnixNano":"1700000001000000000","endTimeUnixNano":"1700000002000000000",
         "attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"execute_tool"}},
          {"key":"gen_ai.tool.name","value":{"stringValue":"bash"}},
          {"key":"gen_ai.agent.name","value":{"stringValue":"Planner"}},
          {"key":"gen_ai.tool.call.id","value":{"stringValue":"call_7"}},
          {"key":"gen_ai.conversation.id","value":{"stringValue":"conv"}}]}]}]}]}"#;

    #[test]
    fn a_span_of_a_tool_is_a_call_and_its_end_and_others_are_none() {
        let heard = traces(SPAN.as_bytes(), Nanos(9), &agents()).unwrap();
        let said: Vec<_> = heard.calls.iter().map(|call| (call.phase, call.time.0 / 1_000_000_000)).collect();
        assert_eq!(said, [(Phase::Started, 1_700_000_001), (Phase::Ended, 1_700_000_002)]);
        let call = &heard.calls[0];
        assert_eq!((&*call.agent, &*call.id, &*call.name), ("coder", "call_7", "bash"));
        assert_eq!(call.conversation.as_deref(), Some("conv"));
        assert_eq!(heard.unusable, 0);
    }

    #[test]
    fn a_record_is_a_beginning_an_end_or_a_call_that_took_so_long() {
        let record = |more: &str| {
            let body = format!(
                r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"timeUnixNano":"1700000005000000000",{more}
                "attributes":[{{"key":"gen_ai.tool.name","value":{{"stringValue":"bash"}}}},
                {{"key":"duration_ms","value":{{"intValue":"2000"}}}}]}}]}}]}}]}}"#
            );
            let heard = logs(body.as_bytes(), Nanos(9), &agents()).unwrap();
            heard.calls.iter().map(|call| (call.phase, call.time.0 / 1_000_000_000)).collect::<Vec<_>>()
        };
        assert_eq!(record(r#""eventName":"gen_ai.tool.start","#), [(Phase::Started, 1_700_000_005)]);
        assert_eq!(record(r#""eventName":"gen_ai.tool.end","#), [(Phase::Ended, 1_700_000_005)]);
        assert_eq!(record(""), [(Phase::Started, 1_700_000_003), (Phase::Ended, 1_700_000_005)]);
    }

    #[test]
    fn what_is_malformed_is_an_error_and_what_lacks_a_time_is_counted() {
        let deep = "[".repeat(100_000);
        for body in [
            "",
            "x",
            "[]",
            "{\"resourceSpans\":7}",
            "{\"resourceSpans\":[{\"scopeSpans\":{}}]}",
            "\u{0}",
            &deep,
            "{\"resourceSpans\":[{\"resource\":null}]}",
        ] {
            assert!(traces(body.as_bytes(), Nanos(9), &agents()).is_err(), "{body:.40}");
        }
        assert!(traces(b"\xff{", Nanos(9), &agents()).is_err());
        assert_eq!(traces(b"{}", Nanos(9), &agents()).unwrap(), Heard::default());
        for time in ["\"\"", "\"-5\"", "null", "\"99999999999999999999999\"", "{}", "0"] {
            let body = SPAN.replace("\"1700000001000000000\"", time);
            let heard = traces(body.as_bytes(), Nanos(9), &agents()).unwrap();
            assert_eq!((heard.calls.len(), heard.unusable), (0, 1), "{time}");
        }
    }
}
