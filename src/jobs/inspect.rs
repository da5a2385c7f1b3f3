//! `inspect`: what a file holds: certificates, keys (never their private half), revocation lists, or a whole Secret.

use std::path::Path;

use crate::mesh::secret_manifest::{LARGEST, SecretManifest};
use crate::pki::certificate::Certificate;
use crate::pki::key_file::KeyFile;
use crate::pki::pem_block::PemBlock;
use crate::pki::pem_blocks::PemText;
use crate::pki::revocation_list::RevocationList;
use crate::pki::secret::Secret;
use crate::problem::{Code, Problem};
use crate::world::files;

/// What one file, or one value of a Secret, holds.
#[derive(Debug)]
pub struct Part {
    /// The value's name in a Secret; `None`: the file itself.
    pub name: Option<String>,
    /// Line and content of each PEM block; or what came instead of it.
    pub blocks: Vec<(usize, Content)>,
    /// What is odd about the text, in words.
    pub oddities: Vec<String>,
}

/// What one block holds.
#[derive(Debug)]
pub enum Content {
    /// A certificate.
    Certificate(Box<Certificate>),
    /// A private key that can be read: its form and kind.
    Key(&'static str, String),
    /// A revocation list.
    RevocationList(Box<RevocationList>),
    /// Something else, by its label.
    Other(String),
    /// Something that is not what its label says.
    Broken(Problem),
}

/// Reads a file (`-`: standard input) and says what it holds. DER is taken for one certificate.
///
/// # Errors
/// `file-unreadable`, `file-too-large`, `pem-too-large`, `secret-manifest-malformed`, `nothing-recognised`.
pub fn run(path: &Path) -> Result<Vec<Part>, Problem> {
    let text = read(path)?;
    if is_manifest(&text) {
        let manifest = SecretManifest::parse(&text, &path.display().to_string())?;
        return manifest.values.iter().map(|(name, value)| part(Some(name.clone()), value)).collect();
    }
    if text.expose().first() == Some(&0x30) {
        let certificate = Certificate::from_der(text.expose())?;
        let blocks = vec![(1, Content::Certificate(Box::new(certificate)))];
        return Ok(vec![Part { name: None, blocks, oddities: Vec::new() }]);
    }
    let part = part(None, &text)?;
    if part.blocks.is_empty() {
        return Err(Problem::new(
            Code::NothingRecognised,
            format!("{} holds no PEM block, no certificate and no Secret", path.display()),
        )
        .hint(format!("head -c 300 {}", path.display())));
    }
    Ok(vec![part])
}

/// Reads a file, or standard input for `-`, as large as a Secret may be.
///
/// # Errors
/// `file-unreadable`, `file-too-large`.
pub(in crate::jobs) fn read(path: &Path) -> Result<Secret, Problem> {
    if path == Path::new("-") { files::read_standard_input(LARGEST) } else { files::read(path, LARGEST) }
}

/// Whether a text looks like a Kubernetes object rather than PEM.
pub(in crate::jobs) fn is_manifest(text: &Secret) -> bool {
    let begins = |word: &[u8]| text.expose().windows(word.len()).take(4096).any(|window| window == word);
    begins(b"apiVersion") || (begins(b"kind") && begins(b"metadata"))
}

fn part(name: Option<String>, text: &Secret) -> Result<Part, Problem> {
    let pem = PemText::read(text.expose())?;
    let blocks = pem.blocks.iter().map(|block| (block.line, content(block))).collect();
    let oddities = pem.damage.iter().map(ToString::to_string).collect();
    Ok(Part { name, blocks, oddities })
}

fn content(block: &PemBlock) -> Content {
    if block.is_certificate() {
        return Certificate::from_der(&block.der).map_or_else(Content::Broken, |it| Content::Certificate(Box::new(it)));
    }
    if block.is_private_key() {
        return match KeyFile::of_block(block) {
            Ok(key) => Content::Key(key.form(), key.title()),
            Err(_) if block.label.starts_with("ENCRYPTED") => {
                Content::Key("sealed PKCS#8", "of a kind that the seal hides".to_owned())
            }
            Err(problem) => Content::Broken(problem),
        };
    }
    if block.label == "X509 CRL" {
        return match RevocationList::from_der(&block.der) {
            Ok(list) => Content::RevocationList(Box::new(list)),
            Err(why) => Content::Broken(Problem::new(Code::CrlMalformed, why)),
        };
    }
    Content::Other(block.label.clone())
}
