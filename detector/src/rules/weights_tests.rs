//! Tables that are refused, and where they say that it is wrong.

use super::super::source::{File, Origin};
use super::*;

fn shipped() -> String {
    source::builtin_tables().into_iter().find(|file| file.name.ends_with("/mining.yml")).unwrap().text
}

fn wrong(text: String) -> Vec<String> {
    let file = File { name: "w.yml".to_owned(), origin: Origin::Named, text };
    let mut tables = Tables::default();
    let documents = file.documents();
    documents.iter().flat_map(|document| tables.read(document)).map(|problem| problem.to_string()).collect()
}

#[test]
fn every_table_that_an_analysis_asks_for_is_inside_the_binary_and_sound() {
    for file in source::builtin_tables() {
        let problems: Vec<_> =
            file.documents().iter().flat_map(|document| Tables::default().read(document)).collect();
        assert_eq!(problems, [], "{}", file.name);
    }
    for form in analysis::TABLES {
        let table = Tables::builtin().get(*form);
        assert_eq!(table.file, format!("rules/weights/{}.yml", form.name));
        assert!(form.numbers.iter().all(|name| table.number(name).is_finite()), "{}", form.name);
        assert!(form.marks.iter().all(|mark| table.weight(*mark).is_some()), "{}", form.name);
    }
}

#[test]
fn a_table_that_is_wrong_is_refused_with_line_and_remedy() {
    for (from, to, expected) in [
        ("  stratum:\n", "  stratums:\n", "w.yml:"),
        ("  stratum:\n", "  stratums:\n", "`stratums`: is no mark of this table; did you mean `stratum`?"),
        ("  stratum:\n", "  stratums:\n", "has no mark `stratum`; add it"),
        ("  possible:\n", "  posible:\n", "`posible`: is no number of this table; did you mean `possible`?"),
        ("  wallet:\n", "  stratum:\n", "duplicate"),
        ("    strength: decisive\n", "    strength: decisiv\n", "is no table of weights"),
        ("table: mining\n", "table: minning\n", "names the table minning, which there is not; name one of"),
        ("    weight: 100\n", "    weight: -100\n", "`stratum`: weighs -100 points; write 0 to 1000"),
        ("answers: [", "answers: [stratum, ", "answers stratum, which is decisive"),
        ("answers: [", "answers: [nothing, ", "answers nothing, which is no mark for mining"),
    ] {
        assert!(shipped().contains(from), "{from}");
        let problems = wrong(shipped().replacen(from, to, 1));
        assert!(problems.iter().any(|text| text.contains(expected)), "{from} → {to}: {problems:?}");
        assert!(problems.iter().all(|text| text.starts_with("w.yml:")), "{problems:?}");
    }
}
