//! Stories about meshes that run already, taken over and walked to a root of meshca's, told by the real program on folders.
//! What they run on is made by OpenSSL, and whether a cluster's workloads would be verified by another's is asked of OpenSSL
//! after every step.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, reason = "a story that cannot go on is a failed test")]

#[path = "support/dated_ca.rs"]
mod dated_ca;
mod support;

use support::judges;
use support::snapshot::snapshot;
use support::story::{Said, Story, later, seconds};
use time::Duration;

const BEGIN: &str = "2027-01-01T00:00:00Z";

/// How long a workload certificate lives, with the margin: by default a day and an hour.
const BOUND: Duration = Duration::hours(25);

/// A mesh of these clusters in folders, with a root and an issuing CA, before anything is published.
fn mesh(clusters: &[&str]) -> Story {
    let mut text = "version: 1\nmesh: shop\nlab: true\nclusters:\n".to_owned();
    for cluster in clusters {
        text.push_str(&format!(
            "  - name: {cluster}\n    network: {cluster}\n    role: primary\n    access: {{ directory: ./clusters/{cluster} }}\n    \
             istiod: {{ assumeLoadedAfter: 0s, multiRoot: true }}\n"
        ));
    }
    Story::new(&text).founded("shop", BEGIN)
}

fn openssl(story: &Story, line: &str) {
    let output = judges::run(
        std::process::Command::new(judges::program("openssl")).current_dir(story.path(".")).args(line.split('|')),
    );
    assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
}

const CA: &str =
    "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n";

/// How long a comment makes each of three roots so large that all of them just fit into what Envoy takes, and one of ours, of
/// some 450 bytes, no more.
const COMMENT: usize = 32_640;

/// A root as people make one by hand: RSA-2048, with OpenSSL.
fn hand_made_root(story: &Story, name: &str) {
    story.write("hand/ca.ext", CA);
    sign_root(story, name);
}

fn sign_root(story: &Story, name: &str) {
    openssl(
        story,
        &format!("req|-newkey|rsa:2048|-nodes|-keyout|hand/{name}.key|-subj|/O=Corp/CN={name}|-out|hand/{name}.csr"),
    );
    let key = format!("{name}.key");
    let by = ["-selfsign", "-keyfile", &key, "-extfile", "ca.ext", "-enddate", "21000101000000Z"];
    dated_ca::sign(&story.path("hand"), name, &by);
}

/// A hand-made `cacerts` under that root, for a cluster: RSA-2048 again, the key as PKCS#1, the four files plain in a folder.
fn hand_made(story: &Story, cluster: &str, root: &str) {
    story.write(
        "hand/signer.ext",
        "basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n\
         authorityKeyIdentifier=keyid\n",
    );
    openssl(story, &format!("genrsa|-traditional|-out|hand/{cluster}.key|2048"));
    openssl(
        story,
        &format!("req|-new|-key|hand/{cluster}.key|-subj|/O=Corp/CN=signer of {cluster}|-out|hand/{cluster}.csr"),
    );
    let (cert, key) = (format!("{root}.pem"), format!("{root}.key"));
    let by = ["-cert", &cert, "-keyfile", &key, "-extfile", "signer.ext", "-enddate", "20360101000000Z"];
    dated_ca::sign(&story.path("hand"), cluster, &by);
    let (signer, root) = (story.bytes(&format!("hand/{cluster}.pem")), story.bytes(&format!("hand/{root}.pem")));
    let key = story.bytes(&format!("hand/{cluster}.key"));
    let folder = format!("clusters/{cluster}");
    story.write(&format!("{folder}/ca-cert.pem"), &signer);
    story.write(&format!("{folder}/ca-key.pem"), key);
    story.write(&format!("{folder}/cert-chain.pem"), [signer, root.clone()].concat());
    story.write(&format!("{folder}/root-cert.pem"), root);
}

fn fingerprint(story: &Story, path: &str) -> String {
    let path = story.path(path);
    let said = judges::openssl(["x509", "-noout", "-fingerprint", "-sha256", "-in", path.to_str().unwrap()]);
    String::from_utf8(said.stdout).unwrap().trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase()
}

/// Whether workloads of one cluster are verified by those of another: the signer of the one, by its chain, under the trust
/// bundle of the other.
fn verifies(story: &Story, verifier: &str, signer: &str, at: &str) -> bool {
    let file = |cluster: &str, name: &str| story.path(&format!("clusters/{cluster}/{name}"));
    let chain = file(signer, "cert-chain.pem");
    judges::openssl_verify_strict(
        &file(verifier, "root-cert.pem"),
        Some(&chain),
        &file(signer, "ca-cert.pem"),
        seconds(at),
    )
    .is_ok()
}

fn pairs<'a>(clusters: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    clusters.iter().flat_map(|one| clusters.iter().map(|other| (*one, *other))).collect()
}

fn all_verify(story: &Story, clusters: &[&str], at: &str) {
    for (one, other) in pairs(clusters) {
        assert!(verifies(story, one, other, at), "{one} refuses {other} at {at}");
    }
}

fn tick(story: &Story, at: &str) -> Said {
    story.with_passphrase(&format!("--at {at} rotate"))
}

fn roots_in(story: &Story, cluster: &str) -> usize {
    story.read(&format!("clusters/{cluster}/root-cert.pem")).matches("BEGIN CERTIFICATE").count()
}

#[test]
fn a_hand_made_mesh_is_taken_over_and_walks_to_our_root_without_an_outage() {
    let clusters = ["east", "west"];
    let story = mesh(&clusters);
    hand_made_root(&story, "corp");
    clusters.iter().for_each(|cluster| hand_made(&story, cluster, "corp"));
    all_verify(&story, &clusters, BEGIN);
    tick(&story, BEGIN).saying("owned-by-somebody-else").saying("meshca adopt east");

    let sets: Vec<_> = clusters.iter().map(|cluster| story.set(&format!("clusters/{cluster}"))).collect();
    let before = snapshot(&story.path("clusters"));
    story.meshca(&format!("--at {BEGIN} adopt east west --dry-run")).fine().saying("2 of 2 would be adopted");
    assert_eq!(snapshot(&story.path("clusters")), before, "a dry run");
    story
        .meshca(&format!("--at {BEGIN} adopt east west"))
        .fine()
        .saying("2 of 2 adopted, as generation 0; to walk to root g1");
    let after: Vec<_> = clusters.iter().map(|cluster| story.set(&format!("clusters/{cluster}"))).collect();
    assert!(after == sets, "what workloads and istiod see stays byte for byte");
    story.meshca(&format!("--at {BEGIN} adopt east west")).fine().saying("nothing to take over");

    let trust = later(BEGIN, Duration::hours(1));
    tick(&story, &trust).fine().saying("stage Trust (1 of 4)").saying("CN=corp");
    all_verify(&story, &clusters, &trust);
    let bundle = story.bytes("clusters/east/root-cert.pem");
    assert_eq!(bundle, [story.bytes("hand/corp.pem"), story.bytes("material/root/g1/root-cert.pem")].concat());
    assert_eq!(story.bytes("clusters/east/ca-key.pem"), story.bytes("hand/east.key"), "its signer stays");

    let sign = later(&trust, BOUND);
    let early = later(&sign, Duration::seconds(-1));
    let before = snapshot(&story.path("clusters"));
    tick(&story, &early).fine();
    assert_eq!(snapshot(&story.path("clusters")), before, "one second early");
    tick(&story, &sign).fine();
    all_verify(&story, &clusters, &sign);
    assert!(
        story.subject("clusters/east").contains("OU = east, CN = shop intermediate g1"),
        "{}",
        story.subject("clusters/east")
    );

    let remove = later(&sign, BOUND);
    let corp = fingerprint(&story, "hand/corp.pem");
    let before = snapshot(&story.path("clusters"));
    let early = later(&remove, Duration::seconds(-1));
    story.with_passphrase(&format!("--at {early} rotate --approve-removal {corp}")).saying("removal-not-due");
    tick(&story, &remove).fine().saying(&format!("--approve-removal {corp}"));
    assert_eq!(snapshot(&story.path("clusters")), before, "one second early, or not approved");
    story.with_passphrase(&format!("--at {remove} rotate --approve-removal {corp}")).fine();
    all_verify(&story, &clusters, &remove);
    for cluster in clusters {
        assert_eq!(
            story.bytes(&format!("clusters/{cluster}/root-cert.pem")),
            story.bytes("material/root/g1/root-cert.pem")
        );
        story.sound(&format!("clusters/{cluster}"), seconds(&remove)).unwrap();
    }
    tick(&story, &later(&remove, Duration::hours(1))).fine().saying("nothing is due");
}

#[test]
fn two_meshes_of_different_roots_and_a_cluster_of_ours_become_one() {
    let clusters = ["east", "west", "north"];
    let story = mesh(&clusters);
    story.with_passphrase(&format!("--at {BEGIN} issue north")).fine();
    story.with_passphrase(&format!("--at {BEGIN} publish north")).fine();
    for (cluster, root) in [("east", "left"), ("west", "right")] {
        hand_made_root(&story, root);
        hand_made(&story, cluster, root);
    }
    let known: Vec<_> =
        pairs(&clusters).into_iter().filter(|(one, other)| verifies(&story, one, other, BEGIN)).collect();
    assert_eq!(known, [("east", "east"), ("west", "west"), ("north", "north")], "three meshes");
    story.meshca(&format!("--at {BEGIN} adopt east west")).fine();
    let north = story.set("clusters/north");

    let trust = later(BEGIN, Duration::hours(1));
    tick(&story, &trust).fine();
    assert_eq!((roots_in(&story, "east"), roots_in(&story, "west"), roots_in(&story, "north")), (2, 2, 1));
    assert!(!verifies(&story, "east", "west", &trust), "nobody gets a root that is not ours");
    let sign = later(&trust, BOUND);
    tick(&story, &sign).fine();
    all_verify(&story, &clusters, &sign);

    let remove = later(&sign, BOUND);
    let (left, right) = (fingerprint(&story, "hand/left.pem"), fingerprint(&story, "hand/right.pem"));
    story.with_passphrase(&format!("--at {remove} rotate --approve-removal {left}")).fine();
    assert_eq!((roots_in(&story, "east"), roots_in(&story, "west")), (2, 2), "each root goes by its own approval");
    story.with_passphrase(&format!("--at {remove} rotate --approve-removal {left} --approve-removal {right}")).fine();
    all_verify(&story, &clusters, &remove);
    assert_eq!((roots_in(&story, "east"), roots_in(&story, "west"), roots_in(&story, "north")), (1, 1, 1));
    assert!(story.set("clusters/north") == north, "who was ours before is not touched");
}

#[test]
fn an_adoption_is_turned_back_before_a_signer_was_replaced_and_not_afterwards() {
    let story = mesh(&["east"]);
    hand_made_root(&story, "corp");
    hand_made(&story, "east", "corp");
    let set = story.set("clusters/east");
    story.meshca(&format!("--at {BEGIN} adopt east")).fine();
    let trust = later(BEGIN, Duration::hours(1));
    tick(&story, &trust).fine();
    assert!(story.set("clusters/east") != set);
    story.with_passphrase(&format!("--at {trust} rollback --reason trial")).fine();
    let back = later(&trust, BOUND);
    tick(&story, &later(&back, Duration::seconds(-1))).fine();
    assert!(story.set("clusters/east") != set, "one second early");
    tick(&story, &back).fine();
    assert!(story.set("clusters/east") == set, "byte for byte what it was");

    story.with_passphrase(&format!("--at {back} rollback --undo")).fine();
    tick(&story, &back).fine();
    let sign = later(&back, BOUND);
    tick(&story, &sign).fine();
    let signed = story.set("clusters/east");
    assert!(signed != set);
    story.with_passphrase(&format!("--at {sign} rollback")).refused(1, "adopted-signer").saying("east");
    assert!(story.set("clusters/east") == signed);
}

#[test]
fn what_could_not_be_kept_alive_is_refused_and_left_as_it_is() {
    let story = mesh(&["east", "west"]);
    hand_made_root(&story, "corp");
    ["east", "west"].iter().for_each(|cluster| hand_made(&story, cluster, "corp"));
    let refused = |code: &str, words: &str| {
        let before = snapshot(&story.path("clusters"));
        story.meshca(&format!("--at {BEGIN} adopt east")).refused(1, code).saying(words).saying("hint: ");
        assert_eq!(snapshot(&story.path("clusters")), before, "{code}");
    };
    story.write("clusters/east/ca-crl.pem", "");
    refused("adoption-unsound", "ca-crl.pem");
    story.remove("clusters/east/ca-crl.pem");
    story.write("clusters/east/ca-key.pem", story.bytes("hand/west.key"));
    refused("adoption-unsound", "does not belong");
    story.write("clusters/east/ca-key.pem", story.bytes("hand/east.key"));
    story.write("clusters/east/istio-ca-root-cert/root-cert.pem", story.bytes("material/root/g1/root-cert.pem"));
    refused("already-running-under-another-root", "shop root g1");
    story.write("clusters/east/istio-ca-root-cert/root-cert.pem", story.bytes("hand/corp.pem"));
    story.meshca(&format!("--at {BEGIN} adopt east")).fine();
    std::fs::remove_dir_all(story.path("clusters/west")).unwrap();
    let before = snapshot(&story.path("clusters"));
    story.meshca(&format!("--at {BEGIN} adopt west")).refused(1, "nothing-to-adopt").saying("west");
    story.meshca(&format!("--at {BEGIN} adopt south")).refused(1, "unknown-cluster");
    story.meshca("--at 2100-01-01T00:00:00Z adopt west").refused(1, "nothing-to-adopt");
    assert_eq!(snapshot(&story.path("clusters")), before);
}

fn large_root(story: &Story, name: &str) {
    story.write("hand/ca.ext", format!("{CA}nsComment={}\n", "x".repeat(COMMENT)));
    sign_root(story, name);
}

#[test]
fn what_is_weak_about_an_adopted_set_may_stay_and_what_would_be_worse_is_not_published() {
    let story = mesh(&["east"]);
    let roots = ["large", "larger", "largest"];
    roots.iter().for_each(|root| large_root(&story, root));
    hand_made(&story, "east", "large");
    let bundle = roots.map(|root| story.bytes(&format!("hand/{root}.pem"))).concat();
    story.write("clusters/east/root-cert.pem", bundle);
    story.write("clusters/east/cert-chain.pem", story.bytes("hand/east.pem"));
    let checked = story.meshca(&format!("--at {BEGIN} check clusters/east"));
    assert!(!checked.out.contains("roots-too-many"), "{checked:?}");
    story.meshca(&format!("--at {BEGIN} adopt east")).fine();
    let before = snapshot(&story.path("clusters"));
    tick(&story, &later(BEGIN, Duration::hours(1))).refused(1, "roots-too-many").saying("east");
    assert_eq!(snapshot(&story.path("clusters")), before);
}

#[test]
fn nothing_but_the_walk_replaces_what_a_cluster_was_adopted_with() {
    let story = mesh(&["east", "west"]);
    hand_made_root(&story, "corp");
    ["east", "west"].iter().for_each(|cluster| hand_made(&story, cluster, "corp"));
    story.meshca(&format!("--at {BEGIN} adopt east west")).fine();
    tick(&story, &later(BEGIN, Duration::hours(1))).fine();
    let at = later(BEGIN, Duration::hours(2));
    story.with_passphrase(&format!("--at {at} issue east")).fine();
    let before = snapshot(&story.path("clusters"));
    story.with_passphrase(&format!("--at {at} publish east")).refused(1, "adopted-signer").saying("meshca rotate");
    story.with_passphrase(&format!("--at {at} rotate --now east --reason leaked")).saying("adopted-signer");
    assert_eq!(snapshot(&story.path("clusters")), before);
}

#[test]
fn a_root_change_that_has_begun_ends_before_anybody_is_adopted() {
    let story = mesh(&["east", "west"]);
    story.with_passphrase(&format!("--at {BEGIN} issue east")).fine();
    story.with_passphrase(&format!("--at {BEGIN} publish east")).fine();
    let mut create = story.command(&format!(
        "--at {BEGIN} root create --next --passphrase-file passphrase --next-passphrase-file passphrase --confirm"
    ));
    Said::of(&judges::run(create.arg("shop root g2"))).fine();
    tick(&story, BEGIN);
    assert_eq!(roots_in(&story, "east"), 2);
    hand_made_root(&story, "corp");
    hand_made(&story, "west", "corp");
    story.meshca(&format!("--at {BEGIN} adopt west")).refused(1, "root-change-under-way").saying("root g2");
}

#[test]
fn keys_that_everybody_knows_are_told_aloud_and_left_in_a_hurry() {
    let story = mesh(&["east"]);
    let sample =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("pki-fixtures/faulty/published-sample-key/plugged-in");
    for name in support::story::FILES {
        story.write(&format!("clusters/east/{name}"), std::fs::read(sample.join(name)).unwrap());
    }
    // On a Friday; a window opens on Sundays only.
    let windows = "rotation: { windows: [{ cron: '0 3 * * SUN', duration: 4h, timeZone: UTC }] }\n";
    story.write("mesh.yaml", story.read("mesh.yaml").replace("lab: true\n", &format!("lab: true\n{windows}")));
    let at = later(BEGIN, Duration::hours(1));
    story.meshca(&format!("--at {at} adopt east")).fine().saying("published-sample-key");
    tick(&story, &at).fine().saying("waits for no maintenance window, since the key of").saying("is published");
    assert_eq!(roots_in(&story, "east"), 2);
}
