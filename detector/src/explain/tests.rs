//! What explanations promise.

use indexmap::IndexMap;
use serde_json::json;

use super::*;
use crate::alert::{AgentRef, Ancestor, Coverage, ProcessRef, RuleRef};
use crate::rules::Builtin;

const MINER_NAME: &str = "47eaa099-2cb6-416d-86dc-283cf0480ff9";
const LISTENER: &str = "1dcd327f";

fn alert_of(rules: &RuleSet, rule: &str, fields: &Value) -> Alert {
    let meta = rules.rules().iter().find(|meta| meta.id.starts_with(rule)).unwrap();
    let subject: IndexMap<String, Value> =
        fields.as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut alert = Alert {
        schema: crate::alert::SCHEMA.to_owned(),
        id: "01HF7YAT00QW5V9ZK8TD4M2C3R".to_owned(),
        incident: "01HF7YAT00QW5V9ZK8TD4M2C3S".to_owned(),
        time: "2026-03-02T10:20:30.123456789Z".to_owned(),
        host: "node-1".to_owned(),
        level: meta.level,
        title: meta.title.clone(),
        summary: "something".to_owned(),
        rule: RuleRef {
            id: meta.id.clone(),
            title: meta.title.clone(),
            tags: meta.tags.clone(),
            file: meta.file.clone(),
        },
        agent: Some(AgentRef {
            name: "my coder".to_owned(),
            cgroup: "/agents/coder-1".to_owned(),
            container: None,
            pod: None,
        }),
        process: Some(process(200, "/tmp/x\'; id", &[100, 50])),
        evidence: Vec::new(),
        counter_evidence: Vec::new(),
        task: None,
        tool_call: None,
        response: Vec::new(),
        coverage: Coverage::default(),
        count: 1,
        latency_us: 0,
        subject: Some(Arc::new(subject)),
    };
    note_rule(&mut alert, meta);
    alert
}

fn process(pid: u32, exe: &str, above: &[u32]) -> ProcessRef {
    let ancestor =
        |pid: &u32| Ancestor { pid: *pid, exe: "/bin/sh".to_owned(), command_line: "sh".to_owned() };
    ProcessRef {
        pid,
        start: u64::from(pid),
        exe: exe.to_owned(),
        argv: vec![exe.to_owned()],
        uid: 0,
        cwd: "/".to_owned(),
        ancestors: above.iter().map(ancestor).collect(),
    }
}

#[test]
fn a_rule_judges_again_what_was_kept() {
    let rules = RuleSet::builtin().unwrap();
    let fields = json!({"Image": "/opt/xmrig", "Args": ["/opt/xmrig"]});
    let explained = alert(&alert_of(&rules, MINER_NAME, &fields), &rules);
    assert_eq!(explained.verdict, Verdict::Matches, "{:?}", explained.notes);
    assert!(explained.notes.is_empty(), "{:?}", explained.notes);
    assert!(explained.trace.iter().any(|line| line.matched && line.text.contains("xmrig")));
    assert!(explained.others.iter().all(|field| field.name != RULE_HASH));
}

#[test]
fn a_rule_that_has_changed_or_gone_is_said() {
    let rules = RuleSet::builtin().unwrap();
    let fields = json!({"Image": "/bin/ls", "Args": ["ls"]});
    let mut changed = alert_of(&rules, MINER_NAME, &fields);
    Arc::make_mut(changed.subject.as_mut().unwrap()).insert(RULE_HASH.to_owned(), json!("0123456789abcdef"));
    let explained = alert(&changed, &rules);
    assert_eq!(explained.verdict, Verdict::DiffersNow);
    assert!(explained.notes.iter().any(|note| note.contains("0123456789abcdef")), "{:?}", explained.notes);
    changed.rule.id = "gone".to_owned();
    let explained = alert(&changed, &rules);
    assert_eq!(explained.verdict, Verdict::NoRule);
    assert!(explained.notes.iter().any(|note| note.contains("--rules")), "{:?}", explained.notes);
    let mut bare = alert_of(&rules, MINER_NAME, &fields);
    bare.subject = None;
    assert_eq!(alert(&bare, &rules).verdict, Verdict::NoFields);
}

#[test]
fn a_task_is_offered_where_one_would_have_lowered_it_and_mining_is_refused() {
    let rules = RuleSet::builtin().unwrap();
    let fields = json!({"LocalIp": "0.0.0.0", "LocalPort": 4444, "Image": "/usr/bin/nc", "Args": ["nc"]});
    let explained = alert(&alert_of(&rules, LISTENER, &fields), &rules);
    let task = explained.silence.iter().find(|way| way.kind == "task").unwrap();
    let paste = task.paste.as_deref().unwrap();
    assert!(paste.starts_with("detector task start --agent 'my coder' --expect listen:4444"), "{paste}");
    let mute = explained.silence.last().unwrap().paste.as_deref().unwrap();
    assert!(mute.contains(r"--exe '/tmp/x'\''; id' --for 8h"), "{mute}");
    let miner = alert_of(&rules, MINER_NAME, &json!({"Image": "/opt/xmrig"}));
    assert!(alert(&miner, &rules).silence.iter().all(|way| way.kind != "task" || way.paste.is_none()));
}

#[test]
fn the_filter_that_is_offered_silences_just_that() {
    let rules = RuleSet::builtin().unwrap();
    let fields = json!({"Image": "/opt/a*b/xmrig", "Args": ["/opt/a*b/xmrig"]});
    let mut found = alert_of(&rules, MINER_NAME, &fields);
    found.process.as_mut().unwrap().exe = "/opt/a*b/xmrig".to_owned();
    let explained = alert(&found, &rules);
    let filter = explained.silence.iter().find(|way| way.kind == "own filter").unwrap();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("expected.yml");
    std::fs::write(&path, filter.paste.as_deref().unwrap()).unwrap();
    let narrowed = RuleSet::load(&[path], Builtin::With).unwrap();
    let verdict = |exe: &str| {
        let fields = json!({"Image": exe, "Args": [exe]});
        alert(&alert_of(&narrowed, MINER_NAME, &fields), &narrowed).verdict
    };
    assert_eq!(verdict("/opt/a*b/xmrig"), Verdict::DiffersNow);
    assert_eq!(verdict("/opt/axxb/xmrig"), Verdict::Matches, "a star in a name is no wildcard");
}

#[test]
fn a_story_joins_processes_and_drops_the_machines_own_above() {
    let rules = RuleSet::builtin().unwrap();
    let fields = json!({"Image": "/opt/xmrig"});
    let mut alerts: Vec<Alert> = (0..3).map(|_| alert_of(&rules, MINER_NAME, &fields)).collect();
    let above = [100, 90, 80, 70, 60, 1];
    alerts[0].process = Some(process(200, "/tmp/a", &above));
    alerts[1].process = Some(process(201, "/tmp/b", &above));
    alerts[2].process = Some(process(100, "/bin/bash", &above[1..]));
    alerts[1].time = "2026-03-02T10:20:31Z".to_owned();
    let told = story::story(&alerts);
    let rows: Vec<(usize, u32, usize)> =
        told.walk().iter().map(|(depth, node)| (*depth, node.pid, node.findings.len())).collect();
    assert_eq!(rows, [(0, 70, 0), (1, 80, 0), (2, 90, 0), (3, 100, 1), (4, 200, 1), (4, 201, 1)]);
}

#[test]
fn what_claims_to_be_above_itself_is_told_once() {
    let rules = RuleSet::builtin().unwrap();
    let mut one = alert_of(&rules, MINER_NAME, &json!({}));
    one.process = Some(process(7, "/tmp/a", &[8, 7, 8, 7]));
    let told = story::story(&[one]);
    let mut pids: Vec<u32> = told.walk().iter().map(|(_, node)| node.pid).collect();
    pids.sort_unstable();
    assert_eq!(pids, [7, 8]);
}
