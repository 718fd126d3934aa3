//! `detector explain --html`: gathers what the report is made of, and writes it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::activity::{GpuUse, Sample};
use crate::alert::incident::Incident;
use crate::explain::IncidentExplanation;
use crate::report::plot::Series;
use crate::report::{Setting, html};
use crate::store::{Store, now_ms};

/// How much before and after the incident is shown of GPUs and processors: milliseconds.
const AROUND: i64 = 10 * 60 * 1_000;

/// Most GPUs that are plotted.
const GPUS: usize = 8;

pub(super) fn write(store: &Store, explanation: &IncidentExplanation, path: &Path) -> anyhow::Result<()> {
    let setting = Setting {
        zone: TimeZone::system(),
        now: Timestamp::from_millisecond(now_ms()).unwrap_or_default(),
        series: series(&samples(store, &explanation.incident)?),
    };
    let text = html(explanation, &setting)?;
    // A report holds what the store holds: for its owner alone.
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let mut file = file.with_context(|| format!("cannot make the report {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write the report {}", path.display()))
}

/// How busy the agent was around an incident.
fn samples(store: &Store, incident: &Incident) -> anyhow::Result<Vec<Sample>> {
    let Some(agent) = &incident.agent else { return Ok(Vec::new()) };
    let ms = |time: &str| time.parse::<Timestamp>().ok().map(Timestamp::as_millisecond);
    let (Some(began), Some(last)) = (ms(&incident.began), ms(&incident.last)) else { return Ok(Vec::new()) };
    Ok(store.samples(&agent.name, began - AROUND, last + AROUND)?)
}

/// Processors, and each GPU's use and power.
fn series(samples: &[Sample]) -> Vec<Series> {
    let mut all = Vec::new();
    let cpu: Vec<(i64, f64)> =
        samples.iter().map(|sample| (sample.at_ms, f64::from(sample.cpu_cores))).collect();
    all.push(Series {
        name: "Processors that the agent kept busy".to_owned(),
        unit: "cores".to_owned(),
        top: 1.0,
        points: cpu,
    });
    let mut gpus: BTreeMap<&str, Vec<(i64, &GpuUse)>> = BTreeMap::new();
    for sample in samples {
        for gpu in &sample.gpus {
            gpus.entry(&gpu.uuid).or_default().push((sample.at_ms, gpu));
        }
    }
    for uses in gpus.values().take(GPUS) {
        let Some((_, first)) = uses.first() else { continue };
        let name = format!("GPU {} ({})", first.index, first.name);
        let points = |value: fn(&GpuUse) -> Option<f32>| -> Vec<(i64, f64)> {
            uses.iter().filter_map(|(ms, gpu)| Some((*ms, f64::from(value(gpu)?)))).collect()
        };
        all.push(Series {
            name: format!("{name}, used by the agent"),
            unit: "%".to_owned(),
            top: 100.0,
            points: points(|gpu| gpu.utilization.map(|share| share * 100.0)),
        });
        all.push(Series {
            name: format!("{name}, power of the whole device"),
            unit: "W".to_owned(),
            top: 100.0,
            points: points(|gpu| gpu.power),
        });
    }
    all
}
