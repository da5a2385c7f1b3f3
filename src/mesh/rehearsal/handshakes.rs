//! Whether the workloads of one cluster are accepted by those of another, verified by the real code and remembered.

use std::collections::BTreeMap;
use std::rc::Rc;

use ring::rand::SecureRandom;
use time::OffsetDateTime;

use crate::mesh::observed::certificates;
use crate::pki::certificate::Certificate;
use crate::pki::rehearsal::Rehearsal;
use crate::pki::signing_key::SigningKey;
use crate::pki::validity::Validity;

/// The number of a chain or of a trust bundle.
pub(super) type Number = usize;

/// What workloads present: the signer's certificate and those above it.
struct Chain {
    certificates: Vec<Certificate>,
    key: Rc<SigningKey>,
}

/// Every chain and every trust bundle that was ever in use, and when one is accepted where the other is trusted.
pub(super) struct Handshakes<'a> {
    random: &'a dyn SecureRandom,
    trust_domain: &'a str,
    chains: Vec<Chain>,
    chain_numbers: BTreeMap<Vec<u8>, Number>,
    bundles: Vec<Vec<Certificate>>,
    bundle_numbers: BTreeMap<Vec<u8>, Number>,
    /// The windows in time in which a chain is accepted: one for each root that accepts it.
    accepted: BTreeMap<(Number, Number), Vec<Validity>>,
}

impl<'a> Handshakes<'a> {
    pub(super) fn new(trust_domain: &'a str, random: &'a dyn SecureRandom) -> Self {
        Self {
            random,
            trust_domain,
            chains: Vec::new(),
            chain_numbers: BTreeMap::new(),
            bundles: Vec::new(),
            bundle_numbers: BTreeMap::new(),
            accepted: BTreeMap::new(),
        }
    }

    /// The number of a chain, whose first certificate is that of this key.
    pub(super) fn chain(&mut self, chain_file: &[u8], key: &Rc<SigningKey>) -> Number {
        if let Some(known) = self.chain_numbers.get(chain_file) {
            return *known;
        }
        self.chains.push(Chain { certificates: certificates(chain_file), key: Rc::clone(key) });
        let number = self.chains.len() - 1;
        self.chain_numbers.insert(chain_file.to_vec(), number);
        number
    }

    /// The number of a trust bundle.
    pub(super) fn bundle(&mut self, bundle: &[u8]) -> Number {
        if let Some(known) = self.bundle_numbers.get(bundle) {
            return *known;
        }
        self.bundles.push(certificates(bundle));
        let number = self.bundles.len() - 1;
        self.bundle_numbers.insert(bundle.to_vec(), number);
        number
    }

    /// Whether a living workload certificate with this chain is accepted now where this bundle is trusted.
    pub(super) fn accepts(&mut self, chain: Number, bundle: Number, now: OffsetDateTime) -> bool {
        if !self.accepted.contains_key(&(chain, bundle)) {
            let windows = self.windows(chain, bundle);
            self.accepted.insert((chain, bundle), windows);
        }
        self.accepted.get(&(chain, bundle)).is_some_and(|windows| windows.iter().any(|window| window.contains(now)))
    }

    /// How many combinations were verified.
    pub(super) fn verified(&self) -> usize {
        self.accepted.len()
    }

    /// Within a window nothing that a verifier looks at changes, so that one verification speaks for all of it.
    fn windows(&self, chain: Number, bundle: Number) -> Vec<Validity> {
        let (Some(chain), Some(roots)) = (self.chains.get(chain), self.bundles.get(bundle)) else { return Vec::new() };
        let presented: Vec<&Certificate> = chain.certificates.iter().collect();
        let window_under = |root: &Certificate| {
            let all = || chain.certificates.iter().chain([root]).map(Certificate::validity);
            let begin = all().map(|it| it.not_before()).max()?;
            let end = all().map(|it| it.not_after()).min()?;
            let rehearsal = Rehearsal { subject_key: &chain.key, trust_domain: self.trust_domain, now: begin };
            let holds = begin <= end && rehearsal.verifies(&presented, root, self.random).is_ok();
            holds.then(|| Validity::new(begin, end))
        };
        roots.iter().filter_map(window_under).collect()
    }
}
