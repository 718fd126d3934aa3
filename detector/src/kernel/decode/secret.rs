//! Masks credentials in the first bytes of flows, before a recording or an alert can keep them.

/// Header lines whose value is nobody's business.
const SECRET: &[&[u8]] = &[
    b"authorization",
    b"proxy-authorization",
    b"cookie",
    b"set-cookie",
    b"x-api-key",
    b"api-key",
    b"x-auth-token",
    b"private-token",
];

/// Puts asterisks in place of the value of each header line that carries a credential, and of the query of a
/// request, which often does.
///
/// A line that two segments share is masked as far as its name is in the same segment.
pub(super) fn mask(bytes: &mut [u8]) {
    for line in bytes.split_mut(|byte| *byte == b'\n') {
        if let Some(query) = query(line) {
            query.fill(b'*');
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let Some((name, value)) = line.split_at_mut_checked(colon) else { continue };
        if SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret)) {
            value.iter_mut().skip(1).filter(|byte| **byte != b'\r').for_each(|byte| *byte = b'*');
        }
    }
}

/// The query in a request line: `GET /path?QUERY HTTP/1.1`.
fn query(line: &mut [u8]) -> Option<&mut [u8]> {
    let target = line.iter().position(|byte| *byte == b' ')? + 1;
    let is_method = |byte: &u8| byte.is_ascii_uppercase();
    if target < 4 || !line.iter().take(target - 1).all(is_method) {
        return None;
    }
    let rest = line.get_mut(target..)?;
    let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
    let target = rest.get_mut(..end)?;
    let query = target.iter().position(|byte| *byte == b'?')? + 1;
    target.get_mut(query..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        mask(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn credentials_are_masked_and_nothing_else() {
        assert_eq!(
            masked("GET / HTTP/1.1\r\nHost: a:80\r\nAUTHORIZATION: Bearer x\r\nCookie:a=b\r\n\r\n"),
            "GET / HTTP/1.1\r\nHost: a:80\r\nAUTHORIZATION:*********\r\nCookie:***\r\n\r\n"
        );
        assert_eq!(masked("GET /a?b=c&d HTTP/1.1\r\n"), "GET /a?***** HTTP/1.1\r\n");
        assert_eq!(masked("POST http://h/?k"), "POST http://h/?*");
        assert_eq!(masked("Is this a question? Yes."), "Is this a question? Yes.");
        let login = r#"{"method":"login","params":{"login":"x"}}"#;
        assert_eq!(masked(login), login);
    }

    #[test]
    fn a_line_that_is_cut_is_masked_as_far_as_it_goes() {
        assert_eq!(masked("Cookie: abc"), "Cookie:****");
        assert_eq!(masked("Coo"), "Coo");
        assert_eq!(masked(""), "");
    }
}
