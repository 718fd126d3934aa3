//! Looks behind the handshake with a proxy: what follows is spoken with somebody else.

use super::protocol::behind_proxy_header;

/// Most handshakes one behind the other, such as a greeting and a request.
const MOST: usize = 8;

/// What follows the handshakes that `bytes` begin with; `None` where they begin with none, or nothing follows.
///
/// Known are the PROXY header, HTTP CONNECT and the answer to it, and the messages of a SOCKS client.
pub(super) fn behind(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    for _ in 0..MOST {
        let Some(next) = step(rest) else { break };
        rest = next;
    }
    (rest.len() < bytes.len() && !rest.is_empty()).then_some(rest)
}

fn step(bytes: &[u8]) -> Option<&[u8]> {
    let behind = behind_proxy_header(bytes);
    if behind.len() < bytes.len() {
        return Some(behind);
    }
    match bytes {
        [b'C', b'O', b'N', b'N', b'E', b'C', b'T', b' ', ..] => behind_blank_line(bytes),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', b'2', ..] => behind_blank_line(bytes),
        // A request: command, reserved, kind of address, address, port.
        [5, 1..=3, 0, 1, rest @ ..] => rest.get(4 + 2..),
        [5, 1..=3, 0, 3, length, rest @ ..] => rest.get(usize::from(*length) + 2..),
        [5, 1..=3, 0, 4, rest @ ..] => rest.get(16 + 2..),
        // A greeting: number of methods, methods.
        [5, methods, rest @ ..] => rest.get(usize::from(*methods)..),
        // Name and password.
        [1, name, rest @ ..] => {
            let rest = rest.get(usize::from(*name)..)?;
            let (password, rest) = rest.split_first()?;
            rest.get(usize::from(*password)..)
        }
        [4, 1..=2, _, _, 0, 0, 0, 1..=255, rest @ ..] => behind_nul(behind_nul(rest)?),
        [4, 1..=2, _, _, _, _, _, _, rest @ ..] => behind_nul(rest),
        _ => None,
    }
}

fn behind_blank_line(bytes: &[u8]) -> Option<&[u8]> {
    let at = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    bytes.get(at + 4..)
}

fn behind_nul(bytes: &[u8]) -> Option<&[u8]> {
    let at = bytes.iter().position(|byte| *byte == 0)?;
    bytes.get(at + 1..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_handshake_is_found() {
        let handshakes: [&[u8]; 7] = [
            b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
            b"HTTP/1.1 200 Connection established\r\n\r\n",
            b"\x05\x01\x00\x05\x01\x00\x03\x06a.test\x0d\x05",
            b"\x05\x02\x00\x02\x01\x01u\x02pw\x05\x01\x00\x01\x7f\x00\x00\x01\x0d\x05",
            b"\x04\x01\x0d\x05\x7f\x00\x00\x01user\x00",
            b"\x04\x01\x0d\x05\x00\x00\x00\x01user\x00a.test\x00",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        ];
        for handshake in handshakes {
            assert_eq!(behind(&[handshake, b"{}"].concat()), Some(&b"{}"[..]), "{handshake:?}");
            for cut in 0..=handshake.len() {
                assert_ne!(behind(&handshake[..cut]).map(<[u8]>::len), Some(cut), "{handshake:?}");
            }
        }
        assert_eq!(behind(b"GET / HTTP/1.1\r\n\r\n"), None);
        assert_eq!(behind(b""), None);
    }
}
