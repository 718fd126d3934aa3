//! Reads a recording, and says exactly where it stops being one.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::de::DeserializeOwned;
use zstd::stream::read::Decoder;

use super::{FORMAT, Header, MAGIC, MAX_FRAME, MAX_LINE, PREFIX, RecordingError, checksum};
use crate::pipeline::Input;

/// Largest window that a stream may ask for, as a power of two: what our level uses, with room.
const MAX_WINDOW: u32 = 24;

/// An open recording; iterates over its inputs. After the first error there is nothing more.
pub struct Reader {
    path: PathBuf,
    decoder: Decoder<'static, BufReader<Counted>>,
    read: Rc<Cell<u64>>,
    header: Header,
    body: Vec<u8>,
    frame: u64,
    done: bool,
}

impl Reader {
    /// Opens a recording and reads its header.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, RecordingError> {
        let path = path.into();
        let read = Rc::new(Cell::new(0));
        let decoder = match File::open(&path) {
            Ok(file) => stream(&path, Counted { file, read: Rc::clone(&read) }, &read)?,
            Err(source) => return Err(RecordingError::Read { path, source }),
        };
        let header = Header {
            host: String::new(),
            kernel: String::new(),
            detector: String::new(),
            started: Default::default(),
        };
        let mut reader = Self { path, decoder, read, header, body: Vec::new(), frame: 0, done: false };
        reader.header = match reader.next_frame()? {
            Some(header) => header,
            None => return Err(reader.cut()),
        };
        Ok(reader)
    }

    /// Where and when it was made.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next frame's value; `None` at the end of the stream.
    fn next_frame<T: DeserializeOwned>(&mut self) -> Result<Option<T>, RecordingError> {
        let mut prefix = [0; PREFIX];
        match self.fill(&mut prefix)? {
            0 => return self.end(),
            PREFIX => {}
            _ => return Err(self.cut()),
        }
        let [a, b, c, d, sum @ ..] = prefix;
        let length = u32::from_le_bytes([a, b, c, d]);
        let Some(length) = usize::try_from(length).ok().filter(|length| *length <= MAX_FRAME) else {
            return Err(self.corrupt(format!("a frame of {length} bytes, at most {MAX_FRAME} are allowed")));
        };
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        body.resize(length, 0);
        let filled = self.fill(&mut body);
        let value = match filled? {
            filled if filled < length => Err(self.cut()),
            _ if checksum(&body) != sum => Err(self.corrupt("its checksum does not match".to_owned())),
            _ => match postcard::take_from_bytes(&body) {
                Ok((value, [])) => Ok(Some(value)),
                Ok(_) => Err(self.corrupt("bytes are left over".to_owned())),
                Err(error) => Err(self.corrupt(error.to_string())),
            },
        };
        self.body = body;
        self.frame += 1;
        value
    }

    /// Reads until `buffer` is full or the stream ends; gives how much there was.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, RecordingError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.decoder.read(rest) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(self.cut()),
                // The file system gives errors with a number, the decoder without.
                Err(source) if source.raw_os_error().is_some() => {
                    return Err(RecordingError::Read { path: self.path.clone(), source });
                }
                Err(error) => return Err(self.corrupt(error.to_string())),
            }
        }
        Ok(filled)
    }

    /// The end of the stream must be the end of the file.
    fn end<T>(&mut self) -> Result<Option<T>, RecordingError> {
        match self.decoder.get_mut().fill_buf() {
            Ok([]) => Ok(None),
            Ok(_) => Err(self.corrupt("the stream ends before the file does".to_owned())),
            Err(source) => Err(RecordingError::Read { path: self.path.clone(), source }),
        }
    }

    fn cut(&self) -> RecordingError {
        RecordingError::Cut { path: self.path.clone(), frame: self.frame, byte: self.read.get() }
    }

    fn corrupt(&self, why: String) -> RecordingError {
        RecordingError::Corrupt { path: self.path.clone(), frame: self.frame, byte: self.read.get(), why }
    }
}

impl Iterator for Reader {
    type Item = Result<Input, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.next_frame().transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Checks the first line; what follows it is the stream.
fn stream(
    path: &Path,
    file: Counted,
    read: &Cell<u64>,
) -> Result<Decoder<'static, BufReader<Counted>>, RecordingError> {
    let failed = |source| RecordingError::Read { path: path.to_owned(), source };
    let mut file = BufReader::new(file);
    let mut line = Vec::new();
    let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
    file.by_ref().take(most).read_until(b'\n', &mut line).map_err(failed)?;
    let whole = line.ends_with(b"\n");
    let text = String::from_utf8_lossy(&line);
    let mut words = text.split_whitespace();
    let magic = words.next().unwrap_or_default();
    if !whole && line.len() < MAX_LINE && (magic == MAGIC || MAGIC.starts_with(text.as_ref())) {
        return Err(RecordingError::Cut { path: path.to_owned(), frame: 0, byte: read.get() });
    }
    let format = words.next().and_then(|format| format.parse().ok());
    let (MAGIC, Some(found), true) = (magic, format, whole) else {
        return Err(RecordingError::NotARecording { path: path.to_owned() });
    };
    if found != FORMAT {
        let writer = crate::alert::escape::clip(words.next().unwrap_or("that wrote it"), 32);
        return Err(RecordingError::Format { path: path.to_owned(), found, writer });
    }
    let mut decoder = Decoder::with_buffer(file).map_err(failed)?.single_frame();
    decoder.window_log_max(MAX_WINDOW).map_err(failed)?;
    Ok(decoder)
}

/// A file that counts the bytes read from it.
struct Counted {
    file: File,
    read: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.set(self.read.get().saturating_add(u64::try_from(read).unwrap_or(u64::MAX)));
        Ok(read)
    }
}
