//! What an API server proves itself with, and what it knows its users by.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustls::pki_types::CertificateDer;

/// An API server's own authority and certificate, its key for ServiceAccounts, and its users' tokens.
pub(crate) struct Identity {
    folder: PathBuf,
    pub(crate) authority: CertificateDer<'static>,
    pub(crate) authority_pem: String,
    pub(crate) tokens: BTreeMap<String, String>,
}

impl Identity {
    /// Makes all of it and writes it into this folder.
    pub(crate) fn new(folder: &Path, cluster: &str, users: &[&str]) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("authority of {cluster}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);

        let mut params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, format!("API server of {cluster}"));
        let key = KeyPair::generate().unwrap();
        let serving = params.signed_by(&key, &issuer).unwrap();
        let accounts = KeyPair::generate().unwrap();

        // Nobody else can guess a token, and each is of one cluster only.
        let token = |user: &&str| (user.to_string(), format!("{user}-{}", hex(&KeyPair::generate().unwrap())));
        let tokens: BTreeMap<_, _> = users.iter().map(token).collect();
        let line = |(user, token): (&String, &String)| {
            let groups = if user == "admin" { ",\"system:masters\"" } else { "" };
            format!("{token},{user},{user}{groups}\n")
        };
        let identity = Self {
            folder: folder.to_owned(),
            authority: authority.der().clone(),
            authority_pem: authority.pem(),
            tokens,
        };
        for (name, text) in [
            ("ca.pem", authority.pem()),
            ("serving.pem", serving.pem()),
            ("serving.key", key.serialize_pem()),
            ("accounts.key", accounts.serialize_pem()),
            ("accounts.pub", accounts.public_key_pem()),
            ("tokens.csv", identity.tokens.iter().map(line).collect()),
        ] {
            fs::write(identity.file(name), text).unwrap();
        }
        identity
    }

    /// The signature of the key for ServiceAccounts, as a JSON Web Token has it (ES256).
    pub(crate) fn signed_by_accounts(&self, bytes: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let key = pem::parse(fs::read(self.file("accounts.key")).unwrap()).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.contents(), &random).unwrap();
        key.sign(&random, bytes).unwrap().as_ref().to_vec()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Bytes that nobody can guess: those of a public key that was made for it.
fn hex(key: &KeyPair) -> String {
    key.public_key_raw().iter().skip(1).take(16).map(|byte| format!("{byte:02x}")).collect()
}
