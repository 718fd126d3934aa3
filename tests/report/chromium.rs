//! A headless Chromium that opens a file and tells what came of it, over the DevTools protocol on a pipe.
//!
//! <https://chromedevtools.github.io/devtools-protocol/>: messages are JSON, each with a zero byte behind it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// How long one answer may take; a machine under load starts a browser slowly.
const PATIENCE: Duration = Duration::from_secs(25);

/// Where the browser is, if it is.
pub(crate) fn program() -> Option<&'static str> {
    ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
        .into_iter()
        .find(|path| Path::new(path).exists())
}

/// A running browser with one page; dropped, it is told to end.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    number: u64,
    session: Option<String>,
    /// What the page told since it was asked last.
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub(crate) fn start(program: &str) -> Result<Self> {
        let profile = tempfile::tempdir()?;
        // The pipe is descriptors 3 and 4; a shell puts them there.
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#, "sh", program]);
        shell.args([
            "--headless",
            "--remote-debugging-pipe",
            // Tests run as root and in containers, where Chromium's sandbox cannot; it opens our own files only.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-default-apps",
            "--disable-extensions",
            "--disable-sync",
            "--hide-scrollbars",
            // Nothing that asks for a name gets one.
            "--host-resolver-rules=MAP * ~NOTFOUND",
        ]);
        shell.arg(format!("--user-data-dir={}", profile.path().display()));
        shell.env("HOME", profile.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = shell.spawn().context("cannot start Chromium")?;
        let to = child.stdin.take().context("Chromium has no standard input")?;
        let out = child.stdout.take().context("Chromium has no standard output")?;
        let (sender, from) = channel();
        thread::spawn(move || {
            let mut out = BufReader::new(out);
            let mut message = Vec::new();
            while out.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else { return };
                if sender.send(value).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let mut browser =
            Self { child, to, from, number: 0, session: None, events: Vec::new(), _profile: profile };
        let target = browser.ask("Target.createTarget", &json!({"url": "about:blank"}))?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.ask("Target.attachToTarget", &attach)?;
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network", "Audits"] {
            browser.ask(&format!("{domain}.enable"), &json!({}))?;
        }
        Ok(browser)
    }

    /// Opens a file in a window of this size, by `light` or `dark`; everything that the page told meanwhile.
    pub(crate) fn open(&mut self, file: &Path, width: u32, height: u32, scheme: &str) -> Result<Vec<Value>> {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.ask("Emulation.setDeviceMetricsOverride", &size)?;
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.ask("Emulation.setEmulatedMedia", &features)?;
        self.events.clear();
        let page = self.ask("Page.navigate", &json!({"url": format!("file://{}", file.display())}))?;
        if let Some(error) = page["errorText"].as_str() {
            bail!("{} cannot be opened: {error}", file.display());
        }
        let deadline = Instant::now() + PATIENCE;
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            self.hear(deadline)?;
        }
        // The page has been laid out and painted twice when this comes back.
        self.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")?;
        Ok(std::mem::take(&mut self.events))
    }

    /// What an expression of JavaScript gives.
    pub(crate) fn value(&mut self, expression: &str) -> Result<Value> {
        let ask = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.ask("Runtime.evaluate", &ask)?;
        if answer.get("exceptionDetails").is_some() {
            bail!("{expression}: {answer}");
        }
        Ok(answer["result"]["value"].clone())
    }

    /// A picture of the upper part of the page, as PNG.
    pub(crate) fn picture(&mut self, width: u32, height: u32) -> Result<Vec<u8>> {
        use base64::Engine as _;
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        let ask =
            json!({"format": "png", "clip": clip, "captureBeyondViewport": true, "optimizeForSpeed": false});
        let answer = self.ask("Page.captureScreenshot", &ask)?;
        let data = answer["data"].as_str().context("no picture came")?;
        Ok(base64::engine::general_purpose::STANDARD.decode(data)?)
    }

    fn ask(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.number += 1;
        let mut message = json!({"id": self.number, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = serde_json::to_vec(&message)?;
        bytes.push(0);
        self.to.write_all(&bytes).context("Chromium does not listen")?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = self.hear(deadline).with_context(|| format!("{method} has no answer"))? {
                if let Some(error) = answer.get("error") {
                    bail!("{method}: {error}");
                }
                return Ok(answer["result"].clone());
            }
        }
    }

    /// Takes one message: the answer to what was asked last, or an event.
    fn hear(&mut self, deadline: Instant) -> Result<Option<Value>> {
        let left = deadline.saturating_duration_since(Instant::now());
        let message = self.from.recv_timeout(left).context("Chromium says nothing")?;
        if message["id"] == self.number {
            return Ok(Some(message));
        }
        if message.get("method").is_some() {
            self.events.push(message);
        }
        Ok(None)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::park_timeout(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
