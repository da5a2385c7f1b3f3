//! Private keys at rest: encrypted PKCS#8 that `openssl pkey` opens.

use pkcs8::der::pem::PemLabel;
use pkcs8::pkcs5::pbes2;
use pkcs8::{EncryptedPrivateKeyInfoOwned, EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

use crate::pki::secret::{Passphrase, Secret};
use crate::problem::{Code, Problem};

/// Rounds of PBKDF2-HMAC-SHA256 that stretch a passphrase. OWASP's floor for this function is 600,000; scrypt would
/// be stronger, but `openssl` caps its memory at 32 MiB, and it must stay the emergency exit.
pub const ROUNDS: u32 = 600_000;

/// The most rounds that are opened: a file may ask for any number, and a hostile one would keep us busy for days.
const MOST_ROUNDS: u32 = 20_000_000;

/// What makes each sealing different: random bytes, never used twice.
#[derive(Debug, Clone, Copy)]
pub struct Salt {
    /// For the stretching of the passphrase.
    pub stretching: [u8; 16],
    /// For the cipher, AES-256-CBC.
    pub cipher: [u8; 16],
}

/// Seals an unencrypted PKCS#8 key (DER) with PBES2: PBKDF2-HMAC-SHA256 and AES-256-CBC. Returns a PEM block
/// `ENCRYPTED PRIVATE KEY` that ends with a newline.
///
/// The cipher carries no authentication: whoever opens the key must compare its public half with a certificate.
///
/// # Errors
/// `key-malformed`, when the bytes are not PKCS#8.
pub fn seal(pkcs8: &Secret, passphrase: &Passphrase, salt: Salt, rounds: u32) -> Result<String, Problem> {
    let malformed = || Problem::new(Code::KeyMalformed, "the private key to be sealed is not PKCS#8");
    let key = PrivateKeyInfoRef::try_from(pkcs8.expose()).map_err(|_| malformed())?;
    let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(rounds, &salt.stretching, salt.cipher)
        .map_err(|_| malformed())?;
    let sealed = key.encrypt_with_params(parameters, passphrase.expose()).map_err(|_| malformed())?;
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    Ok(pem::encode_config(&pem::Pem::new(EncryptedPrivateKeyInfoOwned::PEM_LABEL, sealed.as_bytes()), config))
}

/// Opens a private key file: the first PEM block, sealed (with this passphrase) or plain PKCS#8.
///
/// # Errors
/// `wrong-passphrase`, when the passphrase does not open it; `passphrase-needed`, when there is none and it is sealed;
/// `key-malformed` for anything else.
pub fn open(pem_text: &Secret, passphrase: Option<&Passphrase>) -> Result<Secret, Problem> {
    let malformed = |why: &str| {
        Problem::new(Code::KeyMalformed, format!("the private key file cannot be used: {why}"))
            .hint("it must hold one PKCS#8 key; `openssl pkey -in FILE -noout` tells whether it holds one at all")
    };
    let blocks = pem::parse_many(pem_text.expose()).map_err(|_| malformed("it is not PEM"))?;
    let mut blocks = blocks.into_iter().filter(|block| block.tag() != "EC PARAMETERS");
    let (Some(block), None) = (blocks.next(), blocks.next()) else {
        return Err(malformed("it does not hold exactly one key"));
    };
    let label = block.tag().to_owned();
    let contents = Zeroizing::new(block.into_contents());
    match label.as_str() {
        "PRIVATE KEY" => Ok(Secret::new(contents.to_vec())),
        "ENCRYPTED PRIVATE KEY" => {
            let passphrase = passphrase.ok_or_else(|| {
                Problem::new(Code::PassphraseNeeded, "the private key is sealed and there is no passphrase")
                    .hint("--passphrase-file FILE, or run it on a terminal")
            })?;
            let sealed = EncryptedPrivateKeyInfoRef::try_from(contents.as_slice())
                .map_err(|_| malformed("its encryption cannot be read"))?;
            let rounds = sealed
                .encryption_algorithm
                .pbes2()
                .and_then(|parameters| parameters.kdf.pbkdf2())
                .map(|pbkdf2| pbkdf2.iteration_count)
                .ok_or_else(|| malformed("it is not sealed with PBES2 and PBKDF2"))?;
            if rounds > MOST_ROUNDS {
                return Err(malformed(&format!("it asks for {rounds} rounds of stretching, more than {MOST_ROUNDS}")));
            }
            let opened: SecretDocument = sealed.decrypt(passphrase.expose()).map_err(|_| {
                Problem::new(Code::WrongPassphrase, "the passphrase does not open the private key")
                    .hint("--passphrase-file FILE   with the passphrase that it was sealed with")
            })?;
            Ok(Secret::new(opened.as_bytes().to_vec()))
        }
        other => Err(malformed(&format!("its PEM label is `{}`", other.chars().take(40).collect::<String>()))
            .hint("openssl pkcs8 -topk8 -in OLD -out NEW   makes encrypted PKCS#8 of it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pkcs8::der::Encode;
    use pkcs8::der::asn1::OctetStringRef;

    const KEY: &[u8] = &[
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20, 1, 2, 3, 4, 5,
        6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
    ];

    fn sealed() -> Secret {
        let salt = Salt { stretching: [7; 16], cipher: [9; 16] };
        let text = seal(&Secret::new(KEY.to_vec()), &Passphrase::new(b"right".to_vec()), salt, 1_000).unwrap();
        Secret::new(text.into_bytes())
    }

    #[test]
    fn what_was_sealed_opens_with_the_same_passphrase() {
        let opened = open(&sealed(), Some(&Passphrase::new(b"right\n".to_vec()))).unwrap();
        assert_eq!(opened.expose(), KEY);
    }

    #[test]
    fn a_wrong_passphrase_and_none_have_codes_of_their_own() {
        let wrong = open(&sealed(), Some(&Passphrase::new(b"wrong".to_vec()))).unwrap_err();
        assert_eq!(wrong.code(), Code::WrongPassphrase);
        assert_eq!(open(&sealed(), None).unwrap_err().code(), Code::PassphraseNeeded);
    }

    #[test]
    fn two_keys_in_one_file_are_refused() {
        let mut twice = sealed().expose().to_vec();
        twice.extend_from_slice(sealed().expose());
        assert_eq!(open(&Secret::new(twice), None).unwrap_err().code(), Code::KeyMalformed);
    }

    #[test]
    fn a_key_that_asks_for_more_than_twenty_million_rounds_is_not_opened() {
        let asks = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(20_000_001, &[7; 16], [9; 16]).unwrap();
        let data = OctetStringRef::new(&[0; 16]).unwrap();
        let file = pkcs8::EncryptedPrivateKeyInfo { encryption_algorithm: asks.into(), encrypted_data: data };
        let text = pem::encode(&pem::Pem::new("ENCRYPTED PRIVATE KEY", file.to_der().unwrap()));
        let refused = open(&Secret::new(text.into_bytes()), Some(&Passphrase::new(b"word".to_vec()))).unwrap_err();
        assert_eq!(refused.code(), Code::KeyMalformed);
        assert!(refused.what().contains("it asks for 20000001 rounds"), "{refused}");
    }
}
