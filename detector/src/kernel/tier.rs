//! Which hook serves which event: the best tier that this kernel really allows, event by event.

use std::collections::BTreeMap;

use super::KernelError;
use super::hook::{Hook, Tier, Vital};

/// How one hook fares on this kernel.
#[derive(Clone, Debug)]
pub struct HookState {
    /// The hook.
    pub hook: &'static Hook,
    /// The events that it serves here; none where it is refused, or a better tier serves them.
    pub serves: Vec<&'static str>,
    /// Why it cannot be used; `None` where it can, or was not tried.
    pub refused: Option<String>,
    /// What it cannot tell on this kernel, where it is used; one sentence each.
    pub lacks: Vec<&'static str>,
    /// How many instructions the verifier went through; kernels before 5.16 do not say.
    pub verified: Option<u32>,
}

impl HookState {
    fn untried(hook: &'static Hook) -> Self {
        Self { hook, serves: Vec::new(), refused: None, lacks: Vec::new(), verified: None }
    }

    /// Whether it is to be attached.
    pub fn is_used(&self) -> bool {
        !self.serves.is_empty()
    }
}

/// Why a hook cannot be used.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What the kernel or the look at it said.
    pub reason: String,
    /// Whether this kernel has no such thing to hook: then it cannot be done either.
    pub is_absent: bool,
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self { reason, is_absent: false }
    }
}

/// What serves what.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Each hook, in the order of the table.
    pub states: Vec<HookState>,
    /// Events that nothing serves, each with the reason of the last tier that was tried.
    pub unserved: Vec<(&'static str, String)>,
}

/// Chooses among `hooks`. `load` tries one and says why it cannot be used; it is asked at most once for each,
/// and never for what a better tier made needless.
///
/// # Errors
/// A vital hook is refused, or the tier that was asked for cannot serve an event that it has hooks for.
pub fn choose(
    hooks: impl Iterator<Item = &'static Hook>,
    only: Option<Tier>,
    mut load: impl FnMut(&'static Hook) -> Option<Refusal>,
) -> Result<Choice, KernelError> {
    let mut states: Vec<HookState> = hooks.map(HookState::untried).collect();
    for state in states.iter_mut().filter(|state| state.hook.tier.is_none()) {
        state.refused = load(state.hook).map(|refusal| refusal.reason);
        match &state.refused {
            None => state.serves = state.hook.serves.to_vec(),
            Some(reason) if state.hook.vital == Vital::Yes => {
                return Err(KernelError::Vital { hook: state.hook.program, reason: reason.clone() });
            }
            Some(_) => {}
        }
    }
    let mut unserved = Vec::new();
    let mut tried = BTreeMap::new();
    for event in events(&states) {
        let mut reason = "this tier has no hook for it".to_owned();
        let mut served = false;
        for tier in Tier::ALL.into_iter().filter(|tier| only.is_none_or(|only| *tier >= only)) {
            let rows: Vec<&'static Hook> = rows(&states, event, tier);
            let Some(refusal) = refusal(&rows, &mut tried, &mut load) else { continue };
            match refusal {
                Ok(()) => {
                    for state in &mut states {
                        let hook = state.hook;
                        let loaded = tried.get(hook.program).is_some_and(Option::is_none);
                        if loaded && hook.tier == Some(tier) && hook.serves.contains(&event) {
                            state.serves.push(event);
                        }
                    }
                    served = true;
                    break;
                }
                Err(why) if only == Some(tier) => {
                    return Err(KernelError::Tier { tier: tier.name(), event, reason: why });
                }
                Err(why) => reason = why,
            }
        }
        if !served {
            unserved.push((event, reason));
        }
    }
    for state in &mut states {
        if let Some(refused) = tried.remove(state.hook.program) {
            state.refused = refused.map(|refusal| refusal.reason);
        }
    }
    Ok(Choice { states, unserved })
}

/// Whether all rows of a tier that an event needs can be used; `None` where there is none.
fn refusal(
    rows: &[&'static Hook],
    tried: &mut BTreeMap<&'static str, Option<Refusal>>,
    load: &mut impl FnMut(&'static Hook) -> Option<Refusal>,
) -> Option<Result<(), String>> {
    if rows.is_empty() {
        return None;
    }
    for hook in rows {
        let refused = tried.entry(hook.program).or_insert_with(|| load(hook));
        let Some(refusal) = refused else { continue };
        if !(refusal.is_absent && hook.vital == Vital::Part) {
            return Some(Err(refusal.reason.clone()));
        }
    }
    Some(Ok(()))
}

fn rows(states: &[HookState], event: &str, tier: Tier) -> Vec<&'static Hook> {
    let mut rows: Vec<&Hook> = states
        .iter()
        .map(|state| state.hook)
        .filter(|hook| hook.tier == Some(tier) && hook.serves.contains(&event))
        .collect();
    // What kernels may lack is tried after what they must have.
    rows.sort_by_key(|hook| hook.vital == Vital::Part);
    rows
}

fn events(states: &[HookState]) -> Vec<&'static str> {
    let mut events = Vec::new();
    for event in states.iter().filter(|state| state.hook.tier.is_some()).flat_map(|state| state.hook.serves) {
        if !events.contains(event) {
            events.push(*event);
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use super::super::hook::{Attach, event, hooks};
    use super::*;

    fn refused() -> Refusal {
        "refused".to_owned().into()
    }

    /// What serves an event on a kernel that refuses some hooks.
    fn chosen(only: Option<Tier>, refuses: impl Fn(&Hook) -> bool) -> Choice {
        choose(hooks(), only, |hook| refuses(hook).then(refused)).unwrap()
    }

    fn server(choice: &Choice, event: &str) -> Vec<&'static str> {
        let serves = |state: &&HookState| state.serves.contains(&event);
        choice.states.iter().filter(serves).map(|state| state.hook.program).collect()
    }

    #[test]
    fn the_best_tier_serves_where_all_work_and_no_syscall_is_hooked() {
        let choice = chosen(None, |_| false);
        assert_eq!(server(&choice, event::OPEN), ["file_open_lsm"]);
        let both = ["path_unlink_lsm", "inode_unlink_lsm", "path_rmdir_lsm", "inode_rmdir_lsm"];
        assert_eq!(server(&choice, event::UNLINK), both);
        assert_eq!(server(&choice, event::SETSID), ["setsid_fexit"]);
        let syscall = choice.states.iter().find(|state| state.hook.tier == Some(Tier::Syscall)).unwrap();
        assert!(syscall.serves.is_empty() && !syscall.is_used());
        assert!(choice.unserved.is_empty());
    }

    #[test]
    fn each_event_falls_to_the_next_tier_alone() {
        let choice = chosen(None, |hook| hook.program == "path_rmdir_lsm");
        assert!(server(&choice, event::UNLINK).iter().all(|program| program.ends_with("_fentry")));
        assert_eq!(server(&choice, event::OPEN), ["file_open_lsm"]);
    }

    #[test]
    fn kernels_without_a_part_do_without_it_and_a_part_that_is_refused_is_missed() {
        let of = |is_absent| {
            let load = |hook: &'static Hook| {
                let is_part = hook.program.starts_with("file_truncate");
                is_part.then(|| Refusal { reason: String::new(), is_absent })
            };
            server(&choose(hooks(), None, load).unwrap(), event::TRUNCATE)
        };
        assert_eq!(of(true), ["path_truncate_lsm"]);
        assert_eq!(of(false), ["syscall"]);
    }

    #[test]
    fn the_last_tier_serves_what_it_can_and_the_rest_is_named() {
        let last = |hook: &Hook| hook.tier.is_some_and(|tier| tier != Tier::Syscall);
        let choice = chosen(None, last);
        assert_eq!(server(&choice, event::OPEN), ["syscall"]);
        assert_eq!(choice.unserved, [(event::RECEIVE, "refused".to_owned())]);
    }

    #[test]
    fn a_tier_that_is_asked_for_is_taken_or_it_is_an_error() {
        let choice = chosen(Some(Tier::Kprobe), |_| false);
        assert_eq!(server(&choice, event::SETSID), ["setsid_kretprobe"]);
        let refuses = |hook: &'static Hook| matches!(hook.attach, Attach::Fentry(_)).then(refused);
        let error = choose(hooks(), Some(Tier::Fentry), refuses).unwrap_err();
        assert!(error.to_string().contains("fentry"), "{error}");
    }

    #[test]
    fn a_vital_hook_that_is_refused_is_an_error() {
        let refuses = |hook: &'static Hook| (hook.program == "fork").then(refused);
        assert!(matches!(choose(hooks(), None, refuses), Err(KernelError::Vital { hook: "fork", .. })));
    }
}
