//! Mining over HTTP: getwork, getblocktemplate and eth_getWork, by header or by body.

use super::dialect::{Outcome, lines};
use super::{Message, Role, Verdict};

/// What an HTTP message is, by its head and as much of its body as there is.
pub(super) fn recognise(bytes: &[u8]) -> Verdict {
    let begins = |start: &str| bytes.iter().zip(start.as_bytes()).all(|(byte, wanted)| byte == wanted);
    let (post, get, response) = (begins("POST /"), begins("GET /"), begins("HTTP/1"));
    if !(post || get || response) {
        return Verdict::No;
    }
    let speaker = if response { Role::Server } else { Role::Client };
    let (head, body) = match bytes.windows(4).position(|end| end == b"\r\n\r\n") {
        Some(at) => (bytes.get(..at + 2), bytes.get(at + 4..)),
        // The last line may not be there whole.
        None => (bytes.iter().rposition(|byte| *byte == b'\n').and_then(|at| bytes.get(..=at)), None),
    };
    if let Some(message) = header(head.unwrap_or_default(), speaker) {
        return Verdict::Is(message.found());
    }
    let Some(body) = body.map(<[u8]>::trim_ascii_start) else { return Verdict::More };
    match body.first() {
        None if post || response => Verdict::More,
        Some(b'{') => match lines(body) {
            // Over HTTP nobody logs in to a pool; whoever says so is a web application.
            Outcome::Message(message) if message.method != "login" => {
                let agent = message.agent.or_else(|| agent(head.unwrap_or_default()));
                let dialect = if message.dialect == "ethproxy" { "getwork" } else { message.dialect };
                Verdict::Is(Message { agent, dialect, ..message }.found())
            }
            Outcome::Open(_) => Verdict::More,
            Outcome::Message(_) | Outcome::Foreign => Verdict::No,
        },
        None | Some(_) => Verdict::No,
    }
}

/// A header that only miners and their servers send.
fn header(head: &[u8], speaker: Role) -> Option<Message> {
    head.split(|byte| *byte == b'\n').skip(1).find_map(|line| {
        let name = line.split(|byte| *byte == b':').next()?.to_ascii_lowercase();
        let certain = match name.as_slice() {
            b"x-mining-extensions" | b"x-mining-hashrate" | b"x-stratum" => true,
            b"x-long-polling" | b"x-roll-ntime" => false,
            _ => return None,
        };
        Some(Message {
            speaker,
            dialect: "getwork",
            method: String::from_utf8_lossy(&name).into_owned(),
            certain,
            agent: agent(head),
            login: None,
            algo: Vec::new(),
        })
    })
}

fn agent(head: &[u8]) -> Option<String> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(11)?;
        name.eq_ignore_ascii_case(b"user-agent:")
            .then(|| String::from_utf8_lossy(value.trim_ascii()).chars().take(256).collect())
    })
}
