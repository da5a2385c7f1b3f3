//! A certificate read back: its bytes and the facts that decisions need, parsed once.

use ring::digest::{SHA256, digest};
use time::OffsetDateTime;
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::pki::distinguished_name::DistinguishedName;
use crate::pki::fingerprint::Fingerprint;
use crate::pki::validity::Validity;
use crate::pki::verified;
use crate::problem::{Code, Problem};

/// One parsed certificate. Parsing says nothing about whether it is valid, trusted or sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    tbs: std::ops::Range<usize>,
    serial: Vec<u8>,
    subject: DistinguishedName,
    issuer: DistinguishedName,
    validity: Validity,
    public_key: KeyFacts,
    spki: Vec<u8>,
    signature_algorithm: String,
    extensions: Extensions,
}

/// What is known of a public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFacts {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA, with the modulus (big endian, no leading zero) and the public exponent.
    Rsa {
        /// The modulus.
        modulus: Vec<u8>,
        /// The public exponent, when it fits 64 bits.
        exponent: Option<u64>,
    },
    /// Anything else, by the object identifier of its algorithm (and curve).
    Other(String),
}

/// The extensions that decisions need. An absent extension is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extensions {
    /// Basic constraints.
    pub basic_constraints: Option<BasicConstraints>,
    /// Key usage.
    pub key_usage: Option<KeyUsage>,
    /// Extended key usages as dotted object identifiers.
    pub extended_key_usage: Option<Vec<String>>,
    /// The subject key identifier.
    pub subject_key_identifier: Option<Vec<u8>>,
    /// The key identifier of the authority key identifier.
    pub authority_key_identifier: Option<Vec<u8>>,
    /// DNS names of the subject alternative name.
    pub dns_names: Vec<String>,
    /// URIs of the subject alternative name.
    pub uris: Vec<String>,
    /// Name constraints, where there are any.
    pub name_constraints: Option<NameConstraints>,
    /// Object identifiers of critical extensions that are none of the above.
    pub unknown_critical: Vec<String>,
}

/// Basic constraints (RFC 5280 §4.2.1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BasicConstraints {
    /// Whether the extension is critical.
    pub critical: bool,
    /// Whether the subject is a CA.
    pub ca: bool,
    /// How many intermediate CAs may follow below.
    pub path_length: Option<u32>,
}

/// Key usage (RFC 5280 §4.2.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUsage {
    /// Whether the extension is critical.
    pub critical: bool,
    /// May sign certificates.
    pub key_cert_sign: bool,
    /// May sign revocation lists.
    pub crl_sign: bool,
    /// May sign other things.
    pub digital_signature: bool,
}

/// Name constraints (RFC 5280 §4.2.1.10), only the kinds that decide something in a mesh.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameConstraints {
    /// Whether the extension is critical.
    pub critical: bool,
    /// Permitted DNS names.
    pub permitted_dns: Vec<String>,
    /// Excluded DNS names.
    pub excluded_dns: Vec<String>,
    /// Permitted hosts of URI names.
    pub permitted_uris: Vec<String>,
    /// Excluded hosts of URI names.
    pub excluded_uris: Vec<String>,
    /// Whether directory names are constrained in any way.
    pub directory_names: bool,
    /// Whether names of a kind are constrained that is none of DNS, URI, directory, IP address and e-mail.
    pub others: bool,
}

/// The largest certificate that is read, in bytes of DER. Istio's own are about 1 KiB.
pub const LARGEST: usize = 64 * 1024;

impl Certificate {
    /// Reads one certificate from DER that holds nothing else.
    ///
    /// Checks the encoding only: no signature, no validity, no profile.
    ///
    /// # Errors
    /// `certificate-malformed`, with what the parser said.
    pub fn from_der(der: &[u8]) -> Result<Self, Problem> {
        let malformed = |why: String| {
            Problem::new(Code::CertificateMalformed, format!("not an X.509 certificate: {why}"))
                .hint("look at it with: openssl x509 -in FILE -noout -text")
        };
        if der.len() > LARGEST {
            return Err(malformed(format!("{} bytes, more than {LARGEST}", der.len())));
        }
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|error| malformed(error.to_string()))?;
        if !rest.is_empty() {
            return Err(malformed(format!("{} bytes follow it", rest.len())));
        }
        let tbs = parsed.tbs_certificate.as_ref();
        let start = tbs.as_ptr() as usize - der.as_ptr() as usize;
        let validity =
            Validity::new(parsed.validity().not_before.to_datetime(), parsed.validity().not_after.to_datetime());
        let extensions = Extensions::of(&parsed).map_err(malformed)?;
        Ok(Self {
            tbs: start..start + tbs.len(),
            serial: parsed.raw_serial().to_vec(),
            subject: DistinguishedName::of(parsed.subject()),
            issuer: DistinguishedName::of(parsed.issuer()),
            validity,
            public_key: KeyFacts::of(parsed.public_key()),
            spki: parsed.public_key().raw.to_vec(),
            signature_algorithm: parsed.signature_algorithm.algorithm.to_id_string(),
            extensions,
            der: der.to_vec(),
        })
    }

    /// The whole certificate.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate as a PEM block that ends with a newline.
    #[must_use]
    pub fn pem(&self) -> String {
        let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
        pem::encode_config(&pem::Pem::new("CERTIFICATE", self.der.as_slice()), config)
    }

    /// The bytes that were signed.
    #[must_use]
    pub fn tbs(&self) -> &[u8] {
        self.der.get(self.tbs.clone()).unwrap_or_default()
    }

    /// The serial number's content bytes as encoded, a leading zero included.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// The serial number as lower-case hexadecimal digits without leading zeros of the encoding.
    #[must_use]
    pub fn serial_text(&self) -> String {
        let significant = match self.serial.as_slice() {
            [0, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        };
        significant.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Who it is about.
    #[must_use]
    pub const fn subject(&self) -> &DistinguishedName {
        &self.subject
    }

    /// Who says so.
    #[must_use]
    pub const fn issuer(&self) -> &DistinguishedName {
        &self.issuer
    }

    /// Whether subject and issuer are the same bytes. No signature is checked.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// From when to when.
    #[must_use]
    pub const fn validity(&self) -> Validity {
        self.validity
    }

    /// The last second in which it is valid, UTC.
    #[must_use]
    pub const fn not_after(&self) -> OffsetDateTime {
        self.validity.not_after()
    }

    /// What is known of its public key.
    #[must_use]
    pub const fn public_key(&self) -> &KeyFacts {
        &self.public_key
    }

    /// The SubjectPublicKeyInfo, DER.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The object identifier of the algorithm that signed it, dotted.
    #[must_use]
    pub fn signature_algorithm(&self) -> &str {
        &self.signature_algorithm
    }

    /// Its extensions.
    #[must_use]
    pub const fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// SHA-256 of the whole certificate.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.der)
    }

    /// SHA-256 of the public key.
    #[must_use]
    pub fn key_fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.spki)
    }

    /// Whether basic constraints say that it is a CA.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        self.extensions.basic_constraints.is_some_and(|constraints| constraints.ca)
    }

    /// Whether its signature verifies under this public key (a SubjectPublicKeyInfo). Nothing else is checked, and
    /// a SHA-1 signature counts as none. The arithmetic is done once in a process for each certificate and key.
    #[must_use]
    pub fn is_signed_by(&self, issuer_spki: &[u8]) -> bool {
        verified::answer(&self.der, issuer_spki, || {
            let Ok((_, spki)) = SubjectPublicKeyInfo::from_der(issuer_spki) else { return false };
            let Ok((_, parsed)) = X509Certificate::from_der(&self.der) else { return false };
            self.signature_algorithm != SHA1_WITH_RSA && parsed.verify_signature(Some(&spki)).is_ok()
        })
    }
}

/// sha1WithRSAEncryption: Go refuses it since 1.18, so istiod does, too.
const SHA1_WITH_RSA: &str = "1.2.840.113549.1.1.5";

impl KeyFacts {
    pub(in crate::pki) fn of(spki: &SubjectPublicKeyInfo<'_>) -> Self {
        let algorithm = &spki.algorithm.algorithm;
        let curve = spki.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
        if let Some(curve) = &curve
            && *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY
        {
            if *curve == OID_EC_P256 {
                return Self::P256;
            }
            if *curve == OID_NIST_EC_P384 {
                return Self::P384;
            }
        }
        match (curve, spki.parsed()) {
            (_, Ok(PublicKey::RSA(key))) => {
                let modulus = key.modulus.iter().copied().skip_while(|byte| *byte == 0).collect();
                Self::Rsa { modulus, exponent: key.try_exponent().ok() }
            }
            (Some(curve), _) => Self::Other(format!("{} {}", algorithm.to_id_string(), curve.to_id_string())),
            (None, _) => Self::Other(algorithm.to_id_string()),
        }
    }

    /// The key in the words of people: `ECDSA P-256`, `RSA 2048`.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::P256 => "ECDSA P-256".to_owned(),
            Self::P384 => "ECDSA P-384".to_owned(),
            Self::Rsa { modulus, .. } => format!("RSA {}", bits(modulus)),
            Self::Other(identifier) if identifier.starts_with("1.3.101.112") => "Ed25519".to_owned(),
            Self::Other(identifier) => format!("key of algorithm {identifier}"),
        }
    }
}

/// The number of significant bits of a big-endian number without a leading zero byte.
#[must_use]
pub fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

impl Extensions {
    fn of(parsed: &X509Certificate<'_>) -> Result<Self, String> {
        let mut found = Self::default();
        parsed.tbs_certificate.extensions_map().map_err(|_| "an extension occurs twice".to_owned())?;
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::BasicConstraints(value) => {
                    found.basic_constraints = Some(BasicConstraints {
                        critical: extension.critical,
                        ca: value.ca,
                        path_length: value.path_len_constraint,
                    });
                }
                ParsedExtension::KeyUsage(value) => {
                    found.key_usage = Some(KeyUsage {
                        critical: extension.critical,
                        key_cert_sign: value.key_cert_sign(),
                        crl_sign: value.crl_sign(),
                        digital_signature: value.digital_signature(),
                    });
                }
                ParsedExtension::ExtendedKeyUsage(value) => {
                    found.extended_key_usage = Some(extended_key_usages(value));
                }
                ParsedExtension::SubjectKeyIdentifier(value) => {
                    found.subject_key_identifier = Some(value.0.to_vec());
                }
                ParsedExtension::AuthorityKeyIdentifier(value) => {
                    found.authority_key_identifier = value.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                ParsedExtension::SubjectAlternativeName(value) => {
                    for name in &value.general_names {
                        match name {
                            GeneralName::DNSName(dns) => found.dns_names.push((*dns).to_owned()),
                            GeneralName::URI(uri) => found.uris.push((*uri).to_owned()),
                            _ => {}
                        }
                    }
                }
                ParsedExtension::NameConstraints(value) => {
                    found.name_constraints = Some(NameConstraints::of(value, extension.critical));
                }
                ParsedExtension::ParseError { error } => return Err(format!("extension {}: {error}", extension.oid)),
                _ if extension.critical => found.unknown_critical.push(extension.oid.to_id_string()),
                _ => {}
            }
        }
        Ok(found)
    }
}

impl NameConstraints {
    fn of(parsed: &x509_parser::extensions::NameConstraints<'_>, critical: bool) -> Self {
        let mut found = Self { critical, ..Self::default() };
        let permitted = parsed.permitted_subtrees.iter().flatten().map(|tree| (true, tree));
        let excluded = parsed.excluded_subtrees.iter().flatten().map(|tree| (false, tree));
        for (is_permitted, tree) in permitted.chain(excluded) {
            match &tree.base {
                GeneralName::DNSName(dns) if is_permitted => found.permitted_dns.push((*dns).to_owned()),
                GeneralName::DNSName(dns) => found.excluded_dns.push((*dns).to_owned()),
                GeneralName::URI(host) if is_permitted => found.permitted_uris.push((*host).to_owned()),
                GeneralName::URI(host) => found.excluded_uris.push((*host).to_owned()),
                GeneralName::DirectoryName(_) => found.directory_names = true,
                GeneralName::IPAddress(_) | GeneralName::RFC822Name(_) => {}
                _ => found.others = true,
            }
        }
        found
    }

    /// Whether URI names are constrained in any way.
    #[must_use]
    pub const fn has_uris(&self) -> bool {
        !self.permitted_uris.is_empty() || !self.excluded_uris.is_empty()
    }
}

fn extended_key_usages(value: &x509_parser::extensions::ExtendedKeyUsage<'_>) -> Vec<String> {
    let known = [
        (value.any, "2.5.29.37.0"),
        (value.server_auth, SERVER_AUTH),
        (value.client_auth, CLIENT_AUTH),
        (value.code_signing, "1.3.6.1.5.5.7.3.3"),
        (value.email_protection, "1.3.6.1.5.5.7.3.4"),
        (value.time_stamping, "1.3.6.1.5.5.7.3.8"),
        (value.ocsp_signing, "1.3.6.1.5.5.7.3.9"),
    ];
    let mut usages: Vec<String> =
        known.iter().filter(|(present, _)| *present).map(|(_, oid)| (*oid).to_owned()).collect();
    usages.extend(value.other.iter().map(x509_parser::der_parser::oid::Oid::to_id_string));
    usages
}

/// Server authentication, as an extended key usage.
pub const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
/// Client authentication, as an extended key usage.
pub const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";

/// The subject key identifier by method 1 of RFC 7093 §2: the leftmost 160 bits of SHA-256 over the public key's
/// bit string, without tag, length and unused-bits octet.
#[must_use]
pub fn key_identifier(public_key_bits: &[u8]) -> Vec<u8> {
    digest(&SHA256, public_key_bits).as_ref().iter().copied().take(20).collect()
}
