//! How a mining dialect tells one message from the next, on the way out and on the way in.

use std::io::{BufRead, Read as _};

use anyhow::{Context as _, Result, bail};

/// Longest message that is taken.
const LONGEST: u64 = 64 << 10;

/// How messages are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// One JSON text a line.
    Line,
    /// HTTP with a length.
    Http,
    /// Stratum V2: extension, kind, length of 24 bits. Its tables leave the length out.
    Frame,
}

impl Framing {
    /// What a peer uses, by the first byte that it sends; none at its end.
    pub(super) fn of_peer(from: &mut impl BufRead) -> Result<Option<Self>> {
        let first = from.fill_buf().context("cannot read from the peer")?.first().copied();
        Ok(first.map(|byte| match byte {
            b'P' | b'G' => Self::Http,
            0 => Self::Frame,
            _ => Self::Line,
        }))
    }

    /// A miner's message as bytes.
    pub(super) fn ask(self, host: &str, body: &[u8]) -> Vec<u8> {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic eDp4\r\nAccept-Encoding: deflate, gzip\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nUser-Agent: cpuminer/2.5.1\r\n\
             X-Mining-Extensions: midstate\r\n\r\n",
            body.len()
        );
        self.bytes(&head, body)
    }

    /// A pool's message as bytes.
    pub(super) fn answer(self, body: &[u8]) -> Vec<u8> {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Long-Polling: /LP\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.bytes(&head, body)
    }

    fn bytes(self, head: &str, body: &[u8]) -> Vec<u8> {
        match self {
            Self::Line => [body, b"\n"].concat(),
            Self::Http => [head.as_bytes(), body].concat(),
            Self::Frame => {
                let (kind, rest) = body.split_at_checked(3).unwrap_or((body, &[]));
                let length = u32::try_from(rest.len()).unwrap_or(u32::MAX).to_le_bytes();
                [kind, length.get(..3).unwrap_or_default(), rest].concat()
            }
        }
    }

    /// The next message, without what frames it; none at the peer's end.
    pub(super) fn read(self, from: &mut impl BufRead) -> Result<Option<Vec<u8>>> {
        if from.fill_buf().context("cannot read from the peer")?.is_empty() {
            return Ok(None);
        }
        let message = match self {
            Self::Line => line(from)?,
            Self::Http => {
                let mut length = 0;
                loop {
                    let header = String::from_utf8(line(from)?).context("a header is no text")?;
                    if header.is_empty() {
                        break;
                    }
                    if let Some((name, value)) = header.split_once(':')
                        && name.eq_ignore_ascii_case("content-length")
                    {
                        length = value.trim().parse().context("a length is no number")?;
                    }
                }
                exactly(from, length)?
            }
            Self::Frame => {
                let mut message = exactly(from, 3)?;
                let length = exactly(from, 3)?;
                let length = length.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
                message.extend(exactly(from, length)?);
                message
            }
        };
        Ok(Some(message))
    }
}

/// Bytes up to the end of a line, which is left out.
fn line(from: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut line = vec![];
    from.take(LONGEST).read_until(b'\n', &mut line).context("cannot read from the peer")?;
    if line.pop() != Some(b'\n') {
        bail!("the peer ended within a line");
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

fn exactly(from: &mut impl BufRead, length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    from.take(u64::try_from(length)?.min(LONGEST))
        .read_to_end(&mut bytes)
        .context("cannot read from the peer")?;
    if bytes.len() != length {
        bail!("the peer ended within a message");
    }
    Ok(bytes)
}
