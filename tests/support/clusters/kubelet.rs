//! As much of a kubelet as a Secret volume needs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::api_server::ApiServer;

/// Mounts the Secret `cacerts` in a folder, as the kubelet does: whole, and nothing of it once it is gone.
pub(crate) struct Kubelet {
    is_over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Kubelet {
    /// Mounts it in this folder, which is made, until this is dropped.
    pub(crate) fn start(server: &'static ApiServer, folder: PathBuf) -> Self {
        fs::create_dir(&folder).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let (mut number, mut before) = (0, Value::String("nothing".to_owned()));
            while !over.load(SeqCst) {
                let data =
                    server.secret("istio-system", "cacerts").and_then(|it| it.get("data").cloned()).unwrap_or_default();
                if data != before {
                    number += 1;
                    mount(&folder, number, &data);
                    before = data;
                }
                thread::sleep(Duration::from_millis(200));
            }
        });
        Self { is_over, thread: Some(thread) }
    }
}

fn mount(folder: &Path, number: usize, data: &Value) {
    let whole = format!("..{number}");
    fs::create_dir(folder.join(&whole)).unwrap();
    for (name, value) in data.as_object().into_iter().flatten() {
        fs::write(folder.join(&whole).join(name), STANDARD.decode(value.as_str().unwrap()).unwrap()).unwrap();
        let _ = symlink(format!("..data/{name}"), folder.join(name));
    }
    let _ = fs::remove_file(folder.join("..next"));
    symlink(whole, folder.join("..next")).unwrap();
    fs::rename(folder.join("..next"), folder.join("..data")).unwrap();
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.is_over.store(true, SeqCst);
        self.thread.take().map(thread::JoinHandle::join);
    }
}
