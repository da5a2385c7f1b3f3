//! `root create`: mints the first root of a mesh. A ceremony; offline.

use time::OffsetDateTime;
use time::macros::datetime;

use crate::mesh::fleet::Mesh;
use crate::mesh::ledger::Act;
use crate::mesh::minting::{self, Ingredients};
use crate::pki::certificate::Certificate;
use crate::pki::signing_key::SigningKey;
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

/// Whether a root may be created here at all: there is none yet, and the clock may be right.
///
/// # Errors
/// `root-exists`, `clock-implausible`, `file-unreadable`.
pub fn prepare(store: &Store, mesh: &Mesh, now: OffsetDateTime) -> Result<(), Problem> {
    if now < EARLIEST {
        return Err(Problem::new(
            Code::ClockImplausible,
            "the clock of this machine stands before the time in which this program was written",
        )
        .fact(format!("now  {now}"))
        .hint("set the clock (timedatectl), or give the moment with --at in a lab"));
    }
    match store.next_root()? {
        FIRST => Ok(()),
        next => Err(Problem::new(
            Code::RootExists,
            format!("{} holds a root already, generation {}", mesh.material.display(), next - 1),
        )
        .hint("a next root is endorsed by the present one and walked in stages, which is not built yet")),
    }
}

/// Mints, seals and writes the root.
///
/// # Errors
/// As [`prepare`]; `passphrase-needed`, `passphrase-refused`; whatever minting and writing refuse. Nothing is written
/// before the certificate is signed and proved.
pub fn run(
    mesh: &Mesh,
    store: &Store,
    passphrase: &PassphraseSource,
    entropy: &Entropy,
    ledger: &mut LedgerFile,
    now: OffsetDateTime,
) -> Result<Certificate, Problem> {
    prepare(store, mesh, now)?;
    let passphrase = passphrase.new_one("the new root key")?;
    let key = SigningKey::generate(mesh.root.tier.key, entropy.source())?;
    let with = Ingredients { key: &key, serial: entropy.serial()?, random: entropy.source(), now };
    let certificate = minting::root(mesh, FIRST, &with)?.into_certificate();
    let sealed = key_seal::seal(&key, &passphrase, entropy)?;
    let about = About { generation: Some(FIRST), certificate: Some(&certificate), cluster: None };
    ledger.intent(Act::MintRoot, about)?;
    root_key::lay_down(store, FIRST, &sealed, &certificate)?;
    ledger.done(Act::MintRoot, about)?;
    Ok(certificate)
}
