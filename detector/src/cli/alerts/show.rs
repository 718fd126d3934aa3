//! `detector alerts show`: one alert or incident, as a card.

use std::fmt::Write as _;
use std::io::{Write as _, stdout};
use std::process::ExitCode;

use crate::alert::card;
use crate::alert::escape::{clip, escape, json_line};
use crate::cli::kept::{Found, Which, find, local, short};
use crate::sinks::human::{self, Colour};
use crate::sinks::stdout::line as json;

/// Show an alert or an incident
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id of an alert or incident, or the beginning or end of it
    id: String,
    /// JSON instead of a card
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let store = args.which.open()?;
    let colour = Colour::of(&stdout());
    let text = match find(&store, &args.id)? {
        Found::Alert(stored) if args.json => json(&stored.alert)?,
        Found::Alert(stored) => {
            let mut text = human::card(&stored.alert, colour);
            let _ = writeln!(text, "  incident  {}", escape(&stored.alert.incident));
            if let Some(mute) = &stored.muted {
                let _ = writeln!(text, "  muted     by {}", escape(mute));
            }
            let _ = writeln!(text, "\nwhy: detector explain {}", short(&escape(&stored.alert.id)));
            text
        }
        Found::Incident(incident) if args.json => json_line(serde_json::to_string(&*incident)?) + "\n",
        Found::Incident(incident) => {
            let mut text = incident_card(&card::incident(&incident, &[]), colour);
            let _ = writeln!(
                text,
                "\n{} to {}: {} alerts, {} findings; incident {}",
                local(&incident.began),
                local(&incident.last),
                incident.total,
                incident.findings,
                escape(&incident.id),
            );
            if let Some((who, at)) = &incident.acknowledged {
                let _ = writeln!(text, "acknowledged by {} at {}", clip(who, 100), local(at));
            }
            for alert in &incident.alerts {
                let (time, level, id) = (local(&alert.time), colour.level(alert.level), short(&alert.id));
                let _ = writeln!(text, "  {time}  {level}  {}  {}", escape(id), clip(&alert.summary, 200));
            }
            let _ = writeln!(text, "\nwhy: detector explain {}", short(&escape(&incident.id)));
            text
        }
    };
    stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// A card of an incident for a terminal.
fn incident_card(card: &card::Card, colour: Colour) -> String {
    let mut out =
        format!("{} {}\n{}\n", colour.level(card.level), escape(&card.title), escape(&card.sentence));
    for section in &card.sections {
        let _ = writeln!(out, "\n{}", escape(&section.name));
        for line in &section.lines {
            let gap = if line.label.is_empty() { "" } else { "  " };
            let _ = writeln!(out, "  {}{gap}{}", escape(&line.label), clip(&line.text, 1_000));
        }
    }
    if !card.commands.is_empty() {
        out.push('\n');
    }
    for command in &card.commands {
        let _ = writeln!(out, "{}: {}", escape(&command.what), escape(&command.line));
    }
    out
}
