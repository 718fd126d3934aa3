//! Cards as a person reads them.

use expect_test::{Expect, expect};
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::super::incident::Incident;
use super::super::{AgentRef, Alert, Ancestor, Coverage, Evidence, ProcessRef, RuleRef, TaskRef, ToolCall};
use super::*;
use crate::alert::escape::is_deceptive;
use crate::sinks::human::Colour;

/// An alert: second, level, rule, kind of evidence, its text and its fields.
fn alert(second: u32, level: Level, rule: &str, kind: &str, text: &str, fields: Value) -> Alert {
    let time = format!("2026-03-02T10:20:{second:02}.123456789Z");
    let Value::Object(fields) = fields else { panic!("no object") };
    Alert {
        schema: super::super::SCHEMA.to_owned(),
        id: format!("01HF7YAT00QW5V9ZK8TD4M2C{second:02}"),
        incident: "01HF7YAT00QW5V9ZK8TD4M2C3R".to_owned(),
        time: time.clone(),
        host: "node-1".to_owned(),
        level,
        title: rule.to_owned(),
        summary: format!("{rule}: {text}."),
        rule: RuleRef {
            id: format!("rule-of-{second}"),
            title: rule.to_owned(),
            tags: vec!["attack.execution".to_owned()],
            file: "rules/a.yml".to_owned(),
        },
        agent: Some(AgentRef {
            name: "coder".to_owned(),
            cgroup: "/agents/coder-1".to_owned(),
            container: None,
            pod: None,
        }),
        process: Some(process(7, "/tmp/x", &["./x", "-o", "pool.example:3333"])),
        evidence: vec![Evidence {
            time,
            kind: kind.to_owned(),
            text: text.to_owned(),
            fields: IndexMap::from_iter(fields),
        }],
        counter_evidence: Vec::new(),
        task: None,
        tool_call: None,
        response: Vec::new(),
        coverage: Coverage::default(),
        count: 1,
        latency_us: 900,
        subject: None,
    }
}

fn process(pid: u32, exe: &str, argv: &[&str]) -> ProcessRef {
    let above = |pid: u32, line: &str| Ancestor {
        pid,
        exe: "/usr/bin/bash".to_owned(),
        command_line: line.to_owned(),
    };
    ProcessRef {
        pid,
        start: 70,
        exe: exe.to_owned(),
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        uid: 1000,
        cwd: "/work".to_owned(),
        ancestors: vec![above(3, "bash -c 'build'"), above(2, "/usr/bin/bash agent.sh")],
    }
}

fn of(alerts: Vec<Alert>) -> Incident {
    Incident {
        id: "01HF7YAT00QW5V9ZK8TD4M2C3R".to_owned(),
        revision: u64::try_from(alerts.len()).unwrap(),
        host: "node-1".to_owned(),
        level: alerts.iter().map(|alert| alert.level).max().unwrap(),
        began: alerts.first().unwrap().time.clone(),
        last: alerts.last().unwrap().time.clone(),
        agent: alerts.iter().find_map(|alert| alert.agent.clone()),
        total: u64::try_from(alerts.len()).unwrap(),
        findings: alerts.iter().map(|alert| alert.count).sum(),
        alerts,
        acknowledged: None,
    }
}

fn check(card: &Card, expected: &Expect) {
    let text = crate::sinks::human::card::text(card, Colour::Off);
    assert!(!text.replace('\n', "").contains(is_deceptive));
    expected.assert_eq(&text);
}

/// Downloaded, executed, connected, mined.
pub(super) fn grown() -> Incident {
    let mut new = alert(
        1,
        Level::Medium,
        "Downloaded program executed",
        "new_code",
        "x (pid 7) runs /tmp/x, which curl (pid 6) wrote 1 s before",
        json!({"NewCode": "/tmp/x", "FetchedFrom": "files.example"}),
    );
    new.tool_call = Some(ToolCall {
        id: "call_7".to_owned(),
        name: "bash".to_owned(),
        conversation: Some("c1".to_owned()),
        started: "2026-03-02T10:20:00.000000000Z".to_owned(),
        in_flight: None,
    });
    let mut connected = alert(
        2,
        Level::High,
        "Connection to a mining pool",
        "connect",
        "x (pid 8) connects to 203.0.113.7:3333 by tcp",
        json!({"DestinationHostname": "pool.example", "DestinationPort": 3333}),
    );
    connected.process = Some(ProcessRef {
        ancestors: vec![Ancestor { pid: 7, exe: "/tmp/x".to_owned(), command_line: "./x".to_owned() }],
        ..process(8, "/tmp/x", &["x-worker"])
    });
    connected.count = 12;
    let mut mined = alert(
        3,
        Level::Critical,
        "Cryptocurrency mining",
        "mining",
        "x (pid 7) mines",
        json!({"MiningCertainty": "sure", "MiningFor": ["60: its command line", "40: a pool"], "MiningAgainst": ["-10: a task"]}),
    );
    mined.counter_evidence = vec!["-10: a task".to_owned()];
    mined.task = Some(TaskRef {
        id: "t1".to_owned(),
        name: "build".to_owned(),
        started: "2026-03-02T10:00:00.000000000Z".to_owned(),
        expects: vec!["gpu".to_owned()],
        declares: None,
        lowered_from: None,
    });
    mined.coverage = Coverage { events_lost: 3, gaps: (1..=6).map(|gap| format!("gap {gap}")).collect() };
    of(vec![new, connected, mined])
}

/// What is about no process.
pub(super) fn lost() -> Incident {
    let mut loss = alert(
        1,
        Level::Medium,
        "Events were lost",
        "lost",
        "the sensor lost 12 events of kind exec",
        json!({"LostEvents": 12}),
    );
    (loss.agent, loss.process) = (None, None);
    of(vec![loss])
}

#[test]
fn a_single_finding() {
    let one = alert(1, Level::High, "Known miner executed", "exec", "pid 7 executed /tmp/x", json!({}));
    check(
        &incident(&of(vec![one]), &[]),
        &expect![[r#"
        HIGH Known miner executed
          Known miner executed: pid 7 executed /tmp/x.
          Agent
            agent coder
            cgroup /agents/coder-1
          Process
            2 /usr/bin/bash agent.sh
            3 └ /usr/bin/bash: bash -c 'build'
            7   └ /tmp/x: ./x -o pool.example:3333  (uid 1000)
          Evidence
            high Known miner executed
            10:20:01.123 pid 7 executed /tmp/x
          Against
            nothing is known that speaks against it
          Response
            observe nothing was done: the detector only observes
          Ids
            when 10:20:01.123 to 10:20:01.123 on node-1
            incident 01HF7YAT00QW5V9ZK8TD4M2C3R, revision 1: 1 finding
            alerts 01HF7YAT00QW5V9ZK8TD4M2C01
          look closer: detector explain 01HF7YAT00QW5V9ZK8TD4M2C01
          every finding: detector alerts --incident 01HF7YAT00QW5V9ZK8TD4M2C3R
          freeze its processes, as root: echo 1 > /sys/fs/cgroup/agents/coder-1/cgroup.freeze
          let them go on: echo 0 > /sys/fs/cgroup/agents/coder-1/cgroup.freeze
          end its processes, as root (Linux 5.14 and later): echo 1 > /sys/fs/cgroup/agents/coder-1/cgroup.kill
          end this process alone, if it still is the one: kill -KILL 7
    "#]],
    );
}

#[test]
fn a_story_that_grew_is_told_in_order_of_time() {
    let grown = grown();
    check(
        &incident(&grown, grown.alerts.get(2..).unwrap()),
        &expect![[r#"
        CRITICAL Cryptocurrency mining (and 2 more)
          coder ran /tmp/x, which it had from files.example, connected to pool.example:3333 and mines with /tmp/x (sure).
          new Cryptocurrency mining: x (pid 7) mines.
          Agent
            agent coder
            cgroup /agents/coder-1
            task build (t1), since 10:00:00.000; expects gpu
            tool call bash call_7, since 10:20:00.000, conversation c1
          Process
            2 /usr/bin/bash agent.sh
            3 └ /usr/bin/bash: bash -c 'build'
            7   └ /tmp/x: ./x -o pool.example:3333  (uid 1000)
            8     └ /tmp/x: x-worker  (uid 1000)
          Evidence
            critical Cryptocurrency mining
            10:20:03.123 x (pid 7) mines
            + 60: its command line
            + 40: a pool
            - -10: a task
            high Connection to a mining pool ×12
            10:20:02.123 x (pid 8) connects to 203.0.113.7:3333 by tcp
            medium Downloaded program executed
            10:20:01.123 x (pid 7) runs /tmp/x, which curl (pid 6) wrote 1 s before
          Against
            -10: a task
          Response
            observe nothing was done: the detector only observes
          Not seen
            lost 3 events of this agent, since the detector started
            gap gap 1
            gap gap 2
            gap gap 3
            gap gap 4
            gap … and 2 more: detector doctor
          Ids
            when 10:20:01.123 to 10:20:03.123 on node-1
            incident 01HF7YAT00QW5V9ZK8TD4M2C3R, revision 3: 3 alerts, 14 findings
            alerts 01HF7YAT00QW5V9ZK8TD4M2C03 01HF7YAT00QW5V9ZK8TD4M2C02 01HF7YAT00QW5V9ZK8TD4M2C01
          look closer: detector explain 01HF7YAT00QW5V9ZK8TD4M2C03
          every finding: detector alerts --incident 01HF7YAT00QW5V9ZK8TD4M2C3R
          freeze its processes, as root: echo 1 > /sys/fs/cgroup/agents/coder-1/cgroup.freeze
          let them go on: echo 0 > /sys/fs/cgroup/agents/coder-1/cgroup.freeze
          end its processes, as root (Linux 5.14 and later): echo 1 > /sys/fs/cgroup/agents/coder-1/cgroup.kill
          end this process alone, if it still is the one: kill -KILL 7
    "#]],
    );
}

#[test]
fn a_change_shows_its_lines() {
    let mut change = alert(
        1,
        Level::High,
        "Scheduled job changed",
        "file",
        "bash (pid 7) created /etc/cron.d/job; adds: @reboot root /tmp/x (at every boot, as root)",
        json!({"TargetFilename": "/etc/cron.d/job", "ChangeAdded": ["# job", "@reboot root /tmp/x"], "ChangeRemoved": ["# old"]}),
    );
    change.counter_evidence = vec!["the task build (t1) declares persistence".to_owned()];
    check(
        &incident(&of(vec![change]), &[]),
        &expect![[r#"
        HIGH Scheduled job changed
          Scheduled job changed: bash (pid 7) created /etc/cron.d/job; adds: @reboot root /tmp/x (at every boot, as root).
          Agent
            agent coder
            cgroup /agents/coder-1
          Process
            2 /usr/bin/bash agent.sh
            3 └ /usr/bin/bash: bash -c 'build'
            7   └ /tmp/x: ./x -o pool.example:3333  (uid 1000)
          Evidence
            high Scheduled job changed
            10:20:01.123 bash (pid 7) created /etc/cron.d/job; adds: @reboot root /tmp/x (at every boot, as root)
            - # old
            + # job
            + @reboot root /tmp/x
          Against
            the task build (t1) declares persistence
          Response
            observe nothing was done: the detector only observes
          Ids
            when 10:20:01.123 to 10:20:01.123 on node-1
            incident 01HF7YAT00QW5V9ZK8TD4M2C3R, revision 1: 1 finding
            alerts 01HF7YAT00QW5V9ZK8TD4M2C01
          look closer: detector explain 01HF7YAT00QW5V9ZK8TD4M2C01
          every finding: detector alerts --incident 01HF7YAT00QW5V9ZK8TD4M2C3R
          freeze its processes, as root: echo 1 > /sys/fs/cgroup/agents/coder-1/cgroup.freeze
          let them go on: echo 0 > /sys/fs/cgroup/agents/coder-1/cgroup.freeze
          end its processes, as root (Linux 5.14 and later): echo 1 > /sys/fs/cgroup/agents/coder-1/cgroup.kill
          end this process alone, if it still is the one: kill -KILL 7
    "#]],
    );
}

#[test]
fn a_loss_names_no_process() {
    check(
        &incident(&lost(), &[]),
        &expect![[r#"
        MEDIUM Events were lost
          Events were lost: the sensor lost 12 events of kind exec.
          Evidence
            medium Events were lost
            10:20:01.123 the sensor lost 12 events of kind exec
          Against
            nothing is known that speaks against it
          Response
            observe nothing was done: the detector only observes
          Ids
            when 10:20:01.123 to 10:20:01.123 on node-1
            incident 01HF7YAT00QW5V9ZK8TD4M2C3R, revision 1: 1 finding
            alerts 01HF7YAT00QW5V9ZK8TD4M2C01
          look closer: detector explain 01HF7YAT00QW5V9ZK8TD4M2C01
          every finding: detector alerts --incident 01HF7YAT00QW5V9ZK8TD4M2C3R
    "#]],
    );
}

#[test]
fn hostile_and_long_texts_deceive_nobody() {
    let hostile = "a\u{202e}\u{1b}[2J\n`@everyone` <!channel> ";
    let mut alert = alert(
        1,
        Level::High,
        hostile,
        "exec",
        &hostile.repeat(1_000),
        json!({"ChangeAdded": vec![hostile; 300]}),
    );
    let secret = format!("--password={}", "hunter2".repeat(2));
    alert.process = Some(process(7, hostile, &[hostile, &"x".repeat(65_000), &secret]));
    alert.agent = Some(AgentRef {
        name: hostile.to_owned(),
        cgroup: format!("/agents/it's {hostile}"),
        container: None,
        pod: None,
    });
    alert.counter_evidence = vec![hostile.repeat(500); 50];
    alert.coverage.gaps = vec![hostile.repeat(500); 50];
    let alerts: Vec<Alert> = (0..60_u32)
        .map(|number| Alert {
            rule: RuleRef { id: number.to_string(), ..alert.rule.clone() },
            process: Some(ProcessRef { pid: 100 + number, ..alert.process.clone().unwrap() }),
            ..alert.clone()
        })
        .collect();
    let card = incident(&of(alerts.clone()), &alerts);
    let json = serde_json::to_string(&card).unwrap();
    assert!(json.len() < 40_000, "{}", json.len());
    for text in texts(&card) {
        assert!(!text.contains(is_deceptive), "{text:?}");
        assert!(text.chars().count() < 1_500, "{text:?}");
    }
    assert!(!json.contains("hunter2"), "{json}");
    let stop = card.commands.iter().find(|command| command.line.contains("cgroup.freeze")).unwrap();
    assert!(
        stop.line.starts_with("echo 1 > $'/sys/fs/cgroup/agents/it\\'s a\\342\\200\\256\\033[2J\\012"),
        "{}",
        stop.line
    );
}

fn texts(card: &Card) -> Vec<&str> {
    let mut out = vec![&*card.title, &card.sentence, &card.host];
    out.extend(card.agent.iter().chain(&card.news).map(|text| &**text));
    for section in &card.sections {
        out.extend(section.lines.iter().flat_map(|line| [&*line.label, &*line.text]));
    }
    out.extend(card.commands.iter().flat_map(|command| [&*command.what, &*command.line]));
    out
}

#[test]
fn an_incident_without_alerts_is_still_a_card() {
    let mut empty = grown();
    empty.alerts.clear();
    let card = incident(&empty, &[]);
    assert!(!card.title.is_empty() && !card.sentence.is_empty());
}
