//! `detector rules`: check, list, show, test and explain rules.

use std::fmt::Write as _;
use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use rsigma_eval::RuleExplanation;
use serde_json::{Map, Value, json};

use super::BadArgument;
use crate::explain::trace;
use crate::rules::{Builtin, RuleMeta, RuleSet, RulesError};

mod weights;

/// Check, list, show, test and explain rules
#[derive(Debug, Args)]
pub(super) struct RulesArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether rules can be used, and what is wrong with those that cannot.
    Check {
        /// Rule files and directories, beside the built-in rules.
        paths: Vec<PathBuf>,
    },
    /// List the rules that judge.
    List {
        /// Rule files and directories, beside the built-in rules.
        paths: Vec<PathBuf>,
        /// One JSON array instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Print a rule.
    Show {
        /// Id, beginning of an id, title, or file name without ending.
        rule: String,
        /// Rule files and directories, beside the built-in rules.
        #[arg(long = "rules")]
        paths: Vec<PathBuf>,
    },
    /// Run the exemplars inside the rules.
    Test {
        /// Rule files and directories; the built-in rules where none is given.
        paths: Vec<PathBuf>,
    },
    /// Show the numbers and weights that analyses judge by, each with its reason.
    Weights {
        /// Rule files and directories, beside the built-in rules; their directories `weights` count.
        paths: Vec<PathBuf>,
        /// One JSON array instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Say why a rule matches an event, or does not.
    Explain {
        /// Id, beginning of an id, title, or file name without ending.
        rule: String,
        /// The event: a JSON object of Sigma fields, or a file with one.
        #[arg(long)]
        event: String,
        /// Rule files and directories, beside the built-in rules.
        #[arg(long = "rules")]
        paths: Vec<PathBuf>,
    },
}

/// Runs one of the commands. Exit code 1: a test failed; 2: rules or arguments are wrong.
pub(super) fn run(args: RulesArgs) -> anyhow::Result<ExitCode> {
    let (paths, builtin) = match &args.command {
        Command::Check { paths }
        | Command::List { paths, .. }
        | Command::Weights { paths, .. }
        | Command::Show { paths, .. }
        | Command::Explain { paths, .. } => (paths, Builtin::With),
        Command::Test { paths } if paths.is_empty() => (paths, Builtin::With),
        Command::Test { paths } => (paths, Builtin::Without),
    };
    let set = match RuleSet::load(paths, builtin) {
        Ok(set) => set,
        Err(error) => return Ok(refuse(&error)),
    };
    match args.command {
        Command::Check { .. } => check(&set),
        Command::List { json: false, .. } => list(&set),
        Command::List { json: true, .. } => list_json(&set),
        Command::Weights { json: false, .. } => weights::list(&set),
        Command::Weights { json: true, .. } => weights::list_json(&set),
        Command::Show { rule, .. } => show(&set, &rule),
        Command::Test { .. } => test(&set),
        Command::Explain { rule, event, .. } => explain(&set, &rule, &event),
    }
}

fn refuse(error: &RulesError) -> ExitCode {
    let problems = error.problems();
    for problem in problems {
        eprintln!("error: {problem}");
    }
    eprintln!("{}", counted(problems.len(), "error"));
    ExitCode::from(2)
}

fn check(set: &RuleSet) -> anyhow::Result<ExitCode> {
    for warning in set.warnings() {
        eprintln!("warning: {warning}");
    }
    let mut out = counted(set.rules().len(), "rule");
    out.push_str(" can be used");
    for (number, what) in [
        (set.unserved(), "for log sources that detector does not have"),
        (set.skipped(), "YAML documents that are no rules"),
        (set.warnings().len(), "warnings"),
    ] {
        if number > 0 {
            write!(out, ", {number} {what}")?;
        }
    }
    writeln!(stdout(), "{out}")?;
    Ok(ExitCode::SUCCESS)
}

fn list(set: &RuleSet) -> anyhow::Result<ExitCode> {
    let widest = set.rules().iter().map(|rule| rule.title.chars().count()).max().unwrap_or(0).min(60);
    let mut out = format!("{:13} {:8} {:widest$} {:18} FILE\n", "LEVEL", "ID", "TITLE", "CATEGORY");
    for rule in set.rules() {
        let RuleMeta { title, file, .. } = &**rule;
        let (id, level) = (short(&rule.id), level(rule));
        writeln!(out, "{level:13} {id:8} {title:widest$} {:18} {file}", category(rule))?;
    }
    stdout().write_all(out.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn list_json(set: &RuleSet) -> anyhow::Result<ExitCode> {
    let rules: Vec<Value> = set
        .rules()
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id, "title": rule.title, "level": rule.level, "category": category(rule),
                "tags": rule.tags, "description": rule.description, "false_positives": rule.false_positives,
                "status": rule.status,
                "summary": rule.summary.as_ref().map(ToString::to_string),
                "author": rule.author, "references": rule.references, "file": rule.file, "line": rule.line,
            })
        })
        .collect();
    writeln!(stdout(), "{}", serde_json::to_string_pretty(&rules)?)?;
    Ok(ExitCode::SUCCESS)
}

fn show(set: &RuleSet, key: &str) -> anyhow::Result<ExitCode> {
    let rule = one(set, key)?;
    let text = set.text(rule).with_context(|| format!("{} cannot be read any more", rule.file))?;
    writeln!(stdout(), "# {}:{}\n{}", rule.file, rule.line, text.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

fn test(set: &RuleSet) -> anyhow::Result<ExitCode> {
    let report = set.test();
    let mut out = String::new();
    for outcome in report.failures() {
        let (rule, name) = (&outcome.rule, &outcome.name);
        write!(out, "FAIL {}:{} {}: exemplar `{name}`", rule.file, rule.line, rule.title)?;
        if !outcome.passed {
            write!(out, " expects {}", outcome.expect)?;
        }
        for field in &outcome.unknown_fields {
            write!(out, ", has a field `{field}` that its category has not")?;
        }
        out.push('\n');
    }
    for rule in &report.incomplete {
        let (file, line, title) = (&rule.file, rule.line, &rule.title);
        writeln!(out, "FAIL {file}:{line} {title}: needs an exemplar that matches and one that does not")?;
    }
    let failed = report.failures().count();
    writeln!(
        out,
        "{} of {}: {} passed, {failed} failed, {} without both kinds",
        counted(report.outcomes.len(), "exemplar"),
        counted(set.rules().len(), "rule"),
        report.outcomes.len() - failed,
        counted(report.incomplete.len(), "rule"),
    )?;
    stdout().write_all(out.as_bytes())?;
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn explain(set: &RuleSet, key: &str, event: &str) -> anyhow::Result<ExitCode> {
    let rule = one(set, key)?;
    let text = if event.trim_start().starts_with('{') {
        event.to_owned()
    } else {
        std::fs::read_to_string(event)
            .map_err(|error| BadArgument(format!("cannot read the event from {event}: {error}")))?
    };
    let fields: Map<String, Value> = serde_json::from_str(&text).map_err(|error| {
        BadArgument(format!(
            "the event is no JSON object of Sigma fields, e.g. '{{\"Image\": \"/tmp/x\"}}': {error}"
        ))
    })?;
    let explanation = set.explain(rule, fields).ok_or_else(|| {
        BadArgument(format!(
            "`{}` is a correlation, which one event cannot explain; explain the rules it refers to",
            rule.title
        ))
    })?;
    stdout().write_all(explained(rule, &explanation).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn explained(rule: &RuleMeta, explanation: &RuleExplanation) -> String {
    let verdict = if explanation.matched { "matches" } else { "does not match" };
    let lines: String = trace::lines(explanation).iter().map(|line| format!("{line}\n")).collect();
    format!("{} ({}) {verdict}\n{lines}", rule.title, level(rule))
}

fn one<'a>(set: &'a RuleSet, key: &str) -> Result<&'a RuleMeta, BadArgument> {
    match set.find(key).as_slice() {
        [rule] => Ok(rule),
        [] => Err(BadArgument(format!("no rule is called `{key}`; `detector rules list` names them"))),
        several => {
            let titles: Vec<String> =
                several.iter().map(|rule| format!("{} ({})", rule.title, rule.id)).collect();
            Err(BadArgument(format!("`{key}` may mean {}", titles.join(", "))))
        }
    }
}

fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

fn level(rule: &RuleMeta) -> String {
    let text = serde_json::to_value(rule.level).unwrap_or_default();
    text.as_str().unwrap_or_default().to_owned()
}

fn category(rule: &RuleMeta) -> &'static str {
    rule.category.map_or("correlation", |category| category.name())
}

fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
