//! How busy GPUs and processors were, as a line over time.
//!
//! Own code: the crates that draw write fixed colours into attributes, which neither follow the reader's light or dark
//! nor pass a policy that allows no style but the sheet's.

use serde::Serialize;

use super::Setting;
use super::timeline::{LEFT, RIGHT, Span, Tick, WIDTH, nanos, round};
use crate::alert::{Alert, Evidence};

/// Height of the picture and of what is below its axis.
const HEIGHT: f64 = 180.0;
const BELOW: f64 = 26.0;
const ABOVE: f64 = 14.0;

/// Most points of a line; of more, the highest of several stands for them.
const POINTS: usize = 480;

/// Milliseconds without a measurement after which a line is broken.
const GAP: i64 = 35_000;

/// Milliseconds that one measurement is about.
const MEASURED: i64 = 10_000;

/// Measurements of one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What: "Processors kept busy".
    pub name: String,
    /// In what: "cores", "%".
    pub unit: String,
    /// The least top of the axis: 100 for a percentage.
    pub top: f64,
    /// Milliseconds since the epoch, value; oldest first.
    pub points: Vec<(i64, f64)>,
}

/// Geometry of a plot.
#[derive(Serialize)]
pub(super) struct Plot {
    name: String,
    unit: String,
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    base: f64,
    lines: Vec<String>,
    areas: Vec<String>,
    levels: Vec<Tick>,
    ticks: Vec<Tick>,
    marks: Vec<Stroke>,
    description: String,
}

/// When something was found.
#[derive(Serialize)]
struct Stroke {
    x: f64,
    level: &'static str,
    label: String,
}

/// The plot of a series; `None` where there is nothing in it.
pub(super) fn plot(series: &Series, facts: &[(&Alert, &Evidence)], setting: &Setting) -> Option<Plot> {
    let Series { name, unit, top, points } = series;
    let points: Vec<(i64, f64)> =
        thin(points.iter().copied().filter(|(_, value)| value.is_finite()).collect());
    let (first, last) = (points.first()?.0, points.last()?.0);
    let times = facts.iter().filter_map(|(_, fact)| nanos(&fact.time));
    let nano = |ms: i64| i128::from(ms) * 1_000_000;
    let ends = (nano(first - MEASURED), nano(last));
    let (from, to) = times.fold(ends, |(from, to), at| (from.min(at), to.max(at)));
    let span = Span::around(from, to);
    let highest = points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let mean = points.iter().map(|(_, value)| *value).sum::<f64>() / points.len() as f64;
    let top = nice(highest.max(*top));
    let base = HEIGHT - BELOW;
    let y = |value: f64| round(base - (value / top).clamp(0.0, 1.0) * (base - ABOVE));
    let x = |ms: i64| span.x(i128::from(ms) * 1_000_000);
    let runs = points.chunk_by(|a, b| b.0 - a.0 <= GAP.max((last - first) / 100));
    // A measurement holds for the time before it.
    let whole = |run: &[(i64, f64)]| -> Vec<(i64, f64)> {
        let start = run.first().map(|(ms, value)| (ms - MEASURED, *value));
        start.into_iter().chain(run.iter().copied()).collect()
    };
    let runs: Vec<Vec<(i64, f64)>> = runs.map(whole).collect();
    let line = |run: &Vec<(i64, f64)>| {
        let points: Vec<String> = run.iter().map(|(ms, value)| format!("{},{}", x(*ms), y(*value))).collect();
        points.join(" ")
    };
    let area = |run: &Vec<(i64, f64)>| {
        let from = run.first().map_or(0.0, |(ms, _)| x(*ms));
        let to = run.last().map_or(0.0, |(ms, _)| x(*ms));
        format!("{from},{base} {} {to},{base}", line(run))
    };
    let marks = facts.iter().take(100).filter_map(|(alert, fact)| {
        let at = nanos(&fact.time)?;
        Some(Stroke { x: span.x(at), level: alert.level.name(), label: alert.title.clone() })
    });
    Some(Plot {
        name: name.clone(),
        unit: unit.clone(),
        width: WIDTH,
        height: HEIGHT,
        left: LEFT,
        right: WIDTH - RIGHT,
        base,
        lines: runs.iter().map(line).collect(),
        areas: runs.iter().map(area).collect(),
        levels: [0.0, top / 2.0, top]
            .into_iter()
            .map(|value| Tick { x: y(value), label: format!("{} {unit}", round(value)) })
            .collect(),
        ticks: span.ticks(setting),
        marks: marks.collect(),
        description: format!("{name}: at most {} {unit}, {} {unit} on average.", round(highest), round(mean)),
    })
}

/// At most [`POINTS`] points: the highest of each stretch.
fn thin(points: Vec<(i64, f64)>) -> Vec<(i64, f64)> {
    if points.len() <= POINTS {
        return points;
    }
    let highest = |stretch: &[(i64, f64)]| stretch.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
    points.chunks(points.len().div_ceil(POINTS)).filter_map(highest).collect()
}

/// The next number that reads well at the top of an axis.
fn nice(number: f64) -> f64 {
    if number <= 0.0 || !number.is_finite() {
        return 1.0;
    }
    let power = 10_f64.powf(number.log10().floor());
    let steps = [1.0, 2.0, 2.5, 4.0, 5.0, 8.0, 10.0];
    steps.iter().map(|step| step * power).find(|top| *top >= number * 0.999).unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_numbers_that_read_well() {
        let tops: Vec<f64> = [0.0, 0.9, 1.0, 1.7, 7.2, 61.0, 100.0].into_iter().map(nice).collect();
        assert_eq!(tops, [1.0, 1.0, 1.0, 2.0, 8.0, 80.0, 100.0]);
    }

    #[test]
    fn a_peak_survives_thinning() {
        let mut points: Vec<(i64, f64)> = (0..100_000).map(|at| (at, 1.0)).collect();
        points[77_777].1 = 9.0;
        let thinned = thin(points);
        assert!(thinned.len() <= POINTS);
        assert!(thinned.contains(&(77_777, 9.0)));
    }
}
