//! Under which of several trusted roots a ceremony signs, while a fleet walks from one to another.

use std::collections::BTreeMap;

use crate::mesh::fleet::Mesh;
use crate::mesh::holdings::{Held, Holdings};
use crate::mesh::observed::Observed;
use crate::problem::{Code, Problem};

/// The clusters that one message names at most.
const NAMED: usize = 5;

/// The root of this generation, or else the newest: what a change of root needs comes under the next one. Under a root
/// whose key is leaked nothing new is made unless that one is named.
///
/// # Errors
/// `root-not-trusted`, `key-leaked`; as [`Holdings::trusted`].
pub fn named_or_newest<'a>(mesh: &Mesh, holdings: &'a Holdings, named: Option<u32>) -> Result<&'a Held, Problem> {
    let trusted = holdings.trusted(mesh)?;
    match named {
        Some(generation) => named_root(&trusted, generation),
        None => match trusted.last().copied() {
            None => Err(none(mesh)),
            Some(newest) if mesh.is_leaked(&newest.certificate) => Err(leaked(mesh, holdings, newest)),
            Some(newest) => Ok(newest),
        },
    }
}

/// The root of this generation, or else the one under which the signers of the fleet are. Where none was seen, the oldest.
/// Nothing is looked at where there is no choice.
///
/// # Errors
/// `root-ambiguous`, when some are under one and some under another; `root-not-trusted`; as [`Holdings::trusted`].
pub fn named_or_running<'a>(
    mesh: &Mesh,
    holdings: &'a Holdings,
    named: Option<u32>,
    look: impl FnOnce() -> Vec<Observed>,
) -> Result<&'a Held, Problem> {
    let trusted = holdings.trusted(mesh)?;
    let oldest = trusted.first().copied().ok_or_else(|| none(mesh))?;
    if let Some(generation) = named {
        return named_root(&trusted, generation);
    }
    if trusted.len() == 1 {
        return Ok(oldest);
    }
    let mut running: BTreeMap<u32, (&Held, Vec<String>)> = BTreeMap::new();
    for observed in look() {
        if let Some(root) = root_of(holdings, &trusted, &observed) {
            let (_, clusters) = running.entry(root.generation).or_insert((root, Vec::new()));
            clusters.push(observed.cluster.to_string());
        }
    }
    let mut roots = running.values();
    match (roots.next(), roots.next()) {
        (None, _) => Ok(oldest),
        (Some((root, _)), None) => Ok(root),
        (Some(_), Some(_)) => Err(ambiguous(mesh, &running)),
    }
}

/// The trusted root under which the signer in this target is, if its set can be read.
fn root_of<'a>(holdings: &Holdings, trusted: &[&'a Held], observed: &Observed) -> Option<&'a Held> {
    let signer = observed.secret.as_ref().ok()?.as_ref()?.signer.as_ref().ok()?;
    let signed = |root: &&&Held| {
        let root = &root.certificate;
        let issuing = holdings.issuing_under(root).into_iter().map(|held| &held.certificate);
        issuing.chain([root]).any(|it| signer.issuer() == it.subject() && signer.is_signed_by(it.spki()))
    };
    trusted.iter().find(signed).copied()
}

fn named_root<'a>(trusted: &[&'a Held], generation: u32) -> Result<&'a Held, Problem> {
    trusted.iter().find(|root| root.generation == generation).copied().ok_or_else(|| {
        let usable: Vec<String> = trusted.iter().map(|root| root.generation.to_string()).collect();
        let problem = Problem::new(
            Code::RootNotTrusted,
            format!("the root of generation {generation} is not one that may be used"),
        );
        let hint = format!("--root {}", usable.last().map_or("1", String::as_str));
        problem.fact(format!("usable  {}", usable.join(", "))).hint(hint)
    })
}

fn leaked(mesh: &Mesh, holdings: &Holdings, newest: &Held) -> Problem {
    let generation = newest.generation;
    let problem = Problem::new(
        Code::KeyLeaked,
        format!("root g{generation} is the newest that may be used, and the mesh file names it in `leaked`"),
    )
    .fact("nothing new is made under it unless it is named");
    let next = holdings.roots.iter().rfind(|root| root.generation > generation);
    problem.hint(match next {
        Some(next) => format!("{}   in the mesh file; or --root {generation}", pins(mesh, holdings, next)),
        None => format!("meshca root create --next   or --root {generation}"),
    })
}

/// What to write into the mesh file so that this root may be used, too.
pub(in crate::mesh) fn pins(mesh: &Mesh, holdings: &Holdings, root: &Held) -> String {
    let used = holdings.trusted(mesh).unwrap_or_default();
    let pins = used.into_iter().chain([root]).map(|it| it.certificate.fingerprint().to_string());
    format!("root.trusted: [{}]", pins.collect::<Vec<_>>().join(", "))
}

fn none(mesh: &Mesh) -> Problem {
    Problem::new(Code::NoUsableRoot, format!("{} holds no root that may be used", mesh.material.display()))
}

fn ambiguous(mesh: &Mesh, running: &BTreeMap<u32, (&Held, Vec<String>)>) -> Problem {
    let problem = Problem::new(
        Code::RootAmbiguous,
        format!("the clusters of {} are on the way from one root to another, and none was named", mesh.name),
    );
    let facts = running.iter().map(|(generation, (_, clusters))| {
        let more = clusters.len().saturating_sub(NAMED);
        let named = clusters.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("under generation {generation}  {named}{more}")
    });
    let options: Vec<String> = running.keys().map(|generation| format!("--root {generation}")).collect();
    facts.fold(problem, Problem::fact).hint(options.join("   or   "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{Made, NOW, Story, held, name};
    use crate::pki::validity::Validity;
    use time::Duration;

    /// The story's root, which runs, is generation 1; generation 2 is endorsed by nobody, and pinned.
    fn two_roots() -> (Story, Made) {
        let mut story = Story::new();
        let second = story.other_root("mesh1 root g2");
        story.holdings.roots.push(held(2, &second));
        story.mesh.root.trusted = story.holdings.roots.iter().map(|root| root.certificate.fingerprint()).collect();
        (story, second)
    }

    fn moved(story: &mut Story, cluster: &str, under: &Made) {
        let window = Validity::new(NOW - Duration::days(1), NOW + Duration::days(80));
        let made = story.intermediate_under(under, cluster, 2, window);
        let sight = story.sight(cluster, 2, &made);
        story.look_at(cluster).secret = Ok(Some(sight));
    }

    fn running(story: &Story, named: Option<u32>) -> Result<u32, Problem> {
        let look = || story.observed.values().cloned().collect();
        named_or_running(&story.mesh, &story.holdings, named, look).map(|root| root.generation)
    }

    #[test]
    fn where_none_is_named_the_newest_signs_and_a_named_one_must_be_trusted() {
        let (mut story, _) = two_roots();
        let third = story.other_root("mesh1 root g3");
        story.holdings.roots.push(held(3, &third));
        let chosen = |named| named_or_newest(&story.mesh, &story.holdings, named).map(|root| root.generation);
        assert_eq!(chosen(None), Ok(2));
        assert_eq!(chosen(Some(1)), Ok(1));
        for named in [0, 3] {
            let problem = chosen(Some(named)).unwrap_err();
            assert_eq!(problem.code(), Code::RootNotTrusted);
            assert_eq!(problem.advice(), Some("--root 2"));
            assert_eq!(running(&story, Some(named)).unwrap_err().code(), Code::RootNotTrusted);
        }
    }

    #[test]
    fn intermediates_come_under_the_root_that_the_fleet_runs_on() {
        let (mut story, second) = two_roots();
        assert_eq!(running(&story, None), Ok(1));
        assert_eq!(running(&story, Some(2)), Ok(2));
        moved(&mut story, "east", &second);
        moved(&mut story, "west", &second);
        assert_eq!(running(&story, None), Ok(2));
    }

    #[test]
    fn a_fleet_that_is_on_the_way_is_told_apart_and_somebody_has_to_say_which_root() {
        let (mut story, second) = two_roots();
        moved(&mut story, "east", &second);
        let problem = running(&story, None).unwrap_err();
        assert_eq!(problem.code(), Code::RootAmbiguous);
        assert_eq!(problem.facts(), ["under generation 1  west", "under generation 2  east"]);
        assert_eq!(problem.advice(), Some("--root 1   or   --root 2"));
        assert_eq!(running(&story, Some(1)), Ok(1));
    }

    #[test]
    fn where_nothing_was_seen_the_oldest_root_signs() {
        let (mut story, _) = two_roots();
        story.observed.remove(&name("west"));
        story.look_at("east").secret = Ok(None);
        assert_eq!(running(&story, None), Ok(1));
    }

    #[test]
    fn where_there_is_no_choice_nothing_is_looked_at() {
        let story = Story::new();
        let chosen = named_or_running(&story.mesh, &story.holdings, None, || unreachable!("looked"));
        assert_eq!(chosen.unwrap().generation, 1);
    }
}
