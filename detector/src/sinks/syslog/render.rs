//! A message as RFC 5424 writes it.

use std::fmt::Write as _;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use super::Format;
use crate::alert::escape::cut;
use crate::sinks::gist::Gist;
use crate::sinks::{Body, Message};

/// Longest MSGID (RFC 5424, 6.2.7).
const MSGID_MOST: usize = 32;
/// Longest HOSTNAME (6.2.4).
const HOST_MOST: usize = 255;
/// Who defines the parameters: 32473 is the number that RFC 5612 sets aside for documentation, since the project has
/// none of its own. Receivers go by the whole name.
const ELEMENT: &str = "detector@32473";
/// Before text in UTF-8 (6.4).
const BOM: &str = "\u{feff}";
/// Most characters of a parameter, so that all of them fit the least that receivers take, with room for the text.
const VALUE_MOST: usize = 128;

/// How messages look.
#[derive(Clone, Debug)]
pub(super) struct Style {
    /// 0 to 23.
    pub(super) facility: u8,
    pub(super) app: String,
    pub(super) format: Format,
    /// Most bytes of a message.
    pub(super) most: usize,
}

impl Style {
    /// The message; `json` where the alert is to be sent whole.
    pub(super) fn render(&self, gist: &Gist, message: &Message<'_>, json: Option<&str>) -> String {
        let mut text = self.head(gist, message);
        let Some(json) = json else {
            self.say(&mut text, &gist.line, gist);
            return text;
        };
        if text.len() + 1 + json.len() <= self.most {
            // Without a mark before it: readers of JSON take the first byte for its beginning.
            let _ = write!(text, " {json}");
            return text;
        }
        let line = format!("{} (the JSON has {} bytes, more than max_bytes)", gist.line, json.len());
        self.say(&mut text, &line, gist);
        text
    }

    fn head(&self, gist: &Gist, message: &Message<'_>) -> String {
        let Gist { key, id, incident, level, host, time, line: _, agent, rule, pid } = gist;
        let priority = self.facility * 8 + gist.severity();
        let (time, host) = (time_of(time), name(host, HOST_MOST));
        let kind = match message.body {
            Body::Alert(_) => rule.as_deref().unwrap_or_default(),
            Body::Card(_) => "card",
        };
        let (app, process, kind) = (&self.app, std::process::id(), msgid(kind));
        let mut text = format!("<{priority}>1 {time} {host} {app} {process} {kind} [{ELEMENT}");
        let pid = pid.map(|pid| pid.to_string());
        let parameters = [
            ("alert", Some(&**id)),
            ("incident", Some(incident)),
            ("level", Some(level.name())),
            ("key", Some(key)),
            ("rule", rule.as_deref()),
            ("pid", pid.as_deref()),
            ("agent", agent.as_deref()),
        ];
        for (name, value) in parameters {
            let Some(value) = value else { continue };
            let value = escaped(value);
            // What every receiver takes must hold the element whole: an open one spoils the message.
            if text.len() + name.len() + value.len() + 5 <= self.most {
                let _ = write!(text, " {name}=\"{value}\"");
            }
        }
        text.push(']');
        text
    }

    /// Adds the text, cut to what is left; a cut says so, and how to see the whole.
    fn say(&self, text: &mut String, line: &str, gist: &Gist) {
        let left = self.most.saturating_sub(text.len() + 1 + BOM.len());
        let rest = format!("… (cut; detector explain {})", gist.id);
        if line.len() <= left {
            let _ = write!(text, " {BOM}{line}");
        } else if left > rest.len() {
            let _ = write!(text, " {BOM}{}{rest}", cut(line, left - rest.len()));
        }
    }
}

/// A time with microseconds, which is the most that RFC 5424 has; `-` for what is none.
fn time_of(text: &str) -> String {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    let time = OffsetDateTime::parse(text, &Rfc3339).ok();
    time.and_then(|time| time.to_utc().format(form).ok()).unwrap_or_else(|| "-".to_owned())
}

/// Printable ASCII without blanks; `-` for nothing.
fn name(text: &str, most: usize) -> String {
    let name: String = text
        .chars()
        .map(|character| if character.is_ascii_graphic() { character } else { '_' })
        .take(most)
        .collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

/// A rule's id as MSGID: a UUID fits without its hyphens.
fn msgid(rule: &str) -> String {
    if rule.len() > MSGID_MOST { name(&rule.replace('-', ""), MSGID_MOST) } else { name(rule, MSGID_MOST) }
}

/// A parameter's value, cut, with `"`, `\` and `]` escaped (6.3.3).
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 8);
    for character in value.chars().take(VALUE_MOST) {
        if matches!(character, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Alert, Level};
    use crate::sinks::human::tests::alert;

    fn style(most: usize) -> Style {
        Style { facility: 10, app: "detector".to_owned(), format: Format::Text, most }
    }

    fn render(alert: &Alert, most: usize, json: Option<&str>) -> String {
        let message = Message { key: "k-1", body: Body::Alert(alert), reference: None };
        style(most).render(&Gist::of(&message), &message, json)
    }

    #[test]
    fn an_alert_is_one_message_with_all_its_parameters() {
        let mut alert = alert();
        alert.rule.id = "5f2c1d9e-8a7b-4c3d-9e1f-0a2b4c6d8e0f".to_owned();
        let said = render(&alert, 2_048, None);
        let expected = format!(
            "<82>1 2026-03-02T10:20:30.123456Z node-1 detector {} 5f2c1d9e8a7b4c3d9e1f0a2b4c6d8e0f \
             [detector@32473 alert=\"01HF7YAT00QW5V9ZK8TD4M2C3R\" incident=\"01HF7YAT00QW5V9ZK8TD4M2C3R\" \
             level=\"critical\" key=\"k-1\" rule=\"5f2c1d9e-8a7b-4c3d-9e1f-0a2b4c6d8e0f\" pid=\"7\" agent=\"coder\"] \
             \u{feff}Known miner executed: coder ran xmrig",
            std::process::id()
        );
        assert_eq!(said, expected);
        alert.level = Level::Informational;
        assert!(render(&alert, 2_048, None).starts_with("<86>1 "));
    }

    #[test]
    fn hostile_texts_neither_end_the_element_nor_the_line() {
        let mut alert = alert();
        alert.host = "a b\n<0>1 - é".to_owned();
        alert.time = "never\n".to_owned();
        alert.rule.id = "x] \u{0}".repeat(100);
        alert.agent.as_mut().unwrap().name = "a\"] [other@1 x=\"\\\r\n\u{202e}".to_owned();
        alert.title = "t\n<34>1 forged".to_owned();
        alert.summary = "é".repeat(10_000);
        let said = render(&alert, 2_048, None);
        assert!(said.len() <= 2_048 && !said.contains(|c: char| c.is_control()), "{said}");
        assert!(
            said.contains(" agent=\"a\\\"\\] [other@1 x=\\\"\\\\\\\\u{d}\\\\u{a}\\\\u{202e}\"] "),
            "{said}"
        );
        assert!(said.starts_with("<82>1 - a_b\\u{a}<0>1_-__ detector "), "{said}");
        for most in 480..1_500 {
            let said = render(&alert, most, None);
            assert!(said.len() <= most, "{most}");
            let ends = said.replace("\\\\", "").replace("\\]", "").replace("\\\"", "");
            assert_eq!(ends.matches("\"]").count(), 1, "{said}");
        }
    }

    #[test]
    fn what_is_cut_says_so_and_json_that_does_not_fit_becomes_text() {
        let mut alert = alert();
        alert.summary = "long ".repeat(100);
        let said = render(&alert, 600, None);
        assert!(said.ends_with("… (cut; detector explain 01HF7YAT00QW5V9ZK8TD4M2C3R)"), "{said}");
        let json = serde_json::to_string(&alert).unwrap();
        assert!(render(&alert, 8_192, Some(&json)).ends_with(&format!("] {json}")));
        let said = render(&alert, 1_400, Some(&json));
        assert!(said.contains("long long") && said.contains("the JSON has"), "{said}");
    }
}
