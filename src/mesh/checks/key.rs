//! The private key of the signer.

use crate::mesh::checks::parts::{critical, warning};
use crate::mesh::consumers::material::Material;
use crate::pki::key_file::Belongs;
use crate::problem::{Code, Finding, Problem};

pub(super) fn check(material: &Material<'_>) -> Vec<Finding> {
    let Some(file) = &material.key else { return Vec::new() };
    let name = material.key_name;
    let Ok(text) = &file.text else { return Vec::new() };
    let key = match &file.key {
        Ok(key) => key,
        Err(problem) => {
            let named = Problem::new(problem.code(), format!("{name}: {}", problem.what()));
            let named = match problem.advice() {
                Some(hint) => named.hint(hint.replace("FILE", name)),
                None => named,
            };
            return vec![critical(name, named)];
        }
    };
    let mut found = Vec::new();
    if let Some(signer) = material.signer_certificate()
        && file.belongs == Some(Belongs::No)
    {
        let what =
            format!("{name} ({}) is not the key of \"{}\" in {}", key.title(), signer.subject(), material.signer.name);
        let problem = Problem::new(Code::KeyMismatch, what)
            .fact(format!(
                "{}: {}, SHA-256 of the public key {}",
                material.signer.name,
                signer.public_key().title(),
                signer.key_fingerprint()
            ))
            .hint(format!(
                "compare: openssl pkey -in {name} -pubout; openssl x509 -in {} -noout -pubkey",
                material.signer.name
            ));
        found.push(critical(name, problem));
    }
    if key.has_close_primes() {
        let what =
            format!("{name}: the primes of the {} key lie so close together that Go refuses to read it", key.title());
        let hint = "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4096 makes a sound one";
        found.push(critical(name, Problem::new(Code::RsaClosePrimes, what).hint(hint)));
    }
    if text.blocks.len() > 1 {
        let what = format!("{name} holds {} blocks; istiod reads the first one only", text.blocks.len());
        found.push(warning(
            name,
            Problem::new(Code::KeyFileSurplus, what)
                .hint(format!("openssl pkey -in {name} -out NEW keeps the key alone")),
        ));
    }
    found
}
