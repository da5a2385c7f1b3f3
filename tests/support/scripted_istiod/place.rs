//! Where an istiod finds its `cacerts` and leaves its ConfigMap: a folder, or a namespace behind a real API server.

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use meshca::mesh::secret_files::{CA_CERT, CA_KEY, ROOT_CERT, SecretFiles};
use serde_json::{Value, json};

use crate::clusters::{Answer, ApiServer};

/// What istiod calls the objects that it writes.
const ROOT_CONFIG_MAP: &str = "istio-ca-root-cert";
const OWN_CA: &str = "istio-ca-secret";

/// The name under which istiod writes.
const MANAGER: &str = "pilot-discovery";

/// A place. A folder stands for the namespace of a cluster that has no API server, as meshca's directories do.
#[derive(Clone)]
pub(crate) enum Place {
    Folder(PathBuf),
    Namespace(&'static ApiServer, String),
}

impl Place {
    /// The files of its `cacerts`; none where it has none. `None`: it cannot be read now.
    pub(crate) fn cacerts(&self) -> Option<SecretFiles> {
        match self {
            Place::Folder(folder) => files_in(folder),
            Place::Namespace(..) => {
                let answer = self.get("secrets", "cacerts")?;
                match answer.status {
                    200 => Some(decoded(&answer.json()["data"])),
                    404 => Some(SecretFiles::new()),
                    _ => None,
                }
            }
        }
    }

    /// Shows these roots. False: that was not possible now.
    pub(super) fn show(&self, bundle: &[u8]) -> bool {
        let Place::Namespace(..) = self else {
            return self.write(&format!("{ROOT_CONFIG_MAP}/{ROOT_CERT}"), bundle);
        };
        let text = String::from_utf8_lossy(bundle);
        let Some(answer) = self.get("configmaps", ROOT_CONFIG_MAP) else { return false };
        let done = match answer.status {
            200 => {
                let mut map = answer.json();
                if map["data"][ROOT_CERT] == *text {
                    return true;
                }
                map["data"][ROOT_CERT] = json!(text);
                self.ask(&format!("PUT {}/{ROOT_CONFIG_MAP}", self.path("configmaps")), &map)
            }
            404 => {
                let metadata = json!({ "name": ROOT_CONFIG_MAP, "labels": { "istio.io/config": "true" } });
                let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { ROOT_CERT: text } });
                self.ask(&format!("POST {}", self.path("configmaps")), &map)
            }
            _ => None,
        };
        done.is_some_and(|answer| matches!(answer.status, 200 | 201))
    }

    /// The roots that its ConfigMap shows; none: there is none, or it cannot be read now.
    pub(crate) fn shown(&self) -> Option<Vec<u8>> {
        match self {
            Place::Folder(folder) => fs::read(folder.join(ROOT_CONFIG_MAP).join(ROOT_CERT)).ok(),
            Place::Namespace(..) => {
                let map = self.get("configmaps", ROOT_CONFIG_MAP).filter(|answer| answer.status == 200)?.json();
                map["data"][ROOT_CERT].as_str().map(|text| text.as_bytes().to_vec())
            }
        }
    }

    /// The CA that an istiod made for itself here, in the form of a `cacerts`.
    pub(super) fn own_ca(&self) -> Option<SecretFiles> {
        let kept = match self {
            Place::Folder(folder) => files_in(&folder.join(OWN_CA)).filter(|files| files.has(CA_CERT))?,
            Place::Namespace(..) => {
                let answer = self.get("secrets", OWN_CA).filter(|answer| answer.status == 200)?;
                decoded(&answer.json()["data"])
            }
        };
        let certificate = kept.get(CA_CERT)?.to_vec();
        Some(kept.with(ROOT_CERT, certificate))
    }

    /// Keeps it.
    pub(super) fn keep_own_ca(&self, made: &SecretFiles) {
        let values = [CA_CERT, CA_KEY].map(|name| (name, made.get(name).unwrap_or_default()));
        let is_kept = match self {
            Place::Folder(_) => values.iter().all(|(name, value)| self.write(&format!("{OWN_CA}/{name}"), value)),
            Place::Namespace(..) => {
                let data: Value = values.iter().map(|(name, value)| (*name, STANDARD.encode(value))).collect();
                let secret = json!({ "apiVersion": "v1", "kind": "Secret", "type": "istio.io/ca-root",
                    "metadata": { "name": OWN_CA }, "data": data });
                self.ask(&format!("POST {}", self.path("secrets")), &secret).is_some_and(|it| it.status == 201)
            }
        };
        assert!(is_kept, "the CA of an istiod could not be kept");
    }

    fn write(&self, name: &str, bytes: &[u8]) -> bool {
        let Place::Folder(folder) = self else { return false };
        let path = folder.join(name);
        let aside = path.with_extension("aside");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&aside, bytes).unwrap();
        fs::rename(aside, path).is_ok()
    }

    fn path(&self, kind: &str) -> String {
        match self {
            Place::Namespace(_, namespace) => format!("/api/v1/namespaces/{namespace}/{kind}"),
            Place::Folder(folder) => panic!("{} is no namespace", folder.display()),
        }
    }

    fn get(&self, kind: &str, name: &str) -> Option<Answer> {
        let Place::Namespace(server, _) = self else { return None };
        server.ask(server.token("admin"), &format!("GET {}/{name}", self.path(kind)), "", "").ok()
    }

    fn ask(&self, request: &str, body: &Value) -> Option<Answer> {
        let Place::Namespace(server, _) = self else { return None };
        let request = format!("{request}?fieldManager={MANAGER}");
        server.ask(server.token("admin"), &request, "application/json", &body.to_string()).ok()
    }
}

/// The files that a folder shows, as one set. `None`: it was exchanged meanwhile, or is in the middle of that.
fn files_in(folder: &std::path::Path) -> Option<SecretFiles> {
    let version = || fs::read_link(folder.join("..data")).ok();
    let before = version();
    let mut files = SecretFiles::new();
    // A folder that is not there is an empty one.
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.ok()?;
        let name = entry.file_name().into_string().ok()?;
        // A link that leads nowhere shows no file; a folder is none.
        if !name.starts_with('.') && entry.path().is_file() {
            files.insert(name, fs::read(entry.path()).ok()?);
        }
    }
    (version() == before).then_some(files)
}

pub(crate) fn decoded(data: &Value) -> SecretFiles {
    let values = data.as_object().into_iter().flatten();
    values.fold(SecretFiles::new(), |files, (name, value)| {
        files.with(name.clone(), STANDARD.decode(value.as_str().unwrap()).unwrap())
    })
}
