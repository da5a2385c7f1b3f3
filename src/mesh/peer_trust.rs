//! Whether a workload that trusts some roots accepts a peer that presents a certificate under some signer.
//!
//! Judged by the rules of Envoy, for a workload certificate that istiod signs now. Revocation lists are not looked at.

use std::rc::Rc;

use time::OffsetDateTime;

use crate::mesh::consumers::envoy::path_refusal;
use crate::mesh::consumers::lineage::Lineage;
use crate::pki::certificate::Certificate;
use crate::pki::plain_text::plain;

/// The longest name that is told, in characters.
const LONGEST_NAME: usize = 120;

/// What a workload presents above its own certificate.
#[derive(Debug, Clone)]
pub(in crate::mesh) struct Presented {
    /// The signer of its certificate.
    pub(in crate::mesh) signer: Rc<Certificate>,
    /// The certificates that travel with it.
    pub(in crate::mesh) chain: Vec<Rc<Certificate>>,
}

impl Presented {
    /// What stands for any signer under this root, where there is none yet.
    pub(in crate::mesh) fn under(root: &Certificate) -> Self {
        let root = Rc::new(root.clone());
        Self { signer: Rc::clone(&root), chain: vec![root] }
    }

    /// Whether signatures lead to this root, whatever else is wrong.
    pub(in crate::mesh) fn is_under(&self, root: &Certificate) -> bool {
        !Lineage::of(&self.signer, &self.chain, &[Rc::new(root.clone())]).paths.is_empty()
    }
}

/// Why it is refused where these roots are trusted, in words that hold for every peer in the same position; `None`: it is
/// accepted.
pub(in crate::mesh) fn refusal(
    presented: &Presented,
    roots: &[Rc<Certificate>],
    trust_domain: &str,
    now: OffsetDateTime,
) -> Option<String> {
    let Presented { signer, chain } = presented;
    if !chain.contains(signer) && !roots.contains(signer) {
        return Some("the peer's chain lacks its own intermediate".to_owned());
    }
    let lineage = Lineage::of(signer, chain, roots);
    let mut first = None;
    for path in &lineage.paths {
        match ended(path, now).or_else(|| path_refusal(path, trust_domain, now)) {
            None => return None,
            Some(why) => first = first.or(Some(why)),
        }
    }
    first.or_else(|| {
        let top = chain.last().unwrap_or(signer);
        let name = plain(&top.issuer().to_string(), LONGEST_NAME);
        Some(match lineage.broken.first() {
            Some(_) => format!("a root named \"{name}\" is trusted, and another key signed the peer's chain"),
            None => format!("the peer's chain leads to \"{name}\", which is not trusted"),
        })
    })
}

/// What of a path is outside its time.
fn ended(path: &[Rc<Certificate>], now: OffsetDateTime) -> Option<String> {
    let (place, outside) = path.iter().enumerate().find(|(_, it)| !it.validity().contains(now))?;
    let name = plain(&outside.subject().to_string(), LONGEST_NAME);
    let what = match place {
        _ if place + 1 == path.len() => format!("the root \"{name}\""),
        0 => "the peer's intermediate".to_owned(),
        _ => format!("the issuing CA \"{name}\""),
    };
    Some(if now > outside.not_after() { format!("{what} has ended") } else { format!("{what} is not valid yet") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{Made, NOW, Story};
    use crate::pki::validity::Validity;
    use time::Duration;

    const SECOND: Duration = Duration::SECOND;

    fn presented(signer: &Made, upper: &[&Made]) -> Presented {
        let signer = Rc::new(signer.certificate.clone());
        let upper = upper.iter().map(|it| Rc::new(it.certificate.clone()));
        Presented { chain: std::iter::once(Rc::clone(&signer)).chain(upper).collect(), signer }
    }

    fn told(presented: &Presented, roots: &[&Certificate], now: OffsetDateTime) -> Option<String> {
        let roots: Vec<_> = roots.iter().map(|root| Rc::new((*root).clone())).collect();
        refusal(presented, &roots, "cluster.local", now)
    }

    #[test]
    fn a_chain_is_accepted_where_its_root_is_among_those_that_are_trusted() {
        let story = Story::new();
        let signer = story.intermediate("east", 1, NOW + Duration::days(60));
        let (peer, other) = (presented(&signer, &[&story.issuing]), story.other_root("mesh0 root"));
        assert_eq!(told(&peer, &[&story.root.certificate], NOW), None);
        assert_eq!(told(&peer, &[&other.certificate, &story.root.certificate], NOW), None);
        let why = told(&peer, &[&other.certificate], NOW).unwrap();
        assert_eq!(why, "the peer's chain leads to \"O=Hash Foundry, CN=mesh1 root g1\", which is not trusted");
        assert!(told(&peer, &[], NOW).is_some());
    }

    #[test]
    fn the_last_second_of_an_intermediate_is_accepted_and_the_next_is_not() {
        let story = Story::new();
        let end = NOW + Duration::days(60);
        let peer = presented(&story.intermediate("east", 1, end), &[&story.issuing]);
        assert_eq!(told(&peer, &[&story.root.certificate], end), None);
        let why = told(&peer, &[&story.root.certificate], end + SECOND);
        assert_eq!(why.as_deref(), Some("the peer's intermediate has ended"));
    }

    #[test]
    fn the_window_of_a_root_counts_at_both_ends() {
        let story = Story::new();
        let root = story.root_within("short", Validity::new(NOW, NOW + Duration::days(400)));
        let peer = Presented::under(&root.certificate);
        let end = root.certificate.not_after();
        for now in [NOW, end] {
            assert_eq!(told(&peer, &[&root.certificate], now), None, "{now}");
        }
        let early = told(&peer, &[&root.certificate], NOW - SECOND).unwrap();
        assert_eq!(early, "the root \"O=Hash Foundry, CN=short\" is not valid yet");
        let late = told(&peer, &[&root.certificate], end + SECOND).unwrap();
        assert_eq!(late, "the root \"O=Hash Foundry, CN=short\" has ended");
    }

    #[test]
    fn a_root_of_the_same_name_with_another_key_is_told_apart() {
        let story = Story::new();
        let signer = story.intermediate("east", 1, NOW + Duration::days(60));
        let namesake = story.other_root("mesh1 root g1");
        let why = told(&presented(&signer, &[&story.issuing]), &[&namesake.certificate], NOW).unwrap();
        assert!(why.starts_with("a root named \"O=Hash Foundry, CN=mesh1 root g1\" is trusted, and another"), "{why}");
    }

    #[test]
    fn a_chain_without_what_it_begins_or_goes_on_with_leads_nowhere() {
        let story = Story::new();
        let signer = story.intermediate("east", 1, NOW + Duration::days(60));
        let root = &story.root.certificate;
        let why = told(&presented(&signer, &[]), &[root], NOW).unwrap();
        assert_eq!(why, "the peer's chain leads to \"O=Hash Foundry, CN=mesh1 issuing g1\", which is not trusted");
        let mut peer = presented(&signer, &[&story.issuing]);
        peer.chain.remove(0);
        assert_eq!(told(&peer, &[root], NOW).as_deref(), Some("the peer's chain lacks its own intermediate"));
    }

    #[test]
    fn it_is_told_under_which_root_a_signer_is() {
        let story = Story::new();
        let peer = presented(&story.intermediate("east", 1, NOW + Duration::days(60)), &[&story.issuing]);
        assert!(peer.is_under(&story.root.certificate));
        assert!(!peer.is_under(&story.other_root("mesh0 root").certificate));
    }
}
