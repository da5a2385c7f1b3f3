//! `root import`: takes in a root that was made elsewhere, with its private key or without it. A ceremony; offline.

use std::path::Path;

use time::OffsetDateTime;

use crate::mesh::fleet::Mesh;
use crate::mesh::holdings::{Held, Holdings};
use crate::mesh::ledger::Act;
use crate::pki::certificate::Certificate;
use crate::pki::fingerprint::Fingerprint;
use crate::pki::moment::utc;
use crate::pki::profile::{Tier, may_sign};
use crate::pki::signature_check::{Signature, signature};
use crate::problem::{Code, Problem};
use crate::world::entropy::Entropy;
use crate::world::files;
use crate::world::ledger_file::{About, LedgerFile};
use crate::world::passphrase::PassphraseSource;
use crate::world::store::{LARGEST, Store, read_certificate};
use crate::world::{key_seal, root_key};

/// A root that may be taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    root: Held,
    pins: Vec<Fingerprint>,
}

impl Candidate {
    /// The root, with the generation that it will have.
    #[must_use]
    pub const fn root(&self) -> &Held {
        &self.root
    }

    /// What `root.trusted` must hold for the mesh to use this root and none less than before. Empty: nothing has to be
    /// pinned, since it is pinned already, or will be the founding root.
    #[must_use]
    pub fn pins(&self) -> &[Fingerprint] {
        &self.pins
    }
}

/// A private key that comes with it.
#[derive(Debug)]
pub struct Key<'a> {
    /// The file that holds it, sealed or not.
    pub path: &'a Path,
    /// Opens it.
    pub opens: &'a PassphraseSource,
    /// Seals it in the material folder.
    pub seals: &'a PassphraseSource,
}

/// Reads a root and says whether it may be taken in.
///
/// # Errors
/// `certificate-malformed`; `issuer-unfit`, or the code of its key's weakness; `root-not-self-signed`, `weak-signature`,
/// `root-ended`, `certificate-not-yet-valid`; `root-exists`, when its key is here already, `roots-share-subject`; as
/// [`Store::holdings`].
pub fn read(
    store: &Store,
    mesh: &Mesh,
    path: &Path,
    with_key: bool,
    now: OffsetDateTime,
) -> Result<Candidate, Problem> {
    let certificate = read_certificate(&files::read(path, LARGEST)?, path)?;
    // What it is to sign says how much room it needs below it.
    let below = if with_key && mesh.issuing.is_some() { Tier::Issuing } else { Tier::Intermediate };
    may_sign(&certificate, below).map_err(|problem| match problem.advice() {
        Some(_) => problem,
        None => problem.hint("ask its owner for a root that may sign CAs; openssl x509 -noout -text shows what it has"),
    })?;
    is_self_signed(&certificate)?;
    is_valid(&certificate, now)?;
    let holdings = store.holdings()?;
    is_new(&holdings, &certificate)?;
    let generation = store.next_root()?;
    let given = match mesh.root.trusted.as_slice() {
        [] => {
            holdings.roots.iter().filter(|root| root.generation == 1).map(|it| it.certificate.fingerprint()).collect()
        }
        pins => pins.to_vec(),
    };
    let own = certificate.fingerprint();
    let is_founding = generation == 1 && given.is_empty();
    let pins = if is_founding || given.contains(&own) { Vec::new() } else { [given, vec![own]].concat() };
    Ok(Candidate { root: Held { generation, certificate }, pins })
}

/// Lays it down as the next generation; its key, if it comes along, sealed anew. The file that it came from stays.
///
/// # Errors
/// `issuer-key-mismatch`, when the key is another root's; `wrong-passphrase`, `passphrase-needed`, `passphrase-refused`,
/// `key-malformed`, `file-unwritable`. Nothing is written before all of it is at hand.
pub fn run(
    store: &Store,
    candidate: &Candidate,
    key: Option<&Key<'_>>,
    entropy: &Entropy,
    ledger: &mut LedgerFile,
) -> Result<(), Problem> {
    let Held { generation, certificate } = &candidate.root;
    let sealed = match key {
        None => None,
        Some(Key { path, opens, seals }) => {
            let key = root_key::open_elsewhere(path, certificate, opens, entropy)?;
            Some(key_seal::seal(&key, &seals.new_one("the root key in the material folder")?, entropy)?)
        }
    };
    let about = About { generation: Some(*generation), certificate: Some(certificate), cluster: None };
    ledger.intent(Act::ImportRoot, about)?;
    root_key::lay_down(store, *generation, sealed.as_deref(), certificate, None)?;
    ledger.done(Act::ImportRoot, about)
}

fn is_self_signed(root: &Certificate) -> Result<(), Problem> {
    let subject = root.subject();
    match signature(root, root) {
        Signature::Holds if root.is_self_issued() => Ok(()),
        Signature::Weak => {
            Err(Problem::new(Code::WeakSignature, format!("\"{subject}\" is signed with a broken digest"))
                .hint("have its owner sign it anew with SHA-256; its key may stay"))
        }
        _ => Err(Problem::new(Code::RootNotSelfSigned, format!("\"{subject}\" is not signed by its own key"))
            .fact(format!("issuer  {}", root.issuer()))
            .hint("ask for the root itself: what another CA signed is no anchor for Envoy")),
    }
}

fn is_valid(root: &Certificate, now: OffsetDateTime) -> Result<(), Problem> {
    let (begin, end) = (root.validity().not_before(), root.not_after());
    if root.validity().contains(now) {
        return Ok(());
    }
    let (code, what) =
        if end < now { (Code::RootEnded, "has ended") } else { (Code::CertificateNotYetValid, "has not begun") };
    Err(Problem::new(code, format!("\"{}\" {what}", root.subject()))
        .fact(format!("valid  {} to {}", utc(begin), utc(end)))
        .fact(format!("now    {}", utc(now)))
        .hint("meshca root create --next   makes a root that lives"))
}

fn is_new(holdings: &Holdings, root: &Certificate) -> Result<(), Problem> {
    for Held { generation, certificate } in &holdings.roots {
        if certificate.spki() == root.spki() {
            let what = format!("the root of generation {generation} has the same key");
            return Err(Problem::new(Code::RootExists, what)
                .fact(format!("here  {}", certificate.fingerprint()))
                .fact(format!("new   {}", root.fingerprint()))
                .hint("a root that is here already is pinned in root.trusted of the mesh file, not imported"));
        }
        if certificate.subject() == root.subject() {
            let what = format!("the root of generation {generation} has the same name and another key");
            return Err(Problem::new(Code::RootsShareSubject, what)
                .fact(format!("both  {}", root.subject()))
                .hint("a chain could lead to either: have its owner make a root of another name"));
        }
    }
    Ok(())
}
