//! A mail: headers that nothing can be injected into, and a text and an HTML part.

use std::time::SystemTime;

use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};

use super::{html, text};
use crate::alert::Alert;
use crate::alert::SCHEMA;
use crate::alert::card::{About, Card, Line, Section};
use crate::alert::escape::{clip, escape};
use crate::sinks::{Body, Message};

/// Most characters of a title in a subject.
const TITLE_MOST: usize = 150;
/// Most characters of a name in a subject.
const NAME_MOST: usize = 60;
/// Longest reference that is believed.
const REFERENCE_MOST: usize = 250;

/// Whom mail is from and to.
#[derive(Clone, Debug)]
pub(super) struct Letterhead {
    pub(super) from: Mailbox,
    pub(super) to: Vec<Mailbox>,
}

/// A mail as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Composed {
    pub(super) bytes: Vec<u8>,
    /// Message-ID of the first mail of its thread.
    pub(super) thread: String,
}

impl Letterhead {
    pub(super) fn compose(&self, message: &Message<'_>) -> Result<Composed, String> {
        let card = match message.body {
            Body::Card(card) => card.clone(),
            Body::Alert(alert) => of_alert(alert),
        };
        // Keys hold dots, which an id may not have at its ends or side by side (RFC 5322, 3.2.3).
        let id = format!("<{}@{}>", message.key.replace('.', "="), self.from.email.domain());
        let first = message.reference.filter(|reference| is_id(reference));
        let mut subject = subject(&card);
        let mut builder = lettre::Message::builder()
            .from(self.from.clone())
            .message_id(Some(id.clone()))
            .date(SystemTime::now());
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        if let Some(first) = first {
            builder = builder.in_reply_to(first.to_owned()).references(first.to_owned());
            subject.insert_str(0, "Re: ");
        }
        let headers = [
            // RFC 3834: so that nobody's absence notice answers.
            ("Auto-Submitted", "auto-generated"),
            ("X-Detector-Level", card.level.name()),
            ("X-Detector-Incident", &escape(&card.id)),
        ];
        builder = builder.subject(subject);
        for (name, value) in headers {
            builder =
                builder.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned()));
        }
        // Lines of commands and paths are long: an encoding of its own keeps every line below 78 characters.
        let part = |content_type: ContentType, body: String| {
            SinglePart::builder()
                .header(content_type)
                .header(ContentTransferEncoding::QuotedPrintable)
                .body(body.into_bytes())
        };
        let parts = MultiPart::alternative()
            .singlepart(part(ContentType::TEXT_PLAIN, text::render(&card)))
            .singlepart(part(ContentType::TEXT_HTML, html::render(&card)));
        let mail = builder.multipart(parts).map_err(|error| format!("no mail can be made: {error}"))?;
        Ok(Composed { bytes: mail.formatted(), thread: first.map_or(id, str::to_owned) })
    }
}

/// Whether this is a Message-ID and nothing else: it comes back from where it was kept.
fn is_id(text: &str) -> bool {
    text.len() <= REFERENCE_MOST
        && text.starts_with('<')
        && text.ends_with('>')
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `[HIGH] title — agent on host`, in one line whatever the texts hold.
fn subject(card: &Card) -> String {
    let level = match card.about {
        About::Incident => card.level.name().to_uppercase(),
        About::Digest => "DIGEST".to_owned(),
        About::Notice => "NOTICE".to_owned(),
        About::Test => "TEST".to_owned(),
    };
    let whose = card.agent.as_deref().map(|agent| format!("{} on ", clip(agent, NAME_MOST)));
    let whose = whose.unwrap_or_default();
    format!("[{level}] {} — {whose}{}", clip(&card.title, TITLE_MOST), clip(&card.host, NAME_MOST))
}

/// An alert as a card of few words; sinks of incidents are given cards.
fn of_alert(alert: &Alert) -> Card {
    let evidence = alert.evidence.iter().map(|fact| Line {
        label: fact.time.clone(),
        text: fact.text.clone(),
        code: false,
    });
    Card {
        schema: SCHEMA.to_owned(),
        about: About::Incident,
        id: alert.incident.clone(),
        revision: 1,
        level: alert.level,
        host: alert.host.clone(),
        time: alert.time.clone(),
        updated: alert.time.clone(),
        title: alert.title.clone(),
        sentence: alert.summary.clone(),
        agent: alert.agent.as_ref().map(|agent| agent.name.clone()),
        rules: vec![alert.rule.id.clone()],
        tags: alert.rule.tags.clone(),
        findings: alert.count,
        news: Vec::new(),
        sections: vec![Section { name: "Evidence".to_owned(), lines: evidence.collect() }],
        commands: Vec::new(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::alert::Level;
    use crate::alert::card::Command;

    pub(in crate::sinks::email) fn card() -> Card {
        Card {
            schema: crate::alert::card::SCHEMA.to_owned(),
            about: About::Incident,
            id: "01HF7YAT00QW5V9ZK8TD4M2C3R".to_owned(),
            revision: 2,
            level: Level::High,
            host: "node-1".to_owned(),
            time: "2026-03-02T10:20:30.123456789Z".to_owned(),
            updated: "2026-03-02T10:21:00.000000000Z".to_owned(),
            title: "Known miner executed".to_owned(),
            sentence: "coder ran <xmrig> & more".to_owned(),
            agent: Some("coder".to_owned()),
            rules: vec!["0b7c".to_owned()],
            tags: Vec::new(),
            findings: 3,
            news: vec!["it connected to pool:3333".to_owned()],
            sections: vec![Section {
                name: "Evidence".to_owned(),
                lines: vec![Line {
                    label: "10:20:30".to_owned(),
                    text: "/tmp/<script>alert(1)</script>".to_owned(),
                    code: true,
                }],
            }],
            commands: vec![Command {
                what: "look closer".to_owned(),
                line: "detector explain 01HF7YAT00QW5V9ZK8TD4M2C3R".to_owned(),
            }],
        }
    }

    fn compose(card: &Card, reference: Option<&str>) -> (String, Composed) {
        let head = Letterhead {
            from: "Detector <d@example.org>".parse().unwrap(),
            to: vec!["a@example.org".parse().unwrap(), "B <b@example.org>".parse().unwrap()],
        };
        let mail = head.compose(&Message { key: "sink.x..1", body: Body::Card(card), reference }).unwrap();
        (String::from_utf8(mail.bytes.clone()).unwrap(), mail)
    }

    #[test]
    fn a_thread_begins_with_the_key_and_goes_on_with_references() {
        let (mail, composed) = compose(&card(), None);
        assert!(mail.contains("Message-ID: <sink=x==1@example.org>\r\n"), "{mail}");
        assert!(!mail.contains("In-Reply-To"), "{mail}");
        assert_eq!(composed.thread, "<sink=x==1@example.org>");
        assert!(
            mail.contains("\r\nAuto-Submitted: auto-generated\r\n") && mail.contains("\r\nDate: "),
            "{mail}"
        );
        let (mail, composed) = compose(&card(), Some("<first@example.org>"));
        assert!(
            mail.contains("In-Reply-To: <first@example.org>\r\nReferences: <first@example.org>\r\n"),
            "{mail}"
        );
        assert_eq!(composed.thread, "<first@example.org>");
        let (mail, _) = compose(&card(), Some("<x>\r\nBcc: <y>"));
        assert!(!mail.contains("Bcc"), "{mail}");
    }

    #[test]
    fn no_text_adds_a_header_or_a_long_line() {
        let mut hostile = card();
        for text in [
            "a\r\nBcc: x@y.z\r\n\r\nbody",
            "é\u{0}\u{202e}\"]<b>",
            &"x".repeat(10_000),
            "\r",
            "=?utf-8?q?x?=",
        ] {
            hostile.title = text.to_owned();
            hostile.host = text.to_owned();
            hostile.agent = Some(text.to_owned());
            hostile.id = text.chars().take(30).collect();
            hostile.sections[0].lines[0].text = text.to_owned();
            let (mail, _) = compose(&hostile, None);
            let (head, _) = mail.split_once("\r\n\r\n").unwrap();
            let names: Vec<&str> = head
                .split("\r\n")
                .filter(|line| !line.starts_with(' '))
                .map(|line| line.split_once(": ").unwrap().0)
                .collect();
            assert_eq!(
                names,
                [
                    "From",
                    "Message-ID",
                    "Date",
                    "To",
                    "Subject",
                    "Auto-Submitted",
                    "X-Detector-Level",
                    "X-Detector-Incident",
                    "MIME-Version",
                    "Content-Type"
                ],
                "{head}"
            );
            assert!(mail.is_ascii() && mail.split("\r\n").all(|line| line.len() < 998), "{mail}");
            assert!(!mail.replace("\r\n", "").contains(['\r', '\n', '\0']), "{mail:?}");
        }
    }
}
