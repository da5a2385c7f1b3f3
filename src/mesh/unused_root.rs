//! Roots that somebody made or brought and that nothing uses: a change of root that people wait for would never begin.

use crate::mesh::fleet::Mesh;
use crate::mesh::holdings::{Held, Holdings};
use crate::mesh::signing_root::pins;
use crate::problem::{Code, Finding, Problem, Severity};

/// A finding for each root that is newer than every trusted one. An older one was walked away from.
pub(in crate::mesh) fn unused_roots(mesh: &Mesh, holdings: &Holdings) -> Vec<Finding> {
    let Ok(trusted) = holdings.trusted(mesh) else { return Vec::new() };
    let newest = trusted.last().map_or(0, |root| root.generation);
    let speaker_is_leaked = trusted.last().is_some_and(|newest| mesh.is_leaked(&newest.certificate));
    let unused = holdings
        .roots
        .iter()
        .filter(|root| root.generation > newest && trusted.iter().all(|it| it.certificate != root.certificate));
    let finding = |root: &Held| {
        let (generation, sha256) = (root.generation, root.certificate.fingerprint());
        let is_pinned = mesh.root.trusted.contains(&sha256);
        let endorsement = holdings.endorsements.iter().find(|it| it.generation() == generation);
        let why = match endorsement {
            _ if is_pinned => "it is pinned, and its key is weak or published".to_owned(),
            _ if speaker_is_leaked => {
                format!(
                    "the key of root g{newest} is leaked, so that it endorses nothing: the next root must be pinned"
                )
            }
            None => "it has no endorsement, and the mesh file does not pin it".to_owned(),
            Some(_) => format!("its endorsement is not one by root g{newest} for this certificate"),
        };
        let pins = pins(mesh, holdings, root);
        let hint = if speaker_is_leaked {
            format!("if it is meant, pin it in the mesh file: {pins}")
        } else {
            format!("if it is meant: bring its endorsement.txt, or pin it in the mesh file: {pins}")
        };
        let problem = Problem::new(
            Code::RootNotTrusted,
            format!("root g{generation} lies in {}, and is not used", mesh.material.display()),
        )
        .fact(why)
        .fact(format!("SHA-256  {sha256}"))
        .hint(hint);
        Finding { severity: Severity::Warning, place: mesh.name.clone(), problem }
    };
    unused.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{Story, held};

    fn facts(story: &Story) -> Vec<String> {
        let found = unused_roots(&story.mesh, &story.holdings);
        assert!(found.iter().all(|it| it.problem.code() == Code::RootNotTrusted && it.problem.advice().is_some()));
        found.iter().map(|it| it.problem.facts()[0].clone()).collect()
    }

    #[test]
    fn a_root_that_waits_for_its_endorsement_is_told_and_one_that_is_endorsed_or_former_is_not() {
        let mut story = Story::new();
        let (first, second) = (story.other_root("mesh1 root g1"), story.other_root("mesh1 root g2"));
        story.holdings.roots = vec![held(1, &first)];
        assert!(facts(&story).is_empty());
        story.holdings.roots.push(held(2, &second));
        assert_eq!(facts(&story), ["it has no endorsement, and the mesh file does not pin it"]);
        story.holdings.roots.pop();
        story.endorse(&first, &second, 2);
        assert!(facts(&story).is_empty());
        story.mesh.root.trusted = vec![second.certificate.fingerprint()];
        assert!(facts(&story).is_empty(), "the first was walked away from");
    }

    #[test]
    fn a_root_after_a_leaked_one_needs_a_pin_beside_it_whatever_endorses_it() {
        let mut story = Story::new();
        let (first, second) = (story.other_root("mesh1 root g1"), story.other_root("mesh1 root g2"));
        story.holdings.roots = vec![held(1, &first)];
        story.endorse(&first, &second, 2);
        story.mesh.leaked = vec![first.certificate.fingerprint()];
        assert_eq!(
            facts(&story),
            ["the key of root g1 is leaked, so that it endorses nothing: the next root must be pinned"]
        );
        let found = unused_roots(&story.mesh, &story.holdings);
        let pins = [&first, &second].map(|made| made.certificate.fingerprint().to_string()).join(", ");
        assert!(found[0].problem.advice().unwrap().ends_with(&format!("root.trusted: [{pins}]")));
        story.mesh.leaked.clear();
        assert!(facts(&story).is_empty());
    }

    #[test]
    fn an_endorsement_by_another_root_is_told_apart_from_none() {
        let mut story = Story::new();
        let (thief, second) = (story.other_root("mesh1 root g1"), story.other_root("mesh1 root g2"));
        story.endorse(&thief, &second, 2);
        assert_eq!(facts(&story), ["its endorsement is not one by root g1 for this certificate"]);
    }
}
