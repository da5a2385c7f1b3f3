//! An istiod that exists only here. What it does with a set is what `check` predicts of a real one.

use std::rc::Rc;

use time::{Duration, OffsetDateTime};

use crate::mesh::consumers::circumstances::Circumstances;
use crate::mesh::consumers::material::Material;
use crate::mesh::consumers::verdict::Outcome;
use crate::mesh::consumers::{istiod_reload, istiod_start};
use crate::mesh::evidence::SERVING_BACKDATE;
use crate::mesh::fleet::Cluster;
use crate::mesh::observed::{Replica, Way, certificates};
use crate::mesh::rehearsal::handshakes::{Handshakes, Number};
use crate::mesh::secret_files::{CA_CERT, CERT_CHAIN, ROOT_CERT, SecretFiles};
use crate::pki::certificate::Certificate;
use crate::pki::signing_key::SigningKey;

/// What it signs with, and since when.
struct Loaded {
    files: SecretFiles,
    signer: Certificate,
    since: OffsetDateTime,
}

/// What workloads were handed, from when until when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Served {
    /// The chain.
    pub(super) chain: Number,
    /// The trust bundle.
    pub(super) bundle: Number,
    /// The end of the signer, beyond which no workload certificate lives.
    pub(super) ends: OffsetDateTime,
    /// Until when; `None`: it still is.
    until: Option<OffsetDateTime>,
}

/// A simulated istiod; all its replicas do the same.
#[derive(Default)]
pub(super) struct SimulatedIstiod {
    loaded: Option<Loaded>,
    /// The roots of its start, which alone its clients' certificates are held against.
    started_with: Vec<Certificate>,
    /// Why it dropped the last update.
    dropped: Option<String>,
    /// When the bundle that it hands out last changed.
    pub(super) bundle_since: Option<OffsetDateTime>,
    served: Vec<Served>,
}

impl SimulatedIstiod {
    /// It sees its files change, or starts where it did not run yet. Returns why it drops the update, if it does.
    pub(super) fn sees(
        &mut self,
        cluster: &Cluster,
        files: &SecretFiles,
        key: &Rc<SigningKey>,
        handshakes: &mut Handshakes<'_>,
        now: OffsetDateTime,
    ) -> Option<String> {
        let Some(loaded) = &self.loaded else { return self.starts(cluster, files, key, handshakes, now) };
        let circumstances = circumstances(cluster, Some(&loaded.files));
        let verdict = istiod_reload::verdict(&Material::gather(files, &circumstances, now));
        if matches!(verdict.outcome, Outcome::Accepts | Outcome::HalfApplies) {
            self.takes(files, key, handshakes, now);
            return None;
        }
        self.dropped = Some(verdict.reason.clone());
        Some(verdict.reason)
    }

    /// It starts with these files. Returns why it exits instead.
    pub(super) fn starts(
        &mut self,
        cluster: &Cluster,
        files: &SecretFiles,
        key: &Rc<SigningKey>,
        handshakes: &mut Handshakes<'_>,
        now: OffsetDateTime,
    ) -> Option<String> {
        let verdict = istiod_start::verdict(&Material::gather(files, &circumstances(cluster, None), now));
        if !verdict.accepts() {
            // It exits, and signs nothing any more until it can start.
            self.loaded = None;
            self.served.iter_mut().filter(|it| it.until.is_none()).for_each(|it| it.until = Some(now));
            self.dropped = Some(verdict.reason.clone());
            return Some(verdict.reason);
        }
        self.takes(files, key, handshakes, now);
        self.started_with = certificates(files.get(ROOT_CERT).unwrap_or_default());
        None
    }

    fn takes(
        &mut self,
        files: &SecretFiles,
        key: &Rc<SigningKey>,
        handshakes: &mut Handshakes<'_>,
        now: OffsetDateTime,
    ) {
        let file = |name: &str| files.get(name).unwrap_or_default();
        let Some(signer) = certificates(file(CA_CERT)).into_iter().next() else { return };
        let chain = handshakes.chain(file(CERT_CHAIN), key);
        let bundle = handshakes.bundle(file(ROOT_CERT));
        let before = self.served.last().copied();
        if before.is_none_or(|it| it.bundle != bundle) {
            self.bundle_since = Some(now);
        }
        if before.is_none_or(|it| (it.chain, it.bundle) != (chain, bundle) || it.until.is_some()) {
            self.served.iter_mut().filter(|it| it.until.is_none()).for_each(|it| it.until = Some(now));
            self.served.push(Served { chain, bundle, ends: signer.not_after(), until: None });
        }
        self.loaded = Some(Loaded { files: files.clone(), signer, since: now });
        self.dropped = None;
    }

    /// What living workload certificates may still be of. A workload renews after half the life of its certificate, or as
    /// late as its end; so whatever was handed out counts until then.
    pub(super) fn alive(&self, life: Duration, now: OffsetDateTime) -> impl Iterator<Item = Served> {
        self.served.iter().copied().filter(move |it| it.until.unwrap_or(now) + life > now && now <= it.ends)
    }

    /// Forgets what nothing lives of any more.
    pub(super) fn forgets(&mut self, life: Duration, now: OffsetDateTime) {
        self.served.retain(|it| it.until.is_none_or(|until| until + life > now));
    }

    /// Whether it has ever run.
    pub(super) const fn has_run(&self) -> bool {
        self.bundle_since.is_some()
    }

    /// When what it signs with ends; `None`: it signs with nothing.
    pub(super) fn signer_ends(&self) -> Option<OffsetDateTime> {
        self.loaded.as_ref().map(|loaded| loaded.signer.not_after())
    }

    /// The trust bundle that it hands out.
    pub(super) fn bundle(&self) -> Option<Vec<u8>> {
        self.loaded.as_ref().and_then(|loaded| loaded.files.get(ROOT_CERT).map(<[u8]>::to_vec))
    }

    /// Whether only a restart makes it take what is published: it dropped that and would start with it, or it holds its
    /// clients against roots of an earlier start.
    pub(super) fn wants_a_restart(&self, cluster: &Cluster, files: &SecretFiles, now: OffsetDateTime) -> bool {
        let starts = || istiod_start::verdict(&Material::gather(files, &circumstances(cluster, None), now)).accepts();
        let roots = || certificates(files.get(ROOT_CERT).unwrap_or_default());
        self.loaded.is_some()
            && (self.dropped.is_some() && starts() || cluster.istiod.client_cert_auth && roots() != self.started_with)
    }

    /// What its replicas show, as far as the mesh file names a place where that can be seen.
    pub(super) fn replicas(&self, cluster: &Cluster) -> Vec<Replica> {
        let Some(loaded) = &self.loaded else { return Vec::new() };
        let istiod = &cluster.istiod;
        let names = self.started_with.iter().map(|root| root.subject().der().to_vec());
        let names: Vec<Vec<u8>> = names.collect();
        let by_chain = istiod.addresses.iter().map(|address| Replica {
            signer_spki: Some(loaded.signer.spki().to_vec()),
            served_since: loaded.since.checked_sub(SERVING_BACKDATE),
            client_ca_names: names.clone(),
            ..Replica::new(address.clone(), Way::Chain)
        });
        let end_of = |name: &str| {
            let first = certificates(loaded.files.get(name).unwrap_or_default()).into_iter().next();
            first.map(|it| it.not_after())
        };
        let by_gauges = istiod.metrics.iter().chain(&istiod.prometheus).map(|url| Replica {
            chain_end: end_of(CERT_CHAIN),
            root_end: end_of(ROOT_CERT),
            ..Replica::new(url.clone(), Way::Gauges)
        });
        by_chain.chain(by_gauges).collect()
    }
}

fn circumstances<'a>(cluster: &'a Cluster, loaded: Option<&'a SecretFiles>) -> Circumstances<'a> {
    Circumstances {
        multi_root: cluster.istiod.multi_root,
        loaded,
        namespace: &cluster.namespace,
        ..Circumstances::default()
    }
}
