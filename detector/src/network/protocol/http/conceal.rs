//! What a request says of its sender's credentials does not get into an alert.

/// The target without the userinfo of its authority.
pub(super) fn target(target: &str) -> String {
    let (scheme, rest) = match target.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => (scheme, rest),
        Some(_) | None if target.starts_with(['/', '*']) => return target.to_owned(),
        Some(_) | None => ("", target),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{host}{path}")
}

/// The list of a WebSocket's protocols, in which wstunnel and Kubernetes carry tokens: what stands behind
/// `bearer.` is replaced.
pub(super) fn protocols(list: &str) -> String {
    let concealed: Vec<String> = list.split(',').map(protocol).collect();
    concealed.join(",")
}

fn protocol(word: &str) -> String {
    // Case-insensitive; ASCII lower case keeps offsets.
    match word.to_ascii_lowercase().find("bearer.") {
        Some(at) => {
            let end = at + "bearer.".len();
            format!("{}***", word.get(..end).unwrap_or_default())
        }
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn userinfo_is_left_out() {
        for (given, shown) in [
            ("http://a:b@h/p?q=x@y", "http://h/p?q=x@y"),
            ("a:b@h:443", "h:443"),
            ("h:443", "h:443"),
            ("http://a:b@c@h", "http://h"),
            ("/p@q?u=http://x:y@z", "/p@q?u=http://x:y@z"),
            ("*", "*"),
        ] {
            assert_eq!(target(given), shown);
        }
    }

    #[test]
    fn tokens_among_protocols_are_left_out() {
        assert_eq!(protocols("v1, authorization.bearer.abc.def"), "v1, authorization.bearer.***");
        assert_eq!(
            protocols("base64url.Bearer.authorization.k8s.io.c2VjcmV0, v4"),
            "base64url.Bearer.***, v4"
        );
        assert_eq!(protocols("chisel-v3"), "chisel-v3");
    }
}
