//! People who exist only here, with the keys that only they have. What they mint, they mint on the real road.

use std::rc::Rc;

use ring::rand::SecureRandom;
use time::{Duration, OffsetDateTime};

use crate::mesh::fleet::{Cluster, ClusterName, Mesh};
use crate::mesh::holdings::{Held, Holdings, Prepared};
use crate::mesh::minting::{self, Authority, Ingredients};
use crate::mesh::stock_series::starts;
use crate::pki::certificate::Certificate;
use crate::pki::endorsement::Endorsement;
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
        if let (Some(newest), Some(newest_key)) = (self.holdings.roots.last(), self.roots.last()) {
            let (by, of) = (&newest.certificate, &made.certificate);
            self.holdings.endorsements.push(Endorsement::sign(by, newest_key, of, generation, self.random)?);
        }
        self.holdings.roots.push(made.clone());
        self.roots.push(key);
        Ok(made)
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

    /// What an unattended tick mints under the issuing CA of this generation: the signer, its key, and that CA.
    pub(super) fn mint(
        &self,
        mesh: &Mesh,
        cluster: &ClusterName,
        issuing: u32,
        generation: u32,
        now: OffsetDateTime,
    ) -> Result<(Certificate, Rc<SigningKey>, Certificate), Problem> {
        let place = self.holdings.issuing.iter().position(|held| held.generation == issuing);
        let (held, by) = place
            .and_then(|place| Some((self.holdings.issuing.get(place)?, self.issuing.get(place)?)))
            .ok_or_else(|| gone("issuing CA", issuing))?;
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
        let place = self.holdings.roots.iter().position(|held| held.generation == root.generation);
        place.and_then(|place| self.roots.get(place)).cloned().ok_or_else(|| gone("root", root.generation))
    }

    fn key(&self, kind: crate::pki::key_kind::KeyKind) -> Result<Rc<SigningKey>, Problem> {
        SigningKey::generate(kind, self.random).map(Rc::new)
    }

    fn with<'b>(&'b self, key: &'b SigningKey, now: OffsetDateTime) -> Result<Ingredients<'b>, Problem> {
        let mut bytes = [0; 16];
        let filled = self.random.fill(&mut bytes);
        filled.map_err(|_| Problem::new(Code::RandomnessUnavailable, "there were no random bytes for a rehearsal"))?;
        Ok(Ingredients { key, serial: SerialNumber::from_random(bytes), random: self.random, now })
    }
}

fn next(held: &[Held]) -> u32 {
    held.last().map_or(1, |newest| newest.generation.saturating_add(1))
}

fn gone(what: &str, generation: u32) -> Problem {
    Problem::new(Code::RehearsalFailed, format!("the {what} g{generation} of the rehearsal is gone"))
}
