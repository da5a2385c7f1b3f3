//! The material folder: roots, issuing CAs and prepared intermediates, public parts. Private keys are opened and
//! written elsewhere.
//!
//! ```text
//! material/root/g1/root-cert.pem         root-key.pem      (sealed; belongs offline)
//! material/root/g2/root-cert.pem         root-key.pem      endorsement.txt
//! material/issuing/g1/issuing-cert.pem   issuing-key.pem   (sealed)
//! material/stock/east/g1/ca-cert.pem     ca-key.pem        (sealed)   upper.pem
//! ```

use std::path::{Path, PathBuf};

use crate::mesh::fleet::ClusterName;
use crate::mesh::holdings::{Held, Holdings, Prepared};
use crate::mesh::manifests::pod_files::Piece;
use crate::mesh::observed::certificates;
use crate::pki::certificate::Certificate;
use crate::pki::endorsement::{self, Endorsement};
use crate::pki::secret::Secret;
use crate::problem::{Code, Problem};
use crate::world::files::{self, Readers};

/// The largest certificate file that is read, in bytes.
pub const LARGEST: usize = 1024 * 1024;

/// The largest sealed key that is read, in bytes.
pub(in crate::world) const LARGEST_KEY: usize = 64 * 1024;

/// The material folder of one mesh.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// Where one generation of something lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    folder: PathBuf,
    certificate: &'static str,
    key: &'static str,
}

impl Slot {
    /// The file of the certificate.
    #[must_use]
    pub fn certificate_path(&self) -> PathBuf {
        self.folder.join(self.certificate)
    }

    /// The file of the private key.
    #[must_use]
    pub fn key_path(&self) -> PathBuf {
        self.folder.join(self.key)
    }

    /// Reads the private key file, sealed or not.
    ///
    /// # Errors
    /// `file-unreadable`, `file-too-large`.
    pub(in crate::world) fn read_key(&self) -> Result<Secret, Problem> {
        files::read(&self.key_path(), LARGEST_KEY)
    }

    /// Writes a new generation, all of it in one step: its folder appears when everything lies in it.
    ///
    /// # Errors
    /// `file-exists`, `file-unwritable`.
    pub(in crate::world) fn write(
        &self,
        key: Option<&[u8]>,
        certificate: &Certificate,
        more: &[(&str, &[u8])],
    ) -> Result<(), Problem> {
        files::create_folder_whole(&self.folder, |folder| {
            if let Some(key) = key {
                files::create_unseen(&folder.join(self.key), key, Readers::Owner)?;
            }
            for (name, bytes) in more {
                files::create_unseen(&folder.join(name), bytes, Readers::Everybody)?;
            }
            files::create_unseen(&folder.join(self.certificate), certificate.pem().as_bytes(), Readers::Everybody)
        })
    }
}

impl Store {
    /// The store in this folder, which need not be there yet.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The slot of a root's generation, with its key. A build without ceremonies does not know what that is called.
    #[cfg(feature = "ceremony")]
    #[must_use]
    pub fn root(&self, generation: u32) -> Slot {
        self.slot(Path::new(ROOT), generation, ROOT_CERTIFICATE, "root-key.pem")
    }

    /// The slot of an issuing CA's generation.
    #[must_use]
    pub fn issuing(&self, generation: u32) -> Slot {
        self.slot(Path::new("issuing"), generation, "issuing-cert.pem", "issuing-key.pem")
    }

    /// The slot of a prepared intermediate.
    #[must_use]
    pub fn prepared(&self, cluster: &ClusterName, generation: u32) -> Slot {
        self.slot(&Path::new("stock").join(cluster.as_str()), generation, "ca-cert.pem", "ca-key.pem")
    }

    fn slot(&self, of: &Path, generation: u32, certificate: &'static str, key: &'static str) -> Slot {
        Slot { folder: self.generation(of, generation), certificate, key }
    }

    fn generation(&self, of: &Path, generation: u32) -> PathBuf {
        self.folder.join(of).join(format!("g{generation}"))
    }

    /// Where one generation of what the unattended side needs lies, below this folder; the key of a root never.
    #[must_use]
    pub fn files_of(piece: &Piece) -> Vec<PathBuf> {
        let here = Self::new(PathBuf::new());
        let both = |slot: &Slot| vec![slot.certificate_path(), slot.key_path()];
        match piece {
            Piece::Root(generation) => vec![here.generation(Path::new(ROOT), *generation).join(ROOT_CERTIFICATE)],
            Piece::Endorsement(generation) => vec![here.generation(Path::new(ROOT), *generation).join(ENDORSEMENT)],
            Piece::Issuing(generation) => both(&here.issuing(*generation)),
            Piece::Stock(cluster, generation) => {
                let slot = here.prepared(cluster, *generation);
                both(&slot).into_iter().chain([slot.folder.join(UPPER)]).collect()
            }
        }
    }

    /// The first generation for which there is not even a folder.
    ///
    /// # Errors
    /// `file-unreadable`.
    pub fn next_root(&self) -> Result<u32, Problem> {
        self.next(Path::new(ROOT))
    }

    /// As [`Store::next_root`], for issuing CAs.
    ///
    /// # Errors
    /// `file-unreadable`.
    pub fn next_issuing(&self) -> Result<u32, Problem> {
        self.next(Path::new("issuing"))
    }

    /// As [`Store::next_root`], for one cluster's stock.
    ///
    /// # Errors
    /// `file-unreadable`.
    pub fn next_prepared(&self, cluster: &ClusterName) -> Result<u32, Problem> {
        self.next(&Path::new("stock").join(cluster.as_str()))
    }

    fn next(&self, of: &Path) -> Result<u32, Problem> {
        Ok(self.generations(of)?.last().map_or(1, |newest| newest.saturating_add(1)))
    }

    /// Everything that the folder holds; generations without a certificate are passed over.
    ///
    /// # Errors
    /// `file-unreadable`, `file-too-large`; `certificate-malformed`, `endorsement-malformed` with the path.
    pub fn holdings(&self) -> Result<Holdings, Problem> {
        let mut holdings = Holdings::default();
        for generation in self.generations(Path::new(ROOT))? {
            let folder = self.generation(Path::new(ROOT), generation);
            let Some(root) = held(&folder.join(ROOT_CERTIFICATE), generation)? else { continue };
            holdings.roots.push(root);
            holdings.endorsements.extend(endorsement(&folder.join(ENDORSEMENT), generation)?);
        }
        for generation in self.generations(Path::new("issuing"))? {
            holdings.issuing.extend(held(&self.issuing(generation).certificate_path(), generation)?);
        }
        for name in files::names(&self.folder.join("stock"))? {
            let Some(cluster) = ClusterName::parse(&name) else { continue };
            for generation in self.generations(&Path::new("stock").join(&name))? {
                let slot = self.prepared(&cluster, generation);
                let Some(Held { certificate, .. }) = held(&slot.certificate_path(), generation)? else { continue };
                let upper = files::read_if_there(&slot.folder.join(UPPER), LARGEST)?;
                let upper = certificates(upper.as_ref().map(Secret::expose).unwrap_or_default());
                let has_key = files::is_there(&slot.key_path());
                let cluster = cluster.clone();
                holdings.stock.push(Prepared { cluster, generation, signer: certificate, upper, has_key });
            }
        }
        Ok(holdings)
    }

    fn generations(&self, of: &Path) -> Result<Vec<u32>, Problem> {
        let names = files::names(&self.folder.join(of))?;
        let mut found: Vec<u32> =
            names.iter().filter_map(|name| name.strip_prefix('g')?.parse().ok()).filter(|it| *it > 0).collect();
        found.sort_unstable();
        Ok(found)
    }
}

/// The file with the tiers above a prepared intermediate, nearest first, without the root.
pub(in crate::world) const UPPER: &str = "upper.pem";

/// The folder of the roots.
const ROOT: &str = "root";

/// The file of a root's certificate.
const ROOT_CERTIFICATE: &str = "root-cert.pem";

/// The file beside a root with what the root before it said about it.
pub(in crate::world) const ENDORSEMENT: &str = "endorsement.txt";

/// The endorsement in this file, if it is there, which must be about the generation that it lies with.
fn endorsement(path: &Path, generation: u32) -> Result<Option<Endorsement>, Problem> {
    let Some(text) = files::read_if_there(path, endorsement::LARGEST)? else { return Ok(None) };
    let malformed = |why: &str| {
        Problem::new(Code::EndorsementMalformed, format!("{} is no endorsement of the root beside it", path.display()))
            .fact(why.to_owned())
            .hint(format!("compare it with a copy, or take it away: mv {0} {0}.away", path.display()))
    };
    let read = Endorsement::parse(text.expose()).map_err(|problem| malformed(problem.what()))?;
    if read.generation() != generation {
        return Err(malformed(&format!("it is about generation {}, and lies with {generation}", read.generation())));
    }
    Ok(Some(read))
}

fn held(path: &Path, generation: u32) -> Result<Option<Held>, Problem> {
    let Some(text) = files::read_if_there(path, LARGEST)? else { return Ok(None) };
    read_certificate(&text, path).map(|certificate| Some(Held { generation, certificate }))
}

/// The one certificate of a file.
///
/// # Errors
/// `certificate-malformed`, with the path.
pub fn read_certificate(text: &Secret, path: &Path) -> Result<Certificate, Problem> {
    let found = certificates(text.expose());
    match <[Certificate; 1]>::try_from(found) {
        Ok([certificate]) => Ok(certificate),
        Err(found) => Err(Problem::new(
            Code::CertificateMalformed,
            format!("{} holds {} readable certificates, not one", path.display(), found.len()),
        )
        .hint(format!("openssl x509 -in {} -noout -text", path.display()))),
    }
}
