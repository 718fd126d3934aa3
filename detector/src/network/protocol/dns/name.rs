//! Domain names: labels, compression, escapes.

use std::fmt::Write as _;

/// Why there is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It goes on behind the last byte.
    Short,
    /// It breaks a rule.
    Foreign,
}

/// Longest name on the wire, RFC 1035 section 2.3.4.
const LONGEST: usize = 255;

/// The name at an offset of a message, lower case and without its last dot, and the offset behind it.
///
/// A pointer must lead before the labels it follows, so that no chain of them ends where it began.
pub(super) fn read(message: &[u8], start: usize) -> Result<(String, usize), Trouble> {
    let mut name = String::new();
    let (mut at, mut earliest, mut length) = (start, start, 0);
    let mut behind = None;
    loop {
        let first = usize::from(*message.get(at).ok_or(Trouble::Short)?);
        match first {
            0 => break,
            1..=63 => {
                length += 1 + first;
                if length >= LONGEST {
                    return Err(Trouble::Foreign);
                }
                let label = message.get(at + 1..at + 1 + first).ok_or(Trouble::Short)?;
                if !name.is_empty() {
                    name.push('.');
                }
                for byte in label {
                    escape(byte.to_ascii_lowercase(), &mut name);
                }
                at += 1 + first;
            }
            0xc0.. => {
                let low = usize::from(*message.get(at + 1).ok_or(Trouble::Short)?);
                let target = (first & 0x3f) << 8 | low;
                if target >= earliest {
                    return Err(Trouble::Foreign);
                }
                behind.get_or_insert(at + 2);
                (at, earliest) = (target, target);
            }
            _ => return Err(Trouble::Foreign),
        }
    }
    if name.is_empty() {
        name.push('.');
    }
    Ok((name, behind.unwrap_or(at + 1)))
}

/// A byte of a label or text, as RFC 4343 section 2.1 writes it.
pub(super) fn escape(byte: u8, out: &mut String) {
    match byte {
        b'.' | b'\\' => {
            out.push('\\');
            out.push(byte.into());
        }
        b'!'..=b'~' => out.push(byte.into()),
        _ => {
            let _ = write!(out, "\\{byte:03}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_tunnels_are_written_as_numbers() {
        let (name, behind) = read(b"\x05a.\\\xffZ\x02Ex\x00rest", 0).unwrap();
        assert_eq!(name, r"a\.\\\255z.ex");
        assert_eq!(behind, 10);
        assert_eq!(read(b"\x00", 0), Ok((".".to_owned(), 1)));
    }

    #[test]
    fn pointers_lead_back_and_end() {
        assert_eq!(read(b"\x01a\x00\x01b\xc0\x00", 3), Ok(("b.a".to_owned(), 7)));
        for loops in [&b"\xc0\x00"[..], b"\x01a\xc0\x00", b"\xc0\x02\xc0\x00"] {
            for start in [0, 2] {
                let read = read(loops, start.min(loops.len() - 2));
                assert_eq!(read, Err(Trouble::Foreign), "{loops:?}");
            }
        }
        assert_eq!(read(b"\x40a", 0), Err(Trouble::Foreign));
    }

    #[test]
    fn a_name_is_no_longer_than_the_standard_lets_it() {
        let label = [&[63][..], &[b'x'; 63]].concat();
        let longest = [label.repeat(3), [&[61][..], &[b'x'; 61], &[0]].concat()].concat();
        assert_eq!(longest.len(), 255);
        assert!(read(&longest, 0).is_ok());
        let longer = [label.repeat(3), [&[62][..], &[b'x'; 62], &[0]].concat()].concat();
        assert_eq!(read(&longer, 0), Err(Trouble::Foreign));
    }
}
