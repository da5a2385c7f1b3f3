//! A real Chromium, spoken to in its own protocol over a pipe: nothing stands between the test and the page, and neither
//! of them needs a network.
//!
//! Debian's package is `chromium`. Clicks and keys go in where those of a person do, not through a script of the page.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a browser that does not answer is a failed test")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::judges::program;

/// What takes this long does not come about.
const LONG: Duration = Duration::from_secs(120);

/// The browser reads from its descriptor 3 and writes to 4; only a shell puts them there.
const ON_PIPES: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null";

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    folder: TempDir,
    session: Option<Value>,
    asked: u64,
    heard: Vec<Value>,
}

impl Browser {
    /// Starts one with a profile of its own.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let words = fs::File::create(folder.path().join("words")).unwrap();
        let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
        let mut child = Command::new("/bin/sh")
            .args(["-c", ON_PIPES])
            .arg(program("chromium"))
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            // No name means an address: whatever is asked for, nobody is reached.
            .args(["--disable-extensions", "--disable-breakpad", "--host-resolver-rules=MAP * ~NOTFOUND"])
            .args([&profile, "--remote-debugging-pipe", "about:blank"])
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path())
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_CACHE_HOME")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(words)
            .spawn()
            .unwrap();
        let (to, mut out) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (sender, from) = channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            while out.read_until(0, &mut bytes).is_ok_and(|length| length > 0) {
                bytes.pop();
                let Ok(said) = serde_json::from_slice(&bytes) else { return };
                if sender.send(said).is_err() {
                    return;
                }
                bytes.clear();
            }
        });
        let mut browser = Self { child, to, from, folder, session: None, asked: 0, heard: Vec::new() };
        let target = browser.ask("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = Some(browser.ask("Target.attachToTarget", &attach)["sessionId"].clone());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), &json!({}));
        }
        browser.ask("Emulation.setFocusEmulationEnabled", &json!({ "enabled": true }));
        browser.sized(1280, 900);
        browser
    }

    /// Asks for something, and returns the answer. What comes in between is kept.
    pub(crate) fn ask(&mut self, method: &str, with: &Value) -> Value {
        self.asked += 1;
        let mut call = json!({ "id": self.asked, "method": method, "params": with });
        if let Some(session) = &self.session {
            call["sessionId"] = session.clone();
        }
        let mut bytes = serde_json::to_vec(&call).unwrap();
        bytes.push(0);
        self.to.write_all(&bytes).unwrap_or_else(|error| panic!("{method}: {error}: {}", self.words()));
        loop {
            let mut said = self.next(method);
            if said["id"] == self.asked {
                assert!(said.get("error").is_none(), "{method}: {said}");
                return said["result"].take();
            }
            self.heard.push(said);
        }
    }

    fn next(&self, what: &str) -> Value {
        let said = self.from.recv_timeout(LONG).unwrap_or_else(|error| panic!("{what}: {error}: {}", self.words()));
        // The page would stand still until somebody answers.
        assert!(said["method"] != "Page.javascriptDialogOpening", "the page asks something: {said}");
        said
    }

    fn words(&self) -> String {
        fs::read_to_string(self.folder.path().join("words")).unwrap()
    }

    /// Opens a page from a file, and forgets what was heard of the last one. Returns the file's address.
    pub(crate) fn open(&mut self, text: &str) -> String {
        let file = self.folder.path().join("page.html");
        fs::write(&file, text).unwrap();
        self.heard.clear();
        let url = format!("file://{}", file.display());
        self.ask("Page.navigate", &json!({ "url": url }));
        while !self.heard.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.next("Page.loadEventFired");
            self.heard.push(event);
        }
        url
    }

    /// Waits until what was done is drawn.
    pub(crate) fn settle(&mut self) {
        self.says("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))");
    }

    /// The value of an expression in the page.
    pub(crate) fn says(&mut self, expression: &str) -> Value {
        let with = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut said = self.ask("Runtime.evaluate", &with);
        assert!(said.get("exceptionDetails").is_none(), "{expression}: {said}");
        said["result"]["value"].take()
    }

    /// As [`Browser::says`], as a text.
    pub(crate) fn text(&mut self, expression: &str) -> String {
        let said = self.says(expression);
        said.as_str().unwrap_or_else(|| panic!("{expression} is no text: {said}")).to_owned()
    }

    /// Clicks with the mouse into the middle of the one element that a selector names.
    pub(crate) fn click(&mut self, selector: &str) {
        let place = self.says(&format!(
            "(() => {{ const all = document.querySelectorAll({selector:?}); if (all.length !== 1) return all.length; \
             all[0].scrollIntoView({{ block: 'center', inline: 'center' }}); const box = all[0].getBoundingClientRect(); \
             return {{ x: box.x + box.width / 2, y: box.y + box.height / 2 }}; }})()"
        ));
        assert!(place.is_object(), "{selector}: {place} elements");
        for kind in ["mousePressed", "mouseReleased"] {
            let with = json!({ "type": kind, "x": place["x"], "y": place["y"], "button": "left", "clickCount": 1 });
            self.ask("Input.dispatchMouseEvent", &with);
        }
        self.settle();
    }

    /// Types a text to wherever the cursor is.
    pub(crate) fn write(&mut self, text: &str) {
        for letter in text.chars() {
            self.ask("Input.dispatchKeyEvent", &json!({ "type": "keyDown", "text": letter, "key": letter }));
            self.ask("Input.dispatchKeyEvent", &json!({ "type": "keyUp", "key": letter }));
        }
        self.settle();
    }

    /// Presses a key that has a name; `code` is the one that Windows gives it.
    pub(crate) fn press(&mut self, name: &str, code: u8) {
        let text = if name == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let with = json!({ "type": kind, "key": name, "code": name, "windowsVirtualKeyCode": code, "text": text });
            self.ask("Input.dispatchKeyEvent", &with);
        }
        self.settle();
    }

    /// Sets the window, in pixels.
    pub(crate) fn sized(&mut self, width: u32, height: u32) {
        let with = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.ask("Emulation.setDeviceMetricsOverride", &with);
        // As on telephones and on paper: they take nothing of the width.
        self.ask("Emulation.setScrollbarsHidden", &json!({ "hidden": true }));
    }

    /// Shows the page as on this medium, `screen` or `print`, to somebody who likes `light` or `dark`.
    pub(crate) fn shown_on(&mut self, medium: &str, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.ask("Emulation.setEmulatedMedia", &json!({ "media": medium, "features": features }));
        self.settle();
    }

    /// Keeps a picture of the window for whoever wants to look, in cargo's folder for tests. Returns its bytes.
    pub(crate) fn picture(&mut self, name: &str) -> Vec<u8> {
        let said = self.ask("Page.captureScreenshot", &json!({ "format": "png" }));
        let bytes = STANDARD.decode(said["data"].as_str().unwrap()).unwrap();
        keep(&format!("{name}.png"), &bytes);
        bytes
    }

    /// The page as a PDF on A4. Keeps it as [`Browser::picture`] does.
    pub(crate) fn printed(&mut self, name: &str) -> Vec<u8> {
        let with =
            json!({ "paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": true, "printBackground": false });
        let said = self.ask("Page.printToPDF", &with);
        let bytes = STANDARD.decode(said["data"].as_str().unwrap()).unwrap();
        keep(&format!("{name}.pdf"), &bytes);
        bytes
    }

    /// What a screen reader is told of the page: every node that is not ignored.
    pub(crate) fn spoken(&mut self) -> Vec<Value> {
        let mut said = self.ask("Accessibility.getFullAXTree", &json!({}));
        let Value::Array(nodes) = said["nodes"].take() else { panic!("no tree") };
        nodes.into_iter().filter(|node| node["ignored"] == false).collect()
    }

    /// What the browser has to complain about: errors and warnings of the console, of the browser itself, and exceptions.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let bad = |level: &Value| ["error", "warning", "assert"].iter().any(|it| level == it);
        let is_complaint = |event: &&Value| {
            let (method, with) = (event["method"].as_str().unwrap_or_default(), &event["params"]);
            match method {
                "Runtime.consoleAPICalled" => bad(&with["type"]),
                "Log.entryAdded" => bad(&with["entry"]["level"]),
                "Runtime.exceptionThrown" => true,
                _ => false,
            }
        };
        self.heard.iter().filter(is_complaint).map(Value::to_string).collect()
    }

    /// The addresses that the page asked for.
    pub(crate) fn requests(&self) -> Vec<&str> {
        let of = self.heard.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        of.map(|event| event["params"]["request"]["url"].as_str().unwrap()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked to end, it ends its parts first and clears up; killed, it would leave both to themselves.
        let _ = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        for _ in 0..500 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keep(name: &str, bytes: &[u8]) {
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report_page");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}
