//! Whether one certificate's key made another one's signature, with the answers that a yes or no would hide.

use ring::signature::{
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, UnparsedPublicKey,
    VerificationAlgorithm,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::pki::certificate::{Certificate, KeyFacts, bits};

/// What became of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// That key made it.
    Holds,
    /// That key did not make it.
    Broken,
    /// It is made with SHA-1, MD5 or MD2, which Go refuses whoever made it.
    Weak,
    /// The algorithm is none that can be verified here (P-521, P-224, ECDSA with SHA-512).
    NotJudged,
}

/// Object identifiers of signatures over SHA-1, MD5 or MD2, each with the name of its digest.
const WEAK: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.2", "MD2"),
    ("1.2.840.113549.1.1.4", "MD5"),
    ("1.2.840.113549.1.1.5", "SHA-1"),
    ("1.3.14.3.2.29", "SHA-1"),
    ("1.2.840.10045.4.1", "SHA-1"),
    ("1.2.840.10040.4.3", "SHA-1"),
];

/// The broken digest under a certificate's signature, if it is one.
#[must_use]
pub fn weak_digest(cert: &Certificate) -> Option<&'static str> {
    WEAK.iter().find(|(identifier, _)| *identifier == cert.signature_algorithm()).map(|(_, digest)| *digest)
}

/// Checks the one signature. Names, times and extensions are not looked at.
#[must_use]
pub fn signature(child: &Certificate, issuer: &Certificate) -> Signature {
    if weak_digest(child).is_some() {
        return Signature::Weak;
    }
    // Go knows no other keys than these, so nothing that another one signed can hold.
    if let KeyFacts::Other(kind) = issuer.public_key()
        && kind != ED25519
        && !is_other_nist_curve(kind)
    {
        return Signature::Broken;
    }
    if child.is_signed_by(issuer.spki()) {
        return Signature::Holds;
    }
    match (issuer.public_key(), child.signature_algorithm()) {
        (KeyFacts::Rsa { modulus, .. }, "1.2.840.113549.1.1.11" | "1.2.840.113549.1.1.13") if bits(modulus) < 2048 => {
            short_rsa(child, issuer)
        }
        (KeyFacts::Rsa { .. }, "1.2.840.113549.1.1.11" | "1.2.840.113549.1.1.12" | "1.2.840.113549.1.1.13")
        | (KeyFacts::P256 | KeyFacts::P384, "1.2.840.10045.4.3.2" | "1.2.840.10045.4.3.3") => Signature::Broken,
        (KeyFacts::Other(kind), _) if kind == ED25519 => Signature::Broken,
        // The signature is of another family than the key: no arithmetic can make it hold.
        (KeyFacts::Rsa { .. }, algorithm) if !algorithm.starts_with("1.2.840.113549.1.1.") => Signature::Broken,
        (KeyFacts::P256 | KeyFacts::P384, algorithm) if !algorithm.starts_with("1.2.840.10045.4.") => Signature::Broken,
        (KeyFacts::Other(_), algorithm) if !algorithm.starts_with("1.2.840.10045.4.") => Signature::Broken,
        _ => Signature::NotJudged,
    }
}

const ED25519: &str = "1.3.101.112";

/// P-521 and P-224, which Go verifies and the library here does not.
fn is_other_nist_curve(kind: &str) -> bool {
    ["1.2.840.10045.2.1 1.3.132.0.35", "1.2.840.10045.2.1 1.3.132.0.33"].contains(&kind)
}

/// Go verifies RSA from 1024 bits; the ordinary road here begins at 2048.
fn short_rsa(child: &Certificate, issuer: &Certificate) -> Signature {
    let algorithm: &dyn VerificationAlgorithm = match child.signature_algorithm() {
        "1.2.840.113549.1.1.11" => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        _ => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    };
    let (Ok((_, child)), Ok((_, issuer))) =
        (X509Certificate::from_der(child.der()), X509Certificate::from_der(issuer.der()))
    else {
        return Signature::NotJudged;
    };
    let key = UnparsedPublicKey::new(algorithm, &issuer.public_key().subject_public_key.data);
    match key.verify(child.tbs_certificate.as_ref(), &child.signature_value.data) {
        Ok(()) => Signature::Holds,
        Err(_) => Signature::Broken,
    }
}
