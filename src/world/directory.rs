//! A target that is a folder, laid out as the kubelet projects a Secret, so that an istiod that watches the folder
//! reloads: `ca-cert.pem → ..data/ca-cert.pem`, `..data → ..2026_11_23_10_00_00.5f3a`, swapped by one rename.
//!
//! A sub-folder `istio-ca-root-cert` with `root-cert.pem` stands for the ConfigMap of that name, where there is one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::macros::format_description;

use crate::mesh::cacerts::{CA_KEY, Cacerts, FILES, ROOT_CERT, ROOT_CONFIG_MAP, SELF_SIGNED_SECRET};
use crate::mesh::change::Change;
use crate::mesh::fleet::Cluster;
use crate::mesh::observed::{Observed, Owner, SecretKind, SecretSight};
use crate::mesh::ownership::Ownership;
use crate::pki::secret::Secret;
use crate::problem::{Code, Problem};
use crate::world::entropy::Entropy;
use crate::world::files::{self, Readers};
use crate::world::key_half;

/// Kubernetes allows 1 MiB of data in a Secret.
const LARGEST_VALUE: usize = 1024 * 1024;

/// More values than any `cacerts` has.
const MOST_VALUES: usize = 64;

const DATA: &str = "..data";
/// Ours, beside the values, where neither istiod nor a watcher of the folder looks.
const MARK: &str = "..meshca.json";

/// Looks at a directory target.
#[must_use]
pub fn observe(folder: &Path, cluster: &Cluster, entropy: &Entropy, now: OffsetDateTime) -> Observed {
    let has_cacerts = cluster.role.has_cacerts();
    let (secret, written_at) = match look(folder, entropy) {
        _ if !has_cacerts => (Ok(None), None),
        Ok((secret, written_at)) => (Ok(secret), written_at),
        Err(problem) => (Err(problem), None),
    };
    let trust = folder.join(ROOT_CONFIG_MAP).join(ROOT_CERT);
    let system_roots =
        files::read_if_there(&trust, LARGEST_VALUE).map(|bytes| bytes.map(|bytes| bytes.expose().to_vec().into()));
    Observed {
        cluster: cluster.name.clone(),
        at: now,
        secret,
        system_roots,
        self_signed: files::is_there(&folder.join(SELF_SIGNED_SECRET)),
        replicas: Vec::new(),
        written_at,
        control_planes: None,
        system_roots_since: None,
        server_clock: None,
        deployment: None,
    }
}

/// The values as they are, a private key included: for `check`.
///
/// # Errors
/// `file-unreadable`, `file-too-large`, `too-many-values`.
pub fn values(folder: &Path) -> Result<BTreeMap<String, Secret>, Problem> {
    let version = files::link(&folder.join(DATA))?;
    let data = match &version {
        Some(target) => folder.join(target),
        None => folder.to_path_buf(),
    };
    let names: Vec<String> = files::names(&data)?.into_iter().filter(|name| !name.starts_with('.')).collect();
    if names.len() > MOST_VALUES {
        return Err(Problem::new(
            Code::TooManyValues,
            format!("{} holds {} files, and a cacerts has at most {MOST_VALUES}", folder.display(), names.len()),
        )
        .hint(format!("ls {}   and look what else lies there", folder.display())));
    }
    let mut values = BTreeMap::new();
    for name in names {
        if name == ROOT_CONFIG_MAP || name == SELF_SIGNED_SECRET {
            continue;
        }
        // What counts is what the folder shows: a value without its link is none, and a file in its place is another.
        let shown = folder.join(&name);
        let is_linked = files::link(&shown)?.as_ref() == Some(&PathBuf::from(DATA).join(&name));
        let path = if version.is_none() || is_linked { data.join(&name) } else { shown };
        if let Some(value) = files::read_if_there(&path, LARGEST_VALUE)? {
            values.insert(name, value);
        }
    }
    Ok(values)
}

type Sight = (Option<SecretSight>, Option<OffsetDateTime>);

fn look(folder: &Path, entropy: &Entropy) -> Result<Sight, Problem> {
    let values = values(folder)?;
    let version = version(folder)?;
    if values.is_empty() && version.is_none() {
        return Ok((None, None));
    }
    let owner = match &version {
        Some(version) => owner(&folder.join(version))?,
        None => Owner::Somebody("plain files, not laid out as the kubelet does".to_owned()),
    };
    let spki = key_half::of(&values, entropy);
    let public = values.into_iter().map(|(name, value)| (name, value.expose().to_vec())).collect();
    let mut secret = SecretSight::new(SecretKind::Opaque, owner, public, spki);
    let written_at = version.as_deref().and_then(moment);
    secret.version = version;
    Ok((Some(secret), written_at))
}

fn owner(data: &Path) -> Result<Owner, Problem> {
    let mark = files::read_if_there(&data.join(MARK), LARGEST_VALUE)?;
    let mark = mark.and_then(|text| serde_json::from_slice::<BTreeMap<String, String>>(text.expose()).ok());
    Ok(match mark.as_ref().and_then(Ownership::from_annotations) {
        Some(mark) => Owner::Ours(mark),
        None => Owner::Somebody("no annotations of meshca".to_owned()),
    })
}

fn version(folder: &Path) -> Result<Option<String>, Problem> {
    Ok(files::link(&folder.join(DATA))?.map(|target| target.to_string_lossy().into_owned()))
}

/// Writes a set, if the target is still what was decided on. At each moment the folder shows the old set or the new
/// one, never a part.
///
/// # Errors
/// `target-changed-meanwhile`, `file-unwritable`; then the target shows what it showed before.
pub fn write(
    folder: &Path,
    set: &Cacerts,
    mark: &Ownership,
    change: &Change,
    entropy: &Entropy,
    now: OffsetDateTime,
) -> Result<(), Problem> {
    let decided = match change {
        Change::Create => None,
        Change::Replace { version, .. } => version.clone(),
        Change::Leave | Change::Refuse(_) => return Ok(()),
    };
    files::ensure_folder(folder, Readers::Everybody)?;
    let present = version(folder)?;
    if present != decided {
        return Err(Problem::new(
            Code::TargetChangedMeanwhile,
            format!("{} changed between the decision and the write", folder.display()),
        )
        .fact(format!("decided on  {}", decided.as_deref().unwrap_or("no cacerts")))
        .fact(format!("found       {}", present.as_deref().unwrap_or("no cacerts"))));
    }
    tidy(folder)?;
    let name = data_name(entropy, now)?;
    let data = folder.join(&name);
    files::create_folder(&data, Readers::Everybody)?;
    let swap = || files::point(&folder.join(DATA), Path::new(&name)).and_then(|()| files::sync_folder(folder));
    // Files that were laid out by hand are replaced one by one by links that show the same.
    let is_by_hand = present.is_none() && files::is_there(&folder.join(CA_KEY));
    let written = fill(&data, set, mark).and_then(|()| match is_by_hand {
        true => swap().and_then(|()| show(folder)),
        false => show(folder).and_then(|()| swap()),
    });
    if let Err(problem) = written {
        // Where nothing points there, the half-written set, with its key, goes.
        if version(folder).is_ok_and(|shown| shown.as_deref() != Some(name.as_str())) {
            let _ = discard(&data);
        }
        return Err(problem);
    }
    tidy(folder)
}

/// The links that show the values. In a new target they come before the values: they show nothing until `..data` is
/// there, and then all four at once.
fn show(folder: &Path) -> Result<(), Problem> {
    let mut is_new = false;
    for file in FILES {
        let shown = folder.join(file);
        let target = PathBuf::from(DATA).join(file);
        if files::link(&shown)?.as_ref() != Some(&target) {
            files::point(&shown, &target)?;
            is_new = true;
        }
    }
    if is_new { files::sync_folder(folder) } else { Ok(()) }
}

/// The mark is on the disk before anything else is: by it a later run finds what this one could not finish.
fn fill(data: &Path, set: &Cacerts, mark: &Ownership) -> Result<(), Problem> {
    let mark = serde_json::to_vec(&mark.annotations()).unwrap_or_default();
    files::create_unseen(&data.join(MARK), &mark, Readers::Everybody)?;
    files::sync_folder(data)?;
    for (name, value) in set.files() {
        let readers = if name == CA_KEY { Readers::Owner } else { Readers::Everybody };
        files::create_unseen(&data.join(name), value.expose(), readers)?;
    }
    files::sync_folder(data)
}

/// Removes sets of ours that nothing points to: what a crash left, or what was just replaced. A private key nobody
/// uses must not lie around.
///
/// # Errors
/// `file-unwritable`, `file-unreadable`.
pub fn tidy(folder: &Path) -> Result<(), Problem> {
    let present = version(folder)?;
    for name in files::names(folder)? {
        if let Some(own) = files::name_of_link_aside(&name).filter(|own| *own == DATA || FILES.contains(own)) {
            files::remove_link_aside(&folder.join(own))?;
        }
        let data = folder.join(&name);
        if moment(&name).is_none() || Some(&name) == present.as_ref() {
            continue;
        }
        if files::is_there(&data.join(MARK)) {
            discard(&data)?;
        } else {
            // Killed before the mark was written, or after all else was removed: then it is empty. What is not empty
            // is somebody else's and stays.
            let _ = files::remove_empty_folder(&data);
        }
    }
    Ok(())
}

/// Removes a set of ours: the private key first, and last the mark by which a next run would find the rest.
fn discard(data: &Path) -> Result<(), Problem> {
    let names = files::names(data)?;
    let key = names.iter().filter(|name| *name == CA_KEY);
    let others = names.iter().filter(|name| *name != CA_KEY && *name != MARK);
    for name in key.chain(others).chain(names.iter().filter(|name| *name == MARK)) {
        files::remove(&data.join(name))?;
    }
    files::remove_empty_folder(data)
}

/// A name as the kubelet makes it: the moment, and something random.
fn data_name(entropy: &Entropy, now: OffsetDateTime) -> Result<String, Problem> {
    let format = format_description!("[year]_[month]_[day]_[hour]_[minute]_[second]");
    let moment = now.format(&format).unwrap_or_default();
    let serial = entropy.serial()?.to_string();
    Ok(format!("..{moment}.{}", serial.chars().skip(2).take(8).collect::<String>()))
}

/// The moment in such a name, UTC; `None` for any other name.
fn moment(name: &str) -> Option<OffsetDateTime> {
    let format = format_description!("[year]_[month]_[day]_[hour]_[minute]_[second]");
    let (moment, _) = name.strip_prefix("..")?.split_once('.')?;
    time::PrimitiveDateTime::parse(moment, &format).ok().map(time::PrimitiveDateTime::assume_utc)
}
