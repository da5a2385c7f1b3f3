//! `root create`: mints the first root of a mesh; with `--next` the next one, which the present root's key endorses. A
//! ceremony; offline.

use time::OffsetDateTime;
use time::macros::datetime;

use crate::mesh::fleet::Mesh;
use crate::mesh::holdings::{Held, Holdings};
use crate::mesh::ledger::Act;
use crate::mesh::minting::{self, Ingredients};
use crate::pki::endorsement::Endorsement;
use crate::pki::fingerprint::Fingerprint;
use crate::pki::moment::utc;
use crate::pki::signing_key::SigningKey;
use crate::pki::validity::BACKDATE;
use crate::problem::{Code, Problem};
use crate::world::entropy::Entropy;
use crate::world::ledger_file::{About, LedgerFile};
use crate::world::passphrase::PassphraseSource;
use crate::world::store::Store;
use crate::world::{key_seal, root_key};

/// The generation that a first root has.
const FIRST: u32 = 1;

/// No clock that goes right stands before this program was written. A machine that was offline for years, with an
/// empty battery, says 1970.
const EARLIEST: OffsetDateTime = datetime!(2025-01-01 00:00 UTC);

/// A root that may be made here and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prospect {
    generation: u32,
    endorser: Option<Held>,
    others: Vec<u32>,
    used: Vec<Fingerprint>,
}

impl Prospect {
    /// Which generation it will be.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// The root whose key will endorse it: the newest trusted one. The first root has none; nor has one after a root whose
    /// key is leaked, whose word counts for nothing.
    #[must_use]
    pub const fn endorser(&self) -> Option<&Held> {
        self.endorser.as_ref()
    }

    /// What the mesh file must pin so that it is used: itself, and besides it what is used now. Empty: it is the first, or
    /// endorsed.
    #[must_use]
    pub fn pins(&self, made: &Held) -> Vec<Fingerprint> {
        if self.endorser.is_some() || self.generation == FIRST {
            return Vec::new();
        }
        self.used.iter().copied().chain([made.certificate.fingerprint()]).collect()
    }

    /// The generations of the other roots that are trusted already: while a fleet may still be on its way from one of
    /// them to another, a further one waits.
    #[must_use]
    pub fn others(&self) -> &[u32] {
        &self.others
    }
}

/// Where the passphrases come from.
#[derive(Debug)]
pub struct Passphrases<'a> {
    /// Opens the key of the root that endorses. A first root needs none.
    pub opens: &'a PassphraseSource,
    /// Seals the new key.
    pub seals: &'a PassphraseSource,
}

/// Whether a first root may be created here: there is none yet, and the clock may be right.
///
/// # Errors
/// `root-exists`, `clock-implausible`, `file-unreadable`.
pub fn first(store: &Store, mesh: &Mesh, now: OffsetDateTime) -> Result<Prospect, Problem> {
    clock_is_plausible(EARLIEST, "the time in which this program was written", now)?;
    match store.next_root()? {
        FIRST => Ok(Prospect { generation: FIRST, endorser: None, others: Vec::new(), used: Vec::new() }),
        next => Err(Problem::new(
            Code::RootExists,
            format!("{} holds a root already, generation {}", mesh.material.display(), next - 1),
        )
        .hint("meshca root create --next   makes the next one, which the present one endorses")),
    }
}

/// Whether a next root may be created here: there is one that may endorse it, and that lives.
///
/// # Errors
/// `no-usable-root`, or the code of the present root's weakness; `root-ended`, `roots-share-subject`,
/// `clock-implausible`; as [`Store::holdings`].
pub fn next(store: &Store, mesh: &Mesh, now: OffsetDateTime) -> Result<Prospect, Problem> {
    clock_is_plausible(EARLIEST, "the time in which this program was written", now)?;
    let holdings = store.holdings()?;
    let generation = store.next_root()?;
    let mut trusted = holdings.trusted(mesh)?.into_iter().cloned().collect::<Vec<Held>>();
    let used = trusted.iter().map(|root| root.certificate.fingerprint()).collect();
    let endorser = trusted.pop_if(|newest| !mesh.is_leaked(&newest.certificate));
    if let Some(endorser) = &endorser {
        lives(endorser, now)?;
    }
    subject_is_new(mesh, &holdings, generation)?;
    let others = match &endorser {
        Some(_) => trusted.iter().map(|root| root.generation).collect(),
        None => Vec::new(),
    };
    Ok(Prospect { generation, endorser, others, used })
}

/// Mints, seals and writes the root, with its endorsement. Its folder appears when all of it lies in it.
///
/// # Errors
/// `root-key-elsewhere` and whatever else opening a key refuses; `passphrase-needed`, `passphrase-refused`; whatever
/// minting and writing refuse. Nothing is written before the certificate is signed and proved.
pub fn run(
    mesh: &Mesh,
    store: &Store,
    prospect: &Prospect,
    passphrases: &Passphrases<'_>,
    entropy: &Entropy,
    ledger: &mut LedgerFile,
    now: OffsetDateTime,
) -> Result<Held, Problem> {
    let Prospect { generation, ref endorser, .. } = *prospect;
    let endorser = match endorser {
        None => None,
        Some(root) => Some((root, root_key::open(store, root, passphrases.opens, mesh.lab, entropy)?)),
    };
    let passphrase = passphrases.seals.new_one("the new root key")?;
    let key = SigningKey::generate(mesh.root.tier.key, entropy.source())?;
    let with = Ingredients { key: &key, serial: entropy.serial()?, random: entropy.source(), now };
    let certificate = minting::root(mesh, generation, &with)?.into_certificate();
    let endorsement = match &endorser {
        None => None,
        Some((by, their_key)) => {
            Some(Endorsement::sign(&by.certificate, their_key, &certificate, generation, entropy.source())?)
        }
    };
    let sealed = key_seal::seal(&key, &passphrase, entropy)?;
    let about = About { generation: Some(generation), certificate: Some(&certificate), cluster: None };
    let acts = endorsement.iter().map(|_| Act::EndorseRoot).chain([Act::MintRoot]).collect::<Vec<_>>();
    acts.iter().try_for_each(|act| ledger.intent(*act, about))?;
    root_key::lay_down(store, generation, Some(&sealed), &certificate, endorsement.as_ref())?;
    acts.iter().try_for_each(|act| ledger.done(*act, about))?;
    Ok(Held { generation, certificate })
}

fn lives(root: &Held, now: OffsetDateTime) -> Result<(), Problem> {
    let Held { generation, certificate } = root;
    let begin = certificate.validity().not_before();
    clock_is_plausible(begin - BACKDATE, "the beginning of the root in use", now)?;
    if now <= certificate.not_after() {
        return Ok(());
    }
    Err(Problem::new(Code::RootEnded, format!("the root of generation {generation} has ended, and endorses no other"))
        .fact(format!("ended  {}", utc(certificate.not_after())))
        .fact(format!("now    {}", utc(now)))
        .hint("nothing under it verifies any more: begin anew, with another folder as `material` in the mesh file"))
}

fn subject_is_new(mesh: &Mesh, holdings: &Holdings, generation: u32) -> Result<(), Problem> {
    let wanted = minting::root_subject(mesh, generation).common_name;
    let namesake = holdings.roots.iter().find(|root| root.certificate.subject().common_name() == Some(&wanted));
    namesake.map_or(Ok(()), |namesake| {
        Err(Problem::new(
            Code::RootsShareSubject,
            format!("generation {} is a root with the name of the new one, CN={wanted}", namesake.generation),
        )
        .hint("give root.subject.commonName in the mesh file another value"))
    })
}

fn clock_is_plausible(earliest: OffsetDateTime, what: &str, now: OffsetDateTime) -> Result<(), Problem> {
    if earliest <= now {
        return Ok(());
    }
    Err(Problem::new(Code::ClockImplausible, format!("the clock of this machine stands before {what}"))
        .fact(format!("now  {now}"))
        .hint("set the clock (timedatectl), or give the moment with --at in a lab"))
}
