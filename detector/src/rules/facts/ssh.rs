//! What an SSH client was asked to forward, by the option grammar of the client itself.
//!
//! OpenSSH parses with getopt, stops at the first operand (the destination), then once more parses
//! options behind it until the remote command begins; `--` ends both. Dropbear's `dbclient` and
//! `autossh` have letters of their own.

use super::program::basename;
use crate::event::Exec;

/// An SSH client's command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::rules) struct Ssh {
    /// What is forwarded, with the specification as it was given.
    pub(in crate::rules) forwards: Vec<(Forward, String)>,
    /// `-f`, or the option of the same meaning.
    pub(in crate::rules) background: bool,
    /// `-N`: no remote command.
    pub(in crate::rules) no_command: bool,
    /// Where it connects to, as it was given.
    pub(in crate::rules) destination: Option<String>,
    /// `-F FILE`: what that file forwards is not seen here.
    pub(in crate::rules) config_file: Option<String>,
}

/// Kinds of forwarding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rules) enum Forward {
    /// A port of the far end leads here: a way in.
    Remote,
    /// A port here leads to the far end.
    Local,
    /// A SOCKS proxy here.
    Dynamic,
    /// A network device.
    Tunnel,
    /// Standard input and output lead to a host behind the far end.
    Stdio,
}

impl Forward {
    /// The word that rules use.
    pub(in crate::rules) fn name(self) -> &'static str {
        match self {
            Self::Remote => "remote",
            Self::Local => "local",
            Self::Dynamic => "dynamic",
            Self::Tunnel => "tunnel",
            Self::Stdio => "stdio",
        }
    }
}

/// Options of OpenSSH's ssh.c that take a value; all other letters take none.
const OPENSSH: &str = "BDEFIJLOPQRSWbceilmopw";
/// Options of Dropbear's cli-runopts.c that take a value.
const DROPBEAR: &str = "BIJKLRWbcilmopDEFeOQSw";

/// A client's dialect.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Client {
    OpenSsh,
    Autossh,
    Dropbear,
    Sshuttle,
}

/// The command line of an exec, where the program is an SSH client.
pub(in crate::rules) fn parse(exec: &Exec) -> Option<Ssh> {
    let argv0 = exec.argv.first().map_or("", AsRef::as_ref);
    let exe = basename(&exec.exe);
    let arguments = || exec.argv.iter().skip(1).map(AsRef::as_ref).collect::<Vec<&str>>();
    let mut args;
    let client = if exe == "dropbearmulti" {
        match basename(argv0) {
            "dropbearmulti" => {
                args = arguments();
                let applet = args.first().copied()?;
                args.remove(0);
                client(basename(applet)).map(|_| Client::Dropbear)?
            }
            name => {
                args = arguments();
                client(name).map(|_| Client::Dropbear)?
            }
        }
    } else if let Some(script) = exec.script.as_deref() {
        // The kernel puts interpreter options and the script's path before its arguments.
        let found = client(basename(script))?;
        args = arguments();
        let at = args.iter().position(|arg| basename(arg) == basename(script))?;
        args.drain(..=at);
        found
    } else {
        let found = client(exe).or_else(|| client(basename(argv0)))?;
        args = arguments();
        found
    };
    Some(match client {
        Client::Sshuttle => sshuttle(&args),
        Client::OpenSsh | Client::Autossh | Client::Dropbear => options(client, &args),
    })
}

fn client(name: &str) -> Option<Client> {
    match name {
        "ssh" | "slogin" => Some(Client::OpenSsh),
        "autossh" => Some(Client::Autossh),
        "dbclient" => Some(Client::Dropbear),
        "sshuttle" => Some(Client::Sshuttle),
        _ => None,
    }
}

/// getopt over `args`, once before the destination and once behind it.
fn options(client: Client, args: &[&str]) -> Ssh {
    let mut ssh = Ssh::default();
    let mut clear = false;
    let mut rest = args;
    loop {
        let (tail, ended) = pass(client, rest, &mut ssh, &mut clear);
        rest = tail;
        let Some((operand, behind)) = rest.split_first() else { break };
        if ssh.destination.is_some() {
            break;
        }
        ssh.destination = Some((*operand).to_owned());
        rest = behind;
        if ended {
            break;
        }
    }
    if clear {
        ssh.forwards.retain(|(kind, _)| matches!(kind, Forward::Stdio | Forward::Tunnel));
    }
    ssh
}

/// One run of getopt: what is left from the first operand on, and whether `--` ended it.
fn pass<'a, 'b>(
    client: Client,
    mut args: &'a [&'b str],
    ssh: &mut Ssh,
    clear: &mut bool,
) -> (&'a [&'b str], bool) {
    while let Some((arg, behind)) = args.split_first() {
        let Some(cluster) = arg.strip_prefix('-').filter(|cluster| !cluster.is_empty()) else {
            return (args, false);
        };
        args = behind;
        if cluster == "-" {
            return (args, true);
        }
        for (at, letter) in cluster.char_indices() {
            if !takes_value(client, letter) {
                flag(letter, ssh);
                continue;
            }
            let glued = cluster.get(at + letter.len_utf8()..).unwrap_or_default();
            let value = if glued.is_empty() {
                let Some((value, behind)) = args.split_first() else { return (args, false) };
                args = behind;
                value
            } else {
                glued
            };
            valued(client, letter, value, ssh, clear);
            break;
        }
    }
    (args, false)
}

fn takes_value(client: Client, letter: char) -> bool {
    match client {
        Client::OpenSsh | Client::Sshuttle => OPENSSH.contains(letter),
        Client::Autossh => letter == 'M' || OPENSSH.contains(letter),
        Client::Dropbear => DROPBEAR.contains(letter),
    }
}

fn flag(letter: char, ssh: &mut Ssh) {
    match letter {
        'f' => ssh.background = true,
        'N' => ssh.no_command = true,
        _ => {}
    }
}

fn valued(client: Client, letter: char, value: &str, ssh: &mut Ssh, clear: &mut bool) {
    let kind = match letter {
        'R' => Some(Forward::Remote),
        'L' => Some(Forward::Local),
        'D' if client != Client::Dropbear => Some(Forward::Dynamic),
        'w' if client != Client::Dropbear => Some(Forward::Tunnel),
        // Dropbear's -W is a window size, its -B what OpenSSH calls -W.
        'W' if client != Client::Dropbear => Some(Forward::Stdio),
        'B' if client == Client::Dropbear => Some(Forward::Stdio),
        _ => None,
    };
    match (kind, letter) {
        (Some(kind), _) => ssh.forwards.push((kind, value.to_owned())),
        (None, 'F') if client != Client::Dropbear => ssh.config_file = Some(value.to_owned()),
        (None, 'o') => option(value, ssh, clear),
        (None, _) => {}
    }
}

/// `-o Keyword=value`, `-o "Keyword value"`: a line of ssh_config, the keyword in any case.
fn option(line: &str, ssh: &mut Ssh, clear: &mut bool) {
    let separates = |c: char| c.is_whitespace() || c == '=';
    let line = line.trim();
    let Some((keyword, value)) = line.split_once(separates) else { return };
    let value = value.trim_start_matches(separates).trim().trim_matches('"');
    let yes = ["yes", "true"].iter().any(|word| word.eq_ignore_ascii_case(value));
    let kind = match keyword.trim_matches('"').to_ascii_lowercase().as_str() {
        "remoteforward" => Forward::Remote,
        "localforward" => Forward::Local,
        "dynamicforward" => Forward::Dynamic,
        "tunnel" if !["no", "false"].iter().any(|word| word.eq_ignore_ascii_case(value)) => Forward::Tunnel,
        "forkafterauthentication" => {
            ssh.background |= yes;
            return;
        }
        "sessiontype" => {
            ssh.no_command |= value.eq_ignore_ascii_case("none");
            return;
        }
        "clearallforwardings" => {
            *clear |= yes;
            return;
        }
        _ => return,
    };
    ssh.forwards.push((kind, value.to_owned()));
}

/// sshuttle carries whole networks through an ssh that itself forwards nothing.
fn sshuttle(args: &[&str]) -> Ssh {
    let mut ssh = Ssh::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match *arg {
            "-r" | "--remote" => ssh.destination = args.next().map(|value| (*value).to_owned()),
            "-D" | "--daemon" => ssh.background = true,
            "-e" | "--ssh-cmd" | "-x" | "--exclude" | "-l" | "--listen" | "--method" => {
                args.next();
            }
            _ => {
                if let Some(value) = arg.strip_prefix("--remote=") {
                    ssh.destination = Some(value.to_owned());
                } else if !arg.starts_with('-') {
                    ssh.forwards.push((Forward::Tunnel, (*arg).to_owned()));
                }
            }
        }
    }
    ssh
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words by spaces; `_` inside a word stands for a space.
    fn parsed(line: &str) -> Option<Ssh> {
        let argv: Vec<Box<str>> = line.split(' ').map(|word| word.replace('_', " ").into()).collect();
        parse(&Exec { exe: argv[0].clone(), argv, ..Exec::default() })
    }

    fn check(line: &str, forwards: &str, destination: &str) {
        let ssh = parsed(line).unwrap_or_else(|| panic!("no ssh: {line}"));
        let found: Vec<String> =
            ssh.forwards.iter().map(|(kind, spec)| format!("{}:{spec}", kind.name())).collect();
        assert_eq!(found.join(","), forwards, "{line}");
        assert_eq!(ssh.destination.as_deref().unwrap_or(""), destination, "{line}");
    }

    #[test]
    fn forwards_are_found_in_every_spelling() {
        for (line, forwards, destination) in [
            ("ssh host", "", "host"),
            ("ssh user@host uptime", "", "user@host"),
            ("ssh -p 2222 host", "", "host"),
            ("ssh -R 2222:localhost:22 host", "remote:2222:localhost:22", "host"),
            ("ssh -R2222:localhost:22 host", "remote:2222:localhost:22", "host"),
            ("ssh -fNR 2222:localhost:22 host", "remote:2222:localhost:22", "host"),
            ("ssh -fNR2222:localhost:22 host", "remote:2222:localhost:22", "host"),
            ("ssh -f -N -T -R 1080 host", "remote:1080", "host"),
            ("ssh host -R 2222:localhost:22", "remote:2222:localhost:22", "host"),
            ("ssh host -NfR 2222:localhost:22 sleep 9", "remote:2222:localhost:22", "host"),
            ("ssh host ls -R 2222:localhost:22", "", "host"),
            ("ssh -- host -R 2222:localhost:22", "", "host"),
            ("ssh host -- ls -R /tmp", "", "host"),
            ("ssh -o RemoteForward=2222_localhost:22 host", "remote:2222 localhost:22", "host"),
            ("ssh -oRemoteForward=2222_localhost:22 host", "remote:2222 localhost:22", "host"),
            ("ssh -oRemoteForward_2222_localhost:22 host", "remote:2222 localhost:22", "host"),
            ("ssh -o remoteforward_2222_localhost:22 host", "remote:2222 localhost:22", "host"),
            ("ssh -o REMOTEFORWARD_=_\"2222_localhost:22\" host", "remote:2222 localhost:22", "host"),
            ("ssh -No remoteforward=1_2 host", "remote:1 2", "host"),
            ("ssh -L 8080:db:5432 host", "local:8080:db:5432", "host"),
            ("ssh -o LocalForward=8080_db:5432 host", "local:8080 db:5432", "host"),
            ("ssh -D 1080 host", "dynamic:1080", "host"),
            ("ssh -vvvD1080 host", "dynamic:1080", "host"),
            ("ssh -o dynamicforward=1080 host", "dynamic:1080", "host"),
            ("ssh -w 0:0 host", "tunnel:0:0", "host"),
            ("ssh -o Tunnel=ethernet host", "tunnel:ethernet", "host"),
            ("ssh -o Tunnel=no host", "", "host"),
            ("ssh -W inner:22 jump", "stdio:inner:22", "jump"),
            ("ssh -J jump host", "", "host"),
            ("ssh -i /root/.ssh/R -l R host", "", "host"),
            ("ssh -o StrictHostKeyChecking=no host", "", "host"),
            ("ssh -o ClearAllForwardings=yes -R 1:a:2 host", "", "host"),
            ("ssh -F /tmp/c host", "", "host"),
            ("ssh -b 10.0.0.1 -c aes128-ctr -e none -m hmac host", "", "host"),
            ("ssh -E /tmp/log -I lib -O forward -R 1:a:2 host", "remote:1:a:2", "host"),
            ("ssh ssh://user@host:2222 -L 1:a:2", "local:1:a:2", "ssh://user@host:2222"),
            ("ssh -L 1:a:2 -R 3:b:4 host", "local:1:a:2,remote:3:b:4", "host"),
            ("ssh -o SendEnv=GIT_PROTOCOL git@example.org git-upload-pack_'a/b'", "", "git@example.org"),
            ("/usr/bin/autossh -M 0 -f -N -R 2222:localhost:22 host", "remote:2222:localhost:22", "host"),
            ("autossh -M0 -NR 2222:localhost:22 host", "remote:2222:localhost:22", "host"),
            ("autossh -fM 20000:7 host -L 1:a:2", "local:1:a:2", "host"),
            ("dbclient -N -R 2222:127.0.0.1:22 host", "remote:2222:127.0.0.1:22", "host"),
            ("dbclient -W 65536 -L 1:a:2 host", "local:1:a:2", "host"),
            ("dbclient -B inner:22 host", "stdio:inner:22", "host"),
            ("dropbearmulti dbclient -R 1:a:2 host", "remote:1:a:2", "host"),
            ("sshuttle -r user@host 0/0 -x 10.0.0.0/8", "tunnel:0/0", "user@host"),
            ("slogin -R 1:a:2 host", "remote:1:a:2", "host"),
            ("ssh -R", "", ""),
            ("ssh -V", "", ""),
            ("ssh", "", ""),
        ] {
            check(line, forwards, destination);
        }
    }

    #[test]
    fn background_and_configuration_file_are_facts_of_their_own() {
        let ssh = parsed("ssh -fN -F /tmp/c host").expect("ssh");
        assert!(ssh.background && ssh.no_command);
        assert_eq!(ssh.config_file.as_deref(), Some("/tmp/c"));
        let ssh = parsed("ssh -o ForkAfterAuthentication=yes -o SessionType=none host").expect("ssh");
        assert!(ssh.background && ssh.no_command);
    }

    #[test]
    fn other_programs_are_no_ssh_client() {
        for line in ["sshd -R", "scp -o RemoteForward=1 a b", "git clone ssh://host/x", "ssh-keygen -R host"]
        {
            assert_eq!(parsed(line), None, "{line}");
        }
    }

    #[test]
    fn a_script_is_known_by_its_name_and_parsed_behind_it() {
        let exec = Exec {
            exe: "/usr/bin/python3.11".into(),
            script: Some("/usr/bin/sshuttle".into()),
            argv: ["/usr/bin/python3", "/usr/bin/sshuttle", "-r", "host", "0/0"].map(Into::into).to_vec(),
            ..Exec::default()
        };
        assert_eq!(parse(&exec).and_then(|ssh| ssh.destination).as_deref(), Some("host"));
    }
}
