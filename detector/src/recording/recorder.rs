//! Writes a recording.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use zstd::stream::write::Encoder;

use super::{FORMAT, Header, MAGIC, MAX_FRAME, PREFIX, RecordingError, checksum};
use crate::pipeline::Input;

/// A crash loses no more than what came in this time.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// zstd level: the fastest of the ordinary ones.
const LEVEL: i32 = 1;

/// A recording being made. The file is for its owner only: argv may hold secrets.
pub struct Recorder {
    path: PathBuf,
    encoder: Encoder<'static, BufWriter<File>>,
    /// Prefix and body of one frame; kept between writes.
    frame: Vec<u8>,
    flushed: Instant,
}

impl Recorder {
    /// Makes the file and writes the header. A file that is there is replaced.
    pub fn create(path: impl Into<PathBuf>, header: &Header) -> Result<Self, RecordingError> {
        let path = path.into();
        let encoder = match start(&path, header) {
            Ok(encoder) => encoder,
            Err(source) => return Err(RecordingError::Create { path, source }),
        };
        let mut recorder = Self { path, encoder, frame: Vec::new(), flushed: Instant::now() };
        recorder.frame(header)?;
        recorder.flush()?;
        Ok(recorder)
    }

    /// Appends one input. What was written is on its way to the disk within a second, as long as
    /// inputs come; ticks do.
    pub fn write(&mut self, input: &Input) -> Result<(), RecordingError> {
        self.frame(input)?;
        if self.flushed.elapsed() >= FLUSH_EVERY {
            self.flush()?;
        }
        Ok(())
    }

    /// Ends the stream. A recording that was not finished reads as cut short.
    pub fn finish(self) -> Result<(), RecordingError> {
        let Self { path, encoder, frame: _, flushed: _ } = self;
        let done = || encoder.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all();
        done().map_err(|source| RecordingError::Write { path, source })
    }

    fn frame(&mut self, value: &impl Serialize) -> Result<(), RecordingError> {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        frame.extend_from_slice(&[0; PREFIX]);
        let Ok(mut frame) = postcard::to_extend(value, frame) else {
            return Err(RecordingError::Encode { path: self.path.clone(), bytes: 0 });
        };
        let body = frame.get(PREFIX..).unwrap_or_default();
        let (bytes, sum) = (body.len(), checksum(body));
        let length = u32::try_from(bytes).ok().filter(|_| bytes <= MAX_FRAME);
        let Some(length) = length else {
            return Err(RecordingError::Encode { path: self.path.clone(), bytes });
        };
        let prefix = length.to_le_bytes().into_iter().chain(sum);
        frame.iter_mut().zip(prefix).for_each(|(place, byte)| *place = byte);
        let written = self.encoder.write_all(&frame);
        self.frame = frame;
        written.map_err(|source| RecordingError::Write { path: self.path.clone(), source })
    }

    /// Puts everything written so far into the file.
    pub fn flush(&mut self) -> Result<(), RecordingError> {
        self.flushed = Instant::now();
        self.encoder.flush().map_err(|source| RecordingError::Write { path: self.path.clone(), source })
    }
}

fn start(path: &PathBuf, header: &Header) -> io::Result<Encoder<'static, BufWriter<File>>> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut file = BufWriter::new(file);
    writeln!(file, "{MAGIC} {FORMAT} {}", header.detector)?;
    Encoder::new(file, LEVEL)
}
