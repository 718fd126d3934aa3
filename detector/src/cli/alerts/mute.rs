//! `detector alerts mute|mutes|unmute`: what people do not want to hear of for a while, and why.

use std::fmt::Write as _;
use std::io::{Write as _, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use ulid::Ulid;
use xxhash_rust::xxh3::Xxh3;

use crate::alert::escape::{clip, escape, json_line};
use crate::cli::kept::{Found, Which, find, local_ms, one, short};
use crate::cli::{BadArgument, setup};
use crate::store::find::Thing;
use crate::store::{Store, mute, now_ms};

/// Longest that a mute lasts: what is expected for longer belongs into a rule.
const LONGEST: Duration = Duration::from_secs(90 * 24 * 3_600);

/// Keep alerts from people for a while
///
/// What matches every part that is given is stored and given to machines all the same. An alert's id in their place
/// takes its rule, agent and executable.
#[derive(Debug, clap::Args)]
pub(super) struct Mute {
    /// Id of an alert, or the beginning or end of it: its rule, agent and executable are muted
    #[arg(value_name = "ALERT", conflicts_with_all = ["rule", "agent", "exe"])]
    alert: Option<String>,
    /// Alerts of this rule: id, beginning of an id, title, or file name without ending
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Alerts of this agent
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Alerts about this executable
    #[arg(long, value_name = "PATH")]
    exe: Option<String>,
    /// For how long, 90 days at most: 2h, 3d
    #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration)]
    span: Duration,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who mutes; the user where not given
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    #[command(flatten)]
    which: Which,
}

/// List the mutes that hold
#[derive(Debug, clap::Args)]
pub(super) struct Mutes {
    /// JSON, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
}

/// Take a mute back
#[derive(Debug, clap::Args)]
pub(super) struct Unmute {
    /// Id of the mute, or the beginning or end of it
    id: String,
    #[command(flatten)]
    which: Which,
}

pub(super) fn run(args: Mute) -> anyhow::Result<ExitCode> {
    let Mute { alert, rule, agent, exe, span, reason, by, which } = args;
    let bad = |text: &str| Err(BadArgument(text.to_owned()).into());
    if alert.is_none() && rule.is_none() && agent.is_none() && exe.is_none() {
        return bad("a mute needs what it is about: an alert's id, or --rule, --agent or --exe");
    }
    if reason.trim().is_empty() {
        return bad("a mute needs a reason: whoever finds it wants to know");
    }
    if span.is_zero() || span > LONGEST {
        return bad(
            "a mute lasts 90 days at most, and longer than nothing; what is always expected belongs into a \
                    Sigma filter, and `detector explain ID` writes one",
        );
    }
    let store = which.open()?;
    let (rule, agent, exe) = match alert {
        Some(id) => of_alert(&store, &id)?,
        None => (rule.map(|key| rule_id(&which, &store, &key)).transpose()?, agent, exe),
    };
    let made_ms = now_ms();
    let span_ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    let mut hash = Xxh3::new();
    for part in [rule.as_deref(), agent.as_deref(), exe.as_deref(), Some(&*reason)] {
        hash.update(part.unwrap_or_default().as_bytes());
        hash.update(&[0]);
    }
    hash.update(&std::process::id().to_le_bytes());
    let id = Ulid::from_parts(u64::try_from(made_ms).unwrap_or(0), hash.digest128()).to_string();
    let mute = mute::Mute {
        id,
        rule,
        agent,
        exe,
        until_ms: made_ms.saturating_add(span_ms),
        reason,
        who: by.unwrap_or_else(super::who),
        made_ms,
        hits: 0,
    };
    store.mute(&mute).context("cannot mute; only who may write to the store can")?;
    super::say(&format!(
        "{} is muted until {}; `detector alerts unmute {}` takes it back",
        about(&mute),
        local_ms(mute.until_ms),
        short(&mute.id)
    ))
}

pub(super) fn list(args: &Mutes) -> anyhow::Result<ExitCode> {
    let mutes = args.which.open()?.mutes(now_ms())?;
    let mut out = String::new();
    if args.json {
        for mute in &mutes {
            out.push_str(&json_line(serde_json::to_string(mute)?));
            out.push('\n');
        }
    } else if mutes.is_empty() {
        return super::say("nothing is muted");
    } else {
        let _ = writeln!(out, "{:19} {:8} {:>6} {:16} ABOUT, AND WHY", "UNTIL", "ID", "QUIET", "BY");
        for mute in &mutes {
            let (until, id, who) = (local_ms(mute.until_ms), short(&mute.id), clip(&mute.who, 15));
            let (about, reason) = (about(mute), clip(&mute.reason, 200));
            let _ = writeln!(out, "{until:19} {id:8} {:>6} {who:16} {about}: {reason}", mute.hits);
        }
    }
    stdout().write_all(out.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn unmute(args: &Unmute) -> anyhow::Result<ExitCode> {
    let store = args.which.open()?;
    let (_, id) = one(&store, &args.id, &[Thing::Mute])?;
    store.unmute(&id).context("cannot unmute; only who may write to the store can")?;
    super::say(&format!("mute {id} is taken back"))
}

type Selectors = (Option<String>, Option<String>, Option<String>);

fn of_alert(store: &Store, id: &str) -> anyhow::Result<Selectors> {
    let alert = match find(store, id)? {
        Found::Alert(stored) => stored.alert,
        Found::Incident(incident) => {
            let text = format!(
                "{} is an incident, which has several rules; name one of its alerts (`detector alerts --incident {}`), \
                 or acknowledge it (`detector alerts ack {}`)",
                incident.id,
                short(&incident.id),
                short(&incident.id)
            );
            return Err(BadArgument(text).into());
        }
    };
    let exe = alert.process.map(|process| process.exe).filter(|exe| !exe.is_empty());
    Ok((Some(alert.rule.id), alert.agent.map(|agent| agent.name), exe))
}

/// The id of a rule: one that alerts were of, or one that judges.
fn rule_id(which: &Which, store: &Store, key: &str) -> anyhow::Result<String> {
    let mut known = store.rules_named(key)?;
    if known.is_empty() {
        let rules = setup::rules(&which.config()?.config)?;
        known = rules.find(key).into_iter().map(|rule| (rule.id.clone(), rule.title.clone())).collect();
    }
    match known.as_slice() {
        [(id, _)] => Ok(id.clone()),
        [] => Err(BadArgument(format!("no rule is called `{key}`; `detector rules list` names them")).into()),
        several => {
            let names: Vec<String> = several.iter().map(|(id, title)| format!("{title} ({id})")).collect();
            Err(BadArgument(format!("`{key}` may mean {}", names.join(", "))).into())
        }
    }
}

/// What a mute is about, for people.
fn about(mute: &mute::Mute) -> String {
    let parts = [("rule", &mute.rule), ("agent", &mute.agent), ("executable", &mute.exe)];
    let parts =
        parts.iter().filter_map(|(name, value)| Some(format!("{name} {}", escape(value.as_deref()?))));
    parts.collect::<Vec<_>>().join(", ")
}
