//! A digest in words: sections with a line for each thing, for terminals and chats alike.

use super::{Agent, Behind, Digest, Disk, Ending, Miss};
use crate::activity::{Doing, Item, Others, Usage};
use crate::alert::card::{Line, Section};
use crate::alert::escape::clip;

/// Most characters of one thing in a line.
const LONG: usize = 160;

/// The sections of a digest, with at most `agents` agents and of each kind at most `each` things; how many there are
/// beside is said.
pub fn sections(digest: &Digest, agents: usize, each: usize) -> Vec<Section> {
    let mut out: Vec<Section> =
        digest.agents.iter().take(agents).map(|agent| of_agent(agent, each)).collect();
    let more = digest.agents.len().saturating_sub(agents);
    if more > 0 {
        let names = digest.agents.iter().skip(agents).take(each).map(name).collect::<Vec<_>>().join(", ");
        let dots = if more > each { ", …" } else { "" };
        out.push(Section {
            name: if more == 1 { "1 more agent".to_owned() } else { format!("{more} more agents") },
            lines: vec![line("", format!("{names}{dots}"))],
        });
    }
    let mut own = Vec::new();
    for disk in digest.disks.iter().take(each) {
        let Disk { mount, size, used, share, workspaces } = disk;
        let of = workspaces.first().map(|place| format!(" (with {})", clip(place, LONG))).unwrap_or_default();
        let text = format!(
            "{} is {:.0} % full: {} of {}{of}",
            clip(mount, LONG),
            share * 100.0,
            bytes(*used),
            bytes(*size)
        );
        own.push(line("disk", text));
    }
    for Ending { id, what, until, reason, who, hits } in digest.mutes.iter().take(each) {
        let (what, who, reason) = (clip(what, LONG), clip(who, 60), clip(reason, LONG));
        own.push(line("mute", format!("{what} ends {until}, after {hits} alerts: {reason} ({who}, {id})")));
    }
    for Behind { sink, waiting, dead, since } in digest.sinks.iter().take(each) {
        let parts = [(*waiting, "wait"), (*dead, "were given up")];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        own.push(line("sink", format!("{}: {} since {since}", clip(sink, 60), parts.join(", "))));
    }
    let all = digest.disks.len() + digest.mutes.len() + digest.sinks.len();
    let more = all.saturating_sub(own.len());
    if more > 0 {
        own.push(line("", format!("and {more} more of these")));
    }
    if !own.is_empty() {
        out.push(Section { name: "To look after".to_owned(), lines: own });
    }
    out
}

/// `12 alerts: 1 critical, 11 low`; the numbers of each level.
pub(super) fn alerts<'a>(counts: impl Iterator<Item = (&'a crate::alert::Level, &'a u64)> + Clone) -> String {
    let total: u64 = counts.clone().map(|(_, count)| count).sum();
    if total == 0 {
        return "no alerts".to_owned();
    }
    let mut parts: Vec<String> = counts.map(|(level, count)| format!("{count} {}", level.name())).collect();
    parts.reverse();
    format!("{total} {}: {}", if total == 1 { "alert" } else { "alerts" }, parts.join(", "))
}

fn name(agent: &Agent) -> String {
    agent.name.as_deref().map_or_else(|| "the sensor itself".to_owned(), |name| clip(name, 100))
}

fn of_agent(agent: &Agent, each: usize) -> Section {
    let mut counts = alerts(agent.alerts.iter());
    if agent.findings > agent.alerts.values().sum() {
        counts.push_str(&format!(" ({} findings)", agent.findings));
    }
    let mut lines = vec![line("alerts", counts)];
    if !agent.usage.is_empty() {
        lines.push(line("used", usage(&agent.usage)));
    }
    for (label, doing, items) in [
        ("programs", Doing::Program, &agent.programs),
        ("destinations", Doing::Destination, &agent.destinations),
        ("listeners", Doing::Listener, &agent.listeners),
        ("files of note", Doing::File, &agent.files),
        ("new names", Doing::Named, &agent.named),
    ] {
        lines.extend(items.iter().take(each).map(|item| line(label, words(item))));
        let mut others = agent.others.get(&doing).copied().unwrap_or_default();
        items.iter().skip(each).for_each(|item| others.add(item));
        if others.names > 0 {
            lines.push(line(label, rest(&others)));
        }
    }
    for Miss { what, why, count } in agent.near_misses.iter().take(each) {
        let text = format!("{count} × {} ({})", clip(what, LONG), clip(why, LONG));
        lines.push(line("near misses", text));
    }
    let more = agent.near_misses.len().saturating_sub(each);
    if more > 0 {
        lines.push(line("near misses", format!("and {more} more")));
    }
    // A label stands once, before the first of its lines.
    let mut last = String::new();
    for line in &mut lines {
        if line.label == last {
            line.label.clear();
        } else {
            last.clone_from(&line.label);
        }
    }
    Section { name: name(agent), lines }
}

fn line(label: &str, text: impl Into<String>) -> Line {
    Line { label: label.to_owned(), text: text.into(), code: false }
}

fn words(item: &Item) -> String {
    let Item { doing, name, more, note, count, sent, received } = item;
    let (name, more, note) = (clip(name, LONG), clip(more, LONG), clip(note, LONG));
    let mut text = match doing {
        Doing::Program => format!("{count} × {name} {more}").trim_end().to_owned(),
        Doing::Destination => format!("{count} × {name} {more}"),
        Doing::Listener if more.is_empty() => format!("{count} × {name}"),
        Doing::Listener => format!("{count} × {name} by {more}"),
        Doing::File if note.is_empty() => {
            return format!("{count} × {name} (starts something by itself, or lets somebody in)");
        }
        Doing::File | Doing::Mining => format!("{count} × {name}"),
        Doing::Named | Doing::Workspace => name,
    };
    if !note.is_empty() {
        text.push_str(&format!(" ({note})"));
    }
    if *sent > 0 || *received > 0 {
        text.push_str(&format!(", sent {}, received {}", bytes(*sent), bytes(*received)));
    }
    text
}

fn rest(others: &Others) -> String {
    let Others { names, count, sent, received } = others;
    let mut text = format!("and {names} more, {count} times");
    if *sent > 0 || *received > 0 {
        text.push_str(&format!(", sent {}, received {}", bytes(*sent), bytes(*received)));
    }
    text
}

fn usage(usage: &Usage) -> String {
    let Usage { born, ended: _, cpu_s, cpu_unexplained_s, gpu_s, gpu_unexplained_s, gpu_joules } = usage;
    let of = |all: f64, unexplained: f64, what: &str| {
        let part = if all <= 0.0 || unexplained <= 0.0 {
            String::new()
        } else if unexplained >= all * 0.999 {
            ", in no task that declares it".to_owned()
        } else {
            format!(", {} of it in no task that declares it", span(unexplained))
        };
        format!("{} of {what}{part}", span(all))
    };
    let mut parts = vec![of(*cpu_s, *cpu_unexplained_s, "processors")];
    if *gpu_s > 0.0 {
        parts.push(of(*gpu_s, *gpu_unexplained_s, "GPUs"));
    }
    if *gpu_joules >= 3_600.0 {
        parts.push(format!("{:.3} kWh of GPUs", gpu_joules / 3.6e6));
    }
    let noun = if *born == 1 { "process" } else { "processes" };
    parts.push(format!("{born} {noun}"));
    parts.join("; ")
}

/// Seconds for people.
fn span(seconds: f64) -> String {
    if seconds < 10.0 {
        format!("{seconds:.1} s")
    } else if seconds < 120.0 {
        format!("{seconds:.0} s")
    } else if seconds < 7_200.0 {
        format!("{:.0} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3_600.0)
    }
}

/// Bytes for people.
fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64 / 1_024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while amount >= 1_024.0
        && let Some(next) = units.next()
    {
        amount /= 1_024.0;
        unit = Some(next);
    }
    format!("{amount:.1} {}", unit.copied().unwrap_or_default())
}
