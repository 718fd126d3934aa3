//! Alerts as JSON, or as a template says, to any address; signed as Standard Webhooks has it.
//!
//! The signature: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use ureq::http::{HeaderName, HeaderValue};

use super::http::{Http, Request, address};
use super::secret::Secret;
use super::stdout::message_line;
use super::{Failure, Grain, Kind, Message, Problem, Receipt, Sink, SinkError};
use template::Template;

mod template;

/// What the type of a body is where none is named.
const JSON: &str = "application/json";
/// What a key in the form of Standard Webhooks begins with.
const PREFIX: &str = "whsec_";
/// Headers that are ours to set, in lower case.
const OURS: &[&str] = &[
    "content-type",
    "content-length",
    "transfer-encoding",
    "host",
    "connection",
    "idempotency-key",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];

/// Any address that takes JSON: one request for each alert, the alert as its body.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where to; a secret, since such addresses often hold tokens.
    pub url: Secret,
    /// `"POST"` or `"PUT"`.
    #[serde(default)]
    pub method: Method,
    /// Headers, each with its value; values are secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Secret>,
    /// Key of the signature (Standard Webhooks: HMAC-SHA256 in `webhook-signature`): `whsec_` and base64, or any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// Body in place of the alert's JSON, as a Jinja template. Values are written as JSON, quotes included:
    /// `{"text": {{ title }}}`. It has `about`, `id`, `key`, `level`, `title`, `sentence`, `host`, `time`, `agent`, and
    /// the whole `alert`; digests and notices have `card` in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// File that holds the template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_file: Option<PathBuf>,
    /// Type of the body; a template for another one than JSON writes values as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
}

/// How a request is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// POST.
    #[default]
    Post,
    /// PUT.
    Put,
}

impl Kind for WebhookConfig {
    const NAME: &'static str = "webhook";
    const GRAIN: Grain = Grain::Alert;
    const RATE: Option<u32> = None;

    fn check(&self) -> Result<(), Problem> {
        self.read().map(drop)
    }

    fn open(&self, name: &str, http: &Http) -> Result<Box<dyn Sink>, SinkError> {
        match self.read() {
            Ok(read) => Ok(Box::new(Webhook { http: http.clone(), read })),
            Err(Problem { key, message }) => {
                Err(SinkError::Setup { name: name.to_owned(), reason: format!("{key}: {message}") })
            }
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        self.template_file.iter().cloned().collect()
    }
}

/// An open webhook.
struct Webhook {
    http: Http,
    read: Read,
}

/// A configuration that was read.
struct Read {
    url: String,
    method: &'static str,
    headers: Vec<(String, String)>,
    content_type: String,
    key: Option<Hmac<Sha256>>,
    template: Option<Template>,
}

impl WebhookConfig {
    fn read(&self) -> Result<Read, Problem> {
        let Self { url, method, headers, secret, template, template_file, content_type } = self;
        let content_type = content_type.as_deref().unwrap_or(JSON).to_owned();
        HeaderValue::from_str(&content_type)
            .map_err(|_| Problem::new("content_type", "is no type of a body; write e.g. \"text/plain\""))?;
        Ok(Read {
            url: address("url", url)?,
            method: match method {
                Method::Post => "POST",
                Method::Put => "PUT",
            },
            headers: headers.iter().map(|(name, value)| header(name, value)).collect::<Result<_, _>>()?,
            key: secret.as_ref().map(key).transpose()?,
            template: Template::read(template.as_deref(), template_file.as_deref(), &content_type)?,
            content_type,
        })
    }
}

fn header(name: &str, value: &Secret) -> Result<(String, String), Problem> {
    let wrong = |message: &str| Problem::new("headers", format!("{name:?}: {message}"));
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| wrong("no name of a header; write letters, digits and hyphens"))?;
    if OURS.contains(&&*name.to_ascii_lowercase()) {
        return Err(wrong(
            "is set by the detector; take it out (for the type of the body there is content_type)",
        ));
    }
    let value = value.read().map_err(|message| wrong(&message))?;
    HeaderValue::from_str(&value)
        .map_err(|_| wrong("no value of a header; write one line of printable ASCII"))?;
    Ok((name.to_owned(), value))
}

fn key(secret: &Secret) -> Result<Hmac<Sha256>, Problem> {
    let text = secret.check("secret")?;
    let wrong = |_| {
        Problem::new(
            "secret",
            "what follows whsec_ is no base64; copy the whole key, or make one with: openssl rand -base64 32",
        )
    };
    let bytes = match text.strip_prefix(PREFIX) {
        Some(encoded) => STANDARD.decode(encoded).map_err(wrong)?,
        None => text.into_bytes(),
    };
    Hmac::new_from_slice(&bytes).map_err(|_| Problem::new("secret", "is no key; write another"))
}

impl Sink for Webhook {
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure> {
        let Read { url, method, headers, content_type, key, template } = &self.read;
        let body = match template {
            Some(template) => template.render(message).map_err(Failure::refused)?,
            None => message_line(message)?.trim_end().to_owned(),
        };
        let timestamp = Timestamp::now().as_second().to_string();
        let signature = key.as_ref().map(|key| sign(key, message.key, &timestamp, &body));
        let mut all = vec![
            ("Content-Type", content_type.as_str()),
            ("Idempotency-Key", message.key),
            ("webhook-id", message.key),
            ("webhook-timestamp", &timestamp),
        ];
        all.extend(signature.as_deref().map(|signature| ("webhook-signature", signature)));
        all.extend(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        self.http.send(&Request { method, url, headers: &all, body: body.as_bytes() })?;
        Ok(Receipt::default())
    }
}

fn sign(key: &Hmac<Sha256>, id: &str, timestamp: &str, body: &str) -> String {
    let mut mac = key.clone();
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Read, Problem> {
        toml::from_str::<WebhookConfig>(&format!("url = \"https://hooks.example/x\"\n{text}")).unwrap().read()
    }

    fn problem(text: &str) -> (&'static str, String) {
        let Err(Problem { key, message }) = config(text) else { panic!("{text} is no problem") };
        (key, message)
    }

    /// The example of the libraries' tests
    /// (<https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/javascript/src/webhook.test.ts>).
    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        let read = config("secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"").unwrap();
        let signature =
            sign(&read.key.unwrap(), "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_wrong_is_named_with_the_remedy() {
        assert_eq!(problem("secret = \"whsec_?\"").0, "secret");
        for name in ["Host", "webhook-id", "Content-Length", "a b", ""] {
            let (key, message) = problem(&format!("headers = {{ \"{name}\" = \"x\" }}"));
            assert!(key == "headers" && message.contains(&format!("{name:?}")), "{message}");
        }
        let (key, message) = problem("headers = { X-Token = \"s3cret\\nX: y\" }");
        assert!(key == "headers" && !message.contains("s3cret"), "{message}");
        assert_eq!(problem("headers = { X-Token = { env = \"DETECTOR_NO_SUCH\" } }").0, "headers");
        assert_eq!(problem("content_type = \"a\\nb\"").0, "content_type");
        assert_eq!(problem("template = \"{{ title }}\"\ntemplate_file = \"/x\"").0, "template_file");
    }
}
