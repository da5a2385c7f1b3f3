//! The alarm about intermediates that lie in a target under our mark and that our ledger does not know: somebody else
//! minted them under our roots, or records were lost. A finding only; what to do is never decided by it.

use std::path::Path;

use crate::mesh::ledger::Ledger;
use crate::mesh::observed::{Observed, Owner, SecretSight};
use crate::mesh::ownership::Ownership;
use crate::pki::moment::utc;
use crate::problem::{Code, Finding, Problem, Severity};

/// What the ledger does not know of what was seen. A set that is not marked as ours is the matter of other findings.
#[must_use]
pub fn unrecorded<'a>(ledger: &Ledger, mesh: &str, observed: impl IntoIterator<Item = &'a Observed>) -> Vec<Finding> {
    observed.into_iter().filter_map(|observed| alarm(ledger, mesh, observed)).collect()
}

/// That there is no ledger to compare with, although something of ours lies in a target: then nobody would notice an
/// intermediate of somebody else. Where nothing of ours was seen, nothing was done yet that could be written down.
#[must_use]
pub fn without_ledger<'a>(
    ledger: &Path,
    mesh: &str,
    observed: impl IntoIterator<Item = &'a Observed>,
) -> Option<Finding> {
    let published = observed.into_iter().find(|observed| sight_of_ours(mesh, observed).is_some())?;
    let what = format!("{} is not there, and {} has a cacerts of ours", ledger.display(), published.cluster);
    let problem = Problem::new(Code::LedgerMissing, what)
        .fact("an intermediate that somebody else minted would not be noticed")
        .hint("look where the records are, and bring the ledger back; or give `records:` in the mesh file that folder");
    Some(Finding { severity: Severity::Warning, place: ledger.display().to_string(), problem })
}

/// What lies in a target under our mark for this mesh and this cluster.
fn sight_of_ours<'a>(mesh: &str, observed: &'a Observed) -> Option<&'a SecretSight> {
    let there = observed.secret.as_ref().ok()?.as_ref()?;
    let is_ours = |mark: &Ownership| mark.mesh == mesh && mark.cluster == observed.cluster.as_str();
    matches!(&there.owner, Owner::Ours(mark) if is_ours(mark)).then_some(there)
}

fn alarm(ledger: &Ledger, mesh: &str, observed: &Observed) -> Option<Finding> {
    let signer = sight_of_ours(mesh, observed)?.signer.as_ref().ok()?;
    let cluster = &observed.cluster;
    if ledger.knows(signer) {
        return None;
    }
    let what = format!(
        "{cluster}: the intermediate \"{}\", serial number {}, is in no entry of the ledger",
        signer.subject(),
        signer.serial_text()
    );
    let problem = Problem::new(Code::IntermediateNotInLedger, what)
        .fact(format!("certificate  {}", signer.fingerprint()))
        .fact(format!("issuer       {}", signer.issuer()))
        .fact(format!(
            "valid        {}  to  {}",
            utc(signer.validity().not_before()),
            utc(signer.validity().not_after())
        ))
        .hint("find out who minted it: if not you with other records, then somebody has a key of an issuer");
    Some(Finding { severity: Severity::Critical, place: cluster.to_string(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{NOW, Story};
    use crate::mesh::ledger::{Act, BEGINNING, Entry, Minted, Outcome};
    use crate::pki::certificate::Certificate;
    use time::Duration;

    fn ledger(certificates: &[&Certificate]) -> Ledger {
        let entries = certificates.iter().map(|certificate| Entry {
            at: NOW,
            act: Act::Publish,
            outcome: Outcome::Done,
            cluster: None,
            generation: None,
            certificate: Some(Minted::of(certificate)),
            detail: None,
            previous: BEGINNING.to_owned(),
        });
        Ledger { entries: entries.collect(), head: BEGINNING.to_owned() }
    }

    fn places(story: &Story, ledger: &Ledger) -> Vec<String> {
        let found = unrecorded(ledger, "mesh1", story.observed.values());
        found.into_iter().map(|finding| finding.place).collect()
    }

    #[test]
    fn each_intermediate_of_ours_that_the_ledger_does_not_know_is_an_alarm() {
        let mut story = Story::new();
        let east = story.publish("east", 2, NOW + Duration::days(80));
        let west = story.publish("west", 2, NOW + Duration::days(80));
        assert!(places(&story, &ledger(&[&east.certificate, &west.certificate])).is_empty());
        assert_eq!(places(&story, &ledger(&[&east.certificate])), ["west"]);
        assert_eq!(places(&story, &ledger(&[])), ["east", "west"]);
        let found = unrecorded(&ledger(&[&east.certificate]), "mesh1", story.observed.values());
        let [finding] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((finding.severity, finding.problem.code()), (Severity::Critical, Code::IntermediateNotInLedger));
        let what = finding.problem.what();
        assert!(what.contains("mesh1 west g2") && what.contains(&west.certificate.serial_text()), "{what}");
    }

    #[test]
    fn what_is_not_ours_or_cannot_be_seen_is_none() {
        let mut story = Story::new();
        story.sight_of("east").owner = Owner::Somebody("argocd".to_owned());
        if let Owner::Ours(mark) = &mut story.sight_of("west").owner {
            mark.mesh = "mesh2".to_owned();
        }
        assert!(places(&story, &ledger(&[])).is_empty());
        story.look_at("east").secret = Err(Problem::new(Code::TargetUnreadable, "no"));
        story.look_at("west").secret = Ok(None);
        assert!(places(&story, &ledger(&[])).is_empty());
    }

    #[test]
    fn a_missing_ledger_is_a_warning_once_something_of_ours_is_published() {
        let mut story = Story::new();
        let missing = |story: &Story| without_ledger(Path::new("records/x"), "mesh1", story.observed.values());
        let finding = missing(&story).unwrap();
        assert_eq!((finding.severity, finding.problem.code()), (Severity::Warning, Code::LedgerMissing));
        assert!(finding.problem.what().contains("records/x") && finding.problem.what().contains("east"), "{finding:?}");
        story.sight_of("east").owner = Owner::Somebody("argocd".to_owned());
        assert!(missing(&story).unwrap().problem.what().contains("west"));
        story.look_at("west").secret = Ok(None);
        assert_eq!(missing(&story), None);
    }
}
