//! What a root, an issuing CA and a cluster's intermediate must look like, and the draft of one that is held against it.

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyIdMethod, KeyUsagePurpose};

use crate::pki::certificate::{Certificate, key_identifier};
use crate::pki::key_der::public_bits;
use crate::pki::serial::SerialNumber;
use crate::pki::validity::Validity;
use crate::pki::weak_key;
use crate::problem::{Code, Problem};

/// One tier of the mesh's chain of CAs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tier {
    /// The trust anchor, offline, without a path length: one with path length 0 breaks every workload (Go, OpenSSL
    /// and GnuTLS refuse it; rustls-webpki and istiod do not notice).
    Root,
    /// The online issuing CA, path length 1.
    Issuing,
    /// One cluster's intermediate, path length 0: `ca-cert.pem`.
    Intermediate,
}

impl Tier {
    /// The word in tables, metrics and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Tier::Root => "root",
            Tier::Issuing => "issuing",
            Tier::Intermediate => "intermediate",
        }
    }

    /// How many CAs may follow below; `None`: no limit.
    #[must_use]
    pub const fn path_length(self) -> Option<u8> {
        match self {
            Tier::Root => None,
            Tier::Issuing => Some(1),
            Tier::Intermediate => Some(0),
        }
    }
}

/// The subject of something that we mint: `O`, an optional `OU`, `CN`, in this order. It is unique per generation,
/// since two roots of one name make BoringSSL pick by chance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// `O`.
    pub organization: String,
    /// `OU`: the cluster of an intermediate.
    pub unit: Option<String>,
    /// `CN`, with the generation.
    pub common_name: String,
}

/// The longest value of one attribute, in characters (RFC 5280, appendix A: ub-common-name and its kin).
const LONGEST_ATTRIBUTE: usize = 64;

impl Subject {
    /// The name for rcgen. Attributes are distinct, so its map loses none.
    fn name(&self) -> DistinguishedName {
        let mut name = DistinguishedName::new();
        name.push(DnType::OrganizationName, self.organization.as_str());
        if let Some(unit) = &self.unit {
            name.push(DnType::OrganizationalUnitName, unit.as_str());
        }
        name.push(DnType::CommonName, self.common_name.as_str());
        name
    }

    fn is_too_long(&self) -> Option<&str> {
        [Some(&self.organization), self.unit.as_ref(), Some(&self.common_name)]
            .into_iter()
            .flatten()
            .find(|value| value.is_empty() || value.chars().count() > LONGEST_ATTRIBUTE)
            .map(String::as_str)
    }
}

/// What shall be minted. Nothing about it was checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Which profile it must keep.
    pub tier: Tier,
    /// Whom it is about.
    pub subject: Subject,
    /// From when to when.
    pub validity: Validity,
    /// Its serial number.
    pub serial: SerialNumber,
    /// The public key as a SubjectPublicKeyInfo, DER.
    pub spki: Vec<u8>,
}

impl Draft {
    pub(in crate::pki) fn key_identifier(&self) -> Vec<u8> {
        public_bits(&self.spki).map(key_identifier).unwrap_or_default()
    }
}

/// The parameters that rcgen builds the to-be-signed bytes from. Every default of rcgen that matters is set: its
/// window (1975 to 4096), its serial (derived from the key), its key identifier (no RFC method) and its missing
/// authority key identifier.
pub(in crate::pki) fn parameters(draft: &Draft) -> Result<CertificateParams, Problem> {
    if let Some(value) = draft.subject.is_too_long() {
        return Err(Problem::new(
            Code::ProfileBroken,
            format!("a subject attribute must have 1 to {LONGEST_ATTRIBUTE} characters, `{value}` does not"),
        )
        .hint("shorten root.subject or mesh in the mesh file"));
    }
    let mut parameters = CertificateParams::default();
    parameters.not_before = draft.validity.not_before();
    parameters.not_after = draft.validity.not_after();
    parameters.serial_number = Some(draft.serial.as_bytes().to_vec().into());
    parameters.distinguished_name = draft.subject.name();
    parameters.is_ca = IsCa::Ca(match draft.tier.path_length() {
        Some(length) => BasicConstraints::Constrained(length),
        None => BasicConstraints::Unconstrained,
    });
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.key_identifier_method = KeyIdMethod::PreSpecified(draft.key_identifier());
    parameters.use_authority_key_identifier_extension = true;
    Ok(parameters)
}

/// Holds a certificate (or a rehearsal of one, with a signature that means nothing) against its draft: every field
/// that the profile fixes, byte for byte. The signature is not looked at.
///
/// # Errors
/// `profile-broken`, naming the first rule that does not hold and both values.
pub(in crate::pki) fn lint(
    certificate: &Certificate,
    draft: &Draft,
    issuer: Option<&Certificate>,
) -> Result<(), Problem> {
    let broken = |rule: &str, found: String, wanted: String| {
        Err(Problem::new(Code::ProfileBroken, format!("{} certificate: {rule}", draft.tier.as_str()))
            .fact(format!("found   {found}"))
            .fact(format!("wanted  {wanted}")))
    };
    macro_rules! hold {
        ($rule:literal, $found:expr, $wanted:expr) => {
            let (found, wanted) = (&$found, &$wanted);
            if found != wanted {
                return broken($rule, format!("{found:?}"), format!("{wanted:?}"));
            }
        };
    }
    let extensions = certificate.extensions();
    let constraints = extensions.basic_constraints;
    hold!("serial", certificate.serial(), draft.serial.as_bytes().as_slice());
    hold!("subject", certificate.subject().common_name(), Some(draft.subject.common_name.as_str()));
    hold!("window", certificate.validity(), draft.validity);
    hold!("public key", certificate.spki(), draft.spki.as_slice());
    hold!("basic constraints", constraints.map(|it| (it.critical, it.ca)), Some((true, true)));
    hold!("path length", constraints.and_then(|it| it.path_length), draft.tier.path_length().map(u32::from));
    hold!(
        "key usage",
        extensions.key_usage.map(|it| (it.critical, it.key_cert_sign, it.crl_sign, it.digital_signature)),
        Some((true, true, true, false))
    );
    hold!("extended key usage", extensions.extended_key_usage, None::<Vec<String>>);
    hold!("name constraints", extensions.name_constraints, None);
    hold!("subject alternative names", extensions.dns_names.len() + extensions.uris.len(), 0);
    hold!("unknown critical extensions", extensions.unknown_critical, Vec::<String>::new());
    hold!("subject key identifier", extensions.subject_key_identifier, Some(draft.key_identifier()));
    let (issuer_name, authority) = match issuer {
        Some(issuer) => (issuer.subject(), issuer.extensions().subject_key_identifier.clone()),
        None => (certificate.subject(), Some(draft.key_identifier())),
    };
    hold!("issuer", certificate.issuer().der(), issuer_name.der());
    hold!("authority key identifier", extensions.authority_key_identifier, authority);
    if let Some(issuer) = issuer {
        if certificate.subject() == issuer.subject() {
            return broken("subject", certificate.subject().to_string(), "another name than its issuer".to_owned());
        }
        if !issuer.validity().encloses(draft.validity) {
            return Err(Problem::new(
                Code::LifetimeNotNested,
                format!("a new {} certificate would not lie within the life of its issuer", draft.tier.as_str()),
            )
            .fact(format!("issuer  {}", window(issuer)))
            .fact(format!("new     {}", window(certificate))));
        }
    }
    match weak_key::weaknesses(certificate).into_iter().next() {
        Some(weakness) => Err(weakness),
        None => Ok(()),
    }
}

fn window(certificate: &Certificate) -> String {
    format!("{} to {}", certificate.validity().not_before(), certificate.validity().not_after())
}

/// Whether something may be minted under this certificate, as far as the certificate alone tells: it is a CA that may
/// sign certificates, has room below it, carries a subject key identifier, is not weak and not published.
///
/// The signature on it, its trust and the present moment are not checked.
///
/// # Errors
/// `issuer-unfit`, or the code of the weakness.
pub fn may_sign(issuer: &Certificate, tier: Tier) -> Result<(), Problem> {
    let unfit = |why: String| {
        Err(Problem::new(Code::IssuerUnfit, format!("nothing is minted under {}: {why}", issuer.subject())))
    };
    let extensions = issuer.extensions();
    if !issuer.is_ca() {
        return unfit("it is not a CA certificate".to_owned());
    }
    if !extensions.key_usage.is_none_or(|usage| usage.key_cert_sign) {
        return unfit("its key usage does not allow it to sign certificates".to_owned());
    }
    // Below an issuing CA comes the intermediate; below that, the workload, which is no CA and does not count.
    let needed = match tier {
        Tier::Root | Tier::Intermediate => 0,
        Tier::Issuing => 1,
    };
    if let Some(length) = extensions.basic_constraints.and_then(|it| it.path_length)
        && length <= needed
    {
        return unfit(format!("its path length is {length}, and {} is needed", needed + 1));
    }
    if extensions.subject_key_identifier.is_none() {
        return unfit("it has no subject key identifier, by which a child could name it".to_owned());
    }
    if extensions.extended_key_usage.is_some() {
        return unfit("it has extended key usages; Envoy would refuse its workloads".to_owned());
    }
    match weak_key::weaknesses(issuer).into_iter().next() {
        Some(weakness) => Err(weakness),
        None => Ok(()),
    }
}
