//! Taking over what a running cluster signs with: a hand-made `cacerts`, Istio's sample CAs, another mesh's, or the CA that
//! istiod made for itself. Signer, chain and trust bundle stay what they are; from then on the set counts as ours, as
//! generation 0, and walks to a root of ours by the stages of a root change.

use time::OffsetDateTime;

use crate::mesh::cacerts::{CERT_CHAIN, Cacerts, FILES, SECRET_NAME, SELF_SIGNED_SECRET};
use crate::mesh::change::{Change, belongs, holds, may_write};
use crate::mesh::fleet::{Cluster, Mesh};
use crate::mesh::holdings::Held;
use crate::mesh::observed::{Observed, Owner, SecretSight};
use crate::mesh::ownership::Ownership;
use crate::mesh::walk_mark::WalkMark;
use crate::pki::certificate::Certificate;
use crate::pki::moment::utc;
use crate::pki::pem_lines;
use crate::pki::weak_key;
use crate::problem::{Code, Problem};

/// Where what a cluster signs with was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// In `cacerts`, which somebody else wrote.
    Cacerts,
    /// In `istio-ca-secret`, where istiod keeps the CA that it made for itself.
    SelfSigned,
}

impl Source {
    /// The name of the Secret.
    #[must_use]
    pub const fn secret(self) -> &'static str {
        match self {
            Source::Cacerts => SECRET_NAME,
            Source::SelfSigned => SELF_SIGNED_SECRET,
        }
    }
}

/// What can be taken over of one cluster, public parts only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoptable {
    /// Where it was found.
    pub source: Source,
    /// The certificate that its istiod signs with.
    pub signer: Certificate,
    /// The root that this is under, or the same certificate.
    pub root: Certificate,
    /// The chain file.
    pub chain: String,
    /// The trust bundle, byte for byte.
    pub bundle: Vec<u8>,
    /// What is weak about the keys of signer and root: published ones first of all.
    pub weaknesses: Vec<Problem>,
}

/// What there is to do about one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adoption {
    /// Nothing: its set is ours.
    IsOurs,
    /// This.
    Takes(Box<Adoptable>),
}

/// Decides whether what a cluster signs with can be taken over. `own` is what lies in `istio-ca-secret`, where that was
/// looked at; `to` is the root that the cluster is to walk to.
///
/// # Errors
/// The refusals of [`may_write`] but the one that it is somebody else's; `adoption-unsound`: istiod could not use it as
/// `cacerts`, or it has ended; `already-running-under-another-root`: istiod does not run on what was found;
/// `roots-share-subject`.
pub fn adoption(
    cluster: &Cluster,
    mesh: &Mesh,
    to: &Certificate,
    observed: &Observed,
    own: Option<&SecretSight>,
    now: OffsetDateTime,
) -> Result<Adoption, Problem> {
    let found = match &observed.secret {
        Err(problem) => return Err(problem.clone()),
        Ok(Some(there)) => {
            if matches!(&there.owner, Owner::Ours(mark) if belongs(mark, cluster, &mesh.name).is_ok()) {
                return Ok(Adoption::IsOurs);
            }
            may_take(cluster, mesh, observed)?;
            from_cacerts(cluster, there)?
        }
        Ok(None) => {
            may_write(cluster, &mesh.name, &[], observed).map(|_| ()).or_else(only_its_own_root)?;
            from_its_own(cluster, observed, own)?
        }
    };
    runs_on(cluster, observed, &found)?;
    has_not_ended(cluster, &found, now)?;
    if found.root.subject() == to.subject() && found.root != *to {
        let what =
            format!("the root of {} has the name of the root that it would walk to, and another key", cluster.name);
        return Err(Problem::new(Code::RootsShareSubject, what)
            .fact(format!("both  {}", to.subject()))
            .hint("make a root of another name (root.commonName): meshca root create"));
    }
    Ok(Adoption::Takes(Box::new(found)))
}

/// What is noted on the adopted set: whereto it walks, and from where.
#[must_use]
pub fn mark(mesh: &Mesh, cluster: &Cluster, found: &Adoptable, to: &Held) -> Ownership {
    let walk = WalkMark {
        from: vec![found.root.fingerprint()],
        own_ca: found.source == Source::SelfSigned,
        ..WalkMark::to(to.certificate.fingerprint())
    };
    Ownership::new(&mesh.name, &cluster.name, 0, found.signer.serial_text())
        .in_role(cluster.role.as_str())
        .walking(Some(walk))
}

/// Decides about the write: the set that is there is taken over only if it is the one that was decided on.
#[must_use]
pub fn decide(set: &Cacerts, mark: &Ownership, cluster: &Cluster, before: &Observed, observed: &Observed) -> Change {
    let seen = |observed: &Observed| observed.secret.as_ref().ok().cloned().flatten();
    match (&observed.secret, seen(before)) {
        (Err(problem), _) => Change::Refuse(problem.clone()),
        (Ok(Some(there)), _) if holds(there, set) && there.owner == Owner::Ours(mark.clone()) => Change::Leave,
        (Ok(None), None) => Change::Create,
        (Ok(Some(there)), Some(before)) if there.public == before.public && there.key_spki == before.key_spki => {
            Change::Replace { uid: there.uid.clone(), version: there.version.clone() }
        }
        (Ok(_), _) => Change::Refuse(
            Problem::new(
                Code::TargetChangedMeanwhile,
                format!("{}/{}: cacerts is not what it was when it was decided on", cluster.name, cluster.namespace),
            )
            .hint(format!("meshca adopt {} --dry-run", cluster.name)),
        ),
    }
}

/// That nothing but the walk replaces what a cluster was adopted with.
#[must_use]
pub fn adopted_signer(cluster: &Cluster) -> Problem {
    let what =
        format!("{} signs with what it was adopted with, which only the walk to a root of ours replaces", cluster.name);
    Problem::new(Code::AdoptedSigner, what).hint("meshca rotate   takes the next step of it")
}

/// What is left of the CA that istiod made for itself.
pub(in crate::mesh) fn own_ca_is_useless(cluster: &Cluster) -> String {
    format!(
        "{SELF_SIGNED_SECRET} there is of no use any more: kubectl delete secret {SELF_SIGNED_SECRET} -n {}",
        cluster.namespace
    )
}

/// Every refusal of a write but the one that the set is somebody else's.
fn may_take(cluster: &Cluster, mesh: &Mesh, observed: &Observed) -> Result<(), Problem> {
    match may_write(cluster, &mesh.name, &[], observed) {
        Ok(_) => Ok(()),
        Err(problem) if problem.code() == Code::OwnedBySomebodyElse => Ok(()),
        Err(problem) => Err(problem),
    }
}

fn only_its_own_root(problem: Problem) -> Result<(), Problem> {
    if problem.code() == Code::AlreadyRunningUnderAnotherRoot { Ok(()) } else { Err(problem) }
}

fn from_cacerts(cluster: &Cluster, there: &SecretSight) -> Result<Adoptable, Problem> {
    let surplus: Vec<&str> = there.names.iter().map(String::as_str).filter(|name| !FILES.contains(name)).collect();
    if !surplus.is_empty() {
        let hint = "take them out, or out of the way, and adopt again: kubectl edit secret cacerts";
        return Err(
            unsound(cluster, &format!("its cacerts has values beside the four: {}", surplus.join(", "))).hint(hint)
        );
    }
    if let Some(defect) = there.defect() {
        return Err(unsound(cluster, defect).hint(format!("meshca check {}", cluster.name)));
    }
    let signer = there.signer.clone()?;
    let root = there.own_root().ok_or_else(|| unsound(cluster, "its chain leads to no root of its root-cert.pem"))?;
    let chain = there.public.get(CERT_CHAIN).and_then(|text| String::from_utf8(text.to_vec()).ok());
    let chain = chain.ok_or_else(|| unsound(cluster, "its cert-chain.pem is no text"))?;
    let weaknesses = weaknesses(&signer, &root);
    Ok(Adoptable { source: Source::Cacerts, signer, root, chain, bundle: there.bundle().to_vec(), weaknesses })
}

/// istiod's own CA is its own root, and signs workloads with it. As `cacerts` the chain has to hold it as well.
fn from_its_own(cluster: &Cluster, observed: &Observed, own: Option<&SecretSight>) -> Result<Adoptable, Problem> {
    let own = own.ok_or_else(|| {
        Problem::new(
            Code::NothingToAdopt,
            format!("{} has no cacerts, and no {SELF_SIGNED_SECRET} that could be read", cluster.name),
        )
        .fact(format!("namespace  {}", cluster.namespace))
        .hint(format!("meshca issue {}   and publish, if nothing runs there yet", cluster.name))
    })?;
    let signer = own.signer.clone()?;
    if own.key_fits() != Some(true) {
        return Err(unsound(
            cluster,
            &format!("the key in its {SELF_SIGNED_SECRET} does not belong to the certificate"),
        ));
    }
    // With the bytes that it hands out already, istiod changes nothing when it starts anew.
    let shown = observed.system_roots.as_ref().ok().and_then(Option::as_deref);
    let bundle = match shown.filter(|bytes| pem_lines::are_clean(bytes)) {
        Some(bytes) => bytes.to_vec(),
        None => signer.pem().into_bytes(),
    };
    let (root, chain) = (signer.clone(), signer.pem());
    let weaknesses = weaknesses(&signer, &root);
    Ok(Adoptable { source: Source::SelfSigned, signer, root, chain, bundle, weaknesses })
}

/// istiod has to run on what was found: else its next start would change signer and root at once.
fn runs_on(cluster: &Cluster, observed: &Observed, found: &Adoptable) -> Result<(), Problem> {
    let Some(shown) = observed.system_roots.as_ref().map_err(Clone::clone)? else { return Ok(()) };
    let roots = shown.certificates();
    if roots.contains(&found.root) {
        return Ok(());
    }
    let named = |root: &Certificate| format!("{}, {}", root.subject(), root.fingerprint().short());
    let problem = Problem::new(
        Code::AlreadyRunningUnderAnotherRoot,
        format!("{}: istiod does not run on what lies in its {}", cluster.name, found.source.secret()),
    )
    .fact(format!("lies there  {}", named(&found.root)));
    let problem = roots.iter().fold(problem, |problem, root| problem.fact(format!("istiod has  {}", named(root))));
    Err(problem.hint("one of the two has to go first, in a maintenance window: see docs/guide/adopt.md"))
}

fn has_not_ended(cluster: &Cluster, found: &Adoptable, now: OffsetDateTime) -> Result<(), Problem> {
    let certificates = [&found.signer, &found.root];
    match certificates.into_iter().find(|it| !it.validity().contains(now)) {
        None => Ok(()),
        Some(certificate) => {
            let validity = certificate.validity();
            Err(unsound(cluster, &format!("\"{}\" is not valid now", certificate.subject()))
                .fact(format!("valid  {} to {}", utc(validity.not_before()), utc(validity.not_after())))
                .hint("there is nothing to be kept alive: publish over it in a maintenance window"))
        }
    }
}

fn unsound(cluster: &Cluster, what: &str) -> Problem {
    Problem::new(Code::AdoptionUnsound, format!("{} cannot be adopted as it is: {what}", cluster.name))
}

fn weaknesses(signer: &Certificate, root: &Certificate) -> Vec<Problem> {
    let both = if signer == root { vec![signer] } else { vec![signer, root] };
    both.into_iter().flat_map(weak_key::weaknesses).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::adoption_cases::adopt_until;
    use crate::mesh::fleet_story::{Made, NOW, Story, held};
    use crate::mesh::observed::SecretKind;
    use crate::pki::read_pem::certificates;
    use time::Duration;

    /// East signs with a set under this root that somebody else wrote, and whose signer ends then.
    fn hand_made(story: &mut Story, root: &Made, end: OffsetDateTime) {
        adopt_until(story, "east", root, false, end);
        story.sight_of("east").owner = Owner::Somebody("kubectl".to_owned());
    }

    /// What lies in `istio-ca-secret`, with this key.
    fn own_ca(root: &Made, key: &Made) -> SecretSight {
        let values = [("ca-cert.pem".to_owned(), root.certificate.pem().into_bytes())].into();
        SecretSight::new(SecretKind::Opaque, Owner::Istiod, values, Some(key.key.spki()))
    }

    fn look(story: &Story, cluster: usize, own: Option<&SecretSight>) -> Result<Adoption, Problem> {
        let (cluster, to) = (&story.mesh.clusters[cluster], &story.root.certificate);
        adoption(cluster, &story.mesh, to, &story.observed[&cluster.name], own, NOW)
    }

    fn taken(story: &Story, own: Option<&SecretSight>) -> Adoptable {
        match look(story, 0, own) {
            Ok(Adoption::Takes(found)) => *found,
            other => panic!("{other:?}"),
        }
    }

    fn refused(story: &Story, own: Option<&SecretSight>) -> Code {
        look(story, 0, own).unwrap_err().code()
    }

    const LATER: Duration = Duration::days(71);

    #[test]
    fn a_set_of_somebody_else_is_taken_over_as_it_is_and_noted_with_where_it_comes_from() {
        let mut story = Story::new();
        assert_eq!(look(&story, 0, None), Ok(Adoption::IsOurs));
        let left = story.other_root("left");
        hand_made(&mut story, &left, NOW + LATER);
        let found = taken(&story, None);
        assert_eq!((found.source, found.source.secret()), (Source::Cacerts, "cacerts"));
        assert_eq!((&found.root, &found.chain), (&left.certificate, &found.signer.pem()));
        assert_eq!((found.bundle.as_slice(), found.weaknesses.len()), (left.certificate.pem().as_bytes(), 0));
        let noted = mark(&story.mesh, &story.mesh.clusters[0], &found, &held(1, &story.root));
        let from = vec![left.certificate.fingerprint()];
        let walk = WalkMark { from, ..WalkMark::to(story.root.certificate.fingerprint()) };
        assert_eq!((noted.generation, noted.serial), (0, found.signer.serial_text()));
        assert_eq!(noted.walk.as_deref(), Some(&walk));
    }

    #[test]
    fn the_ca_that_istiod_made_for_itself_is_taken_over_with_the_roots_that_it_shows() {
        let mut story = Story::new();
        let (left, right) = (story.other_root("left"), story.other_root("right"));
        let shown = format!("# both\n{}{}", right.certificate.pem(), left.certificate.pem()).into_bytes();
        let east = story.look_at("east");
        (east.secret, east.self_signed, east.system_roots) = (Ok(None), true, Ok(Some(shown.clone().into())));
        let found = taken(&story, Some(&own_ca(&left, &left)));
        assert_eq!((found.source, found.source.secret()), (Source::SelfSigned, "istio-ca-secret"));
        assert_eq!((&found.signer, &found.root), (&left.certificate, &left.certificate));
        assert_eq!((found.chain.as_str(), &found.bundle), (left.certificate.pem().as_str(), &shown));
        let noted = mark(&story.mesh, &story.mesh.clusters[0], &found, &held(1, &story.root));
        assert!(noted.walk.is_some_and(|walk| walk.own_ca));
        assert_eq!(refused(&story, Some(&own_ca(&left, &right))), Code::AdoptionUnsound, "another key");
        assert_eq!(refused(&story, None), Code::NothingToAdopt);
    }

    #[test]
    fn what_else_forbids_a_write_forbids_an_adoption_as_well() {
        let mut story = Story::new();
        let left = story.other_root("left");
        hand_made(&mut story, &left, NOW + LATER);
        story.sight_of("east").immutable = true;
        assert_eq!(refused(&story, None), Code::SecretImmutable);
        let remote = look(&story, 2, Some(&own_ca(&left, &left))).unwrap_err();
        assert_eq!(remote.code(), Code::RemoteGetsNoCacerts);
    }

    #[test]
    fn a_set_with_a_value_beside_the_four_is_not_taken_over() {
        let mut story = Story::new();
        let left = story.other_root("left");
        hand_made(&mut story, &left, NOW + LATER);
        story.sight_of("east").names.push("ca-crl.pem".to_owned());
        let problem = look(&story, 0, None).unwrap_err();
        assert_eq!(problem.code(), Code::AdoptionUnsound);
        assert!(problem.what().ends_with("beside the four: ca-crl.pem"), "{problem}");
    }

    #[test]
    fn istiod_has_to_run_on_what_was_found_where_that_can_be_seen() {
        let mut story = Story::new();
        let (left, right) = (story.other_root("left"), story.other_root("right"));
        hand_made(&mut story, &left, NOW + LATER);
        for (shown, runs) in [(&left, true), (&right, false)] {
            story.look_at("east").system_roots = Ok(Some(shown.certificate.pem().into_bytes().into()));
            assert_eq!(look(&story, 0, None).is_ok(), runs);
        }
        assert_eq!(refused(&story, None), Code::AlreadyRunningUnderAnotherRoot);
    }

    #[test]
    fn a_signer_is_taken_over_until_its_last_second() {
        let mut story = Story::new();
        let left = story.other_root("left");
        hand_made(&mut story, &left, NOW);
        taken(&story, None);
        hand_made(&mut story, &left, NOW - Duration::SECOND);
        assert_eq!(refused(&story, None), Code::AdoptionUnsound);
    }

    #[test]
    fn a_root_may_have_the_name_of_the_one_that_it_walks_to_only_where_it_is_that_one() {
        let mut story = Story::new();
        let namesake = story.other_root("mesh1 root g1");
        hand_made(&mut story, &namesake, NOW + LATER);
        assert_eq!(refused(&story, None), Code::RootsShareSubject);
        story = Story::new();
        story.sight_of("east").owner = Owner::Somebody("kubectl".to_owned());
        assert_eq!(taken(&story, None).root, story.root.certificate);
    }

    #[test]
    fn the_weaknesses_of_signer_and_root_are_told_and_those_of_one_certificate_once() {
        let sample = |pem: &str| certificates(pem.as_bytes())[0].clone();
        let root = sample(include_str!("../../pki-fixtures/foreign/istio-samples/root-cert.pem"));
        let signer = sample(include_str!("../../pki-fixtures/foreign/istio-samples/ca-cert.pem"));
        let codes = |signer, root| weaknesses(signer, root).iter().map(Problem::code).collect::<Vec<_>>();
        assert_eq!(codes(&signer, &root), [Code::PublishedSampleKey; 2]);
        assert_eq!(codes(&root, &root), [Code::PublishedSampleKey]);
    }
}
