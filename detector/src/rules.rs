//! Sigma rules: loading, judging, explaining, testing. A stand-in until the rules room is merged.
#![expect(missing_docs, reason = "stand-in; replaced at merge")]

use std::sync::Arc;

use serde_json::Value;

use crate::alert::Level;
use crate::analysis::Observation;
use crate::event::{Event, EventKind};
use crate::process::ProcessTable;

#[derive(Debug)]
pub struct RuleMeta {
    pub id: String,
    pub title: String,
    pub level: Level,
    pub tags: Vec<String>,
    pub file: String,
    pub status: String,
}

#[derive(Clone, Debug)]
pub struct Finding {
    pub rule: Arc<RuleMeta>,
    pub matched: Vec<(String, Value)>,
    pub summary: Option<String>,
    pub correlation: Option<String>,
}

#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    Event(&'a Event),
    Observation(&'a Observation),
}

#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub what: What<'a>,
    pub table: &'a ProcessTable,
    pub agent_name: Option<&'a str>,
    pub cgroup_path: Option<&'a str>,
    pub container: Option<&'a str>,
    pub pod: Option<&'a str>,
}

#[derive(Debug)]
pub struct RuleSet {
    miner: Arc<RuleMeta>,
    lost: Arc<RuleMeta>,
    daemonised: Arc<RuleMeta>,
}

impl RuleSet {
    pub fn builtin() -> Self {
        let rule = |id: &str, title: &str, level, status: &str| {
            Arc::new(RuleMeta {
                id: format!("00000000-0000-4000-8000-{id:0>12}"),
                title: title.to_owned(),
                level,
                tags: vec!["attack.t1496.001".to_owned()],
                file: format!("rules/{id}.yml"),
                status: status.to_owned(),
            })
        };
        Self {
            miner: rule("1", "Miner executed", Level::Critical, "stable"),
            lost: rule("2", "Sensor lost events", Level::Medium, "stable"),
            daemonised: rule("3", "Process left its parent", Level::Low, "stable"),
        }
    }

    pub fn judge(&mut self, subject: &Subject<'_>, findings: &mut Vec<Finding>) {
        let mut push = |rule: &Arc<RuleMeta>, name: &str, value: Value| {
            findings.push(Finding {
                rule: Arc::clone(rule),
                matched: vec![(name.to_owned(), value)],
                summary: None,
                correlation: None,
            });
        };
        match subject.what {
            What::Event(event) => match &event.kind {
                EventKind::Exec(exec) if exec.exe.ends_with("/xmrig") => {
                    push(&self.miner, "Image", Value::from(&*exec.exe));
                }
                EventKind::Lost(lost) => push(&self.lost, "Count", Value::from(lost.count)),
                EventKind::Exec(_)
                | EventKind::Fork(_)
                | EventKind::Exit(_)
                | EventKind::Connect(_)
                | EventKind::ConnectResult(_)
                | EventKind::Send(_)
                | EventKind::Bind(_)
                | EventKind::Listen(_)
                | EventKind::File(_)
                | EventKind::Setsid
                | EventKind::CgroupMove(_)
                | EventKind::CgroupCreate(_)
                | EventKind::CgroupRemove(_) => {}
            },
            What::Observation(observation) => {
                push(&self.daemonised, "Observation", Value::from(observation.name));
            }
        }
    }
}
