//! To-be-signed bytes: rcgen builds them, nobody signs them yet, and the issuer's name is kept byte for byte.

use pkcs8::der::asn1::{AnyRef, BitStringRef};
use pkcs8::der::{Decode, Encode, Reader, SliceReader, Tag};
use rcgen::{CertificateParams, Issuer, KeyIdMethod, PublicKeyData, SigningKey as Signer};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::pki::certificate::KeyFacts;
use crate::pki::key_der::public_bits;
use crate::problem::{Code, Problem};

/// What a certificate says of the one that signs it.
pub(in crate::pki) struct Authority<'a> {
    /// Its encoded name; `None`: the subject's own (self-signed).
    pub(in crate::pki) name: Option<&'a [u8]>,
    /// Its public key.
    pub(in crate::pki) spki: &'a [u8],
    /// Its subject key identifier.
    pub(in crate::pki) key_identifier: &'a [u8],
}

/// A certificate whose signature has no bytes: everything else is as it will be.
///
/// rcgen reads an issuer's name into a map, so that a root with two `OU` or two `DC` comes back with one (its issues
/// 81 and 300); therefore its name is put in afterwards, as bytes.
pub(in crate::pki) fn unsigned(
    parameters: &CertificateParams,
    spki: &[u8],
    authority: &Authority<'_>,
) -> Result<Vec<u8>, Problem> {
    let mut issuer = CertificateParams::default();
    issuer.distinguished_name = parameters.distinguished_name.clone();
    issuer.key_identifier_method = KeyIdMethod::PreSpecified(authority.key_identifier.to_vec());
    let issuer = Issuer::new(issuer, Nobody(public_key(authority.spki)?));
    let certificate = parameters.signed_by(&public_key(spki)?, &issuer).map_err(|error| built_nothing(&error))?;
    match authority.name {
        Some(name) => with_issuer_name(certificate.der(), name),
        None => Ok(certificate.der().to_vec()),
    }
}

/// A signer that signs nothing: rcgen builds the bytes, and we sign them ourselves once they are cleared.
struct Nobody<'a>(PublicKey<'a>);

impl PublicKeyData for Nobody<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl Signer for Nobody<'_> {
    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(Vec::new())
    }
}

/// A public key as rcgen takes it. Its own parser encodes every algorithm that it knows to find the one; that would be
/// a fifth of what minting costs beside the crypto operations.
struct PublicKey<'a> {
    algorithm: &'static rcgen::SignatureAlgorithm,
    bits: &'a [u8],
}

impl PublicKeyData for PublicKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.bits
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.algorithm
    }
}

/// Whether the key is encoded as rcgen will encode it again, is not looked at here: the profile compares the bytes.
fn public_key(spki: &[u8]) -> Result<PublicKey<'_>, Problem> {
    let refused = |why: &str| Problem::new(Code::KeyMalformed, format!("the public key cannot be certified: {why}"));
    let (_, parsed) = SubjectPublicKeyInfo::from_der(spki).map_err(|error| refused(&error.to_string()))?;
    let algorithm = match KeyFacts::of(&parsed) {
        KeyFacts::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
        KeyFacts::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        KeyFacts::Rsa { .. } => &rcgen::PKCS_RSA_SHA256,
        KeyFacts::Other(algorithm) => return Err(refused(&format!("its algorithm is {algorithm}"))),
    };
    let bits = public_bits(spki).ok_or_else(|| refused("it holds no bits"))?;
    Ok(PublicKey { algorithm, bits })
}

fn built_nothing(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(Code::ProfileBroken, format!("the certificate could not be built: {error}"))
}

/// The to-be-signed bytes of a certificate.
pub(in crate::pki) fn to_be_signed(der: &[u8]) -> Result<&[u8], Problem> {
    let [tbs, _, _] = parts(der)?;
    Ok(tbs)
}

/// The same certificate with these bytes as its issuer name: element 3 of the to-be-signed sequence (RFC 5280 §4.1),
/// after version, serial and algorithm.
fn with_issuer_name(der: &[u8], issuer: &[u8]) -> Result<Vec<u8>, Problem> {
    let [tbs, algorithm, signature] = parts(der)?;
    let mut fields = elements(tbs)?;
    let name = fields.get_mut(3).ok_or_else(|| built_nothing(&"no issuer"))?;
    *name = issuer;
    sequence(&[&sequence(&fields)?, algorithm, signature])
}

/// The same certificate with this signature: its last element.
pub(in crate::pki) fn with_signature(der: &[u8], signature: &[u8]) -> Result<Vec<u8>, Problem> {
    let [tbs, algorithm, _] = parts(der)?;
    let signature = BitStringRef::from_bytes(signature).and_then(|bits| bits.to_der());
    sequence(&[tbs, algorithm, &signature.map_err(|error| built_nothing(&error))?])
}

/// To-be-signed bytes, algorithm and signature of a certificate, each with tag and length.
fn parts(der: &[u8]) -> Result<[&[u8]; 3], Problem> {
    elements(der)?.try_into().map_err(|_| built_nothing(&"a certificate has three parts"))
}

/// The elements of a sequence, each with tag and length.
fn elements(der: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    let broken = |error: pkcs8::der::Error| built_nothing(&error);
    let content = AnyRef::from_der(der).map_err(broken)?.value();
    let mut reader = SliceReader::new(content).map_err(broken)?;
    let mut found = Vec::new();
    while !reader.is_finished() {
        found.push(reader.tlv_bytes().map_err(broken)?);
    }
    Ok(found)
}

fn sequence(elements: &[&[u8]]) -> Result<Vec<u8>, Problem> {
    let content = elements.concat();
    AnyRef::new(Tag::Sequence, &content).and_then(|it| it.to_der()).map_err(|error| built_nothing(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::fixture::{first, fixture};

    #[test]
    fn what_nobody_signed_has_a_signature_of_no_bytes_and_the_issuers_name_byte_for_byte() {
        let issuer = first(fixture!("foreign/openssl/bmp-name/ca-cert.pem"));
        let subject = first(fixture!("sound/one-mesh/east/ca-cert.pem"));
        let authority =
            Authority { name: Some(issuer.subject().der()), spki: issuer.spki(), key_identifier: b"identifier" };
        let made = unsigned(&CertificateParams::default(), subject.spki(), &authority).unwrap();
        let [tbs, algorithm, signature] = parts(&made).unwrap();
        assert_eq!((signature, elements(tbs).unwrap()[3]), ([3, 1, 0].as_slice(), issuer.subject().der()));
        let signed = with_signature(&made, b"signature").unwrap();
        let signature = [[3, 10, 0].as_slice(), b"signature"].concat();
        assert_eq!(parts(&signed).unwrap(), [tbs, algorithm, &signature]);
        assert_eq!(to_be_signed(&signed).unwrap(), tbs);
    }
}
