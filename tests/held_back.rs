//! A run that has lost its Lease: it begins nothing, and a write that was begun is not sent.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on is a failed test")]

mod support;

use std::sync::Mutex;

use meshca::jobs::courier::Courier;
use meshca::jobs::publish::{self, Order};
use meshca::jobs::rotate;
use meshca::mesh::gates::Approvals;
use meshca::problem::Code;
use meshca::world::brake::{Brake, Hold};
use meshca::world::entropy::Entropy;
use meshca::world::ledger_file::LedgerFile;
use meshca::world::mesh_folder;
use meshca::world::passphrase::PassphraseSource;
use meshca::world::store::Store;
use meshca::world::targets::Targets;
use support::snapshot::snapshot;
use support::story::{Story, later};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const MOMENT: &str = "2026-11-23T10:00:00Z";

/// Runs this with a courier whose Lease is lost, at this moment.
fn without_lease(story: &Story, at: &str, run: impl FnOnce(&Courier<'_>, &Store, &PassphraseSource)) {
    let (mesh, _) = mesh_folder::read(&story.path("mesh.yaml")).unwrap();
    let now = OffsetDateTime::parse(at, &Rfc3339).unwrap();
    let (entropy, brake) = (Entropy::new(), Brake::default());
    brake.needs_lease();
    let targets = Targets::new(&mesh, &entropy, now);
    let ledger = Mutex::new(LedgerFile::new(&mesh.records, now));
    let (mesh, targets, entropy, ledger, brake) = (&mesh, &targets, &entropy, &ledger, &brake);
    let courier = Courier { mesh, own: None, targets, entropy, ledger, now, brake, shows_progress: false };
    run(&courier, &Store::new(mesh.material.clone()), &PassphraseSource::new(Some(story.path("passphrase"))));
}

fn founded() -> Story {
    let story = Story::new(&support::story::lab("held", "", &["east", "west"])).founded("held", MOMENT);
    story.with_passphrase(&format!("--at {MOMENT} issue")).fine();
    story
}

#[test]
fn a_tick_without_its_lease_looks_at_nothing_to_its_end_and_writes_nothing() {
    let story = founded();
    story.with_passphrase(&format!("--at {MOMENT} publish")).fine();
    let before = snapshot(&story.path("clusters"));
    without_lease(&story, &later(MOMENT, time::Duration::days(61)), |courier, store, opens| {
        let tick = rotate::run(courier, store, opens, &Approvals::default()).unwrap();
        assert_eq!((tick.hold, tick.done.len()), (Some(Hold::NoLease), 0));
        assert!(!tick.is_good_news());
    });
    assert_eq!(snapshot(&story.path("clusters")), before);
}

#[test]
fn a_write_that_was_begun_is_not_sent_once_the_lease_is_lost() {
    let story = founded();
    without_lease(&story, MOMENT, |courier, store, opens| {
        let order = Order { clusters: &[], dry_run: false, opens };
        let deliveries = publish::run(courier, store, &order).unwrap();
        assert_eq!(deliveries.len(), 2);
        for delivery in deliveries {
            assert_eq!(delivery.change.unwrap_err().code(), Code::LeaseLost);
        }
    });
    assert!(
        !snapshot(&story.path("")).keys().any(|path| path.ends_with("ca-cert.pem") && path.starts_with("clusters"))
    );
    // Nothing is stuck afterwards.
    story.with_passphrase(&format!("--at {MOMENT} publish")).fine();
}
