//! What one JSON message says that tells miners from others.

use super::json::{End, Ended, Step, Value, scan};

/// Longest text that is kept.
const LONGEST: usize = 256;
/// Most texts of a list that are kept.
const MOST: usize = 32;

/// The facts of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// `method`, once it is there whole.
    pub(super) method: Option<String>,
    /// `id` is a string, and which.
    pub(super) id: Option<String>,
    /// Keys at the top, and in `params`, `result`, `result.job` and `body`: (place, key).
    keys: Vec<(Place, String)>,
    /// Strings under such keys, once they are there whole.
    texts: Vec<(Place, String, String)>,
    /// Strings that are elements of `params` itself.
    pub(super) params: Vec<(usize, String)>,
    /// `algo`.
    pub(super) algo: Vec<String>,
    /// A notification's name, wherever it stands in `result`.
    pub(super) subscribed: Option<String>,
    /// Version that follows `EthereumStratum/`, in any string.
    pub(super) ethereum_stratum: Option<u8>,
    /// Hashes of 32 bytes that are elements of `result`: 0x and 64 digits.
    pub(super) hashes: usize,
    /// `blob` is long and hexadecimal.
    pub(super) long_blob: bool,
    /// The first part of a Bitcoin coinbase transaction: its only input spends nothing.
    pub(super) coinbase: bool,
    /// `result.status`.
    pub(super) status: Option<String>,
}

/// The objects whose keys count. What is nested elsewhere, such as the arguments of a tool call, may say
/// anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Top,
    Params,
    Result,
    Job,
    Body,
}

impl Facts {
    /// The facts of the message that begins with the first byte, and how it ends.
    pub(super) fn of(bytes: &[u8]) -> (Self, End) {
        let mut facts = Self::default();
        let end = scan(bytes, &mut |path, value| facts.see(path, value));
        (facts, end)
    }

    /// Whether this key stands in this place.
    pub(super) fn has(&self, place: Place, key: &str) -> bool {
        self.keys.iter().any(|(at, known)| *at == place && known == key)
    }

    /// Whether this key stands where a message keeps its facts.
    pub(super) fn anywhere(&self, key: &str) -> bool {
        self.keys.iter().any(|(_, known)| known == key)
    }

    /// The string under a key.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.texts.iter().find(|(_, known, _)| known == key).map(|(_, _, text)| text.as_str())
    }

    /// The string at a place of `params`.
    pub(super) fn param(&self, place: usize) -> Option<&str> {
        self.params.iter().find(|(at, _)| *at == place).map(|(_, text)| text.as_str())
    }

    fn see(&mut self, path: &[Step], value: Value<'_>) {
        if let Value::Text(text, Ended::Whole) = value
            && let Some(version) = text.strip_prefix("EthereumStratum/")
        {
            self.ethereum_stratum = Some(if version.starts_with('2') { 2 } else { 1 });
        }
        match path {
            [Step::Key(key)] => self.member(Place::Top, key, value),
            [Step::Key(outer), Step::Key(key)] => match outer.as_str() {
                "params" => self.member(Place::Params, key, value),
                "result" => self.member(Place::Result, key, value),
                "body" => self.member(Place::Body, key, value),
                _ => {}
            },
            [Step::Key(outer), Step::Key(inner), Step::Key(key)] if outer == "result" && inner == "job" => {
                self.member(Place::Job, key, value);
            }
            [Step::Key(outer), Step::Place(place)] if outer == "params" => self.parameter(*place, value),
            [Step::Key(outer), Step::Place(_)] if outer == "result" && is_hash(value) => self.hashes += 1,
            [.., Step::Key(key), Step::Place(_)] if key == "algo" => {
                if let Value::Text(text, Ended::Whole) = value
                    && self.algo.len() < MOST
                {
                    self.algo.push(kept(text));
                }
            }
            _ => {}
        }
        if let ([Step::Key(outer), _, ..], Value::Text(text, Ended::Whole)) = (path, value)
            && outer == "result"
            && text.starts_with("mining.")
            && path.iter().skip(1).all(|step| matches!(step, Step::Place(_)))
        {
            self.subscribed.get_or_insert_with(|| kept(text));
        }
    }

    fn member(&mut self, place: Place, key: &str, value: Value<'_>) {
        if self.keys.len() < 4 * MOST {
            self.keys.push((place, kept(key)));
        }
        let Value::Text(text, ended) = value else { return };
        // A blob of 76 bytes and more; its first 32 are enough to say so.
        if key == "blob" && text.len() >= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            self.long_blob = true;
        }
        if ended == Ended::Cut {
            return;
        }
        match (place, key) {
            (Place::Top, "method") if self.method.is_none() => self.method = Some(kept(text)),
            (Place::Top, "id") => self.id = Some(kept(text)),
            (Place::Result, "status") => self.status = Some(kept(text)),
            (_, "algo") => self.algo.push(kept(text)),
            (_, "login" | "agent" | "api_key" | "worker") if !text.is_empty() => {
                self.texts.push((place, key.to_owned(), kept(text)));
            }
            _ => {}
        }
    }

    fn parameter(&mut self, place: usize, value: Value<'_>) {
        let Value::Text(text, ended) = value else { return };
        // Version, one input, the hash of no transaction, and the index -1 that goes with it.
        if place == 2
            && text
                .split_at_checked(8)
                .and_then(|(_, rest)| rest.strip_prefix("01"))
                .and_then(|rest| rest.split_at_checked(64))
                .is_some_and(|(hash, rest)| {
                    hash.bytes().all(|digit| digit == b'0') && rest.starts_with("ffffffff")
                })
        {
            self.coinbase = true;
        }
        if ended == Ended::Whole && place < 4 {
            self.params.push((place, kept(text)));
        }
    }
}

fn is_hash(value: Value<'_>) -> bool {
    matches!(value, Value::Text(text, Ended::Whole) if text.len() == 66
        && text.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit())))
}

fn kept(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}
