//! What the ring thread feeds: the pipeline, a recorder, or both.

use crate::alert::Alert;
use crate::event::Nanos;
use crate::pipeline::{Input, Outputs, Pipeline};
use crate::recording::Recorder;
use crate::rules::RuleSet;
use crate::telemetry::Watched;

use super::Clock;
use super::notes::Notes;
use crate::delivery::Outlet;

/// Takes inputs to where they belong.
pub struct Core {
    judge: Option<(Pipeline, Outlet, Notes)>,
    recorder: Option<Recorder>,
    outputs: Outputs,
}

impl Core {
    /// A core that judges, and records if there is a recorder.
    pub fn judging(pipeline: Pipeline, outlet: Outlet, notes: Notes, recorder: Option<Recorder>) -> Self {
        Self { judge: Some((pipeline, outlet, notes)), recorder, outputs: Outputs::default() }
    }

    /// A core that records only.
    pub fn recording(recorder: Recorder) -> Self {
        Self { judge: None, recorder: Some(recorder), outputs: Outputs::default() }
    }

    /// Takes one input. Alerts get the time that passed in userspace added to their latency.
    pub fn feed(&mut self, input: Input, now: Clock) {
        if let Some(recorder) = &mut self.recorder
            && let Err(error) = recorder.write(&input)
        {
            tracing::error!(%error, "the recording ends here");
            self.recorder = None;
        }
        let Some((pipeline, outlet, notes)) = &mut self.judge else { return };
        let received = match &input {
            Input::Event(event) => Some(event.received),
            Input::FileText(text) => Some(text.time),
            Input::Seed(_)
            | Input::AgentAdded(_)
            | Input::AgentRemoved(_)
            | Input::Cgroup { .. }
            | Input::Canaries(_)
            | Input::Gaps(_)
            | Input::Own(_)
            | Input::ExpectedDaemons(_)
            | Input::Cpu(_)
            | Input::Gpu(_)
            | Input::Look(_)
            | Input::Rounding(_)
            | Input::Task(_)
            | Input::ToolCall(_)
            | Input::Tick(_) => None,
        };
        pipeline.step_into(input, &mut self.outputs);
        for alert in self.outputs.alerts.drain(..) {
            outlet.send(measured(alert, received, now));
        }
        notes.take(&mut self.outputs);
    }

    /// Who is watched now; empty where nothing is judged.
    pub fn watched(&self) -> Vec<Watched> {
        let Some((pipeline, ..)) = &self.judge else { return Vec::new() };
        pipeline.watched().collect()
    }

    /// Judges by other rules from now on.
    pub fn replace_rules(&mut self, rules: RuleSet) {
        if let Some((pipeline, ..)) = &mut self.judge {
            pipeline.replace_rules(rules);
        }
    }

    /// Gives out what waits for a window to close, and completes the recording.
    ///
    /// # Errors
    /// The recording cannot be completed.
    pub fn finish(mut self) -> Result<(), crate::recording::RecordingError> {
        if let Some((mut pipeline, mut outlet, mut notes)) = self.judge.take() {
            let mut last = pipeline.finish();
            for alert in last.alerts.drain(..) {
                outlet.send(alert);
            }
            notes.take(&mut last);
            notes.finish();
        }
        self.recorder.take().map_or(Ok(()), Recorder::finish)
    }
}

fn measured(mut alert: Alert, received: Option<Nanos>, now: Clock) -> Alert {
    if let Some(received) = received {
        alert.latency_us += now().since(received) / 1000;
    }
    alert
}
