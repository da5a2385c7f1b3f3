//! `issuing create`: mints the next online issuing CA under the root. A ceremony; offline.

use time::OffsetDateTime;

use crate::mesh::fleet::Mesh;
use crate::mesh::holdings::Held;
use crate::mesh::ledger::Act;
use crate::mesh::minting::{self, Authority, Ingredients};
use crate::mesh::signing_root;
use crate::pki::signing_key::SigningKey;
use crate::problem::{Code, Problem};
use crate::world::entropy::Entropy;
use crate::world::ledger_file::{About, LedgerFile};
use crate::world::passphrase::PassphraseSource;
use crate::world::store::Store;
use crate::world::{key_seal, root_key};

/// What `issuing create` is asked for.
#[derive(Debug)]
pub struct Order<'a> {
    /// The generation of the root that signs; `None`: the newest trusted one.
    pub root: Option<u32>,
    /// Opens the root key.
    pub opens: &'a PassphraseSource,
    /// Seals the new key.
    pub seals: &'a PassphraseSource,
}

/// A new issuing CA, and the root that signed it.
#[derive(Debug)]
pub struct Made {
    /// The issuing CA.
    pub issuing: Held,
    /// Its root.
    pub root: Held,
    /// Whether another trusted root could have signed it.
    pub had_choice: bool,
}

/// Mints, seals and writes the next issuing CA.
///
/// # Errors
/// `no-issuing-tier`, `no-usable-root`, `root-not-trusted`; `passphrase-shared`, outside a lab; whatever opening, minting
/// and writing refuse.
pub fn run(
    mesh: &Mesh,
    store: &Store,
    order: &Order<'_>,
    entropy: &Entropy,
    ledger: &mut LedgerFile,
    now: OffsetDateTime,
) -> Result<Made, Problem> {
    let Order { opens, seals, .. } = order;
    let wish = mesh.issuing.ok_or_else(|| {
        Problem::new(Code::NoIssuingTier, format!("{} has no issuing tier: the root signs intermediates", mesh.name))
            .hint("issuing: { mode: online }   in the mesh file, or: meshca issue --until DATE")
    })?;
    let holdings = store.holdings()?;
    let anchor = signing_root::named_or_newest(mesh, &holdings, order.root)?;
    let generation = store.next_issuing()?;
    let root_key = root_key::open(store, anchor, opens, mesh.lab, entropy)?;
    let passphrase = seals.new_one("the new issuing key")?;
    if !mesh.lab {
        opens.refuse_for(&passphrase, "the new issuing key")?;
    }
    let key = SigningKey::generate(wish.key, entropy.source())?;
    let with = Ingredients { key: &key, serial: entropy.serial()?, random: entropy.source(), now };
    let root = Authority { certificate: &anchor.certificate, key: &root_key };
    let certificate = minting::issuing(mesh, wish, generation, root, &with)?.into_certificate();
    let sealed = key_seal::seal(&key, &passphrase, entropy)?;
    let about = About { generation: Some(generation), certificate: Some(&certificate), cluster: None };
    ledger.intent(Act::MintIssuing, about)?;
    root_key::lay_down_issuing(store, generation, &sealed, &certificate)?;
    ledger.done(Act::MintIssuing, about)?;
    let had_choice = holdings.trusted(mesh)?.len() > 1;
    Ok(Made { issuing: Held { generation, certificate }, root: anchor.clone(), had_choice })
}
