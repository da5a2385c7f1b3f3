//! People who exist only here, with the keys that only they have. What they mint, they mint on the real road.

use std::rc::Rc;

use ring::rand::SecureRandom;
use time::{Duration, OffsetDateTime};

use crate::mesh::fleet::{Cluster, ClusterName, Mesh};
use crate::mesh::holdings::{Held, Holdings, Prepared};
use crate::mesh::minting::{self, Authority, Ingredients};
use crate::mesh::rehearsal::present::{Intermediate, Life, Present, Signer};
use crate::mesh::stock_series::starts;
use crate::pki::certificate::Certificate;
use crate::pki::draft::Proof;
use crate::pki::endorsement::Endorsement;
use crate::pki::profile::{Draft, Subject, Tier};
use crate::pki::serial::SerialNumber;
use crate::pki::signing_key::SigningKey;
use crate::problem::{Code, Problem};

/// How far ahead a stock is laid ready where there is no issuing CA.
pub(super) const STOCK_LASTS: Duration = Duration::days(365);

/// The holder of every key but those in the clusters.
pub(super) struct SimulatedPeople<'a> {
    random: &'a dyn SecureRandom,
    /// What lies in the material folder.
    pub(super) holdings: Holdings,
    roots: Vec<Rc<SigningKey>>,
    issuing: Vec<Rc<SigningKey>>,
    stock: Vec<(ClusterName, u32, Rc<SigningKey>)>,
}

/// An intermediate that a cluster signs with from the beginning.
pub(super) struct InUse {
    pub(super) cluster: ClusterName,
    pub(super) generation: u32,
    pub(super) signer: Certificate,
    pub(super) key: Rc<SigningKey>,
    /// The tier above it, if the mesh has one besides the root.
    pub(super) upper: Vec<Certificate>,
}

impl<'a> SimulatedPeople<'a> {
    pub(super) fn new(random: &'a dyn SecureRandom) -> Self {
        Self { random, holdings: Holdings::default(), roots: Vec::new(), issuing: Vec::new(), stock: Vec::new() }
    }

    /// Makes a root: the first, or the next one, which the newest endorses.
    pub(super) fn make_root(&mut self, mesh: &Mesh, now: OffsetDateTime) -> Result<Held, Problem> {
        let key = self.key(mesh.root.tier.key)?;
        let generation = next(&self.holdings.roots);
        let certificate = minting::root(mesh, generation, &self.with(&key, now)?)?.into_certificate();
        let made = Held { generation, certificate };
        self.add_root(made.clone(), key)?;
        Ok(made)
    }

    fn add_root(&mut self, made: Held, key: Rc<SigningKey>) -> Result<(), Problem> {
        if let (Some(newest), Some(newest_key)) = (self.holdings.roots.last(), self.roots.last()) {
            let (by, of) = (&newest.certificate, &made.certificate);
            self.holdings.endorsements.push(Endorsement::sign(by, newest_key, of, made.generation, self.random)?);
        }
        self.holdings.roots.push(made);
        self.roots.push(key);
        Ok(())
    }

    /// Makes an issuing CA under this root, if the mesh has that tier.
    pub(super) fn make_issuing(&mut self, mesh: &Mesh, root: &Held, now: OffsetDateTime) -> Result<(), Problem> {
        let Some(wish) = mesh.issuing else { return Ok(()) };
        let key = self.key(wish.key)?;
        let generation = next(&self.holdings.issuing);
        let by = self.root_key(root)?;
        let authority = Authority { certificate: &root.certificate, key: &by };
        let signed = minting::issuing(mesh, wish, generation, authority, &self.with(&key, now)?)?;
        self.holdings.issuing.push(Held { generation, certificate: signed.into_certificate() });
        self.issuing.push(key);
        Ok(())
    }

    /// Lays intermediates ready for these clusters under this root, until then.
    pub(super) fn fill_stock<'b>(
        &mut self,
        mesh: &Mesh,
        root: &Held,
        clusters: impl Iterator<Item = (&'b Cluster, u32)>,
        until: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<(), Problem> {
        let by = self.root_key(root)?;
        let authority = Authority { certificate: &root.certificate, key: &by };
        for (cluster, published) in clusters {
            let name = &cluster.name;
            let in_stock = |it: &&Prepared| it.cluster == *name && it.leads_to(&root.certificate);
            let stock: Vec<&Prepared> = self.holdings.stock.iter().filter(in_stock).collect();
            let moments = starts(mesh, &stock, Some(until), now);
            let first = self.holdings.newest_prepared(name).max(published).saturating_add(1);
            for (generation, start) in (first..).zip(moments) {
                let key = self.key(mesh.intermediate.key)?;
                let with = self.with(&key, now)?;
                let signed = minting::intermediate(mesh, name, generation, authority, start, &with)?;
                let (cluster, signer) = (name.clone(), signed.into_certificate());
                let prepared = Prepared { cluster, generation, signer, upper: Vec::new(), has_key: true };
                self.holdings.stock.push(prepared);
                self.stock.push((name.clone(), generation, key));
            }
        }
        Ok(())
    }

    /// Makes what there is, each with the generation and the life of the real one; the intermediates in use with their keys, the
    /// chain above each, and the root.
    pub(super) fn take_over(&mut self, mesh: &Mesh, present: &Present) -> Result<Vec<InUse>, Problem> {
        for life in &present.roots {
            let key = self.key(mesh.root.tier.key)?;
            let subject = minting::root_subject(mesh, life.generation);
            let draft = self.draft(Tier::Root, subject, *life, &key)?;
            let certificate = draft.clear_as_root()?.sign(&key, &Proof::Signature, self.random)?.into_certificate();
            self.add_root(Held { generation: life.generation, certificate }, key)?;
        }
        for (root, life) in &present.issuing {
            let Some(wish) = mesh.issuing else { continue };
            let key = self.key(wish.key)?;
            let subject = minting::issuing_subject(mesh, life.generation);
            let draft = self.draft(Tier::Issuing, subject, *life, &key)?;
            let certificate = self.signed(draft, Signer::Root(*root))?;
            self.holdings.issuing.push(Held { generation: life.generation, certificate });
            self.issuing.push(key);
        }
        for it in &present.stock {
            let (signer, key) = self.again(mesh, it)?;
            let (cluster, generation) = (it.cluster.clone(), it.life.generation);
            self.stock.push((cluster.clone(), generation, key));
            self.holdings.stock.push(Prepared { cluster, generation, signer, upper: Vec::new(), has_key: true });
        }
        let in_use = present.in_use.iter().map(|it| {
            let (signer, key) = self.again(mesh, it)?;
            let upper = match it.by {
                Signer::Root(_) => Vec::new(),
                Signer::Issuing(generation) => vec![self.issuing(generation)?.0.certificate.clone()],
            };
            Ok(InUse { cluster: it.cluster.clone(), generation: it.life.generation, signer, key, upper })
        });
        in_use.collect()
    }

    /// An intermediate like this one.
    fn again(&self, mesh: &Mesh, like: &Intermediate) -> Result<(Certificate, Rc<SigningKey>), Problem> {
        let key = self.key(mesh.intermediate.key)?;
        let subject = minting::intermediate_subject(mesh, &like.cluster, like.life.generation);
        let draft = self.draft(Tier::Intermediate, subject, like.life, &key)?;
        Ok((self.signed(draft, like.by)?, key))
    }

    fn draft(&self, tier: Tier, subject: Subject, life: Life, key: &SigningKey) -> Result<Draft, Problem> {
        Ok(Draft { tier, subject, validity: life.validity, serial: self.serial()?, spki: key.spki() })
    }

    fn signed(&self, draft: Draft, by: Signer) -> Result<Certificate, Problem> {
        let (held, key) = match by {
            Signer::Root(generation) => self.held_root(generation)?,
            Signer::Issuing(generation) => self.issuing(generation)?,
        };
        // It may have ended by now, as the real one has, so that no workload certificate could be tried.
        let signed = draft.clear_under(&held.certificate)?.sign(key, &Proof::Signature, self.random)?;
        Ok(signed.into_certificate())
    }

    /// What an unattended tick mints under the issuing CA of this generation: the signer, its key, and that CA.
    pub(super) fn mint(
        &self,
        mesh: &Mesh,
        cluster: &ClusterName,
        issuing: u32,
        generation: u32,
        now: OffsetDateTime,
    ) -> Result<(Certificate, Rc<SigningKey>, Certificate), Problem> {
        let (held, by) = self.issuing(issuing)?;
        let key = self.key(mesh.intermediate.key)?;
        let authority = Authority { certificate: &held.certificate, key: by };
        let signed = minting::intermediate(mesh, cluster, generation, authority, now, &self.with(&key, now)?)?;
        Ok((signed.into_certificate(), key, held.certificate.clone()))
    }

    /// What an unattended tick takes from stock; the key is not there any more afterwards.
    pub(super) fn take_from_stock(
        &mut self,
        cluster: &ClusterName,
        generation: u32,
    ) -> Result<(Certificate, Rc<SigningKey>), Problem> {
        let is_it = |it: &&mut Prepared| it.cluster == *cluster && it.generation == generation;
        let prepared = self.holdings.stock.iter_mut().find(is_it).ok_or_else(|| gone("intermediate", generation))?;
        prepared.has_key = false;
        let place = self.stock.iter().position(|(name, number, _)| name == cluster && *number == generation);
        let (_, _, key) = self.stock.swap_remove(place.ok_or_else(|| gone("intermediate", generation))?);
        Ok((prepared.signer.clone(), key))
    }

    /// The root that signed the top of a chain.
    pub(super) fn root_of(&self, top: &Certificate) -> Option<&Certificate> {
        let mut roots = self.holdings.roots.iter().map(|held| &held.certificate);
        roots.find(|root| top.issuer() == root.subject() && top.is_signed_by(root.spki()))
    }

    fn root_key(&self, root: &Held) -> Result<Rc<SigningKey>, Problem> {
        self.held_root(root.generation).map(|(_, key)| Rc::clone(key))
    }

    fn held_root(&self, generation: u32) -> Result<(&Held, &Rc<SigningKey>), Problem> {
        let mut roots = self.holdings.roots.iter().zip(&self.roots);
        roots.find(|(held, _)| held.generation == generation).ok_or_else(|| gone("root", generation))
    }

    fn issuing(&self, generation: u32) -> Result<(&Held, &Rc<SigningKey>), Problem> {
        let mut issuing = self.holdings.issuing.iter().zip(&self.issuing);
        issuing.find(|(held, _)| held.generation == generation).ok_or_else(|| gone("issuing CA", generation))
    }

    fn key(&self, kind: crate::pki::key_kind::KeyKind) -> Result<Rc<SigningKey>, Problem> {
        SigningKey::generate(kind, self.random).map(Rc::new)
    }

    fn with<'b>(&'b self, key: &'b SigningKey, now: OffsetDateTime) -> Result<Ingredients<'b>, Problem> {
        Ok(Ingredients { key, serial: self.serial()?, random: self.random, now })
    }

    fn serial(&self) -> Result<SerialNumber, Problem> {
        let mut bytes = [0; 16];
        let filled = self.random.fill(&mut bytes);
        filled.map_err(|_| Problem::new(Code::RandomnessUnavailable, "there were no random bytes for a rehearsal"))?;
        Ok(SerialNumber::from_random(bytes))
    }
}

fn next(held: &[Held]) -> u32 {
    held.last().map_or(1, |newest| newest.generation.saturating_add(1))
}

fn gone(what: &str, generation: u32) -> Problem {
    Problem::new(Code::RehearsalFailed, format!("the {what} g{generation} of the rehearsal is gone"))
}
