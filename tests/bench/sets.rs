//! How many complete `cacerts` sets per second: against the crypto operations that nobody can avoid, and against Go.
//!
//! `cargo bench --bench sets`; the meaning of its figures is in docs/PERFORMANCE.md. Without a `go` on the PATH its row
//! is left out.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark that cannot run says so by stopping")]
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark reads the clock and prints")]

mod pairs;

use std::fmt::Write;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use criterion::Criterion;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, KeyPair, UnparsedPublicKey,
};
use time::OffsetDateTime;
use time::macros::datetime;

use meshca::mesh::cacerts::Cacerts;
use meshca::mesh::fleet::{Cluster, Mesh};
use meshca::mesh::mesh_file;
use meshca::mesh::minting::{self, Authority, Ingredients};
use meshca::pki::certificate::Certificate;
use meshca::pki::key_kind::KeyKind;
use meshca::pki::signing_key::SigningKey;
use meshca::world::entropy::Entropy;
use meshca::world::targets::in_parallel;
use pairs::Contestant;

const NOW: OffsetDateTime = datetime!(2026-11-23 10:00 UTC);
const CLUSTERS: u32 = 1_000;

/// A mesh whose root and issuing CA are made.
struct Workshop {
    mesh: Mesh,
    entropy: Entropy,
    root: Certificate,
    issuing: Certificate,
    issuing_key: SigningKey,
}

impl Workshop {
    fn new(kind: KeyKind) -> Self {
        let mesh = mesh(kind);
        let entropy = Entropy::new();
        let root_key = SigningKey::generate(kind, entropy.source()).unwrap();
        let with =
            Ingredients { key: &root_key, serial: entropy.serial().unwrap(), random: entropy.source(), now: NOW };
        let root = minting::root(&mesh, 1, &with).unwrap().into_certificate();
        let issuing_key = SigningKey::generate(kind, entropy.source()).unwrap();
        let with =
            Ingredients { key: &issuing_key, serial: entropy.serial().unwrap(), random: entropy.source(), now: NOW };
        let above = Authority { certificate: &root, key: &root_key };
        let issuing = minting::issuing(&mesh, mesh.issuing.unwrap(), 1, above, &with).unwrap().into_certificate();
        Self { mesh, entropy, root, issuing, issuing_key }
    }

    /// What `rotate` does for one cluster between looking at it and writing to it.
    fn set(&self, cluster: &Cluster) -> Cacerts {
        let (mesh, entropy) = (&self.mesh, &self.entropy);
        let key = SigningKey::generate(mesh.intermediate.key, entropy.source()).unwrap();
        let with = Ingredients { key: &key, serial: entropy.serial().unwrap(), random: entropy.source(), now: NOW };
        let issuer = Authority { certificate: &self.issuing, key: &self.issuing_key };
        let signed = minting::intermediate(mesh, &cluster.name, 2, issuer, NOW, &with).unwrap();
        let upper = [self.issuing.clone()];
        minting::set(mesh, signed.into_certificate(), &key, &upper, &self.root, self.root.pem().as_bytes())
    }
}

fn mesh(kind: KeyKind) -> Mesh {
    let mut text = format!(
        "version: 1\nmesh: shop\nroot: {{ key: {kind} }}\nissuing: {{ key: {kind} }}\nintermediate: {{ key: {kind} }}\n\
         clusters:\n"
    );
    for number in 0..CLUSTERS {
        writeln!(text, "  - {{ name: c{number}, role: primary, access: {{ directory: ./c{number} }} }}").unwrap();
    }
    mesh_file::parse(&text, Path::new("mesh.yaml")).unwrap().0
}

/// The crypto operations of one set, by bare ring: a key is made and read, the issuing key signs the intermediate, the
/// signature is verified, the intermediate's key signs the rehearsal's workload certificate, and that is verified.
struct Floor {
    signing: &'static EcdsaSigningAlgorithm,
    verifying: &'static EcdsaVerificationAlgorithm,
    issuing_key: EcdsaKeyPair,
    entropy: Entropy,
}

/// As many bytes as an intermediate's and a workload certificate's to-be-signed part have, about.
const TO_BE_SIGNED: [u8; 420] = [0x30; 420];

impl Floor {
    fn new(kind: KeyKind) -> Self {
        let (signing, verifying) = match kind {
            KeyKind::EcdsaP256 => (&ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P256_SHA256_ASN1),
            KeyKind::EcdsaP384 => (&ECDSA_P384_SHA384_ASN1_SIGNING, &ECDSA_P384_SHA384_ASN1),
        };
        let entropy = Entropy::new();
        let issuing_key = Self::key(signing, &entropy);
        Self { signing, verifying, issuing_key, entropy }
    }

    fn key(signing: &'static EcdsaSigningAlgorithm, entropy: &Entropy) -> EcdsaKeyPair {
        let document = EcdsaKeyPair::generate_pkcs8(signing, entropy.source()).unwrap();
        EcdsaKeyPair::from_pkcs8(signing, document.as_ref(), entropy.source()).unwrap()
    }

    fn set(&self) {
        let key = Self::key(self.signing, &self.entropy);
        for signer in [&self.issuing_key, &key] {
            let signature = signer.sign(self.entropy.source(), black_box(&TO_BE_SIGNED)).unwrap();
            let public = UnparsedPublicKey::new(self.verifying, signer.public_key());
            public.verify(black_box(&TO_BE_SIGNED), signature.as_ref()).unwrap();
        }
    }
}

/// Builds the Go program into a folder of its own, where there is a `go`.
fn go_program() -> Option<PathBuf> {
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("go-sets");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/go");
    let built = Command::new("go").arg("build").arg("-o").arg(&program).arg(".").current_dir(sources).status();
    match built {
        Ok(status) if status.success() => Some(program),
        _ => {
            println!("no Go program: is `go` on the PATH? Its rows are left out.");
            None
        }
    }
}

/// Runs the Go program; it times itself, so that starting the process does not count.
fn go(program: &Path, kind: KeyKind, rehearse: bool) -> Duration {
    let count = CLUSTERS.to_string();
    let rehearse = format!("-rehearse={rehearse}");
    let output = Command::new(program).args(["-key", kind.as_str(), "-sets", &count, &rehearse]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rate: f64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    Duration::from_secs_f64(f64::from(CLUSTERS) / rate)
}

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let program = go_program();
    let mut group = criterion.benchmark_group("sets");
    for kind in KeyKind::ALL.iter().copied() {
        let (workshop, floor) = (Workshop::new(kind), Floor::new(kind));
        let clusters = &workshop.mesh.clusters;
        let mut contestants = vec![
            Contestant::timed("meshca", || {
                black_box(in_parallel(clusters, usize::MAX, |cluster| workshop.set(cluster)));
            }),
            Contestant::timed("floor: ring alone", || {
                in_parallel(clusters, usize::MAX, |_| floor.set());
            }),
        ];
        if let Some(program) = program.as_deref() {
            let job = move || go(program, kind, true);
            contestants.push(Contestant { name: "Go, the same", job: Box::new(job) });
            let job = move || go(program, kind, false);
            contestants.push(Contestant { name: "Go, without rehearsal", job: Box::new(job) });
        }
        pairs::run(&mut group, kind.as_str(), CLUSTERS, contestants);
    }
    group.finish();
    criterion.final_summary();
}
