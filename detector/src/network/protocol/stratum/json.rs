//! A scan over the beginning of a JSON object that need not be there whole.

/// Deepest nesting that is followed; no miner nests more than five levels.
const DEPTH: usize = 16;

/// Where a value stands: the keys and places that lead to it, from the outermost on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// In an object, under this key.
    Key(String),
    /// In an array, at this place.
    Place(usize),
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A string, escapes resolved, and whether its end is there.
    Text(&'a str, Ended),
    /// A number, `true`, `false` or `null`, whole.
    Word(&'a str),
    /// An object or an array begins.
    Nested,
}

/// Whether the end of something is among the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It is.
    Whole,
    /// The bytes end before.
    Cut,
}

/// How a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The object is closed; what follows begins here.
    Closed(usize),
    /// The bytes end inside.
    Open,
    /// It is no JSON, or deeper than anybody nests.
    Broken,
}

/// Tells `see` of each value of the object that begins with the first byte, in order.
pub(super) fn scan(bytes: &[u8], see: &mut dyn FnMut(&[Step], Value<'_>)) -> End {
    let mut scan = Scan { bytes, at: 0 };
    match scan.object(see) {
        Ok(()) => End::Closed(scan.at),
        Err(end) => end,
    }
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    /// Walks the object without recursion: `path` is the stack.
    fn object(&mut self, see: &mut dyn FnMut(&[Step], Value<'_>)) -> Result<(), End> {
        if self.token()? != b'{' {
            return Err(End::Broken);
        }
        let mut path: Vec<Step> = Vec::with_capacity(DEPTH);
        // What may come next: a first member or the end, or a value.
        let mut closes = self.open_object(&mut path)?;
        loop {
            if !closes {
                match self.peek()? {
                    open @ (b'{' | b'[') => {
                        see(&path, Value::Nested);
                        self.at += 1;
                        if path.len() >= DEPTH {
                            return Err(End::Broken);
                        }
                        closes = if open == b'{' {
                            self.open_object(&mut path)?
                        } else {
                            path.push(Step::Place(0));
                            self.peek()? == b']'
                        };
                        if !closes {
                            continue;
                        }
                    }
                    b'"' => {
                        let (text, ended) = self.text()?;
                        see(&path, Value::Text(&text, ended));
                        if ended == Ended::Cut {
                            return Err(End::Open);
                        }
                    }
                    _ => {
                        let word = self.word()?;
                        see(&path, Value::Word(&word));
                    }
                }
            }
            // After a value, or before the end of something empty.
            closes = false;
            match (self.token()?, path.last_mut()) {
                (b',', Some(Step::Place(place))) => *place += 1,
                (b',', Some(Step::Key(_))) => {
                    let key = self.key()?;
                    if let Some(last) = path.last_mut() {
                        *last = Step::Key(key);
                    }
                }
                (b'}', Some(Step::Key(_))) | (b']', Some(Step::Place(_))) => {
                    path.pop();
                    if path.is_empty() {
                        return Ok(());
                    }
                    // The closed value is a value of what it stands in: what follows is a comma or an end.
                    closes = true;
                }
                _ => return Err(End::Broken),
            }
        }
    }

    /// Behind a `{`: whether it closes at once; if not, its first key is on the path.
    fn open_object(&mut self, path: &mut Vec<Step>) -> Result<bool, End> {
        if self.peek()? == b'}' {
            path.push(Step::Key(String::new()));
            return Ok(true);
        }
        let key = self.key()?;
        path.push(Step::Key(key));
        Ok(false)
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<String, End> {
        if self.peek()? != b'"' {
            return Err(End::Broken);
        }
        let (key, ended) = self.text()?;
        if ended == Ended::Cut {
            return Err(End::Open);
        }
        if self.token()? != b':' {
            return Err(End::Broken);
        }
        Ok(key)
    }

    /// The next byte that is no white space, left where it is.
    fn peek(&mut self) -> Result<u8, End> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.at += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(End::Open),
            }
        }
    }

    /// The next byte that is no white space, taken.
    fn token(&mut self) -> Result<u8, End> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    /// A string, from its quote on.
    fn text(&mut self) -> Result<(String, Ended), End> {
        self.at += 1;
        let mut text = Vec::new();
        let mut ended = Ended::Cut;
        while let Some(byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'"' => {
                    ended = Ended::Whole;
                    break;
                }
                b'\\' => match self.escape()? {
                    Some(letter) => text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
                    None => break,
                },
                0..0x20 => return Err(End::Broken),
                _ => text.push(*byte),
            }
        }
        Ok((String::from_utf8_lossy(&text).into_owned(), ended))
    }

    /// What stands behind a backslash; `None` where the bytes end.
    fn escape(&mut self) -> Result<Option<char>, End> {
        let Some(byte) = self.bytes.get(self.at) else { return Ok(None) };
        self.at += 1;
        Ok(Some(match byte {
            b'u' => {
                let mut code = 0;
                for _ in 0..4 {
                    let Some(digit) = self.bytes.get(self.at) else { return Ok(None) };
                    self.at += 1;
                    code = code * 16 + char::from(*digit).to_digit(16).ok_or(End::Broken)?;
                }
                // Halves of a pair are no letters of a method's name.
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'"' | b'\\' | b'/' => char::from(*byte),
            _ => return Err(End::Broken),
        }))
    }

    /// A number, `true`, `false` or `null`; its end must be there.
    fn word(&mut self) -> Result<String, End> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let long =
            rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
        let word = rest.get(..long).and_then(|word| std::str::from_utf8(word).ok()).unwrap_or_default();
        let fits = |whole: &str| whole == word || (long == rest.len() && whole.starts_with(word));
        let number = word.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
            && word.starts_with(|letter: char| letter == '-' || letter.is_ascii_digit());
        if word.is_empty() || !(number || ["true", "false", "null"].into_iter().any(fits)) {
            return Err(End::Broken);
        }
        if long == rest.len() {
            return Err(End::Open);
        }
        self.at += long;
        Ok(word.to_owned())
    }
}
