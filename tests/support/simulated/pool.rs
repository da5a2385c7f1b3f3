//! Keys, certificates and trust bundles of a simulated fleet. Each is made once and known by a small number afterwards, so
//! that a state of the fleet is a handful of numbers.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use meshca::mesh::cacerts::Cacerts;
use meshca::mesh::observed::{Owner, SecretKind, SecretSight};
use meshca::pki::certificate::Certificate;
use meshca::pki::certificate_pem::CertificatePem;
use meshca::pki::draft::Proof;
use meshca::pki::key_kind::KeyKind;
use meshca::pki::profile::{Draft, Subject, Tier};
use meshca::pki::serial::SerialNumber;
use meshca::pki::signing_key::SigningKey;
use meshca::pki::validity::Validity;
use ring::rand::SystemRandom;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

/// The moment at which every simulation begins.
pub(crate) const START: OffsetDateTime = datetime!(2026-11-23 10:00 UTC);

/// One intermediate. Roots count from 1, as their generations do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Signer {
    pub(crate) cluster: u8,
    pub(crate) root: u8,
    pub(crate) generation: u16,
    /// The generation is counted from what is there, so that it may come twice where a set was lost.
    pub(crate) copy: u8,
    /// Whether its renewal is due.
    pub(crate) is_due: bool,
}

/// The bytes of one trust bundle, by their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Bundle(u16);

/// A certificate and its key.
pub(crate) struct Made {
    pub(crate) certificate: Certificate,
    pub(crate) key: SigningKey,
}

struct Text {
    pem: CertificatePem,
    roots: Vec<u8>,
}

/// Everything that was made.
pub(crate) struct Pool {
    pub(crate) roots: Vec<Made>,
    pub(crate) issuing: Vec<Made>,
    signers: RwLock<BTreeMap<Signer, Arc<Made>>>,
    bundles: RwLock<Vec<Text>>,
    sights: RwLock<BTreeMap<(Signer, Bundle), Arc<SecretSight>>>,
    pieces: RwLock<BTreeMap<(Bundle, Bundle), bool>>,
}

impl Pool {
    /// This many roots, an issuing CA under each, and the trust bundles of each root alone and of each two neighbours.
    pub(crate) fn new(roots: u8) -> Self {
        let (month, decade) = (Duration::days(30), Duration::days(3650));
        let mint = |tier, number: u8, life, by: Option<&Made>| {
            let window = Validity::new(START - month, START + life);
            made(tier, format!("mesh1 {} g{number}", tier.as_str()), window, [tier as u8, number, 0, 0, 0], by, None)
        };
        let (mut minted, mut issuing) = (Vec::new(), Vec::new());
        for number in 1..=roots {
            let root = mint(Tier::Root, number, decade, None);
            issuing.push(mint(Tier::Issuing, number, decade - month, Some(&root)));
            minted.push(root);
        }
        let pool = Self {
            roots: minted,
            issuing,
            signers: RwLock::default(),
            bundles: RwLock::default(),
            sights: RwLock::default(),
            pieces: RwLock::default(),
        };
        for number in 1..=roots {
            pool.alone(number);
        }
        pool
    }

    /// The root of this number.
    pub(crate) fn root(&self, number: u8) -> &Certificate {
        &self.roots[usize::from(number) - 1].certificate
    }

    /// The number of a root.
    pub(crate) fn number(&self, of: impl Fn(&Certificate) -> bool) -> Option<u8> {
        let at = self.roots.iter().position(|made| of(&made.certificate))?;
        u8::try_from(at + 1).ok()
    }

    /// The trust bundle that holds this root alone.
    pub(crate) fn alone(&self, root: u8) -> Bundle {
        self.bundle(self.root(root).pem().as_bytes())
    }

    /// The number of these bytes.
    pub(crate) fn bundle(&self, bytes: &[u8]) -> Bundle {
        let mut known = self.bundles.write().unwrap();
        let at = known.iter().position(|text| *text.pem == *bytes).unwrap_or_else(|| {
            let pem = CertificatePem::from(bytes.to_vec());
            let roots = pem
                .certificates()
                .iter()
                .map(|root| self.number(|it| it == root).expect("a root of the pool"))
                .collect();
            known.push(Text { roots, pem });
            known.len() - 1
        });
        Bundle(u16::try_from(at).unwrap())
    }

    pub(crate) fn text(&self, bundle: Bundle) -> CertificatePem {
        self.bundles.read().unwrap()[usize::from(bundle.0)].pem.clone()
    }

    /// The roots in a trust bundle, in their order.
    pub(crate) fn roots_in(&self, bundle: Bundle) -> Vec<u8> {
        self.bundles.read().unwrap()[usize::from(bundle.0)].roots.clone()
    }

    /// Whether a trust bundle holds this root.
    pub(crate) fn trusts(&self, bundle: Bundle, root: u8) -> bool {
        self.bundles.read().unwrap()[usize::from(bundle.0)].roots.contains(&root)
    }

    /// Whether the bytes of one are a piece of the bytes of the other, as istiod asks.
    pub(crate) fn is_grown_or_shrunk(&self, one: Bundle, other: Bundle) -> bool {
        if let Some(known) = self.pieces.read().unwrap().get(&(one, other)) {
            return *known;
        }
        let is_piece = self.holds_the_other(one, other);
        self.pieces.write().unwrap().insert((one, other), is_piece);
        is_piece
    }

    fn holds_the_other(&self, one: Bundle, other: Bundle) -> bool {
        let bundles = self.bundles.read().unwrap();
        let (one, other) = (&bundles[usize::from(one.0)].pem, &bundles[usize::from(other.0)].pem);
        let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
        long.windows(short.len().max(1)).any(|piece| piece == &**short)
    }

    /// The certificate and the key of an intermediate; it is minted, to live then, if there is none yet.
    pub(crate) fn signer(&self, signer: Signer, window: Validity) -> Arc<Made> {
        if let Some(known) = self.signers.read().unwrap().get(&signer) {
            return Arc::clone(known);
        }
        // That its renewal has become due makes it no other intermediate: its end came nearer.
        let twin = Signer { is_due: !signer.is_due, ..signer };
        let mut known = self.signers.write().unwrap();
        let twin = known.get(&twin).cloned();
        let [high, low] = signer.generation.to_be_bytes();
        let number = [0x40 | signer.root, signer.cluster, high, low, signer.copy];
        let name = format!("mesh1 c{} g{}", signer.cluster, signer.generation);
        let by = &self.issuing[usize::from(signer.root) - 1];
        let key = twin.as_ref().map(|twin| &twin.key);
        let minted = Arc::new(made(Tier::Intermediate, name, window, number, Some(by), key));
        Arc::clone(known.entry(signer).or_insert(minted))
    }

    /// What is seen where a set with this intermediate and this trust bundle lies. Whose it is comes on top.
    pub(crate) fn sight(&self, signer: Signer, window: Validity, bundle: Bundle) -> Arc<SecretSight> {
        if let Some(known) = self.sights.read().unwrap().get(&(signer, bundle)) {
            return Arc::clone(known);
        }
        let made = self.signer(signer, window);
        let upper = [&self.issuing[usize::from(signer.root) - 1].certificate];
        let set = Cacerts::assemble(made.certificate.clone(), &made.key, &upper, None, &self.text(bundle));
        let values = set.files().iter().map(|(file, value)| ((*file).to_owned(), value.expose().to_vec())).collect();
        let sight = SecretSight::new(SecretKind::Opaque, Owner::Istiod, values, Some(made.key.spki()));
        Arc::clone(self.sights.write().unwrap().entry((signer, bundle)).or_insert(Arc::new(sight)))
    }
}

fn made(
    tier: Tier,
    name: String,
    window: Validity,
    number: [u8; 5],
    by: Option<&Made>,
    key: Option<&SigningKey>,
) -> Made {
    let random = SystemRandom::new();
    let own = match key {
        Some(key) => SigningKey::from_pkcs8(key.pkcs8().clone(), &random).unwrap(),
        None => SigningKey::generate(KeyKind::EcdsaP256, &random).unwrap(),
    };
    let mut serial = [0x11; 16];
    serial[..5].copy_from_slice(&number);
    let draft = Draft {
        tier,
        subject: Subject { organization: "Hash Foundry".to_owned(), unit: None, common_name: name },
        validity: window,
        serial: SerialNumber::from_random(serial),
        spki: own.spki(),
    };
    let cleared = match by {
        None => draft.clear_as_root().unwrap(),
        Some(by) => draft.clear_under(&by.certificate).unwrap(),
    };
    let signed = cleared.sign(by.map_or(&own, |by| &by.key), &Proof::Signature, &random).unwrap();
    Made { certificate: signed.into_certificate(), key: own }
}
