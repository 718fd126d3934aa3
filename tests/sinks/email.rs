//! Mail: against a server of the test that refuses, asks for patience, hangs and talks nonsense, and against Exim with
//! STARTTLS, TLS and a login; what it delivered is read back as a mail program reads it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use detector::sinks::email::EmailConfig;
use detector::sinks::{Failure, Receipt, Sink};
use detector_tests::server::Server;
use detector_tests::skip;
use detector_tests::wait::{LIMIT, wait_for};
use mail_parser::{MessageParser, MimeHeaders as _};

use crate::plain::{Certificates, can_mount, has, listens, open, ports, with_own_mounts};
use crate::sample::{HOSTILE, card, grown_card, hostile_card, huge_card, long, of_card};

/// What a server of the test does when it hears a command that begins so.
type Script = &'static [(&'static str, &'static str)];

/// An SMTP server that answers by a script, and to everything else as a good one does.
struct Fake {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let log = Arc::clone(&log);
                std::thread::spawn(move || serve(stream.unwrap(), script, &log));
            }
        });
        Self { port, heard }
    }

    fn mails(&self) -> usize {
        self.heard.lock().unwrap().iter().filter(|line| *line == "| .").count()
    }

    /// How many lines began so.
    fn heard(&self, start: &str) -> usize {
        self.heard.lock().unwrap().iter().filter(|line| line.starts_with(start)).count()
    }

    fn sink(&self, more: &str) -> Box<dyn Sink> {
        sink(self.port, &format!("tls = \"none\"\ntimeout = \"1s\"\n{more}"))
    }
}

/// Speaks until the other side is gone.
fn serve(stream: TcpStream, script: Script, log: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let answer = |reader: &mut BufReader<TcpStream>, command: &str, usual: &str| {
        let scripted = script.iter().find(|(start, _)| command.starts_with(start)).map(|(_, answer)| *answer);
        let said = scripted.unwrap_or(usual);
        match said {
            "hang" => {
                let _ = reader.read_line(&mut String::new());
                false
            }
            "close" => false,
            said => reader.get_mut().write_all(format!("{said}\r\n").as_bytes()).is_ok(),
        }
    };
    if !answer(&mut reader, "(greeting)", "220 test ESMTP") {
        return;
    }
    let mut in_data = false;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let command = line.trim_end().to_owned();
        // What belongs to a mail is kept apart from commands.
        log.lock().unwrap().push(if in_data { format!("| {command}") } else { command.clone() });
        let goes_on = if in_data {
            in_data = command != ".";
            in_data || answer(&mut reader, "(mail)", "250 taken")
        } else if command == "DATA" {
            in_data = true;
            answer(&mut reader, &command, "354 go on")
        } else if command.starts_with("EHLO") {
            answer(&mut reader, &command, "250-test\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN")
        } else if command.starts_with("AUTH") {
            answer(&mut reader, &command, "235 welcome")
        } else {
            answer(&mut reader, &command, "250 ok")
        };
        if !goes_on {
            return;
        }
    }
}

fn sink(port: u16, more: &str) -> Box<dyn Sink> {
    let to = if more.contains("to = ") { "" } else { "to = [\"oncall@example.org\"]\n" };
    open::<EmailConfig>(&format!(
        "server = \"localhost\"\nport = {port}\nfrom = \"Detector <detector@example.org>\"\n{to}{more}"
    ))
}

fn outcome(script: Script) -> Result<Receipt, Failure> {
    Fake::start(script).sink("").deliver(&of_card(&card(), None))
}

#[test]
fn what_may_pass_is_tried_later_and_what_stays_is_refused() {
    let later: &[(Script, &str)] = &[
        (&[("(greeting)", "421 too busy")], "too busy"),
        (&[("MAIL", "450 slow down")], "slow down"),
        (&[("RCPT", "451 greylisted")], "greylisted"),
        (&[("(mail)", "452 no room")], "no room"),
        (&[("(greeting)", "hang")], "did not answer within 1s"),
        (&[("(mail)", "hang")], "did not answer within 1s"),
        (&[("(greeting)", "\u{0}HTTP/1.1 200 OK")], ""),
        (&[("EHLO", "999999 what")], ""),
        (&[("MAIL", "close")], ""),
        (&[("(greeting)", "close")], ""),
    ];
    for (script, what) in later {
        let outcome = outcome(script);
        let Err(Failure::Later { reason, .. }) = &outcome else { panic!("{script:?}: {outcome:?}") };
        assert!(reason.starts_with("localhost:") && reason.contains(what), "{script:?}: {reason}");
        assert!(!reason.contains(['\n', '\r', '\0']), "{reason:?}");
    }
    let refused: &[(Script, &str)] = &[
        (&[("(greeting)", "554 go away")], "go away"),
        (&[("MAIL", "550 not from you")], "not from you"),
        (&[("RCPT", "550 5.1.1 nobody here")], "nobody here"),
        (&[("(mail)", "552 too large")], "too large"),
    ];
    for (script, what) in refused {
        let outcome = outcome(script);
        let Err(Failure::Refused { reason }) = &outcome else { panic!("{script:?}: {outcome:?}") };
        assert!(reason.contains(what), "{script:?}: {reason}");
    }
}

#[test]
fn a_refused_login_says_so_and_never_the_password() {
    let login = "user = \"u\"\npassword = \"s3cret\"";
    let fake = Fake::start(&[("AUTH", "535 5.7.8 bad credentials")]);
    let failure = fake.sink(login).deliver(&of_card(&card(), None)).unwrap_err();
    let Failure::Refused { reason } = &failure else { panic!("{failure:?}") };
    assert!(reason.contains("refuses user or password (") && reason.contains("bad credentials"), "{reason}");
    for secret in ["s3cret", "czNjcmV0", "AHUAczNjcmV0"] {
        assert!(!reason.contains(secret), "{reason}");
    }
    let fake = Fake::start(&[("EHLO", "250 test")]);
    let failure = fake.sink(login).deliver(&of_card(&card(), None)).unwrap_err();
    assert!(matches!(&failure, Failure::Refused { reason } if reason.contains("PLAIN")), "{failure:?}");
    let fake = Fake::start(&[("AUTH", "454 4.7.0 ask again")]);
    let failure = fake.sink(login).deliver(&of_card(&card(), None)).unwrap_err();
    assert!(matches!(&failure, Failure::Later { reason, .. } if reason.contains("ask again")), "{failure:?}");
}

#[test]
fn a_server_without_starttls_gets_neither_mail_nor_password() {
    let fake = Fake::start(&[]);
    let mut sink = sink(fake.port, "user = \"u\"\npassword = \"s3cret\"\ntimeout = \"1s\"");
    let failure = sink.deliver(&of_card(&card(), None)).unwrap_err();
    assert!(
        matches!(&failure, Failure::Later { reason, .. } if reason.contains("no STARTTLS")),
        "{failure:?}"
    );
    assert_eq!((fake.heard("AUTH"), fake.heard("MAIL")), (0, 0));
}

#[test]
fn a_connection_is_used_again_and_made_anew_where_it_broke() {
    let fake = Fake::start(&[]);
    let mut sink = fake.sink("");
    for _ in 0..3 {
        sink.deliver(&of_card(&card(), None)).unwrap();
    }
    assert_eq!((fake.heard("EHLO"), fake.heard("MAIL")), (1, 3));
    let breaks = Fake::start(&[("NOOP", "close")]);
    let mut sink = breaks.sink("");
    for _ in 0..3 {
        sink.deliver(&of_card(&card(), None)).unwrap();
    }
    assert_eq!((breaks.heard("EHLO"), breaks.heard("MAIL")), (3, 3));
}

#[test]
fn one_recipient_that_is_not_known_does_not_keep_the_others_from_their_mail() {
    let fake = Fake::start(&[("RCPT TO:<gone@", "550 gone")]);
    let to = "to = [\"gone@example.org\", \"oncall@example.org\"]";
    fake.sink(to).deliver(&of_card(&card(), None)).unwrap();
    assert_eq!(fake.mails(), 1);
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let [port] = ports();
    let failure = sink(port, "tls = \"none\"").deliver(&of_card(&card(), None)).unwrap_err();
    let Failure::Later { reason, .. } = &failure else { panic!("{failure:?}") };
    assert!(reason.contains(&port.to_string()) && reason.contains("refused"), "{reason}");
}

#[test]
fn hostile_texts_add_no_header_and_no_command() {
    let fake = Fake::start(&[]);
    let mut sink = fake.sink("");
    let long = long();
    let texts: Vec<&str> =
        HOSTILE.iter().copied().chain([&*long, "x\r\n.\r\nMAIL FROM:<evil@example.org>\r\n"]).collect();
    for text in &texts {
        sink.deliver(&of_card(&hostile_card(text), None)).unwrap();
    }
    assert_eq!((fake.heard("MAIL"), fake.mails()), (texts.len(), texts.len()));
    let heard = fake.heard.lock().unwrap();
    assert!(heard.iter().all(|line| line.is_ascii() && line.len() < 998));
    for header in ["From:", "To:", "Subject:", "Message-ID:", "Auto-Submitted:", "Date:"] {
        let start = format!("| {header}");
        assert_eq!(heard.iter().filter(|line| line.starts_with(&start)).count(), texts.len(), "{header}");
    }
}

/// Exim with a configuration, a spool and mailboxes of its own.
struct Exim {
    daemon: Server,
    directory: tempfile::TempDir,
    certificates: Certificates,
    submission: u16,
    tls: u16,
}

impl Exim {
    /// Why it cannot run, where it cannot.
    fn start() -> Result<Self, String> {
        for program in ["exim4", "openssl", "unshare"] {
            if !has(program) {
                return Err(format!("needs {program}"));
            }
        }
        if !skip::is_root() || !can_mount() {
            return Err("needs root and mounts of its own".to_owned());
        }
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path().display();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let certificates = Certificates::create(directory.path());
        let [submission, tls] = ports();
        let Certificates { ca: _, certificate, key } = &certificates;
        let (certificate, key) = (certificate.display(), key.display());
        let config = format!(
            "primary_hostname = localhost
             spool_directory = {here}/spool
             log_file_path = {here}/log/%slog
             pid_file_path = {here}/spool/pid
             daemon_smtp_ports = {submission} : {tls}
             tls_on_connect_ports = {tls}
             local_interfaces = 127.0.0.1
             tls_advertise_hosts = *
             tls_certificate = {certificate}
             tls_privatekey = {key}
             keep_environment =
             rfc1413_query_timeout = 0s
             queue_only_load = 1000
             acl_smtp_rcpt = recipient
             begin acl
             recipient:
               deny domains = !example.org
                    message = relay not permitted
               deny condition = ${{if eq{{$received_port}}{{{submission}}}}}
                    !authenticated = *
                    message = authenticate first
               defer local_parts = busy
                    message = greylisted
               deny local_parts = unknown
                    message = no such user here
               accept
             begin routers
             all:
               driver = accept
               transport = box
             begin transports
             box:
               driver = appendfile
               maildir_format
               directory = {here}/mail
               create_directory
               user = nobody
               group = nogroup
             begin authenticators
             plain:
               driver = plaintext
               public_name = PLAIN
               server_advertise_condition = ${{if def:tls_in_cipher}}
               server_prompts = :
               server_condition = ${{if and{{{{eq{{$auth2}}{{detector}}}}{{eq{{$auth3}}{{s3cret}}}}}}}}
               server_set_id = $auth2
            "
        );
        let etc = directory.path().join("etc");
        fs::create_dir(&etc).unwrap();
        fs::write(etc.join("exim4.conf"), config).unwrap();
        // Exim reads no configuration but its own as root; the machine's stays as it is.
        let script = format!(
            "cd {here}; mkdir spool log mail; chown Debian-exim spool log; chown nobody mail
             mount --bind etc /etc/exim4; exec exim4 -bdf"
        );
        let daemon = Server::start(&mut with_own_mounts(&script)).map_err(|error| format!("{error:#}"))?;
        let made = Self { daemon, directory, certificates, submission, tls };
        wait_for("Exim", LIMIT, || Ok((listens(submission) && listens(tls)).then_some(())))
            .unwrap_or_else(|error| panic!("{error}: {}", made.daemon.said()));
        Ok(made)
    }

    fn sink(&self, port: u16, more: &str) -> Box<dyn Sink> {
        let ca = self.certificates.ca.display();
        sink(port, &format!("ca_file = \"{ca}\"\n{more}"))
    }

    /// Mail that was delivered, oldest first, once there is so much.
    fn wait(&self, count: usize) -> Vec<Vec<u8>> {
        let new = self.directory.path().join("mail/new");
        let mails = wait_for(&format!("{count} mails"), LIMIT, || {
            let mut paths: Vec<_> =
                fs::read_dir(&new).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
            paths.sort_by_key(|path| path.metadata().unwrap().modified().unwrap());
            Ok((paths.len() >= count).then(|| paths.iter().map(|path| fs::read(path).unwrap()).collect()))
        });
        mails.unwrap_or_else(|error| {
            let log = fs::read_to_string(self.directory.path().join("log/mainlog")).unwrap_or_default();
            panic!("{error}: {} {log}", self.daemon.said())
        })
    }
}

const LOGIN: &str = "user = \"detector\"\npassword = \"s3cret\"";

#[test]
fn exim_delivers_a_mail_that_says_everything_with_starttls_and_a_login() {
    let exim = match Exim::start() {
        Ok(exim) => exim,
        Err(reason) => skip!("{reason}"),
    };
    let mut sink = exim.sink(exim.submission, LOGIN);
    let receipt = sink.deliver(&of_card(&card(), None)).unwrap();
    let first = receipt.reference.unwrap();
    let bytes = exim.wait(1).remove(0);
    let mail = MessageParser::default().parse(&bytes).unwrap();
    let received = String::from_utf8_lossy(&bytes).into_owned();
    assert!(received.contains("with esmtpsa"), "encrypted and logged in: {received}");
    assert_eq!(mail.subject(), Some("[CRITICAL] Known miner executed — training on gpu-7"));
    assert_eq!(mail.from().unwrap().first().unwrap().address(), Some("detector@example.org"));
    assert_eq!(mail.from().unwrap().first().unwrap().name(), Some("Detector"));
    assert_eq!(mail.to().unwrap().first().unwrap().address(), Some("oncall@example.org"));
    assert_eq!(format!("<{}>", mail.message_id().unwrap()), first);
    assert_eq!(first, "<01KZ=slack=1@example.org>");
    assert_eq!(mail.header_raw("Auto-Submitted").map(str::trim), Some("auto-generated"));
    assert!(mail.date().unwrap().to_timestamp() > 1_700_000_000);
    let (text, html) = (mail.body_text(0).unwrap(), mail.body_html(0).unwrap());
    let types: Vec<_> =
        mail.parts.iter().filter_map(|part| part.content_type()).filter_map(|kind| kind.subtype()).collect();
    assert_eq!(types, ["alternative", "plain", "html"]);
    for section in &card().sections {
        assert!(html.contains(&format!(">{}<", section.name)), "{html}");
        for line in &section.lines {
            assert!(text.contains(&line.text) && html.contains(&line.text), "{}: {text} {html}", line.text);
        }
    }
    for command in &card().commands {
        assert!(text.contains(&command.line) && html.contains(&command.line), "{text} {html}");
    }

    let again = sink.deliver(&of_card(&grown_card(), Some(&first))).unwrap();
    assert_eq!(again.reference, Some(first.clone()));
    let bytes = exim.wait(2).remove(1);
    let mail = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(mail.subject(), Some("Re: [CRITICAL] Known miner executed — training on gpu-7"));
    for header in [mail.in_reply_to(), mail.references()] {
        assert_eq!(header.as_text().map(|id| format!("<{id}>")), Some(first.clone()));
    }
    assert!(mail.body_text(0).unwrap().contains("4242 opened 12 more connections."));
}

#[test]
fn exim_is_spoken_to_over_tls_and_its_refusals_are_understood() {
    let exim = match Exim::start() {
        Ok(exim) => exim,
        Err(reason) => skip!("{reason}"),
    };
    let to = |to: &str| format!("tls = \"tls\"\nto = [{to}]");
    exim.sink(exim.tls, &to("\"a@example.org\", \"unknown@example.org\""))
        .deliver(&of_card(&card(), None))
        .unwrap();
    assert!(String::from_utf8_lossy(&exim.wait(1)[0]).contains("with esmtps"));
    let failure = |port: u16, more: &str| exim.sink(port, more).deliver(&of_card(&card(), None)).unwrap_err();
    let refused = failure(exim.tls, &to("\"unknown@example.org\""));
    assert!(
        matches!(&refused, Failure::Refused { reason } if reason.contains("no such user here")),
        "{refused:?}"
    );
    let refused = failure(exim.tls, &to("\"a@example.net\""));
    assert!(
        matches!(&refused, Failure::Refused { reason } if reason.contains("relay not permitted")),
        "{refused:?}"
    );
    let later = failure(exim.tls, &to("\"a@example.org\", \"busy@example.org\""));
    assert!(matches!(&later, Failure::Later { reason, .. } if reason.contains("greylisted")), "{later:?}");
    let refused = failure(exim.submission, "user = \"detector\"\npassword = \"wrong\"");
    let Failure::Refused { reason } = &refused else { panic!("{refused:?}") };
    assert!(reason.contains("refuses user or password") && !reason.contains("wrong"), "{reason}");
    let refused = failure(exim.submission, "");
    assert!(
        matches!(&refused, Failure::Refused { reason } if reason.contains("authenticate first")),
        "{refused:?}"
    );
    assert_eq!(exim.wait(1).len(), 1, "what was refused was not delivered to anybody");
}

#[test]
fn a_server_with_another_authority_or_name_gets_nothing() {
    let exim = match Exim::start() {
        Ok(exim) => exim,
        Err(reason) => skip!("{reason}"),
    };
    let other = tempfile::tempdir().unwrap();
    let other = Certificates::create(other.path());
    let ca = format!("ca_file = \"{}\"\n", other.ca.display());
    for (port, more) in [(exim.submission, ""), (exim.tls, "tls = \"tls\"")] {
        for ca in [&*ca, ""] {
            let failure = sink(port, &format!("{ca}{more}")).deliver(&of_card(&card(), None)).unwrap_err();
            let Failure::Later { reason, .. } = &failure else { panic!("{failure:?}") };
            assert!(reason.contains("certificate") && reason.contains("set ca_file"), "{reason}");
        }
    }
    // A client that speaks in the clear where TLS is expected.
    let began = Instant::now();
    let failure =
        sink(exim.tls, "tls = \"none\"\ntimeout = \"2s\"").deliver(&of_card(&card(), None)).unwrap_err();
    assert!(matches!(failure, Failure::Later { .. }), "{failure:?}");
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
fn exim_delivers_hostile_and_huge_cards_as_they_are() {
    let exim = match Exim::start() {
        Ok(exim) => exim,
        Err(reason) => skip!("{reason}"),
    };
    let mut sink = exim.sink(exim.tls, "tls = \"tls\"");
    let mut cards: Vec<_> = HOSTILE.iter().map(|text| hostile_card(text)).collect();
    cards.push(huge_card());
    for card in &cards {
        sink.deliver(&of_card(card, None)).unwrap();
    }
    for bytes in exim.wait(cards.len()) {
        assert!(bytes.len() < 400 << 10, "{}", bytes.len());
        let mail = MessageParser::default().parse(&bytes).unwrap();
        assert!(
            mail.subject().unwrap().starts_with("Re: ") || mail.subject().unwrap().starts_with("[CRITICAL] ")
        );
        assert!(mail.bcc().is_none() && mail.cc().is_none());
        assert_eq!(mail.to().unwrap().as_list().unwrap().len(), 1);
        let html = mail.body_html(0).unwrap();
        for tag in ["<script", "<a ", "<img", "src=\"", "href=\""] {
            assert!(!html.contains(tag), "{tag}: {html}");
        }
        let text = mail.body_text(0).unwrap();
        assert!(text.contains("01KZINCIDENT00000000000001 on "), "{text}");
        let is_deceptive =
            |letter: char| letter != '\n' && letter != '\r' && detector::alert::escape::is_deceptive(letter);
        assert!(!text.contains(is_deceptive) && !html.contains(is_deceptive), "{text}");
    }
}
