//! The body of a webhook as a template says it; tried on samples before anything is sent.

use std::path::Path;

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};
use serde_json::{Map, Value, json};

use crate::alert::Alert;
use crate::alert::card::{About, Card};
use crate::alert::escape::clip;
use crate::sinks::{Body, Message, Problem};

/// Most bytes of a template.
const MOST: u64 = 1 << 20;
/// The name under which the environment knows it.
const NAME: &str = "body";
/// An alert with everything that an alert can have.
const ALERT: &str = include_str!("alert.json");
/// A digest, as sinks of alerts get it.
const CARD: &str = include_str!("card.json");

/// What can be asked for.
const KNOWN: &str =
    "; known are about, key, id, level, title, sentence, host, time, agent, alert.*, card.* (docs/sinks.md)";

/// A template that was tried.
pub(super) struct Template {
    environment: Environment<'static>,
    text: String,
    is_json: bool,
}

impl Template {
    /// The template of a configuration, if it has one.
    pub(super) fn read(
        text: Option<&str>,
        file: Option<&Path>,
        content_type: &str,
    ) -> Result<Option<Self>, Problem> {
        let (key, place, text) = match (text, file) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(Problem::new("template_file", "there is a template, too; keep one of them"));
            }
            (Some(text), None) => ("template", String::new(), text.to_owned()),
            (None, Some(file)) => {
                let text = from_file(file).map_err(|message| Problem::new("template_file", message))?;
                ("template_file", format!("{}: ", file.display()), text)
            }
        };
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_json = kind == "application/json" || kind.ends_with("+json");
        let wrong = |message: String| Problem::new(key, format!("{place}{message}"));
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment
            .set_auto_escape_callback(move |_| if is_json { AutoEscape::Json } else { AutoEscape::None });
        environment.add_template_owned(NAME, text.clone()).map_err(|error| wrong(said(&error, &text)))?;
        let template = Self { environment, text, is_json };
        template.try_samples().map_err(wrong)?;
        Ok(Some(template))
    }

    /// The body for a message.
    pub(super) fn render(&self, message: &Message<'_>) -> Result<String, String> {
        let context = match message.body {
            Body::Alert(alert) => of_alert(message.key, alert),
            Body::Card(card) => of_card(message.key, card),
        };
        let body = self
            .environment
            .get_template(NAME)
            .and_then(|template| template.render(minijinja::value::Serde(&context)))
            .map_err(|error| said(&error, &self.text))?;
        if self.is_json
            && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&body)
        {
            let line = body.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
            return Err(format!(
                "what it makes is no JSON: {error}, in: {}; values come with their quotes: write {{\"text\": {{{{ title }}}}}}, \
                 or set content_type",
                clip(line, 80)
            ));
        }
        Ok(body)
    }

    fn try_samples(&self) -> Result<(), String> {
        let full: Alert = serde_json::from_str(ALERT).map_err(|error| error.to_string())?;
        let card: Card = serde_json::from_str(CARD).map_err(|error| error.to_string())?;
        // What the detector finds about itself belongs to no agent.
        let bare = Alert { agent: None, process: None, task: None, tool_call: None, ..full.clone() };
        let tries = [
            (Body::Alert(&full), ""),
            (
                Body::Alert(&bare),
                " (in an alert about the detector itself, which has no agent, process, task or tool call: write \
                 {% if alert.agent %} around what is about them)",
            ),
            (
                Body::Card(&card),
                " (in a digest or a notice, which has `card` in place of `alert`: write {% if alert %} around what is \
                 about alerts)",
            ),
        ];
        for (body, note) in tries {
            let message = Message { key: "sample", body, reference: None };
            self.render(&message).map_err(|message| message + note)?;
        }
        Ok(())
    }
}

fn from_file(file: &Path) -> Result<String, String> {
    let size = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
    if size > MOST {
        return Err(format!("{} has {size} bytes and is no template; name another file", file.display()));
    }
    std::fs::read_to_string(file)
        .map_err(|error| format!("{}: {error}; name a file that can be read", file.display()))
}

/// An error of the engine in one line: where, what, and what the template says there.
fn said(error: &Error, text: &str) -> String {
    let what = error.kind().to_string();
    let what = error.detail().map_or(what.clone(), |detail| format!("{what}: {detail}"));
    let Some(number) = error.line() else { return what };
    let line = text.lines().nth(number.saturating_sub(1)).unwrap_or_default();
    let remedy = if error.kind() == ErrorKind::UndefinedError { KNOWN } else { "" };
    format!("line {number}: {what}, in: {}{remedy}", clip(line.trim(), 80))
}

fn of_alert(key: &str, alert: &Alert) -> Value {
    let mut whole = serde_json::to_value(alert).unwrap_or_default();
    complete(&mut whole, &["agent", "process", "task", "tool_call"], Value::Null);
    complete(&mut whole, &["counter_evidence"], json!([]));
    for (part, keys) in [
        ("agent", &["container", "pod"][..]),
        ("task", &["declares", "lowered_from"]),
        ("tool_call", &["conversation", "in_flight"]),
    ] {
        if let Some(part) = whole.get_mut(part) {
            complete(part, keys, Value::Null);
        }
    }
    json!({
        "about": "alert",
        "key": key,
        "id": alert.id,
        "level": alert.level,
        "title": alert.title,
        "sentence": alert.summary,
        "host": alert.host,
        "time": alert.time,
        "agent": alert.agent.as_ref().map(|agent| &agent.name),
        "alert": whole,
        "card": null,
    })
}

fn of_card(key: &str, card: &Card) -> Value {
    let mut whole = serde_json::to_value(card).unwrap_or_default();
    complete(&mut whole, &["agent"], Value::Null);
    complete(&mut whole, &["rules", "tags", "news", "commands"], json!([]));
    let sections = whole.get_mut("sections").and_then(Value::as_array_mut).into_iter().flatten();
    for line in sections.filter_map(|section| section.get_mut("lines")?.as_array_mut()).flatten() {
        complete(line, &["label"], json!(""));
        complete(line, &["code"], json!(false));
    }
    let about = match card.about {
        About::Incident => "incident",
        About::Digest => "digest",
        About::Notice => "notice",
        About::Test => "test",
    };
    json!({
        "about": about,
        "key": key,
        "id": card.id,
        "level": card.level,
        "title": card.title,
        "sentence": card.sentence,
        "host": card.host,
        "time": card.time,
        "agent": card.agent,
        "alert": null,
        "card": whole,
    })
}

/// Puts what an object may lack into it, so that a template can ask for it.
fn complete(value: &mut Value, keys: &[&str], with: Value) {
    let mut nothing = Map::new();
    let object = value.as_object_mut().unwrap_or(&mut nothing);
    for key in keys {
        object.entry(*key).or_insert_with(|| with.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, content_type: &str) -> Result<Option<Template>, Problem> {
        Template::read(Some(text), None, content_type)
    }

    fn problem(text: &str) -> String {
        let Err(Problem { key: "template", message }) = read(text, "application/json") else {
            panic!("{text} is no problem")
        };
        message
    }

    #[test]
    fn what_is_wrong_with_a_template_is_said_with_line_and_remedy() {
        let message = problem("{\n\"text\": {{ titel }}}");
        assert!(message.contains("line 2") && message.contains("titel"), "{message}");
        let message = problem("{\"a\": 1,\n\n{% if %}}");
        assert!(message.contains("line 3"), "{message}");
        let message = problem("{\"text\": \"{{ title }}\"}");
        assert!(message.contains("no JSON") && message.contains("{\"text\": {{ title }}}"), "{message}");
        let message = problem("{\"exe\": {{ alert.process.exe }}}");
        assert!(message.contains("{% if alert.agent %}"), "{message}");
        let message = problem("{\"count\": {{ alert.count }}}");
        assert!(message.contains("digest") && message.contains("{% if alert %}"), "{message}");
        let error = Template::read(None, Some(Path::new("/nowhere/x.jinja")), "text/plain").err().unwrap();
        assert!(error.key == "template_file" && error.message.contains("/nowhere/x.jinja"), "{error:?}");
    }

    #[test]
    fn every_field_of_an_alert_can_be_asked_for() {
        let text = "{% if alert %}{% if alert.agent %}{{ alert.agent.name }}{{ alert.agent.container }}{{ alert.agent.pod }}\
            {{ alert.process.exe }}{{ alert.task.name }}{{ alert.task.declares }}{{ alert.task.lowered_from }}\
            {{ alert.tool_call.name }}{{ alert.tool_call.conversation }}{{ alert.tool_call.in_flight }}{% endif %}\
            {{ alert.count }}{{ alert.counter_evidence }}{{ alert.coverage.gaps }}{% endif %}\
            {% if card %}{% for section in card.sections %}{% for line in section.lines %}{{ line.label }}{{ line.text }}\
            {{ line.code }}{% endfor %}{% endfor %}{{ card.news }}{{ card.commands }}{% endif %}\
            {{ about }}{{ id }}{{ key }}{{ level }}{{ title }}{{ sentence }}{{ host }}{{ time }}{{ agent }}";
        assert!(read(text, "text/plain").unwrap().is_some());
    }

    #[test]
    fn the_samples_have_everything_and_are_valid() {
        let alert: Alert = serde_json::from_str(ALERT).unwrap();
        assert!(alert.agent.is_some() && alert.process.is_some() && alert.task.is_some());
        assert!(alert.tool_call.is_some() && !alert.evidence.is_empty() && !alert.response.is_empty());
        let card: Card = serde_json::from_str(CARD).unwrap();
        assert!(!card.sections.is_empty());
    }
}
