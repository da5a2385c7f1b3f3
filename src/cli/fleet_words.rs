//! What publish, rotate, the ceremonies and the quickstart did, in words.

use time::OffsetDateTime;

use crate::cli::{problem_words, root_change_words};
use crate::jobs::publish::Delivery;
use crate::jobs::rotate::Tick;
use crate::mesh::change::Change;
use crate::mesh::deadline::Ceremony;
use crate::mesh::holdings::Prepared;
use crate::mesh::ledger::{Entry, Ledger};
use crate::mesh::step::Act;
use crate::pki::certificate::Certificate;
use crate::pki::moment::{ahead, day, utc};
use crate::pki::profile::Tier;
use crate::problem::{Code, Problem};
use crate::world::brake::Hold;

/// A certificate in some lines: whom, by whom, from when to when, and its fingerprint to read aloud.
#[must_use]
pub fn certificate(certificate: &Certificate) -> String {
    format!(
        "  subject      {}\n  issuer       {}\n  key          {}\n  valid        {}  to  {}\n  serial       {}\n  sha-256      {}\n",
        certificate.subject(),
        certificate.issuer(),
        certificate.public_key().title(),
        utc(certificate.validity().not_before()),
        utc(certificate.not_after()),
        pairs(&certificate.serial_text()),
        pairs(&certificate.fingerprint().to_string()),
    )
}

/// Digits in pairs, for reading aloud.
pub(in crate::cli) fn pairs(digits: &str) -> String {
    let characters: Vec<char> = digits.chars().collect();
    characters.chunks(2).map(|pair| pair.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// What was laid in stock.
#[must_use]
pub fn stock(made: &[Prepared]) -> String {
    if made.is_empty() {
        return "nothing to mint: every cluster has a newer intermediate in stock than the one it runs\n".to_owned();
    }
    let width = made.iter().map(|it| it.cluster.as_str().len()).max().unwrap_or(0);
    let row = |it: &Prepared| {
        format!(
            "  {:width$}  g{:<3}  {} to {}  {}\n",
            it.cluster.as_str(),
            it.generation,
            utc(it.signer.validity().not_before()),
            utc(it.signer.not_after()),
            it.signer.fingerprint().short(),
        )
    };
    made.iter().map(row).collect()
}

/// Every entry of the ledger, oldest first.
#[must_use]
pub fn ledger(ledger: &Ledger) -> String {
    let row = |entry: &Entry| {
        let about = entry.certificate.as_ref().map(|it| format!("{} {}", it.serial, it.subject));
        format!(
            "{}  {:<17}  {:<6}  {:<20}  {}\n",
            utc(entry.at),
            entry.act.as_str(),
            entry.outcome.as_str(),
            entry.cluster.as_deref().unwrap_or("-"),
            problem_words::printable(&about.or(entry.detail.clone()).unwrap_or_default()),
        )
    };
    ledger.entries.iter().map(row).collect()
}

/// What publish did to each target; in a dry run, what it would do, as it looks at this moment.
#[must_use]
pub fn deliveries(deliveries: &[Delivery], dry_run: Option<OffsetDateTime>) -> String {
    let width = deliveries.iter().map(|it| it.cluster.as_str().len()).max().unwrap_or(0);
    let mut text = String::new();
    for delivery in deliveries {
        let (word, more) = match (&delivery.change, &delivery.after) {
            (Ok(change @ (Change::Create | Change::Replace { .. })), Some((generation, after))) => {
                let word =
                    if dry_run.is_some() { format!("would {}", change.as_str()) } else { done(change).to_owned() };
                (word, format!("generation {generation}, {}, ends {}", after.subject(), utc(after.not_after())))
            }
            (Ok(change), _) => {
                let end = delivery.before.as_ref().map(|it| format!("ends {}", utc(it.not_after())));
                (done(change).to_owned(), end.unwrap_or_default())
            }
            (Err(problem), _) => ("refused".to_owned(), problem.to_string()),
        };
        text.push_str(&format!("  {:width$}  {word:<8}  {more}\n", delivery.cluster.as_str()));
        if let Some(loaded) = &delivery.loaded {
            text.push_str(&format!("    loaded   {}: {}\n", loaded.as_str(), problem_words::printable(&loaded.why)));
        }
        if let (Some(now), Some(before), Some((_, after)), Ok(Change::Replace { .. })) =
            (dry_run, &delivery.before, &delivery.after, &delivery.change)
        {
            text.push_str(&difference(before, after, now));
        }
    }
    text
}

/// What changes, in public facts.
fn difference(before: &Certificate, after: &Certificate, now: OffsetDateTime) -> String {
    let end = |it: &Certificate| format!("{}, {}", utc(it.not_after()), ahead(it.not_after() - now));
    let rows = [
        ("subject", before.subject().to_string(), after.subject().to_string()),
        ("serial", before.serial_text(), after.serial_text()),
        ("ends", end(before), end(after)),
    ];
    rows.iter().map(|(name, old, new)| format!("    - {name:<8} {old}\n    + {name:<8} {new}\n")).collect()
}

const fn done(change: &Change) -> &'static str {
    match change {
        Change::Create => "created",
        Change::Replace { .. } => "replaced",
        Change::Leave => "left",
        Change::Refuse(_) => "refused",
    }
}

/// What a tick planned, and what became of it.
#[must_use]
pub fn tick(tick: &Tick, dry_run: bool, now: OffsetDateTime) -> String {
    let steps = &tick.plan.steps;
    let width = steps.iter().map(|it| it.cluster.as_str().len()).max().unwrap_or(0);
    let mut text = verdict(tick, dry_run);
    if let Some(progress) = &tick.plan.root_change {
        text.push_str(&root_change_words::headline(progress));
    }
    text.push('\n');
    for step in steps {
        let (word, reason) = match tick.done.get(&step.cluster) {
            Some(Ok(_)) => (did(&step.act).to_owned(), step.reason.clone()),
            Some(Err(problem)) => ("failed".to_owned(), problem.to_string()),
            None if step.act.writes() && !dry_run => {
                ("held back".to_owned(), tick.hold.map_or("the canary failed", Hold::as_str).to_owned())
            }
            None => (step.act.as_str().to_owned(), step.reason.clone()),
        };
        let reason = problem_words::printable(&reason);
        text.push_str(&format!("  {:width$}  {word:<9}  {reason}\n", step.cluster.as_str()));
    }
    if let Some(progress) = &tick.plan.root_change {
        text.push_str(&format!("\n{}", root_change_words::footer(progress, now)));
    }
    if let Some(ceremony) = tick.plan.ceremonies.first() {
        text.push_str(&format!("\n{}\n", next_ceremony(ceremony)));
    }
    text
}

/// That people are asked for a ceremony, and what they type in it.
#[must_use]
pub fn asked_for(ceremony: &Ceremony) -> Problem {
    let (what, hint) = match ceremony.tier {
        Tier::Root => ("a new root", "meshca root create --next"),
        Tier::Issuing => ("a new issuing CA", "meshca issuing create"),
        Tier::Intermediate => ("new intermediates in stock", "meshca issue --until DATE"),
    };
    Problem::new(Code::CeremonyNeeded, format!("a ceremony is needed for {what}"))
        .fact(format!("due                            {}", day(ceremony.due)))
        .fact(format!("last safe day to begin it      {}", day(ceremony.last_safe)))
        .hint(hint)
}

/// Which ceremony comes next, and by when.
#[must_use]
pub fn next_ceremony(ceremony: &Ceremony) -> String {
    let what = match ceremony.tier {
        Tier::Root => "a new root",
        Tier::Issuing => "a new issuing CA",
        Tier::Intermediate => "new intermediates in stock",
    };
    format!(
        "next ceremony: {what}, due {}; the last safe day to begin arranging it is {}",
        day(ceremony.due),
        day(ceremony.last_safe)
    )
}

const fn did(act: &Act) -> &'static str {
    match act {
        Act::Mint { .. } => "renewed",
        Act::Activate { .. } => "activated",
        Act::Rebundle => "published",
        Act::Note => "noted",
        Act::Restart => "restarted",
        Act::Leave | Act::Wait | Act::AskForCeremony(_) | Act::Refuse(_) => act.as_str(),
    }
}

fn verdict(tick: &Tick, dry_run: bool) -> String {
    let steps = &tick.plan.steps;
    let count = |wanted: fn(&Act) -> bool| steps.iter().filter(|step| wanted(&step.act)).count();
    let due = count(Act::writes);
    let stuck = count(|act| matches!(act, Act::AskForCeremony(_)));
    let refused = count(|act| matches!(act, Act::Refuse(_)));
    let waiting = count(|act| matches!(act, Act::Wait));
    let renewed = tick.done.values().filter(|outcome| outcome.is_ok()).count();
    let mut parts = Vec::new();
    let is_walk = steps.iter().any(|step| step.act.writes() && step.stage.is_some());
    match (due, dry_run, is_walk) {
        (0, ..) => {}
        (due, true, false) => parts.push(format!("{due} would be renewed")),
        (due, false, false) => parts.push(format!("{renewed} of {due} renewed")),
        (due, true, true) => parts.push(format!("{due} would take a step")),
        (due, false, true) => parts.push(format!("{renewed} of {due} took a step")),
    }
    for (count, words) in [(stuck, "need a ceremony"), (refused, "refused"), (waiting, "waiting")] {
        if count > 0 {
            parts.push(format!("{count} {words}"));
        }
    }
    if let (true, Some(hold)) = (steps.is_empty(), tick.hold) {
        return format!("nothing was looked at to its end: {}\n", hold.as_str());
    }
    if parts.is_empty() {
        return format!("nothing is due for {} clusters\n", steps.len());
    }
    format!("{}, of {} clusters\n", parts.join(", "), steps.len())
}
