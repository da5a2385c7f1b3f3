//! Whether clusters share a root, until when, and what differs: judged from their trust bundles alone.
//!
//! A root is the name and the key that a verifier trusts, so a root that was issued anew under the same key is the same
//! root. Which root a cluster signs under is not seen: that stands in Secrets.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;

use crate::mesh::cacerts::ROOT_CONFIG_MAP;
use crate::mesh::context_list::Server;
use crate::mesh::outcome::Outcome;
use crate::mesh::standing::{Standing, judge};
use crate::pki::certificate::Certificate;
use crate::pki::moment::utc;
use crate::pki::pem_blocks::PemText;
use crate::pki::pem_damage::DamageKind;
use crate::pki::validity::Validity;
use crate::pki::weak_key::weaknesses;
use crate::problem::{Code, Finding, Problem, Severity};

/// Roots whose keys are looked into; more than that are in no bundle that is meant well.
const MOST_KEYS: usize = 256;
/// Lines of evidence in one finding.
const MOST_FACTS: usize = 8;
/// Names in one sentence.
const MOST_NAMES: usize = 4;

/// What one place showed.
#[derive(Debug, Clone)]
pub struct Shown {
    /// What it is called: the context by which it is reached.
    pub place: String,
    /// Its API server, where that is known: two places with the same one are the same cluster.
    pub server: Option<Server>,
    /// The bytes of its trust bundle, or why they could not be seen.
    pub bundle: Result<Vec<u8>, Problem>,
}

/// The judgement.
#[derive(Debug, Clone)]
pub struct CommonRoot {
    /// Every place, in the order in which they were asked for.
    pub places: Vec<Place>,
    /// How far the places that were seen agree.
    pub sharing: Sharing,
    /// Until when every two of them share a root that is valid now, or the only one has one; `None`: not even now.
    pub until: Option<OffsetDateTime>,
    /// What is wrong, worst first.
    pub findings: Vec<Finding>,
}

/// One place and its roots.
#[derive(Debug, Clone)]
pub struct Place {
    /// What it is called.
    pub name: String,
    /// Its roots in their order, each certificate once; or why they could not be seen.
    pub roots: Result<Vec<Root>, Problem>,
}

/// One root in one place.
#[derive(Debug, Clone)]
pub struct Root {
    /// The certificate.
    pub certificate: Certificate,
    /// How it stands.
    pub standing: Standing,
    /// The places that were seen and do not trust it.
    pub missing_in: Vec<String>,
}

/// How far places agree about the roots that are valid now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// No place was seen.
    Unknown,
    /// One was seen: there is nothing to compare it with.
    Alone,
    /// All trust the same.
    All {
        /// How many roots that are.
        roots: usize,
    },
    /// Every two have one in common, and not all trust the same.
    Some {
        /// The roots that all trust.
        common: usize,
        /// The roots that any trusts.
        roots: usize,
    },
    /// Some two have none in common.
    None {
        /// The pairs that have none.
        pairs: usize,
        /// All pairs.
        of: usize,
    },
}

impl Sharing {
    /// The word for machines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Sharing::Unknown => "unknown",
            Sharing::Alone => "alone",
            Sharing::All { .. } => "all",
            Sharing::Some { .. } => "some",
            Sharing::None { .. } => "none",
        }
    }
}

impl CommonRoot {
    /// How bad it is on the whole.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let unseen = self.unseen().next().map(|_| Outcome::Unknown);
        let found = self.findings.iter().map(|finding| Outcome::from(finding.severity));
        found.chain(unseen).max().unwrap_or(Outcome::Fine)
    }

    /// The places that were seen.
    pub fn seen(&self) -> impl Iterator<Item = &str> {
        self.places.iter().filter(|place| place.roots.is_ok()).map(|place| place.name.as_str())
    }

    /// The places that could not be looked at.
    pub fn unseen(&self) -> impl Iterator<Item = &str> {
        self.places.iter().filter(|place| place.roots.is_err()).map(|place| place.name.as_str())
    }
}

/// What a verifier trusts: a name (DER) and a key (SubjectPublicKeyInfo).
type Anchor = (Vec<u8>, Vec<u8>);
/// The anchors that are valid now, and when each ends.
type Usable = BTreeMap<Anchor, OffsetDateTime>;

/// Judges what places showed, at this moment.
#[must_use]
pub fn common_root(shown: &[Shown], now: OffsetDateTime) -> CommonRoot {
    let mut findings = same_server(shown);
    let mut places = Vec::new();
    for it in shown {
        let roots = it.bundle.as_ref().map_err(Clone::clone).and_then(|bundle| read(&it.place, bundle, now));
        let roots = roots.map(|(roots, damage)| {
            findings.extend(damage);
            roots
        });
        places.push(Place { name: it.place.clone(), roots });
    }
    say_what_is_missing(&mut places);
    let usable: Vec<(&str, Usable)> = places
        .iter()
        .filter_map(|place| Some((place.name.as_str(), usable(place.roots.as_ref().ok()?, now))))
        .collect();
    let comparison = Comparison::of(&usable);
    findings.extend(comparison.finding(&places));
    findings.extend(of_certificates(&places, &usable, comparison.until, now));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    CommonRoot { sharing: comparison.sharing, until: comparison.until, places, findings }
}

/// The names in a sentence, the first few of them: `a, b and c`, `a, b, c and 7 more`.
#[must_use]
pub fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] if names.len() <= MOST_NAMES => format!("{} and {last}", most.join(", ")),
        many => {
            let first: Vec<&str> = many.iter().take(MOST_NAMES - 1).copied().collect();
            format!("{} and {} more", first.join(", "), many.len() - first.len())
        }
    }
}

/// The roots of a bundle as Go reads it, and what is odd about its text.
fn read(place: &str, bundle: &[u8], now: OffsetDateTime) -> Result<(Vec<Root>, Option<Finding>), Problem> {
    let text = PemText::read(bundle)
        .map_err(|problem| Problem::new(problem.code(), format!("{place}: {ROOT_CONFIG_MAP}: {}", problem.what())))?;
    let mut odd: Vec<String> = text
        .damage
        .iter()
        .filter(|damage| damage.kind != DamageKind::NoFinalNewline)
        .map(ToString::to_string)
        .collect();
    let mut seen = BTreeSet::new();
    let mut roots = Vec::new();
    for block in &text.blocks {
        if !block.is_certificate() {
            odd.push(format!("line {}: not a certificate", block.line));
            continue;
        }
        match Certificate::from_der(&block.der) {
            Ok(certificate) => {
                if seen.insert(certificate.der().to_vec()) {
                    let standing = judge(certificate.validity(), None, now);
                    roots.push(Root { certificate, standing, missing_in: Vec::new() });
                }
            }
            Err(problem) => odd.push(format!("line {}: {}", block.line, problem.what())),
        }
    }
    if roots.is_empty() {
        let what = format!("{place}: {ROOT_CONFIG_MAP} holds no certificate");
        return Err(Problem::new(Code::PemNoBlock, what).fact(format!("it has  {} bytes", bundle.len())));
    }
    let damage = (!odd.is_empty()).then(|| {
        let what = format!("the text of {ROOT_CONFIG_MAP} is damaged: its readers do not take it alike");
        let problem = odd.iter().take(MOST_FACTS).fold(Problem::new(Code::BundleDamaged, what), Problem::fact);
        let hint = "look at root-cert.pem of cacerts there, from which istiod copies it: meshca check";
        Finding { severity: Severity::Warning, place: place.to_owned(), problem: problem.hint(hint) }
    });
    Ok((roots, damage))
}

fn anchor(certificate: &Certificate) -> Anchor {
    (certificate.subject().der().to_vec(), certificate.spki().to_vec())
}

fn usable(roots: &[Root], now: OffsetDateTime) -> Usable {
    let mut usable = Usable::new();
    let valid = roots.iter().map(|root| &root.certificate).filter(|it| is_valid(it.validity(), now));
    for certificate in valid {
        let end = usable.entry(anchor(certificate)).or_insert(certificate.not_after());
        *end = (*end).max(certificate.not_after());
    }
    usable
}

fn is_valid(window: Validity, now: OffsetDateTime) -> bool {
    window.not_before() <= now && now <= window.not_after()
}

fn say_what_is_missing(places: &mut [Place]) {
    let anchors: Vec<(String, BTreeSet<Anchor>)> = places
        .iter()
        .filter_map(|place| {
            let roots = place.roots.as_ref().ok()?;
            Some((place.name.clone(), roots.iter().map(|root| anchor(&root.certificate)).collect()))
        })
        .collect();
    let mut known: BTreeMap<Anchor, Vec<String>> = BTreeMap::new();
    for root in places.iter_mut().filter_map(|place| place.roots.as_mut().ok()).flatten() {
        let anchor = anchor(&root.certificate);
        let missing_in = known.entry(anchor).or_insert_with_key(|anchor| {
            anchors.iter().filter(|(_, there)| !there.contains(anchor)).map(|(name, _)| name.clone()).collect()
        });
        root.missing_in.clone_from(missing_in);
    }
}

/// How the places that were seen compare. Those that trust the same are compared once.
struct Comparison {
    sharing: Sharing,
    until: Option<OffsetDateTime>,
    /// The first pairs that have no root in common.
    strangers: Vec<String>,
}

impl Comparison {
    fn of(usable: &[(&str, Usable)]) -> Self {
        let mut groups: BTreeMap<&Usable, Vec<&str>> = BTreeMap::new();
        for (name, roots) in usable {
            groups.entry(roots).or_default().push(name);
        }
        let groups: Vec<(&Usable, Vec<&str>)> = groups.into_iter().collect();
        let mut ends: Vec<Option<OffsetDateTime>> = Vec::new();
        let (mut pairs, mut strangers) = (0, Vec::new());
        for (index, (roots, names)) in groups.iter().enumerate() {
            if names.len() > 1 || usable.len() == 1 {
                let end = shared_until(roots, roots);
                if end.is_none() {
                    pairs += names.len() * (names.len() - 1) / 2;
                    strangers.extend(names.iter().zip(names.iter().skip(1)).take(MOST_FACTS).map(pair));
                }
                ends.push(end);
            }
            for (others, other_names) in groups.iter().skip(index + 1) {
                let end = shared_until(roots, others);
                if end.is_none() {
                    pairs += names.len() * other_names.len();
                    let both = names.iter().flat_map(|name| other_names.iter().map(move |other| (name, other)));
                    let room = MOST_FACTS.saturating_sub(strangers.len());
                    strangers.extend(both.take(room).map(pair));
                }
                ends.push(end);
            }
        }
        let until = if ends.iter().any(Option::is_none) { None } else { ends.into_iter().flatten().min() };
        Self { sharing: sharing(usable, pairs), until, strangers }
    }

    fn finding(&self, places: &[Place]) -> Option<Finding> {
        let seen: Vec<(&str, &[Root])> = places
            .iter()
            .filter_map(|place| Some((place.name.as_str(), place.roots.as_ref().ok()?.as_slice())))
            .collect();
        let (severity, problem) = match self.sharing {
            Sharing::None { pairs, of } => {
                let problem = match seen.as_slice() {
                    [(first, _), (second, _)] => {
                        let what = format!(
                            "{first} and {second} have no valid root in common: their workloads refuse each other"
                        );
                        let trusts = seen.iter().flat_map(|(name, roots)| {
                            roots.iter().map(move |root| format!("{name} trusts  {}", title(&root.certificate)))
                        });
                        trusts.take(MOST_FACTS).fold(Problem::new(Code::NoCommonRoot, what), Problem::fact)
                    }
                    _ => {
                        let what = format!(
                            "{pairs} of {of} pairs of clusters have no valid root in common: their workloads refuse each other"
                        );
                        let shown = self.strangers.iter().take(MOST_FACTS).map(String::as_str);
                        shown.fold(Problem::new(Code::NoCommonRoot, what), Problem::fact)
                    }
                };
                (Severity::Critical, problem.hint("give them intermediates under one root: meshca init   begins"))
            }
            Sharing::Some { .. } => {
                let mut told = BTreeSet::new();
                let missing = seen
                    .iter()
                    .flat_map(|(_, roots)| roots.iter())
                    .filter(|root| !root.missing_in.is_empty() && told.insert(anchor(&root.certificate)));
                let missing = missing.map(|root| {
                    let names: Vec<&str> = root.missing_in.iter().map(String::as_str).collect();
                    format!("missing in {}  {}", listed(&names), title(&root.certificate))
                });
                let what = "not all of them trust the same roots: what is signed under a root that is missing \
                            somewhere is refused there";
                let problem = missing.take(MOST_FACTS).fold(Problem::new(Code::BundlesDiffer, what), Problem::fact);
                (
                    Severity::Warning,
                    problem.hint("bring the root to where it is missing before anything is signed under it"),
                )
            }
            Sharing::Unknown | Sharing::Alone | Sharing::All { .. } => return None,
        };
        Some(Finding { severity, place: String::new(), problem })
    }
}

fn pair((one, other): (&&str, &&str)) -> String {
    format!("{one} and {other}")
}

fn title(certificate: &Certificate) -> String {
    format!("\"{}\" ({})", certificate.subject(), certificate.fingerprint().short())
}

/// Until when two share one of these roots: the longest that any of them lasts on both sides.
fn shared_until(one: &Usable, other: &Usable) -> Option<OffsetDateTime> {
    one.iter().filter_map(|(anchor, end)| other.get(anchor).map(|its_end| *end.min(its_end))).max()
}

fn sharing(usable: &[(&str, Usable)], pairs: usize) -> Sharing {
    let [(_, first), rest @ ..] = usable else { return Sharing::Unknown };
    if rest.is_empty() {
        return Sharing::Alone;
    }
    if pairs > 0 {
        return Sharing::None { pairs, of: usable.len() * rest.len() / 2 };
    }
    let all: BTreeSet<&Anchor> = usable.iter().flat_map(|(_, roots)| roots.keys()).collect();
    let common = first.keys().filter(|anchor| rest.iter().all(|(_, roots)| roots.contains_key(anchor))).count();
    if common == all.len() { Sharing::All { roots: common } } else { Sharing::Some { common, roots: all.len() } }
}

/// What is wrong with single roots, each certificate once, with the places that trust it.
fn of_certificates(
    places: &[Place],
    usable: &[(&str, Usable)],
    until: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Vec<Finding> {
    let mut holders: BTreeMap<&[u8], (&Certificate, Vec<&str>)> = BTreeMap::new();
    for place in places {
        for root in place.roots.iter().flatten() {
            let entry = holders.entry(root.certificate.der()).or_insert((&root.certificate, Vec::new()));
            entry.1.push(&place.name);
        }
    }
    let last_end = |name: &str| usable.iter().find(|(it, _)| *it == name).and_then(|(_, roots)| roots.values().max());
    let mut found = Vec::new();
    for (index, (certificate, names)) in holders.into_values().enumerate() {
        let end = certificate.not_after();
        let subject = certificate.subject();
        let leaves_nothing = names.iter().any(|name| last_end(name).is_none());
        let is_last = until == Some(end) || names.iter().any(|name| last_end(name) == Some(&end));
        let aged = match judge(certificate.validity(), None, now) {
            Standing::Expired => {
                let what = format!("the root \"{subject}\" ended {}", utc(end));
                Some((Code::CertificateExpired, leaves_nothing, what))
            }
            Standing::NotYetValid => {
                let what = format!("the root \"{subject}\" begins {}", utc(certificate.validity().not_before()));
                Some((Code::CertificateNotYetValid, leaves_nothing, what))
            }
            standing @ (Standing::Critical | Standing::Warning) => {
                let what = format!("the root \"{subject}\" ends {}", utc(end));
                Some((Code::CertificateExpiresSoon, standing == Standing::Critical && is_last, what))
            }
            _ => None,
        };
        if let Some((code, is_critical, what)) = aged {
            let problem = Problem::new(code, what).fact(format!("certificate  {}", certificate.fingerprint()));
            found.push((is_critical, names.clone(), problem));
        }
        let weak = if index < MOST_KEYS { weaknesses(certificate) } else { Vec::new() };
        for problem in weak {
            let is_critical = !matches!(problem.code(), Code::KeyKindUnusual | Code::RsaWeakExponent);
            found.push((is_critical, names.clone(), problem));
        }
    }
    let found = found.into_iter().map(|(is_critical, names, problem)| Finding {
        severity: if is_critical { Severity::Critical } else { Severity::Warning },
        place: listed(&names),
        problem,
    });
    found.collect()
}

/// Two names for one cluster: that they share a root says nothing.
fn same_server(shown: &[Shown]) -> Vec<Finding> {
    let mut by_server: BTreeMap<&Server, Vec<&str>> = BTreeMap::new();
    for it in shown {
        if let Some(server) = &it.server {
            by_server.entry(server).or_default().push(&it.place);
        }
    }
    let shared = by_server.into_iter().filter(|(_, names)| names.len() > 1);
    shared
        .map(|(server, names)| {
            let what = format!("{} are one and the same cluster, so that comparing them says nothing", listed(&names));
            let problem = Problem::new(Code::SameCluster, what).fact(format!("server  {}", server.host()));
            let hint = "name contexts of different clusters: kubectl config get-contexts";
            Finding { severity: Severity::Warning, place: String::new(), problem: problem.hint(hint) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use time::Duration;

    use super::*;
    use crate::mesh::context_list::ContextList;
    use crate::mesh::fleet_story::{NOW, Story};
    use crate::pki::secret::Secret;

    const SECOND: Duration = Duration::SECOND;

    fn shown(place: &str, roots: &[&Certificate]) -> Shown {
        let bundle = roots.iter().map(|root| root.pem()).collect::<String>().into_bytes();
        Shown { place: place.to_owned(), server: None, bundle: Ok(bundle) }
    }

    fn codes(judged: &CommonRoot) -> Vec<(Code, Severity)> {
        judged.findings.iter().map(|finding| (finding.problem.code(), finding.severity)).collect()
    }

    struct Roots {
        story: Story,
    }

    impl Roots {
        fn new() -> Self {
            Self { story: Story::new() }
        }

        /// A root that ends then.
        fn ending(&self, name: &str, end: OffsetDateTime) -> Certificate {
            self.story.root_within(name, Validity::new(NOW - Duration::days(3000), end)).certificate
        }

        fn lasting(&self, name: &str) -> Certificate {
            self.ending(name, NOW + Duration::days(3000))
        }
    }

    #[test]
    fn one_root_in_all_is_fine_until_it_ends() {
        let root = Roots::new().lasting("one");
        let judged = common_root(&[shown("a", &[&root]), shown("b", &[&root]), shown("c", &[&root, &root])], NOW);
        assert_eq!(judged.sharing, Sharing::All { roots: 1 });
        assert_eq!(judged.until, Some(root.not_after()));
        assert_eq!((codes(&judged), judged.outcome()), (vec![], Outcome::Fine));
    }

    #[test]
    fn different_roots_are_critical_and_both_sides_are_named() {
        let roots = Roots::new();
        let (one, two) = (roots.lasting("one"), roots.lasting("two"));
        let judged = common_root(&[shown("a", &[&one]), shown("b", &[&two])], NOW);
        assert_eq!((judged.sharing, judged.until), (Sharing::None { pairs: 1, of: 1 }, None));
        assert_eq!(codes(&judged), [(Code::NoCommonRoot, Severity::Critical)]);
        let facts = judged.findings[0].problem.facts();
        assert!(facts[0].starts_with("a trusts  \"") && facts[1].starts_with("b trusts  \""), "{facts:?}");
    }

    #[test]
    fn one_of_two_roots_is_a_warning_that_says_where_which_is_missing() {
        let roots = Roots::new();
        let (one, two) = (roots.lasting("one"), roots.lasting("two"));
        let judged = common_root(&[shown("a", &[&one, &two]), shown("b", &[&one])], NOW);
        assert_eq!(judged.sharing, Sharing::Some { common: 1, roots: 2 });
        assert_eq!(codes(&judged), [(Code::BundlesDiffer, Severity::Warning)]);
        assert!(judged.findings[0].problem.facts()[0].starts_with("missing in b  "), "{judged:?}");
        let of_a = judged.places[0].roots.as_ref().unwrap();
        assert_eq!((of_a[0].missing_in.len(), of_a[1].missing_in.as_slice()), (0, &["b".to_owned()][..]));
    }

    #[test]
    fn every_two_may_share_a_root_and_all_none() {
        let roots = Roots::new();
        let (one, two, three) = (roots.lasting("one"), roots.lasting("two"), roots.lasting("three"));
        let ring = [shown("a", &[&one, &two]), shown("b", &[&two, &three]), shown("c", &[&one, &three])];
        let judged = common_root(&ring, NOW);
        assert_eq!(judged.sharing, Sharing::Some { common: 0, roots: 3 });
        assert_eq!(judged.outcome(), Outcome::Warning);
    }

    #[test]
    fn of_many_the_pairs_without_a_root_are_counted() {
        let roots = Roots::new();
        let (one, two) = (roots.lasting("one"), roots.lasting("two"));
        let judged =
            common_root(&[shown("a", &[&one]), shown("b", &[&one]), shown("c", &[&two]), shown("d", &[&two])], NOW);
        assert_eq!(judged.sharing, Sharing::None { pairs: 4, of: 6 });
        let mut facts = judged.findings[0].problem.facts().to_vec();
        facts.sort();
        assert!(facts.len() == 4 && facts.iter().all(|it| it.contains(" and ")), "{facts:?}");
    }

    #[test]
    fn a_root_that_was_issued_anew_under_its_key_is_the_same_and_the_shorter_end_counts() {
        let roots = Roots::new();
        let (old, new) = roots.story.root_issued_twice(NOW + Duration::days(100), NOW + Duration::days(900));
        let judged = common_root(&[shown("a", &[&old]), shown("b", &[&new])], NOW);
        assert_eq!(judged.sharing, Sharing::All { roots: 1 });
        assert_eq!(judged.until, Some(old.not_after()));
        let judged = common_root(&[shown("a", &[&old, &new]), shown("b", &[&new])], NOW);
        assert_eq!((judged.sharing, judged.until), (Sharing::All { roots: 1 }, Some(new.not_after())));
    }

    #[test]
    fn the_last_second_of_the_common_root_still_holds_and_the_next_one_does_not() {
        let root = Roots::new().ending("one", NOW);
        let both = [shown("a", &[&root]), shown("b", &[&root])];
        let judged = common_root(&both, NOW);
        assert_eq!(judged.sharing, Sharing::All { roots: 1 });
        assert_eq!(codes(&judged), [(Code::CertificateExpiresSoon, Severity::Critical)]);
        let judged = common_root(&both, NOW + SECOND);
        assert_eq!((judged.sharing, judged.until), (Sharing::None { pairs: 1, of: 1 }, None));
        let expected = [(Code::NoCommonRoot, Severity::Critical), (Code::CertificateExpired, Severity::Critical)];
        assert_eq!(codes(&judged), expected);
    }

    #[test]
    fn seven_days_are_fine_a_second_less_is_a_warning_and_less_than_two_days_critical() {
        let roots = Roots::new();
        let with_left = |left: Duration| {
            let root = roots.ending("one", NOW + left);
            common_root(&[shown("a", &[&root]), shown("b", &[&root])], NOW).outcome()
        };
        assert_eq!(with_left(Duration::days(7)), Outcome::Fine);
        assert_eq!(with_left(Duration::days(7) - SECOND), Outcome::Warning);
        assert_eq!(with_left(Duration::hours(48)), Outcome::Warning);
        assert_eq!(with_left(Duration::hours(48) - SECOND), Outcome::Critical);
    }

    #[test]
    fn an_expired_root_beside_a_valid_one_is_a_warning() {
        let roots = Roots::new();
        let (old, new) = (roots.ending("old", NOW - SECOND), roots.lasting("new"));
        let judged = common_root(&[shown("a", &[&old, &new]), shown("b", &[&new])], NOW);
        assert_eq!(judged.sharing, Sharing::All { roots: 1 });
        assert_eq!(codes(&judged), [(Code::CertificateExpired, Severity::Warning)]);
    }

    #[test]
    fn the_only_common_root_counts_though_others_last_longer() {
        let roots = Roots::new();
        let (short, one, two) = (roots.ending("s", NOW + Duration::days(1)), roots.lasting("1"), roots.lasting("2"));
        let judged = common_root(&[shown("a", &[&short, &one]), shown("b", &[&short, &two])], NOW);
        assert_eq!(judged.until, Some(short.not_after()));
        assert_eq!(judged.outcome(), Outcome::Critical);
        let judged = common_root(&[shown("a", &[&short, &one]), shown("b", &[&short, &one])], NOW);
        assert_eq!((judged.until, judged.outcome()), (Some(one.not_after()), Outcome::Warning));
    }

    #[test]
    fn a_root_that_is_not_yet_valid_is_not_shared_yet() {
        let roots = Roots::new();
        let window = |from| Validity::new(from, NOW + Duration::days(90));
        let now = roots.story.root_within("r", window(NOW)).certificate;
        let soon = roots.story.root_within("r", window(NOW + SECOND)).certificate;
        let both = |root: &Certificate| common_root(&[shown("a", &[root]), shown("b", &[root])], NOW);
        assert_eq!(both(&now).outcome(), Outcome::Fine);
        assert_eq!(both(&soon).sharing, Sharing::None { pairs: 1, of: 1 });
        assert!(codes(&both(&soon)).contains(&(Code::CertificateNotYetValid, Severity::Critical)));
    }

    #[test]
    fn one_place_alone_is_told_what_it_trusts() {
        let roots = Roots::new();
        let (old, new) = (roots.ending("old", NOW - SECOND), roots.lasting("new"));
        let judged = common_root(&[shown("a", &[&new])], NOW);
        assert_eq!((judged.sharing, judged.until), (Sharing::Alone, Some(new.not_after())));
        let judged = common_root(&[shown("a", &[&old])], NOW);
        assert_eq!((judged.sharing, judged.until), (Sharing::Alone, None));
        assert_eq!(codes(&judged), [(Code::CertificateExpired, Severity::Critical)]);
        assert_eq!(common_root(&[], NOW).sharing, Sharing::Unknown);
    }

    #[test]
    fn what_could_not_be_seen_is_a_row_and_the_others_are_compared() {
        let root = Roots::new().lasting("one");
        let mut unseen = shown("c", &[]);
        unseen.bundle = Err(Problem::new(Code::ApiServerUnreachable, "no route"));
        let judged = common_root(&[shown("a", &[&root]), unseen, shown("b", &[&root])], NOW);
        assert_eq!(judged.sharing, Sharing::All { roots: 1 });
        assert_eq!(judged.outcome(), Outcome::Unknown);
        assert_eq!(judged.unseen().collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn text_without_a_certificate_is_not_seen_and_damaged_text_is_a_warning() {
        let root = Roots::new().lasting("one");
        let with = |text: String| Shown { place: "a".to_owned(), server: None, bundle: Ok(text.into_bytes()) };
        let judged = common_root(&[with("nothing".to_owned())], NOW);
        assert_eq!(judged.places[0].roots.as_ref().unwrap_err().code(), Code::PemNoBlock);
        let glued = format!("{}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", root.pem());
        let judged = common_root(&[with(glued)], NOW);
        assert_eq!(codes(&judged), [(Code::BundleDamaged, Severity::Warning)]);
        let judged = common_root(&[with(root.pem().trim_end().to_owned())], NOW);
        assert_eq!(codes(&judged), [], "a missing newline harms nobody who only reads");
    }

    #[test]
    fn the_sample_root_of_istio_is_critical_and_told_once() {
        let sample =
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/pki-fixtures/foreign/istio-samples/root-cert.pem"));
        let place = |name: &str| Shown { place: name.to_owned(), server: None, bundle: Ok(sample.into()) };
        let judged = common_root(&[place("a"), place("b")], NOW);
        assert_eq!(judged.sharing, Sharing::All { roots: 1 });
        let found: Vec<_> = judged.findings.iter().filter(|it| it.problem.code() == Code::PublishedSampleKey).collect();
        assert_eq!((found.len(), found[0].severity, found[0].place.as_str()), (1, Severity::Critical, "a and b"));
    }

    #[test]
    fn two_contexts_of_one_server_say_nothing_by_agreeing() {
        let root = Roots::new().lasting("one");
        let text = "contexts: [{ name: a, context: { cluster: a } }, { name: b, context: { cluster: b } }]\n\
                    clusters: [{ name: a, cluster: { server: 'https://u:word@s1' } }, { name: b, cluster: { server: s2 } }]";
        let list = ContextList::parse(&Secret::new(text.into()), Path::new("k")).unwrap();
        let at =
            |name: &str, server: usize| Shown { server: list.contexts[server].server.clone(), ..shown(name, &[&root]) };
        let judged = common_root(&[at("a", 0), at("b", 1)], NOW);
        assert_eq!(codes(&judged), []);
        let judged = common_root(&[at("a", 0), at("b", 0)], NOW);
        assert_eq!(judged.findings[0].problem.facts(), ["server  s1"]);
        assert_eq!(codes(&judged), [(Code::SameCluster, Severity::Warning)]);
    }

    #[test]
    fn many_names_are_cut_to_the_first_few() {
        assert_eq!(listed(&["a", "b", "c", "d"]), "a, b, c and d");
        assert_eq!(listed(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }
}
