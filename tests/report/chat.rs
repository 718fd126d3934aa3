//! What Slack is sent of an incident, shown as a chat window shows it: for the picture in the README.
//!
//! The blocks are those that the sink sends, taken by a receiver on this machine.

use std::path::Path;

use detector::alert::card;
use detector::sinks::http::{Http, HttpConfig};
use detector::sinks::slack::SlackConfig;
use detector::sinks::{Body, Kind as _, Message};
use detector::store::Store;
use serde_json::Value;

use crate::receiver::{Receiver, Reply};

/// The blocks that Slack is sent of an incident.
pub(crate) fn blocks(store: &Path, id: &str) -> Vec<Value> {
    let receiver = Receiver::start([Reply::ok("ok")]);
    let config: SlackConfig =
        toml::from_str(&format!("url = \"{}\"", receiver.url("/services/T1/B1/s"))).unwrap();
    let http = Http::new(&HttpConfig::default()).unwrap();
    let mut sink = config.open("slack", &http).unwrap();
    let incident = Store::open(store).unwrap().incident(id).unwrap().unwrap();
    let card = card::incident(&incident, &[]);
    sink.deliver(&Message { key: "key", body: Body::Card(&card), reference: None }).unwrap();
    receiver.next().json()["blocks"].as_array().unwrap().clone()
}

/// A page that looks like a chat window with one message in it.
pub(crate) fn page(blocks: &[Value]) -> String {
    let message: String = blocks.iter().map(block).collect();
    include_str!("chat.html").replace("{{ message }}", &message)
}

fn block(block: &Value) -> String {
    let inner = |name: &str| block[name].as_array().map(Vec::as_slice).unwrap_or_default();
    match block["type"].as_str().unwrap() {
        "header" => {
            // The coloured disc before the level, drawn: the fonts here have none.
            let shown = text(&block["text"]);
            let rest = shown.trim_start_matches(|letter| letter > '\u{1f000}');
            format!("<h2><span class=disc></span>{rest}</h2>")
        }
        "rich_text" => {
            format!("<div class=rich>{}</div>", inner("elements").iter().map(rich).collect::<String>())
        }
        "context" => {
            format!("<p class=context>{}</p>", inner("elements").iter().map(text).collect::<String>())
        }
        "divider" => "<hr>".to_owned(),
        other => panic!("a block of type {other} is not shown here"),
    }
}

fn rich(element: &Value) -> String {
    let inner = || element["elements"].as_array().unwrap().iter();
    match element["type"].as_str().unwrap() {
        "rich_text_section" => format!("<p>{}</p>", inner().map(text).collect::<String>()),
        "rich_text_list" => {
            format!("<ul>{}</ul>", inner().map(|item| format!("<li>{}</li>", rich(item))).collect::<String>())
        }
        "rich_text_preformatted" => format!("<pre>{}</pre>", inner().map(text).collect::<String>()),
        other => panic!("an element of type {other} is not shown here"),
    }
}

fn text(element: &Value) -> String {
    let shown = element["text"].as_str().unwrap();
    let shown = shown.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\n', "<br>");
    let style = |name: &str| element["style"][name] == true;
    if style("code") {
        format!("<code>{shown}</code>")
    } else if style("bold") {
        format!("<b>{shown}</b>")
    } else {
        shown
    }
}
