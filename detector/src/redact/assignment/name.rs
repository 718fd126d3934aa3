//! What a name says of its value: `DB_PASSWORD`, `--api-key`, `clientSecret`.

/// What the value of a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    /// What stands in its place.
    pub(super) kind: &'static str,
    /// The name alone is enough; otherwise the value has to look like a secret, too.
    pub(super) is_sure: bool,
    /// The word has another meaning, in which its value is a number or an identifier: `token`.
    pub(super) is_number_elsewhere: bool,
}

/// Words before `key` that make it a secret.
const KEYS: &[&str] = &[
    "api",
    "access",
    "secret",
    "private",
    "auth",
    "signing",
    "encryption",
    "account",
    "client",
    "master",
    "service",
    "admin",
    "session",
    "shared",
    "subscription",
    "storage",
    "app",
    "application",
    "consumer",
    "license",
    "priv",
    "deploy",
    "webhook",
    "integration",
    "functions",
    "host",
    "user",
    "openai",
    "anthropic",
    "stripe",
];

/// Words before `token` that make it a piece of text.
const PIECES: &[&str] = &[
    "pad",
    "eos",
    "bos",
    "unk",
    "cls",
    "sep",
    "mask",
    "max",
    "min",
    "num",
    "image",
    "special",
    "start",
    "end",
    "stop",
    "next",
    "new",
    "last",
    "first",
    "per",
    "extra",
    "audio",
    "video",
    "n",
    "total",
    "prompt",
    "input",
    "output",
    "target",
    "source",
    "draft",
    "speculative",
    "begin",
    "fim",
    "prefix",
    "suffix",
    "middle",
    "vision",
    "space",
    "decoder",
    "forced",
    "word",
    "sub",
    "unexpected",
    "invalid",
    "syntax",
    "this",
    "each",
    "every",
    "img",
    "text",
    "get",
    "set",
    "parse",
    "by",
];

/// Words that make a name a question: `--no-password`, `ask_pass`.
const ASKED: &[&str] = &[
    "no", "ask", "prompt", "enable", "disable", "require", "requires", "use", "has", "is", "skip", "show",
    "reset",
];

/// What the value of this name is; `None` where the name says nothing of the kind.
pub(super) fn meaning(name: &str) -> Option<Meaning> {
    let words = words(name);
    let last = words.last()?;
    if words.len() > 1 && words.first().is_some_and(|first| ASKED.contains(&&**first)) {
        return None;
    }
    let before = words.len().checked_sub(2).and_then(|at| words.get(at)).map_or("", |word| &**word);
    let sure = |kind| Some(Meaning { kind, is_sure: true, is_number_elsewhere: false });
    let maybe = |kind| Some(Meaning { kind, is_sure: false, is_number_elsewhere: false });
    let ends = |end: &str| last.ends_with(end);
    match &**last {
        "password" | "passwd" | "passphrase" | "pwd" | "passcode" => {
            // The shell's own variable.
            if name == "PWD" || name == "OLDPWD" || name == "pwd" { None } else { sure("password") }
        }
        "pass" => sure("password"),
        // `docker service create --secret NAME`.
        "secret" if name == "--secret" => maybe("secret"),
        "secret" => sure("secret"),
        "credential" | "credentials" | "creds" => maybe("credential"),
        "token" if PIECES.contains(&before) => None,
        "token" => Some(Meaning { kind: "token", is_sure: true, is_number_elsewhere: true }),
        "cookie" | "cookies" => maybe("cookie"),
        "mnemonic" => sure("seed-phrase"),
        "phrase" if before == "seed" || before == "recovery" || before == "mnemonic" => sure("seed-phrase"),
        "auth" | "authentication" => maybe("credential"),
        "key" if before == "access" && name.to_ascii_lowercase().ends_with("key-id") => None,
        "key" if before == "private" || before == "priv" => sure("private-key"),
        "base" if before == "key" => sure("secret"),
        "key" if KEYS.contains(&before) => {
            Some(Meaning { kind: "api-key", is_sure: true, is_number_elsewhere: true })
        }
        "key" => maybe("key"),
        "signature" | "sig" => maybe("signature"),
        _ if ends("password") || ends("passwd") || ends("passphrase") || last == "sshpass" => {
            sure("password")
        }
        _ if ends("pass")
            && last.len() >= 6
            && ![
                "bypass",
                "compass",
                "trespass",
                "surpass",
                "overpass",
                "underpass",
                "encompass",
                "firstpass",
                "onepass",
            ]
            .iter()
            .any(|word| ends(word)) =>
        {
            sure("password")
        }
        _ if ends("apikey")
            || ends("accesskey")
            || ends("secretkey")
            || ends("authkey")
            || ends("apitoken") =>
        {
            Some(Meaning { kind: "api-key", is_sure: true, is_number_elsewhere: true })
        }
        _ if ends("privatekey") || ends("privkey") => sure("private-key"),
        _ if ends("secret") => sure("secret"),
        _ if ends("token") && !ends("tokentoken") => {
            Some(Meaning { kind: "token", is_sure: true, is_number_elsewhere: true })
        }
        _ => None,
    }
}

/// The last word of a name, in lower case.
pub(super) fn last_word(name: &str) -> String {
    words(name).pop().unwrap_or_default()
}

/// The words of a name in lower case: `clientSecret`, `CLIENT_SECRET` and `client-secret` are the same two.
fn words(name: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    let mut characters = name.chars().peekable();
    while let Some(c) = characters.next() {
        let next_is_lower = characters.peek().is_some_and(char::is_ascii_lowercase);
        let begins = c.is_ascii_uppercase()
            && (before.is_ascii_lowercase()
                || before.is_ascii_digit()
                || (before.is_ascii_uppercase() && next_is_lower));
        if (begins || !c.is_ascii_alphanumeric()) && !word.is_empty() {
            out.push(std::mem::take(&mut word));
        }
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        }
        before = c;
    }
    if !word.is_empty() {
        out.push(word);
    }
    // `password2`, `TOKEN_1`: a number tells one from another.
    if out.len() > 1 && out.last().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit())) {
        out.pop();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_they_hold() {
        for (name, kind) in [
            ("DB_PASSWORD", "password"),
            ("--password", "password"),
            ("PGPASSWORD", "password"),
            ("MYSQL_PWD", "password"),
            ("clientSecret", "secret"),
            ("--api-key", "api-key"),
            ("APIKey", "api-key"),
            ("apikey", "api-key"),
            ("authToken", "token"),
            ("WALLET_PRIVATE_KEY", "private-key"),
            ("storepass", "password"),
        ] {
            assert_eq!(
                meaning(name).map(|meaning| (meaning.kind, meaning.is_sure)),
                Some((kind, true)),
                "{name}"
            );
        }
        for name in
            ["pad_token", "max_tokens", "tokenizer", "--bypass", "PWD", "key_id", "PASSWORD_FILE", "monkey"]
        {
            assert_eq!(meaning(name).filter(|meaning| meaning.is_sure), None, "{name}");
        }
    }
}
