//! What a task would have had to declare so that a finding were informational: asked of the mapping itself.

use serde_json::{Map, Value};

use super::sample::Sample;
use super::subject::What;
use super::{Category, RuleMeta, declared};
use crate::agent::Agent;
use crate::analysis::Observation;
use crate::event::{AgentId, CgroupId, Nanos};
use crate::task::{Expect, Ledger, Task, TaskChange};

/// What a task can expect that names the subject that `fields` describe; `None` where nothing does.
pub(crate) fn expectation(rule: &RuleMeta, fields: &Map<String, Value>) -> Option<Expect> {
    let category = rule.category?;
    let sample = Sample::new(category, fields.clone());
    let hostname = text(fields, "DestinationHostname");
    let observation = (category == Category::Observation).then(|| observed(&sample, fields)).flatten();
    let what = observation.as_ref().map_or(sample.what(), What::Observation);
    // What a flow speaks is not among the fields that a sample is made of.
    let speaks = text(fields, "Application").unwrap_or_default();
    if category == Category::NetworkPayload && !["tls", "http", "ssh"].contains(&speaks)
        || category == Category::Observation && observation.is_none()
    {
        return None;
    }
    candidates(category, fields).into_iter().find(|expect| {
        let ledger = declaring(expect.clone());
        declared(&ledger, what, hostname, Some(sample.exec())).is_some()
    })
}

/// What the fields suggest.
fn candidates(category: Category, fields: &Map<String, Value>) -> Vec<Expect> {
    let egress =
        |name| Some(Expect::Egress(text(fields, name)?.trim_matches('.').to_ascii_lowercase().into()));
    let mut found: Vec<Option<Expect>> = Vec::new();
    match category {
        Category::NetworkConnection | Category::NetworkPayload => {
            found.extend([egress("DestinationHostname"), egress("DestinationIp")]);
        }
        Category::DnsQuery => found.push(egress("QueryName")),
        Category::NetworkListen => {
            let port = fields.get("LocalPort").and_then(Value::as_u64).and_then(|port| port.try_into().ok());
            found.push(port.map(Expect::Listen));
        }
        Category::Observation => {
            let program = text(fields, "Script").or_else(|| text(fields, "Image")).unwrap_or_default();
            let base = program.rsplit('/').next().unwrap_or_default();
            found.extend([Some(Expect::Gpu), Some(Expect::Cpu), Some(Expect::Daemon(base.into()))]);
            found.push(Some(Expect::Daemon(program.into())));
        }
        Category::ProcessCreation
        | Category::FileEvent
        | Category::FileChange
        | Category::FileDelete
        | Category::FileAccess
        | Category::ImageLoad
        | Category::Operation
        | Category::Cgroup
        | Category::Sensor => {}
    }
    found.into_iter().flatten().collect()
}

/// The observation that fields describe, as far as the mapping looks at it.
fn observed(sample: &Sample, fields: &Map<String, Value>) -> Option<Observation> {
    let name = match text(fields, "Observation")? {
        "gpu_settings_changed" => return None,
        name if name.starts_with("gpu_") => "gpu_",
        name if name.starts_with("cpu_") => "cpu_",
        "daemonised" => "daemonised",
        _ => return None,
    };
    let carried = ["Listens", "ConnectsPublic"];
    let carried = carried.iter().filter_map(|name| Some((*name, fields.get(*name)?.clone())));
    Some(Observation {
        time: Nanos(0),
        received: Nanos(0),
        agent: AgentId(1),
        process: sample.what().process(),
        cgroup: CgroupId(1),
        name,
        text: String::new(),
        fields: carried.collect(),
    })
}

/// A ledger in which the agent of a sample has one task that expects this.
fn declaring(expect: Expect) -> Ledger {
    let mut ledger = Ledger::default();
    let (name, path) = ("sample".to_owned(), "/sample".to_owned());
    ledger.agent_added(&Agent { id: AgentId(1), name, cgroup: CgroupId(1), path });
    ledger.change(TaskChange::Started(Task {
        id: "sample".into(),
        agent: "sample".into(),
        name: "sample".into(),
        expects: vec![expect],
        exe: None,
        started: Nanos(0),
        expires: None,
    }));
    ledger
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name)?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rules::RuleSet;

    #[test]
    fn what_would_have_been_declared_is_what_the_mapping_takes() {
        let rules = RuleSet::builtin().unwrap();
        for (file, fields, expected) in [
            ("network/listener", json!({"LocalIp": "0.0.0.0", "LocalPort": 4444}), Some("listen:4444")),
            (
                "network/unresolved_public_address",
                json!({"DestinationIp": "203.0.113.7", "DestinationPort": 443}),
                Some("egress:203.0.113.7"),
            ),
            ("execution/memfd", json!({"Image": "/memfd:a"}), None),
            (
                "persistence/daemon_reachable",
                json!({"Observation": "daemonised", "Image": "/usr/bin/vite", "Args": ["vite"]}),
                Some("daemon:vite"),
            ),
        ] {
            let file = format!("rules/{file}.yml");
            let rule = rules.rules().iter().find(|rule| rule.file == file).unwrap();
            let Value::Object(fields) = fields else { unreachable!() };
            let found = expectation(rule, &fields).map(|expect| expect.to_string());
            assert_eq!(found.as_deref(), expected, "{file}");
        }
    }
}
