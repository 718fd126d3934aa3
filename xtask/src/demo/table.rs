//! The demo's result as a table for people.

use super::scenes::Deed;
use crate::live::Alert;
use crate::table::align;

const HEAD: [&str; 4] = ["what the agents did", "rule that caught it", "level", "kernel to alert"];

/// One line a deed, columns aligned.
pub(super) fn render(deeds: &[Deed], caught: &[Option<Alert>]) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    for (deed, alert) in deeds.iter().zip(caught) {
        rows.push(match alert {
            Some(Alert { title, level, latency_us, .. }) => {
                [deed.what.to_owned(), title.clone(), level.clone(), format!("{latency_us} µs")]
            }
            None => [deed.what.to_owned(), "MISSED".to_owned(), "-".to_owned(), "-".to_owned()],
        });
    }
    align(&rows)
}

#[cfg(test)]
mod tests {
    use super::super::scenes::ROGUE;
    use super::*;

    #[test]
    fn what_was_missed_stands_out() {
        let alert = Alert {
            level: "high".into(),
            title: "T".into(),
            rule: String::new(),
            summary: String::new(),
            evidence: vec![],
            tool: None,
            latency_us: 312,
            events_lost: 0,
        };
        let text = render(&ROGUE[..2], &[Some(alert), None]);
        assert!(text.contains("312 µs"), "{text}");
        assert!(text.lines().last().unwrap().contains("MISSED"), "{text}");
    }
}
