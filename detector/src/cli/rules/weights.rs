//! `detector rules weights`: the numbers and weights that analyses judge by, each with its reason.

use std::fmt::Write as _;
use std::io::{Write as _, stdout};
use std::process::ExitCode;

use crate::rules::{RuleSet, Strength, Table};

pub(super) fn list(set: &RuleSet) -> anyhow::Result<ExitCode> {
    let mut out = String::new();
    for table in set.tables().iter() {
        text(table, &mut out)?;
    }
    stdout().write_all(out.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn list_json(set: &RuleSet) -> anyhow::Result<ExitCode> {
    let tables: Vec<&Table> = set.tables().iter().collect();
    writeln!(stdout(), "{}", serde_json::to_string_pretty(&tables)?)?;
    Ok(ExitCode::SUCCESS)
}

fn text(table: &Table, out: &mut String) -> std::fmt::Result {
    let Table { table: name, description, numbers, marks, file } = table;
    writeln!(out, "{name} ({file})\n  {}\n", description.trim())?;
    for (name, number) in numbers {
        writeln!(out, "  {name:<18} {} {}", number.value, number.unit)?;
        writeln!(out, "      {}\n      [{}]", number.reason.trim(), number.source.trim())?;
    }
    let mut sorted: Vec<_> = marks.iter().collect();
    sorted.sort_by_key(|(name, weight)| (std::cmp::Reverse(weight.weight), *name));
    for (name, weight) in sorted {
        let strength = match weight.strength {
            Strength::Decisive => "decides by itself",
            Strength::Strong => "strong",
            Strength::Weak => "weak",
            Strength::Against => "against",
        };
        let lasts = match weight.lasts {
            0 => "as long as it holds".to_owned(),
            seconds => format!("for {seconds} s"),
        };
        write!(out, "  {name:<18} {:+4}  {strength}, {lasts}", weight.weight)?;
        if let Some(group) = &weight.group {
            write!(out, ", heaviest of `{group}`")?;
        }
        if !weight.answers.is_empty() {
            write!(out, ", answers {}", weight.answers.join(", "))?;
        }
        writeln!(out, "\n      {}\n      [{}]", weight.reason.trim(), weight.source.trim())?;
    }
    out.push('\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mark_is_shown_with_weight_and_reason() {
        let set = RuleSet::builtin().unwrap();
        let mut out = String::new();
        for table in set.tables().iter() {
            text(table, &mut out).unwrap();
        }
        assert!(
            out.contains("\n  stratum            +100  decides by itself, for 3600 s\n      Who speaks it"),
            "{out}"
        );
        assert!(out.contains("  possible           30 points\n"), "{out}");
        assert!(out.contains("against, as long as it holds, answers cpu_burn, cpu_duty\n"), "{out}");
    }
}
