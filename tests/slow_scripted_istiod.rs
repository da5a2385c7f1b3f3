//! Whether the scripted istiod is an honest stand-in: it and a real istiod get the same `cacerts` in the same folder, and
//! after each change, refusal and restart what both show to the outside is compared: the served chain, the client CAs
//! that are offered, the gauges, the ConfigMap, and the words of a refusal.

#![expect(clippy::disallowed_methods, reason = "tests read the clock and wait")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "an istiod that does not answer is a failed test")]

#[path = "support/clusters/mod.rs"]
mod clusters;
#[path = "support/istiod_pair/mod.rs"]
mod istiod_pair;
#[path = "support/scripted_istiod/mod.rs"]
mod scripted_istiod;
mod support;

use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use meshca::pki::certificate::Certificate;
use serde_json::{Value, json};
use time::OffsetDateTime;

use clusters::{ApiServer, Istiod};
use istiod_pair::authority::{Authority, Files, Kind};
use istiod_pair::sight::{Sight, served};
use istiod_pair::{CLUSTERS, NAMESPACE, Pair, soon};
use scripted_istiod::{Clock, HALF_RELOADED, MultiRoot, Place, RELOADED, Script, ScriptedIstiod};
use support::story::{Story, later, seconds};

const OFF: &str = "Multi root is disabled, updating new ROOT-CA not supported";

#[test]
fn without_multi_root_a_new_signer_is_taken_and_any_other_byte_of_the_roots_drops_the_update_until_a_restart() {
    let (a, b) = (Authority::root("A"), Authority::root("B"));
    let [first, second, third] = ["east g1", "east g2", "east g3"].map(|name| a.signs(name));
    let both = format!("{}{}", a.pem, b.pem);
    let mut pair = Pair::start(&first.set(&a.pem), MultiRoot::Off);
    let before = pair.alike();
    let after = pair.takes(&second.set(&a.pem));
    assert_eq!((&before.chain, &after.chain), (&vec![first.pem.clone()], &vec![second.pem.clone()]));
    assert!(
        before.served.0 != after.served.0 && before.served.1 != after.served.1 && before.gauges[1] != after.gauges[1]
    );
    assert_eq!(
        (&after.client_cas, &after.shown, after.gauges[0]),
        (&before.client_cas, &before.shown, before.gauges[0])
    );
    for roots in [both.clone(), format!("{}\n", a.pem), a.pem.replace('\n', "\r\n"), format!("# A\n{}", a.pem)] {
        pair.drops(&third.set(&roots), OFF);
        pair.takes(&second.set(&a.pem));
    }

    // What a restart finds is what counts, and only then the client CAs are others.
    pair.drops(&third.set(&both), OFF);
    let restarted = pair.restarts();
    assert_eq!((before.client_cas.len(), restarted.client_cas.len()), (1, 2));
    assert_eq!(restarted.shown.0, both);
    let new = b.signs("east g4");
    let signed = pair.takes(&new.set(&both));
    assert_eq!((&signed.client_cas, &signed.shown), (&restarted.client_cas, &restarted.shown));
    pair.drops(&new.set(&b.pem), OFF);
    let last = pair.restarts();
    assert_eq!((last.client_cas.len(), last.shown.0.as_str()), (1, b.pem.as_str()));
}

#[test]
fn with_multi_root_roots_may_be_added_and_removed_and_client_cas_stay_those_of_the_start() {
    let (a, b, c) = (Authority::root("A"), Authority::root("B"), Authority::root("C"));
    // As meshca has it: an issuing CA between root and signer.
    let issuing = b.signs("issuing");
    let (old, new) = (a.signs("east g1"), issuing.signs("east g2"));
    let new_set = |roots: &str| new.set_below(&[&issuing], roots);
    let both = format!("{}{}", a.pem, b.pem);
    let mut pair = Pair::start(&old.set(&a.pem), MultiRoot::Containment);
    let before = pair.alike();
    let trusted = pair.takes(&old.set(&both));
    assert_eq!((trusted.shown.0.as_str(), &trusted.client_cas), (both.as_str(), &before.client_cas));
    pair.takes(&old.set(&format!("{}{}", b.pem, a.pem)));
    pair.takes(&old.set(&format!("# two\r\n{both}")));
    let signed = pair.takes(&new_set(&both));
    assert_eq!((signed.shown.0.as_str(), &signed.chain), (both.as_str(), &vec![new.pem.clone(), issuing.pem.clone()]));
    pair.drops(&old.set(&b.pem), "certificate signed by unknown authority");
    let removed = pair.takes(&new_set(&b.pem));
    assert_eq!((removed.shown.0.as_str(), &removed.client_cas), (b.pem.as_str(), &before.client_cas));
    assert_ne!(removed.gauges[0], before.gauges[0]);
    pair.drops(&old.set(&a.pem), "Updating new ROOT-CA not supported");
    pair.drops(&new_set(&c.pem), "Updating new ROOT-CA not supported");
    pair.takes(&new_set(&b.pem));
    let restarted = pair.restarts();
    assert_eq!(restarted.client_cas.len(), 1);
    assert_ne!(restarted.client_cas, before.client_cas);
}

#[test]
fn a_set_that_is_not_sound_is_dropped_live_and_an_istiod_that_restarts_with_it_does_not_start() {
    let root = Authority::root("A");
    let [sound, other] = ["east g1", "east g2"].map(|name| root.signs(name));
    let good = sound.set(&root.pem);
    let changed = |name: &'static str, value: Option<String>| {
        let mut files = good.clone();
        match value {
            Some(value) => files.insert(name, value.into_bytes()),
            None => files.remove(name),
        };
        files
    };
    let mut pair = Pair::start(&good, MultiRoot::Off);
    let expired = Authority::made("east g3", Some(&root), Kind::Expired);
    for (files, live, at_start) in [
        (changed("ca-key.pem", Some(other.issuer.key().serialize_pem())), "does not match", "does not match"),
        (changed("ca-key.pem", None), "no such file or directory", "incomplete signing CA bundle"),
        (changed("cert-chain.pem", None), "no such file or directory", "incomplete signing CA bundle"),
        (
            changed("ca-cert.pem", Some("no certificate\n".to_owned())),
            "failed to parse cert PEM",
            "failed to parse cert PEM",
        ),
        (expired.set(&root.pem), "certificate has expired", "certificate has expired"),
        (Authority::root("B").set(&root.pem), "unknown authority", "unknown authority"),
    ] {
        pair.drops(&files, live);
        pair.refuse_to_start(at_start);
        pair.volume.put(&good);
        pair.starts();
    }
    pair.drops(&changed("root-cert.pem", None), "failed reading root-cert.pem");
    pair.refuse_to_start("incomplete signing CA bundle");

    // Taken live, and fatal at the next start.
    pair.volume.put(&good);
    pair.starts();
    let leaf = Authority::made("east g5", Some(&root), Kind::NotACa);
    pair.takes(&leaf.set(&root.pem));
    pair.refuse_to_start("certificate is not authorized to sign other certificates");
}

#[test]
fn of_a_damaged_set_an_istiod_may_take_a_part() {
    let root = Authority::root("A");
    let [first, second, third] = ["east g1", "east g2", "east g3"].map(|name| root.signs(name));
    let mut pair = Pair::start(&first.set(&root.pem), MultiRoot::Containment);
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let before = pair.alike();
    let mut files = second.set(&root.pem);
    files.insert("cert-chain.pem", format!("{}{garbage}", second.pem).into_bytes());
    let after = pair.takes(&files);
    assert_eq!(
        (&after.served, &after.chain),
        (&before.served, &before.chain),
        "its serving certificate is the old one"
    );
    assert_ne!(after.gauges, before.gauges);
    let roots = format!("{garbage}{}", root.pem);
    let (verdict, last) = pair.sees(&third.set(&roots));
    assert!(verdict.contains(HALF_RELOADED), "{verdict}");
    assert_eq!((&last.served, &last.shown), (&after.served, &after.shown));
    assert_ne!(last.gauges[1], after.gauges[1]);
    pair.refuse_to_start("malformed certificate");
}

#[test]
fn an_istiod_that_starts_without_its_cacerts_makes_a_root_of_its_own_and_stays_with_it() {
    let root = Authority::root("A");
    let good = root.signs("east g1").set(&root.pem);
    let mut pair = Pair::start(&good, MultiRoot::Off);
    let plugged = pair.alike();
    pair.drops(&Files::new(), "failed reading root-cert.pem");

    // Each makes its own: what they show has the same shape and is not the same.
    pair.real = None;
    pair.real =
        Some(Istiod::start_with(CLUSTERS.server(0), &pair.volume.path(), &pair.volume.beside(), &pair.settings()));
    pair.stand_in.restart().unwrap();
    let both = |pair: &Pair| {
        let real = Sight::of(&pair.real().address(), &pair.real().metrics(), CLUSTERS.server(0));
        [real, Sight::of(&pair.stand_in.address(), &pair.stand_in.metrics(), CLUSTERS.server(1))]
    };
    let own = soon(|| Some(both(&pair)).filter(|both| both.iter().all(|it| it.shown.0 != plugged.shown.0)));
    for (sight, index) in own.iter().zip([0, 1]) {
        assert_eq!((sight.chain.len(), sight.gauges[1]), (0, None), "{sight:?}");
        assert_eq!(sight.client_cas, ["O = cluster.local"]);
        assert_eq!(sight.served.2, plugged.served.2);
        let certificate = Certificate::from_der(pem::parse(&sight.shown.0).unwrap().contents()).unwrap();
        assert_eq!(sight.gauges[0], Some(certificate.not_after().unix_timestamp()));
        assert!(CLUSTERS.server(index).secret(NAMESPACE, "istio-ca-secret").is_some());
    }

    // It watches nothing any more: the set that is back changes nothing, until a restart.
    let said = pair.stand_in.log();
    pair.volume.put(&good);
    pair.stand_in.catch_up();
    thread::sleep(Duration::from_secs(2));
    assert_eq!((both(&pair), pair.stand_in.log()), (own, said));
    assert!(!pair.real().log().contains("Update Istiod cacerts"), "{}", pair.real().log());
    assert_eq!(pair.restarts(), plugged);
}

/// A stand-in in a namespace of its own that reads the Secret there, and shows its ConfigMap there.
struct Alone {
    namespace: &'static str,
    stand_in: ScriptedIstiod,
}

impl Alone {
    fn start(namespace: &'static str, files: &Files, multi_root: MultiRoot, clock: &Clock) -> Self {
        Self::server().create_namespace(namespace);
        let values: Vec<(&str, &[u8])> = files.iter().map(|(name, value)| (*name, value.as_slice())).collect();
        Self::server().create_secret(namespace, "cacerts", &values);
        let home = Place::Namespace(Self::server(), namespace.to_owned());
        let script = Script { multi_root, clock: clock.clone(), ..Script::new(home.clone(), home) };
        Self { namespace, stand_in: ScriptedIstiod::start(script).unwrap() }
    }

    fn server() -> &'static ApiServer {
        CLUSTERS.server(2)
    }

    fn put(&self, files: &Files) {
        let encoded = |value: &Vec<u8>| Value::from(STANDARD.encode(value));
        let data: Value = files.iter().map(|(name, value)| (*name, encoded(value))).collect();
        let path = format!("PATCH /api/v1/namespaces/{}/secrets/cacerts", self.namespace);
        let body = json!({ "data": data }).to_string();
        let token = Self::server().token("admin");
        let answer = Self::server().ask(token, &path, "application/merge-patch+json", &body).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn chain(&self) -> Vec<String> {
        served(&self.stand_in.address()).unwrap().1
    }
}

#[test]
fn an_update_may_lag_or_pass_by_and_a_restart_reads_what_is_there() {
    let root = Authority::root("A");
    let [first, second, third, fourth] = ["g1", "g2", "g3", "g4"].map(|name| root.signs(name));
    let clock = Clock::default();
    let alone = Alone::start("lagging", &first.set(&root.pem), MultiRoot::Off, &clock);
    let (stand_in, log) = (&alone.stand_in, || alone.stand_in.log().len());
    let shown = |namespace: &str| {
        let path = format!("GET /api/v1/namespaces/{namespace}/configmaps/istio-ca-root-cert");
        Alone::server().ask(Alone::server().token("admin"), &path, "", "").unwrap().json()["data"]["root-cert.pem"]
            .clone()
    };
    assert_eq!((alone.chain(), shown("lagging")), (vec![first.pem.clone()], Value::from(root.pem.clone())));

    stand_in.lag();
    alone.put(&second.set(&root.pem));
    thread::sleep(Duration::from_millis(500));
    assert_eq!((alone.chain(), log()), (vec![first.pem.clone()], 1));
    stand_in.catch_up();
    assert_eq!((alone.chain(), log()), (vec![second.pem.clone()], 2));

    stand_in.lag();
    stand_in.drop_next_update();
    alone.put(&third.set(&root.pem));
    stand_in.catch_up();
    stand_in.catch_up();
    assert_eq!((alone.chain(), log()), (vec![second.pem.clone()], 2), "it was dropped, and nothing says so");
    stand_in.restart().unwrap();
    assert_eq!(alone.chain(), [third.pem.as_str()]);
    alone.put(&fourth.set(&root.pem));
    soon(|| (alone.chain() == [fourth.pem.clone()]).then_some(()));

    stand_in.down();
    assert_eq!(served(&stand_in.address()), None);
    alone.put(&first.set(&root.pem));
    stand_in.up().unwrap();
    assert_eq!(alone.chain(), [first.pem.as_str()]);
}

#[test]
fn up_to_istio_1_29_one_root_file_must_be_a_part_of_the_other_byte_for_byte() {
    let (a, b) = (Authority::root("A"), Authority::root("B"));
    let (old, new) = (a.signs("g1"), b.signs("g2"));
    let alone = Alone::start("bytes", &old.set(&a.pem), MultiRoot::Substring, &Clock::default());
    let verdict = |files: &Files| {
        let before = alone.stand_in.log().len();
        alone.put(files);
        alone.stand_in.catch_up();
        alone.stand_in.log()[before].clone()
    };
    let both = format!("{}{}", a.pem, b.pem);
    assert_eq!(verdict(&old.set(&both)), RELOADED);
    for roots in [format!("{}{}", b.pem, a.pem), format!("{}\n{}", a.pem, b.pem), both.replace('\n', "\r\n")] {
        assert_eq!(verdict(&old.set(&roots)), "Updating new ROOT-CA not supported", "{roots}");
    }
    assert_eq!(verdict(&new.set(&both)), RELOADED);
    assert_eq!(verdict(&new.set(&b.pem)), RELOADED);
    assert_eq!(verdict(&old.set(&a.pem)), "Updating new ROOT-CA not supported");
}

#[test]
fn the_stand_in_lives_in_the_time_that_a_test_gives_it() {
    let root = Authority::root("A");
    let signer = root.signs("g1");
    let clock = Clock::default();
    let alone = Alone::start("future", &signer.set(&root.pem), MultiRoot::Off, &clock);
    let ahead = time::Duration::days(40);
    clock.set(OffsetDateTime::now_utc() + ahead);
    let began = |look: &Alone| served(&look.stand_in.address()).unwrap().0.validity().not_before();
    let before = began(&alone);
    alone.stand_in.restart().unwrap();
    let moved = began(&alone) - before;
    assert!((moved - ahead).abs() < time::Duration::hours(1), "{moved}");
    clock.set(OffsetDateTime::now_utc() + time::Duration::days(9999));
    let refused = alone.stand_in.restart().unwrap_err();
    assert!(refused.contains("certificate has expired"), "{refused}");
    assert_eq!(served(&alone.stand_in.address()), None, "it stays down");
}

#[test]
fn meshca_sees_it_as_it_sees_an_istiod_at_any_moment_of_a_lab() {
    let (first, clock) = ("2031-01-01T00:00:00Z", Clock::default());
    let moment = |at: &str| OffsetDateTime::from_unix_timestamp(seconds(at)).unwrap();
    clock.set(moment(first));
    let story = Story::new("");
    let place = Place::Folder(story.path("east"));
    let script = Script { clock: clock.clone(), ..Script::new(place.clone(), place) };
    let stand_in = ScriptedIstiod::down_from_the_start(script);
    story.write(
        "mesh.yaml",
        format!(
            "version: 1\nmesh: m1\nlab: true\nclusters:\n  - {{ name: east, role: primary, access: {{ directory: ./east }}, \
             istiod: {{ addresses: ['{}'], metrics: ['{}'] }} }}\n",
            stand_in.address(),
            stand_in.metrics()
        ),
    );
    let story = story.founded("m1", first);
    story.with_passphrase(&format!("--at {first} issue")).fine();
    story.with_passphrase(&format!("--at {first} publish")).fine();
    let loaded = |at: &str| {
        let report: Value = serde_json::from_str(&story.meshca(&format!("--at {at} report -o json")).out).unwrap();
        let rows = report["rows"].as_array().unwrap();
        let row = rows.iter().find(|it| it["role"] == "intermediate").unwrap();
        [&row["loaded"], &row["serial"]].map(|it| it.as_str().unwrap().to_owned())
    };
    assert_eq!(loaded(first)[0], "none", "it is down");
    stand_in.up().unwrap();
    let before = loaded(first);
    assert_eq!(before[0], "seen");
    assert_eq!(story.read("east/istio-ca-root-cert/root-cert.pem"), story.read("east/root-cert.pem"));

    let then = later(first, time::Duration::days(61));
    clock.set(moment(&then));
    stand_in.lag();
    story.with_passphrase(&format!("--at {then} rotate")).fine();
    assert_eq!(loaded(&then)[0], "no");
    stand_in.catch_up();
    let after = loaded(&then);
    assert!(after[0] == "seen" && after[1] != before[1], "{before:?} {after:?}");
}
