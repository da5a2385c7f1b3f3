//! To-be-signed bytes: rcgen builds them, nobody signs them yet, and the issuer's name is kept byte for byte.

use pkcs8::der::asn1::{Any, BitString};
use pkcs8::der::{Decode, Encode};
use rcgen::{CertificateParams, Issuer, KeyIdMethod, PublicKeyData, SigningKey as Signer, SubjectPublicKeyInfo};

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
struct Nobody(SubjectPublicKeyInfo);

impl PublicKeyData for Nobody {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl Signer for Nobody {
    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(Vec::new())
    }
}

/// The key as rcgen knows it. Its own parser takes the label from the key's bytes here, not from a signature.
pub(in crate::pki) fn public_key(spki: &[u8]) -> Result<SubjectPublicKeyInfo, Problem> {
    SubjectPublicKeyInfo::from_der(spki)
        .map_err(|error| Problem::new(Code::KeyMalformed, format!("the public key cannot be certified: {error}")))
}

fn built_nothing(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(Code::ProfileBroken, format!("the certificate could not be built: {error}"))
}

/// The same certificate with these bytes as its issuer name: element 3 of the to-be-signed sequence (RFC 5280 §4.1),
/// after version, serial and algorithm.
fn with_issuer_name(der: &[u8], issuer: &[u8]) -> Result<Vec<u8>, Problem> {
    let broken = |error: pkcs8::der::Error| built_nothing(&error);
    let mut outer = Vec::<Any>::from_der(der).map_err(broken)?;
    let Some(first) = outer.first_mut() else { return Err(built_nothing(&"no to-be-signed bytes")) };
    let mut tbs = Vec::<Any>::from_der(&first.to_der().map_err(broken)?).map_err(broken)?;
    let Some(name) = tbs.get_mut(3) else { return Err(built_nothing(&"no issuer")) };
    *name = Any::from_der(issuer).map_err(broken)?;
    *first = Any::from_der(&tbs.to_der().map_err(broken)?).map_err(broken)?;
    outer.to_der().map_err(broken)
}

/// The same certificate with this signature: its last element.
pub(in crate::pki) fn with_signature(der: &[u8], signature: &[u8]) -> Result<Vec<u8>, Problem> {
    let broken = |error: pkcs8::der::Error| built_nothing(&error);
    let mut outer = Vec::<Any>::from_der(der).map_err(broken)?;
    let Some(last) = outer.last_mut() else { return Err(built_nothing(&"no signature")) };
    *last = Any::encode_from(&BitString::from_bytes(signature).map_err(broken)?).map_err(broken)?;
    outer.to_der().map_err(broken)
}
