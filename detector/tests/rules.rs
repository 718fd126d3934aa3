//! The rules room from outside: what loads, what is refused and how, what matches.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use detector::alert::Level;
use detector::event::{
    AgentId, CgroupId, Event, EventKind, Exec, FileEvent, FileOp, Flow, Nanos, ProcessId, Protocol,
    StdioSocket, Ticks,
};
use detector::network::{Application, Fields, Recognised, Role};
use detector::process::ProcessTable;
use detector::rules::{Builtin, Finding, RuleSet, Subject, What};

fn event(kind: EventKind) -> Event {
    Event {
        time: Nanos(1_700_000_000_000_000_000),
        received: Nanos(0),
        agent: AgentId(1),
        process: ProcessId { pid: 7, start: Ticks(1) },
        thread: 7,
        uid: 1000,
        cgroup: CgroupId(1),
        kind,
    }
}

fn exec(exe: &str, argv: &[&str]) -> Event {
    event(EventKind::Exec(Arc::new(Exec {
        exe: exe.into(),
        argv: argv.iter().map(|arg| (*arg).into()).collect(),
        nlink: 1,
        comm: exe.rsplit('/').next().unwrap_or("").chars().take(15).collect::<String>().into(),
        ..Exec::default()
    })))
}

fn file(path: &str) -> Event {
    event(EventKind::File(FileEvent {
        op: FileOp::Open,
        path: path.into(),
        inode: 1,
        dev: 1,
        mode: 0o100_644,
        created: true,
        ..FileEvent::default()
    }))
}

fn connect(to: &str) -> Event {
    event(EventKind::Connect(Flow {
        cookie: 1,
        protocol: Protocol::Tcp,
        remote: to.parse::<SocketAddr>().unwrap(),
        local: None,
        v4_mapped: false,
        initiated: true,
        netns: detector::event::NetnsId(0),
    }))
}

fn judge(rules: &mut RuleSet, event: &Event) -> Vec<Finding> {
    judge_what(rules, What::Event(event), &ProcessTable::default(), None)
}

fn judge_what(
    rules: &mut RuleSet,
    what: What<'_>,
    table: &ProcessTable,
    hostname: Option<&str>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    rules.judge(
        &Subject {
            hostname,
            actor: None,
            change: None,
            what,
            table,
            agent_name: Some("coder"),
            cgroup_path: Some("/agents/coder"),
            container: None,
            pod: None,
            canaries: &detector::canary::Strings::default(),
            tasks: &detector::task::Ledger::default(),
        },
        &mut findings,
    );
    findings
}

fn titles(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.rule.title.as_str()).collect()
}

/// Loads one file without the built-in rules; the problems, one a line, or nothing.
fn refused(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.yml");
    std::fs::write(&path, text).unwrap();
    let prefix = format!("{}/", dir.path().display());
    match RuleSet::load(&[path], Builtin::Without) {
        Ok(_) => String::new(),
        Err(error) => error.to_string().replace(&prefix, ""),
    }
}

fn load(text: &str) -> RuleSet {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.yml"), text).unwrap();
    RuleSet::load(&[dir.path().to_path_buf()], Builtin::Without).unwrap()
}

#[test]
fn every_builtin_rule_passes_its_exemplars_and_has_both_kinds() {
    let rules = RuleSet::builtin().unwrap();
    let report = rules.test();
    let failed: Vec<String> = report
        .failures()
        .map(|failed| format!("{}: {} {:?}", failed.rule.title, failed.name, failed.unknown_fields))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let incomplete: Vec<&str> = report.incomplete.iter().map(|rule| rule.title.as_str()).collect();
    assert!(incomplete.is_empty(), "{incomplete:?}");
    assert!(rules.warnings().is_empty(), "{:?}", rules.warnings());
}

#[test]
fn every_builtin_rule_says_all_that_a_reader_needs() {
    for rule in RuleSet::builtin().unwrap().rules() {
        let title = &rule.title;
        assert!(!rule.description.is_empty() && !rule.references.is_empty(), "{title}");
        assert!(!rule.false_positives.is_empty() && rule.summary.is_some(), "{title}");
        assert!(rule.tags.iter().any(|tag| tag.starts_with("attack.t")), "{title}");
        assert_eq!(rule.author.as_deref(), Some("detector"), "{title}");
    }
}

#[test]
fn a_finding_carries_the_sentence_and_the_fields_that_were_looked_at() {
    let mut rules = RuleSet::builtin().unwrap();
    let event = exec("/usr/bin/ssh", &["ssh", "-fNR", "2222:localhost:22", "user@203.0.113.9"]);
    let findings = judge(&mut rules, &event);
    assert_eq!(titles(&findings), ["Reverse SSH Tunnel"]);
    assert_eq!(
        findings[0].summary,
        "/usr/bin/ssh opened a reverse SSH tunnel to user@203.0.113.9: 2222:localhost:22"
    );
    assert_eq!(findings[0].matched, [("SshForward".to_owned(), serde_json::json!(["remote"]))]);
    assert_eq!(findings[0].rule.level, Level::High);
}

/// Vector of mrtnetwork/blockchain_utils: right, and not in the list of known addresses.
const WALLET: &str =
    "49Xgwx3RfyV3ZMEVyrUNuUMzgQ1WHjkWL5T6Xk7QaTszggbtPbRPEkZQau9yACYEmUCHPNrU2MBdnJf4s4xLK5AyLDP5ucd";

#[test]
fn a_miner_with_a_wallet_is_one_finding_and_a_wallet_alone_another() {
    let mut rules = RuleSet::builtin().unwrap();
    let mut told = |argv: &[&str]| titles(&judge(&mut rules, &exec("/tmp/a", argv))).join(", ");
    assert_eq!(told(&["./a", "-o", "stratum+tcp://p.example:1", "-u", WALLET]), "Command Line of a Miner");
    assert_eq!(told(&["./a", "-o", "p.example:3333", "-u", WALLET]), "Command Line of a Miner");
    assert_eq!(told(&["./a", "-u", WALLET]), "Monero Wallet as an Argument");
    let litecoin = "LVg2kJoFNg45Nbpy53h7Fe1wKyeXVRhMH9";
    assert_eq!(told(&["./a", "-o", "p.example:3333", "-u", litecoin]), "Command Line of a Miner");
    assert_eq!(told(&["./a", litecoin]), "Wallet of a Coin That Is Mined as an Argument");
}

#[test]
fn everyday_work_raises_nothing_above_low() {
    let mut rules = RuleSet::builtin().unwrap();
    let mut events = vec![
        exec("/usr/bin/git", &["git", "clone", "https://example.org/a.git"]),
        exec("/usr/lib/git-core/git-remote-https", &["git-remote-https", "origin"]),
        exec("/usr/bin/git", &["git", "commit", "-m", "mine: xmrig --donate-level=1 stratum+tcp://p:1"]),
        exec("/root/.cargo/bin/cargo", &["cargo", "build"]),
        exec("/root/.rustup/toolchains/x/bin/rustc", &["rustc", "-o", "pool.o", "-C", "opt-level=3"]),
        exec("/work/target/debug/build/a-1/build-script-build", &["build-script-build"]),
        exec("/work/.venv/bin/python3", &["python3", "-m", "pip", "install", "torch"]),
        exec("/work/.venv/bin/python3", &["python3", "train.py", "--epochs", "3"]),
        exec("/usr/bin/node", &["npm", "install"]),
        exec("/work/node_modules/.bin/esbuild", &["esbuild", "--bundle"]),
        exec("/bin/sh", &["sh", "-c", "node-gyp rebuild"]),
        exec("/bin/bash", &["bash", "-c", "rg -n 'stratum+tcp://' src"]),
        exec("/usr/bin/grep", &["grep", "-r", "--", "--donate-level", "."]),
        exec("/usr/bin/ssh", &["ssh", "git@example.org", "git-upload-pack 'a/b'"]),
        exec("/usr/bin/[", &["[", "-f", "x", "]"]),
        exec("/usr/bin/grep", &["grep", "-rn", WALLET, "src"]),
        exec("/usr/bin/git", &["git", "commit", "-m", &format!("docs: donate to {WALLET}")]),
        exec("/bin/bash", &["bash", "-c", &format!("cat > tests/address.rs <<'EOF'\n{WALLET}\nEOF")]),
        exec(
            "/work/.venv/bin/python3",
            &["python3", "-m", "pytest", "-k", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"],
        ),
        exec("/root/.foundry/bin/cast", &["cast", "call", "0x00112233445566778899aaBbcCDdEEFF0123ABCd"]),
        exec("/usr/bin/curl", &["curl", &format!("https://explorer.example/address/{WALLET}")]),
        exec("/usr/bin/node", &["claude", "-p", &format!("write tests for addresses such as {WALLET}")]),
    ];
    let hooks = ["pre-commit.sample", "update.sample", "pre-push.sample"];
    events.extend(hooks.iter().map(|hook| file(&format!("/work/a/.git/hooks/{hook}"))));
    for path in
        ["/work/.venv/bin/activate", "/root/.cache/pip/x", "/root/.ssh/known_hosts", "/root/.npm/_logs/x"]
    {
        events.push(file(path));
    }
    events.push(connect("151.101.1.1:443"));
    events.push(connect("[2606:4700::1]:443"));
    for event in &events {
        let loud: Vec<Finding> =
            judge(&mut rules, event).into_iter().filter(|finding| finding.rule.level > Level::Low).collect();
        assert!(loud.is_empty(), "{:?} by {event:?}", titles(&loud));
    }
}

/// Judges what a program of the table says on a flow.
fn spoken(
    exec: &Event,
    to: &str,
    hostname: Option<&str>,
    application: Application,
    fields: Fields,
) -> Vec<Finding> {
    let mut table = ProcessTable::default();
    table.apply(exec);
    let EventKind::Connect(flow) = connect(to).kind else { panic!("no connect") };
    let Event { time, received, agent, process, uid, cgroup, .. } = *exec;
    let recognised = Recognised {
        time,
        received,
        agent,
        process,
        uid,
        cgroup,
        flow,
        application,
        role: Role::Client,
        fields,
    };
    judge_what(&mut RuleSet::builtin().unwrap(), What::Recognised(&recognised), &table, hostname)
}

#[test]
fn everyday_flows_raise_nothing_above_low() {
    let curl = exec("/usr/bin/curl", &["curl", "https://example.org"]);
    let node = exec("/usr/bin/node", &["node", "agent.js"]);
    let cargo = exec("/root/.cargo/bin/cargo", &["cargo", "fetch"]);
    let push = exec("/usr/bin/ssh", &["ssh", "-p", "443", "git@ssh.github.com", "git-receive-pack 'a/b'"]);
    let ssh = exec("/usr/bin/ssh", &["ssh", "host", "uptime"]);
    let web = |name: &str| vec![("Sni", name.into()), ("Alpn", vec!["h2", "http/1.1"].into())];
    let host = |name: &str| vec![("HttpHost", name.into()), ("HttpMethod", "GET".into())];
    let asked = |name: &str| vec![("QueryName", name.into()), ("QueryType", "A".into())];
    let (tls, http, dns) = (Application::Tls, Application::Http, Application::Dns);
    for (who, to, hostname, application, fields) in [
        (&curl, "203.0.113.9:443", None, tls, web("www.f2pool.com")),
        (&curl, "203.0.113.9:443", Some("xmrig.com"), tls, web("xmrig.com")),
        (&curl, "203.0.113.9:80", None, http, host("docs.nicehash.com")),
        (&curl, "203.0.113.53:53", None, dns, asked("xmrig.com")),
        (&curl, "203.0.113.53:53", None, dns, asked("docs.pinggy.io")),
        (&curl, "1.1.1.1:443", None, tls, web("cloudflare-dns.com")),
        (&node, "203.0.113.9:443", Some("api.example.org"), tls, web("api.example.org")),
        (&node, "127.0.0.1:1080", None, Application::Socks, vec![("SocksVersion", 5.into())]),
        (&cargo, "203.0.113.9:22", Some("github.com"), Application::Ssh, Vec::new()),
        (&push, "203.0.113.9:443", Some("ssh.github.com"), Application::Ssh, Vec::new()),
        (&push, "203.0.113.9:443", None, Application::Ssh, Vec::new()),
        (&ssh, "203.0.113.9:22", None, Application::Ssh, Vec::new()),
    ] {
        let loud: Vec<Finding> = spoken(who, to, hostname, application, fields.clone())
            .into_iter()
            .filter(|finding| finding.rule.level > Level::Low)
            .collect();
        assert!(loud.is_empty(), "{:?} by {fields:?}", titles(&loud));
    }
}

#[test]
fn a_pool_is_known_by_the_name_of_its_address_where_tls_names_nobody() {
    let miner = exec("/tmp/a", &["./a"]);
    let pool = Some("donate.ssl.xmrig.com");
    let findings = spoken(&miner, "203.0.113.9:443", pool, Application::Tls, Vec::new());
    assert_eq!(titles(&findings), ["Mining Pool Named on a Flow"]);
}

#[test]
fn a_shell_on_a_socket_is_told_by_where_the_socket_leads() {
    let on = |remote: &str, local: &str, fds: &[u8]| {
        let (remote, local) = (remote.parse().unwrap(), local.parse().unwrap());
        let stdio = fds.iter().map(|fd| StdioSocket { fd: *fd, remote, local }).collect();
        let event = event(EventKind::Exec(Arc::new(Exec {
            exe: "/usr/bin/dash".into(),
            argv: vec!["sh".into(), "-i".into()],
            nlink: 1,
            stdio,
            ..Exec::default()
        })));
        let findings = judge(&mut RuleSet::builtin().unwrap(), &event);
        titles(&findings).join(", ")
    };
    let all = [0, 1, 2];
    assert_eq!(on("203.0.113.9:4444", "10.0.0.1:40000", &all), "Shell on a Connection to Another Machine");
    assert_eq!(on("10.0.0.9:4444", "10.0.0.1:40000", &[0, 2]), "Shell on a Connection to Another Machine");
    assert_eq!(on("127.0.0.1:4444", "127.0.0.1:40000", &all), "Shell on a Connection to This Machine");
    assert_eq!(on("203.0.113.9:50000", "10.0.0.1:4444", &all), "Shell for Whoever Connects");
    assert_eq!(on("203.0.113.9:4444", "10.0.0.1:40000", &[0]), "");
}

#[test]
fn a_correlation_fires_on_the_events_own_time() {
    let mined = exec("/tmp/a", &["./a", "-o", "stratum+tcp://pool.example:14444"]);
    let connected_after = |seconds: u64| {
        let mut rules = RuleSet::builtin().unwrap();
        assert_eq!(titles(&judge(&mut rules, &mined)), ["Command Line of a Miner"]);
        let mut connected = connect("203.0.113.9:14444");
        connected.time.0 += seconds * 1_000_000_000;
        judge(&mut rules, &connected)
    };
    let findings = connected_after(1);
    assert_eq!(
        titles(&findings),
        [
            "Connection to a Port of Mining Pools",
            "Connection to an Address Without a Name",
            "Miner Executed and Connected to a Pool Port"
        ]
    );
    let correlation = findings[2].correlation.as_ref().unwrap();
    assert_eq!(correlation.group, [("ProcessId".to_owned(), "7".to_owned())]);
    assert_eq!(
        titles(&connected_after(3_600)),
        ["Connection to a Port of Mining Pools", "Connection to an Address Without a Name"]
    );
}

const SIGMAHQ_SHAPE: &str = "
title: Archive Tool Writes Below Boot
id: 7f1b9d8e-3f0a-4c53-9a52-5a0f6d5e1c11
status: test
description: An archive is unpacked where kernels lie.
references:
    - https://example.org/boot
author: A. Author (Example)
date: 2026-01-02
modified: 2026-02-03
tags:
    - attack.persistence
    - attack.t1542
logsource:
    category: process_creation
    product: linux
detection:
    selection_img:
        Image|endswith:
            - '/tar'
            - '/cpio'
    selection_cli:
        CommandLine|contains|all:
            - ' -C '
            - '/boot'
    filter_main_user:
        User: 'builder'
        LogonId: '0x3e7'
    condition: all of selection_* and not 1 of filter_main_*
falsepositives:
    - Kernel packaging
level: medium
---
title: Connection to a Documentation Network
id: 2f6a2a4e-9b9b-4f0e-8a3e-0d9a4d2b7c22
logsource:
    category: network_connection
    product: linux
detection:
    selection:
        Initiated: 'true'
        DestinationIp|cidr: 198.51.100.0/24
    filter:
        DestinationPort: 443
    condition: selection and not filter
level: low
---
title: File Named Like a Pattern
id: 9d6f6c8e-5a52-4f7b-8a0f-0c6b5e0b3d33
logsource:
    category: file_event
    product: linux
detection:
    selection:
        TargetFilename|startswith: '/srv/drop/'
        TargetFilename|endswith:
            - '.sh'
            - '.py'
    condition: selection
level: low
---
title: Registry Of Another System
id: 1a2b3c4d-5e6f-4a1b-8c2d-3e4f5a6b7c44
logsource:
    category: registry_set
    product: windows
detection:
    selection:
        TargetObject|contains: Run
    condition: selection
level: high
---
title: Audit Log
id: 1a2b3c4d-5e6f-4a1b-8c2d-3e4f5a6b7c45
logsource:
    product: linux
    service: auditd
detection:
    selection:
        type: SYSCALL
    condition: selection
level: high
";

#[test]
fn rules_in_the_shape_of_sigmahq_load_unchanged() {
    let mut rules = load(SIGMAHQ_SHAPE);
    assert_eq!((rules.rules().len(), rules.unserved()), (3, 2));
    assert!(rules.warnings().is_empty(), "{:?}", rules.warnings());
    let unpacked = exec("/usr/bin/tar", &["tar", "-xf", "a.tar", "-C", "/boot"]);
    assert_eq!(titles(&judge(&mut rules, &unpacked)), ["Archive Tool Writes Below Boot"]);
    let to = connect("198.51.100.7:80");
    assert_eq!(titles(&judge(&mut rules, &to)), ["Connection to a Documentation Network"]);
    assert!(judge(&mut rules, &connect("198.51.100.7:443")).is_empty());
    assert_eq!(titles(&judge(&mut rules, &file("/srv/drop/a.sh"))), ["File Named Like a Pattern"]);
}

const OURS: &str = "title: T
id: 0b7f0c8e-1111-4222-8333-444455556666
level: low
logsource: { category: process_creation, service: detector }
detection:
    selection:
        Image: /bin/x
    condition: selection
";

#[test]
fn a_mistake_names_file_line_key_and_remedy() {
    assert_eq!(refused(OURS), "");
    for (from, to, expect) in [
        ("Image:", "Imagee:", "x.yml:7:9: `Imagee`: is no field of process_creation; did you mean `Image`?"),
        (
            "Image:",
            "DestinationIp:",
            "x.yml:7:9: `DestinationIp`: is no field of process_creation; move the rule",
        ),
        ("level: low", "levle: low", "x.yml:3:1: `levle`: is no key of a rule; did you mean `level`?"),
        ("level: low", "level: hihg", "x.yml:3:8: `hihg`"),
        ("level: low\n", "", "x.yml:1: `level`: a rule says how grave a match is"),
        ("Image:", "Image|contain:", "x.yml:7:15: `contain`: unknown modifier 'contain'"),
        ("condition: selection", "condition: selektion", "x.yml:8:"),
        ("condition: selection", "condition: selection and", "x.yml:8:5: `condition`"),
        (
            "process_creation",
            "process_creatoin",
            "x.yml:4:14: `category`: is none of detector's; name one of process_creation",
        ),
        (
            "Image: /bin/x",
            "Image|expand: '%nowhere%'",
            "x.yml:7:24: `%nowhere%`: has no list; write its values into lists/nowhere.txt",
        ),
        ("        Image", "       - Image: [", "x.yml"),
        (
            "level: low",
            "level: low\ncustom_attributes: { detector.summary: '{Imige} ran' }",
            "x.yml:4:22: `detector.summary`: asks for {Imige}, which is no field; did you mean `{Image}`?",
        ),
        (
            "level: low",
            "level: low\ncustom_attributes: { detector.mark: stratun }",
            "x.yml:4:22: `detector.mark`: is stratun, which is no mark; did you mean `stratum`?",
        ),
        ("0b7f0c8e-1111-4222-8333-444455556666", "42", "x.yml:2:1: `id`: a rule is known by a UUID"),
    ] {
        let found = refused(&OURS.replace(from, to));
        assert!(found.starts_with(expect), "{to:?}\n  want {expect}\n  have {found}");
    }
}

#[test]
fn all_bad_documents_are_named_at_once_and_a_double_id_names_both() {
    let two = format!("{}---\n{OURS}", OURS.replace("Image:", "Imagee:"));
    let found = refused(&two);
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), 2, "{found}");
    assert!(lines[1].starts_with("x.yml:11:1: `id`: has the id 0b7f0c8e-1111-4222-8333-444455556666, which"));
    assert!(lines[1].contains("x.yml:1 has too"), "{found}");
}

#[test]
fn a_mistyped_field_of_a_foreign_rule_is_a_warning() {
    let rules = load(&OURS.replace(", service: detector", "").replace("Image:", "Imagee:"));
    assert_eq!(rules.warnings().len(), 1);
    assert!(rules.warnings()[0].to_string().ends_with("did you mean `Image`?"));
}

#[test]
fn a_table_of_weights_below_a_rule_path_takes_the_place_of_the_built_in_one() {
    let shipped = include_str!("../../rules/weights/mining.yml");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weights/mining.yml");
    std::fs::create_dir(dir.path().join("weights")).unwrap();
    let weight = |rules: &RuleSet| {
        let table = rules.tables().iter().find(|table| table.table == "mining").unwrap();
        (table.marks["cadence"].weight, table.file.clone())
    };
    let load = || RuleSet::load(&[dir.path().to_owned()], Builtin::With);
    assert_eq!(weight(&load().unwrap()), (20, "rules/weights/mining.yml".to_owned()));
    let changed =
        shipped.replacen("    cadence:\n        weight: 20\n", "    cadence:\n        weight: 7\n", 1);
    std::fs::write(&path, changed).unwrap();
    assert_eq!(weight(&load().unwrap()), (7, path.display().to_string()));
    std::fs::write(&path, shipped.replacen("    cadence:\n", "    cadense:\n", 1)).unwrap();
    let refused = load().unwrap_err().to_string();
    assert!(refused.contains("`cadense`: is no mark of this table; did you mean `cadence`?"), "{refused}");
    assert!(refused.starts_with(&format!("{}:", path.display())), "{refused}");
}

#[test]
fn a_missing_path_is_named() {
    let error = RuleSet::load(&[PathBuf::from("/nowhere/x.yml")], Builtin::Without).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/x.yml: cannot be read:"), "{error}");
}

#[test]
fn a_filter_takes_a_known_case_out() {
    let text = format!(
        "{OURS}---
title: Not for the builder
logsource: {{ category: process_creation }}
filter:
    rules:
        - 0b7f0c8e-1111-4222-8333-444455556666
    selection:
        Args: --build
    condition: not selection
"
    );
    let mut rules = load(&text);
    assert_eq!(judge(&mut rules, &exec("/bin/x", &["x"])).len(), 1);
    assert!(judge(&mut rules, &exec("/bin/x", &["x", "--build"])).is_empty());
}
