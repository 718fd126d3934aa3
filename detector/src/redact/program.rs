//! Options of known programs whose value is a secret although their name does not say so: `mysql -pX`, `curl -u A:B`.

use std::sync::LazyLock;

use hashbrown::HashMap;

use super::pattern::is_none;
use super::{Rank, Span};

/// Which part of a value is the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// All of it.
    All,
    /// What is behind this character; nothing where it is not there.
    Behind(char),
}

/// An option of some programs.
struct Form {
    programs: &'static [&'static str],
    /// It counts only behind this word: `docker login -p`, never `docker run -p`.
    after: Option<&'static str>,
    options: &'static [&'static str],
    /// The value may stand in the next word.
    separate: bool,
    /// The value may follow the option without room: `-pX`.
    attached: bool,
    part: Part,
}

const fn form(programs: &'static [&'static str], options: &'static [&'static str]) -> Form {
    Form { programs, after: None, options, separate: true, attached: false, part: Part::All }
}

/// From the manual page of each.
const FORMS: &[Form] = &[
    Form { attached: true, ..form(&["sshpass"], &["-p"]) },
    Form {
        separate: false,
        attached: true,
        ..form(
            &[
                "mysql",
                "mysqldump",
                "mysqladmin",
                "mysqlimport",
                "mysqlshow",
                "mysqlcheck",
                "mysqlpump",
                "mysqlslap",
                "mariadb",
                "mariadb-dump",
                "mariadb-admin",
                "mycli",
                "7z",
                "7za",
                "7zr",
                "rar",
                "unrar",
            ],
            &["-p", "-hp"],
        )
    },
    form(
        &["mycli", "mongo", "mongosh", "mongodump", "mongorestore", "mongoexport", "mongoimport", "cqlsh"],
        &["-p"],
    ),
    form(&["redis-cli", "valkey-cli", "keydb-cli"], &["-a"]),
    Form {
        after: Some("login"),
        ..form(
            &[
                "docker", "podman", "buildah", "skopeo", "nerdctl", "helm", "oras", "crane", "az", "oc",
                "cf", "regctl",
            ],
            &["-p"],
        )
    },
    Form {
        part: Part::Behind(':'),
        ..form(
            &["skopeo", "podman", "buildah"],
            &["--creds", "--src-creds", "--dest-creds", "--dest-registry-token"],
        )
    },
    Form {
        attached: true,
        part: Part::Behind(':'),
        ..form(&["curl"], &["-u", "-U", "--user", "--proxy-user", "--user=", "--proxy-user="])
    },
    Form { part: Part::Behind(':'), ..form(&["http", "https", "xh", "xhs", "httpie", "wget2"], &["-a"]) },
    form(&["ldapsearch", "ldapmodify", "ldapadd", "ldapdelete", "ldappasswd", "ldapwhoami"], &["-w"]),
    Form {
        attached: true,
        part: Part::Behind('%'),
        ..form(&["smbclient", "rpcclient", "smbmap", "net", "wmic", "winexe"], &["-U", "--user="])
    },
    form(&["sqlcmd", "bcp", "unzip", "zip", "ipmitool", "isql", "osql"], &["-P"]),
    form(&["snmpwalk", "snmpget", "snmpset", "snmpbulkwalk"], &["-A", "-X", "-c"]),
    form(
        &[
            "nxc",
            "netexec",
            "crackmapexec",
            "hydra",
            "evil-winrm",
            "smbmap",
            "ncftpput",
            "useradd",
            "usermod",
        ],
        &["-p"],
    ),
    Form { part: Part::Behind(','), ..form(&["lftp"], &["-u"]) },
    form(&["openssl"], &["-k", "-K"]),
    form(&["fly", "flyctl"], &["-t"]),
    form(&["doctl"], &["-t"]),
    form(&["gpg", "gpg2"], &["--passphrase"]),
    Form { separate: false, attached: true, ..form(&["xfreerdp", "xfreerdp3", "rdesktop"], &["/p:", "-p"]) },
];

/// Words behind which the next one is the secret.
const WORDS: &[(&[&str], &[&str])] = &[
    (&["vault"], &["login"]),
    (&["ngrok"], &["authtoken", "add-authtoken"]),
    (&["wandb"], &["login"]),
    (&["nmcli", "iw"], &["password", "wifi-sec.psk", "psk"]),
    (&["clearml-init", "comet", "neptune"], &["login"]),
    (&["rclone"], &["obscure"]),
];

/// Number of each form by program.
static BY_PROGRAM: LazyLock<HashMap<&'static str, Vec<&'static Form>>> = LazyLock::new(|| {
    let mut out: HashMap<&str, Vec<&Form>> = HashMap::new();
    for form in FORMS {
        for program in form.programs {
            out.entry(program).or_default().push(form);
        }
    }
    for (programs, _) in WORDS {
        for program in *programs {
            out.entry(program).or_default();
        }
    }
    out
});

/// Most words behind a program that are looked at.
const REACH: usize = 64;

/// Adds the values of options that known programs take a secret by.
pub(super) fn find(text: &str, found: &mut Vec<Span<'static>>) {
    let mut program: Option<(&'static str, &'static [&'static Form])> = None;
    let mut seen = 0;
    let mut login = false;
    let mut words = Words { text, at: 0 }.peekable();
    while let Some(word) = words.next() {
        if word.begins_command {
            program = None;
        }
        let bare = word.bare(text);
        let name = bare.rsplit('/').next().unwrap_or(bare);
        if let Some((name, forms)) = BY_PROGRAM.get_key_value(name)
            && (program.is_none() || word.begins_command)
        {
            program = Some((*name, forms.as_slice()));
            (seen, login) = (0, false);
            continue;
        }
        let Some((name, forms)) = program else { continue };
        seen += 1;
        if seen > REACH {
            program = None;
            continue;
        }
        login |= bare == "login";
        let next = words.peek().filter(|next| !next.begins_command);
        let is_word =
            |(programs, words): &&(&[&str], &[&str])| programs.contains(&name) && words.contains(&bare);
        if WORDS.iter().any(|entry| is_word(&entry))
            && let Some(next) = next
            && !next.bare(text).starts_with('-')
            && !next.bare(text).contains('=')
        {
            found.extend(next.span(text, Part::All));
        }
        if name == "openssl" && ["pass:"].iter().any(|begin| bare.starts_with(begin)) {
            found.extend(word.span(text, Part::Behind(':')));
        }
        for form in forms {
            if form.after.is_some_and(|_| !login) {
                continue;
            }
            for option in form.options {
                if bare == *option && form.separate {
                    if let Some(next) = next.filter(|next| !next.bare(text).starts_with('-')) {
                        found.extend(next.span(text, form.part));
                    }
                } else if form.attached && bare.len() > option.len() && bare.starts_with(option) {
                    found.extend(word.behind(text, option.len(), form.part));
                }
            }
        }
    }
}

/// A word of a command line, quotes included.
#[derive(Clone, Copy, Debug)]
struct Word {
    start: usize,
    end: usize,
    /// A shell would begin a command with it.
    begins_command: bool,
}

impl Word {
    /// Where its text is without the quotes around it.
    fn inner(self, text: &str) -> (usize, usize) {
        let word = text.get(self.start..self.end).unwrap_or_default();
        let opening = word.len() - word.trim_start_matches(['"', '\'', '(', '`']).len();
        let closing = word.len() - word.trim_end_matches(['"', '\'', ')', '`']).len();
        (self.start + opening.min(word.len()), (self.end - closing).max(self.start + opening))
    }

    fn bare(self, text: &str) -> &str {
        let (start, end) = self.inner(text);
        text.get(start..end).unwrap_or_default()
    }

    /// It is a value: the part of it that is the secret.
    fn span(self, text: &str, part: Part) -> Option<Span<'static>> {
        let (start, end) = self.inner(text);
        Some(Span { whole: true, ..secret(text, start, end, part)? })
    }

    /// Its first characters are an option, the rest is the value.
    fn behind(self, text: &str, skip: usize, part: Part) -> Option<Span<'static>> {
        let (start, end) = self.inner(text);
        secret(text, start + skip, end, part)
    }
}

fn secret(text: &str, start: usize, end: usize, part: Part) -> Option<Span<'static>> {
    let value = text.get(start..end)?;
    let skip = match part {
        Part::All => 0,
        Part::Behind(sign) => value.find(sign)? + sign.len_utf8(),
    };
    let secret = value.get(skip..)?;
    // `-u https://...` is no login.
    let is_url = part != Part::All && secret.starts_with("//");
    (!is_none(secret) && !is_url).then_some(Span {
        start: start + skip,
        end,
        kind: "password",
        rank: Rank::Named,
        whole: false,
    })
}

/// The words of a command line; `;`, `|`, `&`, a line end and `$(` begin a new command.
struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl Iterator for Words<'_> {
    type Item = Word;

    fn next(&mut self) -> Option<Word> {
        let bytes = self.text.as_bytes();
        let mut begins_command = self.at == 0;
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b';' | b'|' | b'&' | b'\n' => begins_command = true,
                b' ' | b'\t' | b'\r' => {}
                _ => break,
            }
            self.at += 1;
        }
        let start = self.at;
        let rest = bytes.get(start..)?;
        if rest.is_empty() {
            return None;
        }
        let length = rest
            .iter()
            .position(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'|' | b'&'))
            .unwrap_or(rest.len());
        self.at += length.max(1);
        Some(Word { start, end: start + length, begins_command })
    }
}
