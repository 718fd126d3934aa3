//! Which mining protocol a message belongs to, and how surely.

use super::facts::{Facts, Place};
use super::json::End;
use super::{Message, Role};
use crate::wallet::{self, Checksum};

/// What the lines of a prefix come to.
pub(super) enum Outcome {
    /// A miner or a pool speaks.
    Message(Message),
    /// It may yet; what it would be if nothing followed.
    Open(Option<Message>),
    /// Somebody else speaks.
    Foreign,
}

/// What one message comes to.
enum Judged {
    Certain(Message),
    Likely(Message),
    Nothing,
    Foreign,
}

/// Judges every message of the prefix; a certain one beats a likely one before it.
pub(super) fn lines(bytes: &[u8]) -> Outcome {
    let mut rest = bytes.trim_ascii_start();
    let mut likely = None;
    let mut foreign = false;
    while !rest.is_empty() {
        let (facts, end) = Facts::of(rest);
        let judged = judge(&facts);
        match (judged, end) {
            (Judged::Certain(message), End::Closed(_) | End::Open | End::Broken) => {
                return Outcome::Message(Message { certain: true, ..message });
            }
            (Judged::Likely(message), End::Closed(_)) => {
                likely.get_or_insert(message);
            }
            (Judged::Likely(message), End::Open) => {
                return likely.map_or(Outcome::Open(Some(message)), Outcome::Message);
            }
            (Judged::Nothing, End::Open) => return likely.map_or(open(foreign), Outcome::Message),
            (Judged::Nothing, End::Closed(_)) => foreign |= !plausible(&facts),
            (Judged::Foreign, End::Closed(_)) => foreign = true,
            (Judged::Foreign, End::Open)
            | (Judged::Likely(_) | Judged::Nothing | Judged::Foreign, End::Broken) => {
                return likely.map_or(Outcome::Foreign, Outcome::Message);
            }
        }
        let next = match end {
            End::Closed(next) => next,
            End::Open | End::Broken => rest.len(),
        };
        rest = rest.get(next..).unwrap_or_default().trim_ascii_start();
    }
    likely.map_or_else(|| open(foreign), Outcome::Message)
}

fn open(foreign: bool) -> Outcome {
    if foreign { Outcome::Foreign } else { Outcome::Open(None) }
}

/// Whether a message that says nothing of mining may stand beside one that does, such as the answer to
/// `mining.authorize`.
fn plausible(facts: &Facts) -> bool {
    ["id", "result", "error", "method", "jsonrpc"].into_iter().any(|key| facts.has(Place::Top, key))
}

fn judge(facts: &Facts) -> Judged {
    let says = |speaker, dialect, method: &str| message(facts, speaker, dialect, method);
    let answers = facts.has(Place::Top, "result");
    let speaker = if answers { Role::Server } else { Role::Client };
    let Some(method) = facts.method.as_deref() else { return unnamed(facts) };
    let params = |key| facts.has(Place::Params, key);
    match method {
        "eth_submitLogin" | "eth_submitWork" | "eth_submitHashrate" => {
            Judged::Certain(says(Role::Client, "ethproxy", method))
        }
        "eth_getWork" => Judged::Likely(says(Role::Client, "ethproxy", method)),
        "keepalived" => Judged::Certain(says(Role::Client, "cryptonote", method)),
        "login" => login(facts, speaker),
        "submit" if params("job_id") && params("nonce") && (params("pow") || params("edge_bits")) => {
            Judged::Certain(says(Role::Client, "grin", method))
        }
        "submit" if params("job_id") && params("nonce") && params("result") => {
            Judged::Certain(says(Role::Client, "cryptonote", method))
        }
        "job" if facts.anywhere("pre_pow") => Judged::Certain(says(Role::Server, "grin", method)),
        "job" if params("blob") => Judged::Certain(says(Role::Server, "cryptonote", method)),
        "job"
            if facts.has(Place::Top, "input")
                && (facts.has(Place::Top, "difficulty") || facts.has(Place::Top, "nonceprefix")) =>
        {
            Judged::Certain(says(Role::Server, "beam", method))
        }
        "getjobtemplate" => Judged::Certain(says(speaker, "grin", method)),
        "solution" if facts.has(Place::Top, "nonce") && facts.has(Place::Top, "output") => {
            Judged::Certain(says(Role::Client, "beam", method))
        }
        "result" if facts.has(Place::Top, "nonceprefix") => {
            Judged::Certain(says(Role::Server, "beam", method))
        }
        "getwork" => Judged::Likely(says(Role::Client, "getwork", method)),
        "getblocktemplate" | "get_block_template" | "submitblock" | "submit_block" => {
            Judged::Likely(says(Role::Client, "getblocktemplate", method))
        }
        "client.get_version"
        | "client.show_message"
        | "client.reconnect"
        | "client.get_algo"
        | "client.get_stats" => Judged::Likely(says(Role::Server, "bitcoin", method)),
        // Words that others use as well, without what would tell them apart, or not yet.
        "submit" | "job" | "solution" | "result" | "keepalive" | "status" => Judged::Nothing,
        _ if method.starts_with("mining.") => mining(facts, method),
        _ => Judged::Foreign,
    }
}

/// Somebody logs in, or is told that he is.
fn login(facts: &Facts, speaker: Role) -> Judged {
    if facts.has(Place::Top, "api_key") {
        return Judged::Certain(message(facts, Role::Client, "beam", "login"));
    }
    let grin = facts.id.is_some() || facts.text("agent").is_some_and(|agent| agent.contains("grin"));
    let dialect = if grin && facts.algo.is_empty() { "grin" } else { "cryptonote" };
    let message = message(facts, speaker, dialect, "login");
    let named = facts.has(Place::Params, "login");
    let second = facts.has(Place::Params, "agent")
        || facts.has(Place::Params, "algo")
        || facts.text("login").is_some_and(|login| long_address(login) || is_wallet(login));
    if named && second { Judged::Certain(message) } else { Judged::Likely(message) }
}

/// As long as only the addresses of CryptoNote coins are: two keys of 32 bytes in base58.
fn long_address(login: &str) -> bool {
    let letters = |letter: &u8| letter.is_ascii_alphanumeric() && !b"0OIl".contains(letter);
    login.as_bytes().iter().take_while(|letter| letters(letter)).count() >= 90
}

/// Whether an address with a right checksum stands there, listed in documentation or not.
fn is_wallet(login: &str) -> bool {
    wallet::find(login).any(|address| address.checksum == Checksum::Verified)
}

/// The `mining.` family: Bitcoin's Stratum and what is made after it.
fn mining(facts: &Facts, method: &str) -> Judged {
    let verb = method.strip_prefix("mining.").unwrap_or_default();
    let (known, speaker) = match verb {
        "subscribe"
        | "authorize"
        | "submit"
        | "extranonce.subscribe"
        | "configure"
        | "suggest_difficulty"
        | "suggest_target"
        | "get_transactions"
        | "capabilities"
        | "hello"
        | "noop"
        | "bye"
        | "hashrate"
        | "submit_hashrate"
        | "pong"
        | "multi_version" => (true, Role::Client),
        "notify" | "set_difficulty" | "set_extranonce" | "set_target" | "set_version_mask" | "set"
        | "ping" | "reconnect" | "subscribed" | "submitted" => (true, Role::Server),
        _ => (false, Role::Client),
    };
    let fish = facts.has(Place::Top, "body") || matches!(verb, "subscribed" | "submitted");
    let dialect = match (facts.ethereum_stratum, verb) {
        _ if fish => "fishhash",
        (Some(2), _) | (None, "hello" | "noop" | "bye" | "hashrate" | "set") => "ethereumstratum2",
        (Some(_), _) => "ethereumstratum1",
        (None, _) => "bitcoin",
    };
    let message = message(facts, speaker, dialect, method);
    if known { Judged::Certain(message) } else { Judged::Likely(message) }
}

/// A message without a method, or before it: answers, and notifications whose parameters come first.
fn unnamed(facts: &Facts) -> Judged {
    let says = |dialect, method| message(facts, Role::Server, dialect, method);
    let result = |key| facts.has(Place::Result, key);
    if facts.coinbase {
        return Judged::Certain(says("bitcoin", "mining.notify"));
    }
    let answers = facts.has(Place::Top, "result");
    match facts.ethereum_stratum {
        Some(2) if answers => return Judged::Certain(says("ethereumstratum2", "mining.hello")),
        Some(_) if answers => return Judged::Certain(says("ethereumstratum1", "mining.subscribe")),
        // Its method is still to come.
        Some(_) | None => {}
    }
    if let Some(notification) = facts.subscribed.as_deref() {
        return Judged::Certain(says("bitcoin", notification));
    }
    if facts.long_blob
        && (facts.has(Place::Job, "blob") || (facts.anywhere("job_id") && facts.anywhere("target")))
    {
        return Judged::Certain(says("cryptonote", "job"));
    }
    if result("extra_nonce") && result("algo") {
        return Judged::Certain(says("cryptonote", "login"));
    }
    if facts.status.as_deref() == Some("KEEPALIVED") {
        return Judged::Certain(says("cryptonote", "keepalived"));
    }
    if facts.anywhere("pre_pow") {
        return Judged::Certain(says("grin", "job"));
    }
    if facts.hashes >= 3 {
        return Judged::Likely(says("ethproxy", "eth_getWork"));
    }
    if result("data") && result("target") && (result("midstate") || result("hash1")) {
        return Judged::Likely(says("getwork", "getwork"));
    }
    if result("blocktemplate_blob")
        || (result("previousblockhash") && (result("coinbasevalue") || result("coinbaseaux")))
    {
        return Judged::Likely(says("getblocktemplate", "getblocktemplate"));
    }
    Judged::Nothing
}

/// The message, with what the facts say of the miner; [`lines`] makes it certain where it is judged so.
fn message(facts: &Facts, speaker: Role, dialect: &'static str, method: &str) -> Message {
    let first = facts.param(0).map(str::to_owned);
    let (mut agent, mut login) =
        (facts.text("agent").map(str::to_owned), facts.text("login").map(str::to_owned));
    match (method, dialect) {
        ("mining.subscribe", _) => agent = agent.or(first),
        ("mining.submit", "ethereumstratum2") => {}
        ("mining.authorize" | "mining.submit" | "eth_submitLogin", _) => login = login.or(first),
        ("login", "beam") => login = facts.text("api_key").map(str::to_owned),
        _ => {}
    }
    Message {
        speaker,
        dialect,
        method: method.to_owned(),
        certain: false,
        agent,
        login,
        algo: facts.algo.clone(),
    }
}
