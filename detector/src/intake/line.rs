//! One JSON object about a tool call, as files and hooks write them.
//!
//! `{"agent":"coder","tool":"bash","id":"call_7","phase":"started","time":"2026-03-02T10:20:30Z"}`, or a whole call
//! with `start` and `end` in place of `phase` and `time`. The names of the GenAI semantic conventions are understood
//! as well, and those that the hooks of coding agents are given. Without an id the tool's name is the id: calls of
//! one tool then follow each other.

use serde_json::{Map, Value};

use super::{Ear, Known, short, time_of};
use crate::event::Nanos;
use crate::task::{Phase, ToolCall};

const AGENT: [&str; 3] = ["agent", "gen_ai.agent.name", "gen_ai.agent.id"];
const TOOL: [&str; 4] = ["tool", "gen_ai.tool.name", "tool_name", "name"];
const ID: [&str; 5] = ["id", "gen_ai.tool.call.id", "tool_use_id", "tool_call_id", "call_id"];
const CONVERSATION: [&str; 3] = ["conversation", "gen_ai.conversation.id", "session_id"];
const PHASE: [&str; 3] = ["phase", "hook_event_name", "event"];
const TIME: [&str; 2] = ["time", "timestamp"];

/// Reads one line and hands over what it says.
pub(super) fn hear(line: &[u8], received: Nanos, ear: &Ear) -> Result<(), String> {
    for call in calls(line, received, &ear.agents)? {
        ear.call(call);
    }
    Ok(())
}

/// The calls that one line tells of.
fn calls(line: &[u8], received: Nanos, agents: &Known) -> Result<Vec<ToolCall>, String> {
    let object: Map<String, Value> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let text = |keys: &[&str]| {
        keys.iter().find_map(|key| object.get(*key)?.as_str()).filter(|text| !text.is_empty())
    };
    let tool = text(&TOOL).ok_or("it names no `tool`")?;
    let agent = match text(&["agent"]) {
        Some(agent) => agent,
        None => agents.first(AGENT.iter().filter_map(|key| object.get(*key)?.as_str())),
    };
    let call = |phase, time| ToolCall {
        agent: short(agent),
        id: short(text(&ID).unwrap_or(tool)),
        name: short(tool),
        conversation: text(&CONVERSATION).map(short),
        phase,
        time,
        received,
    };
    if let (Some(start), Some(end)) = (object.get("start"), object.get("end")) {
        let start = time_of(start).ok_or("its `start` is no time")?;
        let end = time_of(end).ok_or("its `end` is no time")?;
        return Ok(vec![call(Phase::Started, start), call(Phase::Ended, end)]);
    }
    let phase = match text(&PHASE) {
        Some("started" | "start" | "begin" | "PreToolUse") => Phase::Started,
        Some("ended" | "end" | "stop" | "finished" | "PostToolUse" | "PostToolUseFailure") => Phase::Ended,
        Some(other) => return Err(format!("its phase is {:?}; write started or ended", short(other))),
        None => return Err("it has neither a `phase` nor `start` and `end`".to_owned()),
    };
    let time = match TIME.iter().find_map(|key| object.get(*key)) {
        Some(time) => time_of(time).ok_or("its `time` is no time")?,
        None => received,
    };
    Ok(vec![call(phase, time)])
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::agent::Pattern;

    fn read(line: &str) -> Result<Vec<ToolCall>, String> {
        let agents = Known(Arc::new(Mutex::new(vec![Pattern::new("coder", "/agents/*").unwrap()])));
        calls(line.as_bytes(), Nanos(5), &agents)
    }

    #[test]
    fn lines_of_every_kind_are_understood() {
        let ours = r#"{"agent":"x","tool":"bash","id":"c1","phase":"started","time":1700000000}"#;
        let conventions = r#"{"gen_ai.agent.name":"coder","gen_ai.tool.name":"bash","gen_ai.tool.call.id":"c1","phase":"ended"}"#;
        let hook = r#"{"session_id":"s","hook_event_name":"PreToolUse","tool_name":"Bash","tool_input":{"command":"ls"}}"#;
        let call = read(ours).unwrap().remove(0);
        assert_eq!((&*call.agent, &*call.id, call.phase), ("x", "c1", Phase::Started));
        assert_eq!(call.time, Nanos(1_700_000_000_000_000_000));
        let call = read(conventions).unwrap().remove(0);
        assert_eq!((&*call.agent, &*call.id, call.phase, call.time), ("coder", "c1", Phase::Ended, Nanos(5)));
        let call = read(hook).unwrap().remove(0);
        assert_eq!((&*call.agent, &*call.id, &*call.name), ("", "Bash", "Bash"));
        assert_eq!(call.conversation.as_deref(), Some("s"));
        let whole = read(r#"{"tool":"t","start":1,"end":"2023-11-14T22:13:20Z"}"#).unwrap();
        assert_eq!(whole.iter().map(|call| call.phase).collect::<Vec<_>>(), [Phase::Started, Phase::Ended]);
    }

    #[test]
    fn hostile_lines_are_refused_or_cut() {
        let deep = format!("{{\"tool\":{}}}", "[".repeat(10_000));
        for line in [
            "",
            "{",
            "[]",
            "null",
            "{\"tool\":7}",
            "{\"tool\":\"t\"}",
            "{\"tool\":\"t\",\"phase\":\"maybe\"}",
            "{\"tool\":\"t\",\"phase\":\"ended\",\"time\":\"x\"}",
            "{\"tool\":\"t\",\"start\":-1,\"end\":1}",
            &deep,
            "\u{0}\u{1}",
            "{\"tool\":\"\",\"phase\":\"start\"}",
        ] {
            assert!(read(line).is_err(), "{line:.40}");
        }
        let agents = Known(Arc::new(Mutex::new(vec![])));
        assert!(calls(b"\xff\xfe{}", Nanos(5), &agents).is_err());
        let long = format!("{{\"tool\":\"{}\",\"phase\":\"start\"}}", "é".repeat(60_000));
        assert!(read(&long).unwrap()[0].name.len() <= 256);
    }
}
