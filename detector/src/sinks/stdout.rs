//! Alerts as JSON lines on a stream.

use std::io::Write;

use super::SinkError;
use crate::alert::Alert;
use crate::alert::escape::json_line;

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
