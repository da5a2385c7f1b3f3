//! A leaked key as a finding: what it reaches, what does not help, and what to type next.

use crate::mesh::fleet::ClusterName;
use crate::mesh::leak::{Exposed, KeyOwner, Leak, Phase};
use crate::mesh::name_list::few;
use crate::mesh::walk_mark::Goal;
use crate::pki::fingerprint::Fingerprint;
use crate::problem::{Code, Finding, Problem, Severity};

impl Leak {
    /// How bad it is: critical as long as the key reaches a cluster, or may.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self.phase {
            Phase::Misnamed | Phase::Over { .. } => Severity::Warning,
            _ => Severity::Critical,
        }
    }

    /// The finding.
    #[must_use]
    pub fn finding(&self, place: &str) -> Finding {
        Finding { severity: self.severity(), place: place.to_owned(), problem: self.problem() }
    }

    /// In words, with the next thing to do as its hint.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let facts = [("phase", self.phase_words()), ("not protected", self.not_protected())]
            .into_iter()
            .chain([("protected", few(&self.protected.iter().map(ClusterName::as_str).collect::<Vec<_>>()))])
            .filter(|(_, words)| !words.is_empty());
        let mut problem = Problem::new(Code::KeyLeaked, self.what());
        if self.phase == Phase::Misnamed {
            problem = problem.fact(format!("SHA-256  {}", self.fingerprint));
        } else {
            problem = facts.fold(problem, |problem, (name, words)| problem.fact(format!("{name:<13}  {words}")));
        }
        if !self.exposed.is_empty() {
            problem = self.no_help().iter().fold(problem, |problem, words| problem.fact(*words));
        }
        let hint = self.next_words();
        problem.hint(hint)
    }

    /// The command to type next, without the program's name; `None`: something is to be written into the mesh file.
    #[must_use]
    pub fn next_command(&self) -> Option<String> {
        let is_walking = matches!(self.phase, Phase::Walk(_) | Phase::NeedsApproval(_) | Phase::Ahead(Goal::Start));
        if self.is_paused && is_walking {
            return None;
        }
        Some(match &self.phase {
            Phase::NeedsPin(_) | Phase::Over { .. } => return None,
            Phase::Misnamed => match &self.owner {
                KeyOwner::Intermediate(cluster) => format!("rotate --now {cluster} --reason leaked"),
                _ => return None,
            },
            Phase::NeedsRoot => "root create --next".to_owned(),
            Phase::NeedsSigner { has_issuing_tier: true } => "issuing create".to_owned(),
            Phase::NeedsSigner { has_issuing_tier: false } => "issue --until DATE".to_owned(),
            Phase::Walk(_) | Phase::Ahead(Goal::Start) => "rotate".to_owned(),
            Phase::NeedsApproval(root) => format!("rotate --approve-removal {root}"),
            Phase::TurnedBack => "rollback --undo".to_owned(),
            Phase::Ahead(_) => "rollback --reason leaked".to_owned(),
            Phase::Renewing => "report".to_owned(),
        })
    }

    fn what(&self) -> String {
        let total = self.exposed.len() + self.protected.len();
        let key = match &self.owner {
            KeyOwner::Nobody => {
                return "`leaked` names a certificate that is no root and no issuing CA here".to_owned();
            }
            KeyOwner::Intermediate(cluster) => {
                return format!("`leaked` names the intermediate of {cluster}; it is for roots and issuing CAs");
            }
            KeyOwner::Root(name) | KeyOwner::Issuing { name, root: None } => name.clone(),
            KeyOwner::Issuing { name, root: Some(root) } => format!("{name} under {root}"),
        };
        if self.exposed.is_empty() {
            return format!("nothing accepts the leaked key of {key} any more");
        }
        let accept = if self.exposed.len() == 1 { "accepts" } else { "accept" };
        format!("the key of {key} is leaked, and {} of {total} clusters {accept} whatever it signs", self.exposed.len())
    }

    fn not_protected(&self) -> String {
        let first = self.exposed.first().map(|Exposed { cluster, why }| format!("; {cluster}: {why}"));
        few(&self.exposed.iter().map(|it| it.cluster.as_str()).collect::<Vec<_>>()) + &first.unwrap_or_default()
    }

    /// What people would try first, and why it does not end it.
    const fn no_help(&self) -> &'static [&'static str] {
        match &self.owner {
            KeyOwner::Root(_) => &[
                "whoever has the key can make any identity, and workloads of these clusters accept it",
                "no revocation list helps against a root; what ends it is a change of root, with its old root removed",
            ],
            _ => &[
                "whoever has the key can make any identity, and workloads of these clusters accept it",
                "a new issuing CA takes no trust from the old one; what does is a change of root, with its old root removed",
                "revocation lists would be needed in every cluster, of every CA in a chain; meshca makes none",
            ],
        }
    }

    fn phase_words(&self) -> String {
        let words = match &self.phase {
            Phase::Misnamed => String::new(),
            Phase::NeedsRoot => "there is no other root to walk to".to_owned(),
            Phase::NeedsPin(_) => "a root to walk to is there, and is not used before the mesh file pins it".to_owned(),
            Phase::NeedsSigner { .. } => "the new root cannot give every control plane a signer yet".to_owned(),
            Phase::Walk(stage) => {
                let (name, number) = (stage.as_str(), stage.number());
                format!("{name} ({number} of 4): protection begins with Remove, for each cluster on its own")
            }
            Phase::NeedsApproval(_) => "Remove (4 of 4): the old root waits for your word to go".to_owned(),
            Phase::TurnedBack => "the change of root was turned back".to_owned(),
            Phase::Ahead(Goal::Forward) => "the fleet was walking to this root, and takes no further step".to_owned(),
            Phase::Ahead(_) => "the fleet was walking to this root, and goes back".to_owned(),
            Phase::Renewing => {
                "the old root is gone from every trust bundle; workloads learn that as they renew".to_owned()
            }
            Phase::Over { .. } => "over".to_owned(),
        };
        let is_held = self.is_paused && matches!(self.phase, Phase::Walk(_) | Phase::NeedsApproval(_));
        if is_held { format!("{words}; rotation is paused, so that nothing is done") } else { words }
    }

    fn next_words(&self) -> String {
        if let Some(command) = self.next_command() {
            return match self.phase {
                Phase::Renewing => format!("meshca {command}   says when it is over; nothing else need be done"),
                Phase::Ahead(Goal::Forward) => {
                    format!("meshca {command}   or, where a cluster has lost the old root: meshca root create --next")
                }
                _ => format!("meshca {command}"),
            };
        }
        match (&self.phase, &self.owner) {
            (Phase::NeedsPin(pins), _) => format!(
                "root.trusted: [{}]   in the mesh file, if the ceremony printed these",
                pins.iter().map(Fingerprint::to_string).collect::<Vec<_>>().join(", ")
            ),
            (Phase::Over { is_pinned: true }, _) => {
                format!("take {} out of root.trusted and of `leaked` in the mesh file", self.fingerprint)
            }
            (Phase::Over { .. } | Phase::Misnamed, _) => {
                format!("take {} out of `leaked` in the mesh file", self.fingerprint)
            }
            _ => "set rotation.paused to false in the mesh file".to_owned(),
        }
    }
}
