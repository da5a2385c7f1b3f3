//! `quickstart`: the whole main job in one folder, for a laptop: two primaries and a remote, a root, an issuing CA,
//! intermediates, publish, one tick. It calls the jobs that people call, in their order.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use time::OffsetDateTime;

use crate::jobs::courier::Courier;
use crate::jobs::publish::{self, Delivery};
use crate::jobs::rotate::{self, Tick};
use crate::jobs::{init, issue, issuing_create, root_create};
use crate::mesh::fleet::Mesh;
use crate::mesh::gates::Approvals;
use crate::mesh::mesh_template;
use crate::pki::certificate::Certificate;
use crate::problem::Problem;
use crate::world::brake::Brake;
use crate::world::entropy::Entropy;
use crate::world::files::{self, Readers};
use crate::world::ledger_file::LedgerFile;
use crate::world::passphrase::PassphraseSource;
use crate::world::store::Store;
use crate::world::targets::Targets;
use crate::world::{key_seal, mesh_folder};

/// What the quickstart made.
#[derive(Debug)]
pub struct Quickstart {
    /// The mesh file.
    pub file: PathBuf,
    /// The file with the random passphrase of all its keys.
    pub passphrase_file: PathBuf,
    /// The mesh.
    pub mesh: Mesh,
    /// The root.
    pub root: Certificate,
    /// What was published.
    pub deliveries: Vec<Delivery>,
    /// The tick after it.
    pub tick: Tick,
}

/// Does all of it in a folder that must not exist.
///
/// # Errors
/// `file-exists`, when it does; `file-unwritable`; whatever the jobs refuse.
pub fn run(folder: &Path, entropy: &Entropy, now: OffsetDateTime) -> Result<Quickstart, Vec<Problem>> {
    let one = |problem: Problem| vec![problem];
    files::create_folder(folder, Readers::Owner).map_err(one)?;
    let file = folder.join(init::MESH_FILE);
    files::create(&file, mesh_template::quickstart().as_bytes(), Readers::Everybody).map_err(one)?;
    let (mesh, _) = mesh_folder::read(&file)?;
    let passphrase = entropy.passphrase().map_err(one)?;
    let passphrase_file = folder.join("passphrase");
    key_seal::write_passphrase(&passphrase_file, &passphrase).map_err(one)?;
    let source = PassphraseSource::known(passphrase);
    let lock = mesh_folder::lock(&mesh).map_err(one)?;
    let store = Store::new(mesh.material.clone());
    let mut ledger = LedgerFile::new(&mesh.records, now);
    let prospect = root_create::first(&store, &mesh, now).map_err(one)?;
    let passphrases = root_create::Passphrases { opens: &source, seals: &source };
    let root = root_create::run(&mesh, &store, &prospect, &passphrases, entropy, &mut ledger, now).map_err(one)?;
    let order = issuing_create::Order { root: None, opens: &source, seals: &source };
    issuing_create::run(&mesh, &store, &order, entropy, &mut ledger, now).map_err(one)?;
    let (opens, shows_progress, seals) = (&source, false, None);
    let order = issue::Order { clusters: &[], root: None, until: None, opens, shows_progress, seals };
    issue::run(&mesh, &store, &order, entropy, &mut ledger, now).map_err(one)?;
    let ledger = Mutex::new(ledger);
    let targets = Targets::new(&mesh, entropy, now);
    let (ledger, brake) = (&ledger, &Brake::default());
    let courier = Courier { mesh: &mesh, own: None, targets: &targets, entropy, ledger, now, brake, shows_progress };
    let order = publish::Order { clusters: &[], dry_run: false, opens: &source };
    let deliveries = publish::run(&courier, &store, &order).map_err(one)?;
    let tick = rotate::run(&courier, &store, &source, &Approvals::default()).map_err(one)?;
    drop(lock);
    Ok(Quickstart { file, passphrase_file, root: root.certificate, deliveries, tick, mesh })
}
