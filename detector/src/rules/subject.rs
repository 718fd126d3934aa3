//! What is judged, offered to the Sigma engine field by field, without JSON and on demand.

use std::borrow::Cow;
use std::cell::OnceCell;

use rsigma_eval::EventValue;
use serde_json::{Map, Value};

use super::facts::Facts;
use super::facts::program::basename;
use super::field::{self, FieldId};
use crate::canary::Strings;
use crate::change::Change;
use crate::event::{
    CgroupMove, Endpoint, EventKind, Exec, FileEvent, Flow, Lost, Operation, ProcessId, StdioSocket,
};
use crate::process::{Process, ProcessTable};
use crate::task::{InFlight, Ledger};

mod all;
mod intent;
mod target;
mod value;
mod what;

use value::{list, str};
pub use what::What;

/// Something to judge and what is known around it.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The event or observation.
    pub what: What<'a>,
    /// The processes.
    pub table: &'a ProcessTable,
    /// Name of the agent.
    pub agent_name: Option<&'a str>,
    /// Control group of the process below the cgroup2 mount.
    pub cgroup_path: Option<&'a str>,
    /// Container id in that path.
    pub container: Option<&'a str>,
    /// Pod UID in that path.
    pub pod: Option<&'a str>,
    /// Name that DNS gave the remote address of the flow, if this is about one.
    pub hostname: Option<&'a str>,
    /// The acting process as it was, for an event that is judged later.
    pub actor: Option<&'a Process>,
    /// How the file changed, for an event about one whose content is known.
    pub change: Option<&'a Change>,
    /// Strings of canaries.
    pub canaries: &'a Strings,
    /// What agents were meant to do.
    pub tasks: &'a Ledger,
}

impl<'a> Subject<'a> {
    /// The process with this identity; the acting one as it was.
    pub fn process(&self, id: ProcessId) -> Option<&'a Process> {
        self.actor.filter(|actor| actor.id == id).or_else(|| self.table.get(id))
    }
}

/// A subject as the engine sees it: facts are parsed when a rule first asks, and once.
pub(super) struct View<'a> {
    what: What<'a>,
    table: Option<&'a ProcessTable>,
    agent_name: Option<&'a str>,
    cgroup_path: Option<&'a str>,
    container: Option<&'a str>,
    pod: Option<&'a str>,
    hostname: Option<&'a str>,
    change: Option<&'a Change>,
    canaries: Option<&'a Strings>,
    tasks: Option<&'a Ledger>,
    exec: Option<&'a Exec>,
    /// Fields given by hand: exemplars and `rules explain`. They win over everything else.
    given: Option<&'a Map<String, Value>>,
    process: OnceCell<Option<&'a Process>>,
    facts: OnceCell<Facts<'a>>,
    command_line: OnceCell<String>,
    call: OnceCell<Option<InFlight>>,
}

impl<'a> View<'a> {
    pub(super) fn of(subject: &Subject<'a>) -> Self {
        let Subject {
            what,
            table,
            agent_name,
            cgroup_path,
            container,
            pod,
            hostname,
            actor: _,
            change,
            canaries,
            tasks,
        } = *subject;
        let process = OnceCell::new();
        let exec = if let Some(EventKind::Exec(exec)) = what.kind() {
            Some(&**exec)
        } else if let Some(EventKind::Lost(_)) = what.kind() {
            None
        } else {
            let found = subject.process(what.process());
            let _ = process.set(found);
            found.and_then(|process| process.exec.as_deref())
        };
        Self {
            what,
            table: Some(table),
            agent_name,
            cgroup_path,
            container,
            pod,
            hostname,
            change,
            canaries: Some(canaries),
            tasks: Some(tasks),
            exec,
            given: None,
            process,
            facts: OnceCell::new(),
            command_line: OnceCell::new(),
            call: OnceCell::new(),
        }
    }

    /// A view of fields given by hand, and of what the parsers make of them.
    pub(super) fn given(what: What<'a>, exec: Option<&'a Exec>, fields: &'a Map<String, Value>) -> Self {
        Self {
            what,
            table: None,
            agent_name: None,
            cgroup_path: None,
            container: None,
            pod: None,
            hostname: None,
            change: None,
            canaries: None,
            tasks: None,
            exec,
            given: Some(fields),
            process: OnceCell::new(),
            facts: OnceCell::new(),
            command_line: OnceCell::new(),
            call: OnceCell::new(),
        }
    }

    /// A field's value as a person reads it; lists joined by a comma.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        fn plain(value: &EventValue<'_>) -> Option<String> {
            match value {
                EventValue::Array(items) => {
                    let items: Vec<String> = items.iter().filter_map(plain).collect();
                    Some(items.join(", "))
                }
                EventValue::Null | EventValue::Map(_) => None,
                EventValue::Str(_) | EventValue::Int(_) | EventValue::Float(_) | EventValue::Bool(_) => {
                    value.as_str().map(Cow::into_owned)
                }
            }
        }
        rsigma_eval::Event::get_field(self, name).as_ref().and_then(plain)
    }

    fn process(&self) -> Option<&'a Process> {
        *self.process.get_or_init(|| self.table?.get(self.what.process()))
    }

    fn parent(&self) -> Option<&'a Process> {
        self.ancestors().next()
    }

    fn ancestors(&self) -> impl Iterator<Item = &'a Process> {
        self.table.map(|table| table.ancestors(self.what.process())).into_iter().flatten()
    }

    fn facts(&self) -> Option<&Facts<'a>> {
        let exec = self.exec?;
        Some(self.facts.get_or_init(|| Facts::of(exec)))
    }

    fn command_line(&self) -> Option<&str> {
        let exec = self.exec?;
        Some(self.command_line.get_or_init(|| exec.command_line()))
    }

    fn env(&self, name: &str) -> Option<EventValue<'_>> {
        let exec = self.exec?;
        exec.env.iter().find(|(key, _)| &**key == name).map(|(_, value)| str(value))
    }

    fn flow(&self) -> Option<&'a Flow> {
        self.what.flow()
    }

    fn endpoint(&self) -> Option<&'a Endpoint> {
        let kind = self.what.kind()?;
        if let EventKind::Bind(endpoint) | EventKind::Listen(endpoint) = kind { Some(endpoint) } else { None }
    }

    fn file(&self) -> Option<&'a FileEvent> {
        if let EventKind::File(file) = self.what.kind()? { Some(file) } else { None }
    }

    fn operation(&self) -> Option<&'a Operation> {
        if let EventKind::Operation(operation) = self.what.kind()? { Some(operation) } else { None }
    }

    fn moved(&self) -> Option<&'a CgroupMove> {
        if let EventKind::CgroupMove(moved) = self.what.kind()? { Some(moved) } else { None }
    }

    fn lost(&self) -> Option<&'a Lost> {
        if let EventKind::Lost(lost) = self.what.kind()? { Some(lost) } else { None }
    }

    fn protocol(&self) -> Option<EventValue<'_>> {
        let protocol =
            self.flow().map(|flow| flow.protocol).or_else(|| self.endpoint().map(|end| end.protocol))?;
        Some(EventValue::Str(protocol.name()))
    }

    fn user(&self) -> Option<EventValue<'_>> {
        let uid = match self.what {
            What::Event(event) => event.uid,
            What::Observation(_) => self.process()?.uid,
            What::Recognised(recognised) => recognised.uid,
        };
        Some(if uid == 0 { str("root") } else { EventValue::Str(Cow::Owned(uid.to_string())) })
    }

    /// The topmost process of the same agent above this one, itself where there is none.
    fn process_tree(&self) -> EventValue<'_> {
        let agent = self.what.agent();
        let top = self
            .ancestors()
            .take_while(|process| process.agent == agent)
            .last()
            .map_or(self.what.process(), |process| process.id);
        EventValue::Str(Cow::Owned(top.to_string()))
    }

    fn observed(&self, name: &str) -> Option<EventValue<'_>> {
        let fields = match self.what {
            What::Observation(observation) => &observation.fields,
            What::Recognised(recognised) => &recognised.fields,
            What::Event(_) => return None,
        };
        fields.iter().find(|(field, _)| *field == name).map(|(_, value)| EventValue::from(value))
    }

    /// A name in `field`, and every domain above it.
    fn domains(&self, field: &str) -> Option<EventValue<'_>> {
        let name = rsigma_eval::Event::get_field(self, field)?.as_str()?.to_ascii_lowercase();
        let above = std::iter::successors(Some(&*name), |name| Some(name.split_once('.')?.1));
        Some(list(above.map(|name| EventValue::Str(Cow::Owned(name.to_owned())))))
    }

    /// Whether the file that was opened stands in the arguments of the process, or of one above it.
    fn names_canary(&self) -> bool {
        let Some(file) = self.file() else { return false };
        let name = basename(&file.path);
        let names = |exec: &Exec| exec.argv.iter().skip(1).any(|arg| arg.contains(name));
        let agent = self.what.agent();
        let mut above = self.ancestors().take_while(|process| process.agent == agent);
        !name.is_empty()
            && (self.exec.is_some_and(names)
                || above.any(|process| process.exec.as_deref().is_some_and(names)))
    }

    fn stdio(&self) -> Option<&'a StdioSocket> {
        self.exec?.stdio.first()
    }
}

impl rsigma_eval::Event for View<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        if let Some(value) = self.given.and_then(|given| given.get(path)) {
            return Some(EventValue::from(value));
        }
        match field::id(path) {
            Some(id) => self.value(id),
            None => self.observed(path),
        }
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        self.all_string_values().iter().any(|value| pred(value))
    }

    /// What a keyword search looks through: the texts that a person would take for the event.
    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        const TEXTS: [FieldId; 6] = [
            FieldId::Image,
            FieldId::CommandLine,
            FieldId::TargetFilename,
            FieldId::SourceFilename,
            FieldId::DestinationIp,
            FieldId::CgroupPath,
        ];
        let own = TEXTS
            .iter()
            .filter_map(|id| if let EventValue::Str(text) = self.value(*id)? { Some(text) } else { None });
        let given = self.given.into_iter().flat_map(Map::values);
        own.chain(given.filter_map(|value| value.as_str().map(Cow::Borrowed))).collect()
    }

    fn to_json(&self) -> Value {
        let category = self.what.category();
        let mut out = Map::new();
        for field in field::fields() {
            if category.is_some_and(|category| field.categories.contains(&category))
                && let Some(value) = self.get_field(field.name)
            {
                out.insert(field.name.to_owned(), value.to_json());
            }
        }
        out.extend(self.given.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
        Value::Object(out)
    }
}
