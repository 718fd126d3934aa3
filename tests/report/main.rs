//! The report of an incident, made as a user makes it and opened as a user opens it: `detector replay --store`,
//! `detector explain --html`, headless Chromium. Needs no root.
//!
//! `UPDATE_IMAGES=1 cargo test -p detector-tests --test report` puts the pictures into `docs/images`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that is surprised fails")]

mod alerts;
mod chat;
mod chromium;
#[path = "../sinks/receiver.rs"]
#[expect(dead_code, reason = "the tests of sinks use the rest")]
mod receiver;
mod story;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use chromium::Browser;
use detector_tests::skip;
use detector_tests::trigger::program;
use scraper::{Html, Selector};
use serde_json::Value;
use story::{Story, rome};

/// Names that would break out of text, attribute, style or script where they were not escaped.
const HOSTILE: [&str; 7] = [
    "/tmp/<img src=x onerror=\"document.title='owned'\">",
    "/tmp/</title></style></script><script>document.title='owned'</script>",
    "/tmp/\" onload=\"document.title='owned'\" x='",
    "/tmp/\u{202e}gpj.exe\u{202c}\u{200b}",
    "/tmp/</text></svg><svg onload=\"document.title='owned'\">",
    "/tmp/{{ 7 * 7 }}{% raw %}",
    "/tmp/]]><a href=\"javascript:document.title='owned'\">x</a>",
];

/// `detector` with a store and a zone of its own; its standard output.
fn detector(store: &Path, words: &[&str]) -> String {
    let mut command = Command::new(program("detector").unwrap());
    let output =
        command.args(words).env("DETECTOR_STORE", store).env("TZ", "Europe/Berlin").output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Judges a story into a store; the id of its gravest incident.
fn judge(story: Story, place: &Path) -> (PathBuf, String) {
    let (recording, store) = (place.join("story.detrec"), place.join("state.db"));
    story.record(&recording);
    let words =
        ["replay", "--alerts", "/dev/null", "--store", store.to_str().unwrap(), recording.to_str().unwrap()];
    detector(&store, &words);
    let incidents = detector(&store, &["alerts", "--incidents", "--json"]);
    let incidents = incidents.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let rank = |incident: &Value| {
        ["informational", "low", "medium", "high", "critical"]
            .iter()
            .position(|level| incident["level"] == *level)
    };
    let gravest = incidents.max_by_key(|incident| (rank(incident), incident["total"].as_u64())).unwrap();
    (store, gravest["id"].as_str().unwrap().to_owned())
}

/// The report of a story, written below `place`.
fn report(story: Story, place: &Path) -> PathBuf {
    let (store, id) = judge(story, place);
    let path = place.join("report.html");
    detector(&store, &["explain", &id, "--html", path.to_str().unwrap()]);
    path
}

/// A story in which every name is hostile, one of them very long.
fn hostile() -> Story {
    let long = format!("/tmp/{}", "long.name-".repeat(400));
    let mut story = Story::new("<b>coder</b>\u{202e}");
    story = story.runs(1, 100, "/usr/bin/bash", &["bash"]);
    // The first is the process of the alert, the others repeat it.
    for (at, name) in [&*long].into_iter().chain(HOSTILE).enumerate() {
        let pid = 101 + u32::try_from(at).unwrap();
        story = story.runs(
            100,
            pid,
            name,
            &[name, "-o", "stratum+tcp://pool.example:3333", "--donate-level", "1"],
        );
    }
    story
}

fn select<'a>(html: &'a Html, selector: &str) -> Vec<scraper::ElementRef<'a>> {
    let selector = Selector::parse(selector).unwrap();
    html.select(&selector).collect()
}

#[test]
fn hostile_names_stay_text() {
    let place = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(report(hostile(), place.path())).unwrap();
    let html = Html::parse_document(&text);
    for element in
        ["script", "img", "iframe", "object", "embed", "link", "form", "input", "base", "style + style"]
    {
        assert!(select(&html, element).is_empty(), "{element}");
    }
    for element in select(&html, "*") {
        for (name, value) in element.value().attrs() {
            assert!(!name.starts_with("on") && name != "style" && name != "src", "{name}={value}");
            assert!(name != "href" || value.starts_with("#alert-"), "{name}={value}");
        }
    }
    assert_eq!(select(&html, "svg").len(), 1, "the timeline; nothing was measured");
    let shown: String = html.root_element().text().collect();
    for name in HOSTILE.iter().filter(|name| !name.contains('\u{202e}')) {
        assert!(shown.contains(name), "{name} is not there as it is");
    }
    assert!(shown.contains("/tmp/\\u{202e}gpj.exe\\u{202c}\\u{200b}"), "what deceives is visible");
    assert!(!text.contains('\u{202e}') && !text.contains('\u{200b}'));
    let longest =
        select(&html, "details.whole pre").iter().map(|one| one.text().collect::<String>().len()).max();
    assert!(longest > Some(4_000), "the whole of a long name is there: {longest:?}");
    let policy = select(&html, "meta[http-equiv=Content-Security-Policy]");
    let policy = policy[0].value().attr("content").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"),
        "{policy}"
    );
}

#[test]
fn a_reader_of_screens_finds_headings_tables_and_titles() {
    let place = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(report(rome(), place.path())).unwrap();
    let html = Html::parse_document(&text);
    assert_eq!(html.root_element().value().attr("lang"), Some("en"));
    assert_eq!(select(&html, "h1").len(), 1);
    let headings: Vec<String> = select(&html, "h2").iter().map(|heading| heading.text().collect()).collect();
    for wanted in ["Timeline", "Process tree", "GPUs and processors", "Evidence", "What could not be seen"] {
        assert!(headings.iter().any(|heading| heading == wanted), "{wanted} in {headings:?}");
    }
    for svg in select(&html, "svg") {
        assert_eq!(svg.value().attr("role"), Some("img"));
        let named = svg.value().attr("aria-labelledby").unwrap();
        for id in named.split(' ') {
            let text: String =
                select(&html, &format!("#{id}")).iter().flat_map(scraper::ElementRef::text).collect();
            assert!(!text.is_empty(), "{id}");
        }
    }
    assert!(!select(&html, "svg polyline").is_empty(), "processors were measured");
    assert!(select(&html, "th").iter().all(|cell| cell.value().attr("scope").is_some()));
    let shown: String = html.root_element().text().collect();
    for wanted in
        ["coder", "fine-tune the classifier", "call_13", "/tmp/.cache/kworkerd", "gpu-node-7", "UTC+01:00"]
    {
        assert!(shown.contains(wanted), "{wanted}");
    }
}

/// What a page told that it must not: errors, refusals of its policy, requests for anything but itself.
fn complaints(events: &[Value], page: &Path) -> Vec<String> {
    let page = format!("file://{}", page.display());
    let is_wrong = |event: &&Value| match event["method"].as_str() {
        Some(
            "Log.entryAdded" | "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Audits.issueAdded",
        ) => true,
        Some("Network.requestWillBeSent") => event["params"]["request"]["url"] != *page,
        Some("Network.loadingFailed") => true,
        _ => false,
    };
    events.iter().filter(is_wrong).map(ToString::to_string).collect()
}

#[test]
fn chromium_shows_the_report_and_nothing_leaves_it() {
    let Some(chromium) = chromium::program() else {
        skip!("Chromium is not here; `cargo xtask setup` installs it")
    };
    let (place, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let pages = [report(rome(), place.path()), report(hostile(), other.path())];
    let mut browser = Browser::start(chromium).unwrap();
    for page in &pages {
        for (width, scheme) in [(1280, "light"), (400, "dark")] {
            let events = browser.open(page, width, 900, scheme).unwrap();
            let sent = events.iter().filter(|event| event["method"] == "Network.requestWillBeSent").count();
            assert_eq!(sent, 1, "the page itself");
            assert_eq!(complaints(&events, page), Vec::<String>::new(), "{} at {width}", page.display());
            let over = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
            // With everything unfolded, too.
            browser.value("document.querySelectorAll('details').forEach(one => one.open = true)").unwrap();
            let over = browser.value(over).unwrap();
            assert_eq!(over, 0, "{} is too wide at {width}", page.display());
            let title = browser.value("document.title").unwrap();
            assert!(!title.as_str().unwrap().contains("owned"), "{title}");
            let injected = "document.querySelectorAll('script,img,iframe,b b,[onload],[onerror]').length";
            assert_eq!(browser.value(injected).unwrap(), 0);
            assert!(browser.value("document.querySelectorAll('circle').length").unwrap().as_u64() > Some(3));
            let back = browser.value("getComputedStyle(document.documentElement).backgroundColor").unwrap();
            let wanted = if scheme == "light" { "rgb(255, 255, 255)" } else { "rgb(20, 23, 27)" };
            assert_eq!(back, wanted, "its own style sheet is taken");
        }
    }
    let shown = browser.value("document.body.textContent").unwrap();
    assert!(shown.as_str().unwrap().contains(HOSTILE[0]), "the name is there, as text");
    // The pictures.
    browser.open(&pages[0], 1120, 1000, "light").unwrap();
    keep("report.png", &browser.picture(1120, 1180).unwrap());
}

#[test]
fn a_chat_window_shows_the_card() {
    let Some(chromium) = chromium::program() else {
        skip!("Chromium is not here; `cargo xtask setup` installs it")
    };
    let place = tempfile::tempdir().unwrap();
    let (store, id) = judge(rome(), place.path());
    let blocks = chat::blocks(&store, &id);
    let page = place.path().join("card.html");
    fs::write(&page, chat::page(&blocks)).unwrap();
    let mut browser = Browser::start(chromium).unwrap();
    browser.open(&page, 820, 600, "light").unwrap();
    let shown = browser.value("document.body.textContent").unwrap();
    assert!(shown.as_str().unwrap().contains("coder"), "{shown}");
    let height = browser.value("document.documentElement.scrollHeight").unwrap().as_u64().unwrap();
    let height = u32::try_from(height.clamp(200, 1_000)).unwrap();
    keep("card.png", &browser.picture(820, height).unwrap());
}

/// Puts a picture into the target directory, and into the documents where that is asked for.
fn keep(name: &str, picture: &[u8]) {
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 10_000, "{name}: {} bytes", picture.len());
    assert!(picture.len() < 250_000, "{name}: {} bytes", picture.len());
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::write(target.join(name), picture).unwrap();
    if std::env::var_os("UPDATE_IMAGES").is_some() {
        let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/images");
        fs::create_dir_all(&images).unwrap();
        fs::write(images.join(name), picture).unwrap();
    }
}
