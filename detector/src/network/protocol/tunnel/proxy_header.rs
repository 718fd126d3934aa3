//! The PROXY protocol's header, versions 1 and 2 (haproxy.org, proxy-protocol.txt): not what is spoken, but in
//! front of it.

use super::super::reader::may_start_with;

const SIGNATURE: &[u8] = b"\r\n\r\n\x00\r\nQUIT\n";
/// Longest header of version 1, its line end included.
const LONGEST_LINE: usize = 107;

/// What stands behind a PROXY header; the bytes themselves where there is none; nothing where one may still
/// be coming.
///
/// ```
/// use detector::network::protocol::behind_proxy_header;
/// let bytes = b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 22\r\nSSH-2.0-";
/// assert_eq!(behind_proxy_header(bytes), b"SSH-2.0-");
/// ```
pub fn behind_proxy_header(bytes: &[u8]) -> &[u8] {
    if may_start_with(bytes, SIGNATURE) {
        return behind_binary(bytes);
    }
    let is_line = [&b"PROXY TCP4 "[..], b"PROXY TCP6 ", b"PROXY UNKNOWN"];
    // One letter may begin anything, and is too little for any parser.
    if is_line.iter().any(|start| may_start_with(bytes, start)) {
        return match bytes.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n') {
            Some(end) => bytes.get(end + 1..).unwrap_or_default(),
            None if bytes.len() < LONGEST_LINE => &[],
            None => bytes,
        };
    }
    bytes
}

fn behind_binary(bytes: &[u8]) -> &[u8] {
    match bytes.get(SIGNATURE.len()..) {
        Some([version, _family, high, low, rest @ ..]) if version >> 4 == 2 => {
            rest.get(usize::from(u16::from_be_bytes([*high, *low]))..).unwrap_or_default()
        }
        Some([version, ..]) if version >> 4 != 2 => bytes,
        Some(_) | None => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_passed_over_once_they_are_whole() {
        let binary =
            [SIGNATURE, b"\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x9c\x40\x00\x16"].concat();
        for header in [
            &b"PROXY TCP6 ::1 ::2 1 2\r\n"[..],
            b"PROXY UNKNOWN\r\n",
            b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
            &binary,
        ] {
            for cut in 0..header.len() {
                assert_eq!(behind_proxy_header(&header[..cut]), b"", "{cut} of {header:?}");
            }
            let whole = [header, b"SSH-2.0-x\r\n"].concat();
            assert_eq!(behind_proxy_header(&whole), b"SSH-2.0-x\r\n");
        }
    }

    #[test]
    fn other_bytes_stay() {
        let endless = [&b"PROXY TCP4 "[..], &[b'x'; 200]].concat();
        let version = [SIGNATURE, b"\x31\x11\x00\x0c"].concat();
        for bytes in [&b"POST / HTTP/1.1"[..], b"PROXY x", b"SSH-", b"\r\n\r\nx", &endless, &version] {
            assert_eq!(behind_proxy_header(bytes), bytes);
        }
    }
}
