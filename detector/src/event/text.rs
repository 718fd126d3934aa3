//! Bytes from the kernel become text here, once: bytes that are no UTF-8 are written `\xNN`.

use std::fmt::Write as _;

/// `bytes` as text. Valid UTF-8 passes unchanged, control characters too: escaping those is the
/// business of whoever prints them.
pub fn text(bytes: &[u8]) -> Box<str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.into();
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn invalid_utf8_is_written_as_hex_escapes() {
        assert_eq!(&*text(b"a\xff\xfeb\xc3\xa9"), "a\\xff\\xfeb\u{e9}");
        assert_eq!(&*text(b"plain"), "plain");
    }
}
