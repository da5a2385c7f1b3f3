//! Whether one certificate's key made another one's signature, with the answers that a yes or no would hide.

use ring::signature::{
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, UnparsedPublicKey,
    VerificationAlgorithm,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::pki::certificate::{Certificate, KeyFacts, bits};
use crate::pki::weak_digest;
use crate::pki::weak_key::{LONGEST_USUAL_RSA, SHORTEST_RSA};

/// What became of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// That key made it.
    Holds,
    /// That key did not make it.
    Broken,
    /// It is made with SHA-1, MD5 or MD2, which Go refuses whoever made it.
    Weak,
    /// The algorithm is none that can be verified here (P-521, P-224, ECDSA with SHA-512, short RSA with SHA-384, RSA beyond
    /// 8192 bits).
    NotJudged,
}

/// The broken digest under a certificate's signature, if it is one.
#[must_use]
pub fn weak_digest(cert: &Certificate) -> Option<&'static str> {
    weak_digest::of(cert.signature_algorithm())
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
        (
            KeyFacts::Rsa { modulus, .. },
            "1.2.840.113549.1.1.11" | "1.2.840.113549.1.1.12" | "1.2.840.113549.1.1.13",
        ) if bits(modulus) < SHORTEST_RSA => short_rsa(child, issuer),
        // Go verifies it; the library here does not.
        (
            KeyFacts::Rsa { modulus, .. },
            "1.2.840.113549.1.1.11" | "1.2.840.113549.1.1.12" | "1.2.840.113549.1.1.13",
        ) if bits(modulus) > LONGEST_USUAL_RSA => Signature::NotJudged,
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

/// Go verifies RSA from 1024 bits; the ordinary road here begins at 2048, and there is no other for SHA-384.
fn short_rsa(child: &Certificate, issuer: &Certificate) -> Signature {
    let algorithm: &dyn VerificationAlgorithm = match child.signature_algorithm() {
        "1.2.840.113549.1.1.11" => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        "1.2.840.113549.1.1.13" => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        _ => return Signature::NotJudged,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::fixture::{SHORT_SHA_256, SHORT_SHA_384, SHORT_SHA_512, first, fixture};
    use crate::pki::read_pem::certificates;

    const ISSUING: &str = fixture!("sound/one-mesh/east/cert-chain.pem");

    fn p256() -> Certificate {
        first(fixture!("sound/one-mesh/east/ca-cert.pem"))
    }

    fn rsa() -> Certificate {
        first(fixture!("foreign/istio-samples/root-cert.pem"))
    }

    /// The same certificate as if another algorithm had signed it.
    fn as_if(cert: &Certificate, was: &[u8], becomes: u8) -> Certificate {
        let mut der = cert.der().to_vec();
        let found: Vec<_> = (0..der.len()).filter(|at| der[*at..].starts_with(was)).collect();
        for at in found {
            der[at + was.len() - 1] = becomes;
        }
        Certificate::from_der(&der).unwrap()
    }

    #[test]
    fn a_broken_digest_is_weak_whoever_signed_and_has_a_name() {
        let md5 = first(fixture!("faulty/weak-signature/signer-md5/ca-cert.pem"));
        let sha1 = first(fixture!("faulty/weak-signature/signer-sha1/ca-cert.pem"));
        assert_eq!([&md5, &sha1, &rsa()].map(weak_digest), [Some("MD5"), Some("SHA-1"), None]);
        assert_eq!([&md5, &sha1].map(|it| signature(it, &rsa())), [Signature::Weak; 2]);
    }

    #[test]
    fn a_signature_of_each_usual_kind_holds_under_the_key_that_made_it_and_is_broken_under_another() {
        let issuing = certificates(ISSUING.as_bytes())[1].clone();
        let p384 = certificates(fixture!("sound/p384/cert-chain.pem").as_bytes());
        for (child, issuer) in [(p256(), issuing.clone()), (p384[0].clone(), p384[1].clone()), (rsa(), rsa())] {
            assert_eq!(signature(&child, &issuer), Signature::Holds);
        }
        let other_rsa = first(fixture!("sound/rsa-2048-signer/ca-cert.pem"));
        for (child, issuer) in [(p256(), p256()), (p384[0].clone(), issuing), (rsa(), other_rsa)] {
            assert_eq!(signature(&child, &issuer), Signature::Broken);
        }
    }

    #[test]
    fn short_rsa_is_verified_as_go_does_but_for_sha_384() {
        let short = [SHORT_SHA_256, SHORT_SHA_512].map(first);
        for child in &short {
            assert_eq!(child.public_key().title(), "RSA 1024");
            assert_eq!(signature(child, &short[0]), Signature::Holds);
        }
        assert_eq!(signature(&rsa(), &short[0]), Signature::Broken);
        let sha_384 = first(SHORT_SHA_384);
        assert_eq!(signature(&sha_384, &short[0]), Signature::NotJudged);
        let of_2048_bits = first(fixture!("sound/rsa-2048-signer/ca-cert.pem"));
        assert_eq!(signature(&sha_384, &of_2048_bits), Signature::Broken);
    }

    #[test]
    fn rsa_is_verified_up_to_8192_bits_and_not_judged_beyond() {
        let last = first(fixture!("sound/rsa-8192-root/root-cert.pem"));
        let beyond = first(fixture!("faulty/key-kind-unusual/rsa-8208-root/root-cert.pem"));
        assert_eq!([&last, &beyond].map(|it| signature(it, it)), [Signature::Holds, Signature::NotJudged]);
        assert_eq!([&last, &beyond].map(|it| signature(&rsa(), it)), [Signature::Broken, Signature::NotJudged]);
    }

    #[test]
    fn an_algorithm_of_another_family_than_the_key_is_broken_and_an_unknown_one_of_its_own_is_not_judged() {
        let ed25519 = first(fixture!("faulty/key-kind-unusual/ed25519/ca-cert.pem"));
        let p521 = first(fixture!("faulty/key-kind-unusual/p521/ca-cert.pem"));
        let brainpool = first(fixture!("faulty/key-curve-unknown/signer/ca-cert.pem"));
        let rsa_pss = as_if(&rsa(), &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11], 10);
        let ecdsa_sha512 = as_if(&p256(), &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2], 4);
        let (broken, open) = (Signature::Broken, Signature::NotJudged);
        for (issuer, wanted) in [
            (rsa(), [broken, broken, open, broken]),
            (p256(), [broken, broken, broken, open]),
            (p521, [open, broken, broken, open]),
            (ed25519, [broken; 4]),
            (brainpool, [broken; 4]),
        ] {
            let got = [&p256(), &rsa(), &rsa_pss, &ecdsa_sha512].map(|child| {
                let other = if child == &issuer { &first(SHORT_SHA_256) } else { child };
                signature(other, &issuer)
            });
            assert_eq!(got, wanted, "{}", issuer.public_key().title());
        }
    }
}
