//! The paths from the signer through the chain file to the roots, found as Go finds them: by names, then signatures.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::pki::certificate::Certificate;
use crate::pki::signature_check::{Signature, signature};

/// No sound mesh comes near these; they bound the work on hostile files.
const MOST_PATHS: usize = 32;
const DEEPEST: usize = 8;
const MOST_SIGNATURES: usize = 400;

/// What was found on the way up from the signer.
#[derive(Default)]
pub(in crate::mesh) struct Lineage {
    /// Each path: the signer first, a certificate of the root file last. The signer alone where it is a root.
    pub(in crate::mesh) paths: Vec<Vec<Rc<Certificate>>>,
    /// Pairs of child and namesake of its issuer whose key did not make the signature.
    pub(in crate::mesh) broken: Vec<(Rc<Certificate>, Rc<Certificate>)>,
    /// Pairs of child and issuer whose signature could not be judged here.
    pub(in crate::mesh) not_judged: Vec<(Rc<Certificate>, Rc<Certificate>)>,
    /// Whether the search ended because of its bounds.
    pub(in crate::mesh) cut_short: bool,
}

struct Search<'a> {
    chain: BTreeMap<&'a [u8], Vec<&'a Rc<Certificate>>>,
    roots: BTreeMap<&'a [u8], Vec<&'a Rc<Certificate>>>,
    signatures: usize,
    found: Lineage,
}

impl Lineage {
    pub(in crate::mesh) fn of(signer: &Rc<Certificate>, chain: &[Rc<Certificate>], roots: &[Rc<Certificate>]) -> Self {
        let mut search =
            Search { chain: by_subject(chain), roots: by_subject(roots), signatures: 0, found: Self::default() };
        if roots.contains(signer) {
            return Self { paths: vec![vec![Rc::clone(signer)]], ..Self::default() };
        }
        search.climb(&[Rc::clone(signer)]);
        search.found
    }
}

fn by_subject(certificates: &[Rc<Certificate>]) -> BTreeMap<&[u8], Vec<&Rc<Certificate>>> {
    let mut seen = BTreeSet::new();
    let mut sorted: BTreeMap<&[u8], Vec<&Rc<Certificate>>> = BTreeMap::new();
    for certificate in certificates.iter().filter(|certificate| seen.insert(certificate.der())) {
        sorted.entry(certificate.subject().der()).or_default().push(certificate);
    }
    sorted
}

impl Search<'_> {
    fn climb(&mut self, path: &[Rc<Certificate>]) {
        let Some(child) = path.last() else { return };
        let issuer = child.issuer().der();
        let roots = self.roots.get(issuer).cloned().unwrap_or_default();
        let chain = self.chain.get(issuer).cloned().unwrap_or_default();
        for (parent, is_root) in roots.iter().map(|root| (*root, true)).chain(chain.iter().map(|ca| (*ca, false))) {
            if self.found.paths.len() >= MOST_PATHS || self.signatures >= MOST_SIGNATURES || path.len() >= DEEPEST {
                self.found.cut_short = true;
                return;
            }
            if path.contains(parent) {
                continue;
            }
            self.signatures += 1;
            match signature(child, parent) {
                Signature::Broken => {
                    note(&mut self.found.broken, child, parent);
                    continue;
                }
                Signature::NotJudged => note(&mut self.found.not_judged, child, parent),
                Signature::Holds | Signature::Weak => {}
            }
            let mut longer = path.to_vec();
            longer.push(Rc::clone(parent));
            if is_root {
                self.found.paths.push(longer);
            } else if !roots.contains(&parent) {
                self.climb(&longer);
            }
        }
    }
}

fn note(pairs: &mut Vec<(Rc<Certificate>, Rc<Certificate>)>, child: &Rc<Certificate>, parent: &Rc<Certificate>) {
    if !pairs.iter().any(|(known, other)| known == child && other == parent) {
        pairs.push((Rc::clone(child), Rc::clone(parent)));
    }
}
