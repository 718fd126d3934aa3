//! Alerts as JSON lines on a stream.

use std::io::Write;

use serde::{Deserialize, Serialize};

use super::http::Http;
use super::{Body, Failure, Grain, Kind, Message, Problem, Receipt, Sink, SinkError};
use crate::alert::Alert;
use crate::alert::escape::json_line;

/// JSON lines on standard output.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StdoutConfig {}

impl Kind for StdoutConfig {
    const NAME: &'static str = "stdout";
    const GRAIN: Grain = Grain::Alert;
    const RATE: Option<u32> = None;

    fn check(&self) -> Result<(), Problem> {
        Ok(())
    }

    fn open(&self, _name: &str, _http: &Http) -> Result<Box<dyn Sink>, SinkError> {
        Ok(Box::new(Stdout))
    }
}

/// Standard output.
#[derive(Debug)]
pub struct Stdout;

impl Sink for Stdout {
    fn deliver(&mut self, message: &Message<'_>) -> Result<Receipt, Failure> {
        let line = message_line(message)?;
        let mut out = std::io::stdout().lock();
        out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(SinkError::Stream)?;
        Ok(Receipt::default())
    }
}

/// A message as one line of JSON, with its newline.
pub(super) fn message_line(message: &Message<'_>) -> Result<String, SinkError> {
    match message.body {
        Body::Alert(alert) => line(alert),
        Body::Card(card) => {
            let json = serde_json::to_string(card)
                .map_err(|source| SinkError::Encode { id: card.id.clone(), source })?;
            Ok(json_line(json) + "\n")
        }
    }
}

/// One alert as one line of JSON, with its newline. No character of it deceives a terminal or ends
/// the line early, whatever the alert's strings hold.
pub fn line(alert: &Alert) -> Result<String, SinkError> {
    let json =
        serde_json::to_string(alert).map_err(|source| SinkError::Encode { id: alert.id.clone(), source })?;
    let mut line = json_line(json);
    line.push('\n');
    Ok(line)
}

/// Writes one alert and flushes, so that whoever reads the stream has it now.
pub fn write(alert: &Alert, out: &mut impl Write) -> Result<(), SinkError> {
    let line = line(alert)?;
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(SinkError::Stream)
}
