//! What the agent was meant to do, as fields: its task and the tool call in flight.

use rsigma_eval::EventValue;

use super::View;
use crate::rules::declared::declared;
use crate::task::{InFlight, Task};

impl<'a> View<'a> {
    /// The task that the process works for.
    pub(super) fn task(&self) -> Option<&'a Task> {
        let exe = self.exec.map_or("", |exec| &exec.exe);
        self.tasks?.task(self.what.agent(), exe)
    }

    /// The tool call in flight.
    pub(super) fn call(&self) -> Option<&InFlight> {
        let look = || self.tasks?.in_flight(self.what.agent(), self.what.time());
        self.call.get_or_init(look).as_ref()
    }

    /// Whether there is one; absent where no task was ever registered.
    pub(super) fn has_task(&self) -> Option<EventValue<'_>> {
        self.tasks?.is_used().then(|| EventValue::Bool(self.task().is_some()))
    }

    /// Whether a task names what is judged; absent likewise.
    pub(super) fn is_declared(&self) -> Option<EventValue<'_>> {
        let tasks = self.tasks?;
        let named = || declared(tasks, self.what, self.hostname, self.exec).is_some();
        tasks.is_used().then(|| EventValue::Bool(named()))
    }

    /// Whether a call is in flight; absent where that none is says nothing.
    pub(super) fn has_tool_call(&self) -> Option<EventValue<'_>> {
        if self.call().is_some() {
            return Some(EventValue::Bool(true));
        }
        self.tasks?.told_live(self.what.agent()).map(|_| EventValue::Bool(false))
    }
}
