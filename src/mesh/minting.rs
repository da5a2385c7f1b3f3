//! Which root, issuing CA and intermediate a mesh asks for, minted. Serials, keys and the moment come in.

use ring::rand::SecureRandom;
use time::{Duration, OffsetDateTime};

use crate::mesh::cacerts::Cacerts;
use crate::mesh::fleet::{ClusterName, Mesh, TierWish};
use crate::pki::certificate::Certificate;
use crate::pki::draft::{Proof, Signed};
use crate::pki::profile::{Draft, Subject, Tier};
use crate::pki::rehearsal::Rehearsal;
use crate::pki::serial::SerialNumber;
use crate::pki::signing_key::SigningKey;
use crate::pki::validity::{BACKDATE, Validity};
use crate::problem::{Code, Problem};

/// What makes one minting different from all others.
#[derive(Debug)]
pub struct Ingredients<'a> {
    /// The new certificate's own key.
    pub key: &'a SigningKey,
    /// Its serial number.
    pub serial: SerialNumber,
    /// Random bytes for the signature.
    pub random: &'a dyn SecureRandom,
    /// The present moment.
    pub now: OffsetDateTime,
}

/// A CA that can sign.
#[derive(Debug, Clone, Copy)]
pub struct Authority<'a> {
    /// Its certificate.
    pub certificate: &'a Certificate,
    /// Its private key.
    pub key: &'a SigningKey,
}

/// The subject of a root of this generation.
#[must_use]
pub fn root_subject(mesh: &Mesh, generation: u32) -> Subject {
    Subject {
        organization: mesh.root.organization.clone(),
        unit: None,
        common_name: format!("{} g{generation}", mesh.root.common_name),
    }
}

/// The subject of an issuing CA of this generation.
#[must_use]
pub fn issuing_subject(mesh: &Mesh, generation: u32) -> Subject {
    Subject {
        organization: mesh.root.organization.clone(),
        unit: None,
        common_name: format!("{} issuing g{generation}", mesh.name),
    }
}

/// The subject of a cluster's intermediate of this generation. The cluster is the unit.
#[must_use]
pub fn intermediate_subject(mesh: &Mesh, cluster: &ClusterName, generation: u32) -> Subject {
    Subject {
        organization: mesh.root.organization.clone(),
        unit: Some(cluster.to_string()),
        common_name: format!("{} intermediate g{generation}", mesh.name),
    }
}

/// Mints a self-signed root.
///
/// # Errors
/// As [`Draft::clear_as_root`] and signing.
pub fn root(mesh: &Mesh, generation: u32, with: &Ingredients<'_>) -> Result<Signed, Problem> {
    let validity = Validity::starting(mesh.root.tier.lifetime, None, with.now);
    let draft = draft(Tier::Root, root_subject(mesh, generation), validity, with);
    draft.clear_as_root()?.sign(with.key, &Proof::Signature, with.random)
}

/// Mints an issuing CA under the root.
///
/// # Errors
/// `lifetime-not-nested`, when the root is at its end; as [`Draft::clear_under`] and signing.
pub fn issuing(
    mesh: &Mesh,
    wish: TierWish,
    generation: u32,
    root: Authority<'_>,
    with: &Ingredients<'_>,
) -> Result<Signed, Problem> {
    let validity = within(Tier::Issuing, wish, root.certificate, with.now, with.now)?;
    let draft = draft(Tier::Issuing, issuing_subject(mesh, generation), validity, with);
    draft.clear_under(root.certificate)?.sign(root.key, &Proof::Signature, with.random)
}

/// Mints the intermediate of one cluster, to be activated at `start`, and rehearses it.
///
/// # Errors
/// `lifetime-not-nested`, when the issuer is at its end; as [`Draft::clear_under`] and signing.
pub fn intermediate(
    mesh: &Mesh,
    cluster: &ClusterName,
    generation: u32,
    issuer: Authority<'_>,
    start: OffsetDateTime,
    with: &Ingredients<'_>,
) -> Result<Signed, Problem> {
    let validity = within(Tier::Intermediate, mesh.intermediate, issuer.certificate, start, with.now)?;
    let draft = draft(Tier::Intermediate, intermediate_subject(mesh, cluster, generation), validity, with);
    let rehearsal = Rehearsal { subject_key: with.key, trust_domain: &mesh.trust_domain, now: with.now };
    draft.clear_under(issuer.certificate)?.sign(issuer.key, &Proof::Rehearsal(rehearsal), with.random)
}

/// A cluster's set of a new intermediate: the chain without the root (unless the mesh file asks for it), and this trust
/// bundle, byte for byte.
#[must_use]
pub fn set(
    mesh: &Mesh,
    signer: Certificate,
    key: &SigningKey,
    upper: &[Certificate],
    anchor: &Certificate,
    bundle: &[u8],
) -> Cacerts {
    let upper: Vec<&Certificate> = upper.iter().collect();
    Cacerts::assemble(signer, key, &upper, mesh.include_root.then_some(anchor), bundle)
}

fn draft(tier: Tier, subject: Subject, validity: Validity, with: &Ingredients<'_>) -> Draft {
    Draft { tier, subject, validity, serial: with.serial, spki: with.key.spki() }
}

/// The window of something that starts then and is clamped to its issuer.
fn within(
    tier: Tier,
    wish: TierWish,
    issuer: &Certificate,
    start: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<Validity, Problem> {
    let window = Validity::starting(wish.lifetime, Some(issuer.validity()), start);
    let issuer_lives = issuer.validity().contains(now);
    if issuer_lives && window.lifetime() > BACKDATE + Duration::HOUR {
        return Ok(window);
    }
    Err(Problem::new(
        Code::LifetimeNotNested,
        format!("{} has no room left for a new {} certificate", issuer.subject(), tier.as_str()),
    )
    .fact(format!("issuer  {} to {}", issuer.validity().not_before(), issuer.not_after()))
    .fact(format!("wanted  {start}, for {}", wish.lifetime))
    .hint(match tier {
        Tier::Intermediate => "meshca issuing create",
        Tier::Issuing | Tier::Root => "meshca root create --next",
    }))
}
